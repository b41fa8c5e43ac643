"""VPCs, subnets, security groups and their rules, the same on every cloud."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bridgx_server.providers.base import ErrorClass, SecurityGroupRule
from engine.conftest import wait_for
from wire.conformance.world import World

RULES = (
    SecurityGroupRule("ingress", "tcp", 22, 22, cidr_ip="10.0.0.0/8"),
    SecurityGroupRule("ingress", "udp", 8000, 8100, cidr_ip="0.0.0.0/0"),
    SecurityGroupRule("ingress", "icmp", -1, -1, cidr_ip="10.0.0.0/8"),
    SecurityGroupRule("ingress", "all", -1, -1, cidr_ip="10.1.0.0/16"),
    SecurityGroupRule("egress", "tcp", 443, 443, cidr_ip="0.0.0.0/0"),
)


def test_a_vpc_is_made_once_for_a_token_and_described(world: World) -> None:
    vpc_id = world.provider.create_vpc(world.a_vpc())

    assert world.provider.create_vpc(world.a_vpc()) == vpc_id
    assert [row["vpc_id"] for row in world.control.state(world.cloud.provider)["vpcs"]] == [vpc_id]
    (vpc,) = world.provider.describe_vpcs(world.cloud.region, [vpc_id])
    assert (vpc.vpc_id, vpc.name, vpc.cidr_block) == (vpc_id, "vpc-1", world.cloud.vpc_cidr)
    assert vpc.status == "Available"
    if vpc.created_at is not None:
        assert vpc.created_at.tzinfo is not None


def test_vpcs_are_described_by_id_however_many(world: World) -> None:
    ids = [
        world.provider.create_vpc(world.a_vpc(f"vpc-{number}", cidr_block=f"10.{number}.0.0/16"))
        for number in range(23)
    ]

    found = world.provider.describe_vpcs(world.cloud.region, ids)

    assert sorted(vpc.vpc_id for vpc in found) == sorted(ids)
    assert world.provider.describe_vpcs(world.cloud.region, []) == []


def test_what_does_not_exist_is_left_out(world: World) -> None:
    vpc_id, _, group_id = world.a_network()
    gone_vpc, gone_group = vpc_id[:-4] + "0000", group_id[:-4] + "0000"

    assert [vpc.vpc_id for vpc in world.provider.describe_vpcs(world.cloud.region, [vpc_id, gone_vpc])] == [vpc_id]
    assert world.provider.describe_vpcs(world.cloud.region, [gone_vpc]) == []
    assert world.provider.describe_subnets(world.cloud.region, gone_vpc) == []
    groups = world.provider.describe_security_groups(world.cloud.region, [group_id, gone_group])
    assert [group.security_group_id for group in groups] == [group_id]


def test_a_subnet_is_made_once_for_a_token_and_described(world: World) -> None:
    vpc_id = world.provider.create_vpc(world.a_vpc())
    subnet_id = world.provider.create_subnet(world.a_subnet(vpc_id))

    assert world.provider.create_subnet(world.a_subnet(vpc_id)) == subnet_id
    (subnet,) = world.provider.describe_subnets(world.cloud.region, vpc_id)
    assert (subnet.subnet_id, subnet.vpc_id, subnet.name) == (subnet_id, vpc_id, "subnet-1")
    assert subnet.cidr_block == world.cloud.subnet_cidr
    assert subnet.status == "Available"
    assert subnet.zone_id in ("", world.cloud.zone)
    assert 200 < subnet.available_ip_count < 256


def test_a_subnet_waits_for_a_vpc_that_is_not_ready(world: World) -> None:
    world.control.delays(vpc=3600)
    vpc_id = world.provider.create_vpc(world.a_vpc())

    (vpc,) = world.provider.describe_vpcs(world.cloud.region, [vpc_id])

    if world.cloud.shows_pending_vpc:
        assert vpc.status == "Pending"
        error = world.refused(lambda: world.provider.create_subnet(world.a_subnet(vpc_id)))
        assert error.kind is ErrorClass.CONFLICT
    else:  # a VPC that has been made is ready
        assert vpc.status == "Available"
        assert world.provider.create_subnet(world.a_subnet(vpc_id))


def test_a_subnet_that_overlaps_or_lies_outside_is_refused(world: World) -> None:
    vpc_id = world.provider.create_vpc(world.a_vpc())
    world.provider.create_subnet(world.a_subnet(vpc_id))

    overlapping = world.a_subnet(vpc_id, "subnet-2")
    outside = world.a_subnet(vpc_id, "subnet-3", cidr_block="10.99.1.0/24")

    assert world.refused(lambda: world.provider.create_subnet(overlapping)).kind is ErrorClass.INVALID_PARAMETER
    assert world.refused(lambda: world.provider.create_subnet(outside)).kind is ErrorClass.INVALID_PARAMETER


def test_a_security_group_is_made_once_for_a_token_and_described(world: World) -> None:
    vpc_id = world.provider.create_vpc(world.a_vpc())
    group_id = world.provider.create_security_group(world.a_group(vpc_id))

    assert world.provider.create_security_group(world.a_group(vpc_id)) == group_id
    (group,) = world.provider.describe_security_groups(world.cloud.region, [group_id])
    assert (group.security_group_id, group.name, group.group_type) == (group_id, "group-1", "normal")
    assert group.vpc_id in ("", vpc_id)


def test_rules_that_exist_already_are_success(world: World) -> None:
    _, _, group_id = world.a_network()
    before = _rules(world, group_id)

    world.provider.add_security_group_rules(world.cloud.region, group_id, RULES)
    once = _rules(world, group_id)
    world.provider.add_security_group_rules(world.cloud.region, group_id, RULES[2:])
    more = SecurityGroupRule("ingress", "tcp", 80, 80, cidr_ip="0.0.0.0/0")
    world.provider.add_security_group_rules(world.cloud.region, group_id, [*RULES, more])

    assert len(once) == len(before) + len(RULES)
    assert len(_rules(world, group_id)) == len(once) + 1


def test_a_rule_may_name_another_group(world: World) -> None:
    vpc_id, _, group_id = world.a_network()
    other = world.provider.create_security_group(world.a_group(vpc_id, "group-2"))
    before = _rules(world, group_id)

    rule = SecurityGroupRule("ingress", "tcp", 5432, 5432, group_id=other)
    world.provider.add_security_group_rules(world.cloud.region, group_id, [rule, rule])

    (added,) = [rule for rule in _rules(world, group_id) if rule not in before]
    assert other in str(added)


def test_rules_for_a_group_that_does_not_exist_are_refused(world: World) -> None:
    _, _, group_id = world.a_network()

    error = world.refused(
        lambda: world.provider.add_security_group_rules(world.cloud.region, group_id[:-4] + "0000", RULES[:1])
    )

    assert error.kind is ErrorClass.NOT_FOUND


def test_a_network_is_deleted_from_the_inside_out_and_then_it_is_not_found(world: World) -> None:
    vpc_id, subnet_id, group_id = world.a_network()
    provider, region = world.provider, world.cloud.region

    assert world.refused(lambda: provider.delete_vpc(region, vpc_id)).kind is ErrorClass.CONFLICT
    for delete in (
        lambda: provider.delete_security_group(region, group_id),
        lambda: provider.delete_subnet(region, vpc_id, subnet_id),
        lambda: provider.delete_vpc(region, vpc_id),
    ):
        delete()
        assert world.refused(delete).kind is ErrorClass.NOT_FOUND

    assert provider.describe_vpcs(region, [vpc_id]) == []
    assert provider.describe_security_groups(region, [group_id]) == []


def test_what_was_just_made_is_not_found_when_it_is_deleted_and_stays(world: World) -> None:
    provider, region = world.provider, world.cloud.region
    world.control.delays(visible_network=0.5)
    vpc_id = provider.create_vpc(world.a_vpc())

    assert world.refused(lambda: provider.delete_vpc(region, vpc_id)).kind is ErrorClass.NOT_FOUND
    assert [row["vpc_id"] for row in world.control.state(world.cloud.provider)["vpcs"]] == [vpc_id]

    wait_for(lambda: provider.describe_vpcs(region, [vpc_id]) != [])
    provider.delete_vpc(region, vpc_id)
    assert world.control.state(world.cloud.provider)["vpcs"] == []


def test_what_a_token_has_made_is_found_without_making_anything(world: World) -> None:
    provider = world.provider
    vpc, subnet, group = world.a_vpc(), world.a_subnet("vpc-unknown"), world.a_group("vpc-unknown")
    assert (provider.find_vpc(vpc), provider.find_subnet(subnet), provider.find_security_group(group)) == ("", "", "")
    assert world.control.state(world.cloud.provider)["vpcs"] == []

    made = world.a_network()

    found = (
        provider.find_vpc(world.a_vpc()),
        provider.find_subnet(world.a_subnet(made[0])),
        provider.find_security_group(world.a_group(made[0])),
    )
    assert found == (("", "", "") if provider.limits.network_tokens else made)


def test_what_machines_use_is_not_deleted(world: World) -> None:
    order = world.machines(1)
    world.provider.create_machines(order)

    error = world.refused(lambda: world.provider.delete_subnet(world.cloud.region, order.vpc_id, order.subnet_id))

    assert error.kind is ErrorClass.CONFLICT


def test_a_network_that_was_just_made_is_not_found_for_a_while(world: World) -> None:
    order = world.machines(1)
    provider, region = world.provider, world.cloud.region
    world.control.delays(visible_network=3600)
    vpc_id = provider.create_vpc(world.a_vpc("vpc-2"))
    subnet_id = provider.create_subnet(world.a_subnet(order.vpc_id, "subnet-2", cidr_block="10.8.2.0/24"))
    group_id = provider.create_security_group(world.a_group(order.vpc_id, "group-2"))

    assert provider.describe_vpcs(region, [vpc_id]) == []
    assert subnet_id not in [row.subnet_id for row in provider.describe_subnets(region, order.vpc_id)]
    assert provider.describe_security_groups(region, [group_id]) == []
    for call in (
        lambda: provider.create_subnet(world.a_subnet(vpc_id, "subnet-3")),
        lambda: provider.add_security_group_rules(region, group_id, RULES[:1]),
        lambda: provider.create_machines(replace(order, subnet_id=subnet_id)),
        lambda: provider.create_machines(replace(order, security_group_id=group_id)),
    ):
        assert world.refused(call).kind is ErrorClass.NOT_FOUND
    # All of them exist.
    state = world.control.state(world.cloud.provider)
    assert vpc_id in [row["vpc_id"] for row in state["vpcs"]]
    assert subnet_id in [row["subnet_id"] for row in state["subnets"]]
    assert group_id in [row["group_id"] for row in state["groups"]]
    assert state["machines"] == []


def test_a_network_that_was_just_made_is_found_when_the_cloud_shows_it(world: World) -> None:
    world.control.delays(visible_network=0.2)
    vpc_id = world.provider.create_vpc(world.a_vpc())

    wait_for(lambda: [vpc.vpc_id for vpc in world.provider.describe_vpcs(world.cloud.region, [vpc_id])] == [vpc_id])

    assert world.provider.create_subnet(world.a_subnet(vpc_id))


@pytest.mark.parametrize("kind", ["cut_before", "cut_after"])
def test_a_vpc_asked_for_again_after_a_cut_is_one_vpc(world: World, kind: str) -> None:
    world.fault(kind, world.cloud.create_vpc)
    error = world.refused(lambda: world.provider.create_vpc(world.a_vpc()))

    vpc_id = world.provider.create_vpc(world.a_vpc())

    assert error.kind in (ErrorClass.TIMEOUT_UNKNOWN, ErrorClass.UNAVAILABLE)
    assert [row["vpc_id"] for row in world.control.state(world.cloud.provider)["vpcs"]] == [vpc_id]


def _rules(world: World, group_id: str) -> list[dict[str, object]]:
    groups = world.control.state(world.cloud.provider)["groups"]
    rules: list[dict[str, object]] = next(group["rules"] for group in groups if group["group_id"] == group_id)
    return rules
