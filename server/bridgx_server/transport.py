"""What the gRPC server listens with: TLS that follows its files, and no plaintext beyond loopback unless it is said."""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Callable

import grpc

from bridgx_server.tls import FreshTls, TlsMaterial, TransportError


def grpc_server_credentials(fresh: FreshTls) -> grpc.ServerCredentials:
    """Credentials of a gRPC server that look at the files at each handshake."""
    required = fresh.files.authorities is not None and fresh.files.require_client_certificate

    def configuration(material: TlsMaterial) -> grpc.ServerCertificateConfiguration:
        pairs = [(material.key, material.certificate)]
        return grpc.ssl_server_certificate_configuration(pairs, material.authorities if required else None)

    first = fresh.current()
    return grpc.dynamic_ssl_server_credentials(
        configuration(first),
        _fetcher(fresh, first, configuration),  # type: ignore[arg-type]  # None is allowed: nothing new
        require_client_authentication=required,
    )


def _fetcher(
    fresh: FreshTls, first: TlsMaterial, configuration: Callable[[TlsMaterial], grpc.ServerCertificateConfiguration]
) -> Callable[[], grpc.ServerCertificateConfiguration | None]:
    lock = threading.Lock()
    used = first

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        nonlocal used
        material = fresh.current()
        with lock:
            if material == used:
                return None  # what gRPC has is still right
            used = material
        return configuration(material)

    return fetch


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches that address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def address_of(host: str, port: int) -> str:
    """host:port, with the brackets that an IPv6 address needs."""
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"


def refuse_plaintext(host: str, *, tls: bool, allowed: bool, remedy: str) -> None:
    """Raises TransportError for an address beyond loopback without TLS, unless ``allowed``. ``remedy`` is what to set."""
    if not (tls or allowed or is_loopback(host)):
        raise TransportError(
            f"{host} is not loopback and there is no TLS: everyone on the way could read tokens, passwords and the secrets of"
            f" cloud accounts. {remedy}, or say --insecure-plaintext if something else encrypts that network"
        )
