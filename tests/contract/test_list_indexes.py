"""Every filter of every list has an index: no statement behind a list reads a table that grows from end to end.

The filters are those of the protos, so that a new one without an index, or without a sample here, fails.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bridgx.v1 as pb
import pytest
from bridgx import Client
from bridgx_server.interceptors.operations import OPERATIONS
from bridgx_server.providers.base import Credentials
from bridgx_server.server import Parts, Server
from bridgx_server.settings import Settings
from bridgx_server.store import accounts, networks, tokens
from bridgx_server.store.database import Store
from bridgx_server.store.migrations import migrate
from bridgx_server.store.models import TABLES, FindingRow, OrphanRow
from bridgx_server.store.scope import EVERYTHING, AccountName, Scope
from bridgx_server.store.secrets import Keyring
from contract.tenants import called, methods
from google.protobuf.timestamp_pb2 import Timestamp

CLOUD = "AlibabaCloud"
CATALOG = {"ListRegions", "ListZones", "ListInstanceTypes", "ListImages"}  # ask a cloud
PAGING = {"page_number", "page_size"}
REQUIRED = {"vpc_id"}
SAMPLES: dict[str, object] = {
    "account": "key-0",
    "caller": "someone",
    "cluster_name": "web",
    "date": "2026-01-01",
    "instance_id": "i-1",
    "ip": "10.0.0.1",
    "kind": "lost",
    "operation": "TaskService.ExpandCluster",
    "outcome": "success",
    "provider": CLOUD,
    "region_id": "cn-qingdao",
    "resource": "web",
    "resource_kind": "cluster",
    "security_group_name": "group",
    "since": Timestamp(seconds=1_700_000_000),
    "status": "running,lost",
    "switch_name": "subnet",
    "until": Timestamp(seconds=1_800_000_000),
    "vpc_id": "vpc-1",
    "vpc_name": "net",
}
# Their rows are as many as there are accounts, regions and tokens, or calls to the clouds under way.
BOUNDED = {
    *("accounts", "comparisons", "watches", "tokens", "token_accounts", "installation"),
    *("limiters", "buckets", "flows", "calls"),
}
GROWING = {table._meta.table_name for table in TABLES} - BOUNDED
# Reads the newest rows alone: from the end back to the first that is a minute old.
SETTLED = re.compile(
    r'SELECT "t1"."id" FROM .* WHERE \("t1"."(created_at|recorded_at|at)" < \?\) ORDER BY "t1"."id" DESC LIMIT \?'
)

RPCS = sorted(
    rpc
    for rpc, operation in OPERATIONS.items()
    if not operation.changes and re.match("List|Count|GetUsage", rpc.split(".")[1]) and rpc.split(".")[1] not in CATALOG
)
FILTERS = [(rpc, one.name) for rpc in RPCS for one in methods()[rpc].input_type.fields if one.name not in PAGING]
SCOPES = {
    "everything": EVERYTHING,
    "one account": Scope.of([AccountName(CLOUD, "key-0")]),
    "two accounts": Scope.of([AccountName(CLOUD, f"key-{number}") for number in range(2)]),
}


@dataclass
class Watched:
    """A server, and the statements that it sends to its database."""

    store: Store
    clients: dict[str, Client]
    statements: list[tuple[str, Any]] = field(default_factory=list)

    def scans(self, scope: str, rpc: str, **fields: object) -> list[str]:
        """The statements of a call that read a growing table from end to end, and what the database says of them."""
        request = getattr(pb, methods()[rpc].input_type.name)(**fields)
        self.statements.clear()
        called(self.clients[scope], rpc, request)
        selects = [one for one in self.statements if one[0].startswith("SELECT")]
        assert selects, "nothing was read"
        return [
            f"{step}: {sql}"
            for sql, values in selects
            if not SETTLED.fullmatch(sql)
            for step in self._scans(sql, values)
        ]

    def _scans(self, sql: str, values: Any) -> Iterator[str]:
        tables = {alias: table for table, alias in re.findall(r'"(\w+)" AS "(\w+)"', sql)}
        with self.store.connection():
            plan = self.store.database.connection().execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()
        for *_, step in plan:
            scanned = re.match(r"SCAN (\w+)", step)
            if scanned and tables.get(scanned[1]) in GROWING:
                yield step


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    directory = tmp_path_factory.mktemp("indexes")
    settings = Settings(database_url=f"sqlite:///{directory}/bridgx.db", grpc_port=0, worker=False)
    store = Store(settings.database_url)
    migrate(store)
    _furnish(store)
    made = {
        name: tokens.create(store, name=name, role="admin", scope=scope, lifetime=86_400, caller="test")[0]
        for name, scope in SCOPES.items()
    }
    server = Server(Parts(settings, store, Keyring.of(b"k" * 32), {}))
    server.start()
    watched = Watched(store, {name: Client(f"127.0.0.1:{server.port}", token) for name, token in made.items()})
    _listen(store, watched.statements.append)
    yield watched
    for client in watched.clients.values():
        client.close()
    server.stop()
    store.close()


def _furnish(store: Store) -> None:
    """A row wherever a list asks more once it has found one. The accounts' secrets cannot be opened: no cloud is asked."""
    unknown = Keyring.of(b"u" * 32)
    owned = [
        accounts.register(store, unknown, Credentials(CLOUD, f"key-{number}", "secret"), name="a", caller="test")
        for number in range(2)
    ]
    networks.add_vpc(store, owned[0], "cn-qingdao", "vpc-1", "net", "10.0.0.0/16", "test")
    place = {"account_id": owned[0].id, "region_id": "cn-qingdao", "instance_id": "i-1"}
    with store.transaction():
        OrphanRow.create(**place, state="running", tags_json="{}", seen_at=store.now())
        for kind in ("lost", "orphan"):
            FindingRow.create(
                **place, kind=kind, provider=CLOUD, account_key="key-0", first_seen_at=store.now(), seen_at=store.now()
            )


