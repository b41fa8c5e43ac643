"""What one placement has not is asked of the next, and what is sold out is remembered, on every simulated cloud."""

from __future__ import annotations

import itertools
import json
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


@dataclass
class World:
    """A network with a subnet in each of two zones, and types that both sell, a new one for each test: what is
    remembered of one says nothing of another."""

    api: Api
    control: ControlClient
    cloud: str
    place: dict[str, str]
    network: dict[str, str]
    zones: tuple[str, str]
    subnets: tuple[str, str]
    types: Iterator[str]

    def placement(self, index: int, instance_type: str) -> dict[str, str]:
        return {"zone_id": self.zones[index], "subnet_id": self.subnets[index], "instance_type": instance_type}

    def cluster(self, **changes: Any) -> str:
        """A cluster without the single fields, unless they are among the changes."""
        body = template(self.cloud, self.place, self.network, **changes)
        body["network_config"] = {key: value for key, value in self.network.items() if key != "subnet_id"}
        for name in ("zone_id", "instance_type"):
            if name not in changes:
                del body[name]
        name: str = self.api.post("cluster/create", body)
        return name

    def stock(self, index: int, instance_type: str, count: int | None) -> None:
        self.control.capacity(self.cloud, self.zones[index], count, instance_type)

    def expanded(self, cluster: str, count: int) -> dict[str, Any]:
        body = {"cluster_name": cluster, "task_name": "grow", "count": count}
        return self.api.ended(self.api.post("cluster/expand", body))

    def asked(self, instance_type: str) -> list[int]:
        """The zones, 0 or 1, that machines of the type were asked for in, call by call."""
        calls = [json.dumps(call["parameters"]) for call in self.control.calls(self.cloud, CREATE[self.cloud])]
        return [index for call in calls if instance_type in call for index in (0, 1) if self.subnets[index] in call]

    def zones_of(self, cluster: str) -> list[str]:
        rows = self.api.get("instance/describe_all", cluster_name=cluster, status="running", page_size=50)
        ids = [row["instance_id"] for row in rows["instance_list"]]
        return [self.api.get("instance/id/describe", instance_id=name)["zone_id"] for name in ids]


@pytest.fixture(scope="module", params=sorted(FRONTS))
def world(request: pytest.FixtureRequest, api: Api, control: ControlClient) -> World:
    cloud = request.param
    place = a_place(api, cloud)
    network = a_network(api, cloud, place)
    region, first = place["region_id"], place["zone_id"]
    second = next(
        row["ZoneId"] for row in api.get("zone/list", provider=cloud, region_id=region) if row["ZoneId"] != first
    )
    sold = [
        {
            row["instance_type"]
            for row in api.get("instance_type/list", provider=cloud, region_id=region, zone_id=zone)
            if row["core"] in (2, 4)
        }
        for zone in (first, second)
    ]
    # A name that is part of another would be taken for it in the log of calls; and other tests use the place's own.
    shared = sorted(sold[0] & sold[1] - {place["instance_type"]})
    both = [name for name in shared if not any(name in other for other in sold[0] - {name})]
    subnets = (network["subnet_id"], another_subnet(api, network, second, 1))
    return World(api, control, cloud, place, network, (first, second), subnets, itertools.chain(both))


def test_the_second_zone_takes_what_the_first_has_not_and_the_next_task_does_not_ask_the_first(world: World) -> None:
    kind = next(world.types)
    name = world.cluster(placements=[world.placement(0, kind), world.placement(1, kind)])
    world.stock(0, kind, 3)
    task = world.expanded(name, 12)
    assert (task["status"], task["running"], task["failed"], task["reason"]) == ("SUCCESS", 12, 0, "")
    assert sorted(world.zones_of(name)) == sorted([world.zones[0]] * 3 + [world.zones[1]] * 9)
    short = next(chunk for chunk in task["chunks"] if chunk["zone_id"] == world.zones[0])
    assert short["error_class"] == "out_of_stock"
    assert {chunk["placement"] for chunk in task["chunks"]} == {0, 1}
    before = len(world.asked(kind))
    other = world.cluster(placements=[world.placement(0, kind), world.placement(1, kind)])
    task = world.expanded(other, 4)
    assert (task["status"], task["running"]) == ("SUCCESS", 4)
    assert set(world.asked(kind)[before:]) == {1}
    assert set(world.zones_of(other)) == {world.zones[1]}
    # A machine's subnet is that of the placement it came from.
    rows = world.api.get("instance/describe_all", cluster_name=other, status="running")["instance_list"]
    detail = world.api.get("instance/id/describe", instance_id=rows[0]["instance_id"])
    assert detail["network_config"]["subnet_id_name"] == "switch-1"


