"""How many rows pass a filter, without counting old ones again and again.

Rows of the inventory, of the tasks and of the audit are never deleted. Where a filter asks only for what a row keeps for
ever, the rows that were written some time ago are counted once, and from then on only the newer ones. Where it asks also for
what changes, as nearly all machines that ever were are deleted ones, the few that it leaves out are counted and taken off.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from cachetools import LRUCache
from peewee import Select, fn

SETTLED = 60_000  # ms after which no transaction that writes a row with an earlier number is still open
REFRESHED = 10_000  # ms between two looks at what has settled
FILTERS = 4_096  # filters whose counts are remembered


@dataclass(frozen=True)
class _Counted:
    up_to: int
    number: int
    at: int


class Counts:
    """What was counted, by filter. One for a database; all methods may be called from many threads."""

    def __init__(self) -> None:
        self._counted: LRUCache[Hashable, _Counted] = LRUCache(FILTERS)
        self._lock = threading.Lock()

    def of_kept(self, written: Any, query: Any, which: Hashable, now: int, *, but: Any = None) -> int:
        """The rows of ``query`` without those of ``but``.

        Args:
            written: the column that says when a row was written; its table is the one that is counted.
            query: its conditions are on columns that never change.
            which: names the conditions of ``query``: equal for equal ones, different for different ones.
            now: the database's time, in ms.
            but: the same query with more conditions, on whatever columns, that few rows pass.
        """
        table = written.model
        key = (table.__name__, which)
        with self._lock:
            counted = self._counted.get(key)
        if counted is None or now - counted.at > REFRESHED:
            counted = _count_settled(written, query, counted, now)
            with self._lock:
                self._counted[key] = counted
        newer = query.where(table.id > counted.up_to)
        if but is None:
            return counted.number + int(newer.count())
        # In one statement: a row that is written or changes between two would count in one of them alone.
        parts = Select(columns=[part.select(fn.COUNT(table.id)) for part in (newer, but)])
        fresh, left_out = next(iter(parts.tuples().execute(table._meta.database)))
        return counted.number + int(fresh) - int(left_out)


def _count_settled(written: Any, query: Any, earlier: _Counted | None, now: int) -> _Counted:
    table = written.model
    settled = table.select(table.id).where(written < now - SETTLED).order_by(table.id.desc()).limit(1)
    up_to = int(settled.scalar() or 0)
    begin, number = (earlier.up_to, earlier.number) if earlier else (0, 0)
    if up_to <= begin:
        return _Counted(begin, number, now)
    return _Counted(up_to, number + int(query.where((table.id > begin) & (table.id <= up_to)).count()), now)
