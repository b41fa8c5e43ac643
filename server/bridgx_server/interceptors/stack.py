"""All layers as one interceptor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import grpc


class Stack(grpc.ServerInterceptor):  # type: ignore[misc]
    """Puts the layers around each method once, the first outermost, and not anew for every call.

    What the innermost continuation gives for a method must always be the same; the handlers of generated code are.
    """

    def __init__(self, layers: Sequence[grpc.ServerInterceptor]) -> None:
        self._layers = layers
        self._handlers: dict[str, Any] = {}

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Any],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        handler = self._handlers.get(handler_call_details.method)
        if handler is None:
            wrapped = continuation
            for layer in reversed(self._layers):
                wrapped = partial(layer.intercept_service, wrapped)
            handler = wrapped(handler_call_details)
            if handler is not None:  # callers may name any number of methods that there are not
                self._handlers[handler_call_details.method] = handler
        return handler
