"""VPCs, subnets and security groups.

Tencent has no client token for them: what an earlier call of the same token made is found by its name and by the token,
which a VPC and a subnet carry as a tag, and a security group in its description.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from bridgx_server.providers import answers
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
from bridgx_server.providers.tencent.calls import Calls, among
from bridgx_server.providers.tencent.errors import PROVIDER

TOKEN = "bridgx-token"
NAME_BYTES = 60  # of VPCs and subnets
GROUP_NAME_CHARACTERS = 60
DESCRIBE_BATCH = 100  # ids in one query
RULES_A_CALL = 100
DUPLICATE = "UnsupportedOperation.DuplicatePolicy"


class Networks:
    """The part of a Provider that makes networks. Tencent's networks are ready as soon as they are made."""

    _calls: Calls

    def find_vpc(self, request: CreateVpc) -> str:
        return self._made_before(
            request.region_id, "DescribeVpcs", "VpcSet", "VpcId", "vpc-name", request.name, request.token
        )

    def create_vpc(self, request: CreateVpc) -> str:
        _check_name(request.name, "vpc_name", "CreateVpc")
        made = self.find_vpc(request)
        if made:
            return made
        answer = self._calls.vpc(
            request.region_id,
            "CreateVpc",
            VpcName=request.name,
            CidrBlock=request.cidr_block,
            Tags=[{"Key": TOKEN, "Value": request.token}],
        )
        return _id_in(answer, "Vpc", "VpcId", "CreateVpc")

    def describe_vpcs(self, region_id: str, vpc_ids: Sequence[str]) -> list[Vpc]:
        fetch = partial(self._by_id, region_id, "DescribeVpcs", "VpcSet", "VpcId", "VpcIds")
        return [
            Vpc(row["VpcId"], row.get("VpcName") or "", row.get("CidrBlock") or "", "Available")
            for row in _in_batches(vpc_ids, fetch)
        ]

    def delete_vpc(self, region_id: str, vpc_id: str) -> None:
        self._calls.vpc(region_id, "DeleteVpc", VpcId=vpc_id)

    def find_subnet(self, request: CreateSubnet) -> str:
        return self._made_before(
            request.region_id, "DescribeSubnets", "SubnetSet", "SubnetId", "subnet-name", request.name, request.token
        )

    def create_subnet(self, request: CreateSubnet) -> str:
        _check_name(request.name, "switch_name", "CreateSubnet")
        made = self.find_subnet(request)
        if made:
            return made
        answer = self._calls.vpc(
            request.region_id,
            "CreateSubnet",
            VpcId=request.vpc_id,
            SubnetName=request.name,
            CidrBlock=request.cidr_block,
            Zone=request.zone_id,
            Tags=[{"Key": TOKEN, "Value": request.token}],
        )
        return _id_in(answer, "Subnet", "SubnetId", "CreateSubnet")

    def describe_subnets(self, region_id: str, vpc_id: str) -> list[Subnet]:
        filters = [{"Name": "vpc-id", "Values": [vpc_id]}]
        try:
            rows = self._calls.vpc_pages(region_id, "DescribeSubnets", "SubnetSet", "SubnetId", Filters=filters)
        except ProviderError as error:
            if error.kind is ErrorClass.NOT_FOUND:
                return []
            raise
        return [
            Subnet(
                subnet_id=row["SubnetId"],
                vpc_id=row.get("VpcId") or vpc_id,
                zone_id=row.get("Zone") or "",
                name=row.get("SubnetName") or "",
                cidr_block=row.get("CidrBlock") or "",
                status="Available",
                is_default=bool(row.get("IsDefault")),
                available_ip_count=int(row.get("AvailableIpAddressCount") or 0),
            )
            for row in rows
        ]

    def delete_subnet(self, region_id: str, vpc_id: str, subnet_id: str) -> None:
        self._calls.vpc(region_id, "DeleteSubnet", SubnetId=subnet_id)

    def find_security_group(self, request: CreateSecurityGroup) -> str:
        rows = self._calls.vpc_pages(
            request.region_id,
            "DescribeSecurityGroups",
            "SecurityGroupSet",
            "SecurityGroupId",
            Filters=[{"Name": "security-group-name", "Values": [request.name]}],
        )
        made = (row for row in rows if row.get("SecurityGroupDesc") == _description(request))
        return next((str(row["SecurityGroupId"]) for row in made), "")

    def create_security_group(self, request: CreateSecurityGroup) -> str:
        if len(request.name) > GROUP_NAME_CHARACTERS:
            message = f"must have at most {GROUP_NAME_CHARACTERS} characters on {PROVIDER}"
            raise _refused(message, "security_group_name", "CreateSecurityGroup")
        made = self.find_security_group(request)
        if made:
            return made
        answer = self._calls.vpc(
            request.region_id, "CreateSecurityGroup", GroupName=request.name, GroupDescription=_description(request)
        )
        return _id_in(answer, "SecurityGroup", "SecurityGroupId", "CreateSecurityGroup")

    def add_security_group_rules(
        self, region_id: str, security_group_id: str, rules: Sequence[SecurityGroupRule]
    ) -> None:
        for direction in ("ingress", "egress"):
            # One direction a call; the same policy twice in one is refused.
            policies = [_policy(rule) for rule in dict.fromkeys(rules) if rule.direction == direction]
            add = partial(self._add_policies, region_id, security_group_id, direction.capitalize())
            for start in range(0, len(policies), RULES_A_CALL):
                batch = policies[start : start + RULES_A_CALL]
                if not add(batch):
                    # One that exists fails them all.
                    for policy in batch:
                        add([policy])

    def describe_security_groups(self, region_id: str, security_group_ids: Sequence[str]) -> list[SecurityGroup]:
        fetch = partial(
            self._by_id,
            region_id,
            "DescribeSecurityGroups",
            "SecurityGroupSet",
            "SecurityGroupId",
            "SecurityGroupIds",
        )
        # A group belongs to a region and a project, not to a VPC.
        return [
            SecurityGroup(row["SecurityGroupId"], "", row.get("SecurityGroupName") or "")
            for row in _in_batches(security_group_ids, fetch)
        ]

    def delete_security_group(self, region_id: str, security_group_id: str) -> None:
        self._calls.vpc(region_id, "DeleteSecurityGroup", SecurityGroupId=security_group_id)

    def _made_before(
        self, region_id: str, action: str, rows: str, key: str, name_filter: str, name: str, token: str
    ) -> str:
        """The id of what a call of this token made; empty where there is none. The cloud's filter by name is a fuzzy one."""
        found = self._calls.vpc_pages(region_id, action, rows, key, Filters=[{"Name": name_filter, "Values": [name]}])
        tag = {"Key": TOKEN, "Value": token}
        return next((str(row[key]) for row in found if tag in (row.get("TagSet") or ())), "")

    def _by_id(
        self, region_id: str, action: str, rows: str, key: str, parameter: str, ids: list[str]
    ) -> list[dict[str, Any]]:
        return self._calls.vpc_pages(region_id, action, rows, key, **{parameter: ids})

    def _add_policies(self, region_id: str, group_id: str, direction: str, policies: list[dict[str, str]]) -> bool:
        """False where one of the policies exists already; then none was added."""
        try:
            self._calls.vpc(
                region_id,
                "CreateSecurityGroupPolicies",
                SecurityGroupId=group_id,
                SecurityGroupPolicySet={direction: policies},
            )
        except ProviderError as error:
            if error.vendor_code != DUPLICATE:
                raise
            return False
        return True


