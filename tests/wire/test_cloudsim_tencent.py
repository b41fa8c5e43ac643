"""Tencent's simulated API, spoken to by hand and through Tencent's own SDK: as strict as the vendor says it is."""

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
from urllib.parse import urlsplit

import pytest
from bridgx_server.cloudsim.control_client import ControlClient
from bridgx_server.cloudsim.server import CloudSim
from tencentcloud.common.credential import Credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.cvm.v20170312 import models as cvm_models
from tencentcloud.cvm.v20170312.cvm_client import CvmClient
from tencentcloud.vpc.v20170312 import models as vpc_models
from tencentcloud.vpc.v20170312.vpc_client import VpcClient

CLOUD = "TencentCloud"
KEY = "demo-TencentCloud"
SECRET = "demo-secret-TencentCloud"
PASSWORD = "Sesame4Tests!"
REGION = "ap-guangzhou"
ZONE = "ap-guangzhou-3"


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


@dataclass(frozen=True)
class Answer:
    """An answer, whose status is 200 whatever it says."""

    response: dict[str, Any]

    @property
    def code(self) -> str:
        return str(self.response.get("Error", {}).get("Code", ""))


class Caller:
    """Requests made and signed by hand, after "Signature v3" of the API reference."""

    def __init__(self, url: str) -> None:
        self.address = urlsplit(url).netloc

    def call(
        self,
        action: str,
        parameters: Any = None,
        *,
        product: str = "",
        key: str = KEY,
        secret: str = SECRET,
        at: float | None = None,
        host: str = "",
        raw: bytes | None = None,
        signed_body: bytes | None = None,
        signed: str = "content-type;host",
        scope_date: str = "",
        method: str = "POST",
        **headers: str | None,
    ) -> Answer:
        product = product or ("vpc" if any(word in action for word in ("Vpc", "Subnet", "SecurityGroup")) else "cvm")
        timestamp = int(time.time() if at is None else at)
        date = scope_date or datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d")
        body = raw if raw is not None else json.dumps(parameters or {}).encode()
        sent: dict[str, str | None] = {
            "Host": host or self.address,
            "Content-Type": "application/json",
            "X-TC-Action": action,
            "X-TC-Version": "2017-03-12",
            "X-TC-Timestamp": str(timestamp),
            "X-TC-Region": REGION,
        }
        lowered = {name.lower(): str(value).lower() for name, value in sent.items()}
        lines = "".join(f"{name}:{lowered[name]}\n" for name in signed.split(";"))
        digest = hashlib.sha256(body if signed_body is None else signed_body).hexdigest()
        canonical = f"{method}\n/\n\n{lines}\n{signed}\n{digest}"
        scope = f"{date}/{product}/tc3_request"
        to_sign = f"TC3-HMAC-SHA256\n{timestamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signing_key = f"TC3{secret}".encode()
        for part in (date, product, "tc3_request"):
            signing_key = hmac.new(signing_key, part.encode(), hashlib.sha256).digest()
        mark = hmac.new(signing_key, to_sign.encode(), hashlib.sha256).hexdigest()
        sent["Authorization"] = f"TC3-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={signed}, Signature={mark}"
        sent.update({name.replace("_", "-"): value for name, value in headers.items()})
        connection = http.client.HTTPConnection(self.address, timeout=30)
        try:
            connection.putrequest(method, "/", skip_host=True)
            for name, value in {**sent, "Content-Length": str(len(body))}.items():
                if value is not None:
                    connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            content = json.loads(response.read())
            assert response.status == 200
            # Tencent's SDKs look for an error only where the type is exactly this.
            assert response.headers["Content-Type"] == "application/json"
            assert set(content) == {"Response"}
            assert uuid.UUID(content["Response"]["RequestId"])
            return Answer(content["Response"])
        finally:
            connection.close()


@pytest.fixture
def caller(simulator: CloudSim, control: ControlClient) -> Caller:
    return Caller(simulator.endpoints[CLOUD])


@pytest.fixture
def order(caller: Caller) -> dict[str, Any]:
    """The parameters of an order for machines, in a network that exists."""
    vpc = caller.call("CreateVpc", {"VpcName": "net", "CidrBlock": "10.0.0.0/16"}).response["Vpc"]["VpcId"]
    subnet_body = {"VpcId": vpc, "SubnetName": "sub", "CidrBlock": "10.0.1.0/24", "Zone": ZONE}
    subnet = caller.call("CreateSubnet", subnet_body).response["Subnet"]["SubnetId"]
    group_body = {"GroupName": "group", "GroupDescription": "of a test"}
    group = caller.call("CreateSecurityGroup", group_body).response["SecurityGroup"]["SecurityGroupId"]
    return {
        "Placement": {"Zone": ZONE},
        "InstanceType": "S5.MEDIUM4",
        "ImageId": an_image(caller, "CentOS"),
        "VirtualPrivateCloud": {"VpcId": vpc, "SubnetId": subnet},
        "SecurityGroupIds": [group],
        "LoginSettings": {"Password": PASSWORD},
    }


def an_image(caller: Caller, platform: str) -> str:
    filters = [{"Name": "platform", "Values": [platform]}]
    return str(caller.call("DescribeImages", {"Filters": filters}).response["ImageSet"][0]["ImageId"])


