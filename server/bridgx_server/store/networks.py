"""VPCs, subnets and security groups that were made here."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bridgx_server.errors import NotFound
from bridgx_server.providers import base
from bridgx_server.store import audit
from bridgx_server.store.accounts import Account
from bridgx_server.store.database import Store
from bridgx_server.store.models import SecurityGroupRow, SubnetRow, VpcRow
from bridgx_server.store.paging import Page, PageOf
from bridgx_server.store.scope import AccountName, Scope


@dataclass(frozen=True)
class StoredVpc:
    """A VPC. ``created_at`` is ms since the epoch."""

    vpc_id: str
    provider: str
    account_id: int
    account_key: str
    region_id: str
    name: str
    cidr_block: str
    status: str
    created_at: int
    subnet_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class StoredSubnet:
    """A subnet. ``created_at`` is ms since the epoch."""

    subnet_id: str
    vpc_id: str
    zone_id: str
    name: str
    cidr_block: str
    status: str
    is_default: bool
    available_ip_count: int
    created_at: int


@dataclass(frozen=True)
class StoredGroup:
    """A security group. ``created_at`` is ms since the epoch."""

    security_group_id: str
    vpc_id: str
    name: str
    group_type: str
    created_at: int


@dataclass(frozen=True)
class Made:
    """What was made here lately, of the things that a cluster names."""

    vpc: StoredVpc | None
    subnets: Mapping[str, StoredSubnet]
    group: StoredGroup | None

    @property
    def last_at(self) -> int:
        """When the last of them was made (ms since the epoch), 0 where none was."""
        rows = [row for row in (self.vpc, *self.subnets.values(), self.group) if row is not None]
        return max((row.created_at for row in rows), default=0)


def add_vpc(store: Store, account: Account, region_id: str, vpc_id: str, name: str, cidr: str, caller: str) -> None:
    """Writes a new VPC down; one that is known stays as it is."""
    with store.transaction():
        if VpcRow.get_or_none((VpcRow.vpc_id == vpc_id) & (VpcRow.account_id == account.id)) is None:
            VpcRow.create(
                vpc_id=vpc_id,
                provider=account.provider,
                account_id=account.id,
                account_key=account.access_key,
                region_id=region_id,
                name=name,
                cidr_block=cidr,
                status="Pending",
                created_at=store.now(),
                created_by=caller,
            )
            audit.changed(store, audit.of_account("vpc", vpc_id, account.id))


def get_vpc(store: Store, scope: Scope, vpc_id: str) -> StoredVpc:
    """The VPC; raises NotFound."""
    query = scope.narrowed(VpcRow.select().where(VpcRow.vpc_id == vpc_id), VpcRow.account_id)
    with store.connection():
        row = query.order_by(VpcRow.id).first()
        if row is None:
            raise NotFound("vpc", vpc_id)
        return _vpc(row, _subnets_of([row]))


def some_vpcs(store: Store, account_id: int, limit: int = 20) -> Mapping[str, list[str]]:
    """Region → ids of some VPCs of an account, ``limit`` in all, the newest."""
    found: dict[str, list[str]] = {}
    with store.connection():
        query = VpcRow.select().where(VpcRow.account_id == account_id).order_by(VpcRow.id.desc()).limit(limit)
        for row in query:
            found.setdefault(row.region_id, []).append(row.vpc_id)
    return found


def own_scope(account: Account) -> Scope:
    """What belongs to one account."""
    return Scope.of([AccountName(account.provider, account.access_key)])


def page_vpcs(store: Store, scope: Scope, provider: str, region_id: str, name: str, wanted: PageOf) -> Page[StoredVpc]:
    """The VPCs that pass the filters that are given, newest first."""
    query = scope.narrowed(VpcRow.select(), VpcRow.account_id)
    if provider:
        query = query.where(VpcRow.provider == provider)
    if region_id:
        query = query.where(VpcRow.region_id == region_id)
    if name:
        query = query.where(VpcRow.name == name)
    with store.connection():
        total = query.count()
        rows = list(query.order_by(VpcRow.id.desc()).paginate(wanted.number, wanted.size))
        subnets = _subnets_of(rows)
    return Page([_vpc(row, subnets) for row in rows], wanted.number, wanted.size, total)


def refresh_vpcs(store: Store, account_id: int, found: Sequence[base.Vpc]) -> None:
    """Writes down what the cloud says of VPCs."""
    with store.transaction():
        for vpc in found:
            changes: dict[str, object] = {"status": vpc.status, "cidr_block": vpc.cidr_block}
            if vpc.created_at:
                changes["created_at"] = int(vpc.created_at.timestamp() * 1000)
            VpcRow.update(**changes).where((VpcRow.vpc_id == vpc.vpc_id) & (VpcRow.account_id == account_id)).execute()


def remove_vpc(store: Store, vpc_id: str, account_id: int) -> None:
    """Forgets a VPC."""
    with store.transaction():
        VpcRow.delete().where((VpcRow.vpc_id == vpc_id) & (VpcRow.account_id == account_id)).execute()
        audit.changed(store, audit.of_account("vpc", vpc_id, account_id), outcome=audit.UNDONE)


def add_subnet(store: Store, vpc: StoredVpc, subnet_id: str, zone_id: str, name: str, cidr: str, caller: str) -> None:
    """Writes a new subnet down; one that is known stays as it is."""
    with store.transaction():
        known = (SubnetRow.subnet_id == subnet_id) & (SubnetRow.account_id == vpc.account_id)
        if SubnetRow.get_or_none(known) is None:
            SubnetRow.create(
                subnet_id=subnet_id,
                vpc_id=vpc.vpc_id,
                account_id=vpc.account_id,
                zone_id=zone_id,
                name=name,
                cidr_block=cidr,
                status="Pending",
                is_default=False,
                available_ip_count=0,
                created_at=store.now(),
                created_by=caller,
            )
            audit.changed(store, audit.of_account("subnet", subnet_id, vpc.account_id))


def subnets_of(store: Store, vpc: StoredVpc) -> list[StoredSubnet]:
    """All subnets of a VPC that were made here."""
    query = SubnetRow.select().where((SubnetRow.vpc_id == vpc.vpc_id) & (SubnetRow.account_id == vpc.account_id))
    with store.connection():
        return [_subnet(row) for row in query.order_by(SubnetRow.id)]


def page_subnets(store: Store, scope: Scope, vpc_id: str, name: str, wanted: PageOf) -> Page[StoredSubnet]:
    """The subnets of a VPC, newest first."""
    query = scope.narrowed(SubnetRow.select().where(SubnetRow.vpc_id == vpc_id), SubnetRow.account_id)
    if name:
        query = query.where(SubnetRow.name == name)
    with store.connection():
        total = query.count()
        rows = [_subnet(row) for row in query.order_by(SubnetRow.id.desc()).paginate(wanted.number, wanted.size)]
    return Page(rows, wanted.number, wanted.size, total)


def refresh_subnets(store: Store, account_id: int, found: Sequence[base.Subnet]) -> None:
    """Writes down what the cloud says of subnets."""
    with store.transaction():
        for subnet in found:
            changes: dict[str, object] = {
                "status": subnet.status,
                "is_default": subnet.is_default,
                "available_ip_count": subnet.available_ip_count,
            }
            SubnetRow.update(**changes).where(
                (SubnetRow.subnet_id == subnet.subnet_id) & (SubnetRow.account_id == account_id)
            ).execute()


def remove_subnet(store: Store, subnet_id: str, account_id: int) -> None:
    """Forgets a subnet."""
    with store.transaction():
        SubnetRow.delete().where((SubnetRow.subnet_id == subnet_id) & (SubnetRow.account_id == account_id)).execute()
        audit.changed(store, audit.of_account("subnet", subnet_id, account_id), outcome=audit.UNDONE)


def add_group(
    store: Store,
    vpc: StoredVpc,
    group_id: str,
    name: str,
    group_type: str,
    rules: Sequence[base.SecurityGroupRule],
    caller: str,
) -> None:
    """Writes a new security group down; one that is known stays as it is."""
    with store.transaction():
        known = (SecurityGroupRow.security_group_id == group_id) & (SecurityGroupRow.account_id == vpc.account_id)
        if SecurityGroupRow.get_or_none(known) is None:
            SecurityGroupRow.create(
                security_group_id=group_id,
                vpc_id=vpc.vpc_id,
                account_id=vpc.account_id,
                region_id=vpc.region_id,
                name=name,
                group_type=group_type,
                rules_json=json.dumps([asdict(rule) for rule in rules]),
                created_at=store.now(),
                created_by=caller,
            )
            audit.changed(store, audit.of_account("security_group", group_id, vpc.account_id))


def page_groups(
    store: Store, scope: Scope, vpc_id: str, region_id: str, name: str, wanted: PageOf
) -> Page[StoredGroup]:
    """The security groups of a VPC, newest first."""
    query = SecurityGroupRow.select().where(SecurityGroupRow.vpc_id == vpc_id)
    query = scope.narrowed(query, SecurityGroupRow.account_id)
    if region_id:
        query = query.where(SecurityGroupRow.region_id == region_id)
    if name:
        query = query.where(SecurityGroupRow.name == name)
    with store.connection():
        total = query.count()
        rows = [_group(row) for row in query.order_by(SecurityGroupRow.id.desc()).paginate(wanted.number, wanted.size)]
    return Page(rows, wanted.number, wanted.size, total)


def remove_group(store: Store, group_id: str, account_id: int) -> None:
    """Forgets a security group."""
    with store.transaction():
        SecurityGroupRow.delete().where(
            (SecurityGroupRow.security_group_id == group_id) & (SecurityGroupRow.account_id == account_id)
        ).execute()
        audit.changed(store, audit.of_account("security_group", group_id, account_id), outcome=audit.UNDONE)


def groups_made_at(store: Store, account_id: int, group_ids: Collection[str]) -> dict[str, int]:
    """Those of the security groups of an account that were made here, and when (ms)."""
    query = SecurityGroupRow.select(SecurityGroupRow.security_group_id, SecurityGroupRow.created_at).where(
        (SecurityGroupRow.account_id == account_id) & SecurityGroupRow.security_group_id.in_(list(group_ids))
    )
    with store.connection():
        return dict(query.tuples())


def made_lately(
    store: Store, account_id: int, lately: tuple[int, int], vpc_id: str, subnet_ids: Sequence[str], group_id: str
) -> Made:
    """Which of the VPC, its subnets and the security group were made here by an account ``lately`` (from, to; ms)."""

    def rows(table: type[VpcRow | SubnetRow | SecurityGroupRow], which: Any) -> list[Any]:
        return list(table.select().where(which & (table.account_id == account_id) & table.created_at.between(*lately)))

    with store.connection():
        vpcs = rows(VpcRow, VpcRow.vpc_id == vpc_id)
        subnets = rows(SubnetRow, SubnetRow.subnet_id.in_(list(subnet_ids)) & (SubnetRow.vpc_id == vpc_id))
        groups = rows(SecurityGroupRow, SecurityGroupRow.security_group_id == group_id)
    return Made(
        vpc=_vpc(vpcs[0], {}) if vpcs else None,
        subnets={row.subnet_id: _subnet(row) for row in subnets},
        group=_group(groups[0]) if groups else None,
    )


def names_of(
    store: Store, scope: Scope, account_id: int, vpc_id: str, subnet_id: str, group_id: str
) -> tuple[str, str, str]:
    """The names of an account's VPC, subnet and security group; the id where the name is not known here."""

    def name(table: type[VpcRow | SubnetRow | SecurityGroupRow], column: Any, row_id: str) -> str:
        query = table.select(table.name).where((column == row_id) & (table.account_id == account_id))
        return str(scope.narrowed(query, table.account_id).scalar() or row_id)

    with store.connection():
        return (
            name(VpcRow, VpcRow.vpc_id, vpc_id),
            name(SubnetRow, SubnetRow.subnet_id, subnet_id),
            name(SecurityGroupRow, SecurityGroupRow.security_group_id, group_id),
        )


