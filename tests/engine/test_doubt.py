"""What the engine does when a cloud's answer cannot be taken for the truth: no machine is made twice, or left alive."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from bridgx_server.errors import InvalidFields
from bridgx_server.providers.base import CreateMachines, DeletedMachines, Limits, Machine, MachineState
from bridgx_server.providers.errors import ErrorClass, ProviderError
from bridgx_server.scaling import faultpoints, reconcile, shrink, tend
from bridgx_server.scaling import tasks as api
from bridgx_server.scaling.assembly import make_engine
from bridgx_server.scaling.engine import Engine, Template
from bridgx_server.store import stockouts, watches
from bridgx_server.store import tasks as queue
from bridgx_server.store.database import Store
from bridgx_server.store.migrations import migrate
from bridgx_server.store.models import InstanceRow, TaskRow
from bridgx_server.store.scope import EVERYTHING
from engine.conftest import QUICK, World, wait_for
from engine.fake_cloud import FakeCloud
from engine.steps import TellingStore


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

    def delete_machines(
        self, region_id: str, instance_ids: Sequence[str], *, release_prepaid: bool = False
    ) -> DeletedMachines:
        if self.protected & set(instance_ids):
            raise ProviderError(ErrorClass.INVALID_PARAMETER, "one of them is protected.")
        return super().delete_machines(region_id, instance_ids, release_prepaid=release_prepaid)

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
    # The doubtful call, its repetitions until what it made would be seen, and then ever smaller parts: nine of five machines.
    assert creates(world.cloud) < 20


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


@pytest.mark.parametrize("when", ["before the step", "in the step"])
def test_a_cancel_deletes_the_machines_also_where_the_account_is_found_unusable(world: World, when: str) -> None:
    def one_alone(request: CreateMachines) -> None:
        if world.cloud.machines:
            raise ProviderError(ErrorClass.THROTTLED, "later.", retry_after=300.0)

    def cancel() -> None:
        if not world.task(task_id).created_machines:
            api.cancel(world.store, EVERYTHING, task_id, "delete")

    def template(cluster_id: int) -> Template:
        cancel()
        return World.template(world, cluster_id)

    def unusable(account_id: int) -> FakeCloud:
        raise ProviderError(ErrorClass.BAD_CREDENTIALS, "the secret is not accepted.")

    world.cloud.limits = Limits(create_batch=1, describe_batch=10, delete_batch=10)
    world.cloud.before_create = one_alone
    world.settings = replace(world.settings, parallel_chunks=1)
    worker = world.start_worker()
    task_id = world.expand(2)
    wait_for(lambda: [chunk.status for chunk in world.task(task_id).chunks] == ["DONE", "PLANNED"])
    worker.stop()
    with world.store.transaction():  # what another task has found; an account is asked how it delivers then
        stockouts.remember(world.store, 1, "zone-a", "type-1", world.store.now())
        TaskRow.update(queue_at=world.store.now()).execute()
    world.provider = unusable  # type: ignore[method-assign]
    if when == "in the step":
        world.template = template  # type: ignore[method-assign]
    else:
        cancel()
    world.start_worker()
    task = world.ended(task_id)
    assert (task.status, task.created_machines, task.running) == ("CANCELED", "delete", 1)
    assert world.inventory("running") == set()
    del world.provider  # the account works again
    wait_for(lambda: not world.cloud.alive())
    wait_for(lambda: world.inventory("deleted") == {"i-00000"})


def test_one_machine_that_cannot_be_deleted_keeps_no_other_alive(world: World) -> None:
    cloud = Forgetful(boots=lambda index: index >= 5, protected={"i-00003"})
    world.cloud, world.settings = cloud, replace(world.settings, boot_timeout=0.3)
    world.start_worker()
    task = world.ended(world.expand(10))
    assert task.running == 10  # five were replaced
    wait_for(lambda: len(cloud.alive()) == 11)
    wait_for(lambda: world.inventory("pending") == {"i-00003"})  # it is there, and is not said to be on its way out
    assert world.inventory("running") | {"i-00003"} == set(cloud.alive())


def test_many_machines_that_cannot_be_deleted_keep_none_behind_them_alive(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tend, "RESEND_DELETE", 0.0)  # as if there were more of them than a minute can set apart
    last = "i-00060"
    cloud = Forgetful(boots=lambda index: False, protected={f"i-{index:05d}" for index in range(60)})
    world.cloud = cloud
    engine = make_engine(world.store, world, world, world.settings, rng=random.Random(1))
    world.engine = lambda: engine  # type: ignore[method-assign]
    world.start_worker()
    task_id = world.expand(61)
    wait_for(lambda: len(world.inventory("pending")) == 61)
    api.cancel(world.store, EVERYTHING, task_id, "delete")
    boot(world)
    world.ended(task_id)
    wait_for(lambda: world.inventory("deleted") == {last}, within=20.0)
    assert set(cloud.alive()) == cloud.protected


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
    assert (task.status, task.deleted, task.failed) == ("PARTIAL_SUCCESS", 19, 1)
    assert task.error_class == "param_invalid"
    assert "1 of 20 machines were not deleted" in task.reason
    assert world.inventory("running") == set(cloud.alive()) == {kept}


def look(world: World, engine: Engine) -> bool:
    """One round over the machines that are due, without a worker."""
    with world.store.connection():
        found = watches.claim_place(world.store, 1, "region-1", "test", 10_000)
    if found is not None:
        watch, lease = found
        tend.run(engine, watch, lease)
    return True


def lose(world: World, engine: Engine, cloud: FakeCloud, key: str) -> None:
    """The cloud leaves a running machine out of all its answers until it counts as lost."""
    cloud.hidden.add(key)
    wait_for(lambda: compare(world, engine) is not None and key in world.inventory("lost"))


def come_back(world: World, engine: Engine, cloud: FakeCloud, key: str) -> None:
    """The cloud shows it again, and a comparison sees that."""
    cloud.hidden.discard(key)
    wait_for(lambda: compare(world, engine) is not None and key not in world.inventory("lost"))


def lost_before_its_shrink(world: World, reach: Callable[[str], None] = lambda point: None) -> tuple[Engine, int, int]:
    """Two machines, of which a shrink names the first; it is lost while an expand that does not end keeps the shrink waiting."""
    plain = make_engine(world.store, world, world, world.settings)
    engine = make_engine(world.store, world, world, world.settings, reach=reach)
    world.engine = lambda: engine  # type: ignore[method-assign]
    world.start_worker()
    world.ended(world.expand(2))
    world.cloud.boots = lambda index: False
    before = world.expand(1)
    wait_for(lambda: len(world.inventory("pending")) == 1)
    shrink = world.shrink(ips=("10.0.0.1",))
    lose(world, plain, world.cloud, "i-00000")
    return plain, before, shrink


def boot(world: World) -> None:
    world.cloud.boots = lambda index: True
    for row in world.cloud.alive().values():
        row["state"] = MachineState.RUNNING


def test_a_machine_that_comes_back_when_its_shrink_has_counted_it_as_gone_is_deleted(world: World) -> None:
    plain, before, shrink = lost_before_its_shrink(world)
    boot(world)
    world.ended(before)
    task = world.ended(shrink)
    assert (task.status, task.deleted) == ("SUCCESS", 1)
    come_back(world, plain, world.cloud, "i-00000")
    assert "i-00000" not in world.inventory("running")
    wait_for(lambda: "i-00000" in world.inventory("deleted"))
    assert "i-00000" not in world.cloud.alive()


@pytest.mark.parametrize(
    "point",
    [faultpoints.SHRINK_PLANNED, faultpoints.SHRINK_BEFORE_SENT, faultpoints.SHRINK_SENT, faultpoints.SHRINK_ACCEPTED],
)
def test_a_machine_that_comes_back_while_its_shrink_is_under_way_is_deleted_by_it(world: World, point: str) -> None:
    back = []

    def reach(reached: str) -> None:
        if reached == point and not back:
            back.append(reached)
            come_back(world, plain, world.cloud, "i-00000")

    plain, before, shrink = lost_before_its_shrink(world, reach)
    boot(world)
    world.ended(before)
    task = world.ended(shrink)
    assert back == [point]
    assert (task.status, task.deleted) == ("SUCCESS", 1)
    wait_for(lambda: "i-00000" in world.inventory("deleted"))
    assert set(world.cloud.alive()) == world.inventory("running") == {"i-00001", "i-00002"}


def test_a_machine_that_comes_back_after_its_shrink_was_canceled_can_be_shrunk_again(world: World) -> None:
    plain, before, shrink = lost_before_its_shrink(world)
    assert api.cancel(world.store, EVERYTHING, shrink, "keep") == "CANCELED"
    boot(world)
    world.ended(before)
    come_back(world, plain, world.cloud, "i-00000")
    assert "i-00000" in world.inventory("running")
    assert world.ended(world.shrink(ips=("10.0.0.1",))).deleted == 1
    assert "i-00000" not in world.cloud.alive()


def test_a_machine_that_comes_back_in_the_moment_in_which_its_shrink_asks_is_deleted(server_database_url: str) -> None:
    asking: list[threading.Thread] = []

    def reach(step: str) -> None:
        if step == "before:scaling.reconcile.reconcile#1" and not cloud.hidden:
            asking.append(threading.Thread(target=ask))
            asking[0].start()
            asking[0].join(1.0)  # it waits until the comparison is written, or has been quicker

    def ask() -> None:
        claimed = queue.claim(store, "test", 10_000)
        assert claimed is not None
        shrink.advance(engine, *claimed)
        queue.release(store, claimed[1], store.now())

    cloud = FakeCloud()
    store, telling = Store(server_database_url), TellingStore(server_database_url, reach)
    migrate(store)
    world = World(store, cloud, replace(QUICK))
    world.add_cluster("web")
    engine = make_engine(store, world, world, world.settings)
    worker = world.start_worker()
    world.ended(world.expand(2))
    worker.stop()
    cloud.hidden = {"i-00000"}
    shrink_id = world.shrink(ips=("10.0.0.1",))
    wait_for(lambda: compare(world, engine) is not None and look(world, engine) and bool(world.inventory("lost")))
    cloud.hidden.clear()
    compare(world, make_engine(telling, world, world, world.settings))
    asking[0].join()
    worker = world.start_worker()
    assert world.ended(shrink_id).deleted == 1
    wait_for(lambda: world.inventory("deleted") == {"i-00000"})
    assert set(cloud.alive()) == {"i-00001"}
    worker.stop()
    store.close()
    telling.close()


class Enough(Exception):
    """A step is to go no further."""


def test_a_machine_that_a_shrink_marks_while_it_is_asked_about_can_still_be_given_back(world: World) -> None:
    worker = world.start_worker()
    world.ended(world.expand(1))
    worker.stop()
    with world.store.connection():  # the cloud has not told its address yet
        InstanceRow.update(ip_inner="", tend_at=world.store.now()).execute()
    shrink_id = world.shrink(count=1)

    def stop(point: str) -> None:
        if point == faultpoints.SHRINK_PLANNED:
            raise Enough

    def reach(point: str) -> None:
        if point == faultpoints.TEND_DESCRIBED:
            claimed = queue.claim(world.store, "test", 10_000)
            assert claimed is not None
            with pytest.raises(Enough):
                shrink.advance(make_engine(world.store, world, world, world.settings, reach=stop), *claimed)
            queue.release(world.store, claimed[1], world.store.now())

    look(world, make_engine(world.store, world, world, world.settings, reach=reach))
    assert world.inventory("deleting") == {"i-00000"}
    assert set(world.cloud.alive()) == {"i-00000"}
    api.cancel(world.store, EVERYTHING, shrink_id, "keep")
    world.start_worker()
    assert world.ended(shrink_id).status == "CANCELED"
    assert world.inventory("running") == set(world.cloud.alive()) == {"i-00000"}
    wait_for(lambda: compare(world, make_engine(world.store, world, world, world.settings)) is not None)
    with world.store.connection():
        wait_for(lambda: InstanceRow.get().ip_inner == "10.0.0.1")


@pytest.mark.parametrize("how", [{"count": 2}, {"ips": ("10.0.0.1", "10.0.0.2")}])
def test_a_shrink_that_is_canceled_before_it_begins_marks_no_machine(world: World, how: dict[str, Any]) -> None:
    marked = []
    template = world.template

    def reach(point: str) -> None:
        if point == faultpoints.SHRINK_PLANNED:
            marked.append(world.inventory("deleting"))

    def canceled(cluster_id: int) -> object:
        if queued:  # it has been claimed, and has not begun
            api.cancel(world.store, EVERYTHING, queued.pop(), "keep")
        return template(cluster_id)

    queued: list[int] = []
    worker = world.start_worker()
    world.ended(world.expand(3))
    worker.stop()
    world.template = canceled  # type: ignore[method-assign,assignment]
    shrink_id = world.shrink(**how)
    queued.append(shrink_id)
    world.engine = lambda: make_engine(world.store, world, world, world.settings, reach=reach)  # type: ignore[method-assign]
    world.start_worker()
    task = world.ended(shrink_id)
    assert (task.status, task.deleted, marked) == ("CANCELED", 0, [set()])
    assert len(world.inventory("running")) == len(world.cloud.alive()) == 3
    with world.store.connection():
        assert not InstanceRow.select().where(InstanceRow.delete_chunk_id.is_null(False)).count()


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


def test_a_clock_that_is_off_for_a_moment_ends_no_task_that_was_throttled_for_long(world: World) -> None:
    world.settings = replace(world.settings, give_up=0.4)
    skewed: list[CreateMachines] = []

    def refuse(request: CreateMachines) -> None:
        chunk = next(chunk for chunk in world.task(task_id).chunks if chunk.chunk_id == request.token)
        if world.store.now() - chunk.sent_at <= 800:
            raise ProviderError(ErrorClass.THROTTLED, "later.")
        if len(skewed) < 2:
            skewed.append(request)
            raise ProviderError(ErrorClass.CLOCK_SKEW, "the request has expired.")

    world.cloud.before_create = refuse
    task_id = world.expand(25)
    world.start_worker()
    task = world.ended(task_id)
    assert (task.status, task.running, task.error_class) == ("SUCCESS", 25, "")
    assert len(skewed) == 2


def test_a_clock_that_stays_off_ends_the_task(world: World) -> None:
    world.settings = replace(world.settings, give_up=0.4)
    world.cloud.fail_next("create", ErrorClass.CLOCK_SKEW, 1000)
    world.start_worker()
    task = world.ended(world.expand(25))
    assert (task.status, task.failed, task.error_class) == ("FAILED", 25, "clock_skew")
    assert creates(world.cloud) > 1
