"""Baidu's simulated API, spoken to by hand and through Baidu's own SDK: as strict as the vendor says it is."""

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
from baidubce.auth.bce_credentials import BceCredentials
from baidubce.bce_client_configuration import BceClientConfiguration
from baidubce.exception import BceHttpClientError
from baidubce.retry.retry_policy import NoRetryPolicy
from baidubce.services.bcc import bcc_model
from baidubce.services.bcc.bcc_client import BccClient
from baidubce.services.vpc.vpc_client import VpcClient
from baidubce.utils import aes128_encrypt_16char_key
from bridgx_server.cloudsim.control_client import ControlClient
from bridgx_server.cloudsim.server import CloudSim

CLOUD = "BaiduCloud"
KEY = "demo-BaiduCloud"
SECRET = "demo-secret-BaiduCloud"
PASSWORD = "Sesame4Tests!"


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


@dataclass(frozen=True)
class Answer:
    status: int
    body: dict[str, Any]
    headers: Mapping[str, str]

    @property
    def code(self) -> str:
        assert set(self.body) == {"code", "message", "requestId"}
        assert self.body["requestId"] == self.headers["x-bce-request-id"]
        return str(self.body["code"])


class Caller:
    """Requests made and signed by hand, after "Authentication" of the API reference."""

    def __init__(self, url: str) -> None:
        self.address = urlsplit(url).netloc

    def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        *,
        host: str = "bcc.bj.baidubce.com",
        key: str = KEY,
        secret: str = SECRET,
        at: float | None = None,
        signed: str = "host;x-bce-date",
        authorization: str | None = None,
        raw: bytes | None = None,
        sent_query: str | None = None,
    ) -> Answer:
        stamp = datetime.fromtimestamp(time.time() if at is None else at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        content = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        headers = {"Host": host, "x-bce-date": stamp, "Content-Type": "application/json"}
        pairs = sorted(f"{quote(name, safe='')}={quote(str(value), safe='')}" for name, value in (query or {}).items())
        if authorization is None:
            named = signed.split(";")
            sent = {name.lower(): value for name, value in headers.items()}
            lines = sorted(f"{name}:{quote(sent[name], safe='')}" for name in named)
            prefix = f"bce-auth-v1/{key}/{stamp}/1800"
            signing_key = hmac.new(secret.encode(), prefix.encode(), hashlib.sha256).hexdigest()
            canonical = "\n".join((method, quote(path), "&".join(pairs), "\n".join(lines)))
            signature = hmac.new(signing_key.encode(), canonical.encode(), hashlib.sha256).hexdigest()
            authorization = f"{prefix}/{signed}/{signature}"
        if authorization:
            headers["Authorization"] = authorization
        connection = http.client.HTTPConnection(self.address, timeout=30)
        try:
            shown = "&".join(pairs) if sent_query is None else sent_query
            connection.putrequest(method, f"{path}?{shown}" if shown else path, skip_host=True)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                connection.putheader(name, value)
            connection.endheaders(content)
            response = connection.getresponse()
            return Answer(response.status, json.loads(response.read()), dict(response.headers))
        finally:
            connection.close()


@pytest.fixture
def caller(simulator: CloudSim, control: ControlClient) -> Caller:
    return Caller(simulator.endpoints[CLOUD])


@pytest.fixture
def order(caller: Caller) -> dict[str, Any]:
    """The body of an order for machines, in a network that exists."""
    vpc = caller.call("POST", "/v1/vpc", a_token(), {"name": "net", "cidr": "10.0.0.0/16"}).body["vpcId"]
    subnet_body = {"name": "sub", "zoneName": "cn-bj-a", "cidr": "10.0.1.0/24", "vpcId": vpc}
    subnet = caller.call("POST", "/v1/subnet", a_token(), subnet_body).body["subnetId"]
    group_body = {"name": "group", "vpcId": vpc, "rules": []}
    group = caller.call("POST", "/v2/securityGroup", a_token(), group_body).body["securityGroupId"]
    images = caller.call("GET", "/v2/image", {"imageType": "All", "maxKeys": 1}).body["images"]
    return {
        "spec": "bcc.g5.c2m4",
        "imageId": images[0]["id"],
        "billing": {"paymentTiming": "Postpaid"},
        "zoneName": "cn-bj-a",
        "subnetId": subnet,
        "securityGroupId": group,
        "purchaseCount": 1,
        "adminPass": aes128_encrypt_16char_key(PASSWORD, SECRET.encode()),
    }


def a_token() -> dict[str, str]:
    return {"clientToken": str(uuid.uuid4())}


def buy(caller: Caller, order: Mapping[str, Any], **changes: Any) -> Answer:
    return caller.call("POST", "/v2/instanceBySpec", a_token(), {**order, **changes})


# Signatures.


@pytest.mark.parametrize("signed", ["host", "host;x-bce-date", "content-type;host;x-bce-date"])
def test_a_request_signed_by_hand_is_let_in(caller: Caller, signed: str) -> None:
    answer = caller.call("GET", "/v2/zone", signed=signed)

    assert answer.status == 200
    assert answer.body["zones"][0] == {"zoneName": "cn-bj-a"}


@pytest.mark.parametrize(
    ("how", "status", "code"),
    [
        ({"authorization": ""}, 403, "AccessDenied"),
        ({"authorization": "Basic abc"}, 400, "InvalidHTTPAuthHeader"),
        ({"authorization": f"bce-auth-v1/{KEY}/yesterday/1800/host/abc"}, 400, "InvalidHTTPAuthHeader"),
        ({"signed": "x-bce-date"}, 400, "InvalidHTTPAuthHeader"),
        ({"key": "nobody"}, 403, "InvalidAccessKeyId"),
        ({"secret": "another-secret-of-someone"}, 400, "SignatureDoesNotMatch"),
        ({"query": {"maxKeys": 5}, "sent_query": "maxKeys=6"}, 400, "SignatureDoesNotMatch"),
        ({"at": time.time() - 1900}, 400, "RequestExpired"),
    ],
)
def test_a_request_that_is_not_rightly_signed_is_refused(
    caller: Caller, how: dict[str, Any], status: int, code: str
) -> None:
    answer = caller.call("GET", "/v2/instance", **how)

    assert (answer.status, answer.code) == (status, code)


def test_baidus_own_sdk_is_let_in_with_all_it_signs_and_refused_with_a_wrong_secret(
    simulator: CloudSim, control: ControlClient
) -> None:
    assert sdk(VpcClient, simulator).list_vpcs().vpcs == []
    assert len(sdk(BccClient, simulator).list_zones().zones) == 6

    with pytest.raises(BceHttpClientError) as caught:
        sdk(BccClient, simulator, "another-secret-of-someone").list_zones()

    assert (caught.value.status_code, caught.value.code) == (400, "SignatureDoesNotMatch")
    assert caught.value.request_id


def sdk(kind: Any, simulator: CloudSim, secret: str = SECRET) -> Any:
    """A client of the SDK, pointed at the simulator as any user would."""
    return kind(
        BceClientConfiguration(
            credentials=BceCredentials(KEY, secret),
            endpoint=simulator.endpoints[CLOUD],
            retry_policy=NoRetryPolicy(),
        )
    )


# Regions.


def test_the_host_names_the_region_and_any_other_host_is_beijing(caller: Caller) -> None:
    def zone(host: str) -> str:
        return str(caller.call("GET", "/v2/zone", host=host).body["zones"][0]["zoneName"])

    assert zone("bcc.gz.baidubce.com") == "cn-gz-a"
    assert zone("bcc.su.baidubce.com:443") == "cn-su-a"
    assert zone(caller.address) == "cn-bj-a"
    assert caller.call("GET", "/v2/zone", host="bcc.atlantis.baidubce.com").code == "InvalidURI"


# Parameters.


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v2/zones", 400, "InvalidURI"),
        ("DELETE", "/v2/zone", 400, "InvalidURI"),
        ("GET", "/v7/zone", 404, "InvalidVersion"),
    ],
)
def test_what_is_no_call_is_refused(caller: Caller, method: str, path: str, status: int, code: str) -> None:
    answer = caller.call(method, path)

    assert (answer.status, answer.code) == (status, code)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"sppec": "bcc.g5.c2m4"}, "InappropriateJSON"),
        ({"spec": None}, "InappropriateJSON"),
        ({"billing": None}, "InappropriateJSON"),
        ({"billing": {}}, "InappropriateJSON"),
        ({"billing": {"paymentTiming": "PostPaid"}}, "BadRequest"),
        ({"billing": {"paymentTiming": "Prepaid", "reservation": {"reservationLength": 10}}}, "BadRequest"),
        (
            {"billing": {"paymentTiming": "Prepaid", "reservation": {"reservationTimeUnit": "Week"}}},
            "BadRequest",
        ),
        ({"purchaseCount": "2"}, "InappropriateJSON"),
        ({"purchaseCount": True}, "InappropriateJSON"),
        ({"purchaseCount": 0}, "BadRequest"),
        ({"purchaseCount": 101}, "BadRequest"),
        ({"purchaseMinCount": 2}, "BadRequest"),
        ({"cdsAutoRenew": "no"}, "InappropriateJSON"),
        ({"tags": {"a": "b"}}, "InappropriateJSON"),
        ({"tags": [{"tagValue": "b"}]}, "InappropriateJSON"),
        ({"createCdsList": [{"storageType": "hp1"}]}, "InappropriateJSON"),
        ({"createCdsList": [{"storageType": "io2", "cdsSizeInGB": 50}]}, "BadRequest"),
        ({"rootDiskSizeInGb": 5}, "BadRequest"),
        ({"rootDiskStorageType": "cloud_ssd"}, "BadRequest"),
        ({"networkCapacityInMbps": 201}, "BadRequest"),
        ({"internetChargeType": "PayByTraffic"}, "BadRequest"),
        ({"name": "1-begins-with-a-digit"}, "BadRequest"),
        ({"adminPass": "Sesame4Tests!"}, "BadRequest"),
        ({"adminPass": aes128_encrypt_16char_key("weak", SECRET.encode())}, "BadRequest"),
        ({"adminPass": aes128_encrypt_16char_key(PASSWORD, b"another-secret-of-someone")}, "BadRequest"),
        ({"securityGroupId": None}, "BadRequest"),
        ({"spec": "bcc.x9.c1m1"}, "BadRequest"),
        ({"zoneName": "cn-bj-b"}, "BadRequest"),
        ({"imageId": "m-00000000"}, "NoSuchObject"),
        ({"subnetId": "sbn-000000000000"}, "NoSuchObject"),
    ],
)
def test_an_order_with_a_wrong_parameter_is_refused_and_nothing_is_made(
    caller: Caller, order: dict[str, Any], control: ControlClient, changes: dict[str, Any], code: str
) -> None:
    assert buy(caller, order, **changes).code == code
    assert control.machines(CLOUD) == []


