"""A call without a request_id: nobody can repeat it, so that what is cut off of it is removed, and no repetition is made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import bridgx.v1 as pb
import grpc
import pytest
from bridgx import Failure, failure_of
from bridgx_server.cloudsim.front import FRONTS
from bridgx_server.provisioning.claims import Claims
from bridgx_server.provisioning.unfinished import Sweep
from bridgx_server.server import Parts
from bridgx_server.services.network_requests import MESSAGES, performing
from bridgx_server.store.models import RequestRow, VpcRow
from bridgx_server.store.scope import EVERYTHING
from bridgx_server.store.secrets import Keyring
from contract.conftest import until
from contract.reconciling import KEY, PASSWORD, World, a_world


@pytest.fixture(params=sorted(FRONTS))
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with a_world(request.param, tmp_path, worker=False, visibility=0.2, rates="*.*=off") as world:
        yield world


@pytest.fixture
def one_cloud(tmp_path: Path) -> Iterator[World]:
    with a_world("AWSCloud", tmp_path, worker=False, visibility=600.0, rates="*.*=off") as world:
        yield world


def a_config(world: World, name: str) -> pb.CreateNetworkConfigRequest:
    request = world.network_request(name)
    request.vpc_name, request.switch_name, request.security_group_name = name, f"{name}-sub", f"{name}-group"
    request.request_id = ""
    return request


def vpcs_of(world: World, name: str) -> int:
    return sum(row["name"] == name for row in world.control.state(world.cloud)["vpcs"])


def swept(world: World) -> int:
    """What housekeeping does, at once."""
    parts = Parts(world.settings, world.store, Keyring.of(KEY), {})
    flows = parts.networks(parts.clouds())
    return Sweep(Claims(world.store), MESSAGES, performing(world.store, flows, EVERYTHING), 0.0).run()


def cut_off(world: World) -> None:
    """Whoever works on the open request has slept past its lease; nobody else has it yet."""
    with world.store.transaction():
        changes = {"lease_until": 0, "unsettled_ms": 0, "lease_owner": "", "fence": RequestRow.fence + 1}
        assert RequestRow.update(**changes, attempt_at=0).where(RequestRow.open).execute() == 1


def test_it_is_undone_when_it_is_cut_off_and_is_not_made_twice(world: World) -> None:
    world.control.fault("slow", cloud=world.cloud, action="CreateVpc", params={"seconds": 2.0}, times=1)
    told: list[Failure] = []

    def ask() -> None:
        try:
            world.client.networks.CreateNetworkConfig(a_config(world, "nameless"))
        except grpc.RpcError as error:
            told.append(failure_of(error))

    caller = Thread(target=ask)
    caller.start()
    until(lambda: any(fault["hits"] for fault in world.control.call("GET", "/faults")))
    cut_off(world)
    caller.join()

    (failure,) = told
    assert (failure.code, failure.reason) == (grpc.StatusCode.UNAVAILABLE, "server_unavailable")
    assert "removed again by itself" in failure.message
    assert vpcs_of(world, "nameless") == 1

    until(lambda: swept(world) == 0)
    assert vpcs_of(world, "nameless") == 0
    with world.store.connection():
        assert VpcRow.select().where(VpcRow.name == "nameless").count() == 0
        assert RequestRow.select().where(RequestRow.open).count() == 0


def test_an_id_of_the_callers_is_one_whatever_it_begins_with(one_cloud: World) -> None:
    one_cloud.control.delays(visible_network=3600.0)
    request = a_config(one_cloud, "named")
    request.request_id = "made-by-hand"
    with pytest.raises(grpc.RpcError) as caught:
        one_cloud.client.networks.CreateNetworkConfig(request, timeout=4.0)
    assert "repeat it under the same request_id" in failure_of(caught.value).message
    request.request_id = "~"
    with pytest.raises(grpc.RpcError) as caught:
        one_cloud.client.networks.CreateNetworkConfig(request)
    assert failure_of(caught.value).reason == "param_invalid"


def test_a_repetition_is_answered_when_what_was_made_has_been_deleted(one_cloud: World) -> None:
    world = one_cloud
    world.control.call("POST", "/accounts", {"cloud": world.cloud, "access_key": "short", "secret": PASSWORD * 2})
    account = pb.CreateAccountRequest(
        provider=world.cloud,
        account_name="short",
        account_key="short",
        account_secret=PASSWORD * 2,
        request_id="account",
    )
    cluster = pb.CreateClusterRequest(
        name="brief",
        provider=world.cloud,
        account_key=world.key,
        password=PASSWORD,
        network_config=pb.NetworkConfig(**world.network),
        disks=pb.DiskConfig(system_disk=pb.Disk(category="gp3", size=50)),
        request_id="cluster",
        **world.place,
    )
    made = world.client.accounts.CreateAccount(account)
    cluster_made = world.client.clusters.CreateCluster(cluster)
    world.client.clusters.DeleteCluster(pb.DeleteClusterRequest(cluster_name="brief"))
    with world.store.transaction():
        VpcRow.delete().execute()
    for key in ("short", world.key):
        world.client.accounts.DeleteAccount(pb.DeleteAccountRequest(provider=world.cloud, account_key=key))

    assert world.client.accounts.CreateAccount(account) == made
    assert world.client.clusters.CreateCluster(cluster) == cluster_made
    assert list(world.client.accounts.ListAccounts(pb.ListAccountsRequest()).account_list) == []
