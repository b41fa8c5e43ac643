"""The actions of VPC 2016-04-28."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from typing import Any

from bridgx_server.cloudsim.alibaba.errors import Refused
from bridgx_server.cloudsim.alibaba.shapes import page_by_number, seconds, tags_of
from bridgx_server.cloudsim.core import SimCloud, fingerprint_of
from bridgx_server.cloudsim.entities import Subnet, Vpc
from bridgx_server.cloudsim.front import Call

PRIVATE = [ipaddress.IPv4Network(block) for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")]


def create_vpc(call: Call, cloud: SimCloud) -> dict[str, Any]:
    parameters = call.parameters
    cidr = parameters.get("CidrBlock", "172.16.0.0/12")
    block = _block(cidr, 8, 28)
    if not any(block.subnet_of(private) for private in PRIVATE):
        raise Refused(400, "InvalidCidrBlock.Malformed", "The specified CidrBlock is not a private one.")
    name = parameters.get("VpcName", "")
    _name(name)
    token, fingerprint = parameters.get("ClientToken", ""), fingerprint_of(parameters)
    known = cloud.remembered(call.account, "vpc", token, fingerprint)
    if known is None:
        vpc = cloud.create_vpc(call.account, call.region, name, cidr, description=parameters.get("Description", ""))
        cloud.tag(vpc, tags_of(parameters))
        known = [vpc.vpc_id]
        cloud.remember(call.account, "vpc", token, fingerprint, known)
    return {"VpcId": known[0], "VRouterId": f"vrt-{known[0][4:]}", "RouteTableId": f"vtb-{known[0][4:]}"}


def describe_vpcs(call: Call, cloud: SimCloud) -> dict[str, Any]:
    wanted = [key for key in call.parameters.get("VpcId", "").split(",") if key]
    if len(wanted) > 20:
        raise Refused(400, "InvalidParameter.VpcId", "At most 20 VPC ids may be given.")
    rows = [
        vpc
        for vpc in cloud.known_vpcs(call.account, call.region)
        if (not wanted or vpc.vpc_id in wanted) and call.parameters.get("VpcName") in (None, vpc.name)
    ]
    page, number, size = page_by_number(rows, call.parameters, 50)
    return {
        "TotalCount": len(rows),
        "PageNumber": number,
        "PageSize": size,
        "Vpcs": {"Vpc": [_vpc(vpc, cloud) for vpc in page]},
    }


def describe_vpc_attribute(call: Call, cloud: SimCloud) -> dict[str, Any]:
    vpc = next(
        (vpc for vpc in cloud.known_vpcs(call.account) if vpc.vpc_id == call.parameters["VpcId"]),
        None,
    )
    if vpc is None:
        raise Refused(404, "InvalidVpcID.NotFound", "Specified VPC does not exist.")
    return _vpc(vpc, cloud)


def delete_vpc(call: Call, cloud: SimCloud) -> dict[str, Any]:
    vpc_id = call.parameters["VpcId"]
    cloud.delete_vpc(call.account, call.region or _region_of(cloud.vpcs.get(vpc_id)), vpc_id)
    return {}


def create_vswitch(call: Call, cloud: SimCloud) -> dict[str, Any]:
    parameters = call.parameters
    _block(parameters["CidrBlock"], 16, 29)
    _name(parameters.get("VSwitchName", ""))
    region = call.region or _region_of(cloud.vpcs.get(parameters["VpcId"]))
    token, fingerprint = parameters.get("ClientToken", ""), fingerprint_of(parameters)
    known = cloud.remembered(call.account, "vswitch", token, fingerprint)
    if known is None:
        subnet = cloud.create_subnet(
            call.account,
            region,
            parameters["VpcId"],
            parameters["ZoneId"],
            parameters.get("VSwitchName", ""),
            parameters["CidrBlock"],
            description=parameters.get("Description", ""),
        )
        cloud.tag(subnet, tags_of(parameters))
        known = [subnet.subnet_id]
        cloud.remember(call.account, "vswitch", token, fingerprint, known)
    return {"VSwitchId": known[0]}


def describe_vswitches(call: Call, cloud: SimCloud) -> dict[str, Any]:
    parameters = call.parameters
    if not any(parameters.get(name) for name in ("RegionId", "VpcId", "VSwitchId")):
        raise Refused(400, "MissingParameter", "One of RegionId, VpcId and VSwitchId is required.")
    wanted = [key for key in parameters.get("VSwitchId", "").split(",") if key]
    rows = [
        subnet
        for subnet in cloud.known_subnets(call.account, call.region)
        if (not wanted or subnet.subnet_id in wanted)
        and parameters.get("VpcId") in (None, subnet.vpc_id)
        and parameters.get("ZoneId") in (None, subnet.zone)
        and parameters.get("VSwitchName") in (None, subnet.name)
    ]
    page, number, size = page_by_number(rows, parameters, 50)
    return {
        "TotalCount": len(rows),
        "PageNumber": number,
        "PageSize": size,
        "VSwitches": {"VSwitch": [_vswitch(subnet, cloud) for subnet in page]},
    }


def delete_vswitch(call: Call, cloud: SimCloud) -> dict[str, Any]:
    subnet_id = call.parameters["VSwitchId"]
    cloud.delete_subnet(call.account, call.region or _region_of(cloud.subnets.get(subnet_id)), subnet_id)
    return {}


def _vpc(vpc: Vpc, cloud: SimCloud) -> dict[str, Any]:
    switches = [row.subnet_id for row in cloud.known_subnets(vpc.account) if row.vpc_id == vpc.vpc_id]
    return {
        "VpcId": vpc.vpc_id,
        "VpcName": vpc.name,
        "RegionId": vpc.region,
        "CidrBlock": vpc.cidr,
        "Description": vpc.description,
        "Status": "Available" if cloud.clock() >= vpc.available_at else "Pending",
        "CreationTime": seconds(vpc.created_at),
        "IsDefault": False,
        "VRouterId": f"vrt-{vpc.vpc_id[4:]}",
        "VSwitchIds": {"VSwitchId": switches},
        "Tags": {"Tag": [{"Key": key, "Value": value} for key, value in vpc.tags.items()]},
    }


def _vswitch(subnet: Subnet, cloud: SimCloud) -> dict[str, Any]:
    return {
        "VSwitchId": subnet.subnet_id,
        "VpcId": subnet.vpc_id,
        "ZoneId": subnet.zone,
        "VSwitchName": subnet.name,
        "CidrBlock": subnet.cidr,
        "Description": subnet.description,
        "Status": "Available" if cloud.clock() >= subnet.available_at else "Pending",
        "AvailableIpAddressCount": cloud.free_addresses(subnet),
        "CreationTime": seconds(subnet.created_at),
        "IsDefault": False,
        "Tags": {"Tag": [{"Key": key, "Value": value} for key, value in subnet.tags.items()]},
    }


def _block(cidr: str, shortest: int, longest: int) -> ipaddress.IPv4Network:
    try:
        block = ipaddress.IPv4Network(cidr)
    except ValueError:
        raise Refused(400, "InvalidCidrBlock.Malformed", "The specified CidrBlock is malformed.") from None
    if not shortest <= block.prefixlen <= longest:
        raise Refused(400, "InvalidCidrBlock.Malformed", f"The mask must be from {shortest} to {longest}.")
    return block


def _name(name: str) -> None:
    if name and (not 1 <= len(name) <= 128 or name.startswith(("http://", "https://"))):
        raise Refused(400, "InvalidName.Malformed", "The specified name is not valid.")


def _region_of(entity: Vpc | Subnet | None) -> str:
    return "" if entity is None else entity.region


ACTIONS: Mapping[str, Callable[[Call, SimCloud], dict[str, Any]]] = {
    "CreateVpc": create_vpc,
    "DescribeVpcs": describe_vpcs,
    "DescribeVpcAttribute": describe_vpc_attribute,
    "DeleteVpc": delete_vpc,
    "CreateVSwitch": create_vswitch,
    "DescribeVSwitches": describe_vswitches,
    "DeleteVSwitch": delete_vswitch,
}
