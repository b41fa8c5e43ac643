"""Machine-seconds of a day.

Every machine's time within the day is rounded down to whole seconds, by one rule, so that the total is the sum of the
rows.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from peewee import Case, fn

from bridgx_server.store.database import Store
from bridgx_server.store.models import InstanceRow
from bridgx_server.store.paging import Page, PageOf
from bridgx_server.store.scope import Scope


@dataclass(frozen=True)
class Day:
    """The moments at which a day begins and ends, in ms since the epoch. In summer time it may have 23 or 25 hours."""

    begins: int
    ends: int

    @classmethod
    def of(cls, day: date, zone: ZoneInfo) -> Day:
        """The day in a time zone."""
        begins = datetime.combine(day, time(), zone)
        ends = datetime.combine(day + timedelta(days=1), time(), zone)
        return cls(int(begins.timestamp() * 1000), int(ends.timestamp() * 1000))


@dataclass(frozen=True)
class MachineUsage:
    """A machine that was up on the day. ``stopped_at`` is 0 while it runs; both times are whole, not clipped, in ms."""

    id: int
    cluster_name: str
    instance_id: str
    instance_type: str
    started_at: int
    stopped_at: int
    seconds: int


def total(store: Store, scope: Scope, day: Day, cluster_name: str, now: int) -> int:
    """Seconds that all machines together were up on the day, until ``now`` (ms)."""
    up = _up_on(day, cluster_name, now)
    with store.connection():
        sums = [_of(scope, condition, fn.SUM(_seconds(store, day, now))).scalar() for condition in up]
    return sum(int(seconds or 0) for seconds in sums)


def page(store: Store, scope: Scope, day: Day, cluster_name: str, now: int, wanted: PageOf) -> Page[MachineUsage]:
    """The machines that were up on the day, newest first."""
    columns = (
        InstanceRow.id,
        InstanceRow.cluster_name,
        InstanceRow.instance_id,
        InstanceRow.instance_type,
        InstanceRow.running_at,
        InstanceRow.gone_at,
        _seconds(store, day, now),
    )
    up = _up_on(day, cluster_name, now)
    with store.connection():
        count = sum(_of(scope, condition, InstanceRow.id).count() for condition in up)
        parts = [_newest(_of(scope, condition, *columns), wanted) for condition in up]
    merged = list(heapq.merge(*parts, key=lambda row: row[0], reverse=True))
    rows = [_usage(*row) for row in merged[(wanted.number - 1) * wanted.size : wanted.number * wanted.size]]
    return Page(rows, wanted.number, wanted.size, count)


def _seconds(store: Store, day: Day, now: int) -> Any:
    begins = Case(None, [(InstanceRow.running_at < day.begins, day.begins)], InstanceRow.running_at)
    last = min(day.ends, now)
    ends = Case(None, [((InstanceRow.gone_at == 0) | (InstanceRow.gone_at > last), last)], InstanceRow.gone_at)
    seconds = (ends - begins) / 1000
    # SQLite divides whole numbers into whole numbers, and may lack FLOOR.
    return seconds if store.dialect == "sqlite" else fn.FLOOR(seconds)


def _up_on(day: Day, cluster_name: str, now: int) -> list[Any]:
    """The machines that were up on the day, in two parts: those that still are, and those that have gone since.

    As one condition it would be an OR, for which databases walk through all that ever were.
    """
    last = min(day.ends, now)
    if last <= day.begins:
        return []  # a day to come
    # Written so that the index is searched by gone_at: it says more than running_at.
    began = (InstanceRow.running_at != 0) & (InstanceRow.running_at - last < 0)
    if cluster_name:
        began &= InstanceRow.cluster_name == cluster_name
    still = InstanceRow.gone_at == 0
    gone = (InstanceRow.gone_at > day.begins) & (InstanceRow.gone_at > InstanceRow.running_at)
    return [began & still, began & gone]


def _of(scope: Scope, condition: Any, *columns: Any) -> Any:
    """One of the parts, as far as it is in the scope. By the account of no index: the day's says more."""
    return scope.narrowed(InstanceRow.select(*columns).where(condition), InstanceRow.account_id + 0)


def _newest(query: Any, wanted: PageOf) -> list[Any]:
    """The rows of a part that can be on the page."""
    # By the id of no index, so that the index of the day is searched, and not all machines in their order.
    return list(query.order_by((InstanceRow.id + 0).desc()).limit(wanted.number * wanted.size).tuples())


def _usage(
    row_id: int, cluster: str, instance_id: str, instance_type: str, started_at: int, stopped_at: int, seconds: Any
) -> MachineUsage:
    return MachineUsage(row_id, cluster, instance_id, instance_type, started_at, stopped_at, int(seconds))
