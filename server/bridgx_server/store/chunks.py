"""The ledger of chunks: what was asked of a cloud, written before it was asked."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace

from peewee import Case, fn

from bridgx_server.store.database import Store
from bridgx_server.store.models import ChunkRow, InstallationRow, InstanceRow, TaskRow

PLANNED = "PLANNED"
SENT = "SENT"
ACCEPTED = "ACCEPTED"
DONE = "DONE"
FAILED = "FAILED"


@dataclass(frozen=True)
class Placement:
    """Where a chunk's machines are asked for. ``rank`` is its place in the template's order of preference."""

    rank: int
    zone_id: str
    subnet_id: str
    instance_type: str


@dataclass(frozen=True)
class Chunk:
    """A row of the ledger. Times are ms since the epoch, 0 where nothing has happened."""

    id: int
    task_id: int
    position: int
    action: str
    placement: int
    zone_id: str
    subnet_id: str
    instance_type: str
    asked: int
    moved: int
    generation: int
    status: str
    token: str
    attempts: int
    lookups: int
    next_at: int
    reason: str
    error_class: str
    vendor_code: str
    vendor_request_id: str
    planned_at: int
    sent_at: int
    last_sent_at: int
    effect_until: int
    doubted_at: int
    blind_since: int
    accepted_at: int
    finished_at: int

    @property
    def open(self) -> bool:
        """Whether anything is still to come of it."""
        return self.status in (PLANNED, SENT, ACCEPTED)

    @property
    def replaces(self) -> bool:
        """Whether its machines that do not come to run are asked for once more."""
        return self.generation == 0


@dataclass(frozen=True)
class ChunkCounts:
    """What became of the machines that a chunk's call promised. ``ran`` came to run before they were to be deleted."""

    accepted: int = 0
    pending: int = 0
    ran: int = 0
    deleted: int = 0
    first_running_at: int = 0  # ms; 0 while none has come to run
    last_running_at: int = 0

    @property
    def failed(self) -> int:
        """Those of an expand that will not come to run."""
        return self.accepted - self.pending - self.ran


def installation(store: Store) -> str:
    """The name that tells this store's machines from others' at the clouds."""
    with store.connection():
        return str(InstallationRow.get().name)


def plan(
    store: Store,
    task_id: int,
    action: str,
    sizes: Sequence[int],
    placement: Placement,
    now: int,
    *,
    generation: int = 0,
    next_at: int = 0,
) -> list[int]:
    """Writes one chunk for each size, inside the caller's transaction, and returns their ids.

    ``next_at`` (ms) is when the first call may be made; 0: at once.
    """
    last = ChunkRow.select(fn.MAX(ChunkRow.position)).where(ChunkRow.task_id == task_id).scalar()
    position = -1 if last is None else int(last)
    namespace = uuid.UUID(installation(store))
    # A restored database gives numbers that it has forgotten to other tasks: they were not asked for at the same moment.
    asked_at = TaskRow.select(TaskRow.created_at).where(TaskRow.id == task_id).scalar()
    ids = []
    for size in sizes:
        position += 1
        row = ChunkRow.create(
            task_id=task_id,
            position=position,
            action=action,
            placement=placement.rank,
            zone_id=placement.zone_id,
            subnet_id=placement.subnet_id,
            instance_type=placement.instance_type,
            asked=size,
            generation=generation,
            status=PLANNED,
            token=str(uuid.uuid5(namespace, f"task/{task_id}/{asked_at}/chunk/{position}")),
            planned_at=now,
            next_at=next_at,
        )
        ids.append(int(row.id))
    return ids


def of_task(store: Store, task_id: int) -> list[Chunk]:
    """A task's chunks in the order they were planned."""
    with store.connection():
        return [_value(row) for row in ChunkRow.select().where(ChunkRow.task_id == task_id).order_by(ChunkRow.position)]


