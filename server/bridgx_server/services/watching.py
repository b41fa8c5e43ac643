"""Places for the streams that watch tasks: so many at once, and no caller takes them all."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator

from bridgx_server.errors import BridgXError


class WatchPlaces:
    """How many watches there may be at once."""

    def __init__(self, total: int, per_caller: int) -> None:
        """``total`` is what the process serves, ``per_caller`` what one caller gets of it; both at least 1."""
        self._total = total
        self._per_caller = per_caller
        self._lock = threading.Lock()
        self._taken: Counter[str] = Counter()

    @contextlib.contextmanager
    def place(self, caller: str) -> Iterator[None]:
        """A place for as long as the block lasts. ``caller`` is an identity's key: names are of one tenant alone.

        Raises:
            BridgXError: throttled, since there is none.
        """
        self._take(caller)
        try:
            yield
        finally:
            with self._lock:
                self._taken[caller] -= 1
                if not self._taken[caller]:
                    del self._taken[caller]

    def _take(self, caller: str) -> None:
        with self._lock:
            if self._taken[caller] >= self._per_caller:
                raise BridgXError(
                    "throttled",
                    f"{self._per_caller} tasks are being watched by this caller; end a watch, or use GetTask",
                )
            if self._taken.total() >= self._total:
                raise BridgXError("throttled", "too many tasks are being watched; try again, or ask with GetTask")
            self._taken[caller] += 1
