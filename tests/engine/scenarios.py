"""What is under way when a process is killed: which steps it takes, and how it comes to take them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bridgx_server.providers.base import Credentials
from bridgx_server.scaling.tasks import TaskView
from bridgx_server.store import accounts, watches
from bridgx_server.store.models import AccountRow, ClusterRow, InstanceRow, OrphanRow, WatchRow
from bridgx_server.store.secrets import Keyring
from engine.conftest import wait_for
from engine.step_world import KEY, StepWorld

TEND = ("scaling.tend._ask:describe_machines", "scaling.tend._record#1")


@dataclass(frozen=True)
class Scenario:
    """Work that takes the steps.

    ``prepare`` runs once, ``begin`` whenever no task is open, ``end`` once after all kills, ``check`` when all is over.
    """

    steps: tuple[str, ...]
    begin: Callable[[StepWorld], object]
    prepare: Callable[[StepWorld], object] = lambda world: None
    end: Callable[[StepWorld], object] = lambda world: None
    check: Callable[[StepWorld], object] = lambda world: None
    engine: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


def _grown(world: StepWorld) -> None:
    world.expand(60)
    world.finish()


def _somewhere_new(world: StepWorld) -> None:
    """In a region that nobody watches yet."""
    with world.store.transaction():
        WatchRow.delete().execute()
    world.expand(3)


def _second_key(world: StepWorld) -> None:
    """Another access key of the same account at the cloud, registered and compared in the same region."""
    cloud, key, secret = world.cloud.provider, "second-key", "the-secret-of-the-second"
    body = {"cloud": cloud, "access_key": key, "secret": secret, "owner": f"demo-{cloud}"}
    world.control.call("POST", "/accounts", body)
    keyring = Keyring.of(bytes.fromhex(KEY))
    account = accounts.register(world.store, keyring, Credentials(cloud, key, secret), name="n", caller="test")
    with world.store.transaction():
        region = ClusterRow.get().region_id
    watches.ensure(world.store, account.id, region, 0)


def _nobody_knows_whose(world: StepWorld, asked_at: int) -> None:
    """What the cloud or machines have shown of the accounts is forgotten; the cloud was last asked then."""
    with world.store.transaction():
        AccountRow.update(cloud_account_id="", cloud_account_at=asked_at).execute()


def _one_account(world: StepWorld) -> None:
    """Both are known to be one, and nothing of the first is the second's, or an orphan."""
    with world.store.connection():
        assert len({row.cloud_account_id for row in AccountRow.select()} - {""}) == 1
        assert {row.account_id for row in InstanceRow.select()} == {ClusterRow.get().account_id}
        assert not OrphanRow.select().exists()


def _in_doubt(world: StepWorld) -> None:
    world.control.clear_faults()
    world.control.fault("cut_after", cloud=world.cloud.provider, action=world.cloud.create, times=1)
    world.expand(2)


def _throttled(world: StepWorld) -> None:
    world.control.clear_faults()
    world.control.fault("throttle", cloud=world.cloud.provider, action=world.cloud.create, times=2)
    world.expand(1)


def _refused_in_doubt(world: StepWorld) -> None:
    world.control.clear_faults()
    world.control.quota(world.cloud.provider, 0)
    world.control.fault("cut_before", cloud=world.cloud.provider, action="RunInstances", times=1)
    world.expand(1)


def _in_conflict(world: StepWorld) -> None:
    world.control.clear_faults()
    _error(world, "RunInstances", "IncorrectState", times=2)
    world.expand(1)


def _refused(world: StepWorld) -> None:
    world.control.clear_faults()
    _error(world, "RunInstances", "UnauthorizedOperation", times=1)
    world.expand(3)


def _denied_network(world: StepWorld) -> None:
    """The cloud does not know yet of a subnet that was made a moment ago."""
    world.control.clear_faults()
    _error(world, "RunInstances", "InvalidSubnetID.NotFound", times=2)
    world.expand(1)


def _one_each(world: StepWorld) -> None:
    assert {(task.status, task.running) for task in world.tasks()} == {("SUCCESS", 1)}


