"""Lists and ids out of answers, and pages by token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bridgx_server.providers import answers
from bridgx_server.providers.alibaba.failures import PROVIDER
from bridgx_server.providers.base import ErrorClass, ProviderError


def rows_in(operation: str, container: Any, name: str) -> list[Any]:
    """The rows of an answer's list. An answer without its list is no answer: it must not be taken for an empty one."""
    if container is None:
        raise ProviderError(ErrorClass.UNAVAILABLE, "the answer lacks its list", provider=PROVIDER, operation=operation)
    return list(getattr(container, name) or ())


def length_of(operation: str, body: Any) -> int:
    """How many rows the whole list has. Without that, what one page holds may be a part."""
    if body.total_count is None:
        raise ProviderError(
            ErrorClass.UNAVAILABLE,
            "the answer does not say how long its list is",
            provider=PROVIDER,
            operation=operation,
        )
    return int(body.total_count)


def id_in(operation: str, made: str | None) -> str:
    """The id of what was made. Without one it is not known whether anything was."""
    return answers.id_in(PROVIDER, operation, made)


def by_token(operation: str, page: Callable[[str | None], tuple[list[Any], str | None]]) -> list[Any]:
    """The rows of all pages. ``page`` gives the rows behind a token, and the next token, empty at the end.

    Raises ProviderError where a token comes again: the list would have no end, and a part of it is no answer.
    """
    rows: list[Any] = []
    seen: set[str] = set()
    token: str | None = None
    while True:
        some, token = page(token)
        rows.extend(some)
        if not token:
            return rows
        if token in seen:
            raise ProviderError(
                ErrorClass.UNAVAILABLE, "the pages of the answer repeat", provider=PROVIDER, operation=operation
            )
        seen.add(token)
