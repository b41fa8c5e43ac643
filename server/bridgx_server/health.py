"""`bridgx health`: asks a server whether it serves, as an orchestrator does."""

from __future__ import annotations

from pathlib import Path

import click
import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("health")
@click.option(
    "--address", default="127.0.0.1:50051", show_default=True, help="host:port of the server, or of an Envoy."
)
@click.option("--service", default="", help="A service such as bridgx.v1.TaskService; empty: the server as a whole.")
@click.option("--timeout", default=5.0, show_default=True, type=click.FloatRange(min=0.1), help="Seconds to wait.")
@click.option("--ca", type=_FILE, help="PEM file: the CAs of the server's certificate; set: TLS.")
@click.option("--server-name", default="", help="Name in the server's certificate, where it is not the host's.")
@click.option("--certificate", type=_FILE, help="PEM file: the certificate to show to the server.")
@click.option("--key", type=_FILE, help="PEM file: the key of that certificate.")
def health_command(
    address: str,
    service: str,
    timeout: float,
    ca: Path | None,
    server_name: str,
    certificate: Path | None,
    key: Path | None,
) -> None:
    """Asks a server whether it serves. Ends with 0 if it does, else with 1. Needs no token."""
    if (certificate is None) != (key is None):
        raise click.UsageError("--certificate and --key go together")
    if certificate is not None and ca is None:
        raise click.UsageError("--certificate is of use with --ca alone")
    request = health_pb2.HealthCheckRequest(service=service)
    with _channel(address, ca, server_name, certificate, key) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=timeout, wait_for_ready=True)
        except grpc.RpcError as error:
            raise click.ClickException(f"{address} gave no answer: {error.code().name}: {error.details()}") from None
    state = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        raise click.ClickException(f"{address} says {state}")
    click.echo(state)


def _channel(
    address: str, ca: Path | None, server_name: str, certificate: Path | None, key: Path | None
) -> grpc.Channel:
    options: list[tuple[str, str | int]] = [("grpc.enable_http_proxy", 0)]
    if ca is None:
        return grpc.insecure_channel(address, options)
    if server_name:
        options.append(("grpc.ssl_target_name_override", server_name))
    shown = {}
    if certificate is not None and key is not None:
        shown = {"certificate_chain": certificate.read_bytes(), "private_key": key.read_bytes()}
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(ca.read_bytes(), **shown), options)
