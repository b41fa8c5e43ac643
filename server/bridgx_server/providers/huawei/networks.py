"""VPCs, subnets and security groups.

Huawei has no client tokens for them. What an earlier call under the same token made is found by its description, which
holds the token, before anything is made. VPCs and groups are on version 3 of the VPC API, subnets on version 1, the only
one that has them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any

from huaweicloudsdkvpc.v2 import (
    CreateSubnetOption,
    CreateSubnetRequest,
    CreateSubnetRequestBody,
    DeleteSubnetRequest,
    ListSubnetsRequest,
)
from huaweicloudsdkvpc.v3 import (
    BatchCreateSecurityGroupRulesOption,
    BatchCreateSecurityGroupRulesRequest,
    BatchCreateSecurityGroupRulesRequestBody,
    CreateSecurityGroupOption,
    CreateSecurityGroupRequest,
    CreateSecurityGroupRequestBody,
    CreateVpcOption,
    CreateVpcRequest,
    CreateVpcRequestBody,
    DeleteSecurityGroupRequest,
    DeleteVpcRequest,
    ListSecurityGroupsRequest,
    ListVpcsRequest,
)

from bridgx_server.providers.base import (
    CreateSecurityGroup,
    CreateSubnet,
    CreateVpc,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
    Vpc,
)
from bridgx_server.providers.errors import ErrorClass, ProviderError
from bridgx_server.providers.huawei import words
from bridgx_server.providers.huawei.calls import Calls, id_in, pages, rows_in
from bridgx_server.providers.huawei.errors import invalid

PAGE = 1000  # rows, well below the 2,000 that the VPC API gives at most
DESCRIBE_BATCH = 50  # ids in one query, to keep the URL short
RULES_BATCH = 200  # rules in one call: "Adding rules to a specified security group" of the VPC API reference
SMALLEST_SUBNET = 28  # the longest mask
PROTOCOLS = {"tcp": "tcp", "udp": "udp", "icmp": "icmp", "gre": "47", "all": None}
_READY = {"ACTIVE": "Available", "PENDING": "Pending", "UNKNOWN": "Pending"}


class Networks:
    """The part of a Provider that makes networks."""

    _calls: Calls

    def find_vpc(self, request: CreateVpc) -> str:
        return _marked(self._vpcs(request.region_id, description=[_mark(request.token)]), request.token)

    def create_vpc(self, request: CreateVpc) -> str:
        made = self.find_vpc(request)
        if made:
            return made
        option = CreateVpcOption(name=request.name, cidr=request.cidr_block, description=_mark(request.token))
        call = CreateVpcRequest(body=CreateVpcRequestBody(vpc=option))
        return id_in("create_vpc", self._calls.vpc(request.region_id, "create_vpc", call), "vpc")

    def describe_vpcs(self, region_id: str, vpc_ids: Sequence[str]) -> list[Vpc]:
        return [
            Vpc(
                vpc_id=row["id"],
                name=row.get("name") or "",
                cidr_block=row.get("cidr") or "",
                status=_READY.get(row.get("status") or "", "Pending"),
                created_at=words.moment(row.get("created_at")),
            )
            for ids in _batches(vpc_ids)
            for row in self._vpcs(region_id, id=ids)
            if row["id"] in ids
        ]

    def delete_vpc(self, region_id: str, vpc_id: str) -> None:
        self._calls.vpc(region_id, "delete_vpc", DeleteVpcRequest(vpc_id=vpc_id))

    def find_subnet(self, request: CreateSubnet) -> str:
        try:
            return _marked(self._subnets(request.region_id, request.vpc_id), request.token)
        except ProviderError as error:
            if error.kind is ErrorClass.NOT_FOUND:
                return ""  # the VPC is not known (yet)
            raise

    def create_subnet(self, request: CreateSubnet) -> str:
        made = self.find_subnet(request)
        if made:
            return made
        option = CreateSubnetOption(
            name=request.name,
            description=_mark(request.token),
            cidr=request.cidr_block,
            vpc_id=request.vpc_id,
            gateway_ip=_gateway(request.cidr_block),
            primary_dns=words.DNS,
            secondary_dns=words.SECOND_DNS.get(request.region_id),
        )
        call = CreateSubnetRequest(body=CreateSubnetRequestBody(subnet=option))
        return id_in("create_subnet", self._calls.subnet(request.region_id, "create_subnet", call), "subnet")

    def describe_subnets(self, region_id: str, vpc_id: str) -> list[Subnet]:
        try:
            rows = self._subnets(region_id, vpc_id)
        except ProviderError as error:
            if error.kind is ErrorClass.NOT_FOUND:
                return []
            raise
        return [
            Subnet(
                subnet_id=row["id"],
                vpc_id=row.get("vpc_id") or vpc_id,
                # Huawei's subnets span the region, whatever zone one was made with.
                zone_id="",
                name=row.get("name") or "",
                cidr_block=row.get("cidr") or "",
                status=_READY.get(row.get("status") or "", "Pending"),
                available_ip_count=int(row.get("available_ip_address_count") or 0),
                created_at=words.moment(row.get("created_at")),
            )
            for row in rows
        ]

    def delete_subnet(self, region_id: str, vpc_id: str, subnet_id: str) -> None:
        request = DeleteSubnetRequest(vpc_id=vpc_id, subnet_id=subnet_id)
        self._calls.subnet(region_id, "delete_subnet", request)

    def find_security_group(self, request: CreateSecurityGroup) -> str:
        return _marked(self._groups(request.region_id, description=[_mark(request.token)]), request.token)

    def create_security_group(self, request: CreateSecurityGroup) -> str:
        made = self.find_security_group(request)
        if made:
            return made
        option = CreateSecurityGroupOption(name=request.name, description=_mark(request.token))
        call = CreateSecurityGroupRequest(body=CreateSecurityGroupRequestBody(security_group=option))
        body = self._calls.vpc(request.region_id, "create_security_group", call)
        return id_in("create_security_group", body, "security_group")

    def add_security_group_rules(
        self, region_id: str, security_group_id: str, rules: Sequence[SecurityGroupRule]
    ) -> None:
        # All are translated, and with that checked, before the first is sent.
        options = [_rule(rule) for rule in dict.fromkeys(rules)]
        for start in range(0, len(options), RULES_BATCH):
            body = BatchCreateSecurityGroupRulesRequestBody(
                security_group_rules=options[start : start + RULES_BATCH], ignore_duplicate=True
            )
            call = BatchCreateSecurityGroupRulesRequest(security_group_id=security_group_id, body=body)
            self._calls.vpc(region_id, "batch_create_security_group_rules", call)

    def describe_security_groups(self, region_id: str, security_group_ids: Sequence[str]) -> list[SecurityGroup]:
        return [
            SecurityGroup(
                security_group_id=row["id"],
                # A group of Huawei's serves all VPCs of its region.
                vpc_id="",
                name=row.get("name") or "",
                created_at=words.moment(row.get("created_at")),
            )
            for ids in _batches(security_group_ids)
            for row in self._groups(region_id, id=ids)
            if row["id"] in ids
        ]

    def delete_security_group(self, region_id: str, security_group_id: str) -> None:
        request = DeleteSecurityGroupRequest(security_group_id=security_group_id)
        self._calls.vpc(region_id, "delete_security_group", request)

    def _vpcs(self, region_id: str, **which: list[str]) -> list[dict[str, Any]]:
        def fetch(marker: str | None) -> list[dict[str, Any]]:
            request = ListVpcsRequest(limit=PAGE, marker=marker, **which)
            return rows_in("list_vpcs", self._calls.vpc(region_id, "list_vpcs", request), "vpcs")

        return list(pages(fetch, PAGE))

    def _subnets(self, region_id: str, vpc_id: str) -> list[dict[str, Any]]:
        def fetch(marker: str | None) -> list[dict[str, Any]]:
            request = ListSubnetsRequest(limit=PAGE, marker=marker, vpc_id=vpc_id)
            return rows_in("list_subnets", self._calls.subnet(region_id, "list_subnets", request), "subnets")

        return list(pages(fetch, PAGE))

    def _groups(self, region_id: str, **which: list[str]) -> list[dict[str, Any]]:
        def fetch(marker: str | None) -> list[dict[str, Any]]:
            request = ListSecurityGroupsRequest(limit=PAGE, marker=marker, **which)
            body = self._calls.vpc(region_id, "list_security_groups", request)
            return rows_in("list_security_groups", body, "security_groups")

        return list(pages(fetch, PAGE))


def _mark(token: str) -> str:
    """The description of what is made under a token."""
    return f"BridgX {token}"


def _marked(rows: list[dict[str, Any]], token: str) -> str:
    """The id of what was made under a token; empty where there is none. The cloud's filter may be a fuzzy one."""
    return next((str(row["id"]) for row in rows if row.get("description") == _mark(token)), "")


