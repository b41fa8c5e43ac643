"""Checks every request against the constraints that its proto declares."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import protovalidate
from google.protobuf.message import Message

from bridgx_server.errors import FieldError, InvalidField, InvalidFields
from bridgx_server.front.context import CallContext
from bridgx_server.interceptors.caller import current_idempotency_key
from bridgx_server.interceptors.layer import Layer

_KEY = re.compile(r"[A-Za-z0-9._:-]{0,64}")


class Validation(Layer):
    """Refuses what breaks a constraint, naming every field that does."""

    def __init__(self) -> None:
        self._validator = protovalidate.Validator()

    def around(self, method: str, request: Any, context: CallContext) -> Iterator[None]:
        if isinstance(request, Message) and method.startswith("/bridgx."):
            errors = [
                FieldError(_path(violation.proto), violation.proto.message)
                for violation in self._validator.collect_violations(request)
            ]
            if errors:
                raise InvalidFields(errors)
            if not _KEY.fullmatch(current_idempotency_key()):
                raise InvalidField("Idempotency-Key", "must have at most 64 characters of letters, digits and ._:-")
        yield


def _path(violation: Any) -> str:
    """The field as JSON has it: `disks.data_disk[0].size`, `tags["key"]`."""
    parts: list[str] = []
    for element in violation.field.elements if violation.field is not None else ():
        kind, key = _subscript(element)
        part = str(element.field_name)
        if kind:
            part += f"[{key}]" if kind == "index" else f"[{str(key)!r}]"
        parts.append(part)
    # A rule over a whole message is named after the field that it is about: `network_config.subnet_id.required`.
    return ".".join(parts) or str(violation.rule_id).rpartition(".")[0]


def _subscript(element: Any) -> tuple[str, Any]:
    subscript = getattr(element, "subscript", None)
    if subscript is None:
        return "", None
    return str(subscript.field), subscript.value
