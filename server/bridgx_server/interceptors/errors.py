"""Exceptions as gRPC statuses: the one place that knows which is which."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import grpc
import structlog
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from peewee import InterfaceError, OperationalError

from bridgx_server.errors import BridgXError, InvalidFields, RequestInProgress
from bridgx_server.interceptors.caller import current_request_id
from bridgx_server.interceptors.layer import Layer
from bridgx_server.providers.errors import ErrorClass, ProviderError
from bridgx_server.scaling.outcome import REASONS

DOMAIN = "bridgx"
# Seconds to wait before the next try, where the failure itself does not say.
WAITS: Mapping[str, float] = {
    "throttled": 5.0,
    "cloud_unavailable": 10.0,
    "store_unavailable": 5.0,
    "request_in_progress": 2.0,
}

CODES: Mapping[str, grpc.StatusCode] = {
    "param_invalid": grpc.StatusCode.INVALID_ARGUMENT,
    "token_invalid": grpc.StatusCode.UNAUTHENTICATED,
    "permission_denied": grpc.StatusCode.PERMISSION_DENIED,
    "conflict": grpc.StatusCode.ABORTED,
    "request_in_progress": grpc.StatusCode.ABORTED,
    "throttled": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "quota_exceeded": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "out_of_stock": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "no_addresses": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "insufficient_balance": grpc.StatusCode.FAILED_PRECONDITION,
    "not_releasable": grpc.StatusCode.FAILED_PRECONDITION,
    "bad_credentials": grpc.StatusCode.FAILED_PRECONDITION,
    "clock_skew": grpc.StatusCode.FAILED_PRECONDITION,
    "cloud_unavailable": grpc.StatusCode.UNAVAILABLE,
    "cloud_timeout": grpc.StatusCode.DEADLINE_EXCEEDED,
    "store_unavailable": grpc.StatusCode.UNAVAILABLE,
    "deadline_exceeded": grpc.StatusCode.DEADLINE_EXCEEDED,
    "unimplemented": grpc.StatusCode.UNIMPLEMENTED,
    "internal": grpc.StatusCode.INTERNAL,
    "cloud_error": grpc.StatusCode.UNKNOWN,
}

log = structlog.get_logger("bridgx.errors")


class Errors(Layer):
    """Ends a call that raises with the status that its exception stands for."""

    def around(self, method: str, request: Any, context: Any) -> Iterator[None]:
        try:
            yield
        except (GeneratorExit, grpc.RpcError):
            raise
        except Exception as error:
            if context.code() is not None:
                raise  # ended already, by abort
            context.abort_with_status(rpc_status.to_status(status_of(method, error)))


def reason_of(error: Exception) -> str:
    """The word of ErrorReason for an exception, in lower case."""
    if isinstance(error, BridgXError):
        return error.reason
    if isinstance(error, ProviderError):
        return REASONS[error.kind]
    if isinstance(error, NotImplementedError):
        return "unimplemented"
    return "store_unavailable" if isinstance(error, (OperationalError, InterfaceError)) else "internal"


def status_of(method: str, error: Exception) -> status_pb2.Status:
    """The status of an exception, with ErrorInfo, RequestInfo, and what else its kind has."""
    if isinstance(error, InvalidFields):
        return _status(error.reason, error.message, {}, _bad_request((f.field, f.message) for f in error.fields))
    if isinstance(error, RequestInProgress):
        return _status(error.reason, error.message, {}, wait=error.retry_after)
    if isinstance(error, BridgXError):
        return _status(error.reason, error.message, {})
    if isinstance(error, ProviderError):
        return _of_provider(error)
    if isinstance(error, NotImplementedError):
        return _status("unimplemented", f"{method} is not implemented by this server", {})
    if isinstance(error, (OperationalError, InterfaceError)):
        log.error("database unavailable", method=method, error=f"{type(error).__name__}: {error}")
        return _status("store_unavailable", "the database cannot be reached", {})
    log.exception("call failed", method=method, request_id=current_request_id())
    return _status("internal", "the server failed; its log has more under the request id", {})


def _of_provider(error: ProviderError) -> status_pb2.Status:
    reason = REASONS[error.kind]
    metadata = {
        "cloud": error.provider,
        "operation": error.operation,
        "vendor_code": error.vendor_code,
        "vendor_message": error.message,
        "vendor_request_id": error.request_id,
        "error_class": error.kind.value,
        "next_step": error.traits.next_step,
    }
    details: list[Message] = []
    if error.kind is ErrorClass.INVALID_PARAMETER and error.field:
        details.append(_bad_request([(error.field, error.message)]))
    where = f"{error.provider}: " if error.provider else ""
    text = f"{where}{error.told}"
    return _status(reason, text, metadata, *details, wait=error.retry_after)


def _status(
    reason: str, message: str, metadata: Mapping[str, str], *further: Message, wait: float | None = None
) -> status_pb2.Status:
    details: list[Message] = [
        error_details_pb2.ErrorInfo(
            reason=reason, domain=DOMAIN, metadata={key: value for key, value in metadata.items() if value}
        ),
        *further,
    ]
    if reason in WAITS:
        delay = Duration()
        delay.FromMilliseconds(int(1000 * (wait or WAITS[reason])))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    if current_request_id():
        details.append(error_details_pb2.RequestInfo(request_id=current_request_id()))
    return status_pb2.Status(code=_code(reason).value[0], message=message, details=[_packed(row) for row in details])


def _code(reason: str) -> grpc.StatusCode:
    if reason.endswith("_not_found"):
        return grpc.StatusCode.NOT_FOUND
    if reason.endswith("_already_exists"):
        return grpc.StatusCode.ALREADY_EXISTS
    return CODES[reason]


def _bad_request(fields: Any) -> error_details_pb2.BadRequest:
    return error_details_pb2.BadRequest(
        field_violations=[
            error_details_pb2.BadRequest.FieldViolation(field=field, description=message) for field, message in fields
        ]
    )


def _packed(detail: Message) -> AnyMessage:
    box = AnyMessage()
    box.Pack(detail)
    return box
