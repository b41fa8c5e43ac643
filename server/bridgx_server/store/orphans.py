"""Machines that carry our tags at a cloud though nothing here knows why."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bridgx_server.store import audit, cloud_accounts, instances
from bridgx_server.store.batches import accounts_of, batches
from bridgx_server.store.database import Store
from bridgx_server.store.instances import Tended
from bridgx_server.store.models import AccountRow, OrphanRow
from bridgx_server.store.paging import Page, PageOf
from bridgx_server.store.retrying import made_again
from bridgx_server.store.scope import Scope

ABSENCES = 2  # comparisons in a row that do not see an orphan, before it is forgotten


@dataclass(frozen=True)
class Sighting:
    """An orphan as a comparison saw it.

    ``started_at`` is the cloud's time of its creation in ms, 0 if it gives none. ``made_by`` is the access key of the
    account whose task made it; empty where nobody knows.
    """

    instance_id: str
    state: str
    instance_type: str
    zone_id: str
    ip_inner: str
    started_at: int
    tags: Mapping[str, str]
    reason: str
    made_by: str = ""


@dataclass(frozen=True)
class Orphan:
    """An orphan as it was last seen. Times are ms since the epoch, 0 where nothing has happened."""

    id: int
    account_id: int
    provider: str
    account_key: str
    region_id: str
    instance_id: str
    state: str
    instance_type: str
    zone_id: str
    ip_inner: str
    started_at: int
    first_seen_at: int
    seen_at: int
    reason: str
    tags: Mapping[str, str]
    delete_asked_at: int
    delete_asked_by: str
    delete_failure: str
    made_by: str


@dataclass(frozen=True)
class OrphanFilter:
    """Which orphans; what is empty does not matter."""

    provider: str = ""
    account_key: str = ""
    region_id: str = ""
    instance_ids: Sequence[str] = ()


def report(account_id: int, region_id: str, seen: Sequence[Sighting], now: int) -> None:
    """Writes orphans down, or that they are still there, inside the caller's transaction."""
    known = _ids(account_id, region_id)
    for machine in seen:
        values: dict[str, object] = {
            "state": machine.state,
            "instance_type": machine.instance_type[:128],
            "zone_id": machine.zone_id[:64],
            "ip_inner": machine.ip_inner[:64],
            "started_at": machine.started_at,
            "reason": machine.reason[:255],
            "made_by": machine.made_by,
            "tags_json": json.dumps(dict(machine.tags), sort_keys=True),
            "seen_at": now,
            "absences": 0,
        }
        if machine.instance_id in known:
            OrphanRow.update(**values).where(OrphanRow.id == known[machine.instance_id]).execute()
        else:
            OrphanRow.create(
                account_id=account_id,
                region_id=region_id,
                instance_id=machine.instance_id,
                first_seen_at=now,
                **values,
            )


def unseen(account_id: int, region_id: str, seen: Sequence[str]) -> int:
    """Counts a complete list that shows none but ``seen``, inside the caller's transaction.

    Returns how many were forgotten: those that several lists in a row did not show.
    """
    shown = set(seen)
    absent = [row_id for instance_id, row_id in _ids(account_id, region_id).items() if instance_id not in shown]
    forgotten = 0
    for part in batches(absent):
        OrphanRow.update(absences=OrphanRow.absences + 1).where(OrphanRow.id.in_(part)).execute()
        forgotten += OrphanRow.delete().where(OrphanRow.id.in_(part) & (OrphanRow.absences >= ABSENCES)).execute()
    return forgotten


def reporters(store: Store, account_ids: Sequence[int], region_id: str, instance_ids: Sequence[str]) -> dict[str, int]:
    """Which of these accounts has reported a machine of the region as an orphan, by the machine's id."""
    with store.connection():
        return accounts_of(OrphanRow, account_ids, region_id, instance_ids)


def drop(account_ids: Sequence[int], region_id: str, instance_ids: Sequence[str]) -> None:
    """Forgets what is an orphan of none of these accounts, inside the caller's transaction."""
    for part in batches(instance_ids) if account_ids else ():
        query = OrphanRow.select(OrphanRow.id).where(
            OrphanRow.account_id.in_(list(account_ids))
            & (OrphanRow.region_id == region_id)
            & OrphanRow.instance_id.in_(part)
        )
        # By number: a deletion that finds nothing would keep others from writing next to it.
        found = sorted(int(row[0]) for row in query.tuples())
        if found:
            OrphanRow.delete().where(OrphanRow.id.in_(found)).execute()


@made_again
def forget(store: Store, orphan_ids: Sequence[int]) -> None:
    """Drops orphans that are gone, or are none any more."""
    with store.transaction():
        OrphanRow.delete().where(OrphanRow.id.in_(list(orphan_ids))).execute()


