"""Two servers and two workers as an operator starts them, on one database: one of each is killed, and nothing is doubled."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import bridgx.v1 as pb
import pytest
from bridgx import Client
from bridgx_server.cloudsim.control_client import ControlClient
from bridgx_server.cloudsim.server import CloudSim
from bridgx_server.demo.ports import free_port
from bridgx_server.store.database import Store
from bridgx_server.store.models import TaskRow
from contract.clusters import REGIONS
from contract.conftest import until
from e2e.processes import COMMAND, Process, started

CLOUD = "AWSCloud"
REGION = REGIONS[CLOUD]
TOKEN = "token-of-replicas"
SLOW = 1.0  # seconds that the cloud takes to make machines, so that there is time to kill someone meanwhile


@dataclass
class Installation:
    """A database, a cloud, and the processes that were started on them."""

    directory: Path
    environment: dict[str, str]
    control: ControlClient
    store: Store
    processes: list[Process] = field(default_factory=list)
    clients: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def start(self, *arguments: str, port: int = 0) -> Process:
        log = self.directory / f"{len(self.processes)}.log"
        self.processes.append(started(arguments, log, self.environment, port))
        return self.processes[-1]

    def start_server(self) -> Process:
        port = free_port()
        return self.start("serve", "--no-worker", "--grpc-port", str(port), port=port)

    def start_worker(self) -> Process:
        return self.start("worker")

    def client(self, server: Process) -> Client:
        until(lambda: server.says("serving"))
        return self.clients.enter_context(Client(f"127.0.0.1:{server.port}", TOKEN, timeout=60))

    def holder(self, task_id: str) -> int:
        """The pid of the worker that carries the task just now, 0 between two of its steps."""
        with self.store.connection():
            owner = TaskRow.get_by_id(int(task_id)).lease_owner
        return int(owner.rsplit("-", 2)[1]) if owner else 0

    def at_the_cloud(self) -> dict[str, str]:
        """The machines that the cloud has not deleted, and their states."""
        return {row["machine_id"]: row["state"] for row in self.control.machines(CLOUD)}

    def assert_exactly(self, count: int, client: Client) -> None:
        """That many run at the cloud, and the same ones in the list."""
        running = {row.instance_id for row in client.list_instances(pb.ListInstancesRequest(status="running"))}
        until(lambda: set(self.at_the_cloud()) == running)
        assert list(self.at_the_cloud().values()) == ["running"] * count


@pytest.fixture
def installation(server_database_url: str, tmp_path: Path) -> Iterator[Installation]:
    simulator = CloudSim.start(tmp_path / "clouds", clouds=[CLOUD])
    control = ControlClient(simulator.control_url)
    control.delays(boot=[0.1, 0.5], delete=[0.05, 0.2], vpc=0)
    environment = {
        **os.environ,
        "BRIDGX_DATABASE_URL": server_database_url,
        "BRIDGX_SECRET_KEY": "33" * 32,
        "BRIDGX_TOKENS": f"ops:{TOKEN}",
        "BRIDGX_BATCH": "5",
        "BRIDGX_LEASE": "2",
        "BRIDGX_POLL": "0.1",
        "BRIDGX_VISIBILITY": "1",
        "BRIDGX_RATES": "*.*=1000/s+1000,*.*:machines=off",
        f"BRIDGX_ENDPOINT_{CLOUD.upper()}": simulator.endpoints[CLOUD],
    }
    subprocess.run([*COMMAND, "migrate"], env=environment, cwd=tmp_path, check=True, capture_output=True)
    store = Store(server_database_url)
    one = Installation(tmp_path, environment, control, store)
    try:
        yield one
    finally:
        one.clients.close()
        for process in one.processes:
            process.end_for_good()
        store.close()
        simulator.stop()


def a_cluster(client: Client) -> str:
    """Registers the account, makes a network, and a cluster in it."""
    key = f"demo-{CLOUD}"
    client.accounts.CreateAccount(
        pb.CreateAccountRequest(
            provider=CLOUD, account_name="demo", account_key=key, account_secret=f"demo-secret-{CLOUD}"
        )
    )
    zone = client.clusters.ListZones(pb.ListZonesRequest(provider=CLOUD, region_id=REGION)).zones[0].zone_id
    images = client.clusters.ListImages(pb.ListImagesRequest(provider=CLOUD, region_id=REGION)).images
    vpc = client.networks.CreateNetworkConfig(
        pb.CreateNetworkConfigRequest(
            provider=CLOUD,
            region_id=REGION,
            zone_id=zone,
            cidr_block="172.16.0.0/16",
            vpc_name="replicas",
            switch_cidr_block="172.16.0.0/20",
            switch_name="replicas",
            security_group_name="replicas",
            security_group_type="normal",
            ak=key,
        )
    ).vpc_id
    subnet = client.networks.ListSubnets(pb.ListSubnetsRequest(vpc_id=vpc)).switches[0].switch_id
    group = client.networks.ListSecurityGroups(pb.ListSecurityGroupsRequest(vpc_id=vpc)).groups[0].security_group_id
    template = pb.CreateClusterRequest(
        name="replicas",
        provider=CLOUD,
        account_key=key,
        region_id=REGION,
        zone_id=zone,
        instance_type="m5.large",
        image=next(row.image_id for row in images if row.os_type == "linux"),
        password="Manual@pass1",
        network_config=pb.NetworkConfig(vpc=vpc, subnet_id=subnet, security_group=group),
        disks=pb.DiskConfig(system_disk=pb.Disk(category="gp3", size=50)),
    )
    return client.clusters.CreateCluster(template).cluster_name


def test_replicas_go_on_when_one_of_each_is_killed(installation: Installation) -> None:
    servers = [installation.start_server() for _ in range(2)]
    workers = [installation.start_worker() for _ in range(2)]
    first, second = map(installation.client, servers)
    until(lambda: all(worker.says("working") for worker in workers))
    cluster = a_cluster(first)
    installation.control.fault("slow", cloud=CLOUD, action="RunInstances", params={"seconds": SLOW})
    expand = pb.ExpandClusterRequest(cluster_name=cluster, task_name="grow", count=60, request_id="grow-once")
    task_id = first.tasks.ExpandCluster(expand).task_id
    assert second.tasks.ExpandCluster(expand).task_id == task_id

    states: list[pb.WatchTaskResponse] = []
    with ThreadPoolExecutor(1) as pool:
        watch = pool.submit(second.wait_task, task_id, timeout=120, on_progress=states.append)
        by_pid = {worker.process.pid: worker for worker in workers}
        holders: list[int] = []

        def half_way() -> bool:
            holders.append(installation.holder(task_id))
            return holders[-1] in by_pid and 0 < len(installation.at_the_cloud()) < 60

        until(half_way)
        victim = by_pid[holders[-1]]
        victim.kill()
        servers[0].kill()
        assert second.tasks.GetTask(pb.GetTaskRequest(task_id=task_id)).task.status == "RUNNING"
        workers.append(installation.start_worker())
        assert second.tasks.ExpandCluster(expand).task_id == task_id  # its caller cannot know that it was accepted
        task = watch.result()
    assert (task.status, task.running, task.failed) == ("SUCCESS", 60, 0)
    assert states[-1].status == "SUCCESS"
    installation.assert_exactly(60, second)
    assert len(installation.control.state(CLOUD)["machines"]) == 60  # none was made and removed again

    servers.append(installation.start_server())
    third = installation.client(servers[-1])
    assert third.tasks.ExpandCluster(expand).task_id == task_id
    shrink = pb.ShrinkClusterRequest(cluster_name=cluster, task_name="less", count=20, request_id="less-once")
    task_id = third.tasks.ShrinkCluster(shrink).task_id
    assert second.tasks.ShrinkCluster(shrink).task_id == task_id
    task = second.wait_task(task_id, timeout=120)
    assert (task.status, task.deleted) == ("SUCCESS", 20)
    installation.assert_exactly(40, third)
    assert third.tasks.ShrinkCluster(shrink).task_id == task_id
    assert third.tasks.ListTasks(pb.ListTasksRequest()).pager.total == 2
    installation.assert_exactly(40, second)
    for left in (*servers[1:], *(worker for worker in workers if worker is not victim)):
        left.end()
