"""Baidu's error codes in our vocabulary.

Baidu publishes no list of BCC's codes. CODES holds those that a source names; any other is judged by its HTTP status
and by what its name says, and keeps its name. Sources, by the comment over each group:

- common: "Error Return" of the BCC and VPC API references (codes common to all of Baidu's APIs);
- general: "General Description" of the BCC and VPC API references (real-name check, idempotency by clientToken);
- a call's name: the error table of that call's page in the BCC API reference;
- terraform: Baidu's own Terraform provider, which acts on these codes.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from types import TracebackType

from baidubce.exception import BceHttpClientError, BceServerError

from bridgx_server.providers.errors import ErrorClass, ProviderError

PROVIDER = "BaiduCloud"

CODES: Mapping[str, ErrorClass] = {
    # common
    "AccessDenied": ErrorClass.PERMISSION_DENIED,
    "InappropriateJSON": ErrorClass.INVALID_PARAMETER,
    "InternalError": ErrorClass.UNAVAILABLE,
    "InvalidAccessKeyId": ErrorClass.BAD_CREDENTIALS,
    "InvalidHTTPAuthHeader": ErrorClass.BAD_CREDENTIALS,
    "InvalidHTTPRequest": ErrorClass.INVALID_PARAMETER,
    "InvalidURI": ErrorClass.INVALID_PARAMETER,
    "MalformedJSON": ErrorClass.INVALID_PARAMETER,
    "InvalidVersion": ErrorClass.INVALID_PARAMETER,
    "OptInRequired": ErrorClass.PERMISSION_DENIED,
    "PreconditionFailed": ErrorClass.CONFLICT,
    # The signature is older than its lifetime: this machine's clock is off.
    "RequestExpired": ErrorClass.CLOCK_SKEW,
    "SignatureDoesNotMatch": ErrorClass.BAD_CREDENTIALS,
    "NoSuchKey": ErrorClass.NOT_FOUND,
    # general
    "QualifyNotPass": ErrorClass.PERMISSION_DENIED,
    "IdempotentParameterMismatch": ErrorClass.INVALID_PARAMETER,
    # "Authorize the Security Group Rules"
    "BadRequest": ErrorClass.INVALID_PARAMETER,
    "SecurityGroup.RulePortOrderInvalid": ErrorClass.INVALID_PARAMETER,
    "SecurityGroup.RulePortRangeInvalid": ErrorClass.INVALID_PARAMETER,
    "SecurityGroup.RulePortInvalid": ErrorClass.INVALID_PARAMETER,
    "SecurityGroup.RuleCIDRAddressError": ErrorClass.INVALID_PARAMETER,
    # "Release instances in batch"
    "Instance.DeleteServerFailException": ErrorClass.CONFLICT,
    # "Batch Unsubscribe Prepaid Instances": its owner has protected it; the quota of refunds is used up (no stock is)
    "Instance.DeletionProtection": ErrorClass.PERMISSION_DENIED,
    "InsufficientCreditException": ErrorClass.NOT_RELEASABLE,
    # "Release Instance": prepaid, and not expired
    "Instance.ReleaseNotPrepay": ErrorClass.NOT_RELEASABLE,
    # terraform
    "InvalidInstanceId.NotFound": ErrorClass.NOT_FOUND,
    "Forbidden.InstanceNotFound": ErrorClass.NOT_FOUND,
    "InstanceNotFound": ErrorClass.NOT_FOUND,
    "InstanceNotExist": ErrorClass.NOT_FOUND,
    "NotFound": ErrorClass.NOT_FOUND,
    "ResourceNotFound": ErrorClass.NOT_FOUND,
    "ResourceNotfound": ErrorClass.NOT_FOUND,
    "ResourceNotFoundException": ErrorClass.NOT_FOUND,
    "NoSuchObject": ErrorClass.NOT_FOUND,
    "OperationDenied": ErrorClass.CONFLICT,
    "Instance.ReleaseWhileCreating": ErrorClass.CONFLICT,
    "ResourceNeedRelease": ErrorClass.CONFLICT,
    "NotAllowOperateSubnet": ErrorClass.CONFLICT,
    "NotAllowDeleteVpc": ErrorClass.CONFLICT,
    "SUBNET_INUSE": ErrorClass.CONFLICT,
    "SecurityGroup.InstancesAssociatedSecurityGroupCanNotBeDeleted": ErrorClass.CONFLICT,
}

# What a code's name says, looked for in lower case without dots and in this order: quotas and money can be insufficient, too.
_HINTS: tuple[tuple[ErrorClass, tuple[str, ...]], ...] = (
    (
        ErrorClass.THROTTLED,
        ("throttl", "requestlimit", "ratelimit", "flowlimit", "frequen", "toomanyrequest", "toofast"),
    ),
    (ErrorClass.QUOTA_EXCEEDED, ("quota",)),
    (ErrorClass.INSUFFICIENT_BALANCE, ("balance", "arrear", "payment", "fund", "money")),
    (ErrorClass.OUT_OF_STOCK, ("stock", "soldout", "noenough", "notenough", "insufficient")),
    (ErrorClass.QUOTA_EXCEEDED, ("exceed", "limit", "toomany")),
    (ErrorClass.NOT_FOUND, ("notfound", "notexist", "nosuch")),
    (ErrorClass.CONFLICT, ("duplicat", "alreadyexist", "inuse", "conflict", "notallow")),
    (ErrorClass.PERMISSION_DENIED, ("denied", "forbidden", "permission", "unauthorized")),
    (ErrorClass.INVALID_PARAMETER, ("invalid", "malformed", "missing", "illegal")),
)

# Of a code that says that something is used up: whether it is addresses. No source names the code; BCC's own prefixes are
# the service's objects (Instance., SecurityGroup., Subnet.).
_SUBNET = ("subnet", "ipaddress", "ipnotenough", "privateip", "fixedip")
_USED_UP = ("noenough", "notenough", "insufficient", "exhaust", "noavailable", "full")

_STATUSES: Mapping[int, ErrorClass] = {
    401: ErrorClass.BAD_CREDENTIALS,
    404: ErrorClass.NOT_FOUND,
    409: ErrorClass.CONFLICT,
    429: ErrorClass.THROTTLED,
}


def class_of(code: str, status: int) -> ErrorClass:
    """The class of an answer with this code (may be empty) and HTTP status (0: unknown)."""
    known = CODES.get(code)
    if known is not None:
        return known
    if status == 429:
        return ErrorClass.THROTTLED
    name = code.lower().replace(".", "").replace("_", "")
    if "quota" not in name and any(part in name for part in _SUBNET) and any(part in name for part in _USED_UP):
        return ErrorClass.NO_ADDRESSES
    for kind, hints in _HINTS:
        if any(hint in name for hint in hints):
            return kind
    if status >= 500:
        return ErrorClass.UNAVAILABLE
    if status == 403 and not code:
        return ErrorClass.PERMISSION_DENIED
    return _STATUSES.get(status, ErrorClass.UNKNOWN)


def translate(error: BceHttpClientError, operation: str) -> ProviderError:
    """What the SDK raised, in our words. Its own text is never used: it holds tracebacks."""
    cause = error.last_error
    if isinstance(cause, BceServerError):
        code, status = _text(cause.code), int(cause.status_code or 0)
        said = _text(cause.args[0] if cause.args else "") or f"the cloud answered with HTTP status {status}"
        kind = class_of(code, status)
        if (
            code == "BadRequest" and "status not support" in said
        ):  # "Instanceid status not support delete", and its like
            kind = ErrorClass.CONFLICT
        return ProviderError(
            kind,
            said,
            provider=PROVIDER,
            operation=operation,
            vendor_code=code,
            request_id=_text(cause.request_id),
            http_status=status,
            field="network_config.subnet_id" if kind is ErrorClass.NO_ADDRESSES else "",
        )
    kind, said = _unanswered(cause, operation)
    return ProviderError(kind, said, provider=PROVIDER, operation=operation)


def invalid(message: str, field: str, operation: str) -> ProviderError:
    """A refusal of what the cloud cannot do, before it is called."""
    return ProviderError(ErrorClass.INVALID_PARAMETER, message, provider=PROVIDER, operation=operation, field=field)


def _unanswered(cause: object, operation: str) -> tuple[ErrorClass, str]:
    functions = _functions(cause.__traceback__ if isinstance(cause, BaseException) else None)
    if "parse_error" in functions:
        return ErrorClass.UNAVAILABLE, "the cloud answered with an error that is not in its own format"
    if isinstance(cause, json.JSONDecodeError) or "parse_json" in functions:
        only_asks = operation.startswith(("list_", "get_"))
        kind = ErrorClass.UNAVAILABLE if only_asks else ErrorClass.TIMEOUT_UNKNOWN
        return kind, "the cloud's answer was cut off or is not JSON"
    if isinstance(cause, OSError) and "connect" in functions:
        return ErrorClass.UNAVAILABLE, f"the cloud cannot be reached ({type(cause).__name__})"
    if isinstance(cause, TimeoutError):
        return ErrorClass.TIMEOUT_UNKNOWN, "the cloud gave no answer in time"
    if isinstance(cause, OSError | http.client.HTTPException):
        return ErrorClass.TIMEOUT_UNKNOWN, f"the connection was lost before the answer ({type(cause).__name__})"
    return ErrorClass.UNKNOWN, f"the call failed inside the SDK ({type(cause).__name__})"


def _functions(trace: TracebackType | None) -> set[str]:
    """The functions that an exception passed through: they tell a connect from a read, which its type does not."""
    names = set()
    while trace is not None:
        names.add(trace.tb_frame.f_code.co_name)
        trace = trace.tb_next
    return names


def _text(value: object) -> str:
    if value is None:
        return ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
