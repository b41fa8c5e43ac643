"""How a stream that breaks off says why.

A status comes with the end of a stream. Who reads server-sent events never sees it, since HTTP has said 200 long ago. So the
reason comes before it as a message, where the rpc's messages have a field ``end``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf.message import Message

from bridgx_server.front.context import CallContext
from bridgx_server.interceptors.errors import reason_of, status_of
from bridgx_server.interceptors.layer import Layer
from bridgx_server.pausing import Pause


class Endings(Layer):
    """Stands inside :class:`Errors` and around all that may end a stream. Before the first message the status is enough."""

    def around(self, method: str, request: Any, context: CallContext) -> Iterator[None]:
        yield

    def _stream(self, method: str, inner: Callable[..., Any]) -> Callable[..., Any]:
        def call(request: Any, context: CallContext) -> Iterator[Any]:
            last: Message | None = None
            try:
                for message in inner(request, context):
                    if not isinstance(message, Pause):
                        last = message
                    yield message
            except Exception as error:
                if last is not None and "end" in last.DESCRIPTOR.fields_by_name and context.is_active():
                    yield _ending(last, reason_of(error), status_of(method, error).message)
                raise

        return call


def _ending(last: Message, reason: str, text: str) -> Any:
    """What was said last, without its lists, and why nothing more comes."""
    message: Any = type(last)()
    message.CopyFrom(last)
    for name, field in message.DESCRIPTOR.fields_by_name.items():
        if field.is_repeated:
            message.ClearField(name)
    message.end.reason, message.end.message = reason, text
    return message
