"""The first schema. Frozen: later changes are migrations of their own."""

import time
import uuid
from typing import Any

from peewee import AutoField, BigAutoField, BigIntegerField, BooleanField, CharField, IntegerField, Model, TextField


class AccountRow(Model):
    id = AutoField()
    provider = CharField(max_length=32)
    name = CharField(max_length=128)
    access_key = CharField(max_length=128)
    secret = TextField()
    project_id = CharField(max_length=64, default="")
    created_at = BigIntegerField()
    created_by = CharField(max_length=128)

    class Meta:
        legacy_table_names = False
        table_name = "accounts"
        indexes = ((("provider", "access_key"), True), (("access_key",), False))


class ClusterRow(Model):
    id = AutoField()
    name = CharField(max_length=128, unique=True)
    provider = CharField(max_length=32)
    account_id = IntegerField(index=True)
    account_key = CharField(max_length=128)
    region_id = CharField(max_length=64)
    zone_id = CharField(max_length=64)
    instance_type = CharField(max_length=128)
    image_id = CharField(max_length=256)
    vpc_id = CharField(max_length=128)
    subnet_id = CharField(max_length=128)
    security_group_id = CharField(max_length=128)
    internet_charge_type = CharField(max_length=32)
    bandwidth_mbps = IntegerField()
    charge_type = CharField(max_length=16)
    period_unit = CharField(max_length=16)
    period = IntegerField()
    system_disk_category = CharField(max_length=64)
    system_disk_size_gib = IntegerField()
    data_disks_json = TextField()
    tags_json = TextField()
    placements_json = TextField()
    password = TextField()
    description = TextField()
    max_machines = IntegerField()
    created_at = BigIntegerField()
    created_by = CharField(max_length=128)

    class Meta:
        legacy_table_names = False
        table_name = "clusters"
        indexes = ((("account_key", "id"), False),)


class VpcRow(Model):
    id = AutoField()
    vpc_id = CharField(max_length=128)
    provider = CharField(max_length=32)
    account_id = IntegerField(index=True)
    account_key = CharField(max_length=128)
    region_id = CharField(max_length=64)
    name = CharField(max_length=128)
    cidr_block = CharField(max_length=32)
    status = CharField(max_length=32)
    created_at = BigIntegerField()
    created_by = CharField(max_length=128)

    class Meta:
        legacy_table_names = False
        table_name = "vpcs"
        indexes = ((("vpc_id", "account_id"), True), (("provider", "region_id", "id"), False), (("name",), False))


class SubnetRow(Model):
    id = AutoField()
    subnet_id = CharField(max_length=128)
    vpc_id = CharField(max_length=128)
    account_id = IntegerField()
    zone_id = CharField(max_length=64)
    name = CharField(max_length=128)
    cidr_block = CharField(max_length=32)
    status = CharField(max_length=32)
    is_default = BooleanField()
    available_ip_count = IntegerField()
    created_at = BigIntegerField()
    created_by = CharField(max_length=128)

    class Meta:
        legacy_table_names = False
        table_name = "subnets"
        indexes = ((("subnet_id", "account_id"), True), (("vpc_id", "name"), False))


class SecurityGroupRow(Model):
    id = AutoField()
    security_group_id = CharField(max_length=128)
    vpc_id = CharField(max_length=128)
    account_id = IntegerField()
    region_id = CharField(max_length=64)
    name = CharField(max_length=128)
    group_type = CharField(max_length=16)
    rules_json = TextField()
    created_at = BigIntegerField()
    created_by = CharField(max_length=128)

    class Meta:
        legacy_table_names = False
        table_name = "security_groups"
        indexes = ((("security_group_id", "account_id"), True), (("vpc_id", "name"), False))


class TaskRow(Model):
    id = AutoField()
    name = CharField(max_length=256)
    action = CharField(max_length=16)
    status = CharField(max_length=16)
    phase = CharField(max_length=16)
    cluster_id = IntegerField()
    cluster_name = CharField(max_length=128)
    account_id = IntegerField()
    account_key = CharField(max_length=128)
    provider = CharField(max_length=32)
    asked = IntegerField()
    reason = TextField()
    error_class = CharField(max_length=32)
    cancel = CharField(max_length=8)
    created_at = BigIntegerField()
    created_by = CharField(max_length=128)
    started_at = BigIntegerField(default=0)
    finished_at = BigIntegerField(default=0)
    queue_at = BigIntegerField(null=True)
    lease_owner = CharField(max_length=64, default="")
    lease_until = BigIntegerField(default=0)
    fence = BigIntegerField(default=0)
    wakes = BigIntegerField(default=0)

    class Meta:
        legacy_table_names = False
        table_name = "tasks"
        indexes = (
            (("queue_at", "lease_until"), False),
            (("cluster_id", "id"), False),
            (("cluster_name", "id"), False),
            (("account_key", "id"), False),
            (("account_id", "finished_at"), False),
        )


