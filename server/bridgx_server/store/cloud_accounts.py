"""Which registered accounts are one account at their cloud: several access keys of one see the same machines.

Most clouds tell whose a key is, and :func:`learnt` writes it down. Where one does not, machines do: their ids are unique in
a region of a cloud, so that two keys which see the same machine belong to one account, and :func:`join` writes that down,
under a name of ours until the cloud tells its own.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from peewee import fn

from bridgx_server.store.database import Store
from bridgx_server.store.models import AccountRow
from bridgx_server.store.retrying import made_again
from bridgx_server.store.scope import Scope

OURS = "shared-"  # what a name of ours begins with
ASKED_ANEW = 86_400_000  # ms after which a cloud that has not told whose a key is is asked again

log = structlog.get_logger("bridgx.accounts")


@dataclass(frozen=True)
class KeyOwner:
    """A registered account as far as it concerns others; ``cloud_account_id`` is empty while it is not known."""

    id: int
    provider: str
    access_key: str
    cloud_account_id: str


def is_told(cloud_account_id: str) -> bool:
    """Whether the cloud itself said so."""
    return bool(cloud_account_id) and not cloud_account_id.startswith(OURS)


def of_provider(store: Store, account_id: int) -> list[KeyOwner]:
    """All registered accounts of the account's cloud, itself included, by number; empty where it is not registered."""
    own = AccountRow.select(AccountRow.provider).where(AccountRow.id == account_id)
    with store.connection():
        query = AccountRow.select().where(AccountRow.provider == own).order_by(AccountRow.id)
        return [KeyOwner(row.id, row.provider, row.access_key, row.cloud_account_id) for row in query]


def to_ask(store: Store) -> list[int]:
    """The accounts of which the cloud has not told whose they are, and has not been asked for a day."""
    with store.connection():
        query = AccountRow.select(AccountRow.id).where(
            ((AccountRow.cloud_account_id == "") | AccountRow.cloud_account_id.startswith(OURS))
            & (AccountRow.cloud_account_at <= store.now() - ASKED_ANEW)
        )
        return [int(row[0]) for row in query.order_by(AccountRow.id).tuples()]


@made_again
def learnt(store: Store, account_id: int, cloud_account_id: str) -> None:
    """Writes down what the cloud has said; empty: that it says nothing."""
    with store.transaction():
        row = AccountRow.get_or_none(AccountRow.id == account_id)
        if row is None:
            return
        AccountRow.update(cloud_account_at=store.now()).where(AccountRow.id == account_id).execute()
        if not cloud_account_id or row.cloud_account_id == cloud_account_id:
            return
        # Those that machines have shown to be the same account are told with it.
        same = AccountRow.id == account_id
        if row.cloud_account_id.startswith(OURS):
            same |= (AccountRow.provider == row.provider) & (AccountRow.cloud_account_id == row.cloud_account_id)
        AccountRow.update(cloud_account_id=cloud_account_id[:64]).where(same).execute()
    warn_if_shared(store, account_id)


@made_again
def join(store: Store, account_ids: Collection[int]) -> None:
    """Writes down that these accounts, which see the same machine, are one.

    Where the cloud has told of two of them that they are not, it is believed, and nothing is written.
    """
    with store.transaction():
        rows = list(AccountRow.select().where(AccountRow.id.in_(sorted(account_ids))).order_by(AccountRow.id))
        told = {row.cloud_account_id for row in rows if is_told(row.cloud_account_id)}
        ours = {row.cloud_account_id for row in rows} - told - {""}
        if len(told) > 1:
            log.warning("accounts that are not one see the same machine", accounts=[row.access_key for row in rows])
            return
        name = next(iter(told), "") or min(ours, default="") or f"{OURS}{uuid.uuid4().hex[:12]}"
        changed = [row.id for row in rows if row.cloud_account_id != name]
        if not changed:
            return
        same = AccountRow.id.in_(changed)
        if ours - {name}:
            same |= (AccountRow.provider == rows[0].provider) & AccountRow.cloud_account_id.in_(sorted(ours - {name}))
        AccountRow.update(cloud_account_id=name).where(same).execute()
    warn_if_shared(store, rows[0].id)


def warn_if_shared(store: Store, account_id: int) -> None:
    """Tells the log, which is the operator's, of accounts that are one at their cloud."""
    accounts = of_provider(store, account_id)
    own = next((row for row in accounts if row.id == account_id), None)
    if own is None or not own.cloud_account_id:
        return
    keys = [row.access_key for row in accounts if row.cloud_account_id == own.cloud_account_id]
    if len(keys) > 1:
        log.warning("several access keys of one account of a cloud are registered", cloud=own.provider, accounts=keys)


def shared_among(cloud_accounts: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], int]:
    """How many registered accounts there are of each (cloud, cloud_account_id), inside the caller's connection."""
    ids = sorted({cloud_account_id for _, cloud_account_id in cloud_accounts if cloud_account_id})
    if not ids:
        return {}
    query = (
        AccountRow.select(AccountRow.provider, AccountRow.cloud_account_id, fn.COUNT(AccountRow.id))
        .where(AccountRow.cloud_account_id.in_(ids))
        .group_by(AccountRow.provider, AccountRow.cloud_account_id)
    )
    return {(str(provider), str(name)): int(count) for provider, name, count in query.tuples()}


def others_of(account_id: int) -> list[int]:
    """The other registered accounts that are the same account at the cloud, inside the caller's connection."""
    row = AccountRow.get_or_none(AccountRow.id == account_id)
    if row is None or not row.cloud_account_id:
        return []
    query = AccountRow.select(AccountRow.id).where(
        (AccountRow.provider == row.provider)
        & (AccountRow.cloud_account_id == row.cloud_account_id)
        & (AccountRow.id != account_id)
    )
    return [int(found[0]) for found in query.order_by(AccountRow.id).tuples()]


def seen_by(scope: Scope, *, account_id: Any, provider: Any, account_key: Any, made_by: Any) -> Any:
    """The condition that callers of the scope may be told of an orphan, given as columns; None where all may be.

    It is theirs where a task of an account of the scope made it. Where nobody knows which made it, any account could have
    that is the same at the cloud, so that it is shown to those alone who see all of these.
    """
    if scope.accounts is None:
        return None
    own, other = AccountRow.alias("own"), AccountRow.alias("other")
    same = (own.provider == other.provider) & (own.cloud_account_id == other.cloud_account_id)
    outside = (
        other.select(other.id)
        .join(own, on=same)
        .where((own.id == account_id) & (own.cloud_account_id != "") & scope.excludes(other))
    )
    condition = (made_by == account_key) | ((made_by == "") & ~fn.EXISTS(outside))
    for cloud in sorted({name.provider for name in scope.accounts}):
        condition |= (provider == cloud) & made_by.in_(sorted(scope.keys_of(cloud)))
    return condition
