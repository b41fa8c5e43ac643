"""AWS Signature Version 4, checked as the AWS General Reference describes it."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import parse_qsl, quote

from yarl import URL

_HEADER = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<day>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request, ?"
    r"SignedHeaders=(?P<names>[^,]+), ?Signature=(?P<mark>[0-9a-f]{64})$"
)


SERVICES = ("ec2", "sts")


class Unsigned(Exception):
    """The Authorization header is missing or malformed."""


def parse(headers: Mapping[str, str]) -> re.Match[str]:
    """The header's parts: key, day, region, service, names, mark. Raises Unsigned."""
    match = _HEADER.match(headers.get("Authorization", ""))
    if match is None or match["service"] not in SERVICES:
        raise Unsigned
    return match


def service_of(headers: Mapping[str, str]) -> str:
    """The service that a request is signed for; empty where it is none of those here."""
    try:
        return parse(headers)["service"]
    except Unsigned:
        return ""


def time_of(headers: Mapping[str, str]) -> float:
    """When the request says that it was signed, in seconds since the epoch; 0 where that cannot be read."""
    try:
        return datetime.strptime(headers.get("x-amz-date", ""), "%Y%m%dT%H%M%S%z").timestamp()
    except ValueError:
        return 0.0


def holds(method: str, url: URL, headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Whether the signature is the secret's."""
    match = parse(headers)
    pairs = sorted(parse_qsl(url.raw_query_string, keep_blank_values=True))
    query = "&".join(f"{quote(key, safe='~')}={quote(value, safe='~')}" for key, value in pairs)
    names = match["names"].split(";")
    if "host" not in names or "x-amz-date" not in names:
        return False
    signed = "".join(f"{name}:{' '.join(headers.get(name, '').split())}\n" for name in names)
    canonical = "\n".join(
        [method, url.raw_path or "/", query, signed, match["names"], hashlib.sha256(body).hexdigest()]
    )
    scope = f"{match['day']}/{match['region']}/{match['service']}/aws4_request"
    to_sign = "\n".join(
        [
            "AWS4-HMAC-SHA256",
            headers.get("x-amz-date", ""),
            scope,
            hashlib.sha256(canonical.encode()).hexdigest(),
        ]
    )
    key = f"AWS4{secret}".encode()
    for part in (*scope.split("/")[:3], "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    mark = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(mark, match["mark"])
