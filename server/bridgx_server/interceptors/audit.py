"""Tells the audit of every change that is asked for: who, from where, what, and how it ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import structlog
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from bridgx_server.domain.text import visible
from bridgx_server.errors import BridgXError
from bridgx_server.front.context import CallContext
from bridgx_server.interceptors.caller import current_identity, current_request_id
from bridgx_server.interceptors.errors import reason_of
from bridgx_server.interceptors.layer import Layer
from bridgx_server.interceptors.operations import name_of, operation_of
from bridgx_server.interceptors.origin import Proxies, origin_of
from bridgx_server.providers.errors import ProviderError
from bridgx_server.store import audit
from bridgx_server.store.audit import Actor, Change, Resource
from bridgx_server.store.database import Store
from bridgx_server.store.failures import DATABASE_FAILURES

LONGEST_LIST = 20  # entries of a list that are kept
LONGEST_TEXT = 256  # characters of a field that are kept
REDACTED = "(not kept)"

log = structlog.get_logger("bridgx.audit")


class Audit(Layer):
    """Stands inside :class:`Auth` and around everything that may refuse a call."""

    def __init__(self, store: Store, proxies: Proxies) -> None:
        """``proxies``: whose X-Forwarded-For is believed."""
        self._store = store
        self._proxies = proxies

    def around(self, method: str, request: Any, context: CallContext) -> Iterator[None]:
        operation = operation_of(method)
        if operation is None or not operation.changes:
            yield
            return
        detail = redacted(request)
        resource = Resource(operation.resource_kind, str(detail.get(operation.named_by, "")))
        with audit.change(
            self._actor(context), name_of(method), request_id=current_request_id(), detail=detail
        ) as change:
            try:
                yield
            except Exception as error:
                # What an exception of ours or of a cloud says is told to the caller as well; another's text may hold anything.
                message = error.message if isinstance(error, (BridgXError, ProviderError)) else ""
                self._tell(change, detail, resource, reason_of(error), message)
                raise
            if not change.written:
                self._tell(change, detail, resource, audit.UNCHANGED, "")

    def _actor(self, context: CallContext) -> Actor:
        identity = current_identity()
        origin = origin_of(context, self._proxies)
        return Actor(identity.name, identity.kind, identity.key, origin.address, origin.proxy)

    def _tell(
        self, change: Change, request: Mapping[str, object], resource: Resource, outcome: str, message: str
    ) -> None:
        try:
            found = audit.located(self._store, current_identity().scope, request, resource)
            audit.told(self._store, change, found, outcome, message)
        except DATABASE_FAILURES as error:
            # The call has failed for the same reason, or has changed nothing: nothing that happened stays untold.
            log.error(
                "audit not written",
                operation=change.operation,
                outcome=outcome,
                error=f"{type(error).__name__}: {error}",
            )


def redacted(request: Message) -> dict[str, Any]:
    """A request as JSON, without what its proto marks ``debug_redact``, long texts and lists cut short, all of it readable."""
    fields: dict[str, Any] = MessageToDict(_without_secrets(request), preserving_proto_field_name=True)
    short = _shortened(fields)
    assert isinstance(short, dict)
    return short


def _without_secrets(message: Message) -> Message:
    copy = type(message)()
    copy.CopyFrom(message)
    _strike_out(copy)
    return copy


def _strike_out(message: Any) -> None:
    for field, value in message.ListFields():
        if field.GetOptions().debug_redact:
            message.ClearField(field.name)
            if field.type == field.TYPE_STRING and not field.is_repeated:
                setattr(message, field.name, REDACTED)
        elif field.type == field.TYPE_MESSAGE and not field.message_type.GetOptions().map_entry:
            for part in value if field.is_repeated else (value,):
                _strike_out(part)


def _shortened(value: object) -> object:
    if isinstance(value, str):
        shown = visible(value[:LONGEST_TEXT])
        return shown if len(value) <= LONGEST_TEXT else f"{shown}… ({len(value)} characters)"
    if isinstance(value, list):
        first = [_shortened(item) for item in value[:LONGEST_LIST]]
        return first if len(value) <= LONGEST_LIST else [*first, f"… ({len(value)} entries)"]
    if isinstance(value, dict):
        return {visible(key): _shortened(item) for key, item in value.items()}
    return value
