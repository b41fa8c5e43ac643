"""What a client may cost the gRPC server when it comes past the edge, or through it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import bridgx.v1 as pb
import grpc
import grpc.aio
import pytest
from bridgx import failure_of
from bridgx_server.front.loop import loop_thread
from bridgx_server.front.methods import Methods
from bridgx_server.front.receiving import STREAM_THREADS, Front, FrontLimits
from bridgx_server.interceptors.deadlines import Deadlines
from bridgx_server.interceptors.errors import Errors
from bridgx_server.interceptors.stack import Stack
from bridgx_server.interceptors.telemetry import Telemetry
from bridgx_server.pausing import Pause
from contract import hostile
from contract.conftest import until
from contract.hostile import PING, SETTINGS, frame
from contract.real_server import TOKENS, Served, served

ALICE, BOB = ([("authorization", f"Bearer {TOKENS[name]}")] for name in ("alice", "bob"))
FRAMES = hostile.malformed()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    bounds = {"threads": 4, "watches": 3, "watches_per_caller": 2, "connections": 100}
    with served(tmp_path_factory.mktemp("server"), **bounds) as server:
        yield server


@pytest.fixture(scope="module")
def channel(server: Served) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.address) as channel:
        yield channel


@pytest.fixture
def healthy(channel: grpc.Channel) -> Iterator[hostile.Healthy]:
    clusters = pb.ClusterServiceStub(channel)

    def ask() -> None:
        (row,) = clusters.ListClusters(pb.ListClustersRequest(), metadata=ALICE, timeout=60).cluster_list
        assert row.cluster_name == "web"

    with hostile.healthy(ask) as client:
        yield client


@pytest.mark.parametrize("frames", FRAMES.values(), ids=FRAMES)
def test_malformed_http2_harms_nobody_else(server: Served, healthy: hostile.Healthy, frames: bytes) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            connection = stack.enter_context(hostile.connected(server.port))
            connection.settimeout(5)
            hostile.send(connection, hostile.opened() + frames)
        healthy.gets_answers()


def test_a_client_that_pings_too_often_is_sent_away(server: Served, healthy: hostile.Healthy) -> None:
    def told(frames: list[hostile.Frame]) -> bool:
        said = [int.from_bytes(row.payload[4:8], "big") for row in frames if row.kind == hostile.GOAWAY]
        return hostile.ENHANCE_YOUR_CALM in said

    with hostile.connected(server.port) as connection:
        hostile.send(connection, hostile.opened() + frame(SETTINGS, hostile.ACK) + frame(PING, 0, 0, b"12345678") * 10)
        hostile.frames_until(connection, told)
    healthy.gets_answers()


def test_a_client_that_connects_and_says_nothing_is_let_go(server: Served, healthy: hostile.Healthy) -> None:
    with hostile.connected(server.port) as connection:
        hostile.until_closed(connection)
    healthy.gets_answers()


def test_connections_beyond_the_limit_are_closed_and_the_others_served(
    server: Served, healthy: hostile.Healthy
) -> None:
    with contextlib.ExitStack() as stack:
        flood = [stack.enter_context(hostile.connected(server.port)) for _ in range(200)]
        healthy.gets_answers()
        closed = 0
        for connection in flood:
            connection.settimeout(0.05)
            with contextlib.suppress(TimeoutError):
                while piece := connection.recv(1024):
                    assert piece
                closed += 1
        assert closed >= 100

    def served_again() -> bool:
        with grpc.insecure_channel(server.address) as fresh, contextlib.suppress(grpc.RpcError):
            pb.ClusterServiceStub(fresh).ListClusters(pb.ListClustersRequest(), metadata=BOB, timeout=30)
            return True
        return False

    until(served_again)


def test_a_message_or_headers_too_large_are_refused(channel: grpc.Channel, healthy: hostile.Healthy) -> None:
    clusters = pb.ClusterServiceStub(channel)
    with pytest.raises(grpc.RpcError) as caught:
        clusters.CreateCluster(pb.CreateClusterRequest(name="a" * 1_100_000), metadata=ALICE, timeout=60)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    with pytest.raises(grpc.RpcError) as caught:
        clusters.ListClusters(pb.ListClustersRequest(), metadata=[*ALICE, ("x-long", "a" * 40_000)], timeout=60)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    healthy.gets_answers()


def test_a_flood_on_one_connection_does_not_stop_the_others(tmp_path: Path) -> None:
    with served(tmp_path, threads=4, connection_streams=16) as server, contextlib.ExitStack() as stack:
        flooded, calm = (
            stack.enter_context(grpc.insecure_channel(server.address, [("grpc.use_local_subchannel_pool", 1)]))
            for _ in range(2)
        )

        def ask() -> None:
            pb.ClusterServiceStub(calm).ListClusters(pb.ListClustersRequest(), metadata=ALICE, timeout=60)

        with hostile.healthy(ask) as healthy:
            calls = _flood(flooded, 800)
            healthy.gets_answers(5)
            # What was sent before the server's limit was known is refused, unprocessed.
            codes = {call.code() for call in calls}
            assert {grpc.StatusCode.OK} <= codes <= {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}


def test_calls_beyond_the_backlog_are_refused_at_once(tmp_path: Path) -> None:
    with served(tmp_path, threads=2, watches=1, backlog=5) as server, grpc.insecure_channel(server.address) as channel:
        codes = {call.code() for call in _flood(channel, 400)}
    assert codes == {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}


def _flood(channel: grpc.Channel, calls: int) -> list[Any]:
    list_clusters = pb.ClusterServiceStub(channel).ListClusters
    return [list_clusters.future(pb.ListClustersRequest(), metadata=BOB, timeout=120) for _ in range(calls)]


# Watches.


class Watch:
    """A watch under way; its first state has come, or it was refused."""

    def __init__(self, channel: grpc.Channel, task_id: str, metadata: Any) -> None:
        request = pb.WatchTaskRequest(task_id=task_id)
        self.call = pb.TaskServiceStub(channel).WatchTask(request, metadata=metadata)
        self.refusal = ""
        try:
            next(self.call)
        except grpc.RpcError as error:
            self.refusal = failure_of(error).reason


def test_watches_are_bounded_by_caller_and_in_all(server: Served, channel: grpc.Channel) -> None:
    alice = [Watch(channel, server.task_id, ALICE) for _ in range(3)]
    assert [watch.refusal for watch in alice] == ["", "", "throttled"]
    bob = [Watch(channel, server.task_id, BOB) for _ in range(2)]
    assert [watch.refusal for watch in bob] == ["", "throttled"]
    alice[0].call.cancel()

    def has_place() -> bool:
        watch = Watch(channel, server.task_id, BOB)
        watch.call.cancel()
        return watch.refusal == ""

    until(has_place)
    for watch in (*alice, *bob):
        watch.call.cancel()


def test_a_watch_ends_after_its_time_and_says_so(tmp_path: Path) -> None:
    with served(tmp_path, watch_time=0.5) as server, grpc.insecure_channel(server.address) as channel:
        request = pb.WatchTaskRequest(task_id=server.task_id)
        watch = pb.TaskServiceStub(channel).WatchTask(request, metadata=ALICE, timeout=120)
        assert "a watch lasts 0.5 s at most" in next(state.end.message for state in watch if state.HasField("end"))
        with pytest.raises(grpc.RpcError) as caught:
            next(watch)
        assert failure_of(caught.value).reason == "deadline_exceeded"


# Deadlines.


class Slow(pb.ClusterServiceServicer):
    """Answers when it is let."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.go_on = threading.Event()

    def ListClusters(self, request: pb.ListClustersRequest, context: grpc.ServicerContext) -> pb.ListClustersResponse:
        self.begun.append(request.account)
        self.go_on.wait(60)
        return pb.ListClustersResponse()


