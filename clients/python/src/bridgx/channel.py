"""The channel under the client: its bearer token, its deadlines and its retries."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import grpc
from google.api import annotations_pb2
from google.protobuf.descriptor import FileDescriptor

from bridgx.errors import failure_of
from bridgx.v1 import (
    account_service_pb2,
    audit_service_pb2,
    cluster_service_pb2,
    fee_service_pb2,
    instance_service_pb2,
    network_service_pb2,
    reconcile_service_pb2,
    task_service_pb2,
    token_service_pb2,
)

MAX_ATTEMPTS = 4  # of a safe call, the first included
INITIAL_BACKOFF = 0.2  # seconds
MAX_BACKOFF = 3.0  # seconds
IN_PROGRESS = "request_in_progress"  # the reason of a call whose request_id another call has, which is not answered yet
MAX_MESSAGE = 32 * 1024 * 1024  # bytes; the longest catalogs are some MiB

_FILES: Sequence[FileDescriptor] = (
    account_service_pb2.DESCRIPTOR,
    audit_service_pb2.DESCRIPTOR,
    cluster_service_pb2.DESCRIPTOR,
    fee_service_pb2.DESCRIPTOR,
    instance_service_pb2.DESCRIPTOR,
    network_service_pb2.DESCRIPTOR,
    reconcile_service_pb2.DESCRIPTOR,
    task_service_pb2.DESCRIPTOR,
    token_service_pb2.DESCRIPTOR,
)

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")


def service_config() -> str:
    """The gRPC service config, as JSON: calls that only read are tried again when the server is UNAVAILABLE.

    A call reads when its first REST binding is a GET. Calls that change something are not repeated when the server is away;
    with a `request_id` the caller may repeat them safely.
    """
    safe = [
        {"service": service.full_name, "method": method.name}
        for file in _FILES
        for service in file.services_by_name.values()
        for method in service.methods
        if method.GetOptions().Extensions[annotations_pb2.http].get
    ]
    policy = {
        "maxAttempts": MAX_ATTEMPTS,
        "initialBackoff": f"{INITIAL_BACKOFF}s",
        "maxBackoff": f"{MAX_BACKOFF}s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    return json.dumps({"methodConfig": [{"name": safe, "retryPolicy": policy}]})


def open_channel(
    address: str, token: str | None, timeout: float, credentials: grpc.ChannelCredentials | None
) -> grpc.Channel:
    """A channel to `address` whose calls carry the token and end within `timeout` seconds unless they say otherwise.

    A call whose request is being worked on elsewhere is made again when the server says so, within its timeout.
    """
    options = [
        ("grpc.service_config", service_config()),
        ("grpc.max_receive_message_length", MAX_MESSAGE),
    ]
    if credentials is None:
        channel = grpc.insecure_channel(address, options)
    else:
        channel = grpc.secure_channel(address, credentials, options)
    return grpc.intercept_channel(channel, _Defaults(token, timeout), _Repeating())


class _Details(NamedTuple):
    method: str
    timeout: float | None
    metadata: Any
    credentials: grpc.CallCredentials | None
    wait_for_ready: bool | None
    compression: grpc.Compression | None


class _CallDetails(_Details, grpc.ClientCallDetails):
    """Details of a call that can be made anew; grpc has the interface alone."""


def _with(call: grpc.ClientCallDetails, timeout: float | None, metadata: Any) -> grpc.ClientCallDetails:
    """The same call with another timeout and other metadata."""
    return _CallDetails(
        method=call.method,
        timeout=timeout,
        metadata=metadata,
        credentials=call.credentials,
        wait_for_ready=call.wait_for_ready,
        compression=call.compression,
    )


class _Defaults(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    # The token travels as metadata and not as call credentials, since those are refused on a channel without TLS,
    # which is what loopback and a mesh have.

    def __init__(self, token: str | None, timeout: float) -> None:
        self._metadata = (("authorization", f"Bearer {token}"),) if token else ()
        self._timeout = timeout

    def intercept_unary_unary(
        self,
        continuation: Callable[[grpc.ClientCallDetails, _Request], grpc.CallFuture[_Response]],
        client_call_details: grpc.ClientCallDetails,
        request: _Request,
    ) -> grpc.CallFuture[_Response]:
        return continuation(self._completed(client_call_details, self._timeout), request)

    def intercept_unary_stream(
        self,
        continuation: Callable[[grpc.ClientCallDetails, _Request], grpc.CallIterator[_Response]],
        client_call_details: grpc.ClientCallDetails,
        request: _Request,
    ) -> grpc.CallIterator[_Response]:
        # A stream lasts as long as what it watches.
        return continuation(self._completed(client_call_details, None), request)

    def _completed(self, call: grpc.ClientCallDetails, timeout: float | None) -> grpc.ClientCallDetails:
        metadata = (*(call.metadata or ()), *self._metadata)
        return _with(call, call.timeout if call.timeout is not None else timeout, metadata)


class _Repeating(grpc.UnaryUnaryClientInterceptor):
    """Waits for the answer to a request that another call has brought, by asking again as often as the server says.

    Not for one without a `request_id` or Idempotency-Key, whose repetition would be another request; nor for a call that is
    made as a future: its caller waits for nothing yet.
    """

    def __init__(
        self, sleep: Callable[[float], None] = time.sleep, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._sleep = sleep
        self._monotonic = monotonic

    def intercept_unary_unary(
        self,
        continuation: Callable[[grpc.ClientCallDetails, _Request], grpc.CallFuture[_Response]],
        client_call_details: grpc.ClientCallDetails,
        request: _Request,
    ) -> grpc.CallFuture[_Response]:
        details = client_call_details
        named = _is_named(details, request)
        until = None if details.timeout is None else self._monotonic() + details.timeout
        while True:
            call = continuation(details, request)
            wait = _wait_of(call) if named else None
            if wait is None:
                return call
            left = None if until is None else until - self._monotonic() - wait
            if left is not None and left <= 0:
                return call
            self._sleep(wait)
            details = _with(details, left, details.metadata)


def _is_named(details: grpc.ClientCallDetails, request: object) -> bool:
    """Whether the server knows a repetition of the call for one."""
    given = {key.lower() for key, value in details.metadata or () if value}
    return "idempotency-key" in given or bool(getattr(request, "request_id", ""))


def _wait_of(call: grpc.CallFuture[_Response]) -> float | None:
    """Seconds until a call that has ended is to be made again; None where it is not."""
    if not call.done() or call.code() is not grpc.StatusCode.ABORTED:
        return None
    error = call.exception()
    if not isinstance(error, grpc.RpcError):
        return None
    failure = failure_of(error)
    return max(failure.retry_after or 0.0, INITIAL_BACKOFF) if failure.reason == IN_PROGRESS else None
