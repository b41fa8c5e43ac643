"""What a benchmark tells: a figure, the baseline of the same run, and what their ratio should be."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """``ratio`` is measured to baseline; ``target`` says what it should be, empty where nothing was promised."""

    name: str
    measured: str
    baseline: str
    ratio: float | None
    target: str = ""


def show(results: Iterable[Result]) -> None:
    """Prints the results as a table."""
    rows = [("what", "measured", "baseline", "ratio", "target")]
    rows += [
        (row.name, row.measured, row.baseline, f"{row.ratio:.2f}" if row.ratio is not None else "", row.target)
        for row in results
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
