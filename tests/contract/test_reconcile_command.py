"""`bridgx reconcile`: a dry run unless told otherwise, and a deletion only of what is named and confirmed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bridgx.v1 as pb
import pytest
from bridgx_server.cli import main
from bridgx_server.store.models import TABLES, BucketRow, CallRow, FlowRow, LimiterRow
from click.testing import CliRunner, Result
from contract.conftest import until
from contract.reconciling import KEY, World, a_world
from contract.test_reconcile import settle

CLOUD = "AlibabaCloud"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    # The server makes no comparison of its own meanwhile.
    with a_world(CLOUD, tmp_path, reconcile=100_000.0) as world:
        world.compared()
        yield world


def bridgx(world: World, *arguments: str, answer: str = "") -> Result:
    variables = {
        "BRIDGX_DATABASE_URL": world.settings.database_url,
        "BRIDGX_SECRET_KEY": KEY.hex(),
        "BRIDGX_VISIBILITY": "0.3",
        "BRIDGX_LOG_LEVEL": "error",
        f"BRIDGX_ENDPOINT_{CLOUD.upper()}": world.simulator.endpoints[CLOUD],
    }
    return CliRunner().invoke(main, ["reconcile", *arguments], input=answer, env=variables)


def everything(world: World) -> dict[str, list[Any]]:
    """All rows of all tables, but those that count calls to the clouds."""
    counted = (LimiterRow, BucketRow, FlowRow, CallRow)
    with world.store.connection():
        return {table.__name__: sorted(map(repr, table.select().tuples())) for table in TABLES if table not in counted}


def test_a_dry_run_tells_everything_and_writes_nothing(world: World) -> None:
    cluster = world.expanded(3)
    settle()
    gone, stays, known = world.statuses(cluster)
    world.forget(known)
    orphan, foreign = world.orphan(), world.stranger({"bridgx": "another-installation"})
    world.delete_in_the_console(gone)
    before = everything(world)
    told = bridgx(world, "--json")
    assert told.exit_code == 0, told.output
    report = json.loads(told.stdout)
    (place,) = report["places"]
    assert (place["status"], place["region"], place["listed"]) == ("ok", world.region, 3)
    found = {row["instance_id"]: row["finding"] for row in report["machines"]}
    assert found == {gone: "missing", known: "adoptable", orphan: "orphan"}
    table = bridgx(world)
    assert table.exit_code == 0
    assert "a dry run: nothing was written" in table.stdout
    assert all(machine in table.stdout for machine in (gone, known, orphan))
    assert foreign not in table.stdout
    assert everything(world) == before
    applied = bridgx(world, "--apply", "--json")
    assert json.loads(applied.stdout)["machines"] == report["machines"]
    until(lambda: world.statuses(cluster) == {gone: "Lost", stays: "Running", known: "Running"})
    assert set(world.orphans()) == {orphan}
    assert json.loads(bridgx(world, "--json").stdout)["machines"] == [
        row for row in report["machines"] if row["finding"] == "orphan"
    ]


def test_what_is_applied_is_told_as_done_at_the_command_line(world: World) -> None:
    cluster = world.expanded(2)
    made, known = world.statuses(cluster)
    world.forget(known)
    assert bridgx(world, "--apply").exit_code == 0
    until(lambda: world.statuses(cluster) == {made: "Running", known: "Running"})
    (row,) = world.client.list_audit_records(pb.ListAuditRecordsRequest(resource=known))
    assert (row.caller_kind, row.operation, row.outcome) == ("command line", "reconcile", "success")
    assert "adopted" in row.detail
    assert "@" in row.address


def test_orphans_are_deleted_when_they_are_named_and_confirmed(world: World) -> None:
    orphan, other = world.orphan(), world.orphan()
    assert bridgx(world, "orphans", "list").stdout == "no orphans\n"
    assert bridgx(world, "--apply").exit_code == 0
    listed = json.loads(bridgx(world, "orphans", "list", "--json").stdout)
    assert {row["instance_id"] for row in listed} == {orphan, other}
    assert orphan in bridgx(world, "orphans", "list", "--region", world.region).stdout
    assert bridgx(world, "orphans", "list", "--region", "nowhere").stdout == "no orphans\n"
    assert bridgx(world, "orphans", "delete").exit_code == 2
    declined = bridgx(world, "orphans", "delete", orphan, answer="n\n")
    assert declined.exit_code == 1
    assert orphan in declined.output
    assert {orphan, other} <= set(world.at_the_cloud())
    confirmed = bridgx(world, "orphans", "delete", orphan, "--json", answer="y\n")
    assert confirmed.exit_code == 0, confirmed.output
    assert [row["fate"] for row in json.loads(confirmed.stdout[confirmed.stdout.index("[\n") :])] == ["deleting"]
    until(lambda: orphan not in world.at_the_cloud())
    unknown = bridgx(world, "orphans", "delete", "i-of-nobody", other, "--yes", "--json")
    assert unknown.exit_code == 1
    assert [row["fate"] for row in json.loads(unknown.stdout)] == ["unreported", "deleting"]
    until(lambda: other not in world.at_the_cloud())


def test_a_place_that_cannot_be_compared_is_told_and_ends_with_1(world: World) -> None:
    world.orphan()
    world.control.fault("unavailable", cloud=CLOUD, action="DescribeInstances")
    told = bridgx(world)
    assert told.exit_code == 1
    assert "not compared, so nothing is known of it" in told.stdout
    told = bridgx(world, "--json", "--apply")
    assert told.exit_code == 1
    assert [place["status"] for place in json.loads(told.stdout)["places"]] == ["failed"]
    (report,) = world.client.list_comparisons()
    assert (report.status, report.error_class) == ("failed", "cloud_unavailable")


def test_every_region_is_compared_where_that_is_asked_for(world: World) -> None:
    told = json.loads(bridgx(world, "--all-regions", "--json").stdout)
    regions = {region.region_id for region in world.provider.list_regions()}
    assert {place["region"] for place in told["places"]} == regions
    assert len(regions) > 1
    elsewhere = min(regions - {world.region})
    (place,) = json.loads(bridgx(world, "--region", elsewhere, "--json").stdout)["places"]
    assert (place["region"], place["status"]) == (elsewhere, "ok")


def test_the_report_tells_what_was_recorded(world: World) -> None:
    cluster = world.expanded(3)
    settle()
    gone, stays, known = world.statuses(cluster)
    world.forget(known)
    orphan = world.orphan()
    world.delete_in_the_console(gone)
    assert json.loads(bridgx(world, "report", "--json").stdout)["machines"] == []
    assert bridgx(world, "report").stdout.endswith("\nno machine was found different\n")
    assert bridgx(world, "--apply").exit_code == 0
    until(lambda: world.statuses(cluster) == {gone: "Lost", stays: "Running", known: "Running"})
    report = json.loads(bridgx(world, "report", "--json").stdout)
    (place,) = report["places"]
    assert (place["region_id"], place["status"], place["reason"]) == (world.region, "ok", "")
    assert {name: place[name] for name in ("listed", "missing", "adopted", "revived", "orphans")} == {
        "listed": 3,
        "missing": 1,
        "adopted": 1,
        "revived": 0,
        "orphans": 1,
    }
    found = {(row["kind"], row["instance_id"]): row["status"] for row in report["machines"]}
    assert found == {
        ("missing", gone): "lost",
        ("lost", gone): "lost",
        ("adopted", known): "running",
        ("orphan", orphan): "orphan",
    }
    assert found == {(row.kind, row.instance_id): row.status.lower() for row in world.client.list_findings()}
    table = bridgx(world, "report").stdout
    assert all(text in table for text in (gone, known, orphan, cluster, "lost", "adopted"))
    lost = bridgx(world, "report", "--kind", "lost", "--provider", CLOUD, "--account", world.key)
    assert gone in lost.stdout
    assert known not in lost.stdout
    elsewhere = json.loads(bridgx(world, "report", "--provider", "AWSCloud", "--json").stdout)
    assert elsewhere == {"places": [], "machines": []}
    assert "nothing is compared yet" in bridgx(world, "report", "--region", "nowhere").stdout
    assert bridgx(world, "report", "--kind", "strange").exit_code == 2
    world.control.fault("unavailable", cloud=CLOUD, action="DescribeInstances")
    assert bridgx(world, "--apply").exit_code == 1
    failed = bridgx(world, "report")
    assert failed.exit_code == 0
    assert f"{CLOUD} {world.key} {world.region}: " in failed.stdout
    (place,) = json.loads(bridgx(world, "report", "--json").stdout)["places"]
    assert (place["status"], place["error_class"], place["listed"]) == ("failed", "cloud_unavailable", 3)


def test_without_unfinished_requests_there_is_nothing_to_list(world: World) -> None:
    assert bridgx(world, "networks").stdout == "no unfinished requests\n"
