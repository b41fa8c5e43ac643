"""Baidu's REST protocol: BCC v2 and VPC v1 on one port.

The host is what tells Baidu the region: a request whose Host header is `bcc.<region>.baidubce.com` is for that region, one
with any other host (a loopback address, say) for bj, as the default of Baidu's SDKs is.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote, unquote_plus

from aiohttp import web

from bridgx_server.cloudsim.baidu import signature
from bridgx_server.cloudsim.baidu.errors import Refused, code_of
from bridgx_server.cloudsim.baidu.routes import ROUTES, Route, route_of
from bridgx_server.cloudsim.baidu.shapes import checked, from_query
from bridgx_server.cloudsim.core import SimCloud
from bridgx_server.cloudsim.errors import SimError
from bridgx_server.cloudsim.front import Call, Refusal

DEFAULT_REGION = "bj"
_HOST = re.compile(r"(?:bcc|vpc)\.([a-z]+)\.baidubce\.com(?::\d+)?")
_ACTIONS = {route.action: route for route in ROUTES}


class Front:
    """BCC v2 and VPC v1. ``clock`` gives seconds since the epoch: signatures hold for a while."""

    provider = "BaiduCloud"
    prefixes: Mapping[str, Callable[[str], str]] = {
        "vpc": lambda text: f"vpc-{text[:12]}",
        "subnet": lambda text: f"sbn-{text[:12]}",
        "group": lambda text: f"g-{text[:12]}",
        "machine": lambda text: f"i-{text[:8]}",
    }
    # network, gateway and broadcast: no source names them (unverified).
    reserved = (2, 1)
    keep_deleted = 0.0

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock

    def parse(self, request: web.Request, body: bytes, cloud: SimCloud) -> Call:
        path, _, query = request.raw_path.partition("?")
        pairs = _pairs(query)
        found = route_of(request.method, unquote(path), frozenset(name for name, _ in pairs))
        action = found[0].action if found else ""
        try:
            account = self._authenticate(request, path, query, cloud)
            region = _region(request.headers.get("Host", ""), cloud)
            if found is None:
                raise _no_route(path)
            route, in_path = found
            parameters = _parameters(route, in_path, pairs, body)
        except Refused as refused:
            raise Refusal(refused.response(), action) from None
        return Call(action, account, region, parameters)

    def perform(self, call: Call, cloud: SimCloud) -> web.Response:
        try:
            answer = _ACTIONS[call.action].perform(call, cloud)
        except Refused as refused:
            return refused.response()
        return web.json_response(answer, headers={"x-bce-request-id": str(uuid.uuid4())})

    def refusal(self, error: SimError, action: str) -> web.Response:
        status, code = code_of(error)
        return Refused(status, code, error.message).response()

    def _authenticate(self, request: web.Request, path: str, query: str, cloud: SimCloud) -> str:
        header = request.headers.get("Authorization", "")
        if not header:
            raise Refused(403, "AccessDenied", "Access denied.")
        try:
            authorization = signature.read(header)
        except signature.Malformed:
            message = "The HTTP authorization header is invalid. Consult the service documentation for details."
            raise Refused(400, "InvalidHTTPAuthHeader", message) from None
        account = cloud.accounts.get(authorization.access_key)
        if account is None:
            message = "The Access Key ID you provided does not exist in our records."
            raise Refused(403, "InvalidAccessKeyId", message)
        if self._clock() > authorization.at + authorization.seconds:
            raise Refused(400, "RequestExpired", "Request has expired.")
        if not signature.holds(authorization, request.method, path, query, request.headers, account.secret):
            message = "The request signature we calculated does not match the signature you provided."
            raise Refused(400, "SignatureDoesNotMatch", message)
        return account.access_key


def _pairs(query: str) -> list[tuple[str, str]]:
    pairs = []
    for part in filter(None, query.split("&")):
        name, _, value = part.partition("=")
        pairs.append((unquote_plus(name), unquote_plus(value)))
    return pairs


def _region(host: str, cloud: SimCloud) -> str:
    named = _HOST.fullmatch(host.lower())
    if named is None:
        return DEFAULT_REGION
    if named[1] not in cloud.catalog.regions:
        raise Refused(404, "InvalidURI", f"There is no region {named[1]}.")
    return named[1]


def _no_route(path: str) -> Refused:
    if re.match(r"/v[12]/", path):
        return Refused(400, "InvalidURI", "Could not parse the specified URI.")
    return Refused(404, "InvalidVersion", "The API version specified was invalid.")


def _parameters(route: Route, in_path: Mapping[str, str], pairs: list[tuple[str, str]], body: bytes) -> dict[str, Any]:
    in_query = from_query([(name, value) for name, value in pairs if name != route.word], route.query)
    given: Any = {}
    if body:
        try:
            given = json.loads(body)
        except ValueError:
            raise Refused(400, "MalformedJSON", "The JSON you provided was not well-formed.") from None
    if not isinstance(given, dict):
        raise Refused(400, "InappropriateJSON", "The body must be an object.")
    return {**in_path, **in_query, **checked(given, route.body)}
