"""What an expand or a shrink would do, found out without doing it."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial

from bridgx_server.errors import FIRST, BridgXError, InvalidFields
from bridgx_server.providers.base import Limits, Provider
from bridgx_server.providers.errors import ErrorClass, ProviderError
from bridgx_server.providers.gate import Gates, OpenGates
from bridgx_server.scaling import choice, forecast, fresh, outcome, placing, tasks
from bridgx_server.scaling.engine import Clouds, EngineSettings, Template, Templates
from bridgx_server.scaling.estimate import seconds_to_ask
from bridgx_server.scaling.forecast import ACCEPTED, NOT_OFFERED, REFUSED, UNANSWERED, PlannedPlacement, Refusal
from bridgx_server.scaling.orders import dry_order
from bridgx_server.scaling.parallel import in_parallel
from bridgx_server.scaling.placing import SoldOut
from bridgx_server.store import clusters, instances, stockouts
from bridgx_server.store import tasks as queue
from bridgx_server.store.chunks import Placement
from bridgx_server.store.clusters import RANDOM
from bridgx_server.store.database import Store
from bridgx_server.store.instances import Tended
from bridgx_server.store.models import ClusterRow
from bridgx_server.store.scope import Scope

DRY_RUNS = 16  # placements that the cloud is asked about for one plan
PASSING = (
    ErrorClass.THROTTLED,
    ErrorClass.UNAVAILABLE,
    ErrorClass.TIMEOUT_UNKNOWN,
    ErrorClass.CONFLICT,
    ErrorClass.CLOCK_SKEW,
)


@dataclass(frozen=True)
class PlannedChunk:
    """A call that would be made. A chunk that deletes has a zone only where all its machines are known to be in it."""

    index: int
    count: int
    zone_id: str = ""
    subnet_id: str = ""
    instance_type: str = ""


@dataclass(frozen=True)
class ExpandPlan:
    """What an expand would do; ``seconds`` until the cloud has been asked for all.

    ``expected`` is how many of the machines are to be had, by what is known.
    """

    refusals: Sequence[Refusal]
    chunks: Sequence[PlannedChunk]
    placements: Sequence[PlannedPlacement]
    max_machines: int
    used: int
    coming: int
    tasks_before: int
    seconds: float
    expected: int


@dataclass(frozen=True)
class ShrinkPlan:
    """What a shrink would do. ``victims`` is empty where they are chosen at random when the task begins.

    ``prepaid`` of them are paid for in advance and not expired, as far as is known, and ``prepaid_release`` is what the
    cloud makes of giving up such ones.
    """

    refusals: Sequence[Refusal]
    chunks: Sequence[PlannedChunk]
    victims: Sequence[Tended]
    count: int
    termination_policy: str
    candidates: int
    protected: int
    tasks_before: int
    seconds: float
    prepaid: int
    prepaid_release: str


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
        expected = 0 if refusals else forecast.expected(placements, count)
        first = next((row for row in placements if not forecast.has_none(row)), placements[0])
        refusals += forecast.refusals(placements, count, self.settings.stockout_memory)
        if first.dry_run == REFUSED and not forecast.has_none(first):
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
            expected=expected,
        )

    def shrink(
        self,
        scope: Scope,
        cluster_name: str,
        count: int,
        ips: Sequence[str],
        termination_policy: str,
        instance_ids: Sequence[str] = (),
        *,
        release_prepaid: bool = False,
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
            names = len(ips) + len(instance_ids)
            policy = "" if names else termination_policy or cluster.termination_policy
            refusals = _refusals(lambda: self._check_shrink(cluster, count, ips, instance_ids), "count")
            free = [machine for machine in running if not machine.protected]
            now = self.store.now()
            chosen: Sequence[Tended] = ()
            if not refusals:
                chosen = (
                    choice.named(self.store, cluster, ips, instance_ids)
                    if names
                    else choice.victims(free, count, policy, self.random, now, release_prepaid=release_prepaid)
                )
        # Which ones a choice at random takes is not known before, and with giving up not even how many of a kind.
        paid = [machine for machine in chosen if machine.paid_ahead(now)]
        if policy == RANDOM:
            chosen = ()
        number = 0 if refusals else names or count
        limits = self.clouds.provider(cluster.account_id).limits
        if paid and not release_prepaid:
            about = "ips" if ips else "instance_ids" if instance_ids else "count"
            refusals.append(_not_releasable(paid, number, cluster.provider, limits, about))
        sizes = tasks.sizes_of(number, tasks.NAMED_BATCH if names else limits.delete_batch)
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
            prepaid=len(paid),
            prepaid_release=limits.prepaid_release if paid else "",
        )

    def _seconds(self, provider: str, account_key: str, api: str, sizes: Sequence[int]) -> float:
        return seconds_to_ask(self.gates.find(provider, account_key), api, sizes, self.settings.parallel_chunks)

    def _check_shrink(self, cluster: ClusterRow, count: int, ips: Sequence[str], instance_ids: Sequence[str]) -> None:
        if ips or instance_ids:
            choice.named(self.store, cluster, ips, instance_ids)
        else:
            choice.check_count(self.store, cluster, count)

    def _placements(self, template: Template, provider: Provider, count: int, known: SoldOut) -> list[PlannedPlacement]:
        ordered = placing.in_order(template.placements, known)
        since = self.store.now() - int(self.settings.stockout_memory * 1000)
        quotas = stockouts.refused_quotas(self.store, template.account_id, since)
        addresses = _addresses(template, provider)
        found: dict[int, PlannedPlacement] = {}
        for place in ordered:
            kind = (place.zone_id, place.instance_type)
            free = addresses.get(place.subnet_id)
            found[place.rank] = PlannedPlacement(place, known.get(kind, 0), free, quotas.get(kind))

        def ask(place: Placement) -> None:
            found[place.rank] = self._dry_run(template, provider, found[place.rank], count)

        in_parallel(self.calls, [partial(ask, place) for place in ordered[:DRY_RUNS]])
        return [found[place.rank] for place in ordered]

    def _dry_run(
        self, template: Template, provider: Provider, planned: PlannedPlacement, count: int
    ) -> PlannedPlacement:
        order = dry_order(template, planned.place, count, self.new_token())
        said = partial(replace, planned)
        try:
            provider.check_machines(order)
            return said(dry_run=ACCEPTED if provider.dry_run_machines(order) else NOT_OFFERED)
        except ProviderError as error:
            passing = error.kind in PASSING or self._too_new(template, planned.place, error)
            return said(
                dry_run=UNANSWERED if passing else REFUSED,
                reason=outcome.REASONS[error.kind],
                message=error.told,
                vendor_code=error.vendor_code,
            )

    def _too_new(self, template: Template, place: Placement, error: ProviderError) -> bool:
        """Whether the cloud may only not know yet of the network that it denies."""
        if not fresh.doubted(error):
            return False
        until = fresh.unknown_until(self.store, self.settings.visibility, template, [place.subnet_id])
        return self.store.now() < until


def _addresses(template: Template, provider: Provider) -> dict[str, int]:
    """How many addresses are free in each of the VPC's subnets that the cloud shows; none where it cannot be asked."""
    try:
        subnets = provider.describe_subnets(template.region_id, template.vpc_id)
    except ProviderError:
        return {}
    return {subnet.subnet_id: subnet.available_ip_count for subnet in subnets}


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


def _not_releasable(paid: Sequence[Tended], of: int, provider: str, limits: Limits, about: str) -> Refusal:
    """That a cloud does not delete what is paid for, and what it would make of giving it up."""
    ends = [machine.expires_at for machine in paid if machine.expires_at]
    until = f", the first until {datetime.fromtimestamp(min(ends) / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}" if ends else ""
    way = f" With release_prepaid: {limits.prepaid_release}" if limits.prepaid_release else ""
    return Refusal(
        outcome.REASONS[ErrorClass.NOT_RELEASABLE],
        about,
        f"{len(paid)} of {of} machines are paid for in advance{until}: {provider} would not delete them before.{way}",
    )


def _deleting(sizes: Sequence[int], chosen: Sequence[Tended]) -> list[PlannedChunk]:
    chunks, start = [], 0
    for index, size in enumerate(sizes):
        zones = {machine.zone_id for machine in chosen[start : start + size]}
        chunks.append(PlannedChunk(index, size, zones.pop() if len(zones) == 1 else ""))
        start += size
    return chunks
