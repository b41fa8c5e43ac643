"""Rows that are brought up to date with the cloud when they are read, as far as that does not keep the reader waiting."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime

import structlog
from peewee import InterfaceError, OperationalError

from bridgx_server.providers.errors import ProviderError

THREADS = 16
PATIENCE = 5.0  # seconds that a reader waits; what comes later is there for the next one

log = structlog.get_logger("bridgx.networks")


class Refresher:
    """Asks the cloud and writes down what it says, beside the read: another's write lock, or a slow cloud, delays it alone."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="bridgx-refresh")
        self._free = threading.BoundedSemaphore(THREADS)

    def refresh(self, what: str, refresh: Callable[[], None]) -> None:
        """Runs ``refresh``, and returns when it has ended or takes too long. ``what`` it is about is logged if it fails."""
        if not self._free.acquire(blocking=False):
            log.warning("not refreshed", what=what, error="too many others are being refreshed")
            return
        context = contextvars.copy_context()

        def run() -> None:
            try:
                context.run(refresh)
            except ProviderError as error:
                log.warning("not refreshed", what=what, error_class=error.kind.value)
            except (OperationalError, InterfaceError) as error:
                log.warning("not refreshed", what=what, error=f"{type(error).__name__}: {error}")
            finally:
                self._free.release()

        future = self._threads.submit(run)
        try:
            future.result(self._patience)
        except NotInTime:
            log.warning("not refreshed in time", what=what, seconds=self._patience)
