"""No error is larger than 7 KiB, whatever was asked, over gRPC and over REST; it has the right status and readable details."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import bridgx.v1 as pb
import grpc
import httpx
import pytest
from bridgx import failure_of
from bridgx_server.demo.ports import free_port
from bridgx_server.edge import EnvoyProcess
from bridgx_server.errors import BridgXError, Conflict, FieldError, InvalidFields, NotFound
from bridgx_server.interceptors.caller import set_call
from bridgx_server.interceptors.errors import status_of
from bridgx_server.providers.errors import ErrorClass, ProviderError
from contract.real_server import TOKENS, served
from google.protobuf.json_format import MessageToJson
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st

MOST = 7 * 1024  # bytes
MANY = 10_000
SCRIPTS = {
    "ascii": "cluster-",
    "chinese": "集群名字很长",
    "arabic": "مجموعة",
    "emoji": "🚀🛰",
    "marks": "<\"&'%\\>",
}
NAMES = {script: (text * 128)[:64] for script, text in SCRIPTS.items()}


@dataclass(frozen=True)
class Doors:
    """One server by itself, and behind an Envoy."""

    channels: Sequence[grpc.Channel]
    rest: httpx.Client


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    directory = tmp_path_factory.mktemp("sizes")
    bearer = f"Bearer {TOKENS['alice']}"
    with (
        served(directory, *NAMES.values()) as server,
        EnvoyProcess(server.port, free_port(), free_port(), directory) as envoy,
        grpc.insecure_channel(server.address) as straight,
        grpc.insecure_channel(f"127.0.0.1:{envoy.rest_port}") as edge,
        httpx.Client(
            base_url=f"http://127.0.0.1:{envoy.rest_port}/api/v1/", headers={"authorization": bearer}, timeout=120
        ) as rest,
    ):
        yield Doors((straight, edge), rest)


def stale() -> list[str]:
    return [f"10.{number // 62500}.{number // 250 % 250}.{number % 250 + 1}" for number in range(MANY)]


SHRINKS: dict[str, dict[str, Any]] = {
    **{f"stale ips, {script}": {"cluster_name": name, "ips": stale()} for script, name in NAMES.items()},
    "malformed ips": {"cluster_name": "web", "ips": [f"10.0.0.{number}.x" for number in range(MANY)]},
    "long malformed ips": {"cluster_name": "web", "ips": [f"{number}" + "很" * 20 for number in range(MANY)]},
}
OTHERS: dict[str, tuple[str, str, dict[str, Any]]] = {
    **{
        f"no cluster, {script}": (
            "TaskService/ExpandCluster",
            "cluster/expand",
            {"cluster_name": name[::-1] + "x", "count": 1},
        )
        for script, name in NAMES.items()
    },
    **{
        f"a name too long, {script}": ("ClusterService/CreateCluster", "cluster/create", {"name": text * 20_000})
        for script, text in SCRIPTS.items()
    },
    **{
        f"tags too long, {script}": (
            "ClusterService/CreateCluster",
            "cluster/create",
            {"name": "a", "tags": {f"{number}{text * 30}": text * 100 for number in range(200)}},
        )
        for script, text in SCRIPTS.items()
    },
    "no machines": (
        "InstanceService/ProtectInstances",
        "instance/protect",
        {"cluster_name": "web", "instance_ids": [f"i-{number:030}" for number in range(1000)]},
    ),
}
CALLS = {
    **{
        name: ("TaskService/ShrinkCluster", "cluster/shrink", {"task_name": "less", **fields})
        for name, fields in SHRINKS.items()
    },
    **OTHERS,
}


@pytest.mark.parametrize(("rpc", "path", "fields"), CALLS.values(), ids=CALLS)
def test_over_grpc_an_error_fits(doors: Doors, rpc: str, path: str, fields: dict[str, Any]) -> None:
    service, name = rpc.split("/")
    request = getattr(pb, f"{name}Request")(**fields)
    metadata = [("authorization", f"Bearer {TOKENS['alice']}")]
    for channel in doors.channels:
        with pytest.raises(grpc.RpcError) as caught:
            getattr(getattr(pb, f"{service}Stub")(channel), name)(request, metadata=metadata, timeout=120)
        error: Any = caught.value
        trailers = sum(len(key) + _base64(value) for key, value in error.trailing_metadata())
        assert trailers + _percent(error.details()) <= MOST
        failure = failure_of(error)
        wanted = (
            grpc.StatusCode.NOT_FOUND if failure.reason == "cluster_not_found" else grpc.StatusCode.INVALID_ARGUMENT
        )
        assert error.code() is wanted
        assert failure.message == error.details() != ""
        if failure.reason == "param_invalid":
            _is_readable(failure.message, failure.fields, failure.metadata)


@pytest.mark.parametrize(("rpc", "path", "fields"), CALLS.values(), ids=CALLS)
def test_over_rest_an_error_fits(doors: Doors, rpc: str, path: str, fields: dict[str, Any]) -> None:
    answer = doors.rest.post(path, json=fields)
    assert len(answer.content) + sum(len(key) + len(value) for key, value in answer.headers.items()) <= MOST
    body = answer.json()
    assert (body["code"], body["data"]) == (answer.status_code, None)
    assert (answer.status_code, body["msg"]) in ((400, "param_invalid"), (404, "cluster_not_found"))
    kinds = {row["@type"].rpartition(".")[2]: row for row in body["error"]["details"]}
    if answer.status_code == 400:
        rows = kinds["BadRequest"]["fieldViolations"]
        shown = {row["field"]: row["description"] for row in rows}
        _is_readable(body["error"]["message"], shown, kinds["ErrorInfo"].get("metadata", {}))


def _is_readable(message: str, fields: Any, metadata: Any) -> None:
    """The first violations are named, and of the others how many there are, in the message and in the details alike."""
    assert 1 <= len(fields) <= 20
    assert all(fields)
    assert all(dict(fields).values())
    left = int(metadata.get("violations_left_out", 0))
    assert message.endswith(f"; and {left:,} more") == bool(left)


def test_of_many_stale_addresses_the_first_twenty_are_named(doors: Doors) -> None:
    answer = doors.rest.post("cluster/shrink", json={"task_name": "less", "cluster_name": "web", "ips": stale()}).json()
    (bad,) = (row for row in answer["error"]["details"] if row["@type"].endswith("BadRequest"))
    assert [row["field"] for row in bad["fieldViolations"]] == [f"ips[{number}]" for number in range(20)]
    assert bad["fieldViolations"][0]["description"] == "10.0.0.1 is not a running machine of cluster web"
    assert answer["error"]["message"].endswith("; and 9,980 more")


@pytest.mark.parametrize("path", ["x" * 12_000, "%E9%9B%86" * 1000, "%3C" * 4000], ids=["ascii", "chinese", "marks"])
def test_what_the_edge_itself_refuses_fits(doors: Doors, path: str) -> None:
    answer = doors.rest.get(path)
    assert answer.status_code in (400, 404, 431)
    assert len(answer.content) <= MOST
    assert answer.json()["code"] == answer.status_code


# Whatever an exception says.

TEXTS = st.builds(
    lambda text, times: text * times,
    st.text(st.characters(codec=None), min_size=1, max_size=8),
    st.sampled_from([1, 3, 100, 3000, 100_000]),
)
FIELDS = st.builds(FieldError, TEXTS, TEXTS)
ERRORS = st.one_of(
    st.lists(FIELDS, min_size=1, max_size=4).flatmap(
        lambda rows: st.sampled_from([1, 5, 2500]).map(lambda times: InvalidFields(rows * times))
    ),
    TEXTS.map(Conflict),
    TEXTS.map(lambda text: NotFound("cluster", text)),
    TEXTS.map(lambda text: BridgXError("throttled", text)),
    st.builds(
        lambda kind, message, code, request, field: ProviderError(
            kind,
            message,
            provider="AlibabaCloud",
            operation="RunInstances",
            vendor_code=code,
            request_id=request,
            field=field,
        ),
        st.sampled_from(ErrorClass),
        TEXTS,
        TEXTS,
        TEXTS,
        TEXTS,
    ),
)


@given(ERRORS)
def test_the_status_of_any_exception_fits(error: Exception) -> None:
    set_call(request_id="r" * 64, idempotency_key="")
    status = status_of("/bridgx.v1.ClusterService/CreateCluster", error)
    assert status.message
    trailers = _percent(status.message) + 4 * math.ceil(status.ByteSize() / 3)
    assert trailers + len("grpc-messagegrpc-status-details-bincontent-typeapplication/grpc") <= MOST
    parsed = status_pb2.Status.FromString(status.SerializeToString())
    text = json.dumps(json.loads(MessageToJson(parsed)), ensure_ascii=False, separators=(",", ":"))
    for mark in "<>\x7f":
        text = text.replace(mark, "\\u003c")
    assert len(text.encode()) + 200 <= MOST
    kinds = [detail.type_url.rpartition(".")[2] for detail in status.details]
    assert kinds[0] == "ErrorInfo"
    assert kinds[-1] == "RequestInfo"
    if isinstance(error, InvalidFields):
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        assert status.details[0].Unpack(info)
        assert status.details[1].Unpack(bad)
        left = int(info.metadata.get("violations_left_out", "0"))
        assert len(bad.field_violations) + left == len(error.fields)


def _percent(text: str) -> int:
    return sum(1 if 32 <= byte <= 126 and byte != 37 else 3 for byte in text.encode())


def _base64(value: Any) -> int:
    return 4 * math.ceil(len(value) / 3) if isinstance(value, bytes) else len(value)
