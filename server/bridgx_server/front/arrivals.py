"""Calls whose message has not come yet: they wait for it a while, and hold nothing but some memory."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc.aio

from bridgx_server.errors import BridgXError


class Arrivals:
    """Waits for the one message of calls.

    There is a bound to how many wait. Beyond it the one that has waited longest is given up, and not the newest refused:
    an honest message follows its headers at once, so who keeps the server waiting loses against who does not.
    """

    def __init__(self, patience: float, most: int) -> None:
        """``patience``: seconds for a message to come; ``most``: calls that wait at once."""
        self._patience = patience
        self._most = most
        self._waiting: dict[asyncio.Timeout, None] = {}  # oldest first
        self._given_up: set[asyncio.Timeout] = set()

    async def message(self, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
        """The message.

        Raises:
            BridgXError: it did not come in time (deadline_exceeded), newer calls needed the room (throttled), or the call
                ended without one (param_invalid).
        """
        if len(self._waiting) >= self._most:
            self._give_up_the_oldest()
        limit = asyncio.timeout(self._patience)
        try:
            async with limit:
                self._waiting[limit] = None
                message: Any = await context.read()
        except TimeoutError:
            if limit in self._given_up:
                raise BridgXError(
                    "throttled", "too many calls wait for their message; send it with the headers"
                ) from None
            raise BridgXError(
                "deadline_exceeded", f"the call's message did not come within {self._patience:g} s of its headers"
            ) from None
        finally:
            self._waiting.pop(limit, None)
            self._given_up.discard(limit)
        if message is grpc.aio.EOF:
            raise BridgXError("param_invalid", "the call ended without a message")
        return bytes(message)

    def _give_up_the_oldest(self) -> None:
        oldest = next(iter(self._waiting))
        del self._waiting[oldest]
        if not oldest.expired():
            self._given_up.add(oldest)
            oldest.reschedule(asyncio.get_running_loop().time())
