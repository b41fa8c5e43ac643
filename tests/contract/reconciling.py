"""A service on simulated clouds, and machines that are made behind its back with the vendor's own SDK."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bridgx.v1 as pb
from bridgx import Client
from bridgx_server.cloudsim.control_client import ControlClient
from bridgx_server.cloudsim.server import CloudSim
from bridgx_server.providers.base import CreateMachines, Credentials, Disk, Provider, ProviderSettings
from bridgx_server.providers.registry import ProviderRegistry
from bridgx_server.server import Parts, Server
from bridgx_server.settings import Settings
from bridgx_server.store import chunks
from bridgx_server.store.database import Store
from bridgx_server.store.migrations import migrate
from bridgx_server.store.models import InstanceRow
from bridgx_server.store.secrets import Keyring
from contract.clusters import REGIONS
from contract.conftest import until

KEY = b"k" * 32
TOKEN = "token-of-tests"
PASSWORD = "Manual@pass1"
SETTLED = 0.3  # seconds after which a machine that is not listed is missing


@dataclass
class World:
    """One cloud with a network, as its users and its console see it."""

    cloud: str
    simulator: CloudSim
    control: ControlClient
    store: Store
    settings: Settings
    client: Client
    provider: Provider
    server: Server
    place: dict[str, str] = field(default_factory=dict)
    network: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return f"demo-{self.cloud}"

    @property
    def region(self) -> str:
        return REGIONS[self.cloud]

    @property
    def installation(self) -> str:
        return chunks.installation(self.store)

    # What a user does.

    def furnish(self) -> None:
        """Registers the account and makes a network."""
        self.client.accounts.CreateAccount(
            pb.CreateAccountRequest(
                provider=self.cloud,
                account_name="demo",
                account_key=self.key,
                account_secret=f"demo-secret-{self.cloud}",
                project_id="demo-project" if self.cloud == "HuaweiCloud" else "",
            )
        )
        zone = self.provider.list_zones(self.region)[0].zone_id
        offers = self.provider.list_instance_types(self.region, zone)
        images = self.provider.list_images(self.region)
        self.place = {
            "region_id": self.region,
            "zone_id": zone,
            "instance_type": next(row.name for row in offers if row.cores == 2),
            "image": next(row.image_id for row in images if row.os_type == "linux"),
        }
        vpc = self.client.networks.CreateNetworkConfig(self.network_request()).vpc_id
        subnet = self.client.networks.ListSubnets(pb.ListSubnetsRequest(vpc_id=vpc)).switches[0].switch_id
        groups = self.client.networks.ListSecurityGroups(pb.ListSecurityGroupsRequest(vpc_id=vpc)).groups
        self.network = {"vpc": vpc, "subnet_id": subnet, "security_group": groups[0].security_group_id}

    def network_request(self, request_id: str = "") -> pb.CreateNetworkConfigRequest:
        return pb.CreateNetworkConfigRequest(
            provider=self.cloud,
            region_id=self.region,
            zone_id=self.place["zone_id"],
            cidr_block="172.16.0.0/16",
            vpc_name="vpctest",
            switch_cidr_block="172.16.0.0/20",
            switch_name="first-switch",
            security_group_name="first-group",
            security_group_type="normal",
            ak=self.key,
            request_id=request_id,
        )

    def cluster(self) -> str:
        request = pb.CreateClusterRequest(
            name=f"web-{uuid.uuid4().hex[:8]}",
            provider=self.cloud,
            account_key=self.key,
            password=PASSWORD,
            network_config=pb.NetworkConfig(**self.network),
            disks=pb.DiskConfig(system_disk=pb.Disk(category="cloud_efficiency", size=50)),
            **self.place,
        )
        return self.client.clusters.CreateCluster(request).cluster_name

    def expanded(self, count: int) -> str:
        """A cluster with that many running machines."""
        name = self.cluster()
        request = pb.ExpandClusterRequest(cluster_name=name, task_name="grow", count=count)
        task = self.client.wait_task(self.client.tasks.ExpandCluster(request).task_id, timeout=120)
        assert (task.status, task.running) == ("SUCCESS", count), task
        return name

    def compared(self) -> pb.Comparison:
        """The comparison of the cloud's region that was asked for just now."""
        asked = self.client.reconcile.StartComparison(pb.StartComparisonRequest(provider=self.cloud, account=self.key))
        assert asked.places >= 1
        found: list[pb.Comparison] = []

        def over() -> bool:
            found[:] = [row for row in self.client.list_comparisons() if row.region_id == self.region]
            return bool(found) and found[0].start_at.ToMilliseconds() >= asked.asked_at.ToMilliseconds()

        until(over)
        return found[0]

    def statuses(self, cluster: str) -> dict[str, str]:
        rows = self.client.list_instances(pb.ListInstancesRequest(cluster_name=cluster))
        return {row.instance_id: row.status for row in rows}

    def findings(self, kind: str) -> dict[str, pb.Finding]:
        return {row.instance_id: row for row in self.client.list_findings(pb.ListFindingsRequest(kind=kind))}

    def orphans(self) -> dict[str, pb.Orphan]:
        return {row.instance_id: row for row in self.client.list_orphans()}

    def delete_orphans(self, *instance_ids: str) -> dict[str, str]:
        request = pb.DeleteOrphansRequest(instance_ids=instance_ids)
        return {row.instance_id: row.result for row in self.client.reconcile.DeleteOrphans(request).results}

    # What happens behind its back.

    def stranger(self, tags: Mapping[str, str]) -> str:
        """A machine that someone else makes, with these tags."""
        request = CreateMachines(
            region_id=self.region,
            zone_id=self.place["zone_id"],
            instance_type=self.place["instance_type"],
            image_id=self.place["image"],
            vpc_id=self.network["vpc"],
            subnet_id=self.network["subnet_id"],
            security_group_id=self.network["security_group"],
            count=1,
            token=str(uuid.uuid4()),
            name="stranger",
            password=PASSWORD,
            system_disk=Disk("cloud_efficiency", 50),
            tags=tags,
        )
        (made,) = self.provider.create_machines(request).instance_ids
        until(lambda: self.at_the_cloud().get(made, {}).get("state") == "running")
        return made

    def orphan(self) -> str:
        """A machine with this installation's tag that nothing here knows."""
        return self.stranger({"bridgx": self.installation, "bridgx-chunk": str(uuid.uuid4())})

    def at_the_cloud(self) -> dict[str, dict[str, Any]]:
        return {row["machine_id"]: row for row in self.control.machines(self.cloud)}

    def forget(self, instance_id: str) -> None:
        """The inventory does not have a machine any more, as one that was restored from a backup."""
        with self.store.transaction():
            InstanceRow.delete().where(InstanceRow.instance_id == instance_id).execute()

    def show(self, instance_id: str, shown: bool) -> None:
        """Whether the cloud tells of a machine when it is asked; it lives all the same."""
        body = {"cloud": self.cloud, "visible_at": 0 if shown else 10**10}
        self.control.call("POST", f"/machines/{instance_id}", body)

    def delete_in_the_console(self, instance_id: str) -> None:
        self.control.call("DELETE", f"/machines/{instance_id}")


