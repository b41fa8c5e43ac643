"""Bearer tokens that are given out here: kept as hashes, with a role, an end, and the accounts that they are good for.

A token has 256 random bits, so its SHA-256 says nothing about it, and a slow hash would add nothing.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from peewee import IntegrityError, fn

from bridgx_server.errors import AlreadyExists, NotFound
from bridgx_server.store import audit
from bridgx_server.store.audit import Resource
from bridgx_server.store.database import Store
from bridgx_server.store.models import TokenAccountRow, TokenRow
from bridgx_server.store.paging import Page, PageOf
from bridgx_server.store.scope import EVERYTHING, AccountName, Scope

PREFIX = "bridgx_"  # tells a token of ours from other things, also to programs that look for leaked ones
RANDOM_BYTES = 32
USE_NOTED = 60_000  # ms; the time of the last use is written down at most so often


@dataclass(frozen=True)
class StoredToken:
    """A token without itself. Times are ms since the epoch, 0 where nothing has happened."""

    id: int
    name: str
    role: str
    scope: Scope
    created_at: int
    created_by: str
    expires_at: int
    revoked_at: int
    last_used_at: int

    def status(self, now: int) -> str:
        """``active``, ``expired`` or ``revoked``."""
        if self.revoked_at:
            return "revoked"
        return "expired" if self.expires_at <= now else "active"


def generate() -> str:
    """A new token, to be shown once."""
    return PREFIX + secrets.token_urlsafe(RANDOM_BYTES)


def create(
    store: Store,
    *,
    name: str,
    role: str,
    scope: Scope,
    lifetime: int,
    caller: str,
    giver: Scope = EVERYTHING,
    make: Callable[[], str] = generate,
) -> tuple[str, StoredToken]:
    """Makes a token that is good for ``lifetime`` seconds; returns it, for this once, and what is kept of it.

    ``giver`` is the scope of who gives it out: names are compared with those alone that are listed for it.

    Raises:
        AlreadyExists: another token that may be used, and that the giver sees, has that name.
    """
    token = make()
    try:
        with store.transaction():
            now = store.now()
            # An expired token no longer holds its name.
            TokenRow.update(held_name=None).where((TokenRow.held_name == name) & (TokenRow.expires_at <= now)).execute()
            if _within(TokenRow.select().where(TokenRow.held_name == name), giver).exists():
                raise AlreadyExists("token", name)
            row = TokenRow.create(
                name=name,
                held_name=name,
                tenant=giver.digest,
                digest=digest_of(token),
                role=role,
                all_accounts=scope.accounts is None,
                created_at=now,
                created_by=caller,
                expires_at=now + 1000 * lifetime,
            )
            for account in sorted(scope.accounts or ()):
                TokenAccountRow.create(token_id=row.id, provider=account.provider, access_key=account.access_key)
            audit.changed(store, Resource("token", name), detail={"token_id": str(row.id)})
    except IntegrityError:
        raise AlreadyExists("token", name) from None
    return token, _value(row, sorted(scope.accounts or ()))


def page(store: Store, scope: Scope, wanted: PageOf) -> Page[StoredToken]:
    """The tokens that are good for nothing outside the scope, newest first."""
    query = _within(TokenRow.select(), scope)
    with store.connection():
        total = query.count()
        rows = list(query.order_by(TokenRow.id.desc()).paginate(wanted.number, wanted.size))
        values = _values(rows)
    return Page(values, wanted.number, wanted.size, total)


def revoke(store: Store, scope: Scope, token_id: int) -> StoredToken:
    """Ends a token for ever; one that is revoked already stays so. Raises NotFound."""
    with store.transaction():
        query = _within(TokenRow.select().where(TokenRow.id == token_id), scope)
        row = (query if store.dialect == "sqlite" else query.for_update()).first()
        if row is None:
            raise NotFound("token", str(token_id))
        if not row.revoked_at:
            row.revoked_at = store.now()
            TokenRow.update(revoked_at=row.revoked_at, held_name=None).where(TokenRow.id == token_id).execute()
            audit.changed(store, Resource("token", row.name), detail={"token_id": str(token_id)})
        return _values([row])[0]


def by_token(store: Store, token: str) -> StoredToken | None:
    """What is kept of a token, whether or not it may still be used; None for one that was never given out."""
    with store.connection():
        row = TokenRow.get_or_none(TokenRow.digest == digest_of(token))
        return None if row is None else _values([row])[0]


def is_use_to_note(token: StoredToken, now: int) -> bool:
    """Whether the last use that is known is as old as is worth a new note."""
    return now - token.last_used_at >= USE_NOTED


def note_use(store: Store, token: StoredToken, now: int) -> None:
    """Writes down that a token was used, at most once a minute."""
    if not is_use_to_note(token, now):
        return
    with store.connection():
        TokenRow.update(last_used_at=now).where(
            (TokenRow.id == token.id) & (TokenRow.last_used_at <= now - USE_NOTED)
        ).execute()


def any_active(store: Store) -> bool:
    """Whether there is a token that may be used."""
    with store.connection():
        living = (TokenRow.revoked_at == 0) & (TokenRow.expires_at > store.now())
        return bool(TokenRow.select().where(living).exists())


def digest_of(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def _within(query: Any, scope: Scope) -> Any:
    if scope.accounts is None:
        return query
    foreign = TokenAccountRow.select(TokenAccountRow.id).where(TokenAccountRow.token_id == TokenRow.id)
    for account in sorted(scope.accounts):
        foreign = foreign.where(
            (TokenAccountRow.provider != account.provider) | (TokenAccountRow.access_key != account.access_key)
        )
    return query.where((TokenRow.all_accounts == False) & ~fn.EXISTS(foreign))  # noqa: E712


def _values(rows: Sequence[TokenRow]) -> list[StoredToken]:
    accounts: dict[int, list[AccountName]] = {row.id: [] for row in rows}
    query = TokenAccountRow.select().where(TokenAccountRow.token_id.in_(list(accounts)))
    for row in query:
        accounts[row.token_id].append(AccountName(row.provider, row.access_key))
    return [_value(row, accounts[row.id]) for row in rows]


def _value(row: TokenRow, accounts: Iterable[AccountName]) -> StoredToken:
    return StoredToken(
        row.id,
        row.name,
        row.role,
        EVERYTHING if row.all_accounts else Scope.of(accounts),
        row.created_at,
        row.created_by,
        row.expires_at,
        row.revoked_at,
        row.last_used_at,
    )