def test_an_order_as_documented_is_filled(caller: Caller, order: dict[str, Any], control: ControlClient) -> None:
    answer = buy(
        caller,
        order,
        name="web",
        cdsAutoRenew=None,
        createCdsList=[{"cdsSizeInGB": 50, "storageType": "cloud_hp1", "snapshotId": None}],
        tags=[{"tagKey": "role", "tagValue": "web"}],
        networkCapacityInMbps=5,
    )

    assert answer.status == 200
    (machine,) = control.machines(CLOUD)
    assert answer.body["instanceIds"] == [machine["machine_id"]]
    shown = caller.call("GET", f"/v2/instance/{machine['machine_id']}").body["instance"]
    assert shown["status"] == "Running"
    assert shown["tags"] == [{"tagKey": "role", "tagValue": "web"}]
    assert shown["internalIp"] == machine["private_ip"]
    assert shown["publicIp"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"maxKeys": 1001}, "BadRequest"),
        ({"maxKeys": 0}, "BadRequest"),
        ({"maxKeys": "many"}, "BadRequest"),
        ({"max_keys": 5}, "InappropriateJSON"),
        ({"instanceIds": ",".join(f"i-{number}" for number in range(101))}, "BadRequest"),
        ({"vpcId": "vpc-1"}, "BadRequest"),
    ],
)
def test_a_list_with_a_wrong_parameter_is_refused(caller: Caller, query: dict[str, Any], code: str) -> None:
    assert caller.call("GET", "/v2/instance", query).code == code


