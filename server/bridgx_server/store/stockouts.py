"""What was found used up, remembered for all tasks of an account: what is sold out, and what a quota left none of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bridgx_server.store.database import Store
from bridgx_server.store.models import RefusedQuotaRow, StockoutRow

LONGEST_MESSAGE = 500  # characters


@dataclass(frozen=True)
class RefusedQuota:
    """When a quota of the cloud last had not even one machine left (ms), and how the cloud put it."""

    seen_at: int
    message: str


def remember(store: Store, account_id: int, zone_id: str, instance_type: str, now: int) -> None:
    """Writes down that a type is sold out in a zone, inside the caller's transaction."""
    _write(store, StockoutRow, (account_id, zone_id, instance_type), seen_at=now)


def forget(account_id: int, zone_id: str, instance_type: str, before: int) -> None:
    """Takes back what was found sold out before a time (ms), inside the caller's transaction."""
    _forget(StockoutRow, (account_id, zone_id, instance_type), before)


def remembered(store: Store, account_id: int, since: int) -> dict[tuple[str, str], int]:
    """When each zone and type of an account was last found sold out (ms), as far as that was not before ``since`` (ms)."""
    query = StockoutRow.select(StockoutRow.zone_id, StockoutRow.instance_type, StockoutRow.seen_at).where(
        (StockoutRow.account_id == account_id) & (StockoutRow.seen_at > since)
    )
    with store.connection():
        return {(str(zone), str(name)): int(at) for zone, name, at in query.tuples()}


def remember_quota(store: Store, account_id: int, zone_id: str, instance_type: str, message: str, now: int) -> None:
    """Writes down that a quota has no machine of a type in a zone left, inside the caller's transaction."""
    where = (account_id, zone_id, instance_type)
    _write(store, RefusedQuotaRow, where, seen_at=now, message=message[:LONGEST_MESSAGE])


def forget_quota(account_id: int, zone_id: str, instance_type: str, before: int) -> None:
    """Takes back what a quota left none of before a time (ms), inside the caller's transaction."""
    _forget(RefusedQuotaRow, (account_id, zone_id, instance_type), before)


def refused_quotas(store: Store, account_id: int, since: int) -> dict[tuple[str, str], RefusedQuota]:
    """The quotas of an account that had nothing left, by zone and type, as far as that was not before ``since`` (ms)."""
    query = RefusedQuotaRow.select().where(
        (RefusedQuotaRow.account_id == account_id) & (RefusedQuotaRow.seen_at > since)
    )
    with store.connection():
        return {(row.zone_id, row.instance_type): RefusedQuota(row.seen_at, row.message) for row in query}


def _write(store: Store, table: type[Any], where: tuple[int, str, str], **found: object) -> None:
    if table.update(**found).where(_is(table, where)).execute():
        return
    account_id, zone_id, instance_type = where
    columns = {"account_id": account_id, "zone_id": zone_id, "instance_type": instance_type, **found}
    # In one statement, since another may write it down meanwhile: on MariaDB an insert that fails keeps a lock on the row that
    # it met, and two that then update that row wait for each other.
    target = (
        {} if store.dialect == "mysql" else {"conflict_target": [table.account_id, table.zone_id, table.instance_type]}
    )
    table.insert(**columns).on_conflict(**target, update=found).execute()


def _forget(table: type[Any], where: tuple[int, str, str], before: int) -> None:
    table.delete().where(_is(table, where) & (table.seen_at < before)).execute()


def _is(table: type[Any], where: tuple[int, str, str]) -> Any:
    account_id, zone_id, instance_type = where
    return (table.account_id == account_id) & (table.zone_id == zone_id) & (table.instance_type == instance_type)