class ChunkRow(Model):
    id = AutoField()
    task_id = IntegerField()
    position = IntegerField()
    action = CharField(max_length=16)
    placement = IntegerField()
    zone_id = CharField(max_length=64)
    subnet_id = CharField(max_length=128)
    instance_type = CharField(max_length=128)
    asked = IntegerField()
    moved = IntegerField(default=0)
    generation = IntegerField(default=0)
    status = CharField(max_length=16)
    token = CharField(max_length=64, unique=True)
    attempts = IntegerField(default=0)
    lookups = IntegerField(default=0)
    next_at = BigIntegerField(default=0)
    reason = TextField(default="")
    error_class = CharField(max_length=32, default="")
    vendor_code = CharField(max_length=128, default="")
    vendor_request_id = CharField(max_length=128, default="")
    planned_at = BigIntegerField()
    sent_at = BigIntegerField(default=0)
    last_sent_at = BigIntegerField(default=0)
    accepted_at = BigIntegerField(default=0)
    finished_at = BigIntegerField(default=0)

    class Meta:
        legacy_table_names = False
        table_name = "chunks"
        indexes = ((("task_id", "position"), False),)


class InstanceRow(Model):
    id = BigAutoField()
    instance_id = CharField(max_length=128)
    provider = CharField(max_length=32)
    account_id = IntegerField()
    account_key = CharField(max_length=128)
    region_id = CharField(max_length=64)
    zone_id = CharField(max_length=64)
    cluster_id = IntegerField()
    cluster_name = CharField(max_length=128)
    task_id = IntegerField()
    chunk_id = IntegerField()
    delete_chunk_id = IntegerField(null=True, index=True)
    instance_type = CharField(max_length=128)
    image_id = CharField(max_length=256)
    status = CharField(max_length=16)
    reason = TextField(default="")
    ip_inner = CharField(max_length=64, default="")
    ip_outer = CharField(max_length=64, default="")
    created_at = BigIntegerField()
    running_at = BigIntegerField(default=0)
    deleting_at = BigIntegerField(default=0)
    gone_at = BigIntegerField(default=0)
    delete_sent_at = BigIntegerField(default=0)
    tend_at = BigIntegerField(null=True)
    absences = IntegerField(default=0)
    absent_at = BigIntegerField(default=0)

    class Meta:
        legacy_table_names = False
        table_name = "instances"
        indexes = (
            (("instance_id", "account_id"), True),
            (("cluster_id", "status"), False),
            (("cluster_name", "id"), False),
            (("account_key", "id"), False),
            (("status", "id"), False),
            (("task_id",), False),
            (("chunk_id",), False),
            (("ip_inner",), False),
            (("ip_outer",), False),
            (("account_id", "region_id", "tend_at"), False),
            (("gone_at", "running_at"), False),
            (("cluster_name", "gone_at", "running_at"), False),
        )


class WatchRow(Model):
    id = AutoField()
    account_id = IntegerField()
    region_id = CharField(max_length=64)
    next_at = BigIntegerField(null=True, index=True)
    reconcile_at = BigIntegerField(index=True)
    lease_owner = CharField(max_length=64, default="")
    lease_until = BigIntegerField(default=0)
    fence = BigIntegerField(default=0)
    wakes = BigIntegerField(default=0)

    class Meta:
        legacy_table_names = False
        table_name = "watches"
        indexes = ((("account_id", "region_id"), True),)


class InstallationRow(Model):
    id = AutoField()
    name = CharField(max_length=36)
    created_at = BigIntegerField()

    class Meta:
        legacy_table_names = False
        table_name = "installation"


class OrphanRow(Model):
    id = AutoField()
    account_id = IntegerField()
    region_id = CharField(max_length=64)
    instance_id = CharField(max_length=128)
    state = CharField(max_length=16)
    tags_json = TextField()
    seen_at = BigIntegerField()

    class Meta:
        legacy_table_names = False
        table_name = "orphans"
        indexes = ((("account_id", "region_id", "instance_id"), True),)


class RequestRow(Model):
    id = AutoField()
    caller = CharField(max_length=128)
    request_id = CharField(max_length=64)
    operation = CharField(max_length=64)
    fingerprint = CharField(max_length=64)
    answer = TextField()
    created_at = BigIntegerField()

    class Meta:
        legacy_table_names = False
        table_name = "requests"
        indexes = ((("caller", "request_id", "operation"), True), (("created_at",), False))


def up(migrator: Any, db: Any) -> None:
    """Makes every table; on MySQL with a collation that tells upper case from lower, as the other databases do."""
    tables: list[Any] = [value for value in globals().values() if isinstance(value, type) and issubclass(value, Model)]
    tables.remove(Model)
    with db.bind_ctx(tables):
        db.create_tables(tables)
        InstallationRow.create(name=str(uuid.uuid4()), created_at=int(time.time() * 1000))
    if migrator.__class__.__name__ == "MySQLMigrator":
        for table in tables:
            db.execute_sql(f"ALTER TABLE {table._meta.table_name} CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