@pytest.mark.parametrize(
    ("raw", "code"), [(b"{", "MalformedJSON"), (b"[]", "InappropriateJSON"), (b"\xff\xfe", "MalformedJSON")]
)
def test_a_body_that_is_no_object_is_refused(caller: Caller, raw: bytes, code: str) -> None:
    assert caller.call("POST", "/v1/vpc", raw=raw).code == code


def test_a_token_of_more_than_64_characters_is_refused(caller: Caller) -> None:
    body = {"name": "net", "cidr": "10.0.0.0/16"}

    assert caller.call("POST", "/v1/vpc", {"clientToken": "t" * 65}, body).code == "BadRequest"


@pytest.mark.parametrize("cidr", ["8.8.0.0/16", "10.0.0.1/16", "10.0.0.0/29", "10.0.0.0/7", "ten"])
def test_a_vpc_outside_the_private_blocks_is_refused(caller: Caller, cidr: str) -> None:
    assert caller.call("POST", "/v1/vpc", a_token(), {"name": "net", "cidr": cidr}).code == "BadRequest"


# Tokens.


def test_the_same_token_gives_the_same_result_and_another_request_under_it_is_refused(
    caller: Caller, order: dict[str, Any], control: ControlClient
) -> None:
    token = a_token()
    first = caller.call("POST", "/v2/instanceBySpec", token, order)

    assert caller.call("POST", "/v2/instanceBySpec", token, order).body == first.body
    other = caller.call("POST", "/v2/instanceBySpec", token, {**order, "purchaseCount": 2})
    assert other.code == "IdempotentParameterMismatch"
    assert len(control.machines(CLOUD)) == 1


