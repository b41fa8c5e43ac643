"""Reads requests out of their bytes, where a failure can be answered like any other.

gRPC's own runtime keeps the stream of a call whose bytes it cannot read until the next collection of garbage. A few
hundred of them would use up a connection, such as the one that all clients of an Envoy share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from bridgx_server.errors import BridgXError
from bridgx_server.front.context import CallContext


class Parsing(grpc.ServerInterceptor):  # type: ignore[misc]
    """Hands messages to the layers inside it; those outside see bytes."""

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Any],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        handler: Any = continuation(handler_call_details)
        if handler is None or handler.request_streaming or handler.request_deserializer is None:
            return handler
        parse, serialize = handler.request_deserializer, handler.response_serializer
        if handler.response_streaming:

            def stream(request: bytes, context: CallContext) -> Iterator[Any]:
                yield from handler.unary_stream(_message(parse, request), context)

            return grpc.unary_stream_rpc_method_handler(stream, None, serialize)

        def unary(request: bytes, context: CallContext) -> Any:
            return handler.unary_unary(_message(parse, request), context)

        return grpc.unary_unary_rpc_method_handler(unary, None, serialize)


def _message(parse: Callable[[bytes], Any], request: bytes) -> Any:
    try:
        return parse(request)
    except DecodeError:
        raise BridgXError("param_invalid", "the request's bytes are no message of this rpc") from None
