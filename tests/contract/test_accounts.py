"""Accounts whose secret is exchanged while they are in use, and accounts without one, over REST on every cloud."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from bridgx_server.cloudsim.control_client import ControlClient
from contract.clusters import REGIONS, a_network, a_place, template
from contract.conftest import Api, until

CLOUDS = list(REGIONS)
_numbers = itertools.count(1)


class Keys:
    """Access keys that exist at the simulated cloud, and the account here that begins with the first."""

    def __init__(self, api: Api, control: ControlClient, cloud: str) -> None:
        self.api, self.control, self.cloud = api, control, cloud
        self.number = next(_numbers)
        self.first = self.name("first")
        self.at_the_cloud(self.first, self.secret("first"))
        body = {"account_name": "team a", "account_key": self.first, "account_secret": self.secret("first")}
        assert api.post("cloud_account/create", {"provider": cloud, **body}) == self.first

    def name(self, word: str) -> str:
        return f"{word}-key-{self.number}"

    @staticmethod
    def secret(word: str) -> str:
        return f"the-{word}-secret-of-this-test"

    def at_the_cloud(self, key: str, secret: str, **further: str) -> None:
        self.control.call("POST", "/accounts", {"cloud": self.cloud, "access_key": key, "secret": secret, **further})

    def update(self, **body: Any) -> Any:
        return self.api.post("cloud_account/update", self._body(body))

    def refused(self, **body: Any) -> dict[str, Any]:
        return self.api.refused("cloud_account/update", self._body(body))

    def _body(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"provider": self.cloud, "account_key": self.first, **body}

    def listed(self) -> dict[str, Any]:
        rows = self.api.get("cloud_account/list", provider=self.cloud, page_size=50)["account_list"]
        return next(row for row in rows if row["account_key"] == self.first)

    def a_cluster(self) -> str:
        place = a_place(self.api, self.cloud)
        network = a_network(self.api, self.cloud, place, account=self.first)
        body = template(self.cloud, place, network, account_key=self.first)
        return str(self.api.post("cluster/create", body))

    def expand(self, cluster: str, count: int) -> str:
        body = {"cluster_name": cluster, "task_name": "grow", "count": count}
        return str(self.api.post("cluster/expand", body))


@pytest.fixture(params=CLOUDS)
def keys(request: pytest.FixtureRequest, api: Api, control: ControlClient) -> Iterator[Keys]:
    yield Keys(api, control, request.param)
    control.clear_faults()


def test_a_secret_is_exchanged_while_a_task_runs(keys: Keys) -> None:
    cluster = keys.a_cluster()
    assert keys.api.ended(keys.expand(cluster, 2))["status"] == "SUCCESS"
    keys.control.fault("late_describe", keys.cloud, "*", rate=0.5, times=40, params={"seconds": 1})
    task = keys.expand(cluster, 45)
    until(lambda: keys.api.get("task/describe", task_id=task)["phase"] != "QUEUED")

    keys.at_the_cloud(keys.name("second"), keys.secret("second"), owner=keys.first)
    secret = keys.secret("second")
    assert keys.update(account_secret=secret, new_account_key=keys.name("second")) == keys.first
    keys.at_the_cloud(keys.first, "withdrawn-withdrawn")  # nobody may use the old one any more

    ended = keys.api.ended(task)
    assert (ended["status"], ended["running"], ended["failed"]) == ("SUCCESS", 45, 0), ended
    machines = [row for row in keys.control.machines(keys.cloud) if row["account"] == keys.first]
    assert len(machines) == 47
    assert keys.api.ended(keys.expand(cluster, 1))["status"] == "SUCCESS"
    row = keys.listed()
    assert (row["cloud_key"], row["ambient"]) == (keys.name("second"), False)
    assert row["key_update_at"] > row["create_at"]
    assert not {"account_secret", "secret"} & set(row)


def test_a_secret_that_the_cloud_refuses_leaves_the_old_one(keys: Keys) -> None:
    before = keys.listed()
    assert keys.refused(account_secret="not-the-secret-of-anyone")["msg"] == "bad_credentials"
    assert keys.refused(account_secret=keys.secret("first"), new_account_key="nobody")["msg"] == "bad_credentials"
    keys.control.fault("unavailable", keys.cloud, "*")
    away = keys.refused(account_secret=keys.secret("first"))
    assert (away["code"], away["msg"]) == (503, "cloud_unavailable")
    keys.control.clear_faults()
    assert keys.listed() == before
    assert keys.a_cluster()


def test_credentials_of_another_account_at_the_cloud_are_refused(keys: Keys) -> None:
    cluster = keys.a_cluster()
    keys.at_the_cloud(keys.name("stranger"), keys.secret("stranger"))
    change = {"account_secret": keys.secret("stranger"), "new_account_key": keys.name("stranger")}
    assert keys.refused(**change)["msg"] == "conflict"  # its VPC is not there
    assert keys.api.ended(keys.expand(cluster, 2))["status"] == "SUCCESS"
    told = keys.refused(**change)
    assert "another account" in told["error"]["message"]
    assert keys.api.ended(keys.expand(cluster, 1))["status"] == "SUCCESS"


def test_changes_that_make_no_sense_are_named(keys: Keys) -> None:
    def fields(told: dict[str, Any]) -> set[str]:
        assert (told["code"], told["msg"]) == (400, "param_invalid")
        details = told["error"]["details"]
        return {row["field"] for detail in details for row in detail.get("fieldViolations", [])}

    assert fields(keys.refused()) == {"account_secret"}
    assert fields(keys.refused(new_account_key="b")) >= {"new_account_key"}
    assert fields(keys.refused(ambient=True, account_secret="x" * 20)) == {"ambient"}
    assert fields(keys.refused(account_secret="x" * 257)) == {"account_secret"}
    assert fields(keys.refused(account_secret="x" * 15)) == {"account_secret"}
    assert fields(keys.refused(account_secret="x" * 20, new_account_key="a b")) == {"new_account_key"}
    create = {"provider": keys.cloud, "account_name": "n", "account_key": "label"}
    assert fields(keys.api.refused("cloud_account/create", create)) == {"account_secret"}
    short = keys.api.refused("cloud_account/create", {**create, "account_secret": "a"})
    assert fields(short) == {"account_secret"}
    assert "at least 16 characters" in short["error"]["message"]
    both = {**create, "account_secret": "x" * 20, "ambient": True}
    assert fields(keys.api.refused("cloud_account/create", both)) == {"account_secret"}
    nobody = {"provider": keys.cloud, "account_key": "nobody", "account_name": "n"}
    assert keys.api.refused("cloud_account/update", nobody)["msg"] == "account_not_found"


def test_no_two_accounts_share_an_access_key(keys: Keys) -> None:
    demo = f"demo-{keys.cloud}"
    taken = keys.refused(account_secret=f"demo-secret-{keys.cloud}", new_account_key=demo)
    assert taken["msg"] == "account_already_exists"
    keys.at_the_cloud(keys.name("second"), keys.secret("second"), owner=keys.first)
    keys.update(account_secret=keys.secret("second"), new_account_key=keys.name("second"))
    body = {"account_name": "n", "account_key": keys.name("second"), "account_secret": keys.secret("second")}
    told = keys.api.refused("cloud_account/create", {"provider": keys.cloud, **body})
    assert told["msg"] == "account_already_exists"


def test_an_account_is_renamed_without_its_secret(keys: Keys) -> None:
    keys.update(account_name="team b")
    row = keys.listed()
    assert (row["account_name"], row["cloud_key"]) == ("team b", keys.first)
    assert row["key_update_at"] == row["create_at"]


def test_baidu_has_no_identity_of_a_machine(api: Api) -> None:
    body = {"provider": "BaiduCloud", "account_name": "n", "account_key": "label", "ambient": True}
    told = api.refused("cloud_account/create", body)
    assert (told["code"], told["msg"]) == (400, "param_invalid")
    assert "ambient: BaiduCloud knows no identity of a machine" in told["error"]["message"]
    told = api.refused(
        "cloud_account/update", {"provider": "BaiduCloud", "account_key": "demo-BaiduCloud", "ambient": True}
    )
    assert told["msg"] == "param_invalid"


def test_an_account_works_with_the_identity_of_the_machine(
    api: Api, control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    body = {"provider": "AWSCloud", "account_name": "the machine", "account_key": "machine", "ambient": True}
    told = api.refused("cloud_account/create", body)
    assert (told["code"], told["msg"]) == (400, "param_invalid")
    assert "ambient: this machine has no identity at AWSCloud" in told["error"]["message"]

    secret = "the-secret-in-the-environment"
    control.call("POST", "/accounts", {"cloud": "AWSCloud", "access_key": "AKIAMACHINE", "secret": secret})
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAMACHINE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    assert api.post("cloud_account/create", body) == "machine"
    rows = api.get("cloud_account/list", provider="AWSCloud", page_size=50)["account_list"]
    (row,) = [row for row in rows if row["account_key"] == "machine"]
    assert (row["ambient"], row["cloud_key"]) == (True, "")

    place = a_place(api, "AWSCloud")
    network = a_network(api, "AWSCloud", place, account="machine")
    name = api.post("cluster/create", template("AWSCloud", place, network, account_key="machine"))
    task = api.post("cluster/expand", {"cluster_name": name, "task_name": "grow", "count": 3})
    assert api.ended(task)["status"] == "SUCCESS"
    owners = [machine["account"] for machine in control.machines("AWSCloud")]
    assert owners.count("AKIAMACHINE") == 3
