"""Retries of a caller: the first answer to a request id, given again.

A request that has begun is written down before anything is done, with the tokens that its calls to a cloud use; one that
was cut off is thus continued by its retry, under the same tokens. One that makes things at a cloud also keeps what it
has made, so that it can be finished or undone when nobody repeats it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message
from peewee import IntegrityError

from bridgx_server.errors import Conflict
from bridgx_server.store.database import Store
from bridgx_server.store.models import RequestRow
from bridgx_server.store.paging import Page, PageOf
from bridgx_server.store.scope import Scope

KEPT = 7 * 86_400_000  # ms that an answer is kept
LONGEST_FAILURE = 2000  # characters
YES, NO = True, False  # of columns, which are compared rather than tested


@dataclass(frozen=True)
class Earlier:
    """An earlier request of the same id. ``answer`` is empty while it has none."""

    answer: str


@dataclass(frozen=True)
class Key:
    """What names a request: who asked, under which id, for what."""

    caller: str
    request_id: str
    operation: str


@dataclass(frozen=True)
class Made:
    """Something that a request has made at a cloud: ``kind`` is vpc, subnet or security_group."""

    kind: str
    id: str


@dataclass(frozen=True)
class Progress:
    """How far a request has come, and why it failed if it did.

    ``doubt`` is the kind that a call may have made whose answer is not known. ``effect_until`` is until when (ms) a call that
    it has made, or may have made, could have its effect: whatever it has made is as old as that.
    """

    made: tuple[Made, ...] = ()
    undoing: bool = False
    doubt: str = ""
    generation: int = 0
    failure: str = ""
    effect_until: int = 0

    def id_of(self, kind: str) -> str:
        """The id of what it has made of that kind, or nothing."""
        return next((made.id for made in self.made if made.kind == kind), "")


@dataclass(frozen=True)
class Unfinished:
    """A request that something may be left of. Times are ms since the epoch."""

    key: Key
    payload: str
    progress: Progress
    created_at: int
    attempt_at: int
    attempts: int

    @property
    def caller(self) -> str:
        """The name of who asked, as people know it."""
        return str(json.loads(self.payload)["caller"]) if self.payload else self.key.caller


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


def begin(store: Store, key: Key, fingerprint: str, payload: str = "") -> Earlier | None:
    """Writes a request down; returns what is known of it where it was begun before.

    ``payload`` is the request itself, where it can be finished without its caller.

    Raises:
        Conflict: the id was used with other parameters.
    """
    with store.transaction():
        known = _find(key)
        if known is None:
            try:
                with store.transaction():
                    now = store.now()
                    RequestRow.create(
                        caller=key.caller,
                        request_id=key.request_id,
                        operation=key.operation,
                        fingerprint=fingerprint,
                        answer="",
                        created_at=now,
                        attempt_at=now,
                        attempts=1,
                        open=bool(payload),
                        payload=payload,
                    )
                return None
            except IntegrityError:
                known = _find(key)
        if known is None:
            return None
        # One of which nothing is left may be tried again with other parameters.
        spent = bool(payload) and not known.open and not known.answer
        if known.fingerprint != fingerprint and not spent:
            raise Conflict(f"request_id {key.request_id} was used with other parameters")
        if payload and not known.answer:
            _update(
                key,
                fingerprint=fingerprint,
                payload=payload,
                open=True,
                failure=known.failure if known.undoing else "",
                attempt_at=store.now(),
                attempts=known.attempts + 1,
            )
    return Earlier(known.answer)


def finish(key: Key, answer: str) -> None:
    """Keeps the answer, in the transaction of the change that it speaks of."""
    _update(key, answer=answer, open=False, payload="", failure="")


def answer_of(store: Store, key: Key) -> str:
    """The answer that another attempt has given meanwhile, or nothing; inside a transaction, which then holds the row."""
    query = RequestRow.select(RequestRow.answer).where(_is(key))
    row = (query if store.dialect == "sqlite" else query.for_update()).first()
    return "" if row is None else str(row.answer)


def is_answered(store: Store, key: Key) -> bool:
    """Whether it has an answer, or is known no more."""
    with store.connection():
        row = _find(key)
    return row is None or bool(row.answer)


def abandon(store: Store, key: Key) -> None:
    """Forgets a request that failed without an effect, so that it may be tried again, also with other parameters.

    One that has something left stays. One that was undone is kept too, since its tokens must not be used again.
    """
    nothing_left = (RequestRow.answer == "") & (RequestRow.made_json == "[]") & (RequestRow.undoing == NO)
    with store.transaction():
        RequestRow.delete().where(_is(key) & nothing_left & (RequestRow.generation == 0)).execute()
        RequestRow.update(open=False).where(_is(key) & nothing_left).execute()


def fail(store: Store, key: Key, failure: str) -> None:
    """Keeps why a request has not ended."""
    with store.transaction():
        _update(key, failure=failure[:LONGEST_FAILURE])


def forget_old(store: Store) -> None:
    """Drops answers that are older than a week; a request that something is left of stays."""
    with store.transaction():
        old = RequestRow.created_at < store.now() - KEPT
        RequestRow.delete().where(old & (RequestRow.open == NO)).execute()


# What a request makes at a cloud.


def progress_of(store: Store, key: Key) -> Progress:
    """How far it has come."""
    with store.connection():
        row = _find(key)
    return Progress() if row is None else _progress(row)


def doubt(store: Store, key: Key, kind: str, effect_until: int) -> None:
    """Says that a thing of that kind may be made until then (ms) by a call whose answer is not known; empty: by none."""
    with store.transaction():
        _update(key, doubt=kind, effect_until=effect_until)


def made(store: Store, key: Key, what: Made) -> None:
    """Keeps what a request has made, in the transaction that records the thing itself."""
    _change_made(key, lambda before: [*(row for row in before if row.kind != what.kind), what])
    _update(key, effect_until=store.now())
    RequestRow.update(doubt="").where(_is(key) & (RequestRow.doubt == what.kind)).execute()


def removed(key: Key, kind: str) -> None:
    """Says that it has been removed again, in the transaction that forgets the thing itself."""
    _change_made(key, lambda before: [row for row in before if row.kind != kind])


def undo(store: Store, key: Key, failure: str, doubt: str) -> None:
    """Says that what was made is to be removed; ``doubt`` is the kind that the call that failed may have made."""
    with store.transaction():
        _update(key, undoing=True, doubt=doubt, failure=failure[:LONGEST_FAILURE])


def undone(store: Store, key: Key) -> None:
    """Says that nothing is left of it; what is made under this id later is made under new tokens."""
    with store.transaction():
        _update(key, undoing=False, doubt="", failure="", open=False, generation=RequestRow.generation + 1)


def page_unfinished(store: Store, scope: Scope, owner: str, wanted: PageOf) -> Page[Unfinished]:
    """The requests that something may be left of, oldest first.

    A request stands for no account, so who does not see every account sees those of its own, ``owner``, alone.
    """
    query = RequestRow.select().where(RequestRow.open == YES)
    if scope.accounts is not None:
        query = query.where(RequestRow.caller == owner)
    with store.connection():
        total = query.count()
        rows = [_unfinished(row) for row in query.order_by(RequestRow.id).paginate(wanted.number, wanted.size)]
    return Page(rows, wanted.number, wanted.size, total)


def claim_idle(store: Store, idle: int) -> Unfinished | None:
    """Takes, for this process alone, the request that nobody has worked on for longest, and for ``idle`` ms at least."""
    with store.connection():
        now = store.now()
        row = (
            RequestRow.select()
            .where((RequestRow.open == YES) & (RequestRow.attempt_at <= now - idle))
            .order_by(RequestRow.attempt_at)
            .first()
        )
    if row is None:
        return None
    with store.transaction():
        taken = (
            RequestRow.update(attempt_at=now, attempts=RequestRow.attempts + 1)
            .where((RequestRow.id == row.id) & (RequestRow.attempt_at == row.attempt_at) & (RequestRow.open == YES))
            .execute()
        )
    return _unfinished(row) if taken else None


def _change_made(key: Key, change: Any) -> None:
    row = _find(key)
    if row is not None:
        after: Sequence[Made] = change(_progress(row).made)
        _update(key, made_json=json.dumps([[row.kind, row.id] for row in after]))


def _progress(row: RequestRow) -> Progress:
    things = tuple(Made(kind, thing_id) for kind, thing_id in json.loads(row.made_json))
    return Progress(things, bool(row.undoing), row.doubt, row.generation, row.failure, row.effect_until)


def _unfinished(row: RequestRow) -> Unfinished:
    return Unfinished(
        key=Key(row.caller, row.request_id, row.operation),
        payload=row.payload,
        progress=_progress(row),
        created_at=row.created_at,
        attempt_at=row.attempt_at,
        attempts=row.attempts,
    )


def _find(key: Key) -> RequestRow | None:
    found: RequestRow | None = RequestRow.get_or_none(_is(key))
    return found


def _update(key: Key, **changes: object) -> None:
    RequestRow.update(**changes).where(_is(key)).execute()


def _is(key: Key) -> Any:
    return (
        (RequestRow.caller == key.caller)
        & (RequestRow.request_id == key.request_id)
        & (RequestRow.operation == key.operation)
    )
