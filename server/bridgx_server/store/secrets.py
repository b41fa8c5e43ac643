"""Secrets at rest: AES-256-GCM, each sealed for its own row, under a key that can be exchanged.

A sealed text is ``v1:<key id>:<nonce and ciphertext, base64>``. The row's identity is associated data: a secret that is
copied to another row does not open there.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12


class SecretUnreadable(Exception):
    """A sealed text that no key here opens, or that belongs to another row."""


class InvalidKey(ValueError):
    """A key that is not 32 bytes as 64 hexadecimal digits or base64."""


@dataclass(frozen=True)
class Keyring:
    """The key that seals, and older ones that still open. Keys are named by the beginning of their SHA-256."""

    current: bytes = field(repr=False)
    older: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, *keys: bytes) -> Keyring:
        """A ring of keys, the sealing one first; each has 32 bytes."""
        for key in keys:
            if len(key) != KEY_BYTES:
                raise InvalidKey(f"a key has {len(key)} bytes and must have {KEY_BYTES}")
        return cls(keys[0], {key_id(key): key for key in keys[1:]})

    def seal(self, secret: str, row: str) -> str:
        """The secret, sealed for a row such as ``account/AWSCloud/AKIA…``."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = nonce + AESGCM(self.current).encrypt(nonce, secret.encode(), row.encode())
        return f"v1:{key_id(self.current)}:{base64.b64encode(sealed).decode()}"

    def open(self, sealed: str, row: str) -> str:
        """The secret again; raises SecretUnreadable."""
        version, _, rest = sealed.partition(":")
        name, _, text = rest.partition(":")
        key = self.current if name == key_id(self.current) else self.older.get(name)
        if version != "v1" or key is None:
            raise SecretUnreadable(f"the secret of {row} was sealed with key {name or 'unknown'}, which is not here")
        data = base64.b64decode(text)
        try:
            return AESGCM(key).decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], row.encode()).decode()
        except InvalidTag:
            raise SecretUnreadable(f"the secret of {row} was changed or belongs to another row") from None


def key_id(key: bytes) -> str:
    """What a key is called in what it sealed; says nothing about the key."""
    return hashlib.sha256(key).hexdigest()[:8]


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
