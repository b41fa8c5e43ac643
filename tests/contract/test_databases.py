"""The same service on SQLite, PostgreSQL and MariaDB, through gRPC, the real SDK and the simulated cloud."""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bridgx.v1 as pb
import grpc
import pytest
from bridgx import Client, failure_of
from bridgx_server.cloudsim.control_client import ControlClient
from bridgx_server.cloudsim.server import CloudSim
from bridgx_server.errors import AlreadyExists
from bridgx_server.server import Parts, Server
from bridgx_server.settings import Settings
from bridgx_server.store import accounts, cloud_accounts, instances, stockouts, tokens
from bridgx_server.store.database import Store
from bridgx_server.store.migrations import TABLE, VERSIONS, migrate, pending
from bridgx_server.store.scope import EVERYTHING, AccountName, Scope
from bridgx_server.store.secrets import Keyring
from contract.conftest import until
from playhouse.migrations import Runner

CLOUD = "AlibabaCloud"
KEY = f"demo-{CLOUD}"


@dataclass(frozen=True)
class Service:
    client: Client
    control: ControlClient
    store: Store
    address: str

    def network(self) -> str:
        request = pb.CreateNetworkConfigRequest(
            provider=CLOUD,
            region_id="cn-qingdao",
            zone_id="cn-qingdao-b",
            cidr_block="172.16.0.0/16",
            vpc_name="net",
            switch_cidr_block="172.16.0.0/20",
            switch_name="sub",
            security_group_name="group",
            security_group_type="normal",
            ak=KEY,
        )
        return self.client.networks.CreateNetworkConfig(request).vpc_id

    def cluster(self, **changes: object) -> pb.CreateClusterRequest:
        vpc = self.network()
        subnet = self.client.networks.ListSubnets(pb.ListSubnetsRequest(vpc_id=vpc)).switches[0].switch_id
        group = self.client.networks.ListSecurityGroups(pb.ListSecurityGroupsRequest(vpc_id=vpc)).groups[0]
        fields: dict[str, object] = {
            "name": f"web-{uuid.uuid4().hex[:8]}",
            "provider": CLOUD,
            "account_key": KEY,
            "region_id": "cn-qingdao",
            "zone_id": "cn-qingdao-b",
            "instance_type": "ecs.g6.large",
            "image": "centos_7_6_x64_20G_alibase_20211030.vhd",
            "password": "Passw0rd!",
            "network_config": pb.NetworkConfig(vpc=vpc, subnet_id=subnet, security_group=group.security_group_id),
            "disks": pb.DiskConfig(system_disk=pb.Disk(category="cloud_efficiency", size=40)),
            **changes,
        }
        return pb.CreateClusterRequest(**fields)  # type: ignore[arg-type]


@pytest.fixture
def service(database_url: str, tmp_path: Path) -> Iterator[Service]:
    simulator = CloudSim.start(tmp_path / "clouds", clouds=[CLOUD])
    control = ControlClient(simulator.control_url)
    control.delays(boot=[0.05, 0.2], delete=[0.02, 0.1])
    settings = Settings(
        database_url=database_url, grpc_port=0, poll=0.1, endpoint_alibabacloud=simulator.endpoints[CLOUD]
    )
    store = Store(database_url)
    migrate(store)
    server = Server(Parts(settings, store, Keyring.of(b"k" * 32), {"tester": "token-of-tests"}))
    server.start()
    address = f"127.0.0.1:{server.port}"
    with Client(address, "token-of-tests", timeout=60) as client:
        client.accounts.CreateAccount(
            pb.CreateAccountRequest(
                provider=CLOUD, account_name="demo", account_key=KEY, account_secret=f"demo-secret-{CLOUD}"
            )
        )
        yield Service(client, control, store, address)
    server.stop()
    store.close()
    simulator.stop()


def refusal(call: object, request: object) -> tuple[str, set[str]]:
    with pytest.raises(grpc.RpcError) as caught:
        call(request)  # type: ignore[operator]
    told = failure_of(caught.value)
    return told.reason, set(told.fields)


