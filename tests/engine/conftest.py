"""A store, a cluster and an engine over a cloud in memory, with every time short."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from bridgx_server.errors import NotFound
from bridgx_server.providers.base import Charge, Disk
from bridgx_server.scaling import tasks as api
from bridgx_server.scaling.assembly import make_engine, make_worker
from bridgx_server.scaling.engine import Engine, EngineSettings, Template
from bridgx_server.scaling.tasks import TaskView
from bridgx_server.scaling.worker import Worker
from bridgx_server.store.chunks import Placement
from bridgx_server.store.database import Store
from bridgx_server.store.migrations import migrate
from bridgx_server.store.models import ClusterRow, InstanceRow
from bridgx_server.store.scope import EVERYTHING
from engine.fake_cloud import FakeCloud

QUICK = EngineSettings(
    lease=2.0,
    poll=0.02,
    poll_limit=0.1,
    idle=0.05,
    boot_timeout=20.0,
    answer=0.1,
    visibility=0.3,
    token_life=600.0,
    give_up=3.0,
    reconcile=600.0,
)


@dataclass
class World:
    """One cluster, its cloud, and whatever workers a test starts."""

    store: Store
    cloud: FakeCloud
    settings: EngineSettings
    workers: list[Worker] = field(default_factory=list)
    zones: tuple[str, ...] = ("zone-a",)

    # The engine's two seams.

    def provider(self, account_id: int) -> FakeCloud:
        return self.cloud

    def template(self, cluster_id: int) -> Template:
        with self.store.connection():
            row = ClusterRow.get_or_none((ClusterRow.id == cluster_id) & (ClusterRow.deleted_at == 0))
        if row is None:
            raise NotFound("cluster", str(cluster_id))
        return Template(
            cluster_id=row.id,
            cluster_name=row.name,
            provider=row.provider,
            account_id=row.account_id,
            account_key=row.account_key,
            region_id=row.region_id,
            image_id=row.image_id,
            vpc_id=row.vpc_id,
            security_group_id=row.security_group_id,
            internet_charge_type="PayByTraffic",
            bandwidth_mbps=0,
            charge=Charge(),
            system_disk=Disk("cloud_efficiency", 40),
            data_disks=(),
            tags={},
            placements=tuple(Placement(rank, zone, f"subnet-{zone}", "type-1") for rank, zone in enumerate(self.zones)),
            password="secret-word",
        )

    def engine(self) -> Engine:
        return make_engine(self.store, self, self, self.settings)

    def start_worker(self) -> Worker:
        worker = make_worker(self.engine())
        worker.start()
        self.workers.append(worker)
        return worker

    # What a user does and sees.

    def expand(self, count: int, cluster: str = "web") -> int:
        return api.submit_expand(self.store, EVERYTHING, cluster_name=cluster, task_name="", count=count, caller="test")

    def shrink(self, count: int = 0, ips: tuple[str, ...] = (), cluster: str = "web") -> int:
        return api.submit_shrink(
            self.store, EVERYTHING, cluster_name=cluster, task_name="", count=count, ips=ips, caller="test"
        )

    def task(self, task_id: int) -> TaskView:
        return api.describe(self.store, EVERYTHING, task_id)

    def ended(self, task_id: int, within: float = 20.0) -> TaskView:
        wait_for(lambda: self.task(task_id).finished_at > 0, within, lambda: str(self.task(task_id)))
        return self.task(task_id)

    def inventory(self, *statuses: str) -> set[str]:
        with self.store.connection():
            return {row.instance_id for row in InstanceRow.select() if row.status in statuses}

    def add_cluster(self, name: str, max_machines: int = 1000) -> None:
        with self.store.transaction():
            ClusterRow.create(
                name=name,
                provider=self.cloud.name,
                account_id=1,
                account_key="key",
                region_id="region-1",
                zone_id="zone-a",
                instance_type="type-1",
                image_id="image-1",
                vpc_id="vpc-1",
                subnet_id="subnet-1",
                security_group_id="sg-1",
                internet_charge_type="PayByTraffic",
                bandwidth_mbps=0,
                charge_type="PostPaid",
                period_unit="",
                period=0,
                system_disk_category="cloud_efficiency",
                system_disk_size_gib=40,
                data_disks_json="[]",
                tags_json="{}",
                placements_json="[]",
                password="",
                description="",
                max_machines=max_machines,
                created_at=self.store.now(),
                created_by="test",
            )


def wait_for(condition: Callable[[], bool], within: float = 60.0, seen: Callable[[], str] = lambda: "") -> None:
    """Waits for a condition; `within` only bounds a test that would otherwise hang."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within} s: {seen()}")
        time.sleep(0.02)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    store = Store(f"sqlite:///{tmp_path}/bridgx.db")
    migrate(store)
    world = World(store, FakeCloud(), replace(QUICK))
    world.add_cluster("web")
    yield world
    for worker in world.workers:
        worker.stop()
    store.close()
