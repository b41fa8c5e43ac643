"""What a cloud has just made, and does not know yet, is waited for: it is made once, and neither lost nor left behind."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import bridgx.v1 as pb
import grpc
import pytest
from bridgx import Failure, failure_of
from bridgx_server.cloudsim.control_client import ControlClient
from bridgx_server.cloudsim.front import FRONTS
from contract.clusters import a_network, a_place, template
from contract.conftest import Api, until
from contract.reconciling import TOKEN, World, a_world
from engine.test_every_step import GROUPS_REFUSED

CLOUDS = sorted(FRONTS)
NEVER = 3600.0  # seconds for which a network stays unknown, unless the test shows it
VISIBILITY = 600.0  # seconds that the service gives a cloud in tests that show the network by hand
HURRY = 4.0  # seconds that a caller waits who is to get no answer
CREATE_VPC = "CreateVpc"
_names = itertools.count(1)


# Over REST.


@pytest.fixture(params=CLOUDS)
def slow_cloud(request: pytest.FixtureRequest, control: ControlClient) -> Iterator[str]:
    """A cloud that does not know a network for a second or two after it was made."""
    control.delays(cloud=request.param, visible_network=[0.8, 1.8])
    yield request.param
    control.delays(cloud=request.param, visible_network=0)
    control.show_networks(request.param)


def test_a_network_its_parts_and_a_cluster_in_it_are_made_at_once(
    api: Api, control: ControlClient, slow_cloud: str
) -> None:
    cloud, name = slow_cloud, f"late-{next(_names)}"
    place = a_place(api, cloud)
    before = _counts(control, cloud)

    network = a_network(api, cloud, place)
    cluster = api.post("cluster/create", template(cloud, place, network))
    vpc = api.post(
        "vpc/create",
        {
            "provider": cloud,
            "region_id": place["region_id"],
            "vpc_name": name,
            "cidr_block": "10.77.0.0/16",
            "ak": f"demo-{cloud}",
        },
    )
    subnet_body = {
        "vpc_id": vpc,
        "zone_id": place["zone_id"],
        "cidr_block": "10.77.1.0/24",
        "switch_name": f"{name}-subnet",
    }
    subnet = api.post("subnet/create", subnet_body)
    rule = {"protocol": "tcp", "port_range": "22/22", "direction": "ingress"}
    first_body = {"vpc_id": vpc, "security_group_name": f"{name}-one", "rules": [{**rule, "cidr_ip": "10.0.0.0/8"}]}
    first = api.post("security_group/create_with_rule", first_body)
    second_body = {"vpc_id": vpc, "security_group_name": f"{name}-two", "rules": [{**rule, "group_id": first}]}
    second = api.post("security_group/create_with_rule", second_body)

    assert cluster
    vpcs, subnets, groups = _counts(control, cloud)
    assert (vpcs - before[0], subnets - before[1], groups - before[2]) == (2, 2, 3)
    state = control.state(cloud)
    assert {vpc, network["vpc"]} <= {row["vpc_id"] for row in state["vpcs"]}
    assert {subnet, network["subnet_id"]} <= {row["subnet_id"] for row in state["subnets"]}
    rules = {row["group_id"]: str(row["rules"]) for row in state["groups"]}
    assert "10.0.0.0/8" in rules[first]
    assert first in rules[second]


def _counts(control: ControlClient, cloud: str) -> tuple[int, int, int]:
    state = control.state(cloud)
    groups = [row for row in state["groups"] if row["name"] != "default"]
    return len(state["vpcs"]), len(state["subnets"]), len(groups)


def test_a_rule_for_a_group_that_does_not_exist_is_refused_before_anything_is_made(
    api: Api, control: ControlClient
) -> None:
    cloud = "AWSCloud"
    network = a_network(api, cloud, a_place(api, cloud))
    before = _counts(control, cloud)
    rules = [
        {"protocol": "tcp", "port_range": "22/22", "direction": "ingress", "cidr_ip": "10.0.0.0/8"},
        {"protocol": "tcp", "port_range": "22/22", "direction": "ingress", "group_id": "sg-0123456789abcdef0"},
    ]

    body = {"vpc_id": network["vpc"], "security_group_name": "nobody", "rules": rules}
    envelope = api.refused("security_group/create_with_rule", body)

    assert (envelope["code"], envelope["msg"]) == (400, "param_invalid")
    assert "rules[1].group_id: security group sg-0123456789abcdef0 not found" in str(envelope["error"])
    assert _counts(control, cloud) == before


# Over gRPC, with a deadline that is nearer than the cloud.


@pytest.fixture(params=CLOUDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with a_world(request.param, tmp_path, worker=False, visibility=VISIBILITY, rates="*.*=off") as world:
        world.control.delays(visible_network=NEVER)
        yield world


def a_config(world: World, name: str) -> pb.CreateNetworkConfigRequest:
    request = world.network_request(name)
    request.vpc_name, request.switch_name, request.security_group_name = name, f"{name}-sub", f"{name}-group"
    return request


def asked(world: World, request: pb.CreateNetworkConfigRequest, timeout: float) -> grpc.Future:
    """The call of someone who waits that long, and does not try again."""
    channel = grpc.insecure_channel(f"127.0.0.1:{world.server.port}")
    metadata = (("authorization", f"Bearer {TOKEN}"),)
    call = pb.NetworkServiceStub(channel).CreateNetworkConfig.future(request, timeout=timeout, metadata=metadata)
    call.add_done_callback(lambda _: channel.close())
    return call


def in_a_hurry(world: World, request: pb.CreateNetworkConfigRequest) -> Failure:
    """What a caller is told who cannot wait for the cloud."""
    return failure_of(asked(world, request, HURRY).exception())


def refused(world: World, request: pb.CreateNetworkConfigRequest) -> Failure:
    """What a caller is told who waits for an answer."""
    return failure_of(asked(world, request, 60).exception())


def named(world: World, name: str) -> tuple[int, int, int]:
    """VPCs, subnets and groups of a request at the cloud."""
    state = world.control.state(world.cloud)
    return (
        sum(row["name"] == name for row in state["vpcs"]),
        sum(row["name"] == f"{name}-sub" for row in state["subnets"]),
        sum(row["name"] == f"{name}-group" for row in state["groups"]),
    )


def unfinished(world: World) -> list[pb.UnfinishedNetwork]:
    return list(world.client.reconcile.ListUnfinishedNetworks(pb.ListUnfinishedNetworksRequest()).request_list)


def test_a_deadline_that_is_near_undoes_nothing_and_the_request_goes_on(world: World) -> None:
    told = in_a_hurry(world, a_config(world, "patient"))

    assert (told.code, told.reason) == (grpc.StatusCode.UNAVAILABLE, "cloud_unavailable")
    assert told.retry_after
    assert "repeat it under the same request_id" in told.message
    assert named(world, "patient") == (1, 0, 0)
    (row,) = unfinished(world)
    assert ([made.kind for made in row.made], row.reason) == (["vpc"], "")
    # It is listed as what it is, however often the cloud is asked.
    for _ in range(2):
        vpcs = world.client.networks.ListVpcs(pb.ListVpcsRequest(vpc_name="patient")).vpcs
        assert [(vpc.vpc_id, vpc.status) for vpc in vpcs] == [(row.made[0].id, "Pending")]

    world.control.delays(visible_network=0)
    world.control.show_networks(world.cloud)
    answer = world.client.networks.CreateNetworkConfig(a_config(world, "patient"))

    assert answer.vpc_id == row.made[0].id
    assert named(world, "patient") == (1, 1, 1)
    assert unfinished(world) == []


def test_what_cannot_be_seen_yet_is_not_taken_for_removed(world: World) -> None:
    world.control.delays(visible_network=0)
    code, status = GROUPS_REFUSED[world.cloud]
    params = {"code": code, "message": "no more", "status": status}
    fault = world.control.fault("error", cloud=world.cloud, action="CreateSecurityGroup", params=params)
    # Each is seen when the next is put into it, and then another replica answers, which does not know it.
    world.control.fault("slow", cloud=world.cloud, action="CreateSecurityGroup", params={"seconds": 1}, times=1)
    call = asked(world, a_config(world, "undone"), 2 * HURRY)
    until(lambda: named(world, "undone")[:2] == (1, 1))
    world.control.show_networks(world.cloud, "*", 10.0**10)
    told = failure_of(call.exception())

    assert "the security group could not be made" in told.message
    assert "could not be removed again: subnet" in told.message
    assert named(world, "undone") == (1, 1, 0)
    (row,) = unfinished(world)
    assert [made.kind for made in row.made] == ["vpc", "subnet"]

    world.control.show_networks(world.cloud)
    again = refused(world, a_config(world, "undone"))

    assert "all that was made has been removed" in again.message
    assert named(world, "undone") == (0, 0, 0)
    assert unfinished(world) == []
    world.control.call("DELETE", f"/faults/{fault}")


def test_a_lost_answer_makes_no_second_vpc_while_the_first_is_not_seen(world: World) -> None:
    world.control.fault("cut_after", cloud=world.cloud, action=CREATE_VPC, times=1)

    told = in_a_hurry(world, a_config(world, "lost"))

    assert told.code is grpc.StatusCode.UNAVAILABLE
    assert named(world, "lost") == (1, 0, 0)

    world.control.delays(visible_network=0)
    world.control.show_networks(world.cloud)
    answer = world.client.networks.CreateNetworkConfig(a_config(world, "lost"))

    assert answer.vpc_id
    assert named(world, "lost") == (1, 1, 1)
    assert unfinished(world) == []


@pytest.mark.parametrize(
    ("cloud", "action", "code"),
    [("AWSCloud", "DescribeVpcs", "UnauthorizedOperation"), ("AlibabaCloud", CREATE_VPC, "Forbidden.RAM")],
)
def test_who_may_not_look_does_not_say_that_nothing_was_made(
    cloud: str, action: str, code: str, tmp_path: Path
) -> None:
    with a_world(cloud, tmp_path, worker=False, rates="*.*=off") as world:
        world.control.fault("cut_after", cloud=cloud, action=CREATE_VPC, times=1)
        world.control.fault("slow", cloud=cloud, action=CREATE_VPC, params={"seconds": 1}, times=1)
        call = asked(world, a_config(world, "unseen"), 60)
        until(lambda: named(world, "unseen") == (1, 0, 0))
        params = {"code": code, "message": "not allowed", "status": 403}
        fault = world.control.fault("error", cloud=cloud, action=action, params=params)

        told = failure_of(call.exception())

        assert told.metadata["error_class"] == "permission_denied"
        assert "could not be removed again: a VPC that may have been made" in told.message
        assert named(world, "unseen") == (1, 0, 0)
        assert [row.reason != "" for row in unfinished(world)] == [True]
        world.control.call("DELETE", f"/faults/{fault}")
        assert world.client.networks.CreateNetworkConfig(a_config(world, "unseen")).vpc_id
        assert named(world, "unseen") == (1, 1, 1)
        assert unfinished(world) == []


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_call_that_was_lost_on_its_way_is_made_again_when_it_is_believed_to_be(cloud: str, tmp_path: Path) -> None:
    with a_world(cloud, tmp_path, worker=False, rates="*.*=off") as world:
        world.control.fault("cut_before", cloud=cloud, action=CREATE_VPC, times=1)

        assert world.client.networks.CreateNetworkConfig(a_config(world, "again")).vpc_id

        assert named(world, "again") == (1, 1, 1)


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_vpc_that_is_gone_is_told_when_it_is_old_enough_to_be_seen(cloud: str, tmp_path: Path) -> None:
    with a_world(cloud, tmp_path, worker=False, rates="*.*=off") as world:
        vpc = pb.CreateVpcRequest(
            provider=cloud, region_id=world.region, vpc_name="gone", cidr_block="10.77.0.0/16", ak=world.key
        )
        vpc_id = world.client.networks.CreateVpc(vpc).vpc_id
        world.control.call("DELETE", f"/networks/{vpc_id}")
        subnet = pb.CreateSubnetRequest(
            vpc_id=vpc_id, zone_id=world.place["zone_id"], cidr_block="10.77.1.0/24", switch_name="gone-sub"
        )

        with pytest.raises(grpc.RpcError) as caught:
            world.client.networks.CreateSubnet(subnet)

        told = failure_of(caught.value)
        assert (told.reason, told.metadata["error_class"]) == ("param_invalid", "not_found")
        assert f"VPC {vpc_id} not found" in told.message
        assert named(world, "gone") == (0, 0, 0)
        assert unfinished(world) == []


def test_what_is_waited_for_is_kept_by_every_database(database_url: str, tmp_path: Path) -> None:
    with a_world("AWSCloud", tmp_path, database_url, worker=False, visibility=VISIBILITY, rates="*.*=off") as world:
        world.control.delays(visible_network=NEVER)
        world.control.fault("cut_after", cloud=world.cloud, action=CREATE_VPC, times=1)
        assert in_a_hurry(world, a_config(world, "kept")).code is grpc.StatusCode.UNAVAILABLE
        (row,) = unfinished(world)
        assert (row.request_id, list(row.made)) == ("kept", [])
        world.control.delays(visible_network=0)
        world.control.show_networks(world.cloud)

        vpc_id = world.client.networks.CreateNetworkConfig(a_config(world, "kept")).vpc_id
        group = world.client.networks.ListSecurityGroups(pb.ListSecurityGroupsRequest(vpc_id=vpc_id)).groups[0]
        world.control.show_networks(world.cloud, group.security_group_id, time.time() + 1)
        rule = pb.SecurityGroupRule(
            protocol="tcp", port_range="22/22", direction="ingress", group_id=group.security_group_id
        )
        request = pb.CreateSecurityGroupRequest(vpc_id=vpc_id, security_group_name="second", rules=[rule])
        assert world.client.networks.CreateSecurityGroup(request).security_group_id

        assert named(world, "kept") == (1, 1, 1)
        assert unfinished(world) == []


def test_rules_beyond_what_baidu_takes_leave_no_group(tmp_path: Path) -> None:
    with a_world("BaiduCloud", tmp_path, worker=False, rates="*.*=off") as world:
        rules = [
            pb.SecurityGroupRule(protocol="tcp", port_range=f"{port}/{port}", direction="ingress", cidr_ip="10.0.0.0/8")
            for port in range(1, 52)
        ]
        request = pb.CreateSecurityGroupRequest(
            vpc_id=world.network["vpc"], security_group_name="many", rules=rules, request_id="many"
        )

        with pytest.raises(grpc.RpcError) as caught:
            world.client.networks.CreateSecurityGroup(request)

        told = failure_of(caught.value)
        assert told.reason == "quota_exceeded"
        assert "the rules were refused" in told.message
        assert "all that was made has been removed" in told.message
        assert "many" not in [row["name"] for row in world.control.state("BaiduCloud")["groups"]]
        request.rules.pop()
        assert world.client.networks.CreateSecurityGroup(request).security_group_id
