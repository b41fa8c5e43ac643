"""The Baidu adapter through the real SDK: against the simulator, and against servers that misbehave."""

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
from bridgx_server.cloudsim.server import CloudSim
from bridgx_server.providers.baidu import calls as calls_module
from bridgx_server.providers.baidu import connect
from bridgx_server.providers.baidu.calls import endpoint_of
from bridgx_server.providers.baidu.errors import CODES
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

CLOUD = "BaiduCloud"
SECRET = "demo-secret-BaiduCloud"
PASSWORD = "Sesame4Tests!"
CREATE = "CreateInstanceBySpec"
DELETE = "BatchDeleteInstanceWithRelatedResource"


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudSim]:
    data_dir: Path = tmp_path_factory.mktemp("cloudsim")
    running = CloudSim.start(data_dir)
    yield running
    running.stop()


@pytest.fixture
def control(simulator: CloudSim) -> ControlClient:
    client = ControlClient(simulator.control_url)
    client.reset()
    client.delays(boot=0, delete=0, visible=0)
    return client


@pytest.fixture
def baidu(simulator: CloudSim, control: ControlClient) -> Provider:
    return an_adapter(simulator.endpoints[CLOUD])


def an_adapter(endpoint: str, secret: str = SECRET, **settings: Any) -> Provider:
    return connect(Credentials(CLOUD, "demo-BaiduCloud", secret), ProviderSettings(endpoint=endpoint, **settings))


def a_token() -> str:
    return str(uuid.uuid4())


@pytest.fixture
def order(baidu: Provider) -> CreateMachines:
    return an_order(baidu, "gz")


def an_order(baidu: Provider, region: str) -> CreateMachines:
    vpc = baidu.create_vpc(CreateVpc(region, "net", "10.0.0.0/16", a_token()))
    zone = f"cn-{region}-a"
    subnet = baidu.create_subnet(CreateSubnet(region, vpc, "10.0.0.0/16", zone, "sub", "10.0.1.0/24", a_token()))
    group = baidu.create_security_group(CreateSecurityGroup(region, vpc, "group", "normal", a_token()))
    return CreateMachines(
        region_id=region,
        zone_id=zone,
        instance_type="bcc.g5.c2m4",
        image_id=baidu.list_images(region)[0].image_id,
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


@pytest.mark.parametrize("status", [400, 403, 409, 500])
@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_of_the_table_has_its_class_whatever_its_status(
    baidu: Provider, control: ControlClient, code: str, status: int
) -> None:
    control.fault("error", CLOUD, "ListZones", params={"code": code, "status": status, "message": "as it is"})

    error = failure(lambda: baidu.list_zones("bj"))

    assert error.kind is CODES[code]
    assert (error.vendor_code, error.http_status, error.message) == (code, status, "as it is")
    assert error.request_id
    assert (error.provider, error.operation) == (CLOUD, "list_zones")


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("InvalidAccessKeyId", 403, ErrorClass.BAD_CREDENTIALS),
        ("AccessDenied", 403, ErrorClass.PERMISSION_DENIED),
        ("InternalError", 500, ErrorClass.UNAVAILABLE),
        ("Instance.ReleaseWhileCreating", 409, ErrorClass.CONFLICT),
        ("InvalidInstanceId.NotFound", 404, ErrorClass.NOT_FOUND),
        ("Anything", 429, ErrorClass.THROTTLED),
        ("RequestLimitExceeded", 403, ErrorClass.THROTTLED),
        ("Instance.SoldOut", 403, ErrorClass.OUT_OF_STOCK),
        ("NoStock", 400, ErrorClass.OUT_OF_STOCK),
        ("Subnet.IpNotEnough", 403, ErrorClass.NO_ADDRESSES),
        ("InstanceQuotaExceeded", 403, ErrorClass.QUOTA_EXCEEDED),
        ("QuotaInsufficient", 403, ErrorClass.QUOTA_EXCEEDED),
        ("InsufficientBalance", 403, ErrorClass.INSUFFICIENT_BALANCE),
        ("Vpc.NotExist", 400, ErrorClass.NOT_FOUND),
        ("Name.Duplicated", 400, ErrorClass.CONFLICT),
        ("InvalidCidr", 400, ErrorClass.INVALID_PARAMETER),
        ("Unheard", 404, ErrorClass.NOT_FOUND),
        ("Unheard", 409, ErrorClass.CONFLICT),
        ("Unheard", 502, ErrorClass.UNAVAILABLE),
        ("Unheard", 400, ErrorClass.UNKNOWN),
        ("Unheard", 403, ErrorClass.UNKNOWN),
    ],
)
def test_codes_that_no_source_names_are_judged_by_status_and_name(
    baidu: Provider, control: ControlClient, code: str, status: int, kind: ErrorClass
) -> None:
    control.fault("error", CLOUD, "ListZones", params={"code": code, "status": status})

    error = failure(lambda: baidu.list_zones("bj"))

    assert error.kind is kind
    assert error.vendor_code == code


