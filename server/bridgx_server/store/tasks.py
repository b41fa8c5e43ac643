"""The queue of tasks: a table, claimed by lease."""

from __future__ import annotations

from dataclasses import dataclass

from peewee import Case, fn

from bridgx_server.store import leases
from bridgx_server.store.database import Store
from bridgx_server.store.leases import Lease
from bridgx_server.store.models import ClusterRow, TaskRow

EXPAND = "EXPAND"
SHRINK = "SHRINK"
OPEN = ("INIT", "RUNNING")


@dataclass(frozen=True)
class Task:
    """A task as the queue holds it. Times are ms since the epoch, 0 where nothing has happened."""

    id: int
    name: str
    action: str
    status: str
    phase: str
    cluster_id: int
    cluster_name: str
    account_id: int
    account_key: str
    provider: str
    asked: int
    reason: str
    error_class: str
    cancel: str
    termination_policy: str
    created_at: int
    created_by: str
    started_at: int
    finished_at: int
    release_prepaid: bool


def add(
    *,
    name: str,
    action: str,
    cluster: ClusterRow,
    asked: int,
    caller: str,
    now: int,
    termination_policy: str = "",
    release_prepaid: bool = False,
) -> Task:
    """Puts a task into the queue, inside the caller's transaction; the last two belong to a shrink, the first by count."""
    row = TaskRow.create(
        name=name,
        action=action,
        status="INIT",
        phase="QUEUED",
        cluster_id=cluster.id,
        cluster_name=cluster.name,
        account_id=cluster.account_id,
        account_key=cluster.account_key,
        provider=cluster.provider,
        asked=asked,
        reason="",
        error_class="",
        cancel="",
        termination_policy=termination_policy,
        release_prepaid=release_prepaid,
        created_at=now,
        created_by=caller,
        queue_at=now,
    )
    return _value(row)


def get(store: Store, task_id: int) -> Task | None:
    """The task, or None."""
    with store.connection():
        row = TaskRow.get_or_none(TaskRow.id == task_id)
    return None if row is None else _value(row)


def claim(store: Store, owner: str, lease_ms: int) -> tuple[Task, Lease] | None:
    """Takes the task that has waited longest, if any may run; the first unfinished one of its cluster, no other."""
    now = store.now()
    earlier = TaskRow.alias()
    query = (
        TaskRow.select()
        .where(
            (TaskRow.queue_at <= now)
            & (TaskRow.lease_until <= now)
            & ~fn.EXISTS(
                earlier.select(earlier.id).where(
                    (earlier.cluster_id == TaskRow.cluster_id)
                    & (earlier.id < TaskRow.id)
                    & earlier.queue_at.is_null(False)
                )
            )
        )
        .order_by(TaskRow.queue_at, TaskRow.id)
        .limit(1)
    )
    with store.connection():
        if query.first() is None:  # a plain read, so that an idle worker never writes
            return None
    with store.transaction():
        row = (query if store.dialect == "sqlite" else query.for_update(skip_locked=True)).first()
        if row is None:
            return None
        lease = leases.take(store, row, owner=owner, lease_ms=lease_ms)
    return None if lease is None else (_value(row), lease)


def update(store: Store, lease: Lease, **changes: object) -> None:
    """Changes the held task, or only makes sure that it is held, inside the caller's transaction."""
    leases.hold(store, lease)
    if changes:
        TaskRow.update(**changes).where(TaskRow.id == lease.row_id).execute()


def held(store: Store, lease: Lease) -> Task:
    """The held task as it is now, and stays until the caller's transaction ends; it may have been canceled since the claim."""
    leases.hold(store, lease)
    return _value(TaskRow.get_by_id(lease.row_id))


