"""A shrink, step by step: choose victims, ask the cloud to delete them, and wait until it says that they are gone.

Deleting is safe to repeat, so a step cut off is simply done again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from functools import partial

from bridgx_server.providers.errors import ErrorClass, ProviderError
from bridgx_server.scaling import choice, faultpoints, outcome
from bridgx_server.scaling.engine import Engine, Template
from bridgx_server.scaling.parallel import in_parallel
from bridgx_server.scaling.turns import wait_for_turn
from bridgx_server.store import chunks, clusters, instances, leases, tasks, watches
from bridgx_server.store.chunks import Chunk, ChunkCounts
from bridgx_server.store.instances import Tended
from bridgx_server.store.leases import Lease
from bridgx_server.store.tasks import Task

FOR_GOOD = (
    ErrorClass.BAD_CREDENTIALS,
    ErrorClass.PERMISSION_DENIED,
    ErrorClass.INVALID_PARAMETER,
    ErrorClass.INSUFFICIENT_BALANCE,
    ErrorClass.QUOTA_EXCEEDED,
)


def advance(engine: Engine, task: Task, lease: Lease) -> int | None:
    """Does what can be done now; returns when to go on (ms), None when the task has ended.

    Raises:
        LeaseLost: another worker holds the task.
        ProviderError: the account's adapter cannot be had.
    """
    template = engine.templates.template(task.cluster_id)
    if task.status == "INIT":
        task = _begin(engine, task, lease, template)
    if task.cancel:
        _spare_unsent(engine, task, lease)
    now = engine.now()
    due = [
        chunk
        for chunk in chunks.of_task(engine.store, task.id)
        if chunk.status in (chunks.PLANNED, chunks.SENT) and chunk.next_at <= now
    ]
    step = partial(_send, engine, lease, template)
    in_parallel(engine.calls, [partial(step, chunk) for chunk in due[: engine.settings.parallel_chunks]])
    _settle_accepted(engine, task, lease)
    ledger = chunks.of_task(engine.store, task.id)
    waiting = [chunk for chunk in ledger if chunk.open]
    if waiting:
        return _next_step(engine, task, lease, waiting)
    _finish(engine, task, lease, ledger)
    return None


def _begin(engine: Engine, task: Task, lease: Lease, template: Template) -> Task:
    """Chooses the victims, unless they were named, and marks them all, in one transaction; none if it has been canceled.

    Returns the task as it is then.
    """
    batch = engine.clouds.provider(task.account_id).limits.delete_batch
    watches.ensure(
        engine.store, template.account_id, template.region_id, engine.now() + int(engine.settings.reconcile * 1000)
    )
    with engine.store.transaction():
        now = engine.now()
        tasks.update(engine.store, lease, status="RUNNING", phase="DELETING", started_at=task.started_at or now)
        task = tasks.held(engine.store, lease)
        if not task.cancel:
            _mark(_chosen(engine, task, template, batch, now), now)
    engine.reach(faultpoints.SHRINK_PLANNED)
    return task


def _chosen(engine: Engine, task: Task, template: Template, batch: int, now: int) -> list[int]:
    # Machines are named for another shrink, and protected, under the same lock.
    clusters.lock(engine.store, task.cluster_id)
    named = chunks.of_task(engine.store, task.id)
    if named:
        return [machine.id for chunk in named for machine in instances.of_delete_chunk(engine.store, chunk.id)]
    candidates = instances.removable(engine.store, task.cluster_id)
    victims = choice.victims(candidates, task.asked, task.termination_policy, engine.random)
    chosen = [machine.id for machine in victims]
    _plan(engine, task, template, chosen, batch, now)
    return chosen


def _plan(engine: Engine, task: Task, template: Template, chosen: Sequence[int], batch: int, now: int) -> None:
    parts = [chosen[start : start + batch] for start in range(0, len(chosen), batch)]
    ids = chunks.plan(engine.store, task.id, tasks.SHRINK, [len(part) for part in parts], template.placements[0], now)
    for chunk_id, part in zip(ids, parts, strict=True):
        instances.change_many(part, if_status=instances.RUNNING, delete_chunk_id=chunk_id)


def _mark(machines: Sequence[int], now: int) -> None:
    """The running ones are to be deleted by the shrink alone, until it has asked for that: nobody else looks at them."""
    instances.change_many(
        machines, if_status=instances.RUNNING, status=instances.DELETING, deleting_at=now, tend_at=None, absences=0
    )


def _spare_unsent(engine: Engine, task: Task, lease: Lease) -> None:
    with engine.store.transaction():
        tasks.update(engine.store, lease)
        for chunk in chunks.of_task(engine.store, task.id):
            if chunk.status == chunks.PLANNED:
                canceled: dict[str, object] = {"error_class": "canceled", "reason": "the task was canceled"}
                choice.spare(engine.store, chunk, canceled, engine.now())


def _send(engine: Engine, lease: Lease, template: Template, chunk: Chunk) -> None:
    provider = engine.clouds.provider(template.account_id)
    number = len(_to_delete(engine, chunk))
    asked = 0
    turn = contextlib.ExitStack()
    try:
        turn.enter_context(engine.turn(lease, f"task-{chunk.task_id}", template, provider.limits.delete_api, number))
    except ProviderError as error:
        wait_for_turn(engine, lease, chunk, error)
        return
    with turn:
        engine.reach(faultpoints.SHRINK_BEFORE_SENT)
        with engine.store.transaction():
            leases.hold(engine.store, lease)
            now = engine.now()
            marked = chunks.mark_sent(chunk, now)
            machines = _take(engine, chunk, now) if marked else []
        engine.reach(faultpoints.SHRINK_SENT)
        if not marked:
            return
        try:
            size = provider.limits.delete_batch
            for start in range(0, len(machines), size):
                batch = [machine.instance_id for machine in machines[start : start + size]]
                provider.delete_machines(template.region_id, batch)
                asked += len(batch)
        except ProviderError as error:
            _refused(engine, lease, template, chunk, error, deleted_some=asked > 0)
            return
    engine.reach(faultpoints.SHRINK_DELETED)
    with engine.store.transaction():
        leases.hold(engine.store, lease)
        now = engine.now()
        # What earlier calls met is no reason any more.
        chunks.update(chunk.id, status=chunks.ACCEPTED, accepted_at=now, error_class="", reason="", vendor_code="")
        watches.wake(template.account_id, template.region_id, now)
        instances.change_many(
            [machine.id for machine in machines],
            if_status=instances.DELETING,
            delete_sent_at=now,
            tend_at=now,
        )
    engine.reach(faultpoints.SHRINK_ACCEPTED)


def _to_delete(engine: Engine, chunk: Chunk) -> list[Tended]:
    chosen = instances.of_delete_chunk(engine.store, chunk.id)
    return [machine for machine in chosen if machine.status == instances.DELETING]


def _take(engine: Engine, chunk: Chunk, now: int) -> list[Tended]:
    """The machines that a chunk deletes, those too that were counted as lost when the shrink began and run again."""
    chosen = [machine.id for machine in instances.of_delete_chunk(engine.store, chunk.id)]
    instances.lock(engine.store, chosen)
    _mark(chosen, now)
    return _to_delete(engine, chunk)


def _refused(
    engine: Engine, lease: Lease, template: Template, chunk: Chunk, error: ProviderError, *, deleted_some: bool
) -> None:
    with engine.store.transaction():
        leases.hold(engine.store, lease)
        now = engine.now()
        first = chunk.sent_at or now
        if error.kind in FOR_GOOD and chunk.attempts == 0 and not deleted_some:
            choice.spare(engine.store, chunk, outcome.failure_of(error), now)
        elif error.kind is not ErrorClass.THROTTLED and now - first > engine.settings.give_up * 1000:
            # An attempt may have worked; the machines stay marked, and whoever tends them finds out.
            failure = outcome.failure_of(error)
            chunks.update(chunk.id, status=chunks.ACCEPTED, accepted_at=now, **failure)
            watches.wake(template.account_id, template.region_id, now)
            machines = [machine.id for machine in instances.of_delete_chunk(engine.store, chunk.id)]
            instances.change_many(machines, if_status=instances.DELETING, tend_at=now)
        else:
            wait = int(error.retry_after * 1000) if error.retry_after else 0
            chunks.update(
                chunk.id,
                next_at=max(now + wait, engine.backoff(first, now)),
                **({"attempts": chunk.attempts} if error.kind is ErrorClass.THROTTLED else outcome.failure_of(error)),
            )


def _settle_accepted(engine: Engine, task: Task, lease: Lease) -> None:
    counts = chunks.counts_of_task(engine.store, task.id, tasks.SHRINK)
    now = engine.now()
    for chunk in chunks.of_task(engine.store, task.id):
        if chunk.status != chunks.ACCEPTED:
            continue
        count = counts.get(chunk.id, ChunkCounts())
        with engine.store.transaction():
            if count.deleted >= count.accepted:
                tasks.update(engine.store, lease)
                chunks.update(chunk.id, status=chunks.DONE, finished_at=now)
            elif now - chunk.accepted_at > engine.settings.give_up * 1000:
                tasks.update(engine.store, lease)
                left = count.accepted - count.deleted
                chunks.update(
                    chunk.id,
                    status=chunks.FAILED,
                    finished_at=now,
                    error_class=chunk.error_class or outcome.REASONS[ErrorClass.UNAVAILABLE],
                    reason=f"{chunk.reason} The cloud has not confirmed the deletion of {left} machines; "
                    "it goes on being asked.".strip(),
                )


def _next_step(engine: Engine, task: Task, lease: Lease, waiting: list[Chunk]) -> int:
    now = engine.now()
    unsent = [chunk for chunk in waiting if chunk.status in (chunks.PLANNED, chunks.SENT)]
    if not unsent:
        phase, at = "DELETING", now + int(engine.settings.poll_limit * 1000)  # woken as soon as a machine has gone
    else:
        at = max(now, min(chunk.next_at for chunk in unsent))
        phase = "DELETING" if at <= now else "WAITING"
    with engine.store.transaction():
        tasks.update(engine.store, lease, phase=phase)
    return at


def _finish(engine: Engine, task: Task, lease: Lease, ledger: list[Chunk]) -> None:
    engine.reach(faultpoints.SHRINK_BEFORE_FINISH)
    with engine.store.transaction():
        task = tasks.held(engine.store, lease)
        counts = chunks.counts_of_task(engine.store, task.id, tasks.SHRINK)
        deleted = sum(count.deleted for count in counts.values())
        result = outcome.of_task(task, ledger, deleted)
        planned = sum(chunk.asked for chunk in ledger)
        reason, error_class = result.reason, result.error_class
        if planned < task.asked and not task.cancel:
            short = f"only {planned} machines were running and not protected"
            reason, error_class = (f"{reason}; {short}" if reason else short), error_class or "conflict"
        tasks.update(
            engine.store,
            lease,
            status=result.status,
            reason=reason,
            error_class=error_class,
            phase="FINISHED",
            finished_at=engine.now(),
            queue_at=None,
        )
    engine.reach(faultpoints.SHRINK_FINISHED)