def test_a_secret_too_short_for_baidu_is_bad_credentials_without_a_call(
    simulator: CloudSim, control: ControlClient
) -> None:
    error = failure(an_adapter(simulator.endpoints[CLOUD], "fifteen-letters").list_regions)

    assert error.kind is ErrorClass.BAD_CREDENTIALS
    assert "16 characters" in error.message
    assert control.calls(CLOUD) == []


def test_a_region_that_baidu_does_not_have_is_not_found(baidu: Provider) -> None:
    error = failure(lambda: baidu.list_zones("atlantis"))

    assert error.kind is ErrorClass.NOT_FOUND
    assert error.field == "region_id"


class Misbehaving:
    """A server on loopback that gives its answers to one connection after another, the last of them for ever."""

    def __init__(self, *answers: bytes | None) -> None:
        self._answers = list(answers)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections = 0
        self._held: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

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

    def close(self) -> None:
        self._listener.close()
        for connection in self._held:
            connection.close()


def an_answer(status: str, body: bytes, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n".encode() + body


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (an_answer("502 Bad Gateway", b"<html>bad gateway</html>"), ErrorClass.UNAVAILABLE),
        (an_answer("503 Service Unavailable", b""), ErrorClass.UNAVAILABLE),
        (an_answer("429 Too Many Requests", b""), ErrorClass.THROTTLED),
        (an_answer("401 Unauthorized", b""), ErrorClass.BAD_CREDENTIALS),
        (an_answer("403 Forbidden", b""), ErrorClass.PERMISSION_DENIED),
        (an_answer("500 Error", b'{"code": "InternalError"}'), ErrorClass.UNAVAILABLE),
        (an_answer("200 OK", b"<html>welcome</html>"), ErrorClass.UNAVAILABLE),
        (an_answer("200 OK", b'{"zones": [', length=400), ErrorClass.UNAVAILABLE),
        (b"", ErrorClass.TIMEOUT_UNKNOWN),
        (b"good day\r\n\r\n", ErrorClass.TIMEOUT_UNKNOWN),
    ],
    ids=[
        "html-502",
        "empty-503",
        "empty-429",
        "empty-401",
        "empty-403",
        "half-json",
        "html-200",
        "cut",
        "closed",
        "no-http",
    ],
)
def test_what_is_no_answer_of_baidu_is_told_apart_and_never_sent_again(answer: bytes, kind: ErrorClass) -> None:
    server = Misbehaving(answer)
    try:
        error = failure(lambda: an_adapter(server.url).list_zones("bj"))
    finally:
        server.close()

    assert error.kind is kind
    assert "Traceback" not in error.message
    assert server.connections == 1


def test_an_answer_that_does_not_come_is_unknown() -> None:
    server = Misbehaving(None)
    try:
        error = failure(lambda: an_adapter(server.url, read_timeout=0.2).list_zones("bj"))
    finally:
        server.close()

    assert error.kind is ErrorClass.TIMEOUT_UNKNOWN


def test_a_refused_connection_is_unavailable() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        error = failure(lambda: an_adapter(f"http://127.0.0.1:{bound.getsockname()[1]}").list_zones("bj"))

    assert error.kind is ErrorClass.UNAVAILABLE


