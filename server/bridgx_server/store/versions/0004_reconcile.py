"""Reports of comparisons, what is known of orphans, and requests that can be finished without their caller."""

from typing import Any

from peewee import AutoField, BigIntegerField, BooleanField, CharField, Field, IntegerField, Model, TextField


class ComparisonRow(Model):
    id = AutoField()
    account_id = IntegerField()
    region_id = CharField(max_length=64)
    provider = CharField(max_length=32)
    account_key = CharField(max_length=128)
    started_at = BigIntegerField()
    finished_at = BigIntegerField()
    succeeded_at = BigIntegerField(default=0)
    error_class = CharField(max_length=32, default="")
    reason = CharField(max_length=2000, default="")
    listed = IntegerField(default=0)
    missing = IntegerField(default=0)
    adopted = IntegerField(default=0)
    revived = IntegerField(default=0)
    orphans = IntegerField(default=0)

    class Meta:
        legacy_table_names = False
        table_name = "comparisons"
        indexes = ((("account_id", "region_id"), True), (("account_key", "region_id"), False))


class FindingRow(Model):
    id = AutoField()
    kind = CharField(max_length=16)
    account_id = IntegerField()
    region_id = CharField(max_length=64)
    provider = CharField(max_length=32)
    account_key = CharField(max_length=128)
    instance_id = CharField(max_length=128)
    cluster_name = CharField(max_length=128, default="")
    task_id = IntegerField(default=0)
    first_seen_at = BigIntegerField()
    seen_at = BigIntegerField()

    class Meta:
        legacy_table_names = False
        table_name = "findings"
        indexes = (
            (("account_id", "region_id", "kind", "instance_id"), True),
            (("kind", "id"), False),
            (("account_key", "id"), False),
            (("seen_at",), False),
        )


ORPHANS: dict[str, Field] = {
    "first_seen_at": BigIntegerField(default=0),
    "started_at": BigIntegerField(default=0),
    "instance_type": CharField(max_length=128, default=""),
    "zone_id": CharField(max_length=64, default=""),
    "ip_inner": CharField(max_length=64, default=""),
    "reason": CharField(max_length=255, default=""),
    "absences": IntegerField(default=0),
    "delete_asked_at": BigIntegerField(default=0),
    "delete_asked_by": CharField(max_length=128, default=""),
    "delete_failure": CharField(max_length=2000, default=""),
}
REQUESTS: dict[str, Field] = {
    "attempt_at": BigIntegerField(default=0),
    "attempts": IntegerField(default=0),
    "open": BooleanField(default=False),
    "payload": TextField(default=""),
    "made_json": TextField(default="[]"),
    "undoing": BooleanField(default=False),
    "doubt": CharField(max_length=32, default=""),
    "generation": IntegerField(default=0),
    "failure": CharField(max_length=2000, default=""),
}


def up(migrator: Any, db: Any) -> None:
    """Two tables, and columns of two others."""
    tables: list[Any] = [ComparisonRow, FindingRow]
    with db.bind_ctx(tables):
        db.create_tables(tables)
    for table, columns in (("orphans", ORPHANS), ("requests", REQUESTS)):
        migrator.migrate(*(migrator.add_column(table, name, field) for name, field in columns.items()))
    migrator.migrate(migrator.add_index("requests", ("open", "attempt_at")))
    db.execute_sql("UPDATE orphans SET first_seen_at = seen_at")
    if migrator.__class__.__name__ == "MySQLMigrator":
        for table in tables:
            db.execute_sql(f"ALTER TABLE {table._meta.table_name} CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
