"""What the layers and servicers see of a call, in whatever thread they run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NoReturn

import grpc

Metadata = Sequence[tuple[str, str | bytes]]


class Aborted(Exception):
    """The call has ended with the status of its context."""


class CallContext:
    """The part of grpc.ServicerContext that is used here. One thread at a time works on a call; the loop may end it."""

    def __init__(self, metadata: Metadata, peer: str, time_remaining: float | None) -> None:
        """``time_remaining``: seconds until the client's deadline, None where it has none."""
        self.started = time.perf_counter()
        self.begun = False  # whether the layers have seen it, who tell of its end then
        self.status: grpc.Status | None = None
        self._metadata = metadata
        self._peer = peer
        self._until = None if time_remaining is None else time.monotonic() + time_remaining
        self._code: grpc.StatusCode | None = None
        self._active = True

    def invocation_metadata(self) -> Metadata:
        """The headers."""
        return self._metadata

    def peer(self) -> str:
        """``ipv4:192.0.2.1:50000`` and the like."""
        return self._peer

    def time_remaining(self) -> float | None:
        """Seconds until the client's deadline, None where it has none."""
        return None if self._until is None else max(self._until - time.monotonic(), 0.0)

    def is_active(self) -> bool:
        """Whether someone still waits for the answer."""
        return self._active

    def code(self) -> grpc.StatusCode | None:
        """The status that the call has ended with; None while it has not, and for OK."""
        return self._code

    def end(self, code: grpc.StatusCode) -> None:
        """Nobody waits for the answer any more, and this is what the client has seen."""
        self._active = False
        self._code = self._code or code

    def abort_with_status(self, status: Any) -> NoReturn:
        """Ends the call; raises Aborted."""
        self.status = status
        self._code = self._code or status.code
        raise Aborted