def buy(caller: Caller, order: Mapping[str, Any], **changes: Any) -> Answer:
    return caller.call("RunInstances", {**order, **changes})


def bought(caller: Caller, order: Mapping[str, Any], **changes: Any) -> list[str]:
    ids: list[str] = buy(caller, order, **changes).response["InstanceIdSet"]
    return ids


def states(caller: Caller, ids: list[str]) -> dict[str, str]:
    rows = caller.call("DescribeInstances", {"InstanceIds": ids}).response["InstanceSet"]
    return {row["InstanceId"]: row["InstanceState"] for row in rows}


# Signatures and headers.


@pytest.mark.parametrize("signed", ["content-type;host", "content-type;host;x-tc-action"])
def test_a_request_signed_by_hand_is_let_in(caller: Caller, signed: str) -> None:
    zones = caller.call("DescribeZones", signed=signed).response["ZoneSet"]

    assert zones[0]["Zone"] == ZONE
    assert zones[0]["ZoneName"] == "广州三区"


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ({"Authorization": None}, "AuthFailure.InvalidAuthorization"),
        ({"Authorization": "Basic abc"}, "AuthFailure.InvalidAuthorization"),
        ({"signed": "host"}, "AuthFailure.InvalidAuthorization"),
        ({"X_TC_Timestamp": "yesterday"}, "AuthFailure.InvalidAuthorization"),
        ({"key": "nobody"}, "AuthFailure.SecretIdNotFound"),
        ({"secret": "another-secret-of-someone"}, "AuthFailure.SignatureFailure"),
        ({"signed_body": b'{"Limit": 5}'}, "AuthFailure.SignatureFailure"),
        ({"scope_date": "2017-03-12"}, "AuthFailure.SignatureFailure"),
        ({"signed": "content-type;host;x-tc-action", "X_TC_Action": "DescribeRegions"}, "AuthFailure.SignatureFailure"),
        ({"at": time.time() - 7200}, "AuthFailure.SignatureExpire"),
        ({"at": time.time() + 7200}, "AuthFailure.SignatureExpire"),
        ({"X_TC_Action": None}, "MissingParameter"),
        ({"X_TC_Version": None}, "MissingParameter"),
        ({"X_TC_Version": "2016-01-01"}, "NoSuchVersion"),
        ({"X_TC_Region": None}, "MissingParameter"),
        ({"X_TC_Region": "mars"}, "UnsupportedRegion"),
        ({"product": "vpc"}, "InvalidAction"),
        ({"product": "cbs"}, "InvalidAction"),
        ({"host": "vpc.tencentcloudapi.com"}, "NoSuchProduct"),
        ({"Content_Type": "text/plain"}, "UnsupportedProtocol"),
        ({"method": "PUT"}, "UnsupportedProtocol"),
    ],
)
def test_a_request_that_is_not_rightly_signed_or_addressed_is_refused(
    caller: Caller, how: dict[str, Any], code: str
) -> None:
    assert caller.call("DescribeInstances", **how).code == code


def test_an_action_that_does_not_exist_is_refused(caller: Caller) -> None:
    assert caller.call("DescribeNothing").code == "InvalidAction"


def test_the_host_may_name_product_and_region(caller: Caller) -> None:
    assert caller.call("DescribeZones", host="cvm.tencentcloudapi.com").code == ""
    assert caller.call("DescribeZones", host="cvm.ap-guangzhou.tencentcloudapi.com").code == ""


def test_regions_need_no_region(caller: Caller) -> None:
    regions = caller.call("DescribeRegions", X_TC_Region=None).response["RegionSet"]

    assert {"Region": REGION, "RegionName": "华南地区(广州)", "RegionState": "AVAILABLE"} in regions


def test_regions_are_apart(caller: Caller) -> None:
    caller.call("CreateVpc", {"VpcName": "net", "CidrBlock": "10.0.0.0/16"})

    assert caller.call("DescribeVpcs").response["TotalCount"] == 1
    elsewhere = caller.call("DescribeVpcs", X_TC_Region="ap-beijing").response["TotalCount"]
    assert elsewhere == 0


@pytest.mark.parametrize("raw", [b"{", b"[]", b"\xff\xfe", b""])
def test_a_body_that_is_no_object_is_refused(caller: Caller, raw: bytes) -> None:
    assert caller.call("DescribeInstances", raw=raw).code == "InvalidParameter"


def test_tencents_own_sdk_is_let_in_and_refused_with_a_wrong_secret(
    simulator: CloudSim, control: ControlClient
) -> None:
    assert sdk(VpcClient, simulator).DescribeVpcs(vpc_models.DescribeVpcsRequest()).TotalCount == 0
    assert len(sdk(CvmClient, simulator).DescribeZones(cvm_models.DescribeZonesRequest()).ZoneSet) == 4

    with pytest.raises(TencentCloudSDKException) as caught:
        sdk(CvmClient, simulator, "another-secret-of-someone").DescribeZones(cvm_models.DescribeZonesRequest())

    assert caught.value.code == "AuthFailure.SignatureFailure"
    assert caught.value.requestId


def sdk(kind: Any, simulator: CloudSim, secret: str = SECRET) -> Any:
    """A client of the SDK, pointed at the simulator as any user would."""
    address = urlsplit(simulator.endpoints[CLOUD]).netloc
    profile = ClientProfile(httpProfile=HttpProfile(protocol="http", endpoint=address))
    return kind(Credential(KEY, secret), REGION, profile)


