"""The simulated refusals in Tencent Cloud's codes.

Codes come from the list of common error codes of API 3.0 and from the error tables of CVM and VPC. Every answer, a refusal
too, has the HTTP status 200. For a client token that is used for another order CVM's tables have no code: the one here is
VPC's.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from bridgx_server.cloudsim.errors import Kind, SimError


class Refused(Exception):
    """An answer that is an error in the vendor's words."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.code = code
        self.message = message

    def response(self) -> web.Response:
        """The error as API 3.0 writes it."""
        return answer({"Error": {"Code": self.code, "Message": self.message}})


def answer(body: Mapping[str, Any]) -> web.Response:
    """Any answer. Its content type is bare, without a charset: the vendor's SDKs look for just that."""
    text = json.dumps({"Response": {**body, "RequestId": str(uuid.uuid4())}}, ensure_ascii=False)
    return web.Response(body=text.encode(), content_type="application/json")


# By product, since one fact has other codes in each.
_NOT_FOUND = {
    ("cvm", "machine"): "InvalidInstanceId.NotFound",
    ("cvm", "image"): "InvalidImageId.NotFound",
    ("cvm", "type"): "InvalidParameterValue.InstanceTypeNotFound",
    ("cvm", "zone"): "InvalidZone.MismatchRegion",
    ("cvm", "vpc"): "InvalidParameterValue.VpcIdNotExist",
    ("cvm", "subnet"): "InvalidParameterValue.SubnetNotExist",
    ("cvm", "subnet_zone"): "InvalidParameterValue.SubnetIdZoneIdNotMatch",
    ("cvm", "group"): "InvalidSecurityGroupId.NotFound",
    ("vpc", "zone"): "InvalidParameterValue.UnavailableZone",
    ("vpc", "subnet"): "ResourceNotFound",
    ("vpc", "vpc"): "ResourceNotFound",
    ("vpc", "group"): "ResourceNotFound",
}

_OTHERS = {
    Kind.NO_STOCK: "ResourceInsufficient.SpecifiedInstanceType",
    Kind.NOT_OFFERED: "ResourceUnavailable.InstanceType",
    Kind.QUOTA: "LimitExceeded.InstanceQuota",
    Kind.NO_ADDRESSES: "FailedOperation.NoAvailableIpAddressCountInSubnet",
    Kind.TOKEN_MISMATCH: "UnsupportedOperation.IdempotentParameterMismatch",
    Kind.THROTTLED: "RequestLimitExceeded",
    Kind.UNAVAILABLE: "ServiceUnavailable",
    Kind.IN_USE: "ResourceInUse",
    Kind.WRONG_STATE: "UnsupportedOperation.InvalidState",
    Kind.CIDR_CONFLICT: "InvalidParameterValue.SubnetOverlap",
    Kind.CIDR_INVALID: "InvalidParameterValue.SubnetRange",
    Kind.DUPLICATE: "UnsupportedOperation.DuplicatePolicy",
    Kind.NO_REFUND: "LimitExceeded.UserReturnQuota",
}


def code_of(error: SimError, product: str) -> str:
    """The code for a refusal in a product, `cvm` or `vpc`."""
    if error.kind is Kind.VENDOR:
        return error.code
    if error.kind is Kind.NOT_FOUND:
        return _NOT_FOUND[product, error.subject]
    return _OTHERS[error.kind]


def message_of(error: SimError) -> str:
    """The text of a refusal, in Tencent's own words where they are known. Neither says how many are left."""
    if error.kind is Kind.QUOTA:
        value = error.numbers["asked"]
        return (
            f"Your current quota does not allow you to specified the value `{value}` in the parameter `InstanceCount`."
        )
    if error.kind is Kind.NO_ADDRESSES:
        return "No available IPs in the subnet."
    return error.message
