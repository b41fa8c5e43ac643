"""A database that is older than the clouds: what was done since the backup is neither done again nor mixed up."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from bridgx_server.cli import main
from bridgx_server.scaling import tags
from bridgx_server.store.database import Store
from bridgx_server.store.models import InstanceRow, OrphanRow, WatchRow
from click.testing import CliRunner
from engine.conftest import QUICK, World, wait_for


def back_up(source: Path, target: Path) -> None:
    """What `.backup` of the sqlite3 shell does, while the source is in use."""
    with sqlite3.connect(source) as reading, sqlite3.connect(target) as writing:
        reading.backup(writing)
    reading.close()
    writing.close()


@pytest.fixture
def restored(world: World, tmp_path: Path) -> Iterator[World]:
    """The world on a backup made when an expand of `web` stood in the queue, after workers carried out that one and another."""
    world.add_cluster("other")
    world.expand(5)
    back_up(tmp_path / "bridgx.db", tmp_path / "backup.db")
    world.expand(4, cluster="other")
    worker = world.start_worker()
    assert world.ended(1).running == 5
    assert world.ended(2).running == 4
    worker.stop()
    world.cloud.answers.clear()  # the cloud has forgotten the tokens
    again = World(Store(f"sqlite:///{tmp_path}/backup.db"), world.cloud, replace(QUICK))
    yield again
    for started in again.workers:
        started.stop()
    again.store.close()


def after_restore(world: World, tmp_path: Path, *flags: str) -> str:
    result = CliRunner().invoke(main, ["after-restore", "--database-url", f"sqlite:///{tmp_path}/backup.db", *flags])
    assert result.exit_code == 0, result.output
    return result.output


def compare_now(world: World) -> None:
    """Makes the next comparison due, and waits for its end."""
    with world.store.transaction():
        WatchRow.update(reconcile_at=0, next_at=0).execute()
    wait_for(lambda: not due(world))


def of_cluster(world: World, name: str) -> set[str]:
    with world.store.connection():
        return {row.instance_id for row in InstanceRow.select().where(InstanceRow.cluster_name == name)}


def machines_of_task(world: World, task_id: int) -> set[str]:
    """What the cloud shows of a task's machines, by tag."""
    return {key for key, machine in world.cloud.alive().items() if machine["tags"][tags.TASK] == str(task_id)}


def due(world: World) -> bool:
    with world.store.connection():
        return bool(WatchRow.select().where(WatchRow.reconcile_at == 0).count())


def test_tasks_under_way_in_the_backup_are_listed_and_then_canceled(restored: World, tmp_path: Path) -> None:
    assert "web: would be canceled" in after_restore(restored, tmp_path)
    assert restored.task(1).status == "INIT"
    assert "web: canceled" in after_restore(restored, tmp_path, "--apply")
    restored.start_worker()
    assert restored.ended(1).status == "CANCELED"
    assert "0 unfinished tasks" in after_restore(restored, tmp_path, "--apply")


def test_what_a_canceled_task_had_made_since_the_backup_comes_back_and_is_not_made_again(
    restored: World, tmp_path: Path
) -> None:
    after_restore(restored, tmp_path, "--apply")
    restored.start_worker()
    restored.ended(1)
    assert len(restored.cloud.alive()) == 9
    compare_now(restored)
    wait_for(lambda: len(restored.inventory("running")) == 5)
    assert of_cluster(restored, "web") == machines_of_task(restored, 1)


def test_machines_of_forgotten_tasks_do_not_go_to_the_tasks_that_get_their_numbers(
    restored: World, tmp_path: Path
) -> None:
    forgotten = machines_of_task(restored, 2)
    restored.add_cluster("third")
    after_restore(restored, tmp_path, "--apply")
    restored.start_worker()
    assert restored.expand(3, cluster="third") == 2
    assert restored.ended(2).running == 3
    assert len(restored.cloud.alive()) == 12
    compare_now(restored)
    assert not forgotten & of_cluster(restored, "third")
    with restored.store.connection():
        assert {row.instance_id for row in OrphanRow.select()} == forgotten
