"""The Tencent adapter through the real SDK: against the simulator, and against servers that misbehave."""

from __future__ import annotations

import json
import logging
import re
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
from bridgx_server.providers.deletion import MAX_CALLS
from bridgx_server.providers.tencent import calls as calls_module
from bridgx_server.providers.tencent import connect
from bridgx_server.providers.tencent.calls import Calls
from bridgx_server.providers.tencent.errors import CODES, SOURCES, class_of
from bridgx_server.providers.tencent.transport import is_loopback
from wire.conformance.spoiling_proxy import SpoilingProxy

CLOUD = "TencentCloud"
SECRET = "demo-secret-TencentCloud"
PASSWORD = "Sesame4Tests!"
REGION = "ap-guangzhou"
ZONE = "ap-guangzhou-3"
LIST = "DescribeInstances"
DELETE = "TerminateInstances"


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudSim]:
    data_dir: Path = tmp_path_factory.mktemp("cloudsim")
    running = CloudSim.start(data_dir, clouds=(CLOUD,))
    yield running
    running.stop()


@pytest.fixture
def control(simulator: CloudSim) -> ControlClient:
    client = ControlClient(simulator.control_url)
    client.reset()
    client.delays(boot=0, delete=0, visible=0)
    return client


@pytest.fixture
def tencent(simulator: CloudSim, control: ControlClient) -> Provider:
    return an_adapter(simulator.endpoints[CLOUD])


def an_adapter(endpoint: str, secret: str = SECRET, **settings: Any) -> Provider:
    return connect(Credentials(CLOUD, "demo-TencentCloud", secret), ProviderSettings(endpoint=endpoint, **settings))


def a_token() -> str:
    return str(uuid.uuid4())


@pytest.fixture
def order(tencent: Provider) -> CreateMachines:
    vpc = tencent.create_vpc(CreateVpc(REGION, "net", "10.0.0.0/16", a_token()))
    subnet = tencent.create_subnet(CreateSubnet(REGION, vpc, "10.0.0.0/16", ZONE, "sub", "10.0.1.0/24", a_token()))
    group = tencent.create_security_group(CreateSecurityGroup(REGION, vpc, "group", "normal", a_token()))
    return CreateMachines(
        region_id=REGION,
        zone_id=ZONE,
        instance_type="S5.MEDIUM4",
        image_id=next(image.image_id for image in tencent.list_images(REGION) if image.os_type == "linux"),
        vpc_id=vpc,
        subnet_id=subnet,
        security_group_id=group,
        count=2,
        token=a_token(),
        name="bridgx-1-1-1",
        password=PASSWORD,
        system_disk=Disk("cloud_ssd", 50),
        tags={"bridgx": "here", "bridgx-chunk": "1"},
    )


def failure(call: Callable[[], object]) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        call()
    return caught.value


# Errors.


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_of_the_table_has_its_class_and_a_source(
    tencent: Provider, control: ControlClient, code: str
) -> None:
    control.fault("error", CLOUD, "DescribeZones", params={"code": code, "message": "as it is"})

    error = failure(lambda: tencent.list_zones(REGION))

    assert error.kind is CODES[code].kind
    assert (error.vendor_code, error.http_status, error.message) == (code, 200, "as it is")
    assert error.request_id
    assert (error.provider, error.operation) == (CLOUD, "DescribeZones")
    assert CODES[code].source in SOURCES


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("RequestLimitExceeded", ErrorClass.THROTTLED),
        ("RequestLimitExceeded.Anything", ErrorClass.THROTTLED),
        ("LimitExceeded.ActionLimited", ErrorClass.THROTTLED),
        ("ResourceInsufficient.SpecifiedInstanceType", ErrorClass.OUT_OF_STOCK),
        ("ResourceInsufficient.Anything", ErrorClass.OUT_OF_STOCK),
        ("InvalidParameter.SomeDiskSoldOut", ErrorClass.OUT_OF_STOCK),
        ("LimitExceeded.VpcSubnetNum", ErrorClass.OUT_OF_STOCK),
        ("LimitExceeded.InstanceQuota", ErrorClass.QUOTA_EXCEEDED),
        ("LimitExceeded.Anything", ErrorClass.QUOTA_EXCEEDED),
        ("InvalidAccount.InsufficientBalance", ErrorClass.INSUFFICIENT_BALANCE),
        ("AuthFailure.SignatureExpire", ErrorClass.BAD_CREDENTIALS),
        ("AuthFailure.Anything", ErrorClass.BAD_CREDENTIALS),
        ("AuthFailure.UnauthorizedOperation", ErrorClass.PERMISSION_DENIED),
        ("UnauthorizedOperation.Anything", ErrorClass.PERMISSION_DENIED),
        ("InvalidAnythingId.NotFound", ErrorClass.NOT_FOUND),
        ("ResourceNotFound.Anything", ErrorClass.NOT_FOUND),
        ("InvalidParameterValue.AnythingNotExist", ErrorClass.NOT_FOUND),
        ("OperationDenied.Anything", ErrorClass.CONFLICT),
        ("ResourceInUse.Anything", ErrorClass.CONFLICT),
        ("UnsupportedOperation.InstanceStateAnything", ErrorClass.CONFLICT),
        ("UnsupportedOperation.Anything", ErrorClass.INVALID_PARAMETER),
        ("InvalidParameterValue.Anything", ErrorClass.INVALID_PARAMETER),
        ("MissingParameter.Anything", ErrorClass.INVALID_PARAMETER),
        ("InternalError.Anything", ErrorClass.UNAVAILABLE),
        ("FailedOperation", ErrorClass.UNKNOWN),
        ("Unheard", ErrorClass.UNKNOWN),
    ],
)
def test_codes_are_judged_by_the_table_and_then_by_their_family(
    tencent: Provider, control: ControlClient, code: str, kind: ErrorClass
) -> None:
    control.fault("error", CLOUD, "DescribeZones", params={"code": code})

    error = failure(lambda: tencent.list_zones(REGION))

    assert error.kind is kind
    assert error.vendor_code == code


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"image_id": "img-00000000"}, "image"),
        ({"instance_type": "S0.NOTHING"}, "instance_type"),
        ({"subnet_id": "subnet-00000000"}, "network_config.subnet_id"),
        ({"vpc_id": "vpc-00000000"}, "network_config.vpc"),
        ({"security_group_id": "sg-00000000"}, "network_config.security_group"),
        ({"zone_id": "ap-beijing-3"}, "zone_id"),
    ],
)
def test_what_the_cloud_refuses_names_the_field(
    tencent: Provider, order: CreateMachines, changes: dict[str, str], field: str
) -> None:
    assert failure(lambda: tencent.create_machines(replace(order, **changes))).field == field


