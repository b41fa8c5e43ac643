"""Catalogs through gRPC: one call to the cloud for all who ask, old answers rather than none, and no cloud in another's way."""

from __future__ import annotations

import sys
import threading
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bridgx.v1 as pb
import grpc
import pytest
from bridgx import Client, failure_of
from bridgx_server.cloudsim.control_client import ControlClient
from bridgx_server.cloudsim.server import CloudSim
from bridgx_server.providers import alibaba, registry
from bridgx_server.providers.base import Credentials, Provider, ProviderSettings, Region
from bridgx_server.provisioning.catalog import ENTRIES, FRESH, KEPT, Catalog
from bridgx_server.server import Parts, Server
from bridgx_server.settings import Settings
from bridgx_server.store import accounts
from bridgx_server.store.database import Store
from bridgx_server.store.migrations import migrate
from bridgx_server.store.secrets import Keyring
from contract.conftest import until

CLOUD, OTHER = "AlibabaCloud", "AWSCloud"
REGION = "cn-qingdao"
TOKEN = "token-of-tests"
WITHIN = 60  # seconds; only bounds a test that would otherwise hang
CALLERS = 8


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Door:
    """What a call to the cloud passes on its way: closed, it waits there, and is counted."""

    opened: threading.Event = field(default_factory=threading.Event)
    arrived: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.opened.set()

    def watched(self, provider: Provider) -> Provider:
        door = self

        class Watched:
            def __getattr__(self, name: str) -> Any:
                value = getattr(provider, name)
                return (lambda *args: door.passed(name, value, *args)) if callable(value) else value

        return Watched()  # type: ignore[return-value]

    def passed(self, name: str, call: Any, *args: Any) -> Any:
        self.arrived.append(name)
        assert self.opened.wait(WITHIN)
        return call(*args)


@dataclass
class Service:
    client: Client
    control: ControlClient
    clock: Clock
    door: Door

    def zones(self) -> list[str]:
        return [row.zone_id for row in self.client.clusters.ListZones(zones_request()).zones]

    def asked(self, action: str = "DescribeZones") -> int:
        """How often the cloud was asked, in vain or not."""
        return len(self.control.calls(CLOUD, action))


def zones_request() -> pb.ListZonesRequest:
    return pb.ListZonesRequest(provider=CLOUD, region_id=REGION)


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudSim]:
    simulator = CloudSim.start(tmp_path_factory.mktemp("clouds"), clouds=[CLOUD, OTHER])
    yield simulator
    simulator.stop()


@pytest.fixture
def service(simulator: CloudSim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    control = ControlClient(simulator.control_url)
    control.reset()
    door, clock = Door(), Clock()

    def connect(credentials: Credentials, settings: ProviderSettings) -> Provider:
        return door.watched(alibaba.connect(credentials, settings))

    monkeypatch.setitem(sys.modules, "adapter_behind_a_door", SimpleNamespace(connect=connect, RATES=alibaba.RATES))
    monkeypatch.setattr(registry, "ADAPTERS", {**registry.ADAPTERS, CLOUD: "adapter_behind_a_door"})
    settings = Settings(
        database_url=f"sqlite:///{tmp_path}/bridgx.db",
        grpc_port=0,
        worker=False,
        rates="*.*=off",  # the cloud refuses what it is told to, and no more
        endpoint_alibabacloud=simulator.endpoints[CLOUD],
        endpoint_awscloud=simulator.endpoints[OTHER],
    )
    store = Store(settings.database_url)
    migrate(store)
    keyring = Keyring.of(b"k" * 32)
    for name in (CLOUD, OTHER):
        credentials = Credentials(name, f"demo-{name}", f"demo-secret-{name}")
        accounts.register(store, keyring, credentials, name="demo", caller="test")
    server = Server(Parts(settings, store, keyring, {"tester": TOKEN}, clock))
    server.start()
    with Client(f"127.0.0.1:{server.port}", TOKEN, timeout=WITHIN) as client:
        yield Service(client, control, clock, door)
    door.opened.set()
    server.stop()
    store.close()


def test_several_callers_at_once_make_one_call_to_the_cloud(service: Service) -> None:
    service.door.opened.clear()
    with ThreadPoolExecutor(CALLERS) as pool:
        answers = [pool.submit(service.zones) for _ in range(CALLERS)]
        until(lambda: "list_regions" in service.door.arrived)
        # Calls are taken up in their order, so the others are under way when this one is answered.
        assert len(list(service.client.list_accounts())) == 2
        service.door.opened.set()
        told = [answer.result(WITHIN) for answer in answers]
    assert told == [told[0]] * CALLERS
    assert told[0]
    assert (service.asked("DescribeRegions"), service.asked("DescribeZones")) == (1, 1)


def test_a_fresh_answer_is_given_without_a_call_to_the_cloud(service: Service) -> None:
    told = service.zones()
    service.clock.now += FRESH - 1
    assert service.zones() == told
    assert service.asked() == 1


def test_an_old_answer_is_given_at_once_and_refreshed_in_the_background(service: Service) -> None:
    told = service.zones()
    service.clock.now += FRESH
    service.door.opened.clear()
    for _ in range(3):
        assert service.zones() == told
    until(lambda: service.door.arrived.count("list_zones") == 2)
    assert service.asked() == 1  # the second waits at the door; all three had their answers without it
    service.door.opened.set()
    until(lambda: service.asked() == 2)
    # What the background has brought is fresh again from the moment it came.
    until(lambda: (service.zones(), service.door.arrived.count("list_zones"))[1] == 2)
    service.clock.now += FRESH - 1
    assert service.zones() == told
    assert service.asked() == 2


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("throttle", "throttled"), ("unavailable", "cloud_unavailable"), ("cut_before", "cloud_timeout")],
)
def test_an_old_answer_is_better_than_an_error(service: Service, fault: str, reason: str) -> None:
    told = service.zones()
    service.control.fault(fault, cloud=CLOUD)
    service.clock.now += KEPT - 1
    assert service.zones() == told
    until(lambda: service.asked() >= 2)  # refused in the background
    assert service.zones() == told
    service.clock.now += 1
    with pytest.raises(grpc.RpcError) as caught:
        service.client.clusters.ListZones(zones_request())
    assert failure_of(caught.value).reason == reason
    service.control.clear_faults()
    assert service.zones() == told