def _quota_for_three(world: StepWorld) -> None:
    """Four are asked for in one call, and the quota leaves three."""
    alive = len(world.control.machines(world.cloud.provider))
    world.control.quota(world.cloud.provider, alive + 3)
    world.expand(4)


def _three_of_the_quota(world: StepWorld) -> None:
    world.control.quota(world.cloud.provider, 100_000)
    outcomes = {(task.status, task.running, task.failed, task.error_class) for task in world.tasks()}
    assert outcomes == {("PARTIAL_SUCCESS", 3, 1, "quota_exceeded")}


def _too_few_addresses(world: StepWorld) -> None:
    """A call is refused as a whole, and smaller ones are not."""
    world.control.clear_faults()
    params = {"code": "InvalidVSwitchId.IpNotEnough", "message": "too few", "status": 403}
    world.control.fault("error", cloud=world.cloud.provider, action=world.cloud.create, times=1, params=params)
    world.expand(4)


def _all_came(world: StepWorld) -> None:
    assert {(task.status, task.running) for task in world.tasks()} == {("SUCCESS", 4)}


def _unseen(world: StepWorld) -> None:
    world.control.clear_faults()
    world.control.fault("cut_after", cloud=world.cloud.provider, action="RunInstances", times=1)
    world.control.fault("unavailable", cloud=world.cloud.provider, action="DescribeInstances", times=4)
    world.expand(1)


def _forgotten(world: StepWorld) -> None:
    world.control.clear_faults()
    world.control.fault("cut_before", cloud=world.cloud.provider, action="RunInstances", times=1)
    world.expand(1)


def _canceled_expand(world: StepWorld) -> None:
    task_id = world.expand(3)
    _begun(world, "after:scaling.expand._plan#1")
    world.cancel(task_id, "delete")


def _canceled_on_the_way(world: StepWorld) -> None:
    """The cloud is at work on machines that nobody has written down."""
    task_id = world.expand(3)
    _begun(world, "after:scaling.send.send:create_machines")
    world.cancel(task_id, "delete")


def _all_canceled(world: StepWorld) -> None:
    assert {task.status for task in world.tasks()} == {"CANCELED"}
    assert world.running() == set()


def _too_few(world: StepWorld) -> None:
    """Four are asked for in one call, and three are there."""
    world.control.capacity(world.cloud.provider, world.cloud.zone, 3)
    world.expand(4)


def _three_each(world: StepWorld) -> None:
    outcomes = {(task.status, task.running, task.failed, task.error_class) for task in world.tasks()}
    assert outcomes == {("PARTIAL_SUCCESS", 3, 1, "out_of_stock")}


def _canceled_shrink(world: StepWorld) -> None:
    task_id = world.shrink(1)
    _begun(world, "after:scaling.shrink._begin#1")
    world.cancel(task_id, "keep")


def _begun(world: StepWorld, point: str) -> None:
    """A process has planned the task, and died."""
    pid = world.start("work", point)
    wait_for(lambda: world.has_died(pid))


def _undeletable(world: StepWorld) -> None:
    world.control.clear_faults()
    world.control.fault("unavailable", cloud=world.cloud.provider, action="TerminateInstances", times=2)
    world.shrink(1)


def _never_boots(world: StepWorld) -> None:
    world.control.clear_faults()
    world.control.fault("never_boots", cloud=world.cloud.provider, action=world.cloud.create, times=1)
    world.expand(1)


def _boot_after_all(world: StepWorld) -> None:
    for machine in world.control.state(world.cloud.provider)["machines"]:
        if machine["state"] == "pending":
            change = {"cloud": world.cloud.provider, "boots_at": machine["created_at"]}
            world.control.call("POST", f"/machines/{machine['machine_id']}", change)


def _all_replaced(world: StepWorld) -> None:
    assert {(task.status, task.running) for task in world.tasks()} == {("SUCCESS", 1)}
    assert "deleted" in world.inventory().values()


def _undeletable_machine(world: StepWorld) -> None:
    _never_boots(world)
    _error(world, "TerminateInstances", "UnauthorizedOperation", times=20)