def test_a_message_that_quotes_a_secret_is_told_without_it(
    tencent: Provider, order: CreateMachines, control: ControlClient
) -> None:
    quoting = f"{PASSWORD} and {SECRET} were given"
    control.fault("error", CLOUD, "RunInstances", params={"code": "InvalidPassword", "message": quoting})

    error = failure(lambda: tencent.create_machines(order))

    assert error.message == "*** and *** were given"
    assert error.field == "password"


@pytest.mark.parametrize(("key", "secret"), [("", SECRET), ("demo-TencentCloud", ""), ("demo-TencentCloud", " x ")])
def test_credentials_that_cannot_sign_are_bad_without_a_call(
    simulator: CloudSim, control: ControlClient, key: str, secret: str
) -> None:
    adapter = connect(Credentials(CLOUD, key, secret), ProviderSettings(endpoint=simulator.endpoints[CLOUD]))

    assert failure(adapter.list_regions).kind is ErrorClass.BAD_CREDENTIALS
    assert control.calls(CLOUD) == []


def test_a_region_that_does_not_exist_is_not_found(tencent: Provider) -> None:
    assert failure(lambda: tencent.list_zones("atlantis")).kind is ErrorClass.NOT_FOUND


class Misbehaving:
    """A server on loopback that gives its answers to one connection after another, the last of them for ever."""

    def __init__(self, *answers: bytes | None) -> None:
        self._answers = list(answers)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections = 0
        self._held: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> Misbehaving:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        for connection in self._held:
            connection.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            connection.recv(65536)
            answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
            if answer is None:
                self._held.append(connection)  # never answered, never closed
                continue
            connection.sendall(answer)
            connection.close()


def an_answer(status: str, body: bytes, length: int | None = None, kind: str = "application/json") -> bytes:
    size = len(body) if length is None else length
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


def a_response(**members: Any) -> bytes:
    return an_answer("200 OK", json.dumps({"Response": {**members, "RequestId": "r-1"}}).encode())


UNAVAILABLE, UNKNOWN_OUTCOME = ErrorClass.UNAVAILABLE, ErrorClass.TIMEOUT_UNKNOWN


@pytest.mark.parametrize(
    ("answer", "asking", "changing"),
    [
        (an_answer("502 Bad Gateway", b"<html>bad gateway</html>"), UNAVAILABLE, UNKNOWN_OUTCOME),
        (an_answer("503 Service Unavailable", b""), UNAVAILABLE, UNAVAILABLE),
        (an_answer("429 Too Many Requests", b""), ErrorClass.THROTTLED, ErrorClass.THROTTLED),
        (an_answer("401 Unauthorized", b""), ErrorClass.BAD_CREDENTIALS, ErrorClass.BAD_CREDENTIALS),
        (an_answer("403 Forbidden", b""), ErrorClass.PERMISSION_DENIED, ErrorClass.PERMISSION_DENIED),
        (an_answer("302 Found", b""), UNAVAILABLE, UNAVAILABLE),
        (an_answer("200 OK", b"<html>welcome</html>", kind="text/html"), UNAVAILABLE, UNKNOWN_OUTCOME),
        (an_answer("200 OK", b'{"zones": []}'), UNAVAILABLE, UNKNOWN_OUTCOME),
        (an_answer("200 OK", b'{"Response": {', length=400), UNKNOWN_OUTCOME, UNKNOWN_OUTCOME),
        (b"", UNKNOWN_OUTCOME, UNKNOWN_OUTCOME),
        (b"good day\r\n\r\n", UNKNOWN_OUTCOME, UNKNOWN_OUTCOME),
    ],
    ids=["502", "503", "429", "401", "403", "302", "html-200", "json-200", "cut", "closed", "no-http"],
)
def test_what_is_no_answer_of_tencent_is_told_apart_and_never_sent_again(
    answer: bytes, asking: ErrorClass, changing: ErrorClass
) -> None:
    with Misbehaving(answer) as server:
        adapter = an_adapter(server.url)
        asked = failure(lambda: adapter.list_zones(REGION))
        changed = failure(lambda: adapter.delete_vpc(REGION, "vpc-1"))

    assert (asked.kind, changed.kind) == (asking, changing)
    assert asked.__cause__ is asked.__context__ is None
    assert server.connections == 2


def test_a_refusal_counts_whatever_its_content_type() -> None:
    body = {"Response": {"Error": {"Code": "RequestLimitExceeded", "Message": "slow down"}, "RequestId": "r-1"}}
    with Misbehaving(an_answer("200 OK", json.dumps(body).encode(), kind="application/json; charset=utf-8")) as server:
        error = failure(lambda: an_adapter(server.url).list_zones(REGION))

    assert error.kind is ErrorClass.THROTTLED


