"""Every adapter passes its gate with every request, under the vendor's name of the API, and says how many machines."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from bridgx_server.cloudsim.server import CloudSim
from bridgx_server.providers.base import Provider, ProviderError, ProviderSettings
from bridgx_server.providers.errors import ErrorClass
from bridgx_server.providers.gate import ApiLimit, Gate, RateTable
from bridgx_server.providers.registry import ProviderRegistry
from wire.conformance.clouds import Cloud
from wire.conformance.test_golden_requests import record
from wire.conformance.world import World


class CountingGate:
    """Lets everything pass and writes it down."""

    places = 0

    def __init__(self) -> None:
        self.passed: list[tuple[str, str, int]] = []
        self.failed: list[ErrorClass] = []
        self.closed = False
        self._lock = threading.Lock()

    def gate(self, provider: str, access_key: str, table: RateTable) -> Gate:
        return self

    def find(self, provider: str, access_key: str) -> Gate:
        return self

    def limit(self, api: str) -> ApiLimit:
        return ApiLimit(api, None)

    @contextlib.contextmanager
    def call(self, region_id: str, api: str, machines: int = 0) -> Iterator[None]:
        if self.closed:
            raise Closed
        with self._lock:
            self.passed.append((region_id, api, machines))
        try:
            yield
        except ProviderError as error:
            self.failed.append(error.kind)
            raise

    def reserve(self, region_id: str, api: str, machines: int = 0) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()


class Closed(Exception):
    """What a gate may raise: a lease was lost."""


class GatedWorld(World):
    """The world, whose adapters pass one gate."""

    def __init__(self, simulator: CloudSim, cloud: Cloud) -> None:
        super().__init__(simulator, cloud)
        self.gate = CountingGate()
        settings = {cloud.provider: ProviderSettings(endpoint=self.endpoint)}
        self._registry = ProviderRegistry(settings, self.gate)

    def with_settings(self, **changes: Any) -> Provider:
        return self.provider


@pytest.fixture
def gated(simulator: CloudSim, cloud: Cloud) -> GatedWorld:
    made = GatedWorld(simulator, cloud)
    made.start_afresh()
    return made


def test_every_request_on_the_wire_has_passed_the_gate_under_its_name(gated: GatedWorld) -> None:
    record(gated)

    sent = sorted(row["action"].lower() for row in gated.control.calls(gated.cloud.provider))
    assert sorted(api.lower() for _, api, _ in gated.gate.passed) == sent
    assert {region for region, _, machines in gated.gate.passed if machines} == {gated.cloud.region}


def test_the_gate_is_told_how_many_machines_a_request_makes_or_ends(gated: GatedWorld) -> None:
    provider = gated.provider
    order = gated.machines(3)
    provider.dry_run_machines(order)
    ids = provider.create_machines(order).instance_ids
    provider.describe_machines(gated.cloud.region, ids)
    provider.find_machines(gated.cloud.region, order.tags)
    provider.delete_machines(gated.cloud.region, ids)

    limits = provider.limits
    told = [(api, machines) for _, api, machines in gated.gate.passed if machines]
    assert told == [(limits.create_api, 3), (limits.delete_api, 3)]


def test_the_gate_hears_that_the_vendor_throttles(gated: GatedWorld) -> None:
    gated.fault("throttle", gated.cloud.describe)
    error = gated.refused(lambda: gated.provider.find_machines(gated.cloud.region, {"bridgx": "x"}))

    assert error.kind is ErrorClass.THROTTLED
    assert gated.gate.failed == [ErrorClass.THROTTLED]


def test_what_the_gate_raises_comes_through_and_nothing_is_sent(gated: GatedWorld) -> None:
    order = gated.machines(1)
    before = len(gated.control.calls(gated.cloud.provider))
    gated.gate.closed = True

    with pytest.raises(Closed):
        gated.provider.create_machines(order)
    with pytest.raises(Closed):
        gated.provider.delete_machines(gated.cloud.region, ["i-0123456789abcdef0"])
    assert len(gated.control.calls(gated.cloud.provider)) == before