def _minute_later(world: StepWorld) -> None:
    """What was put off is due, and may be deleted now."""
    world.control.clear_faults()
    with world.store.transaction():
        InstanceRow.update(tend_at=1, deletion_refused_at=1).where(
            InstanceRow.unwanted & (InstanceRow.gone_at == 0)
        ).execute()
        WatchRow.update(next_at=1).execute()


def _one_is_protected(world: StepWorld) -> None:
    """A shrink names two machines, of which the cloud protects one."""
    protected = {row["machine_id"] for row in world.control.machines(world.cloud.provider) if row["protected"]}
    kept, other = sorted(world.running() - protected)[:2]
    world.control.protect(world.cloud.provider, kept)
    world.shrink_named([kept, other])


def _half_done(world: StepWorld) -> None:
    shrinks = {(task.status, task.deleted, task.failed, task.error_class) for task in shrinks_of(world)}
    assert shrinks == {("PARTIAL_SUCCESS", 1, 1, "permission_denied")}
    assert all(task.reason.startswith("1 of 2 machines were not deleted") for task in shrinks_of(world))


def _protected_and_unknown(world: StepWorld) -> None:
    """The cloud first says that it does not know a machine, which it shows, and then that it is protected."""
    world.control.clear_faults()
    machine = min(world.running())
    world.control.protect(world.cloud.provider, machine)
    _error(world, "TerminateInstances", "InvalidInstanceID.NotFound", times=1)
    world.shrink_named([machine])


def _none_deleted(world: StepWorld) -> None:
    assert {(task.status, task.deleted, task.error_class) for task in shrinks_of(world)} == {
        ("FAILED", 0, "permission_denied")
    }


def _paid_for(world: StepWorld) -> None:
    with world.store.transaction():
        ClusterRow.update(charge_type="PrePaid", period_unit="Month", period=1).execute()


def _grown_and_paid_for(world: StepWorld) -> None:
    _paid_for(world)
    world.expand(24)
    world.finish()
    world.control.delays(billing=0.2)


def _given_up(world: StepWorld) -> None:
    world.shrink_named(sorted(world.running())[:2], release_prepaid=True)


def _all_given_up(world: StepWorld) -> None:
    assert {(task.status, task.deleted) for task in shrinks_of(world)} == {("SUCCESS", 2)}


def _canceled_and_paid_for(world: StepWorld) -> None:
    _paid_for(world)
    _canceled_on_the_way(world)


def _expired(world: StepWorld) -> None:
    """What was kept runs until it expires, and is deleted then."""
    kept = world.running()
    assert kept == world.at_the_cloud()
    for machine in kept:
        world.control.expire(world.cloud.provider, machine)
    _minute_later(world)
    pid = world.start("work")
    wait_for(lambda: not world.running(), 30)
    world.kill(pid)


def _told_as_billed(world: StepWorld) -> None:
    assert {task.status for task in world.tasks()} == {"CANCELED"}
    assert all("on being billed" in task.reason for task in world.tasks() if task.chunks)
    assert world.running() == set()


def shrinks_of(world: StepWorld) -> list[TaskView]:
    return [task for task in world.tasks() if task.task_action == "SHRINK"]


def _error(world: StepWorld, action: str, code: str, *, times: int) -> None:
    params = {"code": code, "message": code, "status": 400}
    world.control.fault("error", cloud=world.cloud.provider, action=action, times=times, params=params)


def _spoilt(table: Any, column: str) -> tuple[Callable[[StepWorld], object], Callable[[StepWorld], object]]:
    """Makes a secret unreadable, and readable again."""

    def spoil(world: StepWorld) -> None:
        world.expand(1)
        with world.store.transaction():
            table.update({column: "x" + getattr(table.get(), column).removeprefix("x")}).execute()

    def mend(world: StepWorld) -> None:
        with world.store.transaction():
            table.update({column: getattr(table.get(), column).removeprefix("x")}).execute()

    return spoil, mend


