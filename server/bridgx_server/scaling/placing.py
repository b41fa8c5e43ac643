"""Where machines are asked for: the template's placements in their order, those known as sold out last.

What one task finds sold out is remembered for a while for all tasks of the account, by zone and type. A memory only changes
the order: a task that finds nothing elsewhere asks at the remembered placements too, the oldest memory first, so that no
task fails over a stockout that has passed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from bridgx_server.providers.errors import ErrorClass, ProviderError
from bridgx_server.scaling import shortage
from bridgx_server.scaling.engine import Engine, EngineSettings, Template
from bridgx_server.scaling.shortage import Scope
from bridgx_server.store import chunks, stockouts
from bridgx_server.store.chunks import Chunk, Placement
from bridgx_server.store.database import Store

SoldOut = Mapping[tuple[str, str], int]  # zone and type → when they were last found sold out, in ms


def remembered(store: Store, settings: EngineSettings, account_id: int) -> SoldOut:
    """What is remembered of an account now."""
    return stockouts.remembered(store, account_id, store.now() - int(settings.stockout_memory * 1000))


def sold_out(engine: Engine, account_id: int) -> SoldOut:
    """The same in the engine."""
    return remembered(engine.store, engine.settings, account_id)


def in_order(placements: Sequence[Placement], known: SoldOut) -> list[Placement]:
    """The placements in the order in which they are asked."""
    return sorted(placements, key=lambda place: (known.get((place.zone_id, place.instance_type), 0), place.rank))


def following(
    engine: Engine, template: Template, chunk: Chunk, kind: ErrorClass = ErrorClass.OUT_OF_STOCK
) -> Placement | None:
    """Where to ask for a chunk's machines that its own placement has not, for want of what ``kind`` says.

    None when all placements have been tried.
    """
    ledger = chunks.of_task(engine.store, chunk.task_id)
    partial = engine.clouds.provider(template.account_id).limits.partial_delivery
    tried = shortage.exhausted(ledger, partial) | {shortage.scope_of(kind, chunk)}
    left = [place for place in _untried(template, tried) if place.rank != chunk.placement]
    return next(iter(in_order(left, sold_out(engine, template.account_id))), None)


def better(engine: Engine, template: Template, chunk: Chunk) -> Placement | None:
    """Where to ask instead for a chunk of which nothing was asked yet, if its own placement is known as sold out."""
    known = sold_out(engine, template.account_id)
    own = known.get((chunk.zone_id, chunk.instance_type))
    if own is None:
        return None
    place = following(engine, template, chunk)
    if place is None or known.get((place.zone_id, place.instance_type), 0) >= own:
        return None
    return place


def only_probe(template: Template, ledger: Sequence[Chunk], known: SoldOut, partial_delivery: bool) -> Collection[int]:
    """The placements, by rank, that one chunk at a time is asked for, since all that are left are known as sold out."""
    left = _untried(template, shortage.exhausted(ledger, partial_delivery))
    doubtful = {place.rank for place in left if (place.zone_id, place.instance_type) in known}
    return doubtful if len(doubtful) == len(left) else ()


def _untried(template: Template, tried: set[Scope]) -> list[Placement]:
    """The placements of which neither the stock nor the subnet is exhausted."""
    return [
        place
        for place in template.placements
        if Scope(ErrorClass.OUT_OF_STOCK, str(place.rank)) not in tried
        and Scope(ErrorClass.NO_ADDRESSES, place.subnet_id) not in tried
    ]


def remember(engine: Engine, template: Template, chunk: Chunk, error: ProviderError, now: int) -> None:
    """Writes down what has nothing left, inside the caller's transaction.

    A stockout is written down for the other tasks of the account, a quota for plans. That a subnet is full says nothing of
    its zone and type, and the cloud tells it to whoever asks.
    """
    if error.kind is ErrorClass.OUT_OF_STOCK:
        stockouts.remember(engine.store, template.account_id, chunk.zone_id, chunk.instance_type, now)
    elif error.kind is ErrorClass.QUOTA_EXCEEDED:
        stockouts.remember_quota(
            engine.store, template.account_id, chunk.zone_id, chunk.instance_type, error.message, now
        )


def forget(engine: Engine, template: Template, chunk: Chunk) -> None:
    """Takes it back, since a chunk was granted in full, inside the caller's transaction.

    What was found after the chunk was sent stands: the chunk may have taken the last that there was.
    """
    now = chunks.get(engine.store, chunk.id)
    if now is not None:
        where = (template.account_id, chunk.zone_id, chunk.instance_type)
        stockouts.forget(*where, now.last_sent_at)
        stockouts.forget_quota(*where, now.last_sent_at)
