"""Who asks a cloud about the machines of an account in a region: one worker at a time."""

from __future__ import annotations

from dataclasses import dataclass

from peewee import Case, IntegrityError, fn

from bridgx_server.store import instances, leases
from bridgx_server.store.database import Store
from bridgx_server.store.leases import Lease
from bridgx_server.store.models import WatchRow


@dataclass(frozen=True)
class Watch:
    """An account in a region. Times are ms since the epoch; ``next_at`` None: no machine is due to be asked about."""

    id: int
    account_id: int
    region_id: str
    next_at: int | None
    reconcile_at: int


def ensure(store: Store, account_id: int, region_id: str, reconcile_at: int) -> None:
    """Makes the row if there is none, outside any transaction."""
    where = (WatchRow.account_id == account_id) & (WatchRow.region_id == region_id)
    with store.connection():
        if WatchRow.get_or_none(where) is not None:
            return
        try:
            with store.transaction():
                WatchRow.create(account_id=account_id, region_id=region_id, reconcile_at=reconcile_at)
        except IntegrityError:
            return  # another made it meanwhile


def wake(account_id: int, region_id: str, now: int) -> None:
    """Lets the machines that are due be asked about at once, inside the caller's transaction."""
    earlier = Case(None, [(WatchRow.next_at.is_null() | (WatchRow.next_at > now), now)], WatchRow.next_at)
    WatchRow.update(next_at=earlier, wakes=WatchRow.wakes + 1).where(
        (WatchRow.account_id == account_id) & (WatchRow.region_id == region_id)
    ).execute()


def claim(store: Store, owner: str, lease_ms: int) -> tuple[Watch, Lease] | None:
    """Takes the row that has been due longest, if any is."""
    now = store.now()
    query = (
        WatchRow.select()
        .where(((WatchRow.next_at <= now) | (WatchRow.reconcile_at <= now)) & (WatchRow.lease_until <= now))
        .order_by(WatchRow.next_at.is_null(), WatchRow.next_at, WatchRow.id)
        .limit(1)
    )
    with store.connection():
        if query.first() is None:
            return None
    with store.transaction():
        row = (query if store.dialect == "sqlite" else query.for_update(skip_locked=True)).first()
        if row is None:
            return None
        lease = leases.take(store, row, owner=owner, lease_ms=lease_ms)
    if lease is None:
        return None
    return Watch(row.id, row.account_id, row.region_id, row.next_at, row.reconcile_at), lease


def release(store: Store, lease: Lease, watch: Watch, *, not_before: int = 0, reconcile_at: int | None = None) -> None:
    """Gives the row back, due when its next machine is, though not before ``not_before`` (ms)."""
    with store.transaction():
        # Held before the machines are read: whoever records more of them after this wakes the row after this.
        leases.hold(store, lease)
        due_at = instances.next_tend_at(watch.account_id, watch.region_id)
        changes: dict[str, object] = {
            "next_at": None if due_at is None else max(due_at, not_before),
            "lease_owner": "",
            "lease_until": 0,
        }
        if reconcile_at is not None:
            changes["reconcile_at"] = reconcile_at
        WatchRow.update(**changes).where(WatchRow.id == lease.row_id).execute()


def next_due(store: Store) -> int | None:
    """When the next row is due (ms), None when there is none."""
    with store.connection():
        row = WatchRow.select(fn.MIN(WatchRow.next_at), fn.MIN(WatchRow.reconcile_at)).tuples().first()
    due = [int(value) for value in (row or ()) if value is not None]
    return min(due) if due else None
