"""VPCs, subnets and security groups of AWS.

EC2 has no client token for them: what an earlier call of the same token made is found by a tag, put on by that call.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bridgx_server.providers.aws.calls import PROVIDER, Calls, id_in
from bridgx_server.providers.base import (
    CreateSecurityGroup,
    CreateSubnet,
    CreateVpc,
    ErrorClass,
    ProviderError,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
    Vpc,
)

TOKEN = "bridgx-token"
PROTOCOLS = {"tcp": "tcp", "udp": "udp", "icmp": "icmp", "gre": "47", "all": "-1"}
STATUS = {"pending": "Pending", "available": "Available"}


def find_vpc(calls: Calls, request: CreateVpc) -> str:
    return _made_before(calls, request.region_id, "describe_vpcs", "Vpcs", "VpcId", request.token)


def create_vpc(calls: Calls, request: CreateVpc) -> str:
    made = find_vpc(calls, request)
    if made:
        return made
    answer = calls.ec2(
        request.region_id,
        "create_vpc",
        CidrBlock=request.cidr_block,
        TagSpecifications=_tags("vpc", request.name, request.token),
    )
    return id_in("create_vpc", answer.get("Vpc", {}), "VpcId")


def describe_vpcs(calls: Calls, region_id: str, vpc_ids: Sequence[str]) -> list[Vpc]:
    if not vpc_ids:
        return []
    # By filter, since one unknown id would fail a call by ids.
    rows = calls.pages(region_id, "describe_vpcs", "Vpcs", 1000, Filters=[{"Name": "vpc-id", "Values": list(vpc_ids)}])
    return [Vpc(row["VpcId"], _name(row), row["CidrBlock"], STATUS.get(row["State"], row["State"])) for row in rows]


def delete_vpc(calls: Calls, region_id: str, vpc_id: str) -> None:
    calls.ec2(region_id, "delete_vpc", VpcId=vpc_id)


def find_subnet(calls: Calls, request: CreateSubnet) -> str:
    return _made_before(calls, request.region_id, "describe_subnets", "Subnets", "SubnetId", request.token)


def create_subnet(calls: Calls, request: CreateSubnet) -> str:
    made = find_subnet(calls, request)
    if made:
        return made
    answer = calls.ec2(
        request.region_id,
        "create_subnet",
        VpcId=request.vpc_id,
        CidrBlock=request.cidr_block,
        AvailabilityZone=request.zone_id,
        TagSpecifications=_tags("subnet", request.name, request.token),
    )
    return id_in("create_subnet", answer.get("Subnet", {}), "SubnetId")


def describe_subnets(calls: Calls, region_id: str, vpc_id: str) -> list[Subnet]:
    rows = calls.pages(region_id, "describe_subnets", "Subnets", 1000, Filters=[{"Name": "vpc-id", "Values": [vpc_id]}])
    return [
        Subnet(
            row["SubnetId"],
            row["VpcId"],
            row["AvailabilityZone"],
            _name(row),
            row["CidrBlock"],
            STATUS.get(row["State"], row["State"]),
            bool(row.get("DefaultForAz")),
            int(row.get("AvailableIpAddressCount", 0)),
        )
        for row in rows
    ]


def delete_subnet(calls: Calls, region_id: str, subnet_id: str) -> None:
    calls.ec2(region_id, "delete_subnet", SubnetId=subnet_id)


def find_security_group(calls: Calls, request: CreateSecurityGroup) -> str:
    return _made_before(
        calls, request.region_id, "describe_security_groups", "SecurityGroups", "GroupId", request.token
    )


def create_security_group(calls: Calls, request: CreateSecurityGroup) -> str:
    if not request.name.isascii() or request.name.lower().startswith("sg-"):
        raise _invalid("security_group_name", f"must be ASCII and not begin with sg- on {PROVIDER}")
    made = find_security_group(calls, request)
    if made:
        return made
    answer = calls.ec2(
        request.region_id,
        "create_security_group",
        GroupName=request.name,
        Description="Made by BridgX",
        VpcId=request.vpc_id,
        TagSpecifications=_tags("security-group", request.name, request.token),
    )
    return id_in("create_security_group", answer, "GroupId")


def add_rules(calls: Calls, region_id: str, group_id: str, rules: Sequence[SecurityGroupRule]) -> None:
    for direction in ("ingress", "egress"):
        # The same permission twice in one call is refused.
        wanted = [_permission(rule) for rule in dict.fromkeys(rules) if rule.direction == direction]
        if not wanted:
            continue
        operation = f"authorize_security_group_{direction}"
        try:
            calls.ec2(region_id, operation, GroupId=group_id, IpPermissions=wanted)
        except ProviderError as error:
            if error.vendor_code != "InvalidPermission.Duplicate":
                raise
            # One that exists fails them all; egress begins with "everything to everywhere" in every group.
            for permission in wanted:
                _add_one(calls, region_id, operation, group_id, permission)


def _add_one(calls: Calls, region_id: str, operation: str, group_id: str, permission: dict[str, Any]) -> None:
    try:
        calls.ec2(region_id, operation, GroupId=group_id, IpPermissions=[permission])
    except ProviderError as error:
        if error.vendor_code != "InvalidPermission.Duplicate":
            raise


def _permission(rule: SecurityGroupRule) -> dict[str, Any]:
    permission: dict[str, Any] = {"IpProtocol": PROTOCOLS[rule.protocol]}
    if rule.protocol in ("tcp", "udp", "icmp"):
        permission.update(FromPort=rule.port_from, ToPort=rule.port_to)
    if rule.cidr_ip:
        permission["IpRanges"] = [{"CidrIp": rule.cidr_ip}]
    else:
        permission["UserIdGroupPairs"] = [{"GroupId": rule.group_id}]
    return permission


def describe_security_groups(calls: Calls, region_id: str, group_ids: Sequence[str]) -> list[SecurityGroup]:
    if not group_ids:
        return []
    rows = calls.pages(
        region_id,
        "describe_security_groups",
        "SecurityGroups",
        1000,
        Filters=[{"Name": "group-id", "Values": list(group_ids)}],
    )
    return [SecurityGroup(row["GroupId"], row.get("VpcId", ""), row["GroupName"]) for row in rows]


def delete_security_group(calls: Calls, region_id: str, group_id: str) -> None:
    calls.ec2(region_id, "delete_security_group", GroupId=group_id)


def _made_before(calls: Calls, region_id: str, operation: str, rows: str, key: str, token: str) -> str:
    found = calls.pages(region_id, operation, rows, 1000, Filters=[{"Name": f"tag:{TOKEN}", "Values": [token]}])
    return str(found[0][key]) if found else ""


def _tags(resource: str, name: str, token: str) -> list[dict[str, Any]]:
    return [{"ResourceType": resource, "Tags": [{"Key": "Name", "Value": name}, {"Key": TOKEN, "Value": token}]}]


def _name(row: dict[str, Any]) -> str:
    return next((str(tag["Value"]) for tag in row.get("Tags", []) if tag["Key"] == "Name"), "")


def _invalid(field: str, message: str) -> ProviderError:
    return ProviderError(ErrorClass.INVALID_PARAMETER, message, provider=PROVIDER, field=field)
