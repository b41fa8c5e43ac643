"""Accounts without a secret: each SDK finds the machine's own identity, and renews it, where the SDK can."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from bridgx_server.cloudsim.control_client import ControlClient
from bridgx_server.cloudsim.server import CloudSim
from bridgx_server.providers.registry import ADAPTERS, AMBIENT
from wire.metadata_service import CONTAINER, MetadataService, Temporary

# The names under which each SDK looks for an access key and its secret in the environment.
VARIABLES: Mapping[str, tuple[str, str]] = {
    "AlibabaCloud": ("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET"),
    "HuaweiCloud": ("HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK"),
    "TencentCloud": ("TENCENTCLOUD_SECRET_ID", "TENCENTCLOUD_SECRET_KEY"),
    "AWSCloud": ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
}
SECRET_LIKE = ("ALIBABA_CLOUD", "HUAWEICLOUD", "TENCENTCLOUD", "TKE_", "AWS_", "HC_")


class Caller:
    """A process that works with the identity of its machine: one is made for each test, since SDKs look once."""

    def __init__(self, cloud: str, endpoint: str, metadata: MetadataService, home: Path, **variables: str) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(SECRET_LIKE)}
        environment = {
            **clean,
            "HOME": str(home),
            "http_proxy": metadata.url,
            "no_proxy": "127.0.0.1",
            "NO_PROXY": "127.0.0.1",
            "DEBUG": "sdk",
            **variables,
        }
        self._complaints = home / "stderr"
        with self._complaints.open("w") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("ambient_caller.py")), cloud, endpoint],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=environment,
                text=True,
            )

    def ask(self) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, self._complaints.read_text()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def end(self) -> str:
        """What it has said on stderr."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)
        return self._complaints.read_text()


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudSim]:
    running = CloudSim.start(tmp_path_factory.mktemp("cloudsim"))
    yield running
    running.stop()


@pytest.fixture
def metadata() -> Iterator[MetadataService]:
    service = MetadataService()
    yield service
    service.stop()


def temporary(number: int) -> Temporary:
    return Temporary(f"TEMPORARY{number}", f"temporary-secret-{number}", f"temporary-token-{number}")


def grant(control: ControlClient, cloud: str, key: Temporary) -> None:
    body = {"cloud": cloud, "access_key": key.key, "secret": key.secret, "token": key.token}
    control.call("POST", "/accounts", {**body, "owner": f"demo-{cloud}"})


def test_every_cloud_but_baidu_can(simulator: CloudSim) -> None:
    assert set(VARIABLES) == set(AMBIENT) == set(ADAPTERS) - {"BaiduCloud"}


@pytest.mark.parametrize("cloud", VARIABLES)
def test_the_identity_of_the_environment(
    simulator: CloudSim, metadata: MetadataService, tmp_path: Path, cloud: str
) -> None:
    key, secret = VARIABLES[cloud]
    variables = {key: f"demo-{cloud}", secret: f"demo-secret-{cloud}"}
    caller = Caller(cloud, simulator.endpoints[cloud], metadata, tmp_path, **variables)
    assert "zones" in caller.ask()
    assert f"demo-secret-{cloud}" not in caller.end()


@pytest.mark.parametrize("cloud", VARIABLES)
def test_the_role_of_the_machine_is_used_and_renewed(
    simulator: CloudSim, metadata: MetadataService, tmp_path: Path, cloud: str
) -> None:
    control = ControlClient(simulator.control_url)
    control.reset()
    first, second = temporary(1), temporary(2)
    grant(control, cloud, first)
    metadata.current = first
    # Of an instance's role AWS's SDK keeps what is about to expire for ten minutes more; of a container's it does not.
    variables = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": metadata.url + CONTAINER} if cloud == "AWSCloud" else {}
    caller = Caller(cloud, simulator.endpoints[cloud], metadata, tmp_path, **variables)
    assert "zones" in caller.ask()

    grant(control, cloud, second)
    grant(control, cloud, Temporary(first.key, "withdrawn-withdrawn", "withdrawn"))
    metadata.current = second
    assert "zones" in caller.ask()
    said = caller.end()
    assert not [word for key in (first, second) for word in (key.secret, key.token) if word in said]


@pytest.mark.parametrize("cloud", VARIABLES)
def test_a_machine_without_an_identity_is_told_and_asked_again(
    simulator: CloudSim, metadata: MetadataService, tmp_path: Path, cloud: str
) -> None:
    control = ControlClient(simulator.control_url)
    control.reset()
    caller = Caller(cloud, simulator.endpoints[cloud], metadata, tmp_path)
    told = caller.ask()
    assert (told["kind"], told["field"]) == ("unavailable", "ambient")
    assert f"this machine has no identity at {cloud}" in told["message"]
    assert control.calls(cloud) == [], "nothing may be sent without an identity"
    # A role that is given later is found without a restart.
    metadata.current = temporary(3)
    grant(control, cloud, metadata.current)
    assert "zones" in caller.ask()
    caller.end()


@pytest.mark.parametrize("cloud", VARIABLES)
def test_a_token_that_the_cloud_refuses_is_bad_credentials(
    simulator: CloudSim, metadata: MetadataService, tmp_path: Path, cloud: str
) -> None:
    key = temporary(4)
    grant(ControlClient(simulator.control_url), cloud, Temporary(key.key, key.secret, "another-token"))
    metadata.current = key
    caller = Caller(cloud, simulator.endpoints[cloud], metadata, tmp_path)
    assert caller.ask()["kind"] == "bad_credentials"
    said = caller.end()
    assert key.secret not in said
    assert key.token not in said