def test_a_list_that_goes_in_a_circle_ends() -> None:
    server = Misbehaving(
        an_answer("200 OK", b'{"instances": [], "isTruncated": true, "nextMarker": "i-1", "marker": "", "maxKeys": 1}')
    )
    try:
        error = failure(lambda: an_adapter(server.url).find_machines("bj", {}))
    finally:
        server.close()

    assert error.kind is ErrorClass.UNAVAILABLE


def test_a_list_that_breaks_off_is_not_taken_for_a_whole_one() -> None:
    for way_on in (b'"isTruncated": true', b'"isTruncated": true, "nextMarker": ""'):
        server = Misbehaving(an_answer("200 OK", b'{"instances": [{"id": "i-1", "tags": []}], ' + way_on + b"}"))
        try:
            error = failure(lambda url=server.url: an_adapter(url).find_machines("bj", {}))
        finally:
            server.close()

        assert (error.kind, error.operation) == (ErrorClass.UNAVAILABLE, "list_instances")


def test_neither_secret_nor_password_is_logged_even_at_debug(
    baidu: Provider, order: CreateMachines, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        baidu.create_machines(order)

    assert "sign_key" not in caplog.text
    assert PASSWORD not in caplog.text
    assert SECRET not in caplog.text


# Regions.


def test_the_region_travels_in_the_host_so_that_regions_are_apart(baidu: Provider) -> None:
    in_beijing = baidu.create_vpc(CreateVpc("bj", "north", "10.0.0.0/16", a_token()))

    assert [vpc.vpc_id for vpc in baidu.describe_vpcs("bj", [in_beijing])] == [in_beijing]
    assert baidu.describe_vpcs("gz", [in_beijing]) == []


@pytest.mark.parametrize(
    ("override", "endpoint", "connects_to"),
    [
        ("", "https://bcc.su.baidubce.com", None),
        ("http://127.0.0.1:8080", "http://bcc.su.baidubce.com", ("127.0.0.1", 8080)),
        ("http://gateway", "http://bcc.su.baidubce.com", ("gateway", 80)),
        ("https://gateway:8443", "https://gateway:8443", None),
    ],
)
def test_an_endpoint_is_https_unless_it_is_overridden(
    override: str, endpoint: str, connects_to: tuple[str, int] | None
) -> None:
    made = endpoint_of("su", override)

    assert made["endpoint"] == endpoint
    assert (
        made["protocol"].name == endpoint.split(":", maxsplit=1)[0].encode() or str(made["protocol"].name) in endpoint
    )
    assert (("proxy_host" in made) and (made["proxy_host"], made["proxy_port"])) == (connects_to or False)


# Machines.


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"password": "Short1!"}, "password"),
        ({"password": "SeventeenLetters1!"}, "password"),
        ({"password": "NoSymbols123"}, "password"),
        ({"password": "NoDigits!!!"}, "password"),
        ({"password": "12345678!"}, "password"),
        ({"password": "Sesame-4-Tests"}, "password"),
        ({"charge": Charge("PrePaid", "Week", 1)}, "charge_config.period_unit"),
        ({"charge": Charge("PrePaid", "Month", 10)}, "charge_config.period"),
        ({"charge": Charge("Spot")}, "charge_config.charge_type"),
        ({"system_disk": Disk("cloud_ssd", 5)}, "disks.system_disk.size"),
        ({"system_disk": Disk("cloud_gold", 40)}, "disks.system_disk.category"),
        ({"data_disks": (Disk("hp1", 50), Disk("hp1", 6000))}, "disks.data_disk[1].size"),
        ({"data_disks": (Disk("io2", 50),)}, "disks.data_disk[0].category"),
        ({"bandwidth_mbps": 201}, "network_config.internet_max_bandwidth_out"),
        ({"count": 21}, "count"),
    ],
)
def test_what_baidu_cannot_do_is_refused_before_it_is_called(
    baidu: Provider, order: CreateMachines, control: ControlClient, changes: dict[str, Any], field: str
) -> None:
    before = len(control.calls(CLOUD))

    checked = failure(lambda: baidu.check_machines(replace(order, **changes)))
    created = failure(lambda: baidu.create_machines(replace(order, **changes)))

    for error in (checked, created):
        assert error.kind is ErrorClass.INVALID_PARAMETER
        assert error.field == field
        assert error.message
    assert len(control.calls(CLOUD)) == before


