"""Tencent Cloud's API 3.0: CVM and VPC 2017-03-12 and STS 2018-08-13 on one port, signed by TC3-HMAC-SHA256, JSON in and out.

A request says in its signature's scope which product it is for; where the Host header is that of a product,
`cvm.tencentcloudapi.com`, the two must agree.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from bridgx_server.cloudsim.core import SimCloud
from bridgx_server.cloudsim.errors import SimError
from bridgx_server.cloudsim.front import Call, Refusal
from bridgx_server.cloudsim.tencent import groups, instances, networks, offered, signature, sts
from bridgx_server.cloudsim.tencent.errors import Refused, answer, code_of, message_of
from bridgx_server.cloudsim.tencent.parameters import SYNTAX, checked

LATEST = "2017-03-12"  # of CVM and VPC
VERSIONS: Mapping[str, str] = {"sts": "2018-08-13"}  # of other products
LIFETIME = 300  # seconds that a timestamp may be off
WITHOUT_REGION = frozenset({"DescribeRegions"})
_HOST = re.compile(r"([a-z]+)(?:\.[a-z0-9-]+)?\.tencentcloudapi\.com(?::\d+)?")

ACTIONS: Mapping[str, Callable[[Call, SimCloud], dict[str, Any]]] = {
    **offered.ACTIONS,
    **instances.ACTIONS,
    **networks.ACTIONS,
    **groups.ACTIONS,
    **sts.ACTIONS,
}
PRODUCTS: Mapping[str, str] = {action: product for product, action in SYNTAX}


class Front:
    """CVM, VPC and STS. ``clock`` gives seconds since the epoch: signatures hold for a while."""

    provider = "TencentCloud"
    prefixes: Mapping[str, Callable[[str], str]] = {
        "vpc": lambda text: f"vpc-{text[:8]}",
        "subnet": lambda text: f"subnet-{text[:8]}",
        "group": lambda text: f"sg-{text[:8]}",
        "machine": lambda text: f"ins-{text[:8]}",
    }
    # network, gateway and broadcast: VPC documentation, subnets (from memory: unverified).
    reserved = (2, 1)
    keep_deleted = 0.0

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock

    def parse(self, request: web.Request, body: bytes, cloud: SimCloud) -> Call:
        action = request.headers.get("X-TC-Action", "")
        try:
            authorization, account = self._authenticate(request, body, cloud)
            product = authorization.product
            _check_product(product, request.headers.get("Host", ""))
            version = VERSIONS.get(product, LATEST)
            if request.headers.get("X-TC-Version") != version:
                raise Refused("NoSuchVersion", f"The version of {product} is {version}.")
            if (product, action) not in SYNTAX:
                raise Refused("InvalidAction", f"The action `{action}` does not exist in {product}.")
            region = _region(request.headers.get("X-TC-Region", ""), action, cloud)
            parameters = checked(product, action, _body(body))
        except Refused as refused:
            raise Refusal(refused.response(), action) from None
        return Call(action, account, region, parameters)

    def perform(self, call: Call, cloud: SimCloud) -> web.Response:
        try:
            return answer(ACTIONS[call.action](call, cloud))
        except Refused as refused:
            return refused.response()

    def refusal(self, error: SimError, action: str) -> web.Response:
        return Refused(code_of(error, PRODUCTS[action]), message_of(error)).response()

    def _authenticate(self, request: web.Request, body: bytes, cloud: SimCloud) -> tuple[signature.Authorization, str]:
        if request.method != "POST" or request.path != "/" or request.content_type != "application/json":
            raise Refused("UnsupportedProtocol", "Only POST of application/json to / is supported here.")
        for name in ("X-TC-Action", "X-TC-Version", "X-TC-Timestamp"):
            if not request.headers.get(name):
                raise Refused("MissingParameter", f"The header {name} is missing.")
        try:
            authorization = signature.read(request.headers.get("Authorization", ""))
            timestamp = int(request.headers["X-TC-Timestamp"])
        except (signature.Malformed, ValueError):
            code = "AuthFailure.InvalidAuthorization"
            raise Refused(code, "The Authorization header or the timestamp is malformed.") from None
        account = cloud.accounts.get(authorization.access_key)
        if account is None:
            raise Refused("AuthFailure.SecretIdNotFound", "The SecretId is not found.")
        if abs(self._clock() - timestamp) > LIFETIME:
            raise Refused("AuthFailure.SignatureExpire", "The timestamp differs too much from the server's time.")
        query = request.raw_path.partition("?")[2]
        if not signature.holds(authorization, request.method, query, request.headers, body, timestamp, account.secret):
            raise Refused("AuthFailure.SignatureFailure", "The provided credentials could not be validated.")
        return authorization, account.access_key


def _check_product(product: str, host: str) -> None:
    named = _HOST.fullmatch(host.lower())
    if named is not None and named[1] != product:
        raise Refused("NoSuchProduct", f"A request that is signed for {product} was sent to {named[1]}.")


def _region(region: str, action: str, cloud: SimCloud) -> str:
    if action in WITHOUT_REGION:
        return region
    if not region:
        raise Refused("MissingParameter", "The request is missing a required parameter `Region`.")
    if region not in cloud.catalog.regions:
        raise Refused("UnsupportedRegion", f"The region {region} is not supported.")
    return region


def _body(body: bytes) -> dict[str, Any]:
    try:
        given = json.loads(body)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise Refused("InvalidParameter", "The body must be a JSON object.")
    return given
