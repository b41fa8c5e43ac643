"""What was found sold out, remembered for all tasks of an account."""

from __future__ import annotations

from typing import Any

from peewee import IntegrityError

from bridgx_server.store.database import Store
from bridgx_server.store.models import StockoutRow


def remember(store: Store, account_id: int, zone_id: str, instance_type: str, now: int) -> None:
    """Writes down that a type is sold out in a zone, inside the caller's transaction."""
    where = _is(account_id, zone_id, instance_type)
    if StockoutRow.update(seen_at=now).where(where).execute():
        return
    try:
        with store.transaction():
            StockoutRow.create(account_id=account_id, zone_id=zone_id, instance_type=instance_type, seen_at=now)
    except IntegrityError:
        StockoutRow.update(seen_at=now).where(where).execute()  # another wrote it down meanwhile


def forget(account_id: int, zone_id: str, instance_type: str, before: int) -> None:
    """Takes back what was found sold out before a time (ms), inside the caller's transaction."""
    StockoutRow.delete().where(_is(account_id, zone_id, instance_type) & (StockoutRow.seen_at < before)).execute()


def remembered(store: Store, account_id: int, since: int) -> dict[tuple[str, str], int]:
    """When each zone and type of an account was last found sold out (ms), as far as that was not before ``since`` (ms)."""
    query = StockoutRow.select(StockoutRow.zone_id, StockoutRow.instance_type, StockoutRow.seen_at).where(
        (StockoutRow.account_id == account_id) & (StockoutRow.seen_at > since)
    )
    with store.connection():
        return {(str(zone), str(name)): int(at) for zone, name, at in query.tuples()}


def _is(account_id: int, zone_id: str, instance_type: str) -> Any:
    return (
        (StockoutRow.account_id == account_id)
        & (StockoutRow.zone_id == zone_id)
        & (StockoutRow.instance_type == instance_type)
    )
