"""Expands and shrinks as the API sees them: asked for, described, canceled. Nothing here waits for a cloud."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bridgx_server.errors import Conflict, InvalidField, NotFound, QuotaExceeded
from bridgx_server.scaling import choice
from bridgx_server.store import audit, chunks, clusters, deletions, instances, tasks
from bridgx_server.store.audit import Resource
from bridgx_server.store.chunks import Chunk, ChunkCounts, Placement
from bridgx_server.store.database import Store
from bridgx_server.store.instances import Tended
from bridgx_server.store.models import ClusterRow
from bridgx_server.store.scope import Scope
from bridgx_server.store.tasks import Task

NAMED_BATCH = 100  # machines of a shrink by address in one chunk; every cloud deletes as many in one call
CANCELED: dict[str, object] = {"error_class": "canceled", "reason": "the task was canceled before it began"}


@dataclass(frozen=True)
class Load:
    """What counts against a cluster's quota: machines that are there, and those that its tasks have still to bring."""

    used: int
    coming: int


@dataclass(frozen=True)
class ChunkView:
    """A chunk with its counts. Times are ms since the epoch, 0 where nothing has happened."""

    chunk_id: str
    index: int
    placement: int
    zone_id: str
    subnet_id: str
    instance_type: str
    asked: int
    accepted: int
    running: int
    deleted: int
    failed: int
    moved: int
    replacement: bool
    attempts: int
    status: str
    reason: str
    error_class: str
    vendor_code: str
    vendor_request_id: str
    planned_at: int
    sent_at: int
    accepted_at: int
    first_running_at: int
    last_running_at: int
    finished_at: int


@dataclass(frozen=True)
class Progress:
    """A task's machines by phase; the sum of all is what was asked for."""

    planned: int
    requested: int
    booting: int
    running: int
    deleting: int
    deleted: int
    failed: int


@dataclass(frozen=True)
class TaskView:
    """A task with its counts: asked = running + failed + pending, or deleted + failed + pending for a shrink."""

    task_id: int
    task_name: str
    task_action: str
    status: str
    cluster_name: str
    created_at: int
    created_by: str
    started_at: int
    finished_at: int
    execute_time: int
    asked: int
    pending: int
    running: int
    failed: int
    deleted: int
    phase: str
    reason: str
    error_class: str
    provider: str
    termination_policy: str
    created_machines: str
    release_prepaid: bool
    progress: Progress
    chunks: tuple[ChunkView, ...]


