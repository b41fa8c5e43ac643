"""Huawei's simulated APIs, spoken to by hand and through Huawei's own SDKs: as strict as the vendor says they are."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from bridgx_server.cloudsim.control_client import ControlClient
from bridgx_server.cloudsim.core import TOKEN_LIFE
from bridgx_server.cloudsim.server import CloudSim
from huaweicloudsdkcore.auth.credentials import BasicCredentials, GlobalCredentials
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdkcore.region.region import Region
from huaweicloudsdkecs import v2 as ecs
from huaweicloudsdkiam import v3 as iam
from huaweicloudsdkims import v2 as ims
from huaweicloudsdkvpc import v2 as vpc2
from huaweicloudsdkvpc import v3 as vpc3

CLOUD = "HuaweiCloud"
KEY = "demo-HuaweiCloud"
SECRET = "demo-secret-HuaweiCloud"
PROJECT = "demo-project"
PASSWORD = "Sesame4Tests!"
ECS = f"/v1/{PROJECT}/cloudservers"
VPCS = f"/v3/{PROJECT}/vpc/vpcs"
SUBNETS = f"/v1/{PROJECT}/subnets"
GROUPS = f"/v3/{PROJECT}/vpc/security-groups"
ZONES = f"/v1/{PROJECT}/availability-zones"


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


@dataclass(frozen=True)
class Answer:
    status: int
    body: dict[str, Any]
    headers: Mapping[str, str]

    @property
    def code(self) -> str:
        """The code of a refusal, in whichever of Huawei's shapes it comes."""
        assert self.headers["X-Request-Id"]
        if set(self.body) == {"error_msg", "error_code", "request_id"}:  # the gateway, VPC v3
            assert self.body["request_id"] == self.headers["X-Request-Id"]
            return str(self.body["error_code"])
        told = self.body.get("error", self.body)  # ECS, IMS, IAM; VPC v1
        assert set(told) == {"code", "message"}
        assert told["message"]
        return str(told["code"])


