"""What the requests for networks ask for, as flows: for their callers, and for those whose callers are gone."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import bridgx.v1 as pb
from google.protobuf.message import Message

from bridgx_server.providers.base import SecurityGroupRule
from bridgx_server.provisioning.networks import Networks
from bridgx_server.provisioning.once import Attempt
from bridgx_server.store import accounts, networks
from bridgx_server.store.database import Store
from bridgx_server.store.scope import Scope

MESSAGES: Mapping[str, type[Message]] = {
    "CreateVpc": pb.CreateVpcRequest,
    "CreateSubnet": pb.CreateSubnetRequest,
    "CreateSecurityGroup": pb.CreateSecurityGroupRequest,
    "CreateNetworkConfig": pb.CreateNetworkConfigRequest,
}


def performing(store: Store, flows: Networks, scope: Scope) -> Callable[[Message, Attempt], str]:
    """Does what a request of :data:`MESSAGES` asks for within a scope, and returns the id that answers it."""

    def perform(request: Message, attempt: Attempt) -> str:
        if isinstance(request, pb.CreateVpcRequest):
            account = accounts.by_key(store, scope, request.provider, request.ak)
            return flows.create_vpc(account, request.region_id, request.vpc_name, request.cidr_block, attempt)
        if isinstance(request, pb.CreateSubnetRequest):
            vpc = networks.get_vpc(store, scope, request.vpc_id)
            return flows.create_subnet(vpc, request.zone_id, request.switch_name, request.cidr_block, attempt)
        if isinstance(request, pb.CreateSecurityGroupRequest):
            vpc = networks.get_vpc(store, scope, request.vpc_id)
            rules = [_rule(rule) for rule in request.rules]
            return flows.create_security_group(vpc, request.security_group_name, rules, attempt)
        if isinstance(request, pb.CreateNetworkConfigRequest):
            account = accounts.by_key(store, scope, request.provider, request.ak)
            return flows.create_config(
                account,
                request.region_id,
                request.zone_id,
                (request.vpc_name, request.cidr_block),
                (request.switch_name, request.switch_cidr_block),
                (request.security_group_name, request.security_group_type),
                attempt,
            )
        raise TypeError(f"{type(request).__name__} is no request for a network")

    return perform


def _rule(rule: pb.SecurityGroupRule) -> SecurityGroupRule:
    low, _, high = rule.port_range.partition("/")
    # With both a group and a block, the block is used.
    group_id = "" if rule.cidr_ip else rule.group_id
    return SecurityGroupRule(rule.direction, rule.protocol, int(low), int(high), rule.cidr_ip, group_id)
