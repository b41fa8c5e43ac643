"""Rows that are brought up to date with the cloud when they are read, as far as that does not keep the reader waiting."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

import structlog

from bridgx_server.providers.errors import ProviderError
from bridgx_server.store.failures import DATABASE_FAILURES

THREADS = 16
PATIENCE = 5.0  # seconds that a reader waits; what comes later is there for the next one

log = structlog.get_logger("bridgx.networks")


class Refresher:
    """Asks the cloud and writes down what it says, beside the read: another's write lock, or a slow cloud, delays it alone."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="bridgx-refresh")
        self._free = threading.BoundedSemaphore(THREADS)

    def refresh(self, what: str, *refreshes: Callable[[], None]) -> None:
        """Runs them side by side, and returns when all have ended or the patience has. ``what`` they are about is logged of those
        that fail.
        """
        begun = [future for future in (self._begin(what, refresh) for refresh in refreshes) if future is not None]
        late = wait(begun, self._patience).not_done
        if late:
            log.warning("not refreshed in time", what=what, number=len(late), seconds=self._patience)
        for future in begun:
            if future not in late:
                future.result()

    def _begin(self, what: str, refresh: Callable[[], None]) -> Future[None] | None:
        if not self._free.acquire(blocking=False):
            log.warning("not refreshed", what=what, error="too many others are being refreshed")
            return None
        context = contextvars.copy_context()

        def run() -> None:
            try:
                context.run(refresh)
            except ProviderError as error:
                log.warning("not refreshed", what=what, error_class=error.kind.value)
            except DATABASE_FAILURES as error:
                log.warning("not refreshed", what=what, error=f"{type(error).__name__}: {error}")
            finally:
                self._free.release()

        try:
            return self._threads.submit(run)
        except BaseException:
            self._free.release()
            raise
