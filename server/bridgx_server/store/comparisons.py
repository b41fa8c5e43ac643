"""What comparisons of clouds with the inventory have found: the last one of each account and region, and the machines."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from peewee import JOIN

from bridgx_server.store import audit, cloud_accounts, watches
from bridgx_server.store.batches import batches
from bridgx_server.store.database import Store
from bridgx_server.store.models import AccountRow, ComparisonRow, FindingRow, InstanceRow, OrphanRow, WatchRow
from bridgx_server.store.paging import Page, PageOf
from bridgx_server.store.retrying import made_again
from bridgx_server.store.scope import Scope

MISSING = "missing"
LOST = "lost"
ADOPTED = "adopted"
REVIVED = "revived"
ORPHAN = "orphan"
KINDS = (MISSING, LOST, ADOPTED, REVIVED, ORPHAN)

KEPT = 30 * 86_400_000  # ms that a finding stays in the list after it was last seen


@dataclass(frozen=True)
class Counts:
    """What one comparison found: machines that the cloud listed, and those of each kind.

    Of ``unowned`` orphans no task of the account is known to have made them.
    """

    listed: int = 0
    missing: int = 0
    adopted: int = 0
    revived: int = 0
    orphans: int = 0
    unowned: int = 0


@dataclass(frozen=True)
class Comparison:
    """An account in a region. Times are ms since the epoch, 0 where nothing has happened.

    ``due_at`` is when the next comparison is due. ``succeeded_at`` and the counts are of the last one that had a
    complete list; ``error_class`` and ``reason`` say why the last one, if it was a later one, failed.
    """

    account_id: int
    provider: str
    account_key: str
    region_id: str
    due_at: int
    started_at: int
    finished_at: int
    succeeded_at: int
    error_class: str
    reason: str
    counts: Counts

    @property
    def status(self) -> str:
        """ok, failed, or never while none has been made."""
        if not self.finished_at:
            return "never"
        return "failed" if self.error_class else "ok"


@dataclass(frozen=True)
class Found:
    """A machine to write down as a finding; ``made_by`` is the access key of the account whose orphan it is, if that is known."""

    instance_id: str
    cluster_name: str = ""
    task_id: int = 0
    made_by: str = ""


@dataclass(frozen=True)
class Finding:
    """A machine that was found different. ``status`` is what is known of it now.

    That is its status in the inventory, or ``orphan`` while it is one, or ``gone``.
    """

    id: int
    kind: str
    provider: str
    account_key: str
    region_id: str
    instance_id: str
    cluster_name: str
    task_id: int
    first_seen_at: int
    seen_at: int
    status: str
    reason: str


@dataclass(frozen=True)
class PlaceFilter:
    """Which accounts and regions; what is empty does not matter."""

    provider: str = ""
    account_key: str = ""
    region_id: str = ""


def succeeded(account_id: int, region_id: str, started_at: int, now: int, counts: Counts) -> None:
    """Writes down what a comparison found, inside the caller's transaction."""
    _write(
        account_id,
        region_id,
        started_at=started_at,
        finished_at=now,
        succeeded_at=now,
        error_class="",
        reason="",
        **{name: getattr(counts, name) for name in Counts.__dataclass_fields__},
    )


@made_again
def failed(store: Store, account_id: int, region_id: str, started_at: int, error_class: str, reason: str) -> None:
    """Writes down that a comparison could not be made, and why. What the one before found stays."""
    with store.transaction():
        _write(
            account_id,
            region_id,
            started_at=started_at,
            finished_at=store.now(),
            error_class=error_class,
            reason=reason[:2000],
        )


def note(kind: str, account_id: int, region_id: str, found: Sequence[Found], now: int) -> None:
    """Writes findings down, or that they were seen again, inside the caller's transaction."""
    if not found:
        return
    account = _account(account_id)
    for start in range(0, len(found), 50):  # SQLite takes a bounded number of parameters
        part = {machine.instance_id: machine for machine in found[start : start + 50]}
        same = (
            (FindingRow.account_id == account_id)
            & (FindingRow.region_id == region_id)
            & (FindingRow.kind == kind)
            & FindingRow.instance_id.in_(list(part))
        )
        known = {row[0] for row in FindingRow.select(FindingRow.instance_id).where(same).tuples()}
        FindingRow.update(seen_at=now).where(same).execute()
        for made_by in sorted({machine.made_by for machine in part.values()}):
            theirs = [key for key, machine in part.items() if machine.made_by == made_by]
            changed = same & FindingRow.instance_id.in_(theirs) & (FindingRow.made_by != made_by)
            FindingRow.update(made_by=made_by).where(changed).execute()
        fresh = [
            {
                "kind": kind,
                "account_id": account_id,
                "region_id": region_id,
                "provider": account[0],
                "account_key": account[1],
                "instance_id": machine.instance_id,
                "cluster_name": machine.cluster_name,
                "task_id": machine.task_id,
                "made_by": machine.made_by,
                "first_seen_at": now,
                "seen_at": now,
            }
            for machine in part.values()
            if machine.instance_id not in known
        ]
        if fresh:
            FindingRow.insert_many(fresh).execute()