def test_an_answer_that_does_not_come_is_unknown() -> None:
    with Misbehaving(None) as server:
        error = failure(lambda: an_adapter(server.url, read_timeout=0.2).list_zones(REGION))

    assert error.kind is ErrorClass.TIMEOUT_UNKNOWN


def test_a_refused_connection_is_unavailable() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        error = failure(lambda: an_adapter(f"http://127.0.0.1:{bound.getsockname()[1]}").list_zones(REGION))

    assert error.kind is ErrorClass.UNAVAILABLE


def test_an_answer_without_what_was_made_leaves_it_unknown(order: CreateMachines) -> None:
    with Misbehaving(a_response()) as server:
        adapter = an_adapter(server.url)
        error = failure(lambda: adapter.create_machines(order))
    with Misbehaving(a_response(VpcSet=[], TotalCount=0), a_response()) as server:
        network = failure(lambda: an_adapter(server.url).create_vpc(CreateVpc(REGION, "net", "10.0.0.0/16", a_token())))

    assert error.kind is network.kind is ErrorClass.TIMEOUT_UNKNOWN
    assert error.request_id == "r-1"


def test_a_list_without_rows_is_not_taken_for_an_empty_one() -> None:
    with Misbehaving(a_response()) as server:
        error = failure(lambda: an_adapter(server.url).find_machines(REGION, {"a": "b"}))

    assert error.kind is ErrorClass.UNAVAILABLE


def test_a_list_that_changes_while_it_is_read_is_read_again_and_never_given_in_part() -> None:
    rows = [{"InstanceId": f"ins-0000000{number}"} for number in range(3)]
    shrinking = [
        a_response(InstanceSet=rows[:2], TotalCount=3),
        a_response(InstanceSet=[], TotalCount=2),
        a_response(InstanceSet=rows[:2], TotalCount=2),
    ]
    with Misbehaving(*shrinking) as server:
        found = an_adapter(server.url).find_machines(REGION, {})
    with Misbehaving(a_response(InstanceSet=[], TotalCount=3)) as server:
        error = failure(lambda: an_adapter(server.url).find_machines(REGION, {}))

    assert [machine.instance_id for machine in found] == ["ins-00000000", "ins-00000001"]
    assert error.kind is ErrorClass.UNAVAILABLE


def test_the_environments_proxies_do_not_get_what_is_meant_for_this_machine(
    simulator: CloudSim, control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # where nobody listens
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)

    assert an_adapter(simulator.endpoints[CLOUD]).list_zones(REGION)


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1:8080", True),
        ("127.1.2.3", True),
        ("localhost:80", True),
        ("[::1]:8080", True),
        ("cvm.tencentcloudapi.com", False),
        ("10.0.0.1:80", False),
    ],
)
def test_loopback_is_known_by_its_address(host: str, here: bool) -> None:
    assert is_loopback(host) is here


def test_neither_secret_nor_password_is_logged_even_at_debug(
    tencent: Provider, order: CreateMachines, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        tencent.create_machines(order)

    assert PASSWORD not in caplog.text
    assert SECRET not in caplog.text
    assert "TC3-HMAC-SHA256" not in caplog.text


# Endpoints.


@pytest.mark.parametrize(
    ("override", "scheme", "hosts"),
    [
        ("", "https", ("cvm.tencentcloudapi.com", "vpc.tencentcloudapi.com")),
        ("http://127.0.0.1:8080", "http", ("127.0.0.1:8080",) * 2),
        ("https://gateway:8443", "https", ("gateway:8443",) * 2),
    ],
)
def test_an_endpoint_is_the_products_own_over_https_unless_it_is_overridden(
    override: str, scheme: str, hosts: tuple[str, str]
) -> None:
    calls = Calls(Credentials(CLOUD, "key", "secret"), ProviderSettings(endpoint=override))

    made = [calls._client(product, REGION).profile for product in ("cvm", "vpc")]

    assert [profile.httpProfile.scheme for profile in made] == [scheme] * 2
    assert tuple(profile.httpProfile.endpoint for profile in made) == hosts
    assert all(profile.disable_region_breaker for profile in made)


@pytest.mark.parametrize("endpoint", ["gateway:80", "ftp://gateway", "http://gateway/path"])
def test_an_endpoint_that_is_no_address_is_refused(endpoint: str) -> None:
    with pytest.raises(ValueError, match="endpoint"):
        an_adapter(endpoint)


# Machines.


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"password": "Short1!"}, "password"),
        ({"password": "P4ssword" * 4}, "password"),
        ({"password": "onlyletters"}, "password"),
        ({"password": "Sesame 4 Tests"}, "password"),
        ({"charge": Charge("PrePaid", "Week", 1)}, "charge_config.period_unit"),
        ({"charge": Charge("PrePaid", "Month", 13)}, "charge_config.period"),
        ({"charge": Charge("Spot")}, "charge_config.charge_type"),
        ({"system_disk": Disk("cloud_ssd", 10)}, "disks.system_disk.size"),
        ({"system_disk": Disk("cloud_gold", 50)}, "disks.system_disk.category"),
        ({"data_disks": (Disk("CLOUD_BSSD", 50), Disk("cloud_ssd", 55))}, "disks.data_disk[1].size"),
        ({"data_disks": (Disk("LOCAL_SSD", 50),)}, "disks.data_disk[0].category"),
        ({"data_disks": (Disk("cloud_ssd", 50),) * 21}, "disks.data_disk"),
        ({"bandwidth_mbps": 101}, "network_config.internet_max_bandwidth_out"),
        ({"bandwidth_mbps": 1, "internet_charge_type": "Free"}, "network_config.internet_charge_type"),
        ({"count": 101}, "count"),
        ({"name": "n" * 121}, "name"),
        ({"token": "t" * 65}, "token"),
        ({"zone_id": ""}, "zone_id"),
        ({"tags": {f"key-{number}": "value" for number in range(51)}}, "tags"),
        ({"tags": {"key": ""}}, "tags"),
        ({"tags": {"project-of": "mine"}}, "tags"),
        ({"tags": {"key": "50%"}}, "tags"),
        ({"tags": {"key": " padded "}}, "tags"),
    ],
)
def test_what_tencent_cannot_do_is_refused_before_it_is_called(
    tencent: Provider, order: CreateMachines, control: ControlClient, changes: dict[str, Any], field: str
) -> None:
    before = len(control.calls(CLOUD))
    wrong = replace(order, **changes)

    for call in (tencent.check_machines, tencent.create_machines, tencent.dry_run_machines):
        error = failure(lambda call=call: call(wrong))  # type: ignore[misc]
        assert error.kind is ErrorClass.INVALID_PARAMETER
        assert error.field == field
        assert error.message
    assert len(control.calls(CLOUD)) == before


