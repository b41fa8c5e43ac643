"""VPCs, subnets and security groups of EC2."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from bridgx_server.cloudsim.aws.errors import Refused
from bridgx_server.cloudsim.aws.shapes import OWNER, filtered, page, refuse_dry_run, tag_list, tags_for
from bridgx_server.cloudsim.core import SimCloud
from bridgx_server.cloudsim.entities import Group, Subnet, Vpc
from bridgx_server.cloudsim.front import Call

Row = TypeVar("Row", Vpc, Subnet, Group)

MOST_RULES = 60  # a direction; the default quota of rules in a security group
ALL_OUT = {
    "Direction": "egress",
    "IpProtocol": "-1",
    "CidrIp": "0.0.0.0/0",
    "GroupId": "",
    "FromPort": -1,
    "ToPort": -1,
}


def create_vpc(call: Call, cloud: SimCloud) -> dict[str, Any]:
    refuse_dry_run(call.parameters)
    cidr = call.parameters.get("CidrBlock", "")
    _block(cidr, "InvalidVpc.Range")
    tags = tags_for(call.parameters, "vpc")
    vpc = cloud.create_vpc(call.account, call.region, tags.get("Name", ""), cidr)
    cloud.tag(vpc, tags)
    default = cloud.create_default_group(vpc, "default VPC security group")
    cloud.add_rules(default, [dict(ALL_OUT)], duplicates=True)
    return {"Vpc": _vpc(vpc, cloud)}


def describe_vpcs(call: Call, cloud: SimCloud) -> dict[str, Any]:
    rows = cloud.known_vpcs(call.account, call.region)
    rows = _wanted(rows, call.parameters.get("VpcIds"), "vpc_id", "InvalidVpcID.NotFound", "vpc ID")
    known = {
        "vpc-id": lambda row: [row.vpc_id],
        "cidr": lambda row: [row.cidr],
        "state": lambda row: [_state(row, cloud)],
    }
    found, token = page(filtered(rows, call.parameters, known, lambda row: row.tags), call.parameters)
    return {"Vpcs": [_vpc(row, cloud) for row in found], "NextToken": token}


def delete_vpc(call: Call, cloud: SimCloud) -> dict[str, Any]:
    refuse_dry_run(call.parameters)
    cloud.delete_vpc(call.account, call.region, call.parameters["VpcId"])
    return {}


def create_subnet(call: Call, cloud: SimCloud) -> dict[str, Any]:
    refuse_dry_run(call.parameters)
    cidr = call.parameters.get("CidrBlock", "")
    _block(cidr, "InvalidSubnet.Range")
    zone = call.parameters.get("AvailabilityZone") or cloud.catalog.zones[call.region][0]
    tags = tags_for(call.parameters, "subnet")
    subnet = cloud.create_subnet(call.account, call.region, call.parameters["VpcId"], zone, tags.get("Name", ""), cidr)
    cloud.tag(subnet, tags)
    return {"Subnet": _subnet(subnet, cloud)}


def describe_subnets(call: Call, cloud: SimCloud) -> dict[str, Any]:
    rows = cloud.known_subnets(call.account, call.region)
    rows = _wanted(rows, call.parameters.get("SubnetIds"), "subnet_id", "InvalidSubnetID.NotFound", "subnet ID")
    known = {
        "vpc-id": lambda row: [row.vpc_id],
        "subnet-id": lambda row: [row.subnet_id],
        "cidr-block": lambda row: [row.cidr],
        "availability-zone": lambda row: [row.zone],
        "state": lambda row: [_state(row, cloud)],
    }
    found, token = page(filtered(rows, call.parameters, known, lambda row: row.tags), call.parameters)
    return {"Subnets": [_subnet(row, cloud) for row in found], "NextToken": token}


def delete_subnet(call: Call, cloud: SimCloud) -> dict[str, Any]:
    refuse_dry_run(call.parameters)
    cloud.delete_subnet(call.account, call.region, call.parameters["SubnetId"])
    return {}


def create_security_group(call: Call, cloud: SimCloud) -> dict[str, Any]:
    parameters = call.parameters
    refuse_dry_run(parameters)
    name, vpc_id = parameters["GroupName"], parameters.get("VpcId", "")
    if name.lower().startswith("sg-") or not 1 <= len(name) <= 255 or not name.isascii():
        raise Refused(400, "InvalidParameterValue", "Value for parameter GroupName is invalid.")
    if not parameters["Description"].isascii():
        raise Refused(400, "InvalidParameterValue", "Value for parameter GroupDescription is invalid.")
    if any(group.vpc_id == vpc_id and group.name == name for group in cloud.groups.values()):
        raise Refused(400, "InvalidGroup.Duplicate", f"The security group '{name}' already exists for VPC '{vpc_id}'")
    group = cloud.create_group(call.account, call.region, vpc_id, name, description=parameters["Description"])
    cloud.add_rules(group, [dict(ALL_OUT)], duplicates=True)
    tags = tags_for(parameters, "security-group")
    cloud.tag(group, tags)
    return {"GroupId": group.group_id, "Tags": tag_list(tags)}


def describe_security_groups(call: Call, cloud: SimCloud) -> dict[str, Any]:
    rows = cloud.known_groups(call.account, call.region)
    rows = _wanted(rows, call.parameters.get("GroupIds"), "group_id", "InvalidGroup.NotFound", "security group")
    known = {
        "vpc-id": lambda row: [row.vpc_id],
        "group-id": lambda row: [row.group_id],
        "group-name": lambda row: [row.name],
    }
    found, token = page(filtered(rows, call.parameters, known, lambda row: row.tags), call.parameters)
    return {"SecurityGroups": [_group(row) for row in found], "NextToken": token}


def delete_security_group(call: Call, cloud: SimCloud) -> dict[str, Any]:
    refuse_dry_run(call.parameters)
    group_id = call.parameters.get("GroupId")
    if not group_id:
        raise Refused(400, "MissingParameter", "The request must contain the parameter GroupId")
    cloud.delete_group(call.account, call.region, group_id)
    return {"Return": True, "GroupId": group_id}


def authorize_ingress(call: Call, cloud: SimCloud) -> dict[str, Any]:
    return _change_rules(call, cloud, "ingress", add=True)


def authorize_egress(call: Call, cloud: SimCloud) -> dict[str, Any]:
    return _change_rules(call, cloud, "egress", add=True)


def revoke_egress(call: Call, cloud: SimCloud) -> dict[str, Any]:
    return _change_rules(call, cloud, "egress", add=False)


def _change_rules(call: Call, cloud: SimCloud, direction: str, *, add: bool) -> dict[str, Any]:
    refuse_dry_run(call.parameters)
    group_id = call.parameters.get("GroupId")
    if not group_id:
        raise Refused(400, "MissingParameter", "The request must contain the parameter groupName or groupId")
    group = cloud.group(call.account, call.region, group_id)
    permissions = call.parameters.get("IpPermissions", [])
    if not permissions:
        raise Refused(400, "MissingParameter", "The request must contain the parameter ipPermissions")
    rules = [rule for permission in permissions for rule in _rules(permission, direction, call, cloud)]
    if len({str(rule) for rule in rules}) < len(rules):
        raise Refused(400, "InvalidParameterValue", "The same permission must not appear multiple times")
    if not add:
        cloud.drop_rules(group, rules)
        return {"Return": True}
    if sum(rule["Direction"] == direction for rule in group.rules) + len(rules) > MOST_RULES:
        raise Refused(400, "RulesPerSecurityGroupLimitExceeded", "The maximum number of rules has been reached.")
    cloud.add_rules(group, rules, duplicates=False)
    return {"Return": True}


def _rules(permission: Mapping[str, Any], direction: str, call: Call, cloud: SimCloud) -> list[dict[str, Any]]:
    protocol = permission.get("IpProtocol", "")
    if protocol not in ("tcp", "udp", "icmp", "-1") and not (protocol.isdigit() and int(protocol) <= 255):
        raise Refused(400, "InvalidPermission.Malformed", f"Unsupported IP protocol '{protocol}'")
    low, high = permission.get("FromPort", -1), permission.get("ToPort", -1)
    if protocol in ("tcp", "udp") and not 0 <= low <= high <= 65535:
        raise Refused(400, "InvalidParameterValue", f"Invalid value '{low}-{high}' for portRange.")
    targets: list[tuple[str, str]] = []
    for row in permission.get("IpRanges", []):
        try:
            ipaddress.IPv4Network(row.get("CidrIp", ""))
        except ValueError:
            raise Refused(400, "InvalidParameterValue", f"CIDR block {row.get('CidrIp')} is malformed") from None
        targets.append((row["CidrIp"], ""))
    for row in permission.get("UserIdGroupPairs", []):
        cloud.group(call.account, call.region, row.get("GroupId", ""))
        targets.append(("", row["GroupId"]))
    if not targets:
        raise Refused(400, "MissingParameter", "The permission names neither a range nor a group.")
    return [
        {
            "Direction": direction,
            "IpProtocol": protocol,
            "CidrIp": cidr,
            "GroupId": group_id,
            "FromPort": low,
            "ToPort": high,
        }
        for cidr, group_id in targets
    ]


def _block(cidr: str, code: str) -> None:
    try:
        block = ipaddress.IPv4Network(cidr, strict=False)
    except ValueError:
        raise Refused(400, "InvalidParameterValue", f"Value ({cidr}) for parameter cidrBlock is invalid.") from None
    if not 16 <= block.prefixlen <= 28:
        raise Refused(400, code, f"The CIDR '{cidr}' is invalid.")


def _wanted(rows: list[Row], ids: list[str] | None, key: str, code: str, what: str) -> list[Row]:
    if not ids:
        return rows
    found = {getattr(row, key): row for row in rows}
    for wanted in ids:
        if wanted not in found:
            raise Refused(400, code, f"The {what} '{wanted}' does not exist")
    return [found[wanted] for wanted in ids]


def _state(row: Vpc | Subnet, cloud: SimCloud) -> str:
    return "available" if cloud.clock() >= row.available_at else "pending"


def _vpc(vpc: Vpc, cloud: SimCloud) -> dict[str, Any]:
    return {
        "VpcId": vpc.vpc_id,
        "CidrBlock": vpc.cidr,
        "State": _state(vpc, cloud),
        "OwnerId": OWNER,
        "IsDefault": False,
        "InstanceTenancy": "default",
        "DhcpOptionsId": "dopt-0a1b2c3d",
        "Tags": tag_list(vpc.tags),
    }


def _subnet(subnet: Subnet, cloud: SimCloud) -> dict[str, Any]:
    return {
        "SubnetId": subnet.subnet_id,
        "VpcId": subnet.vpc_id,
        "CidrBlock": subnet.cidr,
        "AvailabilityZone": subnet.zone,
        "State": _state(subnet, cloud),
        "AvailableIpAddressCount": cloud.free_addresses(subnet),
        "DefaultForAz": False,
        "OwnerId": OWNER,
        "Tags": tag_list(subnet.tags),
    }


def _group(group: Group) -> dict[str, Any]:
    def permissions(direction: str) -> list[dict[str, Any]]:
        return [
            {
                "IpProtocol": rule["IpProtocol"],
                "FromPort": rule["FromPort"] if rule["IpProtocol"] != "-1" else None,
                "ToPort": rule["ToPort"] if rule["IpProtocol"] != "-1" else None,
                "IpRanges": [{"CidrIp": rule["CidrIp"]}] if rule["CidrIp"] else [],
                "UserIdGroupPairs": [{"GroupId": rule["GroupId"], "UserId": OWNER}] if rule["GroupId"] else [],
            }
            for rule in group.rules
            if rule["Direction"] == direction
        ]

    return {
        "GroupId": group.group_id,
        "GroupName": group.name,
        "Description": group.description,
        "VpcId": group.vpc_id,
        "OwnerId": OWNER,
        "IpPermissions": permissions("ingress"),
        "IpPermissionsEgress": permissions("egress"),
        "Tags": tag_list(group.tags),
    }


ACTIONS: Mapping[str, Callable[[Call, SimCloud], dict[str, Any]]] = {
    "CreateVpc": create_vpc,
    "DescribeVpcs": describe_vpcs,
    "DeleteVpc": delete_vpc,
    "CreateSubnet": create_subnet,
    "DescribeSubnets": describe_subnets,
    "DeleteSubnet": delete_subnet,
    "CreateSecurityGroup": create_security_group,
    "DescribeSecurityGroups": describe_security_groups,
    "DeleteSecurityGroup": delete_security_group,
    "AuthorizeSecurityGroupIngress": authorize_ingress,
    "AuthorizeSecurityGroupEgress": authorize_egress,
    "RevokeSecurityGroupEgress": revoke_egress,
}
