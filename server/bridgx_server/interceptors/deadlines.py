"""A call whose deadline has passed is not begun."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bridgx_server.errors import BridgXError
from bridgx_server.front.context import CallContext
from bridgx_server.interceptors.layer import Layer


class Deadlines(Layer):
    """Refuses what nobody waits for any more when a thread comes to it. The limits of calls are the front's."""

    def around(self, method: str, request: Any, context: CallContext) -> Iterator[None]:
        if not context.is_active() or context.time_remaining() == 0:
            raise BridgXError("deadline_exceeded", "the call's deadline passed before the server came to it")
        yield
