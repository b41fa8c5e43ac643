"""What becomes of machines that a call did not bring: asked for in smaller calls, at another placement, or not at all.

All of it runs inside the caller's transaction, which holds the task. ``moved`` in a chunk's row counts the machines that
later chunks ask for again, each under a token of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from bridgx_server.providers.errors import ErrorClass, ProviderError
from bridgx_server.scaling import outcome, placing, shortage
from bridgx_server.scaling.engine import Engine, Template
from bridgx_server.store import chunks, tasks
from bridgx_server.store.chunks import Chunk, Placement


def after_refusal(engine: Engine, template: Template, chunk: Chunk, error: ProviderError, now: int) -> int:
    """The cloud has made nothing of a chunk, and nothing of it is in doubt; returns how many are asked for again."""
    kind = error.kind
    if kind not in outcome.SHORTAGES:
        if kind is not ErrorClass.CONFLICT:
            _stop(engine, chunk, error, now)
        return 0
    partial_delivery = engine.clouds.provider(template.account_id).limits.partial_delivery
    if shortage.divisible(kind, chunk.asked, partial_delivery):
        found = shortage.exhausted(chunks.of_task(engine.store, chunk.task_id), partial_delivery)
        if shortage.scope_of(kind, chunk) not in found:
            return _divide(engine, chunk, chunk.asked, error, now)
    return _exhausted(engine, template, chunk, error, now)


def after_part(engine: Engine, template: Template, chunk: Chunk, missing: int, error: ProviderError, now: int) -> int:
    """The cloud has made a part of a chunk, and ``error`` says why no more; returns how many are asked for again."""
    if error.kind is ErrorClass.OUT_OF_STOCK:
        moved = _move_on(engine, template, chunk, missing, error, now)
        if moved:
            _clear(engine, template, chunk, error, now)
        placing.remember(engine, template, chunk, error, now)
        return moved
    if error.kind in outcome.SHORTAGES:
        # All of the chunk was refused, though earlier calls have made a part of it: it says nothing yet of what is missing.
        return _divide(engine, chunk, missing, error, now)
    return 0


def plan(engine: Engine, chunk: Chunk, sizes: Sequence[int], place: Placement, now: int) -> None:
    """Chunks that ask for what this one did not bring."""
    chunks.plan(engine.store, chunk.task_id, chunk.action, sizes, place, now, generation=chunk.generation)


def place_of(chunk: Chunk) -> Placement:
    """Where a chunk was asked for."""
    return Placement(chunk.placement, chunk.zone_id, chunk.subnet_id, chunk.instance_type)


def _divide(engine: Engine, chunk: Chunk, number: int, error: ProviderError, now: int) -> int:
    """Asks for fewer at the same placement; returns how many, all or, in a task that is canceled, none."""
    if tasks.canceled(chunk.task_id):
        return 0
    sizes = shortage.parts(number, error.available) if number > 1 else [number]
    plan(engine, chunk, sizes, place_of(chunk), now)
    return number


def _exhausted(engine: Engine, template: Template, chunk: Chunk, error: ProviderError, now: int) -> int:
    """Nothing is left where the chunk was asked for; returns how many are asked for at another placement.

    A quota is taken for the account's in the region, which it is on most clouds for most types: so the task ends with what it
    has, and goes round no limit that somebody has set by way of types and zones that were meant for stockouts.
    """
    moved = 0
    if error.kind is ErrorClass.QUOTA_EXCEEDED:
        _stop(engine, chunk, error, now)
    else:
        moved = _move_on(engine, template, chunk, chunk.asked, error, now)
        _clear(engine, template, chunk, error, now)
    placing.remember(engine, template, chunk, error, now)
    return moved


def _move_on(engine: Engine, template: Template, chunk: Chunk, missing: int, error: ProviderError, now: int) -> int:
    place = placing.following(engine, template, chunk, error.kind)
    if place is None or tasks.canceled(chunk.task_id):
        return 0
    plan(engine, chunk, [missing], place, now)
    return missing


def _clear(engine: Engine, template: Template, chunk: Chunk, error: ProviderError, now: int) -> None:
    """What was planned where nothing is left is not asked for there."""
    scope = shortage.scope_of(error.kind, chunk)
    for other in chunks.of_task(engine.store, chunk.task_id):
        if other.status != chunks.PLANNED or other.id == chunk.id or shortage.scope_of(error.kind, other) != scope:
            continue
        place = placing.following(engine, template, other, error.kind)
        if place is not None and not other.sent_at and not tasks.canceled(other.task_id):
            chunks.place(other, place)
        else:
            moved = _move_on(engine, template, other, other.asked, error, now)
            failure = outcome.failure_of(error)
            chunks.update(other.id, status=chunks.FAILED, finished_at=now, moved=moved, **failure)


def _stop(engine: Engine, chunk: Chunk, error: ProviderError, now: int) -> None:
    """What the cloud refused one chunk for good it would refuse the others too."""
    for other in chunks.of_task(engine.store, chunk.task_id):
        if other.status == chunks.PLANNED and other.id != chunk.id:
            chunks.update(other.id, status=chunks.FAILED, finished_at=now, **outcome.failure_of(error))
