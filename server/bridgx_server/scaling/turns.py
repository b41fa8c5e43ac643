"""A chunk whose turn at the cloud is still away."""

from __future__ import annotations

from bridgx_server.providers.errors import ProviderError
from bridgx_server.scaling.engine import Engine
from bridgx_server.store import chunks, leases
from bridgx_server.store.chunks import Chunk
from bridgx_server.store.leases import Lease

SHORTEST_WAIT = 0.05  # seconds


def wait_for_turn(engine: Engine, lease: Lease, chunk: Chunk, error: ProviderError) -> None:
    """Puts the chunk off, as it is: the cloud has not been asked. Raises LeaseLost.

    It asks for its turn again soon even if that is estimated to be far away: whoever is before it may give up.
    """
    wait = min(max(error.retry_after or 0.0, SHORTEST_WAIT), engine.settings.poll_limit)
    with engine.store.transaction():
        leases.hold(engine.store, lease)
        chunks.update(chunk.id, next_at=engine.now() + int(wait * 1000))