@pytest.mark.parametrize(
    ("path", "body", "other"),
    [
        ("/v1/vpc", {"name": "one", "cidr": "10.1.0.0/16"}, {"name": "two", "cidr": "10.1.0.0/16"}),
        ("/v2/securityGroup", {"name": "one", "rules": []}, {"name": "two", "rules": []}),
    ],
)
def test_tokens_hold_for_networks_too(caller: Caller, path: str, body: dict[str, Any], other: dict[str, Any]) -> None:
    token = a_token()
    first = caller.call("POST", path, token, body)

    assert first.status == 200
    assert caller.call("POST", path, token, body).body == first.body
    assert caller.call("POST", path, token, other).code == "IdempotentParameterMismatch"


# Machines.


def test_a_batch_is_all_or_nothing_unless_a_smaller_one_is_allowed(
    caller: Caller, order: dict[str, Any], control: ControlClient
) -> None:
    control.capacity(CLOUD, "cn-bj-a", 2, order["spec"])

    assert buy(caller, order, purchaseCount=3).code == "Instance.StockNotEnough"
    assert control.machines(CLOUD) == []
    assert len(buy(caller, order, purchaseCount=3, purchaseMinCount=2).body["instanceIds"]) == 2


def test_filters_are_joined_by_and_their_values_by_or(caller: Caller, order: dict[str, Any]) -> None:
    def bought(*tags: tuple[str, str]) -> str:
        rows = [{"tagKey": key, "tagValue": value} for key, value in tags]
        return str(buy(caller, order, tags=rows).body["instanceIds"][0])

    def found(**query: str) -> set[str]:
        return {row["id"] for row in caller.call("GET", "/v2/instance", query).body["instances"]}

    first, second, third = bought(("a", "1")), bought(("a", "2"), ("b", "1")), bought(("c", "1"))
    assert found(tags="a:1") == {first}
    assert found(tags="a") == {first, second}
    assert found(tags="a:1,b:1") == {first, second}
    assert found(tags="a", instanceIds=f"{second},{third},i-nowhere") == {second}
    assert found(status="Stopped") == set()


