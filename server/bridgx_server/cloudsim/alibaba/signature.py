"""ACS3-HMAC-SHA256, checked as Alibaba Cloud's signature guide (version 3) describes it."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import parse_qsl, quote

from yarl import URL

ALGORITHM = "ACS3-HMAC-SHA256"
_HEADER = re.compile(
    rf"{ALGORITHM} Credential=(?P<key>[^,]+),SignedHeaders=(?P<names>[^,]+),Signature=(?P<mark>[0-9a-f]+)$"
)


class Unsigned(Exception):
    """The Authorization header is missing or malformed."""


def access_key_of(headers: Mapping[str, str]) -> str:
    """Who says to have signed; raises Unsigned."""
    match = _HEADER.match(headers.get("Authorization", ""))
    if match is None:
        raise Unsigned
    return match["key"]


def time_of(headers: Mapping[str, str]) -> float:
    """When the request says that it was signed, in seconds since the epoch; 0 where that cannot be read."""
    try:
        return datetime.strptime(headers.get("x-acs-date", ""), "%Y-%m-%dT%H:%M:%S%z").timestamp()
    except ValueError:
        return 0.0


def holds(method: str, url: URL, headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Whether the signature is the secret's."""
    match = _HEADER.match(headers.get("Authorization", ""))
    if match is None:
        return False
    digest = hashlib.sha256(body).hexdigest()
    if headers.get("x-acs-content-sha256") != digest:
        return False
    pairs = sorted(parse_qsl(url.raw_query_string, keep_blank_values=True))
    query = "&".join(f"{quote(key, safe='~')}={quote(value, safe='~')}" for key, value in pairs)
    names = match["names"].split(";")
    if not {"host", "x-acs-action", "x-acs-version", "x-acs-date", "x-acs-content-sha256"} <= set(names):
        return False
    signed = "".join(f"{name}:{headers.get(name, '').strip()}\n" for name in names)
    canonical = "\n".join([method, url.raw_path or "/", query, signed, match["names"], digest])
    to_sign = f"{ALGORITHM}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    mark = hmac.new(secret.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(mark, match["mark"])
