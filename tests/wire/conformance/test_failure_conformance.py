"""Every kind of trouble, through the real SDK, in the one vocabulary; and never a machine too many after it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from bridgx_server.providers.base import CreateMachines, ErrorClass
from bridgx_server.providers.errors import Retry
from wire.conformance.world import World, a_token

IN_DOUBT = (ErrorClass.TIMEOUT_UNKNOWN, ErrorClass.UNAVAILABLE)


def test_a_wrong_secret_is_bad_credentials_on_every_call(world: World) -> None:
    order = world.machines(1)
    stranger = world.with_wrong_secret()
    region = world.cloud.region

    for call in (
        stranger.list_regions,
        lambda: stranger.list_images(region),
        lambda: stranger.create_vpc(world.a_vpc("vpc-2")),
        lambda: stranger.create_machines(order),
        lambda: stranger.describe_machines(region, ["i-1234567890abcdef0"]),
    ):
        error = world.refused(call)
        assert error.kind is ErrorClass.BAD_CREDENTIALS
        assert error.vendor_code
        assert error.request_id
    assert world.ids_in_the_cloud() == set()


@pytest.mark.parametrize("action", ["create", "describe", "delete"])
@pytest.mark.parametrize(
    ("fault", "kind"), [("throttle", ErrorClass.THROTTLED), ("unavailable", ErrorClass.UNAVAILABLE)]
)
def test_refusals_of_a_busy_cloud_have_their_class_code_and_request(
    world: World, action: str, fault: str, kind: ErrorClass
) -> None:
    order = world.machines(1)
    made = world.provider.create_machines(world.machines(1, chunk="earlier")).instance_ids
    world.fault(fault, getattr(world.cloud, action))
    before = len(world.control.calls(world.cloud.provider, getattr(world.cloud, action)))

    error = world.refused(
        {
            "create": lambda: world.provider.create_machines(order),
            "describe": lambda: world.provider.describe_machines(world.cloud.region, made),
            "delete": lambda: world.provider.delete_machines(world.cloud.region, made),
        }[action]
    )

    assert error.kind is kind
    assert error.vendor_code
    assert error.request_id
    assert world.ids_in_the_cloud() == set(made)
    # The SDK's own retries are off: one call, one answer.
    assert len(world.control.calls(world.cloud.provider, getattr(world.cloud, action))) == before + 1


@pytest.mark.parametrize("cut", ["cut_before", "cut_after"])
def test_after_a_cut_connection_the_same_order_gives_one_set_of_machines(world: World, cut: str) -> None:
    order = world.machines(3)
    world.fault(cut, world.cloud.create)

    error = world.refused(lambda: world.provider.create_machines(order))

    assert error.kind in IN_DOUBT
    assert len(world.ids_in_the_cloud()) == (3 if cut == "cut_after" else 0)
    _ask_again(world, order)
    assert len(world.ids_in_the_cloud()) == 3


def test_an_answer_that_comes_too_late_leaves_what_happened_unknown(world: World) -> None:
    order = world.machines(2)
    impatient = world.with_settings(read_timeout=1.0)
    world.fault("slow", world.cloud.create, seconds=2.5)

    error = world.refused(lambda: impatient.create_machines(order))

    assert error.kind is ErrorClass.TIMEOUT_UNKNOWN
    _until(lambda: len(world.ids_in_the_cloud()) == 2)
    _ask_again(world, order)
    assert len(world.ids_in_the_cloud()) == 2


def test_a_slow_answer_within_the_time_is_an_answer(world: World) -> None:
    order = world.machines(1)
    world.fault("slow", world.cloud.create, seconds=0.3)

    assert len(world.provider.create_machines(order).instance_ids) == 1


def test_a_cloud_that_does_not_listen_is_unavailable(world: World) -> None:
    order = world.machines(1)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nowhere = world.with_settings(endpoint=f"http://127.0.0.1:{closed.getsockname()[1]}")

        error = world.refused(lambda: nowhere.create_machines(order))

    assert error.kind in IN_DOUBT
    if world.cloud.tells_refused_from_lost:
        assert error.kind is ErrorClass.UNAVAILABLE


def test_what_is_sold_out_is_out_of_stock(world: World) -> None:
    order = world.machines(1)
    world.fault("stockout", world.cloud.create)

    error = world.refused(lambda: world.provider.create_machines(order))

    assert error.kind is ErrorClass.OUT_OF_STOCK
    assert error.vendor_code
    assert error.request_id


def test_more_than_the_quota_is_quota_exceeded_and_makes_nothing(world: World) -> None:
    world.control.quota(world.cloud.provider, 5)
    order = world.machines(8)

    error = world.refused(lambda: world.provider.create_machines(order))

    assert error.kind is ErrorClass.QUOTA_EXCEEDED
    assert error.vendor_code
    assert error.request_id
    assert error.traits.next_step
    assert error.available == (5 if world.cloud.tells_quota else None)
    assert world.ids_in_the_cloud() == set()


def test_more_than_a_subnet_has_addresses_for_is_no_addresses_and_makes_nothing(world: World) -> None:
    order = world.machines(1)
    small = world.provider.create_subnet(
        world.a_subnet(order.vpc_id, "small", cidr_block=world.cloud.small_subnet_cidr)
    )

    def free() -> int:
        subnets = world.provider.describe_subnets(world.cloud.region, order.vpc_id)
        return next(subnet.available_ip_count for subnet in subnets if subnet.subnet_id == small)

    assert free() == 16 - world.cloud.reserved_addresses
    there = free()

    error = world.refused(lambda: world.provider.create_machines(replace(order, subnet_id=small, count=there + 1)))

    assert error.kind is ErrorClass.NO_ADDRESSES
    assert error.field == "network_config.subnet_id"
    assert error.vendor_code
    assert error.request_id
    assert error.traits.retry is Retry.ELSEWHERE
    assert world.ids_in_the_cloud() == set()
    # The refused call has used up no token but its own, and all that there is can be had.
    left = replace(order, subnet_id=small, count=there, token=a_token("those that are left"))
    assert len(world.provider.create_machines(left).instance_ids) == there
    assert free() == 0


def test_a_code_that_nobody_knows_is_unknown_with_all_that_was_said(world: World) -> None:
    order = world.machines(1)
    world.fault("error", world.cloud.create, code="SomethingNew.HasHappened", status=400, message="read the news")

    error = world.refused(lambda: world.provider.create_machines(order))

    assert error.kind is ErrorClass.UNKNOWN
    assert error.vendor_code == "SomethingNew.HasHappened"
    assert "read the news" in error.message
    assert error.request_id


def _ask_again(world: World, order: CreateMachines) -> None:
    """What the engine does when it knows nothing: it looks by tag, and sends the order again where a token makes it safe."""
    found = {machine.instance_id for machine in world.provider.find_machines(world.cloud.region, order.tags)}
    assert found == world.ids_in_the_cloud()
    if found and not world.provider.limits.tokens:
        return
    made = set(world.provider.create_machines(order).instance_ids)
    assert made == (found or made)


def _until(condition: Callable[[], bool]) -> None:
    for _ in range(200):
        if condition():
            return
        time.sleep(0.05)
    pytest.fail("the condition did not come about")
