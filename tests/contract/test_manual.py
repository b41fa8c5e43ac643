"""Every operation of the manual on every cloud, over Envoy, the vendor's SDK and the simulated cloud: keys and types."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pytest
from bridgx_server.cloudsim.front import FRONTS
from contract.clusters import REGIONS, a_network, a_place, template
from contract.conftest import Api

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
PAGER = {"page_number": int, "page_size": int, "total": int}
NETWORK_PAGER = {"PageNumber": int, "PageSize": int, "Total": int}


@dataclass(frozen=True)
class World:
    """One cloud with a network, a cluster and machines, as the first test has left them."""

    cloud: str
    place: dict[str, str]
    network: dict[str, str]
    cluster: str


@pytest.fixture(scope="module", params=sorted(FRONTS))
def world(request: pytest.FixtureRequest, api: Api) -> World:
    cloud = request.param
    place = a_place(api, cloud)
    network = a_network(api, cloud, place)
    name = api.post("cluster/create", template(cloud, place, network))
    task = api.ended(api.post("cluster/expand", {"cluster_name": name, "task_name": "aaa", "count": 4}))
    assert (task["status"], task["running"]) == ("SUCCESS", 4), task
    return World(cloud, place, network, name)


def conforms(value: Any, shape: Any, where: str = "data") -> None:
    """Whether a value has the keys and types of a shape; `"time"` and `"time?"` are times."""
    if shape in ("time?", "time"):
        assert isinstance(value, str), where
        assert TIME.fullmatch(value), (where, value)
    elif isinstance(shape, dict):
        assert isinstance(value, dict), where
        optional = {key for key, kind in shape.items() if kind == "time?"}
        assert set(shape) - optional <= set(value) <= set(shape), (where, sorted(value), sorted(shape))
        for key, item in value.items():
            conforms(item, shape[key], f"{where}.{key}")
    elif isinstance(shape, list):
        assert isinstance(value, list), where
        assert value, where
        for index, item in enumerate(value):
            conforms(item, shape[0], f"{where}[{index}]")
    elif shape is float:
        assert type(value) in (int, float), (where, value)
    else:
        assert type(value) is shape, (where, value)


def test_1_and_2_clusters(api: Api, world: World) -> None:
    name = api.post("cluster/create", template(world.cloud, world.place, world.network))
    conforms(name, str)
    data = api.get("cluster/describe_all", account=f"demo-{world.cloud}", page_size=50)
    cluster = {
        "cluster_id": str,
        "cluster_name": str,
        "provider": str,
        "account": str,
        "create_at": "time",
        "create_by": str,
        "total_remainder": str,
    }
    conforms(data, {"cluster_list": [cluster], "pager": PAGER})
    rows = {row["cluster_name"]: row for row in data["cluster_list"]}
    assert rows[name]["total_remainder"] == "0/200"
    assert rows[world.cluster]["total_remainder"] == "4/200"


def test_3_to_8_networks(api: Api, world: World) -> None:
    region, zone = world.place["region_id"], world.place["zone_id"]
    vpc = api.post(
        "vpc/create",
        {
            "provider": world.cloud,
            "region_id": region,
            "cidr_block": "192.168.0.0/16",
            "vpc_name": "vpctest1",
            "ak": f"demo-{world.cloud}",
        },
    )
    conforms(vpc, str)
    subnet = {"zone_id": zone, "cidr_block": "192.168.1.0/24", "vpc_id": vpc, "switch_name": "The-first-switch"}
    switch = api.post("subnet/create", subnet)
    other = api.get("subnet/create", **{**subnet, "cidr_block": "192.168.2.0/24", "switch_name": "second"})
    rules = [
        {"protocol": "tcp", "port_range": "22/22", "direction": "ingress", "group_id": "", "cidr_ip": "0.0.0.0/0"},
        {"protocol": "tcp", "port_range": "22/22", "direction": "ingress", "group_id": "", "cidr_ip": "0.0.0.0/0"},
        {"protocol": "udp", "port_range": "1/65535", "direction": "egress", "cidr_ip": "10.0.0.0/8"},
        {"protocol": "icmp", "port_range": "-1/-1", "direction": "ingress", "cidr_ip": "10.0.0.0/8"},
    ]
    group = api.post(
        "security_group/create_with_rule",
        {"vpc_id": vpc, "security_group_name": "The-first-group", "rules": rules},
    )
    data = api.get("vpc/describe", provider=world.cloud, region_id=region, vpc_name="vpctest1", page_size=50)
    row = {
        "VpcId": str,
        "VpcName": str,
        "CidrBlock": str,
        "SwitchIds": [str],
        "Provider": str,
        "Status": str,
        "CreateAt": "time",
    }
    conforms(data, {"Vpcs": [row], "Pager": NETWORK_PAGER})
    (mine,) = [row for row in data["Vpcs"] if row["VpcId"] == vpc]
    assert (mine["Status"], mine["CidrBlock"], set(mine["SwitchIds"])) == (
        "Available",
        "192.168.0.0/16",
        {switch, other},
    )
    data = api.get("subnet/describe", vpc_id=vpc, page_size=50)
    row = {
        "VpcId": str,
        "SwitchId": str,
        "ZoneId": str,
        "SwitchName": str,
        "CidrBlock": str,
        "VStatus": str,
        "CreateAt": "time",
        "IsDefault": str,
        "AvailableIpAddressCount": int,
    }
    conforms(data, {"Switches": [row], "Pager": NETWORK_PAGER})
    assert {row["IsDefault"] for row in data["Switches"]} == {"N"}
    data = api.get("security_group/describe", vpc_id=vpc, page_size=50)
    row = {
        "VpcId": str,
        "SecurityGroupId": str,
        "SecurityGroupName": str,
        "SecurityGroupType": str,
        "CreateAt": "time",
    }
    conforms(data, {"Groups": [row], "Pager": NETWORK_PAGER})
    assert [row["SecurityGroupId"] for row in data["Groups"]] == [group]


def test_9_network_config_is_all_or_nothing(api: Api, world: World) -> None:
    before = api.get("vpc/describe", provider=world.cloud)["Pager"]["Total"]
    envelope = api.refused(
        "network_config/create",
        {
            "provider": world.cloud,
            "region_id": world.place["region_id"],
            "zone_id": world.place["zone_id"],
            "cidr_block": "10.0.0.0/16",
            "vpc_name": "vpctest",
            "switch_cidr_block": "10.1.0.0/24",
            "switch_name": "outside",
            "security_group_name": "group",
            "security_group_type": "normal",
            "ak": f"demo-{world.cloud}",
        },
    )
    assert (envelope["code"], envelope["msg"]) == (400, "param_invalid")
    assert "switch_cidr_block" in str(envelope["error"])
    assert api.get("vpc/describe", provider=world.cloud)["Pager"]["Total"] == before


def test_10_to_13_catalog(api: Api, world: World) -> None:
    region = REGIONS[world.cloud]
    place = [{"RegionId": str, "LocalName": str}]
    conforms(api.get("region/list", provider=world.cloud), place)
    conforms(api.get("zone/list", provider=world.cloud, region_id=region), [{"ZoneId": str, "LocalName": str}])
    types = api.get("instance_type/list", provider=world.cloud, region_id=region, zone_id=world.place["zone_id"])
    conforms(types, [{"instance_type_family": str, "instance_type": str, "core": int, "memory": float}])
    images = api.get("image/list", provider=world.cloud, region_id=region)
    conforms(images, [{"OsType": str, "OsName": str, "ImageId": str}])


def test_14_to_16_tasks(api: Api, world: World) -> None:
    task_id = api.post("cluster/expand", {"cluster_name": world.cluster, "task_name": "more", "count": 2})
    conforms(task_id, str)
    assert api.ended(task_id)["status"] == "SUCCESS"
    task_id = api.post("cluster/shrink", {"cluster_name": world.cluster, "task_name": "asas", "count": 1})
    assert api.ended(task_id)["deleted"] == 1
    machine = api.get("instance/describe_all", cluster_name=world.cluster, status="RUNNING")["instance_list"][0]
    by_ip = {"cluster_name": world.cluster, "task_name": "one", "ips": [machine["ip_inner"]], "count": 1}
    assert api.ended(api.post("cluster/shrink", by_ip))["deleted"] == 1
    gone = api.get("instance/describe_all", instance_id=machine["instance_id"])["instance_list"][0]
    assert gone["status"] == "Deleted"
    data = api.get("task/list", account=f"demo-{world.cloud}", cluster_name=world.cluster)
    row = {
        "task_id": str,
        "task_name": str,
        "task_action": str,
        "status": str,
        "cluster_name": str,
        "create_at": "time",
        "execute_time": int,
        "finish_at": "time?",
    }
    conforms(data, {"task_list": [row], "pager": PAGER})
    assert [row["task_action"] for row in data["task_list"]] == ["SHRINK", "SHRINK", "EXPAND", "EXPAND"]


def test_17_to_19_machines(api: Api, world: World) -> None:
    data = api.get(
        "instance/describe_all", account=f"demo-{world.cloud}", cluster_name=world.cluster, status="running,deleted"
    )
    row = {
        "instance_id": str,
        "ip_inner": str,
        "ip_outer": str,
        "provider": str,
        "create_at": "time",
        "status": str,
        "startup_time": int,
        "cluster_name": str,
        "instance_type": str,
        "protected": bool,
        "charge_type": str,
        "expire_at": "time?",
        "deletion_refusal": str,
        "deletion_refused_at": "time?",
    }
    conforms(data, {"instance_list": [row], "pager": PAGER})
    machine = next(row for row in data["instance_list"] if row["status"] == "Running")
    detail = api.get("instance/id/describe", instance_id=machine["instance_id"])
    shape = {
        "instance_id": str,
        "provider": str,
        "region_id": str,
        "image_id": str,
        "instance_type": str,
        "ip_inner": str,
        "ip_outer": str,
        "create_at": "time",
        "storage_config": {
            "system_disk_type": str,
            "system_disk_size": int,
            "data_disks": [{"data_disk_type": str, "data_disk_size": int}],
            "data_disk_num": int,
        },
        "network_config": {"vpc_name": str, "subnet_id_name": str, "security_group_name": str},
        "zone_id": str,
        "cluster_name": str,
        "status": str,
        "task_id": str,
        "protected": bool,
        "charge_type": str,
        "expire_at": "time?",
        "deletion_refusal": str,
        "deletion_refused_at": "time?",
    }
    conforms(detail, shape)
    assert detail["network_config"]["vpc_name"] == "vpctest"
    assert api.get("instance/describe_all", ip=machine["ip_inner"], cluster_name=world.cluster)["pager"]["total"] >= 1
    number = api.get("instance/num", account=f"demo-{world.cloud}", cluster_name=world.cluster)
    conforms(number, {"instance_num": int})
    running = api.get("instance/describe_all", cluster_name=world.cluster, status="running")["pager"]["total"]
    assert number["instance_num"] == running


def test_20_and_21_usage(api: Api, world: World) -> None:
    total = api.get("instance/usage_total", cluster_name=world.cluster)
    conforms(total, {"usage_total": float})
    data = api.get("instance/usage_statistics", cluster_name=world.cluster, page_size=50)
    row = {
        "id": str,
        "cluster_name": str,
        "instance_id": str,
        "startup_at": "time",
        "shutdown_at": "time?",
        "startup_time": int,
        "instance_type": str,
    }
    conforms(data, {"instance_list": [row], "pager": PAGER})
    assert data["pager"]["total"] >= 4
    assert api.get("instance/usage_total", cluster_name=world.cluster, date="2021-11-18") == {"usage_total": 0}


def test_paging(api: Api, world: World) -> None:
    data = api.get("instance/describe_all", cluster_name=world.cluster, page_size=1000)
    assert (data["pager"]["page_number"], data["pager"]["page_size"]) == (1, 50)
    data = api.get("instance/describe_all", cluster_name=world.cluster)
    assert (data["pager"]["page_number"], data["pager"]["page_size"]) == (1, 10)
    assert api.refused("instance/describe_all", page_size=-1)["code"] == 400