def test_the_sdks_own_objects_fit_what_is_answered(simulator: CloudSim, caller: Caller, order: dict[str, Any]) -> None:
    client = sdk(CvmClient, simulator)
    request = cvm_models.RunInstancesRequest()
    request.from_json_string(json.dumps({**order, "InstanceCount": 2, "InstanceName": "web_{R:3,F:3}"}))

    made = client.RunInstances(request).InstanceIdSet

    listed = cvm_models.DescribeInstancesRequest()
    listed.InstanceIds = made
    instances = client.DescribeInstances(listed).InstanceSet
    assert [instance.InstanceId for instance in instances] == made
    assert [instance.InstanceName for instance in instances] == ["web_003", "web_004"]
    assert (instances[0].CPU, instances[0].Memory, instances[0].InstanceState) == (2, 4, "RUNNING")
    assert instances[0].Placement.Zone == ZONE


# Parameters.


@pytest.mark.parametrize(
    ("action", "parameters", "code"),
    [
        ("DescribeZones", {"Colour": "red"}, "UnknownParameter"),
        ("DescribeInstances", {"Filters": [{"Name": "zone", "Value": [ZONE]}]}, "UnknownParameter"),
        ("DescribeInstances", {"Filters": [{"Name": "zone"}]}, "MissingParameter"),
        ("DescribeInstances", {"Filters": {"Name": "zone", "Values": [ZONE]}}, "InvalidParameter"),
        ("DescribeInstances", {"Filters": [{"Name": "zone", "Values": ZONE}]}, "InvalidParameter"),
        ("DescribeInstances", {"Filters": [{"Name": "colour", "Values": ["red"]}]}, "InvalidFilter"),
        ("DescribeInstances", {"Filters": [{"Name": "zone", "Values": ["z"] * 6}]}, "InvalidFilterValue.LimitExceeded"),
        (
            "DescribeInstances",
            {"Filters": [{"Name": "zone", "Values": ["z"]}] * 11},
            "InvalidFilterValue.LimitExceeded",
        ),
        ("DescribeInstances", {"InstanceIds": "ins-00000000"}, "InvalidParameter"),
        ("DescribeInstances", {"InstanceIds": [5]}, "InvalidParameter"),
        ("DescribeInstances", {"InstanceIds": ["i-1"]}, "InvalidInstanceId.Malformed"),
        ("DescribeInstances", {"InstanceIds": ["ins-00000000"] * 101}, "InvalidParameterValue.LimitExceeded"),
        (
            "DescribeInstances",
            {"InstanceIds": ["ins-00000000"], "Filters": [{"Name": "zone", "Values": [ZONE]}]},
            "InvalidParameterCombination",
        ),
        ("DescribeInstances", {"Limit": "100"}, "InvalidParameter"),
        ("DescribeInstances", {"Limit": True}, "InvalidParameter"),
        ("DescribeInstances", {"Limit": 101}, "InvalidParameterValueLimit"),
        ("DescribeInstances", {"Limit": 0}, "InvalidParameterValueLimit"),
        ("DescribeInstances", {"Offset": -1}, "InvalidParameterValueOffset"),
        (
            "DescribeImages",
            {"ImageIds": ["img-00000000"], "Filters": [{"Name": "image-type", "Values": ["PUBLIC_IMAGE"]}]},
            "InvalidParameter.InvalidParameterCoexistImageIdsFilters",
        ),
        ("DescribeImages", {"ImageIds": ["img-00000000"]}, "InvalidImageId.NotFound"),
        ("DescribeVpcs", {"Limit": 100}, "InvalidParameter"),
        ("DescribeVpcs", {"Limit": "many"}, "InvalidParameterValue"),
        ("DescribeVpcs", {"Limit": "101"}, "InvalidParameterValueLimit"),
        ("DescribeVpcs", {"VpcIds": ["vpc-00000000"]}, "ResourceNotFound"),
        ("DescribeVpcs", {"Filters": [{"Name": "colour", "Values": ["red"]}]}, "InvalidParameter.FilterInvalidKey"),
        (
            "DescribeVpcs",
            {"VpcIds": ["vpc-00000000"], "Filters": [{"Name": "vpc-name", "Values": ["net"]}]},
            "InvalidParameter.Coexist",
        ),
        ("DescribeSubnets", {"SubnetIds": ["subnet-00000000"]}, "ResourceNotFound"),
        ("DescribeSecurityGroups", {"SecurityGroupIds": ["sg-00000000"]}, "ResourceNotFound"),
        ("CreateVpc", {"VpcName": "net"}, "MissingParameter"),
        ("CreateVpc", {"CidrBlock": "10.0.0.0/16"}, "MissingParameter"),
        ("CreateVpc", {"VpcName": "n" * 61, "CidrBlock": "10.0.0.0/16"}, "InvalidParameterValue.TooLong"),
        ("CreateVpc", {"VpcName": "网" * 21, "CidrBlock": "10.0.0.0/16"}, "InvalidParameterValue.TooLong"),
        ("CreateVpc", {"VpcName": "net", "CidrBlock": "8.8.0.0/16"}, "InvalidParameterValue.Range"),
        ("CreateVpc", {"VpcName": "net", "CidrBlock": "10.0.0.0/8"}, "InvalidParameterValue.Range"),
        ("CreateVpc", {"VpcName": "net", "CidrBlock": "10.0.0.0/29"}, "InvalidParameterValue.Range"),
        ("CreateVpc", {"VpcName": "net", "CidrBlock": "10.0.0.1/16"}, "InvalidParameterValue.Malformed"),
        ("CreateVpc", {"VpcName": "net", "CidrBlock": "10.0.0.0/16", "ClientToken": "t"}, "UnknownParameter"),
        (
            "CreateVpc",
            {"VpcName": "net", "CidrBlock": "10.0.0.0/16", "Tags": [{"Key": "qcs:x", "Value": "1"}]},
            "UnsupportedOperation.TagSystemReservedTagKey",
        ),
        ("CreateSecurityGroup", {"GroupName": "group"}, "MissingParameter"),
        ("CreateSecurityGroup", {"GroupName": "g" * 61, "GroupDescription": "d"}, "InvalidParameterValue.TooLong"),
        ("CreateSecurityGroup", {"GroupName": "g", "GroupDescription": "d" * 101}, "InvalidParameterValue.TooLong"),
        ("DeleteVpc", {"VpcId": "vpc-00000000"}, "ResourceNotFound"),
        ("TerminateInstances", {}, "MissingParameter"),
        ("TerminateInstances", {"InstanceIds": []}, "MissingParameter"),
        ("TerminateInstances", {"InstanceIds": ["ins-00000000"] * 101}, "InvalidParameterValue.LimitExceeded"),
    ],
)
def test_wrong_parameters_are_refused(caller: Caller, action: str, parameters: dict[str, Any], code: str) -> None:
    assert caller.call(action, parameters).code == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"InstanseType": "S5.MEDIUM4"}, "UnknownParameter"),
        ({"Placement": None}, "MissingParameter"),
        ({"Placement": {}}, "MissingParameter"),
        ({"Placement": {"Zone": ZONE, "ZoneId": 3}}, "UnknownParameter"),
        ({"Placement": {"Zone": "ap-beijing-3"}}, "InvalidZone.MismatchRegion"),
        ({"Placement": {"Zone": "ap-guangzhou-4"}}, "InvalidParameterValue.SubnetIdZoneIdNotMatch"),
        ({"ImageId": None}, "MissingParameter"),
        ({"ImageId": "img-00000000"}, "InvalidImageId.NotFound"),
        ({"InstanceType": "S0.NOTHING"}, "InvalidParameterValue.InstanceTypeNotFound"),
        ({"InstanceType": "S8.16XLARGE256"}, "ResourceUnavailable.InstanceType"),
        ({"VirtualPrivateCloud": None}, "MissingParameter"),
        ({"VirtualPrivateCloud": {"VpcId": "vpc-1"}}, "MissingParameter"),
        ({"VirtualPrivateCloud": {"VpcId": "vpc-1", "SubnetId": "s"}}, "InvalidParameterValue.VpcIdNotExist"),
        ({"SecurityGroupIds": ["sg-00000000"]}, "InvalidSecurityGroupId.NotFound"),
        ({"SecurityGroupIds": ["sg-00000000"] * 6}, "LimitExceeded.AssociateUSGLimitExceeded"),
        ({"InstanceCount": "2"}, "InvalidParameter"),
        ({"InstanceCount": 0}, "InvalidParameterValue.Range"),
        ({"InstanceCount": 501}, "InvalidParameterValue.Range"),
        ({"InstanceCount": 2, "MinCount": 1}, "UnsupportedOperation.MinCountUnsupportedRegion"),
        ({"InstanceChargeType": "PostPaid"}, "InvalidParameterValue"),
        ({"InstanceChargeType": "PREPAID"}, "MissingParameter"),
        ({"InstanceChargeType": "PREPAID", "InstanceChargePrepaid": {"RenewFlag": "x"}}, "MissingParameter"),
        ({"InstanceChargeType": "PREPAID", "InstanceChargePrepaid": {"Period": 13}}, "InvalidPeriod"),
        (
            {"InstanceChargeType": "PREPAID", "InstanceChargePrepaid": {"Period": 1, "RenewFlag": "x"}},
            "InvalidParameterValue",
        ),
        ({"InstanceName": "n" * 129}, "InvalidInstanceName.TooLong"),
        ({"ClientToken": "t" * 65}, "InvalidClientToken.TooLong"),
        ({"LoginSettings": {"Password": "weak"}}, "InvalidPassword"),
        ({"LoginSettings": {"Password": "onlyletters"}}, "InvalidPassword"),
        ({"LoginSettings": {"Password": PASSWORD, "KeyIds": ["skey-1"]}}, "InvalidParameter.ParameterConflict"),
        ({"SystemDisk": {"DiskType": "cloud_ssd"}}, "InvalidParameterValue"),
        ({"SystemDisk": {"DiskSize": 10}}, "InvalidParameterValue.Range"),
        ({"SystemDisk": {"DiskSize": "50"}}, "InvalidParameter"),
        ({"DataDisks": [{"DiskType": "CLOUD_SSD"}]}, "MissingParameter"),
        ({"DataDisks": [{"DiskSize": 55}]}, "InvalidParameterValue.Range"),
        ({"DataDisks": [{"DiskSize": 50}] * 21}, "InvalidParameterValue.LimitExceeded"),
        ({"InternetAccessible": {"InternetChargeType": "PayByTraffic"}}, "InvalidParameterValue"),
        ({"InternetAccessible": {"PublicIpAssigned": True}}, "InvalidParameterCombination"),
        ({"InternetAccessible": {"InternetMaxBandwidthOut": -1}}, "InvalidParameterValue.Range"),
        ({"InternetAccessible": {"InternetMaxBandwidthOut": 201}}, "LimitExceeded.InstanceTypeBandwidth"),
        ({"TagSpecification": [{"ResourceType": "machine", "Tags": []}]}, "InvalidParameterValue"),
        ({"TagSpecification": [{"ResourceType": "instance", "Tags": [{"Key": "a"}]}]}, "MissingParameter"),
        (
            {"TagSpecification": [{"ResourceType": "instance", "Tags": [{"Key": "project", "Value": "1"}]}]},
            "FailedOperation.TagKeyReserved",
        ),
        (
            {"TagSpecification": [{"ResourceType": "instance", "Tags": [{"Key": "a", "Value": ""}]}]},
            "FailedOperation.IllegalTagKey",
        ),
        (
            {"TagSpecification": [{"ResourceType": "instance", "Tags": [{"Key": "a", "Value": "1"}] * 2}]},
            "InvalidParameterValue.DuplicateTags",
        ),
        ({"LaunchTemplate": {"LaunchTemplateId": "lt-1"}}, "UnsupportedOperation"),
    ],
)
def test_an_order_with_a_wrong_parameter_is_refused_and_nothing_is_made(
    caller: Caller, order: dict[str, Any], control: ControlClient, changes: dict[str, Any], code: str
) -> None:
    assert buy(caller, order, **changes).code == code
    assert control.machines(CLOUD) == []


