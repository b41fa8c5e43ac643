"""One simulator for the whole suite, as on its first day before every test; adapters as the server makes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from bridgx_server.cloudsim.server import CloudSim
from wire.conformance.clouds import CLOUDS, Cloud
from wire.conformance.world import World


@pytest.fixture(scope="session")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudSim]:
    data_dir: Path = tmp_path_factory.mktemp("cloudsim")
    running = CloudSim.start(data_dir)
    yield running
    running.stop()


@pytest.fixture(params=CLOUDS, ids=lambda cloud: cloud.provider)
def cloud(request: pytest.FixtureRequest) -> Cloud:
    chosen: Cloud = request.param
    return chosen


@pytest.fixture
def world(simulator: CloudSim, cloud: Cloud) -> World:
    made = World(simulator, cloud)
    made.start_afresh()
    return made
