"""How a stream waits without holding a thread."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pause:
    """A servicer's stream yields it instead of sleeping: it is resumed after ``seconds``, or at once when the server stops."""

    seconds: float
