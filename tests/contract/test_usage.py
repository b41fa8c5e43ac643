"""Machine-seconds through the API: to the second what a slow and obvious model counts, whatever machines go through."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import bridgx.v1 as pb
import pytest
from bridgx import Client
from bridgx_server.server import Parts, Server
from bridgx_server.settings import Settings
from bridgx_server.store.database import Store
from bridgx_server.store.migrations import migrate
from bridgx_server.store.models import InstanceRow
from bridgx_server.store.secrets import Keyring
from contract.conftest import until
from contract.reconciling import KEY, TOKEN, World, a_world
from contract.test_reconcile import settle
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

MINUTE = 60_000  # ms
DAYS = 4
SPAN = DAYS * 86_400_000

# Zones and the days around the changes of their clocks: by an hour, by half an hour, at midnight itself, and never.
PLACES = {
    "UTC": date(2026, 1, 30),
    "Asia/Shanghai": date(2026, 2, 27),
    "Europe/Berlin": date(2026, 3, 27),
    "America/New_York": date(2025, 10, 31),
    "Africa/Cairo": date(2026, 4, 22),
    "Australia/Lord_Howe": date(2026, 4, 3),
}


@cache
def minutes_of(zone: str, day: date) -> list[int]:
    """The minutes, in ms since the epoch, in which the calendar on the wall shows that day."""
    clock = ZoneInfo(zone)
    first = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(days=1)
    every = (first + timedelta(minutes=number) for number in range(3 * 1440))
    return [int(moment.timestamp() * 1000) for moment in every if moment.astimezone(clock).date() == day]


def by_hand(begins: int, ends: int, zone: str, day: date) -> int:
    """Whole seconds of a life within a day, minute by minute."""
    up = sum(max(0, min(ends, minute + MINUTE) - max(begins, minute)) for minute in minutes_of(zone, day))
    return up // 1000


class Books:
    """Servers in several time zones over one database."""

    def __init__(self, url: str) -> None:
        self.store = Store(url)
        migrate(self.store)
        self._servers: dict[str, tuple[Server, Client]] = {}

    def client(self, zone: str) -> Client:
        if zone not in self._servers:
            made = Settings(database_url="sqlite:///unused.db", grpc_port=0, worker=False, time_zone=zone)
            server = Server(Parts(made, self.store, Keyring.of(KEY), {"tester": TOKEN}))
            server.start()
            self._servers[zone] = (server, Client(f"127.0.0.1:{server.port}", TOKEN, timeout=60))
        return self._servers[zone][1]

    def close(self) -> None:
        for server, client in self._servers.values():
            client.close()
            server.stop()
        self.store.close()

    def write(self, lives: list[tuple[str, int, int]]) -> None:
        """The inventory: machines of a cluster that ran from a moment to another."""
        with self.store.transaction():
            InstanceRow.delete().execute()
            for number, (cluster, begins, ends) in enumerate(lives):
                InstanceRow.create(
                    instance_id=f"i-{number}",
                    provider="AWSCloud",
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
                    status="deleted" if ends else "running",
                    created_at=begins,
                    running_at=begins,
                    gone_at=ends,
                )


@pytest.fixture
def books(database_url: str) -> Iterator[Books]:
    books = Books(database_url)
    yield books
    books.close()


lengths = st.one_of(st.just(0), st.integers(1, 5_000), st.integers(1, SPAN))
lives = st.lists(st.tuples(st.sampled_from(["web", "db"]), st.integers(0, SPAN), lengths), max_size=70)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lives=lives, zone=st.sampled_from(sorted(PLACES)))
def test_total_and_statistics_agree_with_a_slow_and_obvious_model(
    books: Books, lives: list[tuple[str, int, int]], zone: str
) -> None:
    first = PLACES[zone]
    origin = int(datetime(first.year, first.month, first.day, tzinfo=UTC).timestamp() * 1000)
    whole = [(cluster, origin + start, origin + start + length if length else 0) for cluster, start, length in lives]
    books.write(whole)
    client = books.client(zone)
    for number in range(-1, DAYS + 2):
        day = first + timedelta(days=number)
        for cluster in ("", "web", "db", "other"):
            chosen = [life for life in whole if cluster in ("", life[0])]
            rows = list(client.list_usage(pb.ListUsageRequest(date=day.isoformat(), cluster_name=cluster)))
            total = client.fees.GetUsageTotal(
                pb.GetUsageTotalRequest(date=day.isoformat(), cluster_name=cluster)
            ).usage_total
            assert total == sum(row.startup_time for row in rows), (day, cluster)
            assert sorted(row.startup_time for row in rows if row.startup_time) == sorted(
                by_hand(begins, ends or 2**62, zone, day)
                for _, begins, ends in chosen
                if by_hand(begins, ends or 2**62, zone, day)
            ), (day, cluster)
            assert len({row.instance_id for row in rows}) == len(rows)


# What machines go through, on a simulated cloud.


@pytest.fixture
def world(database_url: str, tmp_path: Path) -> Iterator[World]:
    with a_world("AWSCloud", tmp_path, database_url) as world:
        yield world


def usage_of(world: World, cluster: str) -> dict[str, pb.InstanceUsage]:
    """Today's usage by machine; the days of a test that runs over midnight are both looked at."""
    days = {moment.date().isoformat() for moment in (datetime.now(UTC), datetime.now(UTC) - timedelta(minutes=10))}
    rows: dict[str, pb.InstanceUsage] = {}
    for day in sorted(days):
        rows |= {
            row.instance_id: row for row in world.client.list_usage(pb.ListUsageRequest(date=day, cluster_name=cluster))
        }
    return rows


