"""`bridgx edge`."""

from __future__ import annotations

from typing import Any

import click

from bridgx_server import logs
from bridgx_server.edge import EdgeError, EnvoyProcess
from bridgx_server.edge_config import write_tls
from bridgx_server.edge_settings import EdgeSettings
from bridgx_server.options import checked, settings_options
from bridgx_server.server import on_signals
from bridgx_server.tls import TransportError
from bridgx_server.transport import address_of

LOOK = 2.0  # seconds between two looks at the certificates and at Envoy


@click.command("edge")
@settings_options(kind=EdgeSettings)
def edge_command(**flags: Any) -> None:
    """Runs Envoy before the gRPC server: REST and gRPC on one port, with TLS and limits."""
    settings = checked(EdgeSettings, flags)
    logs.set_up("info", "json")
    ended = on_signals()
    try:
        tls = settings.tls()
        envoy = EnvoyProcess(
            settings.server_port,
            settings.port,
            settings.admin_port,
            settings.directory,
            host=settings.host,
            server_host=settings.server_host,
            limits=settings.limits(),
            tls=tls,
            concurrency=settings.concurrency,
            log_to_stdout=settings.log_to_stdout,
        )
        with envoy:
            scheme = "https" if tls.listener else "http"
            where = f", log {envoy.log_file}" if envoy.log_file else ""
            click.echo(f"ready: {scheme}://{address_of(settings.host, settings.port)}{where}")
            while not ended.wait(LOOK):
                write_tls(settings.directory.resolve(), tls)
                if envoy.pid is None:
                    raise EdgeError("Envoy has ended", envoy.log_file)
    except (TransportError, EdgeError, OSError) as error:
        raise click.ClickException(str(error)) from None