def release(store: Store, lease: Lease, queue_at: int | None, *, phase: str = "") -> None:
    """Gives the task back, to be taken again at ``queue_at`` (ms) or at once if it was woken; None: it has ended."""
    with store.transaction():
        leases.hold(store, lease)
        if queue_at is not None and leases.woken(lease):
            queue_at = min(queue_at, store.now())
        changes: dict[str, object] = {"queue_at": queue_at, "lease_owner": "", "lease_until": 0}
        if phase:
            changes["phase"] = phase
        TaskRow.update(**changes).where(TaskRow.id == lease.row_id).execute()


def wake(task_ids: set[int], now: int) -> None:
    """Lets the open ones among the tasks run at once, inside the caller's transaction."""
    if task_ids:
        # By the primary key alone, and those that have ended too: a server that went by the index of the queue would lock
        # the index before the row, and whoever renews a lease locks them the other way round.
        TaskRow.update(
            queue_at=Case(None, [(TaskRow.queue_at > now, now)], TaskRow.queue_at), wakes=TaskRow.wakes + 1
        ).where(TaskRow.id.in_(sorted(task_ids))).execute()


def lock(store: Store, task_id: int) -> None:
    """Keeps a task as it is until the caller's transaction ends."""
    if store.dialect != "sqlite":
        TaskRow.select(TaskRow.id).where(TaskRow.id == task_id).for_update().first()


def open_tasks_of(store: Store, cluster_id: int) -> list[Task]:
    """The tasks of a cluster that have not ended, in the order in which they run."""
    query = TaskRow.select().where((TaskRow.cluster_id == cluster_id) & TaskRow.queue_at.is_null(False))
    with store.connection():
        return [_value(row) for row in query.order_by(TaskRow.id)]


def open_tasks(store: Store) -> list[Task]:
    """All tasks that have not ended, in the order they were asked for."""
    with store.connection():
        return [_value(row) for row in TaskRow.select().where(TaskRow.queue_at.is_null(False)).order_by(TaskRow.id)]


def request_cancel(task_id: int, created_machines: str, now: int, *, release_prepaid: bool = False) -> bool:
    """Asks whoever holds the task to end it, inside the caller's transaction; False when it has ended already."""
    release: dict[str, object] = {"release_prepaid": True} if release_prepaid else {}
    changed = (
        TaskRow.update(cancel=created_machines, **release)
        .where((TaskRow.id == task_id) & TaskRow.queue_at.is_null(False))
        .execute()
    )
    wake({task_id}, now)
    return bool(changed)


def end_unbegun(task_id: int, created_machines: str, reason: str, now: int) -> bool:
    """Ends a task that no worker has begun, inside the caller's transaction; False where one has, or holds it now."""
    return bool(
        TaskRow.update(
            status="CANCELED",
            phase="FINISHED",
            cancel=created_machines,
            reason=reason,
            error_class="canceled",
            finished_at=now,
            queue_at=None,
            fence=TaskRow.fence + 1,
        )
        .where(
            (TaskRow.id == task_id)
            & (TaskRow.status == "INIT")
            & (TaskRow.started_at == 0)
            & TaskRow.queue_at.is_null(False)
            & (TaskRow.lease_until <= now)
        )
        .execute()
    )


def canceled(task_id: int) -> bool:
    """Whether someone has asked to end the task; inside the caller's transaction."""
    return bool(cancel_of(task_id))


def cancel_of(task_id: int) -> str:
    """``keep`` or ``delete`` where someone has asked to end the task, else empty; inside the caller's transaction."""
    return str(TaskRow.select(TaskRow.cancel).where(TaskRow.id == task_id).scalar() or "")


def next_due(store: Store) -> int | None:
    """When the next waiting task is due (ms), None when none waits."""
    with store.connection():
        due = TaskRow.select(fn.MIN(TaskRow.queue_at)).where(TaskRow.queue_at.is_null(False)).scalar()
    return None if due is None else int(due)


def _value(row: TaskRow) -> Task:
    return Task(**{name: getattr(row, name) for name in Task.__dataclass_fields__})
