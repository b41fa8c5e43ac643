"""Tokens: nobody gives out more than it has."""

from __future__ import annotations

from bridgx_server.errors import FieldError, InvalidFields, NotFound, PermissionDenied
from bridgx_server.store import accounts, tokens
from bridgx_server.store.database import Store
from bridgx_server.store.scope import Scope
from bridgx_server.store.tokens import StoredToken

DEFAULT_LIFETIME = 90 * 86_400  # seconds


def create(
    store: Store, scope: Scope, *, name: str, role: str, wanted: Scope, lifetime: int, caller: str
) -> tuple[str, StoredToken]:
    """Makes a token for ``wanted``, good for ``lifetime`` seconds (0: 90 days); returns it, for this once.

    Raises:
        PermissionDenied: a token for all accounts, from a caller that has not all.
        InvalidFields: an account is not registered, or is none of the caller's, which is the same.
        AlreadyExists: another token that may be used has that name, and the caller sees it.
    """
    if wanted.accounts is None and not scope.contains(wanted):
        raise PermissionDenied("a token for all accounts can be given by those alone who have all")
    unknown = []
    for account in sorted(wanted.accounts or ()):
        try:
            accounts.by_key(store, scope, account.provider, account.access_key)
        except NotFound:
            unknown.append(FieldError("accounts", f"{account} is no registered account"))
    if unknown:
        raise InvalidFields(unknown)
    return tokens.create(
        store, name=name, role=role, scope=wanted, lifetime=lifetime or DEFAULT_LIFETIME, caller=caller, giver=scope
    )


def revoke(store: Store, scope: Scope, token_id: str) -> StoredToken:
    """Ends a token; raises NotFound."""
    if not (token_id.isascii() and token_id.isdigit() and len(token_id) < 10):
        raise NotFound("token", token_id)
    return tokens.revoke(store, scope, int(token_id))
