"""One request id, one effect: the same call at two servers on one database, of which one may die or sleep meanwhile."""

from __future__ import annotations

import contextlib
import itertools
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bridgx.v1 as pb
import grpc
import pytest
from bridgx import Client, failure_of
from bridgx_server.cloudsim.control_client import ControlClient
from bridgx_server.cloudsim.front import FRONTS
from bridgx_server.cloudsim.server import CloudSim
from bridgx_server.demo.ports import free_port
from bridgx_server.store.database import Store
from bridgx_server.store.migrations import migrate
from bridgx_server.store.models import (
    AccountRow,
    ClusterRow,
    RequestRow,
    SecurityGroupRow,
    SubnetRow,
    TaskRow,
    VpcRow,
)
from contract.clusters import REGIONS
from contract.conftest import until
from contract.tenants import called, methods
from e2e.processes import Process, started
from google.protobuf.message import Message
from peewee import DatabaseError

CLOUDS = sorted(FRONTS)
CLOUD = "AWSCloud"
TOKEN = "token-of-one"
SLOW = 4.0  # seconds that a cloud takes to make something, so that there is time to come between
CREATE_SUBNET = {cloud: "CreateVSwitch" if cloud == "AlibabaCloud" else "CreateSubnet" for cloud in CLOUDS}
TABLES = (AccountRow, ClusterRow, VpcRow, SubnetRow, SecurityGroupRow, TaskRow)
# The quota of subnets, in the code and the HTTP status of each vendor.
SUBNETS_REFUSED = {
    "AlibabaCloud": ("QuotaExceeded.VSwitch", 400),
    "HuaweiCloud": ("VPC.0208", 409),
    "TencentCloud": ("LimitExceeded", 200),
    "BaiduCloud": ("QuotaExceeded", 400),
    "AWSCloud": ("SubnetLimitExceeded", 400),
}
numbers = itertools.count(1)


