"""The calls that make networks: VPCs in version 3 of the VPC API, subnets in version 1."""

from __future__ import annotations

import ipaddress
from typing import Any

from bridgx_server.cloudsim.core import SimCloud
from bridgx_server.cloudsim.entities import Subnet, Vpc
from bridgx_server.cloudsim.errors import Kind, SimError
from bridgx_server.cloudsim.front import Call
from bridgx_server.cloudsim.huawei.errors import Refused, bad
from bridgx_server.cloudsim.huawei.shapes import after_marker, chosen, moment, named

PAGE = 2000  # rows, the most that a list gives
_PRIVATE = tuple(ipaddress.IPv4Network(block) for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))


def create_vpc(call: Call, cloud: SimCloud) -> dict[str, Any]:
    given = call.parameters["vpc"]
    block = _block(given["cidr"], "VPC.0101")
    if not any(block.subnet_of(private) for private in _PRIVATE) or block.prefixlen > 28:
        raise bad("cidr must lie inside 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16, with a mask of at most 28.")
    vpc = cloud.create_vpc(call.account, call.region, named(given["name"]), str(block), description=_description(given))
    return {"vpc": _vpc_row(vpc, call, cloud)}


def list_vpcs(call: Call, cloud: SimCloud) -> dict[str, Any]:
    rows = [_vpc_row(vpc, call, cloud) for vpc in cloud.known_vpcs(call.account, call.region)]
    return listed("vpcs", rows, call)


def show_vpc(call: Call, cloud: SimCloud) -> dict[str, Any]:
    vpc = cloud.vpc(call.account, call.region, call.parameters["vpc_id"])
    return {"vpc": _vpc_row(vpc, call, cloud)}


def delete_vpc(call: Call, cloud: SimCloud) -> dict[str, Any]:
    cloud.delete_vpc(call.account, call.region, call.parameters["vpc_id"])
    return {}


def create_subnet(call: Call, cloud: SimCloud) -> dict[str, Any]:
    given = call.parameters["subnet"]
    block = _block(given["cidr"], "VPC.0212")
    if block.prefixlen > 28:
        raise bad("The subnet cidr is not valid: its mask must be at most 28.", "VPC.0212")
    if ipaddress.ip_address(_address(given["gateway_ip"])) not in block:
        raise bad("gateway_ip must be an address of the subnet.")
    for server in (given.get("primary_dns"), given.get("secondary_dns"), *given.get("dnsList", ())):
        if server:
            _address(server)
    if given.get("availability_zone") and given["availability_zone"] not in cloud.catalog.zones[call.region]:
        raise SimError(Kind.NOT_FOUND, "availability_zone is invalid.", subject="zone")
    # A subnet spans its region, whatever zone it names.
    subnet = cloud.create_subnet(
        call.account,
        call.region,
        given["vpc_id"],
        "",
        named(given["name"]),
        str(block),
        description=_description(given),
    )
    return {"subnet": _subnet_row(subnet, cloud)}


def list_subnets(call: Call, cloud: SimCloud) -> dict[str, Any]:
    wanted = call.parameters.get("vpc_id", "")
    rows = [
        _subnet_row(subnet, cloud)
        for subnet in cloud.known_subnets(call.account, call.region)
        if wanted in ("", subnet.vpc_id)
    ]
    return {"subnets": after_marker(rows, call.parameters, PAGE)}


def show_subnet(call: Call, cloud: SimCloud) -> dict[str, Any]:
    return {"subnet": _subnet_row(cloud.subnet(call.account, call.region, call.parameters["subnet_id"]), cloud)}


def delete_subnet(call: Call, cloud: SimCloud) -> dict[str, Any]:
    subnet = cloud.subnet(call.account, call.region, call.parameters["subnet_id"])
    if subnet.vpc_id != call.parameters["vpc_id"]:
        raise Refused(400, "VPC.0207", "Subnet does not belong to the VPC.")
    cloud.delete_subnet(call.account, call.region, subnet.subnet_id)
    return {}


def listed(name: str, rows: list[dict[str, Any]], call: Call) -> dict[str, Any]:
    """A page of version 3: filters that may be given several times, and where the next page begins."""
    filters = {key: value for key, value in call.parameters.items() if key != "project_id"}
    matching = chosen(rows, filters)
    shown = after_marker(matching, call.parameters, PAGE)
    page: dict[str, Any] = {"current_count": len(shown)}
    if shown:
        page["previous_marker"] = shown[0]["id"]
        if shown[-1] is not matching[-1]:
            page["next_marker"] = shown[-1]["id"]
    return {name: shown, "page_info": page}


def _description(given: dict[str, Any]) -> str:
    text = str(given.get("description", ""))
    if len(text) > 255 or "<" in text or ">" in text:
        raise bad("description must have at most 255 characters, without < and >.")
    return text


def _block(cidr: str, code: str) -> ipaddress.IPv4Network:
    try:
        return ipaddress.IPv4Network(cidr)
    except ValueError:
        raise bad(f"{cidr} is not a network.", code) from None


def _address(text: str) -> ipaddress.IPv4Address:
    try:
        return ipaddress.IPv4Address(text)
    except ValueError:
        raise bad(f"{text} is not an address.") from None


def _vpc_row(vpc: Vpc, call: Call, cloud: SimCloud) -> dict[str, Any]:
    subnets = sum(subnet.vpc_id == vpc.vpc_id for subnet in cloud.known_subnets(vpc.account))
    return {
        "id": vpc.vpc_id,
        "name": vpc.name,
        "description": vpc.description,
        "cidr": vpc.cidr,
        "extend_cidrs": [],
        "status": "PENDING" if cloud.clock() < vpc.available_at else "ACTIVE",
        "project_id": call.parameters["project_id"],
        "enterprise_project_id": "0",
        "created_at": moment(vpc.created_at),
        "updated_at": moment(vpc.created_at),
        "cloud_resources": [
            {"resource_type": "routetable", "resource_count": 1},
            {"resource_type": "virsubnet", "resource_count": subnets},
        ],
        "tags": [],
    }


def _subnet_row(subnet: Subnet, cloud: SimCloud) -> dict[str, Any]:
    return {
        "id": subnet.subnet_id,
        "name": subnet.name,
        "description": subnet.description,
        "cidr": subnet.cidr,
        "gateway_ip": str(ipaddress.ip_network(subnet.cidr)[1]),
        "ipv6_enable": False,
        "dhcp_enable": True,
        "dnsList": [],
        "availability_zone": "",
        "vpc_id": subnet.vpc_id,
        "status": "UNKNOWN" if cloud.clock() < subnet.available_at else "ACTIVE",
        "neutron_network_id": subnet.subnet_id,
        "neutron_subnet_id": subnet.subnet_id,
        "scope": "center",
        "available_ip_address_count": max(cloud.free_addresses(subnet), 0),
        "created_at": moment(subnet.created_at),
        "updated_at": moment(subnet.created_at),
    }
