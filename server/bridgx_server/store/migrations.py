"""Brings a database to the newest schema. Any number of processes may try at once."""

from __future__ import annotations

import contextlib
import fcntl
import os
import zlib
from collections.abc import Iterator
from pathlib import Path

from playhouse.migrations import Runner

from bridgx_server.store.database import Store

VERSIONS = Path(__file__).parent / "versions"
TABLE = "schema_migrations"
LOCK_NUMBER = 1_651_665_767  # names our advisory lock among those of other programs in the same database
LOCK_TIMEOUT = 600  # seconds to wait for another process's migration


class SchemaOutdated(RuntimeError):
    """The database lacks migrations that this version of the server needs."""

    def __init__(self, pending: list[str]) -> None:
        super().__init__(f"the database lacks {', '.join(pending)}; run `bridgx migrate`")
        self.pending = pending


def migrate(store: Store) -> list[str]:
    """Applies what is missing, in order, and returns the names of what was applied."""
    with store.connection(), _lock(store):
        return [str(name) for name in Runner(store.database, str(VERSIONS), table_name=TABLE).up()]


def pending(store: Store) -> list[str]:
    """The names of the migrations that the database lacks."""
    with store.connection():
        status = Runner(store.database, str(VERSIONS), table_name=TABLE).status()
    return [row.name for row in status if row.path is not None and row.applied is None]


def require_current(store: Store) -> None:
    """Raises :class:`SchemaOutdated` unless every migration has been applied."""
    missing = pending(store)
    if missing:
        raise SchemaOutdated(missing)


@contextlib.contextmanager
def _lock(store: Store) -> Iterator[None]:
    # Two that create the same table at once crash on PostgreSQL, IF NOT EXISTS or no.
    if store.dialect == "sqlite":
        lock = os.open(f"{store.database.database}.migrate", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(lock, "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
    elif store.dialect == "postgresql":
        store.database.execute_sql("SELECT pg_advisory_lock(%s)", (LOCK_NUMBER,))
        try:
            yield
        finally:
            store.database.execute_sql("SELECT pg_advisory_unlock(%s)", (LOCK_NUMBER,))
    else:
        # MariaDB's locks are of the whole server: another database is no concern of ours. A name has 64 characters at most.
        name = f"bridgx-{zlib.crc32(store.database.database.encode())}-{LOCK_NUMBER}"
        taken = store.database.execute_sql("SELECT GET_LOCK(%s, %s)", (name, LOCK_TIMEOUT)).fetchone()[0]
        if taken != 1:
            raise TimeoutError(f"another process has been migrating the database for {LOCK_TIMEOUT} s")
        try:
            yield
        finally:
            store.database.execute_sql("SELECT RELEASE_LOCK(%s)", (name,))
