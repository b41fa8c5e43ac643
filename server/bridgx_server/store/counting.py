"""How many rows pass a filter, without counting old ones again and again.

Rows of the inventory and of the tasks are never deleted. Where a filter asks only for what a row keeps for ever, the rows
that were written some time ago are counted once, and from then on only the newer ones.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from cachetools import LRUCache

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

    def of_kept(self, table: Any, query: Any, which: Hashable, now: int) -> int:
        """The rows of ``query``, a query of ``table`` whose conditions are on columns that never change.

        ``which`` names the conditions: equal for equal conditions, different for different ones. ``now`` is the
        database's time, in ms.
        """
        key = (table.__name__, which)
        with self._lock:
            counted = self._counted.get(key)
        if counted is None or now - counted.at > REFRESHED:
            counted = _count_settled(table, query, counted, now)
            with self._lock:
                self._counted[key] = counted
        return counted.number + int(query.where(table.id > counted.up_to).count())


def _count_settled(table: Any, query: Any, earlier: _Counted | None, now: int) -> _Counted:
    settled = table.select(table.id).where(table.created_at < now - SETTLED).order_by(table.id.desc()).limit(1)
    up_to = int(settled.scalar() or 0)
    begin, number = (earlier.up_to, earlier.number) if earlier else (0, 0)
    if up_to <= begin:
        return _Counted(begin, number, now)
    return _Counted(up_to, number + int(query.where((table.id > begin) & (table.id <= up_to)).count()), now)
