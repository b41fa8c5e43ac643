"""Exceptions as gRPC statuses: the one place that knows which is which."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import grpc
import structlog
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from bridgx_server.errors import BridgXError, FieldError, InvalidFields
from bridgx_server.front.context import Aborted, CallContext
from bridgx_server.interceptors.caller import current_request_id
from bridgx_server.interceptors.fitting import Failure, fitting
from bridgx_server.interceptors.layer import Layer
from bridgx_server.providers.errors import ErrorClass, ProviderError
from bridgx_server.scaling.outcome import REASONS
from bridgx_server.store.failures import DATABASE_FAILURES, is_full

FULL = "the database's disk is full, so nothing was changed: make room there, and try again"
# Seconds to wait before the next try, where the failure itself does not say.
WAITS: Mapping[str, float] = {
    "throttled": 5.0,
    "cloud_unavailable": 10.0,
    "store_unavailable": 5.0,
    "request_in_progress": 2.0,
    "server_unavailable": 2.0,
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
    "server_unavailable": grpc.StatusCode.UNAVAILABLE,
    "deadline_exceeded": grpc.StatusCode.DEADLINE_EXCEEDED,
    "unimplemented": grpc.StatusCode.UNIMPLEMENTED,
    "internal": grpc.StatusCode.INTERNAL,
    "cloud_error": grpc.StatusCode.UNKNOWN,
}

log = structlog.get_logger("bridgx.errors")


class Errors(Layer):
    """Ends a call that raises with the status that its exception stands for."""

    def around(self, method: str, request: Any, context: CallContext) -> Iterator[None]:
        try:
            yield
        except (GeneratorExit, Aborted):
            raise
        except Exception as error:
            tell_failure(method, error)
            context.abort_with_status(rpc_status.to_status(status_of(method, error)))


def tell_failure(method: str, error: Exception) -> None:
    """Logs what went wrong where that is more than a refusal."""
    if isinstance(error, DATABASE_FAILURES):
        event = "database full" if is_full(error) else "database unavailable"
        log.error(event, method=method, error=f"{type(error).__name__}: {error}", request_id=current_request_id())
    elif not isinstance(error, (BridgXError, ProviderError, NotImplementedError)):
        log.error("call failed", method=method, request_id=current_request_id(), exc_info=error)


def reason_of(error: Exception) -> str:
    """The word of ErrorReason for an exception, in lower case."""
    if isinstance(error, BridgXError):
        return error.reason
    if isinstance(error, ProviderError):
        return REASONS[error.kind]
    if isinstance(error, NotImplementedError):
        return "unimplemented"
    return "store_unavailable" if isinstance(error, DATABASE_FAILURES) else "internal"


def status_of(method: str, error: Exception) -> status_pb2.Status:
    """The status of an exception, with ErrorInfo, RequestInfo, and what else its kind has; never longer than fits."""
    if isinstance(error, InvalidFields):
        return _status(Failure(error.reason, error.message, violations=error.fields))
    if isinstance(error, BridgXError):
        return _status(Failure(error.reason, error.message), error.retry_after)
    if isinstance(error, ProviderError):
        return _of_provider(error)
    if isinstance(error, NotImplementedError):
        return _status(Failure("unimplemented", f"{method} is not implemented by this server"))
    if isinstance(error, DATABASE_FAILURES):
        return _status(Failure("store_unavailable", FULL if is_full(error) else "the database cannot be reached"))
    return _status(Failure("internal", "the server failed; its log has more under the request id"))


def _of_provider(error: ProviderError) -> status_pb2.Status:
    metadata = {
        "cloud": error.provider,
        "operation": error.operation,
        "vendor_code": error.vendor_code,
        "vendor_message": error.message,
        "vendor_request_id": error.request_id,
        "error_class": error.kind.value,
        "next_step": error.traits.next_step,
    }
    named = error.kind is ErrorClass.INVALID_PARAMETER and error.field
    where = f"{error.provider}: " if error.provider else ""
    failure = Failure(
        REASONS[error.kind],
        f"{where}{error.told}",
        metadata={key: value for key, value in metadata.items() if value},
        violations=(FieldError(error.field, error.message),) if named else (),
        listed=False,
    )
    return _status(failure, error.retry_after)


def _status(failure: Failure, wait: float | None = None) -> status_pb2.Status:
    further: list[Message] = []
    if failure.reason in WAITS:
        delay = Duration()
        delay.FromMilliseconds(int(1000 * (wait or WAITS[failure.reason])))
        further.append(error_details_pb2.RetryInfo(retry_delay=delay))
    if current_request_id():
        further.append(error_details_pb2.RequestInfo(request_id=current_request_id()))
    return fitting(_code(failure.reason), failure, further)


def _code(reason: str) -> grpc.StatusCode:
    if reason.endswith("_not_found"):
        return grpc.StatusCode.NOT_FOUND
    if reason.endswith("_already_exists"):
        return grpc.StatusCode.ALREADY_EXISTS
    return CODES[reason]
