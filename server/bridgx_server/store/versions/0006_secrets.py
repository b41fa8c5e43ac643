"""What an account uses at its cloud, apart from its name: another access key, or the identity of the machine."""

from typing import Any

from peewee import BigIntegerField, BooleanField, CharField, Field

COLUMNS: dict[str, Field] = {
    "cloud_key": CharField(max_length=128, default=""),
    "ambient": BooleanField(default=False),
    "secret_at": BigIntegerField(default=0),
}


def up(migrator: Any, db: Any) -> None:
    """Three columns of the accounts; an empty ``cloud_key`` means the access key that is the account's name."""
    migrator.migrate(*(migrator.add_column("accounts", name, field) for name, field in COLUMNS.items()))
