"""What the engine does when a cloud's answer cannot be taken for the truth: no machine is made twice, or left alive."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from bridgx_server.errors import InvalidFields
from bridgx_server.providers.base import CreatedMachines, CreateMachines, Limits, Machine, MachineState
from bridgx_server.providers.errors import ErrorClass, ProviderError
from bridgx_server.scaling import expand, faultpoints, reconcile
from bridgx_server.scaling import tasks as api
from bridgx_server.scaling.assembly import make_engine
from bridgx_server.scaling.faultpoints import EXPAND_CREATED, EXPAND_SENT
from bridgx_server.store import tasks, watches
from bridgx_server.store.database import Store
from bridgx_server.store.leases import Lease
from bridgx_server.store.migrations import migrate
from bridgx_server.store.models import ChunkRow, InstanceRow
from bridgx_server.store.scope import EVERYTHING
from bridgx_server.store.tasks import Task
from engine.conftest import QUICK, World, wait_for
from engine.fake_cloud import FakeCloud


@dataclass
class Forgetful(FakeCloud):
    """`shows` says which machine is in an operation's answer number so and so; `protected` ones cannot be deleted."""

    shows: Callable[[int, str], bool] = lambda answer, key: True
    protected: set[str] = field(default_factory=set)
    describes: int = 0
    finds: int = 0

    def describe_machines(self, region_id: str, instance_ids: Sequence[str]) -> list[Machine]:
        self.describes += 1
        return self._shown(self.describes, super().describe_machines(region_id, instance_ids))

    def find_machines(self, region_id: str, tags: Mapping[str, str]) -> list[Machine]:
        self.finds += 1
        return self._shown(self.finds, super().find_machines(region_id, tags))

    def delete_machines(self, region_id: str, instance_ids: Sequence[str]) -> None:
        if self.protected & set(instance_ids):
            raise ProviderError(ErrorClass.INVALID_PARAMETER, "one of them is protected.")
        super().delete_machines(region_id, instance_ids)

    def _shown(self, answer: int, machines: list[Machine]) -> list[Machine]:
        return [machine for machine in machines if self.shows(answer, machine.instance_id)]


def creates(cloud: FakeCloud) -> int:
    return sum(1 for name, _ in cloud.calls if name == "create")


def test_machines_that_every_answer_shows_another_part_of_are_all_counted(world: World) -> None:
    # After a token's life only the tag can say what was made.
    cloud = Forgetful(shows=lambda answer, key: int(key[2:]) % 2 == answer % 2)
    cloud.fail_next("create", ErrorClass.TIMEOUT_UNKNOWN, 1, after_effect=True)
    world.cloud, world.settings = cloud, replace(world.settings, token_life=0.0, boot_timeout=60.0)
    world.start_worker()
    task_id = world.expand(10)
    wait_for(lambda: len(world.inventory("pending", "running")) == 10)
    cloud.shows = lambda answer, key: True
    task = world.ended(task_id)
    assert (task.status, task.running, task.failed) == ("SUCCESS", 10, 0)
    assert len(cloud.alive()) == 10
    assert world.inventory("running") == set(cloud.alive())


def test_a_running_machine_that_is_left_out_of_some_answers_is_not_lost(world: World) -> None:
    cloud = Forgetful(boots=lambda index: False, shows=lambda answer, key: answer % 5 == 0)
    world.cloud, world.settings = cloud, replace(world.settings, visibility=2.0)
    world.start_worker()
    task_id = world.expand(3)
    wait_for(lambda: cloud.describes > 40)
    assert len(world.inventory("pending")) == 3
    for row in cloud.machines.values():
        row["state"] = MachineState.RUNNING
    task = world.ended(task_id)
    assert (task.status, task.running, len(cloud.alive())) == ("SUCCESS", 3, 3)


def test_a_machine_that_was_given_up_and_replaced_is_deleted_when_it_comes_after_all(world: World) -> None:
    cloud = Forgetful(shows=lambda answer, key: key != "i-00000")
    world.cloud = cloud
    world.start_worker()
    task = world.ended(world.expand(2))
    assert (task.status, task.running) == ("SUCCESS", 2)
    assert len(cloud.alive()) == 3
    cloud.shows = lambda answer, key: True
    engine = make_engine(world.store, world, world, world.settings)
    wait_for(lambda: compare(world, engine) is not None)
    wait_for(lambda: set(cloud.alive()) == world.inventory("running"))
    assert len(cloud.alive()) == 2
    assert "i-00000" not in cloud.alive()


