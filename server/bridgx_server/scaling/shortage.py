"""What a refusal for want of something says of larger and smaller calls, of the ledger alone: nothing here asks or writes.

Three things can be short: machines in stock at a placement, addresses in a subnet, and a quota, of which only the cloud
knows what it counts. Each has a scope, within which a refusal concerns other chunks too. A refusal of several says nothing
of fewer, so what is left is found by halving; a refusal of one says that nothing is left. While that is being found out,
the chunks of a scope are sent one at a time, so that the calls grow with the logarithm of the number asked for and not
with the number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bridgx_server.providers.errors import ErrorClass
from bridgx_server.scaling.outcome import REASONS, SHORTAGES
from bridgx_server.store import chunks
from bridgx_server.store.chunks import Chunk

_KINDS: Mapping[str, ErrorClass] = {REASONS[kind]: kind for kind in SHORTAGES}


@dataclass(frozen=True)
class Scope:
    """Where something is short. ``where`` is a placement's rank or a subnet, and empty for a quota: that is the task's."""

    kind: ErrorClass
    where: str = ""


def scope_of(kind: ErrorClass, chunk: Chunk) -> Scope:
    """What a shortage of that kind, met by the chunk, is about."""
    if kind is ErrorClass.OUT_OF_STOCK:
        return Scope(kind, str(chunk.placement))
    return Scope(kind, chunk.subnet_id if kind is ErrorClass.NO_ADDRESSES else "")


def divisible(kind: ErrorClass, asked: int, partial_delivery: bool) -> bool:
    """Whether fewer than ``asked`` may be had after that refusal.

    With ``partial_delivery`` the cloud delivers what is in stock, so what it refuses is sold out. Addresses and quotas are
    refused as a whole on every cloud.
    """
    if asked <= 1 or kind not in SHORTAGES:
        return False
    return not (partial_delivery and kind is ErrorClass.OUT_OF_STOCK)


def parts(asked: int, available: int | None) -> list[int]:
    """The sizes of the two calls that take what is left after a refusal of ``asked`` (2 or more), in their order.

    ``available`` is how many the cloud says it would give at most; where it does not say, or names no fewer than were
    asked for, halves. Where it says none, one is asked for all the same, and a refusal of that is believed.
    """
    first = asked - asked // 2
    if available is not None and available < asked:
        first = max(available, 1)
    return [first, asked - first]


def exhausted(ledger: Sequence[Chunk], partial_delivery: bool) -> set[Scope]:
    """The scopes in which nothing is left, as the task has found."""
    return {scope_of(kind, chunk) for chunk, kind in _met(ledger) if _proves(chunk, kind, partial_delivery)}


def waiting(ledger: Sequence[Chunk], partial_delivery: bool) -> set[int]:
    """The ids of the planned chunks that wait until others of the task have found out what there is.

    Never all that are unsent.
    """
    ceilings: dict[Scope, int] = {}
    for chunk, kind in _met(ledger):
        if (
            chunk.sent_at
            and chunk.status == chunks.FAILED
            and not (partial_delivery and kind is ErrorClass.OUT_OF_STOCK)
        ):
            scope = scope_of(kind, chunk)
            ceilings[scope] = min(chunk.asked, ceilings.get(scope, chunk.asked))
    if not ceilings:
        return set()

    def short(chunk: Chunk) -> set[Scope]:
        return {scope for kind in SHORTAGES if (scope := scope_of(kind, chunk)) in ceilings}

    planned = [chunk for chunk in ledger if chunk.status == chunks.PLANNED]
    sent = [chunk for chunk in ledger if chunk.status == chunks.SENT]
    taken = {scope for chunk in sent for scope in short(chunk)}
    ready: set[int] = set()
    for chunk in planned:
        own = short(chunk)
        if taken.isdisjoint(own) and all(chunk.asked < ceilings[scope] for scope in own):
            ready.add(chunk.id)
            taken |= own
    if not ready and not sent:
        ready = {chunk.id for chunk in planned[:1]}
    return {chunk.id for chunk in planned} - ready


def _met(ledger: Sequence[Chunk]) -> list[tuple[Chunk, ErrorClass]]:
    return [(chunk, _KINDS[chunk.error_class]) for chunk in ledger if chunk.error_class in _KINDS]


def _proves(chunk: Chunk, kind: ErrorClass, partial_delivery: bool) -> bool:
    """Whether what the chunk met says that nothing is left."""
    if kind is ErrorClass.OUT_OF_STOCK:
        # Where a call is granted in full or not at all, a refusal of several says nothing of one. One that was never sent
        # was given up since another had found out.
        return partial_delivery or chunk.asked == 1 or chunk.status != chunks.FAILED or not chunk.sent_at
    return chunk.status == chunks.FAILED and (chunk.asked == 1 or not chunk.sent_at)
