"""Who makes the call that this thread serves."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

from bridgx_server.identities.identity import NOBODY, Identity
from bridgx_server.store.scope import Scope


def _nothing() -> None:
    """The check of a call that needs no token."""


_identity: ContextVar[Identity] = ContextVar("bridgx_identity", default=NOBODY)
_recheck: ContextVar[Callable[[], object]] = ContextVar("bridgx_recheck", default=_nothing)
_request_id: ContextVar[str] = ContextVar("bridgx_request_id", default="")
_idempotency_key: ContextVar[str] = ContextVar("bridgx_idempotency_key", default="")


def current_identity() -> Identity:
    """The caller; nobody, who sees nothing, where there was no token."""
    return _identity.get()


def current_scope() -> Scope:
    """Whose rows the caller sees: what every query of a servicer is given."""
    return _identity.get().scope


def current_caller() -> str:
    """The caller's name; empty where there was no token."""
    return _identity.get().name


def current_request_id() -> str:
    """The id of the call, which its log line and its errors carry."""
    return _request_id.get()


def current_idempotency_key() -> str:
    """What the caller sent as Idempotency-Key; empty where it sent none."""
    return _idempotency_key.get()


def check_caller() -> None:
    """Makes sure that the token is still good; for calls that last. Raises TokenInvalid."""
    _recheck.get()()


def set_call(*, request_id: str, idempotency_key: str) -> None:
    """Says what is known of a call before it is known who makes it."""
    _request_id.set(request_id)
    _idempotency_key.set(idempotency_key)
    set_identity(NOBODY, _nothing)


def set_identity(identity: Identity, recheck: Callable[[], object]) -> None:
    """Says who makes the call; ``recheck`` raises as soon as that is over."""
    _identity.set(identity)
    _recheck.set(recheck)
