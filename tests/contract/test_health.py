"""`bridgx health` says what an orchestrator needs to know, in clear and over TLS."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
import trustme
from bridgx_server.cli import main
from click.testing import CliRunner, Result
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@dataclass
class Peer:
    """A gRPC server with nothing but its health."""

    port: int
    state: health.HealthServicer

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"


def served(credentials: grpc.ServerCredentials | None = None) -> Iterator[Peer]:
    server = grpc.server(ThreadPoolExecutor(2))
    state = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(state, server)
    where = "127.0.0.1:0"
    port = server.add_secure_port(where, credentials) if credentials else server.add_insecure_port(where)
    server.start()
    yield Peer(port, state)
    server.stop(None).wait()


@pytest.fixture
def peer() -> Iterator[Peer]:
    yield from served()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def strict(authority: trustme.CA) -> Iterator[Peer]:
    """A server that takes nobody without a certificate; its own is for the name `server`."""
    own = authority.issue_cert("server")
    pair = (own.private_key_pem.bytes(), own.cert_chain_pems[0].bytes())
    yield from served(grpc.ssl_server_credentials([pair], authority.cert_pem.bytes(), require_client_auth=True))


def asked(*flags: str) -> Result:
    return CliRunner().invoke(main, ["health", *flags])


def test_a_server_that_serves_is_healthy(peer: Peer) -> None:
    peer.state.set("", SERVING)
    result = asked("--address", peer.address)
    assert (result.exit_code, result.output) == (0, "SERVING\n")


def test_a_server_that_stops_is_not(peer: Peer) -> None:
    peer.state.set("", NOT_SERVING)
    result = asked("--address", peer.address)
    assert result.exit_code == 1
    assert "NOT_SERVING" in result.output


def test_a_service_is_asked_about_by_name(peer: Peer) -> None:
    peer.state.set("bridgx.v1.TaskService", SERVING)
    assert asked("--address", peer.address, "--service", "bridgx.v1.TaskService").exit_code == 0
    unknown = asked("--address", peer.address, "--service", "bridgx.v1.NoService")
    assert unknown.exit_code == 1
    assert "NOT_FOUND" in unknown.output


def test_nobody_there_is_not_healthy() -> None:
    result = asked("--address", "127.0.0.1:1", "--timeout", "0.3")
    assert result.exit_code == 1
    assert "gave no answer" in result.output


def test_mutual_tls_is_spoken(strict: Peer, authority: trustme.CA, tmp_path: Path) -> None:
    strict.state.set("", SERVING)
    ca, certificate, key = tmp_path / "ca.pem", tmp_path / "client.pem", tmp_path / "client.key"
    authority.cert_pem.write_to_path(str(ca))
    ours = authority.issue_cert("edge")
    ours.cert_chain_pems[0].write_to_path(str(certificate))
    ours.private_key_pem.write_to_path(str(key))
    shown = ("--certificate", str(certificate), "--key", str(key))
    named = ("--address", strict.address, "--ca", str(ca), "--server-name", "server")
    assert asked(*named, *shown).exit_code == 0
    assert asked(*named, "--timeout", "0.5").exit_code == 1
    assert asked("--address", strict.address, *shown[:2]).exit_code == 2
