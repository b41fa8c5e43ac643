"""VPCs, vSwitches and security groups of Alibaba Cloud."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from alibabacloud_ecs20140526 import models as ecs
from alibabacloud_vpc20160428 import models as vpc

from bridgx_server.providers.alibaba.calls import Calls
from bridgx_server.providers.alibaba.paging import by_token, id_in, length_of, rows_in
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

VPCS_A_CALL = 20
ROWS_A_PAGE = 50
GROUPS_A_PAGE = 100
RULES_A_CALL = 100


def create_vpc(calls: Calls, request: CreateVpc) -> str:
    body = calls.vpc(
        request.region_id,
        "create_vpc",
        vpc.CreateVpcRequest(
            region_id=request.region_id,
            cidr_block=request.cidr_block,
            vpc_name=request.name,
            client_token=request.token,
        ),
    )
    return id_in("create_vpc", body.vpc_id)


def describe_vpcs(calls: Calls, region_id: str, vpc_ids: Sequence[str]) -> list[Vpc]:
    found: list[Vpc] = []
    for start in range(0, len(vpc_ids), VPCS_A_CALL):
        request = vpc.DescribeVpcsRequest(
            region_id=region_id, vpc_id=",".join(vpc_ids[start : start + VPCS_A_CALL]), page_size=ROWS_A_PAGE
        )
        body = calls.vpc(region_id, "describe_vpcs", request)
        found.extend(
            Vpc(row.vpc_id, row.vpc_name or "", row.cidr_block, row.status, moment(row.creation_time))
            for row in rows_in("describe_vpcs", body.vpcs, "vpc")
        )
    return found


def delete_vpc(calls: Calls, region_id: str, vpc_id: str) -> None:
    calls.vpc(region_id, "delete_vpc", vpc.DeleteVpcRequest(region_id=region_id, vpc_id=vpc_id))


def create_subnet(calls: Calls, request: CreateSubnet) -> str:
    body = calls.vpc(
        request.region_id,
        "create_vswitch",
        vpc.CreateVSwitchRequest(
            region_id=request.region_id,
            vpc_id=request.vpc_id,
            zone_id=request.zone_id,
            v_switch_name=request.name,
            cidr_block=request.cidr_block,
            client_token=request.token,
        ),
    )
    return id_in("create_vswitch", body.v_switch_id)


def describe_subnets(calls: Calls, region_id: str, vpc_id: str) -> list[Subnet]:
    found: dict[str, Subnet] = {}
    number = 1
    while True:
        request = vpc.DescribeVSwitchesRequest(
            region_id=region_id, vpc_id=vpc_id, page_number=number, page_size=ROWS_A_PAGE
        )
        try:
            body = calls.vpc(region_id, "describe_vswitches", request)
        except ProviderError as error:
            if error.kind is not ErrorClass.NOT_FOUND:
                raise
            return []  # the VPC does not exist
        rows = rows_in("describe_vswitches", body.v_switches, "v_switch")
        found.update((row.v_switch_id, _subnet(row)) for row in rows)
        if not rows or number * ROWS_A_PAGE >= length_of("describe_vswitches", body):
            return list(found.values())
        number += 1


def _subnet(row: Any) -> Subnet:
    return Subnet(
        row.v_switch_id,
        row.vpc_id,
        row.zone_id,
        row.v_switch_name or "",
        row.cidr_block,
        row.status,
        bool(row.is_default),
        int(row.available_ip_address_count or 0),
        moment(row.creation_time),
    )


def delete_subnet(calls: Calls, region_id: str, subnet_id: str) -> None:
    request = vpc.DeleteVSwitchRequest(region_id=region_id, v_switch_id=subnet_id)
    calls.vpc(region_id, "delete_vswitch", request)


def create_security_group(calls: Calls, request: CreateSecurityGroup) -> str:
    body = calls.ecs(
        request.region_id,
        "create_security_group",
        ecs.CreateSecurityGroupRequest(
            region_id=request.region_id,
            vpc_id=request.vpc_id,
            security_group_name=request.name,
            security_group_type=request.group_type,
            client_token=request.token,
        ),
    )
    return id_in("create_security_group", body.security_group_id)


def add_rules(calls: Calls, region_id: str, group_id: str, rules: Sequence[SecurityGroupRule]) -> None:
    """Adds the rules. One that exists is success to the cloud already (API reference, AuthorizeSecurityGroup)."""
    ingress = [rule for rule in dict.fromkeys(rules) if rule.direction == "ingress"]
    egress = [rule for rule in dict.fromkeys(rules) if rule.direction == "egress"]
    for start in range(0, len(ingress), RULES_A_CALL):
        batch = ingress[start : start + RULES_A_CALL]
        _authorize(calls, region_id, "authorize_security_group", _ingress(region_id, group_id, batch))
    for start in range(0, len(egress), RULES_A_CALL):
        batch = egress[start : start + RULES_A_CALL]
        _authorize(calls, region_id, "authorize_security_group_egress", _egress(region_id, group_id, batch))


def _authorize(calls: Calls, region_id: str, operation: str, request: Any) -> None:
    try:
        calls.ecs(region_id, operation, request)
    except ProviderError as error:
        if error.vendor_code != "InvalidPermission.Duplicate":
            raise


def _ingress(region_id: str, group_id: str, rules: Sequence[SecurityGroupRule]) -> Any:
    return ecs.AuthorizeSecurityGroupRequest(
        region_id=region_id,
        security_group_id=group_id,
        permissions=[
            ecs.AuthorizeSecurityGroupRequestPermissions(
                ip_protocol=rule.protocol.upper(),
                port_range=f"{rule.port_from}/{rule.port_to}",
                source_cidr_ip=rule.cidr_ip or None,
                source_group_id=rule.group_id or None,
                policy="accept",
            )
            for rule in rules
        ],
    )


def _egress(region_id: str, group_id: str, rules: Sequence[SecurityGroupRule]) -> Any:
    return ecs.AuthorizeSecurityGroupEgressRequest(
        region_id=region_id,
        security_group_id=group_id,
        permissions=[
            ecs.AuthorizeSecurityGroupEgressRequestPermissions(
                ip_protocol=rule.protocol.upper(),
                port_range=f"{rule.port_from}/{rule.port_to}",
                dest_cidr_ip=rule.cidr_ip or None,
                dest_group_id=rule.group_id or None,
                policy="accept",
            )
            for rule in rules
        ],
    )


def describe_security_groups(calls: Calls, region_id: str, group_ids: Sequence[str]) -> list[SecurityGroup]:
    found: list[SecurityGroup] = []
    for start in range(0, len(group_ids), GROUPS_A_PAGE):
        some = json.dumps(list(group_ids[start : start + GROUPS_A_PAGE]))

        def page(token: str | None, some: str = some) -> tuple[list[Any], str | None]:
            request = ecs.DescribeSecurityGroupsRequest(
                region_id=region_id, security_group_ids=some, max_results=GROUPS_A_PAGE, next_token=token
            )
            body = calls.ecs(region_id, "describe_security_groups", request)
            return rows_in("describe_security_groups", body.security_groups, "security_group"), body.next_token

        found.extend(
            SecurityGroup(
                row.security_group_id,
                row.vpc_id or "",
                row.security_group_name or "",
                row.security_group_type or "normal",
                moment(row.creation_time),
            )
            for row in by_token("describe_security_groups", page)
        )
    return found


def delete_security_group(calls: Calls, region_id: str, group_id: str) -> None:
    request = ecs.DeleteSecurityGroupRequest(region_id=region_id, security_group_id=group_id)
    calls.ecs(region_id, "delete_security_group", request)


def moment(text: str | None) -> datetime | None:
    """A time as ECS (to the minute) and VPC (to the second) print it, in UTC; None where there is none to be read."""
    for pattern in ("%Y-%m-%dT%H:%MZ", "%Y-%m-%dT%H:%M:%SZ"):
        try:
            return datetime.strptime(text or "", pattern).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None