def compare(world: World, engine: object) -> reconcile.Report | None:
    """One comparison under a lease of its own; None while another has it."""
    with world.store.connection():
        watches.WatchRow.update(reconcile_at=0).execute()
    found = watches.claim(world.store, "test", 10_000)
    if found is None:
        return None
    watch, lease = found
    report = reconcile.reconcile(engine, watch, lease)  # type: ignore[arg-type]
    watches.release(world.store, lease, watch, reconcile_at=world.store.now() + 600_000)
    return report


def test_a_refusal_after_a_doubtful_call_is_not_asked_for_again_and_again(world: World) -> None:
    world.settings = replace(world.settings, visibility=6.0, give_up=60.0)
    world.cloud.fail_next("create", ErrorClass.TIMEOUT_UNKNOWN)
    world.cloud.fail_next("create", ErrorClass.QUOTA_EXCEEDED, 1000)
    world.start_worker()
    task = world.ended(world.expand(5), within=30)
    assert (task.status, task.failed, task.error_class) == ("FAILED", 5, "quota_exceeded")
    assert creates(world.cloud) < 10


def test_chunks_that_wait_for_smaller_ones_keep_the_store_quiet(world: World) -> None:
    world.cloud.limits = Limits(create_batch=10, describe_batch=10, delete_batch=10, partial_delivery=False)
    world.cloud.stock = {"zone-a": 5}
    world.settings = replace(world.settings, parallel_chunks=1)
    world.start_worker()
    reads = []
    template = world.template

    def counted(cluster_id: int) -> object:
        reads.append(cluster_id)
        return template(cluster_id)

    world.template = counted  # type: ignore[method-assign,assignment]
    task_id = world.expand(40)
    wait_for(lambda: creates(world.cloud) >= 1)
    world.cloud.fail_next("create", ErrorClass.THROTTLED, 2)
    task = world.ended(task_id)
    assert (task.running, task.failed) == (5, 35)
    assert len(reads) < 40  # steps of the task: about one for each call


def test_a_cancel_that_comes_when_all_machines_run_still_deletes_them(world: World) -> None:
    canceled = []

    def reach(point: str) -> None:
        if point == faultpoints.EXPAND_BEFORE_FINISH and not canceled:
            canceled.append(api.cancel(world.store, EVERYTHING, 1, "delete"))

    engine = make_engine(world.store, world, world, world.settings, reach=reach)
    world.engine = lambda: engine  # type: ignore[method-assign]
    world.start_worker()
    task = world.ended(world.expand(5))
    assert canceled == ["RUNNING"]
    assert task.status == "CANCELED"
    wait_for(lambda: not world.cloud.alive())
    wait_for(lambda: not world.inventory("pending", "running", "deleting"))


@dataclass
class Late(Forgetful):
    """The first creation takes as long as a call may, has its effect then, is not answered, and is not shown for a while."""

    seconds: float = 1.0
    hidden_for: float = 1.2
    then: ErrorClass | None = None
    shown_at: float = 0.0
    creations: int = 0

    def create_machines(self, request: CreateMachines) -> CreatedMachines:
        self.creations += 1
        if self.creations > 1 and self.then is not None and request.zone_id == "zone-a":
            raise ProviderError(self.then, "sold out.")
        if self.creations > 1:
            return super().create_machines(request)
        time.sleep(self.seconds)
        super().create_machines(request)
        self.shown_at = time.monotonic() + self.hidden_for
        raise ProviderError(ErrorClass.TIMEOUT_UNKNOWN, "no answer came.")

    def _shown(self, answer: int, machines: list[Machine]) -> list[Machine]:
        return machines if time.monotonic() >= self.shown_at else []


# A call may take about as long as a machine may be hidden, as with the defaults.
LATE = replace(QUICK, answer=1.0, visibility=1.4)


def test_a_call_whose_effect_came_right_before_its_end_is_not_made_up_for_elsewhere(world: World) -> None:
    cloud = Late(then=ErrorClass.OUT_OF_STOCK)
    world.cloud, world.settings, world.zones = cloud, LATE, ("zone-a", "zone-b")
    world.start_worker()
    task = world.ended(world.expand(2))
    assert (task.status, task.running) == ("SUCCESS", 2)
    assert len(cloud.alive()) == 2
    assert world.inventory("running") == set(cloud.alive())
    assert (task.reason, task.error_class, [chunk.reason for chunk in task.chunks]) == ("", "", [""])


