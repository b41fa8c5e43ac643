"""Until when a call of a request for a network could have its effect at the cloud."""

from typing import Any

from peewee import BigIntegerField


def up(migrator: Any, db: Any) -> None:
    """A column of the requests; for what is under way now, when it was last worked on is what is known."""
    migrator.migrate(migrator.add_column("requests", "effect_until", BigIntegerField(default=0)))
    db.execute_sql("UPDATE requests SET effect_until = attempt_at")
