"""What the edge says by itself, how often it asks a server, and what its process gets to see."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bridgx.v1 as pb
import grpc
import httpx
import pytest
from bridgx_server.demo.ports import free_port
from contract import hostile
from contract.conftest import until
from contract.fake_backend import Anything, Edge
from contract.openapi import conforms

SHRINK = "/api/v1/cluster/shrink"
TOKEN = "/api/v1/token/create"
VPCS = "/api/v1/vpc/describe"


@pytest.fixture(scope="module")
def server() -> Anything:
    return Anything()


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory, server: Anything) -> Iterator[Edge]:
    with Edge(tmp_path_factory.mktemp("edge"), server).running() as edge:
        yield edge


@pytest.fixture(scope="module")
def rest(edge: Edge) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=edge.url, timeout=60) as client:
        yield client


def details(answer: httpx.Response, code: int, reason: str) -> dict[str, dict[str, Any]]:
    """The details of a failure by their kinds, after what holds of each failure has been checked."""
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert set(body) == {"code", "msg", "data", "error"}, body
    assert (answer.status_code, body["code"], body["msg"], body["data"]) == (code, code, reason, None)
    found = {row["@type"].rpartition(".")[2]: row for row in body["error"]["details"]}
    assert (found["ErrorInfo"]["reason"], found["ErrorInfo"]["domain"]) == (reason, "bridgx")
    conforms(answer)
    return found


# Failures of the edge itself have the details of the server's.


@pytest.mark.parametrize(
    ("method", "path", "what", "code", "reason"),
    [
        ("GET", "/api/v1/nope", {}, 404, "path_not_found"),
        ("GET", f"/api/{'x' * 9000}", {}, 404, "path_not_found"),
        ("GET", SHRINK, {}, 405, "method_not_allowed"),
        ("POST", SHRINK, {"content": b" " * 1_100_000}, 413, "body_too_large"),
        ("POST", SHRINK, {"content": iter([b" " * 1_100_000])}, 413, "body_too_large"),
        ("POST", SHRINK, {"content": b'{"task_name": "\xff"}'}, 400, "param_invalid"),
        ("GET", "/api/v1/audit/list?since=yesterday", {}, 400, "param_invalid"),
        ("GET", "/api/v1/task/list?page_size=many", {}, 400, "param_invalid"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_failure_of_the_edge_has_details(
    rest: httpx.Client, method: str, path: str, what: dict[str, Any], code: int, reason: str
) -> None:
    answer = rest.request(method, path, **what)
    found = details(answer, code, reason)
    assert found["RequestInfo"]["requestId"] == answer.headers["x-request-id"]
    assert ("BadRequest" in found) == (code == 400)
    assert len(answer.content) < 7 * 1024


@pytest.mark.parametrize(
    ("path", "field", "description"),
    [
        (
            "/api/v1/audit/list?since=yesterday",
            "since",
            "invalid value for type type.googleapis.com/google.protobuf.Timestamp",
        ),
        ("/api/v1/task/list?page_size=many", "page_size", "invalid value for type TYPE_INT32"),
    ],
)
def test_what_the_transcoder_refuses_is_named_and_not_repeated(
    rest: httpx.Client, path: str, field: str, description: str
) -> None:
    answer = rest.get(path)
    (violation,) = details(answer, 400, "param_invalid")["BadRequest"]["fieldViolations"]
    assert (violation["field"], violation["description"]) == (field, description)
    assert path.rpartition("=")[2] not in answer.text


def test_headers_too_large_are_told_with_their_reason(rest: httpx.Client) -> None:
    details(rest.get(VPCS, headers={"x-long": "a" * 40_000}), 431, "param_invalid")


def raw(edge: Edge, path: str, *headers: str, method: str = "GET", body: bytes = b"") -> bytes:
    """The answer to a path that no client would send."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers, "", ""]
    with hostile.connected(edge.envoy.rest_port) as connection:
        hostile.send(connection, "\r\n".join(lines).encode() + body)
        return hostile.until_closed(connection)


