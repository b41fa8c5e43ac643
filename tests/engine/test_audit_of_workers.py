"""What workers change on nobody's behalf is told as theirs; what they do for a task is told by the task."""

from __future__ import annotations

from dataclasses import replace

from bridgx_server.store import audit
from bridgx_server.store.audit import AuditFilter, Record
from bridgx_server.store.models import InstanceRow
from bridgx_server.store.paging import PageOf
from bridgx_server.store.scope import EVERYTHING
from engine.conftest import World, wait_for


def told(world: World, operation: str) -> list[Record]:
    which = AuditFilter(operation=operation)
    return list(audit.page(world.store, EVERYTHING, which, PageOf.asked(1, 50), about_no_account=True).rows)


def test_replacing_machines_that_did_not_boot_is_told(world: World) -> None:
    world.cloud.fails = lambda index: index in (2, 3)
    world.start_worker()
    assert world.ended(world.expand(10)).running == 10
    (row,) = told(world, "replace machines")
    assert (row.actor_kind, row.resource_kind, row.resource, row.outcome) == ("worker", "cluster", "web", "success")
    assert row.actor.startswith("worker ")
    assert '"machines": 2' in row.detail_json


def test_adopting_a_machine_is_told(world: World) -> None:
    world.settings = replace(world.settings, reconcile=0.3, visibility=0.1)
    world.start_worker()
    assert world.ended(world.expand(3)).running == 3
    strange = min(world.inventory("running"))
    with world.store.transaction():
        InstanceRow.delete().where(InstanceRow.instance_id == strange).execute()
    wait_for(lambda: strange in world.inventory("running"))
    (row,) = told(world, "reconcile")
    assert (row.actor_kind, row.resource_kind, row.resource) == ("worker", "machine", strange)
    assert "adopted" in row.detail_json
