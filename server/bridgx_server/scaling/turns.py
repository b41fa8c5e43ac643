"""A chunk whose turn at the cloud is still away."""

from __future__ import annotations

from bridgx_server.providers.errors import ProviderError
from bridgx_server.scaling.engine import Engine
from bridgx_server.store import chunks, leases
from bridgx_server.store.chunks import Chunk
from bridgx_server.store.leases import Lease

SHORTEST_WAIT = 0.05  # seconds


def wait_for_turn(engine: Engine, lease: Lease, chunk: Chunk, error: ProviderError) -> None:
    """Puts the chunk off until its turn, as it is: the cloud has not been asked. Raises LeaseLost."""
    wait = max(error.retry_after or 0.0, SHORTEST_WAIT)
    with engine.store.transaction():
        leases.hold(engine.store, lease)
        chunks.update(chunk.id, next_at=engine.now() + int(wait * 1000))