def stopped(world: World, cluster: str, machine: str) -> pb.InstanceUsage:
    until(lambda: usage_of(world, cluster)[machine].HasField("shutdown_at"))
    return usage_of(world, cluster)[machine]


def test_a_machine_that_vanishes_is_counted_until_it_was_first_missed(world: World) -> None:
    cluster = world.expanded(2)
    settle()
    gone, stays = world.statuses(cluster)
    running = usage_of(world, cluster)
    assert not running[gone].HasField("shutdown_at")
    before = datetime.now(UTC).timestamp()
    world.delete_in_the_console(gone)
    world.compared()
    row = stopped(world, cluster, gone)
    assert row.startup_at == running[gone].startup_at
    assert before - 1 <= row.shutdown_at.seconds <= datetime.now(UTC).timestamp()
    settled = row.startup_time
    until(lambda: usage_of(world, cluster)[stays].startup_time > settled + 1)
    assert usage_of(world, cluster)[gone].startup_time == settled


def restarted(world: World, meanwhile: Callable[[], object]) -> None:
    """The server goes down, something happens, and another comes up."""
    world.server.stop()
    meanwhile()
    world.server = Server(Parts(world.settings, world.store, Keyring.of(KEY), {"tester": TOKEN}))
    world.server.start()
    world.client.close()
    world.client = Client(f"127.0.0.1:{world.server.port}", TOKEN, timeout=60)


def test_the_clouds_own_time_of_an_end_counts_where_it_gives_one(world: World) -> None:
    cluster = world.expanded(1)
    # AWS gives the time in whole seconds: the machine is up for longer.
    settle()
    settle()
    settle()
    (machine,) = world.statuses(cluster)
    world.control.delays(delete=[0.0, 0.0], keep_deleted=600.0)
    restarted(world, lambda: (world.provider.delete_machines(world.region, [machine]), settle(), settle(), settle()))
    world.compared()
    row = stopped(world, cluster, machine)
    (simulated,) = (row for row in world.control.state(world.cloud)["machines"] if row["machine_id"] == machine)
    assert row.shutdown_at.seconds == max(int(simulated["deleting_at"]), row.startup_at.seconds)
    assert world.statuses(cluster) == {machine: "Lost"}


def test_a_machine_that_is_adopted_counts_since_the_cloud_made_it(world: World) -> None:
    cluster = world.expanded(1)
    (adopted,) = world.statuses(cluster)
    world.forget(adopted)
    made_at = int(world.at_the_cloud()[adopted]["created_at"])
    settle()
    settle()
    settle()
    world.compared()
    until(lambda: adopted in usage_of(world, cluster))
    assert usage_of(world, cluster)[adopted].startup_at.seconds == made_at


def test_a_machine_that_was_believed_gone_counts_without_a_gap(world: World) -> None:
    cluster = world.expanded(1)
    settle()
    (machine,) = world.statuses(cluster)
    began = usage_of(world, cluster)[machine].startup_at
    fault = world.control.fault("incomplete_describe", cloud=world.cloud, params={"drop": 1.0})
    world.compared()
    stopped(world, cluster, machine)
    world.control.call("DELETE", f"/faults/{fault}")
    world.compared()
    until(lambda: not usage_of(world, cluster)[machine].HasField("shutdown_at"))
    asked_at = datetime.now(UTC).timestamp()
    row = usage_of(world, cluster)[machine]
    assert row.startup_at == began
    assert row.startup_time >= asked_at - began.seconds - 2


def test_a_machine_that_never_ran_counts_nothing(world: World) -> None:
    world.control.fault("never_boots", cloud=world.cloud, action="RunInstances", times=1)
    cluster = world.cluster()
    request = pb.ExpandClusterRequest(cluster_name=cluster, task_name="grow", count=1)
    task_id = world.client.tasks.ExpandCluster(request).task_id
    until(lambda: bool(world.statuses(cluster)))
    (machine,) = world.statuses(cluster)
    world.delete_in_the_console(machine)
    until(lambda: world.statuses(cluster)[machine] == "Lost")
    assert machine not in usage_of(world, cluster)
    assert world.client.wait_task(task_id, timeout=120).status == "SUCCESS"  # another came in its place
    assert len(usage_of(world, cluster)) == 1
