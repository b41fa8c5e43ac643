"""The actions of VPC 2017-03-12 on security groups, which belong to a region and a project, not to a VPC."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any

from bridgx_server.cloudsim.core import SimCloud
from bridgx_server.cloudsim.entities import Group
from bridgx_server.cloudsim.errors import Kind, SimError
from bridgx_server.cloudsim.front import Call
from bridgx_server.cloudsim.tencent.errors import Refused
from bridgx_server.cloudsim.tencent.networks import COEXIST, NO_FILTER, TAG_CODES
from bridgx_server.cloudsim.tencent.shapes import ids_or_filters, local, matches, page, tag_rows, tags_of

NAME_CHARACTERS = 60
DESCRIPTION_CHARACTERS = 100
MOST_POLICIES = 100  # of a direction
PROTOCOLS = ("TCP", "UDP", "ICMP", "ICMPV6", "GRE", "ALL")
GROUP_FILTERS = ("security-group-id", "security-group-name", "project-id", "tag-key")
SOURCES = ("CidrBlock", "Ipv6CidrBlock", "SecurityGroupId", "AddressTemplate")
_PORTS = re.compile(r"\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*")


def create_group(call: Call, cloud: SimCloud) -> dict[str, Any]:
    parameters = call.parameters
    for name, most in (("GroupName", NAME_CHARACTERS), ("GroupDescription", DESCRIPTION_CHARACTERS)):
        if not parameters[name]:
            raise Refused("InvalidParameterValue.Empty", f"`{name}` must not be empty.")
        if len(parameters[name]) > most:
            raise Refused("InvalidParameterValue.TooLong", f"`{name}` must have at most {most} characters.")
    if parameters.get("ProjectId", "0") != "0":
        raise Refused("ResourceNotFound", "The simulated cloud has the project 0 only.")
    tags = tags_of(parameters.get("Tags", ()), TAG_CODES)
    group = cloud.create_group(
        call.account, call.region, "", parameters["GroupName"], description=parameters["GroupDescription"]
    )
    cloud.tag(group, tags)
    return {"SecurityGroup": _group(group)}


def describe_groups(call: Call, cloud: SimCloud) -> dict[str, Any]:
    wanted, filters = ids_or_filters(
        call.parameters, "SecurityGroupIds", GROUP_FILTERS, both=COEXIST, unknown=NO_FILTER, most_values=100
    )
    for group_id in wanted or ():
        cloud.group(call.account, call.region, group_id)
    rows = [
        group
        for group in cloud.known_groups(call.account, call.region)
        if (wanted is None or group.group_id in wanted)
        and matches(
            filters,
            {"security-group-id": group.group_id, "security-group-name": group.name, "project-id": "0"},
            group.tags,
        )
    ]
    return {"TotalCount": len(rows), "SecurityGroupSet": [_group(group) for group in page(rows, call.parameters)]}


def delete_group(call: Call, cloud: SimCloud) -> dict[str, Any]:
    group_id = call.parameters["SecurityGroupId"]
    group = cloud.group(call.account, call.region, group_id)
    if any(
        rule["SecurityGroupId"] == group_id
        for other in cloud.groups.values()
        if other is not group
        for rule in other.rules
    ):
        raise SimError(Kind.IN_USE, f"{group_id} is named in a rule of another group", subject="group")
    cloud.delete_group(call.account, call.region, group_id)
    return {}


def create_policies(call: Call, cloud: SimCloud) -> dict[str, Any]:
    """Policies of one direction, all or none of them."""
    group = cloud.group(call.account, call.region, call.parameters["SecurityGroupId"])
    policies = call.parameters["SecurityGroupPolicySet"]
    given = [name for name in ("Ingress", "Egress") if policies.get(name)]
    if not given:
        raise Refused("MissingParameter", "One of `Ingress` and `Egress` is required.")
    if len(given) > 1:
        raise Refused("InvalidParameter.Coexist", "`Ingress` and `Egress` must not be given together.")
    (direction,) = given
    rules = [_rule(policy, direction, call, cloud) for policy in policies[direction]]
    if any(rule in rules[:index] for index, rule in enumerate(rules)):
        raise SimError(Kind.DUPLICATE, "a policy is given twice", subject="rule")
    if sum(rule["Direction"] == direction for rule in group.rules) + len(rules) > MOST_POLICIES:
        raise Refused("LimitExceeded.SecurityGroupPolicySet", f"At most {MOST_POLICIES} {direction} policies.")
    cloud.add_rules(group, rules, duplicates=False)
    return {}


def describe_policies(call: Call, cloud: SimCloud) -> dict[str, Any]:
    group = cloud.group(call.account, call.region, call.parameters["SecurityGroupId"])
    if call.parameters.get("Filters"):
        raise Refused("UnsupportedOperation", "Filters of policies are not simulated.")
    answer: dict[str, Any] = {"Version": str(len(group.rules))}
    for direction in ("Egress", "Ingress"):
        rules = [rule for rule in group.rules if rule["Direction"] == direction]
        answer[direction] = [
            {"PolicyIndex": index, **{name: value for name, value in rule.items() if name != "Direction"}}
            for index, rule in enumerate(rules)
        ]
    return {"SecurityGroupPolicySet": answer}


def _rule(policy: Mapping[str, Any], direction: str, call: Call, cloud: SimCloud) -> dict[str, Any]:
    """A policy as the core keeps it, in one spelling."""
    protocol, action = policy.get("Protocol", "ALL").upper(), policy.get("Action", "").upper()
    if protocol not in PROTOCOLS:
        raise Refused("InvalidParameterValue", f"The protocol must be one of {', '.join(PROTOCOLS)}.")
    if action not in ("ACCEPT", "DROP"):
        raise Refused("InvalidParameterValue", "The action must be ACCEPT or DROP.")
    sources = [name for name in SOURCES if policy.get(name)]
    if len(sources) > 1:
        raise Refused("InvalidParameter.Coexist", f"{' and '.join(sources)} exclude each other.")
    if not sources:
        raise Refused("MissingParameter", f"One of {', '.join(SOURCES)} is required.")
    if sources[0] in ("Ipv6CidrBlock", "AddressTemplate"):
        raise Refused("UnsupportedOperation", f"{sources[0]} is not simulated.")
    group_id = policy.get("SecurityGroupId", "")
    if group_id:
        cloud.group(call.account, call.region, group_id)
    return {
        "Direction": direction,
        "Protocol": protocol,
        "Port": _ports(policy.get("Port", ""), protocol),
        "CidrBlock": _address(policy.get("CidrBlock", "")),
        "SecurityGroupId": group_id,
        "Action": action,
        "PolicyDescription": policy.get("PolicyDescription", ""),
    }


def _ports(text: str, protocol: str) -> str:
    if text.lower() in ("", "all"):
        return "ALL"
    if protocol not in ("TCP", "UDP"):
        raise Refused("InvalidParameter.Coexist", f"`Port` does not go with protocol {protocol}.")
    if _PORTS.fullmatch(text) is None:
        raise Refused("InvalidParameterValue.Malformed", f"{text} is no port, nor a range of ports.")
    for part in text.split(","):
        low, _, high = part.partition("-")
        if not 0 <= int(low) <= int(high or low) <= 65535:
            raise Refused("InvalidParameterValue.Range", f"{part} is no range of ports.")
    return text


def _address(text: str) -> str:
    if not text:
        return ""
    try:
        return str(ipaddress.IPv4Network(text))
    except ValueError:
        raise Refused("InvalidParameterValue.Malformed", f"{text} is not a network.") from None


def _group(group: Group) -> dict[str, Any]:
    return {
        "SecurityGroupId": group.group_id,
        "SecurityGroupName": group.name,
        "SecurityGroupDesc": group.description,
        "ProjectId": "0",
        "IsDefault": False,
        "CreatedTime": local(group.created_at),
        "UpdateTime": local(group.created_at),
        "TagSet": tag_rows(group.tags),
    }


ACTIONS: Mapping[str, Callable[[Call, SimCloud], dict[str, Any]]] = {
    "CreateSecurityGroup": create_group,
    "DescribeSecurityGroups": describe_groups,
    "DeleteSecurityGroup": delete_group,
    "CreateSecurityGroupPolicies": create_policies,
    "DescribeSecurityGroupPolicies": describe_policies,
}
