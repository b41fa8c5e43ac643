"""Keeps secrets out of what a cloud said: vendors quote requests in their messages, and those hold passwords."""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, cast
from urllib.parse import quote, quote_plus

from bridgx_server.providers.base import (
    CreatedMachines,
    CreateMachines,
    Credentials,
    DeletedMachines,
    Provider,
    ProviderError,
)

MASK = "***"


def redacted(text: str, secrets: Iterable[str]) -> str:
    """The text with every form of the secrets masked: as they are, and as URLs, JSON, hexadecimal or base64 have them."""
    for secret in secrets:
        for form in _forms(secret) if secret else ():
            text = text.replace(form, MASK)
    return text


def discreet(provider: Provider, credentials: Credentials) -> Provider:
    """The same adapter, whose failures name neither the account's secret nor a machine's password."""
    return cast(Provider, _Discreet(provider, credentials.secret))


class _Discreet:
    def __init__(self, provider: Provider, secret: str) -> None:
        self._provider = provider
        self._secret = secret

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._provider, name)
        return functools.partial(self._call, value) if callable(value) else value

    def _call(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        orders = [value for value in (*args, *kwargs.values()) if isinstance(value, CreateMachines)]
        secrets = (self._secret, *(order.password for order in orders))
        try:
            result = method(*args, **kwargs)
        except ProviderError as error:
            _clean(error, secrets)
            raise
        if isinstance(result, CreatedMachines) and result.shortfall is not None:
            return replace(result, shortfall=_clean(result.shortfall, secrets))
        if isinstance(result, DeletedMachines):
            for refusal in result.refused.values():
                _clean(refusal, secrets)
        return result


def _clean(error: ProviderError, secrets: Iterable[str]) -> ProviderError:
    error.message = redacted(error.message, secrets)
    error.args = (error.message,)
    return error


def _forms(secret: str) -> list[str]:
    data = secret.encode()
    once = quote(secret, safe="")
    forms = {secret, once, quote_plus(secret), quote(once, safe=""), json.dumps(secret)[1:-1], data.hex()}
    forms |= {data.hex().upper(), *_base64_forms(data)}
    # The longest first: a shorter one may be part of it.
    return sorted(forms, key=len, reverse=True)


def _base64_forms(data: bytes) -> Iterable[str]:
    """What base64 makes of it wherever it stands in a text: three alignments, without what its neighbours have a share in."""
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + data).decode().rstrip("=")
        first = (before * 8 + 5) // 6
        last = len(encoded) if (before + len(data)) % 3 == 0 else len(encoded) - 1
        yield encoded[first:last]