def test_pages_hold_every_machine_once(caller: Caller, order: dict[str, Any]) -> None:
    made = buy(caller, order, purchaseCount=5).body["instanceIds"]
    seen: list[str] = []
    query: dict[str, Any] = {"maxKeys": 2}
    for _ in range(3):
        body = caller.call("GET", "/v2/instance", query).body
        seen += [row["id"] for row in body["instances"]]
        assert body["isTruncated"] == (len(seen) < 5)
        query = {"maxKeys": 2, "marker": body.get("nextMarker", "")}

    assert sorted(seen) == sorted(made)
    by_id = caller.call("POST", "/v2/instance/listByInstanceId", body={"instanceIds": [*made, "i-nowhere"]})
    assert sorted(row["id"] for row in by_id.body["instances"]) == sorted(made)


def test_a_release_must_say_what_goes_along_and_is_of_postpaid_machines_that_exist(
    caller: Caller, order: dict[str, Any], control: ControlClient
) -> None:
    flags = {"relatedReleaseFlag": True, "deleteCdsSnapshotFlag": True}
    (postpaid,) = buy(caller, order).body["instanceIds"]
    (prepaid,) = buy(caller, order, billing={"paymentTiming": "Prepaid"}).body["instanceIds"]

    def release(*ids: str, call: str = "batchDelete", **changes: Any) -> Answer:
        return caller.call("POST", f"/v2/instance/{call}", body={"instanceIds": list(ids), **flags, **changes})

    assert release(postpaid, relatedReleaseFlag=None).code == "InappropriateJSON"
    assert release(postpaid, deleteCdsSnapshotFlag=None).code == "InappropriateJSON"
    assert release(*(f"i-{number}" for number in range(101))).code == "BadRequest"
    assert release(postpaid, "i-nowhere").code == "InvalidInstanceId.NotFound"
    assert release(postpaid, prepaid).code == "Instance.DeleteServerFailException"
    assert release(postpaid, call="batchRefundResource").body == {"failedInstanceIds": [postpaid]}
    assert release(*(f"i-{number}" for number in range(21)), call="batchRefundResource").code == "BadRequest"
    assert len(control.machines(CLOUD)) == 2
    assert release(postpaid).status == 200
    assert release(prepaid, call="batchRefundResource").status == 200
    assert control.machines(CLOUD) == []


def test_expired_machines_are_released_and_unexpired_ones_refunded_while_the_quota_lasts(
    caller: Caller, order: dict[str, Any], control: ControlClient
) -> None:
    flags = {"relatedReleaseFlag": True, "deleteCdsSnapshotFlag": True}
    billing = {"paymentTiming": "Prepaid", "reservation": {"reservationLength": 1, "reservationTimeUnit": "Month"}}
    unexpired, expired = buy(caller, order, billing=billing, purchaseCount=2).body["instanceIds"]
    control.expire(CLOUD, expired)

    def refund(*ids: str) -> Answer:
        return caller.call("POST", "/v2/instance/batchRefundResource", body={"instanceIds": list(ids), **flags})

    by_id = caller.call("POST", "/v2/instance/listByInstanceId", body={"instanceIds": [unexpired, expired]})
    assert {row["id"]: row["status"] for row in by_id.body["instances"]} == {unexpired: "Running", expired: "Expired"}
    assert caller.call("DELETE", f"/v2/instance/{unexpired}").code == "Instance.ReleaseNotPrepay"
    assert refund(unexpired, expired).code == "BadRequest"
    control.refunds(CLOUD, 0)
    refused = refund(unexpired)
    assert (refused.status, refused.code) == (400, "InsufficientCreditException")
    assert caller.call("POST", f"/v2/instance/{expired}", body=flags).status == 200
    assert [row["machine_id"] for row in control.machines(CLOUD)] == [unexpired]