@contextlib.contextmanager
def slow_server(call_time: float, threads: int = 1) -> Iterator[tuple[Slow, pb.ClusterServiceStub]]:
    """So many threads, in which :class:`Slow` answers."""
    slow, methods = Slow(), Methods()
    pb.add_ClusterServiceServicer_to_server(slow, cast(Any, methods))
    limits = FrontLimits(message_time=60, call_time=call_time, stream_time=60, threads=threads, backlog=100)
    try:
        with fronted(methods, limits) as channel:
            yield slow, pb.ClusterServiceStub(channel)
    finally:
        slow.go_on.set()


@contextlib.contextmanager
def fronted(methods: Methods, limits: FrontLimits) -> Iterator[grpc.Channel]:
    """The front alone, around these servicers."""

    async def begun() -> tuple[grpc.aio.Server, Front, int]:
        telemetry = Telemetry()
        front = Front(methods.within(Stack([telemetry, Errors(), Deadlines()])), limits, telemetry.tell)
        server = grpc.aio.server(handlers=[front])
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        return server, front, port

    server, front, port = loop_thread().run(begun())
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel
    finally:
        loop_thread().run(front.close(server))


def test_a_call_without_a_deadline_is_ended_by_the_servers() -> None:
    with slow_server(0.5) as (slow, clusters):
        with pytest.raises(grpc.RpcError) as caught:
            clusters.ListClusters(pb.ListClustersRequest(), metadata=ALICE)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert failure_of(caught.value).reason == "deadline_exceeded"
        # It keeps its thread until it has ended, and another waits for that, or for its own end.
        with pytest.raises(grpc.RpcError):
            clusters.ListClusters(pb.ListClustersRequest(account="other"), metadata=ALICE)
        assert slow.begun == [""]


