"""Every simulated cloud at once, each with a cluster of its own name in one store, and workers that serve them all."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from bridgx_server.cloudsim.control_client import ControlClient
from bridgx_server.cloudsim.front import FRONTS
from bridgx_server.cloudsim.server import CloudSim
from bridgx_server.providers.base import (
    Charge,
    CreateSecurityGroup,
    CreateSubnet,
    CreateVpc,
    Credentials,
    MachineState,
    ProviderSettings,
)
from bridgx_server.providers.registry import ADAPTERS, ProviderRegistry
from bridgx_server.scaling import tasks as api
from bridgx_server.scaling.engine import EngineSettings
from bridgx_server.scaling.tasks import TaskView
from bridgx_server.store import accounts, chunks, clusters
from bridgx_server.store.chunks import Placement
from bridgx_server.store.clusters import ClusterTemplate
from bridgx_server.store.database import Store
from bridgx_server.store.migrations import migrate
from bridgx_server.store.models import InstanceRow
from bridgx_server.store.scope import EVERYTHING
from bridgx_server.store.secrets import Keyring
from engine.conftest import wait_for
from engine.wire_world import KEY, SETTINGS
from wire.conformance.clouds import CLOUDS, Cloud

ROWS: Mapping[str, Cloud] = {row.provider: row for row in CLOUDS if row.provider in FRONTS}
QUOTA = 100_000
RATES = "*.*=off"  # the clouds refuse what they are told to, and no more
FAULTY = replace(SETTINGS, lease=5.0, backoff=1.0)


@dataclass(frozen=True)
class Place:
    """Where the clusters of a cloud are: two zones that sell one type."""

    vpc_id: str
    group_id: str
    instance_type: str
    placements: tuple[Placement, ...]


@dataclass
class Clouds:
    """The simulator and the process that workers come from; shared by all tests of a module."""

    simulator: CloudSim
    control: ControlClient
    spawner: subprocess.Popen[str]
    places: Mapping[str, Place]
    directory: Path


@dataclass
class FaultWorld:
    """A fresh store with a cluster on each cloud, named as the cloud is."""

    clouds: Clouds
    store: Store
    config: Path
    pids: list[int] = field(default_factory=list)

    @property
    def control(self) -> ControlClient:
        return self.clouds.control

    def start_worker(self) -> int:
        spawner = self.clouds.spawner
        assert spawner.stdin is not None
        assert spawner.stdout is not None
        spawner.stdin.write(f"start - 1 {self.config}\n")
        spawner.stdin.flush()
        self.pids.append(int(spawner.stdout.readline()))
        return self.pids[-1]

    def kill(self, pid: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def fault(self, kind: str, operation: str = "", **fields: object) -> None:
        """On every cloud: `operation` is create, describe or delete; empty: any call."""
        for name, row in ROWS.items():
            self.control.fault(kind, cloud=name, action=getattr(row, operation) if operation else "*", **fields)

    def expand(self, count: int) -> dict[str, int]:
        return {
            name: api.submit_expand(
                self.store, EVERYTHING, cluster_name=name, task_name="t", count=count, caller="test"
            )
            for name in ROWS
        }

    def shrink(self, count: int) -> dict[str, int]:
        return {
            name: api.submit_shrink(
                self.store, EVERYTHING, cluster_name=name, task_name="t", count=count, ips=(), caller="test"
            )
            for name in ROWS
        }

    def are_over(self, tasks: Mapping[str, int]) -> bool:
        return all(api.describe(self.store, EVERYTHING, task_id).finished_at for task_id in tasks.values())

    def ended(self, tasks: Mapping[str, int], within: float = 120.0) -> dict[str, TaskView]:
        """The tasks by cloud, when all of them have ended."""

        def seen() -> str:
            views = {name: api.describe(self.store, EVERYTHING, task_id) for name, task_id in tasks.items()}
            return "\n".join(f"{name}: {view}" for name, view in views.items() if not view.finished_at)

        wait_for(lambda: self.are_over(tasks), within, seen)
        return {name: api.describe(self.store, EVERYTHING, task_id) for name, task_id in tasks.items()}

    def inventory(self, cloud: str) -> dict[str, str]:
        with self.store.connection():
            rows = InstanceRow.select().where(InstanceRow.provider == cloud)
            return {row.instance_id: row.status for row in rows}

    def alive(self, cloud: str) -> dict[str, str]:
        """What the cloud has of this store's: zones by machine."""
        name = chunks.installation(self.store)
        found = [row for row in self.control.machines(cloud) if row["tags"].get("bridgx") == name]
        failed = [row["machine_id"] for row in found if row["state"] == "failed"]
        ended = set(failed) - self._kept(cloud, failed)
        return {row["machine_id"]: row["zone"] for row in found if row["machine_id"] not in ended}

    def _kept(self, cloud: str, failed: list[str]) -> set[str]:
        """Those that a cloud keeps: some end by themselves a machine that cannot start."""
        if not failed:
            return set()
        endpoint = self.clouds.simulator.endpoints[cloud]
        provider = ProviderRegistry({cloud: ProviderSettings(endpoint=endpoint)}).get(_credentials(cloud))
        shown = provider.describe_machines(ROWS[cloud].region, failed)
        return {machine.instance_id for machine in shown if machine.state is not MachineState.DELETED}

    def deletions(self, cloud: str) -> int:
        return len(self.control.calls(cloud, ROWS[cloud].delete))

    def take_back(self) -> None:
        """TencentCloud deletes by itself, in its own time, what it could not start, and nobody else can: it does now."""
        for row in self.control.machines("TencentCloud"):
            if row["state"] in ("failed", "pending"):
                self.control.call("DELETE", f"/machines/{row['machine_id']}")

    def assert_exactly(self, running: int, deleted: int = 0) -> None:
        """On every cloud: as many run there as here, the very same, as many have gone, and there is no other."""
        for name in ROWS:
            expected = {"running": running, "deleted": deleted}

            def states(name: str = name) -> dict[str, int]:
                # Where the cloud ended it by itself, it counts as lost.
                found = ["deleted" if state == "lost" else state for state in self.inventory(name).values()]
                return {state: found.count(state) for state in {*found, "running", "deleted"}}

            def same(name: str = name) -> bool:
                running_here = {key for key, status in self.inventory(name).items() if status == "running"}
                return set(self.alive(name)) == running_here

            wait_for(
                lambda: states() == expected and same(),  # noqa: B023 - waited for before the next round
                60,
                lambda: f"{name}: {states()}, not {expected}; the cloud has {len(self.alive(name))}",  # noqa: B023
            )