@contextlib.contextmanager
def a_world(cloud: str, directory: Path, database_url: str = "", **settings: Any) -> Iterator[World]:
    """A service on one simulated cloud, whose machines boot and go at once."""
    simulator = CloudSim.start(directory / "clouds", clouds=[cloud])
    control = ControlClient(simulator.control_url)
    control.delays(boot=[0.02, 0.1], delete=[0.02, 0.1])
    url = database_url or f"sqlite:///{directory}/bridgx.db"
    endpoint = {f"endpoint_{cloud.lower()}": simulator.endpoints[cloud]}
    options = {"poll": 0.05, "visibility": SETTLED, "database_url": url, "grpc_port": 0, **endpoint, **settings}
    store = Store(url)
    migrate(store)
    made = Settings(**options)
    server = Server(Parts(made, store, Keyring.of(KEY), {"tester": TOKEN}))
    server.start()
    project = "demo-project" if cloud == "HuaweiCloud" else ""
    credentials = Credentials(cloud, f"demo-{cloud}", f"demo-secret-{cloud}", project)
    provider = ProviderRegistry({cloud: ProviderSettings(endpoint=simulator.endpoints[cloud])}).get(credentials)
    with Client(f"127.0.0.1:{server.port}", TOKEN, timeout=60) as client:
        world = World(cloud, simulator, control, store, made, client, provider, server)
        world.furnish()
        yield world
    # A test may have put others in their place.
    world.client.close()
    world.server.stop()
    store.close()
    simulator.stop()
