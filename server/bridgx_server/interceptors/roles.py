"""What the caller's role allows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import structlog

from bridgx_server.errors import PermissionDenied
from bridgx_server.front.context import CallContext
from bridgx_server.interceptors.caller import current_identity
from bridgx_server.interceptors.layer import Layer
from bridgx_server.interceptors.operations import name_of, operation_of

log = structlog.get_logger("bridgx.roles")


class Roles(Layer):
    """Refuses calls for which the caller's role is too low, and those that :mod:`operations` has no row for."""

    def around(self, method: str, request: Any, context: CallContext) -> Iterator[None]:
        operation = operation_of(method)
        if operation is None:
            log.error("an rpc without a row in interceptors/operations.py", method=method)
            raise PermissionDenied(f"{name_of(method)} has no declared role, so nobody may call it")
        identity = current_identity()
        if identity.role < operation.role:
            raise PermissionDenied(
                f"{name_of(method)} needs the role {operation.role.word}, and {identity.name} is {identity.role.word}"
            )
        yield