class Caller:
    """Requests made and signed by hand, after "AK/SK signing" of the API Request Signing Guide."""

    def __init__(self, url: str) -> None:
        self.address = urlsplit(url).netloc

    def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        key: str = KEY,
        secret: str = SECRET,
        at: float | None = None,
        signed: str = "host;x-sdk-date",
        authorization: str | None = None,
        raw: bytes | None = None,
        sent_query: str | None = None,
        sent_raw: bytes | None = None,
    ) -> Answer:
        stamp = datetime.fromtimestamp(time.time() if at is None else at, UTC).strftime("%Y%m%dT%H%M%SZ")
        content = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        sent = {"Host": self.address, "X-Sdk-Date": stamp, "Content-Type": "application/json", **(headers or {})}
        pairs = sorted(
            f"{quote(name, safe='~')}={quote(str(one), safe='~')}"
            for name, value in (query or {}).items()
            for one in (value if isinstance(value, list) else [value])
        )
        if authorization is None:
            lowered = {name.lower(): value for name, value in sent.items()}
            lines = "".join(f"{name}:{lowered[name]}\n" for name in signed.split(";"))
            canonical = "\n".join(
                (method, f"{quote(path)}/", "&".join(pairs), lines, signed, hashlib.sha256(content).hexdigest())
            )
            to_sign = f"SDK-HMAC-SHA256\n{stamp}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
            signature = hmac.new(secret.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
            authorization = f"SDK-HMAC-SHA256 Access={key}, SignedHeaders={signed}, Signature={signature}"
        if authorization:
            sent["Authorization"] = authorization
        content = content if sent_raw is None else sent_raw
        connection = http.client.HTTPConnection(self.address, timeout=30)
        try:
            shown = "&".join(pairs) if sent_query is None else sent_query
            connection.putrequest(method, f"{path}?{shown}" if shown else path, skip_host=True)
            for name, value in {**sent, "Content-Length": str(len(content))}.items():
                connection.putheader(name, value)
            connection.endheaders(content)
            response = connection.getresponse()
            told = response.read()
            return Answer(response.status, json.loads(told) if told else {}, dict(response.headers))
        finally:
            connection.close()


@pytest.fixture
def caller(simulator: CloudSim, control: ControlClient) -> Caller:
    return Caller(simulator.endpoints[CLOUD])


def a_vpc(caller: Caller, name: str = "net", cidr: str = "10.0.0.0/16") -> str:
    return str(caller.call("POST", VPCS, body={"vpc": {"name": name, "cidr": cidr}}).body["vpc"]["id"])


@pytest.fixture
def order(caller: Caller) -> dict[str, Any]:
    """The `server` of an order for machines, in a network that exists."""
    vpc = a_vpc(caller)
    subnet_body = {"name": "sub", "cidr": "10.0.1.0/24", "vpc_id": vpc, "gateway_ip": "10.0.1.1"}
    subnet = caller.call("POST", SUBNETS, body={"subnet": subnet_body}).body["subnet"]["id"]
    group = caller.call("POST", GROUPS, body={"security_group": {"name": "group"}}).body["security_group"]["id"]
    images = caller.call("GET", "/v2/cloudimages", {"limit": 1}, headers={"X-Project-Id": PROJECT}).body["images"]
    return {
        "name": "web",
        "flavorRef": "s6.large.2",
        "imageRef": images[0]["id"],
        "vpcid": vpc,
        "nics": [{"subnet_id": subnet}],
        "security_groups": [{"id": group}],
        "root_volume": {"volumetype": "SSD", "size": 40},
        "availability_zone": "cn-north-4a",
        "adminPass": PASSWORD,
    }


def buy(caller: Caller, order: Mapping[str, Any], *, version: str = "v1", token: str = "", **changes: Any) -> Answer:
    headers = {"X-Client-Token": token} if token else {}
    return caller.call(
        "POST", f"/{version}/{PROJECT}/cloudservers", body={"server": {**order, **changes}}, headers=headers
    )


def details(caller: Caller, **query: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = caller.call("GET", f"{ECS}/detail", query).body["servers"]
    return rows


# Signatures.


@pytest.mark.parametrize("signed", ["host;x-sdk-date", "content-type;host;x-sdk-date"])
def test_a_request_signed_by_hand_is_let_in(caller: Caller, signed: str) -> None:
    answer = caller.call("GET", ZONES, signed=signed)

    assert answer.status == 200
    assert answer.body["availability_zones"][0]["availability_zone_id"] == "cn-north-4a"


@pytest.mark.parametrize(
    "how",
    [
        {"authorization": ""},
        {"authorization": "Basic abc"},
        {"authorization": f"SDK-HMAC-SHA256 Access={KEY}, SignedHeaders=host"},
        {"signed": "host"},
        {"signed": "x-sdk-date"},
        {"key": "nobody"},
        {"secret": "another-secret-of-someone"},
        {"query": {"limit": 5}, "sent_query": "limit=6"},
        {"body": {"a": 1}, "sent_raw": b'{"a": 2}'},
        {"at": time.time() - 16 * 60},
        {"at": time.time() + 3 * 3600},
    ],
    ids=["none", "other", "half", "no-date", "no-host", "key", "secret", "query", "body", "old", "early"],
)
def test_a_request_that_is_not_rightly_signed_is_refused(caller: Caller, how: dict[str, Any]) -> None:
    answer = caller.call("GET", f"{ECS}/detail", **how)

    assert (answer.status, answer.code) == (401, "APIGW.0301")
    assert answer.body["error_msg"].startswith("Incorrect IAM authentication information: ")


def sdk(kind: Any, simulator: CloudSim, secret: str = SECRET, project: str | None = PROJECT) -> Any:
    """A client of the SDK, pointed at the simulator as any user would."""
    credentials: Any = GlobalCredentials(KEY, secret)
    if kind is not iam.IamClient:
        credentials = BasicCredentials(KEY, secret, project).with_iam_endpoint(simulator.endpoints[CLOUD])
    builder = kind.new_builder().with_credentials(credentials)
    if project is None:
        return builder.with_region(Region("cn-north-4", simulator.endpoints[CLOUD])).build()
    return builder.with_endpoint(simulator.endpoints[CLOUD]).build()


def test_huaweis_own_sdks_are_let_in_and_refused_with_a_wrong_secret(
    simulator: CloudSim, control: ControlClient
) -> None:
    assert sdk(vpc3.VpcClient, simulator).list_vpcs(vpc3.ListVpcsRequest(id=["a", "b"])).vpcs == []
    assert sdk(vpc2.VpcClient, simulator).list_subnets(vpc2.ListSubnetsRequest(limit=3)).subnets == []
    regions = sdk(iam.IamClient, simulator).keystone_list_regions(iam.KeystoneListRegionsRequest()).regions
    assert "cn-north-4" in {region.id for region in regions}
    images = sdk(ims.ImsClient, simulator).list_images(ims.ListImagesRequest(limit=2, os_type="Linux")).images
    assert [image.os_type for image in images] == ["Linux", "Linux"]

    with pytest.raises(ClientRequestException) as caught:
        sdk(ecs.EcsClient, simulator, "another-secret-of-someone").list_flavors(ecs.ListFlavorsRequest())

    assert (caught.value.status_code, caught.value.error_code) == (401, "APIGW.0301")
    assert caught.value.request_id


def test_the_sdk_finds_the_project_of_a_region_by_itself(simulator: CloudSim, control: ControlClient) -> None:
    client = sdk(ecs.EcsClient, simulator, project=None)

    assert len(client.list_server_az_info(ecs.ListServerAzInfoRequest()).availability_zones) == 4
    (call,) = control.calls(CLOUD, "KeystoneListProjects")
    assert call["parameters"] == {"name": "cn-north-4"}


def test_the_sdks_own_objects_fit_what_is_answered(
    simulator: CloudSim, caller: Caller, order: dict[str, Any], control: ControlClient
) -> None:
    client = sdk(ecs.EcsClient, simulator)
    made = buy(caller, order, count=2).body

    rows = client.list_servers_details(ecs.ListServersDetailsRequest(server_id=",".join(made["serverIds"]))).servers
    job = client.show_job(ecs.ShowJobRequest(job_id=made["job_id"]))

    assert [row.status for row in rows] == ["ACTIVE", "ACTIVE"]
    assert [row.name for row in rows] == ["web-0001", "web-0002"]
    assert (rows[0].flavor.vcpus, rows[0].flavor.ram) == ("2", "4096")
    assert job.status == "SUCCESS"
    assert [part.entities.server_id for part in job.entities.sub_jobs] == made["serverIds"]


# Projects.


@pytest.mark.parametrize(
    ("path", "headers", "code"),
    [
        ("/v1/another/cloudservers/detail", {}, "Ecs.0023"),
        (f"{ECS}/detail", {"X-Project-Id": "another"}, "Ecs.0023"),
        ("/v3/another/vpc/vpcs", {}, "VPC.0007"),
        ("/v1/another/subnets", {}, "VPC.0007"),
        ("/v2/cloudimages", {"X-Project-Id": "another"}, "Common.0018"),
        ("/v2/cloudimages", {}, "Common.0018"),
    ],
)
def test_a_project_that_is_not_the_callers_is_refused(
    caller: Caller, path: str, headers: dict[str, str], code: str
) -> None:
    answer = caller.call("GET", path, headers=headers)

    assert (answer.status, answer.code) == (400, code)


def test_an_account_has_a_project_in_each_region_that_iam_tells(caller: Caller) -> None:
    projects = caller.call("GET", "/v3/auth/projects").body["projects"]
    by_region = {row["name"]: row["id"] for row in projects}

    assert by_region["cn-north-4"] == PROJECT
    assert caller.call("GET", "/v3/projects", {"name": "cn-east-3"}).body["projects"][0]["id"] == by_region["cn-east-3"]
    assert caller.call("GET", "/v3/projects", {"name": "atlantis"}).body["projects"] == []
    zones = caller.call("GET", f"/v1/{by_region['cn-east-3']}/availability-zones").body["availability_zones"]
    assert zones[0]["availability_zone_id"] == "cn-east-3a"


def test_another_account_has_projects_of_its_own(caller: Caller, control: ControlClient) -> None:
    control.call("POST", "/accounts", {"cloud": CLOUD, "access_key": "other", "secret": "s" * 16})
    a_vpc(caller)

    projects = caller.call("GET", "/v3/auth/projects", key="other", secret="s" * 16).body["projects"]
    own = next(row["id"] for row in projects if row["name"] == "cn-north-4")

    assert own != PROJECT
    assert caller.call("GET", f"/v3/{own}/vpc/vpcs", key="other", secret="s" * 16).body["vpcs"] == []
    assert caller.call("GET", VPCS, key="other", secret="s" * 16).code == "VPC.0007"


# Parameters.


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", f"/v1/{PROJECT}/cloudserver"), ("PATCH", ECS), ("GET", "/v9/regions"), ("GET", f"{ECS}/detail/x")],
)
def test_what_is_no_call_is_refused_by_the_gateway(caller: Caller, method: str, path: str) -> None:
    answer = caller.call(method, path)

    assert (answer.status, answer.code) == (404, "APIGW.0101")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"flavourRef": "s6.large.2"}, "Ecs.0005"),
        ({"flavorRef": None}, "Ecs.0005"),
        ({"imageRef": None}, "Ecs.0005"),
        ({"name": None}, "Ecs.0005"),
        ({"vpcid": None}, "Ecs.0005"),
        ({"nics": None}, "Ecs.0005"),
        ({"nics": []}, "Ecs.0005"),
        ({"nics": [{}]}, "Ecs.0005"),
        ({"root_volume": None}, "Ecs.0005"),
        ({"root_volume": {"size": 40}}, "Ecs.0005"),
        ({"root_volume": {"volumetype": "SSD", "size": "40"}}, "Ecs.0005"),
        ({"root_volume": {"volumetype": "SSD", "size": 2000}}, "Ecs.0005"),
        ({"root_volume": {"volumetype": "cloud_ssd"}}, "Ecs.0043"),
        ({"root_volume": {"volumetype": "GPSSD2", "size": 40}}, "Ecs.0005"),
        ({"data_volumes": [{"volumetype": "SSD"}]}, "Ecs.0005"),
        ({"data_volumes": [{"volumetype": "SSD", "size": 5}]}, "Ecs.0005"),
        ({"count": "2"}, "Ecs.0005"),
        ({"count": True}, "Ecs.0005"),
        ({"count": 0}, "Ecs.0005"),
        ({"count": 101}, "Ecs.0005"),
        ({"name": "web 1"}, "Ecs.0915"),
        ({"name": "w" * 129}, "Ecs.0914"),
        ({"name": "w" * 60, "count": 2}, "Ecs.0914"),
        ({"adminPass": "weak"}, "Ecs.0011"),
        ({"adminPass": "onlysmall123"}, "Ecs.0011"),
        ({"adminPass": "MyRoot123!"}, "Ecs.0011"),
        ({"server_tags": [{"key": "a"}]}, "Ecs.0005"),
        ({"server_tags": [{"key": str(number), "value": ""} for number in range(11)]}, "Ecs.0905"),
        ({"server_tags": [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}]}, "Ecs.0908"),
        ({"server_tags": [{"key": "a", "value": "b=c"}]}, "Ecs.0907"),
        ({"publicip": {"eip": {"iptype": "5_bgp"}}}, "Ecs.0005"),
        ({"publicip": {"eip": {"iptype": "5_bgp", "bandwidth": {"sharetype": "MINE", "size": 1}}}}, "Ecs.0005"),
        ({"publicip": {"eip": {"iptype": "5_bgp", "bandwidth": {"sharetype": "PER"}}}}, "Ecs.0005"),
        ({"publicip": {"eip": {"iptype": "5_bgp", "bandwidth": {"sharetype": "PER", "size": 2001}}}}, "Ecs.0045"),
        (
            {"publicip": {"eip": {"iptype": "5_bgp", "bandwidth": {"sharetype": "PER", "size": 1, "chargemode": "x"}}}},
            "Ecs.0005",
        ),
        ({"extendparam": {"chargingMode": "prePaid"}}, "Ecs.0005"),
        ({"security_groups": None}, "Ecs.0014"),
        ({"security_groups": [{"id": str(uuid.UUID(int=0))}]}, "Ecs.0014"),
        ({"flavorRef": "x9.large.2"}, "Ecs.0029"),
        ({"flavorRef": "m7.16xlarge.8", "availability_zone": "cn-north-4b"}, "Ecs.0019"),
        ({"availability_zone": "cn-south-1c"}, "Ecs.0005"),
        ({"imageRef": str(uuid.UUID(int=0))}, "Ecs.0031"),
        ({"nics": [{"subnet_id": str(uuid.UUID(int=0))}]}, "Ecs.0038"),
        ({"vpcid": str(uuid.UUID(int=0))}, "Ecs.0064"),
    ],
)
def test_an_order_with_a_wrong_parameter_is_refused_and_nothing_is_made(
    caller: Caller, order: dict[str, Any], control: ControlClient, changes: dict[str, Any], code: str
) -> None:
    answer = buy(caller, order, **changes)

    assert (answer.status, answer.code) == (400, code)
    assert control.machines(CLOUD) == []


