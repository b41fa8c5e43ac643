"""Addresses and quotas that are short, and networks that the cloud does not know yet, over REST on every simulated cloud."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from bridgx_server.cloudsim.control_client import ControlClient
from bridgx_server.cloudsim.front import FRONTS
from contract.clusters import a_network, a_place, another_subnet, template
from contract.conftest import Api
from wire.conformance.clouds import CLOUDS

CREATE = {cloud.provider: cloud.create for cloud in CLOUDS}
FREE = 11

# How each vendor says at a creation that it does not know a subnet and a security group: code and HTTP status.
UNKNOWN = {
    "AlibabaCloud": (("InvalidVSwitchId.NotFound", 404), ("InvalidSecurityGroupId.NotFound", 404)),
    "HuaweiCloud": (("Ecs.0038", 400), ("Ecs.0014", 400)),
    "TencentCloud": (("InvalidParameterValue.SubnetNotExist", 200), ("InvalidSecurityGroupId.NotFound", 200)),
    "BaiduCloud": (("NoSuchObject", 404), ("ResourceNotFound", 404)),
    "AWSCloud": (("InvalidSubnetID.NotFound", 400), ("InvalidGroup.NotFound", 400)),
}
# How it refuses to describe what it does not know; the lists of some are empty then.
DENIED = {
    "AlibabaCloud": ("InvalidVpcId.NotFound", 404),
    "HuaweiCloud": ("VPC.0202", 404),
    "TencentCloud": ("ResourceNotFound", 200),
    "BaiduCloud": ("NoSuchObject", 404),
    "AWSCloud": ("InvalidVpcID.NotFound", 400),
}


@dataclass
class World:
    """A network, with a subnet that has addresses for a few machines."""

    api: Api
    control: ControlClient
    cloud: str
    place: dict[str, str]
    network: dict[str, str]

    def subnet(self, number: int, bits: int = 28) -> str:
        body = {
            "vpc_id": self.network["vpc"],
            "zone_id": self.place["zone_id"],
            "cidr_block": f"172.16.{100 + number}.0/{bits}",
            "switch_name": f"small-{number}",
        }
        made: str = self.api.post("subnet/create", body)
        return made

    def cluster(self, subnet: str = "", **changes: Any) -> str:
        network = {**self.network, "subnet_id": subnet or self.network["subnet_id"]}
        name: str = self.api.post("cluster/create", template(self.cloud, self.place, network, **changes))
        return name

    def full_but_for(self, free: int, subnet: str) -> None:
        """Machines of another cluster take all the addresses but so many."""
        there = self.free(subnet)
        if there > free:
            assert self.expanded(self.cluster(subnet), there - free)["status"] == "SUCCESS"
        assert self.free(subnet) == free

    def free(self, subnet: str) -> int:
        rows = self.api.get("subnet/describe", vpc_id=self.network["vpc"])["Switches"]
        return next(int(row["AvailableIpAddressCount"]) for row in rows if row["SwitchId"] == subnet)

    def expanded(self, name: str, count: int) -> dict[str, Any]:
        body = {"cluster_name": name, "task_name": "grow", "count": count}
        return self.api.ended(self.api.post("cluster/expand", body))

    def plan(self, name: str, count: int) -> dict[str, Any]:
        plan: dict[str, Any] = self.api.post("cluster/expand/plan", {"cluster_name": name, "count": count})
        return plan

    def alive(self) -> int:
        return len(self.control.machines(self.cloud))

    def calls(self) -> int:
        return len(self.control.calls(self.cloud, CREATE[self.cloud]))

    def deny(self, action: str, code: str, status: int, times: int) -> None:
        params = {"code": code, "message": "it does not exist", "status": status}
        self.control.fault("error", cloud=self.cloud, action=action, times=times, params=params)


@pytest.fixture(scope="module", params=sorted(FRONTS))
def world(request: pytest.FixtureRequest, api: Api, control: ControlClient) -> Iterator[World]:
    cloud = request.param
    place = a_place(api, cloud)
    yield World(api, control, cloud, place, a_network(api, cloud, place))
    control.clear_faults()
    control.quota(cloud, 100_000)


def test_fifteen_asked_of_eleven_addresses_bring_eleven_and_the_reason(world: World) -> None:
    subnet = world.subnet(1)
    world.full_but_for(FREE, subnet)
    name = world.cluster(subnet)
    alive, calls = world.alive(), world.calls()

    plan = world.plan(name, 15)
    assert not plan["feasible"]
    assert plan["expected"] == FREE
    assert [(row["reason"], row["field"]) for row in plan["refusals"]] == [("no_addresses", "count")]
    assert f"{subnet} has {FREE}" in plan["refusals"][0]["message"]
    assert plan["placements"][0]["available_ip_address_count"] == FREE
    assert world.plan(name, FREE)["expected"] == FREE

    task = world.expanded(name, 15)
    assert (task["status"], task["running"], task["failed"]) == ("PARTIAL_SUCCESS", FREE, 4)
    assert task["error_class"] == "no_addresses"
    assert "in another subnet" in task["reason"]
    assert world.alive() == alive + FREE
    assert world.calls() - calls <= 12
    assert world.api.get("instance/num", cluster_name=name)["instance_num"] == FREE

    plan = world.plan(name, 1)
    assert (plan["expected"], plan["placements"][0]["available_ip_address_count"]) == (0, 0)
    task = world.expanded(name, 2)
    assert (task["status"], task["running"], task["error_class"]) == ("FAILED", 0, "no_addresses")


def test_the_rest_comes_from_the_subnet_of_the_next_placement(world: World) -> None:
    small, large = world.subnet(2), world.network["subnet_id"]
    world.full_but_for(2, small)
    body = template(world.cloud, world.place, world.network)
    kind, zone = body.pop("instance_type"), body.pop("zone_id")
    body["network_config"] = {key: value for key, value in world.network.items() if key != "subnet_id"}
    body["placements"] = [{"zone_id": zone, "subnet_id": subnet, "instance_type": kind} for subnet in (small, large)]
    name = world.api.post("cluster/create", body)
    plan = world.plan(name, 5)
    assert (plan["feasible"], plan["expected"]) == (True, 5)
    task = world.expanded(name, 5)
    assert (task["status"], task["running"], task["reason"]) == ("SUCCESS", 5, "")
    assert world.free(small) == 0
    assert sum(chunk["asked"] - chunk["moved"] for chunk in task["chunks"]) == 5
    # It is no stockout of the zone and type, which the other subnet has too.
    assert all("sold_out_at" not in row for row in world.plan(name, 5)["placements"])


def test_eight_asked_of_a_quota_of_five_bring_five_and_the_reason(world: World) -> None:
    name = world.cluster()
    alive = world.alive()
    world.control.quota(world.cloud, alive + 5)

    task = world.expanded(name, 8)

    assert (task["status"], task["running"], task["failed"]) == ("PARTIAL_SUCCESS", 5, 3)
    assert task["error_class"] == "quota_exceeded"
    assert "Raise the quota" in task["reason"]
    assert task["reason"].count("Raise the quota") == 1
    assert world.alive() == alive + 5
    plan = world.plan(name, 3)
    assert (plan["feasible"], plan["expected"]) == (False, 0)
    assert "quota_exceeded" in {row["reason"] for row in plan["refusals"]}
    assert "quota_exceeded_at" in plan["placements"][0]
    # What the last refusal has taught is forgotten with the next grant.
    world.control.quota(world.cloud, 100_000)
    assert world.expanded(name, 3)["status"] == "SUCCESS"
    plan = world.plan(name, 3)
    assert (plan["feasible"], plan["expected"]) == (True, 3)
    assert "quota_exceeded_at" not in plan["placements"][0]


@pytest.mark.parametrize("which", [0, 1], ids=["subnet", "security group"])
def test_a_network_made_a_moment_ago_that_the_cloud_denies_is_waited_for(world: World, which: int) -> None:
    name = world.cluster(another_subnet(world.api, world.network, world.place["zone_id"], 1 + which))
    world.deny(CREATE[world.cloud], *UNKNOWN[world.cloud][which], times=2)

    task = world.expanded(name, 3)

    assert (task["status"], task["running"], task["reason"]) == ("SUCCESS", 3, "")
    assert len(task["chunks"]) == 1


def test_a_cluster_in_a_network_made_a_moment_ago_is_accepted_though_the_cloud_does_not_show_it(world: World) -> None:
    network = a_network(world.api, world.cloud, world.place)
    for action in ("Describe*", "List*", "Show*", "Get*"):
        for part in ("Vpc*", "Subnet*", "VSwitch*", "SecurityGroup*"):
            world.deny(action.replace("*", part), *DENIED[world.cloud], times=1000)
    try:
        envelope = world.api.client.post("cluster/create", json=template(world.cloud, world.place, network)).json()
        assert envelope["code"] == 200, envelope
        strange = {**network, "subnet_id": "no-such-subnet"}
        refused = world.api.refused("cluster/create", template(world.cloud, world.place, strange))
        assert (refused["code"], refused["msg"]) == (400, "param_invalid")
    finally:
        world.control.clear_faults()
