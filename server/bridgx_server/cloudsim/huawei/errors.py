"""The simulated refusals in Huawei's codes, and the bodies in which its services put them.

Codes come from "Error codes" of the ECS, VPC and BSS API references and of the API Request Signing Guide. Where no source says
which of them a case gets, the nearest one by its text is taken: a type that a zone does not sell (Ecs.0019), a security
group in use (VPC.0602 with 409), a wrong X-Project-Id with IMS (Common.0018).
"""

from __future__ import annotations

import uuid
from typing import Any

from aiohttp import web

from bridgx_server.cloudsim.errors import Kind, SimError

GATEWAY, ECS, VPC, VPC_V3, IMS, IAM, BSS = "gateway", "ecs", "vpc", "vpc v3", "ims", "iam", "bss"


class Refused(Exception):
    """A refusal in the vendor's words. ``code`` is empty where it is that of the called API for a wrong parameter."""

    def __init__(self, status: int, code: str, message: str, *, gateway: bool = False) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message
        self.gateway = gateway

    def response(self, service: str, default: str) -> web.Response:
        """The answer. ``service`` shapes the body, ``default`` is the code of a wrong parameter."""
        request_id = uuid.uuid4().hex
        body = _body(GATEWAY if self.gateway else service, self.code or default, self.message, request_id)
        return web.json_response(body, status=self.status, headers={"X-Request-Id": request_id})


def _body(service: str, code: str, message: str, request_id: str) -> dict[str, Any]:
    if service in (GATEWAY, VPC_V3):
        return {"error_msg": message, "error_code": code, "request_id": request_id}
    if service == BSS:
        return {"error_code": code, "error_msg": message}
    if service == VPC:
        return {"code": code, "message": message}
    return {"error": {"message": message, "code": code}}


def bad(message: str, code: str = "") -> Refused:
    """A parameter whose value the vendor refuses."""
    return Refused(400, code, message)


def unauthorized(why: str) -> Refused:
    """The gateway does not let the request in."""
    return Refused(401, "APIGW.0301", f"Incorrect IAM authentication information: {why}", gateway=True)


# By what is missing: in ECS's calls, and in those of VPC.
_NOT_FOUND = {
    "machine": (404, "Ecs.0114"),
    "type": (400, "Ecs.0029"),
    "image": (400, "Ecs.0031"),
    "subnet": (400, "Ecs.0038"),
    "group": (400, "Ecs.0014"),
    "zone": (400, "Ecs.0005"),
}
_NOT_FOUND_IN_VPC = {
    "vpc": (404, "VPC.0003"),
    "subnet": (404, "VPC.0202"),
    "group": (404, "VPC.0603"),
    "zone": (400, "VPC.0201"),
}
_IN_USE = {
    "vpc": (409, "VPC.0104"),
    "subnet": (500, "VPC.0209"),
    "group": (409, "VPC.0602"),
}
_OTHERS = {
    Kind.NO_STOCK: (400, "Ecs.0319"),
    Kind.NOT_OFFERED: (400, "Ecs.0019"),
    Kind.QUOTA: (400, "Ecs.0001"),
    Kind.NO_ADDRESSES: (400, "Ecs.0012"),
    Kind.TOKEN_MISMATCH: (400, "Ecs.0122"),
    Kind.WRONG_STATE: (400, "VPC.0004"),
    Kind.CIDR_CONFLICT: (400, "VPC.0204"),
    Kind.CIDR_INVALID: (400, "VPC.0203"),
    Kind.DUPLICATE: (409, "VPC.0602"),
    # Huawei names no quota of refunds; this stands for any rule by which it takes nothing back.
    Kind.NO_REFUND: (400, "CBC.99003643"),
}

# "Error codes" of the ECS API reference. Neither says how many are left.
_MESSAGES = {
    Kind.QUOTA: "Insufficient ECS quota. Contact customer service to increase quota.",
    Kind.NO_ADDRESSES: "The subnet does not contain enough IP addresses. Release some IP addresses or select a different subnet.",
}


def refused_of(error: SimError, service: str) -> Refused:
    """A refusal of the core in the words of the service that was called."""
    if error.kind is Kind.VENDOR:
        return Refused(error.status, error.code, error.message)
    if error.kind is Kind.THROTTLED:
        message = "The throttling threshold has been reached: policy user over ratelimit"
        return Refused(429, "APIGW.0308", message, gateway=True)
    if error.kind is Kind.UNAVAILABLE:
        return Refused(502, "APIGW.0201", "Backend unavailable.", gateway=True)
    if error.kind is Kind.NOT_FOUND:
        table = _NOT_FOUND_IN_VPC if service in (VPC, VPC_V3) else _NOT_FOUND
        status, code = table[error.subject]
    elif error.kind is Kind.IN_USE:
        status, code = _IN_USE[error.subject]
    else:
        status, code = _OTHERS[error.kind]
    return Refused(status, code, _MESSAGES.get(error.kind, error.message))
