"""The actions of VPC 2017-03-12 on VPCs and subnets. None of them has a client token."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from typing import Any

from bridgx_server.cloudsim.core import SimCloud
from bridgx_server.cloudsim.entities import Subnet, Vpc
from bridgx_server.cloudsim.front import Call
from bridgx_server.cloudsim.tencent.errors import Refused
from bridgx_server.cloudsim.tencent.shapes import TagCodes, ids_or_filters, local, matches, page, tag_rows, tags_of

NAME_BYTES = 60
RESERVED = 3  # addresses of a subnet that are not for machines
# A block lies in one of these, with a mask between the two numbers ("CreateVpc", "Network Planning").
PRIVATE = (("10.0.0.0/8", 12, 28), ("172.16.0.0/12", 12, 28), ("192.168.0.0/16", 16, 28))
VPC_FILTERS = ("vpc-id", "vpc-name", "cidr-block", "is-default", "tag-key")
SUBNET_FILTERS = ("subnet-id", "subnet-name", "vpc-id", "cidr-block", "is-default", "zone", "tag-key")
COEXIST = "InvalidParameter.Coexist"
NO_FILTER = "InvalidParameter.FilterInvalidKey"
TAG_CODES = TagCodes(
    many="LimitExceeded.TagKeyPerResourceExceeded",
    twice="InvalidParameterValue.TagDuplicateKey",
    reserved="UnsupportedOperation.TagSystemReservedTagKey",
    illegal="InvalidParameterValue.TagInvalidKey",
)


def create_vpc(call: Call, cloud: SimCloud) -> dict[str, Any]:
    parameters = call.parameters
    name = named(parameters["VpcName"])
    block = _block(parameters.get("CidrBlock"))
    if not any(
        block.subnet_of(ipaddress.IPv4Network(private)) and shortest <= block.prefixlen <= longest
        for private, shortest, longest in PRIVATE
    ):
        raise Refused("InvalidParameterValue.Range", "The CidrBlock lies outside of the private blocks.")
    tags = tags_of(parameters.get("Tags", ()), TAG_CODES)
    vpc = cloud.create_vpc(call.account, call.region, name, str(block))
    vpc.available_at = vpc.created_at  # a VPC of Tencent has no state: it is ready when it is made
    cloud.tag(vpc, tags)
    return {"Vpc": _vpc(vpc)}


def describe_vpcs(call: Call, cloud: SimCloud) -> dict[str, Any]:
    wanted, filters = ids_or_filters(
        call.parameters, "VpcIds", VPC_FILTERS, both=COEXIST, unknown=NO_FILTER, most_values=100
    )
    for vpc_id in wanted or ():
        cloud.vpc(call.account, call.region, vpc_id)
    rows = [
        vpc
        for vpc in cloud.known_vpcs(call.account, call.region)
        if (wanted is None or vpc.vpc_id in wanted)
        and matches(
            filters,
            {"vpc-id": vpc.vpc_id, "vpc-name": vpc.name, "cidr-block": vpc.cidr, "is-default": "false"},
            vpc.tags,
        )
    ]
    return {"TotalCount": len(rows), "VpcSet": [_vpc(vpc) for vpc in page(rows, call.parameters)]}


def delete_vpc(call: Call, cloud: SimCloud) -> dict[str, Any]:
    cloud.delete_vpc(call.account, call.region, call.parameters["VpcId"])
    return {}


def create_subnet(call: Call, cloud: SimCloud) -> dict[str, Any]:
    parameters = call.parameters
    name = named(parameters["SubnetName"])
    block = _block(parameters.get("CidrBlock"))
    if not 16 <= block.prefixlen <= 28:
        raise Refused("InvalidParameterValue.SubnetRange", "The mask of a subnet must be from 16 to 28.")
    tags = tags_of(parameters.get("Tags", ()), TAG_CODES)
    subnet = cloud.create_subnet(call.account, call.region, parameters["VpcId"], parameters["Zone"], name, str(block))
    cloud.tag(subnet, tags)
    return {"Subnet": _subnet(subnet, cloud)}


def describe_subnets(call: Call, cloud: SimCloud) -> dict[str, Any]:
    wanted, filters = ids_or_filters(
        call.parameters, "SubnetIds", SUBNET_FILTERS, both=COEXIST, unknown=NO_FILTER, most_values=100
    )
    for subnet_id in wanted or ():
        cloud.subnet(call.account, call.region, subnet_id)
    rows = [
        subnet
        for subnet in cloud.known_subnets(call.account, call.region)
        if (wanted is None or subnet.subnet_id in wanted)
        and matches(
            filters,
            {
                "subnet-id": subnet.subnet_id,
                "subnet-name": subnet.name,
                "vpc-id": subnet.vpc_id,
                "cidr-block": subnet.cidr,
                "is-default": "false",
                "zone": subnet.zone,
            },
            subnet.tags,
        )
    ]
    return {"TotalCount": len(rows), "SubnetSet": [_subnet(row, cloud) for row in page(rows, call.parameters)]}


def delete_subnet(call: Call, cloud: SimCloud) -> dict[str, Any]:
    cloud.delete_subnet(call.account, call.region, call.parameters["SubnetId"])
    return {}


def named(name: str) -> str:
    """A name that VPC takes; raises Refused."""
    if not name:
        raise Refused("InvalidParameterValue.Empty", "The name must not be empty.")
    if len(name.encode()) > NAME_BYTES:
        raise Refused("InvalidParameterValue.TooLong", f"The name must have at most {NAME_BYTES} bytes.")
    return name


def _block(text: str | None) -> ipaddress.IPv4Network:
    if text is None:
        raise Refused("MissingParameter", "The request is missing a required parameter `CidrBlock`.")
    try:
        return ipaddress.IPv4Network(text)
    except ValueError:
        raise Refused("InvalidParameterValue.Malformed", f"{text} is not a network.") from None


def _vpc(vpc: Vpc) -> dict[str, Any]:
    return {
        "VpcId": vpc.vpc_id,
        "VpcName": vpc.name,
        "CidrBlock": vpc.cidr,
        "IsDefault": False,
        "EnableMulticast": False,
        "EnableDhcp": True,
        "DnsServerSet": ["183.60.83.19", "183.60.82.98"],
        "DomainName": "",
        "DhcpOptionsId": "",
        "Ipv6CidrBlock": "",
        "AssistantCidrSet": [],
        "CreatedTime": local(vpc.created_at),
        "TagSet": tag_rows(vpc.tags),
    }


def _subnet(subnet: Subnet, cloud: SimCloud) -> dict[str, Any]:
    return {
        "SubnetId": subnet.subnet_id,
        "SubnetName": subnet.name,
        "VpcId": subnet.vpc_id,
        "CidrBlock": subnet.cidr,
        "Zone": subnet.zone,
        "IsDefault": False,
        "EnableBroadcast": False,
        "IsRemoteVpcSnat": False,
        "RouteTableId": "",
        "NetworkAclId": "",
        "Ipv6CidrBlock": "",
        "TotalIpAddressCount": ipaddress.ip_network(subnet.cidr).num_addresses - RESERVED,
        "AvailableIpAddressCount": max(cloud.free_addresses(subnet), 0),
        "CreatedTime": local(subnet.created_at),
        "TagSet": tag_rows(subnet.tags),
    }


ACTIONS: Mapping[str, Callable[[Call, SimCloud], dict[str, Any]]] = {
    "CreateVpc": create_vpc,
    "DescribeVpcs": describe_vpcs,
    "DeleteVpc": delete_vpc,
    "CreateSubnet": create_subnet,
    "DescribeSubnets": describe_subnets,
    "DeleteSubnet": delete_subnet,
}