_SPOIL_TEMPLATE, _MEND_TEMPLATE = _spoilt(ClusterRow, "password")
_SPOIL_ACCOUNT, _MEND_ACCOUNT = _spoilt(AccountRow, "secret")

# On every cloud.
ON_EVERY_CLOUD: Mapping[str, Scenario] = {
    "an expand": Scenario(
        (
            "store.tasks.claim#1",
            "store.watches.ensure#1",
            "scaling.expand._plan#1",
            "scaling.send._mark_sent#1",
            "scaling.send.send:create_machines",
            "scaling.send._accept#1",
            "scaling.expand._next_step#1",
            "store.tasks.release#1",
            "store.watches._take#1",
            *TEND,
            "store.watches.release#1",
            "scaling.expand._settle_accepted#1",
            "scaling.expand._finish#1",
        ),
        begin=_somewhere_new,
    ),
    "a shrink": Scenario(
        (
            "scaling.shrink._begin#1",
            "scaling.shrink._send#1",
            "scaling.shrink._ask:delete_machines",
            "scaling.shrink._answered#1",
            *TEND,
            "scaling.shrink._settle_accepted#1",
            "scaling.shrink._next_step#1",
            "scaling.shrink._finish#1",
        ),
        begin=lambda world: world.shrink(2),
        prepare=_grown,
    ),
    "a call without an answer": Scenario(
        ("scaling.send._refused#1", "scaling.send._find:find_machines", "scaling.send._find#1"), begin=_in_doubt
    ),
    "a throttled call": Scenario(("scaling.send._refused#2",), begin=_throttled),
    "a shrink of a machine that the cloud protects": Scenario(
        ("scaling.shrink._ask:delete_machines", "scaling.shrink._answered#1"),
        begin=_one_is_protected,
        prepare=_grown,
        check=_half_done,
    ),
}

# The engine acts on the class of a failure, which is the same on every cloud: one is enough for what follows.
ON_ONE_CLOUD: Mapping[str, Scenario] = {
    "a refusal after a call without an answer": Scenario(
        ("scaling.send._refused#3",),
        begin=_refused_in_doubt,
        end=lambda world: world.control.quota(world.cloud.provider, 100_000),
        engine={"visibility": 8.0},
    ),
    "a conflict": Scenario(("scaling.send._refused#4",), begin=_in_conflict),
    "a refusal for good": Scenario(("scaling.send._refused#5",), begin=_refused),
    "a network that the cloud does not know yet": Scenario(
        ("scaling.send._wait_until_known#1",),
        begin=_denied_network,
        check=_one_each,
        engine={"visibility": 600.0},
    ),
    "a quota smaller than the call": Scenario(
        ("scaling.send._refused#5", "scaling.send._accept#1", "scaling.expand._finish#1"),
        begin=_quota_for_three,
        check=_three_of_the_quota,
        engine={"batch": 4},
    ),
    "a lookup that fails": Scenario(("scaling.send._look_later#1",), begin=_unseen),
    "a token that is not believed": Scenario(
        ("scaling.send._believe_lookup#1", "scaling.send._believe_lookup#2"),
        begin=_forgotten,
        engine={"token_life": 0.0},
    ),
    "a canceled expand": Scenario(("scaling.expand._drop_unsent#1",), begin=_canceled_expand),
    "a canceled shrink": Scenario(("scaling.shrink._spare_unsent#1",), begin=_canceled_shrink, prepare=_grown),
    "a deletion that fails": Scenario(("scaling.shrink._refused#1",), begin=_undeletable, prepare=_grown),
    "a machine that never boots": Scenario(
        ("scaling.tend._delete:delete_machines", "scaling.tend._record_answer#1"),
        begin=_never_boots,
        engine={"boot_timeout": 1.0},
    ),
    "a machine that may not be deleted": Scenario(
        ("scaling.tend._record_answer#1",),
        begin=_undeletable_machine,
        end=_minute_later,
        engine={"boot_timeout": 1.0},
    ),
    "a refusal that is heard late": Scenario(
        ("scaling.shrink._take_refusals#1",),
        begin=_protected_and_unknown,
        prepare=_grown,
        check=_none_deleted,
        engine={"visibility": 30.0},
    ),
    "a turn that is still away": Scenario(
        ("scaling.turns.wait_for_turn#1",),
        begin=lambda world: world.expand(6),
        settings={"rates": "AWSCloud.RunInstances=1/s+1"},
    ),
    "a template that cannot be read": Scenario(
        ("scaling.worker.Worker._postpone#1",), begin=_SPOIL_TEMPLATE, end=_MEND_TEMPLATE
    ),
    "an account that cannot be used": Scenario(("scaling.abandon.abandon#1",), begin=_SPOIL_ACCOUNT, end=_MEND_ACCOUNT),
    "comparisons": Scenario(
        ("scaling.reconcile.compare:find_machines", "scaling.reconcile.reconcile#1"),
        begin=lambda world: world.expand(1),
        engine={"reconcile": 0.2},
    ),
    "comparisons that fail": Scenario(
        ("store.comparisons.failed#1",),
        begin=lambda world: (
            world.expand(1),
            world.control.fault("unavailable", cloud=world.cloud.provider, action="DescribeInstances", times=40),
        ),
        engine={"reconcile": 0.2},
    ),
    "comparisons by two keys of one account": Scenario(
        ("store.cloud_accounts.join#1", "scaling.reconcile.reconcile#1"),
        prepare=_second_key,
        begin=lambda world: (_nobody_knows_whose(world, world.store.now()), world.expand(1)),
        check=_one_account,
        engine={"reconcile": 0.2},
    ),
    "housekeeping": Scenario(
        (
            "store.requests.forget_old#1",
            "store.comparisons.forget_old#1",
            "provisioning.cloud_accounts.learn:cloud_account_id",
            "store.cloud_accounts.learnt#1",
        ),
        begin=lambda world: (_nobody_knows_whose(world, 0), world.expand(1)),
    ),
}

