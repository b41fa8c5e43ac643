"""Huawei's error codes in our vocabulary. Sources, by the comment over each group:

- gateway: "Error Codes" of the API Request Signing Guide and of API Gateway's user guide; of its FAQ, "What should I do if the
  app authentication information is incorrect": `signature expired` is a clock that is more than 15 minutes off;
- ECS, common: "Error codes" of the ECS API reference; idempotency: "Idempotent requests" there;
- VPC: "Error codes" of the VPC API reference;
- IMS: "Error codes" of the IMS API reference;
- billing: "Unsubscribing from Yearly/Monthly Resources" of the BSS API reference, and "Error codes" there.

Some of VPC's codes mean different things by their HTTP status: those are in BY_STATUS. Any other code is judged by its
status, and keeps its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from huaweicloudsdkcore.exceptions.exceptions import (
    ConnectionException,
    HostUnreachableException,
    SdkException,
    ServiceResponseException,
    SslHandShakeException,
)
from requests.exceptions import RequestException
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError, SSLError

from bridgx_server.providers.errors import ErrorClass, ProviderError

PROVIDER = "HuaweiCloud"
LONGEST_MESSAGE = 500  # characters of the vendor's own words that are kept

# The classes with their codes; the number of an ECS code stands for `Ecs.<number>`, and so on.
_GROUPS: tuple[tuple[str, ErrorClass, str], ...] = (
    # gateway
    ("APIGW", ErrorClass.BAD_CREDENTIALS, "0301"),
    ("APIGW", ErrorClass.PERMISSION_DENIED, "0302"),
    ("APIGW", ErrorClass.NOT_FOUND, "0101"),
    ("APIGW", ErrorClass.THROTTLED, "0308"),
    ("APIG", ErrorClass.THROTTLED, "0308"),  # spelled so in the BSS API reference
    # ECS: sold out, withdrawn, no capacity
    ("Ecs", ErrorClass.OUT_OF_STOCK, "0018 0019 0044 0319"),
    # "The number of IP addresses in the subnet is insufficient."
    ("Ecs", ErrorClass.NO_ADDRESSES, "0012"),
    ("Ecs", ErrorClass.QUOTA_EXCEEDED, "0001 0013 0021 0022"),
    ("Ecs", ErrorClass.INSUFFICIENT_BALANCE, "0067 0069 0070 7000"),
    # The account is restricted, in arrears or not known by name; the type is not open to it.
    ("Ecs", ErrorClass.PERMISSION_DENIED, "0003 0016 0025 0027 0028 0058 0066 0068 0071 0110"),
    # 0014, "Invalid VPC parameters", is also what a security group or VPC that ECS does not know gets (unverified).
    ("Ecs", ErrorClass.NOT_FOUND, "0014 0029 0031 0034 0038 0114 0314 0614"),
    ("Ecs", ErrorClass.CONFLICT, "0010 0017 0030 0032 0048 0073 0100 0101 0102 0501 0603"),
    # The machine is locked (its owner has to unlock it); only prepaid machines are not deleted.
    ("Ecs", ErrorClass.PERMISSION_DENIED, "0605"),
    ("Ecs", ErrorClass.NOT_RELEASABLE, "0513"),
    (
        "Ecs",
        ErrorClass.INVALID_PARAMETER,
        "0000 0005 0006 0007 0008 0011 0015 0023 0037 0039 0041 0042 0043 0045 0046 0049 0050 0051 0052 0053 "
        "0064 0074 0075 0084 0089 0104 0112 0118 0510 0904 0905 0906 0907 0908 0909 0911 0912 0913 0914 0915",
    ),
    (
        "Ecs",
        ErrorClass.UNAVAILABLE,
        "0002 0004 0106 0201 0202 0203 0204 0205 0210 0211 0212 0213 0214 0217 0219 0301 0302 0303 0304 0307 0308 0309 "
        "0310 0311 0313 0320 0322 0323 0615 0701 0702 1000 1001 1002 1100 1200 1201 1300",
    ),
    # idempotency: other parameters, no UUID, older than eight hours
    ("Ecs", ErrorClass.INVALID_PARAMETER, "0122 0123 0124"),
    # common
    ("Common", ErrorClass.THROTTLED, "0024 1503"),
    ("Common", ErrorClass.BAD_CREDENTIALS, "0013"),
    ("Common", ErrorClass.INVALID_PARAMETER, "0002 0018"),
    ("Common", ErrorClass.NOT_FOUND, "0011"),
    ("Common", ErrorClass.UNAVAILABLE, "0001 0020 0021 0022 0025 0026 0999"),
    # VPC
    ("VPC", ErrorClass.NOT_FOUND, "0003 0603 2204"),
    ("VPC", ErrorClass.BAD_CREDENTIALS, "0008"),
    ("VPC", ErrorClass.PERMISSION_DENIED, "0005 0009 0010 2201 2701"),
    ("VPC", ErrorClass.QUOTA_EXCEEDED, "0114 0604"),
    ("VPC", ErrorClass.INVALID_PARAMETER, "0002 0007 0011 0014 0117 0201 0203 0204 0207 0212 0601 1801"),
    (
        "VPC",
        ErrorClass.CONFLICT,
        "0004 0103 0104 0107 0108 0109 0110 0112 0113 0115 0118 0120 0205 0206 0208 0209 0210 0211",
    ),
    ("VPC", ErrorClass.UNAVAILABLE, "0102 0106 0111 0119"),
    # IMS
    ("IMG", ErrorClass.INVALID_PARAMETER, "0001 0003 0024"),
    # billing: not allowed, or not an account of this site's; the resource is locked
    ("CBC", ErrorClass.PERMISSION_DENIED, "0150 0151 0156 3002"),
    ("CBC", ErrorClass.INVALID_PARAMETER, "0100"),
    # no such resource; gone already, or not known to billing yet
    ("CBC", ErrorClass.NOT_FOUND, "99003012 30000067"),
    # another transaction of this resource is carried out
    ("CBC", ErrorClass.CONFLICT, "99003651"),
    # in an order that is not paid, frozen, invoiced, on trial, of the marketplace, under a savings plan, part of a whole …
    (
        "CBC",
        ErrorClass.NOT_RELEASABLE,
        "30000053 99003100 99003128 99003185 99003643 99003647 99003649 99003650 99003652 99003654 99003656",
    ),
    ("CBC", ErrorClass.UNAVAILABLE, "0999 99006066"),
)
CODES: Mapping[str, ErrorClass] = {
    f"{service}.{number}": kind for service, kind, numbers in _GROUPS for number in numbers.split()
}

# VPC: the same code for a parameter, for what does not exist, and for a fault of the service behind it.
BY_STATUS: Mapping[tuple[str, int], ErrorClass] = {
    ("VPC.0101", 400): ErrorClass.INVALID_PARAMETER,
    ("VPC.0101", 404): ErrorClass.NOT_FOUND,
    ("VPC.0105", 404): ErrorClass.NOT_FOUND,
    ("VPC.0105", 500): ErrorClass.UNAVAILABLE,
    ("VPC.0202", 404): ErrorClass.NOT_FOUND,
    ("VPC.0202", 500): ErrorClass.UNAVAILABLE,
    # A rule that exists already, or one too many; the message tells which.
    ("VPC.0602", 409): ErrorClass.CONFLICT,
    ("VPC.0602", 500): ErrorClass.UNAVAILABLE,
    ("VPC.0612", 404): ErrorClass.NOT_FOUND,
    ("VPC.0612", 500): ErrorClass.UNAVAILABLE,
    # gateway: the request is wrong, or what is behind the gateway did not answer it.
    ("APIGW.0201", 400): ErrorClass.INVALID_PARAMETER,
    ("APIGW.0201", 502): ErrorClass.UNAVAILABLE,
    ("APIGW.0201", 504): ErrorClass.TIMEOUT_UNKNOWN,
}

# What a code of a creation is about, in the words of our API: "Error codes" of the ECS and VPC API references.
FIELDS: Mapping[str, str] = {
    "Ecs.0012": "network_config.subnet_id",
    "Ecs.0014": "network_config",  # "Incorrect VPC, subnet, or security group parameter values."
    "Ecs.0029": "instance_type",
    "Ecs.0031": "image",
    "Ecs.0038": "network_config.subnet_id",  # "The subnet does not exist."
    "VPC.0202": "network_config.subnet_id",
    "VPC.0603": "network_config.security_group",
}
CREATIONS = ("create_servers", "create_post_paid_servers")

# Codes of the jobs that make machines, where ECS did not find the subnet or the security group.
UNKNOWN_NETWORK = ("Ecs.0014", "Ecs.0038", "VPC.0202", "VPC.0603")

GATEWAYS = ("APIGW.", "APIG.")
EXPIRED = "signature expired"  # what the gateway says of a signature whose time is off, under the code of a wrong one

_STATUSES: Mapping[int, ErrorClass] = {
    401: ErrorClass.BAD_CREDENTIALS,
    403: ErrorClass.PERMISSION_DENIED,
    404: ErrorClass.NOT_FOUND,
    409: ErrorClass.CONFLICT,
    429: ErrorClass.THROTTLED,
    504: ErrorClass.TIMEOUT_UNKNOWN,
}


def class_of(code: str, status: int, message: str = "") -> ErrorClass:
    """The class of an answer with this code (may be empty) and HTTP status."""
    known = CODES.get(code) or BY_STATUS.get((code, status))
    if code.startswith(GATEWAYS) and EXPIRED in message.lower():
        return ErrorClass.CLOCK_SKEW
    if known is ErrorClass.CONFLICT and "quota exceeded" in message.lower():
        return ErrorClass.QUOTA_EXCEEDED
    if known is not None:
        return known
    return _STATUSES.get(status, ErrorClass.UNAVAILABLE if status >= 500 else ErrorClass.UNKNOWN)


def translate(error: Exception, operation: str) -> ProviderError:
    """What the SDK raised, in our words. Its own text is never used: it may quote the request."""
    if isinstance(error, ServiceResponseException):
        code, status = _text(error.error_code), int(error.status_code or 0)
        # Where an answer has no code the SDK takes the status for one, and the whole body for the message.
        if code == str(status):
            code = ""
        return answered(code, _text(error.error_msg) if code else "", status, _text(error.request_id), operation)
    kind, said = _unanswered(error, operation)
    return ProviderError(kind, said, provider=PROVIDER, operation=operation)


def answered(code: str, message: str, status: int, request_id: str, operation: str) -> ProviderError:
    """A refusal that the cloud put into words."""
    return ProviderError(
        class_of(code, status, message),
        message[:LONGEST_MESSAGE] or f"the cloud answered with HTTP status {status}",
        provider=PROVIDER,
        operation=operation,
        vendor_code=code,
        request_id=request_id,
        http_status=status,
        field=FIELDS.get(code, "") if operation in CREATIONS else "",
    )


def refusal_in(body: Mapping[str, Any]) -> tuple[str, str] | None:
    """The code and message of a refusal that comes with the status of a success, as Common.0024 does (202)."""
    inner = body.get("error")
    told = inner if isinstance(inner, Mapping) else body
    for code, message in (("code", "message"), ("error_code", "error_msg")):
        if told.get(code) and message in told:
            return _text(told[code]), _text(told[message])
    return None


def invalid(message: str, field: str, operation: str) -> ProviderError:
    """A refusal of what the cloud cannot do, before it is called."""
    return ProviderError(ErrorClass.INVALID_PARAMETER, message, provider=PROVIDER, operation=operation, field=field)


def _unanswered(error: Exception, operation: str) -> tuple[ErrorClass, str]:
    if isinstance(error, HostUnreachableException | SslHandShakeException) or _never_sent(error):
        return ErrorClass.UNAVAILABLE, f"the cloud cannot be reached ({type(error).__name__})"
    if isinstance(error, ConnectionException | RequestException):
        return ErrorClass.TIMEOUT_UNKNOWN, f"no answer came ({type(error).__name__})"
    only_asks = operation.startswith(("list_", "show_", "keystone_list_"))
    kind = ErrorClass.UNAVAILABLE if only_asks else ErrorClass.TIMEOUT_UNKNOWN
    if isinstance(error, SdkException):
        return kind, f"the call failed inside the SDK ({type(error).__name__})"
    return kind, f"the cloud's answer could not be read ({type(error).__name__})"


def _never_sent(error: Exception) -> bool:
    """Whether no connection was made. The SDK's exception does not tell; the one that it was made from does."""
    cause = error.__context__
    reasons = [getattr(part, "reason", None) for part in cause.args] if isinstance(cause, RequestException) else []
    return any(isinstance(reason, NewConnectionError | ConnectTimeoutError | SSLError) for reason in reasons)


def _text(value: object) -> str:
    return "" if value is None else str(value)
