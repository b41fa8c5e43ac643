"""The connection to the database: opened by URL, on the database's own clock, healed after a break."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from peewee import (
    Database,
    MySQLDatabase,
    OperationalError,
    PostgresqlDatabase,
    SqliteDatabase,
)
from playhouse.pool import MaxConnectionsExceeded, _PooledMySQLDatabase, _PooledPostgresqlDatabase

from bridgx_server.store.counting import Counts
from bridgx_server.store.failures import DATABASE_FAILURES, is_full
from bridgx_server.store.models import using

CLOCK_AGE = 60.0  # seconds that a measured offset to the database's clock is used
CONNECT_TIMEOUT = 10  # seconds
BUSY_TIMEOUT = 30.0  # seconds that a writer on SQLite waits for the other

POOL_SIZE = 24  # connections of one process to a database server
POOL_TIMEOUT = 30  # seconds that a thread waits for one of them

# Seconds after which a server ends a connection that has said nothing since its transaction began: a process that was
# stopped in the middle of one keeps its rows from everyone else.
SILENCE = 30
# A host that is gone without a word is noticed by the system after about as long.
_KEEPALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 4, "tcp_user_timeout": 30_000}

_POOL = {"max_connections": POOL_SIZE, "timeout": POOL_TIMEOUT, "stale_timeout": 600}

_CLOCKS = {
    "postgresql": "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)",
    # Never by way of local time: an hour of it comes twice when summer time ends.
    "mysql": "SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) DIV 1000",
}


def _ticks() -> float:
    """Seconds since some moment. They go on while the machine sleeps, and no one can set them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class _Sqlite(SqliteDatabase):
    def _connect(self) -> Any:
        # Nobody else's: it holds sealed secrets and the whole inventory. SQLite gives -wal and -shm the mode of the file. One
        # that is there already keeps the mode that its owner gave it.
        with contextlib.suppress(OSError):  # SQLite says better why it cannot be made
            os.close(os.open(self.database, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        return super()._connect()


class _Postgresql(PostgresqlDatabase):
    def _connect(self) -> Any:
        connection = super()._connect()
        connection.execute(f"SET idle_in_transaction_session_timeout = '{SILENCE}s'")
        return connection


class _MySQL(MySQLDatabase):
    def _connect(self) -> Any:
        connection = super()._connect()
        with connection.cursor() as cursor:
            # Outside transactions too: the pool makes another connection then.
            cursor.execute(f"SET SESSION wait_timeout = {SILENCE}")
        return connection


class _PooledPostgresql(_PooledPostgresqlDatabase, _Postgresql):
    """Sets each new connection up, not each use of one."""


class _PooledMySQL(_PooledMySQLDatabase, _MySQL):
    """As on PostgreSQL."""


class InvalidDatabaseUrl(ValueError):
    """A database URL that cannot be used; the text says why and never quotes a password."""


class Store:
    """One process's way to its database.

    A thread has a connection for as long as it is inside :meth:`connection` or :meth:`transaction`; on a database
    server they come from a pool.

    SQLite is written by one transaction at a time, each begun IMMEDIATE, since one that upgrades from reading to
    writing deadlocks; PostgreSQL and MySQL run READ COMMITTED.
    """

    def __init__(
        self, url: str, *, clock: Callable[[], float] = time.time, ticks: Callable[[], float] = _ticks
    ) -> None:
        """Opens nothing yet.

        Args:
            url: ``sqlite:///path`` (relative) or ``sqlite:////path`` (absolute), ``postgresql://user:password@host:port/name``,
                ``mysql://…`` or ``mariadb://…``; options of the driver may follow as a query.
            clock: seconds since the epoch; used for SQLite alone, since a machine's clock may be wrong and may jump.
            ticks: seconds that only ever go forward; they carry a server's time on between two looks at its clock.

        Raises:
            InvalidDatabaseUrl: the URL names no database that is known here.
        """
        self.dialect, self.database = _open(url)
        self.ticks = ticks
        self._clock = clock
        self._offset = 0
        self._offset_until = float("-inf")
        self._offset_lock = threading.Lock()
        self._depth = threading.local()
        self.counts = Counts()

    def close(self) -> None:
        """Closes every connection; one in use by another thread breaks."""
        if self.dialect == "sqlite":
            self.database.close()
        else:
            self.database.close_all()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """One transaction, committed at the end of the block and rolled back by an exception; may be nested."""
        try:
            with self.connection(), self.database.atomic():
                yield
        except OperationalError as error:
            if "cannot rollback" in str(error) and is_full(error):
                # SQLite has rolled back by itself, and that there was nothing left to roll back says nothing to anyone.
                raise OperationalError("database or disk is full") from error
            raise

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """Several reads as one transaction, which changes nothing: on SQLite it waits for no writer and keeps none waiting."""
        reading = self.database.atomic("DEFERRED") if self.dialect == "sqlite" else self.database.atomic()
        with self.connection(), reading:
            yield

    @contextlib.contextmanager
    def connection(self) -> Iterator[None]:
        """Reads and single statements, each on its own. The tables are this store's inside the block, and nobody's outside.

        A connection that broke is dropped, so that the next use makes a new one.

        Raises:
            peewee.OperationalError: the database cannot be reached, or no connection of the pool became free.
        """
        depth = getattr(self._depth, "value", 0)
        self._depth.value = depth + 1
        try:
            with using(self.database):
                yield
        except DATABASE_FAILURES:
            if depth == 0:
                self._drop_connection()
            raise
        except MaxConnectionsExceeded as error:
            raise OperationalError(str(error)) from error
        finally:
            self._depth.value = depth
            if depth == 0 and self.dialect != "sqlite":
                self.database.close()

    def _drop_connection(self) -> None:
        with contextlib.suppress(Exception):
            if self.dialect == "sqlite":
                self.database.close()
            else:
                # What broke this one has most likely broken the idle ones too.
                self.database.manual_close()
                self.database.close_idle()

    def ping(self) -> None:
        """Asks the database for nothing; raises peewee.OperationalError when it cannot answer."""
        with self.connection():
            self.database.execute_sql("SELECT 1").fetchone()

    def now(self) -> int:
        """The database's time, in milliseconds since the epoch. On SQLite that of this machine."""
        query = _CLOCKS.get(self.dialect)
        if query is None:
            return int(self._clock() * 1000)
        with self._offset_lock:
            fresh = self.ticks() < self._offset_until
            offset = self._offset
        if not fresh:
            with self.connection():
                there = int(self.database.execute_sql(query).fetchone()[0])
            here = self.ticks()
            offset = there - int(here * 1000)
            with self._offset_lock:
                self._offset = offset
                self._offset_until = here + CLOCK_AGE
        return int(self.ticks() * 1000) + offset


def _open(url: str) -> tuple[str, Database]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        # Python's own text would quote what it takes for the port: with a `/` or `#` in a password, a part of it.
        raise InvalidDatabaseUrl(
            "the database URL cannot be read: in user and password, characters such as / # ? @ : [ must be written"
            " as %2F %23 %3F %40 %3A %5B"
        ) from None
    scheme = parts.scheme.lower()
    options: dict[str, Any] = {key: _typed(value) for key, value in parse_qsl(parts.query)}
    if scheme == "sqlite":
        return "sqlite", _sqlite(parts.path, options)
    name = unquote(parts.path.lstrip("/"))
    if scheme not in ("postgresql", "postgres", "mysql", "mariadb"):
        raise InvalidDatabaseUrl(
            f"database URL begins with {scheme or 'nothing'!r}; use sqlite, postgresql, mysql or mariadb"
        )
    if not name:
        raise InvalidDatabaseUrl(f"database URL of {scheme} names no database: {scheme}://user@host:port/name")
    options["host"] = parts.hostname or "127.0.0.1"
    if parts.username:
        options["user"] = unquote(parts.username)
    if parts.password:
        options["password"] = unquote(parts.password)
    if scheme in ("postgresql", "postgres"):
        options["port"] = port or 5432
        options.setdefault("connect_timeout", CONNECT_TIMEOUT)
        return "postgresql", _PooledPostgresql(name, **_POOL, prefer_psycopg3=True, **{**_KEEPALIVE, **options})
    return "mysql", _mysql(name, port or 3306, options)


def _mysql(name: str, port: int, options: dict[str, Any]) -> Database:
    from pymysql.constants import CLIENT

    options.setdefault("connect_timeout", CONNECT_TIMEOUT)
    return _PooledMySQL(
        name,
        **_POOL,
        port=port,
        charset="utf8mb4",
        # Guards count the rows that an UPDATE found; without this flag MySQL counts those it changed.
        client_flag=CLIENT.FOUND_ROWS,
        init_command="SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
        **options,
    )


def _sqlite(path: str, options: dict[str, Any]) -> Database:
    if options:
        raise InvalidDatabaseUrl(f"a sqlite URL takes no options, but has {', '.join(sorted(options))}")
    file = unquote(path[1:] if path.startswith("/") else path)
    if not file or file == ":memory:":
        raise InvalidDatabaseUrl("a sqlite URL must name a file: sqlite:///bridgx.db")
    where = Path(file).expanduser().resolve()
    where.parent.mkdir(parents=True, exist_ok=True)
    return _Sqlite(
        str(where),
        pragmas={"journal_mode": "wal", "synchronous": "full", "foreign_keys": 1},
        timeout=BUSY_TIMEOUT,
        lock_type="IMMEDIATE",
    )


def _typed(value: str) -> Any:
    return int(value) if value.isdigit() else value
