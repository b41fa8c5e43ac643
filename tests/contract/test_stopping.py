"""What callers see of a server that is told to end, and of the next one on its port. No call is CANCELLED, no REST call 499."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import bridgx.v1 as pb
import grpc
import httpx
import pytest
from bridgx import failure_of
from bridgx_server.demo.ports import free_port
from bridgx_server.edge import EnvoyProcess
from bridgx_server.store.database import Store
from bridgx_server.store.migrations import migrate
from contract import hostile
from contract.conftest import until
from engine.conftest import QUICK, World
from engine.fake_cloud import FakeCloud
from grpc_health.v1 import health_pb2, health_pb2_grpc

BEARER = {"authorization": "Bearer ops-token"}
CALLERS = 8
RESTARTS = 3


class Serving:
    """`bridgx serve` on a port and a database that stay."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.store = Store(f"sqlite:///{directory}/bridgx.db")
        migrate(self.store)
        world = World(self.store, FakeCloud(), QUICK)
        world.add_cluster("web")
        self.task_id = str(world.expand(1))
        self._directory = directory
        self._environment = {
            **os.environ,
            "BRIDGX_DATABASE_URL": f"sqlite:///{directory}/bridgx.db",
            "BRIDGX_SECRET_KEY": "33" * 32,
            "BRIDGX_TOKENS": "ops:ops-token",
            "BRIDGX_GRPC_PORT": str(self.port),
        }
        self.process: subprocess.Popen[bytes]
        self.logs: list[Path] = []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self, *flags: str) -> None:
        self.logs.append(self._directory / f"{len(self.logs)}.log")
        with self.logs[-1].open("wb") as log:
            command = [sys.executable, "-m", "bridgx_server", "serve", "--no-worker", *flags]
            self.process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)
        until(lambda: '"event": "serving"' in self.logs[-1].read_text())

    def stop(self) -> None:
        self.process.terminate()
        assert self.process.wait(60) == 0, self.logs[-1].read_text()[-2000:]


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    one = Serving(tmp_path)
    one.start()
    try:
        yield one
    finally:
        one.process.kill()
        one.process.wait()
        one.store.close()