def test_a_password_for_windows_must_be_longer(caller: Caller, order: dict[str, Any]) -> None:
    windows = an_image(caller, "Windows")

    assert buy(caller, order, ImageId=windows, LoginSettings={"Password": "Short4Win!"}).code == "InvalidPassword"
    assert buy(caller, order, ImageId=windows).code == ""


def test_a_subnet_of_another_vpc_is_refused(caller: Caller, order: dict[str, Any]) -> None:
    other = caller.call("CreateVpc", {"VpcName": "other", "CidrBlock": "10.0.0.0/16"}).response["Vpc"]["VpcId"]
    network = {**order["VirtualPrivateCloud"], "VpcId": other}

    assert buy(caller, order, VirtualPrivateCloud=network).code == "InvalidParameterValue.VpcIdSubnetIdNotMatch"


# Machines.


def test_an_order_as_documented_is_filled(caller: Caller, order: dict[str, Any], control: ControlClient) -> None:
    (made,) = bought(
        caller,
        order,
        InstanceName="web",
        HostName=None,
        SystemDisk={"DiskType": "CLOUD_SSD", "DiskSize": 50},
        DataDisks=[{"DiskType": "CLOUD_PREMIUM", "DiskSize": 100, "SnapshotId": None}],
        InternetAccessible={"InternetChargeType": "TRAFFIC_POSTPAID_BY_HOUR", "InternetMaxBandwidthOut": 5},
        TagSpecification=[{"ResourceType": "instance", "Tags": [{"Key": "role", "Value": "web"}]}],
    )

    (shown,) = caller.call("DescribeInstances", {"InstanceIds": [made]}).response["InstanceSet"]
    assert (shown["InstanceState"], shown["InstanceName"]) == ("RUNNING", "web")
    assert shown["Tags"] == [{"Key": "role", "Value": "web"}]
    assert len(shown["PrivateIpAddresses"]) == len(shown["PublicIpAddresses"]) == 1
    assert shown["SystemDisk"]["DiskType"] == "CLOUD_SSD"
    assert control.calls(CLOUD, "RunInstances")[-1]["parameters"]["LoginSettings"] == {"Password": "***"}


