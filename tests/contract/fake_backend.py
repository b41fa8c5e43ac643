"""A gRPC server with canned answers, behind a real Envoy: what the edge does is seen without the rest of BridgX."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import bridgx.v1 as pb
import grpc
from bridgx_server.demo.ports import free_port
from bridgx_server.edge import EnvoyProcess
from google.protobuf import any_pb2, duration_pb2, message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status


def failure(code: int, reason: str, text: str, *further: message.Message) -> grpc.Status:
    """A status with an ErrorInfo of that reason."""
    details = [error_details_pb2.ErrorInfo(reason=reason, domain="bridgx", metadata={"reason": "decoy"}), *further]
    packed = []
    for detail in details:
        box = any_pb2.Any()
        box.Pack(detail)
        packed.append(box)
    return rpc_status.to_status(status_pb2.Status(code=code, message=text, details=packed))


class Clusters(pb.ClusterServiceServicer):
    """Answers by the cluster's name; keeps what it was sent."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.metadata: list[dict[str, str]] = []
        self.left: list[float | None] = []  # seconds until the deadline

    def _keep(self, request: message.Message, context: grpc.ServicerContext) -> None:
        self.requests.append(request)
        self.left.append(context.time_remaining())
        self.metadata.append({key: str(value) for key, value in context.invocation_metadata()})

    def CreateCluster(
        self, request: pb.CreateClusterRequest, context: grpc.ServicerContext
    ) -> pb.CreateClusterResponse:
        self._keep(request, context)
        if "authorization" not in self.metadata[-1]:
            context.abort_with_status(failure(code_pb2.UNAUTHENTICATED, "token_invalid", "no bearer token"))
        if request.name == "exists":
            context.abort_with_status(failure(code_pb2.ALREADY_EXISTS, "CLUSTER_ALREADY_EXISTS", 'say "no"\n'))
        if request.name == "bad":
            violation = error_details_pb2.BadRequest.FieldViolation(field="image", description="does not exist")
            bad = error_details_pb2.BadRequest(field_violations=[violation])
            context.abort_with_status(failure(code_pb2.INVALID_ARGUMENT, "param_invalid", "image", bad))
        if request.name == "throttled":
            wait = error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=4, nanos=500_000_000))
            context.abort_with_status(failure(code_pb2.RESOURCE_EXHAUSTED, "throttled", "wait", wait))
        if request.name == "plain":
            context.abort(grpc.StatusCode.INTERNAL, "a plain status")
        return pb.CreateClusterResponse(cluster_name=request.name)

    def ListClusters(self, request: pb.ListClustersRequest, context: grpc.ServicerContext) -> pb.ListClustersResponse:
        self._keep(request, context)
        row = pb.Cluster(cluster_id="1319", cluster_name="gf.bridgx.online")
        row.create_at.FromJsonString("2021-11-02T06:09:38Z")
        rows = [] if request.account == "none" else [row]
        return pb.ListClustersResponse(cluster_list=rows, pager=pb.Pager(page_number=1, page_size=10, total=len(rows)))

    def ListRegions(self, request: pb.ListRegionsRequest, context: grpc.ServicerContext) -> pb.ListRegionsResponse:
        if request.provider == "AWSCloud":
            return pb.ListRegionsResponse()
        if request.provider == "BaiduCloud":
            rows = [pb.Region(region_id=f"r-{number}", local_name="x" * 1000) for number in range(5000)]
            return pb.ListRegionsResponse(regions=rows)
        return pb.ListRegionsResponse(regions=[pb.Region(region_id="cn-qingdao", local_name='North "China" 1]}')])


class Networks(pb.NetworkServiceServicer):
    """Answers with one of each."""

    def CreateSubnet(self, request: pb.CreateSubnetRequest, context: grpc.ServicerContext) -> pb.CreateSubnetResponse:
        return pb.CreateSubnetResponse(subnet_id=f"vsw-{request.vpc_id}-{request.cidr_block}-{request.switch_name}")

    def ListVpcs(self, request: pb.ListVpcsRequest, context: grpc.ServicerContext) -> pb.ListVpcsResponse:
        return pb.ListVpcsResponse(vpcs=[pb.Vpc(vpc_id="vpc-1")], pager=pb.NetworkPager(page_number=1, page_size=50))


class Tasks(pb.TaskServiceServicer):
    """A task that makes three steps."""

    def GetTask(self, request: pb.GetTaskRequest, context: grpc.ServicerContext) -> pb.GetTaskResponse:
        return pb.GetTaskResponse(task=pb.TaskDetail(task_id=request.task_id, asked=3))

    def WatchTask(self, request: pb.WatchTaskRequest, context: grpc.ServicerContext) -> Iterator[pb.WatchTaskResponse]:
        if request.task_id == "none":
            context.abort_with_status(failure(code_pb2.NOT_FOUND, "task_not_found", "no task none"))
        for running in range(3):
            yield pb.WatchTaskResponse(task_id=request.task_id, status="RUNNING", asked=2, running=running)


class Fees(pb.FeeServiceServicer):
    """More seconds in a day than 32 bits hold."""

    def GetUsageTotal(
        self, request: pb.GetUsageTotalRequest, context: grpc.ServicerContext
    ) -> pb.GetUsageTotalResponse:
        return pb.GetUsageTotalResponse(usage_total=86_400_000_000)


class Anything(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Answers every call with an empty message, and keeps the calls and their messages.

    ``refusals`` is how many calls are refused first, as by a server that is going down.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, bytes]] = []
        self.refusals = 0

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
            self.calls.append((handler_call_details.method, request))
            if self.refusals:
                self.refusals -= 1
                down = failure(code_pb2.UNAVAILABLE, "server_unavailable", "the server is going down: try again")
                context.abort_with_status(down)
            return b""

        return grpc.unary_unary_rpc_method_handler(answer)


class Edge:
    """Envoy with the canned server behind it."""

    def __init__(self, directory: Path, anything: Anything | None = None, **edge: Any) -> None:
        """``anything`` answers instead of the canned services; ``edge``: what :class:`EnvoyProcess` takes by name."""
        self.clusters = Clusters()
        self.server = grpc.server(ThreadPoolExecutor(8))
        if anything is not None:
            self.server.add_generic_rpc_handlers((anything,))
        else:
            pb.add_ClusterServiceServicer_to_server(self.clusters, self.server)
            pb.add_NetworkServiceServicer_to_server(Networks(), self.server)
            pb.add_TaskServiceServicer_to_server(Tasks(), self.server)
            pb.add_FeeServiceServicer_to_server(Fees(), self.server)
        self.grpc_port = self.server.add_insecure_port("127.0.0.1:0")
        self.envoy = EnvoyProcess(self.grpc_port, free_port(), free_port(), directory, **edge)
        self.address = f"127.0.0.1:{self.envoy.rest_port}"
        self.url = f"http://{self.address}"

    @contextlib.contextmanager
    def running(self) -> Iterator[Edge]:
        self.server.start()
        try:
            with self.envoy:
                yield self
        finally:
            self.server.stop(None).wait()
