"""The engine keeps its promise whatever the cloud answers: asked = running + failed, and nothing lives unseen."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bridgx_server.errors import InvalidFields, QuotaExceeded
from bridgx_server.providers.base import Limits, MachineState
from bridgx_server.providers.errors import ErrorClass
from bridgx_server.scaling import tasks as api
from bridgx_server.store.scope import EVERYTHING
from engine.conftest import World, wait_for


def test_expand_brings_exactly_what_was_asked_in_chunks(world: World) -> None:
    world.start_worker()
    task = world.ended(world.expand(25))
    assert (task.status, task.running, task.failed, task.pending) == ("SUCCESS", 25, 0, 0)
    assert [chunk.asked for chunk in task.chunks] == [10, 10, 5]
    assert len(world.cloud.alive()) == 25
    assert world.inventory("running") == set(world.cloud.alive())


def test_shrink_by_count_and_by_address_delete_exactly_those(world: World) -> None:
    world.start_worker()
    world.ended(world.expand(12))
    task = world.ended(world.shrink(count=5))
    assert (task.status, task.deleted, task.failed) == ("SUCCESS", 5, 0)
    assert world.inventory("running") == set(world.cloud.alive())
    assert len(world.cloud.alive()) == 7
    victim = next(iter(world.cloud.alive().values()))["index"]
    task = world.ended(world.shrink(ips=(f"10.0.0.{victim + 1}",)))
    assert (task.status, task.deleted) == ("SUCCESS", 1)
    assert f"i-{victim:05d}" not in world.cloud.alive()


def test_shrink_refuses_an_address_that_is_no_machine_of_the_cluster(world: World) -> None:
    world.start_worker()
    world.ended(world.expand(2))
    with pytest.raises(InvalidFields) as refusal:
        world.shrink(ips=("10.0.0.1", "10.9.9.9"))
    assert refusal.value.fields[0].field == "ips[1]"
    assert len(world.cloud.alive()) == 2
    with pytest.raises(InvalidFields):
        world.shrink(count=3)


def test_the_quota_counts_what_is_on_its_way(world: World) -> None:
    world.add_cluster("small", max_machines=10)
    world.expand(6, "small")
    with pytest.raises(QuotaExceeded):
        world.expand(5, "small")
    world.expand(4, "small")


def test_the_quota_counts_the_replacement_of_a_machine_that_is_gone(world: World) -> None:
    world.add_cluster("small", max_machines=3)
    world.cloud.fails = lambda index: index == 0
    world.cloud.boots = lambda index: index > 1  # the second keeps the chunk waiting, and so the first's replacement
    world.start_worker()
    task_id = world.expand(2, "small")
    wait_for(lambda: world.inventory("deleted") == {"i-00000"})
    with pytest.raises(QuotaExceeded, match="it has 1 and 1 on their way"):
        world.expand(2, "small")
    world.cloud.machines["i-00001"]["state"] = MachineState.RUNNING
    assert world.ended(task_id).running == 2
    assert world.ended(world.expand(1, "small")).running == 1


def test_the_quota_does_not_count_what_the_cloud_has_refused_while_the_rest_boots(world: World) -> None:
    world.add_cluster("small", max_machines=20)
    world.cloud.stock, world.cloud.boots = {"zone-a": 12}, lambda index: False
    world.start_worker()
    world.expand(20, "small")
    wait_for(lambda: len(world.inventory("pending")) == 12)
    with pytest.raises(QuotaExceeded, match="it has 12, so 9 more are too many"):
        world.expand(9, "small")
    world.expand(8, "small")


def test_the_quota_counts_what_a_canceled_task_may_have_been_given(world: World) -> None:
    world.add_cluster("small", max_machines=5)
    world.cloud.fail_next("create", ErrorClass.TIMEOUT_UNKNOWN, after_effect=True)
    world.cloud.fail_next("find", ErrorClass.UNAVAILABLE, 1000)
    world.start_worker()
    task_id = world.expand(4, "small")
    wait_for(lambda: len(world.cloud.alive()) == 4)
    api.cancel(world.store, EVERYTHING, task_id, "keep")
    with pytest.raises(QuotaExceeded):
        world.expand(2, "small")
    world.cloud.scripts.clear()
    assert world.ended(task_id).running == 4
    with pytest.raises(QuotaExceeded):
        world.expand(2, "small")
    world.expand(1, "small")


@pytest.mark.parametrize(
    ("kind", "after_effect"),
    [
        (ErrorClass.THROTTLED, False),
        (ErrorClass.UNAVAILABLE, False),
        (ErrorClass.UNAVAILABLE, True),
        (ErrorClass.TIMEOUT_UNKNOWN, False),
        (ErrorClass.TIMEOUT_UNKNOWN, True),
        (ErrorClass.UNKNOWN, True),
    ],
)
def test_a_failing_call_is_repeated_and_never_doubled(world: World, kind: ErrorClass, after_effect: bool) -> None:
    world.cloud.fail_next("create", kind, 2, after_effect=after_effect)
    world.start_worker()
    task = world.ended(world.expand(25))
    assert (task.status, task.running) == ("SUCCESS", 25)
    assert len(world.cloud.alive()) == 25


def test_a_cloud_that_forgets_tokens_is_asked_by_tag(world: World) -> None:
    world.cloud.limits = Limits(create_batch=10, describe_batch=10, delete_batch=10, tokens=False)
    world.cloud.fail_next("create", ErrorClass.TIMEOUT_UNKNOWN, 1, after_effect=True)
    world.cloud.fail_next("create", ErrorClass.TIMEOUT_UNKNOWN, 1)
    world.start_worker()
    task = world.ended(world.expand(30))
    assert (task.status, task.running) == ("SUCCESS", 30)
    assert len(world.cloud.alive()) == 30


def test_machines_that_cannot_be_seen_yet_are_not_asked_for_twice(world: World) -> None:
    world.cloud.limits = Limits(create_batch=10, describe_batch=10, delete_batch=10, tokens=False)
    world.cloud.hidden = {f"i-{index:05d}" for index in range(5)}
    world.cloud.fail_next("create", ErrorClass.TIMEOUT_UNKNOWN, 1, after_effect=True)
    world.settings = replace(world.settings, visibility=1.0)
    world.start_worker()
    task_id = world.expand(5)
    wait_for(lambda: any(name == "find" for name, _ in world.cloud.calls))
    world.cloud.hidden = set()
    task = world.ended(task_id)
    assert (task.status, task.running) == ("SUCCESS", 5)
    assert len(world.cloud.alive()) == 5


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (ErrorClass.INSUFFICIENT_BALANCE, "insufficient_balance"),
        (ErrorClass.BAD_CREDENTIALS, "bad_credentials"),
        (ErrorClass.PERMISSION_DENIED, "permission_denied"),
        (ErrorClass.INVALID_PARAMETER, "param_invalid"),
    ],
)
def test_what_cannot_get_better_stops_at_once_with_the_reason(world: World, kind: ErrorClass, reason: str) -> None:
    world.settings = replace(world.settings, parallel_chunks=1)
    world.cloud.fail_next("create", kind)
    world.start_worker()
    task = world.ended(world.expand(25))
    assert (task.status, task.running, task.failed, task.error_class) == ("FAILED", 0, 25, reason)
    assert sum(1 for name, _ in world.cloud.calls if name == "create") == 1
    assert task.chunks[0].vendor_code == "Scripted"


def test_what_there_is_in_stock_is_taken_and_the_rest_accounted_for(world: World) -> None:
    world.cloud.stock = {"zone-a": 17}
    world.start_worker()
    task = world.ended(world.expand(25))
    assert (task.status, task.running, task.failed, task.error_class) == ("PARTIAL_SUCCESS", 17, 8, "out_of_stock")
    assert len(world.cloud.alive()) == 17


def test_a_cloud_without_partial_delivery_is_asked_in_halves(world: World) -> None:
    world.cloud.limits = Limits(create_batch=10, describe_batch=10, delete_batch=10, partial_delivery=False)
    world.cloud.stock = {"zone-a": 17}
    world.start_worker()
    task = world.ended(world.expand(40))
    assert (task.status, task.running, task.failed, task.error_class) == ("PARTIAL_SUCCESS", 17, 23, "out_of_stock")
    assert sum(1 for name, _ in world.cloud.calls if name == "create") < 30


def test_the_next_zone_takes_what_the_first_has_not(world: World) -> None:
    world.zones = ("zone-a", "zone-b")
    world.cloud.stock = {"zone-a": 7}
    world.start_worker()
    task = world.ended(world.expand(25))
    assert (task.status, task.running) == ("SUCCESS", 25)
    assert sum(1 for row in world.cloud.alive().values() if row["zone"] == "zone-b") == 18


def test_machines_that_fail_to_start_are_deleted_and_replaced_once(world: World) -> None:
    world.cloud.fails = lambda index: index in (2, 3)
    world.start_worker()
    task = world.ended(world.expand(10))
    assert (task.status, task.running) == ("SUCCESS", 10)
    wait_for(lambda: world.inventory("running") == set(world.cloud.alive()))
    assert len(world.cloud.alive()) == 10


def test_machines_that_never_boot_are_deleted_and_counted_as_failed(world: World) -> None:
    world.settings = replace(world.settings, boot_timeout=0.3)
    world.cloud.boots = lambda index: index < 7
    world.start_worker()
    task = world.ended(world.expand(10))
    assert (task.status, task.running, task.failed, task.error_class) == ("PARTIAL_SUCCESS", 7, 3, "boot_failed")
    wait_for(lambda: len(world.cloud.alive()) == 7)
    wait_for(lambda: world.inventory("running") == set(world.cloud.alive()))


def test_a_failing_describe_deletes_nothing(world: World) -> None:
    world.cloud.fail_next("describe", ErrorClass.UNAVAILABLE, 10)
    world.start_worker()
    task = world.ended(world.expand(10))
    assert (task.status, task.running) == ("SUCCESS", 10)
    assert not any(name == "delete" for name, _ in world.cloud.calls)


def test_cancel_keeps_or_deletes_what_has_come(world: World) -> None:
    world.settings = replace(world.settings, parallel_chunks=1)
    world.cloud.fail_next("create", ErrorClass.THROTTLED, 1000)
    world.start_worker()
    task_id = world.expand(20)
    wait_for(lambda: world.task(task_id).status == "RUNNING")
    assert api.cancel(world.store, EVERYTHING, task_id, "keep") == "RUNNING"
    task = world.ended(task_id)
    assert (task.status, task.running, task.failed) == ("CANCELED", 0, 20)
    world.cloud.scripts.clear()
    world.cloud.boots = lambda index: False
    task_id = world.expand(10)
    wait_for(lambda: len(world.cloud.alive()) == 10)
    api.cancel(world.store, EVERYTHING, task_id, "delete")
    for row in world.cloud.machines.values():
        row["state"] = type(row["state"]).RUNNING
    assert world.ended(task_id).status == "CANCELED"
    wait_for(lambda: not world.cloud.alive())
    wait_for(lambda: not world.inventory("pending", "running", "deleting"))


def test_a_refused_deletion_gives_the_machines_back(world: World) -> None:
    world.start_worker()
    world.ended(world.expand(5))
    world.cloud.fail_next("delete", ErrorClass.PERMISSION_DENIED, 1)
    task = world.ended(world.shrink(count=3))
    assert (task.status, task.deleted, task.failed, task.error_class) == ("FAILED", 0, 3, "permission_denied")
    assert world.inventory("running") == set(world.cloud.alive())
    assert len(world.cloud.alive()) == 5


def test_tasks_of_one_cluster_run_in_order(world: World) -> None:
    world.cloud.boots = lambda index: False
    world.start_worker()
    first, second = world.expand(5), world.shrink(count=2)
    wait_for(lambda: len(world.cloud.alive()) == 5)
    assert world.task(second).status == "INIT"
    for row in world.cloud.machines.values():
        row["state"] = type(row["state"]).RUNNING
    assert world.ended(first).running == 5
    assert world.ended(second).deleted == 2
