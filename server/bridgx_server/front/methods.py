"""The rpcs of the servicers, with the layers around them, as plain functions from a request's bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import grpc

from bridgx_server.front.context import CallContext


class Details(NamedTuple):
    """Of grpc.HandlerCallDetails what the layers look at when they are put around a method."""

    method: str
    invocation_metadata: tuple[()] = ()


@dataclass(frozen=True)
class Method:
    """One rpc. ``call`` returns a message, or where it is ``streaming`` an iterator of messages and pauses."""

    name: str
    streaming: bool
    call: Callable[[bytes, Any], Any]
    serialize: Callable[[Any], bytes]

    def answer(self, request: bytes, context: CallContext) -> bytes:
        """The whole of a call with one answer."""
        context.begun = True
        return self.serialize(self.call(request, context))


class Methods:
    """Stands where generated code adds a servicer to a grpc.Server."""

    def __init__(self) -> None:
        self._handlers: dict[str, Any] = {}

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """What generated code adds so, it registers too."""

    def add_registered_method_handlers(self, service_name: str, method_handlers: Mapping[str, Any]) -> None:
        """Takes the rpcs of a service."""
        for name, handler in method_handlers.items():
            self._handlers[f"/{service_name}/{name}"] = handler

    def within(self, layers: grpc.ServerInterceptor) -> Iterator[Method]:
        """Each rpc with the layers around it."""
        for name, handler in self._handlers.items():
            around: Any = layers
            yield _method(name, around.intercept_service(lambda _, inner=handler: inner, Details(name)))


def _method(name: str, handler: Any) -> Method:
    call = handler.unary_stream if handler.response_streaming else handler.unary_unary
    parse = handler.request_deserializer

    def parsed(request: bytes, context: CallContext) -> Any:
        return call(parse(request), context)

    return Method(name, handler.response_streaming, parsed if parse else call, handler.response_serializer)
