"""Alibaba Cloud's RPC protocol: actions in headers, parameters in the query, JSON answers."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from bridgx_server.cloudsim.alibaba import ecs, signature, sts, vpc
from bridgx_server.cloudsim.alibaba.errors import Refused, code_of, message_of
from bridgx_server.cloudsim.alibaba.parameters import parameters_of, pattern_of
from bridgx_server.cloudsim.core import SimCloud
from bridgx_server.cloudsim.errors import SimError
from bridgx_server.cloudsim.front import Call, Refusal

ACTIONS: Mapping[str, Callable[[Call, SimCloud], dict[str, Any]]] = {
    **ecs.ACTIONS,
    **vpc.ACTIONS,
    **sts.ACTIONS,
}

LIFETIME = 900  # seconds that a request's time may be off: "common error codes" of Alibaba Cloud's OpenAPI


class Front:
    """ECS 2014-05-26, VPC 2016-04-28 and STS 2015-04-01 on one port."""

    provider = "AlibabaCloud"
    prefixes: Mapping[str, Callable[[str], str]] = {
        "vpc": lambda text: f"vpc-m5e{text[:17]}",
        "subnet": lambda text: f"vsw-m5e{text[:17]}",
        "group": lambda text: f"sg-m5e{text[:17]}",
        "machine": lambda text: f"i-m5e{text[:17]}",
    }
    # the first and the last three: VPC API reference, CreateVSwitchCidrReservation.
    reserved = (1, 3)
    keep_deleted = 0.0

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock

    def parse(self, request: web.Request, body: bytes, cloud: SimCloud) -> Call:
        action = request.headers.get("x-acs-action", "")
        version = request.headers.get("x-acs-version", "")
        if not action:
            raise _refuse(400, "MissingParameter.Action", "The header x-acs-action is missing.", "")
        try:
            key = signature.access_key_of(request.headers)
        except signature.Unsigned:
            raise _refuse(400, "IncompleteSignature", "The Authorization header is malformed.", action) from None
        account = cloud.accounts.get(key)
        if account is None:
            raise _refuse(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.", action)
        if abs(self._clock() - signature.time_of(request.headers)) > LIFETIME:
            message = "Specified time stamp or date value is expired."
            raise _refuse(400, "InvalidTimeStamp.Expired", message, action)
        if not signature.holds(request.method, request.url, request.headers, body, account.secret):
            message = "Specified signature does not match our calculation."
            raise _refuse(400, "SignatureDoesNotMatch", message, action)
        known = parameters_of(version, action)
        if known is None:
            message = "The specified action or version does not exist."
            raise _refuse(404, "InvalidAction.NotFound", message, action)
        pairs = parse_qsl(request.url.raw_query_string, keep_blank_values=True)
        if body:
            pairs += parse_qsl(body.decode(), keep_blank_values=True)
        try:
            parameters = _typed(pairs, known)
        except Refused as refused:
            raise Refusal(refused.response(), action) from None
        return Call(action, key, parameters.get("RegionId", ""), parameters)

    def perform(self, call: Call, cloud: SimCloud) -> web.Response:
        try:
            answer = ACTIONS[call.action](call, cloud)
        except Refused as refused:
            return refused.response()
        return web.json_response({**answer, "RequestId": _request_id()})

    def refusal(self, error: SimError, action: str) -> web.Response:
        status, code = code_of(error, action)
        return Refused(status, code, message_of(error)).response()


def _typed(pairs: list[tuple[str, str]], known: Mapping[str, Any]) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    for name, text in pairs:
        parameter = known.get(pattern_of(name))
        if parameter is None:
            raise Refused(400, "UnsupportedParameter", f"The parameter {name} is not supported.")
        if text == "":
            continue
        if parameter.kind == "i":
            if not text.lstrip("-").isdigit():
                raise Refused(400, f"InvalidParameter.{parameter.name}", f"The parameter {name} must be an integer.")
            parameters[name] = int(text)
        elif parameter.kind == "b":
            if text.lower() not in ("true", "false"):
                raise Refused(400, f"InvalidParameter.{parameter.name}", f"The parameter {name} must be a boolean.")
            parameters[name] = text.lower() == "true"
        else:
            parameters[name] = text
    given = {pattern_of(name) for name in parameters}
    for parameter in known.values():
        if parameter.required and parameter.name not in given:
            name = parameter.name.removesuffix(".N")
            raise Refused(400, f"Missing{name}", f'The input parameter "{name}" that is mandatory is not supplied.')
    return parameters


def _refuse(status: int, code: str, message: str, action: str) -> Refusal:
    return Refusal(Refused(status, code, message).response(), action)


def _request_id() -> str:
    return str(uuid.uuid4()).upper()
