"""One log line a call, with its request id; never what a request says."""

from __future__ import annotations

import random
import re
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import structlog

from bridgx_server.interceptors.caller import current_caller, set_call
from bridgx_server.interceptors.layer import Layer

QUIET = ("/grpc.health.v1.Health/",)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")

log = structlog.get_logger("bridgx.call")


class Telemetry(Layer):
    """Gives the call its id, takes its Idempotency-Key, and says afterwards how it went."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        # Ids are to differ, and may be guessed. Asking the system for randomness would let go of the interpreter's lock.
        self._random = random.Random()
        # Once, and not for every line.
        self._log = log.bind()

    def around(self, method: str, request: Any, context: Any) -> Iterator[None]:
        metadata = {key: str(value) for key, value in context.invocation_metadata()}
        given = metadata.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else self._new_id()
        # Two keys would be two calls: together they are none that the validation lets pass.
        keys = ", ".join(str(value) for key, value in context.invocation_metadata() if key == "idempotency-key")
        set_call(request_id=request_id, idempotency_key=keys)
        started = self._clock()
        try:
            yield
        finally:
            if not method.startswith(QUIET):
                code = context.code()
                self._log.info(
                    "call",
                    method=method,
                    code=code.name if isinstance(code, grpc.StatusCode) else "OK",
                    milliseconds=round(1000 * (self._clock() - started), 1),
                    caller=current_caller(),
                    peer=context.peer(),
                    request_id=request_id,
                )

    def _new_id(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))