def test_an_order_within_the_limits_is_not_refused(baidu: Provider, order: CreateMachines) -> None:
    baidu.check_machines(order)
    baidu.check_machines(replace(order, charge=Charge("PrePaid", "Month", 12), bandwidth_mbps=200, count=20))
    assert baidu.dry_run_machines(order) is False


def test_words_are_translated_and_baidus_own_pass(
    baidu: Provider, order: CreateMachines, control: ControlClient
) -> None:
    disks = (Disk("cloud_efficiency", 10), Disk("cloud_essd", 20), Disk("premium_ssd", 30))
    baidu.create_machines(replace(order, data_disks=disks, bandwidth_mbps=3, internet_charge_type="PayByBandwidth"))

    (machine, _) = control.machines(CLOUD)
    assert [disk["category"] for disk in machine["disks"]] == ["cloud_hp1", "hp1", "enhanced_ssd_pl1", "premium_ssd"]
    sent = control.calls(CLOUD, CREATE)[0]["parameters"]
    assert sent["internetChargeType"] == "BANDWIDTH_POSTPAID_BY_HOUR"
    assert sent["clientToken"] == order.token
    assert sent["billing"]["paymentTiming"] == "Postpaid"
    assert sent["adminPass"] == "***"


def test_a_batch_is_all_or_nothing(baidu: Provider, order: CreateMachines, control: ControlClient) -> None:
    control.capacity(CLOUD, order.zone_id, 1, order.instance_type)

    error = failure(lambda: baidu.create_machines(order))

    assert error.kind is ErrorClass.OUT_OF_STOCK
    assert control.machines(CLOUD) == []
    assert baidu.limits.partial_delivery is False
    assert len(baidu.create_machines(replace(order, count=1, token=a_token())).instance_ids) == 1


def test_machines_carry_all_tags_that_are_asked_for(baidu: Provider, order: CreateMachines) -> None:
    first = set(baidu.create_machines(order).instance_ids)
    other = replace(order, token=a_token(), tags={"bridgx": "here", "bridgx-chunk": "2", "note": "a,b:c"})
    second = set(baidu.create_machines(other).instance_ids)

    def found(**tags: str) -> set[str]:
        wanted = {name.replace("_", "-"): value for name, value in tags.items()}
        return {machine.instance_id for machine in baidu.find_machines("gz", wanted)}

    assert found(bridgx="here") == first | second
    assert found(bridgx="here", bridgx_chunk="2") == second
    assert found(note="a,b:c") == second
    assert found(bridgx="elsewhere") == set()


def test_lists_are_read_to_their_last_page(
    baidu: Provider, order: CreateMachines, monkeypatch: pytest.MonkeyPatch, control: ControlClient
) -> None:
    made = baidu.create_machines(replace(order, count=5)).instance_ids
    monkeypatch.setattr(calls_module, "PAGE", 2)

    assert sorted(row.instance_id for row in baidu.find_machines("gz", order.tags)) == sorted(made)
    assert sorted(row.instance_id for row in baidu.describe_machines("gz", made)) == sorted(made)
    assert len(control.calls(CLOUD, "ListInstances")) == 6


def test_one_unknown_id_does_not_hide_the_others(
    baidu: Provider, order: CreateMachines, control: ControlClient
) -> None:
    made = baidu.create_machines(order).instance_ids
    control.fault(
        "error", CLOUD, "ListInstances", times=1, params={"code": "InvalidInstanceId.NotFound", "status": 404}
    )

    assert {row.instance_id for row in baidu.describe_machines("gz", [*made, "i-nowhere"])} == set(made)


@pytest.mark.parametrize(
    ("changes", "state"), [({"fails": True}, MachineState.FAILED), ({"boots_at": 4e9}, MachineState.PENDING)]
)
def test_states_are_translated(
    baidu: Provider, order: CreateMachines, simulator: CloudSim, changes: dict[str, Any], state: MachineState
) -> None:
    (made, _) = baidu.create_machines(order).instance_ids
    ControlClient(simulator.control_url).call("POST", f"/machines/{made}", {"cloud": CLOUD, **changes})

    (machine,) = baidu.describe_machines("gz", [made])

    assert machine.state is state
    assert bool(machine.reason) == (state is MachineState.FAILED)


