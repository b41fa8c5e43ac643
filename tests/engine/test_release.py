"""What the engine does with machines that a cloud does not delete: they are counted, named, and asked about rarely."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from bridgx_server.errors import InvalidField, InvalidFields
from bridgx_server.providers.base import Charge, CreateMachines, Limits, MachineState
from bridgx_server.providers.errors import ErrorClass, ProviderError
from bridgx_server.scaling import choice, refusals, tend
from bridgx_server.scaling import tasks as api
from bridgx_server.store import watches
from bridgx_server.store.database import Store
from bridgx_server.store.migrations import migrate
from bridgx_server.store.models import InstanceRow, WatchRow
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


def submitted(world: World, count: int, **wanted: Any) -> int:
    fields = {"cluster_name": "web", "task_name": "", "ips": (), "caller": "test", **wanted}
    return api.submit_shrink(world.store, EVERYTHING, count=count, **fields)


def released(world: World, count: int, policy: str = "") -> int:
    return submitted(world, count, termination_policy=policy, release_prepaid=True)


def by_policy(world: World, count: int, policy: str) -> int:
    return submitted(world, count, termination_policy=policy)


def named(world: World, *instance_ids: str, release_prepaid: bool = False) -> int:
    return submitted(world, 0, instance_ids=instance_ids, release_prepaid=release_prepaid)


def look(world: World) -> None:
    """One round over all machines that anyone is to ask about, without a worker."""
    with world.store.transaction():
        InstanceRow.update(tend_at=0).where(InstanceRow.tend_at.is_null(False)).execute()
        WatchRow.update(lease_until=0).execute()
    claimed = watches.claim_place(world.store, 1, "region-1", "test", 10_000)
    assert claimed is not None
    tend.run(world.engine(), *claimed)


def hurry(world: World) -> None:
    """Lets the workers ask about all machines that anyone is to ask about at once."""
    with world.store.transaction():
        WatchRow.update(next_at=0, wakes=WatchRow.wakes + 1).execute()
        InstanceRow.update(tend_at=0).where(InstanceRow.tend_at.is_null(False)).execute()


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


def test_a_machine_that_nobody_wants_is_asked_about_after_a_shrink_of_it_that_never_began(
    each_database: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = each_database
    monkeypatch.setattr(refusals, "ASK_PAID_AGAIN", 0.2)
    worker = world.start_worker()
    made = canceled(world, 2)
    wait_for(lambda: world.inventory("running") == made)
    worker.stop()
    shrink_id = named(world, *made)
    look(world)  # while it waits for its turn
    assert all(row.tend_at for row in rows(world).values())
    assert api.cancel(world.store, EVERYTHING, shrink_id, "keep") == "CANCELED"
    world.cloud.refuses.clear()
    world.start_worker()
    wait_for(lambda: world.inventory("deleted") == made)
    assert world.cloud.alive() == {}


def test_a_machine_that_an_earlier_version_asked_about_no_more_is_looked_at_when_its_shrink_is_canceled(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = world.start_worker()
    made = canceled(world, 1)
    wait_for(lambda: world.inventory("running") == made)
    worker.stop()
    monkeypatch.setattr(refusals, "ASK_PAID_AGAIN", 0.2)
    shrink_id = named(world, *made)
    with world.store.transaction():
        InstanceRow.update(tend_at=None).execute()
        WatchRow.update(next_at=None).execute()
    api.cancel(world.store, EVERYTHING, shrink_id, "keep")
    world.cloud.refuses.clear()
    world.start_worker()
    wait_for(lambda: world.inventory("deleted") == made)


def test_a_machine_that_nobody_wants_and_that_vanishes_before_its_shrink_begins_is_not_lost(world: World) -> None:
    world.settings = replace(world.settings, visibility=0.0)
    worker = world.start_worker()
    made = canceled(world, 1)
    wait_for(lambda: world.inventory("running") == made)
    worker.stop()
    shrink_id = named(world, *made)
    world.cloud.hidden.update(made)
    for _ in range(tend.ABSENCES):
        look(world)
    assert world.inventory("deleted") == made
    world.start_worker()
    assert world.ended(shrink_id).status == "SUCCESS"


def test_a_machine_that_never_ran_is_given_up_by_the_shrink_that_names_it(world: World) -> None:
    world.settings = replace(world.settings, boot_timeout=0.3)
    world.cloud.boots = lambda index: index != 0
    world.cloud.refuses["i-00000"] = PAID
    worker = world.start_worker()
    assert world.ended(world.expand(1)).running == 1
    wait_for(lambda: world.inventory("pending") == {"i-00000"})
    worker.stop()
    shrink_id = named(world, "i-00000", release_prepaid=True)
    look(world)  # while it waits for its turn
    world.start_worker()
    task = world.ended(shrink_id)
    assert (task.status, task.deleted, task.reason) == ("SUCCESS", 1, "")
    assert (asked(world, "release"), set(world.cloud.alive())) == (1, {"i-00001"})


def test_canceling_a_shrink_gives_up_nothing_whatever_is_asked(world: World) -> None:
    world.start_worker()
    world.ended(world.expand(2))
    paid_for(world, "i-00000", "i-00001")
    world.cloud.fail_next("delete", ErrorClass.THROTTLED, times=1000)
    task_id = world.shrink(count=2)
    wait_for(lambda: asked(world) > 0)
    with pytest.raises(InvalidField, match=r"release_prepaid.*is a shrink"):
        api.cancel(world.store, EVERYTHING, task_id, "delete", release_prepaid=True)
    api.cancel(world.store, EVERYTHING, task_id, "delete")
    world.cloud.scripts.clear()
    task = world.ended(task_id)
    assert (task.status, task.deleted, task.release_prepaid) == ("CANCELED", 0, False)
    assert (asked(world, "release"), len(world.cloud.alive())) == (0, 2)


def test_a_machine_that_came_too_late_is_not_counted_when_its_expand_is_canceled(each_database: World) -> None:
    world = each_database

    def one_alone(request: CreateMachines) -> None:
        if world.cloud.machines:
            raise ProviderError(ErrorClass.THROTTLED, "later.", retry_after=300.0)

    world.cloud.limits = Limits(create_batch=1, describe_batch=10, delete_batch=10)
    world.cloud.before_create = one_alone
    world.cloud.boots = lambda index: False
    world.cloud.refuses["i-00000"] = PAID
    world.settings = replace(world.settings, boot_timeout=0.3)
    worker = world.start_worker()
    task_id = world.expand(2)
    wait_for(lambda: "i-00000" in rows(world) and rows(world)["i-00000"].deletion_refused == "not_releasable")
    worker.stop()
    world.cloud.machines["i-00000"]["state"] = MachineState.RUNNING
    look(world)
    assert (world.inventory("running"), world.task(task_id).running) == ({"i-00000"}, 0)

    api.cancel(world.store, EVERYTHING, task_id, "delete", release_prepaid=True)
    world.start_worker()
    task = world.ended(task_id)
    assert (task.status, task.asked, task.running, task.failed) == ("CANCELED", 2, 0, 2)
    wait_for(lambda: world.inventory("deleted") == {"i-00000"})
    assert world.task(task_id).running == 0
    assert world.cloud.alive() == {}


def test_a_machine_that_came_too_late_is_never_counted_whoever_wants_it_later(each_database: World) -> None:
    world = each_database
    world.settings = replace(world.settings, boot_timeout=0.3)
    world.cloud.boots = lambda index: index != 0
    world.cloud.refuses["i-00000"] = PAID
    world.start_worker()
    expand_id = world.expand(1)
    assert world.ended(expand_id).running == 1
    wait_for(lambda: world.inventory("pending") == {"i-00000"})
    world.cloud.machines["i-00000"]["state"] = MachineState.RUNNING
    hurry(world)
    wait_for(lambda: len(world.inventory("running")) == 2)

    for protected in (True, False):
        choice.protect(world.store, EVERYTHING, "web", ["i-00000"], (), protected=protected)
    assert not rows(world)["i-00000"].unwanted
    for release_prepaid, status in ((False, "FAILED"), (True, "SUCCESS")):
        task = world.ended(named(world, "i-00000", release_prepaid=release_prepaid))
        assert task.status == status
        told = world.task(expand_id)
        assert (told.asked, told.running, sum(chunk.running for chunk in told.chunks)) == (1, 1, 1)
    assert set(world.cloud.alive()) == {"i-00001"}


def test_a_machine_that_is_found_after_its_expand_was_canceled_is_given_up_as_the_others(world: World) -> None:
    world.cloud.hidden.add("i-00000")
    world.cloud.fail_next("create", ErrorClass.TIMEOUT_UNKNOWN, after_effect=True)
    world.start_worker()
    task_id = world.expand(1)
    wait_for(lambda: len(world.cloud.machines) == 1)
    api.cancel(world.store, EVERYTHING, task_id, "delete", release_prepaid=True)
    assert world.ended(task_id).status == "CANCELED"
    assert rows(world) == {}

    world.cloud.refuses["i-00000"] = PAID
    world.cloud.hidden.clear()
    with world.store.transaction():
        WatchRow.update(reconcile_at=0).execute()
    wait_for(lambda: world.inventory("deleted") == {"i-00000"})
    assert world.cloud.alive() == {}


def test_a_lost_machine_that_comes_after_its_expand_was_canceled_is_given_up_as_the_others(world: World) -> None:
    world.cloud.boots = lambda index: index != 0
    world.start_worker()
    task_id = world.expand(2)
    wait_for(lambda: world.inventory("pending") == {"i-00000"})
    world.cloud.boots = lambda index: False
    world.cloud.hidden.add("i-00000")
    wait_for(lambda: world.inventory("lost") == {"i-00000"})
    wait_for(lambda: world.inventory("pending") == {"i-00002"})  # asked for in its place
    api.cancel(world.store, EVERYTHING, task_id, "delete", release_prepaid=True)
    world.cloud.machines["i-00002"]["state"] = MachineState.RUNNING
    assert world.ended(task_id).status == "CANCELED"
    world.cloud.refuses["i-00000"] = PAID
    world.cloud.hidden.clear()
    with world.store.transaction():
        WatchRow.update(reconcile_at=0).execute()
    wait_for(lambda: world.inventory("deleted") == {"i-00000", "i-00001", "i-00002"})
    assert world.cloud.alive() == {}


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (ErrorClass.UNAVAILABLE, "the cloud has not said yet whether it deletes 2 machines that were given up and are"),
        (ErrorClass.INSUFFICIENT_BALANCE, "2 machines that were given up were not deleted and go on being billed"),
        (ErrorClass.QUOTA_EXCEEDED, "2 machines that were given up were not deleted and go on being billed"),
    ],
)
def test_an_expand_tells_of_machines_paid_for_that_nothing_is_known_of(
    world: World, kind: ErrorClass, told: str
) -> None:
    template = world.template
    world.template = lambda cluster_id: replace(  # type: ignore[method-assign]
        template(cluster_id), charge=Charge("PrePaid", "Month", 1)
    )
    world.settings = replace(world.settings, give_up=0.5)
    world.cloud.fail_next("delete", kind, times=1000)
    world.start_worker()
    world.cloud.boots = lambda index: False
    task_id = world.expand(2)
    wait_for(lambda: len(world.inventory("pending")) == 2)
    api.cancel(world.store, EVERYTHING, task_id, "delete")
    for row in world.cloud.machines.values():
        row["state"] = MachineState.RUNNING
    task = world.ended(task_id)
    assert (task.status, task.running) == ("CANCELED", 2)
    assert told in task.reason
    assert "i-00000, i-00001" in task.reason
    world.cloud.scripts.clear()
    with world.store.transaction():
        InstanceRow.update(deletion_refused_at=0).execute()
    hurry(world)
    wait_for(lambda: not world.cloud.alive())


def test_a_machine_that_was_given_up_and_never_ran_cannot_be_protected(world: World) -> None:
    world.settings = replace(world.settings, boot_timeout=0.3)
    world.cloud.boots = lambda index: index != 0
    world.cloud.refuses["i-00000"] = PAID
    world.start_worker()
    world.ended(world.expand(1))
    wait_for(lambda: world.inventory("pending") == {"i-00000"})
    with pytest.raises(InvalidFields, match="was given up before it came to run"):
        choice.protect(world.store, EVERYTHING, "web", ["i-00000"], (), protected=True)
    assert not rows(world)["i-00000"].protected
    world.cloud.machines["i-00000"]["state"] = MachineState.RUNNING
    hurry(world)
    wait_for(lambda: "i-00000" in world.inventory("running"))
    choice.protect(world.store, EVERYTHING, "web", ["i-00000"], (), protected=True)
    assert not rows(world)["i-00000"].unwanted
