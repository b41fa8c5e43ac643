"""EC2's query protocol, and that of STS: a form in, XML out, signature version 4."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from bridgx_server.cloudsim.aws import catalog, machines, networks, signature, sts, wire
from bridgx_server.cloudsim.aws.errors import Refused, refused
from bridgx_server.cloudsim.core import SimCloud
from bridgx_server.cloudsim.errors import SimError
from bridgx_server.cloudsim.front import Call, Refusal

ACTIONS: Mapping[str, Callable[[Call, SimCloud], dict[str, Any]]] = {
    **catalog.ACTIONS,
    **networks.ACTIONS,
    **machines.ACTIONS,
}

LIFETIME = 900  # seconds that a request's time may be off: RequestExpired of "Error codes for the Amazon EC2 API"


class Front:
    """EC2 2016-11-15 and STS. The region is that of the signature's scope, as the host name says it to the real one."""

    provider = "AWSCloud"
    prefixes: Mapping[str, Callable[[str], str]] = {
        "vpc": lambda text: f"vpc-0{text[:16]}",
        "subnet": lambda text: f"subnet-0{text[:16]}",
        "group": lambda text: f"sg-0{text[:16]}",
        "machine": lambda text: f"i-0{text[:16]}",
    }
    # the first four and the last: VPC user guide, "Subnet CIDR blocks".
    reserved = (4, 1)
    keep_deleted = 3600.0

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock

    def parse(self, request: web.Request, body: bytes, cloud: SimCloud) -> Call:
        form = dict(parse_qsl(body.decode(), keep_blank_values=True)) | dict(request.query)
        action = form.get("Action", "")
        service = signature.service_of(request.headers)
        try:
            return self._parse(request, body, cloud, form, action, service)
        except Refused as error:
            raise Refusal(sts.refusal(error) if service == "sts" else error.response(), action) from None

    def _parse(
        self,
        request: web.Request,
        body: bytes,
        cloud: SimCloud,
        form: Mapping[str, str],
        action: str,
        service: str,
    ) -> Call:
        if not action:
            raise Refused(400, "MissingAction", "The request is missing an action parameter.")
        try:
            scope = signature.parse(request.headers)
        except signature.Unsigned:
            raise Refused(400, "MissingAuthenticationToken", "Request is missing Authentication Token") from None
        account = cloud.accounts.get(scope["key"])
        if account is None and service == "sts":
            raise Refused(403, "InvalidClientTokenId", "The security token included in the request is invalid.")
        if account is None:
            raise Refused(401, "AuthFailure", "AWS was not able to validate the provided access credentials")
        if abs(self._clock() - signature.time_of(request.headers)) > LIFETIME:
            raise Refused(400, "RequestExpired", "Request has expired.")
        if not signature.holds(request.method, request.url, request.headers, body, account.secret):
            message = "The request signature we calculated does not match the signature you provided."
            raise Refused(403, "SignatureDoesNotMatch", message)
        if service == "sts":
            sts.check(form)
            return Call(action, scope["key"], scope["region"], {})
        if form.get("Version") != wire.VERSION:
            raise Refused(400, "InvalidParameterValue", "The Version is not supported.")
        model = wire.operation(action)
        if model is None or action not in ACTIONS:
            raise Refused(400, "InvalidAction", f"The action {action} is not valid for this web service.")
        if scope["region"] not in cloud.catalog.regions:
            raise Refused(400, "AuthFailure", "Credential should be scoped to a valid region.")
        return Call(action, scope["key"], scope["region"], wire.read(model, form))

    def perform(self, call: Call, cloud: SimCloud) -> web.Response:
        if call.action == sts.ACTION:
            return sts.perform(call)
        model = wire.operation(call.action)
        if model is None:
            raise AssertionError(call.action)
        try:
            answer = ACTIONS[call.action](call, cloud)
        except Refused as error:
            return error.response()
        return web.Response(text=wire.write(model, answer, str(uuid.uuid4())), content_type="text/xml")

    def refusal(self, error: SimError, action: str) -> web.Response:
        return sts.refusal(refused(error)) if action == sts.ACTION else refused(error).response()
