"""What a failed call says, read out of the google.rpc.Status that BridgX sends with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

_DETAILS_KEY = "grpc-status-details-bin"  # where gRPC carries a google.rpc.Status

_M = TypeVar("_M", bound=Message)


@dataclass(frozen=True)
class Failure:
    """Why a call failed.

    Attributes:
        code: the gRPC status.
        message: in words.
        reason: BridgX's word for it, such as "cluster_not_found" (see errors.proto); empty when it came from gRPC itself.
        metadata: what is known of the cause, such as `vendor_code`.
        fields: with reason "param_invalid": each refused field and why, several reasons with "; " between them.
        retry_after: seconds to wait before the next try, where waiting helps; else None.
    """

    code: grpc.StatusCode
    message: str
    reason: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    retry_after: float | None = None


def failure_of(error: grpc.RpcError) -> Failure:
    """Reads the failure out of the exception that a call raised."""
    if not isinstance(error, grpc.Call):
        return Failure(grpc.StatusCode.UNKNOWN, str(error))
    status = _status_of(error)
    info = _detail(status, error_details_pb2.ErrorInfo)
    bad = _detail(status, error_details_pb2.BadRequest)
    retry = _detail(status, error_details_pb2.RetryInfo)
    return Failure(
        code=error.code(),
        message=error.details() or "",
        reason=info.reason.lower() if info else "",
        metadata=dict(info.metadata) if info else {},
        fields=_fields(bad) if bad else {},
        retry_after=retry.retry_delay.ToTimedelta().total_seconds() if retry else None,
    )


def _fields(bad: error_details_pb2.BadRequest) -> dict[str, str]:
    fields: dict[str, str] = {}
    for violation in bad.field_violations:
        known = fields.get(violation.field)
        fields[violation.field] = f"{known}; {violation.description}" if known else violation.description
    return fields


def _status_of(call: grpc.Call) -> status_pb2.Status:
    for key, value in call.trailing_metadata() or ():
        if key == _DETAILS_KEY and isinstance(value, bytes):
            return status_pb2.Status.FromString(value)
    return status_pb2.Status()


def _detail(status: status_pb2.Status, kind: type[_M]) -> _M | None:
    for box in status.details:
        detail = kind()
        if box.Unpack(detail):
            return detail
    return None