REFUND = "BatchRefundResources"
PREPAID = Charge("PrePaid", "Month", 3)


def left(control: ControlClient) -> set[str]:
    return {row["machine_id"] for row in control.machines(CLOUD)}


def test_deleting_takes_all_along_at_once_and_what_is_gone_is_unknown(
    baidu: Provider, order: CreateMachines, control: ControlClient
) -> None:
    made = baidu.create_machines(order).instance_ids
    baidu.delete_machines("gz", made[:1])

    result = baidu.delete_machines("gz", [*made, "i-nowhere"])

    assert (result.unknown, result.refused) == ({made[0], "i-nowhere"}, {})
    assert left(control) == set()
    sent = control.calls(CLOUD, DELETE)[0]["parameters"]
    flags = {name: value for name, value in sent.items() if name not in ("instanceIds", "clientToken")}
    assert flags == {
        "relatedReleaseFlag": True,
        "deleteCdsSnapshotFlag": True,
        "deleteRelatedEnisFlag": True,
        "bccRecycleFlag": False,
        "cdsAttributeActive": False,
    }


def test_a_delete_that_keeps_saying_not_found_of_what_is_there_proves_nothing(
    baidu: Provider, order: CreateMachines, control: ControlClient
) -> None:
    made = baidu.create_machines(order).instance_ids
    control.fault("error", CLOUD, DELETE, params={"code": "InvalidInstanceId.NotFound", "status": 404})

    assert baidu.delete_machines("gz", made).unknown == set(made)
    assert left(control) == set(made)


def test_a_machine_that_is_still_created_is_a_conflict_not_gone(
    baidu: Provider, order: CreateMachines, control: ControlClient
) -> None:
    (ready,) = baidu.create_machines(replace(order, count=1)).instance_ids
    control.delays(visible=3600, boot=3600)
    made = baidu.create_machines(replace(order, token=a_token())).instance_ids

    result = baidu.delete_machines("gz", [*made, ready])

    assert {key: (row.kind, row.vendor_code) for key, row in result.refused.items()} == dict.fromkeys(
        made, (ErrorClass.CONFLICT, "Instance.ReleaseWhileCreating")
    )
    assert left(control) == set(made)


def test_a_protected_machine_stays_and_the_others_go(
    baidu: Provider, order: CreateMachines, control: ControlClient
) -> None:
    made = baidu.create_machines(replace(order, count=9)).instance_ids
    ahead = baidu.create_machines(replace(order, token=a_token(), charge=PREPAID, count=5)).instance_ids
    for instance_id in (made[4], ahead[2]):
        control.protect(CLOUD, instance_id)

    result = baidu.delete_machines("gz", [*made, *ahead], release_prepaid=True)

    assert {key: (row.kind, row.vendor_code) for key, row in result.refused.items()} == dict.fromkeys(
        (made[4], ahead[2]), (ErrorClass.PERMISSION_DENIED, "Instance.DeletionProtection")
    )
    assert left(control) == {made[4], ahead[2]}


def test_prepaid_machines_are_refused_and_the_others_deleted(
    baidu: Provider, order: CreateMachines, control: ControlClient
) -> None:
    ahead = baidu.create_machines(replace(order, token=a_token(), charge=PREPAID)).instance_ids
    made = [*baidu.create_machines(order).instance_ids, *ahead]

    result = baidu.delete_machines("gz", made)

    assert set(result.refused) == set(ahead) == left(control)
    (expiry,) = {row.expires_at for row in baidu.describe_machines("gz", ahead)}
    assert expiry is not None
    for refusal in result.refused.values():
        assert (refusal.kind, refusal.vendor_code) == (ErrorClass.NOT_RELEASABLE, "Instance.DeleteServerFailException")
        assert f"paid for in advance until {expiry.strftime('%Y-%m-%dT%H:%M:%SZ')}" in refusal.message
    assert control.calls(CLOUD, REFUND) == []
    sent = control.calls(CLOUD, CREATE)[0]["parameters"]["billing"]
    assert sent == {
        "paymentTiming": "Prepaid",
        "reservation": {"reservationLength": 3, "reservationTimeUnit": "Month"},
    }


