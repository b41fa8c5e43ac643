"""From a bearer token to an identity, whatever kind of token it is."""

from __future__ import annotations

import hashlib
import hmac
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import structlog
from cachetools import TTLCache

from bridgx_server.domain.text import unreadable
from bridgx_server.errors import TokenInvalid
from bridgx_server.identities.identity import Identity, Role, of_settings
from bridgx_server.identities.issuer import Issuer
from bridgx_server.store import tokens
from bridgx_server.store.database import Store
from bridgx_server.store.failures import DATABASE_FAILURES
from bridgx_server.store.tokens import StoredToken

REMEMBERED = 2.0  # seconds until a token is looked up anew: so long a revoked one may still be accepted
ENTRIES = 10_000  # tokens that are remembered
LONGEST = 16_384  # characters; no token of any kind is longer

log = structlog.get_logger("bridgx.identities")


class Directory:
    """Knows the tokens of the settings, those in the store, and those of an OIDC issuer where one is set.

    An answer is remembered for two seconds, in this process. So a token that was revoked, by whatever process, and one that
    has expired end that much later at most.
    """

    def __init__(
        self,
        store: Store,
        settings_tokens: Mapping[str, str],
        issuer: Issuer | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``settings_tokens``: ``name`` or ``name=role`` → token. Raises ValueError for a role that there is not."""
        self._store = store
        self._issuer = issuer
        self._settings = [(_digest(token), identity_of_entry(entry)) for entry, token in settings_tokens.items()]
        self._known: TTLCache[bytes, Identity] = TTLCache(ENTRIES, REMEMBERED, timer=clock)
        self._lock = threading.Lock()
        self._noting: set[int] = set()
        self._notes = ThreadPoolExecutor(1, thread_name_prefix="bridgx-notes")

    def identify(self, token: str) -> Identity:
        """Whose token it is.

        Raises:
            TokenInvalid: nobody's, or no longer.
            PermissionDenied: a JWT that names no role.
        """
        if len(token) > LONGEST:
            raise TokenInvalid("the bearer token is not known")
        digest = _digest(token)
        with self._lock:
            known = self._known.get(digest)
        if known is not None:
            return known
        identity = self._looked_up(token, digest)
        with self._lock:
            self._known[digest] = identity
        return identity

    def _looked_up(self, token: str, digest: bytes) -> Identity:
        # Every token of the settings is compared, in constant time: how long it takes tells nothing.
        found = [identity for known, identity in self._settings if hmac.compare_digest(known, digest)]
        if found:
            return found[0]
        if token.startswith(tokens.PREFIX):
            return self._stored(token)
        if self._issuer is not None and token.count(".") == 2:
            return self._issuer.identify(token)
        raise TokenInvalid("the bearer token is not known")

    def _stored(self, token: str) -> Identity:
        # Found by its hash, which nobody can aim at: the index needs no constant time.
        stored = tokens.by_token(self._store, token)
        if stored is None:
            raise TokenInvalid("the bearer token is not known")
        now = self._store.now()
        status = stored.status(now)
        if status != "active":
            raise TokenInvalid(f"the bearer token {'has expired' if status == 'expired' else 'was revoked'}")
        self._note_use(stored, now)
        return Identity(stored.name, f"token:{stored.id}", "token", Role.of(stored.role), stored.scope)

    def _note_use(self, token: StoredToken, now: int) -> None:
        """In a thread of its own: a call that only reads must not wait for who writes to the database."""
        if not tokens.is_use_to_note(token, now):
            return
        with self._lock:
            if token.id in self._noting:
                return
            self._noting.add(token.id)

        def note() -> None:
            try:
                tokens.note_use(self._store, token, now)
            except DATABASE_FAILURES as error:
                log.warning("last use not noted", token_id=token.id, error=type(error).__name__)
            finally:
                with self._lock:
                    self._noting.discard(token.id)

        self._notes.submit(note)


def identity_of_entry(entry: str) -> Identity:
    """Reads ``name`` or ``name=role`` of the settings; raises ValueError."""
    name, equals, role = entry.partition("=")
    if not name.strip():
        raise ValueError("a token has no name")
    if found := unreadable(name):
        raise ValueError(f"its name contains {found}, which a reader cannot see")
    return of_settings(name.strip(), Role.of(role.strip()) if equals else Role.ADMIN)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
