"""SDK-HMAC-SHA256: how Huawei's requests are signed ("AK/SK signing" of the API Request Signing Guide).

    Authorization: SDK-HMAC-SHA256 Access={access key}, SignedHeaders={names}, Signature={signature}

The signature is the HMAC-SHA256, under the secret, of the algorithm, the time in X-Sdk-Date and the hash of the canonical
request: method, path that ends with a slash, sorted query, signed headers, their names, and the hash of the body.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, unquote

ALGORITHM = "SDK-HMAC-SHA256"
LIFE = 15 * 60.0  # seconds that a signature holds, either way
_HEADER = re.compile(
    rf"{ALGORITHM} Access=(?P<key>[^,\s]+), ?SignedHeaders=(?P<names>[^,\s]+), ?Signature=(?P<signature>[0-9a-f]+)"
)


class Malformed(Exception):
    """The Authorization header, or the time, is not of the form above."""


@dataclass(frozen=True)
class Authorization:
    """The header, read. ``at`` is seconds since the epoch."""

    access_key: str
    stamp: str
    at: float
    headers: tuple[str, ...]
    signature: str


def read(header: str, stamp: str) -> Authorization:
    """Reads the header and the time; raises Malformed."""
    found = _HEADER.fullmatch(header)
    if found is None:
        raise Malformed
    try:
        at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise Malformed from None
    return Authorization(found["key"], stamp, at, tuple(found["names"].split(";")), found["signature"])


def holds(
    authorization: Authorization,
    method: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    body: bytes,
    secret: str,
) -> bool:
    """Whether the signature is that of the request. ``path`` and ``query`` are as they came, encoded."""
    signed = "".join(f"{name}:{headers.get(name, '').strip()}\n" for name in authorization.headers)
    hashed = headers.get("X-Sdk-Content-Sha256") or hashlib.sha256(body).hexdigest()
    canonical = "\n".join((method.upper(), _path(path), _query(query), signed, ";".join(authorization.headers), hashed))
    to_sign = f"{ALGORITHM}\n{authorization.stamp}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(secret.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(signature, authorization.signature)


def _path(path: str) -> str:
    encoded = "/".join(_encoded(part) for part in unquote(path).split("/"))
    return encoded if encoded.endswith("/") else f"{encoded}/"


def _query(query: str) -> str:
    pairs = []
    for part in filter(None, query.split("&")):
        name, _, value = part.partition("=")
        pairs.append((unquote(name), unquote(value)))
    return "&".join(f"{_encoded(name)}={_encoded(value)}" for name, value in sorted(pairs))


def _encoded(text: str) -> str:
    return quote(text, safe="~")
