"""The Python client: its token, deadlines, retries, pages, and waiting for a task."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import bridgx.v1 as pb
import grpc
import pytest
from bridgx import Client, failure_of
from contract.fake_backend import failure
from google.protobuf import duration_pb2
from google.rpc import code_pb2, error_details_pb2


@dataclass
class Backend(pb.ClusterServiceServicer, pb.TaskServiceServicer):
    """Answers as scripted, and keeps what it was asked."""

    calls: list[tuple[str, dict[str, str], float | None]] = field(default_factory=list)
    unavailable: int = 0
    rows: int = 0
    in_progress: int = 0

    def _note(self, name: str, context: grpc.ServicerContext) -> None:
        metadata = {key: str(value) for key, value in context.invocation_metadata()}
        self.calls.append((name, metadata, context.time_remaining()))
        if self.unavailable:
            self.unavailable -= 1
            context.abort(grpc.StatusCode.UNAVAILABLE, "not now")

    def ListClusters(self, request: pb.ListClustersRequest, context: grpc.ServicerContext) -> pb.ListClustersResponse:
        self._note("ListClusters", context)
        first = (request.page_number - 1) * request.page_size
        names = range(first, min(first + request.page_size, self.rows))
        return pb.ListClustersResponse(
            cluster_list=[pb.Cluster(cluster_name=str(number)) for number in names],
            pager=pb.Pager(page_number=request.page_number, page_size=request.page_size, total=self.rows),
        )

    def ExpandCluster(self, request: pb.ExpandClusterRequest, context: grpc.ServicerContext) -> Any:
        self._note("ExpandCluster", context)
        if self.in_progress:
            self.in_progress -= 1
            wait = error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(nanos=10_000_000))
            context.abort_with_status(failure(code_pb2.ABORTED, "request_in_progress", "at work", wait))
        if not request.request_id and "idempotency-key" not in self.calls[-1][1]:
            wait = error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=7))
            context.abort_with_status(failure(code_pb2.RESOURCE_EXHAUSTED, "throttled", "slower", wait))
        return pb.ExpandClusterResponse(task_id="7")

    def WatchTask(self, request: pb.WatchTaskRequest, context: grpc.ServicerContext) -> Iterator[pb.WatchTaskResponse]:
        self._note("WatchTask", context)
        yield pb.WatchTaskResponse(task_id=request.task_id, status="RUNNING", running=1)
        yield pb.WatchTaskResponse(task_id=request.task_id, status="SUCCESS", running=2)

    def GetTask(self, request: pb.GetTaskRequest, context: grpc.ServicerContext) -> pb.GetTaskResponse:
        self._note("GetTask", context)
        return pb.GetTaskResponse(task=pb.TaskDetail(task_id=request.task_id, status="SUCCESS", running=2))


@pytest.fixture
def backend() -> Backend:
    return Backend()


@pytest.fixture
def client(backend: Backend) -> Iterator[Client]:
    server = grpc.server(ThreadPoolExecutor(4))
    pb.add_ClusterServiceServicer_to_server(backend, server)
    pb.add_TaskServiceServicer_to_server(backend, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with Client(f"127.0.0.1:{port}", "secret-token", timeout=30) as client:
        yield client
    server.stop(None).wait()


def test_every_call_carries_the_token_and_a_deadline(backend: Backend, client: Client) -> None:
    client.clusters.ListClusters(pb.ListClustersRequest(page_number=1, page_size=1))
    _, metadata, left = backend.calls[0]
    assert metadata["authorization"] == "Bearer secret-token"
    assert left is not None
    assert left <= 31  # rounded up on its way


def test_a_list_is_an_iterator_over_all_pages(backend: Backend, client: Client) -> None:
    backend.rows = 120
    assert [cluster.cluster_name for cluster in client.list_clusters()] == [str(number) for number in range(120)]
    assert len(backend.calls) == 3


def test_reads_are_repeated_when_the_server_is_away(backend: Backend, client: Client) -> None:
    backend.unavailable = 2
    client.clusters.ListClusters(pb.ListClustersRequest(page_number=1, page_size=1))
    assert len(backend.calls) == 3


def test_changes_are_not_repeated_behind_the_callers_back(backend: Backend, client: Client) -> None:
    backend.unavailable = 1
    with pytest.raises(grpc.RpcError) as caught:
        client.tasks.ExpandCluster(pb.ExpandClusterRequest(cluster_name="web", count=1))
    assert failure_of(caught.value).code is grpc.StatusCode.UNAVAILABLE
    assert len(backend.calls) == 1


def test_a_request_that_is_worked_on_elsewhere_is_asked_for_again(backend: Backend, client: Client) -> None:
    backend.in_progress = 2
    request = pb.ExpandClusterRequest(cluster_name="web", count=1, request_id="once")
    assert client.tasks.ExpandCluster(request).task_id == "7"
    assert len(backend.calls) == 3
    assert len({metadata["authorization"] for _, metadata, _ in backend.calls}) == 1
    assert all(seconds is not None and seconds <= 31 for _, _, seconds in backend.calls)


def test_a_request_with_an_idempotency_key_is_asked_for_again(backend: Backend, client: Client) -> None:
    backend.in_progress = 2
    request = pb.ExpandClusterRequest(cluster_name="web", count=1)
    assert client.tasks.ExpandCluster(request, metadata=[("idempotency-key", "once")]).task_id == "7"
    assert len(backend.calls) == 3


@pytest.mark.parametrize("metadata", [(), [("idempotency-key", "")]])
def test_a_request_without_a_name_is_made_once(backend: Backend, client: Client, metadata: Any) -> None:
    backend.in_progress = 1
    with pytest.raises(grpc.RpcError) as caught:
        client.tasks.ExpandCluster(pb.ExpandClusterRequest(cluster_name="web", count=1), metadata=metadata)
    assert failure_of(caught.value).reason == "request_in_progress"
    assert len(backend.calls) == 1


def test_it_is_asked_for_again_within_the_deadline_alone(backend: Backend, client: Client) -> None:
    backend.in_progress = 1000
    request = pb.ExpandClusterRequest(cluster_name="web", count=1, request_id="once")
    with pytest.raises(grpc.RpcError) as caught:
        client.tasks.ExpandCluster(request, timeout=1.5)
    assert failure_of(caught.value).reason == "request_in_progress"
    assert len(backend.calls) < 10


def test_a_failure_tells_its_reason_and_how_long_to_wait(client: Client) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        client.tasks.ExpandCluster(pb.ExpandClusterRequest(cluster_name="web", count=1))
    told = failure_of(caught.value)
    assert (told.reason, told.message, told.retry_after) == ("throttled", "slower", 7.0)


def test_a_task_is_waited_for_with_its_progress(backend: Backend, client: Client) -> None:
    seen: list[int] = []
    task = client.wait_task("5", timeout=30, on_progress=lambda state: seen.append(state.running))
    assert (task.status, seen) == ("SUCCESS", [1, 2])
