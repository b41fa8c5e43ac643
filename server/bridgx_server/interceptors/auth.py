"""Bearer tokens: who calls."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from typing import Any

import grpc

from bridgx_server.errors import TokenInvalid
from bridgx_server.interceptors.caller import set_call
from bridgx_server.interceptors.layer import Layer

OPEN = ("/grpc.health.v1.Health/",)  # a load balancer has no token


class Auth(Layer):
    """Lets calls pass whose token is known, and notes its name."""

    def __init__(self, tokens: Mapping[str, str]) -> None:
        """``tokens``: name of the caller → bearer token."""
        self._tokens = {name: _digest(token) for name, token in tokens.items()}

    def around(self, method: str, request: Any, context: grpc.ServicerContext) -> Iterator[None]:
        if not method.startswith(OPEN):
            set_call(caller=self._caller(context))
        yield

    def _caller(self, context: grpc.ServicerContext) -> str:
        header = next((str(value) for key, value in context.invocation_metadata() if key == "authorization"), "")
        scheme, _, token = header.partition(" ")
        if not header:
            raise TokenInvalid("the call has no bearer token: send the header `authorization: Bearer …`")
        given = _digest(token.strip())
        # Every token is compared, in constant time: how long it takes tells nothing.
        found = [name for name, known in self._tokens.items() if hmac.compare_digest(known, given)]
        if scheme.lower() != "bearer" or not found:
            raise TokenInvalid("the bearer token is not known")
        return found[0]


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
