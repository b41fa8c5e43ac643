"""The inventory: every machine that a cloud has promised, as the engine writes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from peewee import fn

from bridgx_server.store.batches import accounts_of, batches
from bridgx_server.store.database import Store
from bridgx_server.store.models import ChunkRow, InstanceRow

PENDING = "pending"
RUNNING = "running"
DELETING = "deleting"
DELETED = "deleted"
LOST = "lost"
STATUSES = (PENDING, RUNNING, DELETING, DELETED, LOST)
IN_USE = (PENDING, RUNNING)


@dataclass(frozen=True)
class Origin:
    """What a machine inherits from its task, chunk and template."""

    provider: str
    account_id: int
    account_key: str
    region_id: str
    zone_id: str
    cluster_id: int
    cluster_name: str
    task_id: int
    chunk_id: int
    instance_type: str
    image_id: str
    charge_type: str = ""


@dataclass(frozen=True)
class Tended:
    """A machine whose state at the cloud is to be asked, as far as the asking needs it. Times are ms, 0: not yet."""

    id: int
    instance_id: str
    status: str
    cluster_id: int
    cluster_name: str
    task_id: int
    chunk_id: int
    delete_chunk_id: int | None
    reason: str
    ip_inner: str
    ip_outer: str
    created_at: int
    running_at: int
    deleting_at: int
    delete_sent_at: int
    tend_at: int | None
    absences: int
    absent_at: int
    zone_id: str
    protected: bool
    unwanted: bool
    release_prepaid: bool
    deletion_refused: str
    deletion_refusal: str
    deletion_refused_at: int
    charge_type: str
    expires_at: int

    def paid_ahead(self, now: int) -> bool:
        """Whether it is paid for in advance and, as far as is known, has not expired at ``now`` (ms)."""
        return self.charge_type == "PrePaid" and not 0 < self.expires_at <= now


def some_running(store: Store, account_id: int, limit: int = 50) -> Mapping[str, list[str]]:
    """Region → ids of some running machines of an account, ``limit`` in all, the newest."""
    found: dict[str, list[str]] = {}
    with store.connection():
        rows = (
            InstanceRow.select(InstanceRow.region_id, InstanceRow.instance_id)
            .where((InstanceRow.account_id == account_id) & (InstanceRow.status == RUNNING))
            .order_by(InstanceRow.id.desc())
            .limit(limit)
            .tuples()
        )
        for region_id, instance_id in rows:
            found.setdefault(region_id, []).append(instance_id)
    return found


def record(origin: Origin, instance_ids: Sequence[str], now: int) -> int:
    """Writes machines whose ids are new here as pending, inside the caller's transaction; returns how many were."""
    if not instance_ids:
        return 0
    known = {
        row[0]
        for row in InstanceRow.select(InstanceRow.instance_id)
        .where((InstanceRow.account_id == origin.account_id) & InstanceRow.instance_id.in_(list(instance_ids)))
        .tuples()
    }
    rows = [
        {
            **{name: getattr(origin, name) for name in Origin.__dataclass_fields__},
            "instance_id": instance_id,
            "status": PENDING,
            "created_at": now,
            "recorded_at": now,
            "tend_at": now,
        }
        for instance_id in dict.fromkeys(instance_ids)
        if instance_id not in known
    ]
    for start in range(0, len(rows), 50):  # SQLite takes a bounded number of parameters
        InstanceRow.insert_many(rows[start : start + 50]).execute()
    return len(rows)


def adopt(
    origin: Origin,
    instance_id: str,
    *,
    created_at: int,
    running_at: int,
    now: int,
    unwanted: str = "",
    release_prepaid: bool = False,
) -> bool:
    """Writes down a machine that nobody knew, inside the caller's transaction; False when someone has meanwhile.

    Times are ms; it is pending where ``running_at`` is 0, and being deleted where ``unwanted`` says why: given up, with
    ``release_prepaid``, where it is paid for in advance.
    """
    if not record(origin, [instance_id], now):
        return False
    changes: dict[str, object] = {"created_at": created_at}
    if running_at:
        changes |= {"status": RUNNING, "running_at": running_at}
    if unwanted:
        changes |= {"status": DELETING, "reason": unwanted, "deleting_at": now, "unwanted": True}
        changes["release_prepaid"] = release_prepaid
    InstanceRow.update(**changes).where(
        (InstanceRow.account_id == origin.account_id) & (InstanceRow.instance_id == instance_id)
    ).execute()
    return True


