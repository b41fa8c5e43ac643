"""What every part of the engine works with: the store, the clouds, the settings, and time as something to be given."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Protocol

from bridgx_server.providers.base import Charge, Disk, Provider
from bridgx_server.scaling.limiter import Limiter
from bridgx_server.store.chunks import Placement
from bridgx_server.store.database import Store


@dataclass(frozen=True)
class EngineSettings:
    """Times are in seconds, counts in machines or calls."""

    lease: float = 30.0  # how long a dead worker's work stays with it; renewed at a third
    poll: float = 2.0  # between two questions about a young machine; an old one is asked about less often
    poll_limit: float = 15.0  # the longest between two questions
    idle: float = 1.0  # the longest an idle worker leaves the queue unread
    boot_timeout: float = 600.0  # a machine that does not run by then is deleted and replaced once
    visibility: float = 60.0  # how long a cloud may not know yet of a machine that it has promised
    token_life: float = 3600.0  # how long a cloud surely remembers a client token
    give_up: float = 900.0  # how long a call is repeated that the cloud does not answer
    stockout_memory: float = 300.0  # how long a zone and type that was sold out is asked last; 0: not remembered
    reconcile: float = 300.0  # between two comparisons of all of an account's machines in a region
    batch: int = 0  # the most machines a chunk asks for; 0: what the cloud takes
    parallel_chunks: int = 8  # calls of one task under way at once
    account_concurrency: int = 8  # calls to one account under way at once
    tasks_at_once: int = 16
    watches_at_once: int = 4


@dataclass(frozen=True)
class Template:
    """What the machines of a cluster look like. ``placements`` are in order of preference, at least one."""

    cluster_id: int
    cluster_name: str
    provider: str
    account_id: int
    account_key: str
    region_id: str
    image_id: str
    vpc_id: str
    security_group_id: str
    internet_charge_type: str
    bandwidth_mbps: int
    charge: Charge
    system_disk: Disk
    data_disks: Sequence[Disk]
    tags: Mapping[str, str]
    placements: Sequence[Placement]
    password: str = field(repr=False)


class Clouds(Protocol):
    """The accounts that are registered, as adapters."""

    def provider(self, account_id: int) -> Provider:
        """The adapter of an account; raises ProviderError when there is none that works."""
        ...


class Templates(Protocol):
    """The templates of the clusters, with their secrets."""

    def template(self, cluster_id: int) -> Template: ...


@dataclass(frozen=True)
class Engine:
    """``reach`` is called with a fault point's name whenever one is passed; tests make it end the process there."""

    store: Store
    clouds: Clouds
    templates: Templates
    settings: EngineSettings
    limiter: Limiter
    calls: Executor
    random: random.Random = field(default_factory=random.Random)
    reach: Callable[[str], None] = lambda point: None

    def now(self) -> int:
        """The database's time in ms."""
        return self.store.now()

    def backoff(self, since: int, now: int, *, shortest: float = 1.0, longest: float = 30.0) -> int:
        """When to try again, in ms: the longer it has not worked since ``since`` (ms), the later; with jitter."""
        seconds = min(max((now - since) / 4000, shortest), longest)
        return now + int(1000 * seconds * self.random.uniform(0.5, 1.0))
