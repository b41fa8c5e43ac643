"""The audit: who changed what, from where, and how it ended. Rows are added, and never changed or removed.

A call that may change something is put into a :class:`Change`; whoever makes the change writes its row with :func:`changed`,
in the change's own transaction, so that neither is there without the other.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from bridgx_server.store.database import Store
from bridgx_server.store.models import AccountRow, AuditRow, ClusterRow, InstanceRow, TaskRow, VpcRow
from bridgx_server.store.paging import Page, PageOf
from bridgx_server.store.scope import Scope

SUCCESS = "success"
UNCHANGED = "unchanged"  # the call was a repetition
UNDONE = "undone"  # made by the same call, and removed again since a later step failed

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Actor:
    """Who. ``kind`` is settings, token, oidc, command line or worker; ``key`` tells it from all others of any name."""

    name: str
    kind: str
    key: str = ""
    address: str = ""
    proxy: str = ""


@dataclass(frozen=True)
class Resource:
    """What. The account stays empty where none is concerned."""

    kind: str
    name: str
    provider: str = ""
    account_id: int | None = None
    account_key: str = ""


@dataclass
class Change:
    """A call that may change something. ``written`` tells whether a row was written for it."""

    actor: Actor
    operation: str
    request_id: str = ""
    detail: Mapping[str, object] = field(default_factory=dict)
    written: bool = False


@dataclass(frozen=True)
class Record:
    """A row. ``at`` is ms since the epoch."""

    id: int
    at: int
    actor: str
    actor_kind: str
    operation: str
    resource_kind: str
    resource: str
    provider: str
    account_key: str
    outcome: str
    message: str
    address: str
    proxy: str
    request_id: str
    detail_json: str


@dataclass(frozen=True)
class AuditFilter:
    """Which rows; what is empty does not matter. ``since`` and ``until`` are ms, the latter not included."""

    actor: str = ""
    operation: str = ""
    resource_kind: str = ""
    resource: str = ""
    outcome: str = ""
    since: int = 0
    until: int = 0


_under_way: ContextVar[Change | None] = ContextVar("bridgx_change", default=None)


@contextlib.contextmanager
def change(
    actor: Actor, operation: str, *, request_id: str = "", detail: Mapping[str, object] | None = None
) -> Iterator[Change]:
    """Lets what is changed in the block be told as done by ``actor``."""
    one = Change(actor, operation, request_id, detail or {})
    token = _under_way.set(one)
    try:
        yield one
    finally:
        _under_way.reset(token)


def changed(
    store: Store, resource: Resource, *, outcome: str = SUCCESS, detail: Mapping[str, object] | None = None
) -> None:
    """Tells what the call under way has changed, inside the transaction that changes it.

    ``detail`` comes beside what the call was asked. Outside any :func:`change` nothing is written: the engine's daily work
    is told by tasks, chunks and machines.
    """
    one = _under_way.get()
    if one is not None:
        if not store.database.in_transaction():
            raise RuntimeError("a change is told in its own transaction")
        _add(store, one, resource, outcome, "", {**one.detail, **(detail or {})})
        one.written = True


def changed_by_worker(
    store: Store, owner: str, operation: str, resource: Resource, detail: Mapping[str, object]
) -> None:
    """Tells what a worker has changed that nobody asked for, inside the transaction that changes it.

    Where a person does a worker's work, as with `bridgx reconcile --apply`, it is told as that call's.
    """
    if _under_way.get() is not None:
        changed(store, resource, detail=detail)
        return
    with change(Actor(f"worker {owner}", "worker"), operation):
        changed(store, resource, detail=detail)


def of_account(kind: str, name: str, account_id: int) -> Resource:
    """A resource of a registered account, inside the caller's transaction."""
    row = AccountRow.get_or_none(AccountRow.id == account_id)
    if row is None:
        return Resource(kind, name, account_id=account_id)
    return Resource(kind, name, row.provider, account_id, row.access_key)


def told(store: Store, one: Change, resource: Resource, outcome: str, message: str = "") -> None:
    """Tells of a call that changed nothing, or was refused, in a transaction of its own."""
    with store.transaction():
        _add(store, one, resource, outcome, message, one.detail)


def located(store: Store, scope: Scope, request: Mapping[str, object], resource: Resource) -> Resource:
    """The resource with the account that a request is about, as far as the caller can see it."""
    with store.connection():
        row = _account_of(scope, request)
    return resource if row is None else Resource(resource.kind, resource.name, row.provider, row.id, row.access_key)