def test_an_old_answer_ends_when_the_cloud_no_longer_knows_the_access_key(service: Service) -> None:
    service.zones()
    params = {"code": "InvalidAccessKeyId.NotFound", "status": 404}
    service.control.fault("error", cloud=CLOUD, action="DescribeZones", params=params)
    service.clock.now += FRESH

    def refused() -> bool:
        try:
            service.zones()
        except grpc.RpcError as error:
            return failure_of(error).reason == "bad_credentials"
        return False

    until(refused)


def test_an_sdk_that_is_slow_to_import_keeps_no_other_cloud_waiting_and_is_imported_once(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    importing, go_on, begun = threading.Event(), threading.Event(), list[str]()

    def begin(name: str) -> None:
        begun.append(name)
        importing.set()
        assert go_on.wait(WITHIN)

    monkeypatch.setitem(sys.modules, "import_watch", SimpleNamespace(begin=begin))
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "slow_adapter.py").write_text(
        "import import_watch\nimport_watch.begin(__name__)\nfrom bridgx_server.providers.aws import RATES, connect\n"
    )
    monkeypatch.setitem(registry.ADAPTERS, OTHER, "slow_adapter")  # type: ignore[arg-type]
    regions = pb.ListRegionsRequest(provider=OTHER)
    account = pb.CreateAccountRequest(
        provider=OTHER, account_name="second", account_key="unknown", account_secret="secret-of-nobody"
    )
    try:
        with ThreadPoolExecutor(CALLERS) as pool:
            slow = [pool.submit(service.client.clusters.ListRegions, regions) for _ in range(CALLERS - 1)]
            second = pool.submit(service.client.accounts.CreateAccount, account)
            assert importing.wait(WITHIN)
            assert service.zones()
            assert not any(call.done() for call in (*slow, second))
            go_on.set()
            assert all(call.result(WITHIN).regions for call in slow)
            with pytest.raises(grpc.RpcError) as caught:
                second.result(WITHIN)
            assert failure_of(caught.value).reason == "bad_credentials"
        assert begun == ["slow_adapter"]
    finally:
        go_on.set()
        sys.modules.pop("slow_adapter", None)


# What no caller can see: memory, and the end of a server.


class Anything:
    """A cloud with one region, where no image has the name that is looked for."""

    def __init__(self) -> None:
        self.asked = 0

    def provider(self, account_id: int) -> Provider:
        return self  # type: ignore[return-value]

    def list_regions(self) -> list[Region]:
        self.asked += 1
        return [Region("r", f"the {self.asked}.")]

    def find_image(self, region_id: str, image_id: str) -> None:
        return None


def test_names_that_callers_make_up_take_no_memory() -> None:
    with ThreadPoolExecutor(1) as background:
        catalog = Catalog(Anything(), background)
        regions = catalog.regions(1)

        def ask(numbers: range) -> None:
            for number in numbers:
                assert catalog.image(1, "r", f"image-{number}") is None

        ask(range(100))
        tracemalloc.start()
        try:
            ask(range(100, 100 + 10 * ENTRIES))
            assert tracemalloc.get_traced_memory()[0] < 100_000  # bytes
        finally:
            tracemalloc.stop()
        assert catalog.regions(1) is regions  # nor do they drive out what is remembered


@pytest.mark.parametrize("queued", [False, True], ids=["refused", "canceled"])
def test_a_refresh_that_a_stopping_server_does_not_make_locks_nobody_out(queued: bool) -> None:
    clock, held = Clock(), threading.Event()
    background = ThreadPoolExecutor(1)
    background.submit(held.wait, WITHIN)
    catalog = Catalog(Anything(), background, clock)
    told = catalog.regions(1)
    clock.now += FRESH
    if not queued:
        background.shutdown(wait=False)
    assert catalog.regions(1) is told
    if queued:
        background.shutdown(wait=False, cancel_futures=True)
    assert catalog.regions(1) is told
    clock.now += KEPT
    with ThreadPoolExecutor(1) as caller:
        assert caller.submit(catalog.regions, 1).result(WITHIN)[0].local_name == "the 2."
    held.set()
