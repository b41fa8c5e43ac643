"""The simulated Alibaba Cloud and EC2 refuse what the vendors refuse: spoken to by hand, not by our adapters."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import hmac
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from bridgx_server.cloudsim.control_client import ControlClient, ControlError
from bridgx_server.cloudsim.server import CloudSim
from bridgx_server.demo.ports import free_range

ECS, VPC = "2014-05-26", "2016-04-28"
RUN = {
    "RegionId": "cn-qingdao",
    "ImageId": "centos_7_6_x64_20G_alibase_20211030.vhd",
    "InstanceType": "ecs.g6.large",
    "Amount": "2",
}


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudSim]:
    simulator = CloudSim.start(tmp_path_factory.mktemp("strict"), clouds=["AlibabaCloud", "AWSCloud"])
    yield simulator
    simulator.stop()


def alibaba(
    simulator: CloudSim, action: str, version: str = ECS, secret: str = "demo-secret-AlibabaCloud", **query: str
) -> tuple[int, dict[str, Any]]:
    """A call signed by hand, as the signature guide (version 3) describes it."""
    host = simulator.endpoints["AlibabaCloud"].removeprefix("http://")
    text = "&".join(f"{quote(key, safe='~')}={quote(value, safe='~')}" for key, value in sorted(query.items()))
    empty = hashlib.sha256(b"").hexdigest()
    headers = {
        "host": host,
        "x-acs-action": action,
        "x-acs-content-sha256": empty,
        "x-acs-date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": uuid.uuid4().hex,
        "x-acs-version": version,
    }
    names = ";".join(sorted(headers))
    signed = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    canonical = f"POST\n/\n{text}\n{signed}\n{names}\n{empty}"
    to_sign = f"ACS3-HMAC-SHA256\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    mark = hmac.new(secret.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    headers["authorization"] = f"ACS3-HMAC-SHA256 Credential=demo-AlibabaCloud,SignedHeaders={names},Signature={mark}"
    answer = httpx.post(f"http://{host}/?{text}", headers=headers)
    return answer.status_code, answer.json()


def ec2(simulator: CloudSim, secret: str = "demo-secret-AWSCloud", **form: str) -> tuple[int, str]:
    """A call signed by botocore, and the code of its error, empty at success."""
    url = simulator.endpoints["AWSCloud"]
    body = urlencode({"Version": "2016-11-15", **form})
    request = AWSRequest("POST", url, data=body, headers={"Content-Type": "application/x-www-form-urlencoded"})
    SigV4Auth(Credentials("demo-AWSCloud", secret), "ec2", "us-east-1").add_auth(request)
    answer = httpx.post(url, content=body, headers=dict(request.headers.items()))
    code = re.search(r"<Code>(.*?)</Code>", answer.text)
    return answer.status_code, code[1] if code else ""


@pytest.mark.parametrize(
    ("action", "query", "status", "code"),
    [
        ("DescribeNothing", {}, 404, "InvalidAction.NotFound"),
        ("DescribeZones", {}, 400, "MissingRegionId"),
        ("DescribeZones", {"RegionId": "mars"}, 404, "InvalidRegionId.NotFound"),
        ("DescribeZones", {"RegionId": "cn-qingdao", "Colour": "red"}, 400, "UnsupportedParameter"),
        ("DescribeZones", {"RegionId": "cn-qingdao", "Verbose": "perhaps"}, 400, "InvalidParameter.Verbose"),
        ("DescribeImages", {"RegionId": "cn-qingdao", "PageSize": "ten"}, 400, "InvalidParameter.PageSize"),
        ("DescribeImages", {"RegionId": "cn-qingdao", "PageSize": "101"}, 400, "InvalidParameter.PageSize"),
        (
            "DescribeInstances",
            {"RegionId": "cn-qingdao", "InstanceIds": "i-1,i-2"},
            400,
            "InvalidParameter.InstanceIds",
        ),
        ("DescribeInstances", {"RegionId": "cn-qingdao", "MaxResults": "101"}, 400, "InvalidParameter.MaxResults"),
        ("RunInstances", {**RUN, "Amount": "101"}, 400, "MissingParameter"),
        (
            "RunInstances",
            {**RUN, "SecurityGroupId": "sg-1", "VSwitchId": "vsw-1", "Amount": "101"},
            400,
            "InvalidAmount.ValueNotSupported",
        ),
        (
            "RunInstances",
            {**RUN, "SecurityGroupId": "sg-1", "VSwitchId": "vsw-1", "MinAmount": "3"},
            400,
            "InvalidMinAmount.ValueNotSupported",
        ),
        (
            "RunInstances",
            {**RUN, "SecurityGroupId": "sg-1", "VSwitchId": "vsw-1", "Password": "weak"},
            400,
            "InvalidPassword.Malformed",
        ),
        ("RunInstances", {**RUN, "SecurityGroupId": "sg-1", "VSwitchId": "vsw-none"}, 404, "InvalidVSwitchId.NotFound"),
        (
            "RunInstances",
            {**RUN, "SecurityGroupId": "sg-1", "SecurityGroupIds.1": "sg-2", "VSwitchId": "vsw-1"},
            400,
            "InvalidParameter.Conflict",
        ),
        (
            "RunInstances",
            {**RUN, "SecurityGroupId": "sg-1", "VSwitchId": "vsw-1", "InstanceChargeType": "PrePaid"},
            400,
            "InvalidPeriod.ValueNotSupported",
        ),
        (
            "DeleteInstances",
            {"RegionId": "cn-qingdao", "InstanceId.1": "i-none", "Force": "true"},
            404,
            "InvalidInstanceId.NotFound",
        ),
    ],
)
def test_ecs_refuses(simulator: CloudSim, action: str, query: dict[str, str], status: int, code: str) -> None:
    got, body = alibaba(simulator, action, **query)
    assert (got, body["Code"]) == (status, code)
    assert body["RequestId"]
    assert body["Message"]


def test_alibaba_checks_the_signature_and_the_version(simulator: CloudSim) -> None:
    assert alibaba(simulator, "DescribeRegions", secret="wrong")[1]["Code"] == "SignatureDoesNotMatch"
    assert alibaba(simulator, "DescribeVpcs", ECS, RegionId="cn-qingdao")[1]["Code"] == "InvalidAction.NotFound"
    assert httpx.post(simulator.endpoints["AlibabaCloud"], headers={"x-acs-action": "X"}).json()["Code"] == (
        "IncompleteSignature"
    )


def test_vpcs_are_pending_for_a_while_and_not_deleted_while_in_use(tmp_path: Path) -> None:
    ahead = [0.0]
    simulator = CloudSim.start(tmp_path, clock=lambda: time.time() + ahead[0], clouds=["AlibabaCloud"])
    ControlClient(simulator.control_url).delays(vpc=60)
    vpc = alibaba(simulator, "CreateVpc", VPC, RegionId="cn-qingdao", CidrBlock="10.0.0.0/8", ClientToken="t")[1]
    again = alibaba(simulator, "CreateVpc", VPC, RegionId="cn-qingdao", CidrBlock="10.0.0.0/8", ClientToken="t")[1]
    assert again["VpcId"] == vpc["VpcId"]
    other = alibaba(simulator, "CreateVpc", VPC, RegionId="cn-qingdao", CidrBlock="172.16.0.0/12", ClientToken="t")[1]
    assert other["Code"] == "IdempotentParameterMismatch"
    switch = {"RegionId": "cn-qingdao", "VpcId": vpc["VpcId"], "ZoneId": "cn-qingdao-b", "CidrBlock": "10.0.0.0/24"}
    assert alibaba(simulator, "CreateVSwitch", VPC, **switch)[1]["Code"] == "IncorrectVpcStatus"
    ahead[0] = 61.0
    assert "VSwitchId" in alibaba(simulator, "CreateVSwitch", VPC, **switch)[1]
    assert alibaba(simulator, "CreateVSwitch", VPC, **switch)[1]["Code"] == "InvalidCidrBlock.Overlapped"
    delete = {"RegionId": "cn-qingdao", "VpcId": vpc["VpcId"]}
    assert alibaba(simulator, "DeleteVpc", VPC, **delete)[1]["Code"] == "DependencyViolation.VSwitch"
    simulator.stop()


@pytest.mark.parametrize(
    ("form", "status", "code"),
    [
        ({"Action": "DescribeNothing"}, 400, "InvalidAction"),
        ({"Action": "DescribeRegions", "Colour": "red"}, 400, "UnknownParameter"),
        ({"Action": "DescribeRegions", "DryRun": "perhaps"}, 400, "InvalidParameterValue"),
        ({"Action": "RunInstances", "MinCount": "1"}, 400, "MissingParameter"),
        ({"Action": "RunInstances", "MinCount": "3", "MaxCount": "2"}, 400, "InvalidParameterValue"),
        ({"Action": "RunInstances", "MinCount": "one", "MaxCount": "2"}, 400, "InvalidParameterValue"),
        ({"Action": "RunInstances", "MinCount": "1", "MaxCount": "2"}, 400, "MissingParameter"),
        ({"Action": "DescribeInstances", "MaxResults": "4"}, 400, "InvalidParameterValue"),
        (
            {"Action": "DescribeInstances", "MaxResults": "50", "InstanceId.1": "i-1"},
            400,
            "InvalidParameterCombination",
        ),
        ({"Action": "DescribeInstances", "InstanceId.1": "i-00000000000000bad"}, 400, "InvalidInstanceID.NotFound"),
        ({"Action": "DescribeInstances", "InstanceId.1": "x-1"}, 400, "InvalidInstanceID.Malformed"),
        (
            {"Action": "DescribeInstances", "Filter.1.Name": "colour", "Filter.1.Value.1": "red"},
            400,
            "InvalidParameterValue",
        ),
        ({"Action": "TerminateInstances"}, 400, "MissingParameter"),
        ({"Action": "CreateVpc", "CidrBlock": "10.0.0.0/8"}, 400, "InvalidVpc.Range"),
        ({"Action": "CreateVpc", "CidrBlock": "ten"}, 400, "InvalidParameterValue"),
        ({"Action": "CreateSecurityGroup", "GroupName": "sg-x", "GroupDescription": "d"}, 400, "InvalidParameterValue"),
        ({"Action": "DescribeImages", "ImageId.1": "ami-none"}, 400, "InvalidAMIID.NotFound"),
        ({"Action": "DescribeInstanceTypes", "MaxResults": "101"}, 400, "InvalidParameterValue"),
    ],
)
def test_ec2_refuses(simulator: CloudSim, form: dict[str, str], status: int, code: str) -> None:
    assert ec2(simulator, **form) == (status, code)


def test_ec2_checks_the_signature(simulator: CloudSim) -> None:
    assert ec2(simulator, secret="wrong", Action="DescribeRegions") == (403, "SignatureDoesNotMatch")
    answer = httpx.post(simulator.endpoints["AWSCloud"], data={"Action": "DescribeRegions"})
    assert "MissingAuthenticationToken" in answer.text


def test_rates_are_kept_to(simulator: CloudSim) -> None:
    control = ControlClient(simulator.control_url)
    control.call("POST", "/rates", {"cloud": "AWSCloud", "action": "Describe*", "per_second": 0.001, "burst": 2})
    codes = [ec2(simulator, Action="DescribeRegions")[1] for _ in range(4)]
    assert codes == ["", "", "RequestLimitExceeded", "RequestLimitExceeded"]
    control.call("POST", "/rates", {"cloud": "AWSCloud", "action": "Describe*", "per_second": None})
    assert ec2(simulator, Action="DescribeRegions")[1] == ""


@pytest.mark.parametrize(
    ("path", "body", "word"),
    [
        ("/faults", {"kind": "earthquake"}, "kind"),
        ("/faults", {"kind": "error"}, "params.code"),
        ("/faults", {"kind": "slow", "rate": 2}, "rate"),
        ("/faults", {"kind": "slow", "times": 0}, "times"),
        ("/faults", {"kind": "slow", "often": 1}, "often"),
        ("/capacity", {"cloud": "Moon"}, "cloud"),
        ("/capacity", {"cloud": "AWSCloud", "zone": "moon-1a", "count": 1}, "zone"),
        ("/capacity", {"cloud": "AWSCloud", "zone": "us-east-1a", "count": -1}, "count"),
        ("/delays", {"boot": "long"}, "boot"),
        ("/quotas", {"cloud": "AWSCloud", "account": "nobody", "machines": 1}, "account"),
        ("/accounts", {"cloud": "AWSCloud", "access_key": "x", "secret": "short"}, "secret"),
    ],
)
def test_the_control_api_names_what_is_wrong(simulator: CloudSim, path: str, body: dict[str, Any], word: str) -> None:
    with pytest.raises(ControlError, match=re.escape(word)):
        ControlClient(simulator.control_url).call("POST", path, body)


def test_the_command_keeps_what_exists_through_kill_9(tmp_path: Path) -> None:
    base = free_range(6)
    command = [sys.executable, "-m", "bridgx_server.cloudsim", "--port-base", str(base), "--data-dir", str(tmp_path)]

    @contextlib.contextmanager
    def run() -> Iterator[ControlClient]:
        with (tmp_path / "out").open("w") as out:
            process = subprocess.Popen(command, stdout=out, stderr=out)
        control = ControlClient(f"http://127.0.0.1:{base + 5}")
        deadline = time.monotonic() + 60
        while True:
            try:
                control.call("GET", "/summary")
                break
            except OSError:
                assert process.poll() is None, (tmp_path / "out").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield control
        os.kill(process.pid, signal.SIGKILL)
        process.wait()

    with run() as control:
        control.call("POST", "/accounts", {"cloud": "AWSCloud", "access_key": "mine", "secret": "x" * 20})
        control.capacity("AWSCloud", "us-east-1a", 7)
    with run() as control:
        assert "mine" in {row["access_key"] for row in control.call("GET", "/accounts")["AWSCloud"]}
        assert control.state("AWSCloud")["capacity"] == {"us-east-1a/*": 7}
