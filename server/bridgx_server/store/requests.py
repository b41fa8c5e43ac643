"""Retries of a caller: the first answer to a request id, given again.

A request that has begun is written down before anything is done, with the tokens that its calls to a cloud use; one that
was cut off is thus continued by its retry, under the same tokens.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message
from peewee import IntegrityError

from bridgx_server.errors import Conflict
from bridgx_server.store.database import Store
from bridgx_server.store.models import RequestRow

KEPT = 7 * 86_400_000  # ms that an answer is kept


@dataclass(frozen=True)
class Earlier:
    """An earlier request of the same id. ``answer`` is empty while it has none."""

    answer: str


def fingerprint_of(request: Message, salt: str) -> str:
    """A short text that differs where requests do; the request id is no part of it.

    Secrets in the request, which its proto marks with ``debug_redact``, make it slow to compute: who has the table
    cannot try many passwords. ``salt`` must be the same for the same request.
    """
    copy = type(request)()
    copy.CopyFrom(request)
    if "request_id" in copy.DESCRIPTOR.fields_by_name:
        copy.ClearField("request_id")
    data = copy.SerializeToString(deterministic=True)
    if any(field.GetOptions().debug_redact and value for field, value in copy.ListFields()):
        return hashlib.scrypt(data, salt=salt.encode(), n=2**14, r=8, p=1, dklen=32).hex()
    return hashlib.sha256(data).hexdigest()


def begin(store: Store, caller: str, request_id: str, operation: str, fingerprint: str) -> Earlier | None:
    """Writes a request down; returns what is known of it where it was begun before.

    Raises:
        Conflict: the id was used with other parameters.
    """
    with store.transaction():
        known = _find(caller, request_id, operation)
        if known is None:
            try:
                with store.transaction():
                    RequestRow.create(
                        caller=caller,
                        request_id=request_id,
                        operation=operation,
                        fingerprint=fingerprint,
                        answer="",
                        created_at=store.now(),
                    )
                return None
            except IntegrityError:
                known = _find(caller, request_id, operation)
    if known is None:
        return None
    if known.fingerprint != fingerprint:
        raise Conflict(f"request_id {request_id} was used with other parameters")
    return Earlier(known.answer)


def finish(caller: str, request_id: str, operation: str, answer: str) -> None:
    """Keeps the answer, in the transaction of the change that it speaks of."""
    RequestRow.update(answer=answer).where(_is(caller, request_id, operation)).execute()


def answer_of(store: Store, caller: str, request_id: str, operation: str) -> str:
    """The answer that another attempt has given meanwhile, or nothing; inside a transaction, which then holds the row."""
    query = RequestRow.select(RequestRow.answer).where(_is(caller, request_id, operation))
    row = (query if store.dialect == "sqlite" else query.for_update()).first()
    return "" if row is None else str(row.answer)


def abandon(store: Store, caller: str, request_id: str, operation: str) -> None:
    """Forgets a request that failed without an effect, so that it may be tried again, also with other parameters."""
    with store.transaction():
        RequestRow.delete().where(_is(caller, request_id, operation) & (RequestRow.answer == "")).execute()


def forget_old(store: Store) -> None:
    """Drops what is older than a week."""
    with store.transaction():
        RequestRow.delete().where(RequestRow.created_at < store.now() - KEPT).execute()


def _find(caller: str, request_id: str, operation: str) -> RequestRow | None:
    found: RequestRow | None = RequestRow.get_or_none(_is(caller, request_id, operation))
    return found


def _is(caller: str, request_id: str, operation: str) -> Any:
    return (RequestRow.caller == caller) & (RequestRow.request_id == request_id) & (RequestRow.operation == operation)
