"""bce-auth-v1: how Baidu's requests are signed ("Authentication" of its API references).

    Authorization: bce-auth-v1/{access key}/{time}/{seconds that it holds}/{signed headers}/{signature}

The signature is the HMAC-SHA256 of method, path, query and signed headers, each in canonical form, under a key that is the
HMAC-SHA256 of the part before the headers under the secret. Where no signed headers are named, they are Host,
Content-Length, Content-Type, Content-MD5 and all that begin with x-bce-.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote, unquote

DEFAULT_HEADERS = frozenset({"host", "content-length", "content-type", "content-md5"})


class Malformed(Exception):
    """The Authorization header is not of the form above."""


@dataclass(frozen=True)
class Authorization:
    """The header, read. ``at`` is seconds since the epoch, ``seconds`` how long it holds from then."""

    access_key: str
    stamp: str
    at: float
    seconds: int
    headers: tuple[str, ...]
    signature: str


def read(header: str) -> Authorization:
    """Reads the header; raises Malformed."""
    parts = header.split("/")
    if len(parts) != 6 or parts[0] != "bce-auth-v1" or not parts[1] or not parts[3].isdigit():
        raise Malformed
    try:
        at = datetime.strptime(parts[2], "%Y-%m-%dT%H:%M:%S%z").timestamp()
    except ValueError:
        raise Malformed from None
    named = tuple(name.strip().lower() for name in parts[4].split(";") if name.strip())
    if named and "host" not in named:
        raise Malformed
    return Authorization(parts[1], parts[2], at, int(parts[3]), named, parts[5])


def holds(
    authorization: Authorization, method: str, path: str, query: str, headers: Mapping[str, str], secret: str
) -> bool:
    """Whether the signature is that of the request. ``path`` and ``query`` are as they came, encoded."""
    prefix = f"bce-auth-v1/{authorization.access_key}/{authorization.stamp}/{authorization.seconds}"
    key = hmac.new(secret.encode(), prefix.encode(), hashlib.sha256).hexdigest()
    canonical = "\n".join(
        (method.upper(), quote(unquote(path), safe="/~"), _query(query), _headers(headers, authorization.headers))
    )
    signature = hmac.new(key.encode(), canonical.encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(signature.encode(), authorization.signature.encode())


def _query(query: str) -> str:
    pairs = []
    for part in filter(None, query.split("&")):
        name, _, value = part.partition("=")
        if unquote(name).lower() != "authorization":
            pairs.append(f"{_encoded(unquote(name))}={_encoded(unquote(value))}")
    return "&".join(sorted(pairs))


def _headers(headers: Mapping[str, str], named: tuple[str, ...]) -> str:
    lines = []
    for name, value in headers.items():
        lowered, trimmed = name.strip().lower(), value.strip()
        signed = lowered in named if named else lowered in DEFAULT_HEADERS or lowered.startswith("x-bce-")
        if signed and trimmed:
            lines.append(f"{_encoded(lowered)}:{_encoded(trimmed)}")
    return "\n".join(sorted(lines))


def _encoded(text: str) -> str:
    return quote(text, safe="~")
