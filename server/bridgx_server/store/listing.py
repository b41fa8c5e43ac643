"""Lists of tasks and machines, by every filter that the API has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from peewee import Select, fn

from bridgx_server.errors import NotFound
from bridgx_server.store.database import Store
from bridgx_server.store.instances import DELETED, STATUSES
from bridgx_server.store.models import InstanceRow, TaskRow
from bridgx_server.store.paging import Page, PageOf
from bridgx_server.store.scope import Scope


@dataclass(frozen=True)
class TaskLine:
    """A task in a list. Times are ms since the epoch, 0 where nothing has happened."""

    id: int
    name: str
    action: str
    status: str
    cluster_name: str
    created_at: int
    started_at: int
    finished_at: int


@dataclass(frozen=True)
class MachineLine:
    """A machine in a list. Times are ms since the epoch, 0 where nothing has happened."""

    instance_id: str
    provider: str
    region_id: str
    zone_id: str
    cluster_id: int
    cluster_name: str
    task_id: int
    instance_type: str
    image_id: str
    status: str
    ip_inner: str
    ip_outer: str
    created_at: int
    running_at: int
    gone_at: int
    chunk_id: int
    protected: bool
    deletion_refusal: str
    deletion_refused_at: int
    charge_type: str
    expires_at: int


@dataclass(frozen=True)
class MachineFilter:
    """Which machines; what is empty does not matter. ``ip`` is that of either side."""

    account_key: str = ""
    instance_id: str = ""
    ip: str = ""
    provider: str = ""
    cluster_name: str = ""
    statuses: Sequence[str] = ()


def page_tasks(store: Store, scope: Scope, account_key: str, cluster_name: str, wanted: PageOf) -> Page[TaskLine]:
    """The tasks that pass the filters, newest first."""
    query = scope.narrowed(TaskRow.select(), TaskRow.account_id)
    if account_key:
        query = query.where(TaskRow.account_key == account_key)
    if cluster_name:
        query = query.where(TaskRow.cluster_name == cluster_name)
    now, ids = store.now(), scope.account_ids(store)
    with store.connection():
        total = store.counts.of_kept(TaskRow.created_at, query, (ids, account_key, cluster_name), now)
        rows = [
            TaskLine(**{name: getattr(row, name) for name in TaskLine.__dataclass_fields__})
            for row in query.order_by(TaskRow.id.desc()).paginate(wanted.number, wanted.size)
        ]
    return Page(rows, wanted.number, wanted.size, total)


def page_machines(store: Store, scope: Scope, which: MachineFilter, wanted: PageOf) -> Page[MachineLine]:
    """The machines that pass the filters, newest first."""
    query = _filtered(InstanceRow.select(*_columns()), scope, which)
    with store.connection():
        total = _count_machines(store, scope, which)
        ordered = query.order_by(InstanceRow.id.desc()).paginate(wanted.number, wanted.size)
        rows = [MachineLine(*row) for row in ordered.tuples()]
    return Page(rows, wanted.number, wanted.size, total)


def get_machine(store: Store, scope: Scope, instance_id: str) -> MachineLine:
    """The machine that the cloud calls so; the newest, should two clouds use one name. Raises NotFound."""
    which = MachineFilter(instance_id=instance_id)
    query = _filtered(InstanceRow.select(*_columns()), scope, which)
    with store.connection():
        row = query.order_by(InstanceRow.id.desc()).tuples().first()
    if row is None:
        raise NotFound("instance", instance_id)
    return MachineLine(*row)


def count_running(store: Store, scope: Scope, account_key: str, cluster_name: str) -> int:
    """Machines that run now."""
    which = MachineFilter(account_key=account_key, cluster_name=cluster_name, statuses=("running",))
    with store.connection():
        return int(_filtered(InstanceRow.select(InstanceRow.id), scope, which).count())


def _columns() -> list[object]:
    return [getattr(InstanceRow, name) for name in MachineLine.__dataclass_fields__]


def _count_machines(store: Store, scope: Scope, which: MachineFilter) -> int:
    """How many machines pass the filters, inside the caller's connection."""
    everything = InstanceRow.select(InstanceRow.id)
    kept = replace(which, statuses=())

    def of_statuses(statuses: Sequence[str]) -> Any:
        these = everything.where(InstanceRow.status.in_(list(statuses)))
        if kept == MachineFilter() and scope.accounts is None:
            return these
        # Not as one condition of several: a database may think that most machines are in these states.
        return _filtered(everything.where(InstanceRow.id.in_(these)), scope, kept, of_few=True)

    # A machine's state and addresses change; all else stays.
    if which.ip:
        return int(_filtered(everything, scope, which).count())
    if which.statuses and DELETED not in which.statuses:
        return int(of_statuses(which.statuses).count())
    others = [status for status in STATUSES if status not in which.statuses] if which.statuses else []
    return store.counts.of_kept(
        InstanceRow.recorded_at,
        _filtered(everything, scope, kept),
        (scope.account_ids(store), kept),
        store.now(),
        but=of_statuses(others) if others else None,
    )


def _filtered(query: object, scope: Scope, which: MachineFilter, *, of_few: bool = False) -> Any:
    # Where another filter says more than the account, its index is to be searched, and not the account's.
    says_more = bool(of_few or which.instance_id or which.ip or which.cluster_name or which.statuses)
    found: Any = scope.narrowed(query, InstanceRow.account_id + 0 if says_more else InstanceRow.account_id)
    if which.account_key:
        found = found.where(InstanceRow.account_key == which.account_key)
    if which.instance_id:
        found = found.where(InstanceRow.instance_id == which.instance_id)
    if which.ip:
        # Not as an OR: databases would walk through all machines by their order.
        inner = InstanceRow.select(InstanceRow.id).where(InstanceRow.ip_inner == which.ip)
        outer = InstanceRow.select(InstanceRow.id).where(InstanceRow.ip_outer == which.ip)
        # And as a table, or MariaDB would make the union anew for each of them.
        either = inner.union(outer).alias("either")
        found = found.where(InstanceRow.id.in_(Select([either], [either.c.id])))
    if which.provider:
        # And of the few clouds nearly every other filter says more.
        alone = not (says_more or which.account_key or scope.accounts is not None)
        found = found.where(
            (InstanceRow.provider if alone else fn.COALESCE(InstanceRow.provider, "")) == which.provider
        )
    if which.cluster_name:
        found = found.where(InstanceRow.cluster_name == which.cluster_name)
    if which.statuses:
        found = found.where(InstanceRow.status.in_(list(which.statuses)))
    return found
