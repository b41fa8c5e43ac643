"""Tokens and the audit. Frozen: later changes are migrations of their own."""

import logging
from typing import Any

from peewee import (
    AutoField,
    BigAutoField,
    BigIntegerField,
    BooleanField,
    CharField,
    IntegerField,
    Model,
    OperationalError,
    TextField,
)


class TokenRow(Model):
    id = AutoField()
    name = CharField(max_length=128)
    held_name = CharField(max_length=128, null=True, unique=True)
    digest = CharField(max_length=64, unique=True)
    role = CharField(max_length=16)
    all_accounts = BooleanField()
    created_at = BigIntegerField()
    created_by = CharField(max_length=128)
    expires_at = BigIntegerField()
    revoked_at = BigIntegerField(default=0)
    last_used_at = BigIntegerField(default=0)

    class Meta:
        legacy_table_names = False
        table_name = "tokens"


class TokenAccountRow(Model):
    id = AutoField()
    token_id = IntegerField()
    provider = CharField(max_length=32)
    access_key = CharField(max_length=128)

    class Meta:
        legacy_table_names = False
        table_name = "token_accounts"
        indexes = ((("token_id", "provider", "access_key"), True),)


class AuditRow(Model):
    id = BigAutoField()
    at = BigIntegerField()
    actor = CharField(max_length=128)
    actor_kind = CharField(max_length=16)
    actor_key = CharField(max_length=128)
    operation = CharField(max_length=64)
    resource_kind = CharField(max_length=32)
    resource = CharField(max_length=256)
    provider = CharField(max_length=32)
    account_id = IntegerField(null=True)
    account_key = CharField(max_length=128)
    outcome = CharField(max_length=64)
    message = TextField()
    address = CharField(max_length=64)
    proxy = CharField(max_length=64)
    request_id = CharField(max_length=64)
    detail_json = TextField()

    class Meta:
        legacy_table_names = False
        table_name = "audit"
        indexes = (
            (("account_id", "id"), False),
            (("actor", "id"), False),
            (("operation", "id"), False),
            (("resource", "id"), False),
            (("outcome", "id"), False),
            (("at",), False),
        )


REFUSAL = "the audit is append-only"
MAY_NOT_MAKE_TRIGGERS = (1142, 1227, 1419)  # error codes of MySQL

log = logging.getLogger("bridgx.migrations")


def up(migrator: Any, db: Any) -> None:
    """Makes the tables, the triggers that keep the audit as it is, and the indexes for lists of a few accounts' rows."""
    tables: list[Any] = [TokenRow, TokenAccountRow, AuditRow]
    dialect = migrator.__class__.__name__
    with db.bind_ctx(tables):
        db.create_tables(tables)
    if dialect == "MySQLMigrator":
        for table in tables:
            db.execute_sql(f"ALTER TABLE {table._meta.table_name} CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
    migrator.migrate(
        migrator.add_index("instances", ("account_id", "id")),
        migrator.add_index("tasks", ("account_id", "id")),
        migrator.add_index("clusters", ("account_id", "id")),
    )
    _refuse_changes(dialect, db)


def _refuse_changes(dialect: str, db: Any) -> None:
    if dialect == "SqliteMigrator":
        for verb in ("UPDATE", "DELETE"):
            db.execute_sql(
                f"CREATE TRIGGER audit_no_{verb.lower()} BEFORE {verb} ON audit "
                f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
            )
    elif dialect == "PostgresqlMigrator":
        db.execute_sql(
            "CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{REFUSAL}'; END $$"
        )
        db.execute_sql(
            "CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()"
        )
    else:
        try:
            for verb in ("UPDATE", "DELETE"):
                db.execute_sql(
                    f"CREATE TRIGGER audit_no_{verb.lower()} BEFORE {verb} ON audit "
                    f"FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{REFUSAL}'"
                )
        except OperationalError as error:
            # A server with a binary log lets only its administrator make triggers; nothing here changes a row all the same.
            if error.args[0] not in MAY_NOT_MAKE_TRIGGERS:
                raise
            log.warning("the database user may not make triggers, so the database does not refuse changes of the audit")
