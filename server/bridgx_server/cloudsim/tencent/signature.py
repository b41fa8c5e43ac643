"""TC3-HMAC-SHA256: how requests to Tencent Cloud are signed ("Signature v3" of its API references).

    Authorization: TC3-HMAC-SHA256 Credential={id}/{date}/{product}/tc3_request, SignedHeaders={names}, Signature={mark}

The mark is the HMAC-SHA256 of algorithm, timestamp, scope and the digest of the canonical request, under a key that is
derived from the secret by date, product and `tc3_request`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

ALGORITHM = "TC3-HMAC-SHA256"
_HEADER = re.compile(
    rf"{ALGORITHM} Credential=(?P<key>[^/,\s]+)/(?P<date>\d{{4}}-\d\d-\d\d)/(?P<product>[a-z0-9]+)/tc3_request, ?"
    r"SignedHeaders=(?P<names>[^,\s]+), ?Signature=(?P<mark>[0-9a-f]{64})"
)


class Malformed(Exception):
    """The Authorization header is not of the form above."""


@dataclass(frozen=True)
class Authorization:
    """The header, read."""

    access_key: str
    date: str
    product: str
    headers: tuple[str, ...]
    mark: str


def read(header: str) -> Authorization:
    """Reads the header; raises Malformed."""
    match = _HEADER.fullmatch(header.strip())
    if match is None:
        raise Malformed
    names = tuple(match["names"].split(";"))
    if not {"content-type", "host"} <= set(names):
        raise Malformed
    return Authorization(match["key"], match["date"], match["product"], names, match["mark"])


def holds(
    authorization: Authorization,
    method: str,
    query: str,
    headers: Mapping[str, str],
    body: bytes,
    timestamp: int,
    secret: str,
) -> bool:
    """Whether the signature is that of the request. ``query`` is as it came, encoded."""
    if datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d") != authorization.date:
        return False
    signed = "".join(f"{name}:{headers.get(name, '').strip().lower()}\n" for name in authorization.headers)
    canonical = "\n".join(
        (method, "/", query, signed, ";".join(authorization.headers), hashlib.sha256(body).hexdigest())
    )
    scope = f"{authorization.date}/{authorization.product}/tc3_request"
    to_sign = "\n".join((ALGORITHM, str(timestamp), scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = f"TC3{secret}".encode()
    for part in (authorization.date, authorization.product, "tc3_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.compare_digest(hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest(), authorization.mark)
