"""Secrets at rest: AES-256-GCM, each sealed for its own row, under a key that can be exchanged.

A sealed text is ``v1:<key id>:<nonce and ciphertext, base64>``. The row's identity is associated data: a secret that is
copied to another row does not open there. Every sealing has a random nonce of 96 bits.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
VERSION = "v1"
READ_AGAIN = 10.0  # seconds that must pass before keys are read again for the sake of one that is not here

_ID = re.compile(r"[A-Za-z0-9._-]{1,32}")

log = structlog.get_logger("bridgx.secrets")


class SecretUnreadable(Exception):
    """A sealed text that no key here opens, or that belongs to another row."""


class InvalidKey(ValueError):
    """Keys that cannot be used. The text says where and why, and never quotes them."""


@dataclass(frozen=True)
class Key:
    """32 bytes, and what they are called in what they sealed: 1 to 32 letters, digits, ``.``, ``_`` and ``-``."""

    id: str
    value: bytes = field(repr=False)

    @classmethod
    def of(cls, value: bytes, name: str = "") -> Key:
        """A key under a name, else under the beginning of its SHA-256, which says nothing about it. Raises InvalidKey."""
        if len(value) != KEY_BYTES:
            raise InvalidKey(f"a key has {len(value)} bytes and must have {KEY_BYTES}")
        if name and not _ID.fullmatch(name):
            raise InvalidKey("a key's id must be 1 to 32 letters, digits, '.', '_' and '-'")
        return cls(name or fingerprint(value), value)


@dataclass(frozen=True)
class SealedColumn:
    """A column of sealed texts; ``name`` gives the identity that a row's text is sealed for."""

    table: Any
    column: Any
    name: Callable[[Any], str]


class KeySource(Protocol):
    """Where keys come from. They may change there while the process runs."""

    def read(self) -> Sequence[Key]:
        """The keys, the sealing one first; raises InvalidKey, OSError."""
        ...

    def stamp(self) -> object:
        """What differs once the keys have changed, as far as that is cheap to see."""
        ...


