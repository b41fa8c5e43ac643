"""Where the engine asks when stock runs out: the template's order, what is remembered last, nothing unseen."""

from __future__ import annotations

from dataclasses import replace

from bridgx_server.providers.base import CreateMachines, Limits
from bridgx_server.providers.errors import ErrorClass, ProviderError
from bridgx_server.scaling import tasks as api
from bridgx_server.scaling.worker import Worker
from bridgx_server.store import stockouts
from bridgx_server.store.scope import EVERYTHING
from engine.conftest import World, wait_for


def asked(world: World) -> list[str]:
    """The zones of the create calls, in their order."""
    return [request.zone_id for name, request in world.cloud.calls if name == "create"]


def remembered(world: World) -> set[str]:
    return {zone for zone, _ in stockouts.remembered(world.store, 1, 0)}


def restart(world: World) -> Worker:
    """Another worker, with what the world's settings are now."""
    for worker in world.workers:
        worker.stop()
    return world.start_worker()


def test_what_one_task_found_sold_out_another_cluster_asks_last(world: World) -> None:
    world.zones = ("zone-a", "zone-b")
    world.cloud.stock = {"zone-a": 0}
    world.add_cluster("other")
    world.start_worker()
    assert world.ended(world.expand(5)).status == "SUCCESS"
    assert asked(world) == ["zone-a", "zone-b"]
    assert remembered(world) == {"zone-a"}
    restart(world)  # the memory is the store's, not a process's
    task = world.ended(world.expand(25, "other"))
    assert (task.status, task.running) == ("SUCCESS", 25)
    assert asked(world)[2:] == ["zone-b"] * 3
    assert {(chunk.placement, chunk.zone_id) for chunk in task.chunks} == {(1, "zone-b")}


def test_a_memory_that_has_run_out_changes_nothing(world: World) -> None:
    world.zones = ("zone-a", "zone-b")
    world.settings = replace(world.settings, stockout_memory=0.0)
    world.cloud.stock = {"zone-a": 0}
    world.start_worker()
    world.ended(world.expand(5))
    assert world.ended(world.expand(5)).status == "SUCCESS"
    assert asked(world) == ["zone-a", "zone-b"] * 2


def test_where_all_is_remembered_the_oldest_memory_is_tried_first_by_one_chunk_alone(world: World) -> None:
    world.zones = ("zone-a", "zone-b")
    world.settings = replace(world.settings, parallel_chunks=1)  # so that zone-a is surely found sold out first
    world.cloud.stock = {"zone-a": 0, "zone-b": 0}
    world.start_worker()
    task = world.ended(world.expand(45))
    assert (task.status, task.failed, task.error_class) == ("FAILED", 45, "out_of_stock")
    assert "type-1 in zone-a: " in task.reason
    assert "type-1 in zone-b: " in task.reason
    assert remembered(world) == {"zone-a", "zone-b"}
    world.settings = replace(world.settings, parallel_chunks=8)
    restart(world)
    before = len(asked(world))
    assert world.ended(world.expand(45)).status == "FAILED"
    assert asked(world)[before:] == ["zone-a", "zone-b"]
    before = len(asked(world))
    world.cloud.stock = {"zone-a": 100, "zone-b": 0}
    task = world.ended(world.expand(45))
    assert (task.status, task.running) == ("SUCCESS", 45)
    assert set(asked(world)[before:]) == {"zone-a"}
    # What was granted in full is not remembered as sold out any more.
    assert remembered(world) == {"zone-b"}


def test_a_stockout_that_another_task_meets_moves_the_chunks_that_wait(world: World) -> None:
    world.zones = ("zone-a", "zone-b")
    world.settings = replace(world.settings, parallel_chunks=1)
    world.start_worker()

    def sold_out_meanwhile(request: CreateMachines) -> None:
        with world.store.transaction():
            stockouts.remember(world.store, 1, "zone-a", "type-1", world.store.now())

    world.cloud.before_create = sold_out_meanwhile
    task = world.ended(world.expand(30))
    assert (task.status, task.running) == ("SUCCESS", 30)
    # What the other task found out after the first chunk was sent is not taken back by that chunk.
    assert asked(world) == ["zone-a", "zone-b", "zone-b"]
    assert [(chunk.placement, chunk.moved, chunk.reason) for chunk in task.chunks] == [
        (0, 0, ""),
        (1, 0, ""),
        (1, 0, ""),
    ]


def test_a_subnet_without_addresses_is_no_stockout_of_its_zone(world: World) -> None:
    world.zones = ("zone-a", "zone-b")
    full = ProviderError(ErrorClass.NO_ADDRESSES, "no addresses.", field="network_config.subnet_id")

    def refuse(request: CreateMachines) -> None:
        if request.zone_id == "zone-a":
            raise full

    world.cloud.before_create = refuse
    world.start_worker()
    assert world.ended(world.expand(5)).status == "SUCCESS"
    assert remembered(world) == set()


def test_a_cloud_that_delivers_in_full_or_not_at_all_remembers_only_what_has_not_even_one(world: World) -> None:
    world.cloud.limits = Limits(create_batch=10, describe_batch=10, delete_batch=10, partial_delivery=False)
    world.zones = ("zone-a", "zone-b")
    world.cloud.stock = {"zone-a": 7}
    world.start_worker()
    task = world.ended(world.expand(40))
    assert (task.status, task.running) == ("SUCCESS", 40)
    assert sum(1 for row in world.cloud.alive().values() if row["zone"] == "zone-a") == 7
    assert remembered(world) == {"zone-a"}
    before = len(asked(world))
    assert world.ended(world.expand(10)).status == "SUCCESS"
    assert asked(world)[before:] == ["zone-b"]


def test_a_canceled_task_asks_nowhere_else(world: World) -> None:
    world.zones = ("zone-a", "zone-b")
    ids: list[int] = []

    def cancel_and_refuse(request: CreateMachines) -> None:
        api.cancel(world.store, EVERYTHING, ids[0], "keep")
        raise ProviderError(ErrorClass.OUT_OF_STOCK, "sold out.")

    world.cloud.before_create = cancel_and_refuse
    ids.append(world.expand(5))
    world.start_worker()
    task = world.ended(ids[0])
    assert (task.status, task.running, task.failed) == ("CANCELED", 0, 5)
    assert asked(world) == ["zone-a"]


def test_a_queued_task_that_is_canceled_ends_though_an_earlier_one_runs(world: World) -> None:
    world.cloud.boots = lambda index: False
    world.start_worker()
    first, second, third = world.expand(3), world.expand(4), world.shrink(count=2)
    wait_for(lambda: len(world.cloud.alive()) == 3)
    assert api.cancel(world.store, EVERYTHING, second, "") == "CANCELED"
    task = world.task(second)
    assert (task.status, task.phase, task.failed, task.pending) == ("CANCELED", "FINISHED", 4, 0)
    assert api.cancel(world.store, EVERYTHING, second, "") == "CANCELED"
    assert world.task(third).status == "INIT"
    for row in world.cloud.machines.values():
        row["state"] = type(row["state"]).RUNNING
    assert world.ended(first).running == 3
    assert world.ended(third).deleted == 2
    assert world.task(second).status == "CANCELED"
    assert len(world.cloud.alive()) == 1
