"""Puts the engine together."""

from __future__ import annotations

import os
import random
import secrets
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from bridgx_server.providers.gate import Gates, OpenGates
from bridgx_server.scaling.engine import Clouds, Engine, EngineSettings, Templates
from bridgx_server.scaling.worker import Worker
from bridgx_server.store.database import Store

CALLS_AT_ONCE = (
    192  # calls to all clouds together, those among them that wait for their turn; threads are made when needed
)


def make_engine(
    store: Store,
    clouds: Clouds,
    templates: Templates,
    settings: EngineSettings | None = None,
    *,
    gates: Gates | None = None,
    rng: random.Random | None = None,
    reach: Callable[[str], None] | None = None,
) -> Engine:
    """An engine of its own threads.

    ``gates`` are those that the clouds' adapters pass; none: nothing is limited. ``rng`` chooses victims and jitter;
    ``reach`` is told of every fault point.
    """
    settings = settings or EngineSettings()
    return Engine(
        store=store,
        clouds=clouds,
        templates=templates,
        settings=settings,
        calls=ThreadPoolExecutor(CALLS_AT_ONCE, thread_name_prefix="bridgx-call"),
        gates=gates or OpenGates(),
        random=rng or random.Random(),
        reach=reach or (lambda point: None),
    )


def make_worker(engine: Engine) -> Worker:
    """A worker under a name that no other has."""
    return Worker(engine, f"{socket.gethostname()[:40]}-{os.getpid()}-{secrets.token_hex(4)}")