# Where clouds differ in what the engine sees of them: the cloud, and what is under way there.
ON_ANOTHER_CLOUD: Mapping[str, tuple[str, Scenario]] = {
    "a stockout where all or nothing is delivered": (
        "BaiduCloud",
        Scenario(
            ("scaling.send._refused#5", "scaling.send._accept#1", "scaling.expand._finish#1"),
            begin=_too_few,
            check=_three_each,
            engine={"batch": 4},
        ),
    ),
    "too few addresses where stock is delivered in part": (
        "AlibabaCloud",
        Scenario(
            ("scaling.send._refused#5", "scaling.send._accept#1"),
            begin=_too_few_addresses,
            check=_all_came,
            engine={"batch": 4},
        ),
    ),
    "an expand that is canceled while a job makes its machines": (
        "HuaweiCloud",
        Scenario(
            (
                "scaling.send._find:find_machines",
                "scaling.send._accept#1",
                "scaling.expand._finish#1",
                "scaling.tend._delete:delete_machines",
            ),
            begin=_canceled_on_the_way,
            check=_all_canceled,
        ),
    ),
    "a machine that never boots where one that boots may not be deleted": (
        "TencentCloud",
        Scenario(
            ("scaling.tend._record_answer#1",),
            begin=_never_boots,
            end=_boot_after_all,
            check=_all_replaced,
            engine={"boot_timeout": 1.0},
        ),
    ),
    "a canceled expand of machines that are paid for": (
        "AlibabaCloud",
        Scenario(
            (
                "scaling.expand._is_deleting#1",
                "scaling.tend._delete:delete_machines",
                "scaling.tend._record_answer#1",
                "scaling.expand._finish#1",
            ),
            begin=_canceled_and_paid_for,
            end=_expired,
            check=_told_as_billed,
        ),
    ),
    **{
        f"a shrink that gives up what is paid for at {cloud}": (
            cloud,
            Scenario(
                ("scaling.shrink._ask:delete_machines", "scaling.shrink._answered#1"),
                begin=_given_up,
                prepare=_grown_and_paid_for,
                check=_all_given_up,
            ),
        )
        for cloud in ("AlibabaCloud", "HuaweiCloud", "TencentCloud", "BaiduCloud")
    },
}
