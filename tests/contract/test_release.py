"""Machines that a cloud does not delete, as users see them: paid in advance, protected there, or said to be unknown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bridgx.v1 as pb
import pytest
from bridgx_server.cloudsim.control_client import ControlClient
from bridgx_server.cloudsim.front import FRONTS
from contract.clusters import a_network, a_place, template
from contract.conftest import Api, until
from contract.reconciling import World, a_world
from wire.conformance.clouds import CLOUDS

PAID = {"charge_type": "PrePaid", "charge_config": {"charge_type": "PrePaid", "period_unit": "Month", "period": 1}}
SELL_IN_ADVANCE = sorted(set(FRONTS) - {"AWSCloud"})


@dataclass(frozen=True)
class Place:
    """A network of a cloud, and clusters made in it."""

    api: Api
    control: ControlClient
    cloud: str
    place: dict[str, str]
    network: dict[str, str]

    def cluster(self, machines: int, **changes: Any) -> str:
        name: str = self.api.post("cluster/create", template(self.cloud, self.place, self.network, **changes))
        if machines:
            assert self.api.ended(self.expand(name, machines))["status"] == "SUCCESS"
        return name

    def expand(self, name: str, count: int) -> str:
        task_id: str = self.api.post("cluster/expand", {"cluster_name": name, "task_name": "t", "count": count})
        return task_id

    def shrink(self, name: str, **how: Any) -> dict[str, Any]:
        return self.api.ended(self.api.post("cluster/shrink", {"cluster_name": name, "task_name": "t", **how}))

    def machines(self, name: str, *statuses: str) -> list[dict[str, Any]]:
        rows = self.api.get("instance/describe_all", cluster_name=name, page_size=50)["instance_list"]
        return [row for row in rows if not statuses or row["status"] in statuses]

    def at_the_cloud(self) -> set[str]:
        return {row["machine_id"] for row in self.control.machines(self.cloud)}


@pytest.fixture(scope="module")
def places(api: Api, control: ControlClient) -> dict[str, Place]:
    """By cloud, as far as a test has asked for one."""
    return {}


def place_of(places: dict[str, Place], api: Api, control: ControlClient, cloud: str) -> Place:
    if cloud not in places:
        place = a_place(api, cloud)
        places[cloud] = Place(api, control, cloud, place, a_network(api, cloud, place))
    return places[cloud]


@pytest.fixture(params=SELL_IN_ADVANCE)
def paid(request: pytest.FixtureRequest, places: dict[str, Place], api: Api, control: ControlClient) -> Place:
    return place_of(places, api, control, request.param)


@pytest.fixture(params=sorted(FRONTS))
def place(request: pytest.FixtureRequest, places: dict[str, Place], api: Api, control: ControlClient) -> Place:
    return place_of(places, api, control, request.param)


def test_a_cluster_that_is_paid_in_advance_stays_until_it_is_given_up(paid: Place) -> None:
    name = paid.cluster(2, **PAID)
    ids = {row["instance_id"] for row in paid.machines(name)}
    body = {"cluster_name": name, "count": 2}

    plan = paid.api.post("cluster/shrink/plan", body)
    assert not plan["feasible"]
    assert [(row["reason"], row["field"]) for row in plan["refusals"]] == [("not_releasable", "count")]
    assert plan["refusals"][0]["message"].startswith("2 of 2 machines are paid for in advance")
    assert plan["prepaid_machines"] == 2
    assert plan["prepaid_release"] in plan["refusals"][0]["message"] != ""

    task = paid.shrink(name, count=2)
    assert (task["status"], task["deleted"], task["failed"]) == ("FAILED", 0, 2)
    assert task["error_class"] == "not_releasable"
    assert task["reason"].startswith("2 of 2 machines were not deleted")
    assert all(machine in task["reason"] for machine in ids)
    assert {chunk["status"] for chunk in task["chunks"]} == {"FAILED"}
    rows = paid.machines(name, "Running")
    assert {row["instance_id"] for row in rows} == ids <= paid.at_the_cloud()
    for row in rows:
        assert row["charge_type"] == "PrePaid"
        assert "paid for in advance" in row["deletion_refusal"]
        assert row["deletion_refused_at"]
        detail = paid.api.get("instance/id/describe", instance_id=row["instance_id"])
        assert detail["deletion_refusal"] == row["deletion_refusal"]
    assert paid.api.get("instance/num", cluster_name=name)["instance_num"] == 2
    used = paid.api.get("instance/usage_statistics", cluster_name=name)["instance_list"]
    assert {(row["instance_id"], row.get("shutdown_at")) for row in used} == {(machine, None) for machine in ids}
    refused = paid.api.refused("cluster/delete", {"cluster_name": name})
    assert refused["msg"] == "conflict"
    assert "has not deleted 2 of them" in refused["error"]["message"]

    plan = paid.api.post("cluster/shrink/plan", {**body, "release_prepaid": True})
    assert plan["feasible"]
    assert (plan["prepaid_machines"], plan["count"]) == (2, 2)
    task = paid.shrink(name, count=2, release_prepaid=True)
    assert (task["status"], task["deleted"], task["reason"]) == ("SUCCESS", 2, ""), task
    assert task["release_prepaid"]
    assert not ids & paid.at_the_cloud()
    assert {(row["status"], row["deletion_refusal"]) for row in paid.machines(name)} == {("Deleted", "")}
    assert paid.api.get("instance/num", cluster_name=name)["instance_num"] == 0
    assert paid.api.post("cluster/delete", {"cluster_name": name}) == name


def test_a_canceled_expand_keeps_what_is_paid_for_and_says_so(paid: Place) -> None:
    name = paid.cluster(0, **PAID)
    paid.control.delays(cloud=paid.cloud, boot=[3.0, 3.0])
    try:
        task_id = paid.expand(name, 2)
        until(lambda: len(paid.machines(name, "Pending")) == 2)
        paid.api.post("task/cancel", {"task_id": task_id, "created_machines": "delete"})
        task = paid.api.ended(task_id)
    finally:
        paid.control.delays(cloud=paid.cloud, boot=[0.1, 0.5])

    assert task["status"] == "CANCELED"
    ids = {row["instance_id"] for row in paid.machines(name)}
    assert ids <= paid.at_the_cloud()
    assert "2 machines that were given up were not deleted and go on being billed" in task["reason"]
    assert all(machine in task["reason"] for machine in ids)
    # They come to run, and are counted as what they are.
    until(lambda: {row["status"] for row in paid.machines(name)} == {"Running"})
    assert paid.api.get("instance/num", cluster_name=name)["instance_num"] == 2
    assert paid.api.get("cluster/describe", cluster_name=name)["used"] == 2
    assert all(row["deletion_refusal"] for row in paid.machines(name))

    task = paid.shrink(name, count=2, release_prepaid=True)
    assert (task["status"], task["deleted"]) == ("SUCCESS", 2)
    assert not ids & paid.at_the_cloud()


def test_a_cancel_gives_up_what_is_paid_for_when_it_is_told_to(paid: Place) -> None:
    name = paid.cluster(0, **PAID)
    paid.control.delays(cloud=paid.cloud, boot=[1.5, 1.5])
    try:
        task_id = paid.expand(name, 2)
        until(lambda: len(paid.machines(name, "Pending")) == 2)
        cancel = {"task_id": task_id, "created_machines": "delete", "release_prepaid": True}
        paid.api.post("task/cancel", cancel)
        assert paid.api.ended(task_id)["status"] == "CANCELED"
    finally:
        paid.control.delays(cloud=paid.cloud, boot=[0.1, 0.5])
    until(lambda: {row["status"] for row in paid.machines(name)} == {"Deleted"})
    assert not {row["instance_id"] for row in paid.machines(name)} & paid.at_the_cloud()


def test_what_is_kept_is_not_given_up(api: Api) -> None:
    refused = api.refused("task/cancel", {"task_id": "1", "created_machines": "keep", "release_prepaid": True})
    assert refused["msg"] == "param_invalid"
    assert "release_prepaid" in str(refused["error"]["details"])


def test_a_machine_that_the_cloud_protects_stays_and_the_others_go(place: Place) -> None:
    name = place.cluster(3)
    rows = place.machines(name)
    kept = rows[1]["instance_id"]
    place.control.protect(place.cloud, kept)

    task = place.shrink(name, ips=[row["ip_inner"] for row in rows])

    assert (task["status"], task["deleted"], task["failed"]) == ("PARTIAL_SUCCESS", 2, 1)
    assert task["error_class"] == "permission_denied"
    assert task["reason"].startswith("1 of 3 machines were not deleted")
    assert kept in task["reason"]
    (row,) = place.machines(name, "Running")
    assert row["instance_id"] == kept
    assert row["deletion_refusal"]
    assert place.api.get("instance/num", cluster_name=name)["instance_num"] == 1
    place.control.protect(place.cloud, kept, protected=False)
    task = place.shrink(name, count=1)
    assert (task["status"], task["deleted"]) == ("SUCCESS", 1)
    assert kept not in place.at_the_cloud()
    assert {row["deletion_refusal"] for row in place.machines(name)} == {""}


# With times of a test's own.


@pytest.fixture(params=CLOUDS, ids=lambda cloud: cloud.provider)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with a_world(request.param.provider, tmp_path, visibility=60.0) as world:
        yield world


def test_a_not_found_at_a_deletion_proves_nothing(world: World) -> None:
    describe = next(row.describe for row in CLOUDS if row.provider == world.cloud)
    name = world.expanded(2)
    hidden, other = sorted(world.statuses(name))
    world.show(hidden, False)
    request = pb.ShrinkClusterRequest(cluster_name=name, task_name="shrink", count=2)
    task_id = world.client.tasks.ShrinkCluster(request).task_id
    until(lambda: world.statuses(name)[other] == "Deleted")
    asked = len(world.control.calls(world.cloud, describe))
    until(lambda: len(world.control.calls(world.cloud, describe)) >= asked + 5)

    assert world.statuses(name)[hidden] == "Deleting"
    task = world.client.tasks.GetTask(pb.GetTaskRequest(task_id=task_id)).task
    assert (task.phase, task.deleted, task.pending) == ("DELETING", 1, 1)

    world.show(hidden, True)
    task = world.client.wait_task(task_id, timeout=120)
    assert (task.status, task.deleted) == ("SUCCESS", 2)
    assert world.at_the_cloud() == {}


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[World]:
    with a_world("AlibabaCloud", tmp_path, boot_timeout=2.0) as world:
        yield world


def a_paid_cluster(world: World) -> str:
    request = pb.CreateClusterRequest(
        name="paid",
        provider=world.cloud,
        account_key=world.key,
        password="Manual@pass1",
        charge_config=pb.ChargeConfig(charge_type="PrePaid", period_unit="Month", period=1),
        network_config=pb.NetworkConfig(**world.network),
        disks=pb.DiskConfig(system_disk=pb.Disk(category="cloud_efficiency", size=50)),
        **world.place,
    )
    return world.client.clusters.CreateCluster(request).cluster_name


def test_an_expand_with_a_paid_machine_that_never_ran_is_no_success(quick: World) -> None:
    world, name = quick, a_paid_cluster(quick)
    world.control.fault("never_boots", cloud=world.cloud, action="RunInstances", times=1)
    request = pb.ExpandClusterRequest(cluster_name=name, task_name="grow", count=1)
    task = world.client.wait_task(world.client.tasks.ExpandCluster(request).task_id, timeout=120)

    statuses = world.statuses(name)
    (dead,) = (machine for machine, status in statuses.items() if status == "Pending")
    assert sorted(statuses.values()) == ["Pending", "Running"]
    assert (task.status, task.running, task.failed) == ("PARTIAL_SUCCESS", 1, 0)
    assert task.error_class == "not_releasable"
    assert f"1 machine that was given up was not deleted and goes on being billed: {dead}" in task.reason
    assert world.client.clusters.GetCluster(pb.GetClusterRequest(cluster_name=name)).cluster.used == 2
    world.compared()
    assert world.statuses(name) == statuses

    # One that nobody wants goes first, and what never ran can be given up too.
    world.control.change_machine(world.cloud, dead, boots_at=1.0)
    shrink = pb.ShrinkClusterRequest(cluster_name=name, task_name="shrink", count=1, release_prepaid=True)
    task = world.client.wait_task(world.client.tasks.ShrinkCluster(shrink).task_id, timeout=120)
    assert (task.status, task.deleted) == ("SUCCESS", 1)
    assert world.statuses(name)[dead] == "Deleted"
    assert dead not in world.at_the_cloud()


def test_an_orphan_that_the_cloud_keeps_is_told_and_keeps_no_other_alive(tmp_path: Path) -> None:
    with a_world("AWSCloud", tmp_path) as world:
        kept, other = world.orphan(), world.orphan()
        world.control.protect(world.cloud, kept)
        world.compared()
        assert world.delete_orphans(kept, other) == {kept: "failed", other: "deleting"}
        assert "disableApiTermination" in world.orphans()[kept].delete_failure
        until(lambda: set(world.at_the_cloud()) == {kept})
        world.control.protect(world.cloud, kept, protected=False)
        assert world.delete_orphans(kept) == {kept: "deleting"}