def test_a_whole_life(service: Service) -> None:
    client = service.client
    name = client.clusters.CreateCluster(service.cluster()).cluster_name
    expand = pb.ExpandClusterRequest(cluster_name=name, task_name="grow", count=12)
    task = client.wait_task(client.tasks.ExpandCluster(expand).task_id, timeout=120)
    assert (task.status, task.running, task.failed, task.pending) == ("SUCCESS", 12, 0, 0)
    machines = list(client.list_instances(pb.ListInstancesRequest(cluster_name=name, status="running")))
    assert {machine.instance_id for machine in machines} == {
        machine["machine_id"] for machine in service.control.machines(CLOUD)
    }
    shrink = pb.ShrinkClusterRequest(cluster_name=name, task_name="less", ips=[machines[0].ip_inner])
    task = client.wait_task(client.tasks.ShrinkCluster(shrink).task_id, timeout=120)
    assert (task.status, task.deleted) == ("SUCCESS", 1)
    assert machines[0].instance_id not in {row["machine_id"] for row in service.control.machines(CLOUD)}
    ids = [machine.instance_id for machine in machines[1:4]]
    shrink = pb.ShrinkClusterRequest(cluster_name=name, task_name="less", instance_ids=ids, count=3)
    task = client.wait_task(client.tasks.ShrinkCluster(shrink).task_id, timeout=120)
    assert (task.status, task.deleted) == ("SUCCESS", 3)
    left = {machine.instance_id for machine in machines[4:]}
    assert left == {row["machine_id"] for row in service.control.machines(CLOUD)}
    assert client.instances.CountInstances(pb.CountInstancesRequest(cluster_name=name)).instance_num == 8
    clusters = client.clusters.ListClusters(pb.ListClustersRequest(account=KEY)).cluster_list
    assert [row.total_remainder for row in clusters] == ["8/200"]
    rows = list(client.list_usage(pb.ListUsageRequest(cluster_name=name)))
    assert len(rows) == 12
    until(lambda: client.fees.GetUsageTotal(pb.GetUsageTotalRequest(cluster_name=name)).usage_total > 0)


def test_the_same_request_is_done_once_even_side_by_side(service: Service) -> None:
    cluster = service.cluster(request_id="make-1")
    name = service.client.clusters.CreateCluster(cluster).cluster_name
    assert service.client.clusters.CreateCluster(cluster).cluster_name == name
    expand = pb.ExpandClusterRequest(cluster_name=name, task_name="grow", count=3, request_id="grow-1")
    together = threading.Barrier(8)

    def ask(_: int) -> str:
        together.wait()
        return service.client.tasks.ExpandCluster(expand).task_id

    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(ask, range(8)))
    assert len(ids) == 1
    assert service.client.wait_task(ids.pop(), timeout=120).running == 3
    assert len(service.control.machines(CLOUD)) == 3
    expand.count = 4
    assert refusal(service.client.tasks.ExpandCluster, expand)[0] == "conflict"


def test_names_are_told_apart_by_case_and_taken_once(service: Service) -> None:
    service.client.clusters.CreateCluster(service.cluster(name="Web"))
    service.client.clusters.CreateCluster(service.cluster(name="web"))
    assert refusal(service.client.clusters.CreateCluster, service.cluster(name="web"))[0] == "cluster_already_exists"


def test_everything_that_a_template_names_is_looked_up(service: Service) -> None:
    wrong = service.cluster(zone_id="cn-qingdao-x", image="no-such-image", password="weakpass")
    wrong.network_config.subnet_id = "vsw-none"
    wrong.network_config.security_group = "sg-none"
    reason, fields = refusal(service.client.clusters.CreateCluster, wrong)
    assert reason == "param_invalid"
    assert fields == {"zone_id", "image", "password", "network_config.subnet_id", "network_config.security_group"}
    assert refusal(service.client.clusters.CreateCluster, service.cluster(instance_type="ecs.none")) == (
        "param_invalid",
        {"instance_type"},
    )
    assert refusal(service.client.clusters.CreateCluster, service.cluster(region_id="mars")) == (
        "param_invalid",
        {"region_id"},
    )
    assert refusal(service.client.clusters.CreateCluster, service.cluster(account_key="nobody"))[0] == (
        "account_not_found"
    )


