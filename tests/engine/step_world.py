"""A cluster on a simulated cloud, and processes that die at any step that a test names."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from bridgx_server.cloudsim.control_client import ControlClient
from bridgx_server.cloudsim.server import CloudSim
from bridgx_server.providers.base import CreateMachines, Credentials, Disk, Provider, ProviderSettings
from bridgx_server.providers.registry import ProviderRegistry
from bridgx_server.provisioning.accounts import AccountClouds, StoredTemplates
from bridgx_server.scaling import reconcile
from bridgx_server.scaling import tasks as api
from bridgx_server.scaling.assembly import make_engine
from bridgx_server.scaling.engine import EngineSettings
from bridgx_server.scaling.tasks import TaskView
from bridgx_server.store import chunks, watches
from bridgx_server.store.database import Store
from bridgx_server.store.migrations import migrate
from bridgx_server.store.models import ClusterRow, InstanceRow, RequestRow, TaskRow, WatchRow
from bridgx_server.store.scope import EVERYTHING
from bridgx_server.store.secrets import Keyring
from engine.conftest import wait_for
from engine.wire_world import KEY, RATES, REGIONS, furnish
from wire.conformance.clouds import CLOUDS, Cloud

ENGINE = EngineSettings(
    lease=30.0,
    poll=0.03,
    poll_limit=0.2,
    idle=0.03,
    boot_timeout=60.0,
    answer=0.3,
    visibility=0.6,
    give_up=60.0,
    reconcile=600.0,
    batch=2,
)


@dataclass
class StepWorld:
    """What a test of the steps works with."""

    cloud: Cloud
    simulator: CloudSim
    store: Store
    control: ControlClient
    provider: Provider
    spawner: subprocess.Popen[str]
    passed_file: Path
    pids: list[int] = field(default_factory=list)

    # Processes.

    def start(self, command: str, point: str = "-", *arguments: str) -> int:
        """Starts a process, when all leases of those before it have run out."""
        with self.store.transaction():
            for table in (TaskRow, WatchRow):
                table.update(lease_until=0).execute()
            RequestRow.update(lease_until=0, unsettled_ms=0).execute()
        assert self.spawner.stdin is not None
        assert self.spawner.stdout is not None
        self.spawner.stdin.write(" ".join((command, point, *arguments)) + "\n")
        self.spawner.stdin.flush()
        pid = int(self.spawner.stdout.readline())
        self.pids.append(pid)
        return pid

    def kill(self, pid: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: self.has_died(pid))

    @staticmethod
    def has_died(pid: int) -> bool:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        return state == "Z"

    def passed(self) -> set[str]:
        """Every step that any process has taken, without `before:` and `after:`."""
        lines = self.passed_file.read_text().split() if self.passed_file.exists() else []
        return {line.partition(":")[2] for line in lines if line.startswith(("before:", "after:"))}

    def passed_last(self) -> str:
        """The point that a process passed last."""
        return self.passed_file.read_text().split()[-1]

    # The work.

    def expand(self, count: int) -> int:
        return api.submit_expand(self.store, EVERYTHING, cluster_name="web", task_name="t", count=count, caller="test")

    def shrink(self, count: int) -> int:
        return api.submit_shrink(
            self.store, EVERYTHING, cluster_name="web", task_name="t", count=count, ips=(), caller="test"
        )

    def shrink_named(self, instance_ids: Sequence[str], *, release_prepaid: bool = False) -> int:
        with self.store.connection():
            rows = InstanceRow.select(InstanceRow.ip_inner).where(InstanceRow.instance_id.in_(list(instance_ids)))
            ips = [row.ip_inner for row in rows]
        return api.submit_shrink(
            self.store,
            EVERYTHING,
            cluster_name="web",
            task_name="t",
            count=0,
            ips=ips,
            caller="test",
            release_prepaid=release_prepaid,
        )

    def cancel(self, task_id: int, machines: str) -> None:
        api.cancel(self.store, EVERYTHING, task_id, machines)

    def idle(self) -> bool:
        """Whether no task is open."""
        with self.store.connection():
            return not TaskRow.select().where(TaskRow.finished_at == 0).exists()

    def finish(self) -> None:
        """Lets what is open come to its end."""
        self.control.clear_faults()
        pid = self.start("work")
        wait_for(self.idle, 90, lambda: str([task for task in self.tasks() if not task.finished_at]))
        wait_for(self.settled, 60)
        self.kill(pid)

    def settled(self) -> bool:
        return not {"pending", "deleting"} & set(self.inventory().values())

    def tasks(self) -> list[TaskView]:
        with self.store.connection():
            ids = [row.id for row in TaskRow.select(TaskRow.id).order_by(TaskRow.id)]
        return [api.describe(self.store, EVERYTHING, task_id) for task_id in ids]

    def inventory(self) -> dict[str, str]:
        with self.store.connection():
            return {row.instance_id: row.status for row in InstanceRow.select()}

    def at_the_cloud(self) -> set[str]:
        return {machine["machine_id"] for machine in self.control.machines(self.cloud.provider)}

    def running(self) -> set[str]:
        return {machine for machine, status in self.inventory().items() if status == "running"}

    def assert_true(self) -> None:
        """Cloud and inventory have the very same machines, and as many as the tasks say."""
        wait_for(lambda: self.at_the_cloud() == self.running(), 10, self._differences)
        tasks = self.tasks()
        for task in tasks:
            assert task.asked == task.running + task.deleted + task.failed, task
            assert task.pending == 0, task
        kept = [task for task in tasks if not (task.task_action == "EXPAND" and task.status == "CANCELED")]
        assert len(self.running()) == sum(task.running for task in kept) - sum(task.deleted for task in kept)

    def _differences(self) -> str:
        """For a failing test: the machines that only one side has, and the chunks that they carry the tag of."""
        odd = self.at_the_cloud() ^ self.running()
        rows = {row["machine_id"]: row for row in self.control.state(self.cloud.provider)["machines"]}
        tokens = {rows[key]["tags"].get("bridgx-chunk") for key in odd if key in rows}
        told = [f"{task.task_id} {chunk}" for task in self.tasks() for chunk in task.chunks if chunk.chunk_id in tokens]
        return f"{[(key, rows.get(key), self.inventory().get(key)) for key in odd]} {told}"

    # What happens behind its back.

    def orphan(self) -> str:
        """A machine that carries our tag, that nothing here knows, and that has been reported."""
        with self.store.connection():
            cluster = ClusterRow.get()
        request = CreateMachines(
            region_id=cluster.region_id,
            zone_id=cluster.zone_id,
            instance_type=cluster.instance_type,
            image_id=cluster.image_id,
            vpc_id=cluster.vpc_id,
            subnet_id=cluster.subnet_id,
            security_group_id=cluster.security_group_id,
            count=1,
            token=str(uuid.uuid4()),
            name="orphan",
            password="Crash@pass1",
            system_disk=Disk("cloud_efficiency", 50),
            tags={"bridgx": chunks.installation(self.store)},
        )
        (made,) = self.provider.create_machines(request).instance_ids
        wait_for(lambda: made in self.at_the_cloud())
        self.compare()
        return made

    def compare(self) -> None:
        """A comparison that is not killed."""
        keyring = Keyring.of(bytes.fromhex(KEY))
        registry = ProviderRegistry(
            {self.cloud.provider: ProviderSettings(endpoint=self.simulator.endpoints[self.cloud.provider])}
        )
        clouds = AccountClouds(self.store, keyring, registry)
        engine = make_engine(self.store, clouds, StoredTemplates(self.store, keyring), ENGINE)
        watches.ensure_places(self.store)
        ((account_id, region_id),) = watches.places(self.store)
        claimed: list[Any] = []

        def claim() -> bool:
            found = watches.claim_place(self.store, account_id, region_id, "test", 60_000)
            claimed.extend(found or ())
            return found is not None

        wait_for(claim)
        reconcile.run(engine, *claimed)

    # Networks.

    def open_requests(self) -> int:
        with self.store.connection():
            return int(RequestRow.select().where(RequestRow.answer == "", RequestRow.open).count())

    def networks(self, name: str) -> tuple[int, int, int]:
        """VPCs of that name at the cloud, and subnets and security groups in them."""
        state = self.control.state(self.cloud.provider)
        vpcs = {row["vpc_id"] for row in state["vpcs"] if row["name"] == name}
        subnets = [row for row in state["subnets"] if row["vpc_id"] in vpcs]
        groups = [row for row in state["groups"] if row["name"] == f"{name}-group"]
        return len(vpcs), len(subnets), len(groups)


@contextlib.contextmanager
def step_world(
    simulator: CloudSim, cloud: str, directory: Path, settings: dict[str, Any], **engine: Any
) -> Iterator[StepWorld]:
    """A fresh cluster `web` on a cloud of the simulator."""
    control = ControlClient(simulator.control_url)
    control.reset()
    control.delays(boot=[0.02, 0.1], delete=[0.02, 0.1])
    url = f"sqlite:///{directory}/{uuid.uuid4().hex}.db"
    store = Store(url)
    migrate(store)
    furnish(store, Keyring.of(bytes.fromhex(KEY)), simulator, cloud)
    passed = directory / "passed.log"
    config = {
        "cloud": cloud,
        "database_url": url,
        "key": KEY,
        "passed": str(passed),
        "engine": asdict(replace(ENGINE, **engine)),
        "settings": {
            f"endpoint_{cloud.lower()}": simulator.endpoints[cloud],
            "read_timeout": 20.0,
            "lease": 0.8,  # of the places at the limiter alone; the engine has its own
            "rates": RATES,
            **settings,
        },
    }
    script = Path(__file__).with_name("step_spawner.py")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(script.parents[1]), *sys.path))}
    with (directory / "processes.log").open("a") as log:
        spawner = subprocess.Popen(
            [sys.executable, str(script), json.dumps(config)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=environment,
        )
    project = "demo-project" if cloud == "HuaweiCloud" else ""
    credentials = Credentials(cloud, f"demo-{cloud}", f"demo-secret-{cloud}", project)
    provider = ProviderRegistry({cloud: ProviderSettings(endpoint=simulator.endpoints[cloud])}).get(credentials)
    row = next(row for row in CLOUDS if row.provider == cloud)
    world = StepWorld(row, simulator, store, control, provider, spawner, passed)
    try:
        yield world
    finally:
        for pid in world.pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        spawner.kill()
        spawner.wait()
        store.close()


def region_of(cloud: str) -> str:
    return REGIONS[cloud]


def points_of(steps: Sequence[str]) -> Iterator[str]:
    """Where a process dies for each step: before it and after it."""
    for step in steps:
        yield f"before:{step}"
        yield f"after:{step}"
