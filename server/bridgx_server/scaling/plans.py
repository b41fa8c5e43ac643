"""What an expand or a shrink would do, found out without doing it."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial

from bridgx_server.errors import FIRST, BridgXError, InvalidFields
from bridgx_server.providers.base import Provider
from bridgx_server.providers.errors import ErrorClass, ProviderError
from bridgx_server.providers.gate import Gates, OpenGates
from bridgx_server.scaling import choice, outcome, placing, tasks
from bridgx_server.scaling.engine import Clouds, EngineSettings, Template, Templates
from bridgx_server.scaling.estimate import seconds_to_ask
from bridgx_server.scaling.orders import dry_order
from bridgx_server.scaling.parallel import in_parallel
from bridgx_server.scaling.placing import SoldOut
from bridgx_server.store import clusters, instances
from bridgx_server.store import tasks as queue
from bridgx_server.store.chunks import Placement
from bridgx_server.store.clusters import RANDOM
from bridgx_server.store.database import Store
from bridgx_server.store.instances import Tended
from bridgx_server.store.models import ClusterRow
from bridgx_server.store.scope import Scope

DRY_RUNS = 16  # placements that the cloud is asked about for one plan
ACCEPTED = "accepted"
REFUSED = "refused"
UNANSWERED = "unanswered"
NOT_OFFERED = "not_offered"
PASSING = (ErrorClass.THROTTLED, ErrorClass.UNAVAILABLE, ErrorClass.TIMEOUT_UNKNOWN, ErrorClass.CONFLICT)
OUT_OF_STOCK = outcome.REASONS[ErrorClass.OUT_OF_STOCK]


@dataclass(frozen=True)
class Refusal:
    """What stands against a plan. ``reason`` is a word of ErrorReason in lower case; ``field`` may be empty."""

    reason: str
    field: str
    message: str


@dataclass(frozen=True)
class PlannedChunk:
    """A call that would be made. A chunk that deletes has a zone only where all its machines are known to be in it."""

    index: int
    count: int
    zone_id: str = ""
    subnet_id: str = ""
    instance_type: str = ""


@dataclass(frozen=True)
class PlannedPlacement:
    """A placement as an expand would find it. ``dry_run`` is empty where the cloud was not asked; ``sold_out_at`` is ms."""

    place: Placement
    sold_out_at: int
    dry_run: str = ""
    reason: str = ""
    message: str = ""
    vendor_code: str = ""


@dataclass(frozen=True)
class ExpandPlan:
    """What an expand would do; ``seconds`` until the cloud has been asked for all."""

    refusals: Sequence[Refusal]
    chunks: Sequence[PlannedChunk]
    placements: Sequence[PlannedPlacement]
    max_machines: int
    used: int
    coming: int
    tasks_before: int
    seconds: float


@dataclass(frozen=True)
class ShrinkPlan:
    """What a shrink would do. ``victims`` is empty where they are chosen at random when the task begins."""

    refusals: Sequence[Refusal]
    chunks: Sequence[PlannedChunk]
    victims: Sequence[Tended]
    count: int
    termination_policy: str
    candidates: int
    protected: int
    tasks_before: int
    seconds: float


@dataclass(frozen=True)
class Planner:
    """Makes plans. ``calls`` runs the dry runs side by side; ``new_token`` gives each a lower-case UUID of its own."""

    store: Store
    clouds: Clouds
    templates: Templates
    settings: EngineSettings
    calls: Executor
    gates: Gates = field(default_factory=OpenGates)
    new_token: Callable[[], str] = lambda: str(uuid.uuid4())
    random: random.Random = field(default_factory=random.Random)

    def expand(self, scope: Scope, cluster_name: str, count: int) -> ExpandPlan:
        """What an expand by ``count`` would do now.

        Raises:
            NotFound: no such cluster.
            ProviderError: the account's adapter cannot be had.
        """
        with self.store.snapshot():
            cluster = clusters.named(self.store, scope, cluster_name)
            load = tasks.load_of(self.store, cluster.id)
            before = len(queue.open_tasks_of(self.store, cluster.id))
            refusals = _refusals(lambda: tasks.check_quota(cluster, load, count), "count")
        template = self.templates.template(cluster.id)
        provider = self.clouds.provider(template.account_id)
        sizes = tasks.sizes_of(count, provider.limits.create_batch, self.settings.batch)
        known = placing.remembered(self.store, self.settings, template.account_id)
        placements = self._placements(template, provider, sizes[0], known)
        first = next((row for row in placements if row.reason != OUT_OF_STOCK), placements[0])
        refusals += _of_stock(placements, self.settings)
        if first.dry_run == REFUSED and first.reason != OUT_OF_STOCK:
            refusals.append(Refusal(first.reason, f"placements[{first.place.rank}]", first.message))
        place = first.place
        return ExpandPlan(
            refusals=refusals,
            chunks=[
                PlannedChunk(index, size, place.zone_id, place.subnet_id, place.instance_type)
                for index, size in enumerate(sizes)
            ],
            placements=placements,
            max_machines=cluster.max_machines,
            used=load.used,
            coming=load.coming,
            tasks_before=before,
            seconds=self._seconds(template.provider, template.account_key, provider.limits.create_api, sizes),
        )

    def shrink(
        self, scope: Scope, cluster_name: str, count: int, ips: Sequence[str], termination_policy: str
    ) -> ShrinkPlan:
        """What a shrink would do now; the parameters are those of :func:`tasks.submit_shrink`.

        Raises:
            NotFound: no such cluster.
            ProviderError: the account's adapter cannot be had.
        """
        with self.store.snapshot():
            cluster = clusters.named(self.store, scope, cluster_name)
            before = len(queue.open_tasks_of(self.store, cluster.id))
            running = instances.unchosen(self.store, cluster.id)
            policy = "" if ips else termination_policy or cluster.termination_policy
            refusals = _refusals(lambda: self._check_shrink(cluster, count, ips), "ips" if ips else "count")
            free = [machine for machine in running if not machine.protected]
            chosen: Sequence[Tended] = ()
            if not refusals and policy != RANDOM:
                chosen = (
                    choice.named(self.store, cluster, ips) if ips else choice.victims(free, count, policy, self.random)
                )
        number = 0 if refusals else len(ips) or count
        limits = self.clouds.provider(cluster.account_id).limits
        sizes = tasks.sizes_of(number, tasks.NAMED_BATCH if ips else limits.delete_batch)
        calls = [part for size in sizes for part in tasks.sizes_of(size, limits.delete_batch)]
        return ShrinkPlan(
            refusals=refusals,
            chunks=_deleting(sizes, chosen),
            victims=chosen,
            count=number,
            termination_policy=policy,
            candidates=len(free),
            protected=len(running) - len(free),
            tasks_before=before,
            seconds=self._seconds(cluster.provider, cluster.account_key, limits.delete_api, calls),
        )

    def _seconds(self, provider: str, account_key: str, api: str, sizes: Sequence[int]) -> float:
        return seconds_to_ask(self.gates.find(provider, account_key), api, sizes, self.settings.parallel_chunks)

    def _check_shrink(self, cluster: ClusterRow, count: int, ips: Sequence[str]) -> None:
        if ips:
            choice.named(self.store, cluster, ips)
        else:
            choice.check_count(self.store, cluster, count)

    def _placements(self, template: Template, provider: Provider, count: int, known: SoldOut) -> list[PlannedPlacement]:
        ordered = placing.in_order(template.placements, known)
        found: dict[int, PlannedPlacement] = {
            place.rank: PlannedPlacement(place, known.get((place.zone_id, place.instance_type), 0)) for place in ordered
        }

        def ask(place: Placement) -> None:
            found[place.rank] = self._dry_run(template, provider, found[place.rank], count)

        in_parallel(self.calls, [partial(ask, place) for place in ordered[:DRY_RUNS]])
        return [found[place.rank] for place in ordered]

    def _dry_run(
        self, template: Template, provider: Provider, planned: PlannedPlacement, count: int
    ) -> PlannedPlacement:
        order = dry_order(template, planned.place, count, self.new_token())
        said = partial(PlannedPlacement, planned.place, planned.sold_out_at)
        try:
            provider.check_machines(order)
            return said(ACCEPTED if provider.dry_run_machines(order) else NOT_OFFERED)
        except ProviderError as error:
            verdict = UNANSWERED if error.kind in PASSING else REFUSED
            return said(verdict, outcome.REASONS[error.kind], error.told, error.vendor_code)


def _refusals(check: Callable[[], object], about: str) -> list[Refusal]:
    """What a check refuses, field by field."""
    try:
        check()
    except InvalidFields as error:
        told = [Refusal(error.reason, row.field, row.message) for row in error.fields[:FIRST]]
        left = len(error.fields) - len(told)
        return [*told, Refusal(error.reason, about, f"and {left:,} more")] if left else told
    except BridgXError as error:
        return [Refusal(error.reason, about, error.message)]
    return []


def _of_stock(placements: Sequence[PlannedPlacement], settings: EngineSettings) -> list[Refusal]:
    """That nothing is in stock anywhere, as far as that is known."""
    if not all(row.sold_out_at or row.reason == OUT_OF_STOCK for row in placements):
        return []
    where = "; ".join(f"{row.place.instance_type} in {row.place.zone_id}" for row in placements)
    within = f"within the last {settings.stockout_memory:g} s"
    return [Refusal(OUT_OF_STOCK, "placements", f"sold out {within}: {where}. An expand would ask there again.")]


def _deleting(sizes: Sequence[int], chosen: Sequence[Tended]) -> list[PlannedChunk]:
    chunks, start = [], 0
    for index, size in enumerate(sizes):
        zones = {machine.zone_id for machine in chosen[start : start + size]}
        chunks.append(PlannedChunk(index, size, zones.pop() if len(zones) == 1 else ""))
        start += size
    return chunks
