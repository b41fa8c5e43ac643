"""Pages of lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

DEFAULT_SIZE = 10
LARGEST_SIZE = 50

Row = TypeVar("Row")


@dataclass(frozen=True)
class PageOf:
    """Which page: ``number`` from 1, ``size`` from 1 to 50."""

    number: int
    size: int

    @classmethod
    def asked(cls, number: int, size: int) -> PageOf:
        """What a request asks for: 0 means the default, a size over 50 means 50."""
        return cls(number or 1, min(size or DEFAULT_SIZE, LARGEST_SIZE))


@dataclass(frozen=True)
class Page(Generic[Row]):
    """The rows of one page, and how many rows all pages have."""

    rows: Sequence[Row]
    number: int
    size: int
    total: int