def test_several_are_numbered_and_a_list_shows_twenty_unless_more_are_asked_for(
    caller: Caller, order: dict[str, Any]
) -> None:
    made = bought(caller, order, InstanceCount=25, InstanceName="web_")

    first = caller.call("DescribeInstances").response
    rest = caller.call("DescribeInstances", {"Offset": 20, "Limit": 100}).response

    assert first["TotalCount"] == rest["TotalCount"] == 25
    assert len(first["InstanceSet"]) == 20
    shown = [*first["InstanceSet"], *rest["InstanceSet"]]
    assert [row["InstanceId"] for row in shown] == made
    assert [row["InstanceName"] for row in shown][:3] == ["web_1", "web_2", "web_3"]


def test_a_batch_is_all_or_nothing(caller: Caller, order: dict[str, Any], control: ControlClient) -> None:
    control.capacity(CLOUD, ZONE, 2, order["InstanceType"])

    assert buy(caller, order, InstanceCount=3).code == "ResourceInsufficient.SpecifiedInstanceType"
    assert control.machines(CLOUD) == []
    assert len(bought(caller, order, InstanceCount=2)) == 2


def test_the_same_token_gives_the_same_machines_and_another_order_under_it_is_refused(
    caller: Caller, order: dict[str, Any], control: ControlClient
) -> None:
    token = str(uuid.uuid4())
    first = bought(caller, order, ClientToken=token)

    assert bought(caller, order, ClientToken=token) == first
    other = buy(caller, order, ClientToken=token, InstanceCount=2)
    assert other.code == "UnsupportedOperation.IdempotentParameterMismatch"
    assert len(control.machines(CLOUD)) == 1