@dataclass
class Pair:
    """Two servers on one database, and the five clouds."""

    directory: Path
    database_url: str
    environment: dict[str, str]
    control: ControlClient
    store: Store
    processes: list[Process] = field(default_factory=list)
    servers: list[Process] = field(default_factory=list)
    zones: dict[str, str] = field(default_factory=dict)

    def start(self, *arguments: str, port: int = 0) -> Process:
        log = self.directory / f"{len(self.processes)}.log"
        self.processes.append(started(arguments, log, self.environment, port))
        return self.processes[-1]

    def start_server(self) -> Process:
        port = free_port()
        return self.start("serve", "--no-worker", "--grpc-port", str(port), port=port)

    @contextlib.contextmanager
    def clients(self) -> Iterator[list[Client]]:
        """One of each server; what was killed before is started anew. The clouds do as they should at the beginning."""
        self.servers = [server if server.lives() else self.start_server() for server in self.servers]
        until(lambda: all(server.says("serving") for server in self.servers))
        self.control.clear_faults()
        with contextlib.ExitStack() as stack:
            clients = [
                stack.enter_context(Client(f"127.0.0.1:{server.port}", TOKEN, timeout=90)) for server in self.servers
            ]
            # A server that has not used a cloud yet loads its SDK first, and calls would come one after the other.
            with ThreadPoolExecutor(len(CLOUDS)) as pool:
                for client in clients:
                    list(pool.map(lambda cloud, client=client: self.zone(client, cloud), self.zones))
            yield clients

    # The clouds.

    def furnish(self, client: Client) -> None:
        """Registers an account of each cloud, and looks for a zone there."""
        for cloud in CLOUDS:
            client.accounts.CreateAccount(
                pb.CreateAccountRequest(
                    provider=cloud,
                    account_name="demo",
                    account_key=f"demo-{cloud}",
                    account_secret=f"demo-secret-{cloud}",
                    project_id="demo-project" if cloud == "HuaweiCloud" else "",
                )
            )
            self.zones[cloud] = self.zone(client, cloud)

    @staticmethod
    def zone(client: Client, cloud: str) -> str:
        zones = client.clusters.ListZones(pb.ListZonesRequest(provider=cloud, region_id=REGIONS[cloud])).zones
        return zones[0].zone_id

    def vpc(self, cloud: str) -> pb.CreateVpcRequest:
        name = f"vpc-{next(numbers)}"
        return pb.CreateVpcRequest(
            provider=cloud,
            region_id=REGIONS[cloud],
            cidr_block="172.21.0.0/16",
            vpc_name=name,
            ak=f"demo-{cloud}",
            request_id=name,
        )

    def network(self, cloud: str) -> pb.CreateNetworkConfigRequest:
        name = f"net-{next(numbers)}"
        return pb.CreateNetworkConfigRequest(
            provider=cloud,
            region_id=REGIONS[cloud],
            zone_id=self.zones[cloud],
            cidr_block="172.20.0.0/16",
            vpc_name=name,
            switch_cidr_block="172.20.0.0/20",
            switch_name=f"{name}-sub",
            security_group_name=f"{name}-group",
            security_group_type="normal",
            ak=f"demo-{cloud}",
            request_id=name,
        )

    def slow(self, actions: Mapping[str, str], times: int | None = None) -> None:
        """The calls of these clouds take a while, and have their effect at its end."""
        for cloud, action in actions.items():
            self.control.fault("slow", cloud=cloud, action=action, times=times, params={"seconds": SLOW})

    def under_way(self) -> int:
        """Slow calls that the clouds have received."""
        faults = self.control.call("GET", "/faults")
        return sum(fault["hits"] for fault in faults if fault["kind"] == "slow")

    def at_the_cloud(self, cloud: str, name: str) -> tuple[int, int, int]:
        """VPCs of that name, and the subnets and security groups of a network of that name."""
        state = self.control.state(cloud)
        vpcs = {row["vpc_id"] for row in state["vpcs"] if row["name"] == name}
        subnets = [row for row in state["subnets"] if row["vpc_id"] in vpcs]
        return len(vpcs), len(subnets), sum(row["name"] == f"{name}-group" for row in state["groups"])

    def stored(self, name: str) -> tuple[int, int, int]:
        """The same here."""
        with self.store.connection():
            vpcs = [row.vpc_id for row in VpcRow.select().where(VpcRow.name == name)]
            subnets = SubnetRow.select().where(SubnetRow.vpc_id.in_(vpcs)).count()
            groups = SecurityGroupRow.select().where(SecurityGroupRow.vpc_id.in_(vpcs)).count()
        return len(vpcs), subnets, groups

    def assert_once(self, requests: Sequence[Any]) -> None:
        for request in requests:
            wanted = (1, 0, 0) if isinstance(request, pb.CreateVpcRequest) else (1, 1, 1)
            assert self.stored(request.vpc_name) == wanted, request
            assert self.at_the_cloud(request.provider, request.vpc_name) == wanted, request
        with self.store.connection():
            assert RequestRow.select().where(RequestRow.open).count() == 0

    # Sleep.

    def put_to_sleep(self, server: Process) -> None:
        """Stops a server at a moment at which it keeps nobody from the database."""

        def asleep() -> bool:
            server.stop()
            if self._free():
                return True
            server.wake()
            until(self._free)  # it needs time for what it has begun
            return False

        until(asleep)

    def _free(self) -> bool:
        if self.store.dialect == "sqlite":
            with contextlib.closing(sqlite3.connect(self.store.database.database, timeout=0.2)) as connection:
                try:
                    connection.execute("BEGIN IMMEDIATE")
                except sqlite3.OperationalError:
                    return False
            return True
        try:
            with self.store.transaction():
                for table in ("requests", "limiters"):
                    self.store.database.execute_sql(f"SELECT id FROM {table} FOR UPDATE NOWAIT").fetchall()
        except DatabaseError:
            return False
        return True


