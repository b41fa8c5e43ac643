"""Wrong input of every kind, over REST: the envelope, the right status and reason, and the field by name."""

from __future__ import annotations

import uuid
from typing import Any

import httpx
import pytest
from bridgx_server.cloudsim.control_client import ControlClient
from bridgx_server.demo.system import Running
from contract.clusters import a_network, a_place, template
from contract.conftest import Api, until

CLOUD = "AWSCloud"


@pytest.fixture(scope="module")
def cluster(api: Api) -> dict[str, Any]:
    place = a_place(api, CLOUD)
    return template(CLOUD, place, a_network(api, CLOUD, place))


def told(envelope: dict[str, Any]) -> tuple[int, str, set[str]]:
    fields = {
        violation["field"] for detail in envelope["error"]["details"] for violation in detail.get("fieldViolations", [])
    }
    return envelope["code"], envelope["msg"], fields


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"provider": "MoonCloud"}, "provider"),
        ({"password": "short"}, "password"),
        ({"charge_type": "Sometimes"}, "charge_type"),
        ({"charge_config": {"charge_type": "PrePaid"}}, "charge_config"),
        (
            {"charge_config": {"charge_type": "PrePaid", "period_unit": "Month", "period": 1}, "charge_type": ""},
            "charge_config.charge_type",
        ),
        ({"disks": {"system_disk": {"category": "cloud_efficiency", "size": 0}}}, "disks.system_disk.size"),
        ({"disks": {"system_disk": {"category": "floppy", "size": 50}}}, "disks.system_disk.category"),
        ({"instance_type": "m5.planet"}, "instance_type"),
        ({"image": "ami-none"}, "image"),
        ({"zone_id": "us-east-1z"}, "zone_id"),
        ({"region_id": "mars-1"}, "region_id"),
        ({"tags": {"bridgx-x": "1"}}, "tags"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_wrong_field_of_a_template_is_named(
    api: Api, cluster: dict[str, Any], changes: dict[str, Any], field: str
) -> None:
    code, reason, fields = told(api.refused("cluster/create", {**cluster, **changes}))
    assert (code, reason) == (400, "param_invalid")
    assert any(name.startswith(field) for name in fields), fields


@pytest.mark.parametrize(
    ("path", "body", "code", "reason"),
    [
        ("cluster/expand", {"cluster_name": "nobody's", "task_name": "x", "count": 1}, 404, "cluster_not_found"),
        ("cluster/expand", {"cluster_name": "x", "task_name": "x", "count": 0}, 400, "param_invalid"),
        ("cluster/expand", {"cluster_name": "x", "task_name": "x", "count": 10001}, 400, "param_invalid"),
        (
            "cluster/expand",
            {"cluster_name": "x", "task_name": "x", "count": 1, "ips": ["10.0.0.1"]},
            400,
            "param_invalid",
        ),
        ("cluster/expand", {"cluster_name": "x", "task_name": "x", "count": "many"}, 400, "param_invalid"),
        ("cluster/shrink", {"cluster_name": "x", "task_name": "x", "ips": ["not-an-ip"]}, 400, "param_invalid"),
        ("cluster/shrink", {"cluster_name": "x", "task_name": "x"}, 400, "param_invalid"),
        ("task/cancel", {"task_id": "999999"}, 404, "task_not_found"),
        (
            "subnet/create",
            {"zone_id": "z", "cidr_block": "10.0.0.0/24", "vpc_id": "vpc-none", "switch_name": "ab"},
            404,
            "vpc_not_found",
        ),
        ("cloud_account/delete", {"provider": CLOUD, "account_key": "nobody"}, 404, "account_not_found"),
    ],
)
def test_wrong_bodies(api: Api, path: str, body: dict[str, Any], code: int, reason: str) -> None:
    assert told(api.refused(path, body))[:2] == (code, reason)


@pytest.mark.parametrize(
    ("path", "query", "code", "reason"),
    [
        ("task/describe", {"task_id": "abc"}, 404, "task_not_found"),
        ("instance/id/describe", {"instance_id": "i-none"}, 404, "instance_not_found"),
        ("instance/usage_total", {"date": "2021-02-30"}, 400, "param_invalid"),
        ("instance/usage_total", {"date": "yesterday"}, 400, "param_invalid"),
        ("instance/describe_all", {"status": "asleep"}, 400, "param_invalid"),
        ("subnet/describe", {"vpc_id": "vpc-none"}, 404, "vpc_not_found"),
        ("zone/list", {"provider": CLOUD, "region_id": "mars"}, 400, "param_invalid"),
        ("region/list", {"provider": "MoonCloud"}, 400, "param_invalid"),
        ("nowhere", {}, 404, "path_not_found"),
    ],
)
def test_wrong_queries(api: Api, path: str, query: dict[str, str], code: int, reason: str) -> None:
    assert told(api.refused(path, **query))[:2] == (code, reason)


def test_without_a_known_token_nothing_is_answered(system: Running) -> None:
    for header in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic demo-token"}):
        answer = httpx.get(f"{system.rest_url}/api/v1/cluster/describe_all", headers=header)
        assert (answer.status_code, answer.json()["msg"]) == (401, "token_invalid")


def test_malformed_json_is_told(system: Running) -> None:
    answer = httpx.post(
        f"{system.rest_url}/api/v1/cluster/create",
        content=b'{"name": ',
        headers={"Authorization": "Bearer demo-token", "Content-Type": "application/json"},
    )
    assert (answer.status_code, answer.json()["msg"]) == (400, "param_invalid")


def test_narrower_limits_of_a_cloud_are_named(api: Api) -> None:
    body = {"provider": CLOUD, "region_id": "us-east-1", "vpc_name": "vpctest", "ak": f"demo-{CLOUD}"}
    code, reason, fields = told(api.refused("vpc/create", {**body, "cidr_block": "10.0.0.0/8"}))
    assert (code, reason, fields) == (400, "param_invalid", {"cidr_block"})
    vpc = api.post("vpc/create", body)
    (row,) = [row for row in api.get("vpc/describe", provider=CLOUD, page_size=50)["Vpcs"] if row["VpcId"] == vpc]
    assert row["CidrBlock"] == "172.16.0.0/16"


def test_subnets_lie_inside_their_vpc_and_beside_each_other(api: Api) -> None:
    vpc = api.post(
        "vpc/create",
        {
            "provider": CLOUD,
            "region_id": "us-east-1",
            "vpc_name": "vpctest",
            "ak": f"demo-{CLOUD}",
            "cidr_block": "10.2.0.0/16",
        },
    )
    subnet = {"zone_id": "us-east-1a", "vpc_id": vpc, "switch_name": "first"}
    api.post("subnet/create", {**subnet, "cidr_block": "10.2.1.0/24"})
    for cidr in ("10.3.0.0/24", "10.2.0.0/16", "10.2.1.128/25", "10.2.1.1/24"):
        code, reason, fields = told(api.refused("subnet/create", {**subnet, "cidr_block": cidr}))
        assert (code, reason, fields) == (400, "param_invalid", {"cidr_block"}), cidr


def test_a_failed_step_of_a_network_config_leaves_nothing(api: Api, control: ControlClient) -> None:
    control.fault(
        "error", cloud=CLOUD, action="CreateSecurityGroup", params={"code": "SecurityGroupLimitExceeded"}, times=1
    )
    before = {row["vpc_id"] for row in control.state(CLOUD)["vpcs"]}
    envelope = api.refused(
        "network_config/create",
        {
            "provider": CLOUD,
            "region_id": "us-east-1",
            "zone_id": "us-east-1a",
            "cidr_block": "10.9.0.0/16",
            "vpc_name": "vpctest",
            "switch_cidr_block": "10.9.0.0/24",
            "switch_name": "first",
            "security_group_name": "group",
            "security_group_type": "normal",
            "ak": f"demo-{CLOUD}",
        },
    )
    assert told(envelope)[:2] == (429, "quota_exceeded")
    assert "the security group could not be made" in envelope["error"]["message"]
    assert "all that was made has been removed" in envelope["error"]["message"]
    assert {row["vpc_id"] for row in control.state(CLOUD)["vpcs"]} == before


def test_a_cloud_that_is_away_or_throttles_is_told_with_its_words(
    api: Api, control: ControlClient, cluster: dict[str, Any]
) -> None:
    control.fault("throttle", cloud=CLOUD, action="DescribeVpcs", times=1)
    answer = api.client.post("cluster/create", json=cluster)
    assert (answer.status_code, answer.json()["msg"]) == (429, "throttled")
    assert int(answer.headers["retry-after"]) > 0
    control.fault("unavailable", cloud=CLOUD, action="DescribeVpcs", times=1)
    assert told(api.refused("cluster/create", cluster))[:2] == (503, "cloud_unavailable")
    control.fault("error", cloud=CLOUD, action="DescribeVpcs", times=1, params={"code": "AuthFailure", "status": 401})
    envelope = api.refused("cluster/create", cluster)
    assert told(envelope)[:2] == (400, "bad_credentials")
    (info,) = [detail for detail in envelope["error"]["details"] if "reason" in detail]
    assert info["metadata"]["vendor_code"] == "AuthFailure"
    assert info["metadata"]["next_step"]


@pytest.mark.parametrize(
    ("said", "as_sentence"),
    [("5 are left", "5 are left."), ("5 are left.", "5 are left."), ("No!\n", "No!"), ("余额不足。", "余额不足。")],
)
def test_the_words_of_a_cloud_and_the_next_step_are_two_sentences(
    api: Api, control: ControlClient, cluster: dict[str, Any], said: str, as_sentence: str
) -> None:
    next_step = "Look the code up in the vendor's reference, or ask the vendor with the request id."
    unknown = {"code": "SomethingNew.HasHappened", "status": 400, "message": said}
    control.fault("error", cloud=CLOUD, action="DescribeVpcs", times=1, params=unknown)
    envelope = api.refused("cluster/create", cluster)
    assert envelope["error"]["message"] == f"{CLOUD}: {as_sentence} {next_step}"
    (info,) = [detail for detail in envelope["error"]["details"] if "reason" in detail]
    assert info["metadata"]["next_step"] == next_step
    name = api.post("cluster/create", {**cluster, "name": f"told {uuid.uuid4().hex}"})
    quota = {"code": "InstanceLimitExceeded", "status": 400, "message": said}
    control.fault("error", cloud=CLOUD, action="RunInstances", params=quota)
    task = api.ended(api.post("cluster/expand", {"cluster_name": name, "task_name": "x", "count": 1}))
    control.clear_faults()
    assert task["reason"].startswith(f"{as_sentence} Raise the quota")


def test_a_sold_out_type_a_quota_and_an_unknown_code_are_accounted_for(
    api: Api, control: ControlClient, cluster: dict[str, Any]
) -> None:
    name = api.post("cluster/create", {**cluster, "name": "tried"})

    def expanded(count: int) -> dict[str, Any]:
        return api.ended(api.post("cluster/expand", {"cluster_name": name, "task_name": "x", "count": count}))

    control.capacity(CLOUD, cluster["zone_id"], 3, cluster["instance_type"])
    task = expanded(5)
    assert (task["status"], task["running"], task["failed"], task["error_class"]) == (
        "PARTIAL_SUCCESS",
        3,
        2,
        "out_of_stock",
    )
    assert (expanded(2)["status"], expanded(2)["running"]) == ("FAILED", 0)
    control.capacity(CLOUD, cluster["zone_id"], None, cluster["instance_type"])
    alive = len(control.machines(CLOUD))
    control.quota(CLOUD, alive + 5)
    task = expanded(8)
    control.quota(CLOUD, 100_000)
    assert (task["status"], task["running"], task["error_class"]) == ("PARTIAL_SUCCESS", 5, "quota_exceeded")
    assert task["chunks"][0]["vendor_code"] == "InstanceLimitExceeded"
    assert len(control.machines(CLOUD)) == alive + 5


def test_the_same_idempotency_key_starts_one_task(api: Api, cluster: dict[str, Any]) -> None:
    name = api.post("cluster/create", {**cluster, "name": "once"})
    body = {"cluster_name": name, "task_name": "x", "count": 2}
    headers = {"Idempotency-Key": "expand-once-1"}
    ids = {Api.data(api.client.post("cluster/expand", json=body, headers=headers)) for _ in range(3)}
    assert len(ids) == 1
    assert api.ended(ids.pop())["running"] == 2
    answer = api.client.post("cluster/expand", json={**body, "count": 3}, headers=headers)
    assert (answer.status_code, answer.json()["msg"]) == (409, "conflict")


def test_a_task_is_canceled_and_its_machines_deleted(api: Api, control: ControlClient, cluster: dict[str, Any]) -> None:
    name = api.post("cluster/create", {**cluster, "name": "canceled"})
    control.delays(boot=[30, 30])
    try:
        task_id = api.post("cluster/expand", {"cluster_name": name, "task_name": "x", "count": 4})
        until(lambda: api.get("task/describe", task_id=task_id)["phase"] == "BOOTING")
        ids = {row["instance_id"] for row in api.get("instance/describe_all", cluster_name=name)["instance_list"]}
        assert len(ids) == 4
        answer = api.post("task/cancel", {"task_id": task_id, "created_machines": "delete"})
        assert answer["status"] in ("RUNNING", "CANCELED")
        assert api.ended(task_id)["status"] == "CANCELED"
        until(lambda: not ids & {row["machine_id"] for row in control.machines(CLOUD)})
        assert api.refused("task/cancel", {"task_id": task_id, "created_machines": "later"})["code"] == 400
    finally:
        control.delays(boot=[0.1, 0.5])


def test_a_watch_is_a_stream_of_events_that_ends_with_the_task(api: Api, cluster: dict[str, Any]) -> None:
    name = api.post("cluster/create", {**cluster, "name": "watched"})
    task_id = api.post("cluster/expand", {"cluster_name": name, "task_name": "x", "count": 3})
    with api.client.stream("GET", "task/watch", params={"task_id": task_id}) as stream:
        assert stream.headers["content-type"] == "text/event-stream"
        lines = [line for line in stream.iter_lines() if line.startswith("data:")]
    assert '"SUCCESS"' in lines[-1]
