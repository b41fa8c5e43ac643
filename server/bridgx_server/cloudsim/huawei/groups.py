"""The calls on security groups and their rules, in version 3 of the VPC API."""

from __future__ import annotations

import ipaddress
import json
import re
import uuid
from collections.abc import Mapping
from typing import Any

from bridgx_server.cloudsim.core import SimCloud
from bridgx_server.cloudsim.entities import Group
from bridgx_server.cloudsim.errors import Kind, SimError
from bridgx_server.cloudsim.front import Call
from bridgx_server.cloudsim.huawei.errors import bad
from bridgx_server.cloudsim.huawei.networks import listed
from bridgx_server.cloudsim.huawei.shapes import moment, named

_PORTS = re.compile(r"\d{1,5}(-\d{1,5})?(,\d{1,5}(-\d{1,5})?)*")


def create_group(call: Call, cloud: SimCloud) -> dict[str, Any]:
    given = call.parameters["security_group"]
    group = cloud.create_group(
        call.account, call.region, "", named(given["name"]), description=given.get("description", "")
    )
    # Those that every group begins with: within it everything, out of it everything.
    for ethertype in ("IPv4", "IPv6"):
        inward = {
            **_rule({"direction": "ingress", "ethertype": ethertype}, call, cloud),
            "remote_group_id": group.group_id,
        }
        outward = _rule({"direction": "egress", "ethertype": ethertype}, call, cloud)
        cloud.add_rules(group, [{**inward, "priority": 100}, {**outward, "priority": 100}], duplicates=False)
    return {"security_group": _row(group, call, with_rules=True)}


def list_groups(call: Call, cloud: SimCloud) -> dict[str, Any]:
    rows = [_row(group, call) for group in cloud.known_groups(call.account, call.region)]
    return listed("security_groups", rows, call)


def show_group(call: Call, cloud: SimCloud) -> dict[str, Any]:
    return {"security_group": _row(_group(call, cloud), call, with_rules=True)}


def delete_group(call: Call, cloud: SimCloud) -> dict[str, Any]:
    cloud.delete_group(call.account, call.region, call.parameters["security_group_id"])
    return {}


def create_rule(call: Call, cloud: SimCloud) -> dict[str, Any]:
    given = dict(call.parameters["security_group_rule"])
    group = cloud.group(call.account, call.region, given.pop("security_group_id"))
    rule = _rule(given, call, cloud)
    _refuse_known([rule], group)
    cloud.add_rules(group, [rule], duplicates=False)
    return {"security_group_rule": _rule_row(rule, group, call)}


def create_rules(call: Call, cloud: SimCloud) -> dict[str, Any]:
    """All of them or, where one exists already and `ignore_duplicate` is not said, none."""
    group = _group(call, cloud)
    rules: list[dict[str, Any]] = []
    for given in call.parameters["security_group_rules"]:
        rule = _rule(given, call, cloud)
        if not any(_same(rule, other) for other in rules):
            rules.append(rule)
        elif not call.parameters.get("ignore_duplicate"):
            raise SimError(Kind.DUPLICATE, "A security group rule is given twice.", subject="rule")
    if call.parameters.get("ignore_duplicate"):
        rules = [rule for rule in rules if not any(_same(rule, other) for other in group.rules)]
    else:
        _refuse_known(rules, group)
    cloud.add_rules(group, rules, duplicates=False)
    return {"security_group_rules": [_rule_row(rule, group, call) for rule in rules]}


def list_rules(call: Call, cloud: SimCloud) -> dict[str, Any]:
    rows = [
        _rule_row(rule, group, call) for group in cloud.known_groups(call.account, call.region) for rule in group.rules
    ]
    return listed("security_group_rules", rows, call)


def _group(call: Call, cloud: SimCloud) -> Group:
    return cloud.group(call.account, call.region, call.parameters["security_group_id"])


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(one[name] == other[name] for name in one if name not in ("description", "priority", "action"))


def _refuse_known(rules: list[dict[str, Any]], group: Group) -> None:
    if any(_same(rule, other) for rule in rules for other in group.rules):
        raise SimError(Kind.DUPLICATE, "Security group rule already exists.", subject="rule")


def _rule(given: Mapping[str, Any], call: Call, cloud: SimCloud) -> dict[str, Any]:
    """A rule as the core keeps it, in one spelling."""
    ethertype, protocol = given.get("ethertype", "IPv4"), _protocol(given.get("protocol"))
    if (protocol == "icmp" and ethertype != "IPv4") or (protocol == "icmpv6" and ethertype != "IPv6"):
        raise bad(f"protocol {protocol} does not go with ethertype {ethertype}.")
    prefix, group_id = given.get("remote_ip_prefix"), given.get("remote_group_id")
    if prefix and group_id:
        raise bad("remote_ip_prefix and remote_group_id exclude each other.")
    if group_id:
        cloud.group(call.account, call.region, group_id)
    return {
        "description": given.get("description", ""),
        "direction": given["direction"],
        "ethertype": ethertype,
        "protocol": protocol,
        "multiport": _ports(given.get("multiport"), protocol),
        "action": given.get("action", "allow"),
        "priority": given.get("priority", 1),
        "remote_group_id": group_id,
        "remote_ip_prefix": _prefix(prefix) if prefix else None,
    }


def _protocol(text: str | None) -> str | None:
    if not text:
        return None
    if text not in ("tcp", "udp", "icmp", "icmpv6") and not (text.isdigit() and int(text) <= 255):
        raise bad(f"protocol {text} is invalid: it is tcp, udp, icmp, icmpv6 or a number up to 255.")
    return {"6": "tcp", "17": "udp", "1": "icmp"}.get(text, text)


def _ports(text: str | None, protocol: str | None) -> str | None:
    if not text:
        return None
    if protocol not in ("tcp", "udp"):
        raise bad("multiport goes with the protocols tcp and udp only.")
    if _PORTS.fullmatch(text) is None:
        raise bad(f"multiport {text} is invalid.")
    for part in text.split(","):
        first, _, last = part.partition("-")
        if not 1 <= int(first) <= int(last or first) <= 65535:
            raise bad(f"multiport {text} is invalid: ports are 1 to 65535, in order.")
    return text


def _prefix(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        raise bad(f"remote_ip_prefix {text} is invalid.") from None


def _row(group: Group, call: Call, *, with_rules: bool = False) -> dict[str, Any]:
    row = {
        "id": group.group_id,
        "name": group.name,
        "description": group.description,
        "project_id": call.parameters["project_id"],
        "enterprise_project_id": "0",
        "created_at": moment(group.created_at),
        "updated_at": moment(group.created_at),
        "tags": [],
    }
    return (
        {**row, "security_group_rules": [_rule_row(rule, group, call) for rule in group.rules]} if with_rules else row
    )


def _rule_row(rule: Mapping[str, Any], group: Group, call: Call) -> dict[str, Any]:
    told = json.dumps(rule, sort_keys=True)
    return {
        **rule,
        "id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{group.group_id}/{told}")),
        "security_group_id": group.group_id,
        "remote_address_group_id": None,
        "enabled": True,
        "project_id": call.parameters["project_id"],
        "created_at": moment(group.created_at),
        "updated_at": moment(group.created_at),
    }