def get(store: Store, chunk_id: int) -> Chunk | None:
    """A chunk, or None."""
    with store.connection():
        row = ChunkRow.get_or_none(ChunkRow.id == chunk_id)
    return None if row is None else _value(row)


def by_token(store: Store, token: str) -> Chunk | None:
    """The chunk that machines with this tag belong to, or None."""
    with store.connection():
        row = ChunkRow.get_or_none(ChunkRow.token == token)
    return None if row is None else _value(row)


def update(chunk_id: int, **changes: object) -> None:
    """Changes a chunk, inside a transaction that holds the task."""
    ChunkRow.update(**changes).where(ChunkRow.id == chunk_id).execute()


def place(chunk: Chunk, placement: Placement) -> Chunk:
    """Moves a chunk that the cloud was never asked for, inside a transaction that holds the task; returns it as it is then."""
    where = {
        "placement": placement.rank,
        "zone_id": placement.zone_id,
        "subnet_id": placement.subnet_id,
        "instance_type": placement.instance_type,
    }
    ChunkRow.update(**where).where((ChunkRow.id == chunk.id) & (ChunkRow.sent_at == 0)).execute()
    return replace(chunk, **where)  # type: ignore[arg-type]


def mark_sent(chunk: Chunk, now: int, effect_until: int = 0) -> bool:
    """Writes, before the cloud is asked, that it may have been; inside a transaction that holds the task.

    ``effect_until`` (ms) is until when the call may make machines, should nothing be heard of it any more.

    False, and it must not be asked, when another step of the task has settled the chunk meanwhile.
    """
    return bool(
        ChunkRow.update(
            status=SENT,
            sent_at=chunk.sent_at or now,
            last_sent_at=now,
            effect_until=effect_until,
            blind_since=0,
            next_at=now,
            attempts=chunk.attempts + 1,
        )
        .where((ChunkRow.id == chunk.id) & (ChunkRow.status == chunk.status))
        .execute()
    )


def counts_of_task(store: Store, task_id: int, action: str) -> dict[int, ChunkCounts]:
    """What became of the machines of each chunk of a task, by chunk id."""
    column = InstanceRow.delete_chunk_id if action == "SHRINK" else InstanceRow.chunk_id
    chunk_ids = ChunkRow.select(ChunkRow.id).where(ChunkRow.task_id == task_id)
    came_up = (InstanceRow.running_at > 0) & (
        (InstanceRow.deleting_at == 0) | (InstanceRow.running_at <= InstanceRow.deleting_at)
    )
    ran = fn.SUM(Case(None, [(came_up, 1)], 0))
    first = fn.MIN(Case(None, [(came_up, InstanceRow.running_at)], None))
    query = (
        InstanceRow.select(
            column,
            InstanceRow.status,
            fn.COUNT(InstanceRow.id),
            ran,
            first,
            fn.MAX(InstanceRow.running_at),
            # One that was given up, and that the cloud did not delete, comes to nothing more.
            fn.SUM(Case(None, [((InstanceRow.status == "pending") & ~InstanceRow.unwanted, 1)], 0)),
        )
        .where(column.in_(chunk_ids))
        .group_by(column, InstanceRow.status)
    )
    totals: dict[int, dict[str, int]] = {}
    with store.connection():
        for chunk_id, status, number, running, first_at, last_at, pending in query.tuples():
            into = totals.setdefault(int(chunk_id), dict.fromkeys(ChunkCounts.__dataclass_fields__, 0))
            into["accepted"] += number
            into["ran"] += int(running)
            into["pending"] += int(pending)
            into["deleted"] += number if status in ("deleted", "lost") else 0
            into["first_running_at"] = min(filter(None, (into["first_running_at"], int(first_at or 0))), default=0)
            into["last_running_at"] = max(into["last_running_at"], int(last_at))
    return {chunk_id: ChunkCounts(**numbers) for chunk_id, numbers in totals.items()}


def _value(row: ChunkRow) -> Chunk:
    return Chunk(**{name: getattr(row, name) for name in Chunk.__dataclass_fields__})