@pytest.mark.parametrize("raw", [b"{", b"[]", b"\xff\xfe", b"{}", b'{"server": []}', b'{"server": null}'])
def test_a_body_that_is_no_order_is_refused(caller: Caller, raw: bytes) -> None:
    assert caller.call("POST", ECS, raw=raw).code == "Ecs.0005"


def test_an_order_as_documented_is_filled(caller: Caller, order: dict[str, Any], control: ControlClient) -> None:
    answer = buy(
        caller,
        order,
        data_volumes=[{"volumetype": "SAS", "size": 100, "multiattach": True, "hw:passthrough": True}],
        publicip={"eip": {"iptype": "5_bgp", "bandwidth": {"size": 10, "sharetype": "PER", "chargemode": "traffic"}}},
        server_tags=[{"key": "role", "value": "web"}],
        metadata={"op_svc_userid": "8ea65f4099ba412883e2a0da72b96873"},
        extendparam={"enterprise_project_id": "0"},
        isAutoRename=False,
    )

    assert answer.status == 200
    (machine,) = control.machines(CLOUD)
    assert answer.body["serverIds"] == [machine["machine_id"]]
    (shown,) = details(caller, server_id=machine["machine_id"])
    assert (shown["status"], shown["name"], shown["tags"]) == ("ACTIVE", "web", ["role=web"])
    addresses = shown["addresses"][order["vpcid"]]
    assert [(row["OS-EXT-IPS:type"], row["addr"]) for row in addresses] == [
        ("fixed", machine["private_ip"]),
        ("floating", machine["public_ip"]),
    ]
    assert shown["OS-EXT-AZ:availability_zone"] == "cn-north-4a"
    assert shown["metadata"]["charging_mode"] == "0"


