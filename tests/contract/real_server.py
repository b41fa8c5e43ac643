"""The real gRPC server on a database of its own, without clouds: what it does to calls is seen without the rest."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridgx_server.server import Parts, Server
from bridgx_server.settings import Settings
from bridgx_server.store.database import Store
from bridgx_server.store.migrations import migrate
from engine.conftest import QUICK, World
from engine.fake_cloud import FakeCloud

TOKENS = {"alice": "alice-token", "bob": "bob-token"}


@dataclass(frozen=True)
class Served:
    """Where the server listens, and the task that waits for ever, since no worker is there."""

    port: int
    task_id: str

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"


@contextlib.contextmanager
def served(directory: Path, *clusters: str, **changes: Any) -> Iterator[Served]:
    """A server with these settings, and with further clusters of these names, which have no machines."""
    settings = Settings(
        database_url=f"sqlite:///{directory}/bridgx.db",
        secret_key="11" * 32,
        grpc_port=0,
        worker=False,
        stop_grace=1.0,
        **changes,
    )
    store = Store(settings.database_url)
    migrate(store)
    world = World(store, FakeCloud(), QUICK)
    for name in ("web", *clusters):
        world.add_cluster(name)
    task_id = str(world.expand(1))
    keyring = settings.keyring()
    assert keyring is not None
    server = Server(Parts(settings, store, keyring, TOKENS))
    server.start()
    try:
        yield Served(server.port, task_id)
    finally:
        server.stop()
        store.close()
