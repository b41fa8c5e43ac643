"""The tour: what a user does with one cloud, over REST, in the terminal."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bridgx_server.demo.rest import Rest

REGIONS = {
    "AlibabaCloud": "cn-qingdao",
    "HuaweiCloud": "cn-north-4",
    "TencentCloud": "ap-guangzhou",
    "BaiduCloud": "bj",
    "AWSCloud": "us-east-1",
}
MACHINES = 20
REMOVED = 5
PASSWORD = "Bridgx@2026"


def tour(rest: Rest, cloud: str, console: Console) -> None:
    """Network, template, expand, list, shrink, usage, on one cloud."""
    console.rule(f"[bold]{cloud}")
    key = f"demo-{cloud}"
    place = _place(rest, cloud)
    name = f"tour-{cloud}-{time.strftime('%H%M%S')}"
    vpc = rest.post(
        "network_config/create",
        {
            "provider": cloud,
            "region_id": place["region_id"],
            "zone_id": place["zone_id"],
            "cidr_block": "172.16.0.0/16",
            "vpc_name": "tour",
            "switch_cidr_block": "172.16.0.0/20",
            "switch_name": "tour-subnet",
            "security_group_name": "tour-group",
            "security_group_type": "normal",
            "ak": key,
        },
    )
    subnet = rest.get("subnet/describe", vpc_id=vpc)["Switches"][0]["SwitchId"]
    group = rest.get("security_group/describe", vpc_id=vpc)["Groups"][0]["SecurityGroupId"]
    console.print(f"network   {vpc} with subnet {subnet} and security group {group}")
    rest.post(
        "cluster/create",
        {
            "name": name,
            "provider": cloud,
            "account_key": key,
            **place,
            "password": PASSWORD,
            "network_config": {"vpc": vpc, "subnet_id": subnet, "security_group": group},
            "disks": {"system_disk": {"category": "cloud_efficiency", "size": 50}},
        },
    )
    console.print(f"template  {name}: {place['instance_type']} in {place['zone_id']}")
    _follow(
        rest,
        console,
        "expand",
        rest.post("cluster/expand", {"task_name": "grow", "cluster_name": name, "count": MACHINES}),
        MACHINES,
    )
    listed = rest.get("instance/describe_all", cluster_name=name, status="running", page_size=3)
    console.print(f"machines  {listed['pager']['total']} running, the newest three:")
    for row in listed["instance_list"]:
        console.print(f"          {row['instance_id']}  {row['ip_inner']}  up after {row['startup_time']} s")
    _follow(
        rest,
        console,
        "shrink",
        rest.post("cluster/shrink", {"task_name": "less", "cluster_name": name, "count": REMOVED}),
        REMOVED,
    )
    total = rest.get("instance/usage_total", cluster_name=name)["usage_total"]
    left = rest.get("instance/num", cluster_name=name)["instance_num"]
    console.print(f"usage     {total:.0f} machine-seconds today; {left} machines run on\n")


def _place(rest: Rest, cloud: str) -> dict[str, Any]:
    regions = [row["RegionId"] for row in rest.get("region/list", provider=cloud)]
    region = REGIONS[cloud] if REGIONS[cloud] in regions else regions[0]
    zone = rest.get("zone/list", provider=cloud, region_id=region)[0]["ZoneId"]
    types = rest.get("instance_type/list", provider=cloud, region_id=region, zone_id=zone)
    fitting = [row for row in types if row["core"] == 2 and row["memory"] >= 4] or types
    images = rest.get("image/list", provider=cloud, region_id=region)
    image = next(row for row in images if row["OsType"].lower() == "linux")
    return {
        "region_id": region,
        "zone_id": zone,
        "instance_type": fitting[0]["instance_type"],
        "image": image["ImageId"],
    }


def _follow(rest: Rest, console: Console, what: str, task_id: str, total: int) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    state: dict[str, Any] = {}
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task(f"{what:9} task {task_id}", total=total)
        for state in rest.events("task/watch", task_id=task_id):
            progress.update(bar, completed=state["running"] + state["deleted"])
    if state.get("status") != "SUCCESS":
        console.print(f"          {state.get('status')}: {state.get('reason')}")
