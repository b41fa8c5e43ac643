"""One attempt at a time works on a request: who, until when, and how long its last call may still have its effect."""

from typing import Any

from peewee import BigIntegerField, CharField, Field

COLUMNS: dict[str, Field] = {
    "lease_owner": CharField(max_length=64, default=""),
    "lease_until": BigIntegerField(default=0),
    "fence": BigIntegerField(default=0),
    "unsettled_ms": BigIntegerField(default=0),
}


def up(migrator: Any, db: Any) -> None:
    """Four columns of the requests; nobody holds those that are there."""
    migrator.migrate(*(migrator.add_column("requests", name, field) for name, field in COLUMNS.items()))
