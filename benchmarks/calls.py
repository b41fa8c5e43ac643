"""gRPC calls a second of the whole server, against one whose servicer does nothing."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bridgx import Client, v1
from bridgx_server.demo.ports import free_port
from result import Result
from system import TOKEN, a_cluster, a_place, system

CALLERS = 8
SECONDS = 5.0
NOTHING = """
import sys
from concurrent.futures import ThreadPoolExecutor
import grpc
import bridgx.v1 as pb

class Nothing(pb.InstanceServiceServicer):
    def CountInstances(self, request, context):
        return pb.CountInstancesResponse(instance_num=1)

async def in_layers(address, url, token):
    from bridgx_server import logs
    from bridgx_server.front.methods import Methods
    from bridgx_server.front.receiving import Front, FrontLimits
    from bridgx_server.interceptors.telemetry import Telemetry
    from bridgx_server.server import Parts, layers
    from bridgx_server.settings import Settings
    from bridgx_server.store.database import Store
    from bridgx_server.store.migrations import migrate
    from bridgx_server.store.secrets import Keyring

    logs.set_up("info", "json")
    store = Store(url)
    migrate(store)
    parts = Parts(Settings(database_url=url), store, Keyring.of(bytes(32)), {"benchmark": token})
    methods, telemetry = Methods(), Telemetry()
    pb.add_InstanceServiceServicer_to_server(Nothing(), methods)
    limits = FrontLimits(message_time=10, call_time=60, stream_time=60, threads=32, backlog=4000)
    server = grpc.aio.server(handlers=[Front(methods.within(layers(parts, telemetry)), limits, telemetry.tell)])
    server.add_insecure_port(address)
    await server.start()
    await server.wait_for_termination()

if len(sys.argv) > 2:
    import asyncio
    asyncio.run(in_layers(*sys.argv[1:]))
server = grpc.server(ThreadPoolExecutor(32))
pb.add_InstanceServiceServicer_to_server(Nothing(), server)
server.add_insecure_port(sys.argv[1])
server.start()
server.wait_for_termination()
"""


def rate(directory: Path) -> Iterator[Result]:
    """The server's layers around the servicer that does nothing, and two calls of the whole server."""
    with _nothing() as address, Client(address, TOKEN) as idle:
        least = _per_second(lambda: idle.instances.CountInstances(v1.CountInstancesRequest()))
        with _nothing(f"sqlite:///{directory}/layers.db", TOKEN) as other, Client(other, TOKEN) as layered:
            measured = _per_second(lambda: layered.instances.CountInstances(v1.CountInstancesRequest()))
        yield _result("log, token, role, validation …, and nothing", measured, least)
        with system(directory, log_level="info") as running:
            a_cluster(running, a_place(running, "AWSCloud", "calls"), "calls")
            calls: dict[str, Callable[[], object]] = {
                "CountInstances": lambda: running.client.instances.CountInstances(v1.CountInstancesRequest()),
                "ListClusters": lambda: running.client.clusters.ListClusters(v1.ListClustersRequest()),
            }
            for name, call in calls.items():
                yield _result(name, _per_second(call), least)


def _result(name: str, measured: float, least: float) -> Result:
    told = f"{measured:.0f} calls/s"
    return Result(f"{name}, {CALLERS} callers", told, f"does nothing {least:.0f} calls/s", measured / least, "≥ 0.6")


def _per_second(call: Callable[[], object]) -> float:
    call()
    until = time.monotonic() + SECONDS

    def caller(_: int) -> int:
        made = 0
        while time.monotonic() < until:
            call()
            made += 1
        return made

    with ThreadPoolExecutor(CALLERS) as pool:
        return sum(pool.map(caller, range(CALLERS))) / SECONDS


@contextlib.contextmanager
def _nothing(*layers: str) -> Iterator[str]:
    """A server with that servicer, in a process; with a database URL and a token: inside the server's layers."""
    address = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen([sys.executable, "-c", NOTHING, address, *layers], stderr=subprocess.DEVNULL)
    try:
        with Client(address, TOKEN) as client:
            for _ in range(100):
                with contextlib.suppress(Exception):
                    client.instances.CountInstances(v1.CountInstancesRequest())
                    break
                time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait()