def test_a_dry_run_checks_what_there_is_and_makes_nothing(
    caller: Caller, order: dict[str, Any], control: ControlClient
) -> None:
    fine = buy(caller, order, DryRun=True)
    assert set(fine.response) == {"RequestId"}
    control.capacity(CLOUD, ZONE, 1, order["InstanceType"])
    short = buy(caller, order, DryRun=True, InstanceCount=2)
    assert short.code == "ResourceInsufficient.SpecifiedInstanceType"
    control.quota(CLOUD, 0)
    assert buy(caller, order, DryRun=True).code == "LimitExceeded.InstanceQuota"
    assert control.machines(CLOUD) == []


def test_filters_are_joined_by_and_their_values_by_or(caller: Caller, order: dict[str, Any]) -> None:
    def tagged(*tags: tuple[str, str]) -> str:
        rows = [{"Key": key, "Value": value} for key, value in tags]
        return bought(caller, order, TagSpecification=[{"ResourceType": "instance", "Tags": rows}])[0]

    def found(**filters: list[str]) -> set[str]:
        rows = [
            {"Name": name.replace("__", ":").replace("_", "-"), "Values": values} for name, values in filters.items()
        ]
        answer = caller.call("DescribeInstances", {"Filters": rows}).response["InstanceSet"]
        return {row["InstanceId"] for row in answer}

    first, second = tagged(("a", "1")), tagged(("a", "2"), ("b", "1"))
    assert found(tag__a=["1"]) == {first}
    assert found(tag__a=["1", "2"]) == {first, second}
    assert found(tag__a=["1", "2"], tag__b=["1"]) == {second}
    assert found(tag_key=["b"]) == {second}
    assert found(instance_state=["STOPPED"]) == set()
    assert found(security_group_id=order["SecurityGroupIds"], zone=[ZONE]) == {first, second}


def test_unknown_ids_are_left_out_of_a_list_and_fail_a_termination_by_name(
    caller: Caller, order: dict[str, Any], control: ControlClient
) -> None:
    (made,) = bought(caller, order)

    assert set(states(caller, [made, "ins-00000000"])) == {made}
    refused = caller.call("TerminateInstances", {"InstanceIds": [made, "ins-00000000"]})
    assert refused.code == "InvalidInstanceId.NotFound"
    assert "ins-00000000" in refused.response["Error"]["Message"]
    assert made not in refused.response["Error"]["Message"]
    assert len(control.machines(CLOUD)) == 1


def test_prepaid_machines_go_to_the_recycle_bin_first_and_never_with_others(
    caller: Caller, order: dict[str, Any], control: ControlClient
) -> None:
    (postpaid,) = bought(caller, order)
    (prepaid,) = bought(caller, order, InstanceChargeType="PREPAID", InstanceChargePrepaid={"Period": 1})

    def terminate(*ids: str) -> str:
        return caller.call("TerminateInstances", {"InstanceIds": list(ids)}).code

    assert terminate(postpaid, prepaid) == "UnsupportedOperation.InstanceMixedPricingModel"
    assert terminate(prepaid) == ""
    assert states(caller, [postpaid, prepaid]) == {postpaid: "RUNNING", prepaid: "SHUTDOWN"}
    assert terminate(prepaid) == ""
    assert terminate(postpaid) == ""
    assert control.machines(CLOUD) == []


def test_what_is_given_back_counts_unless_it_has_expired_and_takes_a_while(
    caller: Caller, order: dict[str, Any], control: ControlClient
) -> None:
    ahead = {"InstanceChargeType": "PREPAID", "InstanceChargePrepaid": {"Period": 1}, "InstanceCount": 2}
    unexpired, expired = bought(caller, order, **ahead)
    control.expire(CLOUD, expired)
    control.refunds(CLOUD, 0)
    control.delays(billing=3600)

    def terminate(*ids: str) -> str:
        return caller.call("TerminateInstances", {"InstanceIds": list(ids)}).code

    rows = caller.call("DescribeInstances", {"InstanceIds": [unexpired, expired]}).response["InstanceSet"]
    assert [(row["RestrictState"], row["RenewFlag"]) for row in rows] == [
        ("NORMAL", "NOTIFY_AND_MANUAL_RENEW"),
        ("EXPIRED", "NOTIFY_AND_MANUAL_RENEW"),
    ]
    assert rows[1]["ExpiredTime"] == "1970-01-01T00:00:01Z" < rows[0]["ExpiredTime"]
    assert terminate(unexpired, expired) == "LimitExceeded.UserReturnQuota"
    assert terminate(expired) == ""
    assert terminate(expired) == "UnsupportedOperation.InstanceStateIsolating"
    assert states(caller, [unexpired, expired]) == {unexpired: "RUNNING", expired: "STOPPING"}