def test_a_dry_run_is_accepted_and_makes_nothing(caller: Caller, order: dict[str, Any], control: ControlClient) -> None:
    answer = caller.call("POST", ECS, body={"dry_run": True, "server": order})
    wrong = caller.call("POST", ECS, body={"dry_run": True, "server": {**order, "flavorRef": "x9.large.2"}})

    assert (answer.status, answer.body) == (202, {})
    assert wrong.code == "Ecs.0029"
    assert control.machines(CLOUD) == []


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 1001},
        {"limit": 0},
        {"limit": "many"},
        {"offset": -1},
        {"page": 1},
        {"marker": str(uuid.UUID(int=0))},
    ],
)
def test_a_list_with_a_wrong_parameter_is_refused(caller: Caller, query: dict[str, Any]) -> None:
    assert caller.call("GET", f"{ECS}/detail", query).code == "Ecs.0005"


# Prepaid.


@pytest.mark.parametrize(
    ("extended", "code"),
    [
        ({"chargingMode": "Prepaid"}, "Ecs.0005"),
        ({"chargingMode": "prePaid"}, "Ecs.0005"),
        ({"chargingMode": "prePaid", "periodType": "week", "periodNum": 1}, "Ecs.0005"),
        ({"chargingMode": "prePaid", "periodType": "month", "periodNum": 10}, "Ecs.0005"),
        ({"chargingMode": "prePaid", "periodType": "year", "periodNum": 4}, "Ecs.0005"),
        ({"chargingMode": "prePaid", "periodType": "month", "periodNum": 1, "isAutoPay": True}, "Ecs.0005"),
    ],
)
def test_a_prepaid_order_must_name_a_period(
    caller: Caller, order: dict[str, Any], extended: dict[str, Any], code: str
) -> None:
    assert buy(caller, order, version="v1.1", extendparam=extended).code == code


def test_a_prepaid_order_that_is_not_paid_at_once_waits_and_makes_nothing(
    caller: Caller, order: dict[str, Any], control: ControlClient
) -> None:
    extended = {"chargingMode": "prePaid", "periodType": "month", "periodNum": 1}

    unpaid = buy(caller, order, version="v1.1", extendparam=extended).body
    assert unpaid["serverIds"] == []
    assert caller.call("GET", f"/v1/{PROJECT}/jobs/{unpaid['job_id']}").body["status"] == "PENDING_PAYMENT"
    assert control.machines(CLOUD) == []

    paid = buy(caller, order, version="v1.1", extendparam={**extended, "isAutoPay": "true"}).body
    assert paid["order_id"]
    (shown,) = details(caller, server_id=paid["serverIds"][0])
    assert shown["metadata"]["charging_mode"] == "1"


# Tokens.


def test_the_same_token_gives_the_same_answer_and_another_order_under_it_is_refused(
    caller: Caller, order: dict[str, Any], control: ControlClient, simulator: CloudSim
) -> None:
    token = str(uuid.uuid4())
    first = buy(caller, order, token=token, count=2)

    assert buy(caller, order, token=token, count=2).body == first.body
    assert buy(caller, order, token=token, count=3).code == "Ecs.0122"
    assert len(control.machines(CLOUD)) == 2
    for entry in simulator.clouds[CLOUD].tokens.values():
        entry["at"] -= TOKEN_LIFE + 1
    assert buy(caller, order, token=token, count=2).code == "Ecs.0124"


A_UUID = uuid.UUID("c6cdd4a4-3a5c-5b0e-9d3e-3f1f2a4b5c6d")


@pytest.mark.parametrize(
    "token",
    ["token-1", str(A_UUID).upper(), A_UUID.hex, f"{A_UUID}0"],
    ids=["word", "capitals", "no-dashes", "too-long"],
)
def test_a_token_must_be_a_uuid_in_small_letters(caller: Caller, order: dict[str, Any], token: str) -> None:
    assert buy(caller, order, token=token).code == "Ecs.0123"


def test_networks_know_no_tokens(caller: Caller) -> None:
    token = {"X-Client-Token": str(uuid.uuid4())}
    body = {"vpc": {"name": "net", "cidr": "10.0.0.0/16"}}

    first = caller.call("POST", VPCS, body=body, headers=token).body["vpc"]["id"]

    assert caller.call("POST", VPCS, body=body, headers=token).body["vpc"]["id"] != first


# Machines.


def test_a_batch_is_all_or_nothing(caller: Caller, order: dict[str, Any], control: ControlClient) -> None:
    control.capacity(CLOUD, "cn-north-4a", 2, order["flavorRef"])

    assert buy(caller, order, count=3).code == "Ecs.0319"
    assert control.machines(CLOUD) == []
    assert len(buy(caller, order, count=2).body["serverIds"]) == 2