def test_an_account_in_use_stays_and_a_wrong_secret_is_refused(service: Service) -> None:
    service.client.clusters.CreateCluster(service.cluster())
    remove = pb.DeleteAccountRequest(provider=CLOUD, account_key=KEY)
    assert refusal(service.client.accounts.DeleteAccount, remove)[0] == "conflict"
    account = pb.CreateAccountRequest(
        provider=CLOUD, account_name="x", account_key=KEY, account_secret=f"demo-secret-{CLOUD}"
    )
    assert refusal(service.client.accounts.CreateAccount, account)[0] == "account_already_exists"
    account.account_key, account.account_secret = "stranger", "wrong-secret-wrong"
    assert refusal(service.client.accounts.CreateAccount, account)[0] == "bad_credentials"
    (row,) = service.client.list_accounts()
    assert "secret" not in str(row)


def test_secrets_are_sealed_on_disk(service: Service, tmp_path: Path) -> None:
    service.client.clusters.CreateCluster(service.cluster())
    if service.store.dialect == "sqlite":
        content = b"".join(file.read_bytes() for file in tmp_path.glob("bridgx.db*"))
    else:
        with service.store.connection():
            query = "SELECT secret FROM accounts UNION ALL SELECT password FROM clusters"
            content = repr(service.store.database.execute_sql(query).fetchall()).encode()
    assert f"demo-secret-{CLOUD}".encode() not in content
    assert b"Passw0rd!" not in content


def test_migrations_run_side_by_side_and_once(database_url: str) -> None:
    store = Store(database_url)
    with ThreadPoolExecutor(4) as pool:
        applied = [name for names in pool.map(lambda _: migrate(store), range(4)) for name in names]
    assert applied == sorted(set(applied))
    assert pending(store) == []
    store.close()


def test_an_older_database_keeps_its_tokens_and_their_names(database_url: str) -> None:
    """Of version 8, in which names were unique among all tenants."""
    store = Store(database_url)
    with store.connection():
        Runner(store.database, str(VERSIONS), table_name=TABLE).up(target="0008_doubts")
        columns = (
            "name, held_name, digest, role, all_accounts, created_at, created_by, expires_at, revoked_at, last_used_at"
        )
        true, end = "1" if store.dialect == "sqlite" else "TRUE", 10**15
        for name, held in (("ci", "'ci'"), ("old", "NULL"), ("old", "NULL")):
            digest = uuid.uuid4().hex
            values = f"'{name}', {held}, '{digest}', 'viewer', {true}, 1, 'root', {end}, 0, 0"
            store.database.execute_sql(f"INSERT INTO tokens ({columns}) VALUES ({values})")
        store.database.execute_sql(
            "INSERT INTO accounts (provider, name, access_key, secret, project_id, created_at, created_by, cloud_key,"
            f" ambient, secret_at) VALUES ('AWSCloud', 'n', 'k', 's', '', 1, 'root', '', {true}, 1)"
        )
    migrate(store)
    wanted: dict[str, Any] = {"role": "viewer", "lifetime": 100, "caller": "test"}
    with pytest.raises(AlreadyExists):
        tokens.create(store, name="ci", scope=EVERYTHING, **wanted)
    one = Scope.of([AccountName("AWSCloud", "k")])
    tokens.create(store, name="ci", scope=one, giver=one, **wanted)
    tokens.create(store, name="old", scope=EVERYTHING, **wanted)
    (account,) = accounts.every(store)
    assert (account.cloud_account_id, account.shared) == ("", False)
    assert cloud_accounts.to_ask(store) == [account.id]
    store.close()


