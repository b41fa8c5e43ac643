"""Leases on rows: who may work on a task or a watch, and until when.

A fence, raised at every claim, keeps a worker that slept past its lease from writing anything. It guards rows, not the
cloud: so a worker also counts for itself how long its lease surely lasts, and asks the cloud for nothing after that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from threading import Event
from typing import Any

import structlog
from peewee import Model

from bridgx_server.store.database import Store

log = structlog.get_logger("bridgx.leases")


class LeaseLost(Exception):
    """Another worker holds the row now: this one must stop at once and write nothing more."""


class Loss(Event):
    """Set when another has taken the row; counts as set, too, once the lease has run out unrenewed."""

    def __init__(self, ticks: Callable[[], float], ends_at: float) -> None:
        """``ends_at`` is a moment of ``ticks``, before which nobody else can have the row."""
        super().__init__()
        self._ticks = ticks
        self.ends_at = ends_at

    def is_set(self) -> bool:
        return super().is_set() or self._ticks() >= self.ends_at


@dataclass(frozen=True)
class Lease:
    """A claim on one row. ``lost`` is set as soon as a renewal finds that another has taken it, or there was none in time.

    ``wakes`` is what the row's counter showed at the claim.
    """

    table: type[Model]
    row_id: int
    fence: int
    owner: str
    lost: Loss = field(compare=False)
    wakes: int = 0


def take(store: Store, row: Any, *, owner: str, lease_ms: int) -> Lease | None:
    """Claims the row that was read, if nobody has since; inside the caller's transaction."""
    ends_at = store.ticks() + lease_ms / 1000
    table = type(row)
    changed = (
        table.update(lease_owner=owner, lease_until=store.now() + lease_ms, fence=row.fence + 1)
        .where((table.id == row.id) & (table.fence == row.fence))
        .execute()
    )
    return Lease(table, row.id, row.fence + 1, owner, Loss(store.ticks, ends_at), row.wakes) if changed == 1 else None


def renew(store: Store, lease: Lease, lease_ms: int) -> bool:
    """Lets the lease last ``lease_ms`` from now; False where it was given back, or is lost since another holds the row."""
    ends_at = store.ticks() + lease_ms / 1000
    until = store.now() + lease_ms
    with store.connection():
        # By the owner too: a row that was given back has none, and must not be kept from the next.
        changed = (
            lease.table.update(lease_until=until)
            .where(
                (lease.table.id == lease.row_id)
                & (lease.table.fence == lease.fence)
                & (lease.table.lease_owner == lease.owner)
            )
            .execute()
        )
    if changed != 1:
        lease.lost.set()
        return False
    lease.lost.ends_at = ends_at
    return True


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


def renew_each(store: Store, held: Iterable[Lease], lease_ms: int) -> None:
    """Renews leases, each for itself: what fails with one is logged, and keeps no other from being renewed."""
    for lease in held:
        try:
            renew(store, lease, lease_ms)
        except Exception as error:
            log.error("lease not renewed", error=f"{type(error).__name__}: {error}")
