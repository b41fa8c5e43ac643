"""Bearer tokens: who calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import structlog

from bridgx_server.errors import BridgXError, PermissionDenied, TokenInvalid
from bridgx_server.front.context import CallContext
from bridgx_server.identities.identity import Identity
from bridgx_server.interceptors.caller import check_caller, current_request_id, set_identity
from bridgx_server.interceptors.layer import Layer

log = structlog.get_logger("bridgx.auth")


class Identities(Protocol):
    """Who the bearers of tokens are."""

    def identify(self, token: str) -> Identity:
        """The identity; raises TokenInvalid, or PermissionDenied for one that has no role."""
        ...


class Auth(Layer):
    """Lets calls pass whose token is known, and notes whose it is. A stream is asked again before each message."""

    def __init__(self, identities: Identities) -> None:
        self._identities = identities

    def around(self, method: str, request: Any, context: CallContext) -> Iterator[None]:
        try:
            token = bearer_of(context)
            set_identity(self._identities.identify(token), lambda: self._identities.identify(token))
        except (TokenInvalid, PermissionDenied) as error:
            tell_unauthenticated(method, error, context)
            raise
        yield

    def _stream(self, method: str, inner: Callable[..., Any]) -> Callable[..., Any]:
        def checked(request: Any, context: CallContext) -> Iterator[Any]:
            for message in inner(request, context):
                check_caller()
                yield message

        return super()._stream(method, checked)


def bearer_of(context: CallContext) -> str:
    """The bearer token of a call; raises TokenInvalid where there is none."""
    header = next((str(value) for key, value in context.invocation_metadata() if key == "authorization"), "")
    if not header:
        raise TokenInvalid("the call has no bearer token: send the header `authorization: Bearer …`")
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise TokenInvalid("the authorization header is not `Bearer …`")
    return token.strip()


def tell_unauthenticated(method: str, error: BridgXError, context: CallContext) -> None:
    """Logs a call whose token is not good."""
    log.warning(
        "unauthenticated",
        method=method,
        why=error.message,
        peer=context.peer(),
        request_id=current_request_id(),
    )