def test_an_order_within_the_limits_is_not_refused(tencent: Provider, order: CreateMachines) -> None:
    tencent.check_machines(order)
    tencent.check_machines(
        replace(
            order,
            charge=Charge("PrePaid", "Month", 60),
            bandwidth_mbps=100,
            count=100,
            password="a1" * 15,
            data_disks=(Disk("CLOUD_TSSD", 32000),) * 20,
            tags={"部门": "平台 一", "a.b:c/d": "x@y"},
        )
    )


def test_words_are_translated_and_tencents_own_pass(
    tencent: Provider, order: CreateMachines, control: ControlClient
) -> None:
    disks = (Disk("cloud_efficiency", 10), Disk("cloud_essd", 20), Disk("CLOUD_BSSD", 30))
    tencent.create_machines(replace(order, data_disks=disks, bandwidth_mbps=3, internet_charge_type="PayByBandwidth"))

    (machine, _) = control.machines(CLOUD)
    kinds = [disk["category"] for disk in machine["disks"]]
    assert kinds == ["CLOUD_SSD", "CLOUD_PREMIUM", "CLOUD_HSSD", "CLOUD_BSSD"]
    sent = control.calls(CLOUD, "RunInstances")[0]["parameters"]
    assert sent["InternetAccessible"]["InternetChargeType"] == "BANDWIDTH_POSTPAID_BY_HOUR"
    assert sent["InstanceChargeType"] == "POSTPAID_BY_HOUR"
    assert sent["ClientToken"] == order.token
    assert "MinCount" not in sent
    assert [row["name"] for row in control.machines(CLOUD)] == ["bridgx-1-1-1-1", "bridgx-1-1-1-2"]


def test_prepaid_machines_are_ordered_by_the_month(
    tencent: Provider, order: CreateMachines, control: ControlClient
) -> None:
    prepaid = replace(order, charge=Charge("PrePaid", "Month", 3), bandwidth_mbps=3)
    tencent.create_machines(replace(prepaid, internet_charge_type="PayByBandwidth"))

    sent = control.calls(CLOUD, "RunInstances")[0]["parameters"]
    assert sent["InstanceChargeType"] == "PREPAID"
    assert sent["InstanceChargePrepaid"] == {"Period": 3, "RenewFlag": "NOTIFY_AND_MANUAL_RENEW"}
    assert sent["InternetAccessible"]["InternetChargeType"] == "BANDWIDTH_PREPAID"


def test_a_batch_is_all_or_nothing(tencent: Provider, order: CreateMachines, control: ControlClient) -> None:
    control.capacity(CLOUD, ZONE, 1, order.instance_type)

    error = failure(lambda: tencent.create_machines(order))

    assert error.kind is ErrorClass.OUT_OF_STOCK
    assert control.machines(CLOUD) == []
    assert tencent.limits.partial_delivery is False
    assert len(tencent.create_machines(replace(order, count=1, token=a_token())).instance_ids) == 1


def test_fewer_ids_than_asked_for_are_explained(order: CreateMachines) -> None:
    with Misbehaving(a_response(InstanceIdSet=["ins-00000000"])) as server:
        made = an_adapter(server.url).create_machines(order)

    assert made.instance_ids == ("ins-00000000",)
    assert made.shortfall is not None
    assert made.shortfall.kind is ErrorClass.OUT_OF_STOCK


def test_a_dry_run_tells_what_creation_would(tencent: Provider, order: CreateMachines, control: ControlClient) -> None:
    assert tencent.dry_run_machines(order) is True
    control.fault("error", CLOUD, "RunInstances", times=1, params={"code": "DryRunOperation"})
    assert tencent.dry_run_machines(order) is True
    control.capacity(CLOUD, ZONE, 1, order.instance_type)

    assert failure(lambda: tencent.dry_run_machines(order)).kind is ErrorClass.OUT_OF_STOCK
    assert all("ClientToken" not in row["parameters"] for row in control.calls(CLOUD, "RunInstances"))


def test_machines_carry_all_tags_that_are_asked_for(tencent: Provider, order: CreateMachines) -> None:
    first = set(tencent.create_machines(order).instance_ids)
    many = {f"key-{number}": "value" for number in range(12)}
    second = set(tencent.create_machines(replace(order, token=a_token(), tags=many)).instance_ids)

    def found(tags: dict[str, str]) -> set[str]:
        return {machine.instance_id for machine in tencent.find_machines(REGION, tags)}

    assert found({"bridgx": "here"}) == first
    # Ten filters are the most of a call; the others are looked at here.
    assert found(many) == second
    assert found({**many, "key-11": "other"}) == set()
    assert found({}) == first | second