def test_prepaid_machines_are_given_back_when_that_is_wanted_twenty_in_a_call(
    baidu: Provider, order: CreateMachines, control: ControlClient
) -> None:
    made = [
        instance_id
        for charge, count in ((Charge(), 2), (PREPAID, 20), (PREPAID, 1))
        for instance_id in baidu.create_machines(
            replace(order, token=a_token(), charge=charge, count=count)
        ).instance_ids
    ]

    assert baidu.delete_machines("gz", made, release_prepaid=True).refused == {}

    assert left(control) == set()
    refunds = [call["parameters"] for call in control.calls(CLOUD, REFUND)]
    assert [len(row["instanceIds"]) for row in refunds] == [20, 1]
    assert all(row["relatedReleaseFlag"] and row["deleteRelatedEnisFlag"] for row in refunds)


def test_expired_machines_are_released_one_by_one_and_not_refunded(
    baidu: Provider, order: CreateMachines, control: ControlClient
) -> None:
    made = baidu.create_machines(replace(order, charge=PREPAID)).instance_ids
    control.refunds(CLOUD, 0)
    for instance_id in made:
        control.expire(CLOUD, instance_id)

    assert baidu.delete_machines("gz", made).refused == {}

    assert left(control) == set()
    assert len(control.calls(CLOUD, "ReleaseInstanceWithRelatedResources")) == 2
    assert control.calls(CLOUD, REFUND) == []


def test_refunds_are_taken_while_there_are_any_and_the_rest_is_told_at_once(
    baidu: Provider, order: CreateMachines, control: ControlClient
) -> None:
    made = [
        instance_id
        for _ in range(2)
        for instance_id in baidu.create_machines(replace(order, token=a_token(), charge=PREPAID, count=20)).instance_ids
    ]
    control.refunds(CLOUD, 13)

    result = baidu.delete_machines("gz", made, release_prepaid=True)

    assert {(row.kind, row.vendor_code) for row in result.refused.values()} == {
        (ErrorClass.NOT_RELEASABLE, "InsufficientCreditException")
    }
    assert len(result.refused) == 40 - 13
    assert set(result.refused) == left(control)
    assert len(control.calls(CLOUD, REFUND)) < 12


ONLY_POSTPAID = b'{"code": "Instance.DeleteServerFailException", "message": "not postpay", "requestId": "r"}'
DENIED = b'{"code": "AccessDenied", "message": "in its own words", "requestId": "r-1"}'
BUSY = b'{"code": "RequestLimited", "message": "in its own words", "requestId": "r-1"}'
ALL_TAKEN_BACK = an_answer("200 OK", b'{"failedInstanceIds": []}')


def test_a_machine_that_baidu_does_not_take_back_is_named_and_asked_for_again() -> None:
    rows = [{"id": key, "paymentTiming": "Prepaid"} for key in ("i-1", "i-2")]
    server = Misbehaving(
        an_answer("403 Forbidden", ONLY_POSTPAID),
        an_answer("200 OK", json.dumps({"instances": rows, "isTruncated": False}).encode()),
        an_answer("200 OK", b'{"failedInstanceIds": ["i-1"]}'),
    )
    try:
        result = an_adapter(server.url).delete_machines("bj", ["i-1", "i-2"], release_prepaid=True)
    finally:
        server.close()

    assert {key: row.kind for key, row in result.refused.items()} == {"i-1": ErrorClass.CONFLICT}


def test_a_state_in_which_nothing_can_be_given_back_is_a_conflict(
    baidu: Provider, order: CreateMachines, control: ControlClient
) -> None:
    made = baidu.create_machines(replace(order, charge=PREPAID)).instance_ids
    params = {"code": "BadRequest", "status": 400, "message": "Instanceid status not support delete"}
    control.fault("error", CLOUD, REFUND, params=params)

    result = baidu.delete_machines("gz", made, release_prepaid=True)

    assert {key: row.kind for key, row in result.refused.items()} == dict.fromkeys(made, ErrorClass.CONFLICT)