def test_a_protected_machine_is_released_by_no_call(
    caller: Caller, order: dict[str, Any], control: ControlClient
) -> None:
    flags = {"relatedReleaseFlag": True, "deleteCdsSnapshotFlag": True}
    made, other = buy(caller, order, purchaseCount=2).body["instanceIds"]
    control.protect(CLOUD, made)

    for call in ("batchDelete", "batchRefundResource"):
        refused = caller.call("POST", f"/v2/instance/{call}", body={"instanceIds": [other, made], **flags})
        assert (refused.status, refused.code) == (403, "Instance.DeletionProtection")
    assert caller.call("DELETE", f"/v2/instance/{made}").code == "Instance.DeletionProtection"
    assert len(control.machines(CLOUD)) == 2


def test_what_is_released_into_the_recycle_bin_is_kept(
    caller: Caller, order: dict[str, Any], control: ControlClient
) -> None:
    (made,) = buy(caller, order).body["instanceIds"]
    body = {"relatedReleaseFlag": True, "deleteCdsSnapshotFlag": True, "bccRecycleFlag": True}

    assert caller.call("POST", f"/v2/instance/{made}", body=body).status == 200

    assert caller.call("GET", f"/v2/instance/{made}").body["instance"]["status"] == "Recycled"
    assert len(control.machines(CLOUD)) == 1


def test_a_machine_that_is_not_shown_yet_is_still_created_and_cannot_be_released(
    caller: Caller, order: dict[str, Any], control: ControlClient
) -> None:
    control.delays(visible=3600, boot=3600)
    (made,) = buy(caller, order).body["instanceIds"]

    assert caller.call("GET", "/v2/instance").body["instances"] == []
    assert caller.call("DELETE", f"/v2/instance/{made}").code == "Instance.ReleaseWhileCreating"


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [("throttle", 429, "RequestLimited"), ("unavailable", 503, "ServiceUnavailable"), ("stockout", 403, None)],
)
def test_faults_come_in_the_vendors_form(
    caller: Caller, order: dict[str, Any], control: ControlClient, fault: str, status: int, code: str | None
) -> None:
    control.fault(fault, CLOUD, "CreateInstanceBySpec", times=1)

    answer = buy(caller, order)

    assert answer.status == status
    assert answer.code == (code or "Instance.StockNotEnough")
    assert buy(caller, order).status == 200


def test_a_quota_that_is_reached_refuses_the_whole_batch(
    caller: Caller, order: dict[str, Any], control: ControlClient
) -> None:
    control.quota(CLOUD, 2)

    assert buy(caller, order, purchaseCount=3).code == "Instance.QuotaExceeded"
    assert control.machines(CLOUD) == []


