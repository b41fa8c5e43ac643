"""An expand, step by step: plan chunks, send them, wait until their machines run, and account for every one asked.

A step may be cut off at any point and repeated by another worker: what was asked of the cloud stands in the ledger
before it is asked, under a token of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from bridgx_server.providers.errors import ErrorClass
from bridgx_server.scaling import faultpoints, outcome
from bridgx_server.scaling.engine import Engine, Template
from bridgx_server.scaling.parallel import in_parallel
from bridgx_server.scaling.send import send
from bridgx_server.store import audit, chunks, instances, tasks, watches
from bridgx_server.store.chunks import Chunk, ChunkCounts, Placement
from bridgx_server.store.leases import Lease
from bridgx_server.store.tasks import Task

CANCELED = "canceled"
BOOT_FAILED = "boot_failed"


def advance(engine: Engine, task: Task, lease: Lease) -> int | None:
    """Does what can be done now; returns when to go on (ms), None when the task has ended.

    Raises:
        LeaseLost: another worker holds the task.
        ProviderError: the account's adapter cannot be had.
    """
    template = engine.templates.template(task.cluster_id)
    if not chunks.of_task(engine.store, task.id):
        _plan(engine, task, lease, template)
    if task.cancel:
        _drop_unsent(engine, task, lease)
    due = _due(chunks.of_task(engine.store, task.id), engine.now())[: engine.settings.parallel_chunks]
    step = partial(send, engine, lease, template, canceled=bool(task.cancel))
    in_parallel(engine.calls, [partial(step, chunk) for chunk in due])
    _settle_accepted(engine, task, lease)
    ledger = chunks.of_task(engine.store, task.id)
    if any(chunk.open for chunk in ledger):
        return _next_step(engine, task, lease, ledger)
    return None if _finish(engine, task, lease, ledger) else engine.now()


def _plan(engine: Engine, task: Task, lease: Lease, template: Template) -> None:
    batch = engine.clouds.provider(task.account_id).limits.create_batch
    if engine.settings.batch:
        batch = min(batch, engine.settings.batch)
    sizes = [batch] * (task.asked // batch) + ([task.asked % batch] if task.asked % batch else [])
    watches.ensure(
        engine.store, template.account_id, template.region_id, engine.now() + int(engine.settings.reconcile * 1000)
    )
    with engine.store.transaction():
        now = engine.now()
        tasks.update(engine.store, lease, status="RUNNING", phase="CREATING", started_at=task.started_at or now)
        chunks.plan(engine.store, task.id, tasks.EXPAND, sizes, template.placements[0], now)
    engine.reach(faultpoints.EXPAND_PLANNED)


def _due(ledger: list[Chunk], now: int) -> list[Chunk]:
    """The chunks to send now.

    Where a chunk was split since there was less in stock than it asked for, others as large wait until the smaller ones
    have taken what there is.
    """
    return [chunk for chunk in _unsent(ledger) if chunk.next_at <= now]


def _unsent(ledger: Sequence[Chunk]) -> list[Chunk]:
    """The chunks that are to be sent as soon as their time comes; those that wait for smaller ones are not among them."""
    unsent = [chunk for chunk in ledger if chunk.status in (chunks.PLANNED, chunks.SENT)]
    too_large: dict[int, int] = {}
    for chunk in ledger:
        if chunk.status == chunks.FAILED and chunk.error_class == outcome.REASONS[ErrorClass.OUT_OF_STOCK]:
            too_large[chunk.placement] = min(chunk.asked, too_large.get(chunk.placement, chunk.asked))
    smaller = {chunk.placement for chunk in unsent if chunk.asked < too_large.get(chunk.placement, 0)}
    return [
        chunk
        for chunk in unsent
        if not (
            chunk.status == chunks.PLANNED
            and chunk.placement in smaller
            and chunk.asked >= too_large.get(chunk.placement, chunk.asked + 1)
        )
    ]


def _drop_unsent(engine: Engine, task: Task, lease: Lease) -> None:
    with engine.store.transaction():
        tasks.update(engine.store, lease)
        for chunk in chunks.of_task(engine.store, task.id):
            if chunk.status == chunks.PLANNED:
                chunks.update(
                    chunk.id,
                    status=chunks.FAILED,
                    error_class=CANCELED,
                    reason="the task was canceled",
                    finished_at=engine.now(),
                )


def _settle_accepted(engine: Engine, task: Task, lease: Lease) -> None:
    counts = chunks.counts_of_task(engine.store, task.id, tasks.EXPAND)
    for chunk in chunks.of_task(engine.store, task.id):
        count = counts.get(chunk.id, ChunkCounts())
        if chunk.status != chunks.ACCEPTED or count.pending:
            continue
        failed = count.accepted - count.ran
        with engine.store.transaction():
            tasks.update(engine.store, lease)
            now = engine.now()
            changes: dict[str, object] = {"status": chunks.DONE, "finished_at": now}
            if failed:
                changes["error_class"] = chunk.error_class or BOOT_FAILED
                changes["reason"] = chunk.reason or f"{failed} of {count.accepted} machines did not come to run"
                if chunk.generation == 0 and not task.cancel:
                    placement = Placement(chunk.placement, chunk.zone_id, chunk.subnet_id, chunk.instance_type)
                    chunks.plan(engine.store, task.id, tasks.EXPAND, [failed], placement, now, generation=1)
                    changes["moved"] = chunk.moved + failed
                    cluster = audit.of_account("cluster", task.cluster_name, task.account_id)
                    told = {"task_id": str(task.id), "machines": failed}
                    audit.changed_by_worker(engine.store, lease.owner, "replace machines", cluster, told)
            chunks.update(chunk.id, **changes)


def _next_step(engine: Engine, task: Task, lease: Lease, ledger: Sequence[Chunk]) -> int:
    now = engine.now()
    unsent = _unsent(ledger)
    if not unsent:
        phase, at = "BOOTING", now + int(engine.settings.poll_limit * 1000)  # woken as soon as a machine changes
    else:
        at = max(now, min(chunk.next_at for chunk in unsent))
        phase = "CREATING" if at <= now else "WAITING"
    with engine.store.transaction():
        tasks.update(engine.store, lease, phase=phase)
    return at


def _finish(engine: Engine, task: Task, lease: Lease, ledger: list[Chunk]) -> bool:
    """Ends the task; False where its end was asked for meanwhile: that decides what becomes of the machines."""
    engine.reach(faultpoints.EXPAND_BEFORE_FINISH)
    with engine.store.transaction():
        tasks.update(engine.store, lease)
        if tasks.cancel_of(task.id) != task.cancel:
            return False
        now = engine.now()
        counts = chunks.counts_of_task(engine.store, task.id, tasks.EXPAND)
        ran = sum(count.ran for count in counts.values())
        if task.cancel == "delete":
            _delete_all(engine, task, now)
        result = outcome.of_task(task, ledger, ran)
        tasks.update(
            engine.store,
            lease,
            status=result.status,
            reason=result.reason,
            error_class=result.error_class,
            phase="FINISHED",
            finished_at=now,
            queue_at=None,
        )
    engine.reach(faultpoints.EXPAND_FINISHED)
    return True


def _delete_all(engine: Engine, task: Task, now: int) -> None:
    template = engine.templates.template(task.cluster_id)
    watches.wake(task.account_id, template.region_id, now)
    machines = instances.of_task(engine.store, task.id)
    for status in instances.IN_USE:
        instances.change_many(
            [machine.id for machine in machines if machine.delete_chunk_id is None],
            if_status=status,
            status=instances.DELETING,
            reason="the task was canceled",
            deleting_at=now,
            tend_at=now,
            absences=0,
        )
