"""Calls whose effect comes at their very end, and workers that die at one: no machine is made twice, and none forgotten."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pytest
from bridgx_server.providers.base import CreatedMachines, CreateMachines, Machine
from bridgx_server.providers.errors import ErrorClass, ProviderError
from bridgx_server.scaling import expand
from bridgx_server.scaling import tasks as api
from bridgx_server.scaling.assembly import make_engine
from bridgx_server.store import tasks as queue
from bridgx_server.store.models import ChunkRow
from bridgx_server.store.scope import EVERYTHING
from engine.conftest import QUICK, World, wait_for
from engine.fake_cloud import FakeCloud


@dataclass
class Late(FakeCloud):
    """The first creation takes as long as a call may, has its effect then, is not answered, and is not shown for a while."""

    seconds: float = 1.0
    hidden_for: float = 1.2
    then: ErrorClass | None = None
    shown_at: float = 0.0
    creations: int = 0

    def create_machines(self, request: CreateMachines) -> CreatedMachines:
        self.creations += 1
        if self.creations > 1 and self.then is not None and request.zone_id == "zone-a":
            raise ProviderError(self.then, "sold out.")
        if self.creations > 1:
            return super().create_machines(request)
        time.sleep(self.seconds)
        super().create_machines(request)
        self.shown_at = time.monotonic() + self.hidden_for
        raise ProviderError(ErrorClass.TIMEOUT_UNKNOWN, "no answer came.")

    def describe_machines(self, region_id: str, instance_ids: Sequence[str]) -> list[Machine]:
        return self._shown(super().describe_machines(region_id, instance_ids))

    def find_machines(self, region_id: str, tags: Mapping[str, str]) -> list[Machine]:
        return self._shown(super().find_machines(region_id, tags))

    def _shown(self, machines: list[Machine]) -> list[Machine]:
        return machines if time.monotonic() >= self.shown_at else []


# A call may take about as long as a machine may be hidden, as with the defaults.
LATE = replace(QUICK, answer=1.0, visibility=1.4)


def test_a_call_whose_effect_came_right_before_its_end_is_not_made_up_for_elsewhere(world: World) -> None:
    cloud = Late(then=ErrorClass.OUT_OF_STOCK)
    world.cloud, world.settings, world.zones = cloud, LATE, ("zone-a", "zone-b")
    world.start_worker()
    task = world.ended(world.expand(2))
    assert (task.status, task.running) == ("SUCCESS", 2)
    assert len(cloud.alive()) == 2
    assert world.inventory("running") == set(cloud.alive())
    assert (task.reason, task.error_class, [chunk.reason for chunk in task.chunks]) == ("", "", [""])


def test_a_canceled_task_waits_for_what_its_last_call_may_still_make(world: World) -> None:
    cloud = Late()
    world.cloud, world.settings = cloud, LATE
    world.start_worker()
    task_id = world.expand(2)
    wait_for(lambda: cloud.creations == 1)
    api.cancel(world.store, EVERYTHING, task_id, "delete")
    assert world.ended(task_id).status == "CANCELED"
    assert cloud.shown_at
    wait_for(lambda: not cloud.alive())
    assert cloud.creations == 1


@pytest.mark.parametrize("made", [False, True])
def test_time_without_a_worker_is_not_taken_for_time_without_an_answer(world: World, made: bool) -> None:
    world.cloud, world.settings = Deadly(made=made), replace(QUICK, give_up=5.0)
    engine = make_engine(world.store, world, world, world.settings)
    task_id = world.expand(2)
    found = queue.claim(world.store, "dead", 1)
    assert found is not None
    task, lease = found
    with pytest.raises(Killed):
        expand.advance(engine, task, lease)
    with world.store.transaction():  # long ago
        ages = {name: getattr(ChunkRow, name) - 60_000 for name in ("sent_at", "last_sent_at", "effect_until")}
        ChunkRow.update(**ages).execute()
    world.cloud = FakeCloud(machines=world.cloud.machines, answers=world.cloud.answers)
    world.cloud.fail_next("find", ErrorClass.UNAVAILABLE, 2)
    world.start_worker()
    ended = world.ended(task_id)
    assert (ended.status, ended.running, ended.failed) == ("SUCCESS", 2, 0)
    assert len(world.cloud.alive()) == 2


class Killed(BaseException):
    """The process dies here."""


@dataclass
class Deadly(FakeCloud):
    """Whoever asks it for machines dies, before it has made them or after."""

    made: bool = False

    def create_machines(self, request: CreateMachines) -> CreatedMachines:
        if self.made:
            super().create_machines(request)
        raise Killed
