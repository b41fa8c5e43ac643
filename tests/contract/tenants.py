"""Two tenants on one server, each with an account of one cloud, a network, a cluster and machines."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bridgx.v1 as pb
import grpc
from bridgx import Client, failure_of
from bridgx_server import logs
from bridgx_server.cloudsim.control_client import ControlClient
from bridgx_server.cloudsim.server import CloudSim
from bridgx_server.providers.base import CreateMachines, Credentials, Disk, ProviderSettings
from bridgx_server.providers.registry import ProviderRegistry
from bridgx_server.server import Parts, Server
from bridgx_server.settings import Settings
from bridgx_server.store import accounts, chunks, comparisons, orphans
from bridgx_server.store.database import Store
from bridgx_server.store.migrations import migrate
from bridgx_server.store.scope import EVERYTHING
from bridgx_server.store.secrets import Keyring
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message

CLOUD, OTHER_CLOUD = "AlibabaCloud", "AWSCloud"
REGION, ZONE = "cn-qingdao", "cn-qingdao-b"
ROOT = {"root": "root-token", "watcher=viewer": "viewer-token", "hand=operator": "operator-token"}


def methods() -> dict[str, MethodDescriptor]:
    """Every rpc of the protos: `TaskService.GetTask` and what its descriptor says."""
    files = {getattr(pb, name).DESCRIPTOR.file for name in pb.__all__ if name.endswith("Request")}
    return {
        f"{service.name}.{method.name}": method
        for file in files
        for service in file.services_by_name.values()
        for method in service.methods
    }


def outcome(client: Client, rpc: str, request: Message) -> tuple[str, ...]:
    """What a caller sees: `ok` and the whole answer, or the code, the reason, the words and the fields."""
    try:
        answers = called(client, rpc, request)
    except grpc.RpcError as error:
        told = failure_of(error)
        return (str(told.code), told.reason, told.message, *sorted(map(str, told.fields)))
    return ("ok", *(MessageToJson(answer) for answer in answers))


def called(client: Client, rpc: str, request: Message) -> list[Message]:
    """The answer, or all of them; raises grpc.RpcError."""
    service, name = rpc.split(".")
    call = getattr(getattr(pb, f"{service}Stub")(client._channel), name)
    return list(call(request)) if methods()[rpc].server_streaming else [call(request)]


@dataclass
class Tenant:
    """Who, and what it has. Its callers are admins and operators of its account alone."""

    account_key: str
    admin: Client
    operator: Client
    token_id: str
    vpc: str = ""
    vpc_name: str = ""
    subnet: str = ""
    group: str = ""
    cluster: str = ""
    task_id: str = ""
    machines: list[pb.Instance] = field(default_factory=list)

    def marks(self) -> set[str]:
        """Texts that a stranger must not be shown."""
        ids = {machine.instance_id for machine in self.machines} | {machine.ip_inner for machine in self.machines}
        return {self.account_key, self.vpc, self.vpc_name, self.subnet, self.group, self.cluster, *ids} - {""}


@dataclass(frozen=True)
class World:
    """The server, an admin of everything, and the two."""

    address: str
    store: Store
    control: ControlClient
    root: Client
    log_file: Path
    stack: contextlib.ExitStack
    endpoint: str

    def client(self, token: str) -> Client:
        return self.stack.enter_context(Client(self.address, token, timeout=60))

    def token(self, name: str, role: str, *keys: str, **fields: Any) -> pb.CreateTokenResponse:
        """A token for accounts of the cloud, or for all where none is named."""
        accounts = [pb.TokenAccount(provider=CLOUD, account_key=key) for key in keys]
        return self.root.tokens.CreateToken(
            pb.CreateTokenRequest(name=name, role=role, accounts=accounts, all_accounts=not keys, **fields)
        )

    def register(self, provider: str, key: str, secret: str) -> None:
        self.root.accounts.CreateAccount(
            pb.CreateAccountRequest(provider=provider, account_name=key, account_key=key, account_secret=secret)
        )

    def tenant(self, key: str, secret: str) -> Tenant:
        """Registers the account and gives out its tokens."""
        self.register(CLOUD, key, secret)
        admin = self.token(f"admin-of-{key}", "admin", key)
        operator = self.token(f"operator-of-{key}", "operator", key)
        return Tenant(key, self.client(admin.token), self.client(operator.token), operator.token_id)

    def placed(self, tenant: Tenant, block: str) -> Tenant:
        """Makes a network and a cluster, as the tenant's operator."""
        client, name = tenant.operator, tenant.account_key
        tenant.vpc_name = f"vpc-of-{name}"
        tenant.vpc = client.networks.CreateNetworkConfig(network_of(tenant, block)).vpc_id
        tenant.subnet = client.networks.ListSubnets(pb.ListSubnetsRequest(vpc_id=tenant.vpc)).switches[0].switch_id
        groups = client.networks.ListSecurityGroups(pb.ListSecurityGroupsRequest(vpc_id=tenant.vpc)).groups
        tenant.group = groups[0].security_group_id
        tenant.cluster = client.clusters.CreateCluster(template_of(tenant, f"web of {name}")).cluster_name
        return tenant

    def furnished(self, tenant: Tenant, block: str, machines: int) -> Tenant:
        """Makes a network, a cluster and machines, as the tenant's operator."""
        client = self.placed(tenant, block).operator
        expand = pb.ExpandClusterRequest(cluster_name=tenant.cluster, task_name="grow", count=machines)
        tenant.task_id = client.tasks.ExpandCluster(expand).task_id
        assert client.wait_task(tenant.task_id, timeout=120).running == machines
        tenant.machines = list(client.list_instances(pb.ListInstancesRequest(cluster_name=tenant.cluster)))
        return tenant

    def orphan(self, tenant: Tenant) -> str:
        """A machine of the tenant's account that carries our tag, that nothing here knows, and that has been reported."""
        name = chunks.installation(self.store)
        credentials = Credentials(CLOUD, tenant.account_key, f"demo-secret-{CLOUD}")
        provider = ProviderRegistry({CLOUD: ProviderSettings(endpoint=self.endpoint)}).get(credentials)
        request = CreateMachines(
            region_id=REGION,
            zone_id=ZONE,
            instance_type="ecs.g6.large",
            image_id="centos_7_6_x64_20G_alibase_20211030.vhd",
            vpc_id=tenant.vpc,
            subnet_id=tenant.subnet,
            security_group_id=tenant.group,
            count=1,
            token=str(uuid.uuid4()),
            name="stranger",
            password="Passw0rd!",
            system_disk=Disk("cloud_efficiency", 40),
            tags={"bridgx": name},
        )
        (made,) = provider.create_machines(request).instance_ids
        account = accounts.by_key(self.store, EVERYTHING, CLOUD, tenant.account_key)
        seen = orphans.Sighting(made, "running", "ecs.g6.large", ZONE, "", 0, {"bridgx": name}, "nothing explains it")
        with self.store.transaction():
            orphans.report(account.id, REGION, [seen], self.store.now())
            found = [comparisons.Found(made)]
            comparisons.note(comparisons.ORPHAN, account.id, REGION, found, self.store.now())
        return made