@pytest.mark.parametrize(
    ("before", "refusal", "kind"),
    [
        ([], an_answer("403 Forbidden", DENIED), ErrorClass.CONFLICT),
        ([ALL_TAKEN_BACK], an_answer("403 Forbidden", DENIED), ErrorClass.CONFLICT),
        ([ALL_TAKEN_BACK], an_answer("429 Too Many Requests", BUSY), ErrorClass.CONFLICT),
    ],
    ids=["first-refund", "second-refund", "throttled"],
)
def test_a_call_that_fails_as_a_whole_after_a_part_was_deleted_is_never_refused_for_good(
    before: list[bytes], refusal: bytes, kind: ErrorClass
) -> None:
    prepaid = [f"i-{number}" for number in range(21)]  # one more than is given back in a call
    rows = [{"id": key, "paymentTiming": "Prepaid"} for key in prepaid] + [
        {"id": "i-post", "paymentTiming": "Postpaid"}
    ]
    listed = json.dumps({"instances": rows, "isTruncated": False}).encode()
    deleted = an_answer("200 OK", b"{}")
    server = Misbehaving(
        an_answer("403 Forbidden", ONLY_POSTPAID), an_answer("200 OK", listed), deleted, *before, refusal
    )
    try:
        error = failure(
            lambda: an_adapter(server.url).delete_machines("bj", [*prepaid, "i-post"], release_prepaid=True)
        )
    finally:
        server.close()

    assert error.kind is kind
    assert (error.message, error.request_id) == ("in its own words", "r-1")
    assert error.vendor_code in ("AccessDenied", "RequestLimited")
    assert server.connections == 4 + len(before)


def test_a_right_that_is_missing_from_the_first_call_on_is_told_of_the_call() -> None:
    server = Misbehaving(an_answer("403 Forbidden", DENIED))
    try:
        error = failure(lambda: an_adapter(server.url).delete_machines("bj", ["i-1", "i-2"]))
    finally:
        server.close()

    assert (error.kind, server.connections) == (ErrorClass.PERMISSION_DENIED, 1)


def test_threads_share_a_client_and_get_their_own_answers(baidu: Provider, order: CreateMachines) -> None:
    def make(number: int) -> tuple[str, ...]:
        one = replace(order, count=1, token=a_token(), tags={"number": str(number)})
        return baidu.create_machines(one).instance_ids

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(make, range(24)))

    assert len({instance_id for ids in made for instance_id in ids}) == 24
    (machine,) = baidu.find_machines("gz", {"number": "7"})
    assert machine.instance_id == made[7][0]


# Security groups.


def test_a_rule_for_gre_is_refused_before_any_rule_is_sent(
    baidu: Provider, order: CreateMachines, control: ControlClient
) -> None:
    rules = [
        SecurityGroupRule("ingress", "tcp", 22, 22, "0.0.0.0/0"),
        SecurityGroupRule("ingress", "gre", -1, -1, "0.0.0.0/0"),
    ]

    error = failure(lambda: baidu.add_security_group_rules("gz", order.security_group_id, rules))

    assert error.kind is ErrorClass.INVALID_PARAMETER
    assert error.field == "protocol"
    assert control.calls(CLOUD, "AuthorizeSecurityGroupRule") == []


def test_a_full_group_is_not_taken_for_a_rule_that_exists(
    baidu: Provider, order: CreateMachines, control: ControlClient
) -> None:
    control.fault(
        "error", CLOUD, "AuthorizeSecurityGroupRule", params={"code": "SecurityGroup.RuleQuotaExceeded", "status": 409}
    )
    rule = SecurityGroupRule("ingress", "tcp", 22, 22, "0.0.0.0/0")

    error = failure(lambda: baidu.add_security_group_rules("gz", order.security_group_id, [rule]))

    assert error.kind is ErrorClass.QUOTA_EXCEEDED


def test_ids_that_would_change_the_path_are_not_sent(baidu: Provider, control: ControlClient) -> None:
    assert baidu.find_image("bj", "../instance") is None
    assert failure(lambda: baidu.delete_vpc("bj", "a/b")).kind is ErrorClass.NOT_FOUND

    assert control.calls(CLOUD) == []
