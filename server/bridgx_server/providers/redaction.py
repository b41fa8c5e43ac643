"""Keeps secrets out of what a cloud said: vendors quote requests in their messages, and those hold passwords.

And keeps all else in: a text that holds a secret by chance, as a part of some longer word, stays as it is.
"""

from __future__ import annotations

import base64
import functools
import json
import re
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
SHORTEST = 8  # characters: what is shorter is no secret of any cloud, and stands in many a text by chance
UNMISTAKABLE = 16  # characters: as long as this, no text holds it by chance

# What may stand before a secret although it ends in a letter or digit: an escape of a URL, once or twice, or of JSON.
_ESCAPES = (r"%[0-9A-Fa-f]{2}", r"%25[0-9A-Fa-f]{2}", r"\\[bfnrt]", r"\\u[0-9A-Fa-f]{4}")
_BEFORE = "(?:" + "|".join((r"(?<![A-Za-z0-9])", *(f"(?<={escape})" for escape in _ESCAPES))) + ")"
_AFTER = r"(?![A-Za-z0-9])"


def redacted(text: str, secrets: Iterable[str]) -> str:
    """The text with every form of the secrets masked: as they are, and as URLs, JSON, hexadecimal or base64 have them.

    One of fewer than 16 characters is masked where it stands by itself, one of fewer than 8 nowhere.
    """
    for secret in secrets:
        if len(secret) < SHORTEST:
            continue
        for form in _forms(secret):
            text = re.sub(form, MASK, text)
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
    """Patterns of the secret's forms, the longest first: a shorter one may be part of it."""
    data = secret.encode()
    once = quote(secret, safe="")
    words = {secret, once, quote_plus(secret), quote(once, safe=""), json.dumps(secret)[1:-1]}
    # What a secret looks like in these no text holds by chance, and they begin and end anywhere in a longer one.
    encoded = {data.hex(), data.hex().upper(), *_base64_forms(data)}
    patterns = [(form, re.escape(form)) for form in encoded]
    patterns += [(form, _standing_alone(form)) for form in words - encoded]
    return [pattern for _, pattern in sorted(patterns, key=lambda pair: len(pair[0]), reverse=True)]


def _standing_alone(form: str) -> str:
    pattern = re.escape(form)
    return pattern if len(form) >= UNMISTAKABLE else f"{_BEFORE}{pattern}{_AFTER}"


def _base64_forms(data: bytes) -> Iterable[str]:
    """What base64 makes of it wherever it stands in a text: three alignments, without what its neighbours have a share in."""
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + data).decode().rstrip("=")
        first = (before * 8 + 5) // 6
        last = len(encoded) if (before + len(data)) % 3 == 0 else len(encoded) - 1
        yield encoded[first:last]