def _subnets_of(vpcs: Sequence[VpcRow]) -> Mapping[tuple[str, int], tuple[str, ...]]:
    found: dict[tuple[str, int], tuple[str, ...]] = {}
    query = SubnetRow.select(SubnetRow.vpc_id, SubnetRow.account_id, SubnetRow.subnet_id)
    query = query.where(SubnetRow.vpc_id.in_([vpc.vpc_id for vpc in vpcs]))
    for vpc_id, account_id, subnet_id in query.order_by(SubnetRow.id).tuples():
        # Two accounts may know one VPC, each with subnets of its own.
        found[vpc_id, account_id] = (*found.get((vpc_id, account_id), ()), subnet_id)
    return found


def _vpc(row: VpcRow, subnets: Mapping[tuple[str, int], tuple[str, ...]]) -> StoredVpc:
    return StoredVpc(
        row.vpc_id,
        row.provider,
        row.account_id,
        row.account_key,
        row.region_id,
        row.name,
        row.cidr_block,
        row.status,
        row.created_at,
        subnets.get((row.vpc_id, row.account_id), ()),
    )


def _subnet(row: SubnetRow) -> StoredSubnet:
    return StoredSubnet(
        row.subnet_id,
        row.vpc_id,
        row.zone_id,
        row.name,
        row.cidr_block,
        row.status,
        bool(row.is_default),
        row.available_ip_count,
        row.created_at,
    )


def _group(row: SecurityGroupRow) -> StoredGroup:
    return StoredGroup(row.security_group_id, row.vpc_id, row.name, row.group_type, row.created_at)