def test_pages_are_numbered_from_one_or_begin_after_a_marker(caller: Caller, order: dict[str, Any]) -> None:
    made = buy(caller, order, count=30).body["serverIds"]

    def ids(**query: Any) -> list[str]:
        return [row["id"] for row in details(caller, **query)]

    assert ids() == made[:25]
    assert ids(limit=10, offset=0) == ids(limit=10, offset=1) == made[:10]
    assert ids(limit=10, offset=3) == made[20:]
    assert ids(limit=10, offset=4) == []
    assert ids(limit=10, marker=made[4]) == made[5:15]
    assert ids(limit=1000) == made
    # Ids are no exception: without a limit, 25 of them are answered.
    assert len(ids(server_id=",".join(made))) == 25


def test_by_ids_other_filters_are_passed_over_and_an_unknown_id_is_null_but_for_a_fault(
    caller: Caller, order: dict[str, Any]
) -> None:
    (made,) = buy(caller, order).body["serverIds"]
    nowhere = str(uuid.UUID(int=0))

    known, unknown = details(caller, server_id=f"{made},{nowhere}", name="another", status="SHUTOFF")
    repeated = details(caller, server_id=[made, nowhere])

    assert (known["id"], known["status"]) == (made, "ACTIVE")
    assert unknown["id"] == nowhere
    assert {value for key, value in unknown.items() if key not in ("id", "fault")} == {None}
    assert unknown["fault"]["code"] == 404
    assert set(unknown) == set(known)
    assert {row["id"] for row in repeated} == {made, nowhere}


def test_filters_find_texts_in_names_and_tags(caller: Caller, order: dict[str, Any]) -> None:
    def bought(name: str, **tags: str) -> str:
        rows = [{"key": key, "value": value} for key, value in tags.items()]
        return str(buy(caller, order, name=name, server_tags=rows).body["serverIds"][0])

    def found(**query: str) -> set[str]:
        return {row["id"] for row in details(caller, **query)}

    web, db = bought("web-1", a="1"), bought("db-1", a="12", b="1")
    assert found(name="web") == {web}
    assert found(tags="a=1") == {web, db}
    assert found(tags="a=12") == {db}
    assert found(**{"not-tags": "b=1"}) == {web}
    assert found(status="ACTIVE") == {web, db}
    assert found(status="SHUTOFF") == found(flavor="c7.large.2") == found(ip_eq="10.0.1.250") == set()
    assert found(ip="10.0.1.") == {web, db}


def test_a_job_runs_until_its_machines_do(caller: Caller, order: dict[str, Any], control: ControlClient) -> None:
    control.delays(boot=3600)
    made = buy(caller, order, count=2).body
    first, second = made["serverIds"]

    def job() -> dict[str, Any]:
        return caller.call("GET", f"/v1/{PROJECT}/jobs/{made['job_id']}").body

    assert (job()["status"], job()["job_type"]) == ("RUNNING", "createServer")
    assert [row["status"] for row in details(caller)] == ["BUILD", "BUILD"]
    control.call("POST", f"/machines/{first}", {"cloud": CLOUD, "boots_at": 0})
    control.call("POST", f"/machines/{second}", {"cloud": CLOUD, "boots_at": 0, "fails": True})
    told = job()
    assert (told["status"], told["error_code"]) == ("FAIL", "Ecs.0219")
    parts = {part["entities"]["server_id"]: part for part in told["entities"]["sub_jobs"]}
    assert (parts[first]["status"], parts[first]["error_code"]) == ("SUCCESS", None)
    assert (parts[second]["status"], parts[second]["fail_reason"]) == ("FAIL", told["fail_reason"])
    failed = next(row for row in details(caller) if row["id"] == second)
    assert (failed["status"], failed["fault"]["code"]) == ("ERROR", 500)


def test_a_job_that_nobody_began_is_refused(caller: Caller) -> None:
    assert caller.call("GET", f"/v1/{PROJECT}/jobs/{'0' * 32}").code == "Common.0011"


def test_a_deletion_is_of_postpaid_machines_that_exist_and_of_all_of_them_or_none(
    caller: Caller, order: dict[str, Any], control: ControlClient
) -> None:
    control.delays(delete=3600)
    extended = {"chargingMode": "prePaid", "periodType": "month", "periodNum": 1, "isAutoPay": "true"}
    (postpaid,) = buy(caller, order).body["serverIds"]
    (prepaid,) = buy(caller, order, version="v1.1", extendparam=extended).body["serverIds"]

    def delete(*ids: str, **changes: Any) -> Answer:
        return caller.call("POST", f"{ECS}/delete", body={"servers": [{"id": one} for one in ids], **changes})

    assert delete().code == "Ecs.0005"
    assert delete(*(str(uuid.UUID(int=number)) for number in range(1001))).code == "Ecs.0005"
    assert delete(postpaid, delete_volume="yes").code == "Ecs.0005"
    missing = delete(postpaid, str(uuid.UUID(int=0)))
    assert (missing.status, missing.code) == (404, "Ecs.0114")
    assert delete(postpaid, prepaid).code == "Ecs.0513"
    assert {machine["state"] for machine in control.machines(CLOUD)} == {"running"}
    begun = delete(postpaid, delete_publicip=True, delete_volume=True)
    assert begun.status == 200
    job = caller.call("GET", f"/v1/{PROJECT}/jobs/{begun.body['job_id']}").body
    assert (job["status"], job["job_type"]) == ("RUNNING", "deleteServer")
    (shown,) = details(caller, server_id=postpaid)
    assert (shown["status"], shown["OS-EXT-STS:task_state"]) == ("ACTIVE", "deleting")


UNSUBSCRIBE = "/v2/orders/subscriptions/resources/unsubscribe"
MONTH = {"chargingMode": "prePaid", "periodType": "month", "periodNum": 1, "isAutoPay": "true"}


