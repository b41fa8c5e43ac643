"""The action of STS 2018-08-13 that says who calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bridgx_server.cloudsim.core import SimCloud
from bridgx_server.cloudsim.entities import number_of
from bridgx_server.cloudsim.front import Call


def get_caller_identity(call: Call, cloud: SimCloud) -> dict[str, Any]:
    root, user = number_of(call.account, 12), number_of(call.key, 12)
    return {
        "Arn": f"qcs::cam:{root}:uin/{user}",
        "AccountId": root,
        "UserId": user,
        "PrincipalId": user,
        "Type": "CAMUser",
    }


ACTIONS: Mapping[str, Callable[[Call, SimCloud], dict[str, Any]]] = {"GetCallerIdentity": get_caller_identity}
