"""An expand, step by step: plan chunks, send them, wait until their machines run, and account for every one asked.

A step may be cut off at any point and repeated by another worker: what was asked of the cloud stands in the ledger
before it is asked, under a token of its own.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from bridgx_server.providers.errors import ErrorClass
from bridgx_server.scaling import faultpoints, fresh, outcome, placing, reassign, refusals, shortage
from bridgx_server.scaling.engine import Engine, Template
from bridgx_server.scaling.parallel import in_parallel
from bridgx_server.scaling.send import send
from bridgx_server.scaling.tasks import sizes_of
from bridgx_server.store import audit, chunks, clusters, deletions, instances, tasks, watches
from bridgx_server.store.chunks import Chunk, ChunkCounts
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
    now = engine.now()
    ready = _ready(engine, template, chunks.of_task(engine.store, task.id))
    due = [chunk for chunk in ready if chunk.next_at <= now][: engine.settings.parallel_chunks]
    step = partial(send, engine, lease, template, canceled=bool(task.cancel))
    in_parallel(engine.calls, [partial(step, chunk) for chunk in due])
    _settle_accepted(engine, task, lease, template)
    ledger = chunks.of_task(engine.store, task.id)
    if any(chunk.open for chunk in ledger):
        return _next_step(engine, task, lease, _ready(engine, template, ledger))
    if template.charge.charge_type == "PrePaid" and _is_deleting(engine, task, lease):
        return engine.now() + int(engine.settings.poll_limit * 1000)  # woken as soon as the cloud has answered
    return None if _finish(engine, task, lease, ledger) else engine.now()


def _plan(engine: Engine, task: Task, lease: Lease, template: Template) -> None:
    sizes = sizes_of(task.asked, engine.clouds.provider(task.account_id).limits.create_batch, engine.settings.batch)
    watches.ensure(
        engine.store, template.account_id, template.region_id, engine.now() + int(engine.settings.reconcile * 1000)
    )
    with engine.store.transaction():
        now = engine.now()
        tasks.update(engine.store, lease, status="RUNNING", phase="CREATING", started_at=task.started_at or now)
        first = placing.in_order(template.placements, placing.sold_out(engine, template.account_id))[0]
        chunks.plan(engine.store, task.id, tasks.EXPAND, sizes, first, now)
    engine.reach(faultpoints.EXPAND_PLANNED)


def _ready(engine: Engine, template: Template, ledger: list[Chunk]) -> list[Chunk]:
    """The chunks that need not wait for others of the task before they are sent; some as long as any is unsent.

    Where there was less than a call asked for, others wait until smaller ones have taken what there is. Where all that is
    left is known as sold out, one finds out whether it still is.
    """
    partial_delivery = engine.clouds.provider(template.account_id).limits.partial_delivery
    held_back = shortage.waiting(ledger, partial_delivery)
    unsent = [chunk for chunk in ledger if chunk.status in (chunks.PLANNED, chunks.SENT)]
    ready = [chunk for chunk in unsent if chunk.id not in held_back]
    known = placing.sold_out(engine, template.account_id)
    if not known:
        return ready
    probed = placing.only_probe(template, ledger, known, partial_delivery)
    asked = {chunk.placement for chunk in ready if chunk.status == chunks.SENT}
    return [chunk for chunk in ready if chunk.status == chunks.SENT or _may_probe(chunk, probed, asked)]


def _may_probe(chunk: Chunk, probed: Collection[int], asked: set[int]) -> bool:
    """Whether a chunk may be sent that is one too many where another is ``asked`` already; notes it there."""
    if chunk.placement in probed and chunk.placement in asked:
        return False
    asked.add(chunk.placement)
    return True


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


def _settle_accepted(engine: Engine, task: Task, lease: Lease, template: Template) -> None:
    counts = chunks.counts_of_task(engine.store, task.id, tasks.EXPAND)
    for chunk in chunks.of_task(engine.store, task.id):
        count = counts.get(chunk.id, ChunkCounts())
        if chunk.status != chunks.ACCEPTED or count.pending:
            continue
        failed = count.accepted - count.ran
        with engine.store.transaction():
            task = tasks.held(engine.store, lease)
            now = engine.now()
            changes: dict[str, object] = {"status": chunks.DONE, "finished_at": now}
            if failed:
                changes["error_class"] = chunk.error_class or BOOT_FAILED
                changes["reason"] = chunk.reason or f"{failed} of {count.accepted} machines did not come to run"
                if chunk.generation == 0 and not task.cancel:
                    next_at = 0
                    if instances.any_with_reason(engine.store, chunk.id, fresh.UNKNOWN):
                        next_at = fresh.unknown_until(
                            engine.store, engine.settings.visibility, template, [chunk.subnet_id]
                        )
                    place = reassign.place_of(chunk)
                    chunks.plan(
                        engine.store, task.id, tasks.EXPAND, [failed], place, now, generation=1, next_at=next_at
                    )
                    changes["moved"] = chunk.moved + failed
                    cluster = audit.of_account("cluster", task.cluster_name, task.account_id)
                    told = {"task_id": str(task.id), "machines": failed}
                    audit.changed_by_worker(engine.store, lease.owner, "replace machines", cluster, told)
            chunks.update(chunk.id, **changes)


def _next_step(engine: Engine, task: Task, lease: Lease, ready: list[Chunk]) -> int:
    now = engine.now()
    if not ready:
        phase, at = "BOOTING", now + int(engine.settings.poll_limit * 1000)  # woken as soon as a machine changes
    else:
        at = max(now, min(chunk.next_at for chunk in ready))
        phase = "CREATING" if at <= now else "WAITING"
    with engine.store.transaction():
        tasks.update(engine.store, lease, phase=phase)
    return at


def _is_deleting(engine: Engine, task: Task, lease: Lease) -> bool:
    """Whether it is still to be heard if the cloud deletes what is given up: what it keeps is billed, and the task says so."""
    with engine.store.transaction():
        tasks.update(engine.store, lease)
        now = engine.now()
        if tasks.cancel_of(task.id) == "delete":
            delete_all(engine, tasks.held(engine.store, lease), now)
        since = now - int(engine.settings.give_up * 1000)
        waits = deletions.undecided(engine.store, task.id, since) > 0
        if waits:
            tasks.update(engine.store, lease, phase="DELETING")
    return waits


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
            delete_all(engine, task, now)
        result = outcome.of_task(task, ledger, ran)
        if kept := deletions.not_deleted(engine.store, task.id):
            result = outcome.with_billed(result, refusals.left_billed(kept), kept[0].deletion_refused)
        if unanswered := deletions.unanswered(engine.store, task.id):
            silent = outcome.REASONS[ErrorClass.UNAVAILABLE]
            result = outcome.with_billed(result, refusals.not_answered(unanswered), silent)
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


def delete_all(engine: Engine, task: Task, now: int) -> None:
    """Lets all machines of a canceled expand be deleted that are not protected, inside the caller's transaction."""
    template = engine.templates.template(task.cluster_id)
    watches.wake(task.account_id, template.region_id, now)
    clusters.lock(engine.store, task.cluster_id)  # so that no machine is protected meanwhile
    machines = [
        machine.id
        for machine in instances.of_task(engine.store, task.id)
        if machine.delete_chunk_id is None
        and not machine.protected
        # One that was given up before, and that the cloud did not delete, is given up now in another way.
        and (not machine.unwanted or (task.release_prepaid and not machine.release_prepaid))
    ]
    for status in instances.IN_USE:
        instances.change_many(
            machines,
            if_status=status,
            status=instances.DELETING,
            reason="the task was canceled",
            deleting_at=deletions.given_up_at(now),
            tend_at=now,
            absences=0,
            unwanted=True,
            release_prepaid=task.release_prepaid,
            **deletions.NOT_REFUSED,
        )
