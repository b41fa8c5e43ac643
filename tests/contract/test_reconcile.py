"""Clouds against the inventory: what is lost, adopted and orphaned is told, and nothing is deleted but what is named."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import bridgx.v1 as pb
import grpc
import pytest
from bridgx import failure_of
from bridgx_server.cloudsim.control_client import ControlClient
from bridgx_server.cloudsim.front import FRONTS
from bridgx_server.demo.system import Running
from bridgx_server.providers.base import CreateMachines, Credentials, Disk, ProviderSettings
from bridgx_server.providers.registry import ProviderRegistry
from contract.clusters import a_network, a_place, template
from contract.conftest import Api, until
from contract.reconciling import PASSWORD, World, a_world

CLOUD = "AWSCloud"


@pytest.fixture(params=sorted(FRONTS))
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with a_world(request.param, tmp_path) as world:
        yield world


@pytest.fixture
def one_cloud(tmp_path: Path) -> Iterator[World]:
    with a_world(CLOUD, tmp_path) as world:
        yield world


@pytest.fixture
def on_each_database(database_url: str, tmp_path: Path) -> Iterator[World]:
    with a_world(CLOUD, tmp_path, database_url) as world:
        yield world


def refused(call: object, request: object) -> tuple[str, set[str]]:
    with pytest.raises(grpc.RpcError) as caught:
        call(request)  # type: ignore[operator]
    told = failure_of(caught.value)
    return told.reason, set(told.fields)


def settle() -> None:
    """Lets machines grow older than the time in which a cloud may not show them."""
    time.sleep(0.5)


def a_life(world: World) -> None:
    """Everything that a comparison can find, in one."""
    cluster = world.expanded(4)
    settle()
    gone, adopted, *_ = world.statuses(cluster)
    world.forget(adopted)
    orphan = world.orphan()
    foreign = world.stranger({"bridgx": "another-installation"})
    world.delete_in_the_console(gone)
    report = world.compared()
    assert (report.status, report.missing, report.adopted, report.orphans) == ("ok", 1, 1, 1), report
    assert report.listed == 4
    until(lambda: world.statuses(cluster).get(gone) == "Lost")
    until(lambda: world.statuses(cluster).get(adopted) == "Running")
    assert {key: row.status for key, row in world.findings("missing").items()} == {gone: "Lost"}
    until(lambda: gone in world.findings("lost"))
    assert {key: row.cluster_name for key, row in world.findings("adopted").items()} == {adopted: cluster}
    assert set(world.orphans()) == {orphan} == set(world.findings("orphan"))
    assert world.orphans()[orphan].tags["bridgx"] == world.installation
    assert world.delete_orphans(orphan, foreign, adopted) == {
        orphan: "deleting",
        foreign: "unreported",
        adopted: "unreported",
    }
    until(lambda: orphan not in world.at_the_cloud())
    assert {foreign, adopted} <= set(world.at_the_cloud())
    assert world.orphans() == {} or world.orphans()[orphan].delete_asked_by == "tester"
    # The cloud may still have shown it when it was looked up, and not have known it any more when it was to be deleted.
    until(lambda: world.delete_orphans(orphan)[orphan] in ("gone", "unreported", "deleting"))
    until(lambda: world.compared().orphans == 0 and not world.orphans())
    assert world.findings("orphan")[orphan].status == "Gone"
    report = world.compared()
    assert (report.missing, report.adopted, report.revived, report.orphans, report.listed) == (0, 0, 0, 0, 3)


def test_what_is_lost_adopted_and_orphaned_is_told_and_only_what_is_named_is_deleted(world: World) -> None:
    a_life(world)


def test_the_same_on_each_database(on_each_database: World) -> None:
    a_life(on_each_database)


def test_a_machine_with_the_tags_of_a_chunk_that_has_all_it_asked_for_is_an_orphan(one_cloud: World) -> None:
    world = one_cloud
    cluster = world.expanded(2)
    settle()
    mine, _ = world.statuses(cluster)
    copied = world.stranger(world.at_the_cloud()[mine]["tags"])
    report = world.compared()
    assert (report.adopted, report.orphans) == (0, 1), report
    assert set(world.orphans()) == {copied}
    assert copied not in world.statuses(cluster)


def test_a_lost_machine_that_lives_after_its_cluster_was_deleted_is_an_orphan(one_cloud: World) -> None:
    world = one_cloud
    cluster = world.expanded(2)
    settle()
    hidden, gone = world.statuses(cluster)
    world.show(hidden, False)
    world.delete_in_the_console(gone)
    until(lambda: set((world.compared(), world.statuses(cluster))[1].values()) == {"Lost"})
    world.client.clusters.DeleteCluster(pb.DeleteClusterRequest(cluster_name=cluster))
    world.show(hidden, True)
    report = world.compared()
    assert (report.revived, report.orphans) == (1, 1), report
    assert world.statuses(cluster) == {hidden: "Running", gone: "Lost"}  # its usage goes on: it is paid for
    report = world.compared()
    assert (report.revived, report.orphans) == (0, 1), report
    assert cluster in world.orphans()[hidden].reason
    assert world.delete_orphans(hidden) == {hidden: "deleting"}
    until(lambda: hidden not in world.at_the_cloud())
    until(lambda: world.statuses(cluster) == {hidden: "Deleted", gone: "Lost"})
    until(lambda: world.compared().orphans == 0 and not world.orphans())


def test_a_list_that_fails_concludes_nothing_and_is_told(one_cloud: World) -> None:
    world = one_cloud
    cluster, orphan = world.expanded(2), world.orphan()
    settle()
    assert world.compared().orphans == 1
    world.control.fault("error", cloud=CLOUD, action="DescribeInstances", params={"code": "UnauthorizedOperation"})
    report = world.compared()
    assert (report.status, report.error_class, report.orphans, report.listed) == ("failed", "permission_denied", 1, 3)
    assert report.reason
    assert report.success_at.ToMilliseconds() <= report.start_at.ToMilliseconds()
    assert set(world.orphans()) == {orphan}
    assert set(world.statuses(cluster).values()) == {"Running"}
    assert world.delete_orphans(orphan) == {orphan: "failed"}
    world.control.clear_faults()
    assert orphan in world.at_the_cloud()
    assert world.compared().status == "ok"


def test_a_list_that_leaves_machines_out_loses_none_and_forgets_no_orphan(one_cloud: World) -> None:
    world = one_cloud
    cluster, orphan = world.expanded(3), world.orphan()
    settle()
    assert world.compared().orphans == 1
    world.control.fault("incomplete_describe", cloud=CLOUD, times=1, params={"drop": 1.0})
    report = world.compared()
    assert (report.status, report.listed, report.missing) == ("ok", 0, 3)
    assert set(world.orphans()) == {orphan}
    report = world.compared()
    assert (report.missing, report.orphans) == (0, 1)
    assert set(world.statuses(cluster).values()) == {"Running"}
    assert world.findings("lost") == {}


def test_an_orphan_is_found_where_no_cluster_has_ever_grown(one_cloud: World) -> None:
    orphan = one_cloud.orphan()
    assert one_cloud.compared().orphans == 1
    assert set(one_cloud.orphans()) == {orphan}


def test_a_machine_that_lost_the_tag_or_that_a_row_knows_is_left_alone(one_cloud: World) -> None:
    world = one_cloud
    untagged, known = world.orphan(), world.orphan()
    cluster = world.expanded(1)
    assert world.compared().orphans == 2
    simulated = world.simulator.clouds[CLOUD]
    simulated.change_machine(untagged, tags={"bridgx": "another-installation"})
    (mine,) = world.statuses(cluster)
    simulated.change_machine(known, tags=dict(simulated.machines[mine].tags))
    world.forget(mine)
    assert world.delete_orphans(untagged, known) == {untagged: "foreign", known: "known"}
    assert {untagged, known} <= set(world.at_the_cloud())


def test_an_orphan_that_the_cloud_will_not_delete_stays_listed_with_the_reason(one_cloud: World) -> None:
    world = one_cloud
    orphan = world.orphan()
    world.compared()
    world.control.fault("error", cloud=CLOUD, action="TerminateInstances", params={"code": "UnauthorizedOperation"})
    assert world.delete_orphans(orphan) == {orphan: "failed"}
    row = world.orphans()[orphan]
    assert row.delete_failure
    assert row.delete_asked_by == "tester"
    world.control.clear_faults()
    assert world.delete_orphans(orphan) == {orphan: "deleting"}


def test_a_machine_counted_as_gone_that_lives_is_deleted_or_taken_back(one_cloud: World) -> None:
    world = one_cloud
    cluster = world.expanded(1)
    settle()
    (machine,) = world.statuses(cluster)
    fault = world.control.fault("incomplete_describe", cloud=CLOUD, params={"drop": 1.0})
    world.compared()
    until(lambda: world.statuses(cluster)[machine] == "Lost")
    world.control.call("DELETE", f"/faults/{fault}")
    assert world.compared().revived == 1
    until(lambda: world.statuses(cluster)[machine] == "Running")
    assert world.findings("revived")[machine].cluster_name == cluster


def test_an_account_with_orphans_is_not_forgotten(one_cloud: World) -> None:
    world = one_cloud
    other = pb.DeleteAccountRequest(provider=CLOUD, account_key=world.key)
    world.orphan()
    world.compared()
    assert refused(world.client.accounts.DeleteAccount, other)[0] == "conflict"


def test_orphans_are_named_one_by_one(one_cloud: World) -> None:
    delete = one_cloud.client.reconcile.DeleteOrphans
    assert refused(delete, pb.DeleteOrphansRequest()) == ("param_invalid", {"instance_ids"})
    assert refused(delete, pb.DeleteOrphansRequest(instance_ids=["*"])) == ("param_invalid", {"instance_ids[0]"})
    assert refused(delete, pb.DeleteOrphansRequest(instance_ids=["i-1", "i-1"])) == ("param_invalid", {"instance_ids"})
    many = [f"i-{number}" for number in range(101)]
    assert refused(delete, pb.DeleteOrphansRequest(instance_ids=many)) == ("param_invalid", {"instance_ids"})
    assert one_cloud.delete_orphans("i-1") == {"i-1": "unreported"}


PAGER = {"page_number", "page_size", "total"}


def test_over_rest(api: Api, system: Running, control: ControlClient) -> None:
    place = a_place(api, CLOUD)
    network = a_network(api, CLOUD, place)
    cluster = api.post("cluster/create", template(CLOUD, place, network))
    api.ended(api.post("cluster/expand", {"cluster_name": cluster, "task_name": "grow", "count": 1}))
    (mine,) = api.get("instance/describe_all", cluster_name=cluster)["instance_list"]
    tags = next(row["tags"] for row in control.machines(CLOUD) if row["machine_id"] == mine["instance_id"])
    credentials = Credentials(CLOUD, f"demo-{CLOUD}", f"demo-secret-{CLOUD}")
    provider = ProviderRegistry({CLOUD: ProviderSettings(endpoint=system.endpoints[CLOUD])}).get(credentials)
    request = CreateMachines(
        region_id=place["region_id"],
        zone_id=place["zone_id"],
        instance_type=place["instance_type"],
        image_id=place["image"],
        vpc_id=network["vpc"],
        subnet_id=network["subnet_id"],
        security_group_id=network["security_group"],
        count=1,
        token=str(uuid.uuid4()),
        name="stranger",
        password=PASSWORD,
        system_disk=Disk("cloud_efficiency", 50),
        tags={"bridgx": tags["bridgx"]},
    )
    (orphan,) = provider.create_machines(request).instance_ids

    def compared() -> dict[str, Any]:
        asked = api.post("reconcile/run", {"provider": CLOUD})
        assert set(asked) == {"places", "asked_at"}
        found: list[dict[str, Any]] = []

        def over() -> bool:
            page = api.get("reconcile/report", provider=CLOUD, region_id=place["region_id"])
            assert set(page) == {"comparison_list", "pager"}
            assert set(page["pager"]) == PAGER
            found[:] = page["comparison_list"]
            began = found[0].get("start_at") if found else None
            return bool(began) and datetime.fromisoformat(began) >= datetime.fromisoformat(asked["asked_at"])

        until(over)
        return found[0]

    report = compared()
    assert (report["status"], report["orphans"]) == ("ok", 1)
    (row,) = api.get("reconcile/orphan/list", account=f"demo-{CLOUD}")["orphan_list"]
    assert (row["instance_id"], row["tags"]) == (orphan, {"bridgx": tags["bridgx"], "Name": "stranger"})
    (found,) = api.get("reconcile/machine/list", kind="orphan", provider=CLOUD)["machine_list"]
    assert (found["instance_id"], found["status"]) == (orphan, "Orphan")
    assert api.get("reconcile/network/list") == {
        "request_list": [],
        "pager": {"page_number": 1, "page_size": 10, "total": 0},
    }
    (told,) = api.post("reconcile/orphan/delete", {"instance_ids": [orphan]})
    assert (told["instance_id"], told["result"]) == (orphan, "deleting")
    until(lambda: orphan not in {machine["machine_id"] for machine in control.machines(CLOUD)})
    refused = api.refused("reconcile/orphan/delete", {"instance_ids": ["*"]})
    assert (refused["code"], refused["msg"]) == (400, "param_invalid")
    assert api.refused("reconcile/machine/list", kind="strange")["msg"] == "param_invalid"
    compared()