def unsubscribe(caller: Caller, *ids: str, domain: str | None = "its own", **changes: Any) -> Answer:
    if domain == "its own":
        (row,) = caller.call("GET", "/v3/auth/domains").body["domains"]
        domain = row["id"]
    body = {"resource_ids": list(ids), "unsubscribe_type": 1, "unsubscribe_reason_type": 5, **changes}
    return caller.call("POST", UNSUBSCRIBE, body=body, headers={"X-Domain-Id": domain} if domain else {})


def test_an_unsubscription_is_of_whole_prepaid_resources_of_the_account_and_of_all_or_none(
    caller: Caller, order: dict[str, Any], control: ControlClient
) -> None:
    (postpaid,) = buy(caller, order).body["serverIds"]
    (prepaid,) = buy(caller, order, version="v1.1", extendparam=MONTH).body["serverIds"]

    assert unsubscribe(caller, prepaid, domain=None).body["error_code"] == "CBC.0151"
    assert unsubscribe(caller, prepaid, domain="0" * 32).status == 403
    for wrong in ({"unsubscribe_type": 3}, {"unsubscribe_type": None}, {"unsubscribe_reason_type": 6}):
        assert unsubscribe(caller, prepaid, **wrong).body["error_code"] == "CBC.0100"
    assert unsubscribe(caller, *(str(uuid.UUID(int=number)) for number in range(11))).body["error_code"] == "CBC.0100"
    assert unsubscribe(caller, prepaid, unsubscribe_type=2).body["error_code"] == "CBC.99003128"
    assert unsubscribe(caller, prepaid, str(uuid.UUID(int=0))).body["error_code"] == "CBC.99003012"
    assert unsubscribe(caller, prepaid, postpaid).body["error_code"] == "CBC.30000067"
    control.refunds(CLOUD, 0)
    assert set(unsubscribe(caller, prepaid).body) == {"error_code", "error_msg"}
    assert {machine["state"] for machine in control.machines(CLOUD)} == {"running"}
    control.refunds(CLOUD, None)
    (order_id,) = unsubscribe(caller, prepaid).body["order_ids"]
    assert order_id.startswith("CS")
    assert [machine["machine_id"] for machine in control.machines(CLOUD)] == [postpaid]


def test_an_unsubscription_is_carried_out_when_billing_has_come_to_it(
    caller: Caller, order: dict[str, Any], control: ControlClient
) -> None:
    control.delays(billing=3600)
    (made,) = buy(caller, order, version="v1.1", extendparam=MONTH).body["serverIds"]

    assert unsubscribe(caller, made).status == 200

    assert unsubscribe(caller, made).body["error_code"] == "CBC.99003651"
    (shown,) = details(caller, server_id=made)
    assert (shown["status"], shown["OS-EXT-STS:task_state"]) == ("ACTIVE", None)


def test_a_locked_server_is_shown_as_that_and_not_deleted(
    caller: Caller, order: dict[str, Any], control: ControlClient
) -> None:
    (made,) = buy(caller, order).body["serverIds"]
    control.protect(CLOUD, made)

    (shown,) = details(caller, server_id=made)
    assert shown["locked"] is True
    refused = caller.call("POST", f"{ECS}/delete", body={"servers": [{"id": made}]})
    assert (refused.status, refused.code) == (400, "Ecs.0605")


def test_a_recycle_bin_that_is_on_keeps_what_is_deleted(
    caller: Caller, order: dict[str, Any], control: ControlClient
) -> None:
    recycle_bin = f"/v1/{PROJECT}/recycle-bin"
    (made,) = buy(caller, order).body["serverIds"]
    assert caller.call("PUT", recycle_bin, body={"recycle_bin": {"switch": "yes"}}).code == "Ecs.0005"
    assert caller.call("PUT", recycle_bin, body={"recycle_bin": {"switch": "on"}}).status == 200

    assert caller.call("POST", f"{ECS}/delete", body={"servers": [{"id": made}]}).status == 200

    (shown,) = details(caller, server_id=made)
    assert (shown["status"], shown["in_recycle_bin"]) == ("SHUTOFF", True)
    assert [row["id"] for row in caller.call("GET", f"{recycle_bin}/cloudservers").body["servers"]] == [made]
    assert caller.call("POST", f"{ECS}/delete", body={"servers": [{"id": made}]}).code == "Ecs.0100"
    assert caller.call("DELETE", f"{recycle_bin}/cloudservers/{made}").status == 200
    assert control.machines(CLOUD) == []
    assert caller.call("DELETE", f"{recycle_bin}/cloudservers/{made}").code == "Ecs.0114"


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [("throttle", 429, "APIGW.0308"), ("unavailable", 502, "APIGW.0201"), ("stockout", 400, "Ecs.0319")],
)
def test_faults_come_in_the_vendors_form(
    caller: Caller, order: dict[str, Any], control: ControlClient, fault: str, status: int, code: str
) -> None:
    control.fault(fault, CLOUD, "CreatePostPaidServers", times=1)

    answer = buy(caller, order)

    assert (answer.status, answer.code) == (status, code)
    assert buy(caller, order).status == 200


def test_a_quota_that_is_reached_refuses_the_whole_batch(
    caller: Caller, order: dict[str, Any], control: ControlClient
) -> None:
    control.quota(CLOUD, 2)

    assert buy(caller, order, count=3).code == "Ecs.0001"
    assert control.machines(CLOUD) == []


def test_a_subnet_that_is_full_is_refused(caller: Caller, order: dict[str, Any]) -> None:
    body = {"name": "small", "cidr": "10.0.2.0/28", "vpc_id": order["vpcid"], "gateway_ip": "10.0.2.1"}
    small = caller.call("POST", SUBNETS, body={"subnet": body}).body["subnet"]

    assert small["available_ip_address_count"] == 11
    assert buy(caller, order, nics=[{"subnet_id": small["id"]}], count=12).code == "Ecs.0012"
    assert buy(caller, order, nics=[{"subnet_id": small["id"]}], count=11).status == 200


# Networks.