def test_lists_are_read_to_their_last_page(
    tencent: Provider, order: CreateMachines, monkeypatch: pytest.MonkeyPatch, control: ControlClient
) -> None:
    made = tencent.create_machines(replace(order, count=5)).instance_ids
    monkeypatch.setattr(calls_module, "PAGE", 2)

    assert sorted(row.instance_id for row in tencent.find_machines(REGION, order.tags)) == sorted(made)
    assert sorted(row.instance_id for row in tencent.describe_machines(REGION, made)) == sorted(made)
    assert len(control.calls(CLOUD, LIST)) == 6


def test_more_than_twenty_are_found_though_the_cloud_gives_twenty_by_default(
    tencent: Provider, order: CreateMachines
) -> None:
    made = tencent.create_machines(replace(order, count=45)).instance_ids

    assert len(tencent.describe_machines(REGION, made)) == 45
    assert len(tencent.find_machines(REGION, order.tags)) == 45


def test_one_unknown_id_does_not_hide_the_others(
    tencent: Provider, order: CreateMachines, control: ControlClient
) -> None:
    made = tencent.create_machines(order).instance_ids
    control.fault("error", CLOUD, LIST, times=1, params={"code": "InvalidInstanceId.NotFound"})

    found = {row.instance_id for row in tencent.describe_machines(REGION, [*made, "ins-00000000"])}

    assert found == set(made)


@pytest.mark.parametrize(
    ("changes", "state"), [({"fails": True}, MachineState.FAILED), ({"boots_at": 4e9}, MachineState.PENDING)]
)
def test_states_are_translated(
    tencent: Provider, order: CreateMachines, control: ControlClient, changes: dict[str, Any], state: MachineState
) -> None:
    (made, _) = tencent.create_machines(order).instance_ids
    control.call("POST", f"/machines/{made}", {"cloud": CLOUD, **changes})

    (machine,) = tencent.describe_machines(REGION, [made])

    assert machine.state is state
    assert machine.reason == ("The instance could not be created." if state is MachineState.FAILED else "")


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("STOPPED", MachineState.STOPPED),
        ("SHUTDOWN", MachineState.STOPPED),
        ("TERMINATING", MachineState.DELETING),
        ("RESCUE_MODE", MachineState.RUNNING),
        ("LAUNCH_FAILED", MachineState.FAILED),
        ("SOMETHING_NEW", MachineState.PENDING),
    ],
)
def test_states_that_are_not_simulated_are_translated_too(status: str, state: MachineState) -> None:
    row = {"InstanceId": "ins-00000000", "InstanceState": status, "PublicIpAddresses": None, "CreatedTime": "soon"}
    with Misbehaving(a_response(InstanceSet=[row], TotalCount=1)) as server:
        (machine,) = an_adapter(server.url).describe_machines(REGION, ["ins-00000000"])

    assert machine.state is state
    assert machine.created_at is None
    assert bool(machine.reason) == (state is MachineState.FAILED)


PREPAID = Charge("PrePaid", "Month", 3)
PROTECTED = "UnsupportedOperation.InstancesProtected"


def left(control: ControlClient) -> set[str]:
    return {row["machine_id"] for row in control.machines(CLOUD)}


def test_what_is_not_shown_is_unknown_and_not_asked_for_and_does_not_save_the_others(
    tencent: Provider, order: CreateMachines, control: ControlClient
) -> None:
    made = tencent.create_machines(replace(order, count=4)).instance_ids
    tencent.delete_machines(REGION, made[:1])
    control.hide(CLOUD, made[1])

    result = tencent.delete_machines(REGION, [*made, "ins-00000000"])

    assert (result.unknown, result.refused) == ({made[0], made[1], "ins-00000000"}, {})
    assert left(control) == {made[1]}
    assert control.calls(CLOUD, DELETE)[-1]["parameters"]["InstanceIds"] == list(made[2:])


def test_a_machine_that_vanishes_under_a_deletion_does_not_save_the_others(
    tencent: Provider, order: CreateMachines, control: ControlClient
) -> None:
    made = tencent.create_machines(replace(order, count=3)).instance_ids
    params = {"code": "InvalidInstanceId.NotFound", "message": f"['{made[0]}'] not found"}
    control.fault("error", CLOUD, DELETE, times=1, params=params)

    result = tencent.delete_machines(REGION, made)

    assert result.unknown == {made[0]}
    assert left(control) == {made[0]}  # what the cloud says of it is told, and not believed
    assert tencent.delete_machines(REGION, made).unknown == set(made[1:])
    assert left(control) == set()


def test_a_delete_that_keeps_saying_not_found_of_what_is_there_proves_nothing(
    tencent: Provider, order: CreateMachines, control: ControlClient
) -> None:
    made = tencent.create_machines(order).instance_ids
    control.fault("error", CLOUD, DELETE, params={"code": "InvalidInstanceId.NotFound"})

    assert tencent.delete_machines(REGION, made).unknown == set(made)
    assert left(control) == set(made)


def test_machines_that_are_still_made_are_a_conflict_and_cost_one_call(
    tencent: Provider, order: CreateMachines, control: ControlClient
) -> None:
    (ready,) = tencent.create_machines(replace(order, count=1)).instance_ids
    control.delays(boot=3600)
    made = tencent.create_machines(replace(order, token=a_token(), count=20)).instance_ids

    result = tencent.delete_machines(REGION, [ready, *made])

    assert {(row.kind, row.vendor_code) for row in result.refused.values()} == {
        (ErrorClass.CONFLICT, "UnsupportedOperation.InstanceStatePending")
    }
    assert set(result.refused) == set(made) == left(control)
    assert len(control.calls(CLOUD, DELETE)) == 2


