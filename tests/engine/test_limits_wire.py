"""The limits through the real SDKs against the simulated clouds: what goes over the wire, by the cloud's own count."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bridgx_server.cloudsim.control_client import ControlClient
from bridgx_server.cloudsim.front import FRONTS
from bridgx_server.cloudsim.server import CloudSim
from bridgx_server.providers.base import Credentials, ProviderSettings
from bridgx_server.providers.rates import parse
from bridgx_server.providers.registry import ADAPTERS, ProviderRegistry
from bridgx_server.scaling.limiter import Limiter, LimiterSettings
from bridgx_server.store.database import Store
from bridgx_server.store.migrations import migrate
from bridgx_server.store.models import BucketRow
from engine.conftest import wait_for
from engine.wire_world import REGIONS, SETTINGS, WireWorld, wire_world

CREATE = {
    "AlibabaCloud": "RunInstances",
    "HuaweiCloud": "CreatePostPaidServers",
    "TencentCloud": "RunInstances",
    "BaiduCloud": "CreateInstanceBySpec",
    "AWSCloud": "RunInstances",
}
CLOUDS = sorted(CREATE)


def test_every_simulated_cloud_is_here() -> None:
    assert set(CREATE) == set(FRONTS)


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudSim]:
    simulator = CloudSim.start(tmp_path_factory.mktemp("clouds"))
    yield simulator
    simulator.stop()


@contextlib.contextmanager
def limited_world(
    simulator: CloudSim, cloud: str, directory: Path, database_url: str, per_second: float, burst: int
) -> Iterator[WireWorld]:
    """A cloud that takes so many calls for machines, and workers that have been told so."""
    action = CREATE[cloud]
    rates = f"{cloud}.{action}={per_second}/s+{burst}, *.*=1000/s+1000, *.*:machines=off"
    with wire_world(simulator, cloud, directory, database_url, replace(SETTINGS, lease=10.0), rates) as world:
        world.control.rate(cloud, action, per_second, burst)
        yield world


PAGED = {  # what pages of a catalog are called on the wire
    "AlibabaCloud": "DescribeImages",
    "HuaweiCloud": "ListImages",
    "TencentCloud": "DescribeImages",
    "BaiduCloud": "ListImages",
    "AWSCloud": "DescribeInstanceTypes",
}


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_catalog_is_read_page_beside_page_within_the_limit(simulator: CloudSim, cloud: str, tmp_path: Path) -> None:
    control = ControlClient(simulator.control_url)
    control.reset()
    control.rate(cloud, PAGED[cloud], 4, 3)
    store = Store(f"sqlite:///{tmp_path}/bridgx.db")
    migrate(store)
    settings = LimiterSettings(overrides=parse(f"*.{PAGED[cloud]}=4/s+3", ADAPTERS))
    registry = ProviderRegistry(
        {cloud: ProviderSettings(endpoint=simulator.endpoints[cloud])}, Limiter(store, settings)
    )
    project = "demo-project" if cloud == "HuaweiCloud" else ""
    provider = registry.get(Credentials(cloud, f"demo-{cloud}", f"demo-secret-{cloud}", project))
    region = REGIONS[cloud]
    zone = provider.list_zones(region)[0].zone_id

    for _ in range(4):
        assert provider.list_instance_types(region, zone)
        assert provider.list_images(region)

    calls = control.calls(cloud, PAGED[cloud])
    assert len(calls) >= 8
    assert {row["status"] for row in calls} == {200}
    store.close()


def creations(world: WireWorld) -> list[dict[str, Any]]:
    return world.control.calls(world.cloud, CREATE[world.cloud])


def test_two_workers_share_one_bucket_and_the_cloud_refuses_no_call(
    simulator: CloudSim, server_database_url: str, tmp_path: Path
) -> None:
    with limited_world(simulator, "AWSCloud", tmp_path, server_database_url, per_second=2, burst=5) as world:
        world.add_cluster("other")
        world.start_worker()
        world.start_worker()
        tasks = [world.expand(30), world.expand(30, "other")]

        ended = [world.ended(task_id) for task_id in tasks]

        assert [(task.status, task.running) for task in ended] == [("SUCCESS", 30)] * 2
        calls = creations(world)
        assert [row["status"] for row in calls] == [200] * 12
        # By the cloud's clock, no span holds more calls than its bucket gives.
        moments = [row["at"] for row in calls]
        for first in range(12):
            for last in range(first, 12):
                assert last - first + 1 <= 5 + 2 * (moments[last] - moments[first]) + 1e-6


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_large_task_does_not_starve_a_small_one(simulator: CloudSim, cloud: str, tmp_path: Path) -> None:
    with limited_world(simulator, cloud, tmp_path, "", per_second=2, burst=2) as world:
        world.add_cluster("small")
        world.start_worker()
        large = world.expand(60)  # twelve calls, six seconds
        wait_for(lambda: len(creations(world)) >= 3)
        before = len(creations(world))
        small = world.expand(5, "small")
        task = world.ended(small)

        assert (task.status, task.running) == ("SUCCESS", 5)
        tag = f'"{small}"'
        order = [tag in str(row["parameters"]).replace("'", '"') for row in creations(world)]
        # One call may have been on its way and one have had its turn already.
        assert order.index(True) - before <= 3
        assert not world.is_over(large)
        assert world.ended(large).running == 60
        assert {row["status"] for row in creations(world)} <= {200, 202}


def test_a_throttled_account_is_asked_more_slowly_and_gets_its_machines(simulator: CloudSim, tmp_path: Path) -> None:
    with limited_world(simulator, "AWSCloud", tmp_path, "", per_second=20, burst=20) as world:
        world.control.fault("throttle", cloud="AWSCloud", action="RunInstances", times=1)
        world.start_worker()

        task = world.ended(world.expand(20))

        assert (task.status, task.running) == ("SUCCESS", 20)
        with world.store.connection():
            levels = {row.api: row.level for row in BucketRow.select()}
        assert levels["RunInstances"] == 1
        assert {level for api, level in levels.items() if api != "RunInstances"} == {0}
        world.assert_exactly(20)
