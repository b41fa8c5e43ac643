"""Templates of clusters."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from peewee import Case, IntegrityError, fn

from bridgx_server.errors import AlreadyExists, NotFound
from bridgx_server.providers.base import Charge, Disk
from bridgx_server.store import audit, chunks, tasks
from bridgx_server.store.audit import Resource
from bridgx_server.store.batches import batches
from bridgx_server.store.chunks import Placement
from bridgx_server.store.database import Store
from bridgx_server.store.models import ClusterRow, InstanceRow
from bridgx_server.store.paging import Page, PageOf
from bridgx_server.store.scope import Scope
from bridgx_server.store.secrets import Keyring, SealedColumn

IN_USE = ("pending", "running", "deleting")
RANDOM = "random"
OLDEST = "oldest"
NEWEST = "newest"


@dataclass(frozen=True)
class ClusterTemplate:
    """What a cluster's machines look like, as it is stored. ``placements`` are in order of preference."""

    name: str
    provider: str
    account_id: int
    account_key: str
    region_id: str
    image_id: str
    vpc_id: str
    security_group_id: str
    internet_charge_type: str
    bandwidth_mbps: int
    charge: Charge
    system_disk: Disk
    data_disks: Sequence[Disk]
    tags: Mapping[str, str]
    placements: Sequence[Placement]
    password: str = field(repr=False)
    description: str = ""
    max_machines: int = 200
    termination_policy: str = RANDOM


@dataclass(frozen=True)
class StoredCluster:
    """A cluster and what uses it; the template is without its password.

    ``used`` machines are pending, running or being deleted; ``open_tasks`` wait or run.
    """

    id: int
    template: ClusterTemplate
    created_at: int
    created_by: str
    used: int
    protected: int
    open_tasks: int


@dataclass(frozen=True)
class ClusterSummary:
    """A row of the list. ``used`` counts machines that are pending, running or being deleted."""

    id: int
    name: str
    provider: str
    account_key: str
    created_at: int
    created_by: str
    used: int
    max_machines: int


def add(store: Store, keyring: Keyring, template: ClusterTemplate, caller: str) -> int:
    """Stores a template and returns its number; raises AlreadyExists."""
    first = template.placements[0]
    try:
        with store.transaction():
            row = ClusterRow.create(
                name=template.name,
                provider=template.provider,
                account_id=template.account_id,
                account_key=template.account_key,
                region_id=template.region_id,
                zone_id=first.zone_id,
                instance_type=first.instance_type,
                image_id=template.image_id,
                vpc_id=template.vpc_id,
                subnet_id=first.subnet_id,
                security_group_id=template.security_group_id,
                internet_charge_type=template.internet_charge_type,
                bandwidth_mbps=template.bandwidth_mbps,
                charge_type=template.charge.charge_type,
                period_unit=template.charge.period_unit,
                period=template.charge.period,
                system_disk_category=template.system_disk.category,
                system_disk_size_gib=template.system_disk.size_gib,
                data_disks_json=json.dumps([asdict(disk) for disk in template.data_disks]),
                tags_json=json.dumps(dict(template.tags)),
                placements_json=json.dumps([asdict(place) for place in template.placements]),
                password=keyring.seal(template.password, _row(template.name)),
                description=template.description,
                max_machines=template.max_machines,
                termination_policy=template.termination_policy,
                created_at=store.now(),
                created_by=caller,
            )
            resource = Resource("cluster", template.name, template.provider, template.account_id, template.account_key)
            audit.changed(store, resource)
    except IntegrityError:
        raise AlreadyExists("cluster", template.name) from None
    return int(row.id)


def exists(store: Store, name: str) -> bool:
    """Whether a cluster has that name, whoever's it is: names are unique among all."""
    with store.connection():
        return bool(ClusterRow.select().where(_named(name)).exists())


def existing(store: Store, cluster_ids: Collection[int]) -> set[int]:
    """Those of the ids whose cluster has not been deleted."""
    ids = sorted(cluster_ids)
    found: set[int] = set()
    with store.connection():
        for part in batches(ids):
            query = ClusterRow.select(ClusterRow.id).where(ClusterRow.id.in_(part) & (ClusterRow.deleted_at == 0))
            found.update(int(cluster_id) for (cluster_id,) in query.tuples())
    return found


def get(store: Store, keyring: Keyring, cluster_id: int) -> ClusterTemplate:
    """A template with its password; raises NotFound, also for a cluster that was deleted, and SecretUnreadable."""
    with store.connection():
        row = ClusterRow.get_or_none((ClusterRow.id == cluster_id) & (ClusterRow.deleted_at == 0))
    if row is None:
        raise NotFound("cluster", str(cluster_id))
    return _template(row, keyring.open(row.password, _row(row.name)))


def describe(store: Store, scope: Scope, name: str) -> StoredCluster:
    """A cluster and what uses it; raises NotFound."""
    with store.connection():
        row = scope.narrowed(ClusterRow.select().where(_named(name)), ClusterRow.account_id).first()
        if row is None:
            raise NotFound("cluster", name)
        counted = InstanceRow.select(
            fn.COUNT(InstanceRow.id), fn.SUM(Case(None, [(InstanceRow.protected, 1)], 0))
        ).where((InstanceRow.cluster_id == row.id) & InstanceRow.status.in_(IN_USE))
        used, protected = counted.tuples().first()
        waiting = len(tasks.open_tasks_of(store, row.id))
    return StoredCluster(
        row.id, _template(row, ""), row.created_at, row.created_by, int(used), int(protected or 0), waiting
    )