def _gateway(cidr_block: str) -> str:
    """The first address of a subnet, as Huawei's console has it; raises ProviderError where there is no room for it."""
    block = ipaddress.ip_network(cidr_block)
    if block.prefixlen > SMALLEST_SUBNET:
        raise invalid(f"the mask of Huawei's subnets is at most /{SMALLEST_SUBNET}", "cidr_block", "create_subnet")
    return str(block[1])


def _batches(ids: Sequence[str]) -> list[list[str]]:
    wanted = list(dict.fromkeys(ids))
    return [wanted[start : start + DESCRIBE_BATCH] for start in range(0, len(wanted), DESCRIBE_BATCH)]


def _rule(rule: SecurityGroupRule) -> BatchCreateSecurityGroupRulesOption:
    """Huawei's rule: a protocol's name or number, none for all; ports `a-b`, none for all; the peer CIDR or group."""
    with_ports = rule.protocol in ("tcp", "udp")
    every_port = (rule.port_from, rule.port_to) == (1, 65535)
    ports = str(rule.port_from) if rule.port_from == rule.port_to else f"{rule.port_from}-{rule.port_to}"
    return BatchCreateSecurityGroupRulesOption(
        direction=rule.direction,
        ethertype="IPv4",
        protocol=PROTOCOLS[rule.protocol],
        multiport=ports if with_ports and not every_port else None,
        remote_ip_prefix=rule.cidr_ip or None,
        remote_group_id=None if rule.cidr_ip else rule.group_id,
        action="allow",
        priority=1,
    )
