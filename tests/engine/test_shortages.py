"""What is left of a subnet's addresses, or of a quota, is taken, in few calls; the rest is accounted for with the reason."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from bridgx_server.providers.base import CreatedMachines, CreateMachines, Limits
from bridgx_server.providers.errors import ErrorClass, ProviderError
from bridgx_server.scaling import tasks as api
from bridgx_server.scaling.tasks import TaskView
from bridgx_server.store import stockouts
from bridgx_server.store.chunks import Placement
from bridgx_server.store.scope import EVERYTHING
from engine.conftest import World, wait_for

BATCH = 100
SUBNET = "subnet-zone-a"


@pytest.fixture(params=[True, False], ids=["stock in part", "all or nothing"])
def any_world(world: World, request: pytest.FixtureRequest) -> World:
    world.cloud.limits = Limits(
        create_batch=BATCH, describe_batch=100, delete_batch=100, partial_delivery=request.param
    )
    return world


def orders(world: World) -> list[CreateMachines]:
    return [request for name, request in world.cloud.calls if name == "create"]


def assert_true_ledger(task: TaskView) -> None:
    """Every machine asked for has run, has failed, or was asked for again by a later chunk; no token was asked twice."""
    assert task.running + task.failed == task.asked
    assert sum(chunk.asked - chunk.moved for chunk in task.chunks) == task.asked


def most_calls(asked: int, side_by_side: int = 8) -> int:
    """The calls that are under way when the shortage is met, and two for each halving."""
    return min(math.ceil(asked / BATCH), side_by_side) * 2 + 2 * math.ceil(math.log2(min(asked, BATCH))) + 4


@pytest.mark.parametrize("tells_left", [False, True])
@pytest.mark.parametrize(("asked", "free"), [(15, 11), (15, 0), (100, 11), (100, 99), (750, 137), (750, 700)])
def test_what_addresses_there_are_are_taken(any_world: World, asked: int, free: int, tells_left: bool) -> None:
    world = any_world
    world.cloud.addresses, world.cloud.tells_left = {SUBNET: free}, tells_left
    world.start_worker()
    task = world.ended(world.expand(asked), 60)
    status = "PARTIAL_SUCCESS" if free else "FAILED"
    assert (task.status, task.running, task.failed, task.error_class) == (status, free, asked - free, "no_addresses")
    assert task.reason.startswith("too few for ")
    assert "in another subnet" in task.reason
    assert len(world.cloud.alive()) == free
    assert len(orders(world)) <= most_calls(asked)
    assert_true_ledger(task)
    assert stockouts.remembered(world.store, 1, 0) == {}  # it says nothing of the zone and the type


@pytest.mark.parametrize("tells_left", [False, True])
@pytest.mark.parametrize(("asked", "left"), [(8, 5), (8, 0), (250, 101)])
def test_what_a_quota_leaves_is_taken_and_then_the_task_ends(
    any_world: World, asked: int, left: int, tells_left: bool
) -> None:
    world = any_world
    world.zones = ("zone-a", "zone-b")
    world.cloud.quota, world.cloud.tells_left = left, tells_left
    world.start_worker()
    task = world.ended(world.expand(asked), 60)
    status = "PARTIAL_SUCCESS" if left else "FAILED"
    assert (task.status, task.running, task.failed, task.error_class) == (status, left, asked - left, "quota_exceeded")
    assert "Raise the quota" in task.reason
    assert len(orders(world)) <= most_calls(asked)
    # A limit that somebody set is not gone round by way of another zone or type.
    assert {order.zone_id for order in orders(world)} == {"zone-a"}
    assert_true_ledger(task)
    assert set(stockouts.refused_quotas(world.store, 1, 0)) == {("zone-a", "type-1")}


def test_where_the_cloud_says_how_many_are_left_just_those_are_asked_for(any_world: World) -> None:
    world = any_world
    world.cloud.addresses, world.cloud.tells_left = {SUBNET: 11}, True
    world.start_worker()
    assert world.ended(world.expand(15)).running == 11
    assert [order.count for order in orders(world)] == [15, 11, 4, 1]


def test_a_part_asked_for_anew_has_a_token_of_its_own(any_world: World) -> None:
    world = any_world
    world.cloud.addresses = {SUBNET: 11}
    world.start_worker()
    world.ended(world.expand(15))
    counts: dict[str, set[int]] = {}
    for order in orders(world):
        counts.setdefault(order.token, set()).add(order.count)
    assert all(len(asked) == 1 for asked in counts.values())
    assert len(counts) == len(orders(world))


def test_the_next_placement_in_another_subnet_takes_the_rest(any_world: World) -> None:
    world = any_world
    world.zones = ("zone-a", "zone-b")
    world.cloud.addresses = {SUBNET: 11}
    world.start_worker()
    task = world.ended(world.expand(15))
    assert (task.status, task.running) == ("SUCCESS", 15)
    zones = [row["zone"] for row in world.cloud.alive().values()]
    assert (zones.count("zone-a"), zones.count("zone-b")) == (11, 4)
    assert_true_ledger(task)
    assert stockouts.remembered(world.store, 1, 0) == {}


def test_another_type_in_the_same_subnet_is_not_tried(any_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world = any_world
    placements = tuple(Placement(rank, "zone-a", SUBNET, f"type-{rank}") for rank in range(3))
    template = world.template
    monkeypatch.setattr(world, "template", lambda cluster_id: replace(template(cluster_id), placements=placements))
    world.cloud.addresses = {SUBNET: 3}
    world.start_worker()
    task = world.ended(world.expand(5))
    assert (task.status, task.running, task.error_class) == ("PARTIAL_SUCCESS", 3, "no_addresses")
    assert {order.instance_type for order in orders(world)} == {"type-0"}


def test_several_tasks_share_what_there_is(any_world: World) -> None:
    world = any_world
    world.cloud.addresses = {SUBNET: 40}
    names = [f"cluster-{number}" for number in range(4)]
    for name in names:
        world.add_cluster(name)
    for _ in range(2):
        world.start_worker()
    ids = [world.expand(30, name) for name in names]
    ended = [world.ended(task_id, 60) for task_id in ids]
    assert sum(task.running for task in ended) == 40
    assert len(world.cloud.alive()) == 40
    for task in ended:
        assert_true_ledger(task)
    assert len(orders(world)) <= 4 * most_calls(30)


def test_stock_addresses_and_a_quota_may_all_be_short(any_world: World) -> None:
    world = any_world
    world.zones = ("zone-a", "zone-b", "zone-c")
    world.cloud.stock = {"zone-a": 7}
    world.cloud.addresses = {"subnet-zone-b": 5}
    world.cloud.quota = 20
    world.start_worker()
    task = world.ended(world.expand(30), 60)
    assert (task.status, task.running, task.failed) == ("PARTIAL_SUCCESS", 20, 10)
    assert task.error_class == "quota_exceeded"
    assert_true_ledger(task)


@pytest.mark.parametrize("kind", [ErrorClass.QUOTA_EXCEEDED, ErrorClass.NO_ADDRESSES])
def test_a_refusal_of_a_repeated_call_of_which_a_part_has_come_says_nothing_of_what_is_missing(
    world: World, kind: ErrorClass
) -> None:
    """Three of eight are there, nobody heard of it, and the cloud refuses all eight: five more are asked for."""
    world.cloud.limits = Limits(create_batch=10, describe_batch=10, delete_batch=10, tokens=False)
    create = world.cloud._create
    calls = 0

    def cut_off(request: CreateMachines) -> CreatedMachines:
        nonlocal calls
        calls += 1
        if calls == 1:
            create(replace(request, count=3))
            raise ProviderError(ErrorClass.TIMEOUT_UNKNOWN, "no answer")
        if calls == 2 and request.count == 8:
            raise ProviderError(kind, "too few for 8.", vendor_code="Code")
        return create(request)

    world.cloud.limits = replace(world.cloud.limits, tokens=True)
    world.cloud._create = cut_off  # type: ignore[method-assign]
    world.start_worker()
    task = world.ended(world.expand(8))
    assert (task.status, task.running) == ("SUCCESS", 8)
    assert len(world.cloud.alive()) == 8
    assert_true_ledger(task)


def test_a_task_that_is_canceled_asks_for_no_smaller_parts(any_world: World) -> None:
    world = any_world
    ids: list[int] = []

    def cancel_and_refuse(request: CreateMachines) -> None:
        api.cancel(world.store, EVERYTHING, ids[0], "keep")
        raise ProviderError(ErrorClass.QUOTA_EXCEEDED, "too few.")

    world.cloud.before_create = cancel_and_refuse
    ids.append(world.expand(5))
    world.start_worker()
    task = world.ended(ids[0])
    assert (task.status, task.running, task.failed) == ("CANCELED", 0, 5)
    assert len(orders(world)) == 1


def test_a_chunk_that_waits_for_what_smaller_ones_find_is_not_forgotten(any_world: World) -> None:
    """The cloud answers the smaller ones late: the larger wait, and are asked for, moved or failed in the end."""
    world = any_world
    world.cloud.addresses = {SUBNET: 130}
    world.start_worker()
    task_id = world.expand(400)
    wait_for(lambda: len(orders(world)) >= 4)
    world.cloud.fail_next("create", ErrorClass.UNAVAILABLE, 2)
    world.cloud.fail_next("create", ErrorClass.THROTTLED, 2)
    task = world.ended(task_id, 60)
    assert (task.running, task.failed) == (130, 270)
    assert_true_ledger(task)
