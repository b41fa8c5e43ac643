"""Nobody stops the server from outside: calls without a message and streams without a token hold nothing that others need."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import bridgx.v1 as pb
import grpc
import pytest
from bridgx import failure_of
from bridgx_server.cli import main
from click.testing import CliRunner
from contract import hostile
from contract.real_server import TOKENS, Served, served
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

MANY = 300
PATIENCE = 2.0  # seconds that the server waits for a message
SAY_NOTHING = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("strangers"), threads=2, watches=2, message_time=PATIENCE) as server:
        yield server


@pytest.fixture
def channel(server: Served) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.address) as channel:
        yield channel


@pytest.fixture
def healthy(server: Served) -> Iterator[hostile.Healthy]:
    """Someone who calls all the while, and an orchestrator who asks whether the server is well."""
    with grpc.insecure_channel(server.address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        clusters = pb.ClusterServiceStub(channel)

        def ask() -> None:
            metadata = [("authorization", f"Bearer {TOKENS['alice']}")]
            (row,) = clusters.ListClusters(pb.ListClustersRequest(), metadata=metadata, timeout=60).cluster_list
            assert row.cluster_name == "web"
            health = CliRunner().invoke(main, ["health", "--address", server.address, "--timeout", "60"])
            assert health.exit_code == 0, health.output

        with hostile.healthy(ask) as client:
            yield client


CALLS = {
    "an rpc without a token": (hostile.CALL, ()),
    "an rpc with a wrong token": (hostile.CALL, (("authorization", "Bearer nobodys"),)),
    "an rpc with a good token": (hostile.CALL, (("authorization", f"Bearer {TOKENS['bob']}"),)),
    "a watch with a good token": (
        "/bridgx.v1.TaskService/WatchTask",
        (("authorization", f"Bearer {TOKENS['bob']}"),),
    ),
    "a health check": ("/grpc.health.v1.Health/Check", ()),
    "a watch of health": ("/grpc.health.v1.Health/Watch", ()),
    "reflection": (SAY_NOTHING, ()),
    "no rpc": ("/bridgx.v1.NoService/Nothing", ()),
}


@pytest.mark.parametrize(("path", "headers"), CALLS.values(), ids=CALLS)
def test_calls_whose_message_does_not_come_are_ended_and_others_served(
    server: Served, healthy: hostile.Healthy, path: str, headers: tuple[tuple[str, str], ...]
) -> None:
    with hostile.connected(server.port) as connection:
        assert hostile.send(connection, hostile.opened() + hostile.headers_alone(path, MANY, *headers))
        healthy.gets_answers()
        hostile.frames_until(connection, lambda frames: len(hostile.ended(frames)) == MANY)
    healthy.gets_answers()


def test_a_message_that_comes_in_part_is_waited_for_no_longer(server: Served, healthy: hostile.Healthy) -> None:
    calls = hostile.headers_alone(hostile.CALL, MANY, ("authorization", f"Bearer {TOKENS['bob']}"))
    half = b"".join(
        hostile.frame(hostile.DATA, 0, 2 * number + 1, b"\x00\x00\x00\x00\x08half") for number in range(MANY)
    )
    with hostile.connected(server.port) as connection:
        assert hostile.send(connection, hostile.opened() + calls + half)
        healthy.gets_answers()
        hostile.frames_until(connection, lambda frames: len(hostile.ended(frames)) == MANY)


def test_who_keeps_the_server_waiting_makes_room_for_who_does_not(tmp_path: Path) -> None:
    with served(tmp_path, threads=2, backlog=5, message_time=600.0) as server, contextlib.ExitStack() as stack:
        channel = stack.enter_context(grpc.insecure_channel(server.address))
        connection = stack.enter_context(hostile.connected(server.port))
        calls = hostile.headers_alone(hostile.CALL, MANY, ("authorization", f"Bearer {TOKENS['bob']}"))
        assert hostile.send(connection, hostile.opened() + calls)
        hostile.frames_until(connection, lambda frames: len(hostile.ended(frames)) == MANY - 5)
        for _ in range(10):
            metadata = [("authorization", f"Bearer {TOKENS['alice']}")]
            assert pb.ClusterServiceStub(channel).ListClusters(pb.ListClustersRequest(), metadata=metadata, timeout=60)


def test_a_call_that_ends_without_a_message_is_told_so(channel: grpc.Channel) -> None:
    call = channel.stream_unary(hostile.CALL)
    with pytest.raises(grpc.RpcError) as caught:
        call(iter([]), metadata=[("authorization", f"Bearer {TOKENS['alice']}")], timeout=60)
    assert failure_of(caught.value).reason == "param_invalid"


def test_a_call_whose_message_does_not_come_is_told_so(channel: grpc.Channel) -> None:
    def nothing() -> Iterator[bytes]:
        threading.Event().wait(60)
        yield b""

    call = channel.stream_unary(hostile.CALL)
    with pytest.raises(grpc.RpcError) as caught:
        call(nothing(), metadata=[("authorization", f"Bearer {TOKENS['alice']}")], timeout=60)
    failure = failure_of(caught.value)
    assert (failure.reason, caught.value.code()) == ("deadline_exceeded", grpc.StatusCode.DEADLINE_EXCEEDED)
    assert "did not come within 2 s" in str(caught.value.details())


def test_watches_of_health_are_few(channel: grpc.Channel, healthy: hostile.Healthy) -> None:
    stub = health_pb2_grpc.HealthStub(channel)
    watches = [stub.Watch(health_pb2.HealthCheckRequest()) for _ in range(MANY)]
    served_ones, refusals = [], []
    for watch in watches:
        try:
            served_ones.append(next(watch).status)
        except grpc.RpcError as error:
            refusals.append(failure_of(error).reason)
    assert served_ones == [health_pb2.HealthCheckResponse.SERVING] * 8
    assert refusals == ["throttled"] * (MANY - 8)
    healthy.gets_answers()
    for watch in watches:
        watch.cancel()


def test_health_is_told_by_name(channel: grpc.Channel) -> None:
    stub = health_pb2_grpc.HealthStub(channel)
    known, unknown = (
        health_pb2.HealthCheckRequest(service=f"bridgx.v1.{name}") for name in ("TaskService", "NoService")
    )
    assert stub.Check(known, timeout=60).status == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(grpc.RpcError) as caught:
        stub.Check(unknown, timeout=60)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    watch = stub.Watch(unknown, timeout=60)
    assert next(watch).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
    watch.cancel()


def test_streams_of_reflection_are_few_and_end(channel: grpc.Channel, healthy: hostile.Healthy) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)

    def one_and_no_more() -> Iterator[reflection_pb2.ServerReflectionRequest]:
        yield reflection_pb2.ServerReflectionRequest(list_services="")
        ended.wait(60)

    ended = threading.Event()
    streams = [stub.ServerReflectionInfo(one_and_no_more()) for _ in range(40)]
    healthy.gets_answers()
    answers, refusals = 0, []
    for stream in streams:
        try:
            for _ in stream:
                answers += 1
        except grpc.RpcError as error:
            refusals.append(failure_of(error).reason)
    ended.set()
    assert answers == 8
    assert sorted(refusals) == ["deadline_exceeded"] * 8 + ["throttled"] * 32
    healthy.gets_answers()


def test_reflection_tells_what_the_server_has(channel: grpc.Channel) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    asked = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="bridgx.v1.TaskService"),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="nothing.Of.That.Name"),
    ]
    services, file, unknown = stub.ServerReflectionInfo(iter(asked), timeout=60)
    assert "bridgx.v1.TaskService" in {row.name for row in services.list_services_response.service}
    assert file.file_descriptor_response.file_descriptor_proto
    assert unknown.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
