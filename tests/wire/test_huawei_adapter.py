"""The Huawei adapter through the real SDKs: against the simulator, and against servers that misbehave."""

from __future__ import annotations

import json
import logging
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bridgx_server.cloudsim.control_client import ControlClient
from bridgx_server.cloudsim.core import TOKEN_LIFE
from bridgx_server.cloudsim.server import CloudSim
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
)
from bridgx_server.providers.huawei import catalog as catalog_module
from bridgx_server.providers.huawei import connect
from bridgx_server.providers.huawei import machines as machines_module
from bridgx_server.providers.huawei import networks as networks_module
from bridgx_server.providers.huawei.calls import Calls, endpoint_of
from bridgx_server.providers.huawei.errors import BY_STATUS, CODES
from huaweicloudsdkecs import v2 as ecs
from wire.conformance.spoiling_proxy import SpoilingProxy

CLOUD = "HuaweiCloud"
SECRET = "demo-secret-HuaweiCloud"
PASSWORD = "Sesame4Tests!"
REGION = "cn-north-4"
CREATE = "CreatePostPaidServers"
LIST = "ListServersDetails"
DELETE = "DeleteServers"


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudSim]:
    data_dir: Path = tmp_path_factory.mktemp("cloudsim")
    running = CloudSim.start(data_dir, clouds=[CLOUD])
    yield running
    running.stop()


@pytest.fixture
def control(simulator: CloudSim) -> ControlClient:
    client = ControlClient(simulator.control_url)
    client.reset()
    client.delays(boot=0, delete=0, visible=0)
    return client


@pytest.fixture
def huawei(simulator: CloudSim, control: ControlClient) -> Provider:
    return an_adapter(simulator.endpoints[CLOUD])


def an_adapter(
    endpoint: str, secret: str = SECRET, project: str = "demo-project", key: str = "demo-HuaweiCloud", **settings: Any
) -> Provider:
    return connect(Credentials(CLOUD, key, secret, project), ProviderSettings(endpoint=endpoint, **settings))


def a_token() -> str:
    return str(uuid.uuid4())


@pytest.fixture
def order(huawei: Provider) -> CreateMachines:
    vpc = huawei.create_vpc(CreateVpc(REGION, "net", "10.0.0.0/16", a_token()))
    zone = f"{REGION}a"
    subnet = huawei.create_subnet(CreateSubnet(REGION, vpc, "10.0.0.0/16", zone, "sub", "10.0.1.0/24", a_token()))
    group = huawei.create_security_group(CreateSecurityGroup(REGION, vpc, "group", "normal", a_token()))
    return CreateMachines(
        region_id=REGION,
        zone_id=zone,
        instance_type="s6.large.2",
        image_id=huawei.list_images(REGION)[0].image_id,
        vpc_id=vpc,
        subnet_id=subnet,
        security_group_id=group,
        count=2,
        token=a_token(),
        name="bridgx-1-1-1",
        password=PASSWORD,
        system_disk=Disk("cloud_ssd", 40),
        tags={"bridgx": "here", "bridgx-chunk": "1"},
    )


def failure(call: Callable[[], object]) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        call()
    return caught.value


# Errors.


# Each service puts its refusals into a body of its own shape.
SPOKEN = {"Ecs": "ecs", "Common": "ecs", "APIGW": "ecs", "APIG": "ecs", "VPC": "vpc", "IMG": "ims"}
CALLS: dict[str, tuple[str, Callable[[Provider], object], str]] = {
    "ecs": ("ListServerAzInfo", lambda huawei: huawei.list_zones(REGION), "list_server_az_info"),
    "vpc": ("ListVpcs", lambda huawei: huawei.describe_vpcs(REGION, [a_token()]), "list_vpcs"),
    "ims": ("ListImages", lambda huawei: huawei.list_images(REGION), "list_images"),
    "iam": ("KeystoneListRegions", lambda huawei: huawei.list_regions(), "keystone_list_regions"),
    "subnet": (
        "ListSubnets",
        lambda huawei: huawei.create_subnet(
            CreateSubnet(REGION, a_token(), "10.0.0.0/16", "", "sub", "10.0.1.0/24", a_token())
        ),
        "list_subnets",
    ),
}


@pytest.mark.parametrize("status", [400, 500])
@pytest.mark.parametrize("code", sorted(code for code in CODES if not code.startswith("CBC.")))
def test_every_code_of_the_table_has_its_class_whatever_its_status(
    huawei: Provider, control: ControlClient, code: str, status: int
) -> None:
    action, call, operation = CALLS[SPOKEN[code.split(".", maxsplit=1)[0]]]
    control.fault("error", CLOUD, action, params={"code": code, "status": status, "message": "as it is"})

    error = failure(lambda: call(huawei))

    assert error.kind is CODES[code]
    assert (error.vendor_code, error.http_status, error.message) == (code, status, "as it is")
    assert error.request_id
    assert (error.provider, error.operation) == (CLOUD, operation)


@pytest.mark.parametrize(("code", "status"), sorted(BY_STATUS))
def test_codes_of_several_meanings_are_told_apart_by_their_status(
    huawei: Provider, control: ControlClient, code: str, status: int
) -> None:
    action, call, _ = CALLS[SPOKEN[code.split(".", maxsplit=1)[0]]]
    control.fault("error", CLOUD, action, params={"code": code, "status": status})

    assert failure(lambda: call(huawei)).kind is BY_STATUS[code, status]


@pytest.mark.parametrize("service", sorted(CALLS))
def test_every_service_is_understood_in_its_own_shape(huawei: Provider, control: ControlClient, service: str) -> None:
    action, call, operation = CALLS[service]
    control.fault("error", CLOUD, action, params={"code": "Any.0001", "status": 403, "message": "no"})

    error = failure(lambda: call(huawei))

    assert (error.kind, error.vendor_code, error.message) == (ErrorClass.PERMISSION_DENIED, "Any.0001", "no")
    assert error.operation == operation


