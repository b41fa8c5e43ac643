"""The calls of BCC v2 on security groups."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from bridgx_server.cloudsim.baidu.errors import Refused, bad
from bridgx_server.cloudsim.baidu.networks import named, remember, repeated
from bridgx_server.cloudsim.baidu.shapes import moment, page, split, tag_rows, tags_of
from bridgx_server.cloudsim.core import SimCloud
from bridgx_server.cloudsim.entities import Group
from bridgx_server.cloudsim.errors import Kind, SimError
from bridgx_server.cloudsim.front import Call

MOST_RULES = 50  # of a direction ("Security group": at most 50 ingress and 50 egress rules)
PROTOCOLS = ("", "all", "tcp", "udp", "icmp")
ALL_PORTS = ("", "0-65535", "1-65535")


def create_group(call: Call, cloud: SimCloud) -> dict[str, Any]:
    parameters = call.parameters
    known = repeated(call, cloud)
    if known is not None:
        return {"securityGroupId": known}
    rules = [_rule(rule, call, cloud) for rule in parameters["rules"]]
    if any(rule in rules[:index] for index, rule in enumerate(rules)):
        raise SimError(Kind.DUPLICATE, "a rule is given twice", subject="rule")
    group = cloud.create_group(
        call.account,
        call.region,
        parameters.get("vpcId", ""),
        named(parameters["name"]),
        description=parameters.get("desc", ""),
    )
    cloud.add_rules(group, rules, duplicates=False)
    cloud.tag(group, tags_of(parameters))
    remember(call, cloud, group.group_id)
    return {"securityGroupId": group.group_id}


def list_groups(call: Call, cloud: SimCloud) -> dict[str, Any]:
    parameters = call.parameters
    wanted = split(parameters.get("securityGroupIds", "")) + split(parameters.get("securityGroupId", ""))
    machine = cloud.machines.get(parameters.get("instanceId", ""))
    rows = [
        _row(group)
        for group in cloud.known_groups(call.account, call.region)
        if (not wanted or group.group_id in wanted)
        and parameters.get("vpcId", group.vpc_id) == group.vpc_id
        and ("instanceId" not in parameters or (machine is not None and group.group_id in machine.group_ids))
    ]
    return page(rows, parameters, "securityGroups", lambda row: str(row["id"]))


def get_group(call: Call, cloud: SimCloud) -> dict[str, Any]:
    return _row(_group(call, cloud))


def change_rules(call: Call, cloud: SimCloud) -> dict[str, Any]:
    """authorizeRule or revokeRule."""
    group = _group(call, cloud)
    rule = _rule(call.parameters["rule"], call, cloud)
    if call.action == "AuthorizeSecurityGroupRule":
        if sum(row["direction"] == rule["direction"] for row in group.rules) >= MOST_RULES and rule not in group.rules:
            # No source names the code: this one is made in the vendor's style.
            raise Refused(403, "SecurityGroup.RuleQuotaExceeded", f"At most {MOST_RULES} rules of a direction.")
        cloud.add_rules(group, [rule], duplicates=False)
    elif rule in group.rules:
        cloud.drop_rules(group, [rule])
    else:
        raise SimError(Kind.NOT_FOUND, "the group has no such rule", subject="rule")
    return {}


def delete_group(call: Call, cloud: SimCloud) -> dict[str, Any]:
    cloud.delete_group(call.account, call.region, call.parameters["securityGroupId"])
    return {}


def _group(call: Call, cloud: SimCloud) -> Group:
    return cloud.group(call.account, call.region, call.parameters["securityGroupId"])


def _rule(given: Mapping[str, Any], call: Call, cloud: SimCloud) -> dict[str, Any]:
    """A rule as the core keeps it: the six members that make it one of its kind, in one spelling each."""
    protocol, direction = given.get("protocol", ""), given["direction"]
    if protocol not in PROTOCOLS:
        raise bad("protocol is invalid.")
    near, far = ("source", "dest") if direction == "ingress" else ("dest", "source")
    if given.get(f"{far}Ip") or given.get(f"{far}GroupId"):
        raise bad(f"{far}Ip and {far}GroupId do not go with direction {direction}")
    address, group_id = given.get(f"{near}Ip", ""), given.get(f"{near}GroupId", "")
    if address and group_id:
        raise bad(f"{near}Ip and {near}GroupId exclude each other")
    if group_id:
        cloud.group(call.account, call.region, group_id)
    return {
        "remark": given.get("remark", ""),
        "direction": direction,
        "ethertype": given.get("ethertype", "IPv4") or "IPv4",
        "protocol": "" if protocol == "all" else protocol,
        "portRange": _ports(given.get("portRange", ""), protocol),
        f"{near}Ip": "" if group_id else _address(address),
        f"{near}GroupId": group_id,
    }


def _ports(text: str, protocol: str) -> str:
    if text in ALL_PORTS:
        return ""
    if protocol not in ("tcp", "udp"):
        raise Refused(400, "SecurityGroup.RulePortInvalid", f"portRange does not go with protocol {protocol or 'all'}")
    ports = text.split("-")
    if len(ports) > 2 or not all(port.isdigit() for port in ports):
        raise Refused(400, "SecurityGroup.RulePortInvalid", "The value of security group rule port must be number.")
    if any(int(port) > 65535 for port in ports):
        raise Refused(400, "SecurityGroup.RulePortRangeInvalid", "The value of security group rule port is exceeded.")
    if int(ports[0]) > int(ports[-1]):
        message = "The order of security group rule port is incorrect."
        raise Refused(400, "SecurityGroup.RulePortOrderInvalid", message)
    return f"{int(ports[0])}-{int(ports[-1])}"


def _address(text: str) -> str:
    if text in ("", "all"):
        return "0.0.0.0/0"
    try:
        return str(ipaddress.IPv4Network(text))
    except ValueError:
        message = "Security group rule ip(cidr) address is incorrect."
        raise Refused(400, "SecurityGroup.RuleCIDRAddressError", message) from None


def _row(group: Group) -> dict[str, Any]:
    return {
        "id": group.group_id,
        "name": group.name,
        "desc": group.description,
        "vpcId": group.vpc_id,
        "createdTime": moment(group.created_at),
        "rules": [{**rule, "securityGroupId": group.group_id} for rule in group.rules],
        "tags": tag_rows(group.tags),
    }