def test_no_protected_machine_goes_however_protection_and_shrink_meet(service: Service) -> None:
    client = service.client
    name = client.clusters.CreateCluster(service.cluster()).cluster_name
    grow = pb.ExpandClusterRequest(cluster_name=name, task_name="grow", count=12)
    client.wait_task(client.tasks.ExpandCluster(grow).task_id, timeout=120)
    machines = [row.instance_id for row in client.list_instances(pb.ListInstancesRequest(cluster_name=name))]
    together = threading.Barrier(len(machines) + 1)

    def protect(machine: str) -> list[str]:
        """The fields that were refused."""
        together.wait()
        try:
            client.instances.ProtectInstances(pb.ProtectInstancesRequest(cluster_name=name, instance_ids=[machine]))
        except grpc.RpcError as error:
            return list(failure_of(error).fields)
        return []

    with ThreadPoolExecutor(len(machines)) as pool:
        answers = [pool.submit(protect, machine) for machine in machines]
        together.wait()
        less = pb.ShrinkClusterRequest(cluster_name=name, task_name="less", count=1)
        with contextlib.suppress(grpc.RpcError):  # all may be protected by then
            client.wait_task(client.tasks.ShrinkCluster(less).task_id, timeout=120)
        refused = {machine: answer.result() for machine, answer in zip(machines, answers, strict=True)}
    assert all(fields in ([], ["instance_ids[0]"]) for fields in refused.values())
    kept = {machine for machine, fields in refused.items() if not fields}
    left = {row["machine_id"] for row in service.control.machines(CLOUD)}
    assert kept <= left
    detail = client.clusters.GetCluster(pb.GetClusterRequest(cluster_name=name)).cluster
    assert (detail.protected_machines, detail.used) == (len(kept), len(left))


def test_a_deleted_cluster_leaves_its_name_and_its_history(service: Service) -> None:
    client = service.client
    cluster = service.cluster()
    delete = pb.DeleteClusterRequest(cluster_name=cluster.name)
    for _ in range(2):
        client.clusters.CreateCluster(cluster)
        grow = pb.ExpandClusterRequest(cluster_name=cluster.name, task_name="grow", count=1)
        assert client.wait_task(client.tasks.ExpandCluster(grow).task_id, timeout=120).status == "SUCCESS"
        assert refusal(client.clusters.DeleteCluster, delete)[0] == "conflict"
        less = pb.ShrinkClusterRequest(
            cluster_name=cluster.name, task_name="less", count=1, termination_policy="newest"
        )
        assert client.wait_task(client.tasks.ShrinkCluster(less).task_id, timeout=120).status == "SUCCESS"
        assert client.clusters.DeleteCluster(delete).cluster_name == cluster.name
    assert refusal(client.clusters.DeleteCluster, delete)[0] == "cluster_not_found"
    machines = list(client.list_instances(pb.ListInstancesRequest(cluster_name=cluster.name)))
    assert [machine.status for machine in machines] == ["Deleted"] * 2
    assert len(list(client.list_tasks(pb.ListTasksRequest(cluster_name=cluster.name)))) == 4
    # Nothing uses the account any more, so far as templates go; the network still does.
    remove = pb.DeleteAccountRequest(provider=CLOUD, account_key=KEY)
    with pytest.raises(grpc.RpcError) as caught:
        client.accounts.DeleteAccount(remove)
    assert "0 clusters" in failure_of(caught.value).message


def test_a_stockout_and_a_quota_are_written_down_by_many_at_once(service: Service) -> None:
    together = threading.Barrier(8)

    def remember(_: int) -> None:
        together.wait()
        with service.store.transaction():
            stockouts.remember(service.store, 1, "zone-a", "type-1", service.store.now())
            stockouts.remember_quota(service.store, 1, "zone-a", "type-1", "no more…" * 200, service.store.now())

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(remember, range(8)))
    assert set(stockouts.remembered(service.store, 1, 0)) == {("zone-a", "type-1")}
    (quota,) = stockouts.refused_quotas(service.store, 1, 0).values()
    assert quota.message.startswith("no more…")
    with service.store.transaction():
        stockouts.forget(1, "zone-a", "type-1", service.store.now() + 1)
        stockouts.forget_quota(1, "zone-a", "type-1", quota.seen_at)
    assert stockouts.remembered(service.store, 1, 0) == {}
    assert len(stockouts.refused_quotas(service.store, 1, 0)) == 1
    with service.store.transaction():
        stockouts.forget_quota(1, "zone-a", "type-1", service.store.now() + 1)
    assert stockouts.refused_quotas(service.store, 1, 0) == {}
    assert not instances.any_with_reason(service.store, 1, "the cloud did not know")
