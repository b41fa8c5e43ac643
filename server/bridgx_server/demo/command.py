"""`bridgx demo`."""

from __future__ import annotations

import shlex
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

import click
from rich.console import Console

from bridgx_server import crashes
from bridgx_server.demo.rest import Rest, RestError
from bridgx_server.demo.system import TOKEN, DemoError, Running, running
from bridgx_server.demo.tour import tour
from bridgx_server.edge import EdgeError

TOURED = ("AlibabaCloud", "AWSCloud")


class _Ended(BaseException):
    """SIGTERM or SIGINT came."""


@click.command("demo")
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".bridgx-demo"),
    show_default=True,
    help="Where everything is kept; a later start goes on from there.",
)
@click.option("--grpc-port", type=click.IntRange(0, 65535), default=0, help="0: chosen once and kept.")
@click.option("--rest-port", type=click.IntRange(0, 65535), default=0, help="0: chosen once and kept.")
@click.option("--no-tour", is_flag=True, help="Only serve.")
@click.option("--cloud", "clouds", multiple=True, help=f"A cloud to tour, repeatable. Default: {' and '.join(TOURED)}.")
def demo_command(data_dir: Path, grpc_port: int, rest_port: int, no_tour: bool, clouds: tuple[str, ...]) -> None:
    """Starts simulated clouds, server, worker and Envoy on loopback, shows them at work, and stays up."""
    crashes.guard()
    console = Console()
    ended = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        first = not ended.is_set()
        ended.set()
        if first:
            raise _Ended

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    try:
        with running(data_dir, grpc_port, rest_port) as system:
            _check(clouds, system)
            if not no_tour:
                _tour(console, system, clouds or tuple(name for name in TOURED if name in system.clouds))
            _say_ready(system, data_dir)
            signal.pause()
    except _Ended:
        click.echo("ended")
    except (DemoError, EdgeError) as error:
        raise click.ClickException(str(error)) from None


def _check(clouds: tuple[str, ...], system: Running) -> None:
    unknown = [name for name in clouds if name not in system.clouds]
    if unknown:
        raise click.ClickException(f"--cloud: {', '.join(unknown)} is not among {', '.join(system.clouds)}")


def _tour(console: Console, system: Running, clouds: tuple[str, ...]) -> None:
    rest = Rest(system.rest_url, TOKEN)
    try:
        for cloud in clouds:
            tour(rest, cloud, console)
    except RestError as error:
        console.print(f"the tour ended early: {error}")


def _say_ready(system: Running, data_dir: Path) -> None:
    rest, grpc = system.rest_url, f"127.0.0.1:{system.grpc_port}"
    lines = [
        f"ready: REST {rest}, gRPC {grpc}, token {TOKEN}",
        *(f"  {name:14} simulated at {url}, access key demo-{name}" for name, url in system.endpoints.items()),
        f"  {'control':14} {system.control_url} (faults, capacity, delays, everything that exists)",
        f"  {'log':14} {data_dir / 'server.log'}",
        "try:",
        f"  curl -s -H 'Authorization: Bearer {TOKEN}' '{rest}/api/v1/cluster/describe_all'",
        f"  curl -sN -H 'Authorization: Bearer {TOKEN}' '{rest}/api/v1/task/watch?task_id=1'",
        f"  {_buf()} curl --protocol grpc --http2-prior-knowledge -H 'Authorization: Bearer {TOKEN}' \\",
        f"    http://{grpc}/bridgx.v1.ClusterService/ListClusters -d '{{}}'",
        "end with Ctrl-C",
    ]
    click.echo("\n".join(lines))
    sys.stdout.flush()


def _buf() -> str:
    """How a shell finds buf: beside this Python, where `make install` puts it, else by its name."""
    beside = Path(sys.executable).parent / "buf"
    return shlex.quote(str(beside)) if beside.exists() else "buf"
