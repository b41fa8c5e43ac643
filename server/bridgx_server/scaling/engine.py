"""What every part of the engine works with: the store, the clouds, the settings, and time as something to be given."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Protocol

from bridgx_server.providers.base import Charge, Disk, Provider
from bridgx_server.providers.gate import OPEN, Caller, Gates, OpenGates, calling_for
from bridgx_server.store.chunks import Placement
from bridgx_server.store.database import Store
from bridgx_server.store.leases import Lease, LeaseLost

CALL_PATIENCE = 10.0  # seconds that a call on the way waits for its turn
TURN_PATIENCE = 2.0  # seconds that a thread waits for a task's turn; if it is further away, other work goes first


@dataclass(frozen=True)
class EngineSettings:
    """Times are in seconds, counts in machines or calls."""

    lease: float = 30.0  # how long a dead worker's work stays with it; renewed at a third
    poll: float = 2.0  # between two questions about a young machine; an old one is asked about less often
    poll_limit: float = 15.0  # the longest between two questions
    idle: float = 1.0  # the longest an idle worker leaves the queue unread
    boot_timeout: float = 600.0  # a machine that does not run by then is deleted and replaced once
    answer: float = 60.0  # how long a call that nobody hears of any more may take to have its effect
    visibility: float = 60.0  # how long a cloud may not know yet of a machine that it has promised
    token_life: float = 3600.0  # how long a cloud surely remembers a client token
    give_up: float = 900.0  # how long a call is repeated that the cloud does not answer
    backoff: float = 30.0  # the longest until a call that the cloud does not answer is repeated
    stockout_memory: float = 300.0  # how long a zone and type that was sold out is asked last; 0: not remembered
    reconcile: float = 300.0  # between two comparisons of all of an account's machines in a region
    batch: int = 0  # the most machines a chunk asks for; 0: what the cloud takes
    parallel_chunks: int = 8  # calls of one task under way at once
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
    calls: Executor
    gates: Gates = field(default_factory=OpenGates)
    stopping: threading.Event = field(default_factory=threading.Event)
    random: random.Random = field(default_factory=random.Random)
    reach: Callable[[str], None] = lambda point: None

    def now(self) -> int:
        """The database's time in ms."""
        return self.store.now()

    @contextlib.contextmanager
    def calling(self, lease: Lease, flow: str = "") -> Iterator[None]:
        """Calls to a cloud on behalf of the holder of a lease.

        ``flow`` names a task, among which turns are shared out evenly. Nothing is sent once the lease is known to be
        lost, even if the turn comes later: LeaseLost.
        """
        with calling_for(self._caller(lease, flow, CALL_PATIENCE)):
            yield

    @contextlib.contextmanager
    def turn(self, lease: Lease, flow: str, template: Template, api: str, machines: int) -> Iterator[None]:
        """The same with a turn at one API had already, so that what is written down here is sent at once.

        Raises:
            ProviderError: THROTTLED; the turn comes in ``retry_after`` seconds, and keeps till then.
            LeaseLost: as above.
        """
        gate = self.gates.find(template.provider, template.account_key) if api else OPEN
        with contextlib.ExitStack() as stack:
            with calling_for(self._caller(lease, flow, TURN_PATIENCE)):
                stack.enter_context(gate.reserve(template.region_id, api, machines))
            stack.enter_context(self.calling(lease, flow))
            yield

    def _caller(self, lease: Lease, flow: str, patience: float) -> Caller:
        def check() -> None:
            if lease.lost.is_set():
                raise LeaseLost(f"{lease.table.__name__} {lease.row_id} is held by another worker")

        return Caller(flow, patience, check, self.stopping.is_set)

    def backoff(self, since: int, now: int, *, shortest: float = 1.0) -> int:
        """When to try again, in ms: the longer it has not worked since ``since`` (ms), the later; with jitter."""
        seconds = min(max((now - since) / 4000, shortest), self.settings.backoff)
        return now + int(1000 * seconds * self.random.uniform(0.5, 1.0))
