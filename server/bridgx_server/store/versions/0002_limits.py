"""Limits of calls: the buckets of each account's APIs, the places in their queues, and the calls under way."""

from typing import Any

from peewee import AutoField, BigAutoField, BigIntegerField, BooleanField, CharField, DoubleField, IntegerField, Model


class LimiterRow(Model):
    id = AutoField()
    provider = CharField(max_length=32)
    access_key = CharField(max_length=128)
    used_at = BigIntegerField()

    class Meta:
        legacy_table_names = False
        table_name = "limiters"
        indexes = ((("provider", "access_key"), True), (("used_at",), False))


class BucketRow(Model):
    id = AutoField()
    limiter_id = IntegerField()
    region_id = CharField(max_length=64)
    api = CharField(max_length=96)
    calls = DoubleField(default=0.0)
    machines = DoubleField(default=0.0)
    counted_at = BigIntegerField(default=0)
    virtual = BigIntegerField(default=0)
    level = IntegerField(default=0)
    lowered_at = BigIntegerField(default=0)
    paused_until = BigIntegerField(default=0)

    class Meta:
        legacy_table_names = False
        table_name = "buckets"
        indexes = ((("limiter_id", "region_id", "api"), True),)


class FlowRow(Model):
    id = AutoField()
    limiter_id = IntegerField()
    bucket_id = IntegerField()
    name = CharField(max_length=64)
    waiting = BooleanField()
    wants_place = BooleanField(default=False)
    machines = IntegerField(default=0)
    start = BigIntegerField(default=0)
    finish = BigIntegerField(default=0)
    since = BigIntegerField()
    here_until = BigIntegerField()
    kept_until = BigIntegerField()

    class Meta:
        legacy_table_names = False
        table_name = "flows"
        indexes = ((("bucket_id", "name"), True), (("limiter_id", "kept_until"), False))


class CallRow(Model):
    id = BigAutoField()
    limiter_id = IntegerField()
    bucket_id = IntegerField()
    owner = CharField(max_length=32)
    machines = IntegerField()
    has_place = BooleanField()
    uncounted = BooleanField()
    until = BigIntegerField()

    class Meta:
        legacy_table_names = False
        table_name = "calls"
        indexes = ((("limiter_id", "until"), False),)


def up(migrator: Any, db: Any) -> None:
    """Makes the tables; on MySQL with a collation that tells upper case from lower, as the other databases do."""
    tables: list[Any] = [LimiterRow, BucketRow, FlowRow, CallRow]
    with db.bind_ctx(tables):
        db.create_tables(tables)
    if migrator.__class__.__name__ == "MySQLMigrator":
        for table in tables:
            db.execute_sql(f"ALTER TABLE {table._meta.table_name} CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
