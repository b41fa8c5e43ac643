"""When machines began and ended, where nobody was looking: no second that a cloud bills is left out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from bridgx_server.providers.base import MachineState
from bridgx_server.store.database import Store
from bridgx_server.store.migrations import migrate
from bridgx_server.store.models import InstanceRow
from engine.conftest import QUICK, World, wait_for
from engine.fake_cloud import FakeCloud

HOUR = 3_600_000  # ms


class Clock:
    """A clock that can be moved on."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def world(tmp_path: Path, clock: Clock) -> Iterator[World]:
    store = Store(f"sqlite:///{tmp_path}/bridgx.db", clock=clock)
    migrate(store)
    world = World(store, FakeCloud(boots=lambda index: False), replace(QUICK, boot_timeout=90_000.0))
    world.add_cluster("web")
    yield world
    for worker in world.workers:
        worker.stop()
    store.close()


def the_row(world: World) -> InstanceRow:
    with world.store.connection():
        return InstanceRow.get()


def booting(world: World) -> str:
    """A machine that the cloud has made and that does not run yet; its worker has stopped."""
    worker = world.start_worker()
    world.expand(1)
    wait_for(lambda: bool(world.inventory("pending")))
    worker.stop()
    world.workers.remove(worker)
    return the_row(world).instance_id


def test_a_machine_that_is_watched_began_when_it_was_seen_to_run(world: World, clock: Clock) -> None:
    machine = booting(world)
    world.start_worker()
    before = world.store.now()
    world.cloud.machines[machine]["state"] = MachineState.RUNNING
    wait_for(lambda: bool(world.inventory("running")))
    assert before <= the_row(world).running_at <= world.store.now()


def test_a_machine_that_came_up_unwatched_began_when_it_was_due_to_be_looked_at(world: World, clock: Clock) -> None:
    machine = booting(world)
    due = world.store.now()
    world.cloud.machines[machine]["state"] = MachineState.RUNNING
    clock.ahead += HOUR / 1000
    world.start_worker()
    wait_for(lambda: bool(world.inventory("running")))
    assert abs(the_row(world).running_at - due) < 60_000
    assert world.store.now() - the_row(world).running_at > HOUR - 60_000


def test_the_clouds_own_time_of_a_start_and_of_an_end_is_believed(world: World, clock: Clock) -> None:
    machine = booting(world)
    began = datetime.fromtimestamp(int(clock()) + 600, UTC)
    ended = datetime.fromtimestamp(int(clock()) + 1200, UTC)
    world.cloud.machines[machine] |= {"state": MachineState.DELETED, "started_at": began, "ended_at": ended}
    clock.ahead += HOUR / 1000
    world.start_worker()
    wait_for(lambda: bool(world.inventory("lost")))
    row = the_row(world)
    assert (row.running_at, row.gone_at) == (int(began.timestamp() * 1000), int(ended.timestamp() * 1000))


def test_a_machine_that_comes_up_while_it_is_deleted_counts_but_did_not_come_to_run(world: World) -> None:
    world.settings = replace(world.settings, boot_timeout=0.3)
    world.cloud.boots = lambda index: index > 0  # the one that takes its place runs
    world.cloud.fail_deletes_silently = True
    world.start_worker()
    task_id = world.expand(1)
    wait_for(lambda: bool(world.inventory("deleting")))
    (machine,) = world.inventory("deleting")
    world.cloud.machines[machine]["state"] = MachineState.RUNNING
    task = world.ended(task_id)
    assert (task.status, task.running, task.failed) == ("SUCCESS", 1, 0)

    def row() -> InstanceRow:
        with world.store.connection():
            return InstanceRow.get(InstanceRow.instance_id == machine)

    wait_for(lambda: row().running_at > row().deleting_at)
    world.cloud.machines[machine]["state"] = MachineState.DELETED
    wait_for(lambda: row().status == "deleted")
    assert row().gone_at >= row().running_at
    assert world.task(task_id).running == 1
