"""Retries of a caller: the first answer to a request id, given again.

A request that has begun is written down before anything is done, with the tokens that its calls to a cloud use; one that
was cut off is thus continued by its retry, under the same tokens. One that makes things at a cloud also keeps what it
has made, so that it can be finished or undone when nobody repeats it.

One attempt at a time works on a request, whatever process it runs in: it holds the row by a lease, and whatever it writes
about the request it writes under that lease's fence. What an attempt has made belongs to the request.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from peewee import IntegrityError

from bridgx_server.errors import Conflict
from bridgx_server.store.database import Store
from bridgx_server.store.leases import Lease, LeaseLost, Loss
from bridgx_server.store.models import RequestRow
from bridgx_server.store.paging import Page, PageOf
from bridgx_server.store.retrying import made_again
from bridgx_server.store.scope import Scope

KEPT = 7 * 86_400_000  # ms that an answer is kept
INSERTS = 3  # attempts to write a row that another may be writing at the same moment
LONGEST_FAILURE = 2000  # characters
YES, NO = True, False  # of columns, which are compared rather than tested


@dataclass(frozen=True)
class Answered:
    """An earlier request of the same id, and what it was answered with."""

    answer: str


@dataclass(frozen=True)
class Busy:
    """Another attempt holds the request, or may: it can be claimed in ``wait`` ms at the earliest.

    ``unsettled``: whoever held it is gone, and a call to the cloud that it had begun may still have its effect.
    """

    wait: int
    unsettled: bool = False


@dataclass(frozen=True)
class Claim:
    """Who is to hold a request: a name that no other attempt has, and for how many ms unless it is renewed."""

    owner: str
    lease_ms: int


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


@made_again
def begin(store: Store, key: Key, fingerprint: str, claim: Claim, payload: str = "") -> Lease | Answered | Busy:
    """Writes a request down and claims it, unless it has been answered or another attempt holds it.

    ``payload`` is the request itself, where it can be finished without its caller.

    Raises:
        Conflict: the id was used with other parameters.
    """
    for _ in range(INSERTS):
        try:
            with store.transaction():
                return _begin(store, key, fingerprint, claim, payload)
        except IntegrityError:
            continue  # another has written it meanwhile; not looked at in here, where two who wait for it would deadlock
    return Busy(0)


def _begin(store: Store, key: Key, fingerprint: str, claim: Claim, payload: str) -> Lease | Answered | Busy:
    known = _locked(store, _is(key))
    now = store.now()
    if known is None:
        row = RequestRow.create(
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
            # A row that was dropped may come again under its old number: its fences must go on.
            fence=now,
        )
        return _take(store, row, claim)
    wait = _held_for(known, now)
    # One of which nothing is left may be tried again with other parameters.
    spent = bool(payload) and not known.open and not known.answer and not wait
    if known.fingerprint != fingerprint and not spent:
        raise Conflict(f"request_id {key.request_id} was used with other parameters")
    if known.answer:
        return Answered(known.answer)
    if wait:
        return Busy(wait, unsettled=known.lease_until <= now)
    changes: dict[str, object] = {"attempt_at": now, "attempts": known.attempts + 1}
    if payload:
        failure = known.failure if known.undoing else ""
        changes |= {"fingerprint": fingerprint, "payload": payload, "open": True, "failure": failure}
    return _take(store, known, claim, **changes)


def look(store: Store, key: Key) -> Answered | Busy | None:
    """What :func:`begin` would find, without a lock: None where the request may be claimed now."""
    with store.connection():
        row = _find(key)
        if row is None:
            return None
        if row.answer:
            return Answered(row.answer)
        now = store.now()
        wait = _held_for(row, now)
        return Busy(wait, unsettled=row.lease_until <= now) if wait else None


def _held_for(row: RequestRow, now: int) -> int:
    """In how many ms the request may be claimed; 0: now."""
    return max(int(row.lease_until + row.unsettled_ms - now), 0)


def _take(store: Store, row: RequestRow, claim: Claim, **changes: object) -> Lease:
    ends_at = store.ticks() + claim.lease_ms / 1000
    fence = row.fence + 1
    RequestRow.update(
        lease_owner=claim.owner,
        lease_until=store.now() + claim.lease_ms,
        fence=fence,
        unsettled_ms=0,
        **changes,
    ).where(RequestRow.id == row.id).execute()
    return Lease(RequestRow, row.id, fence, claim.owner, Loss(store.ticks, ends_at))


def hold(store: Store, lease: Lease) -> RequestRow:
    """Makes sure, inside a transaction, that the request is held, and keeps it so until the transaction ends.

    Raises:
        LeaseLost: another attempt has claimed it, or it is known no more.
    """
    row = _locked(store, _under(lease))
    if row is None:
        lease.lost.set()
        raise LeaseLost(f"request {lease.row_id} is held by another attempt")
    return row


def finish(store: Store, lease: Lease, answer: str) -> None:
    """Keeps the answer, in the transaction of the change that it speaks of. Raises LeaseLost."""
    hold(store, lease)
    _change(lease, answer=answer, open=False, payload="", failure="", **_given_back(0, 0))


@made_again
def fail(store: Store, lease: Lease, failure: str, *, doubtful: bool) -> None:
    """Keeps why a request has not ended, and gives it back.

    Unless it is ``doubtful`` whether something was done, one that has nothing left is forgotten, so that it may be tried
    again, also with other parameters; one that was undone is kept, since its tokens must not be used again.

    Raises:
        LeaseLost: another attempt has claimed it.
    """
    with store.transaction():
        row = hold(store, lease)
        nothing_left = not doubtful and row.made_json == "[]" and not row.undoing and not row.doubt
        if nothing_left and row.generation == 0:
            RequestRow.delete().where(_under(lease)).execute()
            return
        unsettled = row.unsettled_ms if doubtful else 0
        still_open = row.open and not nothing_left
        changes = _given_back(store.now(), unsettled)
        _change(lease, failure=failure[:LONGEST_FAILURE], open=still_open, **changes)


@made_again
def release(store: Store, lease: Lease) -> None:
    """Gives a request back as it is, if it is still held: an attempt broke off here."""
    with store.transaction():
        row = _locked(store, _under(lease))
        if row is not None:
            _change(lease, **_given_back(store.now(), row.unsettled_ms))


def _given_back(now: int, unsettled_ms: int) -> dict[str, object]:
    return {"lease_owner": "", "lease_until": now if unsettled_ms else 0, "unsettled_ms": unsettled_ms}


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


@made_again
def asking(store: Store, lease: Lease) -> None:
    """Says that a cloud is about to be asked to change or remove something, which may be asked again at any time.

    Raises:
        LeaseLost: another attempt has claimed the request; the cloud must not be asked.
    """
    with store.transaction():
        hold(store, lease)


@made_again
def making(store: Store, lease: Lease, kind: str, effect_until: int, unsettled_ms: int) -> None:
    """Says that a thing of that kind may be made until then (ms) by a call whose answer is not known; empty: by none.

    ``unsettled_ms``: how long after the lease's end that call may still have an effect which nobody sees, where it cannot be
    made again safely before; 0 where it can, or where the call has ended.

    Raises:
        LeaseLost: another attempt has claimed the request; the cloud must not be asked.
    """
    with store.transaction():
        hold(store, lease)
        _change(lease, doubt=kind, effect_until=effect_until, unsettled_ms=unsettled_ms)


def made(store: Store, lease: Lease, what: Made) -> None:
    """Keeps what a request has made, in the transaction that records the thing itself. Raises LeaseLost."""
    row = hold(store, lease)
    things = [*(thing for thing in _progress(row).made if thing.kind != what.kind), what]
    doubt = "" if row.doubt == what.kind else row.doubt
    _change(lease, made_json=_json_of(things), doubt=doubt, effect_until=store.now(), unsettled_ms=0)


def removed(store: Store, lease: Lease, kind: str) -> None:
    """Says that it has been removed again, in the transaction that forgets the thing itself. Raises LeaseLost."""
    row = hold(store, lease)
    _change(lease, made_json=_json_of([thing for thing in _progress(row).made if thing.kind != kind]))


@made_again
def undo(store: Store, lease: Lease, failure: str, doubt: str) -> None:
    """Says that what was made is to be removed; ``doubt`` is the kind that the call that failed may have made.

    Raises:
        LeaseLost: another attempt has claimed it, and may have answered with what was made.
    """
    with store.transaction():
        hold(store, lease)
        _change(lease, undoing=True, doubt=doubt, failure=failure[:LONGEST_FAILURE])


@made_again
def undone(store: Store, lease: Lease) -> None:
    """Says that nothing is left of it; what is made under this id later is made under new tokens. Raises LeaseLost."""
    with store.transaction():
        row = hold(store, lease)
        changes: dict[str, object] = {"undoing": False, "doubt": "", "failure": "", "open": False, "unsettled_ms": 0}
        _change(lease, generation=row.generation + 1, **changes)


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


def claim_idle(store: Store, idle: int, claim: Claim) -> tuple[Unfinished, Lease] | None:
    """Takes the request that nobody holds and nobody has worked on for longest, and for ``idle`` ms at least."""
    with store.connection():
        now = store.now()
        free = RequestRow.lease_until + RequestRow.unsettled_ms <= now
        row = (
            RequestRow.select()
            .where((RequestRow.open == YES) & (RequestRow.attempt_at <= now - idle) & free)
            .order_by(RequestRow.attempt_at)
            .first()
        )
    if row is None:
        return None
    with store.transaction():
        known = _locked(store, (RequestRow.id == row.id) & (RequestRow.fence == row.fence) & (RequestRow.open == YES))
        if known is None:
            return None
        lease = _take(store, known, claim, attempt_at=now, attempts=known.attempts + 1)
    return _unfinished(known), lease


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


def _json_of(things: Sequence[Made]) -> str:
    return json.dumps([[thing.kind, thing.id] for thing in things])


def _find(key: Key) -> RequestRow | None:
    found: RequestRow | None = RequestRow.get_or_none(_is(key))
    return found


def _locked(store: Store, which: Any) -> RequestRow | None:
    query = RequestRow.select().where(which)
    found: RequestRow | None = (query if store.dialect == "sqlite" else query.for_update()).first()
    return found


def _change(lease: Lease, **changes: object) -> None:
    RequestRow.update(**changes).where(_under(lease)).execute()


def _is(key: Key) -> Any:
    return (
        (RequestRow.caller == key.caller)
        & (RequestRow.request_id == key.request_id)
        & (RequestRow.operation == key.operation)
    )


def _under(lease: Lease) -> Any:
    return (RequestRow.id == lease.row_id) & (RequestRow.fence == lease.fence) & (RequestRow.lease_owner == lease.owner)