@pytest.mark.parametrize(
    "path", ["/api/v1%2fvpc/describe", "/api/v1%2Fvpc/describe", "/api/v1/vpc/describe%00", "/%00"]
)
def test_a_path_that_cannot_be_read_gets_the_envelope(edge: Edge, server: Anything, path: str) -> None:
    before = len(server.calls)
    head, _, body = raw(edge, path).partition(b"\r\n\r\n")
    answer = httpx.Response(int(head.split()[1]), content=body, headers={"content-type": "application/json"})
    answer.request = httpx.Request("GET", "http://localhost/odd")
    assert b"content-type: application/json" in head
    found = (
        details(answer, 400, "param_invalid") if answer.status_code == 400 else details(answer, 404, "path_not_found")
    )
    assert ("BadRequest" in found) == (answer.status_code == 400)
    assert len(server.calls) == before


def test_a_head_of_a_path_that_cannot_be_read_has_no_body(edge: Edge) -> None:
    head, _, body = raw(edge, "/api/v1%2fvpc/describe", method="HEAD").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert body == b""


@pytest.mark.parametrize(
    "kind",
    [
        "application/grpc",
        "application/grpc+json",
        "application/grpc+proto",
        "application/grpc-web",
        "application/grpcx",
    ],
)
def test_a_rest_path_that_is_called_as_grpc_is_refused_as_rest(rest: httpx.Client, server: Anything, kind: str) -> None:
    before = len(server.calls)
    for method, path in (("POST", SHRINK), ("GET", VPCS)):
        answer = rest.request(method, path, content=b'{"ip": 1}', headers={"content-type": kind})
        details(answer, 415, "media_type_unsupported")
    details(rest.post("/api/v1/nope%25x", content=b"{}", headers={"content-type": kind}), 404, "path_not_found")
    details(rest.get(SHRINK, headers={"content-type": kind}), 405, "method_not_allowed")
    assert rest.head(VPCS, headers={"content-type": kind}).status_code == 405
    assert len(server.calls) == before


def test_too_large_a_message_is_told_over_grpc(edge: Edge) -> None:
    with grpc.insecure_channel(edge.address) as channel, pytest.raises(grpc.RpcError) as caught:
        pb.NetworkServiceStub(channel).ListVpcs(pb.ListVpcsRequest(vpc_name="a" * 1_100_000), timeout=60)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_server_that_is_down_and_a_limit_are_told_with_their_reasons(tmp_path: Path) -> None:
    from bridgx_server.edge_config import EdgeLimits

    limits = EdgeLimits(burst=5, requests_per_second=1)
    with Edge(tmp_path, Anything(), limits=limits).running() as edge:
        edge.server.stop(None).wait()
        with httpx.Client(base_url=edge.url, timeout=60) as client:
            answers = [client.get(VPCS) for _ in range(30)]
    by_code = {answer.status_code: answer for answer in answers}
    assert set(by_code) == {503, 429}
    assert "RequestInfo" in details(by_code[503], 503, "server_unavailable")
    assert details(by_code[429], 429, "throttled")["RetryInfo"]["retryDelay"] == "1s"


# What a server that is going down refuses is asked again, where that can do no harm.

KEYED = {"request_id": "once"}