@pytest.mark.parametrize(
    ("code", "status", "message", "kind"),
    [
        ("APIGW.0301", 401, "verify aksk signature fail", ErrorClass.BAD_CREDENTIALS),
        ("APIGW.0308", 429, "policy user over ratelimit", ErrorClass.THROTTLED),
        ("Ecs.0319", 400, "Insufficient resources", ErrorClass.OUT_OF_STOCK),
        ("Ecs.0001", 400, "Insufficient ECS quota", ErrorClass.QUOTA_EXCEEDED),
        ("VPC.0602", 409, "Quota exceeded for resources: ['security_group_rule'].", ErrorClass.QUOTA_EXCEEDED),
        ("VPC.0602", 409, "Security group rule already exists.", ErrorClass.CONFLICT),
        ("Unheard.1", 400, "", ErrorClass.UNKNOWN),
        ("Unheard.1", 401, "", ErrorClass.BAD_CREDENTIALS),
        ("Unheard.1", 404, "", ErrorClass.NOT_FOUND),
        ("Unheard.1", 409, "", ErrorClass.CONFLICT),
        ("Unheard.1", 429, "", ErrorClass.THROTTLED),
        ("Unheard.1", 502, "", ErrorClass.UNAVAILABLE),
        ("Unheard.1", 504, "", ErrorClass.TIMEOUT_UNKNOWN),
    ],
)
def test_codes_mean_what_the_vendor_says_and_others_what_their_status_says(
    huawei: Provider, control: ControlClient, code: str, status: int, message: str, kind: ErrorClass
) -> None:
    params = {"code": code, "status": status, "message": message}
    control.fault("error", CLOUD, "ListServerAzInfo", params=params)

    error = failure(lambda: huawei.list_zones(REGION))

    assert error.kind is kind
    assert error.vendor_code == code


def test_a_refusal_that_comes_with_the_status_of_a_success_is_a_refusal(
    huawei: Provider, order: CreateMachines, control: ControlClient
) -> None:
    control.fault("error", CLOUD, CREATE, params={"code": "Common.0024", "status": 202, "message": "flow limit"})

    error = failure(lambda: huawei.create_machines(order))

    assert error.kind is ErrorClass.THROTTLED
    assert (error.vendor_code, error.message) == ("Common.0024", "flow limit")
    assert error.request_id


class Canned:
    """A server on loopback that gives its answers to one request after another, the last of them for ever."""

    def __init__(self, *answers: bytes | None) -> None:
        self._answers = list(answers)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.requests: list[str] = []
        self._held: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.requests.append(_received(connection).partition("\r\n")[0])
            answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
            if answer is None:
                self._held.append(connection)  # never answered, never closed
                continue
            connection.sendall(answer)
            connection.close()

    def __enter__(self) -> Canned:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        for connection in self._held:
            connection.close()


def _received(connection: socket.socket) -> str:
    """A whole request: what is left unread would turn the answer into a reset."""
    told = b""
    while b"\r\n\r\n" not in told:
        told += connection.recv(65536)
    head, _, body = told.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    while lengths and len(body) < int(lengths[0]):
        body += connection.recv(65536)
    return head.decode()


def an_answer(status: str, body: bytes | dict[str, Any], length: int | None = None) -> bytes:
    content = json.dumps(body).encode() if isinstance(body, dict) else body
    size = len(content) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n".encode() + content


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (an_answer("502 Bad Gateway", b"<html>bad gateway</html>"), ErrorClass.UNAVAILABLE),
        (an_answer("503 Service Unavailable", b""), ErrorClass.UNAVAILABLE),
        (an_answer("504 Gateway Timeout", b""), ErrorClass.TIMEOUT_UNKNOWN),
        (an_answer("429 Too Many Requests", b""), ErrorClass.THROTTLED),
        (an_answer("401 Unauthorized", b""), ErrorClass.BAD_CREDENTIALS),
        (an_answer("404 Not Found", b'{"itemNotFound": {"code": 404, "message": "gone"}}'), ErrorClass.NOT_FOUND),
        (an_answer("500 Error", b'{"error": "all is lost"}'), ErrorClass.UNAVAILABLE),
        (an_answer("200 OK", b"<html>welcome</html>"), ErrorClass.UNAVAILABLE),
        (an_answer("200 OK", b"[1, 2]"), ErrorClass.UNAVAILABLE),
        (an_answer("200 OK", b'{"availability_zones": [', length=400), ErrorClass.TIMEOUT_UNKNOWN),
        (b"", ErrorClass.TIMEOUT_UNKNOWN),
        (b"good day\r\n\r\n", ErrorClass.TIMEOUT_UNKNOWN),
    ],
    ids=[
        "html-502",
        "empty-503",
        "empty-504",
        "empty-429",
        "empty-401",
        "nova-404",
        "text-500",
        "html-200",
        "list-200",
        "cut",
        "closed",
        "no-http",
    ],
)
def test_what_is_no_answer_of_huawei_is_told_apart_and_never_sent_again(answer: bytes, kind: ErrorClass) -> None:
    with Canned(answer) as server:
        error = failure(lambda: an_adapter(server.url).list_zones(REGION))

        assert error.kind is kind
        assert "127.0.0.1" not in error.message
        assert len(server.requests) == 1


def test_an_answer_that_does_not_come_is_unknown() -> None:
    with Canned(None) as server:
        error = failure(lambda: an_adapter(server.url, read_timeout=0.2).list_zones(REGION))

    assert error.kind is ErrorClass.TIMEOUT_UNKNOWN


def test_a_refused_connection_is_unavailable() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        error = failure(lambda: an_adapter(f"http://127.0.0.1:{bound.getsockname()[1]}").list_zones(REGION))

    assert error.kind is ErrorClass.UNAVAILABLE


