"""The parts of the demo, started and ended together. All state is in one folder."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bridgx_server import logs
from bridgx_server.cloudsim.front import FRONTS
from bridgx_server.cloudsim.server import CONTROL, CloudSim, demo_account
from bridgx_server.demo.ports import free_port
from bridgx_server.edge import EnvoyProcess
from bridgx_server.providers.base import Credentials
from bridgx_server.server import Parts, Server
from bridgx_server.settings import Settings
from bridgx_server.store import accounts
from bridgx_server.store.database import Store
from bridgx_server.store.migrations import migrate

TOKEN = "demo-token"
CALLER = "demo"


class DemoError(Exception):
    """The demo cannot start; the text says why and what to do."""


@dataclass(frozen=True)
class Running:
    """Where everything listens. ``endpoints`` are the simulated clouds by name."""

    grpc_port: int
    rest_port: int
    endpoints: Mapping[str, str]
    control_url: str
    clouds: tuple[str, ...]

    @property
    def rest_url(self) -> str:
        """The REST API."""
        return f"http://127.0.0.1:{self.rest_port}"


@contextlib.contextmanager
def running(data_dir: Path, grpc_port: int = 0, rest_port: int = 0) -> Iterator[Running]:
    """Starts everything and yields when it serves; ends everything at the end of the block.

    Ports that are 0 are chosen once and kept in the folder. Raises DemoError.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_only_one(data_dir))
        log_file = stack.enter_context((data_dir / "server.log").open("a", encoding="utf-8"))
        stack.enter_context(logs.written_to(log_file, "info", "json"))
        simulated = [name for name in FRONTS if not os.environ.get(f"BRIDGX_ENDPOINT_{name.upper()}")]
        ports = _ports(data_dir, grpc_port, rest_port, simulated)
        try:
            simulator = CloudSim.start(
                data_dir / "clouds", {name: ports[name] for name in (*simulated, CONTROL)}, clouds=simulated
            )
        except OSError as error:
            raise DemoError(f"the simulated clouds cannot listen on their ports: {error.strerror}") from None
        stack.callback(simulator.stop)
        parts = _parts(data_dir, ports["grpc"], simulator.endpoints)
        stack.callback(parts.store.close)
        _register(parts, simulated)
        server = Server(parts)
        try:
            server.start()
        except OSError as error:
            raise DemoError(str(error)) from None
        stack.callback(server.stop)
        envoy = EnvoyProcess(server.port, ports["rest"], ports["admin"], data_dir / "envoy")
        envoy.end_leftover()
        _free(ports["rest"])
        stack.enter_context(envoy)
        yield Running(server.port, ports["rest"], simulator.endpoints, simulator.control_url, tuple(simulated))


@contextlib.contextmanager
def _only_one(data_dir: Path) -> Iterator[None]:
    with (data_dir / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DemoError(f"another demo runs on {data_dir}; end it, or give another --data-dir") from None
        yield


def _ports(data_dir: Path, grpc_port: int, rest_port: int, simulated: list[str]) -> dict[str, int]:
    file = data_dir / "ports.json"
    ports: dict[str, int] = {}
    if file.exists():
        with contextlib.suppress(ValueError):
            ports = {str(name): int(port) for name, port in json.loads(file.read_text()).items()}
    if grpc_port:
        ports["grpc"] = grpc_port
    if rest_port:
        ports["rest"] = rest_port
    for name in ("grpc", "rest", "admin", CONTROL, *simulated):
        if not ports.get(name):
            ports[name] = free_port(set(ports.values()))
    file.write_text(json.dumps(ports, indent=2) + "\n")
    return ports


def _free(port: int) -> None:
    """Refuses a port that is taken, since Envoy would share it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise DemoError(f"port {port} for REST is taken: {error.strerror}") from None


def _parts(data_dir: Path, grpc_port: int, endpoints: Mapping[str, str]) -> Parts:
    settings = Settings(
        database_url=f"sqlite:///{(data_dir / 'bridgx.db').resolve()}",
        grpc_port=grpc_port,
        secret_key_file=_key_file(data_dir),
        poll=1.0,
        lease=6.0,  # a demo that was killed goes on soon
        rates="*.*:machines=off",  # the simulated clouds sell any number of machines in a second
        **{f"endpoint_{name.lower()}": url for name, url in endpoints.items()},  # type: ignore[arg-type]
    )
    store = Store(settings.database_url)
    migrate(store)
    keyring = settings.keyring()
    if keyring is None:
        raise AssertionError("the key file has no key")
    return Parts(settings, store, keyring, {CALLER: TOKEN})


def _key_file(data_dir: Path) -> Path:
    file = data_dir / "secret.key"
    if not file.exists():
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(secrets.token_hex(32) + "\n")
    return file


def _register(parts: Parts, simulated: list[str]) -> None:
    known = {row.access_key for row in accounts.every(parts.store)}
    for provider in simulated:
        account = demo_account(provider)
        if account.access_key not in known:
            credentials = Credentials(provider, account.access_key, account.secret, account.project_id)
            accounts.register(parts.store, parts.keyring, credentials, name=f"demo {provider}", caller=CALLER)
