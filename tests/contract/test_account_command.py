"""`bridgx account add` asks the cloud, as the API does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from bridgx_server.cli import main
from bridgx_server.cloudsim.control_client import ControlClient
from bridgx_server.cloudsim.front import FRONTS
from bridgx_server.cloudsim.server import CloudSim
from bridgx_server.store import accounts, audit
from bridgx_server.store.audit import AuditFilter
from bridgx_server.store.database import Store
from bridgx_server.store.migrations import migrate
from bridgx_server.store.paging import PageOf
from bridgx_server.store.scope import EVERYTHING
from click.testing import CliRunner, Result


@dataclass
class House:
    """A database, a simulated cloud, and the command."""

    cloud: str
    directory: Path
    store: Store
    simulator: CloudSim

    @property
    def key(self) -> str:
        return f"demo-{self.cloud}"

    def bridgx(self, *arguments: str, secret: str) -> Result:
        file = self.directory / "secret"
        file.write_text(secret)
        variables = {
            "BRIDGX_DATABASE_URL": f"sqlite:///{self.directory}/bridgx.db",
            "BRIDGX_SECRET_KEY": (b"k" * 32).hex(),
            f"BRIDGX_ENDPOINT_{self.cloud.upper()}": self.simulator.endpoints[self.cloud],
        }
        fixed = ("--provider", self.cloud, "--secret-file", str(file))
        return CliRunner().invoke(main, ["account", *arguments, *fixed], env=variables)

    def add(self, key: str, secret: str) -> Result:
        return self.bridgx("add", "--name", "n", "--access-key", key, secret=secret)

    def registered(self) -> list[str]:
        return [row.access_key for row in accounts.every(self.store)]


@pytest.fixture(params=sorted(FRONTS))
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    simulator = CloudSim.start(tmp_path / "clouds", clouds=[request.param])
    store = Store(f"sqlite:///{tmp_path}/bridgx.db")
    migrate(store)
    yield House(request.param, tmp_path, store, simulator)
    store.close()
    simulator.stop()


def test_the_cloud_is_asked_before_an_account_is_written_down(house: House) -> None:
    secret = f"demo-secret-{house.cloud}"
    wrong = house.add(house.key, "not-the-secret-of-anyone")
    assert wrong.exit_code == 1
    assert "valid access key" in wrong.output
    short = house.add(house.key, "short")
    assert (short.exit_code, "at least 16 characters" in short.output) == (1, True)
    assert house.registered() == []
    page = audit.page(house.store, EVERYTHING, AuditFilter(), PageOf.asked(1, 50), about_no_account=True)
    assert [row.outcome for row in page.rows] == ["param_invalid", "bad_credentials"]

    told = house.add(house.key, secret)
    assert (told.exit_code, told.stdout) == (0, f"registered {house.key} of {house.cloud}\n")
    assert "warning" not in told.output
    again = house.add(house.key, secret)
    assert (again.exit_code, "already" in again.output) == (1, True)
    assert house.registered() == [house.key]


def test_a_cloud_that_is_away_is_no_reason_to_refuse(house: House) -> None:
    ControlClient(house.simulator.control_url).fault("unavailable", cloud=house.cloud)
    assert house.add(house.key, f"demo-secret-{house.cloud}").exit_code == 0
    assert house.registered() == [house.key]


def test_another_key_of_the_same_account_is_warned_of(house: House) -> None:
    assert house.add(house.key, f"demo-secret-{house.cloud}").exit_code == 0
    body = {"cloud": house.cloud, "access_key": "second", "secret": "the-secret-of-the-second", "owner": house.key}
    ControlClient(house.simulator.control_url).call("POST", "/accounts", body)
    told = house.add("second", "the-secret-of-the-second")
    assert told.exit_code == 0
    tells = house.cloud != "BaiduCloud"  # which does not say whose a key is
    assert ("the same account" in told.stderr) is tells
    assert house.key not in told.stdout


def test_a_secret_that_is_too_short_is_no_exchange_either(house: House) -> None:
    assert house.add(house.key, f"demo-secret-{house.cloud}").exit_code == 0
    told = house.bridgx("update", "--access-key", house.key, secret="short")
    assert (told.exit_code, "at least 16 characters" in told.output) == (1, True)
