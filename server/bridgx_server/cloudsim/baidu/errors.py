"""The simulated refusals in Baidu's codes.

Codes come from "Error Return" of the BCC and VPC API references and from Baidu's Terraform provider. For a stock that is
empty, a quota that is reached, too many calls and a full subnet no source names a code: those here are made in the
vendor's style, and nothing should hang on them but what their names say.
"""

from __future__ import annotations

import uuid

from aiohttp import web

from bridgx_server.cloudsim.errors import Kind, SimError


class Refused(Exception):
    """An answer that is an error in the vendor's words."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message

    def response(self) -> web.Response:
        """The error body that all of Baidu's APIs share."""
        request_id = str(uuid.uuid4())
        return web.json_response(
            {"requestId": request_id, "code": self.code, "message": self.message},
            status=self.status,
            headers={"x-bce-request-id": request_id},
        )


_NOT_FOUND = {
    "machine": (404, "InvalidInstanceId.NotFound"),
    "type": (400, "BadRequest"),
    "zone": (400, "BadRequest"),
    "subnet_zone": (400, "BadRequest"),
    "group_vpc": (400, "BadRequest"),
}

_IN_USE = {
    "vpc": (409, "NotAllowDeleteVpc"),
    "subnet": (409, "SUBNET_INUSE"),
    "group": (409, "SecurityGroup.InstancesAssociatedSecurityGroupCanNotBeDeleted"),
}

_OTHERS = {
    Kind.NO_STOCK: (403, "Instance.StockNotEnough"),
    Kind.NOT_OFFERED: (403, "Instance.SpecSoldOut"),
    Kind.QUOTA: (403, "Instance.QuotaExceeded"),
    Kind.NO_ADDRESSES: (403, "Subnet.IpNotEnough"),
    Kind.TOKEN_MISMATCH: (403, "IdempotentParameterMismatch"),
    Kind.THROTTLED: (429, "RequestLimited"),
    Kind.UNAVAILABLE: (503, "ServiceUnavailable"),
    Kind.WRONG_STATE: (409, "OperationDenied"),
    Kind.CIDR_CONFLICT: (400, "BadRequest"),
    Kind.CIDR_INVALID: (400, "BadRequest"),
    Kind.DUPLICATE: (409, "SecurityGroup.RuleDuplicated"),
    Kind.NO_REFUND: (400, "InsufficientCreditException"),
}


def code_of(error: SimError) -> tuple[int, str]:
    """The HTTP status and code for a refusal."""
    if error.kind is Kind.VENDOR:
        return error.status, error.code
    if error.kind is Kind.NOT_FOUND:
        return _NOT_FOUND.get(error.subject, (404, "NoSuchObject"))
    if error.kind is Kind.IN_USE:
        return _IN_USE[error.subject]
    return _OTHERS[error.kind]


def bad(message: str) -> Refused:
    """A parameter whose value the vendor refuses."""
    return Refused(400, "BadRequest", message)