class Keyring:
    """The key that seals, and older ones that still open.

    Where the source shows that it has changed, its keys are read again; so are they when a text was sealed with a key
    that is not here, since another process may have been given it first. All methods may be called from any thread.
    """

    def __init__(self, source: KeySource, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Reads the keys. Raises InvalidKey, OSError."""
        self._source = source
        self._clock = clock
        self._lock = threading.Lock()
        self._stamp = source.stamp()
        self._keys = _checked(source.read())
        self._missed_at = float("-inf")

    @classmethod
    def of(cls, *keys: bytes) -> Keyring:
        """A ring of these keys, the sealing one first; each has 32 bytes."""
        return cls(FixedKeys([Key.of(key) for key in keys]))

    @property
    def ids(self) -> tuple[str, ...]:
        """What the keys are called, the sealing one first."""
        return tuple(key.id for key in self._keys)

    def seal(self, secret: str, row: str) -> str:
        """The secret, sealed for a row such as ``account/AWSCloud/AKIA…``."""
        self._follow()
        key = self._keys[0]
        nonce = os.urandom(NONCE_BYTES)
        sealed = nonce + AESGCM(key.value).encrypt(nonce, secret.encode(), row.encode())
        return f"{VERSION}:{key.id}:{base64.b64encode(sealed).decode()}"

    def open(self, sealed: str, row: str) -> str:
        """The secret again; raises SecretUnreadable."""
        version, name, data = _parsed(sealed, row)
        if version != VERSION:
            raise SecretUnreadable(f"the secret of {row} is stored in a form that is not known here")
        found = self._named(name)
        if found is None:
            self._missed()
            found = self._named(name)
        for key in self._keys if found is None else (found,):
            try:
                opened = AESGCM(key.value).decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], row.encode())
                return opened.decode()
            except InvalidTag:
                continue
        if found is None:
            here = ", ".join(self.ids)
            raise SecretUnreadable(f"the secret of {row} was sealed with key {name}, which is not among {here}")
        raise SecretUnreadable(f"the secret of {row} was changed or belongs to another row")

    def is_current(self, sealed: str) -> bool:
        """Whether it was sealed with the key that seals now."""
        return self._named(sealed_with(sealed)) is self._keys[0]

    def name_of(self, name: str) -> str:
        """What a key is called here that has sealed something under a name; that name where it is not here."""
        key = self._named(name)
        return key.id if key else name

    def _named(self, name: str) -> Key | None:
        return next((key for key in self._keys if name in (key.id, fingerprint(key.value))), None)

    def _follow(self) -> None:
        """Reads the keys again where the source shows a change."""
        try:
            stamp = self._source.stamp()
        except OSError:
            return  # away for a moment: what was read last holds
        with self._lock:
            if stamp != self._stamp:
                self._stamp = stamp
                self._read()

    def _missed(self) -> None:
        """Reads the keys again, though not all the time."""
        with self._lock:
            if self._clock() - self._missed_at >= READ_AGAIN:
                self._missed_at = self._clock()
                self._read()

    def _read(self) -> None:
        try:
            self._keys = _checked(self._source.read())
        except (InvalidKey, OSError) as error:
            log.error("keys could not be read again; those read before stay in use", reason=str(error))


class FixedKeys:
    """Keys that never change."""

    def __init__(self, keys: Sequence[Key]) -> None:
        self._keys = tuple(keys)

    def read(self) -> Sequence[Key]:
        return self._keys

    def stamp(self) -> object:
        return None


def fingerprint(key: bytes) -> str:
    """The beginning of a key's SHA-256, by which it is called where it has no other name."""
    return hashlib.sha256(key).hexdigest()[:8]


def sealed_with(sealed: str) -> str:
    """The id of the key that sealed a text; empty where it is no sealed text."""
    parts = sealed.split(":")
    return parts[1] if len(parts) == 3 and _ID.fullmatch(parts[1]) else ""


def key_from_text(text: str) -> bytes:
    """A key as people keep it: 64 hexadecimal digits, or base64 of 32 bytes. Raises InvalidKey."""
    text = text.strip()
    try:
        key = bytes.fromhex(text) if len(text) == 2 * KEY_BYTES else base64.b64decode(text, validate=True)
    except ValueError:
        raise InvalidKey("a key must be 64 hexadecimal digits or base64") from None
    if len(key) != KEY_BYTES:
        raise InvalidKey(f"a key must have {KEY_BYTES} bytes")
    return key


def keys_from_text(text: str, where: str) -> list[Key]:
    """The keys of a text, one a line as ``key`` or ``id:key``, the sealing one first; ``#`` begins a comment.

    Raises:
        InvalidKey: a line is no key, or there is none at all; ``where`` says where it stands.
    """
    return list(_lines(text, where)) or _none(where)


def _lines(text: str, where: str) -> Iterator[Key]:
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        if line and not line.startswith("#"):
            name, colon, key = line.rpartition(":")
            if colon and not name:
                raise InvalidKey(f"{where}, line {number}: a key's id is empty")
            try:
                yield Key.of(key_from_text(key), name)
            except InvalidKey as error:
                raise InvalidKey(f"{where}, line {number}: {error}") from None


def _none(where: str) -> list[Key]:
    raise InvalidKey(f"{where} holds no key")


def _checked(keys: Sequence[Key]) -> tuple[Key, ...]:
    """Each key once; raises InvalidKey where two keys have one name."""
    known: dict[str, Key] = {}
    for key in keys:
        if known.setdefault(key.id, key).value != key.value:
            raise InvalidKey(f"two different keys are called {key.id}")
    if not known:
        raise InvalidKey("there is no key")
    return tuple(known.values())


def _parsed(sealed: str, row: str) -> tuple[str, str, bytes]:
    version, _, rest = sealed.partition(":")
    name, _, text = rest.partition(":")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if version == VERSION and (not _ID.fullmatch(name) or len(data) < NONCE_BYTES + TAG_BYTES):
        raise SecretUnreadable(f"the secret of {row} is damaged: what is stored is no sealed text")
    return version, name, data