def _listen(store: Store, told: Callable[[tuple[str, Any]], None]) -> None:
    execute = store.database.execute_sql

    def execute_sql(sql: str, params: Any = None) -> Any:
        told((sql, params or ()))
        return execute(sql, params)

    store.database.execute_sql = execute_sql


def samples(rpc: str, *names: str) -> dict[str, object]:
    required = [one.name for one in methods()[rpc].input_type.fields if one.name in REQUIRED]
    missing = sorted(set(names) - set(SAMPLES))
    assert not missing, (
        f"{rpc} has a filter {', '.join(missing)}: give it a sample here, and an index in store/versions"
    )
    return {name: SAMPLES[name] for name in (*required, *names)}


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize(("rpc", "name"), FILTERS, ids=[f"{rpc}-{name}" for rpc, name in FILTERS])
def test_a_filter_reads_no_table_from_end_to_end(watched: Watched, rpc: str, name: str, scope: str) -> None:
    assert watched.scans(scope, rpc, **samples(rpc, name)) == []


@pytest.mark.parametrize("rpc", sorted({rpc for rpc, _ in FILTERS}))
def test_all_filters_together_read_no_table_from_end_to_end(watched: Watched, rpc: str) -> None:
    names = [name for other, name in FILTERS if other == rpc]
    assert watched.scans("everything", rpc, **samples(rpc, *names)) == []


def test_clusters_that_were_deleted_do_not_slow_the_list_of_the_others(watched: Watched) -> None:
    assert watched.scans("everything", "ClusterService.ListClusters") == []


def test_a_scan_is_seen(watched: Watched, tmp_path: Path) -> None:
    """Without its index a filter fails here."""
    with watched.store.connection():
        watched.store.database.connection().execute("DROP INDEX instances_provider_id")
    try:
        (page,) = watched.scans("everything", "InstanceService.ListInstances", provider=CLOUD)
        assert page.startswith("SCAN t1: ")
    finally:
        with watched.store.connection():
            watched.store.database.connection().execute(
                'CREATE INDEX "instances_provider_id" ON "instances" ("provider", "id")'
            )