def test_a_list_that_goes_in_a_circle_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machines_module, "PAGE", 1)
    with Canned(an_answer("200 OK", {"count": 2, "servers": [{"id": "a", "status": "ACTIVE"}]})) as server:
        error = failure(lambda: an_adapter(server.url).find_machines(REGION, {}))

    assert error.kind is ErrorClass.UNAVAILABLE


def test_neither_secret_nor_password_is_logged_or_printed_even_at_debug(
    huawei: Provider,
    order: CreateMachines,
    control: ControlClient,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    control.fault("cut_before", CLOUD, CREATE, times=1)
    with caplog.at_level(logging.DEBUG):
        failure(lambda: huawei.create_machines(order))
        huawei.create_machines(order)

    told = caplog.text + "".join(capfd.readouterr())
    assert PASSWORD not in told
    assert SECRET not in told


# Projects and regions.


def test_the_project_is_looked_up_where_the_account_has_none(simulator: CloudSim, control: ControlClient) -> None:
    adapter = an_adapter(simulator.endpoints[CLOUD], project="")

    vpc = adapter.create_vpc(CreateVpc(REGION, "net", "10.0.0.0/16", a_token()))

    assert [row.vpc_id for row in adapter.describe_vpcs(REGION, [vpc])] == [vpc]
    paths = {call["path"] for call in control.calls(CLOUD, "ListVpcs")}
    assert paths == {"/v3/demo-project/vpc/vpcs"}
    assert len(control.calls(CLOUD, "KeystoneListAuthProjects")) == 1


def test_a_project_that_is_given_is_used_and_not_looked_up(huawei: Provider, control: ControlClient) -> None:
    huawei.list_zones(REGION)

    assert control.calls(CLOUD, "KeystoneListAuthProjects") == []
    assert {call["path"] for call in control.calls(CLOUD)} == {"/v1/demo-project/availability-zones"}


def test_an_answer_without_projects_does_not_say_that_there_is_none() -> None:
    with Canned(an_answer("200 OK", b"")) as server:
        error = failure(lambda: an_adapter(server.url, project="").list_zones(REGION))

    assert (error.kind, error.operation) == (ErrorClass.UNAVAILABLE, "keystone_list_auth_projects")


def test_a_given_project_of_another_account_is_refused(simulator: CloudSim, control: ControlClient) -> None:
    stranger = an_adapter(simulator.endpoints[CLOUD], project="0" * 32)

    assert failure(lambda: stranger.list_zones(REGION)).vendor_code == "Ecs.0023"
    assert failure(lambda: stranger.describe_vpcs(REGION, [a_token()])).vendor_code == "VPC.0007"


def test_regions_are_apart_each_with_a_project_of_its_own(simulator: CloudSim, control: ControlClient) -> None:
    adapter = an_adapter(simulator.endpoints[CLOUD], project="")

    in_beijing = adapter.create_vpc(CreateVpc(REGION, "north", "10.0.0.0/16", a_token()))

    assert adapter.describe_vpcs("cn-south-1", [in_beijing]) == []
    assert [zone.zone_id for zone in adapter.list_zones("cn-south-1")] == ["cn-south-1c", "cn-south-1e", "cn-south-1f"]


def test_a_wrong_secret_is_told_by_the_look_up_of_the_project_too(simulator: CloudSim, control: ControlClient) -> None:
    adapter = an_adapter(simulator.endpoints[CLOUD], secret="another-secret-of-someone", project="")

    error = failure(lambda: adapter.list_zones(REGION))

    assert error.kind is ErrorClass.BAD_CREDENTIALS
    assert error.vendor_code == "APIGW.0301"


@pytest.mark.parametrize("region", ["cn-north-77", "atlantis", "cn-north-4.evil.example/", ""])
def test_a_region_that_the_account_does_not_have_is_not_found(
    simulator: CloudSim, control: ControlClient, region: str
) -> None:
    error = failure(lambda: an_adapter(simulator.endpoints[CLOUD], project="").list_zones(region))

    assert error.kind is ErrorClass.NOT_FOUND
    assert error.field == "region_id"


@pytest.mark.parametrize(
    ("host", "region", "endpoint"),
    [
        ("ecs", "cn-north-4", "https://ecs.cn-north-4.myhuaweicloud.com"),
        ("vpc", "ap-southeast-3", "https://vpc.ap-southeast-3.myhuaweicloud.com"),
        ("iam", "", "https://iam.myhuaweicloud.com"),
    ],
)
def test_an_endpoint_is_https_and_the_regions(host: str, region: str, endpoint: str) -> None:
    assert endpoint_of(host, region) == endpoint


# The catalog.


def test_a_type_is_on_sale_where_its_zone_says_so_or_else_its_region() -> None:
    def flavor(name: str, **specs: str) -> dict[str, Any]:
        renamed = {f"cond:operation:{key}": value for key, value in specs.items()}
        return {"id": name, "vcpus": "2", "ram": 4096, "os_extra_specs": renamed}

    flavors = [
        flavor("a.large.2"),
        flavor("b.large.2", status="abandon"),
        flavor("c.large.2", status="abandon", az="cn-north-4a(normal), cn-north-4b(sellout)"),
        flavor("d.large.2", status="normal", az="cn-north-4a(sellout)"),
        flavor("e.large.2", status="sellout", az="cn-north-4b(normal)"),
        flavor("f.large.2", az="cn-north-4a(promotion)"),
        flavor("g.large.2", status="obt_sellout"),
    ]
    with Canned(an_answer("200 OK", {"flavors": flavors})) as server:
        types = an_adapter(server.url).list_instance_types(REGION, "cn-north-4a")

    assert [row.name for row in types] == ["a.large.2", "c.large.2", "f.large.2"]
    assert (types[0].family, types[0].cores, types[0].memory_gib) == ("a", 2, 4.0)


def test_lists_are_read_to_their_last_page(
    huawei: Provider, order: CreateMachines, monkeypatch: pytest.MonkeyPatch, control: ControlClient
) -> None:
    made = huawei.create_machines(replace(order, count=5)).instance_ids
    monkeypatch.setattr(machines_module, "PAGE", 2)
    monkeypatch.setattr(networks_module, "PAGE", 1)
    monkeypatch.setattr(catalog_module, "FLAVORS", 10)
    types = [row.name for row in huawei.list_instance_types(REGION, order.zone_id)]

    assert sorted(row.instance_id for row in huawei.find_machines(REGION, order.tags)) == sorted(made)
    assert len(control.calls(CLOUD, LIST)) == 3
    assert len(types) == len(set(types)) == 77
    other = huawei.create_vpc(CreateVpc(REGION, "other", "10.1.0.0/16", a_token()))
    assert {row.vpc_id for row in huawei.describe_vpcs(REGION, [order.vpc_id, other])} == {order.vpc_id, other}


# Machines.


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"password": "Short1!"}, "password"),
        ({"password": "TwentySevenCharactersLong1!"}, "password"),
        ({"password": "onlysmalland1234"}, "password"),
        ({"password": "With Blank 1!"}, "password"),
        ({"password": "My-Root-Pass1"}, "password"),
        ({"charge": Charge("PrePaid", "Week", 1)}, "charge_config.period_unit"),
        ({"charge": Charge("PrePaid", "Month", 10)}, "charge_config.period"),
        ({"charge": Charge("PrePaid", "Month", 0)}, "charge_config.period"),
        ({"charge": Charge("PrePaid", "Month", 48)}, "charge_config.period"),
        ({"charge": Charge("Spot")}, "charge_config.charge_type"),
        ({"system_disk": Disk("cloud_ssd", 1025)}, "disks.system_disk.size"),
        ({"system_disk": Disk("cloud_gold", 40)}, "disks.system_disk.category"),
        ({"system_disk": Disk("GPSSD2", 40)}, "disks.system_disk.category"),
        ({"data_disks": (Disk("SAS", 50), Disk("SAS", 9))}, "disks.data_disk[1].size"),
        ({"data_disks": (Disk("io2", 50),)}, "disks.data_disk[0].category"),
        ({"data_disks": (Disk("SAS", 50),) * 60}, "disks.data_disk"),
        ({"bandwidth_mbps": 2001}, "network_config.internet_max_bandwidth_out"),
        ({"count": 101}, "count"),
        ({"tags": {str(number): "" for number in range(11)}}, "tags"),
        ({"tags": {"a=b": ""}}, "tags"),
        ({"tags": {"a": "x" * 44}}, "tags"),
    ],
)
def test_what_huawei_cannot_do_is_refused_before_it_is_called(
    huawei: Provider, order: CreateMachines, control: ControlClient, changes: dict[str, Any], field: str
) -> None:
    before = len(control.calls(CLOUD))

    checked = failure(lambda: huawei.check_machines(replace(order, **changes)))
    created = failure(lambda: huawei.create_machines(replace(order, **changes)))

    for error in (checked, created):
        assert error.kind is ErrorClass.INVALID_PARAMETER
        assert error.field == field
        assert error.message
    assert len(control.calls(CLOUD)) == before


