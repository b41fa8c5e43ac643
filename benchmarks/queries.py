"""Lists and usage with 1,000 machines and rows of the audit, and with 1,000,000 of each. All machines but 900 are history."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from bridgx_server.store import audit, listing, usage
from bridgx_server.store.audit import AuditFilter
from bridgx_server.store.database import Store
from bridgx_server.store.listing import MachineFilter
from bridgx_server.store.migrations import migrate
from bridgx_server.store.models import AuditRow, InstanceRow
from bridgx_server.store.paging import PageOf
from bridgx_server.store.scope import EVERYTHING
from bridgx_server.store.usage import Day
from result import Result

FEW, MANY = 1_000, 1_000_000
CLUSTER = 1_000  # machines of a cluster
RUNNING = 900  # the newest machines, all of one cluster; its others are gone
REPEATS = 60
DAY = 86_400_000  # ms
COLUMNS = (
    *("instance_id", "provider", "account_id", "account_key", "region_id", "zone_id", "cluster_id", "cluster_name"),
    *("task_id", "chunk_id", "instance_type", "image_id", "status", "reason", "ip_inner", "ip_outer"),
    *("created_at", "running_at", "deleting_at", "gone_at", "delete_sent_at", "absences", "absent_at"),
    *("protected", "recorded_at"),
)
AUDIT_COLUMNS = (
    *("at", "actor", "actor_kind", "actor_key", "operation", "resource_kind", "resource", "provider", "account_id"),
    *("account_key", "outcome", "message", "address", "proxy", "request_id", "detail_json"),
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

    def audited(which: AuditFilter) -> Callable[[Store], object]:
        return lambda store: audit.page(store, EVERYTHING, which, PAGE, about_no_account=True)

    def today(store: Store) -> Day:
        begins = store.now() // DAY * DAY
        return Day(begins, begins + DAY)

    return {
        "list machines": page(MachineFilter()),
        "list machines of a cluster": page(MachineFilter(cluster_name="cluster-0")),
        "list machines of an account": page(MachineFilter(account_key="key-0")),
        "list machines of a cloud": page(MachineFilter(provider="AWSCloud")),
        "list deleted machines": page(MachineFilter(statuses=("deleted",))),
        "list deleted machines of a cloud": page(MachineFilter(provider="AWSCloud", statuses=("deleted",))),
        "list gone machines": page(MachineFilter(statuses=("deleted", "lost"))),
        "list running machines": page(MachineFilter(statuses=("running",))),
        "list running machines of a cluster": page(MachineFilter(cluster_name="cluster-0", statuses=("running",))),
        "list running machines of a cloud": page(MachineFilter(provider="AWSCloud", statuses=("running",))),
        "find a machine by address": page(MachineFilter(ip="10.0.0.7")),
        "find a machine by id": page(MachineFilter(instance_id="i-7")),
        "count running machines": lambda store: listing.count_running(store, EVERYTHING, "", ""),
        "usage of today, total": lambda store: usage.total(store, EVERYTHING, today(store), "", store.now()),
        "usage of today, rows": lambda store: usage.page(store, EVERYTHING, today(store), "", store.now(), PAGE),
        "usage of today, one cluster": lambda store: usage.total(
            store, EVERYTHING, today(store), "cluster-0", store.now()
        ),
        "list the audit": audited(AuditFilter()),
        "list the audit of a kind of thing": audited(AuditFilter(resource_kind="cluster")),
        "list the audit of a thing": audited(AuditFilter(resource="cluster-0")),
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
    """The newest 900 run since yesterday; what is older ran for an hour, a cluster after the other."""
    store = Store(f"sqlite:///{directory}/{count}.db")
    migrate(store)
    now = store.now()
    with store.transaction():
        for start in range(0, count, BATCH):
            ages = range(count - 1 - start, count - 1 - min(start + BATCH, count), -1)
            for table, columns, row in ((InstanceRow, COLUMNS, _row), (AuditRow, AUDIT_COLUMNS, _audit_row)):
                marks = ", ".join("?" for _ in columns)
                store.database.connection().executemany(
                    f"INSERT INTO {table._meta.table_name} ({', '.join(columns)}) VALUES ({marks})",
                    [row(age, now) for age in ages],
                )
    with store.connection():
        store.database.execute_sql("ANALYZE")
    return store


def _row(age: int, now: int) -> tuple[object, ...]:
    """The machine before which ``age`` younger ones were made."""
    cluster = age // CLUSTER
    began = now - (DAY if cluster == 0 else DAY * (1 + cluster % 300) * 2)
    gone = 0 if age < RUNNING else began + 3_600_000
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
        "protected": False,
        "recorded_at": began,
    }
    return tuple(values[name] for name in COLUMNS)


def _audit_row(age: int, now: int) -> tuple[object, ...]:
    """The row before which ``age`` younger ones were written: one a minute, every tenth about a cluster of its own."""
    kind, name = ("task", str(age)) if age % 10 else ("cluster", f"cluster-{age // CLUSTER}")
    values: dict[str, object] = {
        "at": now - 60_000 * (age + 2),
        "actor": f"caller-{age % 7}",
        "actor_kind": "token",
        "actor_key": f"token-{age % 7}",
        "operation": "TaskService.ExpandCluster",
        "resource_kind": kind,
        "resource": name,
        "provider": "AWSCloud",
        "account_id": 1 + age % 10,
        "account_key": f"key-{age % 10}",
        "outcome": "success",
        "message": "",
        "address": "10.0.0.1",
        "proxy": "",
        "request_id": f"request-{age}",
        "detail_json": "{}",
    }
    return tuple(values[name] for name in AUDIT_COLUMNS)
