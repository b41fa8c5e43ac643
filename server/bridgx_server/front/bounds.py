"""How long something in the event loop may last."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from bridgx_server.errors import BridgXError


@contextlib.asynccontextmanager
async def at_most(seconds: float, told: str) -> AsyncIterator[None]:
    """Ends the block after ``seconds``; raises BridgXError (deadline_exceeded) then, in the words of ``told``."""
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        raise BridgXError("deadline_exceeded", told) from None
