"""An index for every filter of the lists that had none, in the order of the list, and when a machine's row was written."""

from typing import Any

from peewee import BigIntegerField

INDEXES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("instances", ("provider", "id")),
    ("audit", ("resource_kind", "id")),
    ("clusters", ("deleted_at", "id")),
    ("vpcs", ("region_id", "id")),
    ("findings", ("provider", "id")),
    ("findings", ("region_id", "id")),
    ("orphans", ("region_id", "id")),
    ("orphans", ("instance_id", "id")),
)


def up(migrator: Any, db: Any) -> None:
    """Eight indexes and a column; 0 in it means some time ago."""
    migrator.migrate(migrator.add_column("instances", "recorded_at", BigIntegerField(default=0)))
    migrator.migrate(*(migrator.add_index(table, columns) for table, columns in INDEXES))
