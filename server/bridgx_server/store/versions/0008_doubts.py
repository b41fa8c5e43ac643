"""What is known of a call whose outcome is not: since when, and until when it may still have an effect."""

from typing import Any

from peewee import BigIntegerField, Field

COLUMNS: dict[str, Field] = {
    "effect_until": BigIntegerField(default=0),
    "doubted_at": BigIntegerField(default=0),
    "blind_since": BigIntegerField(default=0),
}


def up(migrator: Any, db: Any) -> None:
    """Three columns of the ledger; of a call that is under way now, its beginning is what is known."""
    migrator.migrate(*(migrator.add_column("chunks", name, field) for name, field in COLUMNS.items()))
    db.execute_sql("UPDATE chunks SET effect_until = last_sent_at")