def test_words_are_translated_and_huaweis_own_pass(
    huawei: Provider, order: CreateMachines, control: ControlClient
) -> None:
    disks = (Disk("cloud_efficiency", 10), Disk("cloud_essd", 20), Disk("GPSSD", 30))
    huawei.create_machines(replace(order, data_disks=disks, bandwidth_mbps=3, internet_charge_type="PayByBandwidth"))

    (machine, _) = control.machines(CLOUD)
    assert [disk["category"] for disk in machine["disks"]] == ["SSD", "SAS", "ESSD", "GPSSD"]
    sent = control.calls(CLOUD, CREATE)[0]["parameters"]
    assert sent["server"]["publicip"] == {
        "eip": {"iptype": "5_bgp", "bandwidth": {"size": 3, "sharetype": "PER"}},
        "delete_on_termination": True,
    }
    assert sent["X-Client-Token"] == order.token
    assert sent["server"]["adminPass"] == "***"


@pytest.mark.parametrize(
    ("months", "unit", "number"), [(1, "month", 1), (9, "month", 9), (12, "year", 1), (36, "year", 3)]
)
def test_prepaid_periods_are_in_months_or_years_and_paid_at_once(
    huawei: Provider, order: CreateMachines, control: ControlClient, months: int, unit: str, number: int
) -> None:
    huawei.create_machines(replace(order, charge=Charge("PrePaid", "Month", months), bandwidth_mbps=1))

    (call,) = control.calls(CLOUD, "CreateServers")
    extended = call["parameters"]["server"]["extendparam"]
    assert (extended["periodType"], extended["periodNum"]) == (unit, number)
    assert (extended["chargingMode"], extended["isAutoPay"], extended["isAutoRenew"]) == ("prePaid", "true", "false")
    # So that it can be deleted with the machine.
    assert call["parameters"]["server"]["publicip"]["eip"]["extendparam"] == {"chargingMode": "postPaid"}
    assert {machine["charge"] for machine in control.machines(CLOUD)} == {"prePaid"}


def test_a_batch_is_all_or_nothing(huawei: Provider, order: CreateMachines, control: ControlClient) -> None:
    control.capacity(CLOUD, order.zone_id, 1, order.instance_type)

    error = failure(lambda: huawei.create_machines(order))

    assert error.kind is ErrorClass.OUT_OF_STOCK
    assert control.machines(CLOUD) == []
    assert huawei.limits.partial_delivery is False
    assert len(huawei.create_machines(replace(order, count=1, token=a_token())).instance_ids) == 1


