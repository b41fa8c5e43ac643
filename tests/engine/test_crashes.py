"""kill -9 at any moment, and afterwards exactly the machines that were asked for. Step by step: `test_every_step.py`."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from bridgx_server.cloudsim.front import FRONTS
from bridgx_server.cloudsim.server import CloudSim
from bridgx_server.scaling.tasks import TaskView
from engine.conftest import wait_for
from engine.wire_world import SETTINGS, WireWorld, pause, wire_world

KILLS = 30
DEATHS = 20  # at commits, of an expand and of a shrink
CLOUDS = sorted(FRONTS)


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudSim]:
    simulator = CloudSim.start(tmp_path_factory.mktemp("clouds"))
    yield simulator
    simulator.stop()


@pytest.fixture(params=CLOUDS)
def world(request: pytest.FixtureRequest, simulator: CloudSim, tmp_path: Path) -> Iterator[WireWorld]:
    with wire_world(simulator, request.param, tmp_path) as world:
        yield world


def killed_until_over(world: WireWorld, task_id: int, rng: random.Random, kills: int) -> int:
    """Starts a worker and kills it soon, again and again, until the task is over; returns the kills still to do."""
    while kills and not world.is_over(task_id):
        pid = world.start_worker()
        pause(rng.uniform(0.02, 0.45))
        world.kill(pid)
        kills -= 1
    return kills


def test_killed_at_random_moments(world: WireWorld) -> None:
    rng = random.Random(2026)
    # Calls that take a while are what a kill should meet.
    world.control.fault("slow", cloud=world.cloud, rate=0.5, params={"seconds": 0.08})
    asked, kills = 0, KILLS
    while kills:
        task_id = world.expand(20)
        asked += 20
        kills = killed_until_over(world, task_id, rng, kills)
    world.start_worker()
    assert world.ended(task_id).status == "SUCCESS"
    world.assert_exactly(asked)
    world.kill(world.pids[-1])
    kills = KILLS
    while kills and asked:
        task_id = world.shrink(min(10, asked))
        asked -= min(10, asked)
        kills = killed_until_over(world, task_id, rng, kills)
    world.start_worker()
    assert world.ended(task_id).status == "SUCCESS"
    world.assert_exactly(asked)


def test_killed_right_after_any_commit(simulator: CloudSim, tmp_path: Path) -> None:
    # Whatever the engine commits, named or not, a worker dies before it can do the next thing.
    rng = random.Random(1)
    settings = replace(SETTINGS, lease=0.2, batch=2, parallel_chunks=1)
    with wire_world(simulator, CLOUDS[0], tmp_path, settings=settings) as world:

        def survived(task_id: int) -> TaskView:
            for _ in range(DEATHS):
                if not world.is_over(task_id):
                    pid = world.start_worker("commit", rng.randint(2, 6))
                    wait_for(lambda pid=pid: world.has_died(pid) or world.is_over(task_id))
                    world.kill(pid)
            world.start_worker()
            return world.ended(task_id)

        task = survived(world.expand(8))
        assert (task.status, task.running, task.failed) == ("SUCCESS", 8, 0)
        world.assert_exactly(8)
        world.kill(world.pids[-1])
        task = survived(world.shrink(5))
        assert (task.status, task.deleted, task.failed) == ("SUCCESS", 5, 0)
        world.assert_exactly(3)
