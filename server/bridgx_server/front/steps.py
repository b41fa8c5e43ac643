"""A stream as steps that any thread may take, one after the other."""

from __future__ import annotations

import contextvars
import threading
from typing import Any

from bridgx_server.front.context import CallContext
from bridgx_server.front.methods import Method
from bridgx_server.pausing import Pause

END: Any = object()


class Steps:
    """The messages of a stream, as bytes, and its pauses. They are made in the context that the stream was made in."""

    def __init__(self, method: Method, request: bytes, call: CallContext) -> None:
        self.ended = False
        self._call = call
        self._serialize = method.serialize
        self._context = contextvars.copy_context()
        self._messages = method.call(request, call)
        self._one_at_a_time = threading.Lock()

    def next(self) -> Any:
        """The next message or pause, ``END`` after the last; raises what the servicer raises."""
        with self._one_at_a_time:
            if self.ended:
                return END
            self._call.begun = True
            try:
                message = self._context.run(next, self._messages, END)
            except BaseException:
                self.ended = True
                raise
            self.ended = message is END
        return message if self.ended or isinstance(message, Pause) else self._serialize(message)

    def drop(self) -> bool:
        """Ends it without a thread where no step has been taken, so that nothing is held; whether it has ended."""
        if not self._one_at_a_time.acquire(blocking=False):
            return False
        try:
            self.ended = self.ended or not self._call.begun
            return self.ended
        finally:
            self._one_at_a_time.release()

    def close(self) -> None:
        """Ends it before its end, when the step that is being taken is over."""
        with self._one_at_a_time:
            if not self.ended:
                self.ended = True
                self._context.run(self._messages.close)