def drop_orphans(account_ids: Sequence[int], region_id: str, instance_ids: Sequence[str]) -> None:
    """Forgets that machines were found as orphans of these accounts, inside the caller's transaction."""
    for part in batches(instance_ids) if account_ids else ():
        query = FindingRow.select(FindingRow.id).where(
            FindingRow.account_id.in_(list(account_ids))
            & (FindingRow.region_id == region_id)
            & (FindingRow.kind == ORPHAN)
            & FindingRow.instance_id.in_(part)
        )
        found = sorted(int(row[0]) for row in query.tuples())
        if found:
            FindingRow.delete().where(FindingRow.id.in_(found)).execute()


def able(store: Store, account_ids: Collection[int], region_id: str) -> set[int]:
    """Those of the accounts that are compared in the region, and whose last comparison, if there was one, worked."""
    with store.connection():
        failed = ComparisonRow.select(ComparisonRow.account_id).where(
            ComparisonRow.account_id.in_(sorted(account_ids))
            & (ComparisonRow.region_id == region_id)
            & (ComparisonRow.error_class != "")
        )
        unable = {int(row[0]) for row in failed.tuples()}
    return watches.watching(store, account_ids, region_id) - unable


@made_again
def forget_old(store: Store) -> None:
    """Drops findings that were last seen a month ago."""
    with store.transaction():
        FindingRow.delete().where(FindingRow.seen_at < store.now() - KEPT).execute()


def page(store: Store, scope: Scope, which: PlaceFilter, wanted: PageOf) -> Page[Comparison]:
    """Every account and region that is compared, by cloud, account and region; also those that never were yet."""
    query = (
        WatchRow.select(
            WatchRow.account_id,
            AccountRow.provider,
            AccountRow.access_key,
            WatchRow.region_id,
            WatchRow.reconcile_at,
            *(getattr(ComparisonRow, name) for name in _RESULT),
        )
        .join(AccountRow, on=(AccountRow.id == WatchRow.account_id))
        .switch(WatchRow)
        .join(
            ComparisonRow,
            JOIN.LEFT_OUTER,
            on=((ComparisonRow.account_id == WatchRow.account_id) & (ComparisonRow.region_id == WatchRow.region_id)),
        )
    )
    query = scope.narrowed(query, WatchRow.account_id)
    query = _placed(query, which, AccountRow.provider, AccountRow.access_key, WatchRow.region_id)
    with store.connection():
        total = query.count()
        ordered = query.order_by(AccountRow.provider, AccountRow.access_key, WatchRow.region_id)
        rows = [_comparison(row) for row in ordered.paginate(wanted.number, wanted.size).tuples()]
        partly = _seen_in_part(scope, {row.account_id for row in rows})
        rows = [_without_unowned(row) if row.account_id in partly else row for row in rows]
    return Page(rows, wanted.number, wanted.size, total)


def ask(store: Store, scope: Scope, which: PlaceFilter) -> tuple[int, int]:
    """Lets what passes the filters be compared at once; returns how many places, and the moment (ms), 0 where there is none."""
    watches.ensure_places(store)
    query = WatchRow.select(WatchRow.account_id, WatchRow.region_id).join(
        AccountRow, on=(AccountRow.id == WatchRow.account_id)
    )
    query = scope.narrowed(query, WatchRow.account_id)
    query = _placed(query, which, AccountRow.provider, AccountRow.access_key, WatchRow.region_id)
    with store.connection():
        places = [(int(account_id), str(region_id)) for account_id, region_id in query.tuples()]
    return len(places), _ask(store, places) if places else 0


@made_again
def _ask(store: Store, places: Sequence[tuple[int, str]]) -> int:
    with store.transaction():
        now = store.now()
        watches.ask_at(places, now)
        for account_id in sorted({account_id for account_id, _ in places}):
            resource = audit.of_account("account", _account(account_id)[1], account_id)
            regions = sorted(region_id for of, region_id in places if of == account_id)
            audit.changed(store, resource, detail={"regions": regions})
    return now


