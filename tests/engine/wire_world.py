"""One cluster on a simulated cloud, reached through the vendor's own SDK, and workers that can be killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from bridgx_server.cloudsim.control_client import ControlClient
from bridgx_server.cloudsim.server import CloudSim
from bridgx_server.providers.base import (
    Charge,
    CreateSecurityGroup,
    CreateSubnet,
    CreateVpc,
    Credentials,
    Disk,
    ProviderSettings,
)
from bridgx_server.providers.registry import ADAPTERS, ProviderRegistry
from bridgx_server.scaling import tasks as api
from bridgx_server.scaling.engine import EngineSettings
from bridgx_server.scaling.tasks import TaskView
from bridgx_server.store import accounts, clusters
from bridgx_server.store.chunks import Placement
from bridgx_server.store.clusters import ClusterTemplate
from bridgx_server.store.database import Store
from bridgx_server.store.migrations import migrate
from bridgx_server.store.models import InstanceRow
from bridgx_server.store.scope import EVERYTHING
from bridgx_server.store.secrets import Keyring
from engine.conftest import wait_for

KEY = "11" * 32
REGIONS = {
    "AlibabaCloud": "cn-qingdao",
    "HuaweiCloud": "cn-north-4",
    "TencentCloud": "ap-guangzhou",
    "BaiduCloud": "bj",
    "AWSCloud": "us-east-1",
}
RATES = "*.*=1000/s+1000, *.*:machines=off"  # counted, and never in the way
SETTINGS = EngineSettings(
    lease=0.8,
    poll=0.05,
    poll_limit=0.3,
    idle=0.05,
    boot_timeout=60.0,
    answer=0.5,
    visibility=1.0,
    give_up=60.0,
    reconcile=600.0,
    batch=5,
)


@dataclass
class WireWorld:
    """What a test of the engine over the wire works with."""

    cloud: str
    store: Store
    control: ControlClient
    spawner: subprocess.Popen[str]
    directory: Path
    template: ClusterTemplate
    pids: list[int] = field(default_factory=list)

    def add_cluster(self, name: str) -> None:
        """Another cluster of the same account, like the first."""
        keyring = Keyring.of(bytes.fromhex(KEY))
        clusters.add(self.store, keyring, replace(self.template, name=name), "test")

    def expand(self, count: int, cluster: str = "web") -> int:
        return api.submit_expand(
            self.store, EVERYTHING, cluster_name=cluster, task_name="t", count=count, caller="test"
        )

    def shrink(self, count: int) -> int:
        return api.submit_shrink(
            self.store, EVERYTHING, cluster_name="web", task_name="t", count=count, ips=(), caller="test"
        )

    def task(self, task_id: int) -> TaskView:
        return api.describe(self.store, EVERYTHING, task_id)

    def is_over(self, task_id: int) -> bool:
        return self.task(task_id).finished_at > 0

    def ended(self, task_id: int, within: float = 120.0) -> TaskView:
        wait_for(lambda: self.is_over(task_id), within, lambda: str(self.task(task_id)))
        return self.task(task_id)

    def start_worker(self, point: str = "-", count: int = 1, **changes: object) -> int:
        """Starts one that dies when the fault point is passed the `count`th time; `changes` are of its configuration."""
        assert self.spawner.stdin is not None
        assert self.spawner.stdout is not None
        file = self.directory / f"{uuid.uuid4().hex}.json"
        file.write_text(json.dumps(changes))
        self.spawner.stdin.write(f"start {point} {count} {file}\n")
        self.spawner.stdin.flush()
        pid = int(self.spawner.stdout.readline())
        self.pids.append(pid)
        return pid

    def kill(self, pid: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not _lives(pid))

    def has_died(self, pid: int) -> bool:
        return not _lives(pid)

    def inventory(self) -> dict[str, str]:
        with self.store.connection():
            return {row.instance_id: row.status for row in InstanceRow.select()}

    def assert_exactly(self, count: int) -> None:
        """The cloud has `count` machines, the inventory says so of the very same ones, and nothing else lives."""

        def alive() -> set[str]:
            return {machine["machine_id"] for machine in self.control.machines(self.cloud)}

        def running() -> set[str]:
            return {key for key, status in self.inventory().items() if status == "running"}

        wait_for(lambda: alive() == running(), 60, lambda: f"cloud {len(alive())}, inventory {len(running())}")
        assert len(alive()) == count
        assert not [status for status in self.inventory().values() if status in ("pending", "deleting")]


@contextlib.contextmanager
def wire_world(
    simulator: CloudSim,
    cloud: str,
    directory: Path,
    database_url: str = "",
    settings: EngineSettings = SETTINGS,
    rates: str = RATES,
) -> Iterator[WireWorld]:
    """A fresh cluster `web` on a cloud of the simulator, whose machines boot and go within a fraction of a second.

    `rates` are the workers' limits of calls.
    """
    control = ControlClient(simulator.control_url)
    control.reset()
    control.delays(boot=[0.05, 0.4], delete=[0.02, 0.2])
    url = database_url or f"sqlite:///{directory}/{uuid.uuid4().hex}.db"
    store = Store(url)
    migrate(store)
    keyring = Keyring.of(bytes.fromhex(KEY))
    template = furnish(store, keyring, simulator, cloud)
    config = {
        "database_url": url,
        "key": KEY,
        "endpoints": simulator.endpoints,
        "engine": asdict(settings),
        "rates": rates,
        "import": [ADAPTERS[cloud]],
    }
    script = Path(__file__).with_name("spawner.py")
    with (directory / "workers.log").open("a") as log:
        spawner = subprocess.Popen(
            [sys.executable, str(script), json.dumps(config)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    world = WireWorld(cloud, store, control, spawner, directory, template)
    try:
        yield world
    finally:
        for pid in world.pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        spawner.kill()
        spawner.wait()
        store.close()


def furnish(store: Store, keyring: Keyring, simulator: CloudSim, cloud: str) -> ClusterTemplate:
    project = "demo-project" if cloud == "HuaweiCloud" else ""
    credentials = Credentials(cloud, f"demo-{cloud}", f"demo-secret-{cloud}", project)
    account = accounts.register(store, keyring, credentials, name="test", caller="test")
    registry = ProviderRegistry({cloud: ProviderSettings(endpoint=simulator.endpoints[cloud])})
    provider = registry.get(credentials)
    region = REGIONS[cloud]
    zone = provider.list_zones(region)[0].zone_id
    offer = next(row for row in provider.list_instance_types(region, zone) if row.cores >= 2)
    image = next(row for row in provider.list_images(region) if row.os_type == "linux")
    vpc = provider.create_vpc(CreateVpc(region, "crash", "172.16.0.0/16", str(uuid.uuid4())))
    wait_for(lambda: provider.describe_vpcs(region, [vpc])[0].status == "Available")
    subnet = provider.create_subnet(
        CreateSubnet(region, vpc, "172.16.0.0/16", zone, "crash", "172.16.0.0/20", str(uuid.uuid4()))
    )
    group = provider.create_security_group(CreateSecurityGroup(region, vpc, "crash", "normal", str(uuid.uuid4())))
    template = ClusterTemplate(
        name="web",
        provider=cloud,
        account_id=account.id,
        account_key=account.access_key,
        region_id=region,
        image_id=image.image_id,
        vpc_id=vpc,
        security_group_id=group,
        internet_charge_type="PayByTraffic",
        bandwidth_mbps=0,
        charge=Charge(),
        system_disk=Disk("cloud_efficiency", 50),
        data_disks=(),
        tags={},
        placements=(Placement(0, zone, subnet, offer.name),),
        password="Crash@pass1",
        max_machines=100_000,
    )
    clusters.add(store, keyring, template, "test")
    return template


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def pause(seconds: float) -> None:
    """Lets a worker live for a while: the length itself is what the test tries out."""
    time.sleep(seconds)