def test_a_token_that_is_too_old_is_refused_not_forgotten(
    huawei: Provider, order: CreateMachines, simulator: CloudSim, control: ControlClient
) -> None:
    huawei.create_machines(order)
    for entry in simulator.clouds[CLOUD].tokens.values():
        entry["at"] -= TOKEN_LIFE + 1

    error = failure(lambda: huawei.create_machines(order))

    assert error.kind is ErrorClass.INVALID_PARAMETER
    assert error.vendor_code == "Ecs.0124"
    assert len(control.machines(CLOUD)) == 2


def test_a_token_that_is_no_uuid_is_refused_by_huawei(huawei: Provider, order: CreateMachines) -> None:
    assert failure(lambda: huawei.create_machines(replace(order, token="chunk-1"))).vendor_code == "Ecs.0123"


def test_a_create_answers_with_the_vendors_request_id(huawei: Provider, order: CreateMachines) -> None:
    made = huawei.create_machines(order)

    assert len(made.request_id) == 32
    assert made.request_id != huawei.create_machines(replace(order, token=a_token())).request_id


def test_machines_carry_all_tags_that_are_asked_for(huawei: Provider, order: CreateMachines) -> None:
    first = set(huawei.create_machines(order).instance_ids)
    other = replace(order, token=a_token(), tags={"bridgx": "here", "bridgx-chunk": "12", "note": "a b;c"})
    second = set(huawei.create_machines(other).instance_ids)

    def found(**tags: str) -> set[str]:
        wanted = {name.replace("_", "-"): value for name, value in tags.items()}
        return {machine.instance_id for machine in huawei.find_machines(REGION, wanted)}

    assert found(bridgx="here") == first | second
    # Huawei finds the text `bridgx-chunk=1` in `bridgx-chunk=12`, too.
    assert found(bridgx_chunk="1") == first
    assert found(bridgx="here", bridgx_chunk="12") == second
    assert found(note="a b;c") == second
    assert found(bridgx="elsewhere") == set()


def test_an_id_of_which_the_answer_says_nothing_is_asked_for_alone(
    huawei: Provider, order: CreateMachines, control: ControlClient
) -> None:
    made = huawei.create_machines(order).instance_ids
    control.fault("incomplete_describe", CLOUD, LIST, times=1, params={"drop": 1.0})

    assert {row.instance_id for row in huawei.describe_machines(REGION, made)} == set(made)
    assert len(control.calls(CLOUD, LIST)) == 3


def test_an_unknown_id_is_left_out_after_one_call(
    huawei: Provider, order: CreateMachines, control: ControlClient
) -> None:
    made = huawei.create_machines(order).instance_ids

    assert {row.instance_id for row in huawei.describe_machines(REGION, [*made, a_token()])} == set(made)
    assert len(control.calls(CLOUD, LIST)) == 1


@pytest.mark.parametrize(
    ("changes", "state", "reason"),
    [
        ({"fails": True}, MachineState.FAILED, "No valid host was found."),
        ({"boots_at": 4e9}, MachineState.PENDING, ""),
        ({}, MachineState.RUNNING, ""),
    ],
)
def test_states_are_translated(
    huawei: Provider,
    order: CreateMachines,
    control: ControlClient,
    changes: dict[str, Any],
    state: MachineState,
    reason: str,
) -> None:
    (made, _) = huawei.create_machines(order).instance_ids
    control.call("POST", f"/machines/{made}", {"cloud": CLOUD, **changes})

    (machine,) = huawei.describe_machines(REGION, [made])

    assert (machine.state, machine.reason) == (state, reason)
    assert (machine.started_at is not None) == (state is MachineState.RUNNING)


def test_a_machine_that_goes_away_is_deleting(huawei: Provider, order: CreateMachines, control: ControlClient) -> None:
    control.delays(delete=3600)
    made = huawei.create_machines(order).instance_ids
    huawei.delete_machines(REGION, made)

    assert {row.state for row in huawei.describe_machines(REGION, made)} == {MachineState.DELETING}


# Jobs.


IDS = ("11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222")
ACCEPTED = an_answer("200 OK", {"job_id": "job1", "serverIds": list(IDS)})
KNOWS_NONE = an_answer(
    "200 OK",
    {"count": 2, "servers": [{"id": one, "fault": {"code": 404}, "status": None, "name": None} for one in IDS]},
)


def a_job(whole: str, **part: Any) -> bytes:
    running = {"status": "RUNNING", "entities": {"server_id": IDS[0]}, "error_code": None, "fail_reason": None}
    parts = [running, {**running, "entities": {"server_id": IDS[1]}, **part}]
    entities = {"sub_jobs_total": 2, "sub_jobs": parts}
    return an_answer("200 OK", {"job_id": "job1", "status": whole, "entities": entities, "error_code": None})


def test_a_machine_whose_job_failed_and_that_was_taken_back_is_gone_with_the_reason(order: CreateMachines) -> None:
    job = a_job("FAIL", status="FAIL", error_code="Ecs.0319", fail_reason="Insufficient resources for this flavor.")
    with Canned(ACCEPTED, KNOWS_NONE, job) as server:
        adapter = an_adapter(server.url)
        made = adapter.create_machines(order).instance_ids
        (machine,) = adapter.describe_machines(REGION, made)

    assert machine.instance_id == IDS[1]
    assert machine.state is MachineState.DELETED
    assert machine.reason == "Ecs.0319: Insufficient resources for this flavor."


@pytest.mark.parametrize(
    ("code", "reason", "unknown"),
    [
        ("VPC.0202", "Query subnet fail.", True),
        ("Ecs.0038", "The subnet does not exist.", True),
        ("Ecs.0201", "create port failed: VPC.0603 security group not found", True),
        ("Ecs.0319", "Insufficient resources for this flavor.", False),
    ],
)
def test_a_job_that_did_not_find_the_network_says_so(
    order: CreateMachines, code: str, reason: str, unknown: bool
) -> None:
    job = a_job("FAIL", status="FAIL", error_code=code, fail_reason=reason)
    with Canned(ACCEPTED, KNOWS_NONE, job) as server:
        adapter = an_adapter(server.url)
        (machine,) = adapter.describe_machines(REGION, adapter.create_machines(order).instance_ids)

    assert machine.network_unknown is unknown


