"""Who makes the call that this thread serves."""

from __future__ import annotations

from contextvars import ContextVar

_caller: ContextVar[str] = ContextVar("bridgx_caller", default="")
_request_id: ContextVar[str] = ContextVar("bridgx_request_id", default="")
_idempotency_key: ContextVar[str] = ContextVar("bridgx_idempotency_key", default="")


def current_caller() -> str:
    """The name of the caller's token; empty where there was none."""
    return _caller.get()


def current_request_id() -> str:
    """The id of the call, which its log line and its errors carry."""
    return _request_id.get()


def current_idempotency_key() -> str:
    """What the caller sent as Idempotency-Key; empty where it sent none."""
    return _idempotency_key.get()


def set_call(*, caller: str | None = None, request_id: str | None = None, idempotency_key: str | None = None) -> None:
    """Says what is known of the call, for the interceptors."""
    for variable, value in ((_caller, caller), (_request_id, request_id), (_idempotency_key, idempotency_key)):
        if value is not None:
            variable.set(value)
