"""Places for streams that last: so many of a kind at once, and nobody takes them all."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator

from bridgx_server.errors import BridgXError


class Places:
    """How many streams of a kind there may be. May be used by any thread, and in an event loop."""

    def __init__(self, total: int, of_one: int, too_many_of_one: str, too_many: str) -> None:
        """``total`` is what the process serves, ``of_one`` what one holder gets of it; the texts are what those beyond read."""
        self._total = total
        self._of_one = of_one
        self._too_many_of_one = too_many_of_one
        self._too_many = too_many
        self._lock = threading.Lock()
        self._taken: Counter[str] = Counter()

    @contextlib.contextmanager
    def place(self, holder: str) -> Iterator[None]:
        """A place for as long as the block lasts. ``holder`` is an identity's key, for names are of one tenant alone; or an
        address.

        Raises:
            BridgXError: throttled, since there is none.
        """
        self._take(holder)
        try:
            yield
        finally:
            with self._lock:
                self._taken[holder] -= 1
                if not self._taken[holder]:
                    del self._taken[holder]

    def _take(self, holder: str) -> None:
        with self._lock:
            if self._taken[holder] >= self._of_one:
                raise BridgXError("throttled", self._too_many_of_one)
            if self._taken.total() >= self._total:
                raise BridgXError("throttled", self._too_many)
            self._taken[holder] += 1


def watch_places(total: int, per_caller: int) -> Places:
    """Those of WatchTask."""
    return Places(
        total,
        per_caller,
        f"{per_caller} tasks are being watched by this caller; end a watch, or use GetTask",
        "too many tasks are being watched; try again, or ask with GetTask",
    )
