"""Cloud accounts. A secret goes in, and comes out for the adapters alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from peewee import IntegrityError

from bridgx_server.errors import AlreadyExists, Conflict, NotFound
from bridgx_server.providers.base import Credentials
from bridgx_server.store import audit, cloud_accounts, comparisons, orphans, watches
from bridgx_server.store.audit import Resource
from bridgx_server.store.database import Store
from bridgx_server.store.models import AccountRow, ClusterRow, VpcRow
from bridgx_server.store.paging import Page, PageOf
from bridgx_server.store.scope import Scope
from bridgx_server.store.secrets import Keyring, SealedColumn


@dataclass(frozen=True)
class Account:
    """A registered account, without its secret. Times are ms since the epoch.

    ``access_key`` is its name here, for good; ``cloud_key`` the access key that is used at the cloud, empty where it is
    ``ambient``: the identity of the machine that the server runs on. The secret is that since ``secret_at``.
    ``cloud_account_id`` is the same for all access keys of one account at the cloud, and empty while it is not known;
    ``shared`` says whether another of these is registered.
    """

    id: int
    provider: str
    name: str
    access_key: str
    project_id: str
    created_at: int
    created_by: str
    cloud_key: str
    ambient: bool
    secret_at: int
    cloud_account_id: str = ""
    shared: bool = False


@dataclass(frozen=True)
class AccountChange:
    """What becomes of an account; None leaves it as it is. ``credentials`` are what is used at the cloud from now on, and
    ``cloud_account_id`` whose they are there, empty where the cloud has not told.
    """

    name: str | None = None
    credentials: Credentials | None = None
    cloud_account_id: str = ""


def register(
    store: Store, keyring: Keyring, credentials: Credentials, *, name: str, caller: str, cloud_account_id: str = ""
) -> Account:
    """Stores an account. Raises AlreadyExists when its access key is registered."""
    try:
        with store.transaction():
            now = store.now()
            _refuse_taken(credentials.provider, credentials.access_key, but=0)
            row = AccountRow.create(
                provider=credentials.provider,
                name=name,
                access_key=credentials.access_key,
                secret=keyring.seal(credentials.secret, _row(credentials.provider, credentials.access_key)),
                project_id=credentials.project_id,
                created_at=now,
                created_by=caller,
                ambient=credentials.ambient,
                secret_at=now,
                cloud_account_id=cloud_account_id,
                cloud_account_at=now if cloud_account_id else 0,
            )
            audit.changed(store, _resource(_value(row)))
    except IntegrityError:
        raise AlreadyExists("account", credentials.access_key) from None
    return _value(row)


def change(
    store: Store, scope: Scope, keyring: Keyring, provider: str, access_key: str, wanted: AccountChange
) -> Account:
    """Changes an account. Raises NotFound, and AlreadyExists when the access key is another account's."""
    with store.transaction():
        account = by_key(store, scope, provider, access_key)
        values: dict[str, object] = {} if wanted.name is None else {"name": wanted.name}
        if wanted.credentials is not None:
            _refuse_taken(provider, wanted.credentials.access_key, but=account.id)
            values |= {
                "secret": keyring.seal(wanted.credentials.secret, _row(provider, access_key)),
                "cloud_key": wanted.credentials.access_key,
                "ambient": wanted.credentials.ambient,
                "project_id": wanted.credentials.project_id,
                "secret_at": store.now(),
            }
            same_key = not wanted.credentials.ambient and wanted.credentials.access_key == account.cloud_key
            if wanted.cloud_account_id:
                values |= {"cloud_account_id": wanted.cloud_account_id, "cloud_account_at": store.now()}
            elif not same_key:
                # Whose the old key was says nothing of the new one: the cloud is asked again.
                values |= {"cloud_account_id": "", "cloud_account_at": 0}
        if values:
            AccountRow.update(values).where(AccountRow.id == account.id).execute()
            audit.changed(store, _resource(account))
        return by_key(store, scope, provider, access_key)


def page(store: Store, scope: Scope, provider: str, wanted: PageOf) -> Page[Account]:
    """The accounts of a cloud, or all, newest first."""
    query = scope.narrowed(AccountRow.select(), AccountRow.id)
    if provider:
        query = query.where(AccountRow.provider == provider)
    with store.connection():
        total = query.count()
        rows = [_value(row) for row in query.order_by(AccountRow.id.desc()).paginate(wanted.number, wanted.size)]
        rows = _with_shared(rows)
    return Page(rows, wanted.number, wanted.size, total)


def by_key(store: Store, scope: Scope, provider: str, access_key: str) -> Account:
    """The account with that access key; raises NotFound."""
    query = AccountRow.select().where((AccountRow.provider == provider) & (AccountRow.access_key == access_key))
    with store.connection():
        row = scope.narrowed(query, AccountRow.id).first()
        if row is None:
            raise NotFound("account", access_key)
        return _with_shared([_value(row)])[0]


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
    return Credentials(row.provider, row.cloud_key or row.access_key, secret, row.project_id, row.ambient)


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
        others = cloud_accounts.others_of(account.id)
        watches.hand_on(account.id, others, store.now())
        left = orphans.release_account(account.id, account.access_key, others)
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


SEALED = SealedColumn(AccountRow, AccountRow.secret, lambda row: _row(row.provider, row.access_key))


def _refuse_taken(provider: str, access_key: str, but: int) -> None:
    """Two accounts with one access key would be one at the cloud. ``but`` is the number of the account that may have it."""
    same = (AccountRow.access_key == access_key) | (AccountRow.cloud_key == access_key)
    if AccountRow.select().where((AccountRow.provider == provider) & same & (AccountRow.id != but)).exists():
        raise AlreadyExists("account", access_key)


def _value(row: AccountRow) -> Account:
    return Account(
        row.id,
        row.provider,
        row.name,
        row.access_key,
        row.project_id,
        row.created_at,
        row.created_by,
        "" if row.ambient else row.cloud_key or row.access_key,
        bool(row.ambient),
        row.secret_at or row.created_at,
        row.cloud_account_id,
    )


def _with_shared(rows: Sequence[Account]) -> list[Account]:
    """The same, each with whether another registered account is the same one at the cloud; inside a connection."""
    counts = cloud_accounts.shared_among({(row.provider, row.cloud_account_id) for row in rows})
    return [replace(row, shared=counts.get((row.provider, row.cloud_account_id), 0) > 1) for row in rows]


def every(store: Store) -> list[Account]:
    """All registered accounts."""
    with store.connection():
        return [_value(row) for row in AccountRow.select().order_by(AccountRow.id)]