def due(store: Store, account_id: int, region_id: str, now: int, limit: int) -> list[Tended]:
    """The machines of an account in a region that the cloud is to be asked about, longest due first."""
    query = (
        InstanceRow.select(*columns())
        .where(
            (InstanceRow.account_id == account_id) & (InstanceRow.region_id == region_id) & (InstanceRow.tend_at <= now)
        )
        .order_by(InstanceRow.tend_at, InstanceRow.id)
        .limit(limit)
    )
    with store.connection():
        return [Tended(*row) for row in query.tuples()]


def known_in(store: Store, account_id: int, region_id: str, instance_ids: Sequence[str]) -> dict[str, Tended]:
    """Those of the ids that the inventory holds, by id."""
    found: dict[str, Tended] = {}
    with store.connection():
        for part in batches(instance_ids):
            query = InstanceRow.select(*columns()).where(
                (InstanceRow.account_id == account_id) & InstanceRow.instance_id.in_(part)
            )
            found.update((value.instance_id, value) for value in (Tended(*row) for row in query.tuples()))
    return found


def holders(store: Store, account_ids: Sequence[int], region_id: str, instance_ids: Sequence[str]) -> dict[str, int]:
    """Which of these accounts has a machine in its inventory of the region, by the machine's id."""
    with store.connection():
        return accounts_of(InstanceRow, account_ids, region_id, instance_ids)


def settled_running(store: Store, account_id: int, region_id: str, created_before: int) -> list[Tended]:
    """The running machines that nobody is asking about now."""
    query = InstanceRow.select(*columns()).where(
        (InstanceRow.account_id == account_id)
        & (InstanceRow.region_id == region_id)
        & (InstanceRow.status == RUNNING)
        & InstanceRow.tend_at.is_null()
        & (InstanceRow.created_at < created_before)
    )
    with store.connection():
        return [Tended(*row) for row in query.tuples()]


def next_tend_at(account_id: int, region_id: str) -> int | None:
    """When the next machine of an account and region is due (ms), None when none is."""
    due_at = (
        InstanceRow.select(fn.MIN(InstanceRow.tend_at))
        .where(
            (InstanceRow.account_id == account_id)
            & (InstanceRow.region_id == region_id)
            & InstanceRow.tend_at.is_null(False)
        )
        .scalar()
    )
    return None if due_at is None else int(due_at)


def change(row_id: int, *, if_status: str, **changes: object) -> bool:
    """Changes one machine if its status is still ``if_status``, inside the caller's transaction."""
    return bool(
        InstanceRow.update(**changes).where((InstanceRow.id == row_id) & (InstanceRow.status == if_status)).execute()
    )


def change_many(row_ids: Sequence[int], *, if_status: str, **changes: object) -> int:
    """As :func:`change`, for many; returns how many were changed."""
    total = 0
    for part in batches(row_ids):
        total += (
            InstanceRow.update(**changes).where(InstanceRow.id.in_(part) & (InstanceRow.status == if_status)).execute()
        )
    return total


def may_be_chosen() -> Any:
    """Machines that a shrink may choose: they run, or never came to run and could not be deleted then."""
    return (InstanceRow.status == RUNNING) | ((InstanceRow.status == PENDING) & InstanceRow.unwanted)


def in_use(store: Store, cluster_id: int) -> int:
    """Machines of a cluster that are pending, running or being deleted."""
    with store.connection():
        return int(
            InstanceRow.select()
            .where((InstanceRow.cluster_id == cluster_id) & InstanceRow.status.in_([PENDING, RUNNING, DELETING]))
            .count()
        )


def unchosen(store: Store, cluster_id: int, *, with_pending: bool = False) -> list[Tended]:
    """The running machines of a cluster that no shrink has chosen yet, protected ones included, oldest first.

    Those too that never came to run, and that the cloud did not delete then.
    """
    query = (
        InstanceRow.select(*columns())
        .where(
            (InstanceRow.cluster_id == cluster_id)
            & (InstanceRow.status.in_(IN_USE) if with_pending else may_be_chosen())
            & InstanceRow.delete_chunk_id.is_null()
        )
        .order_by(InstanceRow.created_at, InstanceRow.id)
    )
    with store.connection():
        return [Tended(*row) for row in query.tuples()]


def of_chunk(store: Store, chunk_id: int) -> list[str]:
    """The vendor's ids of the machines that were recorded for a chunk of an expand."""
    with store.connection():
        query = InstanceRow.select(InstanceRow.instance_id).where(InstanceRow.chunk_id == chunk_id)
        return [str(row[0]) for row in query.order_by(InstanceRow.id).tuples()]


def any_with_reason(store: Store, chunk_id: int, beginning: str) -> bool:
    """Whether the reason of a chunk's machine, which says what became of it, begins so."""
    query = InstanceRow.select(InstanceRow.id).where(
        (InstanceRow.chunk_id == chunk_id) & InstanceRow.reason.startswith(beginning)
    )
    with store.connection():
        return bool(query.exists())


