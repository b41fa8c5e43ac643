"""Threads for what blocks. Who waits for one holds none."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from bridgx_server.errors import BridgXError

Answer = TypeVar("Answer")


class Workers:
    """So many threads, and so many jobs that wait for one of them, first come, first served. Used in one event loop."""

    def __init__(self, threads: int, backlog: int, name: str) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._free = asyncio.Semaphore(threads)
        self._backlog = backlog
        self._waiting = 0
        self._closed = False
        self.busy = 0  # threads at work, those included for whose answer nobody waits any more

    async def run(self, job: Callable[[], Answer], *, refusable: bool = True) -> Answer:
        """What the job returns or raises, in a thread, with a copy of the caller's context.

        A job whose caller is canceled is dropped if it has not begun; else it goes on to its end, and keeps its thread.
        One that is not ``refusable`` waits in the same line, however long that is, and takes no place that others may have:
        what has been begun must go on, and its number is bounded where it begins.

        Raises:
            BridgXError: throttled, since too many wait; server_unavailable, since there is no thread for it.
        """
        if self._free.locked() and refusable:
            if self._waiting >= self._backlog:
                raise BridgXError("throttled", "the server has more calls to answer than it can; wait, and try again")
            self._waiting += 1
            try:
                await self._free.acquire()
            finally:
                self._waiting -= 1
        else:
            await self._free.acquire()
        return await self._begin(job, refusable)

    def _begin(self, job: Callable[[], Answer], refusable: bool) -> asyncio.Future[Answer]:
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        taken = threading.Lock()  # by the thread that does the job, or by who says that it is not done

        def work() -> None:
            if not taken.acquire(blocking=False):
                return
            try:
                result = context.run(job)
            except Exception as error:
                loop.call_soon_threadsafe(self._ended, answer, None, error)
            except BaseException as error:  # an end of the job, and of nothing else
                loop.call_soon_threadsafe(
                    self._ended, answer, None, RuntimeError(f"the job ended by {type(error).__name__}")
                )
            else:
                loop.call_soon_threadsafe(self._ended, answer, result, None)

        self.busy += 1
        try:
            self._threads.submit(work)
        except RuntimeError:
            # Closed, or no further thread could be started: then the job is in the executor's line all the same, and one
            # that must not be refused is done by a thread that there is.
            if (refusable or self._closed) and taken.acquire(blocking=False):
                message = "the server has no thread for this call, which has not begun; try again in a moment"
                self._ended(answer, None, BridgXError("server_unavailable", message))
        return answer

    def _ended(self, answer: asyncio.Future[Answer], result: Answer | None, error: BaseException | None) -> None:
        self.busy -= 1
        self._free.release()
        if answer.done():
            return  # canceled
        if error is None:
            answer.set_result(result)  # type: ignore[arg-type]  # None where the job returned None
        else:
            answer.set_exception(error)

    def close(self) -> None:
        """Takes no more jobs; those that have begun go on."""
        self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