@pytest.mark.parametrize(
    "changes",
    [
        {"cidr": "8.8.0.0/16"},
        {"cidr": "10.0.0.1/16"},
        {"cidr": "10.0.0.0/29"},
        {"cidr": "10.0.0.0/7"},
        {"cidr": "ten"},
        {"cidr": None},
        {"name": None},
        {"name": "a b"},
        {"name": ""},
        {"description": "<b>"},
        {"tags": ["a"]},
        {"vpc_name": "x"},
    ],
)
def test_a_vpc_with_a_wrong_parameter_is_refused(caller: Caller, changes: dict[str, Any]) -> None:
    answer = caller.call("POST", VPCS, body={"vpc": {"name": "net", "cidr": "10.0.0.0/16", **changes}})

    assert (answer.status, answer.code) == (400, "VPC.0101")


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"gateway_ip": None}, 400, "VPC.0201"),
        ({"gateway_ip": "10.9.9.9"}, 400, "VPC.0201"),
        ({"gateway_ip": "first"}, 400, "VPC.0201"),
        ({"primary_dns": "dns.example"}, 400, "VPC.0201"),
        ({"cidr": "10.0.1.0/29"}, 400, "VPC.0212"),
        ({"cidr": "10.0.1.1/24"}, 400, "VPC.0212"),
        ({"cidr": "10.9.1.0/24", "gateway_ip": "10.9.1.1"}, 400, "VPC.0203"),
        ({"availability_zone": "cn-south-1c"}, 400, "VPC.0201"),
        ({"vpc_id": str(uuid.UUID(int=0))}, 404, "VPC.0003"),
        ({"dns": "10.0.0.2"}, 400, "VPC.0201"),
        ({"dhcp_enable": "true"}, 400, "VPC.0201"),
    ],
)
def test_a_subnet_with_a_wrong_parameter_is_refused(
    caller: Caller, changes: dict[str, Any], status: int, code: str
) -> None:
    body = {"name": "sub", "cidr": "10.0.1.0/24", "vpc_id": a_vpc(caller), "gateway_ip": "10.0.1.1", **changes}

    answer = caller.call("POST", SUBNETS, body={"subnet": body})

    assert (answer.status, answer.code) == (status, code)
    assert set(answer.body) == {"code", "message"}


def test_a_subnet_that_overlaps_and_one_in_a_vpc_that_is_not_ready_are_refused(
    caller: Caller, order: dict[str, Any], control: ControlClient
) -> None:
    def made(vpc: str, cidr: str) -> Answer:
        body = {"name": "sub", "cidr": cidr, "vpc_id": vpc, "gateway_ip": cidr.replace("0/", "1/").partition("/")[0]}
        return caller.call("POST", SUBNETS, body={"subnet": body})

    assert made(order["vpcid"], "10.0.1.0/25").code == "VPC.0204"
    control.delays(vpc=3600)
    fresh = a_vpc(caller, "fresh")
    assert caller.call("GET", f"{VPCS}/{fresh}").body["vpc"]["status"] == "PENDING"
    assert made(fresh, "10.0.1.0/24").code == "VPC.0004"


def test_lists_of_version_3_filter_by_several_values_and_tell_the_next_page(caller: Caller) -> None:
    made = [a_vpc(caller, f"net-{number}", f"10.{number}.0.0/16") for number in range(3)]

    some = caller.call("GET", VPCS, {"id": [made[0], made[2]]}).body
    assert [row["id"] for row in some["vpcs"]] == [made[0], made[2]]
    assert [row["id"] for row in caller.call("GET", VPCS, {"name": "net-1"}).body["vpcs"]] == [made[1]]
    page = caller.call("GET", VPCS, {"limit": 2}).body
    assert page["page_info"] == {"previous_marker": made[0], "current_count": 2, "next_marker": made[1]}
    rest = caller.call("GET", VPCS, {"limit": 2, "marker": made[1]}).body
    assert [row["id"] for row in rest["vpcs"]] == [made[2]]
    assert "next_marker" not in rest["page_info"]
    assert caller.call("GET", VPCS, {"limit": 2001}).code == "VPC.0101"
    assert caller.call("GET", SUBNETS, {"limit": 1, "vpc": "x"}).code == "VPC.0201"


def test_what_is_in_use_is_not_deleted(caller: Caller, order: dict[str, Any]) -> None:
    (made,) = buy(caller, order).body["serverIds"]
    subnet, group = order["nics"][0]["subnet_id"], order["security_groups"][0]["id"]
    inside = f"/v1/{PROJECT}/vpcs/{order['vpcid']}/subnets/{subnet}"

    def refusal(path: str) -> tuple[int, str]:
        answer = caller.call("DELETE", path)
        return answer.status, answer.code

    assert refusal(f"{VPCS}/{order['vpcid']}") == (409, "VPC.0104")
    assert refusal(inside) == (500, "VPC.0209")
    assert refusal(f"/v1/{PROJECT}/vpcs/{uuid.UUID(int=0)}/subnets/{subnet}") == (400, "VPC.0207")
    assert refusal(f"{GROUPS}/{group}") == (409, "VPC.0602")
    caller.call("POST", f"{ECS}/delete", body={"servers": [{"id": made}]})
    for path, code in (
        (inside, "VPC.0202"),
        (f"{GROUPS}/{group}", "VPC.0603"),
        (f"{VPCS}/{order['vpcid']}", "VPC.0003"),
    ):
        assert caller.call("DELETE", path).status == 204
        assert refusal(path) == (404, code)


# Security groups.