def test_a_protected_machine_stays_and_the_others_go(
    tencent: Provider, order: CreateMachines, control: ControlClient
) -> None:
    made = tencent.create_machines(replace(order, count=9)).instance_ids
    ahead = tencent.create_machines(replace(order, token=a_token(), charge=PREPAID)).instance_ids
    for instance_id in (made[4], ahead[0]):
        control.protect(CLOUD, instance_id)

    result = tencent.delete_machines(REGION, [*made, *ahead], release_prepaid=True)

    assert {key: (row.kind, row.vendor_code) for key, row in result.refused.items()} == dict.fromkeys(
        (made[4], ahead[0]), (ErrorClass.PERMISSION_DENIED, PROTECTED)
    )
    assert left(control) == {made[4], ahead[0]}


@pytest.fixture
def hushed(control: ControlClient, simulator: CloudSim) -> Iterator[Provider]:
    """The cloud behind a list that does not tell of protections, and refusals that name nobody."""

    def hush(content: bytes) -> bytes:
        text = content.decode().replace('"DisableApiTermination": true', '"DisableApiTermination": false')
        return re.sub(r"The instance ins-\w+ is", "One is", text).encode()

    proxy = SpoilingProxy(simulator.endpoints[CLOUD], lambda action: len(control.calls(CLOUD, action)))
    proxy.spoil(hush)
    yield an_adapter(proxy.url)
    proxy.stop()


def test_a_machine_that_is_refused_without_being_named_is_found_in_few_calls(
    tencent: Provider, hushed: Provider, order: CreateMachines, control: ControlClient
) -> None:
    made = list(tencent.create_machines(replace(order, count=64)).instance_ids)
    control.protect(CLOUD, made[37])

    result = hushed.delete_machines(REGION, made)

    assert set(result.refused) == {made[37]} == left(control)
    assert len(control.calls(CLOUD, DELETE)) <= 2 * 6 + 1


def test_many_that_are_refused_without_being_named_cost_a_bounded_number_of_calls_and_are_found_in_the_end(
    tencent: Provider, hushed: Provider, order: CreateMachines, control: ControlClient
) -> None:
    made = list(tencent.create_machines(replace(order, count=64)).instance_ids)
    for instance_id in made[::2]:
        control.protect(CLOUD, instance_id)
    to_ask, kinds = made, []

    while to_ask:
        before = len(control.calls(CLOUD, DELETE))
        refused = hushed.delete_machines(REGION, to_ask).refused
        assert len(control.calls(CLOUD, DELETE)) - before <= MAX_CALLS + 1
        to_ask = [key for key, error in refused.items() if error.kind is ErrorClass.CONFLICT]
        kinds += [error.kind for error in refused.values() if error.kind is not ErrorClass.CONFLICT]

    assert left(control) == set(made[::2])
    assert kinds == [ErrorClass.PERMISSION_DENIED] * 32


def test_machines_paid_for_in_advance_are_never_named_to_the_cloud_unless_that_is_wanted(
    tencent: Provider, order: CreateMachines, control: ControlClient
) -> None:
    others = list(tencent.create_machines(order).instance_ids)
    ahead = list(tencent.create_machines(replace(order, token=a_token(), charge=PREPAID)).instance_ids)
    control.delays(boot=3600)
    booting = list(tencent.create_machines(replace(order, token=a_token(), charge=PREPAID)).instance_ids)

    result = tencent.delete_machines(REGION, [*others, *ahead, *booting])

    assert set(result.refused) == {*ahead, *booting} == left(control)
    (expiry,) = {row.expires_at for row in tencent.describe_machines(REGION, ahead)}
    assert expiry is not None
    for refusal in result.refused.values():
        assert refusal.kind is ErrorClass.NOT_RELEASABLE
        assert "paid for in advance until 20" in refusal.message
    assert expiry.strftime("%Y-%m-%dT%H:%M:%SZ") in result.refused[ahead[0]].message
    assert [row["parameters"]["InstanceIds"] for row in control.calls(CLOUD, DELETE)] == [others]
    assert {row.charge_type for row in tencent.describe_machines(REGION, ahead)} == {"PrePaid"}


def test_machines_given_back_are_deleted_from_the_recycle_bin_and_others_at_once(
    tencent: Provider, order: CreateMachines, control: ControlClient
) -> None:
    others = list(tencent.create_machines(order).instance_ids)
    ahead = list(tencent.create_machines(replace(order, token=a_token(), charge=PREPAID)).instance_ids)

    assert tencent.delete_machines(REGION, [*others, *ahead], release_prepaid=True).refused == {}

    assert left(control) == set()
    sent = [row["parameters"] for row in control.calls(CLOUD, DELETE)]
    assert [row["InstanceIds"] for row in sent] == [others, ahead, ahead]
    assert [row.get("ReleasePrepaidDataDisks") for row in sent] == [None, True, True]


def test_expired_machines_go_without_being_given_back(
    tencent: Provider, order: CreateMachines, control: ControlClient
) -> None:
    made = tencent.create_machines(replace(order, charge=PREPAID)).instance_ids
    control.refunds(CLOUD, 0)
    for instance_id in made:
        control.expire(CLOUD, instance_id)

    assert tencent.delete_machines(REGION, made).refused == {}
    assert left(control) == set()


