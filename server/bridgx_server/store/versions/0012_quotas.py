"""Remembered quotas: what a plan tells of them is what the last refusal has taught."""

from typing import Any

from peewee import AutoField, BigIntegerField, CharField, IntegerField, Model


class RefusedQuotaRow(Model):
    id = AutoField()
    account_id = IntegerField()
    zone_id = CharField(max_length=64)
    instance_type = CharField(max_length=128)
    message = CharField(max_length=500)
    seen_at = BigIntegerField()

    class Meta:
        legacy_table_names = False
        table_name = "refused_quotas"
        indexes = ((("account_id", "zone_id", "instance_type"), True),)


def up(migrator: Any, db: Any) -> None:
    """One table."""
    with db.bind_ctx([RefusedQuotaRow]):
        db.create_tables([RefusedQuotaRow])
    if migrator.__class__.__name__ == "MySQLMigrator":
        db.execute_sql("ALTER TABLE refused_quotas CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
