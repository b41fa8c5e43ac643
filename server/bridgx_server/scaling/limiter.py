"""How many calls to one account may be under way at once."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator


class Limiter:
    """A fixed number of calls at a time for each account; those that wait go in the order in which they came."""

    def __init__(self, concurrency: int) -> None:
        """``concurrency`` is at least 1."""
        self._concurrency = concurrency
        self._lock = threading.Lock()
        self._free: dict[int, int] = {}
        self._waiting: dict[int, list[threading.Event]] = {}

    @contextlib.contextmanager
    def call(self, account_id: int) -> Iterator[None]:
        """Waits for a place, and keeps it for the block."""
        turn = threading.Event()
        with self._lock:
            free = self._free.setdefault(account_id, self._concurrency)
            if free > 0:
                self._free[account_id] = free - 1
                turn.set()
            else:
                self._waiting.setdefault(account_id, []).append(turn)
        turn.wait()
        try:
            yield
        finally:
            with self._lock:
                waiting = self._waiting.get(account_id)
                if waiting:
                    waiting.pop(0).set()
                else:
                    self._free[account_id] += 1
