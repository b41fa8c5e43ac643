"""Long lists of ids, in statements of a bounded length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

SIZE = 500  # values of one statement; SQLite takes 32,766, and plans grow with them

_T = TypeVar("_T")


def batches(values: Sequence[_T]) -> Iterator[list[_T]]:
    """The values in their order, at most :data:`SIZE` at a time."""
    for start in range(0, len(values), SIZE):
        yield list(values[start : start + SIZE])


def accounts_of(
    table: type[Any], account_ids: Sequence[int], region_id: str, instance_ids: Sequence[str]
) -> dict[str, int]:
    """Which of these accounts has a row of a machine of the region in a table, by the machine's id; inside a connection."""
    found: dict[str, int] = {}
    for part in batches(instance_ids) if account_ids else ():
        query = table.select(table.instance_id, table.account_id).where(
            table.instance_id.in_(part) & table.account_id.in_(list(account_ids)) & (table.region_id == region_id)
        )
        found.update((str(key), int(account_id)) for key, account_id in query.tuples())
    return found
