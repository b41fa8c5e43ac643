"""`bridgx cloudsim`: the simulator alone."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import click

from bridgx_server.cloudsim.server import CONTROL, CloudSim, demo_account

ORDER = ("AlibabaCloud", "HuaweiCloud", "TencentCloud", "BaiduCloud", "AWSCloud", CONTROL)


@click.command("cloudsim")
@click.option(
    "--port-base", type=click.IntRange(1, 65530), default=18080, show_default=True, help="First of six ports."
)
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".cloudsim"),
    show_default=True,
    help="Where the simulated clouds are kept; a later start goes on from there.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of everything random, such as boot times.")
def cloudsim_command(port_base: int, data_dir: Path, seed: int) -> None:
    """Runs the simulated clouds on loopback until it is ended.

    AlibabaCloud is on the first port, HuaweiCloud on the next, then TencentCloud, BaiduCloud, AWSCloud, and the control
    API on the sixth.
    """
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    try:
        simulator = CloudSim.start(data_dir, {name: port_base + index for index, name in enumerate(ORDER)}, seed)
    except OSError as error:
        raise click.ClickException(f"cannot listen from port {port_base} on: {error.strerror}") from None
    for provider, url in simulator.endpoints.items():
        account = demo_account(provider)
        click.echo(f"{provider:14} {url}  access key {account.access_key}, secret {account.secret}")
    click.echo(f"{'control':14} {simulator.control_url}")
    ended.wait()
    simulator.stop()