def _in_batches(ids: Sequence[str], fetch: Callable[[list[str]], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    wanted = list(dict.fromkeys(ids))
    rows: list[dict[str, Any]] = []
    for start in range(0, len(wanted), DESCRIBE_BATCH):
        rows += among(wanted[start : start + DESCRIBE_BATCH], fetch)
    return rows


def _description(request: CreateSecurityGroup) -> str:
    return f"Made by BridgX, {request.token}"


def _policy(rule: SecurityGroupRule) -> dict[str, str]:
    """Tencent's policy. Ports go with TCP and UDP only; with ALL they must be ALL."""
    policy = {"Protocol": rule.protocol.upper(), "Action": "ACCEPT"}
    if rule.protocol in ("tcp", "udp"):
        single = rule.port_from == rule.port_to
        policy["Port"] = str(rule.port_from) if single else f"{rule.port_from}-{rule.port_to}"
    elif rule.protocol == "all":
        policy["Port"] = "ALL"
    return {**policy, **({"CidrBlock": rule.cidr_ip} if rule.cidr_ip else {"SecurityGroupId": rule.group_id})}


def _id_in(answer: dict[str, Any], member: str, key: str, action: str) -> str:
    """The id of what was made. Without one it is not known whether anything was."""
    return answers.id_in(PROVIDER, action, (answer.get(member) or {}).get(key))


def _check_name(name: str, field: str, action: str) -> None:
    if len(name.encode()) > NAME_BYTES:
        raise _refused(f"must have at most {NAME_BYTES} bytes in UTF-8 on {PROVIDER}", field, action)


def _refused(message: str, field: str, action: str) -> ProviderError:
    return ProviderError(
        ErrorClass.INVALID_PARAMETER, f"{field}: {message}.", provider=PROVIDER, operation=action, field=field
    )
