"""The simulated clouds and a server, each a process of its own, and clusters on them through the gRPC API."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bridgx import Client, v1
from bridgx_server.cloudsim.control_client import ControlClient
from bridgx_server.cloudsim.front import FRONTS
from bridgx_server.cloudsim.server import demo_account
from bridgx_server.demo.ports import free_port, free_range
from bridgx_server.demo.tour import REGIONS
from bridgx_server.providers.base import Credentials, Provider, ProviderSettings
from bridgx_server.providers.registry import ADAPTERS, ProviderRegistry

TOKEN = "benchmark-token"
PASSWORD = "Bridgx@2026"
START = 60.0  # seconds that a process may take to serve


@dataclass(frozen=True)
class System:
    """Two processes that run, and the ways to them."""

    client: Client
    control: ControlClient
    endpoints: dict[str, str]
    server_pid: int

    def resident_mib(self) -> float:
        """Memory of the server that is in use now, in MiB."""
        return _status(self.server_pid, "VmRSS")

    def peak_mib(self) -> float:
        """The most that it ever was, in MiB."""
        return _status(self.server_pid, "VmHWM")

    def adapter(self, cloud: str) -> Provider:
        """An adapter of our own beside the server's, with the same account."""
        account = demo_account(cloud)
        registry = ProviderRegistry({cloud: ProviderSettings(endpoint=self.endpoints[cloud])})
        return registry.get(Credentials(cloud, account.access_key, account.secret, account.project_id))


@dataclass(frozen=True)
class Place:
    """Where machines are made and what they are."""

    cloud: str
    region: str
    zone: str
    instance_type: str
    image: str
    vpc: str
    subnet: str
    group: str


@contextlib.contextmanager
def system(
    directory: Path, database_url: str = "", clouds: Iterable[str] = tuple(FRONTS), **settings: object
) -> Iterator[System]:
    """Starts both in a folder, with an account of each of the clouds; ends them at the end of the block.

    ``settings`` are those of the server, by name.
    """
    directory.mkdir(exist_ok=True)
    base, port = free_range(6), free_port()
    endpoints = {name: f"http://127.0.0.1:{base + list(ADAPTERS).index(name)}" for name in FRONTS}
    environment = {
        **os.environ,
        "BRIDGX_DATABASE_URL": database_url or f"sqlite:///{directory}/bridgx.db",
        "BRIDGX_SECRET_KEY": secrets.token_hex(32),
        "BRIDGX_TOKENS": f"benchmark:{TOKEN}",
        "BRIDGX_GRPC_PORT": str(port),
        "BRIDGX_LOG_LEVEL": "warning",
        "BRIDGX_DEFAULT_MAX_MACHINES": "100000",
        **{f"BRIDGX_ENDPOINT_{name.upper()}": url for name, url in endpoints.items()},
        **{f"BRIDGX_{name.upper()}": str(value) for name, value in settings.items()},
    }
    command = [sys.executable, "-m", "bridgx_server"]
    subprocess.run([*command, "migrate"], env=environment, check=True, stdout=subprocess.DEVNULL)
    with contextlib.ExitStack() as stack:
        simulate = [*command, "cloudsim", "--port-base", str(base), "--data-dir", str(directory / "clouds")]
        stack.enter_context(_process(simulate, environment, directory / "cloudsim.log"))
        control = ControlClient(f"http://127.0.0.1:{base + 5}")
        _until(lambda: control.call("GET", "/summary"))
        server = stack.enter_context(_process([*command, "serve"], environment, directory / "server.log"))
        client = stack.enter_context(Client(f"127.0.0.1:{port}", TOKEN, timeout=300))
        _until(client.list_clusters)
        running = System(client, control, endpoints, server.pid)
        for cloud in clouds:
            register(running, cloud)
        yield running


def register(system: System, cloud: str) -> None:
    """An account of the cloud, which the server asks the cloud about."""
    account = demo_account(cloud)
    system.client.accounts.CreateAccount(
        v1.CreateAccountRequest(
            provider=cloud,
            account_name=cloud,
            account_key=account.access_key,
            account_secret=account.secret,
            project_id=account.project_id,
        )
    )


def a_place(system: System, cloud: str, name: str) -> Place:
    """A network of its own in a zone of the cloud, with a type of two cores and an image."""
    client, region = system.client, REGIONS[cloud]
    clusters, networks = client.clusters, client.networks
    zone = clusters.ListZones(v1.ListZonesRequest(provider=cloud, region_id=region)).zones[0].zone_id
    types = clusters.ListInstanceTypes(
        v1.ListInstanceTypesRequest(provider=cloud, region_id=region, zone_id=zone)
    ).instance_types
    images = clusters.ListImages(v1.ListImagesRequest(provider=cloud, region_id=region)).images
    vpc = networks.CreateNetworkConfig(
        v1.CreateNetworkConfigRequest(
            provider=cloud,
            ak=demo_account(cloud).access_key,
            region_id=region,
            zone_id=zone,
            vpc_name=name,
            cidr_block="172.16.0.0/16",
            switch_name=name,
            switch_cidr_block="172.16.0.0/17",
            security_group_name=name,
            security_group_type="normal",
        )
    ).vpc_id
    subnet = next(client.list_subnets(v1.ListSubnetsRequest(vpc_id=vpc))).switch_id
    group = next(client.list_security_groups(v1.ListSecurityGroupsRequest(vpc_id=vpc))).security_group_id
    return Place(
        cloud,
        region,
        zone,
        next(offer.instance_type for offer in types if offer.core == 2),
        next(image.image_id for image in images if image.os_type == "linux"),
        vpc,
        subnet,
        group,
    )


def a_cluster(system: System, place: Place, name: str) -> str:
    """A template of that name."""
    request = v1.CreateClusterRequest(
        name=name,
        provider=place.cloud,
        account_key=demo_account(place.cloud).access_key,
        region_id=place.region,
        zone_id=place.zone,
        instance_type=place.instance_type,
        image=place.image,
        password=PASSWORD,
        network_config=v1.NetworkConfig(vpc=place.vpc, subnet_id=place.subnet, security_group=place.group),
        disks=v1.DiskConfig(system_disk=v1.Disk(category="cloud_efficiency", size=50)),
    )
    return system.client.clusters.CreateCluster(request).cluster_name


@contextlib.contextmanager
def _process(command: list[str], environment: dict[str, str], log_file: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log_file.open("ab") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _until(ready: object) -> None:
    deadline = time.monotonic() + START
    while True:
        try:
            answer = ready()  # type: ignore[operator]
            if isinstance(answer, Iterator):
                list(answer)
            return
        except Exception:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _status(pid: int, name: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) / 1024
    raise KeyError(name)
