"""A clock that is off is told as that, and no task fails for it: on every cloud, in the words of its real SDK."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import bridgx.v1 as pb
import grpc
import pytest
from bridgx import failure_of
from bridgx_server.cloudsim.control_client import ControlClient
from bridgx_server.cloudsim.front import FRONTS
from contract.conftest import Api, until
from contract.reconciling import World, a_world

HOURS = 3 * 3600.0  # more than any cloud puts up with


@pytest.fixture(params=sorted(FRONTS))
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with a_world(request.param, tmp_path) as world:
        yield world


def test_a_task_waits_for_the_clock_and_says_so(world: World) -> None:
    name = world.cluster()
    world.control.call("POST", "/clock", {"ahead": HOURS})
    request = pb.ExpandClusterRequest(cluster_name=name, task_name="grow", count=3)
    task_id = world.client.tasks.ExpandCluster(request).task_id

    def described() -> pb.TaskDetail:
        return world.client.tasks.GetTask(pb.GetTaskRequest(task_id=task_id)).task

    until(lambda: any(chunk.error_class == "clock_skew" for chunk in described().chunks))
    task = described()
    assert task.phase != "FINISHED"
    assert "clock" in task.chunks[0].reason
    assert "valid access key" not in task.chunks[0].reason
    assert world.at_the_cloud() == {}

    world.control.call("POST", "/clock", {"ahead": 0})
    world.client.wait_task(task_id, timeout=120)
    task = described()
    assert (task.status, task.running, task.failed) == ("SUCCESS", 3, 0), task
    assert {chunk.error_class for chunk in task.chunks} == {""}
    assert len(world.at_the_cloud()) == 3


def test_a_network_waits_for_the_clock(world: World) -> None:
    world.control.call("POST", "/clock", {"ahead": HOURS})
    before = len(world.control.calls(world.cloud))
    request = world.network_request("once")
    with ThreadPoolExecutor() as caller:
        made = caller.submit(world.client.networks.CreateNetworkConfig, request)
        until(lambda: len(world.control.calls(world.cloud)) > before + 1)
        world.control.call("POST", "/clock", {"ahead": 0})
        assert made.result().vpc_id


def test_a_secret_cannot_be_judged_while_the_clock_is_off(world: World) -> None:
    account = {"account_name": "second", "account_key": "second", "account_secret": "the-secret-of-the-second"}
    body = {"cloud": world.cloud, "access_key": "second", "secret": account["account_secret"]}
    world.control.call("POST", "/accounts", body)
    world.control.call("POST", "/clock", {"ahead": HOURS})
    request = pb.CreateAccountRequest(provider=world.cloud, **account)
    with pytest.raises(grpc.RpcError) as caught:
        world.client.accounts.CreateAccount(request)
    told = failure_of(caught.value)
    assert (told.code, told.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "clock_skew")
    assert "NTP" in told.message
    world.control.call("POST", "/clock", {"ahead": 0})
    assert world.client.accounts.CreateAccount(request).account_key == "second"


def test_the_same_over_rest(api: Api, control: ControlClient) -> None:
    body = {"provider": "AWSCloud", "account_name": "a", "account_key": "late", "account_secret": "the-secret-of-late"}
    control.call("POST", "/accounts", {"cloud": "AWSCloud", "access_key": "late", "secret": "the-secret-of-late"})
    control.call("POST", "/clock", {"ahead": HOURS})
    try:
        told = api.refused("cloud_account/create", body)
    finally:
        control.call("POST", "/clock", {"ahead": 0})
    assert (told["code"], told["msg"]) == (400, "clock_skew")
