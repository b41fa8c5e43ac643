"""TLS of the channel, and where a token may travel without it."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path

import grpc

PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class Tls:
    """TLS from PEM files.

    Attributes:
        root_certificates: the CAs that the server's certificate must come from; None: those that gRPC brings.
        certificate: the client's own certificate and its chain, for a server that asks for one.
        key: the key of that certificate.
    """

    root_certificates: PathLike | None = None
    certificate: PathLike | None = None
    key: PathLike | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together: one of them is missing")

    def credentials(self) -> grpc.ChannelCredentials:
        """Reads the files. Raises OSError for one that cannot be read."""
        return grpc.ssl_channel_credentials(
            root_certificates=_read(self.root_certificates),
            private_key=_read(self.key),
            certificate_chain=_read(self.certificate),
        )


def refuse_plaintext_token(address: str) -> None:
    """Raises ValueError for an address that is not on this machine, since a token in the clear could be read on the way."""
    if not is_local(address):
        raise ValueError(
            f"a token would go to {address} without TLS, and everyone on the way could read and use it: give tls=Tls(...),"
            " or insecure_plaintext=True if something else encrypts that network"
        )


def is_local(address: str) -> bool:
    """Whether a gRPC target is on this machine."""
    if address.startswith(("unix:", "unix-abstract:")):
        return True
    for prefix in ("dns:///", "dns:", "ipv4:", "ipv6:"):
        address = address.removeprefix(prefix)
    return all(_is_loopback(part) for part in address.split(","))


def _is_loopback(address: str) -> bool:
    host = address[1:].partition("]")[0] if address.startswith("[") else address.rpartition(":")[0] or address
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.rstrip(".") == "localhost"


def _read(file: PathLike | None) -> bytes | None:
    return None if file is None else Path(file).read_bytes()
