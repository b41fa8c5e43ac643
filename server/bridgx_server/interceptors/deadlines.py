"""How long a call may last: one without a deadline of its own gets ours."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc

from bridgx_server.errors import BridgXError
from bridgx_server.interceptors.layer import Layer


class Deadlines(Layer):
    """Ends calls at a limit, as CANCELLED, and does not begin one whose own deadline has passed while it waited for a thread.

    A deadline that is nearer than the limit is gRPC's own business. Health checks are left alone.
    """

    def __init__(self, calls: float, streams: float, watchdog: Watchdog | None = None) -> None:
        """``calls`` and ``streams``: seconds that a call with one answer, and one with a stream of them, may last."""
        self._calls = calls
        self._streams = streams
        self._watchdog = watchdog or Watchdog()
        self._streaming: set[str] = set()

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Any],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        handler = super().intercept_service(continuation, handler_call_details)
        if handler is not None and handler.response_streaming:
            self._streaming.add(handler_call_details.method)
        return handler

    def around(self, method: str, request: Any, context: Any) -> Iterator[None]:
        if not method.startswith("/bridgx."):
            yield
            return
        left = context.time_remaining()
        if not context.is_active() or (left is not None and left <= 0):
            raise BridgXError("deadline_exceeded", "the call's deadline passed before the server came to it")
        limit = self._streams if method in self._streaming else self._calls
        watched = self._watchdog.after(limit, context.cancel)
        try:
            yield
        finally:
            self._watchdog.forget(watched)


@dataclass(order=True)
class Watched:
    """Something to be done at a time, unless it is forgotten first."""

    at: float
    number: int
    act: Callable[[], object] | None = field(compare=False)


class Watchdog:
    """One thread for all the limits. It starts with the first of them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._waiting: list[Watched] = []
        self._numbers = itertools.count()
        self._thread: threading.Thread | None = None
        self._forgotten = 0

    @property
    def waiting(self) -> int:
        """How many it keeps in mind, a few of the forgotten among them."""
        with self._changed:
            return len(self._waiting)

    def after(self, seconds: float, act: Callable[[], object]) -> Watched:
        """Calls ``act`` in ``seconds``, unless :meth:`forget` comes first."""
        watched = Watched(self._clock() + seconds, next(self._numbers), act)
        with self._changed:
            heapq.heappush(self._waiting, watched)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="bridgx-deadlines", daemon=True)
                self._thread.start()
            elif self._waiting[0] is watched:
                self._changed.notify()
        return watched

    def forget(self, watched: Watched) -> None:
        """What was watched has ended."""
        with self._changed:
            if watched.act is None:
                return
            watched.act = None
            self._forgotten += 1
            # Most calls end long before their limit: what is left of them must not pile up.
            if self._forgotten > max(64, len(self._waiting) // 2):
                self._waiting = [row for row in self._waiting if row.act is not None]
                heapq.heapify(self._waiting)
                self._forgotten = 0

    def _run(self) -> None:
        while True:
            act = self._next()
            if act is not None:
                act()

    def _next(self) -> Callable[[], object] | None:
        with self._changed:
            while not self._waiting:
                self._changed.wait()
            left = self._waiting[0].at - self._clock()
            if left > 0:
                self._changed.wait(left)
                return None
            watched = heapq.heappop(self._waiting)
            act, watched.act = watched.act, None
            if act is None:
                self._forgotten -= 1
            return act
