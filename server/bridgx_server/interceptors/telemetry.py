"""One log line a call, with its request id; never what a request says."""

from __future__ import annotations

import random
import re
import time
import uuid
from collections.abc import Iterator
from typing import Any

import structlog

from bridgx_server.front.context import CallContext
from bridgx_server.interceptors.caller import current_caller, current_request_id, set_call
from bridgx_server.interceptors.layer import Layer

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")

log = structlog.get_logger("bridgx.call")


# Ids are to differ, and may be guessed. Asking the system for randomness would let go of the interpreter's lock.
_random = random.Random()


class Telemetry(Layer):
    """Says of each call afterwards how it went."""

    def __init__(self) -> None:
        # Once, and not for every line.
        self._log = log.bind()

    def around(self, method: str, request: Any, context: CallContext) -> Iterator[None]:
        try:
            yield
        finally:
            self.tell(method, context)

    def tell(self, method: str, context: CallContext) -> None:
        """Logs a call that has ended."""
        code = context.code()
        self._log.info(
            "call",
            method=method,
            code=code.name if code is not None else "OK",
            milliseconds=round(1000 * (time.perf_counter() - context.started), 1),
            caller=current_caller(),
            peer=context.peer(),
            request_id=current_request_id(),
        )


def note_call(context: CallContext) -> None:
    """Gives a call its id, the caller's own where that is one, and takes its Idempotency-Key."""
    given = ""
    keys: list[str] = []
    for name, value in context.invocation_metadata():
        if name == "x-request-id":
            given = str(value)
        elif name == "idempotency-key":
            keys.append(str(value))
    # Two keys would be two calls: together they are none that the validation lets pass.
    key = ", ".join(keys)
    set_call(request_id=given if _REQUEST_ID.fullmatch(given) else _new_id(), idempotency_key=key)


def _new_id() -> str:
    return str(uuid.UUID(int=_random.getrandbits(128), version=4))
