"""A shrink, step by step: choose victims, ask the cloud to delete them, and wait until it says that they are gone.

Deleting is safe to repeat, so a step cut off is simply done again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from functools import partial

from bridgx_server.providers.base import DeletedMachines, Provider
from bridgx_server.providers.errors import ErrorClass, ProviderError
from bridgx_server.scaling import choice, faultpoints, outcome, refusals
from bridgx_server.scaling.engine import Engine, Template
from bridgx_server.scaling.parallel import in_parallel
from bridgx_server.scaling.turns import wait_for_turn
from bridgx_server.store import chunks, clusters, deletions, instances, leases, tasks, watches
from bridgx_server.store.chunks import Chunk, ChunkCounts
from bridgx_server.store.deletions import Refusal
from bridgx_server.store.instances import Tended
from bridgx_server.store.leases import Lease
from bridgx_server.store.tasks import Task


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
    step = partial(_send, engine, task, lease, template)
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
            chosen = _chosen(engine, task, template, batch, now)
            deletions.mark_deleting(chosen, now, release_prepaid=task.release_prepaid)
    engine.reach(faultpoints.SHRINK_PLANNED)
    return task


def _chosen(engine: Engine, task: Task, template: Template, batch: int, now: int) -> list[int]:
    # Machines are named for another shrink, and protected, under the same lock.
    clusters.lock(engine.store, task.cluster_id)
    named = chunks.of_task(engine.store, task.id)
    if named:
        return [machine.id for chunk in named for machine in instances.of_delete_chunk(engine.store, chunk.id)]
    candidates = instances.removable(engine.store, task.cluster_id)
    victims = choice.victims(
        candidates,
        task.asked,
        task.termination_policy,
        engine.random,
        now,
        release_prepaid=task.release_prepaid,
    )
    chosen = [machine.id for machine in victims]
    _plan(engine, task, template, chosen, batch, now)
    return chosen


def _plan(engine: Engine, task: Task, template: Template, chosen: Sequence[int], batch: int, now: int) -> None:
    parts = [chosen[start : start + batch] for start in range(0, len(chosen), batch)]
    ids = chunks.plan(engine.store, task.id, tasks.SHRINK, [len(part) for part in parts], template.placements[0], now)
    for chunk_id, part in zip(ids, parts, strict=True):
        deletions.choose(part, chunk_id)


def _spare_unsent(engine: Engine, task: Task, lease: Lease) -> None:
    with engine.store.transaction():
        tasks.update(engine.store, lease)
        for chunk in chunks.of_task(engine.store, task.id):
            if chunk.status == chunks.PLANNED:
                canceled: dict[str, object] = {"error_class": "canceled", "reason": "the task was canceled"}
                choice.spare(engine.store, chunk, canceled, engine.now())


def _send(engine: Engine, task: Task, lease: Lease, template: Template, chunk: Chunk) -> None:
    provider = engine.clouds.provider(template.account_id)
    number = len(_to_delete(engine, chunk))
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
            machines = _take(engine, task, chunk, now) if marked else []
        engine.reach(faultpoints.SHRINK_SENT)
        if not marked:
            return
        answers: list[DeletedMachines] = []
        try:
            _ask(provider, task, template, machines, answers)
        except ProviderError as error:
            _refused(engine, lease, template, chunk, error, deleted_some=bool(answers))
            return
    engine.reach(faultpoints.SHRINK_DELETED)
    refused = {key: error for answer in answers for key, error in answer.refused.items()}
    unknown = frozenset(key for answer in answers for key in answer.unknown)
    _answered(engine, lease, template, chunk, machines, DeletedMachines(refused, unknown))


def _ask(
    provider: Provider, task: Task, template: Template, machines: Sequence[Tended], answers: list[DeletedMachines]
) -> None:
    """Asks the cloud to delete, call by call, and adds what it says of each to ``answers``; raises ProviderError."""
    size = provider.limits.delete_batch
    for start in range(0, len(machines), size):
        batch = [machine.instance_id for machine in machines[start : start + size]]
        answers.append(provider.delete_machines(template.region_id, batch, release_prepaid=task.release_prepaid))


def _answered(
    engine: Engine,
    lease: Lease,
    template: Template,
    chunk: Chunk,
    machines: Sequence[Tended],
    answer: DeletedMachines,
) -> None:
    """The cloud has said of each machine whether it is deleted; those that stay are given back, and the rest watched."""
    with engine.store.transaction():
        leases.hold(engine.store, lease)
        now = engine.now()
        agreed = [row.id for row in machines if row.instance_id not in {*answer.refused, *answer.unknown}]
        # That the cloud does not know one proves nothing: it has to be absent as often as any other that is gone.
        unknown = [row.id for row in machines if row.instance_id in answer.unknown]
        instances.change_many(
            agreed, if_status=instances.DELETING, delete_sent_at=now, tend_at=now, **deletions.NOT_REFUSED
        )
        instances.change_many(unknown, if_status=instances.DELETING, tend_at=now)
        kept = [row for row in machines if row.instance_id in answer.refused]
        stay = [row for row in kept if answer.refused[row.instance_id].kind in refusals.FOR_GOOD]
        waiting = [row for row in kept if row not in stay]
        failure: dict[str, object] = {}
        if stay:
            told = {row.instance_id: answer.refused[row.instance_id] for row in stay}
            _give_back(stay, {key: refusals.refusal_of(error) for key, error in told.items()}, now)
            failure = refusals.failure_of(told, chunk.asked)
        for row in waiting:
            refusal = refusals.refusal_of(answer.refused[row.instance_id])
            instances.change(row.id, if_status=instances.DELETING, **deletions.refused(refusal, now))
        if waiting and now - (chunk.sent_at or now) <= engine.settings.give_up * 1000:
            # They are changing their state, or being given up: asked again.
            chunks.update(chunk.id, next_at=engine.backoff(chunk.sent_at or now, now), **failure)
        else:
            if waiting:
                failure = failure or refusals.failure_of(
                    {row.instance_id: answer.refused[row.instance_id] for row in waiting}, chunk.asked
                )
                instances.change_many([row.id for row in waiting], if_status=instances.DELETING, tend_at=now)
            _accept(engine, chunk, failure, now)
        watches.wake(template.account_id, template.region_id, now)
    engine.reach(faultpoints.SHRINK_ACCEPTED)


def _give_back(machines: Sequence[Tended], refused: Mapping[str, Refusal], now: int) -> None:
    for row in machines:
        refusal = refused[row.instance_id]
        again_at = refusals.ask_again_at(refusal.reason, now)
        deletions.give_back([row], now, refusals={row.id: refusal}, again_at=again_at)


def _accept(engine: Engine, chunk: Chunk, failure: dict[str, object], now: int) -> None:
    """The cloud has been asked for all of the chunk: what is left of it is waited for, if anything is."""
    left = len(instances.of_delete_chunk(engine.store, chunk.id))
    if not failure and left == chunk.asked:
        # What earlier calls met is no reason any more. Why some were given back is.
        failure = {"error_class": "", "reason": "", "vendor_code": ""}
    if left:
        chunks.update(chunk.id, status=chunks.ACCEPTED, accepted_at=now, **failure)
    else:
        chunks.update(chunk.id, status=chunks.FAILED, finished_at=now, **failure)


def _to_delete(engine: Engine, chunk: Chunk) -> list[Tended]:
    """Those that the cloud has not answered for yet; others are looked at by whoever tends them."""
    chosen = instances.of_delete_chunk(engine.store, chunk.id)
    return [machine for machine in chosen if machine.status == instances.DELETING and machine.tend_at is None]


def _take(engine: Engine, task: Task, chunk: Chunk, now: int) -> list[Tended]:
    """The machines that a chunk deletes, those too that were counted as lost when the shrink began and run again."""
    chosen = [machine.id for machine in instances.of_delete_chunk(engine.store, chunk.id)]
    instances.lock(engine.store, chosen)
    deletions.mark_deleting(chosen, now, release_prepaid=task.release_prepaid)
    return _to_delete(engine, chunk)


def _refused(
    engine: Engine, lease: Lease, template: Template, chunk: Chunk, error: ProviderError, *, deleted_some: bool
) -> None:
    with engine.store.transaction():
        leases.hold(engine.store, lease)
        now = engine.now()
        first = chunk.sent_at or now
        if error.kind in refusals.FOR_GOOD and chunk.attempts == 0 and not deleted_some:
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
            changes: dict[str, object] = {"attempts": chunk.attempts}
            if error.kind is not ErrorClass.THROTTLED:
                kept_some = len(instances.of_delete_chunk(engine.store, chunk.id)) < chunk.asked
                changes = {} if kept_some else outcome.failure_of(error)
            chunks.update(chunk.id, next_at=max(now + wait, engine.backoff(first, now)), **changes)


def _settle_accepted(engine: Engine, task: Task, lease: Lease) -> None:
    counts = chunks.counts_of_task(engine.store, task.id, tasks.SHRINK)
    now = engine.now()
    if _take_refusals(engine, task, lease):
        counts = chunks.counts_of_task(engine.store, task.id, tasks.SHRINK)
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


def _take_refusals(engine: Engine, task: Task, lease: Lease) -> bool:
    """Gives back what the cloud has refused to delete after all, as whoever tends it has found out; whether there was any."""
    words = {outcome.REASONS[kind] for kind in refusals.FOR_GOOD}
    if not deletions.refused_of_shrink(engine.store, task.id, words):
        return False
    with engine.store.transaction():
        tasks.update(engine.store, lease)
        now = engine.now()
        by_chunk: dict[int, list[Tended]] = {}
        for row in deletions.refused_of_shrink(engine.store, task.id, words):
            by_chunk.setdefault(row.delete_chunk_id or 0, []).append(row)
        for chunk in chunks.of_task(engine.store, task.id):
            rows = by_chunk.get(chunk.id, [])
            if rows and chunk.status == chunks.ACCEPTED:
                told = {row.instance_id: Refusal(row.deletion_refused, row.deletion_refusal) for row in rows}
                _give_back(rows, told, now)
                chunks.update(chunk.id, **refusals.failure_of_rows(rows, chunk.asked))
    return True


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
        kept = sum(chunk.asked - counts.get(chunk.id, ChunkCounts()).accepted for chunk in ledger)
        if len(ledger) > 1 and kept and not task.cancel:
            reason = f"{kept} of {task.asked} machines were not deleted. {reason}"[: outcome.LONGEST_REASON]
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
