"""The event loop of this process, in a thread of its own.

grpc.aio has one poller a process, and it belongs to the loop that used it first: servers on other loops stand still when
that one ends. So all servers of a process, of which tests have many, share a loop that never ends.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

Answer = TypeVar("Answer")


class LoopThread:
    """A loop that runs until the process ends."""

    def __init__(self) -> None:
        self._kept: list[object] = []
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._run, name="bridgx-loop", daemon=True).start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def keep(self, server: object) -> None:
        """Holds a server until the process ends: grpc.aio stops one at once that nobody holds."""
        self._kept.append(server)

    def begin(self, coroutine: Coroutine[Any, Any, Answer]) -> Future[Answer]:
        """Starts a coroutine from another thread."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def run(self, coroutine: Coroutine[Any, Any, Answer]) -> Answer:
        """What a coroutine returns or raises, waited for in another thread."""
        return self.begin(coroutine).result()


@functools.cache
def loop_thread() -> LoopThread:
    """The one of this process."""
    return LoopThread()
