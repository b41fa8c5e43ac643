"""Machines that the cloud does not delete: since when, why, and until when they are paid for."""

from typing import Any

from peewee import BigIntegerField, BooleanField, CharField, Field, TextField

COLUMNS: dict[str, dict[str, Field]] = {
    "instances": {
        "unwanted": BooleanField(default=False),
        "release_prepaid": BooleanField(default=False),
        "deletion_refused": CharField(max_length=32, default=""),
        "deletion_refusal": TextField(default=""),
        "deletion_refused_at": BigIntegerField(default=0),
        "charge_type": CharField(max_length=16, default=""),
        "expires_at": BigIntegerField(default=0),
    },
    "tasks": {"release_prepaid": BooleanField(default=False)},
}


def up(migrator: Any, db: Any) -> None:
    """Columns of two tables; what is being deleted now and no shrink has chosen was given up, and clusters keep their charge."""
    for table, columns in COLUMNS.items():
        migrator.migrate(*(migrator.add_column(table, name, field) for name, field in columns.items()))
    yes = "TRUE" if migrator.__class__.__name__ == "PostgresqlMigrator" else "1"
    db.execute_sql(f"UPDATE instances SET unwanted = {yes} WHERE status = 'deleting' AND delete_chunk_id IS NULL")
    db.execute_sql(
        "UPDATE instances SET charge_type = "
        "COALESCE((SELECT charge_type FROM clusters WHERE clusters.id = instances.cluster_id), '') "
        "WHERE status IN ('pending', 'running', 'deleting')"
    )