def test_a_protected_machine_is_not_terminated_and_no_other_of_its_call(
    caller: Caller, order: dict[str, Any], control: ControlClient
) -> None:
    (plain,) = bought(caller, order)
    (protected,) = bought(caller, order, DisableApiTermination=True)

    refused = caller.call("TerminateInstances", {"InstanceIds": [plain, protected]})

    assert refused.code == "UnsupportedOperation.InstancesProtected"
    rows = caller.call("DescribeInstances", {"InstanceIds": [plain, protected]}).response["InstanceSet"]
    assert [row["DisableApiTermination"] for row in rows] == [False, True]
    control.protect(CLOUD, protected, protected=False)
    assert caller.call("TerminateInstances", {"InstanceIds": [plain, protected]}).code == ""
    assert control.machines(CLOUD) == []


def test_a_machine_that_is_made_or_deleted_is_not_terminated(
    caller: Caller, order: dict[str, Any], control: ControlClient
) -> None:
    control.delays(boot=3600, delete=3600)
    (made,) = bought(caller, order)
    pending = caller.call("TerminateInstances", {"InstanceIds": [made]})
    control.call("POST", f"/machines/{made}", {"cloud": CLOUD, "boots_at": 0})

    assert pending.code == "UnsupportedOperation.InstanceStatePending"
    assert caller.call("TerminateInstances", {"InstanceIds": [made]}).code == ""
    assert states(caller, [made]) == {made: "TERMINATING"}
    again = caller.call("TerminateInstances", {"InstanceIds": [made]})
    assert again.code == "UnsupportedOperation.InstanceStateTerminating"


def test_a_machine_that_could_not_be_made_is_shown_so_cannot_be_terminated_and_goes_by_itself(
    caller: Caller, order: dict[str, Any], control: ControlClient
) -> None:
    control.fault("fails_to_boot", CLOUD, "RunInstances", times=1)
    (made,) = bought(caller, order)

    assert states(caller, [made]) == {made: "LAUNCH_FAILED"}
    refused = caller.call("TerminateInstances", {"InstanceIds": [made]})
    assert refused.code == "UnsupportedOperation.InstanceStateLaunchFailed"
    control.call("POST", f"/machines/{made}", {"cloud": CLOUD, "boots_at": 0})
    assert states(caller, [made]) == {}
    assert control.machines(CLOUD) == []


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("throttle", "RequestLimitExceeded"),
        ("unavailable", "ServiceUnavailable"),
        ("stockout", "ResourceInsufficient.SpecifiedInstanceType"),
    ],
)
def test_faults_come_in_the_vendors_form(
    caller: Caller, order: dict[str, Any], control: ControlClient, fault: str, code: str
) -> None:
    control.fault(fault, CLOUD, "RunInstances", times=1)

    assert buy(caller, order).code == code
    assert buy(caller, order).code == ""


def test_a_quota_that_is_reached_refuses_the_whole_batch(
    caller: Caller, order: dict[str, Any], control: ControlClient
) -> None:
    control.quota(CLOUD, 2)

    assert buy(caller, order, InstanceCount=3).code == "LimitExceeded.InstanceQuota"
    assert control.machines(CLOUD) == []


def test_a_subnet_without_addresses_says_so(caller: Caller, order: dict[str, Any]) -> None:
    vpc = order["VirtualPrivateCloud"]["VpcId"]
    body = {"VpcId": vpc, "SubnetName": "tiny", "CidrBlock": "10.0.2.0/28", "Zone": ZONE}
    tiny = caller.call("CreateSubnet", body).response["Subnet"]["SubnetId"]

    full = buy(caller, order, VirtualPrivateCloud={"VpcId": vpc, "SubnetId": tiny}, InstanceCount=16)

    assert full.code == "FailedOperation.NoAvailableIpAddressCountInSubnet"


# Networks.


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"VpcId": "vpc-00000000"}, "ResourceNotFound"),
        ({"Zone": "ap-beijing-3"}, "InvalidParameterValue.UnavailableZone"),
        ({"CidrBlock": "10.0.1.0/24"}, "InvalidParameterValue.SubnetOverlap"),
        ({"CidrBlock": "10.9.1.0/24"}, "InvalidParameterValue.SubnetRange"),
        ({"CidrBlock": "10.0.8.0/29"}, "InvalidParameterValue.SubnetRange"),
        ({"CidrBlock": None}, "MissingParameter"),
        ({"SubnetName": ""}, "InvalidParameterValue.Empty"),
    ],
)
def test_a_subnet_that_makes_no_sense_is_refused(
    caller: Caller, order: dict[str, Any], changes: dict[str, Any], code: str
) -> None:
    body = {
        "VpcId": order["VirtualPrivateCloud"]["VpcId"],
        "SubnetName": "two",
        "CidrBlock": "10.0.2.0/24",
        "Zone": ZONE,
    }

    assert caller.call("CreateSubnet", {**body, **changes}).code == code


