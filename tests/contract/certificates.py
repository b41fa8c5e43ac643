"""Certificates to test with: authorities, and pairs of files that are theirs."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from contract.hostile import connected
from cryptography import x509


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as files."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority whose certificate is a file."""

    def __init__(self, directory: Path, name: str = "ca") -> None:
        self._directory = directory
        self._ca = trustme.CA()
        self.file = directory / f"{name}.pem"
        self._ca.cert_pem.write_to_path(str(self.file))

    @property
    def pem(self) -> bytes:
        return self.file.read_bytes()

    def pair(self, name: str = "server", *, expired: bool = False) -> Pair:
        """Writes a pair for localhost under that name, anew at each call."""
        past = datetime.now(UTC) - timedelta(days=1)
        leaf = self._ca.issue_cert("localhost", "127.0.0.1", not_after=past if expired else None)
        pair = Pair(self._directory / f"{name}.pem", self._directory / f"{name}-key.pem")
        pair.certificate.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
        pair.key.write_bytes(leaf.private_key_pem.bytes())
        return pair


def serial_of(pem: bytes) -> int:
    """The serial number of the first certificate."""
    return x509.load_pem_x509_certificates(pem)[0].serial_number


def serial_at(port: int, authority: Authority) -> int:
    """The serial number of the certificate that a server shows."""
    context = ssl.create_default_context(cafile=str(authority.file))
    context.set_alpn_protocols(["h2"])
    with connected(port) as plain, context.wrap_socket(plain, server_hostname="localhost") as wrapped:
        shown = wrapped.getpeercert(binary_form=True)
    assert shown is not None
    return x509.load_der_x509_certificate(shown).serial_number
