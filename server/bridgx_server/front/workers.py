"""Threads for what blocks. Who waits for one holds none."""

from __future__ import annotations

import asyncio
import contextvars
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
        self.busy = 0  # threads at work, those included for whose answer nobody waits any more

    async def run(self, job: Callable[[], Answer], context: contextvars.Context | None = None) -> Answer:
        """What the job returns or raises, in a thread, with ``context`` or a copy of the caller's.

        A job whose caller is canceled is dropped if it has not begun; else it goes on to its end, and keeps its thread.

        Raises:
            BridgXError: throttled, since too many wait.
        """
        if self._free.locked():
            if self._waiting >= self._backlog:
                raise BridgXError("throttled", "the server has more calls to answer than it can; wait, and try again")
            self._waiting += 1
            try:
                await self._free.acquire()
            finally:
                self._waiting -= 1
        else:
            await self._free.acquire()
        return await self._begin(job, context or contextvars.copy_context())

    def _begin(self, job: Callable[[], Answer], context: contextvars.Context) -> asyncio.Future[Answer]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()

        def work() -> None:
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
        except RuntimeError:  # closed
            self._ended(answer, None, BridgXError("server_unavailable", "the server has stopped"))
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
        self._threads.shutdown(wait=False, cancel_futures=True)