@pytest.mark.parametrize("cidr", ["10.255.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "192.168.1.0/28"])
def test_a_vpc_lies_in_a_private_block(caller: Caller, cidr: str) -> None:
    made = caller.call("CreateVpc", {"VpcName": "net", "CidrBlock": cidr})

    assert made.response["Vpc"]["CidrBlock"] == cidr


def add_policies(caller: Caller, order: Mapping[str, Any], **policies: Any) -> str:
    body = {"SecurityGroupId": order["SecurityGroupIds"][0], "SecurityGroupPolicySet": policies}
    return caller.call("CreateSecurityGroupPolicies", body).code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Protocol": "SCTP"}, "InvalidParameterValue"),
        ({"Action": "PASS"}, "InvalidParameterValue"),
        ({"Action": None}, "InvalidParameterValue"),
        ({"Port": "22/22"}, "InvalidParameterValue.Malformed"),
        ({"Port": "90-80"}, "InvalidParameterValue.Range"),
        ({"Port": "70000"}, "InvalidParameterValue.Range"),
        ({"Protocol": "ICMP"}, "InvalidParameter.Coexist"),
        ({"Protocol": "GRE"}, "InvalidParameter.Coexist"),
        ({"CidrBlock": "10.0.0.1/8"}, "InvalidParameterValue.Malformed"),
        ({"CidrBlock": None}, "MissingParameter"),
        ({"SecurityGroupId": "sg-00000000"}, "InvalidParameter.Coexist"),
        ({"SecurityGroupId": "sg-00000000", "CidrBlock": None}, "ResourceNotFound"),
        ({"PortRange": "22"}, "UnknownParameter"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(
    caller: Caller, order: dict[str, Any], changes: dict[str, Any], code: str
) -> None:
    policy = {"Protocol": "TCP", "Port": "22", "CidrBlock": "10.0.0.0/8", "Action": "ACCEPT", **changes}

    assert add_policies(caller, order, Ingress=[policy]) == code


def test_policies_are_of_one_direction_and_the_same_one_is_refused_with_all_the_others(
    caller: Caller, order: dict[str, Any]
) -> None:
    ssh = {"Protocol": "tcp", "Port": "22", "CidrBlock": "10.0.0.0/8", "Action": "accept"}
    all_in = {"Protocol": "ALL", "Port": "ALL", "CidrBlock": "0.0.0.0/0", "Action": "ACCEPT"}

    assert add_policies(caller, order, Ingress=[ssh], Egress=[all_in]) == "InvalidParameter.Coexist"
    assert add_policies(caller, order) == "MissingParameter"
    assert add_policies(caller, order, Ingress=[ssh, ssh]) == "UnsupportedOperation.DuplicatePolicy"
    assert add_policies(caller, order, Ingress=[ssh]) == ""
    assert add_policies(caller, order, Ingress=[all_in, ssh]) == "UnsupportedOperation.DuplicatePolicy"
    assert add_policies(caller, order, Egress=[ssh]) == ""
    body = {"SecurityGroupId": order["SecurityGroupIds"][0]}
    shown = caller.call("DescribeSecurityGroupPolicies", body).response["SecurityGroupPolicySet"]
    assert [(row["Protocol"], row["Port"]) for row in shown["Ingress"]] == [("TCP", "22")]
    assert len(shown["Egress"]) == 1


def test_a_direction_has_at_most_a_hundred_policies(caller: Caller, order: dict[str, Any]) -> None:
    def policies(first: int, count: int) -> list[dict[str, str]]:
        ports = range(first, first + count)
        return [{"Protocol": "TCP", "Port": str(p), "CidrBlock": "10.0.0.0/8", "Action": "ACCEPT"} for p in ports]

    assert add_policies(caller, order, Ingress=policies(1, 100)) == ""
    assert add_policies(caller, order, Ingress=policies(200, 1)) == "LimitExceeded.SecurityGroupPolicySet"
    assert add_policies(caller, order, Egress=policies(200, 1)) == ""


def test_what_is_in_use_is_not_deleted(caller: Caller, order: dict[str, Any]) -> None:
    bought(caller, order)
    network, group = order["VirtualPrivateCloud"], order["SecurityGroupIds"][0]
    named = {"GroupName": "named", "GroupDescription": "in a rule of another"}
    other = caller.call("CreateSecurityGroup", named).response["SecurityGroup"]["SecurityGroupId"]
    add_policies(caller, order, Ingress=[{"Protocol": "ALL", "SecurityGroupId": other, "Action": "ACCEPT"}])

    assert caller.call("DeleteVpc", {"VpcId": network["VpcId"]}).code == "ResourceInUse"
    assert caller.call("DeleteSubnet", {"SubnetId": network["SubnetId"]}).code == "ResourceInUse"
    assert caller.call("DeleteSecurityGroup", {"SecurityGroupId": group}).code == "ResourceInUse"
    assert caller.call("DeleteSecurityGroup", {"SecurityGroupId": other}).code == "ResourceInUse"


# The catalog.


def test_types_are_listed_by_zone_and_charge_type_with_what_is_sold_out(caller: Caller, control: ControlClient) -> None:
    control.capacity(CLOUD, ZONE, 0, "S5.SMALL1")
    filters = [
        {"Name": "zone", "Values": [ZONE]},
        {"Name": "instance-charge-type", "Values": ["POSTPAID_BY_HOUR"]},
        {"Name": "instance-family", "Values": ["S5", "S8"]},
    ]

    rows = caller.call("DescribeZoneInstanceConfigInfos", {"Filters": filters}).response["InstanceTypeQuotaSet"]

    status = {row["InstanceType"]: row["Status"] for row in rows}
    assert status["S5.SMALL1"] == "SOLD_OUT"
    assert status["S5.SMALL2"] == "SELL"
    assert "S8.16XLARGE256" not in status
    assert {row["InstanceFamily"] for row in rows} == {"S5", "S8"}
    assert len(rows) == len(status)