def test_a_failed_machine_without_a_fault_has_the_reason_of_its_job(order: CreateMachines) -> None:
    failed = {"id": IDS[1], "status": "ERROR", "fault": None}
    shown = an_answer("200 OK", {"count": 2, "servers": [failed, {"id": IDS[0], "status": "BUILD"}]})
    job = a_job("RUNNING", status="FAIL", error_code="Ecs.0204", fail_reason="")
    with Canned(ACCEPTED, shown, job) as server:
        adapter = an_adapter(server.url)
        machines = adapter.describe_machines(REGION, adapter.create_machines(order).instance_ids)

    assert {row.instance_id: (row.state, row.reason) for row in machines} == {
        IDS[0]: (MachineState.PENDING, ""),
        IDS[1]: (MachineState.FAILED, "Ecs.0204"),
    }


def test_a_job_that_failed_as_a_whole_fails_all_its_machines(order: CreateMachines) -> None:
    told = {"job_id": "job1", "status": "FAIL", "entities": {}, "error_code": "Ecs.0201", "fail_reason": "no NIC"}
    with Canned(ACCEPTED, KNOWS_NONE, an_answer("200 OK", told)) as server:
        adapter = an_adapter(server.url)
        machines = adapter.describe_machines(REGION, adapter.create_machines(order).instance_ids)

    assert {(row.state, row.reason) for row in machines} == {(MachineState.DELETED, "Ecs.0201: no NIC")}
    assert len(machines) == 2


def test_an_order_that_waits_to_be_paid_keeps_its_machines_pending(order: CreateMachines) -> None:
    told = {"job_id": "job1", "status": "PENDING_PAYMENT", "entities": {}}
    with Canned(ACCEPTED, KNOWS_NONE, an_answer("200 OK", told)) as server:
        adapter = an_adapter(server.url)
        machines = adapter.describe_machines(REGION, adapter.create_machines(order).instance_ids)

    assert {(row.state, row.reason) for row in machines} == {
        (MachineState.PENDING, "the order waits to be paid"),
    }


def test_a_fault_of_an_id_that_is_not_known_is_no_news_of_a_machine() -> None:
    # It is given of a machine that is not shown yet, too.
    rows = [{"id": IDS[0], "status": None, "fault": {"code": 404, "message": "not found"}}, {"id": IDS[1]}]
    with Canned(an_answer("200 OK", {"count": 2, "servers": rows})) as server:
        assert an_adapter(server.url).describe_machines(REGION, IDS) == []


def test_a_job_that_cannot_be_asked_costs_the_reason_only(order: CreateMachines) -> None:
    with Canned(ACCEPTED, KNOWS_NONE, an_answer("503 Service Unavailable", b"")) as server:
        adapter = an_adapter(server.url)

        assert adapter.describe_machines(REGION, adapter.create_machines(order).instance_ids) == []


def test_jobs_are_not_asked_about_machines_that_have_been_seen(
    huawei: Provider, order: CreateMachines, control: ControlClient
) -> None:
    made = huawei.create_machines(order).instance_ids
    huawei.describe_machines(REGION, made)
    for machine_id in made:
        control.call("DELETE", f"/machines/{machine_id}")

    assert huawei.describe_machines(REGION, made) == []
    assert control.calls(CLOUD, "ShowJob") == []


def test_a_job_that_succeeded_is_asked_once(huawei: Provider, order: CreateMachines, control: ControlClient) -> None:
    made = huawei.create_machines(order).instance_ids
    for machine_id in made:
        control.call("DELETE", f"/machines/{machine_id}")

    for _ in range(3):
        assert huawei.describe_machines(REGION, made) == []
    assert len(control.calls(CLOUD, "ShowJob")) == 1


# Deletion.


PREPAID = Charge("PrePaid", "Month", 3)
UNSUBSCRIBE = "CancelResourcesSubscription"


def test_deleting_takes_disks_and_addresses_along_and_what_is_gone_is_unknown(
    huawei: Provider, order: CreateMachines, control: ControlClient
) -> None:
    made = huawei.create_machines(order).instance_ids
    huawei.delete_machines(REGION, made[:1])
    stranger = a_token()

    result = huawei.delete_machines(REGION, [*made, stranger])

    assert (result.unknown, result.refused) == ({made[0], stranger}, {})
    assert huawei.delete_machines(REGION, made).unknown == set(made)
    assert control.machines(CLOUD) == []
    sent = control.calls(CLOUD, DELETE)[0]["parameters"]
    assert (sent["delete_publicip"], sent["delete_volume"]) == (True, True)


def test_a_delete_that_keeps_saying_not_found_of_what_is_there_proves_nothing(
    huawei: Provider, order: CreateMachines, control: ControlClient
) -> None:
    made = huawei.create_machines(order).instance_ids
    control.fault("error", CLOUD, DELETE, params={"code": "Ecs.0114", "status": 404})

    assert huawei.delete_machines(REGION, made).unknown == set(made)
    assert len(control.machines(CLOUD)) == 2


def test_a_locked_machine_stays_and_the_others_go(
    huawei: Provider, order: CreateMachines, control: ControlClient
) -> None:
    locked, *others = huawei.create_machines(replace(order, count=9)).instance_ids
    control.protect(CLOUD, locked)

    result = huawei.delete_machines(REGION, [*others[:3], locked, *others[3:]])

    (refusal,) = result.refused.values()
    assert (set(result.refused), refusal.kind, refusal.vendor_code) == (
        {locked},
        ErrorClass.PERMISSION_DENIED,
        "Ecs.0605",
    )
    assert [machine["machine_id"] for machine in control.machines(CLOUD)] == [locked]


