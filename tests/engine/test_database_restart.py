"""The database server dies in the middle, again and again, while three workers run and a caller asks for machines."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import bridgx.v1 as pb
import grpc
import pytest
from bridgx import Client
from bridgx_server.cloudsim.server import CloudSim
from bridgx_server.server import Parts, Server
from bridgx_server.settings import Settings
from bridgx_server.store.database import Store
from bridgx_server.store.models import TaskRow
from bridgx_server.store.secrets import Keyring
from engine.conftest import wait_for
from engine.database_server import KINDS, DatabaseServer, database_server
from engine.wire_world import KEY, WireWorld, pause, wire_world

CLOUD = "AWSCloud"
DAY = 86_400.0  # seconds
TOKEN = "token-of-tests"
CALLS, EACH = 6, 10


@pytest.fixture(params=list(KINDS), scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[DatabaseServer]:
    with database_server(request.param) as server:
        yield server


@dataclass
class Caller:
    """Asks again, under the same request id, until it has an answer, as a good client does."""

    address: str
    answers: list[str] = field(default_factory=list)
    refusals: list[grpc.StatusCode] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        with Client(self.address, TOKEN, timeout=30) as client:
            for number in range(CALLS):
                expand = pb.ExpandClusterRequest(
                    cluster_name="web", task_name="grow", count=EACH, request_id=f"grow-{number}"
                )
                while not self.stopped.is_set():
                    try:
                        self.answers.append(client.tasks.ExpandCluster(expand).task_id)
                        break
                    except grpc.RpcError as error:
                        self.refusals.append(error.code())
                        pause(0.05)
                pause(0.3)


@pytest.fixture
def world(server: DatabaseServer, tmp_path: Path) -> Iterator[WireWorld]:
    simulator = CloudSim.start(tmp_path / "clouds", clouds=[CLOUD])
    with wire_world(simulator, CLOUD, tmp_path, server.url) as world:
        yield world
    simulator.stop()


@pytest.fixture
def caller(world: WireWorld, server: DatabaseServer) -> Iterator[Caller]:
    store = Store(server.url)
    settings = Settings(database_url=server.url, grpc_port=0, worker=False)
    grpc_server = Server(Parts(settings, store, Keyring.of(bytes.fromhex(KEY)), {"tester": TOKEN}))
    grpc_server.start()
    caller = Caller(f"127.0.0.1:{grpc_server.port}")
    yield caller
    caller.stopped.set()
    grpc_server.stop()
    store.close()


def test_a_database_that_is_killed_and_started_again_costs_time_and_no_machine(
    world: WireWorld, server: DatabaseServer, caller: Caller
) -> None:
    rng = random.Random(11)
    world.control.fault("slow", cloud=CLOUD, rate=0.5, params={"seconds": 0.1})
    # Their clocks are wrong as well, by days, each in its own way.
    workers = [world.start_worker(clock_is_wrong_by=wrong) for wrong in (-DAY, 0.0, 3 * DAY)]
    calling = threading.Thread(target=caller.run)
    calling.start()
    for _ in range(4):
        pause(rng.uniform(0.3, 0.9))
        server.crash()
        pause(rng.uniform(0.0, 0.5))
        server.start()
    world.kill(workers[0])
    calling.join(120)
    assert len(set(caller.answers)) == CALLS
    assert set(caller.refusals) == {grpc.StatusCode.UNAVAILABLE}
    wait_for(lambda: _answers(world.store))
    with world.store.connection():
        tasks = [row.id for row in TaskRow.select()]
    assert sorted(map(str, tasks)) == sorted(caller.answers)
    ended = [world.ended(task_id) for task_id in tasks]
    assert [(task.status, task.running) for task in ended] == [("SUCCESS", EACH)] * CALLS
    world.assert_exactly(CALLS * EACH)
    task_id = world.shrink(35)
    pause(0.3)
    server.crash()
    server.start()
    wait_for(lambda: _answers(world.store))
    task = world.ended(task_id)
    assert (task.status, task.deleted, task.failed) == ("SUCCESS", 35, 0)
    world.assert_exactly(CALLS * EACH - 35)


def test_the_hour_that_comes_twice_when_summer_time_ends_is_told_apart(server: DatabaseServer) -> None:
    if server.kind == "postgresql":
        return  # its clock cannot be set for a session, and knows no local time
    said = []
    for moment in (1_729_989_000, 1_729_992_600):  # half past two in Berlin, twice in one night
        store = Store(server.url)
        with store.connection():
            store.database.execute_sql(f"SET SESSION timestamp = {moment}")
            said.append(store.now() // 1000)
        store.close()
    assert said == [1_729_989_000, 1_729_992_600]


def _answers(store: Store) -> bool:
    try:
        store.ping()
    except Exception:
        return False
    return True