def test_a_call_whose_deadline_passed_while_it_waited_is_not_begun() -> None:
    with slow_server(60) as (slow, clusters):
        first = clusters.ListClusters.future(pb.ListClustersRequest(account="first"), metadata=ALICE)
        until(lambda: slow.begun == ["first"])
        with pytest.raises(grpc.RpcError) as caught:
            clusters.ListClusters(pb.ListClustersRequest(account="late"), timeout=0.2, metadata=ALICE)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        slow.go_on.set()
        first.result(60)
        clusters.ListClusters(pb.ListClustersRequest(account="last"), timeout=60, metadata=ALICE)
        assert slow.begun == ["first", "last"]


def test_a_call_that_is_taken_back_while_it_waits_is_not_begun() -> None:
    with slow_server(60) as (slow, clusters):
        first = clusters.ListClusters.future(pb.ListClustersRequest(account="first"), metadata=ALICE)
        until(lambda: slow.begun == ["first"])
        for _ in range(20):
            clusters.ListClusters.future(pb.ListClustersRequest(account="taken back"), metadata=ALICE).cancel()
        last = clusters.ListClusters.future(pb.ListClustersRequest(account="last"), metadata=ALICE)
        for _ in range(5):  # what was sent later has been answered, so the server knows that they were taken back
            with pytest.raises(grpc.RpcError):
                clusters.ListClusters(pb.ListClustersRequest(), timeout=60)
        slow.go_on.set()
        first.result(60)
        last.result(60)
        assert slow.begun == ["first", "last"]


def test_a_call_that_is_done_is_not_refused_for_want_of_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    with slow_server(60, threads=2) as (slow, clusters):
        start = threading.Thread.start

        def no_second(thread: threading.Thread) -> None:
            if not thread.name.startswith("bridgx-call_1"):
                return start(thread)
            # The job stands in line already, and the first thread takes it before anybody knows that there is no second.
            slow.go_on.set()
            until(lambda: "second" in slow.begun)
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(threading.Thread, "start", no_second)
        first = clusters.ListClusters.future(pb.ListClustersRequest(account="first"), metadata=ALICE)
        until(lambda: slow.begun == ["first"])
        clusters.ListClusters(pb.ListClustersRequest(account="second"), timeout=60, metadata=ALICE)
        first.result(60)
        assert slow.begun == ["first", "second"]


# Streams under way, while others would like to begin.


class Streams(pb.TaskServiceServicer):
    """Streams of two kinds: one goes on in small steps until it is let end; a step of the other lasts until it is let."""

    def __init__(self) -> None:
        self.held: list[str] = []  # what holds a thread
        self.closed = threading.Event()
        self.go_on = threading.Event()

    def WatchTask(  # type: ignore[override]  # the front knows pauses
        self, request: pb.WatchTaskRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.WatchTaskResponse | Pause]:
        if request.task_id == "held":
            self.held.append(request.task_id)
            self.go_on.wait(60)
            return
        try:
            yield pb.WatchTaskResponse(task_id=request.task_id)
            while not self.go_on.is_set() or request.task_id == "endless":
                yield Pause(0.01)
            yield pb.WatchTaskResponse(task_id="last")
        finally:
            if request.task_id == "endless":
                self.closed.set()


def test_a_stream_under_way_goes_on_and_ends_however_many_would_begin() -> None:
    streams, methods = Streams(), Methods()
    pb.add_TaskServiceServicer_to_server(streams, cast(Any, methods))
    limits = FrontLimits(message_time=60, call_time=60, stream_time=60, threads=1, backlog=1)
    with fronted(methods, limits) as channel:
        tasks = pb.TaskServiceStub(channel)

        def watch(what: str) -> Any:
            return tasks.WatchTask(pb.WatchTaskRequest(task_id=what), metadata=ALICE, timeout=60)

        # One after the other: of calls whose message has not come there may be no more than the backlog either.
        honest = watch("honest")
        assert next(honest).task_id == "honest"
        endless = watch("endless")
        assert next(endless).task_id == "endless"
        held = []
        for count in range(1, STREAM_THREADS + 1):
            held.append(watch("held"))
            until(lambda count=count: len(streams.held) == count)
        # No thread is left, so the two that go on wait for one, who are more than the backlog. It is for those that would
        # begin: so many wait, and the others are refused.
        held += [watch("held") for _ in range(30)]
        until(lambda: sum(not call.is_active() for call in held) >= 30 - limits.backlog)
        assert {call.code() for call in held if not call.is_active()} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
        endless.cancel()
        for _ in range(5):  # what was sent later has been answered, so the server knows of it
            with pytest.raises(grpc.RpcError) as caught:
                next(watch("held"))
            assert failure_of(caught.value).reason == "throttled"
        streams.go_on.set()
        assert next(honest).task_id == "last"
        assert next(honest, None) is None
        assert streams.closed.wait(60)
