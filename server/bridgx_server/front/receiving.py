"""The outermost layer: receives calls in coroutines, and has them answered in threads.

Every rpc is served as one with a stream of requests, of which one is read: the wire is the same, and the server sees a call
when its headers have come. gRPC's own handlers of single requests begin when the message is there, and until then nothing
ends a call nor refuses it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn

import grpc
import grpc.aio
from grpc_status import rpc_status

from bridgx_server.errors import BridgXError, TokenInvalid
from bridgx_server.front.arrivals import Arrivals
from bridgx_server.front.bounds import at_most
from bridgx_server.front.context import Aborted, CallContext
from bridgx_server.front.methods import Method
from bridgx_server.front.steps import END, Steps
from bridgx_server.front.workers import Workers
from bridgx_server.interceptors.auth import bearer_of, tell_unauthenticated
from bridgx_server.interceptors.errors import status_of, tell_failure
from bridgx_server.interceptors.telemetry import note_call
from bridgx_server.pausing import Pause

STREAM_THREADS = 4  # that make the messages of streams; calls have their own
DRAIN = 1.0  # seconds, at most, that calls are refused for before connections close
QUIET = 0.1  # seconds without a call after which they close earlier
HELD = 0.05  # seconds that calls are held for, before and after the connections are told that they close

ServicerContext = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True)
class FrontLimits:
    """What a call may cost.

    Attributes:
        message_time: seconds for a message to follow its headers.
        call_time: seconds from then on until the answer.
        stream_time: seconds that a stream may last.
        threads: calls that are answered at once.
        backlog: calls that wait for a thread; and as many that wait for their message.
    """

    message_time: float
    call_time: float
    stream_time: float
    threads: int
    backlog: int


class Front(grpc.GenericRpcHandler):
    """The rpcs as a grpc.aio.Server takes them. Made and used in one event loop."""

    def __init__(
        self, methods: Iterable[Method], limits: FrontLimits, tell: Callable[[str, CallContext], object]
    ) -> None:
        """``tell`` logs the end of a call that no layer has seen."""
        self._limits = limits
        self._tell = tell
        self._arrivals = Arrivals(limits.message_time, limits.backlog)
        self._calls = Workers(limits.threads, limits.backlog, "bridgx-call")
        self._steps = Workers(STREAM_THREADS, limits.backlog, "bridgx-stream")
        self._closers: set[asyncio.Task[None]] = set()
        self._handlers = {method.name: self._handler(method) for method in methods}
        self._stopping = asyncio.Event()
        self._closing: asyncio.Event | None = None
        self._open = 0  # calls under way
        self._refused = 0  # calls that came while the server stops

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """The handler of a method; None where there is none."""
        return self._handlers.get(handler_call_details.method)

    def _handler(self, method: Method) -> Any:
        async def serve(_: Any, context: ServicerContext) -> Any:
            return await self._serve(method, context)

        if method.streaming:
            return grpc.stream_stream_rpc_method_handler(serve)
        return grpc.stream_unary_rpc_method_handler(serve)

    # A call. CancelledError leaves it only where the client is gone: gRPC sends no status then.

    async def _serve(self, method: Method, context: ServicerContext) -> bytes | None:
        call = CallContext(tuple(context.invocation_metadata() or ()), context.peer(), context.time_remaining())
        note_call(call)
        try:
            await self._refuse_while_stopping()
            _refuse_by_headers(method, call)
            request = await self._arrivals.message(context)
            await self._refuse_while_stopping()
            self._open += 1
            context.add_done_callback(self._ended)  # type: ignore[arg-type]  # takes the context by place
            if method.streaming:
                await self._stream(Steps(method, request, call), context)
                return None
            return await self._answer(method, request, call)
        except Aborted:
            await context.abort_with_status(call.status)  # type: ignore[arg-type]  # there is one
        except (asyncio.CancelledError, grpc.aio.BaseError):
            call.end(grpc.StatusCode.CANCELLED if call.time_remaining() != 0 else grpc.StatusCode.DEADLINE_EXCEEDED)
            raise
        except Exception as error:
            await self._refuse(method, context, call, error)

    async def _answer(self, method: Method, request: bytes, call: CallContext) -> bytes:
        seconds = self._limits.call_time
        async with at_most(seconds, f"a call lasts {seconds:g} s at most; what it does may still be done"):
            return await self._calls.run(partial(method.answer, request, call))

    async def _refuse(self, method: Method, context: ServicerContext, call: CallContext, error: Exception) -> NoReturn:
        tell_failure(method.name, error)
        status: Any = rpc_status.to_status(status_of(method.name, error))
        call.end(status.code)
        if not call.begun:  # else the layers tell of it
            self._tell(method.name, call)
        await context.abort_with_status(status)

    def _ended(self, _: object) -> None:
        self._open -= 1

    # A stream: each of its messages is made in a thread, and between them it holds none.

    async def _stream(self, steps: Steps, context: ServicerContext) -> None:
        seconds = self._limits.stream_time
        try:
            async with at_most(seconds, f"a stream lasts {seconds:g} s at most"):
                message = await self._steps.run(steps.next)
                while message is not END:
                    if isinstance(message, Pause):
                        await self._pause(message.seconds)
                    else:
                        await context.write(message)
                    message = await self._steps.run(steps.next, refusable=False)
        finally:
            # Whoever waits here may be canceled by now; what the stream holds is let go all the same.
            if not steps.drop():
                closer = asyncio.create_task(self._steps.run(steps.close, refusable=False))
                self._closers.add(closer)
                closer.add_done_callback(self._closers.discard)

    async def _pause(self, seconds: float) -> None:
        if self._stopping.is_set():
            await asyncio.sleep(seconds)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    # The end.

    async def drain(self, grace: float) -> None:
        """Refuses what comes from now on as UNAVAILABLE, and waits ``grace`` seconds at most for what is under way."""
        loop = asyncio.get_running_loop()
        until = loop.time() + grace
        self._stopping.set()
        await self._until_nobody_calls(loop.time() + min(DRAIN, grace))
        while self._open and loop.time() < until:
            await asyncio.sleep(HELD)

    async def close(self, server: grpc.aio.Server) -> None:
        """Ends the server, and what is still under way.

        A call that comes while gRPC itself stops is CANCELLED by it, as if its caller had given up, until the client knows
        that the connection closes. So callers are held without an answer for a moment, which keeps them from calling again.
        """
        self._closing = asyncio.Event()
        await asyncio.sleep(HELD)
        stopped = asyncio.create_task(server.stop(2 * HELD))
        await asyncio.sleep(HELD)
        self._closing.set()
        await stopped
        await asyncio.gather(*self._closers, return_exceptions=True)
        self._calls.close()
        self._steps.close()

    async def _until_nobody_calls(self, at_most: float) -> None:
        loop = asyncio.get_running_loop()
        refused = -1
        while refused != self._refused and loop.time() < at_most:
            refused = self._refused
            await asyncio.sleep(QUIET)

    async def _refuse_while_stopping(self) -> None:
        if self._stopping.is_set():
            self._refused += 1
            if self._closing is not None:
                await self._closing.wait()
            raise BridgXError(
                "server_unavailable", "the server is going down; try again in a moment, or at another one"
            )


def _refuse_by_headers(method: Method, call: CallContext) -> None:
    """Who shows no token need not be waited for. Whose a token is is looked up later, in a thread."""
    try:
        bearer_of(call)
    except TokenInvalid as error:
        tell_unauthenticated(method.name, error, call)
        raise
