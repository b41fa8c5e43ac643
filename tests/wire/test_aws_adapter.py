"""The AWS adapter against two peers that know nothing of it: the simulated EC2, and moto wherever moto knows the call."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest
from bridgx_server.cloudsim.control_client import ControlClient
from bridgx_server.cloudsim.server import CloudSim
from bridgx_server.providers.aws import connect
from bridgx_server.providers.aws.errors import CODES
from bridgx_server.providers.base import (
    Charge,
    CreateMachines,
    CreateSecurityGroup,
    CreateSubnet,
    CreateVpc,
    Credentials,
    Disk,
    ErrorClass,
    MachineState,
    Provider,
    ProviderError,
    ProviderSettings,
    SecurityGroupRule,
    Subnet,
)
from moto.server import ThreadedMotoServer

REGION, ZONE = "us-east-1", "us-east-1a"
ACCOUNT = Credentials("AWSCloud", "demo-AWSCloud", "demo-secret-AWSCloud")


@dataclass(frozen=True)
class Peer:
    """A cloud to talk to. `strict`: it honours client tokens and pages."""

    name: str
    provider: Provider
    image: str
    strict: bool


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudSim]:
    simulator = CloudSim.start(tmp_path_factory.mktemp("aws"), clouds=["AWSCloud"])
    yield simulator
    simulator.stop()


@pytest.fixture(scope="module")
def moto_url() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["cloudsim", "moto"])
def peer(request: pytest.FixtureRequest, simulator: CloudSim) -> Peer:
    if request.param == "moto":
        provider = connect(ACCOUNT, ProviderSettings(endpoint=request.getfixturevalue("moto_url")))
        return Peer("moto", provider, provider.list_images(REGION)[0].image_id, strict=False)
    ControlClient(simulator.control_url).reset()
    ControlClient(simulator.control_url).delays(boot=[0, 0.1], delete=[0, 0.1])
    provider = connect(ACCOUNT, ProviderSettings(endpoint=simulator.endpoints["AWSCloud"], read_timeout=10))
    return Peer("cloudsim", provider, provider.list_images(REGION)[0].image_id, strict=True)


def an_order(peer: Peer, count: int = 3) -> CreateMachines:
    token = str(uuid.uuid4())
    provider = peer.provider
    vpc = provider.create_vpc(CreateVpc(REGION, "web", "10.0.0.0/16", token))
    subnet = provider.create_subnet(CreateSubnet(REGION, vpc, "10.0.0.0/16", ZONE, "web-a", "10.0.0.0/20", token))
    group = provider.create_security_group(CreateSecurityGroup(REGION, vpc, f"group-{token[:8]}", "normal", token))
    return CreateMachines(
        region_id=REGION,
        zone_id=ZONE,
        instance_type="m5.large",
        image_id=peer.image,
        vpc_id=vpc,
        subnet_id=subnet,
        security_group_id=group,
        count=count,
        token=token,
        name="web",
        password="Pass\"word: 'x' #1",
        system_disk=Disk("cloud_efficiency", 20),
        data_disks=(Disk("cloud_ssd", 100),),
        bandwidth_mbps=5,
        tags={"bridgx-chunk": token},
        # moto makes MinCount machines, EC2 up to MaxCount.
        min_count=1 if peer.strict else count,
    )


def until_running(peer: Peer, ids: tuple[str, ...]) -> None:
    deadline = time.monotonic() + 30
    while {machine.state for machine in peer.provider.describe_machines(REGION, ids)} != {MachineState.RUNNING}:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_whose_the_key_is(peer: Peer) -> None:
    account = peer.provider.cloud_account_id()
    assert (len(account), account.isdigit()) == (12, True)


def test_the_catalog(peer: Peer) -> None:
    assert REGION in {region.region_id for region in peer.provider.list_regions()}
    assert ZONE in {zone.zone_id for zone in peer.provider.list_zones(REGION)}
    types = {offer.name: offer for offer in peer.provider.list_instance_types(REGION, ZONE)}
    assert (types["m5.large"].cores, types["m5.large"].memory_gib, types["m5.large"].family) == (2, 8.0, "m5")
    image = peer.provider.find_image(REGION, peer.image)
    assert image is not None
    assert image.os_type in ("linux", "windows")
    assert peer.provider.find_image(REGION, "ami-00000000000000bad") is None


@pytest.mark.parametrize(
    ("code", "ahead", "kind"),
    [
        ("AuthFailure", 3600.0, ErrorClass.CLOCK_SKEW),
        ("SignatureDoesNotMatch", -3600.0, ErrorClass.CLOCK_SKEW),
        ("AuthFailure", 60.0, ErrorClass.BAD_CREDENTIALS),
        ("RequestTimeTooSkewed", 0.0, ErrorClass.CLOCK_SKEW),
        ("ExpiredToken", 3600.0, ErrorClass.BAD_CREDENTIALS),
        ("UnauthorizedOperation", 3600.0, ErrorClass.PERMISSION_DENIED),
    ],
)
def test_a_refusal_of_credentials_whose_time_is_far_from_ours_is_the_clocks(
    simulator: CloudSim, monkeypatch: pytest.MonkeyPatch, code: str, ahead: float, kind: ErrorClass
) -> None:
    control = ControlClient(simulator.control_url)
    adapter = connect(ACCOUNT, ProviderSettings(endpoint=simulator.endpoints["AWSCloud"]))
    now = time.time()
    monkeypatch.setattr("bridgx_server.providers.aws.calls.time", SimpleNamespace(time=lambda: now + ahead))
    control.fault("error", "AWSCloud", "DescribeRegions", params={"code": code, "status": 401})
    try:
        with pytest.raises(ProviderError) as caught:
            adapter.list_regions()
    finally:
        control.clear_faults()
    assert (caught.value.kind, caught.value.vendor_code) == (kind, code)


def test_a_name_that_is_wanted_is_the_machines(peer: Peer) -> None:
    order = an_order(peer)
    named = replace(order, token=str(uuid.uuid4()), tags={**order.tags, "Name": "web of team a"})
    for request, name in ((order, order.name), (named, "web of team a")):
        created = peer.provider.create_machines(request)
        until_running(peer, created.instance_ids)
        tags = peer.provider.describe_machines(REGION, created.instance_ids)[0].tags
        assert tags == {**request.tags, "Name": name}


def test_the_life_of_machines(peer: Peer) -> None:
    order = an_order(peer)
    provider = peer.provider
    provider.check_machines(order)
    assert provider.dry_run_machines(order)
    created = provider.create_machines(order)
    assert len(set(created.instance_ids)) == 3
    assert created.shortfall is None
    until_running(peer, created.instance_ids)
    (machine,) = provider.describe_machines(REGION, created.instance_ids[:1])
    assert (machine.instance_type, machine.zone_id) == ("m5.large", ZONE)
    assert machine.private_ip.startswith("10.0.")
    assert machine.public_ip
    assert machine.tags["bridgx-chunk"] == order.token
    assert {found.instance_id for found in provider.find_machines(REGION, {"bridgx-chunk": order.token})} == set(
        created.instance_ids
    )
    provider.delete_machines(REGION, [*created.instance_ids, "i-00000000000000bad"])
    provider.delete_machines(REGION, created.instance_ids)
    states = {machine.state for machine in provider.describe_machines(REGION, created.instance_ids)}
    assert states <= {MachineState.DELETING, MachineState.DELETED}
    assert provider.describe_machines(REGION, ["i-00000000000000bad"]) == []


def test_networks_are_made_once_and_described(peer: Peer) -> None:
    provider = peer.provider
    token = str(uuid.uuid4())
    request = CreateVpc(REGION, "twice", "10.1.0.0/16", token)
    vpc = provider.create_vpc(request)
    assert provider.create_vpc(request) == vpc
    (row,) = provider.describe_vpcs(REGION, [vpc, "vpc-00000000000000bad"])
    assert (row.vpc_id, row.name, row.cidr_block, row.status) == (vpc, "twice", "10.1.0.0/16", "Available")
    group = provider.create_security_group(CreateSecurityGroup(REGION, vpc, "rules", "normal", token))
    rules = [
        SecurityGroupRule("ingress", "tcp", 22, 22, cidr_ip="0.0.0.0/0"),
        SecurityGroupRule("ingress", "gre", -1, -1, cidr_ip="10.0.0.0/8"),
        SecurityGroupRule("ingress", "all", -1, -1, group_id=group),
        SecurityGroupRule("egress", "all", -1, -1, cidr_ip="0.0.0.0/0"),
        SecurityGroupRule("egress", "udp", 53, 53, cidr_ip="10.0.0.0/8"),
    ]
    if not peer.strict:  # moto fails inside on a protocol number without ports, and on a repeated group rule
        rules = [rule for rule in rules if rule.protocol in ("tcp", "udp")]
    provider.add_security_group_rules(REGION, group, rules)
    provider.add_security_group_rules(REGION, group, rules)
    (row,) = provider.describe_security_groups(REGION, [group])
    assert (row.vpc_id, row.name) == (vpc, "rules")
    for delete in (lambda: provider.delete_security_group(REGION, group), lambda: provider.delete_vpc(REGION, vpc)):
        delete()
        with pytest.raises(ProviderError) as refusal:
            delete()
        assert refusal.value.kind is ErrorClass.NOT_FOUND
    assert provider.describe_vpcs(REGION, [vpc]) == []


def test_subnets_are_made_once_described_and_deleted(peer: Peer) -> None:
    provider = peer.provider
    token = str(uuid.uuid4())
    vpc, other = (
        provider.create_vpc(CreateVpc(REGION, name, "10.2.0.0/16", f"{token}-{name}")) for name in ("subnets", "other")
    )
    assert provider.describe_subnets(REGION, vpc) == []
    request = CreateSubnet(REGION, vpc, "10.2.0.0/16", ZONE, "first", "10.2.0.0/20", f"{token}-1")
    first = provider.create_subnet(request)
    assert provider.create_subnet(request) == first
    second = provider.create_subnet(replace(request, name="second", cidr_block="10.2.16.0/24", token=f"{token}-2"))
    foreign = provider.create_subnet(replace(request, vpc_id=other, token=f"{token}-3"))
    found = {row.subnet_id: row for row in provider.describe_subnets(REGION, vpc)}
    assert set(found) == {first, second}
    assert found[second] == Subnet(second, vpc, ZONE, "second", "10.2.16.0/24", "Available", False, 251)
    assert (found[first].name, found[first].available_ip_count) == ("first", 4091)  # EC2 keeps five of a subnet
    with pytest.raises(ProviderError) as refusal:
        provider.create_subnet(replace(request, cidr_block="10.2.0.0/24", token=f"{token}-4"))
    assert (refusal.value.kind, refusal.value.vendor_code) == (ErrorClass.INVALID_PARAMETER, "InvalidSubnet.Conflict")
    provider.delete_subnet(REGION, vpc, first)
    assert [row.subnet_id for row in provider.describe_subnets(REGION, vpc)] == [second]
    assert [row.subnet_id for row in provider.describe_subnets(REGION, other)] == [foreign]
    provider.delete_subnet(REGION, vpc, second)
    provider.delete_vpc(REGION, vpc)
    assert provider.describe_subnets(REGION, vpc) == []


def test_the_same_token_makes_the_same_machines(peer: Peer) -> None:
    if not peer.strict:
        pytest.skip("moto ignores client tokens")
    order = an_order(peer)
    ids = peer.provider.create_machines(order).instance_ids
    assert peer.provider.create_machines(order).instance_ids == ids
    with pytest.raises(ProviderError) as refusal:
        peer.provider.create_machines(replace(order, count=4))
    assert (refusal.value.kind, refusal.value.vendor_code) == (
        ErrorClass.INVALID_PARAMETER,
        "IdempotentParameterMismatch",
    )


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"charge": Charge("PrePaid", "Month", 1)}, "charge_config.charge_type"),
        ({"system_disk": Disk("floppy", 20)}, "disks.system_disk.category"),
        ({"system_disk": Disk("st1", 500)}, "disks.system_disk.category"),
        ({"data_disks": (Disk("sc1", 10),)}, "disks.data_disk[0].size"),
        ({"data_disks": (Disk("gp3", 10),) * 12}, "disks.data_disk"),
        ({"tags": {"aws:x": "1"}}, "tags"),
    ],
)
def test_what_ec2_cannot_do_is_refused_before_any_call(
    simulator: CloudSim, changes: dict[str, object], field: str
) -> None:
    provider = connect(ACCOUNT, ProviderSettings(endpoint="http://127.0.0.1:9"))
    order = CreateMachines(
        REGION, ZONE, "m5.large", "ami-1", "vpc-1", "subnet-1", "sg-1", 1, "t", "n", "secret", Disk("gp3", 20)
    )
    with pytest.raises(ProviderError) as refusal:
        provider.check_machines(replace(order, **changes))  # type: ignore[arg-type]
    assert (refusal.value.kind, refusal.value.field) == (ErrorClass.INVALID_PARAMETER, field)


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_comes_out_as_its_class(simulator: CloudSim, code: str) -> None:
    control = ControlClient(simulator.control_url)
    provider = connect(ACCOUNT, ProviderSettings(endpoint=simulator.endpoints["AWSCloud"]))
    control.fault("error", action="DescribeRegions", times=1, params={"code": code, "message": f"about {code}"})
    with pytest.raises(ProviderError) as refusal:
        provider.list_regions()
    error = refusal.value
    assert (error.kind, error.vendor_code, error.message) == (CODES[code], code, f"about {code}")
    assert error.request_id


@pytest.mark.parametrize(
    ("code", "message", "available"),
    [
        ("InstanceLimitExceeded", "than your current instance limit of 64 allows", 64),
        ("InstanceLimitExceeded", "than your current instance limit of 0 allows", 0),
        ("InstanceLimitExceeded", "in words of another year", None),
        ("VcpuLimitExceeded", "than your current vCPU limit of 32 allows", None),
        ("InvalidParameterValue", "your current instance limit of 3", None),
    ],
)
def test_a_limit_in_machines_is_read_out_of_the_refusal(
    simulator: CloudSim, code: str, message: str, available: int | None
) -> None:
    control = ControlClient(simulator.control_url)
    provider = connect(ACCOUNT, ProviderSettings(endpoint=simulator.endpoints["AWSCloud"]))
    control.fault("error", action="DescribeRegions", times=1, params={"code": code, "message": message})
    with pytest.raises(ProviderError) as refusal:
        provider.list_regions()
    assert refusal.value.available == available


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("InvalidKeyPair.NotFound", 400, ErrorClass.NOT_FOUND),
        ("InvalidSomethingNew", 400, ErrorClass.INVALID_PARAMETER),
        ("SomethingNew", 400, ErrorClass.UNKNOWN),
        ("SomethingNew", 500, ErrorClass.UNAVAILABLE),
        ("SomethingNew", 429, ErrorClass.THROTTLED),
    ],
)
def test_codes_that_nobody_knows(simulator: CloudSim, code: str, status: int, kind: ErrorClass) -> None:
    control = ControlClient(simulator.control_url)
    provider = connect(ACCOUNT, ProviderSettings(endpoint=simulator.endpoints["AWSCloud"]))
    control.fault("error", action="DescribeRegions", times=1, params={"code": code, "status": status})
    with pytest.raises(ProviderError) as refusal:
        provider.list_regions()
    assert refusal.value.kind is kind


def test_pages_that_repeat_are_an_error_and_not_an_endless_list() -> None:
    answer = b"<DescribeImagesResponse><imagesSet/><nextToken>again</nextToken></DescribeImagesResponse>"

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        serving.start()
        endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        with pytest.raises(ProviderError) as refusal:
            connect(ACCOUNT, ProviderSettings(endpoint=endpoint)).list_images(REGION)
        server.shutdown()
        serving.join()

    assert refusal.value.kind is ErrorClass.UNAVAILABLE
    assert "repeat" in refusal.value.message
