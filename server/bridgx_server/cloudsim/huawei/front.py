"""Huawei's REST protocols: ECS, VPC, IMS, IAM and BSS on one port, behind one gateway that checks signatures.

A request's region is that of the project in its path, or, with IMS, in X-Project-Id. An account has one project in each
region: in cn-north-4 the one that it was registered with, elsewhere one that IAM tells.
"""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote, unquote_plus

from aiohttp import web

from bridgx_server.cloudsim.core import SimCloud
from bridgx_server.cloudsim.entities import Account
from bridgx_server.cloudsim.errors import SimError
from bridgx_server.cloudsim.front import Call, Refusal
from bridgx_server.cloudsim.huawei import iam, signature
from bridgx_server.cloudsim.huawei.errors import (
    BSS,
    ECS,
    GATEWAY,
    IAM,
    IMS,
    VPC_V3,
    Refused,
    bad,
    refused_of,
    unauthorized,
)
from bridgx_server.cloudsim.huawei.route import Route
from bridgx_server.cloudsim.huawei.routes import ROUTES, route_of
from bridgx_server.cloudsim.huawei.servers import TOKEN
from bridgx_server.cloudsim.huawei.shapes import checked, from_query

_ACTIONS = {route.action: route for route in ROUTES}


def _uuid(text: str) -> str:
    return str(uuid.UUID(hashlib.sha256(text.encode()).hexdigest()[:32], version=4))


class Front:
    """ECS, VPC, IMS, IAM and BSS. ``clock`` gives seconds since the epoch: signatures hold for a while."""

    provider = "HuaweiCloud"
    prefixes: Mapping[str, Callable[[str], str]] = dict.fromkeys(("vpc", "subnet", "group", "machine"), _uuid)
    # network, gateway, system interface, DHCP and broadcast: VPC user guide, "Creating a Subnet".
    reserved = (2, 3)
    keep_deleted = 0.0

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock

    def parse(self, request: web.Request, body: bytes, cloud: SimCloud) -> Call:
        path, _, query = request.raw_path.partition("?")
        found = route_of(request.method, unquote(path))
        if found is None:
            message = "The API does not exist or has not been published in the environment."
            raise Refusal(Refused(404, "APIGW.0101", message, gateway=True).response(GATEWAY, ""))
        route, in_path = found
        try:
            account = self._authenticate(request, path, query, body, cloud)
            owner = cloud.accounts.get(account.owner, account)
            if route.service == BSS and request.headers.get("X-Domain-Id") != iam.domain_of(owner.access_key):
                raise Refused(403, "CBC.0151", "Access denied.")
            region = _region(route, in_path, request.headers.get("X-Project-Id", ""), owner, cloud)
            parameters = _parameters(route, in_path, query, body)
            if route.token and TOKEN in request.headers:
                parameters[TOKEN] = request.headers[TOKEN]
        except Refused as refused:
            raise Refusal(refused.response(route.service, route.invalid), route.action) from None
        return Call(route.action, account.access_key, region, parameters)

    def perform(self, call: Call, cloud: SimCloud) -> web.Response:
        route = _ACTIONS[call.action]
        try:
            answer = route.perform(call, cloud)
        except Refused as refused:
            return refused.response(route.service, route.invalid)
        request_id = uuid.uuid4().hex
        headers = {"X-Request-Id": request_id}
        if route.status == 204:
            return web.Response(status=204, headers=headers)
        if route.service == VPC_V3:
            answer = {"request_id": request_id, **answer}
        # A dry run that finds nothing wrong is accepted, and that is all.
        status = 202 if call.parameters.get("dry_run") else route.status
        return web.json_response(answer, status=status, headers=headers)

    def refusal(self, error: SimError, action: str) -> web.Response:
        route = _ACTIONS[action]
        return refused_of(error, route.service).response(route.service, route.invalid)

    def _authenticate(self, request: web.Request, path: str, query: str, body: bytes, cloud: SimCloud) -> Account:
        header = request.headers.get("Authorization", "")
        if not header:
            raise unauthorized("decrypt token fail")
        try:
            authorization = signature.read(header, request.headers.get("X-Sdk-Date", ""))
        except signature.Malformed:
            raise unauthorized("authorization format is incorrect") from None
        account = cloud.accounts.get(authorization.access_key)
        if account is None:
            raise unauthorized(f"Get secretKey failed,ak:{authorization.access_key},err:ak not exist")
        if abs(self._clock() - authorization.at) > signature.LIFE:
            raise unauthorized(f"Signature expired, signature time:{authorization.stamp}")
        if not {"host", "x-sdk-date"} <= set(authorization.headers) or not signature.holds(
            authorization, request.method, path, query, request.headers, body, account.secret
        ):
            raise unauthorized("verify aksk signature fail")
        return account


# By service: what is said of a project that is not the caller's.
_NO_PROJECT = {
    ECS: (400, "Ecs.0023", "project_id in token mismatches with project_id in url."),
    IMS: (400, "Common.0018", "The project ID in the URL is different from that in the token."),
}
_NO_PROJECT_IN_VPC = (400, "VPC.0007", "urlTenantId is not equal tokenTenantId")


def _region(route: Route, in_path: Mapping[str, str], header: str, account: Account, cloud: SimCloud) -> str:
    if route.service in (IAM, BSS):
        return ""
    named = in_path.get("project_id", header)
    region = next((region for region, project in iam.projects_of(account, cloud).items() if project == named), "")
    if not region or header not in ("", named):
        raise Refused(*_NO_PROJECT.get(route.service, _NO_PROJECT_IN_VPC))
    return region


def _parameters(route: Route, in_path: Mapping[str, str], query: str, body: bytes) -> dict[str, Any]:
    pairs = []
    for part in filter(None, query.split("&")):
        name, _, value = part.partition("=")
        pairs.append((unquote_plus(name), unquote_plus(value)))
    given: Any = {}
    if body:
        try:
            given = json.loads(body)
        except ValueError:
            raise bad("request body is illegal.") from None
    if not isinstance(given, dict):
        raise bad("request body is illegal.")
    return {**in_path, **from_query(pairs, route.query), **checked(given, route.body)}
