"""Who asks a cloud about the machines of an account in a region: one worker at a time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from peewee import Case, IntegrityError, fn

from bridgx_server.store import instances, leases
from bridgx_server.store.database import Store
from bridgx_server.store.leases import Lease
from bridgx_server.store.models import AccountRow, ClusterRow, InstanceRow, OrphanRow, VpcRow, WatchRow
from bridgx_server.store.retrying import made_again


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


def places(store: Store) -> set[tuple[int, str]]:
    """Every registered account and region where a cluster, a network or a machine of ours has ever been."""
    found: set[tuple[int, str]] = set()
    with store.connection():
        accounts = [int(row[0]) for row in AccountRow.select(AccountRow.id).tuples()]
        for table in (ClusterRow, VpcRow, OrphanRow, WatchRow):
            pairs = table.select(table.account_id, table.region_id).distinct().tuples()
            found.update((int(account_id), str(region_id)) for account_id, region_id in pairs)
        for account_id in accounts:
            found.update((account_id, region_id) for region_id in _regions_of_machines(account_id))
    return {place for place in found if place[0] in set(accounts)}


def watching(store: Store, account_ids: Collection[int], region_id: str) -> set[int]:
    """Those of the accounts that are compared in the region."""
    with store.connection():
        query = WatchRow.select(WatchRow.account_id).where(
            WatchRow.account_id.in_(sorted(account_ids)) & (WatchRow.region_id == region_id)
        )
        return {int(row[0]) for row in query.tuples()}


def ensure_places(store: Store) -> int:
    """Makes the rows that :func:`places` calls for and are missing, due at once; returns how many."""
    with store.connection():
        there = {(row.account_id, row.region_id) for row in WatchRow.select(WatchRow.account_id, WatchRow.region_id)}
    missing = places(store) - there
    for account_id, region_id in sorted(missing):
        ensure(store, account_id, region_id, store.now())
    return len(missing)


@made_again
def ask(store: Store, which: Sequence[tuple[int, str]]) -> int:
    """Lets these accounts and regions be compared at once; returns the moment of asking (ms).

    Each one's next comparison begins after that moment, also where one is under way.
    """
    with store.transaction():
        now = store.now()
        ask_at(which, now)
    return now


def ask_at(which: Sequence[tuple[int, str]], now: int) -> None:
    """The same as of a moment, inside the caller's transaction."""
    for account_id, region_id in which:
        WatchRow.update(reconcile_at=now).where(
            (WatchRow.account_id == account_id) & (WatchRow.region_id == region_id)
        ).execute()


def hand_on(account_id: int, others: Sequence[int], now: int) -> None:
    """Lets other accounts be compared, at once, wherever this one is or has orphans, inside the caller's transaction.

    They are the same account at the cloud: what this one was the last to look at is found through them.
    """
    regions: set[str] = set()
    for table in (WatchRow, OrphanRow):
        rows = table.select(table.region_id).where(table.account_id == account_id).distinct().tuples()
        regions.update(str(row[0]) for row in rows)
    places = [(other, region_id) for other in sorted(others) for region_id in sorted(regions)]
    for other, region_id in places:
        row = {"account_id": other, "region_id": region_id, "reconcile_at": now}
        WatchRow.insert(row).on_conflict_ignore().execute()
    ask_at(places, now)


def forget_account(account_id: int) -> None:
    """Drops an account's rows, inside the caller's transaction."""
    WatchRow.delete().where(WatchRow.account_id == account_id).execute()


def _regions_of_machines(account_id: int) -> list[str]:
    # One step of the index a region, however many machines there are.
    regions: list[str] = []
    while True:
        query = InstanceRow.select(fn.MIN(InstanceRow.region_id)).where(InstanceRow.account_id == account_id)
        if regions:
            query = query.where(InstanceRow.region_id > regions[-1])
        region = query.scalar()
        if region is None:
            return regions
        regions.append(str(region))


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
    return _take(store, query, owner, lease_ms)


def claim_place(store: Store, account_id: int, region_id: str, owner: str, lease_ms: int) -> tuple[Watch, Lease] | None:
    """Takes the row of one account and region, due or not; None while another worker holds it."""
    now = store.now()
    query = WatchRow.select().where(
        (WatchRow.account_id == account_id) & (WatchRow.region_id == region_id) & (WatchRow.lease_until <= now)
    )
    return _take(store, query, owner, lease_ms)


def _take(store: Store, query: Any, owner: str, lease_ms: int) -> tuple[Watch, Lease] | None:
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
            # Asked for again since the claim: then it stays due.
            changes["reconcile_at"] = Case(
                None, [(WatchRow.reconcile_at == watch.reconcile_at, reconcile_at)], WatchRow.reconcile_at
            )
        WatchRow.update(**changes).where(WatchRow.id == lease.row_id).execute()


def next_due(store: Store) -> int | None:
    """When the next row is due (ms), None when there is none."""
    with store.connection():
        row = WatchRow.select(fn.MIN(WatchRow.next_at), fn.MIN(WatchRow.reconcile_at)).tuples().first()
    due = [int(value) for value in (row or ()) if value is not None]
    return min(due) if due else None
