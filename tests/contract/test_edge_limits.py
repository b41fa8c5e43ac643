"""What a client may cost the edge. Abuse of every kind is tried, and another client gets its answers all the while."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bridgx.v1 as pb
import grpc
import httpx
import pytest
import yaml
from bridgx_server.edge_config import EdgeLimits, envoy_directory
from contract import hostile
from contract.conftest import until
from contract.fake_backend import Edge
from contract.hostile import END_HEADERS, HEADERS, RST_STREAM, frame
from contract.test_envoy_edge import envelope

MEBIBYTE = 1024 * 1024


@contextlib.contextmanager
def edge_with(directory: Path, **limits: Any) -> Iterator[Edge]:
    with Edge(directory, limits=EdgeLimits(**limits)).running() as edge:
        yield edge


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    limits = {"header_timeout": 1.0, "request_timeout": 2.0, "connections": 300}
    with edge_with(tmp_path_factory.mktemp("limits"), **limits) as edge:
        yield edge
        assert edge.envoy.pid, "Envoy has ended"
    log = edge.envoy.log_file.read_text(errors="replace").splitlines()
    assert [line for line in log if "script log" in line or "[critical]" in line] == []


@pytest.fixture(scope="module")
def well_meaning(edge: Edge) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=edge.url, timeout=60) as client:
        yield client


@pytest.fixture
def healthy(well_meaning: httpx.Client) -> Iterator[hostile.Healthy]:
    def ask() -> None:
        assert envelope(well_meaning.get("/api/v1/vpc/describe"))["code"] == 200

    with hostile.healthy(ask) as client:
        yield client


def request(method: str, path: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def test_the_defaults_are_those_of_the_file() -> None:
    file = yaml.safe_load((envoy_directory() / "envoy.yaml").read_text())
    monitors = {
        row["name"].rpartition(".")[2]: row["typed_config"] for row in file["overload_manager"]["resource_monitors"]
    }
    manager = file["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    (rates,) = (row["typed_config"] for row in manager["http_filters"] if "ratelimit" in row["name"])
    client = rates["descriptors"][0]["token_bucket"]
    assert EdgeLimits() == EdgeLimits(
        requests_per_second=client["tokens_per_fill"],
        burst=client["max_tokens"],
        total_requests_per_second=rates["token_bucket"]["tokens_per_fill"],
        connections=monitors["global_downstream_max_connections"]["max_active_downstream_connections"],
        heap_mib=monitors["fixed_heap"]["max_heap_size_bytes"] // MEBIBYTE,
        header_timeout=float(manager["request_headers_timeout"].removesuffix("s")),
        request_timeout=float(manager["request_timeout"].removesuffix("s")),
    )


def test_the_admin_interface_is_on_loopback_whatever_the_listener_is(tmp_path: Path) -> None:
    edge = Edge(tmp_path, host="0.0.0.0")
    config = yaml.safe_load((tmp_path / "envoy.yaml").read_text())
    assert config["admin"]["address"]["socket_address"]["address"] == "127.0.0.1"
    assert config["static_resources"]["listeners"][0]["address"]["socket_address"]["address"] == "0.0.0.0"
    edge.server.stop(None)


# Requests.


def test_a_client_that_asks_too_often_is_429_and_others_are_served(tmp_path: Path) -> None:
    with edge_with(tmp_path, burst=20, requests_per_second=1) as edge:
        greedy = httpx.Client(base_url=edge.url, timeout=60)
        modest = httpx.Client(base_url=edge.url, timeout=60, transport=httpx.HTTPTransport(local_address="127.0.0.2"))
        with greedy, modest:
            # A client cannot make itself another by what it says of itself.
            answers = [
                greedy.get("/api/v1/vpc/describe", headers={"x-forwarded-for": f"10.0.0.{number}"})
                for number in range(100)
            ]
            refused = [answer for answer in answers if answer.status_code != 200]
            assert len(refused) >= 50
            for answer in refused:
                body = envelope(answer)
                assert (body["code"], body["msg"]) == (429, "throttled")
                assert "too many requests" in body["error"]["message"]
                assert answer.headers["retry-after"] == "1"
            assert envelope(modest.get("/api/v1/vpc/describe"))["code"] == 200
        with grpc.insecure_channel(edge.address) as channel:
            list_vpcs = pb.NetworkServiceStub(channel).ListVpcs
            calls = [list_vpcs.future(pb.ListVpcsRequest()) for _ in range(100)]
            codes = {call.code() for call in calls}
        assert grpc.StatusCode.RESOURCE_EXHAUSTED in codes
        assert codes <= {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}


def test_clients_behind_a_trusted_proxy_are_told_apart(tmp_path: Path) -> None:
    with (
        edge_with(tmp_path, burst=20, requests_per_second=1, trusted_proxies=1) as edge,
        httpx.Client(base_url=edge.url, timeout=60) as proxy,
    ):

        def ask(client: str) -> int:
            return proxy.get("/api/v1/vpc/describe", headers={"x-forwarded-for": client}).status_code

        assert 429 in [ask("198.51.100.1") for _ in range(100)]
        assert ask("198.51.100.2") == 200


# Bodies.


@pytest.mark.parametrize("chunked", [False, True], ids=["with its length", "chunked"])
@pytest.mark.parametrize("piece", [997, 65_536, 1_100_000])
@pytest.mark.parametrize("burst", [False, True], ids=["as read", "in one burst"])
def test_a_body_over_a_mebibyte_is_413_whatever_its_pieces(
    edge: Edge, healthy: hostile.Healthy, chunked: bool, piece: int, burst: bool
) -> None:
    content = b'{"name": "' + b"a" * 1_100_000 + b'"}'
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(content)}"
    head = request("POST", "/api/v1/cluster/create", "Authorization: Bearer token", "Connection: close", length)
    pieces = [content[at : at + piece] for at in range(0, len(content), piece)]
    if chunked:
        pieces = [b"%x\r\n%s\r\n" % (len(part), part) for part in pieces] + [b"0\r\n\r\n"]
    assert edge.envoy.pid
    with hostile.connected(edge.envoy.rest_port) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * MEBIBYTE)
        connection.setblocking(False)
        if burst:  # what fits into the kernel is there at once when Envoy first looks
            os.kill(edge.envoy.pid, signal.SIGSTOP)
        waiting = head + b"".join(pieces)
        try:
            with contextlib.suppress(BlockingIOError):
                while waiting:
                    waiting = waiting[connection.send(waiting[: max(piece, len(head))]) :]
        finally:
            os.kill(edge.envoy.pid, signal.SIGCONT)
        connection.settimeout(30)
        hostile.send(connection, waiting)  # it may have been refused before its end
        answer = hostile.until_closed(connection)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"msg":"body_too_large"' in answer
    healthy.gets_answers()


def test_a_body_of_endless_length_is_cut_off(edge: Edge, healthy: hostile.Healthy) -> None:
    with hostile.connected(edge.envoy.rest_port) as connection:
        head = request("POST", "/api/v1/cluster/create", "Transfer-Encoding: chunked")
        assert hostile.send(connection, head)
        sent = 0
        while sent < 64 and hostile.send(connection, b"100000\r\n" + b"a" * MEBIBYTE + b"\r\n"):
            sent += 1
        assert hostile.until_closed(connection).startswith((b"HTTP/1.1 413 ", b""))
        assert sent < 64
    healthy.gets_answers()


# Slowness.


def test_slow_headers_are_cut_off(edge: Edge, healthy: hostile.Healthy) -> None:
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(hostile.connected(edge.envoy.rest_port)) for _ in range(100)]
        for connection in slow:
            assert hostile.send(connection, b"GET /api/v1/vpc/describe HTTP/1.1\r\nHost: a\r\nX-Slow: ")
        healthy.gets_answers()
        for connection in slow:
            answer = hostile.until_closed(connection)
            assert answer == b"" or answer.startswith(b"HTTP/1.1 408 ")


def test_slow_bodies_are_cut_off(edge: Edge, healthy: hostile.Healthy) -> None:
    head = request("POST", "/api/v1/cluster/create", "Content-Length: 1000", "Authorization: Bearer token")
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(hostile.connected(edge.envoy.rest_port)) for _ in range(100)]
        for connection in slow:
            assert hostile.send(connection, head + b'{"name"')
        healthy.gets_answers()
        for connection in slow:
            answer = hostile.until_closed(connection)
            assert answer.startswith(b"HTTP/1.1 408 ")
            assert b'"code":408,"msg":"deadline_exceeded","data":null' in answer


def test_readers_that_never_read_do_not_stop_the_others(edge: Edge, healthy: hostile.Healthy) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(10):  # 5 MiB each
            connection = stack.enter_context(hostile.connected(edge.envoy.rest_port))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            assert hostile.send(connection, request("GET", "/api/v1/region/list?provider=BaiduCloud"))
        healthy.gets_answers(20)


# Connections.


def test_a_flood_of_connections_leaves_the_others_and_the_admin_interface_alone(
    edge: Edge, healthy: hostile.Healthy
) -> None:
    with contextlib.ExitStack() as stack:
        flood = [stack.enter_context(hostile.connected(edge.envoy.rest_port)) for _ in range(600)]
        healthy.gets_answers()
        ready = f"http://127.0.0.1:{edge.envoy.admin_port}/ready"
        with urllib.request.urlopen(ready, timeout=30) as answer:
            assert answer.status == 200
        stats = f"http://127.0.0.1:{edge.envoy.admin_port}/stats?filter=cx_active$&format=text"
        with urllib.request.urlopen(stats, timeout=30) as answer:
            active = {line.split(":")[0]: int(line.split(":")[1]) for line in answer.read().decode().splitlines()}
        assert active["http.api.downstream_cx_active"] <= 300
        assert len(flood) == 600

    def served_again() -> bool:
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{edge.url}/api/v1/vpc/describe", timeout=60).status_code == 200
        return False

    until(served_again)


# What is not HTTP.

GARBAGE = {
    "noise": b"\x00\xff\x80" * 1000,
    "no version": b"GET /\r\n\r\n",
    "a space in a name": request("GET", "/api/v1/vpc/describe", "a b: c"),
    "a nul in a value": request("GET", "/api/v1/vpc/describe", "x: a\x00b"),
    "a bare line feed": b"GET /api/v1/vpc/describe HTTP/1.1\nHost: a\n\x01: 1\n\n",
    "two lengths": request("POST", "/api/v1/cluster/create", "Content-Length: 2", "Content-Length: 3", body=b"{} "),
    "a length and chunks": request(
        "POST", "/api/v1/cluster/create", "Content-Length: 2", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"
    ),
    "a negative length": request("POST", "/api/v1/cluster/create", "Content-Length: -1"),
    "a length beyond all numbers": request("POST", "/api/v1/cluster/create", f"Content-Length: {'9' * 40}"),
    "a chunk that is none": request("POST", "/api/v1/cluster/create", "Transfer-Encoding: chunked", body=b"xyz\r\n"),
    "an unknown encoding": request("POST", "/api/v1/cluster/create", "Transfer-Encoding: gzip, chunked"),
    "an endless line": b"GET /" + b"a" * 200_000,
    "too many headers": request("GET", "/api/v1/vpc/describe", *(f"x-{number}: 1" for number in range(500))),
    "a tunnel": b"CONNECT internal:22 HTTP/1.1\r\nHost: internal:22\r\n\r\n",
    "an escaped slash": request("GET", "/api/v1%2fvpc/describe", "Connection: close"),
    "no host": b"GET /api/v1/vpc/describe HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
def test_what_is_not_http_gets_no_success(edge: Edge, healthy: hostile.Healthy, garbage: bytes) -> None:
    before = len(edge.clusters.requests)
    with hostile.connected(edge.envoy.rest_port) as connection:
        hostile.send(connection, garbage)
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        answer = hostile.until_closed(connection)
    assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4", b"HTTP/1.1 501", b"HTTP/1.1 503"))
    assert len(edge.clusters.requests) == before
    healthy.gets_answers()


FRAMES = hostile.malformed()


@pytest.mark.parametrize("frames", FRAMES.values(), ids=FRAMES)
def test_malformed_http2_harms_nobody_else(edge: Edge, healthy: hostile.Healthy, frames: bytes) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            connection = stack.enter_context(hostile.connected(edge.envoy.rest_port))
            connection.settimeout(5)
            hostile.send(connection, hostile.opened() + frames)
        healthy.gets_answers()
    with grpc.insecure_channel(edge.address) as channel:
        assert pb.NetworkServiceStub(channel).ListVpcs(pb.ListVpcsRequest(), timeout=60).vpcs


@pytest.mark.parametrize(
    "name", ["headers that are no headers", "data of no stream", "settings without end", "empty data without end"]
)
def test_a_connection_of_malformed_http2_is_ended(edge: Edge, name: str) -> None:
    with hostile.connected(edge.envoy.rest_port) as connection:
        hostile.send(connection, hostile.opened() + FRAMES[name])
        hostile.until_closed(connection)


def test_calls_whose_message_does_not_come_reach_no_server_and_end(edge: Edge, healthy: hostile.Healthy) -> None:
    call = hostile.header_block("/bridgx.v1.ClusterService/CreateCluster")
    streams = b"".join(frame(HEADERS, END_HEADERS, 2 * number + 1, call) for number in range(100))
    before = len(edge.clusters.requests)

    def ended(frames: list[hostile.Frame]) -> bool:
        return sum(b"grpc-status" in row.payload or row.kind == RST_STREAM for row in frames) >= 100

    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(hostile.connected(edge.envoy.rest_port)) for _ in range(3)]
        for connection in connections:
            assert hostile.send(connection, hostile.opened() + streams)
        stats = f"http://127.0.0.1:{edge.envoy.admin_port}/stats?filter=cluster.bridgx.upstream_rq_active$&format=text"
        healthy.gets_answers(20)
        with urllib.request.urlopen(stats, timeout=30) as answer:
            assert int(answer.read().split(b":")[1]) <= 2  # the healthy client's
        for connection in connections:
            hostile.frames_until(connection, ended)
        healthy.gets_answers()
    assert len(edge.clusters.requests) == before


def test_a_client_whose_message_does_not_come_is_told_so(edge: Edge) -> None:
    told = threading.Event()

    def never() -> Iterator[bytes]:
        told.wait(60)
        yield b""

    with grpc.insecure_channel(edge.address) as channel:
        call = channel.stream_unary("/bridgx.v1.ClusterService/CreateCluster").future(never())
        try:
            assert call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            assert "did not come" in call.details()
        finally:
            told.set()


def test_streams_beyond_the_limit_are_refused(edge: Edge, healthy: hostile.Healthy) -> None:
    call = hostile.header_block("/bridgx.v1.ClusterService/CreateCluster")
    streams = b"".join(frame(HEADERS, END_HEADERS, 2 * number + 1, call) for number in range(200))

    def refused(frames: list[hostile.Frame]) -> bool:
        codes = [int.from_bytes(row.payload, "big") for row in frames if row.kind == RST_STREAM]
        return codes.count(hostile.REFUSED_STREAM) >= 100

    with hostile.connected(edge.envoy.rest_port) as connection:
        assert hostile.send(connection, hostile.opened() + streams)  # none of them ever ends
        hostile.frames_until(connection, refused)
        healthy.gets_answers(30)


DEEP = b'{"tags": ' * 5_000 + b"1" + b"}" * 5_000
JSON = {
    "nothing": b"",
    "half": b'{"name": "a',
    "deep": DEEP,
    "deep arrays": b"[" * 100_000,
    "two values": b'{"name": "a"} {"name": "b"}',
    "a comma too many": b'{"name": "a",}',
    "no utf-8": b'{"name": "\xff\xfe"}',
    "half a surrogate": b'{"name": "\\ud800"}',
    "not a number": b'{"max_machines": NaN}',
    "a number too great": b'{"max_machines": 1e999}',
    "a number in many digits": b'{"max_machines": ' + b"9" * 10_000 + b"}",
    "the same key often": b'{"name": "a",' + b'"name": "b",' * 10_000 + b'"name": "c"}',
    "other types": b'{"name": [], "tags": 7, "disks": "x"}',
    "many unknown keys": b"{" + b",".join(b'"k%d": {"a": [1, 2]}' % number for number in range(20_000)) + b"}",
}


@pytest.mark.parametrize("content", JSON.values(), ids=JSON)
def test_malformed_json_is_answered_in_the_envelope(
    well_meaning: httpx.Client, healthy: hostile.Healthy, content: bytes
) -> None:
    with httpx.Client(base_url=well_meaning.base_url, timeout=60) as client:
        body = envelope(client.post("/api/v1/cluster/create", content=content, headers={"authorization": "Bearer t"}))
    assert body["code"] < 500
    healthy.gets_answers()


def test_near_the_end_of_its_memory_the_edge_gives_up_streams_and_recovers(tmp_path: Path) -> None:
    with edge_with(tmp_path, heap_mib=32) as edge:

        def overloaded() -> int:
            stats = f"http://127.0.0.1:{edge.envoy.admin_port}/stats?filter=stop_accepting_requests.active"
            with urllib.request.urlopen(stats, timeout=30) as answer:
                return int(answer.read().split(b":")[1])

        def served() -> bool:
            with contextlib.suppress(httpx.TransportError):
                return envelope(httpx.get(f"{edge.url}/api/v1/vpc/describe", timeout=5))["code"] == 200
            return False

        assert served()
        with contextlib.ExitStack() as stack:
            for _ in range(20):  # 5 MiB each, which nobody reads
                connection = stack.enter_context(hostile.connected(edge.envoy.rest_port))
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                hostile.send(connection, request("GET", "/api/v1/region/list?provider=BaiduCloud"))
            until(lambda: overloaded() == 1)
        until(served)
        assert edge.envoy.pid
