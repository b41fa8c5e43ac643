"""`bridgx demo` as a user runs it: started, used over REST and gRPC, ended, killed, and started again."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import bridgx.v1 as pb
import pytest
from bridgx import Client
from bridgx_server.cloudsim.control_client import ControlClient
from bridgx_server.demo.ports import free_port
from contract.clusters import a_network, a_place, template
from contract.conftest import Api, until


class Demo:
    """One run of the command; without a tour unless ``further`` says otherwise."""

    def __init__(self, data_dir: Path, grpc_port: int, rest_port: int, *further: str) -> None:
        self.log = data_dir.parent / "demo.out"
        self.grpc_port, self.rest_port = grpc_port, rest_port
        command = [sys.executable, "-m", "bridgx_server", "demo", "--data-dir", str(data_dir)]
        command += ["--grpc-port", str(grpc_port), "--rest-port", str(rest_port), *(further or ("--no-tour",))]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def wait_ready(self) -> None:
        def ready() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            return "ready: REST" in self.log.read_text()

        until(ready)

    @property
    def control(self) -> ControlClient:
        line = next(line for line in self.log.read_text().splitlines() if line.strip().startswith("control"))
        return ControlClient(line.split()[1])

    @property
    def api(self) -> Api:
        return Api(f"http://127.0.0.1:{self.rest_port}")

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "demo"
    with contextlib.suppress(OSError, ValueError):
        os.kill(int((tmp_path / "demo" / "envoy" / "envoy.pid").read_text()), signal.SIGKILL)


def test_the_demo_goes_on_where_it_was_even_after_kill_9(data_dir: Path) -> None:
    ports = free_port(), free_port()
    demo = Demo(data_dir, *ports)
    demo.wait_ready()
    api = demo.api
    cloud = "AlibabaCloud"
    place = a_place(api, cloud)
    name = api.post("cluster/create", template(cloud, place, a_network(api, cloud, place), max_machines=1000))
    task_id = api.post("cluster/expand", {"cluster_name": name, "task_name": "big", "count": 250})
    until(lambda: api.get("task/describe", task_id=task_id)["status"] == "RUNNING")
    demo.end(signal.SIGKILL)

    demo = Demo(data_dir, *ports)
    demo.wait_ready()
    task = demo.api.ended(task_id)
    assert (task["status"], task["running"], task["failed"]) == ("SUCCESS", 250, 0)
    assert [chunk["asked"] for chunk in task["chunks"]] == [100, 100, 50]
    with Client(f"127.0.0.1:{ports[0]}", "demo-token") as client:
        request = pb.ListInstancesRequest(cluster_name=name, status="running")
        running = {machine.instance_id for machine in client.list_instances(request)}
    assert running == {machine["machine_id"] for machine in demo.control.machines(cloud)}
    assert len(running) == 250
    files = [path for path in data_dir.rglob("*") if path.is_file()]
    assert {"bridgx.db", "bridgx.db-wal", "bridgx.db-shm", "server.log", "envoy.log"} <= {path.name for path in files}
    assert [path for path in files if path.stat().st_mode & 0o077] == []
    assert demo.end(signal.SIGTERM) == 0

    demo = Demo(data_dir, *ports)
    demo.wait_ready()
    assert demo.api.get("instance/num", cluster_name=name) == {"instance_num": 250}
    assert len(demo.control.machines(cloud)) == 250
    second = Demo(data_dir, free_port(), free_port())
    assert second.process.wait(60) != 0
    assert "another demo runs" in second.log.read_text()
    assert demo.end(signal.SIGTERM) == 0


def test_the_tour_of_a_cloud_shows_it_at_work_and_what_it_tells_to_try_works(data_dir: Path) -> None:
    cloud = "HuaweiCloud"
    demo = Demo(data_dir, free_port(), free_port(), "--cloud", cloud)
    demo.wait_ready()
    shown = demo.log.read_text()
    tour, _, told = shown.partition("ready: REST")
    for line in (
        rf"─ {cloud} ─",
        r"^network +\S+ with subnet\s+\S+ and security group\s+\S+$",
        rf"^template +tour-{cloud}-\d+: ",
        r"^expand +task 1 .* 20/20 ",
        r"^machines +20 running, the newest three:\n( +\S+ +172\.16\.\d+\.\d+ +up after \d+ s\n){3}shrink",
        r"^shrink +task 2 .* 5/5 ",
        r"^usage +\d+ machine-seconds today; 15 machines run on$",
    ):
        assert re.search(line, tour, re.MULTILINE), (line, shown)
    assert not re.search("ended early|FAILED|PARTIAL_SUCCESS|CANCELED|Traceback", shown), shown
    tasks = [demo.api.get("task/describe", task_id=task_id) for task_id in ("1", "2")]
    assert [(task["status"], task["running"], task["deleted"]) for task in tasks] == [
        ("SUCCESS", 20, 0),
        ("SUCCESS", 0, 5),
    ]
    assert len(demo.control.machines(cloud)) == 15
    name = demo.api.get("cluster/describe_all")["cluster_list"][0]["cluster_name"]
    lines = told.partition("try:\n")[2].partition("end with Ctrl-C")[0]
    curl, watch, buf = lines.replace("\\\n", "").splitlines()
    assert name in _by_shell(buf)
    if shutil.which("curl"):
        assert name in _by_shell(curl)
        assert '"status":"SUCCESS"' in _by_shell(watch)
    assert demo.end(signal.SIGTERM) == 0


def _by_shell(line: str) -> str:
    """What a command says to someone who copies it; it must succeed."""
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=120, check=True).stdout


def test_wrong_settings_are_named(tmp_path: Path) -> None:
    def refused(*arguments: str, **environment: str) -> str:
        run = subprocess.run(
            [sys.executable, "-m", "bridgx_server", *arguments],
            env={**os.environ, **environment},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert run.returncode == 1
        return run.stderr

    key = {"BRIDGX_SECRET_KEY": "11" * 32}
    assert "grpc_port" in refused("serve", "--grpc-port", "seventy")
    assert "time_zone" in refused("serve", BRIDGX_TIME_ZONE="Mars/Olympus")
    assert "no secret key is set" in refused("serve")
    assert "bridgx migrate" in refused("serve", **key)
    assert "mongodb" in refused("serve", "--database-url", "mongodb://x/y", **key)
    assert "secret key cannot be used" in refused("serve", BRIDGX_SECRET_KEY="short")
    done = subprocess.run(
        [sys.executable, "-m", "bridgx_server", "migrate"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "applied 0001_initial" in done.stdout
    assert "bridgx token create" in refused("serve", **key)
    assert "oidc_audience" in refused("serve", "--oidc-issuer", "https://login.example.net", **key)
    missing = {
        "BRIDGX_OIDC_ISSUER": "https://login.example.net",
        "BRIDGX_OIDC_AUDIENCE": "x",
        "BRIDGX_OIDC_JWKS_FILE": "none",
    }
    assert "keys cannot be read" in refused("serve", **missing, **key)
    assert "token 1 is not name:token" in refused("serve", BRIDGX_TOKENS="nameless", **key)


def test_serve_and_worker_share_a_database(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "BRIDGX_DATABASE_URL": f"sqlite:///{tmp_path}/bridgx.db",
        "BRIDGX_SECRET_KEY": "22" * 32,
        "BRIDGX_TOKENS": "ops:serve-token",
    }
    command = [sys.executable, "-m", "bridgx_server"]
    subprocess.run([*command, "migrate"], env=environment, check=True, capture_output=True)
    port = free_port()
    with (tmp_path / "log").open("w") as log:
        serve = subprocess.Popen(
            [*command, "serve", "--no-worker", "--grpc-port", str(port)], env=environment, stderr=log
        )
        worker = subprocess.Popen([*command, "worker"], env=environment, stderr=log)
    try:
        until(lambda: all(word in (tmp_path / "log").read_text() for word in ('"serving"', '"working"')))
        with Client(f"127.0.0.1:{port}", "serve-token", timeout=60) as client:
            assert list(client.list_clusters()) == []
    finally:
        serve.send_signal(signal.SIGTERM)
        worker.send_signal(signal.SIGTERM)
        assert (serve.wait(60), worker.wait(60)) == (0, 0)
    text = (tmp_path / "log").read_text()
    assert "serve-token" not in text
    assert '"caller": "ops"' in text