def test_with_both_zones_sold_out_the_task_takes_what_there_is_and_says_why_not_more(world: World) -> None:
    kind = next(world.types)
    name = world.cluster(zones=[row(world, 0), row(world, 1)], instance_type=kind)
    world.stock(0, kind, 3)
    world.stock(1, kind, 4)
    task = world.expanded(name, 12)
    assert (task["status"], task["running"], task["failed"]) == ("PARTIAL_SUCCESS", 7, 5)
    assert task["error_class"] == "out_of_stock"
    for zone in world.zones:
        assert f"{kind} in {zone}: " in task["reason"]
    plan = world.api.post("cluster/expand/plan", {"cluster_name": name, "count": 5})
    assert not plan["feasible"]
    assert [(refusal["reason"], refusal["field"]) for refusal in plan["refusals"]] == [("out_of_stock", "placements")]
    assert {row["placement"] for row in plan["placements"]} == {0, 1}
    assert all("sold_out_at" in row for row in plan["placements"])
    # Remembered everywhere, and asked all the same: stock may be back.
    world.stock(0, kind, None)
    task = world.expanded(name, 5)
    assert (task["status"], task["running"]) == ("SUCCESS", 5)
    assert world.zones_of(name).count(world.zones[0]) == 8
    assert (
        "sold_out_at" not in world.api.post("cluster/expand/plan", {"cluster_name": name, "count": 5})["placements"][0]
    )


def test_the_second_type_takes_what_the_first_has_not(world: World) -> None:
    first, second = next(world.types), next(world.types)
    name = world.cluster(zones=[row(world, 0), row(world, 1)], instance_types=[first, second])
    placements = world.api.get("cluster/describe", cluster_name=name)["placements"]
    assert [(place["instance_type"], place["zone_id"]) for place in placements] == [
        (kind, zone) for kind in (first, second) for zone in world.zones
    ]
    world.stock(0, first, 1)
    world.stock(1, first, 0)
    task = world.expanded(name, 4)
    assert (task["status"], task["running"]) == ("SUCCESS", 4)
    rows = world.api.get("instance/describe_all", cluster_name=name, status="running")["instance_list"]
    assert sorted(machine["instance_type"] for machine in rows) == sorted([first] + [second] * 3)
    assert set(world.asked(second)) == {0}


def row(world: World, index: int) -> dict[str, str]:
    return {"zone_id": world.zones[index], "subnet_id": world.subnets[index]}


def test_every_placement_is_looked_up_and_the_field_named(world: World) -> None:
    kind = next(world.types)
    good = world.placement(0, kind)

    def refused(**changes: Any) -> set[str]:
        body = template(world.cloud, world.place, world.network, **changes)
        body["network_config"] = {**world.network, "subnet_id": ""}
        del body["zone_id"], body["instance_type"]
        envelope = world.api.refused("cluster/create", body)
        assert (envelope["code"], envelope["msg"]) == (400, "param_invalid"), envelope
        details = envelope["error"]["details"]
        return {violation["field"] for detail in details for violation in detail.get("fieldViolations", ())}

    assert refused(placements=[good, {**good, "subnet_id": "no-subnet"}]) == {"placements[1].subnet_id"}
    assert refused(placements=[good, {**good, "instance_type": "no.type"}]) >= {"placements[1].instance_type"}
    assert refused(placements=[good, {**good, "zone_id": "no-zone"}]) >= {"placements[1].zone_id"}
    assert refused(placements=[good, world.placement(1, kind), good]) == {"placements[2]"}
    assert refused(placements=[good, {**good, "zone_id": ""}]) == {"placements[1].zone_id"}
    assert refused(zones=[row(world, 0), row(world, 0)], instance_types=[kind]) == {"zones[1]"}
    assert refused(zones=[row(world, 0)], instance_types=[kind, "no.type"]) == {"instance_types[1]"}
    assert refused(zones=[row(world, 0), {**row(world, 1), "subnet_id": "no-subnet"}], instance_types=[kind]) == {
        "zones[1].subnet_id"
    }
    assert refused(zones=[row(world, 0)]) == {"instance_type"}
    assert refused(instance_types=[kind]) == {"zone_id", "network_config.subnet_id"}
    assert refused(placements=[good], instance_types=[kind]) == {"placements"}


def test_a_combination_that_a_zone_does_not_sell_is_left_out(api: Api) -> None:
    place = a_place(api, "AWSCloud")
    network = a_network(api, "AWSCloud", place)
    zones = ["us-east-1c", place["zone_id"]]  # the first does not sell t2.nano
    subnets = [another_subnet(api, network, zones[0], 2), network["subnet_id"]]
    listed = [{"zone_id": zone, "subnet_id": subnet} for zone, subnet in zip(zones, subnets, strict=True)]
    body = template("AWSCloud", {**place, "zone_id": zones[0]}, {**network, "subnet_id": subnets[0]}, zones=listed)
    del body["instance_type"]
    name = api.post("cluster/create", {**body, "instance_types": ["t2.nano", "t2.micro"]})
    placements = api.get("cluster/describe", cluster_name=name)["placements"]
    assert [(row["instance_type"], row["zone_id"]) for row in placements] == [
        ("t2.nano", zones[1]),
        ("t2.micro", zones[0]),
        ("t2.micro", zones[1]),
    ]
