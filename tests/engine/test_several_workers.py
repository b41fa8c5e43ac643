"""Several workers on one database server: one is killed, one is stopped past its lease and woken; nothing is doubled."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from bridgx_server.cloudsim.server import CloudSim
from engine.wire_world import WireWorld, pause, wire_world

CLOUD = "AWSCloud"


@pytest.fixture
def world(server_database_url: str, tmp_path: Path) -> Iterator[WireWorld]:
    simulator = CloudSim.start(tmp_path / "clouds", clouds=[CLOUD])
    with wire_world(simulator, CLOUD, tmp_path, server_database_url) as world:
        yield world
    simulator.stop()


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