def test_prepaid_machines_are_refused_and_the_others_deleted(
    huawei: Provider, order: CreateMachines, control: ControlClient
) -> None:
    prepaid = huawei.create_machines(replace(order, token=a_token(), charge=PREPAID)).instance_ids
    postpaid = huawei.create_machines(order).instance_ids

    result = huawei.delete_machines(REGION, [*postpaid, *prepaid])

    assert set(result.refused) == set(prepaid)
    for refusal in result.refused.values():
        assert (refusal.kind, refusal.vendor_code) == (ErrorClass.NOT_RELEASABLE, "Ecs.0513")
        assert "paid for in advance" in refusal.message
    assert {machine["machine_id"] for machine in control.machines(CLOUD)} == set(prepaid)
    assert control.calls(CLOUD, UNSUBSCRIBE) == []
    charges = {row.instance_id: row.charge_type for row in huawei.describe_machines(REGION, prepaid)}
    assert charges == dict.fromkeys(prepaid, "PrePaid")


def test_prepaid_machines_are_unsubscribed_from_when_that_is_wanted_ten_in_a_call(
    huawei: Provider, order: CreateMachines, control: ControlClient
) -> None:
    prepaid = huawei.create_machines(replace(order, token=a_token(), charge=PREPAID, count=12)).instance_ids
    postpaid = huawei.create_machines(order).instance_ids

    result = huawei.delete_machines(REGION, [*prepaid, *postpaid], release_prepaid=True)

    assert (result.refused, result.unknown) == ({}, frozenset())
    assert control.machines(CLOUD) == []
    sent = [call["parameters"] for call in control.calls(CLOUD, UNSUBSCRIBE)]
    assert [len(row["resource_ids"]) for row in sent] == [10, 2]
    assert {(row["unsubscribe_type"], row["unsubscribe_reason_type"]) for row in sent} == {(1, 5)}
    assert len(control.calls(CLOUD, "KeystoneListAuthDomains")) == 1


def test_an_order_that_is_carried_out_later_is_a_conflict_until_then(
    huawei: Provider, order: CreateMachines, control: ControlClient
) -> None:
    control.delays(billing=3600)
    made = huawei.create_machines(replace(order, charge=PREPAID, count=3)).instance_ids

    assert huawei.delete_machines(REGION, made, release_prepaid=True).refused == {}
    again = huawei.delete_machines(REGION, made, release_prepaid=True)

    assert {refusal.kind for refusal in again.refused.values()} == {ErrorClass.CONFLICT}
    assert set(again.refused) == set(made)
    assert {row.state for row in huawei.describe_machines(REGION, made)} == {MachineState.RUNNING}


def test_one_machine_that_is_not_taken_back_keeps_no_other_alive(
    huawei: Provider, order: CreateMachines, control: ControlClient
) -> None:
    locked, *others = huawei.create_machines(replace(order, charge=PREPAID, count=8)).instance_ids
    control.protect(CLOUD, locked)

    result = huawei.delete_machines(REGION, [*others, locked], release_prepaid=True)

    assert {key: (row.kind, row.vendor_code) for key, row in result.refused.items()} == {
        locked: (ErrorClass.PERMISSION_DENIED, "CBC.3002")
    }
    assert [machine["machine_id"] for machine in control.machines(CLOUD)] == [locked]


@pytest.mark.parametrize("code", sorted(code for code in CODES if code.startswith("CBC.")))
def test_every_refusal_of_the_billing_centre_leaves_the_machine_with_its_reason(
    huawei: Provider, order: CreateMachines, control: ControlClient, code: str
) -> None:
    prepaid = huawei.create_machines(replace(order, token=a_token(), charge=PREPAID)).instance_ids
    control.fault("error", CLOUD, UNSUBSCRIBE, params={"code": code, "status": 400, "message": "as it is"})

    if CODES[code] is ErrorClass.UNAVAILABLE:
        error = failure(lambda: huawei.delete_machines(REGION, prepaid, release_prepaid=True))
        assert (error.kind, error.vendor_code) == (ErrorClass.UNAVAILABLE, code)
        return
    result = huawei.delete_machines(REGION, prepaid, release_prepaid=True)

    if CODES[code] is ErrorClass.NOT_FOUND:
        assert result.unknown == set(prepaid)
    else:
        assert {(row.kind, row.vendor_code) for row in result.refused.values()} == {(CODES[code], code)}
        assert all("as it is" in row.message for row in result.refused.values())
        assert set(result.refused) == set(prepaid)


def test_a_missing_right_to_unsubscribe_is_named_and_deletes_the_postpaid_ones_all_the_same(
    huawei: Provider, order: CreateMachines, control: ControlClient
) -> None:
    prepaid = huawei.create_machines(replace(order, token=a_token(), charge=PREPAID, count=30)).instance_ids
    postpaid = huawei.create_machines(order).instance_ids
    control.fault("error", CLOUD, UNSUBSCRIBE, params={"code": "CBC.0151", "status": 403})

    result = huawei.delete_machines(REGION, [*prepaid, *postpaid], release_prepaid=True)

    assert set(result.refused) == set(prepaid)
    assert {row.kind for row in result.refused.values()} == {ErrorClass.PERMISSION_DENIED}
    assert all("billing:subscription:unsubscribe" in row.message for row in result.refused.values())
    assert {machine["machine_id"] for machine in control.machines(CLOUD)} == set(prepaid)
    assert len(control.calls(CLOUD, UNSUBSCRIBE)) < 10  # not once for each


