"""An index for every filter of the lists that had none, in the order of the list."""

from typing import Any

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
    """Eight indexes."""
    migrator.migrate(*(migrator.add_index(table, columns) for table, columns in INDEXES))
