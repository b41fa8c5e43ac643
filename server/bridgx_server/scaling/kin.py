"""Whose a machine is, where several of the registered access keys belong to one account of a cloud: each sees them all."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from bridgx_server.scaling.engine import Engine
from bridgx_server.store import cloud_accounts, comparisons, instances, orphans
from bridgx_server.store.cloud_accounts import KeyOwner
from bridgx_server.store.scope import AccountName, Scope


@dataclass(frozen=True)
class Kin:
    """The registered accounts of a cloud, as one of them, ``own``, sees a region.

    ``same`` are the numbers of those that are one account at the cloud with it, itself included; of them ``reporter`` tells
    of machines that nobody can explain. ``elsewhere`` says which other account has a machine in its inventory.
    """

    own: KeyOwner
    others: tuple[KeyOwner, ...] = ()
    same: frozenset[int] = frozenset()
    reporter: int = 0
    elsewhere: Mapping[str, int] = field(default_factory=dict)

    def other(self, account_id: int) -> KeyOwner | None:
        """The registered account of that number, unless it is our own."""
        return next((row for row in self.others if row.id == account_id), None)

    def is_apart(self, account_id: int) -> bool:
        """Whether the cloud has told that an account is not the same as ours; False while that is not known."""
        other = self.other(account_id)
        return (
            other is not None
            and account_id not in self.same
            and cloud_accounts.is_told(other.cloud_account_id)
            and cloud_accounts.is_told(self.own.cloud_account_id)
        )

    def reporter_of(self, access_key: str) -> int:
        """Who tells of what an account made that is not registered under its old number any more."""
        heirs = [row.id for row in (self.own, *self.others) if row.access_key == access_key and row.id in self.same]
        return heirs[0] if heirs else self.reporter

    def shown_to(self, scope: Scope, made_by: str) -> bool:
        """Whether callers of the scope may be told of an orphan, as :func:`cloud_accounts.seen_by` says it in SQL."""
        if made_by:
            return scope.covers(AccountName(self.own.provider, made_by))
        ours = [row for row in (self.own, *self.others) if row.id in self.same]
        return all(scope.covers(AccountName(row.provider, row.access_key)) for row in ours)

    @property
    def news(self) -> Collection[int]:
        """The accounts that machines have shown to be one, where that is not written down yet."""
        names = {row.cloud_account_id for row in (self.own, *self.others) if row.id in self.same}
        return self.same if len(self.same) > 1 and (len(names) > 1 or "" in names) else ()


def look(engine: Engine, account_id: int, region_id: str, unknown: Sequence[str]) -> Kin:
    """What is known of the other accounts of the cloud and of machines that this account does not know, by their ids."""
    rows = cloud_accounts.of_provider(engine.store, account_id)
    own = next((row for row in rows if row.id == account_id), KeyOwner(account_id, "", "", ""))
    others = tuple(row for row in rows if row.id != account_id)
    ids = [row.id for row in others]
    elsewhere = instances.holders(engine.store, ids, region_id, unknown)
    # A machine that two keys see shows that they are keys of one account.
    shown = {*elsewhere.values(), *orphans.reporters(engine.store, ids, region_id, unknown).values()}
    same = {own.id, *(row.id for row in others if row.id in shown and not _told_apart(own, row))}
    names = {row.cloud_account_id for row in rows if row.id in same} - {""}
    same |= {row.id for row in others if row.cloud_account_id in names}
    compared = comparisons.able(engine.store, same, region_id) | {own.id}
    return Kin(own, others, frozenset(same), min(compared), elsewhere)


def _told_apart(own: KeyOwner, other: KeyOwner) -> bool:
    told = {row.cloud_account_id for row in (own, other) if cloud_accounts.is_told(row.cloud_account_id)}
    return len(told) > 1
