"""Databases to test on: a file, and real servers, in databases that are made and dropped here."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

SERVERS = {
    "postgresql": ("BRIDGX_TEST_POSTGRESQL_URL", "postgresql://postgres@127.0.0.1:5432/postgres"),
    "mariadb": ("BRIDGX_TEST_MARIADB_URL", "mariadb://root@127.0.0.1:3306/mysql"),
}
DATABASES = ("sqlite", *SERVERS)


def _connect(kind: str, url: str) -> Any:
    parts = urlsplit(url)
    name = parts.path.lstrip("/")
    if kind == "postgresql":
        import psycopg

        return psycopg.connect(
            host=parts.hostname,
            port=parts.port or 5432,
            user=parts.username,
            password=parts.password,
            dbname=name,
            autocommit=True,
            connect_timeout=5,
        )
    import pymysql

    return pymysql.connect(
        host=parts.hostname,
        port=parts.port or 3306,
        user=parts.username,
        password=parts.password or "",
        database=name,
        autocommit=True,
        connect_timeout=5,
    )


def _made_database(kind: str) -> Iterator[str]:
    variable, default = SERVERS[kind]
    url = os.environ.get(variable, default)
    try:
        connection = _connect(kind, url)
    except Exception as error:
        # In CI the servers are there, or something is wrong; on a user's machine they may be missing.
        if os.environ.get("CI") or os.environ.get(variable):
            raise
        pytest.skip(f"{kind} is not at {default} ({type(error).__name__}); {variable} names another")
    name = f"bridgx_test_{uuid.uuid4().hex[:12]}"
    connection.cursor().execute(f"CREATE DATABASE {name}")
    yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
    force = " WITH (FORCE)" if kind == "postgresql" else ""
    connection.cursor().execute(f"DROP DATABASE {name}{force}")
    connection.close()


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of each kind, as a URL."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/bridgx.db"
    else:
        yield from _made_database(request.param)


@pytest.fixture(scope="module", params=DATABASES)
def module_database_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database of each kind that the tests of a module share."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path_factory.mktemp('database')}/bridgx.db"
    else:
        yield from _made_database(request.param)


@pytest.fixture(params=list(SERVERS))
def server_database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty database of each kind that several processes may share."""
    yield from _made_database(request.param)
