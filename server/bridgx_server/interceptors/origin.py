"""Where a call comes from."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from bridgx_server.front.context import CallContext

Proxies = Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]


@dataclass(frozen=True)
class Origin:
    """``address`` of the caller, and of the Envoy that told it; ``proxy`` is empty where the caller came by itself."""

    address: str
    proxy: str = ""


def origin_of(context: CallContext, proxies: Proxies) -> Origin:
    """Envoy appends the address that it was called from to X-Forwarded-For, so the last entry is its own word.

    Everything before it is the caller's, and the whole of it where the caller is no proxy that is known here.
    """
    peer = address_of(context.peer())
    if not _within(peer, proxies):
        return Origin(peer)
    entries = [
        part.strip()
        for key, value in context.invocation_metadata()
        if key == "x-forwarded-for"
        for part in str(value).split(",")
    ]
    if not entries or not _is_address(entries[-1]):
        return Origin(peer)
    return Origin(entries[-1], peer)


def address_of(peer: str) -> str:
    """The address of ``ipv4:192.0.2.1:50000`` or ``ipv6:%5B::1%5D:50000``; other peers as they are."""
    kind, _, rest = unquote(peer).partition(":")
    if kind not in ("ipv4", "ipv6"):
        return unquote(peer)
    return rest.rpartition(":")[0].strip("[]")


def networks_of(text: str) -> Proxies:
    """Reads addresses and blocks, separated by commas; raises ValueError."""
    return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())


def _within(address: str, proxies: Proxies) -> bool:
    if not _is_address(address):
        return False
    parsed = ipaddress.ip_address(address)
    return any(parsed in network for network in proxies)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
