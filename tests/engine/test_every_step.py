"""kill -9 before and after every commit and every call to a cloud; a step that is new, and not here, fails.

The names of the steps are read out of the server's source (see `steps.py`), so that nobody has to think of them.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bridgx.v1 as pb
import grpc
import pytest
from bridgx import Client, failure_of
from bridgx_server.cloudsim.front import FRONTS
from bridgx_server.cloudsim.server import CloudSim
from bridgx_server.demo.ports import free_port
from bridgx_server.store import orphans
from bridgx_server.store.models import ClusterRow, RequestRow, SecurityGroupRow, SubnetRow, VpcRow
from bridgx_server.store.orphans import OrphanFilter
from bridgx_server.store.paging import PageOf
from bridgx_server.store.scope import EVERYTHING
from engine.conftest import wait_for
from engine.scenarios import ON_ANOTHER_CLOUD, ON_EVERY_CLOUD, ON_ONE_CLOUD, Scenario
from engine.step_world import StepWorld, points_of, step_world
from engine.steps import steps_in

ONE_CLOUD = "AWSCloud"
ATTEMPTS = 4  # pieces of work in which a step must be taken
# What has a memory of its own: leases and limits say who may go on, and outlive no process for long; the audit of a call
# that was refused is written when all is over.
ELSEWHERE = ("store.leases.renew:", "store.limits.", "store.audit.")

MADE = (
    "store.requests.begin#1",
    "store.requests.making#1",
    "provisioning.networks.Networks._vpc:create_vpc",
    "provisioning.making.Making._write#1",
    "provisioning.networks.Networks._ready_vpc.look:describe_vpcs",
    "provisioning.networks.Networks._subnet:create_subnet",
    "provisioning.networks.Networks._group:create_security_group",
    "provisioning.networks.Networks.create_config#1",
)
UNDONE = (
    "store.requests.undo#1",
    "store.requests.asking#1",
    "provisioning.making.Making._delete:delete_subnet",
    "provisioning.making.Making._delete:delete_vpc",
    "provisioning.making.Making._remove#1",
    "store.requests.undone#1",
    "store.requests.fail#1",
)
SWEPT = ("store.requests.claim_idle#1",)
GROUP_MADE = (
    "provisioning.networks.Networks.create_security_group:add_security_group_rules",
    "provisioning.networks.Networks.create_security_group#1",
)
VPC_MADE = ("provisioning.once.Attempt.answered#1",)
SUBNET_MADE = ("provisioning.networks.Networks._check_siblings:describe_subnets",)
REMOVAL = (
    "scaling.removal._look:find_machines",
    "store.orphans.delete_asked#1",
    "scaling.removal._delete:delete_machines",
    "store.watches.ask#1",
)
REMOVAL_OF_WHAT_IS_GONE = ("scaling.removal._look:describe_machines", "store.orphans.forget#1")
REMOVAL_REFUSED = ("store.orphans.delete_refused#1",)
GROUP_REMOVED = ("provisioning.making.Making._delete:delete_security_group",)

# The quota of security groups, in the code and the HTTP status of each vendor.
GROUPS_REFUSED = {
    "AlibabaCloud": ("QuotaExceed.SecurityGroup", 403),
    "HuaweiCloud": ("VPC.0604", 409),
    "TencentCloud": ("LimitExceeded", 200),
    "BaiduCloud": ("QuotaExceeded", 400),
    "AWSCloud": ("SecurityGroupLimitExceeded", 400),
}

NEEDLESS = {
    # One transaction is all there is to them: what they write is there or it is not, and no cloud is asked.
    "scaling.tasks.submit_expand#1",
    "scaling.tasks.submit_shrink#1",
    "scaling.tasks.cancel#1",
    "scaling.choice.protect#1",
    "store.comparisons._ask#1",
    # They only read.
    "scaling.plans.Planner._dry_run:dry_run_machines",
    "scaling.plans._addresses:describe_subnets",
    "provisioning.cloud_accounts.told_by:cloud_account_id",
    "provisioning.networks.Networks._refresh_vpcs:describe_vpcs",
    "provisioning.networks.Networks._refresh_subnets:describe_subnets",
    "provisioning.networks.Networks._vpc:find_vpc",
    "provisioning.networks.Networks._subnet:find_subnet",
    "provisioning.networks.Networks._group:find_security_group",
    "provisioning.networks._check_groups:describe_security_groups",
    # Gives a request back that broke off here; what is not given back runs out.
    "store.requests.release#1",
}


def killed_steps() -> set[str]:
    elsewhere = (scenario for _, scenario in ON_ANOTHER_CLOUD.values())
    scenarios = (*ON_EVERY_CLOUD.values(), *ON_ONE_CLOUD.values(), *elsewhere)
    networks = (*MADE, *UNDONE, *SWEPT, *VPC_MADE, *SUBNET_MADE, *GROUP_MADE, *GROUP_REMOVED)
    removal = (*REMOVAL, *REMOVAL_OF_WHAT_IS_GONE, *REMOVAL_REFUSED)
    return {step for scenario in scenarios for step in scenario.steps} | set(networks) | set(removal)


def test_every_commit_and_every_call_of_the_source_is_killed_around() -> None:
    written = steps_in(
        "scaling/*.py",
        "provisioning/cloud_accounts.py",
        "provisioning/networks.py",
        "provisioning/making.py",
        "provisioning/visibility.py",
        "provisioning/once.py",
        "provisioning/unfinished.py",
        "store/tasks.py",
        "store/watches.py",
        "store/leases.py",
        "store/requests.py",
        "store/cloud_accounts.py",
        "store/orphans.py",
        "store/comparisons.py",
    )
    assert killed_steps() | NEEDLESS == written


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudSim]:
    simulator = CloudSim.start(tmp_path_factory.mktemp("clouds"))
    yield simulator
    simulator.stop()


def killed_around(world: StepWorld, point: str, begin: Callable[[StepWorld], object]) -> None:
    """One process dies at that point, in work that is begun as often as it takes."""
    for _ in range(ATTEMPTS):
        if world.idle():
            begin(world)
        pid = world.start("work", point)
        if _dies(world, pid):
            return
        world.kill(pid)
    pytest.fail(f"no process passed {point}: {world.tasks()}")


def _dies(world: StepWorld, pid: int) -> bool:
    """Waits until the process has died, or has gone on for a while with nothing left to do."""
    done_for = 0

    def over() -> bool:
        nonlocal done_for
        done_for = done_for + 1 if world.idle() else 0
        return world.has_died(pid) or done_for > 20

    wait_for(over, 60)
    return world.has_died(pid)


def killed_through(world: StepWorld, scenario: Scenario) -> None:
    scenario.prepare(world)
    for point in points_of(scenario.steps):
        killed_around(world, point, scenario.begin)
    scenario.end(world)
    world.finish()
    world.assert_true()
    scenario.check(world)
    assert untested(world) == set()


def refuse_groups(world: StepWorld) -> None:
    """The cloud takes no more security groups, in its own words."""
    code, status = GROUPS_REFUSED[world.cloud.provider]
    params = {"code": code, "message": "no more", "status": status}
    world.control.fault("error", cloud=world.cloud.provider, action="CreateSecurityGroup", params=params)


def untested(world: StepWorld) -> set[str]:
    """The steps that a process has taken and that no test kills around."""
    return {
        step
        for step in world.passed() - killed_steps() - NEEDLESS - steps_in("provisioning/catalog.py")
        if not step.startswith(ELSEWHERE)
    }


@pytest.mark.parametrize("cloud", sorted(FRONTS))
@pytest.mark.parametrize("name", ON_EVERY_CLOUD)
def test_killed_around_each_step(simulator: CloudSim, cloud: str, name: str, tmp_path: Path) -> None:
    scenario = ON_EVERY_CLOUD[name]
    with step_world(simulator, cloud, tmp_path, dict(scenario.settings), **scenario.engine) as world:
        killed_through(world, scenario)


@pytest.mark.parametrize("name", ON_ONE_CLOUD)
def test_killed_around_each_step_of_what_happens_rarely(simulator: CloudSim, name: str, tmp_path: Path) -> None:
    scenario = ON_ONE_CLOUD[name]
    with step_world(simulator, ONE_CLOUD, tmp_path, dict(scenario.settings), **scenario.engine) as world:
        killed_through(world, scenario)


@pytest.mark.parametrize("name", ON_ANOTHER_CLOUD)
def test_killed_around_each_step_where_another_cloud_differs(simulator: CloudSim, name: str, tmp_path: Path) -> None:
    cloud, scenario = ON_ANOTHER_CLOUD[name]
    with step_world(simulator, cloud, tmp_path, dict(scenario.settings), **scenario.engine) as world:
        killed_through(world, scenario)


# Networks, over gRPC.


@pytest.fixture(params=sorted(FRONTS))
def network_world(request: pytest.FixtureRequest, simulator: CloudSim, tmp_path: Path) -> Iterator[StepWorld]:
    with step_world(simulator, request.param, tmp_path, {"worker": False}) as world:
        yield world


@dataclass
class Caller:
    """Someone who asks for networks over gRPC, of servers that die."""

    world: StepWorld
    port: int = 0

    def request(self, name: str) -> pb.CreateNetworkConfigRequest:
        with self.world.store.connection():
            cluster = ClusterRow.get()
        return pb.CreateNetworkConfigRequest(
            provider=cluster.provider,
            region_id=cluster.region_id,
            zone_id=cluster.zone_id,
            cidr_block="172.20.0.0/16",
            vpc_name=name,
            switch_cidr_block="172.20.0.0/20",
            switch_name=f"{name}-sub",
            security_group_name=f"{name}-group",
            security_group_type="normal",
            ak=cluster.account_key,
            request_id=name,
        )

    def call(self, method: str, request: Any) -> Any:
        wait_for(self._listens)
        with Client(f"127.0.0.1:{self.port}", "token-of-tests", timeout=60) as client:
            return getattr(client.networks, method)(request)

    def _serve(self, point: str) -> int:
        # A port of its own each time: gRPC remembers the connections to one for a while.
        self.port = free_port()
        return self.world.start("serve", point, str(self.port))

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def killed(self, point: str, method: str, request: Any) -> None:
        """The server dies at that point, and the caller gets no answer."""
        pid = self._serve(point)
        with pytest.raises(grpc.RpcError) as caught:
            self.call(method, request)
        wait_for(lambda: self.world.has_died(pid), 30, lambda: f"{point} was not passed: {caught.value}")

    def answered(self, method: str, request: Any) -> Any:
        """What a server that lives answers, or the failure that it gives."""
        pid = self._serve("-")
        try:
            return self.call(method, request)
        except grpc.RpcError as error:
            return failure_of(error)
        finally:
            self.world.kill(pid)

    def stored(self, name: str) -> tuple[int, int, int]:
        """VPCs of that name in the store, and subnets and groups in them."""
        with self.world.store.connection():
            vpcs = [row.vpc_id for row in VpcRow.select().where(VpcRow.name == name)]
            subnets = SubnetRow.select().where(SubnetRow.vpc_id.in_(vpcs)).count()
            groups = SecurityGroupRow.select().where(SecurityGroupRow.vpc_id.in_(vpcs)).count()
        return len(vpcs), subnets, groups


def test_a_network_that_was_cut_off_is_made_once_by_the_same_request(network_world: StepWorld) -> None:
    caller = Caller(network_world)
    for number, point in enumerate(points_of(MADE)):
        name = f"net-{number}"
        caller.killed(point, "CreateNetworkConfig", caller.request(name))
        first = caller.answered("CreateNetworkConfig", caller.request(name))
        assert caller.answered("CreateNetworkConfig", caller.request(name)) == first, point
        assert network_world.networks(name) == caller.stored(name) == (1, 1, 1), point
    assert network_world.open_requests() == 0
    assert untested(network_world) == set()


def test_a_network_that_nobody_asks_for_again_is_finished_or_listed(
    network_world: StepWorld, simulator: CloudSim
) -> None:
    caller = Caller(network_world)
    for number, point in enumerate(points_of(MADE)):
        caller.killed(point, "CreateNetworkConfig", caller.request(f"net-{number}"))
    names = [f"net-{number}" for number in range(2 * len(MADE))]
    with network_world.store.transaction():
        RequestRow.update(attempt_at=1).where(RequestRow.open).execute()  # long ago
    pid = network_world.start("work")
    wait_for(lambda: network_world.open_requests() == 0, 240)
    network_world.kill(pid)
    begun = [name for name in names if network_world.networks(name) != (0, 0, 0)]
    # The first was killed before it had been written down: nothing was asked of the cloud.
    assert begun == names[1:]
    assert all(network_world.networks(name) == caller.stored(name) == (1, 1, 1) for name in begun)


def test_a_network_that_cannot_be_made_leaves_nothing_whenever_the_server_dies(network_world: StepWorld) -> None:
    caller, world = Caller(network_world), network_world
    refuse_groups(world)
    for number, point in enumerate(points_of(UNDONE)):
        name = f"net-{number}"
        caller.killed(point, "CreateNetworkConfig", caller.request(name))
        told = caller.answered("CreateNetworkConfig", caller.request(name))
        assert "all that was made has been removed" in told.message, (point, told)
        assert world.networks(name) == caller.stored(name) == (0, 0, 0), point
    assert world.open_requests() == 0
    world.control.clear_faults()
    # The same ids go on to work, under new tokens.
    assert caller.answered("CreateNetworkConfig", caller.request("net-0")).vpc_id
    assert world.networks("net-0") == caller.stored("net-0") == (1, 1, 1)
    assert untested(world) == set()


# Where an answer that is lost, or not believed, may leave something behind while the cloud does not show it.
MADE_UNSEEN = tuple(f"after:{step}" for step in MADE if ":create_" in step)
UNDONE_UNSEEN = ("after:store.requests.undo#1", "after:provisioning.making.Making._delete:delete_subnet")


def test_a_network_that_the_cloud_does_not_show_at_once_is_made_once_or_leaves_nothing(
    network_world: StepWorld,
) -> None:
    caller, world = Caller(network_world), network_world
    world.control.delays(visible_network=[0.2, 0.4])
    for number, point in enumerate(MADE_UNSEEN):
        name = f"net-{number}"
        caller.killed(point, "CreateNetworkConfig", caller.request(name))
        assert caller.answered("CreateNetworkConfig", caller.request(name)).vpc_id, point
        assert world.networks(name) == caller.stored(name) == (1, 1, 1), point
    refuse_groups(world)
    for number, point in enumerate(UNDONE_UNSEEN):
        name = f"undone-{number}"
        caller.killed(point, "CreateNetworkConfig", caller.request(name))
        told = caller.answered("CreateNetworkConfig", caller.request(name))
        assert "all that was made has been removed" in told.message, (point, told)
        assert world.networks(name) == caller.stored(name) == (0, 0, 0), point
    assert world.open_requests() == 0
    assert untested(world) == set()


@pytest.fixture
def aws(simulator: CloudSim, tmp_path: Path) -> Iterator[StepWorld]:
    with step_world(simulator, ONE_CLOUD, tmp_path, {"worker": False}) as world:
        yield world


def long_ago(world: StepWorld) -> None:
    """Nobody has worked on what is open for a long time."""
    with world.store.transaction():
        RequestRow.update(attempt_at=1).where(RequestRow.open).execute()


def test_who_finishes_what_was_cut_off_may_die_too(aws: StepWorld) -> None:
    caller = Caller(aws)
    for number, point in enumerate(points_of(SWEPT)):
        name = f"net-{number}"
        caller.killed("after:store.requests.begin#1", "CreateNetworkConfig", caller.request(name))
        long_ago(aws)
        killed = aws.start("work", point)
        wait_for(lambda pid=killed: aws.has_died(pid), 60)
        long_ago(aws)
        pid = aws.start("work")
        wait_for(lambda: aws.open_requests() == 0, 60)
        aws.kill(pid)
        assert aws.networks(name) == caller.stored(name) == (1, 1, 1)


def test_a_vpc_a_subnet_and_a_group_that_were_cut_off_are_made_once(aws: StepWorld) -> None:
    caller = Caller(aws)
    config = caller.request("net")
    for number, point in enumerate(points_of(VPC_MADE)):
        name = f"vpc-{number}"
        vpc = pb.CreateVpcRequest(
            provider=config.provider,
            region_id=config.region_id,
            cidr_block="172.21.0.0/16",
            vpc_name=name,
            ak=config.ak,
            request_id=name,
        )
        caller.killed(point, "CreateVpc", vpc)
        vpc_id = caller.answered("CreateVpc", vpc).vpc_id
        assert aws.networks(name) == caller.stored(name) == (1, 0, 0), point
    for number, point in enumerate(points_of(SUBNET_MADE)):
        subnet = pb.CreateSubnetRequest(
            zone_id=config.zone_id,
            cidr_block=f"172.21.{number}.0/24",
            vpc_id=vpc_id,
            switch_name=f"sub-{number}",
            request_id=f"sub-{number}",
        )
        caller.killed(point, "CreateSubnet", subnet)
        assert caller.answered("CreateSubnet", subnet).subnet_id
        assert aws.networks(name)[1] == caller.stored(name)[1] == number + 1, point
    for number, point in enumerate(points_of(GROUP_MADE)):
        group = a_group(vpc_id, f"group-{number}")
        caller.killed(point, "CreateSecurityGroup", group)
        assert caller.answered("CreateSecurityGroup", group).security_group_id
        assert groups_named(aws, f"group-{number}") == 1, point
        assert caller.stored(name)[2] == number + 1, point


def test_a_group_whose_rules_are_refused_is_removed_whenever_the_server_dies(aws: StepWorld) -> None:
    caller = Caller(aws)
    config = caller.request("net")
    vpc_id = caller.answered("CreateNetworkConfig", config).vpc_id
    params = {"code": "RulesPerSecurityGroupLimitExceeded", "message": "too many", "status": 400}
    aws.control.fault("error", cloud=ONE_CLOUD, action="AuthorizeSecurityGroup*", params=params)
    for number, point in enumerate(points_of(GROUP_REMOVED)):
        group = a_group(vpc_id, f"group-{number}")
        caller.killed(point, "CreateSecurityGroup", group)
        assert "has been removed" in caller.answered("CreateSecurityGroup", group).message
        assert groups_named(aws, f"group-{number}") == 0, point


def a_group(vpc_id: str, name: str) -> pb.CreateSecurityGroupRequest:
    rule = pb.SecurityGroupRule(protocol="tcp", port_range="22/22", direction="ingress", cidr_ip="10.0.0.0/8")
    return pb.CreateSecurityGroupRequest(vpc_id=vpc_id, security_group_name=name, rules=[rule], request_id=name)


def groups_named(world: StepWorld, name: str) -> int:
    return sum(row["name"] == name for row in world.control.state(world.cloud.provider)["groups"])


# Orphans.


def test_the_deletion_of_orphans_may_be_cut_off_anywhere(aws: StepWorld) -> None:
    kept = {aws.orphan()}
    for point in points_of(REMOVAL):
        orphan = aws.orphan()
        removed(aws, point, orphan)
        removed(aws, "-", orphan)
        wait_for(lambda orphan=orphan: orphan not in aws.at_the_cloud(), 30, lambda point=point: point)
    for point in points_of(REMOVAL_OF_WHAT_IS_GONE):
        orphan = aws.orphan()
        aws.control.call("DELETE", f"/machines/{orphan}")
        removed(aws, point, orphan)
        removed(aws, "-", orphan)
        assert orphan not in reported(aws), point
    aws.control.fault(
        "error", cloud=ONE_CLOUD, action="TerminateInstances", params={"code": "UnauthorizedOperation", "status": 403}
    )
    for point in points_of(REMOVAL_REFUSED):
        orphan = aws.orphan()
        kept.add(orphan)
        removed(aws, point, orphan)
        removed(aws, "-", orphan)
        assert reported(aws)[orphan], point
    assert aws.at_the_cloud() == kept


def removed(world: StepWorld, point: str, orphan: str) -> None:
    """Someone has the orphan deleted, in a process that dies at the point, or comes to its end."""
    pid = world.start("remove", point, orphan)
    wait_for(lambda: world.has_died(pid), 60)
    if point != "-":
        assert world.passed_last() == point


def reported(world: StepWorld) -> dict[str, str]:
    """The orphans that the store knows, and why the cloud would not delete them."""
    rows = orphans.page(world.store, EVERYTHING, OrphanFilter(), PageOf(1, 50)).rows
    return {row.instance_id: row.delete_failure for row in rows}
