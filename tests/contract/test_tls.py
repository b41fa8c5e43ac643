"""TLS on the server and on the edge: what is checked at start, who is let in, and new certificates without a restart."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bridgx.v1 as pb
import grpc
import httpx
import pytest
from bridgx import Client, Tls
from bridgx.tls import is_local
from bridgx_server.demo.ports import free_port
from bridgx_server.edge import EnvoyProcess
from bridgx_server.edge_config import EdgeTls, write_tls
from bridgx_server.settings import Settings
from bridgx_server.tls import FreshTls, TlsFiles, TransportError
from contract.certificates import Authority, Pair, serial_at, serial_of
from contract.conftest import until
from contract.real_server import TOKENS, Served, served
from contract.test_envoy_edge import envelope
from pydantic import ValidationError

TOKEN = TOKENS["alice"]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def listed(address: str, tls: Tls) -> list[str]:
    with Client(address, TOKEN, tls=tls, timeout=60) as client:
        return [row.cluster_name for row in client.list_clusters()]


def refused(address: str, tls: Tls) -> bool:
    """Whether no connection comes about; the client tries again until its time is up."""
    with Client(address, TOKEN, tls=tls) as client:
        call = client.clusters.ListClusters.future(pb.ListClustersRequest(), timeout=3)
        return call.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


# The server.


def test_the_server_speaks_tls_and_nothing_else(tmp_path: Path, authority: Authority) -> None:
    pair = authority.pair()
    stranger = Authority(tmp_path, "stranger")
    with served(tmp_path, tls_certificate=pair.certificate, tls_key=pair.key) as server:
        address = f"localhost:{server.port}"
        assert listed(address, Tls(authority.file)) == ["web"]
        assert refused(address, Tls(stranger.file))
        with grpc.insecure_channel(address) as channel, pytest.raises(grpc.RpcError):
            pb.ClusterServiceStub(channel).ListClusters(pb.ListClustersRequest(), timeout=3)


def test_the_server_asks_for_a_certificate_of_its_authority(tmp_path: Path, authority: Authority) -> None:
    pair, client = authority.pair(), authority.pair("client")
    other = Authority(tmp_path, "stranger").pair("other")
    settings = {"tls_certificate": pair.certificate, "tls_key": pair.key, "tls_client_ca": authority.file}
    with served(tmp_path, **settings) as server:
        address = f"localhost:{server.port}"
        assert listed(address, Tls(authority.file, client.certificate, client.key)) == ["web"]
        assert refused(address, Tls(authority.file))
        assert refused(address, Tls(authority.file, other.certificate, other.key))


def test_the_server_takes_new_certificates_without_a_restart(tmp_path: Path, authority: Authority) -> None:
    pair = authority.pair()
    first = serial_of(pair.certificate.read_bytes())
    with (
        served(tmp_path, tls_certificate=pair.certificate, tls_key=pair.key) as server,
        Client(f"localhost:{server.port}", TOKEN, tls=Tls(authority.file), timeout=60) as early,
    ):
        assert list(early.list_clusters())
        assert serial_at(server.port, authority) == first
        pair.key.write_text("half written")  # what is not whole is not taken
        assert serial_at(server.port, authority) == first
        second = serial_of(authority.pair().certificate.read_bytes())
        assert serial_at(server.port, authority) == second != first
        assert list(early.list_clusters()), "a connection that stands goes on"
        assert listed(f"localhost:{server.port}", Tls(authority.file)) == ["web"]


# What is checked at start.


def test_files_that_are_not_good_are_named(tmp_path: Path, authority: Authority) -> None:
    pair, other = authority.pair(), authority.pair("other")
    old = authority.pair("old", expired=True)
    noise = tmp_path / "noise.pem"
    noise.write_text("-----BEGIN NOISE-----")
    missing = tmp_path / "missing.pem"
    for certificate, key, said in (
        (missing, pair.key, f"{missing} cannot be read: No such file"),
        (pair.certificate, tmp_path, f"{tmp_path} cannot be read"),
        (noise, pair.key, f"{noise} has no PEM certificate"),
        (pair.certificate, noise, f"{noise} has no PEM private key"),
        (pair.certificate, other.key, f"the key in {other.key} does not belong to"),
        (old.certificate, old.key, f"the certificate in {old.certificate} expired at"),
    ):
        with pytest.raises(TransportError, match=re.escape(said)):
            TlsFiles(certificate, key).load()
    with pytest.raises(TransportError, match="has no PEM certificate"):
        TlsFiles(pair.certificate, pair.key, authorities=noise).load()


def test_half_of_a_tls_is_refused(authority: Authority) -> None:
    pair = authority.pair()
    with pytest.raises(ValidationError, match="go together"):
        Settings(tls_certificate=pair.certificate)
    with pytest.raises(ValidationError, match="tls_client_ca"):
        Settings(tls_client_ca=authority.file)
    with pytest.raises(ValueError, match="go together"):
        Tls(certificate=pair.certificate)


def run(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "BRIDGX_SECRET_KEY": "11" * 32, "BRIDGX_TOKENS": "ops:token"}
    return subprocess.run(
        [sys.executable, "-m", "bridgx_server", *arguments],
        env=environment,
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_plaintext_beyond_loopback_is_refused_unless_it_is_said(tmp_path: Path, authority: Authority) -> None:
    assert run(tmp_path, "migrate").returncode == 0
    said = run(tmp_path, "serve", "--grpc-host", "0.0.0.0", "--grpc-port", "0")
    assert (said.returncode, "not loopback and there is no TLS" in said.stderr) == (1, True)
    assert "--insecure-plaintext" in said.stderr
    said = run(tmp_path, "edge", "--host", "0.0.0.0")
    assert (said.returncode, "not loopback and there is no TLS" in said.stderr) == (1, True)
    said = run(tmp_path, "edge", "--server-host", "bridgx.example")
    assert (said.returncode, "--server-ca" in said.stderr) == (1, True)
    missing = str(tmp_path / "missing.pem")
    said = run(tmp_path, "serve", "--tls-certificate", missing, "--tls-key", missing)
    assert (said.returncode, f"{missing} cannot be read" in said.stderr) == (1, True)
    pair = authority.pair()
    said = run(tmp_path, "edge", "--tls-certificate", str(pair.certificate))
    assert (said.returncode, "go together" in said.stderr) == (1, True)


def test_plaintext_that_is_said_is_served(tmp_path: Path) -> None:
    with (
        served(tmp_path, grpc_host="0.0.0.0", insecure_plaintext=True) as server,
        Client(server.address, TOKEN, timeout=60) as client,
    ):
        assert [row.cluster_name for row in client.list_clusters()] == ["web"]


# The client.


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("127.0.0.1:50051", True),
        ("[::1]:50051", True),
        ("localhost:50051", True),
        ("dns:///localhost:50051", True),
        ("unix:/run/bridgx.sock", True),
        ("ipv4:127.0.0.1:1,10.0.0.1:1", False),
        ("bridgx.example:443", False),
        ("10.0.0.1:50051", False),
        ("localhost.example:50051", False),
        ("[2001:db8::1]:50051", False),
    ],
)
def test_the_client_keeps_its_token_from_networks_in_the_clear(address: str, local: bool, authority: Authority) -> None:
    assert is_local(address) is local
    if local:
        Client(address, "token").close()
    else:
        with pytest.raises(ValueError, match="insecure_plaintext"):
            Client(address, "token")
        Client(address).close()
        Client(address, "token", insecure_plaintext=True).close()
        Client(address, "token", tls=Tls(authority.file)).close()


# The edge.


@contextlib.contextmanager
def edge_before(server: Served, directory: Path, tls: EdgeTls) -> Iterator[EnvoyProcess]:
    with EnvoyProcess(server.port, free_port(), free_port(), directory / "envoy", tls=tls) as envoy:
        yield envoy


def https(envoy: EnvoyProcess, authority: Authority, client: Pair | None = None) -> httpx.Response:
    context = ssl.create_default_context(cafile=str(authority.file))
    if client is not None:
        context.load_cert_chain(client.certificate, client.key)
    url = f"https://localhost:{envoy.rest_port}/api/v1/cluster/describe_all"
    return httpx.get(url, headers={"Authorization": f"Bearer {TOKEN}"}, verify=context, timeout=60)


def names(answer: httpx.Response) -> list[str]:
    return [row["cluster_name"] for row in envelope(answer)["data"]["cluster_list"]]


def test_the_edge_speaks_tls_to_clients_and_to_the_server(tmp_path: Path, authority: Authority) -> None:
    outer, inner, own = authority.pair("outer"), authority.pair("inner"), authority.pair("own")
    settings = {"tls_certificate": inner.certificate, "tls_key": inner.key, "tls_client_ca": authority.file}
    tls = EdgeTls(
        FreshTls(TlsFiles(outer.certificate, outer.key)),
        FreshTls(TlsFiles(own.certificate, own.key, authority.file)),
        "localhost",
    )
    with served(tmp_path, **settings) as server, edge_before(server, tmp_path, tls) as envoy:
        assert names(https(envoy, authority)) == ["web"]
        assert listed(f"localhost:{envoy.rest_port}", Tls(authority.file)) == ["web"]
        with pytest.raises(httpx.ConnectError):
            https(envoy, Authority(tmp_path, "stranger"))
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://localhost:{envoy.rest_port}/api/v1/cluster/describe_all", timeout=60)
        copies = [file for file in (tmp_path / "envoy").iterdir() if "private_key" in file.read_text()]
        assert [file.stat().st_mode & 0o777 for file in copies] == [0o600, 0o600]


def test_the_edge_does_not_speak_to_a_server_that_is_another(tmp_path: Path, authority: Authority) -> None:
    pair = authority.pair()
    stranger = Authority(tmp_path, "stranger")
    for trusted, name in ((stranger, "localhost"), (authority, "another.example")):
        tls = EdgeTls(None, FreshTls(TlsFiles(authorities=trusted.file)), name)
        with (
            served(tmp_path, tls_certificate=pair.certificate, tls_key=pair.key) as server,
            edge_before(server, tmp_path, tls) as envoy,
        ):
            answer = httpx.get(f"http://localhost:{envoy.rest_port}/api/v1/cluster/describe_all", timeout=60)
            assert (envelope(answer)["code"], envelope(answer)["msg"]) == (503, "server_unavailable")
        (tmp_path / "bridgx.db").unlink()


@pytest.mark.parametrize("required", [True, False])
def test_the_edge_asks_clients_for_a_certificate(tmp_path: Path, authority: Authority, required: bool) -> None:
    pair, good = authority.pair(), authority.pair("client")
    bad = Authority(tmp_path, "stranger").pair("bad")
    tls = EdgeTls(FreshTls(TlsFiles(pair.certificate, pair.key, authority.file, required)))
    with served(tmp_path) as server, edge_before(server, tmp_path, tls) as envoy:
        assert names(https(envoy, authority, good)) == ["web"]
        with pytest.raises(httpx.TransportError):
            https(envoy, authority, bad)
        if required:
            with pytest.raises(httpx.TransportError):
                https(envoy, authority)
        else:
            assert names(https(envoy, authority)) == ["web"]


def test_the_edge_takes_new_certificates_without_a_restart(tmp_path: Path, authority: Authority) -> None:
    pair = authority.pair()
    first = serial_of(pair.certificate.read_bytes())
    fresh = FreshTls(TlsFiles(pair.certificate, pair.key))
    with served(tmp_path) as server, edge_before(server, tmp_path, EdgeTls(fresh)) as envoy:
        assert serial_at(envoy.rest_port, authority) == first
        process = envoy.pid
        pair.key.write_text("half written")
        write_tls(tmp_path / "envoy", EdgeTls(fresh))
        second = serial_of(authority.pair().certificate.read_bytes())
        write_tls(tmp_path / "envoy", EdgeTls(fresh))
        until(lambda: serial_at(envoy.rest_port, authority) == second)
        assert names(https(envoy, authority)) == ["web"]
        assert envoy.pid == process


def test_bridgx_edge_serves_https_and_follows_its_files(tmp_path: Path, authority: Authority) -> None:
    pair = authority.pair()
    port, admin = free_port(), free_port()
    log = tmp_path / "edge.log"
    with served(tmp_path) as server, log.open("w") as output:
        command: list[Any] = [sys.executable, "-m", "bridgx_server", "edge", "--directory", tmp_path / "run"]
        command += ["--port", str(port), "--admin-port", str(admin), "--server-port", str(server.port)]
        command += ["--tls-certificate", pair.certificate, "--tls-key", pair.key, "--log-to-stdout"]
        process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            until(lambda: "ready: https://" in log.read_text() or process.poll() is not None)
            assert process.poll() is None, log.read_text()
            assert listed(f"localhost:{port}", Tls(authority.file)) == ["web"]
            second = serial_of(authority.pair().certificate.read_bytes())
            until(lambda: serial_at(port, authority) == second)
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
    assert "/bridgx.v1.ClusterService/ListClusters" in log.read_text()
    assert not (tmp_path / "run" / "envoy.log").exists()
    with pytest.raises(OSError, match="refused"):
        serial_at(port, authority)
