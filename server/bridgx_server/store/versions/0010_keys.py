"""Which accounts are one at their cloud, whose an orphan is, and token names that are unique where they can be seen."""

from typing import Any

from peewee import BigIntegerField, CharField, Field, IntegerField

COLUMNS: tuple[tuple[str, str, Field], ...] = (
    ("accounts", "cloud_account_id", CharField(max_length=64, default="")),
    ("accounts", "cloud_account_at", BigIntegerField(default=0)),
    ("orphans", "made_by", CharField(max_length=128, default="")),
    ("findings", "made_by", CharField(max_length=128, default="")),
    ("comparisons", "unowned", IntegerField(default=0)),
    ("tokens", "tenant", CharField(max_length=64, default="")),
)


def up(migrator: Any, db: Any) -> None:
    """Six columns, and the index of tokens' names anew.

    The clouds are asked whose the keys are when the server runs next. Tokens that are there keep their names: they have been
    unique everywhere.
    """
    migrator.migrate(*(migrator.add_column(table, name, field) for table, name, field in COLUMNS))
    migrator.migrate(
        migrator.drop_index("tokens", "tokens_held_name"),
        migrator.add_index("tokens", ("held_name", "tenant"), unique=True),
    )