def rules_of(caller: Caller, group: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = caller.call("GET", f"{GROUPS}/{group}").body["security_group"]["security_group_rules"]
    return rows


def add(caller: Caller, group: str, *rules: Mapping[str, Any], **changes: Any) -> Answer:
    path = f"{GROUPS}/{group}/security-group-rules/batch-create"
    return caller.call("POST", path, body={"security_group_rules": list(rules), **changes})


RULE: dict[str, Any] = {
    "direction": "ingress",
    "protocol": "tcp",
    "multiport": "22",
    "remote_ip_prefix": "10.0.0.0/8",
    "action": "allow",
    "priority": 1,
}


def test_a_group_begins_with_the_rules_of_every_group(caller: Caller, order: dict[str, Any]) -> None:
    rules = rules_of(caller, order["security_groups"][0]["id"])

    assert sorted((rule["direction"], rule["ethertype"]) for rule in rules) == [
        ("egress", "IPv4"),
        ("egress", "IPv6"),
        ("ingress", "IPv4"),
        ("ingress", "IPv6"),
    ]
    assert {rule["remote_group_id"] for rule in rules if rule["direction"] == "ingress"} == {
        order["security_groups"][0]["id"]
    }


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"protocol": "gre"}, 400, "VPC.0601"),
        ({"protocol": "256"}, 400, "VPC.0601"),
        ({"protocol": "icmpv6", "multiport": None}, 400, "VPC.0601"),
        ({"direction": "inward"}, 400, "VPC.0601"),
        ({"direction": None}, 400, "VPC.0601"),
        ({"multiport": "22-x"}, 400, "VPC.0601"),
        ({"multiport": "0-22"}, 400, "VPC.0601"),
        ({"multiport": "22-70000"}, 400, "VPC.0601"),
        ({"multiport": "80-22"}, 400, "VPC.0601"),
        ({"protocol": "icmp"}, 400, "VPC.0601"),
        ({"protocol": None}, 400, "VPC.0601"),
        ({"remote_ip_prefix": "10.0.0.1/8"}, 400, "VPC.0601"),
        ({"remote_group_id": str(uuid.UUID(int=0))}, 400, "VPC.0601"),
        ({"remote_group_id": str(uuid.UUID(int=0)), "remote_ip_prefix": None}, 404, "VPC.0603"),
        ({"priority": 101}, 400, "VPC.0601"),
        ({"priority": "1"}, 400, "VPC.0601"),
        ({"action": "permit"}, 400, "VPC.0601"),
        ({"port_range_min": 22}, 400, "VPC.0601"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_with_all_the_others(
    caller: Caller, order: dict[str, Any], changes: dict[str, Any], status: int, code: str
) -> None:
    group = order["security_groups"][0]["id"]

    answer = add(caller, group, {**RULE, "multiport": "443"}, {**RULE, **changes})

    assert (answer.status, answer.code) == (status, code)
    assert len(rules_of(caller, group)) == 4


def test_a_rule_that_exists_is_refused_unless_it_is_to_be_ignored(caller: Caller, order: dict[str, Any]) -> None:
    group = order["security_groups"][0]["id"]
    again = {**RULE, "protocol": "6", "description": "another", "priority": 7}

    assert add(caller, group, RULE).status == 201
    refused = add(caller, group, {**RULE, "multiport": "80"}, again)
    assert (refused.status, refused.code) == (409, "VPC.0602")
    assert len(rules_of(caller, group)) == 5
    assert add(caller, group, {**RULE, "multiport": "80"}, {**RULE, "multiport": "80"}).code == "VPC.0602"
    added = add(caller, group, {**RULE, "multiport": "80"}, again, ignore_duplicate=True)
    assert [rule["multiport"] for rule in added.body["security_group_rules"]] == ["80"]
    assert add(caller, group, *([RULE] * 201), ignore_duplicate=True).code == "VPC.0601"
    single = {"security_group_rule": {**RULE, "security_group_id": group}}
    assert caller.call("POST", f"/v3/{PROJECT}/vpc/security-group-rules", body=single).code == "VPC.0602"
    listed = caller.call(
        "GET", f"/v3/{PROJECT}/vpc/security-group-rules", {"security_group_id": group, "protocol": "tcp"}
    )
    assert [rule["multiport"] for rule in listed.body["security_group_rules"]] == ["22", "80"]


# The catalog.


def test_types_are_shown_with_their_state_in_each_zone_and_by_zone_only_if_sold(
    caller: Caller, control: ControlClient
) -> None:
    control.capacity(CLOUD, "cn-north-4a", 0, "c6.large.2")

    def names(**query: Any) -> list[str]:
        return [row["id"] for row in caller.call("GET", f"{ECS}/flavors", query).body["flavors"]]

    (flavor,) = caller.call("GET", f"{ECS}/flavors", {"flavor_id": "c6.large.2"}).body["flavors"]
    assert (flavor["vcpus"], flavor["ram"]) == ("2", 4096)
    assert flavor["os_extra_specs"]["cond:operation:az"].startswith("cn-north-4a(sellout),cn-north-4b(normal)")
    assert "c6.large.2" not in names(availability_zone="cn-north-4a")
    assert "c6.large.2" in names(availability_zone="cn-north-4b")
    assert "m7.16xlarge.8" not in names(availability_zone="cn-north-4b")
    assert names(limit=2) + names(limit=2, marker=names(limit=2)[-1]) == names(limit=4)
    assert caller.call("GET", f"{ECS}/flavors", {"availability_zone": "cn-south-1c"}).code == "Ecs.0005"


def test_images_are_paged_by_the_last_id_and_filtered(caller: Caller) -> None:
    def images(**query: Any) -> list[dict[str, Any]]:
        answer = caller.call("GET", "/v2/cloudimages", query, headers={"X-Project-Id": PROJECT})
        rows: list[dict[str, Any]] = answer.body["images"]
        return rows

    first = images()
    assert len(first) == 500
    rest = images(marker=first[-1]["id"])
    assert len(rest) == 256
    assert not {row["id"] for row in first} & {row["id"] for row in rest}
    assert {row["__os_type"] for row in images(__os_type="Windows")} == {"Windows"}
    assert images(status="queued") == []
    assert [row["id"] for row in images(id=rest[0]["id"])] == [rest[0]["id"]]
    wrong = caller.call("GET", "/v2/cloudimages", {"os": "Linux"}, headers={"X-Project-Id": PROJECT})
    assert wrong.code == "IMG.0001"