def test_a_success_that_names_failures_is_none_for_those(
    huawei: Provider, order: CreateMachines, simulator: CloudSim, control: ControlClient
) -> None:
    made = huawei.create_machines(replace(order, charge=PREPAID)).instance_ids
    failed = {"resource_id": made[0], "error_code": "CBC.99003656", "error_msg": "it is frozen"}

    def fail_one(content: bytes) -> bytes:
        return json.dumps({**json.loads(content), "fail_resource_infos": [failed]}).encode()

    proxy = SpoilingProxy(simulator.endpoints[CLOUD], lambda action: len(control.calls(CLOUD, action)))
    proxy.spoil(fail_one, UNSUBSCRIBE)
    try:
        result = an_adapter(proxy.url).delete_machines(REGION, made, release_prepaid=True)
    finally:
        proxy.stop()

    assert {key: (row.kind, row.message, row.vendor_code) for key, row in result.refused.items()} == {
        made[0]: (ErrorClass.NOT_RELEASABLE, "it is frozen", "CBC.99003656")
    }


def test_a_machine_in_the_recycle_bin_counts_as_deleted(
    huawei: Provider, order: CreateMachines, simulator: CloudSim, control: ControlClient
) -> None:
    made = huawei.create_machines(order).instance_ids
    body = ecs.UpdateRecycleBinReq(recycle_bin=ecs.UpdateRecycleBinOption(switch="on"))
    calls = Calls(
        Credentials(CLOUD, "demo-HuaweiCloud", SECRET, "demo-project"),
        ProviderSettings(endpoint=simulator.endpoints[CLOUD]),
    )
    calls.ecs(REGION, "update_recycle_bin", ecs.UpdateRecycleBinRequest(body=body))

    assert huawei.delete_machines(REGION, made).refused == {}

    assert len(control.machines(CLOUD)) == 2  # kept, until the bin's time is over
    kept = huawei.describe_machines(REGION, made)
    assert {row.state for row in kept} == {MachineState.DELETED}
    assert all("recycle bin" in row.reason for row in kept)


def test_threads_share_a_client_and_get_their_own_answers(huawei: Provider, order: CreateMachines) -> None:
    def make(number: int) -> tuple[str, ...]:
        one = replace(order, count=1, token=a_token(), tags={"number": str(number)})
        return huawei.create_machines(one).instance_ids

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(make, range(24)))

    assert len({instance_id for ids in made for instance_id in ids}) == 24
    (machine,) = huawei.find_machines(REGION, {"number": "7"})
    assert machine.instance_id == made[7][0]


# Networks.


def test_what_has_the_same_name_but_another_token_is_another(huawei: Provider) -> None:
    first = huawei.create_vpc(CreateVpc(REGION, "net", "10.0.0.0/16", a_token()))

    assert huawei.create_vpc(CreateVpc(REGION, "net", "10.0.0.0/16", a_token())) != first


def test_a_subnet_has_a_gateway_and_the_dns_of_its_region(
    huawei: Provider, order: CreateMachines, control: ControlClient
) -> None:
    sent = control.calls(CLOUD, "CreateSubnet")[0]["parameters"]["subnet"]

    assert sent["gateway_ip"] == "10.0.1.1"
    assert (sent["primary_dns"], sent["secondary_dns"]) == ("100.125.1.250", "100.125.129.250")


def test_a_subnet_that_is_too_small_is_refused_before_it_is_made(
    huawei: Provider, order: CreateMachines, control: ControlClient
) -> None:
    small = CreateSubnet(REGION, order.vpc_id, "10.0.0.0/16", order.zone_id, "s", "10.0.2.0/29", a_token())

    error = failure(lambda: huawei.create_subnet(small))

    assert (error.kind, error.field) == (ErrorClass.INVALID_PARAMETER, "cidr_block")
    assert huawei.limits.subnet_prefix == (16, 28)
    assert len(control.calls(CLOUD, "CreateSubnet")) == 1


def test_rules_are_translated(huawei: Provider, order: CreateMachines, control: ControlClient) -> None:
    rules = [
        SecurityGroupRule("ingress", "tcp", 22, 22, "10.0.0.0/8"),
        SecurityGroupRule("ingress", "udp", 1, 65535, "10.0.0.0/8"),
        SecurityGroupRule("egress", "gre", -1, -1, "10.0.0.0/8"),
        SecurityGroupRule("egress", "all", -1, -1, "10.0.0.0/8"),
        SecurityGroupRule("ingress", "icmp", -1, -1, group_id=order.security_group_id),
        SecurityGroupRule("ingress", "tcp", 8000, 8100, "10.0.0.0/8"),
    ]

    huawei.add_security_group_rules(REGION, order.security_group_id, rules)

    (call,) = control.calls(CLOUD, "BatchCreateSecurityGroupRules")
    sent = call["parameters"]["security_group_rules"]
    assert [(rule.get("protocol"), rule.get("multiport")) for rule in sent] == [
        ("tcp", "22"),
        ("udp", None),
        ("47", None),
        (None, None),
        ("icmp", None),
        ("tcp", "8000-8100"),
    ]
    assert sent[4]["remote_group_id"] == order.security_group_id
    assert "remote_ip_prefix" not in sent[4]


def test_many_rules_go_in_several_calls(
    huawei: Provider, order: CreateMachines, monkeypatch: pytest.MonkeyPatch, control: ControlClient
) -> None:
    monkeypatch.setattr(networks_module, "RULES_BATCH", 2)
    rules = [SecurityGroupRule("ingress", "tcp", port, port, "10.0.0.0/8") for port in range(1, 6)]

    huawei.add_security_group_rules(REGION, order.security_group_id, rules)

    assert len(control.calls(CLOUD, "BatchCreateSecurityGroupRules")) == 3


def test_ids_that_would_change_the_path_name_nothing(huawei: Provider, control: ControlClient) -> None:
    assert huawei.find_image(REGION, "../cloudimages") is None
    assert failure(lambda: huawei.delete_vpc(REGION, "a/b")).kind is ErrorClass.NOT_FOUND

    assert {call["status"] for call in control.calls(CLOUD)} <= {200, 404}
