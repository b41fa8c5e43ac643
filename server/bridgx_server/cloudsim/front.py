"""The seam between a vendor's wire protocol and the simulated cloud.

A front reads a request as its vendor would: it checks the signature, names the action, refuses parameters that are
unknown, missing or of the wrong type, and answers in the vendor's shapes. To write one: a folder with a class that has
the attributes below, and one line in FRONTS. What a call does to the cloud is the business of SimCloud, in core.py; it
raises SimError, which `refusal` puts into the vendor's words. Faults are applied by the server: a front
passes `call.effects` on to the core, and hands over `call.dropped` where machines are listed.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from aiohttp import web

from bridgx_server.cloudsim.core import Effects, SimCloud
from bridgx_server.cloudsim.errors import SimError


@dataclass
class Call:
    """A request as its front understood it. ``parameters`` are flat or nested, as the vendor's are.

    ``key`` is the access key that signed it, which is another than the account's name where the account has several.
    """

    action: str
    account: str
    region: str
    parameters: Mapping[str, Any]
    effects: Effects = field(default_factory=Effects)
    dropped: Callable[[float], bool] = lambda share: False
    key: str = ""


class Refusal(Exception):
    """A request that a front refuses before it is a call. ``action`` is empty where not even that was understood."""

    def __init__(self, response: web.Response, action: str = "") -> None:
        super().__init__(response.status)
        self.response = response
        self.action = action


class Front(Protocol):
    """One vendor's protocol. All methods run on the event loop and must not wait.

    ``reserved`` is how many addresses at the start and at the end of a subnet the vendor keeps for itself.
    """

    provider: str
    prefixes: Mapping[str, Callable[[str], str]]
    reserved: tuple[int, int]
    keep_deleted: float

    def parse(self, request: web.Request, body: bytes, cloud: SimCloud) -> Call:
        """Reads a request; raises Refusal."""
        ...

    def perform(self, call: Call, cloud: SimCloud) -> web.Response:
        """Does what the call asks; raises SimError, Refusal."""
        ...

    def refusal(self, error: SimError, action: str) -> web.Response:
        """The vendor's answer to a call that fails."""
        ...


# provider → module with a class Front
FRONTS: Mapping[str, str] = {
    "AlibabaCloud": "bridgx_server.cloudsim.alibaba.front",
    "HuaweiCloud": "bridgx_server.cloudsim.huawei.front",
    "TencentCloud": "bridgx_server.cloudsim.tencent.front",
    "BaiduCloud": "bridgx_server.cloudsim.baidu.front",
    "AWSCloud": "bridgx_server.cloudsim.aws.front",
}


def front_of(provider: str, clock: Callable[[], float]) -> Front:
    """The front of a cloud, whose time is ``clock``'s, in seconds since the epoch: signatures hold for a while."""
    return cast(Front, importlib.import_module(FRONTS[provider]).Front(clock))