def made_at(store: Store, cluster_id: int) -> int:
    """When a cluster was made (ms since the epoch), 0 where there is none of that number."""
    with store.connection():
        return int(ClusterRow.select(ClusterRow.created_at).where(ClusterRow.id == cluster_id).scalar() or 0)


def locked(store: Store, scope: Scope, name: str) -> ClusterRow:
    """The row of a cluster, which nobody else changes, uses for a task or deletes until the caller's transaction ends.

    Raises:
        NotFound: no cluster has that name.
    """
    query = scope.narrowed(ClusterRow.select().where(_named(name)), ClusterRow.account_id)
    return _first(query if store.dialect == "sqlite" else query.for_update(), name)


def named(store: Store, scope: Scope, name: str) -> ClusterRow:
    """The row of a cluster, to be looked at. Raises NotFound."""
    return _first(scope.narrowed(ClusterRow.select().where(_named(name)), ClusterRow.account_id), name)


def _first(query: Any, name: str) -> ClusterRow:
    row: ClusterRow | None = query.first()
    if row is None:
        raise NotFound("cluster", name)
    return row


def lock(store: Store, cluster_id: int) -> None:
    """The same by number, inside the caller's transaction."""
    if store.dialect != "sqlite":  # there the transaction itself keeps others from writing
        ClusterRow.select(ClusterRow.id).where(ClusterRow.id == cluster_id).for_update().first()


def resource_of(cluster: ClusterRow) -> Resource:
    """What the audit calls it."""
    return Resource("cluster", cluster.name, cluster.provider, cluster.account_id, cluster.account_key)


def change(cluster: ClusterRow, **changes: object) -> None:
    """Changes a locked cluster, inside the caller's transaction."""
    if changes:
        ClusterRow.update(**changes).where(ClusterRow.id == cluster.id).execute()


def bury(cluster: ClusterRow, now: int, caller: str) -> None:
    """Deletes a locked cluster, inside the caller's transaction: its name is free, its password gone, its history stays."""
    change(cluster, deleted_at=now, deleted_by=caller, password="")


def _template(row: ClusterRow, password: str) -> ClusterTemplate:
    return ClusterTemplate(
        name=row.name,
        provider=row.provider,
        account_id=row.account_id,
        account_key=row.account_key,
        region_id=row.region_id,
        image_id=row.image_id,
        vpc_id=row.vpc_id,
        security_group_id=row.security_group_id,
        internet_charge_type=row.internet_charge_type,
        bandwidth_mbps=row.bandwidth_mbps,
        charge=Charge(row.charge_type, row.period_unit, row.period),
        system_disk=Disk(row.system_disk_category, row.system_disk_size_gib),
        data_disks=tuple(Disk(**disk) for disk in json.loads(row.data_disks_json)),
        tags=json.loads(row.tags_json),
        placements=tuple(Placement(**place) for place in json.loads(row.placements_json)),
        password=password,
        description=row.description,
        max_machines=row.max_machines,
        termination_policy=row.termination_policy,
    )


def page(store: Store, scope: Scope, account_key: str, wanted: PageOf) -> Page[ClusterSummary]:
    """The clusters of an account, or all, newest first, with the machines that each uses."""
    query = scope.narrowed(ClusterRow.select().where(ClusterRow.deleted_at == 0), ClusterRow.account_id)
    if account_key:
        query = query.where(ClusterRow.account_key == account_key)
    with store.connection():
        total = query.count()
        rows = list(query.order_by(ClusterRow.id.desc()).paginate(wanted.number, wanted.size))
        used = _used(row.id for row in rows)
    summaries = [
        ClusterSummary(
            row.id,
            row.name,
            row.provider,
            row.account_key,
            row.created_at,
            row.created_by,
            used.get(row.id, 0),
            row.max_machines,
        )
        for row in rows
    ]
    return Page(summaries, wanted.number, wanted.size, total)


def _used(cluster_ids: Iterable[int]) -> dict[int, int]:
    query = (
        InstanceRow.select(InstanceRow.cluster_id, fn.COUNT(InstanceRow.id))
        .where(InstanceRow.cluster_id.in_(list(cluster_ids)) & InstanceRow.status.in_(IN_USE))
        .group_by(InstanceRow.cluster_id)
    )
    return {int(cluster_id): int(number) for cluster_id, number in query.tuples()}


def _named(name: str) -> Any:
    return (ClusterRow.name == name) & (ClusterRow.deleted_at == 0)


def _row(name: str) -> str:
    return f"cluster/{name}/password"


SEALED = SealedColumn(ClusterRow, ClusterRow.password, lambda row: _row(row.name))


@dataclass(frozen=True)
class Shape:
    """What is told of a cluster's machines."""

    account_id: int
    vpc_id: str
    subnet_id: str
    security_group_id: str
    system_disk: Disk
    data_disks: Sequence[Disk]


def shape_of(store: Store, scope: Scope, cluster_id: int, chunk_id: int) -> Shape:
    """The disks and networks of the machines of a cluster's chunk, also of a cluster that was deleted; raises NotFound."""
    query = scope.narrowed(ClusterRow.select().where(ClusterRow.id == cluster_id), ClusterRow.account_id)
    with store.connection():
        row = query.first()
    if row is None:
        raise NotFound("cluster", str(cluster_id))
    chunk = chunks.get(store, chunk_id)
    return Shape(
        row.account_id,
        row.vpc_id,
        row.subnet_id if chunk is None else chunk.subnet_id,
        row.security_group_id,
        Disk(row.system_disk_category, row.system_disk_size_gib),
        tuple(Disk(**disk) for disk in json.loads(row.data_disks_json)),
    )