@pytest.fixture(scope="module")
def pair(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    directory = tmp_path_factory.mktemp("pair")
    simulator = CloudSim.start(directory / "clouds")
    environment = {
        **os.environ,
        "BRIDGX_DATABASE_URL": module_database_url,
        "BRIDGX_SECRET_KEY": "33" * 32,
        "BRIDGX_TOKENS": f"ops:{TOKEN}",
        "BRIDGX_LEASE": "2",
        "BRIDGX_CONNECT_TIMEOUT": "1",
        "BRIDGX_READ_TIMEOUT": "8",
        "BRIDGX_VISIBILITY": "1",
        "BRIDGX_POLL": "0.1",
        "BRIDGX_RATES": "*.*=1000/s+1000,*.*:machines=off",
        **{f"BRIDGX_ENDPOINT_{cloud.upper()}": simulator.endpoints[cloud] for cloud in CLOUDS},
    }
    store = Store(module_database_url)
    migrate(store)
    one = Pair(directory, module_database_url, environment, ControlClient(simulator.control_url), store)
    one.control.delays(boot=[0.05, 0.2], delete=[0.05, 0.2], vpc=0)
    one.servers = [one.start_server() for _ in range(2)]
    try:
        with one.clients() as clients:
            one.furnish(clients[0])
        yield one
    finally:
        for process in one.processes:
            process.end_for_good()
        store.close()
        simulator.stop()


def call_of(client: Client, request: Any) -> str:
    if isinstance(request, pb.CreateVpcRequest):
        return client.networks.CreateVpc(request).vpc_id
    return client.networks.CreateNetworkConfig(request).vpc_id


def test_the_same_request_at_two_servers_makes_one_network_and_gets_one_answer(pair: Pair) -> None:
    requests = [make(cloud) for cloud in CLOUDS for make in (pair.vpc, pair.network)]
    together = threading.Barrier(2 * len(requests))

    def ask(client: Client, request: Any) -> str:
        together.wait()
        return call_of(client, request)

    with pair.clients() as clients, ThreadPoolExecutor(2 * len(requests)) as pool:
        pair.slow(dict.fromkeys(CLOUDS, "CreateVpc"))
        calls = [[pool.submit(ask, client, request) for client in clients] for request in requests]
        answers = [{call.result() for call in both} for both in calls]
    assert [len(both) for both in answers] == [1] * len(requests)
    pair.assert_once(requests)
    assert pair.under_way() == len(requests)


def test_a_repetition_is_told_when_to_come_again(pair: Pair) -> None:
    request = pair.vpc(CLOUD)
    other = pb.CreateVpcRequest()
    other.CopyFrom(request)
    other.vpc_name = "another"
    with pair.clients() as (first, second), ThreadPoolExecutor(1) as pool:
        pair.slow({CLOUD: "CreateVpc"})
        answer = pool.submit(call_of, first, request)
        until(lambda: pair.under_way() == 1)
        with pytest.raises(grpc.RpcError) as caught:
            # As a future: the client does not repeat it by itself then.
            second.networks.CreateVpc.future(request).result()
        told = failure_of(caught.value)
        assert (told.code, told.reason) == (grpc.StatusCode.ABORTED, "request_in_progress")
        assert told.retry_after is not None
        assert told.retry_after > 0
        with pytest.raises(grpc.RpcError) as caught:
            call_of(second, other)
        assert failure_of(caught.value).reason == "conflict"
        assert not answer.done()
        assert call_of(second, request) == answer.result()
    pair.assert_once([request])


def test_what_a_killed_server_was_making_is_made_once(pair: Pair) -> None:
    requests: list[Any] = [pair.vpc(cloud) for cloud in CLOUDS]
    answers = [*killed_meanwhile(pair, requests, dict.fromkeys(CLOUDS, "CreateVpc"))]
    networks: list[Any] = [pair.network(cloud) for cloud in CLOUDS]
    answers += killed_meanwhile(pair, networks, CREATE_SUBNET)
    pair.assert_once([*requests, *networks])
    with pair.clients() as clients:
        for client in clients:
            assert [call_of(client, request) for request in (*requests, *networks)] == answers


def killed_meanwhile(pair: Pair, requests: Sequence[Any], actions: Mapping[str, str]) -> list[str]:
    """The first server is killed while the clouds are at work; the second one's answers."""
    with pair.clients() as (first, second), ThreadPoolExecutor(len(requests)) as pool:
        pair.slow(actions)
        lost = [pool.submit(call_of, first, request) for request in requests]
        until(lambda: pair.under_way() == len(requests))
        pair.servers[0].kill()
        assert any(isinstance(call.exception(), grpc.RpcError) for call in lost)
        return list(pool.map(lambda request: call_of(second, request), requests))


@dataclass
class Sleeper:
    """What the first server was asked for before it slept, and what the second answered meanwhile."""

    asked: list[Future[str]]
    answers: list[str]


@contextlib.contextmanager
def asleep(pair: Pair, requests: Sequence[Any], trouble: Callable[[], object]) -> Iterator[Sleeper]:
    """The first server sleeps while the clouds are at work, until another has taken its requests over and answered."""
    with pair.clients() as (first, second), ThreadPoolExecutor(2 * len(requests)) as pool:
        trouble()
        asked = [pool.submit(call_of, first, request) for request in requests]
        until(lambda: pair.under_way() == len(requests))
        pair.put_to_sleep(pair.servers[0])
        try:
            yield Sleeper(asked, list(pool.map(lambda request: call_of(second, request), requests)))
        finally:
            pair.servers[0].wake()


def test_a_server_that_slept_while_another_took_over_makes_nothing_more(pair: Pair) -> None:
    requests = [pair.vpc(cloud) for cloud in CLOUDS]
    with asleep(pair, requests, lambda: pair.slow(dict.fromkeys(CLOUDS, "CreateVpc"), times=1)) as sleeper:
        pair.assert_once(requests)
    assert [call.result() for call in sleeper.asked] == sleeper.answers
    pair.assert_once(requests)


def test_a_server_that_slept_while_another_took_over_undoes_nothing(pair: Pair) -> None:
    requests = [pair.network(cloud) for cloud in CLOUDS]

    def trouble() -> None:
        pair.slow(CREATE_SUBNET, times=1)
        for cloud, (code, status) in SUBNETS_REFUSED.items():
            params = {"code": code, "message": "no more", "status": status}
            pair.control.fault("error", cloud=cloud, action=CREATE_SUBNET[cloud], times=1, params=params)

    with asleep(pair, requests, trouble) as sleeper:
        pair.assert_once(requests)
    # Its calls were refused, so that it would have removed the VPCs.
    assert [call.result() for call in sleeper.asked] == sleeper.answers
    pair.assert_once(requests)


# Every rpc with a request id.


@dataclass(frozen=True)
class Case:
    """A request with an id of its own, and the rows that it adds."""

    request: Callable[[Pair, Client, str], Message]
    rows: Mapping[type[Any], int]


def _account(pair: Pair, client: Client, name: str) -> Message:
    pair.control.call("POST", "/accounts", {"cloud": CLOUD, "access_key": name, "secret": "secret-of-the-new-one"})
    return pb.CreateAccountRequest(
        provider=CLOUD, account_name=name, account_key=name, account_secret="secret-of-the-new-one"
    )


def _template(pair: Pair, client: Client, name: str) -> pb.CreateClusterRequest:
    vpc = call_of(client, pair.network(CLOUD))
    subnet = client.networks.ListSubnets(pb.ListSubnetsRequest(vpc_id=vpc)).switches[0].switch_id
    groups = client.networks.ListSecurityGroups(pb.ListSecurityGroupsRequest(vpc_id=vpc)).groups
    images = client.clusters.ListImages(pb.ListImagesRequest(provider=CLOUD, region_id=REGIONS[CLOUD])).images
    return pb.CreateClusterRequest(
        name=name,
        provider=CLOUD,
        account_key=f"demo-{CLOUD}",
        region_id=REGIONS[CLOUD],
        zone_id=pair.zones[CLOUD],
        instance_type="m5.large",
        image=next(row.image_id for row in images if row.os_type == "linux"),
        password="Manual@pass1",
        network_config=pb.NetworkConfig(vpc=vpc, subnet_id=subnet, security_group=groups[0].security_group_id),
        disks=pb.DiskConfig(system_disk=pb.Disk(category="gp3", size=50)),
    )


def _cluster(pair: Pair, client: Client, name: str) -> str:
    return client.clusters.CreateCluster(_template(pair, client, name)).cluster_name


def _grown(pair: Pair, client: Client, name: str) -> str:
    cluster = _cluster(pair, client, name)
    worker = pair.start("worker")
    expand = pb.ExpandClusterRequest(cluster_name=cluster, task_name="grow", count=3)
    assert client.wait_task(client.tasks.ExpandCluster(expand).task_id, timeout=120).running == 3
    worker.kill()
    return cluster


def _subnet(pair: Pair, client: Client, name: str) -> Message:
    vpc = call_of(client, pair.vpc(CLOUD))
    return pb.CreateSubnetRequest(
        vpc_id=vpc, zone_id=pair.zones[CLOUD], cidr_block="172.21.16.0/20", switch_name=f"{name}-sub"
    )


def _group(pair: Pair, client: Client, name: str) -> Message:
    vpc = call_of(client, pair.vpc(CLOUD))
    rule = pb.SecurityGroupRule(protocol="tcp", port_range="22/22", direction="ingress", cidr_ip="10.0.0.0/8")
    return pb.CreateSecurityGroupRequest(vpc_id=vpc, security_group_name=f"{name}-group", rules=[rule])


# A new rpc with a request id needs its line here.
CASES: dict[str, Case] = {
    "AccountService.CreateAccount": Case(_account, {AccountRow: 1}),
    "ClusterService.CreateCluster": Case(_template, {ClusterRow: 1}),
    "ClusterService.DeleteCluster": Case(
        lambda pair, client, name: pb.DeleteClusterRequest(cluster_name=_cluster(pair, client, name)), {}
    ),
    "NetworkService.CreateVpc": Case(lambda pair, client, name: pair.vpc(CLOUD), {VpcRow: 1}),
    "NetworkService.CreateSubnet": Case(_subnet, {SubnetRow: 1}),
    "NetworkService.CreateSecurityGroup": Case(_group, {SecurityGroupRow: 1}),
    "NetworkService.CreateNetworkConfig": Case(
        lambda pair, client, name: pair.network(CLOUD), {VpcRow: 1, SubnetRow: 1, SecurityGroupRow: 1}
    ),
    "TaskService.ExpandCluster": Case(
        lambda pair, client, name: pb.ExpandClusterRequest(
            cluster_name=_cluster(pair, client, name), task_name="grow", count=2
        ),
        {TaskRow: 1},
    ),
    "TaskService.ShrinkCluster": Case(
        lambda pair, client, name: pb.ShrinkClusterRequest(
            cluster_name=_grown(pair, client, name), task_name="less", count=1
        ),
        {TaskRow: 1},
    ),
}


def test_no_rpc_with_a_request_id_is_left_out() -> None:
    assert set(CASES) == {rpc for rpc, method in methods().items() if "request_id" in method.input_type.fields_by_name}


def rows_of(pair: Pair) -> dict[type[Any], int]:
    with pair.store.connection():
        return {table: table.select().count() for table in TABLES}


@pytest.mark.parametrize("rpc", sorted(CASES))
def test_a_request_that_comes_often_to_both_servers_is_done_once(pair: Pair, rpc: str) -> None:
    name = f"once-{next(numbers)}"
    with pair.clients() as clients, ThreadPoolExecutor(8) as pool:
        request: Any = CASES[rpc].request(pair, clients[0], name)
        request.request_id = name
        before = rows_of(pair)
        together = threading.Barrier(8)

        def ask(client: Client) -> Message:
            together.wait()
            return called(client, rpc, request)[0]

        answers = list(pool.map(ask, clients * 4))
        assert answers == [answers[0]] * 8
        after = rows_of(pair)
    assert {table: after[table] - before[table] for table in TABLES if after[table] != before[table]} == CASES[rpc].rows
