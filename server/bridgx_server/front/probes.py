"""Health and reflection: what is answered without a token, in the event loop, whatever else goes on.

Their streams are few, so that nobody fills the server with them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import grpc
import grpc.aio
import structlog
from google.protobuf.message import DecodeError
from grpc_health.v1 import health, health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2
from grpc_status import rpc_status

from bridgx_server.errors import BridgXError
from bridgx_server.front.arrivals import Arrivals
from bridgx_server.front.bounds import at_most
from bridgx_server.front.places import Places
from bridgx_server.front.workers import Workers
from bridgx_server.interceptors.errors import status_of
from bridgx_server.interceptors.origin import address_of

ARRIVING = 256  # calls whose message has not come
WATCHES, WATCHES_OF_ONE = 32, 8  # Health/Watch streams, in all and of one address
WATCH_TIME = 3600.0  # seconds that one lasts
REFLECTIONS, REFLECTIONS_OF_ONE = 16, 8  # reflection streams
REFLECTION_TIME = 60.0  # seconds
REFLECTION_BACKLOG = 16
FULL = "there are too many such streams already"

CHECK, WATCH = f"/{health.SERVICE_NAME}/Check", f"/{health.SERVICE_NAME}/Watch"
REFLECT = f"/{reflection.SERVICE_NAME}/ServerReflectionInfo"

ServicerContext = grpc.aio.ServicerContext[Any, Any]
Status: TypeAlias = health_pb2.HealthCheckResponse.ServingStatus.ValueType
UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN

log = structlog.get_logger("bridgx.front")


class _Statuses:
    """How the services are. Who reads them holds nothing, so no reader can keep the next status from being said."""

    def __init__(self) -> None:
        self._statuses: dict[str, Status] = {"": health_pb2.HealthCheckResponse.SERVING}
        self._stopped = False
        self.changed = asyncio.Event()  # set at the next change; another one stands here then

    def of(self, service: str) -> Status | None:
        """None where there is no such service."""
        return self._statuses.get(service)

    def set(self, service: str, status: Status) -> None:
        """Says how a service is, unless they have stopped."""
        if not self._stopped:
            self._statuses[service] = status
            self._tell()

    def stop(self) -> None:
        """All are NOT_SERVING for good."""
        self._stopped = True
        self._statuses = dict.fromkeys(self._statuses, health_pb2.HealthCheckResponse.NOT_SERVING)
        self._tell()

    def _tell(self) -> None:
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()


class Probes(grpc.GenericRpcHandler):
    """The two services as a grpc.aio.Server takes them. Made and used in one event loop."""

    def __init__(self, services: tuple[str, ...], message_time: float) -> None:
        """``services``: those of which reflection tells. ``message_time``: seconds to wait for each message."""
        self._message_time = message_time
        self._arrivals = Arrivals(message_time, ARRIVING)
        self._health = _Statuses()
        self._watches = Places(WATCHES, WATCHES_OF_ONE, FULL, FULL)
        self._reflection = reflection.ReflectionServicer((*services, health.SERVICE_NAME, reflection.SERVICE_NAME))
        self._reflections = Places(REFLECTIONS, REFLECTIONS_OF_ONE, FULL, FULL)
        # What a file needs is put together anew each time, for milliseconds.
        self._reflecting = Workers(1, REFLECTION_BACKLOG, "bridgx-reflection")
        answer = health_pb2.HealthCheckResponse.SerializeToString
        self._handlers: dict[str, Any] = {
            CHECK: grpc.stream_unary_rpc_method_handler(_refusing(CHECK, self._check), None, answer),
            WATCH: grpc.stream_stream_rpc_method_handler(_refusing(WATCH, self._watch), None, answer),
            REFLECT: grpc.stream_stream_rpc_method_handler(
                _refusing(REFLECT, self._reflect), None, reflection_pb2.ServerReflectionResponse.SerializeToString
            ),
        }

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """The handler of a method; None where there is none."""
        return self._handlers.get(handler_call_details.method)

    def set(self, service: str, status: Status) -> None:
        """Says how a service is; the empty name is the server as a whole."""
        self._health.set(service, status)

    def stop(self) -> None:
        """All are NOT_SERVING from now on, and who watches hears it. Waits for nobody."""
        self._health.stop()

    def close(self) -> None:
        """Nothing more is reflected."""
        self._reflecting.close()

    async def _check(self, context: ServicerContext) -> Any:
        status = self._health.of((await self._asked(context)).service)
        if status is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "the server has no service of that name")
        return health_pb2.HealthCheckResponse(status=status)

    async def _watch(self, context: ServicerContext) -> None:
        with self._watches.place(address_of(context.peer())):
            service = (await self._asked(context)).service
            async with at_most(WATCH_TIME, f"a watch of health lasts {WATCH_TIME:g} s at most"):
                last = None
                while True:
                    changed, status = self._health.changed, self._health.of(service)
                    status = UNKNOWN if status is None else status
                    if status != last:
                        # Takes as long as the client does not read; nobody else waits for it.
                        await context.write(health_pb2.HealthCheckResponse(status=status))
                    last = status
                    await changed.wait()

    async def _asked(self, context: ServicerContext) -> Any:
        return _parsed(health_pb2.HealthCheckRequest, await self._arrivals.message(context))

    async def _reflect(self, context: ServicerContext) -> None:
        with self._reflections.place(address_of(context.peer())):
            async with at_most(REFLECTION_TIME, f"a stream of reflection lasts {REFLECTION_TIME:g} s at most"):
                while (message := await self._next(context)) is not grpc.aio.EOF:
                    request = _parsed(reflection_pb2.ServerReflectionRequest, message)
                    await context.write(await self._reflecting.run(partial(self._reflected, request)))

    async def _next(self, context: ServicerContext) -> Any:
        async with at_most(self._message_time, f"the wait for the next request lasts {self._message_time:g} s at most"):
            return await context.read()

    def _reflected(self, request: Any) -> Any:
        return next(self._reflection.ServerReflectionInfo(iter([request]), None))


def _parsed(kind: Any, message: bytes) -> Any:
    try:
        return kind.FromString(message)
    except DecodeError:
        raise BridgXError("param_invalid", "the request's bytes are no message of this rpc") from None


def _refusing(method: str, serve: Callable[[ServicerContext], Any]) -> Callable[[Any, ServicerContext], Any]:
    """A handler that ends with the status of what ``serve`` raises."""

    async def handler(_: Any, context: ServicerContext) -> Any:
        try:
            return await serve(context)
        except grpc.aio.BaseError:
            raise
        except Exception as error:
            if not isinstance(error, BridgXError):
                log.exception("call failed", method=method)
            status: Any = rpc_status.to_status(status_of(method, error))
            await context.abort_with_status(status)

    return handler
