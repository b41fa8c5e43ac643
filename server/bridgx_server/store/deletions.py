"""What the inventory knows of deletions: which machines a shrink deletes, which nobody wants, and which the cloud kept."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from peewee import Case

from bridgx_server.store.batches import batches
from bridgx_server.store.database import Store
from bridgx_server.store.instances import (
    DELETING,
    IN_USE,
    PENDING,
    RUNNING,
    Tended,
    change,
    choose_no_more,
    chosen_by,
    columns,
    may_be_chosen,
    of_task,
)
from bridgx_server.store.models import ChunkRow, InstanceRow


@dataclass(frozen=True)
class Refusal:
    """Why a cloud did not delete a machine: a word of ErrorReason in lower case, and what a user reads."""

    reason: str
    told: str


def mark_deleting(row_ids: Sequence[int], now: int, *, release_prepaid: bool) -> None:
    """Lets a shrink delete machines that run, or were given up and not deleted, inside the caller's transaction.

    Nobody else looks at them until it has asked the cloud. Those that were unwanted before stay so since then, and those
    that came to run too late for their task stay late.
    """
    began = Case(None, [(_given_up() | _late(), InstanceRow.deleting_at)], now)
    for part in batches(row_ids):
        InstanceRow.update(
            status=DELETING, deleting_at=began, tend_at=None, absences=0, release_prepaid=release_prepaid
        ).where(InstanceRow.id.in_(part) & may_be_chosen()).execute()


def choose(row_ids: Sequence[int], chunk_id: int) -> int:
    """Sets machines aside for a chunk of a shrink, inside the caller's transaction; returns how many were free."""
    return int(
        InstanceRow.update(delete_chunk_id=chunk_id)
        .where(InstanceRow.id.in_(list(row_ids)) & may_be_chosen() & InstanceRow.delete_chunk_id.is_null())
        .execute()
    )


def give_back(
    machines: Sequence[Tended], now: int, *, refusals: Mapping[int, Refusal] | None = None, again_at: int = 0
) -> None:
    """Lets machines that were to be deleted be what they were, inside the caller's transaction; none is a shrink's any more.

    Args:
        refusals: why the cloud did not delete them, by the row's id.
        again_at: when the cloud is asked about those that are unwanted (ms).
    """
    refusals = refusals or {}
    for machine in machines:
        changes: dict[str, object] = {"delete_sent_at": 0, "release_prepaid": False}
        if refusal := refusals.get(machine.id):
            changes |= refused(refusal, now)
        if machine.unwanted:
            changes |= {"tend_at": again_at or now}
        else:
            # Nobody has looked at it meanwhile, and it may still have to be asked for its address.
            changes["tend_at"] = None if machine.ip_inner else now
            # That it came too late for its task, before somebody wanted it, stays.
            changes["deleting_at"] = machine.deleting_at if machine.running_at > machine.deleting_at else 0
        status = PENDING if machine.unwanted and not machine.running_at else RUNNING
        change(machine.id, if_status=DELETING, status=status, **changes)
        if machine.unwanted:
            # One that the shrink had not marked yet: whatever was known of it, somebody goes on asking about it.
            InstanceRow.update(tend_at=now).where(
                (InstanceRow.id == machine.id) & InstanceRow.status.in_(IN_USE) & InstanceRow.tend_at.is_null()
            ).execute()
    # One that is lost too: it may come back, and must then be free for another shrink.
    choose_no_more([machine.id for machine in machines])


def refused(refusal: Refusal, now: int) -> dict[str, object]:
    """The columns that say why a cloud did not delete a machine."""
    return {
        "deletion_refused": refusal.reason,
        "deletion_refusal": refusal.told,
        "deletion_refused_at": now,
    }


# The columns of :func:`refused` when the cloud has agreed, or the machine has gone.
NOT_REFUSED: Mapping[str, object] = {"deletion_refused": "", "deletion_refusal": "", "deletion_refused_at": 0}


def given_up_at(now: int) -> Any:
    """The column ``deleting_at`` of a machine that is given up at ``now`` (ms): one that came too late before stays late."""
    return Case(None, [(_late(), InstanceRow.running_at - 1)], now)


def _late() -> Any:
    """Machines that came to run after they were given up: their task does not count them, whoever wants them now."""
    return (InstanceRow.deleting_at > 0) & (InstanceRow.running_at > InstanceRow.deleting_at)


def _given_up() -> Any:
    return InstanceRow.unwanted & (InstanceRow.deleting_at > 0)


def not_deleted(store: Store, task_id: int) -> list[Tended]:
    """The machines of an expand that are not wanted, and that the cloud has refused to delete.

    One that was only not deleted yet is among them where it is paid for in advance.
    """
    return [
        machine
        for machine in of_task(store, task_id)
        if machine.unwanted
        and machine.deletion_refused
        and (machine.status in IN_USE or (machine.status == DELETING and machine.charge_type == "PrePaid"))
    ]


def unanswered(store: Store, task_id: int) -> list[Tended]:
    """The machines of an expand that are not wanted and paid for in advance, and of which the cloud has not said yet
    whether it deletes them."""
    return [
        machine
        for machine in of_task(store, task_id)
        if machine.unwanted
        and machine.status == DELETING
        and machine.charge_type == "PrePaid"
        and not machine.delete_sent_at
        and not machine.deletion_refused
    ]


def kept_in(store: Store, cluster_id: int) -> tuple[int, str]:
    """How many machines of a cluster its cloud has refused to delete, and why it did so last."""
    query = InstanceRow.select(InstanceRow.deletion_refusal).where(
        (InstanceRow.cluster_id == cluster_id)
        & InstanceRow.status.in_([*IN_USE, DELETING])
        & (InstanceRow.deletion_refused_at > 0)
    )
    with store.connection():
        told = [str(row[0]) for row in query.order_by(InstanceRow.deletion_refused_at.desc()).tuples()]
    return len(told), told[0] if told else ""


def undecided(store: Store, task_id: int, since: int) -> int:
    """How many of its machines paid in advance are unwanted since later than ``since`` (ms), and the cloud has not said yet
    whether it deletes them."""
    with store.connection():
        return int(
            InstanceRow.select()
            .where(
                (InstanceRow.task_id == task_id)
                & (InstanceRow.status == DELETING)
                & InstanceRow.unwanted
                & (InstanceRow.charge_type == "PrePaid")
                & (InstanceRow.deleting_at > since)
                & (InstanceRow.delete_sent_at == 0)
                # One that is changing its state may go in a moment.
                & ((InstanceRow.deletion_refused_at == 0) | (InstanceRow.deletion_refused == "conflict"))
            )
            .count()
        )


def refused_of_shrink(store: Store, task_id: int, words: Collection[str]) -> list[Tended]:
    """The machines that a shrink has chosen and asked for, and that a cloud has refused to delete since, for these reasons."""
    with store.connection():
        query = (
            InstanceRow.select(*columns())
            .join(ChunkRow, on=(ChunkRow.id == InstanceRow.delete_chunk_id))
            .where(
                (ChunkRow.task_id == task_id)
                & (ChunkRow.status == "ACCEPTED")
                & (InstanceRow.status == DELETING)
                & (InstanceRow.delete_sent_at == 0)
                & InstanceRow.deletion_refused.in_(sorted(words))
            )
        )
        return [Tended(*row) for row in query.order_by(InstanceRow.id).tuples()]


def with_open_shrink(row_ids: Sequence[int]) -> set[int]:
    """Those among machines that a chunk of a shrink which has not ended has chosen, inside the caller's transaction."""
    return set(chosen_by(row_ids, ChunkRow.finished_at == 0))