@contextlib.contextmanager
def calling(call: Callable[[], str]) -> Iterator[Counter[str]]:
    """So many callers without pause; how their calls ended, counted."""
    seen: Counter[str] = Counter()
    over = threading.Event()

    def caller() -> None:
        while not over.is_set():
            seen[call()] += 1

    threads = [threading.Thread(target=caller, daemon=True) for _ in range(CALLERS)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        over.set()
        for thread in threads:
            thread.join(120)


def restarts(serving: Serving, seen: Counter[str], good: str) -> None:
    for _ in range(RESTARTS):
        before = seen[good]
        until(lambda before=before: seen[good] > before + 50)
        serving.stop()
        serving.start()
    before = seen[good]
    until(lambda: seen[good] > before + 50)


def test_over_grpc_calls_end_well_or_are_unavailable(serving: Serving) -> None:
    with contextlib.ExitStack() as stack:
        options = [
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.enable_retries", 0),
            ("grpc.max_reconnect_backoff_ms", 200),
        ]
        stubs = [
            pb.ClusterServiceStub(stack.enter_context(grpc.insecure_channel(serving.address, options)))
            for _ in range(CALLERS)
        ]

        def call() -> str:
            stub = stubs[threading.get_ident() % CALLERS]
            try:
                stub.ListClusters(pb.ListClustersRequest(), metadata=list(BEARER.items()), timeout=60)
            except grpc.RpcError as error:
                return str(error.code().name)
            return "OK"

        with calling(call) as seen:
            restarts(serving, seen, "OK")
    assert set(seen) <= {"OK", "UNAVAILABLE"}, seen
    # What the callers were told, the server's log tells too.
    lines = [json.loads(line) for log in serving.logs for line in log.read_text().splitlines() if line[:1] == "{"]
    assert {line["code"] for line in lines if line["event"] == "call"} <= {"OK", "UNAVAILABLE"}


def test_over_rest_calls_end_well_or_are_503(serving: Serving, tmp_path: Path) -> None:
    with EnvoyProcess(serving.port, free_port(), free_port(), tmp_path) as envoy:
        client = httpx.Client(base_url=f"http://127.0.0.1:{envoy.rest_port}/api/v1/", headers=BEARER, timeout=60)

        def call() -> str:
            answer = client.get("cluster/describe_all")
            assert answer.json()["code"] == answer.status_code
            return f"{answer.status_code} {answer.json()['msg']}"

        with client, calling(call) as seen:
            restarts(serving, seen, "200 success")
    assert set(seen) <= {"200 success", "503 server_unavailable"}, seen


def test_a_call_under_way_is_finished(serving: Serving) -> None:
    with grpc.insecure_channel(serving.address) as channel, _write_lock(serving.store) as give_back:
        # It waits for the lock of the database.
        request = pb.CancelTaskRequest(task_id=serving.task_id)
        cancel = pb.TaskServiceStub(channel).CancelTask.future(request, metadata=list(BEARER.items()), timeout=60)
        # What was sent later has been answered, so this one has begun.
        pb.ClusterServiceStub(channel).ListClusters(pb.ListClustersRequest(), metadata=list(BEARER.items()), timeout=60)
        health = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert next(health).status == health_pb2.HealthCheckResponse.SERVING
        serving.process.terminate()
        assert next(health).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert not cancel.done()
        give_back()
        assert cancel.result(60).status == "CANCELED"
    assert serving.process.wait(60) == 0


def test_watches_of_health_that_nobody_reads_keep_nobody_from_being_told_and_the_server_not_from_ending(
    serving: Serving,
) -> None:
    streams = [1, 3, 5, 7]
    watches = b"".join(hostile.call("/grpc.health.v1.Health/Watch", stream, b"") for stream in streams)
    with hostile.connected(serving.port) as connection, grpc.insecure_channel(serving.address) as channel:
        assert hostile.send(connection, hostile.opened_without_a_window() + watches)
        # Each has begun to be answered, and none can be told anything.
        hostile.frames_until(connection, lambda frames: set(streams) <= {row.stream for row in frames})
        stub = health_pb2_grpc.HealthStub(channel)
        told = [stub.Watch(health_pb2.HealthCheckRequest(), timeout=60) for _ in range(2)]
        assert [next(watch).status for watch in told] == [health_pb2.HealthCheckResponse.SERVING] * 2
        serving.process.terminate()
        assert [next(watch).status for watch in told] == [health_pb2.HealthCheckResponse.NOT_SERVING] * 2
        assert serving.process.wait(60) == 0


def test_a_watch_ends_with_an_event_that_says_so(serving: Serving, tmp_path: Path) -> None:
    with (
        EnvoyProcess(serving.port, free_port(), free_port(), tmp_path) as envoy,
        grpc.insecure_channel(serving.address) as channel,
        httpx.Client(base_url=f"http://127.0.0.1:{envoy.rest_port}/api/v1/", headers=BEARER, timeout=60) as rest,
        rest.stream("GET", "task/watch", params={"task_id": serving.task_id}) as events,
    ):
        request = pb.WatchTaskRequest(task_id=serving.task_id)
        watch = pb.TaskServiceStub(channel).WatchTask(request, metadata=list(BEARER.items()))
        first, lines = next(watch), events.iter_lines()
        assert json.loads(next(lines).removeprefix("data:"))["phase"] == first.phase
        serving.process.terminate()
        last = next(state for state in watch if state.HasField("end"))
        assert (last.end.reason, last.phase, list(last.chunks)) == ("server_unavailable", first.phase, [])
        with pytest.raises(grpc.RpcError) as caught:
            next(watch)
        assert failure_of(caught.value).reason == "server_unavailable"
        told = [json.loads(line.removeprefix("data:")) for line in lines if line][-1]
        assert told["end"] == {"reason": "server_unavailable", "message": last.end.message}
        assert (told["phase"], told["chunks"]) == (first.phase, [])
    assert serving.process.wait(60) == 0


@contextlib.contextmanager
def _write_lock(store: Store) -> Iterator[Callable[[], None]]:
    """Holds SQLite's write lock until it is given back."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(store.transaction())
        yield stack.close
