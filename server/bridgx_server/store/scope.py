"""Whose rows a caller may see: the one place where tenants are kept apart.

Every query that a servicer makes takes a :class:`Scope` as a required argument and narrows itself by it, so that a row
outside it is the same as one that does not exist. The engine works for all tenants and asks without one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

from bridgx_server.store.database import Store
from bridgx_server.store.models import AccountRow


@dataclass(frozen=True, order=True)
class AccountName:
    """What a cloud account is called everywhere. It need not be registered."""

    provider: str
    access_key: str

    @classmethod
    def parse(cls, text: str) -> AccountName:
        """Reads ``AWSCloud/AKIA…``; raises ValueError."""
        provider, slash, access_key = text.partition("/")
        if not (provider and slash and access_key):
            raise ValueError(f"{text!r} is no account: write the cloud, a slash and the access key, as AWSCloud/AKIA…")
        return cls(provider, access_key)

    def __str__(self) -> str:
        return f"{self.provider}/{self.access_key}"


@dataclass(frozen=True)
class Scope:
    """A set of cloud accounts; None means all, those to come included.

    Accounts are kept by name and looked up in the query itself, so an account that is registered anew under a new
    number shows nothing of what belonged to the old one.
    """

    accounts: frozenset[AccountName] | None

    @classmethod
    def of(cls, names: Iterable[AccountName]) -> Scope:
        """The scope of exactly these accounts."""
        return cls(frozenset(names))

    def narrowed(self, query: Any, account_id: Any) -> Any:
        """The query with only the rows whose ``account_id`` column names an account of the scope."""
        if self.accounts is None:
            return query
        if not self.accounts:
            return query.where(account_id.is_null() & account_id.is_null(False))
        ids = AccountRow.select(AccountRow.id).where(_any_of(self.accounts))
        # One account is compared by equality: its index then also gives the order of the list.
        return query.where(account_id == ids if len(self.accounts) == 1 else account_id.in_(ids))

    def covers(self, name: AccountName) -> bool:
        """Whether that account is in it, registered or not."""
        return self.accounts is None or name in self.accounts

    def account_ids(self, store: Store) -> tuple[int, ...] | None:
        """The numbers of its accounts that are registered now; None for all. What is remembered of a scope hangs on these."""
        if self.accounts is None:
            return None
        with store.connection():
            query = self.narrowed(AccountRow.select(AccountRow.id), AccountRow.id).order_by(AccountRow.id)
            return tuple(int(row[0]) for row in query.tuples())

    def covers_account(self, store: Store, account_id: int) -> bool:
        """Whether the registered account of that number is in it."""
        if self.accounts is None:
            return True
        with store.connection():
            return bool(self.narrowed(AccountRow.select().where(AccountRow.id == account_id), AccountRow.id).exists())

    def excludes(self, table: Any) -> Any:
        """The condition that a row of accounts, of which ``table`` is an alias, is not in it; only of a scope that is not all."""
        return ~_any_of(self.accounts, table) if self.accounts else table.id.is_null(False)

    def keys_of(self, provider: str) -> frozenset[str]:
        """The access keys of its accounts of a cloud; only of a scope that is not all."""
        return frozenset(name.access_key for name in self.accounts or () if name.provider == provider)

    @property
    def digest(self) -> str:
        """Tells it from all other scopes, in 64 characters."""
        text = "*" if self.accounts is None else " ".join(map(str, sorted(self.accounts)))
        return hashlib.sha256(text.encode()).hexdigest()

    def contains(self, other: Scope) -> bool:
        """Whether everything that ``other`` sees is seen here too."""
        if self.accounts is None:
            return True
        return other.accounts is not None and other.accounts <= self.accounts


EVERYTHING = Scope(None)


def _any_of(names: Iterable[AccountName], table: Any = AccountRow) -> Any:
    return reduce(
        or_,
        ((table.provider == name.provider) & (table.access_key == name.access_key) for name in sorted(names)),
    )
