"""TLS from files: checked at start, and read anew when they change."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog
from cryptography import x509
from cryptography.hazmat.primitives import serialization

log = structlog.get_logger("bridgx.transport")


class TransportError(Exception):
    """TLS cannot be had with these files, or plaintext is not allowed there; the text says which and why."""


@dataclass(frozen=True)
class TlsMaterial:
    """What the files held, as PEM: a certificate with its chain, its key, and the CAs of the other side."""

    certificate: bytes
    key: bytes
    authorities: bytes


@dataclass(frozen=True)
class TlsFiles:
    """PEM files of one end of TLS. ``certificate`` and ``key`` go together; a client may have neither.

    ``authorities`` are the CAs that the other end's certificate must come from; a server without them asks for none.
    """

    certificate: Path | None = None
    key: Path | None = None
    authorities: Path | None = None
    require_client_certificate: bool = True

    def load(self, now: datetime | None = None) -> TlsMaterial:
        """Reads and checks the files. Raises TransportError that names the file and what is wrong with it."""
        now = now or datetime.now(UTC)
        certificate = key = authorities = b""
        if self.certificate is not None and self.key is not None:
            certificate, key = _read(self.certificate), _read(self.key)
            _check_pair(self.certificate, certificate, self.key, key, now)
        if self.authorities is not None:
            authorities = _read(self.authorities)
            _certificates(self.authorities, authorities)
        return TlsMaterial(certificate, key, authorities)

    def signature(self) -> tuple[object, ...]:
        """Differs when a file has changed."""
        return tuple(_stamp(path) for path in (self.certificate, self.key, self.authorities))


class FreshTls:
    """The material, as it now stands in the files. What does not check out is logged, and the last good one kept."""

    def __init__(self, files: TlsFiles) -> None:
        """Raises TransportError when what is there at start is not good."""
        self.files = files
        self._lock = threading.Lock()
        self._signature = files.signature()
        self._material = files.load()

    def current(self) -> TlsMaterial:
        """Looks at the files, and reads them if they have changed."""
        with self._lock:
            signature = self.files.signature()
            if signature != self._signature:
                self._signature = signature
                try:
                    self._material = self.files.load()
                    log.info("certificates reloaded", certificate=str(self.files.certificate))
                except TransportError as error:
                    # Often only half of a pair has been written yet: the other half changes the signature again.
                    log.error("certificates not reloaded", error=str(error))
            return self._material


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TransportError(f"{path} cannot be read: {error.strerror}") from None


def _stamp(path: Path | None) -> object:
    if path is None:
        return None
    try:
        status = path.stat()
    except OSError as error:
        return error.errno
    return status.st_mtime_ns, status.st_size, status.st_ino


def _certificates(path: Path, text: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(text)
    except ValueError:
        raise TransportError(f"{path} has no PEM certificate that can be read") from None


def _check_pair(certificate: Path, chain: bytes, key: Path, text: bytes, now: datetime) -> None:
    leaf = _certificates(certificate, chain)[0]
    try:
        private = serialization.load_pem_private_key(text, password=None)
    except TypeError:
        raise TransportError(
            f"{key} is sealed by a password: give the key without one, readable by this user alone"
        ) from None
    except ValueError:
        raise TransportError(f"{key} has no PEM private key that can be read") from None
    if _public(private.public_key()) != _public(leaf.public_key()):
        raise TransportError(f"the key in {key} does not belong to the first certificate in {certificate}")
    if leaf.not_valid_after_utc < now:
        raise TransportError(
            f"the certificate in {certificate} expired at {leaf.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
        )
    if leaf.not_valid_before_utc > now:
        raise TransportError(
            f"the certificate in {certificate} is not valid before {leaf.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
        )


def _public(key: object) -> bytes:
    return bytes(
        key.public_bytes(  # type: ignore[attr-defined]
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
