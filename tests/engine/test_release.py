"""What the engine does with machines that a cloud does not delete: they are counted, named, and asked about rarely."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from bridgx_server.providers.base import MachineState
from bridgx_server.providers.errors import ErrorClass
from bridgx_server.scaling import choice, refusals
from bridgx_server.scaling import tasks as api
from bridgx_server.store.database import Store
from bridgx_server.store.migrations import migrate
from bridgx_server.store.models import InstanceRow
from bridgx_server.store.scope import EVERYTHING
from engine.conftest import QUICK, World, wait_for
from engine.fake_cloud import FakeCloud

PAID = ErrorClass.NOT_RELEASABLE
PROTECTED = ErrorClass.PERMISSION_DENIED


@pytest.fixture
def each_database(database_url: str) -> Iterator[World]:
    store = Store(database_url)
    migrate(store)
    world = World(store, FakeCloud(), replace(QUICK))
    world.add_cluster("web")
    yield world
    for worker in world.workers:
        worker.stop()
    store.close()


def rows(world: World) -> dict[str, InstanceRow]:
    with world.store.connection():
        return {row.instance_id: row for row in InstanceRow.select()}


def paid_for(world: World, *instance_ids: str, expires_at: int = 0) -> None:
    with world.store.transaction():
        InstanceRow.update(charge_type="PrePaid", expires_at=expires_at).where(
            InstanceRow.instance_id.in_(list(instance_ids))
        ).execute()
    world.cloud.refuses.update(dict.fromkeys(instance_ids, PAID))


def released(world: World, count: int, policy: str = "") -> int:
    return api.submit_shrink(
        world.store,
        EVERYTHING,
        cluster_name="web",
        task_name="",
        count=count,
        ips=(),
        caller="test",
        termination_policy=policy,
        release_prepaid=True,
    )


def by_policy(world: World, count: int, policy: str) -> int:
    return api.submit_shrink(
        world.store,
        EVERYTHING,
        cluster_name="web",
        task_name="",
        count=count,
        ips=(),
        caller="test",
        termination_policy=policy,
    )


def asked(world: World, operation: str = "delete") -> int:
    """How often the cloud was asked to delete something."""
    with world.cloud.lock:
        return sum(name == operation for name, _ in world.cloud.calls)


def canceled(world: World, count: int) -> set[str]:
    """The machines of an expand that was canceled with them, while the cloud made them."""
    world.cloud.boots = lambda index: False
    before = set(world.cloud.machines)
    task_id = world.expand(count)
    wait_for(lambda: len(world.inventory("pending")) == count)
    made = set(world.cloud.machines) - before
    world.cloud.refuses.update(dict.fromkeys(made, PAID))
    api.cancel(world.store, EVERYTHING, task_id, "delete")
    for key in made:
        world.cloud.machines[key]["state"] = MachineState.RUNNING
    world.ended(task_id)
    world.cloud.boots = lambda index: True
    return made


def test_machines_that_stay_and_machines_that_go_are_each_what_they_are(each_database: World) -> None:
    world = each_database
    world.start_worker()
    world.ended(world.expand(25))
    kept = ["i-00003", "i-00011", "i-00024"]
    world.cloud.refuses.update({kept[0]: PAID, kept[1]: PAID, kept[2]: PROTECTED})

    task = world.ended(world.shrink(count=25))

    assert (task.status, task.deleted, task.failed, task.pending) == ("PARTIAL_SUCCESS", 22, 3, 0)
    assert "3 of 25 machines were not deleted" in task.reason
    assert all(key in task.reason for key in kept)
    assert sum(chunk.failed for chunk in task.chunks) == 3
    for chunk in task.chunks:
        assert (chunk.accepted, chunk.failed) == (chunk.deleted, chunk.asked - chunk.deleted)
        assert chunk.reason.startswith(f"{chunk.failed} of {chunk.asked} machines were not deleted") or not chunk.failed
    assert world.inventory("running") == set(world.cloud.alive()) == set(kept)
    told = {key: row.deletion_refused for key, row in rows(world).items() if key in kept}
    assert told == {kept[0]: "not_releasable", kept[1]: "not_releasable", kept[2]: "permission_denied"}
    # What holds no more is told no more.
    world.cloud.refuses.clear()
    assert world.ended(world.shrink(count=3)).status == "SUCCESS"
    assert {row.deletion_refused for row in rows(world).values()} == {""}


def test_what_can_go_is_chosen_before_what_is_paid_for(world: World) -> None:
    world.start_worker()
    world.ended(world.expand(6))
    paid_for(world, "i-00000", "i-00001", "i-00002")
    task = world.ended(by_policy(world, 2, "oldest"))
    assert (task.status, task.deleted) == ("SUCCESS", 2)
    assert set(world.cloud.alive()) == {"i-00000", "i-00001", "i-00002", "i-00005"}
    # One that has expired can go like any other.
    paid_for(world, "i-00000", expires_at=1)
    world.cloud.refuses.pop("i-00000")
    assert world.ended(by_policy(world, 1, "oldest")).status == "SUCCESS"
    assert "i-00000" not in world.cloud.alive()
    # With giving up there is no difference between them.
    assert world.ended(released(world, 1, "oldest")).status == "SUCCESS"
    assert set(world.cloud.alive()) == {"i-00002", "i-00005"}
    assert asked(world, "release") == 1


def test_a_canceled_machine_that_stays_is_counted_and_asked_about_rarely(each_database: World) -> None:
    world = each_database
    world.start_worker()
    made = canceled(world, 3)
    wait_for(lambda: world.inventory("running") == made)
    assert all(row.deletion_refused == "not_releasable" and row.unwanted for row in rows(world).values())
    before = asked(world)
    world.ended(world.expand(1))  # rounds of looking go on
    assert asked(world) == before
    assert world.inventory("running") >= made


def test_a_canceled_machine_that_stayed_goes_when_it_may(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "ASK_PAID_AGAIN", 0.2)
    world.start_worker()
    made = canceled(world, 3)
    wait_for(lambda: world.inventory("running") == made)
    keep = min(made)
    choice.protect(world.store, EVERYTHING, "web", [keep], (), protected=True)
    world.cloud.refuses.clear()
    wait_for(lambda: world.inventory("deleted") == made - {keep})
    assert set(world.cloud.alive()) == {keep}
    assert not rows(world)[keep].unwanted  # who protects it wants it


def test_a_canceled_machine_that_stays_and_vanishes_is_deleted_and_not_lost(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "ASK_PAID_AGAIN", 0.2)
    world.start_worker()
    made = canceled(world, 1)
    wait_for(lambda: world.inventory("running") == made)
    world.cloud.hidden.update(made)
    wait_for(lambda: world.inventory("deleted") == made)


def test_a_shrink_may_take_what_a_cancel_left_and_gives_it_up(world: World) -> None:
    world.start_worker()
    world.ended(world.expand(2))
    made = canceled(world, 2)
    wait_for(lambda: len(world.inventory("running")) == 4)
    # Those that nobody wants go first.
    assert world.ended(released(world, 2)).status == "SUCCESS"
    assert set(world.cloud.alive()).isdisjoint(made)
    assert len(world.cloud.alive()) == 2


def test_a_machine_that_the_cloud_does_not_know_is_asked_about_as_often_as_any_that_is_gone(world: World) -> None:
    world.settings = replace(world.settings, visibility=1.0)
    world.start_worker()
    world.ended(world.expand(2))
    world.cloud.hidden.add("i-00001")
    task_id = world.shrink(count=2)
    wait_for(lambda: world.inventory("deleted") == {"i-00000"})
    wait_for(lambda: rows(world)["i-00001"].absences >= 3)
    assert world.inventory("deleting") == {"i-00001"}
    world.cloud.hidden.clear()
    task = world.ended(task_id)
    assert (task.status, task.deleted) == ("SUCCESS", 2)
    assert world.cloud.alive() == {}


def test_a_machine_that_nobody_shows_any_more_counts_as_deleted_in_the_end(world: World) -> None:
    world.start_worker()
    world.ended(world.expand(2))
    world.cloud.hidden.add("i-00001")
    task = world.ended(world.shrink(count=2))
    assert (task.status, task.deleted) == ("SUCCESS", 2)
    named = [ids for name, ids in world.cloud.calls if name == "delete" and "i-00001" in ids]
    assert len(named) <= 2  # once by its task, and once by who tends it


def test_a_machine_that_is_changing_its_state_is_asked_for_again(world: World) -> None:
    world.start_worker()
    world.ended(world.expand(3))
    world.cloud.refuses["i-00001"] = ErrorClass.CONFLICT
    task_id = world.shrink(count=3)
    wait_for(lambda: rows(world)["i-00001"].deletion_refused == "conflict")
    wait_for(lambda: world.inventory("deleted") == {"i-00000", "i-00002"})
    assert world.task(task_id).phase in ("DELETING", "WAITING")
    world.cloud.refuses.clear()
    task = world.ended(task_id)
    assert (task.status, task.deleted, task.reason) == ("SUCCESS", 3, "")


def test_a_machine_that_is_refused_long_after_its_shrink_is_given_back(world: World) -> None:
    world.settings = replace(world.settings, give_up=0.3)
    world.start_worker()
    world.ended(world.expand(2))
    world.cloud.refuses["i-00001"] = ErrorClass.CONFLICT
    task = world.ended(world.shrink(count=2))
    assert (task.status, task.deleted) == ("PARTIAL_SUCCESS", 1)
    assert "it goes on being asked" in task.reason
    world.cloud.refuses["i-00001"] = PROTECTED
    wait_for(lambda: world.inventory("running") == {"i-00001"})
    # It is a machine of the cluster like any other.
    world.cloud.refuses.clear()
    assert world.ended(world.shrink(count=1)).status == "SUCCESS"


def test_a_canceled_shrink_gives_up_nothing(world: World) -> None:
    world.start_worker()
    made = canceled(world, 1)
    wait_for(lambda: world.inventory("running") == made)
    world.cloud.boots = lambda index: False
    first, second = world.expand(1), released(world, 1)  # the second waits for the first
    wait_for(lambda: len(world.cloud.alive()) == 2)
    api.cancel(world.store, EVERYTHING, second, "keep")
    for row in world.cloud.machines.values():
        row["state"] = MachineState.RUNNING
    world.ended(first)
    assert world.ended(second).status == "CANCELED"
    assert made <= world.inventory("running")
    assert asked(world, "release") == 0
    assert not rows(world)[min(made)].release_prepaid
