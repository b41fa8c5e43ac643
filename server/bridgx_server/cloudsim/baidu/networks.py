"""The calls of VPC v1 that make networks."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from bridgx_server.cloudsim.baidu.errors import bad
from bridgx_server.cloudsim.baidu.shapes import moment, page, split, tag_rows, tags_of
from bridgx_server.cloudsim.core import SimCloud, fingerprint_of
from bridgx_server.cloudsim.entities import Subnet, Vpc
from bridgx_server.cloudsim.errors import Kind, SimError
from bridgx_server.cloudsim.front import Call

NAME = re.compile(r"[A-Za-z\u4e00-\u9fff][\w\u4e00-\u9fff./-]{0,64}")
_PRIVATE = tuple(ipaddress.IPv4Network(block) for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))


def create_vpc(call: Call, cloud: SimCloud) -> dict[str, Any]:
    parameters = call.parameters
    known = repeated(call, cloud)
    if known is not None:
        return {"vpcId": known}
    block = _block(parameters["cidr"])
    if not any(block.subnet_of(private) for private in _PRIVATE) or not 8 <= block.prefixlen <= 28:
        raise bad("cidr must lie inside 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16, with a mask of at most 28")
    vpc = cloud.create_vpc(
        call.account,
        call.region,
        named(parameters["name"]),
        str(block),
        description=parameters.get("description", ""),
    )
    vpc.available_at = vpc.created_at  # a VPC of Baidu has no state: it is ready when it is made
    cloud.tag(vpc, tags_of(parameters))
    remember(call, cloud, vpc.vpc_id)
    return {"vpcId": vpc.vpc_id}


def list_vpcs(call: Call, cloud: SimCloud) -> dict[str, Any]:
    wanted = split(call.parameters.get("vpcIds", ""))
    rows = [
        _vpc_row(vpc)
        for vpc in cloud.known_vpcs(call.account, call.region)
        if (not wanted or vpc.vpc_id in wanted) and not call.parameters.get("isDefault", False)
    ]
    return page(rows, call.parameters, "vpcs", lambda row: str(row["vpcId"]))


def get_vpc(call: Call, cloud: SimCloud) -> dict[str, Any]:
    vpc = cloud.vpc(call.account, call.region, call.parameters["vpcId"])
    subnets = [_subnet_row(row, cloud) for row in cloud.known_subnets(vpc.account) if row.vpc_id == vpc.vpc_id]
    return {"vpc": {**_vpc_row(vpc), "subnets": subnets}}


def delete_vpc(call: Call, cloud: SimCloud) -> dict[str, Any]:
    cloud.delete_vpc(call.account, call.region, call.parameters["vpcId"])
    return {}


def create_subnet(call: Call, cloud: SimCloud) -> dict[str, Any]:
    parameters = call.parameters
    known = repeated(call, cloud)
    if known is not None:
        return {"subnetId": known}
    block = _block(parameters["cidr"])
    if block.prefixlen > 29:
        raise bad("cidr: the mask of a subnet must be at most 29")
    subnet = cloud.create_subnet(
        call.account,
        call.region,
        parameters["vpcId"],
        parameters["zoneName"],
        named(parameters["name"]),
        str(block),
        description=parameters.get("description", ""),
    )
    cloud.tag(subnet, tags_of(parameters))
    remember(call, cloud, subnet.subnet_id)
    return {"subnetId": subnet.subnet_id}


def list_subnets(call: Call, cloud: SimCloud) -> dict[str, Any]:
    parameters = call.parameters
    wanted = split(parameters.get("subnetIds", ""))
    rows = [
        _subnet_row(subnet, cloud)
        for subnet in cloud.known_subnets(call.account, call.region)
        if (not wanted or subnet.subnet_id in wanted)
        and parameters.get("vpcId", subnet.vpc_id) == subnet.vpc_id
        and parameters.get("zoneName", subnet.zone) == subnet.zone
        and parameters.get("subnetType", "BCC") == "BCC"
    ]
    return page(rows, parameters, "subnets", lambda row: str(row["subnetId"]))


def get_subnet(call: Call, cloud: SimCloud) -> dict[str, Any]:
    subnet = cloud.subnet(call.account, call.region, call.parameters["subnetId"])
    return {"subnet": _subnet_row(subnet, cloud)}


def delete_subnet(call: Call, cloud: SimCloud) -> dict[str, Any]:
    cloud.delete_subnet(call.account, call.region, call.parameters["subnetId"])
    return {}


def named(name: str) -> str:
    """A name that the vendor takes; raises Refused."""
    if NAME.fullmatch(name) is None:
        raise bad("name must begin with a letter and have 1 to 65 letters, digits, -, _, / or .")
    return name


def repeated(call: Call, cloud: SimCloud) -> str | None:
    """The id that an earlier call under the same clientToken made; raises SimError when it was another call."""
    known = cloud.remembered(call.account, _operation(call), call.parameters.get("clientToken", ""), _fingerprint(call))
    return None if known is None else known[0]


def remember(call: Call, cloud: SimCloud, made: str) -> None:
    """Keeps what the call made under its clientToken."""
    cloud.remember(call.account, _operation(call), call.parameters.get("clientToken", ""), _fingerprint(call), [made])


def _operation(call: Call) -> str:
    # The token is one for all calls: another path under a used token is a mismatch too.
    return f"{call.region}/token"


def _fingerprint(call: Call) -> str:
    return f"{call.action}/{fingerprint_of(call.parameters, ('clientToken',))}"


def _block(cidr: str) -> ipaddress.IPv4Network:
    try:
        return ipaddress.IPv4Network(cidr)
    except ValueError:
        raise SimError(Kind.CIDR_INVALID, f"{cidr} is not a network", subject="cidr") from None


def _vpc_row(vpc: Vpc) -> dict[str, Any]:
    return {
        "vpcId": vpc.vpc_id,
        "name": vpc.name,
        "cidr": vpc.cidr,
        "description": vpc.description,
        "isDefault": False,
        "secondaryCidr": [],
        "createdTime": moment(vpc.created_at),
        "tags": tag_rows(vpc.tags),
    }


def _subnet_row(subnet: Subnet, cloud: SimCloud) -> dict[str, Any]:
    free = max(cloud.free_addresses(subnet), 0)
    return {
        "subnetId": subnet.subnet_id,
        "name": subnet.name,
        "zoneName": subnet.zone,
        "cidr": subnet.cidr,
        "vpcId": subnet.vpc_id,
        "subnetType": "BCC",
        "description": subnet.description,
        "createdTime": moment(subnet.created_at),
        "availableIp": free,
        "availableUnreservedIp": free,
        "tags": tag_rows(subnet.tags),
    }