def page(store: Store, scope: Scope, which: OrphanFilter, wanted: PageOf) -> Page[Orphan]:
    """The orphans that pass the filters, the longest known first."""
    query = _filtered(scope, which)
    with store.connection():
        total = query.count()
        rows = [_value(row) for row in query.order_by(OrphanRow.id).paginate(wanted.number, wanted.size).tuples()]
    return Page(rows, wanted.number, wanted.size, total)


def named(store: Store, scope: Scope, which: OrphanFilter) -> list[Orphan]:
    """The orphans with the ids that the filter names."""
    with store.connection():
        return [_value(row) for row in _filtered(scope, which).order_by(OrphanRow.id).tuples()]


@made_again
def delete_asked(
    store: Store, orphans: Sequence[Orphan], leftover: Sequence[Tended], caller: str, *, release_prepaid: bool = False
) -> None:
    """Writes down, before the cloud is asked, who has it delete them.

    ``leftover`` are those among them that the inventory holds; from now on they are being deleted there too, and given up
    where they are paid for in advance and ``release_prepaid`` says so.
    """
    with store.transaction():
        now = store.now()
        OrphanRow.update(delete_asked_at=now, delete_asked_by=caller, delete_failure="").where(
            OrphanRow.id.in_([orphan.id for orphan in orphans])
        ).execute()
        for row in leftover:
            changes = {"status": instances.DELETING, "deleting_at": now, "tend_at": now, "delete_sent_at": 0}
            wishes = {"reason": "deleted as an orphan", "unwanted": True, "release_prepaid": release_prepaid}
            instances.change(row.id, if_status=row.status, **changes, **wishes)
        for orphan in orphans:
            audit.changed(store, audit.of_account("machine", orphan.instance_id, orphan.account_id))


@made_again
def delete_refused(store: Store, orphan_ids: Sequence[int], failure: str) -> None:
    """Writes down why the cloud did not delete them."""
    with store.transaction():
        OrphanRow.update(delete_failure=failure[:2000]).where(OrphanRow.id.in_(list(orphan_ids))).execute()


def release_account(account_id: int, access_key: str, others: Sequence[int]) -> int:
    """How many orphans keep an account from being forgotten, inside the caller's transaction; 0: it has none any more.

    Those that its own tasks made do, and all where it is alone at its cloud. Others are found through ``others``, the accounts
    that are the same one there, and are forgotten here.
    """
    query = OrphanRow.select().where(OrphanRow.account_id == account_id)
    if others:
        query = query.where(OrphanRow.made_by == access_key)
    left = int(query.count())
    if not left:
        OrphanRow.delete().where(OrphanRow.account_id == account_id).execute()
    return left


_OWN = (
    "account_id",
    "region_id",
    "instance_id",
    "state",
    "instance_type",
    "zone_id",
    "ip_inner",
    "started_at",
    "first_seen_at",
    "seen_at",
    "reason",
    "delete_asked_at",
    "delete_asked_by",
    "delete_failure",
    "made_by",
)


def _filtered(scope: Scope, which: OrphanFilter) -> Any:
    columns = [getattr(OrphanRow, name) for name in _OWN]
    query = OrphanRow.select(
        OrphanRow.id, AccountRow.provider, AccountRow.access_key, OrphanRow.tags_json, *columns
    ).join(AccountRow, on=(AccountRow.id == OrphanRow.account_id))
    query = scope.narrowed(query, OrphanRow.account_id)
    told = cloud_accounts.seen_by(
        scope,
        account_id=OrphanRow.account_id,
        provider=AccountRow.provider,
        account_key=AccountRow.access_key,
        made_by=OrphanRow.made_by,
    )
    if told is not None:
        query = query.where(told)
    if which.provider:
        query = query.where(AccountRow.provider == which.provider)
    if which.account_key:
        query = query.where(AccountRow.access_key == which.account_key)
    if which.region_id:
        query = query.where(OrphanRow.region_id == which.region_id)
    if which.instance_ids:
        query = query.where(OrphanRow.instance_id.in_(list(which.instance_ids)))
    return query


def _ids(account_id: int, region_id: str) -> dict[str, int]:
    query = OrphanRow.select(OrphanRow.instance_id, OrphanRow.id).where(
        (OrphanRow.account_id == account_id) & (OrphanRow.region_id == region_id)
    )
    return {str(instance_id): int(row_id) for instance_id, row_id in query.tuples()}


def _value(row: Sequence[object]) -> Orphan:
    row_id, provider, account_key, tags_json, *own = row
    fields = dict(zip(_OWN, own, strict=True))
    return Orphan(id=row_id, provider=provider, account_key=account_key, tags=json.loads(str(tags_json)), **fields)  # type: ignore[arg-type]
