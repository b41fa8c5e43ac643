"""The public keys of an OIDC issuer, from a file or from its URL, as its rotation changes them."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

FRESH = 300.0  # seconds until the URL is asked again, in the background
SHORTEST = 10.0  # seconds between two questions because of a key that is not known
TIMEOUT = 5.0  # seconds for one question
LARGEST = 1024 * 1024  # bytes of an answer
MOST_KEYS = 100

Jwk = Mapping[str, Any]

log = structlog.get_logger("bridgx.oidc")


class KeysUnreadable(Exception):
    """What should hold the keys does not."""


def keys_of(text: str | bytes) -> list[Jwk]:
    """Reads a JWKS; raises KeysUnreadable."""
    try:
        keys = json.loads(text)["keys"]
    except (ValueError, KeyError, TypeError):
        raise KeysUnreadable('not a JSON object with "keys"') from None
    if not isinstance(keys, list) or len(keys) > MOST_KEYS or not all(isinstance(key, dict) for key in keys):
        raise KeysUnreadable(f'"keys" is not a list of at most {MOST_KEYS} objects')
    return keys


def _matching(keys: Sequence[Jwk], key_id: str | None) -> list[Jwk]:
    return [key for key in keys if key_id is None or key.get("kid") == key_id]


class FileKeys:
    """Keys in a file, read anew when it changes. A change that cannot be read is logged, and the old keys stay."""

    def __init__(self, path: Path) -> None:
        """Raises KeysUnreadable, OSError."""
        self._path = path
        self._lock = threading.Lock()
        self._seen = self._mark()
        self._keys = keys_of(path.read_bytes())

    def candidates(self, key_id: str | None) -> Sequence[Jwk]:
        with self._lock:
            try:
                mark = self._mark()
                if mark != self._seen:
                    self._keys = keys_of(self._path.read_bytes())
                    self._seen = mark
            except (OSError, KeysUnreadable) as error:
                log.error("JWKS file not read, its old keys are used", error=str(error))
            return _matching(self._keys, key_id)

    def _mark(self) -> tuple[int, int, int]:
        status = self._path.stat()
        return status.st_mtime_ns, status.st_size, status.st_ino


class UrlKeys:
    """Keys at a URL, kept for minutes, and for as long as the issuer is away.

    A key that is not known is asked for at once, so that a rotation is followed without delay; at most every ten seconds, so
    that made-up keys do not bother the issuer.
    """

    def __init__(
        self,
        url: str,
        fetch: Callable[[str], bytes] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Asks nothing yet."""
        self._url = url
        self._fetch = fetch or fetched
        self._clock = clock
        self._keys: Sequence[Jwk] = ()
        self._asked = float("-inf")
        self._lock = threading.Lock()
        self._asking = threading.Lock()

    def candidates(self, key_id: str | None) -> Sequence[Jwk]:
        with self._lock:
            keys, age = self._keys, self._clock() - self._asked
        found = _matching(keys, key_id)
        if not found and age >= SHORTEST:
            with self._asking:
                if self._clock() - self._asked >= SHORTEST:  # else another has asked while this one waited
                    self._ask()
            with self._lock:
                return _matching(self._keys, key_id)
        if age >= FRESH and self._asking.acquire(blocking=False):
            threading.Thread(target=self._ask_later, name="bridgx-jwks", daemon=True).start()
        return found

    def _ask_later(self) -> None:
        try:
            self._ask()
        finally:
            self._asking.release()

    def _ask(self) -> None:
        try:
            keys = keys_of(self._fetch(self._url))
        except (OSError, ValueError, KeysUnreadable) as error:
            log.error(
                "the issuer's keys were not read, its old ones are used", error=f"{type(error).__name__}: {error}"
            )
            keys = None
        with self._lock:
            self._asked = self._clock()
            if keys is not None:
                self._keys = keys


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def fetched(url: str) -> bytes:
    """The answer of a URL, which must come from there and not be large; raises OSError."""
    request = urllib.request.Request(url, headers={"Accept": "application/json", "User-Agent": "bridgx"})
    body, deadline = b"", time.monotonic() + TIMEOUT
    with urllib.request.build_opener(_NoRedirects).open(request, timeout=TIMEOUT) as answer:
        while part := answer.read1(64 * 1024):
            body += part
            if len(body) > LARGEST:
                raise OSError(f"the answer has more than {LARGEST} bytes")
            if time.monotonic() > deadline:
                raise OSError(f"the answer took more than {TIMEOUT:g} s")
    return body
