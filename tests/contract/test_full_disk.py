"""A database that has no room left is named, to the caller and in the log, and goes on when it has room again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import bridgx.v1 as pb
import grpc
import pytest
from bridgx import Client, failure_of
from bridgx_server import logs
from bridgx_server.server import Parts, Server
from bridgx_server.settings import Settings
from bridgx_server.store.database import Store
from bridgx_server.store.migrations import migrate
from bridgx_server.store.secrets import Keyring
from contract.conftest import until

# The servers' own errors for it, on their own wires: no test may fill a disk that others use.
_POSTGRESQL = (
    "CREATE FUNCTION full_disk() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'could not extend file'"
    " USING ERRCODE = '53100'; END $$ LANGUAGE plpgsql",
    "CREATE TRIGGER full_disk BEFORE INSERT ON tokens FOR EACH ROW EXECUTE FUNCTION full_disk()",
)
_MARIADB = (
    "CREATE TRIGGER full_disk BEFORE INSERT ON tokens FOR EACH ROW"
    " SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1021, MESSAGE_TEXT = 'Disk full (/tmp)'",
)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    store = Store(database_url)
    migrate(store)
    yield store
    store.close()


def _fill(store: Store) -> None:
    if store.dialect == "sqlite":  # which says SQLITE_FULL for its own bound as for the disk's
        with store.connection():
            (pages,) = store.database.execute_sql("PRAGMA page_count").fetchone()
        store.database.pragma("max_page_count", pages, permanent=True)
        return
    with store.connection():
        for statement in _POSTGRESQL if store.dialect == "postgresql" else _MARIADB:
            store.database.execute_sql(statement)


def _make_room(store: Store) -> None:
    if store.dialect == "sqlite":
        store.database.pragma("max_page_count", 1_000_000, permanent=True)
        return
    with store.connection():
        store.database.execute_sql(f"DROP TRIGGER full_disk{' ON tokens' if store.dialect == 'postgresql' else ''}")


def test_a_full_disk_is_named_and_over_when_there_is_room(store: Store, database_url: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with ExitStack() as stack:
        stack.enter_context(logs.written_to(stack.enter_context(log.open("w")), "info", "json"))
        settings = Settings(database_url=database_url, grpc_port=0, worker=False, stop_grace=1.0)
        _fill(store)
        server = Server(Parts(settings, store, Keyring.of(bytes(32)), {"root": "root-token"}))
        server.start()
        stack.callback(server.stop)
        client = stack.enter_context(Client(f"127.0.0.1:{server.port}", "root-token", timeout=60))

        def create(number: int) -> None:
            request = pb.CreateTokenRequest(name=f"{number:04}" + "x" * 50, role="viewer", all_accounts=True)
            client.tokens.CreateToken(request)

        def use_up() -> None:  # what is free in the file
            for number in range(1000):
                create(number)

        with pytest.raises(grpc.RpcError) as caught:
            use_up()
        failure = failure_of(caught.value)
        assert (failure.reason, caught.value.code()) == ("store_unavailable", grpc.StatusCode.UNAVAILABLE)
        assert "disk is full" in failure.message
        assert client.tokens.ListTokens(pb.ListTokensRequest()).pager.total < 1000
        _make_room(store)

        def works() -> bool:
            try:
                create(1000)
            except grpc.RpcError as error:
                if failure_of(error).reason != "store_unavailable":
                    raise
                return False
            return True

        until(works)  # on SQLite the bound is each connection's own, and one of another thread has to meet it first
    events = [json.loads(line) for line in log.read_text().splitlines()]
    told = [line for line in events if line["event"] == "database full" and "CreateToken" in line["method"]]
    assert told
    assert {line["level"] for line in told} == {"error"}
