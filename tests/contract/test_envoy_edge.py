"""REST and gRPC through a real Envoy, in front of a server with canned answers."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bridgx.v1 as pb
import grpc
import httpx
import pytest
from contract.fake_backend import Edge, failure
from google.rpc import code_pb2
from grpc_status import rpc_status

TOKEN = {"authorization": "Bearer token"}


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    with Edge(tmp_path_factory.mktemp("edge")).running() as edge:
        yield edge


@pytest.fixture(scope="module")
def rest(edge: Edge) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=edge.url, timeout=60) as client:
        yield client


def envelope(answer: httpx.Response) -> dict[str, Any]:
    """The body, after what holds of every envelope has been checked."""
    assert answer.headers["content-type"] == "application/json"
    body: dict[str, Any] = answer.json()
    assert body["code"] == answer.status_code
    if answer.status_code == 200:
        assert set(body) == {"code", "msg", "data"}
        assert body["msg"] == "success"
    else:
        assert set(body) == {"code", "msg", "data", "error"}
        assert body["data"] is None
        assert set(body["error"]) == {"code", "message", "details"}
    return body


def create(rest: httpx.Client, name: str) -> httpx.Response:
    return rest.post("/api/v1/cluster/create", json={"name": name}, headers=TOKEN)


def test_a_bare_string_is_the_data(rest: httpx.Client) -> None:
    assert envelope(create(rest, 'a "name"} 集群'))["data"] == 'a "name"} 集群'


def test_a_list_with_its_pager_is_the_data_with_every_key(rest: httpx.Client) -> None:
    assert envelope(rest.get("/api/v1/cluster/describe_all"))["data"] == {
        "cluster_list": [
            {
                "cluster_id": "1319",
                "cluster_name": "gf.bridgx.online",
                "provider": "",
                "account": "",
                "create_at": "2021-11-02T06:09:38Z",
                "create_by": "",
                "total_remainder": "",
            }
        ],
        "pager": {"page_number": 1, "page_size": 10, "total": 1},
    }


def test_an_empty_list_is_printed(rest: httpx.Client) -> None:
    assert envelope(rest.get("/api/v1/cluster/describe_all?account=none"))["data"]["cluster_list"] == []
    assert envelope(rest.get("/api/v1/region/list?provider=AWSCloud"))["data"] == []


def test_a_bare_array_is_the_data_in_pascal_case(rest: httpx.Client) -> None:
    data = envelope(rest.get("/api/v1/region/list?provider=AlibabaCloud"))["data"]
    assert data == [{"RegionId": "cn-qingdao", "LocalName": 'North "China" 1]}'}]


def test_network_lists_are_in_pascal_case_without_times_that_were_not(rest: httpx.Client) -> None:
    data = envelope(rest.get("/api/v1/vpc/describe"))["data"]
    row = {"VpcId": "vpc-1", "VpcName": "", "CidrBlock": "", "SwitchIds": [], "Provider": "", "Status": ""}
    assert data == {"Vpcs": [row], "Pager": {"PageNumber": 1, "PageSize": 50, "Total": 0}}


def test_one_object_is_the_data(rest: httpx.Client) -> None:
    data = envelope(rest.get("/api/v1/task/describe?task_id=7"))["data"]
    assert (data["task_id"], data["asked"], data["chunks"]) == ("7", 3, [])
    assert "finish_at" not in data


def test_a_number_beyond_32_bits_is_a_number(rest: httpx.Client) -> None:
    answer = rest.get("/api/v1/instance/usage_total")
    assert envelope(answer)["data"]["usage_total"] == 86_400_000_000
    assert '"usage_total":86400000000}' in answer.text


def test_an_answer_of_some_mebibytes_is_wrapped(rest: httpx.Client) -> None:
    assert len(envelope(rest.get("/api/v1/region/list?provider=BaiduCloud"))["data"]) == 5000


def test_a_subnet_is_made_by_post_and_by_get(rest: httpx.Client) -> None:
    fields = {"vpc_id": "v", "cidr_block": "172.16.0.0/24", "switch_name": "first switch"}
    made = "vsw-v-172.16.0.0/24-first switch"
    assert envelope(rest.post("/api/v1/subnet/create", json=fields))["data"] == made
    assert envelope(rest.get("/api/v1/subnet/create", params=fields))["data"] == made


def test_headers_become_metadata(edge: Edge, rest: httpx.Client) -> None:
    headers = {**TOKEN, "x-request-id": "my-request-1", "Idempotency-Key": "once"}
    answer = rest.post("/api/v1/cluster/create", json={"name": "a"}, headers=headers)
    metadata = edge.clusters.metadata[-1]
    assert metadata["authorization"] == "Bearer token"
    assert metadata["x-request-id"] == answer.headers["x-request-id"] == "my-request-1"
    assert metadata["idempotency-key"] == "once"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"o9ol-wg+1e$n", b"a"),
        (b"x-text", "é".encode()),
        (b"x-data-bin", b"no base64!"),
        (b"grpc-encoding", b"zip"),
        (b"grpc-timeout", b"1n"),
        (b"user-agent", b"\xff\xfe"),
    ],
)
def test_headers_that_grpc_cannot_carry_go_no_further(
    edge: Edge, rest: httpx.Client, name: bytes, value: bytes
) -> None:
    answer = rest.post(
        "/api/v1/cluster/create", json={"name": "a"}, headers=[(b"authorization", b"Bearer t"), (name, value)]
    )
    assert envelope(answer)["data"] == "a"
    assert edge.clusters.metadata[-1].get(name.decode()) != value.decode("latin-1")


def test_a_key_of_a_retry_does_not_get_lost(rest: httpx.Client) -> None:
    headers = [(b"authorization", b"Bearer t"), (b"idempotency-key", "é".encode())]
    body = envelope(rest.post("/api/v1/cluster/create", json={"name": "a"}, headers=headers))
    assert (body["code"], body["msg"]) == (400, "param_invalid")
    assert "Idempotency-Key" in body["error"]["message"]


def test_every_call_has_a_deadline(edge: Edge, rest: httpx.Client) -> None:
    rest.get("/api/v1/cluster/describe_all")
    with grpc.insecure_channel(edge.address) as channel:
        clusters = pb.ClusterServiceStub(channel)
        clusters.ListClusters(pb.ListClustersRequest())
        clusters.ListClusters(pb.ListClustersRequest(), timeout=5)
    left = [seconds for seconds in edge.clusters.left[-3:] if seconds is not None]
    assert [50 < seconds <= 60 for seconds in left] == [True, True, False]
    assert left[2] < 6


def test_a_request_without_id_gets_one(edge: Edge, rest: httpx.Client) -> None:
    answer = create(rest, "a")
    assert answer.headers["x-request-id"] == edge.clusters.metadata[-1]["x-request-id"]


def test_the_reason_of_a_failure_is_the_message(rest: httpx.Client) -> None:
    body = envelope(create(rest, "exists"))
    assert (body["code"], body["msg"]) == (409, "cluster_already_exists")
    assert body["error"]["message"] == 'say "no"\n'


def test_a_refused_field_is_named(rest: httpx.Client) -> None:
    body = envelope(create(rest, "bad"))
    assert (body["code"], body["msg"]) == (400, "param_invalid")
    (violation,) = body["error"]["details"][1]["fieldViolations"]
    assert (violation["field"], violation["description"]) == ("image", "does not exist")


def test_a_missing_token_is_401(rest: httpx.Client) -> None:
    body = envelope(rest.post("/api/v1/cluster/create", json={"name": "a"}))
    assert (body["code"], body["msg"]) == (401, "token_invalid")


def test_waiting_that_helps_is_in_retry_after(rest: httpx.Client) -> None:
    answer = create(rest, "throttled")
    assert (envelope(answer)["code"], envelope(answer)["msg"]) == (429, "throttled")
    assert answer.headers["retry-after"] == "5"  # 4.5 s, up


def test_a_status_without_details_is_in_the_envelope(rest: httpx.Client) -> None:
    body = envelope(create(rest, "plain"))
    assert (body["code"], body["msg"], body["error"]["message"]) == (500, "internal", "a plain status")


def test_an_operation_the_server_lacks_is_501(rest: httpx.Client) -> None:
    body = envelope(rest.get("/api/v1/zone/list?provider=AWSCloud"))
    assert (body["code"], body["msg"]) == (501, "unimplemented")


@pytest.mark.parametrize("content", [b'{"name":', b"not json", b"[]", b'{"name": {"a": 1}}'])
def test_malformed_json_is_400(rest: httpx.Client, content: bytes) -> None:
    body = envelope(rest.post("/api/v1/cluster/create", content=content, headers=TOKEN))
    assert (body["code"], body["msg"]) == (400, "param_invalid")
    assert body["error"]["message"]


def test_a_query_of_the_wrong_type_is_400(rest: httpx.Client) -> None:
    body = envelope(rest.get("/api/v1/cluster/describe_all?page_size=many"))
    assert (body["code"], body["msg"]) == (400, "param_invalid")
    assert "page_size" in body["error"]["message"]


@pytest.mark.parametrize(
    "path", ["/", "/api/v1/nope", "/api/v1/cluster/create/", '/a"b%0d%0a', "/bridgx.v1.ClusterService/ListClusters"]
)
def test_an_unknown_path_is_404(rest: httpx.Client, path: str) -> None:
    body = envelope(rest.post(path, json={}))
    assert (body["code"], body["msg"]) == (404, "path_not_found")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [("GET", "/api/v1/cluster/create", "POST"), ("DELETE", "/api/v1/subnet/create", "GET, POST")],
)
def test_a_wrong_method_is_405_and_says_which_is_right(rest: httpx.Client, method: str, path: str, allow: str) -> None:
    answer = rest.request(method, path)
    assert (envelope(answer)["code"], envelope(answer)["msg"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == allow


def test_a_head_gets_no_body_and_leaves_the_connection_sound(rest: httpx.Client) -> None:
    assert rest.head("/api/v1/nope").status_code == 404
    assert rest.head("/api/v1/region/list").status_code == 405
    assert envelope(rest.get("/api/v1/vpc/describe"))["code"] == 200


def test_a_body_over_a_mebibyte_is_413(rest: httpx.Client) -> None:
    body = envelope(create(rest, "a" * 1_100_000))
    assert (body["code"], body["msg"]) == (413, "body_too_large")


def test_a_body_over_a_mebibyte_in_pieces_is_413(rest: httpx.Client) -> None:
    pieces = (b'{"name": "', *(b"a" * 50_000 for _ in range(22)), b'"}')
    answer = rest.post("/api/v1/cluster/create", content=iter(pieces), headers={"Authorization": "Bearer token"})
    assert (envelope(answer)["code"], envelope(answer)["msg"]) == (413, "body_too_large")


def test_a_body_just_under_a_mebibyte_passes(rest: httpx.Client) -> None:
    assert envelope(create(rest, "a" * 1_000_000))["code"] == 200


def test_headers_too_large_are_in_the_envelope(rest: httpx.Client) -> None:
    assert envelope(rest.get("/api/v1/vpc/describe", headers={"x-long": "a" * 40_000}))["code"] == 431


def test_a_task_is_watched_by_server_sent_events(rest: httpx.Client) -> None:
    with rest.stream("GET", "/api/v1/task/watch?task_id=7") as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        events = [json.loads(line.removeprefix("data: ")) for line in answer.iter_lines() if line]
    assert [(event["status"], event["running"]) for event in events] == [("RUNNING", n) for n in range(3)]


def test_a_failure_before_the_stream_is_in_the_envelope(rest: httpx.Client) -> None:
    body = envelope(rest.get("/api/v1/task/watch?task_id=none"))
    assert (body["code"], body["msg"]) == (404, "task_not_found")


def test_grpc_passes_untouched(edge: Edge) -> None:
    with grpc.insecure_channel(edge.address) as channel:
        clusters = pb.ClusterServiceStub(channel)
        (region,) = clusters.ListRegions(pb.ListRegionsRequest(provider="AlibabaCloud")).regions
        assert region.region_id == "cn-qingdao"
        steps = list(pb.TaskServiceStub(channel).WatchTask(pb.WatchTaskRequest(task_id="7")))
        assert [step.running for step in steps] == [0, 1, 2]


def test_a_grpc_failure_keeps_its_details(edge: Edge) -> None:
    with grpc.insecure_channel(edge.address) as channel, pytest.raises(grpc.RpcError) as caught:
        pb.ClusterServiceStub(channel).CreateCluster(
            pb.CreateClusterRequest(name="exists"), metadata=[("authorization", "Bearer token")]
        )
    expected = failure(code_pb2.ALREADY_EXISTS, "CLUSTER_ALREADY_EXISTS", 'say "no"\n')
    assert caught.value.code() is expected.code
    status = rpc_status.from_call(caught.value)
    assert [box.TypeName() for box in status.details] == ["google.rpc.ErrorInfo"]


def test_the_access_log_is_json_with_the_request_id(edge: Edge, rest: httpx.Client) -> None:
    rest.get("/api/v1/vpc/describe?region_id=r", headers={"x-request-id": "logged-1"})
    edge.envoy.stop()  # it writes what it has buffered
    lines = edge.envoy.log_file.read_text().splitlines()
    entries = [json.loads(line) for line in lines if line.startswith("{")]
    (entry,) = [entry for entry in entries if entry["request_id"] == "logged-1"]
    assert (entry["method"], entry["path"], entry["status"]) == ("GET", "/api/v1/vpc/describe", 200)
    assert not [line for line in lines if "[error]" in line or "[critical]" in line]
    edge.envoy.start()
    edge.envoy.wait_ready()


def test_a_server_that_is_down_is_503_over_rest_and_unavailable_over_grpc(tmp_path: Path) -> None:
    edge = Edge(tmp_path)
    with edge.running():
        edge.server.stop(None).wait()
        body = envelope(httpx.get(f"{edge.url}/api/v1/vpc/describe", timeout=60))
        assert (body["code"], body["msg"]) == (503, "server_unavailable")
        with grpc.insecure_channel(edge.address) as channel, pytest.raises(grpc.RpcError) as caught:
            pb.NetworkServiceStub(channel).ListVpcs(pb.ListVpcsRequest())
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_an_envoy_left_behind_is_replaced(tmp_path: Path) -> None:
    first = Edge(tmp_path)
    with first.envoy:
        left = first.envoy.pid
        second = type(first.envoy)(first.grpc_port, first.envoy.rest_port, first.envoy.admin_port, tmp_path)
        with second:
            assert second.pid not in (None, left)
            with socket.create_connection(("127.0.0.1", second.rest_port)):
                assert first.envoy.pid is None