def test_a_canceled_task_waits_for_what_its_last_call_may_still_make(world: World) -> None:
    cloud = Late()
    world.cloud, world.settings = cloud, LATE
    world.start_worker()
    task_id = world.expand(2)
    wait_for(lambda: cloud.creations == 1)
    api.cancel(world.store, EVERYTHING, task_id, "delete")
    assert world.ended(task_id).status == "CANCELED"
    assert cloud.shown_at
    wait_for(lambda: not cloud.alive())
    assert cloud.creations == 1


@pytest.mark.parametrize("made", [False, True])
def test_time_without_a_worker_is_not_taken_for_time_without_an_answer(world: World, made: bool) -> None:
    world.settings = replace(QUICK, give_up=5.0)
    engine = make_engine(
        world.store, world, world, world.settings, reach=dies_at(EXPAND_CREATED if made else EXPAND_SENT)
    )
    task_id = world.expand(2)
    task, lease = claimed(world)
    with pytest.raises(Killed):
        expand.advance(engine, task, lease)
    with world.store.transaction():  # long ago
        ages = {name: getattr(ChunkRow, name) - 60_000 for name in ("sent_at", "last_sent_at", "effect_until")}
        ChunkRow.update(**ages).execute()
    world.cloud.fail_next("find", ErrorClass.UNAVAILABLE, 2)
    world.start_worker()
    ended = world.ended(task_id)
    assert (ended.status, ended.running, ended.failed) == ("SUCCESS", 2, 0)
    assert len(world.cloud.alive()) == 2


class Killed(BaseException):
    """The process dies here."""


def dies_at(point: str) -> Callable[[str], None]:
    def reach(reached: str) -> None:
        if reached == point:
            raise Killed

    return reach


def claimed(world: World) -> tuple[Task, Lease]:
    """The task in the queue, under a lease that has run out by the time that another worker comes."""
    found = tasks.claim(world.store, "dead", 1)
    assert found is not None
    return found


def test_one_machine_that_cannot_be_deleted_keeps_no_other_alive(world: World) -> None:
    cloud = Forgetful(boots=lambda index: index >= 5, protected={"i-00003"})
    world.cloud, world.settings = cloud, replace(world.settings, boot_timeout=0.3)
    world.start_worker()
    task = world.ended(world.expand(10))
    assert task.running == 10  # five were replaced
    wait_for(lambda: len(cloud.alive()) == 11)
    wait_for(lambda: world.inventory("deleting") == {"i-00003"})
    assert world.inventory("running") | {"i-00003"} == set(cloud.alive())


def test_machines_whose_deletion_has_begun_are_not_given_back_when_the_rest_is_refused(world: World) -> None:
    cloud = Forgetful()
    world.cloud, world.settings = cloud, replace(world.settings, give_up=0.5)
    world.start_worker()
    world.ended(world.expand(20))
    with world.store.connection():
        ips = {row.instance_id: row.ip_inner for row in InstanceRow.select().order_by(InstanceRow.id)}
    kept = list(ips)[-1]  # in the second call; the first deletes ten
    cloud.protected = {kept}
    task = world.ended(world.shrink(ips=tuple(ips.values())))
    wait_for(lambda: world.inventory("deleting") == {kept})
    assert task.status in ("PARTIAL_SUCCESS", "FAILED")
    assert task.error_class == "param_invalid"
    assert world.inventory("running") == set()
    assert set(cloud.alive()) == {kept}


def test_a_machine_that_one_shrink_names_while_another_chooses_goes_to_one_of_them(server_database_url: str) -> None:
    store = Store(server_database_url)
    migrate(store)
    world = World(store, FakeCloud(), replace(QUICK))
    world.add_cluster("web")
    refused: list[Exception] = []

    class Slow(random.Random):
        """Chooses all, and meanwhile someone names one of them."""

        def sample(self, population: Any, k: int, **_: Any) -> Any:
            def name_one() -> None:
                try:
                    world.shrink(ips=("10.0.0.1",))
                except InvalidFields as refusal:
                    refused.append(refusal)

            naming.append(threading.Thread(target=name_one))
            naming[0].start()
            naming[0].join(1.0)  # it waits until the choice is written, or has been quicker
            return list(population)[:k]

    naming: list[threading.Thread] = []
    engine = make_engine(store, world, world, world.settings, rng=Slow())
    world.engine = lambda: engine  # type: ignore[method-assign]
    worker = world.start_worker()
    world.ended(world.expand(3))
    assert world.ended(world.shrink(count=3)).deleted == 3
    naming[0].join()
    assert len(refused) == 1
    worker.stop()
    store.close()
