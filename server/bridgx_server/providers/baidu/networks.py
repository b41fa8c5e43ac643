"""VPCs, subnets and security groups. Baidu has their API on the host of BCC."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from baidubce.services.bcc import bcc_model

from bridgx_server.providers.baidu import words
from bridgx_server.providers.baidu.calls import Calls, among, id_in, is_id, pages
from bridgx_server.providers.baidu.errors import PROVIDER, invalid
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

DESCRIBE_BATCH = 100  # ids in one query, to keep the URL short


class Networks:
    """The part of a Provider that makes networks. Baidu's networks are ready as soon as they are made."""

    _calls: Calls

    def find_vpc(self, request: CreateVpc) -> str:
        return ""  # the call is repeated under its client token

    def create_vpc(self, request: CreateVpc) -> str:
        body = self._calls.vpc(
            request.region_id, "create_vpc", request.name, request.cidr_block, client_token=request.token
        )
        return id_in("create_vpc", body, "vpcId")

    def describe_vpcs(self, region_id: str, vpc_ids: Sequence[str]) -> list[Vpc]:
        def fetch(ids: list[str]) -> list[dict[str, Any]]:
            listed = pages(self._calls.vpc, region_id, "list_vpcs", "vpcs", vpc_ids=",".join(ids))
            return [row for row in listed if row["vpcId"] in ids]

        return [
            Vpc(
                vpc_id=row["vpcId"],
                name=row.get("name") or "",
                cidr_block=row.get("cidr") or "",
                status="Available",
                created_at=words.moment(row.get("createdTime")),
            )
            for row in _in_batches(vpc_ids, fetch)
        ]

    def delete_vpc(self, region_id: str, vpc_id: str) -> None:
        _check_id(vpc_id, "delete_vpc")
        self._calls.vpc(region_id, "delete_vpc", vpc_id)

    def find_subnet(self, request: CreateSubnet) -> str:
        return ""  # the call is repeated under its client token

    def create_subnet(self, request: CreateSubnet) -> str:
        body = self._calls.subnet(
            request.region_id,
            "create_subnet",
            request.name,
            request.zone_id,
            request.cidr_block,
            request.vpc_id,
            client_token=request.token,
        )
        return id_in("create_subnet", body, "subnetId")

    def describe_subnets(self, region_id: str, vpc_id: str) -> list[Subnet]:
        try:
            rows = pages(self._calls.subnet, region_id, "list_subnets", "subnets", vpc_id=vpc_id)
        except ProviderError as error:
            if error.kind is ErrorClass.NOT_FOUND:
                return []
            raise
        return [
            Subnet(
                subnet_id=row["subnetId"],
                vpc_id=row.get("vpcId") or vpc_id,
                zone_id=row.get("zoneName") or "",
                name=row.get("name") or "",
                cidr_block=row.get("cidr") or "",
                status="Available",
                available_ip_count=int(row.get("availableIp") or 0),
                created_at=words.moment(row.get("createdTime")),
            )
            for row in rows
        ]

    def delete_subnet(self, region_id: str, vpc_id: str, subnet_id: str) -> None:
        _check_id(subnet_id, "delete_subnet")
        self._calls.subnet(region_id, "delete_subnet", subnet_id)

    def find_security_group(self, request: CreateSecurityGroup) -> str:
        return ""  # the call is repeated under its client token

    def create_security_group(self, request: CreateSecurityGroup) -> str:
        body = self._calls.bcc(
            request.region_id,
            "create_security_group",
            name=request.name,
            rules=[],
            vpc_id=request.vpc_id,
            client_token=request.token,
        )
        return id_in("create_security_group", body, "securityGroupId")

    def add_security_group_rules(
        self, region_id: str, security_group_id: str, rules: Sequence[SecurityGroupRule]
    ) -> None:
        # All are translated, and with that checked, before the first is sent.
        for model in [_rule(rule) for rule in rules]:
            try:
                self._calls.bcc(region_id, "authorize_security_group_rule", security_group_id, model)
            except ProviderError as error:
                # 409 is what Baidu answers to a rule that the group has already.
                if error.http_status != 409 or error.kind is not ErrorClass.CONFLICT:
                    raise

    def describe_security_groups(self, region_id: str, security_group_ids: Sequence[str]) -> list[SecurityGroup]:
        def fetch(ids: list[str]) -> list[dict[str, Any]]:
            which = ",".join(ids)
            listed = pages(
                self._calls.bcc, region_id, "list_security_groups", "securityGroups", security_group_ids=which
            )
            return [row for row in listed if row["id"] in ids]

        return [
            SecurityGroup(
                security_group_id=row["id"],
                vpc_id=row.get("vpcId") or "",
                name=row.get("name") or "",
                created_at=words.moment(row.get("createdTime")),
            )
            for row in _in_batches(security_group_ids, fetch)
        ]

    def delete_security_group(self, region_id: str, security_group_id: str) -> None:
        _check_id(security_group_id, "delete_security_group")
        self._calls.bcc(region_id, "delete_security_group", security_group_id)


def _in_batches(ids: Sequence[str], fetch: Any) -> list[dict[str, Any]]:
    wanted = list(dict.fromkeys(ids))
    rows: list[dict[str, Any]] = []
    for start in range(0, len(wanted), DESCRIBE_BATCH):
        rows += among(wanted[start : start + DESCRIBE_BATCH], fetch)
    return rows


def _check_id(text: str, operation: str) -> None:
    """Refuses what may not stand in a path, and so names nothing."""
    if not is_id(text):
        raise ProviderError(
            ErrorClass.NOT_FOUND, f"{text} is not an id of {PROVIDER}", provider=PROVIDER, operation=operation
        )


def _rule(rule: SecurityGroupRule) -> bcc_model.SecurityGroupRuleModel:
    """Baidu's rule: protocol tcp, udp, icmp or empty for all; ports `a-b`, empty for all."""
    if rule.protocol == "gre":
        raise invalid(
            "Baidu's security groups know tcp, udp, icmp and all; a rule for gre alone cannot be made",
            "protocol",
            "add_security_group_rules",
        )
    with_ports = rule.protocol in ("tcp", "udp")
    near = "source" if rule.direction == "ingress" else "dest"
    return bcc_model.SecurityGroupRuleModel(
        remark="",
        direction=rule.direction,
        ethertype="IPv4",
        protocol="" if rule.protocol == "all" else rule.protocol,
        portRange=f"{rule.port_from}-{rule.port_to}" if with_ports else "",
        **({f"{near}Ip": rule.cidr_ip} if rule.cidr_ip else {f"{near}GroupId": rule.group_id}),
    )
