"""The simulated refusals in Alibaba Cloud's codes, from the error tables of its API reference."""

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
        """The error body as the RPC gateway writes it."""
        request_id = str(uuid.uuid4()).upper()
        return web.json_response(
            {
                "RequestId": request_id,
                "HostId": "ecs.aliyuncs.com",
                "Code": self.code,
                "Message": self.message,
                "Recommend": f"https://api.aliyun.com/troubleshoot?q={self.code}&product=Ecs&requestId={request_id}",
            },
            status=self.status,
        )


_NOT_FOUND = {
    "region": (404, "InvalidRegionId.NotFound"),
    "zone": (404, "InvalidZoneId.NotFound"),
    "vpc": (404, "InvalidVpcID.NotFound"),
    "subnet": (404, "InvalidVSwitchId.NotFound"),
    "subnet_zone": (403, "InvalidParameter.Mismatch"),
    "group": (404, "InvalidSecurityGroupId.NotFound"),
    "group_vpc": (403, "InvalidParameter.Mismatch"),
    "image": (404, "InvalidImageId.NotFound"),
    "type": (404, "InvalidInstanceType.NotFound"),
    "machine": (404, "InvalidInstanceId.NotFound"),
}

_OTHERS = {
    Kind.NO_STOCK: (403, "OperationDenied.NoStock"),
    Kind.QUOTA: (403, "QuotaExceed.ElasticQuota"),
    Kind.TOKEN_MISMATCH: (400, "IdempotentParameterMismatch"),
    Kind.THROTTLED: (400, "Throttling.User"),
    Kind.UNAVAILABLE: (503, "ServiceUnavailable"),
    Kind.WRONG_STATE: (400, "IncorrectVpcStatus"),
    Kind.CIDR_CONFLICT: (400, "InvalidCidrBlock.Overlapped"),
    Kind.CIDR_INVALID: (400, "InvalidCidrBlock"),
    Kind.NO_ADDRESSES: (403, "InvalidVSwitchId.IpNotEnough"),
    Kind.DUPLICATE: (400, "InvalidPermission.Duplicate"),
    Kind.NOT_OFFERED: (403, "InvalidResourceType.NotSupported"),
    Kind.NO_REFUND: (400, "QuotaExceed.RufundVcpu"),  # so spelled in the reference of ModifyInstanceChargeType
}


def code_of(error: SimError, action: str) -> tuple[int, str]:
    """The HTTP status and code for a refusal."""
    if error.kind is Kind.VENDOR:
        return error.status, error.code
    if error.kind is Kind.NOT_FOUND:
        # ECS spells it otherwise than VPC does (error codes of CreateSecurityGroup and of DeleteVpc).
        if (action, error.subject) == ("CreateSecurityGroup", "vpc"):
            return 404, "InvalidVpcId.NotFound"
        return _NOT_FOUND[error.subject]
    if error.kind is Kind.IN_USE:
        if error.subject == "vpc":
            return 400, "DependencyViolation.VSwitch"
        return (403, "DependencyViolation") if error.subject == "group" else (400, "DependencyViolation")
    return _OTHERS[error.kind]


def message_of(error: SimError) -> str:
    """The text of a refusal, in Alibaba's own words where they are known. Neither says how many are left."""
    if error.kind is Kind.QUOTA:
        return "The number of the specified ECS instances has exceeded the quota of the specified instance type."
    if error.kind is Kind.NO_ADDRESSES:
        return f'The specified VSwitch "{error.ids[0]}" has not enough IpAddress.'
    return error.message