def page(store: Store, scope: Scope, which: AuditFilter, wanted: PageOf, *, about_no_account: bool) -> Page[Record]:
    """The rows that pass the filters, newest first.

    ``about_no_account``: whether to show, to those who see every account, also rows that are about none, such as tokens.
    """
    query: Any = scope.narrowed(AuditRow.select(), AuditRow.account_id)
    order: list[Any] = [AuditRow.id.desc()]
    if scope.accounts is None and which == AuditFilter(since=which.since, until=which.until) and which != AuditFilter():
        # By the index of the moments, or all rows would be walked through in their order to those that are asked for.
        order = [AuditRow.at.desc(), *order]
    if not about_no_account:
        query = query.where(AuditRow.account_id.is_null(False))
    for column, value in (
        (AuditRow.actor, which.actor),
        (AuditRow.operation, which.operation),
        (AuditRow.resource_kind, which.resource_kind),
        (AuditRow.resource, which.resource),
        (AuditRow.outcome, which.outcome),
    ):
        if value:
            query = query.where(column == value)
    if which.since:
        query = query.where(AuditRow.at >= which.since)
    if which.until:
        query = query.where(AuditRow.at < which.until)
    with store.connection():
        total = _count(store, scope, query, which, about_no_account)
        ordered = query.order_by(*order).paginate(wanted.number, wanted.size)
        rows = [Record(**{name: getattr(row, name) for name in Record.__dataclass_fields__}) for row in ordered]
    return Page(rows, wanted.number, wanted.size, total)


def _count(store: Store, scope: Scope, query: Any, which: AuditFilter, about_no_account: bool) -> int:
    """The rows of the query, inside the caller's connection."""
    if (
        which.since or which.until
    ):  # by the index of the moments, which the numbers of the rows would keep from being used
        return int(query.count())
    return store.counts.of_kept(AuditRow.at, query, (scope.account_ids(store), which, about_no_account), store.now())


def _add(
    store: Store, one: Change, resource: Resource, outcome: str, message: str, detail: Mapping[str, object]
) -> None:
    AuditRow.create(
        at=store.now(),
        actor=_fitting(one.actor.name, 128),
        actor_kind=one.actor.kind,
        actor_key=_fitting(one.actor.key or one.actor.name, 128),
        operation=_fitting(one.operation, 64),
        resource_kind=resource.kind,
        resource=_fitting(resource.name, 256),
        provider=_fitting(resource.provider, 32),
        account_id=resource.account_id,
        account_key=_fitting(resource.account_key, 128),
        outcome=outcome,
        message=_fitting(message, 1000),
        address=_fitting(one.actor.address, 64),
        proxy=_fitting(one.actor.proxy, 64),
        request_id=_fitting(one.request_id, 64),
        detail_json=json.dumps(detail, ensure_ascii=True, sort_keys=True),
    )


def _fitting(text: str, length: int) -> str:
    text = _UNPRINTABLE.sub("\ufffd", text)
    return text if len(text) <= length else text[: length - 1] + "…"


# How a request names an account, or something that has one: the first field of these that it has decides.
_NAMED_BY: tuple[tuple[str, Any, Any], ...] = (
    ("cluster_name", ClusterRow, ClusterRow.name),
    ("vpc_id", VpcRow, VpcRow.vpc_id),
    ("task_id", TaskRow, TaskRow.id),
    ("instance_id", InstanceRow, InstanceRow.instance_id),
)


def _account_of(scope: Scope, request: Mapping[str, object]) -> AccountRow | None:
    query: Any = scope.narrowed(AccountRow.select(), AccountRow.id)
    access_key = request.get("account_key") or request.get("ak") or request.get("account")
    if access_key:
        found: AccountRow | None = query.where(
            (AccountRow.provider == request.get("provider", "")) & (AccountRow.access_key == str(access_key))
        ).first()
        return found
    for name, table, column in _NAMED_BY:
        value = request.get(name)
        if value:
            if table is TaskRow and not (str(value).isascii() and str(value).isdigit() and len(str(value)) < 10):
                return None
            # The newest that the caller sees: a name that was set free may be another account's now.
            owner = scope.narrowed(table.select(table.account_id).where(column == value), table.account_id)
            owner = owner.order_by(table.id.desc()).limit(1)
            owned: AccountRow | None = query.where(AccountRow.id == owner).first()
            return owned
    return None
