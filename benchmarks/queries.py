"""Lists and usage with 1,000 machines in the inventory, and with 1,000,000 of which all but 1,000 are history."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from bridgx_server.store import listing, usage
from bridgx_server.store.database import Store
from bridgx_server.store.listing import MachineFilter
from bridgx_server.store.migrations import migrate
from bridgx_server.store.models import InstanceRow
from bridgx_server.store.paging import PageOf
from bridgx_server.store.scope import EVERYTHING
from bridgx_server.store.usage import Day
from result import Result

FEW, MANY = 1_000, 1_000_000
CLUSTER = 1_000  # machines of a cluster
REPEATS = 60
DAY = 86_400_000  # ms
COLUMNS = (
    *("instance_id", "provider", "account_id", "account_key", "region_id", "zone_id", "cluster_id", "cluster_name"),
    *("task_id", "chunk_id", "instance_type", "image_id", "status", "reason", "ip_inner", "ip_outer"),
    *("created_at", "running_at", "deleting_at", "gone_at", "delete_sent_at", "absences", "absent_at"),
)
BATCH = 5_000  # rows an INSERT

PAGE = PageOf(1, 50)


def lists(directory: Path) -> Iterator[Result]:
    """p50 of each query at both sizes."""
    few, many = _filled(directory, FEW), _filled(directory, MANY)
    for name, query in _queries().items():
        least, most = _medians(query, few, many)
        text = f"{most * 1000:.2f} ms at {MANY:,}"
        yield Result(name, text, f"{least * 1000:.2f} ms at {FEW:,}", most / least, "≤ 1.5")
    few.close()
    many.close()


def _queries() -> Mapping[str, Callable[[Store], object]]:
    def page(which: MachineFilter) -> Callable[[Store], object]:
        return lambda store: listing.page_machines(store, EVERYTHING, which, PAGE)

    def today(store: Store) -> Day:
        begins = store.now() // DAY * DAY
        return Day(begins, begins + DAY)

    return {
        "list machines": page(MachineFilter()),
        "list machines of a cluster": page(MachineFilter(cluster_name="cluster-0")),
        "list machines of an account": page(MachineFilter(account_key="key-0")),
        "list running machines": page(MachineFilter(statuses=("running",))),
        "list running machines of a cluster": page(MachineFilter(cluster_name="cluster-0", statuses=("running",))),
        "find a machine by address": page(MachineFilter(ip="10.0.0.7")),
        "find a machine by id": page(MachineFilter(instance_id="i-7")),
        "count running machines": lambda store: listing.count_running(store, EVERYTHING, "", ""),
        "usage of today, total": lambda store: usage.total(store, EVERYTHING, today(store), "", store.now()),
        "usage of today, rows": lambda store: usage.page(store, EVERYTHING, today(store), "", store.now(), PAGE),
        "usage of today, one cluster": lambda store: usage.total(
            store, EVERYTHING, today(store), "cluster-0", store.now()
        ),
    }


def _medians(query: Callable[[Store], object], *stores: Store) -> list[float]:
    """Seconds; the stores by turns, so that what else the machine does strikes all of them."""
    times: list[list[float]] = [[] for _ in stores]
    for _ in range(REPEATS):
        for store, measured in zip(stores, times, strict=True):
            begun = time.perf_counter()
            query(store)
            measured.append(time.perf_counter() - begun)
    return [statistics.median(measured) for measured in times]


def _filled(directory: Path, count: int) -> Store:
    """The newest 1,000 run since yesterday; what is older ran for an hour, a cluster after the other."""
    store = Store(f"sqlite:///{directory}/{count}.db")
    migrate(store)
    now = store.now()
    with store.transaction():
        for start in range(0, count, BATCH):
            rows = [_row(count - 1 - number, now) for number in range(start, min(start + BATCH, count))]
            marks = ", ".join("?" for _ in COLUMNS)
            store.database.connection().executemany(
                f"INSERT INTO {InstanceRow._meta.table_name} ({', '.join(COLUMNS)}) VALUES ({marks})", rows
            )
    with store.connection():
        store.database.execute_sql("ANALYZE")
    return store


def _row(age: int, now: int) -> tuple[object, ...]:
    """The machine before which ``age`` younger ones were made."""
    cluster = age // CLUSTER
    began = now - (DAY if cluster == 0 else DAY * (1 + cluster % 300) * 2)
    gone = 0 if cluster == 0 else began + 3_600_000
    address = f"10.{age >> 16 & 255}.{age >> 8 & 255}.{age & 255}"
    status = "deleted" if gone else "running"
    values: dict[str, object] = {
        "instance_id": f"i-{age}",
        "provider": "AWSCloud",
        "account_id": 1 + cluster % 10,
        "account_key": f"key-{cluster}",
        "region_id": "us-east-1",
        "zone_id": "us-east-1a",
        "cluster_id": 1 + cluster,
        "cluster_name": f"cluster-{cluster}",
        "task_id": 1 + cluster,
        "chunk_id": 1 + age // 100,
        "instance_type": "m5.large",
        "image_id": "ami-1",
        "status": status,
        "reason": "",
        "ip_inner": address,
        "ip_outer": "",
        "created_at": began,
        "running_at": began + 30_000,
        "deleting_at": gone,
        "gone_at": gone,
        "delete_sent_at": 0,
        "absences": 0,
        "absent_at": 0,
    }
    return tuple(values[name] for name in COLUMNS)