# Security groups.


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"protocol": "gre"}, "BadRequest"),
        ({"direction": "inward"}, "BadRequest"),
        ({"direction": None}, "InappropriateJSON"),
        ({"portRange": "22-x"}, "SecurityGroup.RulePortInvalid"),
        ({"portRange": "22-70000"}, "SecurityGroup.RulePortRangeInvalid"),
        ({"portRange": "80-22"}, "SecurityGroup.RulePortOrderInvalid"),
        ({"protocol": "icmp"}, "SecurityGroup.RulePortInvalid"),
        ({"sourceIp": "10.0.0.1/8"}, "SecurityGroup.RuleCIDRAddressError"),
        ({"destIp": "10.0.0.0/8"}, "BadRequest"),
        ({"sourceGroupId": "g-000000000000", "sourceIp": None}, "NoSuchObject"),
        ({"sourceGroupId": "g-000000000000"}, "BadRequest"),
        ({"sourceIP": "10.0.0.0/8"}, "InappropriateJSON"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(
    caller: Caller, order: dict[str, Any], changes: dict[str, Any], code: str
) -> None:
    assert change_rule(caller, order, "authorizeRule", **changes).code == code


def test_the_same_rule_in_another_spelling_is_the_same_rule(caller: Caller, order: dict[str, Any]) -> None:
    every = {"protocol": "all", "portRange": "1-65535", "sourceIp": "all"}

    assert change_rule(caller, order, "authorizeRule").status == 200
    again = change_rule(caller, order, "authorizeRule", remark="")
    assert (again.status, again.code) == (409, "SecurityGroup.RuleDuplicated")
    assert change_rule(caller, order, "authorizeRule", remark="another").status == 200
    assert change_rule(caller, order, "authorizeRule", **every).status == 200
    assert change_rule(caller, order, "authorizeRule", protocol="", portRange="", sourceIp="").status == 409
    assert change_rule(caller, order, "revokeRule", **every).status == 200
    assert change_rule(caller, order, "revokeRule", **every).status == 404


def change_rule(caller: Caller, order: Mapping[str, Any], word: str, **changes: Any) -> Answer:
    rule = {"direction": "ingress", "protocol": "tcp", "portRange": "22", "sourceIp": "10.0.0.0/8", **changes}
    return caller.call("PUT", f"/v2/securityGroup/{order['securityGroupId']}", {word: ""}, {"rule": rule})


def test_what_is_in_use_is_not_deleted(caller: Caller, order: dict[str, Any]) -> None:
    buy(caller, order)
    vpc = caller.call("GET", "/v1/vpc").body["vpcs"][0]["vpcId"]

    assert caller.call("DELETE", f"/v1/vpc/{vpc}", a_token()).code == "NotAllowDeleteVpc"
    assert caller.call("DELETE", f"/v1/subnet/{order['subnetId']}", a_token()).code == "SUBNET_INUSE"
    group = caller.call("DELETE", f"/v2/securityGroup/{order['securityGroupId']}")
    assert group.code == "SecurityGroup.InstancesAssociatedSecurityGroupCanNotBeDeleted"


# The catalog.


def test_the_catalog_is_listed_as_the_reference_shows_it(caller: Caller) -> None:
    regions = caller.call("POST", "/v2/region/describeRegions", body={"region": ""}).body["regions"]
    assert {"regionId": "bj", "regionName": "华北-北京", "regionEndpoint": "bcc.bj.baidubce.com"} in regions
    flavors = caller.call("GET", "/v2/instance/flavorSpec", {"zoneName": "cn-bj-b", "specIds": "m5"}).body
    (resource,) = flavors["zoneResources"]
    specs = [flavor["spec"] for flavor in resource["bccResources"]["flavorGroups"][0]["flavors"]]
    assert "bcc.m5.c2m16" in specs
    assert "bcc.m5.c64m512" not in specs
    zones = caller.call("GET", "/v1/instance/flavorZones", {"spec": "bcc.m5.c64m512"}).body["zoneNames"]
    assert zones == ["cn-bj-a", "cn-bj-c", "cn-bj-d", "cn-bj-e", "cn-bj-f"]
    first = caller.call("GET", "/v2/image", {"imageType": "System"}).body
    assert len(first["images"]) == 1000
    assert first["isTruncated"] is True
    assert caller.call("GET", "/v2/image").code == "InappropriateJSON"


def test_the_sdks_own_objects_fit_what_is_answered(simulator: CloudSim, caller: Caller, order: dict[str, Any]) -> None:
    client = sdk(BccClient, simulator)

    made = client.create_instance_by_spec(
        order["spec"],
        order["imageId"],
        admin_pass=PASSWORD,
        billing=bcc_model.Billing("Postpaid"),
        zone_name="cn-bj-a",
        subnet_id=order["subnetId"],
        security_group_id=order["securityGroupId"],
        tags=[bcc_model.TagModel("role", "web")],
        create_cds_list=[bcc_model.CreateCdsModel(20)],
    )

    (instance,) = client.list_instances(tags="role:web").instances
    assert instance.id == made.instance_ids[0]
    assert (instance.cpu_count, instance.memory_capacity_in_gb, instance.status) == (2, 4, "Running")