@contextlib.contextmanager
def all_clouds(directory: Path) -> Iterator[Clouds]:
    """Starts the simulator with every cloud, and a process that has imported every adapter."""
    simulator = CloudSim.start(directory / "clouds", clouds=list(ROWS))
    config = {"key": KEY, "endpoints": simulator.endpoints, "import": [ADAPTERS[name] for name in ROWS], "rates": RATES}
    script = Path(__file__).with_name("spawner.py")
    with (directory / "workers.log").open("a") as log:
        spawner = subprocess.Popen(
            [sys.executable, str(script), json.dumps(config)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        places = {name: _place(simulator, row) for name, row in ROWS.items()}
        yield Clouds(simulator, ControlClient(simulator.control_url), spawner, places, directory)
    finally:
        spawner.kill()
        spawner.wait()
        simulator.stop()


@contextlib.contextmanager
def fault_world(
    clouds: Clouds, database_url: str = "", settings: EngineSettings = FAULTY, read_timeout: float = 20.0
) -> Iterator[FaultWorld]:
    """A store of its own; machines boot and go within a fraction of a second, and nothing is scripted."""
    name = uuid.uuid4().hex
    url = database_url or f"sqlite:///{clouds.directory}/{name}.db"
    clouds.control.clear_faults()
    clouds.control.delays(boot=[0.05, 0.3], delete=[0.02, 0.2], visible=0)
    for provider, place in clouds.places.items():
        clouds.control.quota(provider, QUOTA)
        for placement in place.placements:
            clouds.control.capacity(provider, placement.zone_id, None)
    store = Store(url)
    migrate(store)
    keyring = Keyring.of(bytes.fromhex(KEY))
    for provider, place in clouds.places.items():
        _add_cluster(store, keyring, ROWS[provider], place)
    config = clouds.directory / f"{name}.json"
    config.write_text(json.dumps({"database_url": url, "engine": asdict(settings), "read_timeout": read_timeout}))
    world = FaultWorld(clouds, store, config)
    try:
        yield world
    finally:
        for pid in world.pids:
            world.kill(pid)
        clouds.control.clear_faults()
        store.close()


def _credentials(cloud: str) -> Credentials:
    project = "demo-project" if cloud == "HuaweiCloud" else ""
    return Credentials(cloud, f"demo-{cloud}", f"demo-secret-{cloud}", project)


def _place(simulator: CloudSim, row: Cloud) -> Place:
    registry = ProviderRegistry({row.provider: ProviderSettings(endpoint=simulator.endpoints[row.provider])})
    provider, region = registry.get(_credentials(row.provider)), row.region
    others = [zone.zone_id for zone in provider.list_zones(region) if zone.zone_id != row.zone]
    second = next(
        zone
        for zone in others
        if row.instance_type in {offer.name for offer in provider.list_instance_types(region, zone)}
    )
    vpc = provider.create_vpc(CreateVpc(region, "faults", "10.8.0.0/16", str(uuid.uuid4())))
    wait_for(lambda: provider.describe_vpcs(region, [vpc])[0].status == "Available")
    subnets = [
        provider.create_subnet(
            CreateSubnet(region, vpc, "10.8.0.0/16", zone, f"net-{index}", f"10.8.{16 * index}.0/20", str(uuid.uuid4()))
        )
        for index, zone in enumerate((row.zone, second))
    ]
    group = provider.create_security_group(CreateSecurityGroup(region, vpc, "faults", "normal", str(uuid.uuid4())))
    placements = tuple(
        Placement(rank, zone, subnet, row.instance_type)
        for rank, (zone, subnet) in enumerate(zip((row.zone, second), subnets, strict=True))
    )
    return Place(vpc, group, row.instance_type, placements)


def _add_cluster(store: Store, keyring: Keyring, row: Cloud, place: Place) -> None:
    account = accounts.register(store, keyring, _credentials(row.provider), name="test", caller="test")
    for name, placements in ((row.provider, place.placements[:1]), (f"{row.provider}-two", place.placements)):
        template = ClusterTemplate(
            name=name,
            provider=row.provider,
            account_id=account.id,
            account_key=account.access_key,
            region_id=row.region,
            image_id=row.image,
            vpc_id=place.vpc_id,
            security_group_id=place.group_id,
            internet_charge_type="PayByTraffic",
            bandwidth_mbps=0,
            charge=Charge(),
            system_disk=row.system_disk,
            data_disks=(),
            tags={},
            placements=placements,
            password=row.password,
            max_machines=QUOTA,
        )
        clusters.add(store, keyring, template, "test")


def settle(seconds: float) -> None:
    """Lets calls that were given up come to their effect."""
    time.sleep(seconds)
