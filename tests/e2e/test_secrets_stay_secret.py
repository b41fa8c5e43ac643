"""Marked secrets go through the whole system, with all logs on and everything going wrong; nothing may show them.

Every file that the system writes and every answer that it gives is searched for every mark, in all the forms that HTTP,
JSON and logs put texts into.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit, urlunsplit

import bridgx.v1 as pb
import grpc
import httpx
import pytest
from bridgx import Client
from bridgx_server.cloudsim.control_client import ControlClient
from bridgx_server.cloudsim.server import CloudSim
from bridgx_server.demo.ports import free_port
from bridgx_server.edge import EnvoyProcess
from bridgx_server.store.database import Store
from conftest import _made_database
from contract.clusters import REGIONS
from contract.conftest import until
from wire.conformance.clouds import CLOUDS

CREATE = {cloud.provider: cloud.create for cloud in CLOUDS}


def forms(secret: str) -> set[bytes]:
    """A secret as HTTP, JSON, logs and databases may write it."""
    data, once = secret.encode(), quote(secret, safe="")
    texts = {secret, once, quote_plus(secret), quote(once, safe=""), json.dumps(secret)[1:-1], repr(secret)[1:-1]}
    texts |= {data.hex(), data.hex().upper()}
    encoded = {text.encode() for text in texts}
    for before in range(3):
        # Where base64 has it in the middle of something, the characters at its ends depend on its neighbours.
        text = base64.b64encode(b"\0" * before + data + b"\0\0")
        encoded.add(text[4 if before else 0 : len(text) // 4 * 4 - 8])
    return encoded


@dataclass
class Marks:
    """Secrets that exist nowhere else, by what they are."""

    by_name: dict[str, str] = field(default_factory=dict)

    def new(self, name: str, form: str = "{}") -> str:
        return self.by_name.setdefault(name, form.format(uuid.uuid4().hex[:20]))

    def password(self, name: str) -> str:
        """A password that every cloud takes."""
        return self.by_name.setdefault(name, f"Mk9@{uuid.uuid4().hex[:10]}")

    def shown_in(self, content: bytes) -> list[str]:
        return [name for name, secret in self.by_name.items() if any(form in content for form in forms(secret))]


@dataclass
class World:
    """`bridgx serve` with all logs on behind Envoy, before simulated clouds; all that is answered is kept."""

    marks: Marks
    directory: Path
    control: ControlClient
    process: subprocess.Popen[bytes]
    store: Store
    rest: httpx.Client
    grpc_address: str
    admin_port: int
    answers: list[str] = field(default_factory=list)

    def call(self, method: str, path: str, **request: Any) -> httpx.Response:
        answer = self.rest.request(method, path, **request)
        self.answers.append(f"{answer.status_code} {answer.headers} {answer.text}")
        return answer

    def post(self, path: str, body: dict[str, Any]) -> Any:
        answer = self.call("POST", path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def get(self, path: str, **query: Any) -> Any:
        answer = self.call("GET", path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def refused(self, path: str, body: dict[str, Any]) -> str:
        answer = self.call("POST", path, json=body)
        assert answer.status_code >= 400, answer.text
        return str(answer.json()["msg"])

    def over_grpc(self, call: Any, request: Any) -> Any:
        """The answer, or the failure with all that a client sees of it."""
        try:
            answer = call(request)
        except grpc.RpcError as error:
            told: Any = error
            self.answers.append(f"{told.code()} {told.details()} {told.trailing_metadata()}")
            return None
        self.answers.append(str(answer))
        return answer

    def task(self, path: str, cluster: str, count: int) -> dict[str, Any]:
        task_id = self.post(path, {"cluster_name": cluster, "task_name": "t", "count": count})
        until(lambda: self.get("task/describe", task_id=task_id)["phase"] == "FINISHED")
        self.call("GET", "task/watch", params={"task_id": task_id})
        task: dict[str, Any] = self.get("task/describe", task_id=task_id)
        return task

    def logs(self) -> str:
        return (self.directory / "serve.log").read_text()


@contextlib.contextmanager
def a_world(database_url: str, tmp_path: Path) -> Iterator[World]:
    marks = Marks()
    simulator = CloudSim.start(tmp_path / "clouds")  # which may know the secrets: it is not ours
    control = ControlClient(simulator.control_url)
    control.delays(boot=[0.05, 0.2], delete=[0.02, 0.1], vpc=0)
    directory = tmp_path / "system"
    directory.mkdir(exist_ok=True)
    grpc_port, rest_port, admin_port = free_port(), free_port(), free_port()
    environment = {
        **os.environ,
        "BRIDGX_DATABASE_URL": database_url,
        "BRIDGX_SECRET_KEY": marks.new("secret key", "{0}{0}{0}0000"),
        "BRIDGX_TOKENS": f"ops:{marks.new('bearer token')},other:{marks.new('another token')}",
        "BRIDGX_LOG_LEVEL": "debug",
        "BRIDGX_POLL": "0.1",
        "BRIDGX_LEASE": "3",
        "BRIDGX_VISIBILITY": "0.5",
        "BRIDGX_READ_TIMEOUT": "5",
        "BRIDGX_GRPC_PORT": str(grpc_port),
        "DEBUG": "sdk",
        "GRPC_VERBOSITY": "debug",
        "PYTHONFAULTHANDLER": "1",
        "PYTHONDEVMODE": "1",
        **{f"BRIDGX_ENDPOINT_{name.upper()}": url for name, url in simulator.endpoints.items()},
    }
    command = [sys.executable, "-m", "bridgx_server"]
    subprocess.run([*command, "migrate"], env=environment, cwd=directory, check=True, capture_output=True)
    with (directory / "serve.log").open("wb") as log:
        # Core files as large as they may be, if the server did not forbid them itself.
        shell = ["sh", "-c", 'ulimit -c "$(ulimit -H -c)"; exec "$@"', "sh"]
        process = subprocess.Popen([*shell, *command, "serve"], env=environment, cwd=directory, stdout=log, stderr=log)
    store = Store(database_url)
    try:
        until(lambda: '"serving"' in (directory / "serve.log").read_text() or process.poll() is not None)
        with EnvoyProcess(grpc_port, rest_port, admin_port, directory / "envoy"):
            rest = httpx.Client(
                base_url=f"http://127.0.0.1:{rest_port}/api/v1/",
                headers={"Authorization": f"Bearer {marks.by_name['bearer token']}"},
                timeout=120.0,
            )
            yield World(marks, directory, control, process, store, rest, f"127.0.0.1:{grpc_port}", admin_port)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        store.close()
        simulator.stop()


@contextlib.contextmanager
def a_database(kind: str, tmp_path: Path, marks: str) -> Iterator[str]:
    if kind == "sqlite":
        (tmp_path / "system").mkdir(exist_ok=True)
        yield f"sqlite:///{tmp_path}/system/bridgx.db"
        return
    for url in _made_database(kind):
        parts = urlsplit(url)
        # Any password does: the server trusts this machine.
        host = parts.netloc.rpartition("@")[2]
        yield urlunsplit(parts._replace(netloc=f"{parts.username}:{quote(marks, safe='')}@{host}"))


def a_whole_life(world: World, cloud: str) -> None:
    """Everything that a user does on a cloud with secrets in it, and everything that goes wrong with it."""
    marks, control = world.marks, world.control
    key, secret = f"key-of-{cloud}", marks.new(f"secret at {cloud}", "S/{}+=")
    body: dict[str, Any] = {"provider": cloud, "account_name": "n", "account_key": key}
    control.call("POST", "/accounts", {"cloud": cloud, "access_key": key, "secret": secret})
    assert (
        world.refused("cloud_account/create", {**body, "account_secret": marks.new("wrong secret")})
        == "bad_credentials"
    )
    world.post("cloud_account/create", {**body, "account_secret": secret})
    world.refused("cloud_account/create", {**body, "account_secret": secret})
    assert (
        world.refused("cloud_account/update", {**body, "account_secret": marks.new("wrong again")}) == "bad_credentials"
    )
    world.get("cloud_account/list")

    cluster = a_cluster(world, cloud, key)
    assert world.task("cluster/expand", cluster, 3)["status"] == "SUCCESS"
    trouble_with_machines(world, cloud, cluster, secret)

    second = marks.new(f"second secret at {cloud}")
    control.call("POST", "/accounts", {"cloud": cloud, "access_key": f"{key}-2", "secret": second, "owner": key})
    world.post("cloud_account/update", {**body, "account_secret": second, "new_account_key": f"{key}-2"})
    control.call("POST", "/accounts", {"cloud": cloud, "access_key": key, "secret": "withdrawn-withdrawn"})
    assert world.task("cluster/shrink", cluster, 1)["status"] == "SUCCESS"
    control.call("POST", "/accounts", {"cloud": cloud, "access_key": f"{key}-2", "secret": "withdrawn-withdrawn"})
    ended = world.task("cluster/expand", cluster, 1)
    assert ended["status"] == "FAILED"
    for path in ("instance/describe_all", "instance/usage_statistics", "task/list", "cluster/describe_all"):
        world.get(path, page_size=50)


def a_cluster(world: World, cloud: str, key: str) -> str:
    region = REGIONS[cloud]
    known = next(row for row in CLOUDS if row.provider == cloud)
    network = {
        "provider": cloud,
        "region_id": region,
        "zone_id": known.zone,
        "cidr_block": "172.16.0.0/16",
        "vpc_name": "vpctest",
        "switch_cidr_block": "172.16.0.0/20",
        "switch_name": "first-switch",
        "security_group_name": "first-group",
        "security_group_type": "normal",
        "ak": key,
    }
    vpc = world.post("network_config/create", network)
    template = {
        "name": f"web-{cloud}",
        "provider": cloud,
        "account_key": key,
        "region_id": region,
        "zone_id": known.zone,
        "instance_type": known.instance_type,
        "image": known.image,
        "password": world.marks.password(f"password at {cloud}"),
        "network_config": {
            "vpc": vpc,
            "subnet_id": world.get("subnet/describe", vpc_id=vpc)["Switches"][0]["SwitchId"],
            "security_group": world.get("security_group/describe", vpc_id=vpc)["Groups"][0]["SecurityGroupId"],
        },
        "disks": {"system_disk": {"category": "cloud_ssd", "size": 50}},
    }
    weak = {
        **template,
        "name": "weak",
        "image": "no-such-image",
        "password": world.marks.new("weak password", "{}\u00e9"),
    }
    world.refused("cluster/create", weak)
    world.refused("cluster/create", {**template, "name": "x", "image": "no-such-image"})
    world.refused("cluster/create", {**template, "name": "x", "password": world.marks.new("long password", "{0}" * 30)})
    return str(world.post("cluster/create", {**template, "request_id": f"make-{cloud}"}))


def trouble_with_machines(world: World, cloud: str, cluster: str, secret: str) -> None:
    for kind, params in (
        ("throttle", {}),
        ("unavailable", {}),
        ("cut_before", {}),
        ("cut_after", {}),
        ("slow", {"seconds": 8}),
    ):
        world.control.fault(kind, cloud, CREATE[cloud], times=1, params=params)
        assert world.task("cluster/expand", cluster, 1)["running"] == 1
    password = world.marks.by_name[f"password at {cloud}"]
    for quoted in (*quotations(password), *quotations(secret)):
        params = {"code": "SomethingNobodyKnows", "message": f"cannot read {quoted}"}
        world.control.fault("error", cloud, CREATE[cloud], params=params)
        ended = world.task("cluster/expand", cluster, 1)
        world.control.clear_faults()
        assert (ended["status"], ended["running"]) == ("FAILED", 0), ended
        assert "cannot read" in ended["reason"], ended


def quotations(secret: str) -> tuple[str, ...]:
    """What a vendor may say that quotes a request back, in every encoding."""
    asked = f"RunInstances&Password={secret}&Amount=1".encode()
    once = quote(secret, safe="")
    encoded = " ".join(base64.b64encode(b"x" * before + asked).decode() for before in range(3))
    return (
        f"{secret} {json.dumps(secret)} {once} {quote(once, safe='')} {quote_plus(secret)}",
        f"{asked.hex()} {encoded}",
    )


def nonsense(world: World) -> None:
    """Requests that are wrong before they reach anything, each with a secret where one may be, or where nothing may."""
    secret = world.marks.new("misplaced secret")
    body = {"provider": "AWSCloud", "account_name": "n", "account_key": "k", "account_secret": secret}
    path = "cloud_account/create"
    text = json.dumps(body)
    broken = (text[:-1], text[:-2], text.replace('": "', '" "'), text + "}", f'{{"account_secret": {secret}}}', secret)
    for content in broken:
        assert (
            world.call("POST", path, content=content, headers={"content-type": "application/json"}).status_code >= 400
        )
    for wrong in ({"a": secret}, [secret], {secret: secret}):
        assert world.call("POST", path, json={**body, "account_secret": wrong}).status_code >= 400
    world.call("POST", path, json={**body, "account_secret": secret + "x" * 300})
    world.call("POST", path, json={**body, "provider": "Nowhere"})
    world.call("POST", "cloud_account/update", json={**body, "new_account_key": "a b"})
    world.call("POST", path, params={"account_secret": secret}, json={})
    world.call("GET", "cloud_account/list", params={"account_secret": secret, "page_size": secret})
    world.call("POST", "cluster/create", json={"password": world.marks.new("misplaced password"), "name": 5})
    for token in (world.marks.new("wrong token"), f"x {world.marks.new('odd token')}"):
        assert world.call("GET", "task/list", headers={"Authorization": f"Bearer {token}"}).status_code == 401
    with Client(world.grpc_address, world.marks.by_name["bearer token"], timeout=60) as client:
        request = pb.CreateAccountRequest(provider="AWSCloud", account_name="n", account_key="g", account_secret=secret)
        assert world.over_grpc(client.accounts.CreateAccount, request) is None
        request.account_key = ""
        world.over_grpc(client.accounts.CreateAccount, request)
        assert world.over_grpc(client.accounts.ListAccounts, pb.ListAccountsRequest())
        world.over_grpc(client.clusters.CreateCluster, pb.CreateClusterRequest(name="g", password=secret))


def a_broken_database(world: World) -> None:
    """What nobody foresaw: a row that cannot be read, and a table that is gone, with a secret on its way into it."""
    cluster = world.get("cluster/describe_all")["cluster_list"][0]["cluster_name"]
    with world.store.transaction():
        world.store.database.execute_sql("UPDATE clusters SET tags_json = '{', data_disks_json = '{'")
    assert world.call("GET", "cluster/describe", params={"cluster_name": cluster}).status_code == 500
    world.post("cluster/expand", {"cluster_name": cluster, "task_name": "t", "count": 1})
    until(lambda: "step failed" in world.logs())
    assert "Traceback" in world.logs()
    with world.store.connection():
        world.store.database.execute_sql("ALTER TABLE accounts RENAME TO accounts_away")
    body = {
        "provider": "AWSCloud",
        "account_name": "n",
        "account_key": "late",
        "account_secret": world.marks.new("late"),
    }
    assert world.call("POST", "cloud_account/create", json=body).status_code in (400, 500, 503)
    update = {"provider": "AWSCloud", "account_key": "key-of-AWSCloud", "account_secret": world.marks.new("later")}
    assert world.call("POST", "cloud_account/update", json=update).status_code in (500, 503)


def everything_stored(world: World) -> bytes:
    tables = world.store.database.get_tables()
    rows: list[Any] = []
    with world.store.connection():
        for table in tables:
            rows.extend(world.store.database.execute_sql(f"SELECT * FROM {table}").fetchall())
    assert len(rows) > 20
    return repr(rows).encode()


@pytest.mark.parametrize(("kind", "clouds"), [("sqlite", list(REGIONS)), ("postgresql", ["AWSCloud"])])
@pytest.mark.timeout(900)
def test_no_file_and_no_answer_shows_a_secret(tmp_path: Path, kind: str, clouds: list[str]) -> None:
    database_password = f"db/{uuid.uuid4().hex}@"
    with a_database(kind, tmp_path, database_password) as url, a_world(url, tmp_path) as world:
        world.marks.by_name["database password"] = database_password
        limits = Path(f"/proc/{world.process.pid}/limits").read_text()
        assert re.search(r"Max core file size +0 +0 ", limits)
        for cloud in clouds:
            a_whole_life(world, cloud)
        nonsense(world)
        with httpx.Client(base_url=f"http://127.0.0.1:{world.admin_port}") as admin:
            world.answers += [admin.get(path).text for path in ("/config_dump", "/stats", "/clusters", "/server_info")]
        stored = everything_stored(world)
        a_broken_database(world)
        world.process.send_signal(signal.SIGABRT)
        world.process.wait(60)
        assert "Fatal Python error: Aborted" in world.logs()

        shown = {f"answer {answer[:900]}": world.marks.shown_in(answer.encode()) for answer in world.answers}
        shown["the tables"] = world.marks.shown_in(stored)
        files = [file for file in world.directory.rglob("*") if file.is_file()]
        assert len(files) >= 4
        shown |= {str(file): world.marks.shown_in(file.read_bytes()) for file in files}
        found = [f"{names}: {where}" for where, names in shown.items() if names]
        assert not found, "\n".join(found)


def test_the_search_itself_finds_what_it_looks_for() -> None:
    """In any alignment of base64, in URLs, in JSON, in hexadecimal."""
    marks = Marks()
    secret = marks.new("s", "p@ss/{}+=")
    for before in range(4):
        for after in range(4):
            text = b"x" * before + secret.encode() + b"y" * after
            assert marks.shown_in(base64.b64encode(text)) == ["s"]
            assert marks.shown_in(text.hex().encode()) == ["s"]
    assert marks.shown_in(f"https://u:{quote(secret, safe='')}@host".encode()) == ["s"]
    assert marks.shown_in(b"nothing here") == []