def test_a_machine_in_the_recycle_bin_is_deleted_by_one_call_and_costs_nothing(
    tencent: Provider, order: CreateMachines, control: ControlClient
) -> None:
    made = list(tencent.create_machines(replace(order, charge=PREPAID)).instance_ids)
    control.fault("cut_after", CLOUD, DELETE, times=1)
    error = failure(lambda: tencent.delete_machines(REGION, made, release_prepaid=True))
    assert error.kind is ErrorClass.TIMEOUT_UNKNOWN
    assert {machine.state for machine in tencent.describe_machines(REGION, made)} == {MachineState.STOPPED}

    assert tencent.delete_machines(REGION, made).refused == {}

    assert left(control) == set()
    assert len(control.calls(CLOUD, DELETE)) == 2


def test_a_way_into_the_recycle_bin_that_takes_a_while_is_a_conflict_until_then(
    tencent: Provider, order: CreateMachines, control: ControlClient
) -> None:
    control.delays(billing=3600)
    made = tencent.create_machines(replace(order, charge=PREPAID)).instance_ids

    result = tencent.delete_machines(REGION, made, release_prepaid=True)

    assert {(row.kind, row.vendor_code) for row in result.refused.values()} == {
        (ErrorClass.CONFLICT, "UnsupportedOperation.InstanceStateIsolating")
    }


def test_machines_that_went_to_the_recycle_bin_are_asked_for_again_when_it_does_not_let_them_go(
    tencent: Provider, order: CreateMachines, control: ControlClient, simulator: CloudSim
) -> None:
    made = list(tencent.create_machines(replace(order, charge=PREPAID)).instance_ids)

    def refuse_the_next(content: bytes) -> bytes:
        proxy.spoil(None)
        control.fault("error", CLOUD, DELETE, params={"code": "FailedOperation.Unreturnable"})
        return content

    proxy = SpoilingProxy(simulator.endpoints[CLOUD], lambda action: len(control.calls(CLOUD, action)))
    proxy.spoil(refuse_the_next, DELETE)
    try:
        result = an_adapter(proxy.url).delete_machines(REGION, made, release_prepaid=True)
    finally:
        proxy.stop()

    assert {(row.kind, row.vendor_code) for row in result.refused.values()} == {
        (ErrorClass.CONFLICT, "FailedOperation.Unreturnable")
    }
    assert {machine.state for machine in tencent.describe_machines(REGION, made)} == {MachineState.STOPPED}
    control.call("DELETE", "/faults")
    assert tencent.delete_machines(REGION, made).refused == {}
    assert left(control) == set()


def test_refunds_are_taken_while_there_are_any_and_the_rest_is_told_at_once(
    tencent: Provider, order: CreateMachines, control: ControlClient
) -> None:
    made = tencent.create_machines(replace(order, charge=PREPAID, count=80)).instance_ids
    control.refunds(CLOUD, 33)

    result = tencent.delete_machines(REGION, made, release_prepaid=True)

    assert {(row.kind, row.vendor_code) for row in result.refused.values()} == {
        (ErrorClass.NOT_RELEASABLE, "LimitExceeded.UserReturnQuota")
    }
    assert len(result.refused) == 80 - 33
    assert set(result.refused) == left(control)
    assert len(control.calls(CLOUD, DELETE)) < 20


def a_refusal(code: str) -> bytes:
    return a_response(Error={"Code": code, "Message": "in its own words"})


def shown(**charge_types: str) -> bytes:
    rows = [
        {"InstanceId": key, "InstanceState": "RUNNING", "InstanceChargeType": of} for key, of in charge_types.items()
    ]
    return a_response(InstanceSet=rows, TotalCount=len(rows))


NONE_GONE = [shown(a="POSTPAID_BY_HOUR")]
ONE_GONE = [shown(a="POSTPAID_BY_HOUR", b="PREPAID"), a_response()]


@pytest.mark.parametrize("code", ["FailedOperation.Unreturnable", "LimitExceeded.UserReturnQuota", "SomethingNew"])
def test_what_is_refused_after_others_were_deleted_is_told_of_that_machine_alone(code: str) -> None:
    with Misbehaving(*ONE_GONE, a_refusal(code)) as server:
        result = an_adapter(server.url).delete_machines(REGION, ["a", "b"], release_prepaid=True)

    (refusal,) = result.refused.values()
    assert set(result.refused) == {"b"}
    assert (refusal.kind, refusal.vendor_code, refusal.message) == (class_of(code), code, "in its own words")


@pytest.mark.parametrize(
    ("before", "code", "kind"),
    [
        (NONE_GONE, "UnauthorizedOperation", ErrorClass.PERMISSION_DENIED),
        (ONE_GONE, "UnauthorizedOperation", ErrorClass.CONFLICT),
        (ONE_GONE, "AuthFailure.SecretIdNotFound", ErrorClass.CONFLICT),
        (ONE_GONE, "RequestLimitExceeded", ErrorClass.CONFLICT),
        (ONE_GONE, "InternalError", ErrorClass.UNAVAILABLE),
    ],
)
def test_a_call_that_fails_as_a_whole_after_a_part_was_deleted_is_never_refused_for_good(
    before: list[bytes], code: str, kind: ErrorClass
) -> None:
    with Misbehaving(*before, a_refusal(code)) as server:
        ids = ["a", "b"][: len(before)]
        error = failure(lambda: an_adapter(server.url).delete_machines(REGION, ids, release_prepaid=True))

    assert error.kind is kind
    assert (error.vendor_code, error.message, error.request_id) == (code, "in its own words", "r-1")
    assert (error.operation, server.connections) == (DELETE, len(before) + 1)


def test_machines_that_could_not_be_made_do_not_hinder_the_deletion_of_others(
    tencent: Provider, order: CreateMachines, control: ControlClient
) -> None:
    (failed, other) = tencent.create_machines(order).instance_ids
    control.call("POST", f"/machines/{failed}", {"cloud": CLOUD, "fails": True})

    tencent.delete_machines(REGION, [failed, other])

    assert [row["machine_id"] for row in control.machines(CLOUD)] == [failed]
    control.call("POST", f"/machines/{failed}", {"cloud": CLOUD, "boots_at": 0})
    assert tencent.describe_machines(REGION, [failed]) == []


