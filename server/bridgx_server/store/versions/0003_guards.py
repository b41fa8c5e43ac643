"""Remembered stockouts, protected machines, termination policies, and clusters that are deleted without their history."""

from typing import Any

from peewee import AutoField, BigIntegerField, BooleanField, CharField, Field, IntegerField, Model


class StockoutRow(Model):
    id = AutoField()
    account_id = IntegerField()
    zone_id = CharField(max_length=64)
    instance_type = CharField(max_length=128)
    seen_at = BigIntegerField()

    class Meta:
        legacy_table_names = False
        table_name = "stockouts"
        indexes = ((("account_id", "zone_id", "instance_type"), True),)


COLUMNS: dict[str, dict[str, Field]] = {
    "clusters": {
        "termination_policy": CharField(max_length=16, default="random"),
        "deleted_at": BigIntegerField(default=0),
        "deleted_by": CharField(max_length=128, default=""),
    },
    "tasks": {"termination_policy": CharField(max_length=16, default="")},
    "instances": {"protected": BooleanField(default=False)},
}


def up(migrator: Any, db: Any) -> None:
    """A table, columns of three others, and names of clusters that may be used again once they are deleted."""
    with db.bind_ctx([StockoutRow]):
        db.create_tables([StockoutRow])
    for table, columns in COLUMNS.items():
        migrator.migrate(*(migrator.add_column(table, name, field) for name, field in columns.items()))
    migrator.migrate(
        migrator.drop_index("clusters", "clusters_name"),
        migrator.add_index("clusters", ("name", "deleted_at"), unique=True),
    )
    if migrator.__class__.__name__ == "MySQLMigrator":
        db.execute_sql("ALTER TABLE stockouts CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
