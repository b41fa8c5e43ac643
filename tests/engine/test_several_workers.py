"""Several workers on one database server: one is killed, one is stopped past its lease and woken; nothing is doubled."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from bridgx_server.cloudsim.server import CloudSim
from engine.wire_world import SETTINGS, WireWorld, pause, wire_world

CLOUD = "AWSCloud"


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[CloudSim]:
    simulator = CloudSim.start(tmp_path / "clouds", clouds=[CLOUD])
    yield simulator
    simulator.stop()


@pytest.fixture
def world(simulator: CloudSim, server_database_url: str, tmp_path: Path) -> Iterator[WireWorld]:
    with wire_world(simulator, CLOUD, tmp_path, server_database_url) as world:
        yield world


def test_three_workers_one_killed_one_stopped_past_its_lease(world: WireWorld) -> None:
    rng = random.Random(7)
    world.control.fault("slow", cloud=CLOUD, rate=0.5, params={"seconds": 0.1})
    tasks = [world.expand(20)]
    killed, stopped, _ = (world.start_worker() for _ in range(3))
    for _ in range(3):
        pause(rng.uniform(0.1, 0.4))
        tasks.append(world.expand(20))
        os.kill(stopped, signal.SIGSTOP)
        world.kill(killed)
        pause(rng.uniform(1.0, 1.5))  # longer than the lease
        os.kill(stopped, signal.SIGCONT)
        killed = world.start_worker()
    ended = [world.ended(task_id) for task_id in tasks]
    assert [(task.status, task.running) for task in ended] == [("SUCCESS", 20)] * len(tasks)
    world.assert_exactly(20 * len(tasks))
    task = world.ended(world.shrink(30))
    assert (task.status, task.deleted) == ("SUCCESS", 30)
    world.assert_exactly(20 * len(tasks) - 30)


def test_on_a_file_one_worker_at_a_time_carries_on_where_the_last_one_died_or_sleeps(
    simulator: CloudSim, tmp_path: Path
) -> None:
    rng = random.Random(8)
    with wire_world(simulator, CLOUD, tmp_path) as world:
        world.control.fault("slow", cloud=CLOUD, rate=0.5, params={"seconds": 0.1})
        tasks = []
        for _ in range(3):
            tasks.append(world.expand(20))
            first = world.start_worker()
            pause(rng.uniform(0.1, 0.4))
            os.kill(first, signal.SIGSTOP)
            second = world.start_worker()
            pause(rng.uniform(1.0, 1.5))  # longer than the lease
            world.kill(second)
            os.kill(first, signal.SIGCONT)
            pause(rng.uniform(0.0, 0.4))
            world.kill(first)
        world.start_worker()
        ended = [world.ended(task_id) for task_id in tasks]
        assert [(task.status, task.running) for task in ended] == [("SUCCESS", 20)] * len(tasks)
        world.assert_exactly(20 * len(tasks))
        task = world.ended(world.shrink(30))
        assert (task.status, task.deleted) == ("SUCCESS", 30)
        world.assert_exactly(20 * len(tasks) - 30)


def test_workers_never_wait_for_each_other_in_a_circle(
    server_database_url: str, tmp_path: Path, simulator: CloudSim
) -> None:
    # Small chunks, so that tasks, watches and machines are changed by many at once.
    settings = replace(SETTINGS, batch=2, lease=5.0)
    with wire_world(simulator, CLOUD, tmp_path, server_database_url, settings) as world:
        for _ in range(3):
            world.start_worker()
        assert world.ended(world.expand(80)).running == 80
        assert world.ended(world.shrink(60)).deleted == 60
        world.assert_exactly(20)
    assert "eadlock" not in (tmp_path / "workers.log").read_text()
