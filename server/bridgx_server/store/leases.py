"""Leases on rows: who may work on a task or a watch, and until when.

A fence, raised at every claim, keeps a worker that slept past its lease from writing anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Event

from peewee import Model

from bridgx_server.store.database import Store


class LeaseLost(Exception):
    """Another worker holds the row now: this one must stop at once and write nothing more."""


@dataclass(frozen=True)
class Lease:
    """A claim on one row. ``lost`` is set as soon as a renewal finds that another has taken it.

    ``wakes`` is what the row's counter showed at the claim.
    """

    table: type[Model]
    row_id: int
    fence: int
    owner: str
    wakes: int = 0
    lost: Event = field(default_factory=Event, compare=False)


def take(table: type[Model], row_id: int, *, fence: int, wakes: int, owner: str, until: int) -> Lease | None:
    """Claims the row if its fence is still ``fence``; inside the caller's transaction. ``until`` is in ms."""
    changed = (
        table.update(lease_owner=owner, lease_until=until, fence=fence + 1)
        .where((table.id == row_id) & (table.fence == fence))
        .execute()
    )
    return Lease(table, row_id, fence + 1, owner, wakes) if changed == 1 else None


def renew(store: Store, lease: Lease, until: int) -> bool:
    """Moves the lease's end; False, and the lease is lost, when another holds the row."""
    with store.connection():
        changed = (
            lease.table.update(lease_until=until)
            .where((lease.table.id == lease.row_id) & (lease.table.fence == lease.fence))
            .execute()
        )
    if changed != 1:
        lease.lost.set()
    return bool(changed == 1)


def hold(store: Store, lease: Lease) -> None:
    """Makes sure, inside a transaction, that the lease is held, and keeps it so until the transaction ends.

    Raises:
        LeaseLost: another worker has claimed the row.
    """
    query = lease.table.select(lease.table.id).where(
        (lease.table.id == lease.row_id) & (lease.table.fence == lease.fence)
    )
    if store.dialect != "sqlite":
        query = query.for_update()
    if query.first() is None:
        lease.lost.set()
        raise LeaseLost(f"{lease.table.__name__} {lease.row_id} is held by another worker")


def woken(lease: Lease) -> bool:
    """Whether something the row waits for has happened since the claim; inside a transaction that holds the lease."""
    wakes = lease.table.select(lease.table.wakes).where(lease.table.id == lease.row_id).scalar()
    return bool(wakes != lease.wakes)
