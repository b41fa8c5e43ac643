"""A worker goes on whatever fails around it, without waiting for a lease to run out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from bridgx_server.providers.base import CreatedMachines, CreateMachines
from bridgx_server.scaling import reconcile, worker
from engine.conftest import World, wait_for
from engine.fake_cloud import FakeCloud
from peewee import InternalError, OperationalError

LONG = 3600.0  # seconds: no test lasts as long


class Troubled(FakeCloud):
    """Raises each of `trouble` once, where machines are asked for."""

    trouble: list[Exception]

    def create_machines(self, request: CreateMachines) -> CreatedMachines:
        if self.trouble:
            raise self.trouble.pop()
        return super().create_machines(request)


def test_a_step_that_the_database_broke_off_is_taken_up_at_once_and_not_when_its_lease_has_run_out(
    world: World,
) -> None:
    cloud = Troubled()
    cloud.trouble = [OperationalError("deadlock detected"), InternalError("packet out of order")]
    world.cloud, world.settings = cloud, replace(world.settings, lease=LONG)
    world.start_worker()
    task = world.ended(world.expand(5))
    assert (task.status, task.running, len(cloud.alive())) == ("SUCCESS", 5, 5)


def test_a_worker_survives_what_a_driver_makes_of_a_broken_connection(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, failures = worker.tasks.claim, [AttributeError("'NoneType' object has no attribute 'read'")]

    def fail_once(*arguments: Any) -> Any:
        if failures:
            raise failures.pop()
        return claim(*arguments)

    monkeypatch.setattr(worker.tasks, "claim", fail_once)
    world.start_worker()
    assert world.ended(world.expand(5)).running == 5
    assert not failures


def test_a_comparison_that_always_fails_keeps_nobody_from_asking_about_machines(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def fail(*_: Any) -> None:
        tried.append(1)
        raise KeyError("a machine of a cluster that is gone")

    monkeypatch.setattr(reconcile, "reconcile", fail)
    world.settings = replace(world.settings, reconcile=0.0)
    world.start_worker()
    assert world.ended(world.expand(5)).running == 5
    wait_for(lambda: bool(tried))
