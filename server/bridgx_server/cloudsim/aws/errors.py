"""The simulated refusals in EC2's codes, from "Error codes for the Amazon EC2 API"."""

from __future__ import annotations

import uuid
from xml.sax.saxutils import escape

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
        """The error document of the query API."""
        return web.Response(
            status=self.status,
            text=(
                '<?xml version="1.0" encoding="UTF-8"?>\n<Response><Errors><Error>'
                f"<Code>{escape(self.code)}</Code><Message>{escape(self.message)}</Message></Error></Errors>"
                f"<RequestID>{uuid.uuid4()}</RequestID></Response>"
            ),
            content_type="text/xml",
        )


_NOT_FOUND = {
    "region": "InvalidParameterValue",
    "zone": "InvalidParameterValue",
    "vpc": "InvalidVpcID.NotFound",
    "subnet": "InvalidSubnetID.NotFound",
    "subnet_zone": "InvalidParameterValue",
    "group": "InvalidGroup.NotFound",
    "group_vpc": "InvalidParameter",
    "image": "InvalidAMIID.NotFound",
    "type": "InvalidParameterValue",
    "machine": "InvalidInstanceID.NotFound",
}

_OTHERS = {
    Kind.NO_STOCK: (500, "InsufficientInstanceCapacity"),
    Kind.QUOTA: (400, "InstanceLimitExceeded"),
    Kind.TOKEN_MISMATCH: (400, "IdempotentParameterMismatch"),
    Kind.THROTTLED: (503, "RequestLimitExceeded"),
    Kind.UNAVAILABLE: (503, "Unavailable"),
    Kind.IN_USE: (400, "DependencyViolation"),
    Kind.WRONG_STATE: (400, "IncorrectState"),
    Kind.CIDR_CONFLICT: (400, "InvalidSubnet.Conflict"),
    Kind.CIDR_INVALID: (400, "InvalidSubnet.Range"),
    Kind.NO_ADDRESSES: (400, "InsufficientFreeAddressesInSubnet"),
    Kind.DUPLICATE: (400, "InvalidPermission.Duplicate"),
    Kind.NOT_OFFERED: (400, "Unsupported"),
}


def refused(error: SimError) -> Refused:
    """The vendor's words for a refusal."""
    if error.kind is Kind.VENDOR:
        return Refused(error.status, error.code, error.message)
    if error.kind is Kind.NOT_FOUND:
        message = error.message
        if error.subject == "machine":
            ids = ", ".join(error.ids)
            message = (
                f"The instance ID '{ids}' does not exist"
                if len(error.ids) == 1
                else f"The instance IDs '{ids}' do not exist"
            )
        return Refused(400, _NOT_FOUND[error.subject], message)
    status, code = _OTHERS[error.kind]
    return Refused(status, code, _message(error))


def _message(error: SimError) -> str:
    """The text of a refusal, in EC2's own words where they are known."""
    if error.kind is Kind.QUOTA:
        return (
            f"You have requested more instances ({error.numbers['asked']}) than your current instance limit of "
            f"{error.numbers['limit']} allows for the specified instance type. Please visit "
            "http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit."
        )
    if error.kind is Kind.NO_ADDRESSES:
        return f"There are not enough free addresses in subnet '{error.ids[0]}' to satisfy the requested number of instances."
    return error.message
