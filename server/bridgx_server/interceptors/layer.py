"""One layer around every call: what the interceptors have in common."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import grpc

from bridgx_server.front.context import CallContext


class Layer(grpc.ServerInterceptor):
    """Wraps calls with one request, answered once or by a stream. A subclass overrides :meth:`around`.

    Calls with a stream of requests pass as they are; there are none.
    """

    def around(self, method: str, request: Any, context: CallContext) -> Iterator[None]:
        """A generator that yields once, where the call happens; what the call raises is raised there."""
        raise NotImplementedError

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Any],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        handler: Any = continuation(handler_call_details)
        if handler is None or handler.request_streaming:
            return handler
        method = handler_call_details.method
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(
                self._stream(method, handler.unary_stream), handler.request_deserializer, handler.response_serializer
            )
        return grpc.unary_unary_rpc_method_handler(
            self._unary(method, handler.unary_unary), handler.request_deserializer, handler.response_serializer
        )

    def _unary(self, method: str, inner: Callable[..., Any]) -> Callable[..., Any]:
        def call(request: Any, context: CallContext) -> Any:
            with _Around(self.around(method, request, context)):
                return inner(request, context)

        return call

    def _stream(self, method: str, inner: Callable[..., Any]) -> Callable[..., Any]:
        def call(request: Any, context: CallContext) -> Iterator[Any]:
            with _Around(self.around(method, request, context)):
                yield from inner(request, context)

        return call


class _Around:
    """A context from a generator; unlike contextlib's it lets GeneratorExit of the stream itself pass."""

    def __init__(self, steps: Iterator[None]) -> None:
        self._steps: Any = steps

    def __enter__(self) -> None:
        next(self._steps)

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is None:
            next(self._steps, None)
        else:
            with contextlib.suppress(StopIteration):
                self._steps.throw(error)