def sizes_of(count: int, *batches: int) -> list[int]:
    """The sizes of the chunks that ``count`` machines make; a batch of 0 is no limit."""
    batch = min(batch for batch in batches if batch)
    return [batch] * (count // batch) + ([count % batch] if count % batch else [])


def submit_expand(store: Store, scope: Scope, *, cluster_name: str, task_name: str, count: int, caller: str) -> int:
    """Queues an expand of ``count`` machines and returns the task's id.

    Raises:
        NotFound: no such cluster.
        QuotaExceeded: the cluster would have more machines than its quota.
    """
    with store.transaction():
        cluster = clusters.locked(store, scope, cluster_name)
        check_quota(cluster, load_of(store, cluster.id), count)
        return _queue(store, cluster, task_name, tasks.EXPAND, count, caller, store.now())


def load_of(store: Store, cluster_id: int) -> Load:
    """How much of a cluster's quota is taken."""
    coming = sum(choice.outstanding(store, task) for task in tasks.open_tasks_of(store, cluster_id))
    return Load(instances.in_use(store, cluster_id), coming)


def check_quota(cluster: ClusterRow, load: Load, count: int) -> None:
    """Whether a cluster may have ``count`` machines more; raises QuotaExceeded."""
    if load.used + load.coming + count > cluster.max_machines:
        underway = f" and {load.coming} on their way" if load.coming else ""
        raise QuotaExceeded(
            f"cluster {cluster.name} may have {cluster.max_machines} machines; it has {load.used}{underway}, "
            f"so {count} more are too many"
        )


def submit_shrink(
    store: Store,
    scope: Scope,
    *,
    cluster_name: str,
    task_name: str,
    count: int,
    ips: Sequence[str],
    caller: str,
    termination_policy: str = "",
    instance_ids: Sequence[str] = (),
    release_prepaid: bool = False,
) -> int:
    """Queues a shrink by ``count``, or of exactly the machines with the addresses ``ips`` or the ids ``instance_ids``, and
    returns the task's id.

    Machines that are named are set aside at once, so that no other shrink takes them. ``termination_policy`` is random,
    oldest or newest; empty: as the cluster says. With ``release_prepaid`` those paid for in advance are given up.

    Raises:
        NotFound: no such cluster.
        InvalidFields: an address or id is no running machine of the cluster, or a protected one, or there are not as many
            machines as ``count``.
    """
    with store.transaction():
        cluster = clusters.locked(store, scope, cluster_name)
        now = store.now()
        named: Sequence[Tended] = ()
        policy = ""
        if ips or instance_ids:
            named = choice.named(store, cluster, ips, instance_ids)
            if count and count != len(named):
                raise InvalidField(
                    "count", f"is {count}, but {len(named)} machines are named; leave it out or make it agree"
                )
        else:
            choice.check_count(store, cluster, count)
            policy = termination_policy or cluster.termination_policy
        asked = len(named) or count
        task_id = _queue(
            store, cluster, task_name, tasks.SHRINK, asked, caller, now, policy, release_prepaid=release_prepaid
        )
        _set_aside(store, cluster, task_id, named, now)
        return task_id


def cancel(
    store: Store,
    scope: Scope,
    task_id: int,
    created_machines: str,
    *,
    release_prepaid: bool = False,
    at_once: bool = True,
) -> str:
    """Asks for a task's end and returns its status: CANCELED if it had not begun, else RUNNING.

    ``created_machines`` is ``keep`` or ``delete``; empty means keep. With ``release_prepaid`` those that are to be deleted
    and are paid for in advance are given up. One that had not begun ends at once, also where it waits
    for others of its cluster. Without ``at_once`` it is left to a worker, which writes down the chunks that it would have
    asked for: by them machines are known that a task has got of which a restored database says that it had not begun.

    Raises:
        NotFound: no such task.
        InvalidField: ``release_prepaid`` is for an expand's machines alone, and the task is a shrink.
        Conflict: it has ended already.
    """
    with store.transaction():
        tasks.lock(store, task_id)
        task = _seen(store, scope, task_id)
        if release_prepaid and task.action == tasks.SHRINK:
            raise InvalidField(
                "release_prepaid", f"must be absent: task {task_id} is a shrink, and canceling it deletes no machine"
            )
        resource = Resource("task", str(task_id), task.provider, task.account_id, task.account_key)
        now = store.now()
        kept = created_machines or "keep"
        if at_once and tasks.end_unbegun(task_id, kept, str(CANCELED["reason"]), now):
            for chunk in chunks.of_task(store, task_id):
                choice.spare(store, chunk, CANCELED, now)
            audit.changed(store, resource)
            return "CANCELED"
        if not tasks.request_cancel(task_id, kept, now, release_prepaid=release_prepaid):
            if task.status == "CANCELED":
                return task.status
            raise Conflict(f"task {task_id} has ended with {task.status}")
        audit.changed(store, resource)
    return "RUNNING"


def describe(store: Store, scope: Scope, task_id: int) -> TaskView:
    """A task with its chunks and counts, all of one moment. Raises NotFound."""
    with store.snapshot():
        task = _seen(store, scope, task_id)
        ledger = chunks.of_task(store, task_id)
        counts = chunks.counts_of_task(store, task_id, task.action)
        now = store.now()
    return _view(task, ledger, counts, now)


def _seen(store: Store, scope: Scope, task_id: int) -> Task:
    task = tasks.get(store, task_id)
    if task is None or not scope.covers_account(store, task.account_id):
        raise NotFound("task", str(task_id))
    return task


def _view(task: Task, ledger: Sequence[Chunk], counts: dict[int, ChunkCounts], now: int) -> TaskView:
    none = ChunkCounts()
    expands = task.action == tasks.EXPAND
    views = tuple(_chunk_view(chunk, counts.get(chunk.id, none), expands) for chunk in ledger)
    done = sum(count.ran if expands else count.deleted for count in counts.values())
    open_ones = task.finished_at == 0
    failed = task.asked - done if not open_ones else sum(view.failed for view in views)
    pending = max(task.asked - done - failed, 0) if open_ones else 0
    end = task.finished_at or now
    return TaskView(
        task_id=task.id,
        task_name=task.name,
        task_action=task.action,
        status=task.status,
        cluster_name=task.cluster_name,
        created_at=task.created_at,
        created_by=task.created_by,
        started_at=task.started_at,
        finished_at=task.finished_at,
        execute_time=max(end - task.started_at, 0) // 1000 if task.started_at else 0,
        asked=task.asked,
        pending=pending,
        running=done if expands else 0,
        failed=max(failed, 0),
        deleted=0 if expands else done,
        phase=task.phase,
        reason=task.reason,
        error_class=task.error_class,
        provider=task.provider,
        termination_policy=task.termination_policy,
        created_machines=task.cancel,
        release_prepaid=task.release_prepaid,
        progress=_progress(expands, pending, done, max(failed, 0), views),
        chunks=views,
    )


def _progress(expands: bool, pending: int, done: int, failed: int, views: Sequence[ChunkView]) -> Progress:
    requested = min(sum(view.asked for view in views if view.status == chunks.SENT), pending)
    # What no chunk has been planned for yet has surely not been asked for.
    planned = sum(view.asked for view in views if view.status == chunks.PLANNED) if views else pending
    planned = min(planned, pending - requested)
    underway = pending - requested - planned
    return Progress(
        planned=planned,
        requested=requested,
        booting=underway if expands else 0,
        running=done if expands else 0,
        deleting=0 if expands else underway,
        deleted=0 if expands else done,
        failed=failed,
    )


def _chunk_view(chunk: Chunk, count: ChunkCounts, expands: bool) -> ChunkView:
    ended = chunk.status in (chunks.DONE, chunks.FAILED)
    done = count.ran if expands else count.deleted
    return ChunkView(
        chunk_id=chunk.token,
        index=chunk.position,
        placement=chunk.placement,
        zone_id=chunk.zone_id,
        subnet_id=chunk.subnet_id,
        instance_type=chunk.instance_type,
        asked=chunk.asked,
        accepted=count.accepted if chunk.accepted_at else 0,
        running=count.ran if expands else 0,
        deleted=0 if expands else count.deleted,
        moved=chunk.moved,
        replacement=bool(chunk.generation),
        attempts=chunk.attempts,
        failed=max(chunk.asked - chunk.moved - done, 0) if ended else 0,
        status=chunk.status,
        reason=chunk.reason,
        error_class=chunk.error_class,
        vendor_code=chunk.vendor_code,
        vendor_request_id=chunk.vendor_request_id,
        planned_at=chunk.planned_at,
        sent_at=chunk.sent_at,
        accepted_at=chunk.accepted_at,
        first_running_at=count.first_running_at if expands else 0,
        last_running_at=count.last_running_at if expands else 0,
        finished_at=chunk.finished_at,
    )


def _queue(
    store: Store,
    cluster: ClusterRow,
    name: str,
    action: str,
    count: int,
    caller: str,
    now: int,
    policy: str = "",
    *,
    release_prepaid: bool = False,
) -> int:
    task = tasks.add(
        name=name,
        action=action,
        cluster=cluster,
        asked=count,
        caller=caller,
        now=now,
        termination_policy=policy,
        release_prepaid=release_prepaid,
    )
    audit.changed(store, clusters.resource_of(cluster), detail={"task_id": str(task.id)})
    return task.id


def _set_aside(store: Store, cluster: ClusterRow, task_id: int, named: Sequence[Tended], now: int) -> None:
    parts = [named[start : start + NAMED_BATCH] for start in range(0, len(named), NAMED_BATCH)]
    place = Placement(0, cluster.zone_id, cluster.subnet_id, cluster.instance_type)
    ids = chunks.plan(store, task_id, tasks.SHRINK, [len(part) for part in parts], place, now)
    for chunk_id, part in zip(ids, parts, strict=True):
        if deletions.choose([machine.id for machine in part], chunk_id) != len(part):
            raise Conflict(f"machines of cluster {cluster.name} changed meanwhile; try again")