def test_what_is_being_deleted_is_not_deleted_again(
    tencent: Provider, order: CreateMachines, control: ControlClient
) -> None:
    control.delays(delete=3600)
    made = tencent.create_machines(order).instance_ids

    tencent.delete_machines(REGION, made)
    tencent.delete_machines(REGION, made)

    assert {machine.state for machine in tencent.describe_machines(REGION, made)} == {MachineState.DELETING}
    assert len(control.calls(CLOUD, DELETE)) == 1


def test_threads_share_a_client_and_get_their_own_answers(tencent: Provider, order: CreateMachines) -> None:
    def make(number: int) -> tuple[str, ...]:
        one = replace(order, count=1, token=a_token(), tags={"number": str(number)})
        return tencent.create_machines(one).instance_ids

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(make, range(24)))

    assert len({instance_id for ids in made for instance_id in ids}) == 24
    (machine,) = tencent.find_machines(REGION, {"number": "7"})
    assert machine.instance_id == made[7][0]


# Networks.


def test_another_token_makes_another_network_of_the_same_name(tencent: Provider) -> None:
    requests = [CreateVpc(REGION, "net", "10.0.0.0/16", a_token()) for _ in range(3)]

    made = [tencent.create_vpc(request) for request in requests]

    assert len(set(made)) == 3
    assert [tencent.create_vpc(request) for request in requests] == made


def test_the_token_is_looked_for_on_every_page(tencent: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls_module, "PAGE", 2)
    groups = [CreateSecurityGroup(REGION, "", "group", "normal", a_token()) for _ in range(5)]
    made = [tencent.create_security_group(request) for request in groups]

    assert len(set(made)) == 5
    assert tencent.create_security_group(groups[-1]) == made[-1]


@pytest.mark.parametrize("kind", ["cut_before", "cut_after"])
def test_subnets_and_groups_asked_for_again_after_a_cut_are_one(
    tencent: Provider, control: ControlClient, kind: str
) -> None:
    vpc = tencent.create_vpc(CreateVpc(REGION, "net", "10.0.0.0/16", a_token()))
    subnet = CreateSubnet(REGION, vpc, "10.0.0.0/16", ZONE, "sub", "10.0.1.0/24", a_token())
    group = CreateSecurityGroup(REGION, vpc, "group", "normal", a_token())
    control.fault(kind, CLOUD, "Create*", times=1)
    assert failure(lambda: tencent.create_subnet(subnet)).kind is ErrorClass.TIMEOUT_UNKNOWN
    control.fault(kind, CLOUD, "Create*", times=1)
    assert failure(lambda: tencent.create_security_group(group)).kind is ErrorClass.TIMEOUT_UNKNOWN

    made = tencent.create_subnet(subnet), tencent.create_security_group(group)

    state = control.state(CLOUD)
    assert [row["subnet_id"] for row in state["subnets"]] == [made[0]]
    assert [row["group_id"] for row in state["groups"]] == [made[1]]


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda cloud: cloud.create_vpc(CreateVpc(REGION, "网" * 21, "10.0.0.0/16", "t")), "vpc_name"),
        (
            lambda cloud: cloud.create_subnet(
                CreateSubnet(REGION, "vpc-1", "10.0.0.0/16", ZONE, "s" * 61, "10.0.0.0/24", "t")
            ),
            "switch_name",
        ),
        (
            lambda cloud: cloud.create_security_group(CreateSecurityGroup(REGION, "", "g" * 61, "normal", "t")),
            "security_group_name",
        ),
    ],
)
def test_a_name_that_is_too_long_is_refused_before_the_cloud_is_called(
    tencent: Provider, control: ControlClient, make: Callable[[Provider], str], field: str
) -> None:
    error = failure(lambda: make(tencent))

    assert (error.kind, error.field) == (ErrorClass.INVALID_PARAMETER, field)
    assert control.calls(CLOUD) == []


def test_rules_of_every_protocol_become_policies(
    tencent: Provider, order: CreateMachines, control: ControlClient
) -> None:
    rules = [
        SecurityGroupRule("ingress", "tcp", 22, 22, "10.0.0.0/8"),
        SecurityGroupRule("ingress", "udp", 8000, 8010, "10.0.0.0/8"),
        SecurityGroupRule("ingress", "icmp", -1, -1, "10.0.0.0/8"),
        SecurityGroupRule("egress", "gre", -1, -1, "10.0.0.0/8"),
        SecurityGroupRule("egress", "all", -1, -1, group_id=order.security_group_id),
    ]

    tencent.add_security_group_rules(REGION, order.security_group_id, rules)

    (group,) = control.state(CLOUD)["groups"]
    assert [(rule["Direction"], rule["Protocol"], rule["Port"]) for rule in group["rules"]] == [
        ("Ingress", "TCP", "22"),
        ("Ingress", "UDP", "8000-8010"),
        ("Ingress", "ICMP", "ALL"),
        ("Egress", "GRE", "ALL"),
        ("Egress", "ALL", "ALL"),
    ]
    assert {rule["Action"] for rule in group["rules"]} == {"ACCEPT"}


def test_more_rules_than_a_group_takes_are_a_quota(tencent: Provider, order: CreateMachines) -> None:
    rules = [SecurityGroupRule("ingress", "tcp", port, port, "10.0.0.0/8") for port in range(1, 151)]

    error = failure(lambda: tencent.add_security_group_rules(REGION, order.security_group_id, rules))

    assert error.kind is ErrorClass.QUOTA_EXCEEDED
