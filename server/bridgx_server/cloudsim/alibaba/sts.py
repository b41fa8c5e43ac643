"""The action of STS 2015-04-01 that says who calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bridgx_server.cloudsim.core import SimCloud
from bridgx_server.cloudsim.entities import number_of
from bridgx_server.cloudsim.front import Call


def get_caller_identity(call: Call, cloud: SimCloud) -> dict[str, Any]:
    account, user = number_of(call.account, 16), number_of(call.key, 18)
    if call.key == call.account:
        return {
            "IdentityType": "Account",
            "AccountId": account,
            "UserId": account,
            "PrincipalId": account,
            "Arn": f"acs:ram::{account}:root",
        }
    return {
        "IdentityType": "RAMUser",
        "AccountId": account,
        "UserId": user,
        "PrincipalId": user,
        "Arn": f"acs:ram::{account}:user/{call.key}",
    }


ACTIONS: Mapping[str, Callable[[Call, SimCloud], dict[str, Any]]] = {"GetCallerIdentity": get_caller_identity}
