"""A job that is done now and then, in a thread of its own."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

import structlog

log = structlog.get_logger("bridgx.periodic")


class Periodic:
    """Does a job when it starts, and then every so many seconds, a little more or less each time.

    Any number of processes may do the same job: it must be safe to do twice. One that fails is done again next time.
    """

    def __init__(self, name: str, seconds: float, job: Callable[[], object]) -> None:
        self._name = name
        self._seconds = seconds
        self._job = job
        self._stopping = threading.Event()
        self._random = random.Random()
        self._thread = threading.Thread(target=self._run, name=f"bridgx-{name}", daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def stop(self, timeout: float = 30.0) -> None:
        """Begins no more jobs, and waits at most ``timeout`` seconds for the one under way."""
        self._stopping.set()
        self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._job()
            except Exception:
                log.exception("periodic job failed", job=self._name)
            self._stopping.wait(self._seconds * self._random.uniform(0.9, 1.1))
