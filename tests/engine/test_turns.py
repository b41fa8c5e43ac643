"""A task whose turn is away: nothing has been asked, nothing is lost, and it can still be ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from bridgx_server.providers.base import Limits
from bridgx_server.providers.gate import ApiLimit, Rate
from bridgx_server.scaling import tasks as api
from bridgx_server.scaling.assembly import make_engine
from bridgx_server.scaling.limiter import Limiter, LimiterSettings
from bridgx_server.scaling.send import send
from bridgx_server.store import chunks, tasks
from bridgx_server.store.chunks import Placement
from bridgx_server.store.leases import LeaseLost
from bridgx_server.store.models import ChunkRow, TaskRow
from bridgx_server.store.scope import EVERYTHING
from engine.conftest import World, wait_for

SLOW = ApiLimit("RunInstances", Rate(1 / 3600, 1))


@pytest.fixture
def limited(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The world, with a vendor that lets one call for machines through in an hour."""
    limiter = Limiter(world.store, LimiterSettings())
    limiter.gate("AlibabaCloud", "key", [SLOW])
    world.cloud.limits = Limits(create_batch=10, describe_batch=10, delete_batch=10, create_api="RunInstances")
    monkeypatch.setattr(
        world, "engine", lambda: make_engine(world.store, world, world, world.settings, gates=limiter), raising=True
    )
    return world


def creations(world: World) -> int:
    return sum(1 for name, _ in world.cloud.calls if name == "create")


def statuses(world: World) -> list[str]:
    with world.store.connection():
        return [row.status for row in ChunkRow.select().order_by(ChunkRow.id)]


def test_a_chunk_that_waits_for_its_turn_has_not_been_asked_for(limited: World) -> None:
    limited.start_worker()
    task_id = limited.expand(25)
    wait_for(lambda: statuses(limited).count(chunks.ACCEPTED) + statuses(limited).count(chunks.DONE) == 1)
    wait_for(lambda: limited.task(task_id).phase == "WAITING")

    assert creations(limited) == 1
    assert sorted(statuses(limited))[-2:] == [chunks.PLANNED, chunks.PLANNED]


def test_a_task_that_waits_for_its_turn_can_be_canceled(limited: World) -> None:
    limited.start_worker()
    task_id = limited.expand(30)
    wait_for(lambda: limited.task(task_id).phase == "WAITING")

    api.cancel(limited.store, EVERYTHING, task_id, "keep")

    task = limited.ended(task_id)
    assert (task.status, task.running, task.failed) == ("CANCELED", 10, 20)
    assert len(limited.cloud.alive()) == 10


def test_tasks_that_wait_leave_their_threads_to_others(limited: World) -> None:
    limited.settings = replace(limited.settings, tasks_at_once=1)
    limited.start_worker()
    first = limited.expand(25)
    wait_for(lambda: limited.task(first).phase == "WAITING")
    limited.add_cluster("other")
    limited.cloud.limits = replace(limited.cloud.limits, create_api="")  # another account, let us say

    assert limited.ended(limited.expand(5, "other")).running == 5


def test_a_lease_that_is_lost_while_waiting_sends_nothing(world: World) -> None:
    limiter = Limiter(world.store, LimiterSettings())
    gate = limiter.gate("AlibabaCloud", "key", [replace(SLOW, calls=Rate(1, 1))])
    world.cloud.limits = Limits(create_batch=10, describe_batch=10, delete_batch=10, create_api="RunInstances")
    engine = make_engine(world.store, world, world, world.settings, gates=limiter)
    task_id = world.expand(10)
    claimed = tasks.claim(world.store, "worker-1", 60_000)
    assert claimed is not None
    lease = claimed[1]
    with gate.call("region-1", "RunInstances"):  # somebody else's turn
        pass

    def sleep(seconds: float) -> None:
        with world.store.connection():
            TaskRow.update(fence=TaskRow.fence + 1).execute()
        lease.lost.set()

    limiter.sleep = sleep
    with world.store.transaction():
        place = Placement(0, "zone-a", "subnet-zone-a", "type-1")
        chunks.plan(world.store, task_id, tasks.EXPAND, [10], place, engine.now())

    with pytest.raises(LeaseLost):
        send(engine, lease, world.template(1), chunks.of_task(world.store, task_id)[0])

    assert lease.lost.is_set()
    assert creations(world) == 0
    assert statuses(world) == [chunks.PLANNED]
