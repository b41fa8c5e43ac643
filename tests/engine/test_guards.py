"""Protected machines stay, and nothing of a deleted cluster is taken back unseen."""

from __future__ import annotations

from dataclasses import replace

from bridgx_server.scaling import choice
from bridgx_server.scaling import tasks as api
from bridgx_server.store import clusters
from bridgx_server.store.models import OrphanRow
from bridgx_server.store.scope import EVERYTHING
from engine.conftest import World, wait_for


def protect(world: World, *instance_ids: str) -> None:
    choice.protect(world.store, EVERYTHING, "web", instance_ids, (), protected=True)


def test_a_canceled_expand_deletes_all_but_the_protected(world: World) -> None:
    world.cloud.boots = lambda index: False
    world.start_worker()
    task_id = world.expand(5)
    wait_for(lambda: len(world.inventory("pending")) == 5)
    protect(world, "i-00001", "i-00003")
    api.cancel(world.store, EVERYTHING, task_id, "delete")
    for row in world.cloud.machines.values():
        row["state"] = type(row["state"]).RUNNING
    task = world.ended(task_id)
    assert (task.status, task.created_machines) == ("CANCELED", "delete")
    wait_for(lambda: set(world.cloud.alive()) == {"i-00001", "i-00003"})
    wait_for(lambda: not world.inventory("pending", "deleting"))
    assert world.inventory("running") == {"i-00001", "i-00003"}


def test_a_shrink_that_waited_takes_none_that_were_protected_meanwhile(world: World) -> None:
    world.start_worker()
    world.ended(world.expand(4))
    world.cloud.boots = lambda index: False
    first, second = world.expand(1), world.shrink(count=4)
    wait_for(lambda: len(world.cloud.alive()) == 5)
    protect(world, "i-00000", "i-00002")
    for row in world.cloud.machines.values():
        row["state"] = type(row["state"]).RUNNING
    assert world.ended(first).status == "SUCCESS"
    task = world.ended(second)
    assert (task.status, task.deleted, task.failed) == ("PARTIAL_SUCCESS", 3, 1)
    assert "only 3 machines were running and not protected" in task.reason
    assert set(world.cloud.alive()) == {"i-00000", "i-00002"}


def test_a_machine_of_a_deleted_cluster_that_turns_up_is_an_orphan(world: World) -> None:
    world.settings = replace(world.settings, reconcile=0.2)
    world.start_worker()
    world.ended(world.expand(2))
    world.ended(world.shrink(count=2))
    with world.store.transaction():
        clusters.bury(clusters.locked(world.store, EVERYTHING, "web"), world.store.now(), "test")
    late = next(iter(world.cloud.machines.values()))
    with world.cloud.lock:
        world.cloud.machines["i-late"] = {**late, "state": type(late["state"]).RUNNING}

    def orphans() -> list[str]:
        with world.store.connection():
            return [row.instance_id for row in OrphanRow.select()]

    wait_for(lambda: orphans() == ["i-late"])
    assert "i-late" in world.cloud.alive()
    assert "i-late" not in world.inventory("pending", "running")