@pytest.mark.parametrize(
    ("method", "path", "what", "attempts"),
    [
        ("GET", VPCS, {}, 3),
        ("POST", SHRINK, {"json": KEYED}, 3),
        ("POST", SHRINK, {"json": {}, "headers": {"Idempotency-Key": "once"}}, 3),
        ("GET", "/api/v1/subnet/create", {"headers": {"Idempotency-Key": "once"}}, 3),
        ("POST", SHRINK, {"json": {}}, 1),
        ("POST", SHRINK, {"json": {"request_id": ""}}, 1),
        ("POST", SHRINK, {"json": {}, "headers": {"Idempotency-Key": ""}}, 1),
        ("GET", "/api/v1/subnet/create", {"params": {"vpc_id": "v"}}, 1),
        ("POST", TOKEN, {"json": {}, "headers": {"Idempotency-Key": "once"}}, 1),
        ("POST", "/api/v1/cluster/update", {"json": {}, "headers": {"Idempotency-Key": "once"}}, 1),
        (
            "POST",
            SHRINK,
            {"json": {}, "headers": {"x-envoy-retry-on": "5xx,retriable-headers", "x-envoy-max-retries": "5"}},
            1,
        ),
        ("POST", SHRINK, {"json": {}, "headers": {"x-envoy-retry-grpc-on": "unavailable"}}, 1),
    ],
)
def test_what_reads_or_has_a_key_is_sent_again_and_nothing_else(
    rest: httpx.Client, server: Anything, method: str, path: str, what: dict[str, Any], attempts: int
) -> None:
    server.refusals, before = 2, len(server.calls)
    answer = rest.request(method, path, **what)
    assert len(server.calls) - before == attempts
    if attempts == 1:
        details(answer, 503, "server_unavailable")
    else:
        assert answer.status_code == 200
        assert len({message for _, message in server.calls[before:]}) == 1
    server.refusals = 0


@pytest.mark.parametrize(
    ("call", "metadata", "attempts"),
    [
        ("NetworkService/ListVpcs", [], 3),
        ("TaskService/ExpandCluster", [("idempotency-key", "once")], 3),
        ("TaskService/ExpandCluster", [], 1),
        ("TokenService/CreateToken", [("idempotency-key", "once")], 1),
        ("TaskService/ExpandCluster", [("x-envoy-retry-grpc-on", "unavailable")], 1),
        ("TaskService/ExpandCluster", [("x-envoy-retry-on", "retriable-headers")], 1),
    ],
)
def test_so_it_is_over_grpc(
    edge: Edge, server: Anything, call: str, metadata: list[tuple[str, str]], attempts: int
) -> None:
    server.refusals, before = 2, len(server.calls)
    with grpc.insecure_channel(edge.address) as channel:
        method = channel.unary_unary(f"/bridgx.v1.{call}")
        if attempts == 1:
            with pytest.raises(grpc.RpcError) as refused:
                method(b"", metadata=metadata, timeout=60)
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        else:
            method(b"", metadata=metadata, timeout=60)
    assert len(server.calls) - before == attempts
    server.refusals = 0


# The process.


def environment_of(pid: int) -> dict[str, str]:
    entries = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return dict(os.fsdecode(entry).split("=", 1) for entry in entries if entry)  # type: ignore[misc]


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
def test_envoy_sees_nothing_of_our_environment_and_its_files_are_its_owners_alone(tmp_path: Path) -> None:
    directory = tmp_path / "edge"
    secrets = {
        "BRIDGX_TOKEN": "s3cr3t",
        "BRIDGX_KEY": "s3cr3t",
        "BRIDGX_STORE_URL": "postgresql://a:s3cr3t@b/c",
        "AWS_SECRET_ACCESS_KEY": "s3cr3t",
        "PGPASSWORD": "s3cr3t",
    }
    ports = {"BRIDGX_EDGE_PORT": str(free_port()), "BRIDGX_EDGE_ADMIN_PORT": str(free_port())}
    command = [sys.executable, "-m", "bridgx_server", "edge", "--directory", str(directory)]
    with subprocess.Popen(command, env={**os.environ, **secrets, **ports}, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            until(lambda: b"ready" in process.stdout.readline())  # type: ignore[union-attr]
            seen = environment_of(int((directory / "envoy.pid").read_text()))
            assert set(seen) <= {"PATH", "TMPDIR", "TZ", "LANG", "LC_ALL", "LD_LIBRARY_PATH"}
            assert seen["PATH"] == os.environ["PATH"]
            files = list(directory.iterdir())
            assert {"envoy.yaml", "envoy.log"} <= {file.name for file in files}
            assert [file for file in files if file.stat().st_mode & 0o077] == []
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