def network_of(tenant: Tenant, block: str, **changes: Any) -> pb.CreateNetworkConfigRequest:
    fields = {
        "provider": CLOUD,
        "region_id": REGION,
        "zone_id": ZONE,
        "cidr_block": f"{block}.0.0/16",
        "vpc_name": tenant.vpc_name or "vpc-of-nobody",
        "switch_cidr_block": f"{block}.0.0/20",
        "switch_name": f"subnet-of-{tenant.account_key}",
        "security_group_name": f"group-of-{tenant.account_key}",
        "security_group_type": "normal",
        "ak": tenant.account_key,
    }
    return pb.CreateNetworkConfigRequest(**{**fields, **changes})


def template_of(tenant: Tenant, name: str, **changes: Any) -> pb.CreateClusterRequest:
    fields: dict[str, Any] = {
        "name": name,
        "provider": CLOUD,
        "account_key": tenant.account_key,
        "region_id": REGION,
        "zone_id": ZONE,
        "instance_type": "ecs.g6.large",
        "image": "centos_7_6_x64_20G_alibase_20211030.vhd",
        "password": "Passw0rd!",
        "network_config": pb.NetworkConfig(vpc=tenant.vpc, subnet_id=tenant.subnet, security_group=tenant.group),
        "disks": pb.DiskConfig(system_disk=pb.Disk(category="cloud_efficiency", size=40)),
    }
    return pb.CreateClusterRequest(**{**fields, **changes})


@contextlib.contextmanager
def world(directory: Path, database_url: str = "", **settings: Any) -> Iterator[World]:
    """A server with a worker over two simulated clouds, and a caller who may do everything."""
    with contextlib.ExitStack() as stack:
        log = stack.enter_context((directory / "server.log").open("a", encoding="utf-8"))
        stack.enter_context(logs.written_to(log, "debug", "json"))
        simulator = CloudSim.start(directory / "clouds", clouds=[CLOUD, OTHER_CLOUD])
        stack.callback(simulator.stop)
        control = ControlClient(simulator.control_url)
        control.delays(boot=[0.05, 0.2], delete=[0.02, 0.1])
        url = database_url or f"sqlite:///{directory}/bridgx.db"
        store = Store(url)
        stack.callback(store.close)
        migrate(store)
        endpoints = {f"endpoint_{name.lower()}": endpoint for name, endpoint in simulator.endpoints.items()}
        chosen = Settings(**{"database_url": url, "grpc_port": 0, "poll": 0.1, **endpoints, **settings})
        server = Server(Parts(chosen, store, Keyring.of(b"k" * 32), ROOT))
        server.start()
        stack.callback(server.stop)
        address = f"127.0.0.1:{server.port}"
        root = stack.enter_context(Client(address, "root-token", timeout=60))
        yield World(address, store, control, root, directory / "server.log", stack, simulator.endpoints[CLOUD])
