"""What a cloud's answer must hold. One that lacks it is no answer: it must not be taken for "nothing there" or "nothing made"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bridgx_server.providers.errors import ErrorClass, ProviderError


def rows_in(provider: str, operation: str, answer: Mapping[str, Any], name: str) -> list[Any]:
    """The rows of an answer's list. Raises ProviderError (UNAVAILABLE) where it has none."""
    rows = answer.get(name)
    if not isinstance(rows, list):
        raise ProviderError(ErrorClass.UNAVAILABLE, "the answer lacks its list", provider=provider, operation=operation)
    return rows


def id_in(provider: str, operation: str, made: object) -> str:
    """The id of what was made. Raises ProviderError (TIMEOUT_UNKNOWN) without one: it is not known whether anything was."""
    if not made:
        raise ProviderError(
            ErrorClass.TIMEOUT_UNKNOWN, "the answer lacks the id", provider=provider, operation=operation
        )
    return str(made)


def machines_in(provider: str, operation: str, ids: Iterable[object], request_id: str) -> tuple[str, ...]:
    """The ids of the machines that were made. Raises ProviderError (TIMEOUT_UNKNOWN) where there is none, as above."""
    made = tuple(str(instance_id) for instance_id in ids)
    if not made:
        raise ProviderError(
            ErrorClass.TIMEOUT_UNKNOWN,
            "the answer names no machine",
            provider=provider,
            operation=operation,
            request_id=request_id,
        )
    return made
