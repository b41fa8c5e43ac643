"""How many calls of an action a cloud takes in a second: token buckets, none by default."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Rate:
    """``per_second`` calls in the long run, ``burst`` at once."""

    cloud: str
    action: str
    per_second: float
    burst: float
    left: float = 0.0
    at: float = 0.0


class Rates:
    """All limits; a call must pass every one that concerns it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.limits: list[Rate] = []

    def set(self, cloud: str, action: str, per_second: float | None, burst: float = 1.0) -> None:
        """Sets or, with None, lifts a limit. ``cloud`` and ``action`` may hold ``*``."""
        self.limits = [limit for limit in self.limits if (limit.cloud, limit.action) != (cloud, action)]
        if per_second is not None:
            self.limits.append(Rate(cloud, action, per_second, burst, burst, self._clock()))

    def take(self, cloud: str, action: str) -> bool:
        """Counts a call; False when it is one too many."""
        now = self._clock()
        concerned = [
            limit
            for limit in self.limits
            if fnmatch.fnmatchcase(cloud, limit.cloud) and fnmatch.fnmatchcase(action, limit.action)
        ]
        for limit in concerned:
            limit.left = min(limit.burst, limit.left + (now - limit.at) * limit.per_second)
            limit.at = now
        if any(limit.left < 1 for limit in concerned):
            return False
        for limit in concerned:
            limit.left -= 1
        return True
