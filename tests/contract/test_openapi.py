"""The OpenAPI document is one, is served, and says what is on the wire."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from bridgx_server.demo.system import Running
from contract.openapi import DOCUMENT, FILE, body_validator
from contract.test_protos import OPERATIONS, _accepted
from google.protobuf import json_format, message
from openapi_spec_validator import validate

SERVED_AT = "/api/v1/openapi.json"
BODIES = {
    operation.partition(".")[2] + "Request": path
    for (method, path), operation in OPERATIONS.items()
    if method == "POST"
}


def parameters(path: str) -> dict[str, Any]:
    return {row["name"]: row for row in DOCUMENT["paths"][path]["get"]["parameters"] if "name" in row}


def data(method: str, path: str) -> dict[str, Any]:
    answer = DOCUMENT["paths"][path][method]["responses"]["200"]["content"]["application/json"]["schema"]
    return answer["properties"]["data"]  # type: ignore[no-any-return]


def schema(name: str) -> dict[str, Any]:
    return DOCUMENT["components"]["schemas"][name]  # type: ignore[no-any-return]


def test_it_is_an_openapi_document() -> None:
    validate(DOCUMENT)


def test_it_is_served_to_everyone(system: Running) -> None:
    answer = httpx.get(system.rest_url + SERVED_AT, timeout=60)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.text == FILE.read_text(encoding="utf-8")
    assert httpx.post(system.rest_url + SERVED_AT, json={}, timeout=60).json()["msg"] == "method_not_allowed"


def test_every_operation_is_in_it_once() -> None:
    found = {(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert found == {*OPERATIONS, ("GET", SERVED_AT)}
    ids = [operation["operationId"] for methods in DOCUMENT["paths"].values() for operation in methods.values()]
    assert len(set(ids)) == len(ids)


def test_all_of_it_is_described() -> None:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], (method, path)
            assert operation["description"], (method, path)
            for row in operation.get("parameters", ()):
                assert "$ref" in row or row["description"], (method, path, row["name"])
    for name, row in DOCUMENT["components"]["schemas"].items():
        for key, field in row.get("properties", {}).items():
            if name != "Failure":
                assert field.get("description"), f"{name}.{key}"


def test_the_envelope_holds_what_rest_unwraps() -> None:
    assert data("post", "/api/v1/cluster/create")["type"] == "string"
    regions = data("get", "/api/v1/region/list")
    assert regions["type"] == "array"
    assert set(schema(regions["items"]["$ref"].rpartition("/")[2])["properties"]) == {"RegionId", "LocalName"}
    assert data("get", "/api/v1/vpc/describe") == {"$ref": "#/components/schemas/ListVpcsResponse"}
    assert schema("ListVpcsResponse")["required"] == ["Vpcs"]


def test_numbers_are_numbers_and_times_are_times() -> None:
    assert schema("GetUsageTotalResponse")["properties"]["usage_total"]["type"] == "number"
    task = schema("Task")
    assert task["properties"]["execute_time"]["type"] == "integer"
    assert task["properties"]["create_at"]["format"] == "date-time"
    assert "finish_at" not in task["required"]


def test_a_watch_is_a_stream_of_events() -> None:
    (kind, media) = DOCUMENT["paths"]["/api/v1/task/watch"]["get"]["responses"]["200"]["content"].popitem()
    assert kind == "text/event-stream"
    data = media["schema"]["properties"]["data"]
    assert data["contentSchema"] == {"$ref": "#/components/schemas/WatchTaskResponse"}


def test_constraints_are_those_of_the_protos() -> None:
    expand = schema("ExpandClusterRequest")
    assert expand["required"] == ["task_name", "cluster_name", "count"]
    assert (expand["properties"]["count"]["minimum"], expand["properties"]["count"]["maximum"]) == (1, 10_000)
    assert expand["properties"]["ips"]["maxItems"] == 0
    assert expand["properties"]["request_id"]["maxLength"] == 64
    cluster = schema("CreateClusterRequest")
    assert "AWSCloud" in cluster["properties"]["provider"]["enum"]
    assert cluster["properties"]["tags"]["maxProperties"] == 15
    assert "desc" not in cluster["required"]
    assert "period_unit and period are required" in cluster["description"]
    assert parameters("/api/v1/zone/list")["provider"]["required"]
    assert not parameters("/api/v1/vpc/describe")["region_id"]["required"]
    assert parameters("/api/v1/cluster/describe_all")["page_size"]["schema"]["minimum"] == 0


@pytest.mark.parametrize("request_", list(_accepted()), ids=lambda r: type(r).__name__)
def test_it_allows_what_the_manual_allows(request_: message.Message) -> None:
    path = BODIES.get(type(request_).__name__)
    if path is not None:
        body_validator(path).validate(json.loads(json_format.MessageToJson(request_)))


def test_it_refuses_what_the_manual_refuses() -> None:
    expand = body_validator("/api/v1/cluster/expand")
    for wrong in (
        {},
        {"task_name": "a", "cluster_name": "b", "count": 0},
        {"task_name": "a", "cluster_name": "b", "count": 10_001},
        {"task_name": "", "cluster_name": "b", "count": 1},
        {"task_name": "a", "cluster_name": "b", "count": 1, "ips": ["10.0.0.1"]},
    ):
        assert not expand.is_valid(wrong), wrong
    vpc = {"provider": "AlibabaCloud", "region_id": "r", "vpc_name": "网络a", "ak": "k"}
    create = body_validator("/api/v1/vpc/create")
    assert create.is_valid(vpc)
    for change in ({"vpc_name": "1a"}, {"vpc_name": "a b"}, {"cidr_block": "8.8.8.0/24"}, {"provider": "Other"}):
        assert not create.is_valid({**vpc, **change}), change
