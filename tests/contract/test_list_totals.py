"""How many there are in all: exactly as many as the pages have, whatever is remembered of earlier counts."""

from __future__ import annotations

import contextlib
import itertools
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import bridgx.v1 as pb
import pytest
from bridgx import Client
from bridgx_server.server import Parts, Server
from bridgx_server.settings import Settings
from bridgx_server.store import audit, instances, listing
from bridgx_server.store.audit import Actor, Resource
from bridgx_server.store.database import Store
from bridgx_server.store.instances import STATUSES, Origin
from bridgx_server.store.listing import MachineFilter
from bridgx_server.store.migrations import migrate
from bridgx_server.store.models import InstanceRow
from bridgx_server.store.paging import PageOf
from bridgx_server.store.scope import EVERYTHING
from bridgx_server.store.secrets import Keyring
from google.protobuf.timestamp_pb2 import Timestamp
from peewee import fn

TOKEN = "token-of-tests"
PROVIDERS = ("AlibabaCloud", "AWSCloud")
CLUSTERS = ("web", "db")
DAY = 86_400_000  # ms
STEPS = 5


@dataclass
class Lists:
    """A server, and the database behind it. On SQLite its clock goes on as the test says."""

    url: str
    store: Store
    client: Client
    passed: list[float]

    def minutes_pass(self) -> None:
        self.passed.append(120.0)

    def machines(self, **fields: Any) -> int:
        return self.client.instances.ListInstances(pb.ListInstancesRequest(**fields)).pager.total

    def records(self, **fields: Any) -> int:
        return self.client.audit.ListAuditRecords(pb.ListAuditRecordsRequest(**fields)).pager.total


@pytest.fixture
def lists(database_url: str) -> Iterator[Lists]:
    with _lists(database_url) as lists:
        yield lists


@pytest.fixture
def server_lists(server_database_url: str) -> Iterator[Lists]:
    """On databases that have several writers."""
    with _lists(server_database_url) as lists:
        yield lists


@contextlib.contextmanager
def _lists(database_url: str) -> Iterator[Lists]:
    passed: list[float] = []
    store = Store(database_url, clock=lambda: time.time() + sum(passed))
    migrate(store)
    settings = Settings(database_url=database_url, grpc_port=0, worker=False)
    server = Server(Parts(settings, store, Keyring.of(b"k" * 32), {"tester": TOKEN}))
    server.start()
    with Client(f"127.0.0.1:{server.port}", TOKEN, timeout=60) as client:
        yield Lists(database_url, store, client, passed)
    server.stop()
    store.close()


def an_origin(provider: str = "AWSCloud", cluster: str = "web") -> Origin:
    return Origin(
        provider=provider,
        account_id=1,
        account_key="key",
        region_id="r",
        zone_id="z",
        cluster_id=1,
        cluster_name=cluster,
        task_id=1,
        chunk_id=1,
        instance_type="t",
        image_id="m",
    )


def test_totals_of_machines_are_exact_while_machines_come_go_and_come_back(lists: Lists) -> None:
    dice = random.Random(7)
    numbers = itertools.count()
    choices = [",".join(some) for size in (0, 1, 2, 5) for some in itertools.combinations(STATUSES, size)]
    for _ in range(STEPS):
        with lists.store.transaction():
            now = lists.store.now()
            for provider, cluster in itertools.product(PROVIDERS, CLUSTERS):
                instances.record(an_origin(provider, cluster), [f"i-{next(numbers)}" for _ in range(3)], now)
            instances.adopt(an_origin(), f"i-{next(numbers)}", created_at=now - DAY, running_at=now - DAY, now=now)
            for row in InstanceRow.select():
                if dice.random() < 0.5:
                    InstanceRow.update(status=dice.choice(STATUSES)).where(InstanceRow.id == row.id).execute()
            rows = [(row.provider, row.cluster_name, row.status) for row in InstanceRow.select()]
        for status in choices:
            of_status = [row for row in rows if not status or row[2] in status.split(",")]
            assert lists.machines(status=status) == len(of_status), status
            for provider in PROVIDERS:
                of_provider = [row for row in of_status if row[0] == provider]
                assert lists.machines(status=status, provider=provider) == len(of_provider), (status, provider)
            for cluster in CLUSTERS:
                of_cluster = [row for row in of_status if row[1] == cluster]
                assert lists.machines(status=status, cluster_name=cluster) == len(of_cluster), (status, cluster)
        lists.minutes_pass()


def test_totals_of_the_audit_are_exact_while_rows_are_added(lists: Lists) -> None:
    for step in range(1, STEPS):
        for kind in ("cluster", "vpc"):
            with audit.change(Actor("someone", "token"), "Some.Call"), lists.store.transaction():
                audit.changed(lists.store, Resource(kind, f"thing-{step}"))
        since = Timestamp(seconds=lists.store.now() // 1000 - 3600)
        assert lists.records() == lists.records(since=since) == 2 * step
        assert lists.records(resource_kind="cluster") == lists.records(resource_kind="vpc", caller="someone") == step
        assert lists.records(resource=f"thing-{step}") == 2
        assert lists.records(outcome="undone") == 0
        lists.minutes_pass()


@pytest.mark.parametrize("side", ["ip_inner", "ip_outer"])
def test_a_machine_is_found_by_its_address_on_either_side(lists: Lists, side: str) -> None:
    with lists.store.transaction():
        instances.record(an_origin(), [f"i-{number}" for number in range(100)], lists.store.now())
        InstanceRow.update({side: "10.0.0.7"}).where(InstanceRow.instance_id == "i-7").execute()
    (machine,) = lists.client.list_instances(pb.ListInstancesRequest(ip="10.0.0.7"))
    assert machine.instance_id == "i-7"
    assert lists.machines(ip="10.0.0.7", status="pending", provider="AWSCloud") == 1
    assert lists.machines(ip="10.0.0.8") == 0


@pytest.mark.parametrize("server_database_url", ["mariadb"], indirect=True)
def test_mariadb_finds_an_address_without_reading_every_machine(server_database_url: str) -> None:
    store = Store(server_database_url)
    migrate(store)
    with store.transaction():
        instances.record(an_origin(), [f"i-{number}" for number in range(3_000)], store.now())
        InstanceRow.update(ip_inner=fn.CONCAT("10.0.0.", InstanceRow.id)).execute()
    with store.connection():
        store.database.execute_sql("ANALYZE TABLE instances")
        store.database.execute_sql("FLUSH STATUS")
        page = listing.page_machines(store, EVERYTHING, MachineFilter(ip="10.0.0.7"), PageOf(1, 50))
        read = store.database.execute_sql("SHOW SESSION STATUS LIKE 'Handler_read%%'").fetchall()
    assert page.total == 1
    assert sum(int(number) for _, number in read) < 100
    store.close()


def test_a_machine_that_was_long_at_the_cloud_hides_none_that_is_being_written_down(server_lists: Lists) -> None:
    """Numbers are given out in another order than rows become visible."""
    lists, other = server_lists, Store(server_lists.url)
    with lists.store.transaction():
        now = lists.store.now()
        instances.record(an_origin(), ["first"], now)
        with other.transaction():
            instances.adopt(an_origin(), "second", created_at=now - DAY, running_at=now - DAY, now=now)
        assert lists.machines() == 1
    assert lists.machines() == 2
    other.close()
