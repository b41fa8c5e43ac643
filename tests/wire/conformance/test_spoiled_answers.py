"""Answers that say "success" and nothing else: never an empty list, never "no machine was made"."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from bridgx_server.providers.base import ErrorClass, Provider
from wire.conformance.spoiling_proxy import SpoilingProxy, an_empty_object, emptied, halved, without_content
from wire.conformance.world import World

SPOILT = [emptied, an_empty_object, without_content, halved]
Question = Callable[[World, Provider], object]

QUESTIONS: dict[str, Question] = {
    "describe_machines": lambda world, it: it.describe_machines(world.cloud.region, sorted(world.ids_in_the_cloud())),
    "find_machines": lambda world, it: it.find_machines(world.cloud.region, {"bridgx-cluster": "web"}),
    "list_regions": lambda world, it: it.list_regions(),
    "list_zones": lambda world, it: it.list_zones(world.cloud.region),
    "list_instance_types": lambda world, it: it.list_instance_types(world.cloud.region, world.cloud.zone),
    "list_images": lambda world, it: it.list_images(world.cloud.region),
    "find_image": lambda world, it: it.find_image(world.cloud.region, world.cloud.image),
    "describe_vpcs": lambda world, it: it.describe_vpcs(world.cloud.region, [world.machines().vpc_id]),
    "describe_subnets": lambda world, it: it.describe_subnets(world.cloud.region, world.machines().vpc_id),
    "describe_security_groups": lambda world, it: it.describe_security_groups(
        world.cloud.region, [world.machines().security_group_id]
    ),
}


@pytest.fixture
def proxy(world: World) -> Iterator[SpoilingProxy]:
    running = SpoilingProxy(world.endpoint, lambda action: len(world.control.calls(world.cloud.provider, action)))
    yield running
    running.stop()


@pytest.fixture
def behind(world: World, proxy: SpoilingProxy) -> Provider:
    """The adapter behind the proxy."""
    return world.with_settings(endpoint=proxy.url)


@pytest.mark.parametrize("spoil", SPOILT)
def test_a_creation_that_names_no_machine_may_have_made_them(
    world: World, proxy: SpoilingProxy, behind: Provider, spoil: Callable[[bytes], bytes]
) -> None:
    order = world.machines(3)
    proxy.spoil(spoil, world.cloud.create)

    error = world.refused(lambda: behind.create_machines(order))

    assert error.kind is ErrorClass.TIMEOUT_UNKNOWN
    assert len(world.ids_in_the_cloud()) == 3
    proxy.spoil(None)
    assert {machine.instance_id for machine in behind.find_machines(world.cloud.region, order.tags)} == (
        world.ids_in_the_cloud()
    )


@pytest.mark.parametrize("action", ["CreateVpc", "CreateSubnet", "CreateSecurityGroup"])
def test_a_creation_that_names_no_network_may_have_made_it(
    world: World, proxy: SpoilingProxy, behind: Provider, action: str
) -> None:
    vpc_id, _, _ = world.a_network()
    for number, spoil in enumerate(SPOILT, start=2):
        create = _creation(world, behind, action, vpc_id, number)
        proxy.spoil(spoil, "CreateVSwitch" if (action, world.cloud.provider) == ON_ALIBABA else action)

        error = world.refused(create)

        assert error.kind is ErrorClass.TIMEOUT_UNKNOWN, spoil.__name__
        proxy.spoil(None)
        assert create()


ON_ALIBABA = ("CreateSubnet", "AlibabaCloud")


def _creation(world: World, it: Provider, action: str, vpc_id: str, number: int) -> Callable[[], str]:
    if action == "CreateVpc":
        return lambda: it.create_vpc(world.a_vpc(f"vpc-{number}"))
    if action == "CreateSubnet":
        block = f"10.8.{number}.0/24"
        return lambda: it.create_subnet(world.a_subnet(vpc_id, f"subnet-{number}", cidr_block=block))
    return lambda: it.create_security_group(world.a_group(vpc_id, f"group-{number}"))


@pytest.mark.parametrize("question", QUESTIONS)
def test_an_answer_without_its_content_is_not_taken_for_nothing(
    world: World, proxy: SpoilingProxy, behind: Provider, question: str
) -> None:
    world.provider.create_machines(world.machines(2))
    for spoil in SPOILT:
        proxy.spoil(spoil)

        error = world.refused(lambda: QUESTIONS[question](world, behind))

        assert error.kind is ErrorClass.UNAVAILABLE, spoil.__name__
    proxy.spoil(None)
    assert QUESTIONS[question](world, behind)
