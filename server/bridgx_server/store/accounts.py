"""Cloud accounts. A secret goes in, and comes out for the adapters alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from peewee import IntegrityError

from bridgx_server.errors import AlreadyExists, Conflict, NotFound
from bridgx_server.providers.base import Credentials
from bridgx_server.store import audit, comparisons, orphans, watches
from bridgx_server.store.audit import Resource
from bridgx_server.store.database import Store
from bridgx_server.store.models import AccountRow, ClusterRow, VpcRow
from bridgx_server.store.paging import Page, PageOf
from bridgx_server.store.scope import Scope
from bridgx_server.store.secrets import Keyring


@dataclass(frozen=True)
class Account:
    """A registered account, without its secret. ``created_at`` is ms since the epoch."""

    id: int
    provider: str
    name: str
    access_key: str
    project_id: str
    created_at: int
    created_by: str


def register(store: Store, keyring: Keyring, credentials: Credentials, *, name: str, caller: str) -> Account:
    """Stores an account. Raises AlreadyExists when its access key is registered."""
    try:
        with store.transaction():
            row = AccountRow.create(
                provider=credentials.provider,
                name=name,
                access_key=credentials.access_key,
                secret=keyring.seal(credentials.secret, _row(credentials.provider, credentials.access_key)),
                project_id=credentials.project_id,
                created_at=store.now(),
                created_by=caller,
            )
            audit.changed(store, _resource(_value(row)))
    except IntegrityError:
        raise AlreadyExists("account", credentials.access_key) from None
    return _value(row)


def page(store: Store, scope: Scope, provider: str, wanted: PageOf) -> Page[Account]:
    """The accounts of a cloud, or all, newest first."""
    query = scope.narrowed(AccountRow.select(), AccountRow.id)
    if provider:
        query = query.where(AccountRow.provider == provider)
    with store.connection():
        total = query.count()
        rows = [_value(row) for row in query.order_by(AccountRow.id.desc()).paginate(wanted.number, wanted.size)]
    return Page(rows, wanted.number, wanted.size, total)


def by_key(store: Store, scope: Scope, provider: str, access_key: str) -> Account:
    """The account with that access key; raises NotFound."""
    query = AccountRow.select().where((AccountRow.provider == provider) & (AccountRow.access_key == access_key))
    with store.connection():
        row = scope.narrowed(query, AccountRow.id).first()
    if row is None:
        raise NotFound("account", access_key)
    return _value(row)


def any_of(store: Store, scope: Scope, provider: str) -> Account:
    """Some account of a cloud, always the same while it is registered; raises NotFound."""
    query = scope.narrowed(AccountRow.select().where(AccountRow.provider == provider), AccountRow.id)
    with store.connection():
        row = query.order_by(AccountRow.id).first()
    if row is None:
        raise NotFound("account", f"of {provider}")
    return _value(row)


def credentials_of(store: Store, keyring: Keyring, account_id: int) -> Credentials:
    """What an adapter needs; raises NotFound, SecretUnreadable."""
    with store.connection():
        row = AccountRow.get_or_none(AccountRow.id == account_id)
    if row is None:
        raise NotFound("account", str(account_id))
    secret = keyring.open(row.secret, _row(row.provider, row.access_key))
    return Credentials(row.provider, row.access_key, secret, row.project_id)


def remove(store: Store, scope: Scope, provider: str, access_key: str) -> None:
    """Forgets an account.

    Raises NotFound, and Conflict while a cluster or a network uses it or it has machines that nobody here knows, which
    could not be deleted without it.
    """
    with store.transaction():
        account = by_key(store, scope, provider, access_key)
        clusters = _clusters_of(account).count()
        networks = VpcRow.select().where(VpcRow.account_id == account.id).count()
        if clusters or networks:
            raise Conflict(f"account {access_key} is used by {clusters} clusters and {networks} VPCs")
        left = orphans.count_of_account(account.id)
        if left:
            raise Conflict(
                f"account {access_key} has {left} machines that carry this installation's tag and that nothing here"
                " knows; see `bridgx reconcile orphans`"
            )
        watches.forget_account(account.id)
        comparisons.forget_account(account.id)
        AccountRow.delete().where(AccountRow.id == account.id).execute()
        audit.changed(store, _resource(account))


def _clusters_of(account: Account) -> Any:
    return ClusterRow.select().where((ClusterRow.account_id == account.id) & (ClusterRow.deleted_at == 0))


def _row(provider: str, access_key: str) -> str:
    return f"account/{provider}/{access_key}"


def _resource(account: Account) -> Resource:
    return Resource("account", account.access_key, account.provider, account.id, account.access_key)


def _value(row: AccountRow) -> Account:
    return Account(row.id, row.provider, row.name, row.access_key, row.project_id, row.created_at, row.created_by)


def every(store: Store) -> list[Account]:
    """All registered accounts."""
    with store.connection():
        return [_value(row) for row in AccountRow.select().order_by(AccountRow.id)]
