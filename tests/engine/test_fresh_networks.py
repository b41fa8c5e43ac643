"""A cloud that denies a network which was made a moment ago is asked again; one that denies another is believed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bridgx_server.providers.base import CreateMachines, MachineState
from bridgx_server.providers.errors import ErrorClass, ProviderError
from bridgx_server.store.models import ClusterRow, InstanceRow, SecurityGroupRow, SubnetRow, VpcRow
from engine.conftest import World, wait_for

MINUTE = 60_000  # ms


@pytest.fixture
def old_world(world: World) -> World:
    """A cluster that was made long ago, in a network that was."""
    world.settings = replace(world.settings, visibility=30.0)
    with world.store.transaction():
        ClusterRow.update(created_at=1).execute()
    return world


def made(world: World, what: str, ago: int) -> None:
    """The VPC, subnet or security group of the cluster as made here so long ago (ms)."""
    common = {"account_id": 1, "name": "n", "created_at": world.store.now() - ago, "created_by": "test"}
    vpc = {"provider": "AlibabaCloud", "account_key": "key", "region_id": "region-1", "cidr_block": "10.0.0.0/16"}
    subnet = {"zone_id": "zone-a", "cidr_block": "10.0.0.0/24", "is_default": False, "available_ip_count": 0}
    with world.store.transaction():
        if what == "vpc":
            VpcRow.create(vpc_id="vpc-1", status="Available", **vpc, **common)
        elif what == "subnet":
            SubnetRow.create(subnet_id="subnet-zone-a", vpc_id="vpc-1", status="Available", **subnet, **common)
        elif what == "group":
            row = {"group_type": "normal", "rules_json": "[]", "region_id": "region-1"}
            SecurityGroupRow.create(security_group_id="sg-1", vpc_id="vpc-1", **row, **common)
        else:
            ClusterRow.update(created_at=common["created_at"]).execute()


def deny(world: World, times: int, kind: ErrorClass = ErrorClass.NOT_FOUND, field: str = "") -> list[CreateMachines]:
    """The cloud does not know the network at the next calls; returns the list of the calls that it denied."""
    denied: list[CreateMachines] = []

    def refuse(request: CreateMachines) -> None:
        if len(denied) < times:
            denied.append(request)
            raise ProviderError(kind, "it does not exist", vendor_code="Gone", field=field)

    world.cloud.before_create = refuse
    return denied


@pytest.mark.parametrize("what", ["vpc", "subnet", "group", "cluster"])
def test_what_was_made_a_moment_ago_is_waited_for(old_world: World, what: str) -> None:
    made(old_world, what, ago=0)
    denied = deny(old_world, 2)
    old_world.start_worker()
    task = old_world.ended(old_world.expand(5))
    assert (task.status, task.running, task.reason) == ("SUCCESS", 5, "")
    assert len(denied) == 2
    # A refused call had no effect: it is the same call that is repeated, under its token.
    assert len({order.token for order in denied}) == 1
    assert task.chunks[0].attempts == 1


def test_other_chunks_of_the_task_go_on_meanwhile(old_world: World) -> None:
    made(old_world, "subnet", ago=0)
    deny(old_world, 1)
    old_world.start_worker()
    task = old_world.ended(old_world.expand(25))
    assert (task.status, task.running) == ("SUCCESS", 25)


@pytest.mark.parametrize("what", ["vpc", "subnet", "group", "cluster"])
def test_what_was_made_long_ago_is_denied_at_once(old_world: World, what: str) -> None:
    made(old_world, what, ago=MINUTE)
    denied = deny(old_world, 99)
    old_world.start_worker()
    task = old_world.ended(old_world.expand(5))
    assert (task.status, task.error_class, len(denied)) == ("FAILED", "param_invalid", 1)
    assert "it does not exist" in task.reason


def test_what_is_denied_for_longer_than_the_visibility_time_is_believed(old_world: World) -> None:
    old_world.settings = replace(old_world.settings, visibility=2.0)
    made(old_world, "subnet", ago=0)
    denied = deny(old_world, 10_000)
    old_world.start_worker()
    task = old_world.ended(old_world.expand(5))
    assert (task.status, task.failed, task.error_class) == ("FAILED", 5, "param_invalid")
    assert 1 < len(denied) < 10  # with growing pauses, not in a loop


@pytest.mark.parametrize(
    ("kind", "field", "waits"),
    [
        (ErrorClass.NOT_FOUND, "", True),
        (ErrorClass.NOT_FOUND, "network_config.subnet_id", True),
        (ErrorClass.NOT_FOUND, "image", False),
        (ErrorClass.NOT_FOUND, "instance_type", False),
        (ErrorClass.INVALID_PARAMETER, "network_config.security_group", True),
        (ErrorClass.INVALID_PARAMETER, "network_config", True),
        (ErrorClass.NOT_FOUND, "network_config.internet_max_bandwidth_out", False),
        (ErrorClass.INVALID_PARAMETER, "network_config.internet_max_bandwidth_out", False),
        (ErrorClass.INVALID_PARAMETER, "network_config.internet_charge_type", False),
        (ErrorClass.INVALID_PARAMETER, "", False),
        (ErrorClass.INVALID_PARAMETER, "password", False),
    ],
)
def test_only_what_may_be_about_the_network_is_waited_for(
    old_world: World, kind: ErrorClass, field: str, waits: bool
) -> None:
    made(old_world, "subnet", ago=0)
    deny(old_world, 1, kind, field)
    old_world.start_worker()
    assert old_world.ended(old_world.expand(1)).status == ("SUCCESS" if waits else "FAILED")


def test_a_clock_of_the_cloud_that_is_far_ahead_makes_nobody_wait(old_world: World) -> None:
    made(old_world, "vpc", ago=-60 * MINUTE)
    deny(old_world, 99)
    old_world.start_worker()
    assert old_world.ended(old_world.expand(1)).status == "FAILED"


def test_a_network_of_another_account_counts_for_nothing(old_world: World) -> None:
    made(old_world, "subnet", ago=0)
    with old_world.store.transaction():
        SubnetRow.update(account_id=2).execute()
    deny(old_world, 99)
    old_world.start_worker()
    assert old_world.ended(old_world.expand(1)).status == "FAILED"


def test_a_denial_after_a_call_in_doubt_loses_no_machine(old_world: World) -> None:
    """The first call made the machines and was cut off; repeated, it is denied: what it made is taken when it is seen."""
    made(old_world, "subnet", ago=0)
    old_world.cloud.fail_next("create", ErrorClass.TIMEOUT_UNKNOWN, after_effect=True)
    denied: list[CreateMachines] = []

    def refuse(request: CreateMachines) -> None:
        if old_world.cloud.calls.count(("create", request)) == 2:
            denied.append(request)
            raise ProviderError(ErrorClass.NOT_FOUND, "it does not exist")

    old_world.cloud.before_create = refuse
    old_world.start_worker()
    task = old_world.ended(old_world.expand(5))
    assert (task.status, task.running) == ("SUCCESS", 5)
    assert len(old_world.cloud.alive()) == 5


def test_machines_that_a_job_could_not_make_in_a_network_so_new_are_replaced_when_it_is_known(old_world: World) -> None:
    old_world.settings = replace(old_world.settings, visibility=3.0)
    made(old_world, "subnet", ago=0)
    known_at = old_world.store.now() + 2900
    times: list[int] = []

    def note(request: CreateMachines) -> None:
        times.append(old_world.store.now())

    old_world.cloud.before_create = note
    old_world.cloud.fails = lambda index: index < 2
    create = old_world.cloud._create

    def unknown(request: CreateMachines) -> object:
        answer = create(request)
        for key in answer.instance_ids:
            row = old_world.cloud.machines[key]
            if row["state"] is MachineState.FAILED:
                row.update(network_unknown=True, reason="no such subnet")
        return answer

    old_world.cloud._create = unknown  # type: ignore[method-assign,assignment]
    old_world.start_worker()
    task = old_world.ended(old_world.expand(2))
    assert (task.status, task.running) == ("SUCCESS", 2)
    assert len(times) == 2
    assert times[1] >= known_at
    with old_world.store.connection():
        reasons = {row.reason for row in InstanceRow.select().where(InstanceRow.status == "deleted")}
    assert reasons == {"the cloud did not know its network: no such subnet"}


def test_other_machines_that_do_not_start_are_replaced_at_once(old_world: World) -> None:
    old_world.settings = replace(old_world.settings, visibility=600.0)
    made(old_world, "subnet", ago=0)
    old_world.cloud.fails = lambda index: index < 2
    old_world.start_worker()
    task_id = old_world.expand(2)
    wait_for(lambda: old_world.task(task_id).running == 2)