def page_findings(store: Store, scope: Scope, kind: str, which: PlaceFilter, wanted: PageOf) -> Page[Finding]:
    """The machines that were found different in the last month, newest first, and what is known of them now."""
    query = scope.narrowed(FindingRow.select(), FindingRow.account_id)
    told = cloud_accounts.seen_by(
        scope,
        account_id=FindingRow.account_id,
        provider=FindingRow.provider,
        account_key=FindingRow.account_key,
        made_by=FindingRow.made_by,
    )
    if told is not None:
        query = query.where((FindingRow.kind != ORPHAN) | told)
    if kind:
        query = query.where(FindingRow.kind == kind)
    query = _placed(query, which, FindingRow.provider, FindingRow.account_key, FindingRow.region_id)
    with store.connection():
        total = query.count()
        found = list(query.order_by(FindingRow.id.desc()).paginate(wanted.number, wanted.size))
        now_known = _states(found)
    rows = [
        Finding(
            id=row.id,
            kind=row.kind,
            provider=row.provider,
            account_key=row.account_key,
            region_id=row.region_id,
            instance_id=row.instance_id,
            cluster_name=row.cluster_name,
            task_id=row.task_id,
            first_seen_at=row.first_seen_at,
            seen_at=row.seen_at,
            status=now_known.get((row.account_id, row.instance_id), ("gone", ""))[0],
            reason=now_known.get((row.account_id, row.instance_id), ("gone", ""))[1],
        )
        for row in found
    ]
    return Page(rows, wanted.number, wanted.size, total)


def forget_account(account_id: int) -> None:
    """Drops an account's comparisons, inside the caller's transaction; the findings stay."""
    ComparisonRow.delete().where(ComparisonRow.account_id == account_id).execute()


_RESULT = (
    "started_at",
    "finished_at",
    "succeeded_at",
    "error_class",
    "reason",
    *Counts.__dataclass_fields__,
)


def _write(account_id: int, region_id: str, **values: object) -> None:
    where = (ComparisonRow.account_id == account_id) & (ComparisonRow.region_id == region_id)
    if not ComparisonRow.update(**values).where(where).execute():
        provider, account_key = _account(account_id)
        ComparisonRow.create(
            account_id=account_id, region_id=region_id, provider=provider, account_key=account_key, **values
        )


def _account(account_id: int) -> tuple[str, str]:
    row = AccountRow.get_or_none(AccountRow.id == account_id)
    return ("", "") if row is None else (row.provider, row.access_key)


def _placed(query: Any, which: PlaceFilter, provider: Any, account_key: Any, region_id: Any) -> Any:
    if which.provider:
        query = query.where(provider == which.provider)
    if which.account_key:
        query = query.where(account_key == which.account_key)
    if which.region_id:
        query = query.where(region_id == which.region_id)
    return query


def _seen_in_part(scope: Scope, account_ids: Collection[int]) -> set[int]:
    """Those of the accounts that are one at their cloud with accounts outside the scope."""
    if scope.accounts is None:
        return set()
    return {
        account_id
        for account_id in account_ids
        if (others := cloud_accounts.others_of(account_id))
        and AccountRow.select().where(AccountRow.id.in_(others) & scope.excludes(AccountRow)).exists()
    }


def _without_unowned(row: Comparison) -> Comparison:
    """The comparison without machines that another account's tasks may have made."""
    counts = row.counts
    listed, orphans = max(counts.listed - counts.unowned, 0), max(counts.orphans - counts.unowned, 0)
    return replace(row, counts=replace(counts, listed=listed, orphans=orphans, unowned=0))


def _comparison(row: Sequence[Any]) -> Comparison:
    account_id, provider, account_key, region_id, due_at, *rest = row
    result = dict(zip(_RESULT, rest, strict=True))
    return Comparison(
        account_id=account_id,
        provider=provider,
        account_key=account_key,
        region_id=region_id,
        due_at=due_at,
        started_at=result["started_at"] or 0,
        finished_at=result["finished_at"] or 0,
        succeeded_at=result["succeeded_at"] or 0,
        error_class=result["error_class"] or "",
        reason=result["reason"] or "",
        counts=Counts(**{name: int(result[name] or 0) for name in Counts.__dataclass_fields__}),
    )


def _states(found: Sequence[FindingRow]) -> dict[tuple[int, str], tuple[str, str]]:
    ids = sorted({row.instance_id for row in found})
    if not ids:
        return {}
    orphaned = OrphanRow.select(OrphanRow.account_id, OrphanRow.instance_id, OrphanRow.reason)
    states = {
        (account_id, instance_id): ("orphan", reason)
        for account_id, instance_id, reason in orphaned.where(OrphanRow.instance_id.in_(ids)).tuples()
    }
    known = InstanceRow.select(
        InstanceRow.account_id, InstanceRow.instance_id, InstanceRow.status, InstanceRow.reason
    ).where(InstanceRow.instance_id.in_(ids))
    states.update(
        ((account_id, instance_id), (status, reason)) for account_id, instance_id, status, reason in known.tuples()
    )
    return states
