"""Whatever the clouds do, on all of them at once: the task's end is true, and there is no machine that the store lacks."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest
from bridgx_server.scaling import tasks as api
from bridgx_server.scaling.tasks import TaskView
from bridgx_server.store.scope import EVERYTHING
from engine.conftest import wait_for
from engine.fault_world import FAULTY, QUOTA, ROWS, Clouds, FaultWorld, all_clouds, fault_world, settle

BATCH = FAULTY.batch
ASKED = 4 * BATCH


@pytest.fixture(scope="module")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clouds]:
    with all_clouds(tmp_path_factory.mktemp("clouds")) as clouds:
        yield clouds


@pytest.fixture
def world(clouds: Clouds) -> Iterator[FaultWorld]:
    with fault_world(clouds) as world:
        yield world


def ends(views: Mapping[str, TaskView]) -> dict[str, tuple[object, ...]]:
    """What a user sees of each task: its status, the counts, and the reason."""
    return {
        name: (view.status, view.asked, view.running, view.failed, view.deleted, view.pending, view.error_class)
        for name, view in views.items()
    }


def everywhere(*end: object) -> dict[str, tuple[object, ...]]:
    return dict.fromkeys(ROWS, end)


SUCCESS = everywhere("SUCCESS", ASKED, ASKED, 0, 0, 0, "")


@pytest.mark.parametrize("kind", ["throttle", "unavailable", "cut_before", "cut_after", "empty"])
def test_calls_that_fail_by_the_third_cost_time_and_no_machine(world: FaultWorld, kind: str) -> None:
    world.fault(kind, rate=0.3)
    world.start_worker()
    assert ends(world.ended(world.expand(ASKED))) == SUCCESS
    assert ends(world.ended(world.shrink(BATCH))) == everywhere("SUCCESS", BATCH, 0, 0, BATCH, 0, "")
    world.control.clear_faults()
    world.assert_exactly(ASKED - BATCH, deleted=BATCH)


def test_answers_that_come_too_late_are_not_waited_for_and_change_nothing(clouds: Clouds) -> None:
    with fault_world(clouds, read_timeout=1.0) as world:
        world.fault("slow", "create", rate=0.5, times=3, params={"seconds": 2.5})
        world.fault("slow", "describe", rate=0.2, times=3, params={"seconds": 2.5})
        world.start_worker()
        assert ends(world.ended(world.expand(ASKED))) == SUCCESS
        world.control.clear_faults()
        settle(2.5)
        world.assert_exactly(ASKED)


def test_what_is_in_stock_is_taken_and_the_rest_is_reported(world: FaultWorld) -> None:
    for name, place in world.clouds.places.items():
        world.control.capacity(name, place.placements[0].zone_id, ASKED - 8)
    world.start_worker()
    views = world.ended(world.expand(ASKED))
    assert ends(views) == everywhere("PARTIAL_SUCCESS", ASKED, ASKED - 8, 8, 0, 0, "out_of_stock")
    for view in views.values():
        assert "Choose another zone or instance type" in view.reason
        assert sum(chunk.failed for chunk in view.chunks) == 8
        assert sum(chunk.running for chunk in view.chunks) == ASKED - 8
    world.assert_exactly(ASKED - 8)


def test_what_the_first_zone_lacks_comes_from_the_second(world: FaultWorld) -> None:
    for name, place in world.clouds.places.items():
        world.control.capacity(name, place.placements[0].zone_id, 3)
    world.start_worker()
    tasks = {
        name: api.submit_expand(
            world.store, EVERYTHING, cluster_name=f"{name}-two", task_name="", count=ASKED, caller="test"
        )
        for name in ROWS
    }
    assert ends(world.ended(tasks)) == SUCCESS
    world.assert_exactly(ASKED)
    for name, place in world.clouds.places.items():
        zones = list(world.alive(name).values())
        assert zones.count(place.placements[0].zone_id) <= 3, name
        assert zones.count(place.placements[1].zone_id) >= ASKED - 3, name


def test_a_quota_reached_half_way_ends_the_task_with_what_has_come(world: FaultWorld) -> None:
    left = 2 * BATCH + 1
    for name in ROWS:
        wait_for(lambda: "deleting" not in {row["state"] for row in world.control.state(name)["machines"]})  # noqa: B023
        world.control.quota(name, len(world.control.machines(name)) + left)
    world.start_worker()
    views = world.ended(world.expand(ASKED))
    assert ends(views) == everywhere("PARTIAL_SUCCESS", ASKED, left, ASKED - left, 0, 0, "quota_exceeded")
    assert all("Raise the quota" in view.reason for view in views.values())
    world.assert_exactly(left)
    for name in ROWS:
        world.control.quota(name, QUOTA)


def test_lists_that_leave_machines_out_lose_and_double_none(clouds: Clouds) -> None:
    with fault_world(clouds, settings=replace(FAULTY, visibility=4.0)) as world:
        before = {name: world.deletions(name) for name in ROWS}
        world.control.delays(boot=[0.5, 2.0])  # time to be left out of some answers
        world.fault("incomplete_describe", "describe", params={"drop": 0.3})
        world.start_worker()
        assert ends(world.ended(world.expand(ASKED))) == SUCCESS
        world.assert_exactly(ASKED)
        assert {name: world.deletions(name) for name in ROWS} == before


def test_a_describe_that_fails_deletes_nothing(world: FaultWorld) -> None:
    before = {name: world.deletions(name) for name in ROWS}
    world.fault("unavailable", "describe")
    world.start_worker()
    tasks = world.expand(ASKED)
    wait_for(lambda: all(len(world.control.calls(name, row.describe)) >= 4 for name, row in ROWS.items()))
    wait_for(lambda: all(len(world.alive(name)) == ASKED for name in ROWS))
    assert all(set(world.inventory(name).values()) <= {"pending"} for name in ROWS)
    world.control.clear_faults()
    assert ends(world.ended(tasks)) == SUCCESS
    world.assert_exactly(ASKED)
    assert {name: world.deletions(name) for name in ROWS} == before


def test_machines_that_are_shown_late_are_waited_for_and_not_asked_for_again(world: FaultWorld) -> None:
    world.fault("late_describe", "create", params={"seconds": 0.6})
    world.fault("cut_after", "create", rate=0.3, times=2)
    world.start_worker()
    assert ends(world.ended(world.expand(ASKED))) == SUCCESS
    world.assert_exactly(ASKED)


@pytest.mark.parametrize("kind", ["fails_to_boot", "never_boots"])
def test_machines_that_do_not_boot_are_deleted_and_replaced_once(clouds: Clouds, kind: str) -> None:
    with fault_world(clouds, settings=replace(FAULTY, boot_timeout=1.5)) as world:
        world.fault(kind, "create", times=1)
        world.start_worker()
        assert ends(world.ended(world.expand(ASKED))) == SUCCESS
        world.take_back()
        world.assert_exactly(ASKED, deleted=BATCH)


@pytest.mark.parametrize("kind", ["fails_to_boot", "never_boots"])
def test_machines_whose_replacements_do_not_boot_either_are_reported(clouds: Clouds, kind: str) -> None:
    with fault_world(clouds, settings=replace(FAULTY, boot_timeout=1.5)) as world:
        world.fault(kind, "create")
        world.start_worker()
        views = world.ended(world.expand(BATCH))
        assert ends(views) == everywhere("FAILED", BATCH, 0, BATCH, 0, 0, "boot_failed")
        assert all(f"{BATCH} of {BATCH} machines did not come to run" in view.reason for view in views.values())
        world.take_back()
        world.assert_exactly(0, deleted=2 * BATCH)


def test_everything_at_once_while_workers_are_killed(clouds: Clouds) -> None:
    rng = random.Random(4)
    with fault_world(clouds, settings=replace(FAULTY, lease=0.8)) as world:
        world.fault("throttle", rate=0.3)
        world.fault("cut_after", rate=0.2)
        world.fault("cut_before", rate=0.2)
        world.fault("unavailable", rate=0.1)
        tasks = world.expand(ASKED)
        _killed_until_over(world, tasks, rng)
        assert ends(world.ended(tasks)) == SUCCESS
        tasks = world.shrink(2 * BATCH)
        _killed_until_over(world, tasks, rng)
        assert ends(world.ended(tasks)) == everywhere("SUCCESS", 2 * BATCH, 0, 0, 2 * BATCH, 0, "")
        world.control.clear_faults()
        world.assert_exactly(ASKED - 2 * BATCH, deleted=2 * BATCH)


def _killed_until_over(world: FaultWorld, tasks: Mapping[str, int], rng: random.Random) -> None:
    """Six workers die soon, each while the next is at work; one lives."""
    for _ in range(6):
        if world.are_over(tasks):
            break
        pid = world.start_worker()
        settle(rng.uniform(0.2, 1.2))
        world.kill(pid)
    world.start_worker()