def removable(store: Store, cluster_id: int, *, with_pending: bool = False) -> list[Tended]:
    """Those among them that a shrink may choose, oldest first."""
    return [machine for machine in unchosen(store, cluster_id, with_pending=with_pending) if not machine.protected]


def living(store: Store, cluster_id: int) -> list[Tended]:
    """The pending and running machines of a cluster, oldest first."""
    query = InstanceRow.select(*columns()).where(
        (InstanceRow.cluster_id == cluster_id) & InstanceRow.status.in_(IN_USE)
    )
    with store.connection():
        return [Tended(*row) for row in query.order_by(InstanceRow.created_at, InstanceRow.id).tuples()]


def protect(row_ids: Sequence[int], protected: bool) -> None:
    """Says whether shrinks leave machines alone, inside the caller's transaction, which locks their cluster."""
    for part in batches(row_ids):
        InstanceRow.update(protected=protected).where(InstanceRow.id.in_(part)).execute()
        if protected:  # who protects one that runs wants it
            InstanceRow.update(unwanted=False).where(
                InstanceRow.id.in_(part) & (InstanceRow.status == RUNNING)
            ).execute()


def choose_no_more(row_ids: Sequence[int]) -> None:
    """Lets other shrinks have machines, whatever their status, inside the caller's transaction."""
    for part in batches(row_ids):
        InstanceRow.update(delete_chunk_id=None).where(InstanceRow.id.in_(part)).execute()


def lock(store: Store, row_ids: Sequence[int]) -> None:
    """Keeps machines as they are until the caller's transaction ends."""
    if store.dialect == "sqlite":  # there the transaction itself keeps others from writing
        return
    for part in batches(row_ids):
        query = InstanceRow.select(InstanceRow.id).where(InstanceRow.id.in_(part))
        list(query.order_by(InstanceRow.id).for_update().tuples())


def asked_to_delete(row_ids: Sequence[int]) -> list[int]:
    """Those among machines that a shrink has chosen and has asked the cloud to delete, inside the caller's transaction."""
    return chosen_by(row_ids, ChunkRow.sent_at > 0)


def chosen_by(row_ids: Sequence[int], chunks: Any) -> list[int]:
    """Those among machines that a chunk of a shrink has chosen which meets a condition, inside the caller's transaction."""
    found: list[int] = []
    for part in batches(row_ids):
        query = (
            InstanceRow.select(InstanceRow.id)
            .join(ChunkRow, on=(ChunkRow.id == InstanceRow.delete_chunk_id))
            .where(InstanceRow.id.in_(part) & chunks)
        )
        found.extend(int(row[0]) for row in query.tuples())
    return found


def of_delete_chunk(store: Store, chunk_id: int) -> list[Tended]:
    """The machines that a chunk of a shrink is to delete."""
    with store.connection():
        query = InstanceRow.select(*columns()).where(InstanceRow.delete_chunk_id == chunk_id)
        return [Tended(*row) for row in query.order_by(InstanceRow.id).tuples()]


def places_of(row_ids: Sequence[int]) -> list[tuple[int, str]]:
    """The accounts and regions of machines, in the order in which their watches are locked, inside the caller's transaction."""
    found: set[tuple[int, str]] = set()
    for part in batches(row_ids):
        query = InstanceRow.select(InstanceRow.account_id, InstanceRow.region_id).distinct()
        query = query.where(InstanceRow.id.in_(part))
        found.update((int(account_id), str(region_id)) for account_id, region_id in query.tuples())
    return sorted(found)


def of_task(store: Store, task_id: int) -> list[Tended]:
    """The machines that an expand has brought."""
    with store.connection():
        query = InstanceRow.select(*columns()).where(InstanceRow.task_id == task_id)
        return [Tended(*row) for row in query.order_by(InstanceRow.id).tuples()]


def tasks_waiting_for(store: Store, machines: Sequence[Tended]) -> set[int]:
    """The tasks that wait for these machines to come or to go."""
    waiting = {machine.task_id for machine in machines}
    chunk_ids = sorted({machine.delete_chunk_id for machine in machines if machine.delete_chunk_id is not None})
    if chunk_ids:
        with store.connection():
            query = ChunkRow.select(ChunkRow.task_id).where(ChunkRow.id.in_(chunk_ids))
            waiting.update(int(row[0]) for row in query.tuples())
    return waiting


def columns() -> list[object]:
    """What a :class:`Tended` is made of."""
    return [getattr(InstanceRow, name) for name in Tended.__dataclass_fields__]
