"""The clouds' times."""

from __future__ import annotations

from datetime import datetime


def milliseconds(moment: datetime | None) -> int:
    """A cloud's time as ms since the epoch, 0 where it gives none."""
    return 0 if moment is None else int(moment.timestamp() * 1000)
