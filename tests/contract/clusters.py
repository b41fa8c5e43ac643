"""Networks and clusters to test with, made over REST on any cloud."""

from __future__ import annotations

import itertools
from typing import Any

from contract.conftest import Api

REGIONS = {
    "AlibabaCloud": "cn-qingdao",
    "HuaweiCloud": "cn-north-4",
    "TencentCloud": "ap-guangzhou",
    "BaiduCloud": "bj",
    "AWSCloud": "us-east-1",
}
PASSWORD = "Manual@pass1"
_numbers = itertools.count(1)


def a_place(api: Api, cloud: str) -> dict[str, str]:
    """A zone, a type of two cores and a Linux image of the cloud."""
    region = REGIONS[cloud]
    zone = api.get("zone/list", provider=cloud, region_id=region)[0]["ZoneId"]
    types = api.get("instance_type/list", provider=cloud, region_id=region, zone_id=zone)
    images = api.get("image/list", provider=cloud, region_id=region)
    return {
        "region_id": region,
        "zone_id": zone,
        "instance_type": next(row["instance_type"] for row in types if row["core"] == 2),
        "image": next(row["ImageId"] for row in images if row["OsType"] == "linux"),
    }


def a_network(api: Api, cloud: str, place: dict[str, str], account: str = "") -> dict[str, str]:
    """A VPC with one subnet and one security group."""
    vpc = api.post(
        "network_config/create",
        {
            "provider": cloud,
            "region_id": place["region_id"],
            "zone_id": place["zone_id"],
            "cidr_block": "172.16.0.0/16",
            "vpc_name": "vpctest",
            "switch_cidr_block": "172.16.0.0/20",
            "switch_name": "first-switch",
            "security_group_name": f"first-group-{next(_numbers)}",
            "security_group_type": "normal",
            "ak": account or f"demo-{cloud}",
        },
    )
    subnet = api.get("subnet/describe", vpc_id=vpc)["Switches"][0]["SwitchId"]
    group = api.get("security_group/describe", vpc_id=vpc)["Groups"][0]["SecurityGroupId"]
    return {"vpc": vpc, "subnet_id": subnet, "security_group": group}


def another_subnet(api: Api, network: dict[str, str], zone: str, number: int) -> str:
    """One more subnet of the network's VPC, in that zone; `number` from 1 to 15 tells its block."""
    block = f"172.16.{16 * number}.0/20"
    body = {"vpc_id": network["vpc"], "zone_id": zone, "cidr_block": block, "switch_name": f"switch-{number}"}
    subnet: str = api.post("subnet/create", body)
    return subnet


def template(cloud: str, place: dict[str, str], network: dict[str, str], **changes: Any) -> dict[str, Any]:
    """The manual's example of a cluster, on that cloud."""
    return {
        "name": f"test cluster {next(_numbers)}",
        "provider": cloud,
        "account_key": f"demo-{cloud}",
        "charge_type": "PostPaid",
        **place,
        "password": PASSWORD,
        "desc": "cluster for testing",
        "network_config": network,
        "disks": {
            "system_disk": {"category": "cloud_efficiency", "size": 50},
            "data_disk": [{"category": "cloud_efficiency", "size": 50}],
        },
        **changes,
    }
