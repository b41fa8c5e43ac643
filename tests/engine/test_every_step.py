"""kill -9 before and after every commit and every call to a cloud; a step that is new, and not here, fails.

The names of the steps are read out of the server's source (see `steps.py`), so that nobody has to think of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import bridgx.v1 as pb
import grpc
import pytest
from bridgx import Client, failure_of
from bridgx_server.cloudsim.front import FRONTS
from bridgx_server.cloudsim.server import CloudSim
from bridgx_server.demo.ports import free_port
from bridgx_server.store.models import ClusterRow
from engine.conftest import wait_for
from engine.scenarios import ON_EVERY_CLOUD, ON_ONE_CLOUD, Scenario
from engine.step_world import StepWorld, points_of, step_world
from engine.steps import steps_in

ONE_CLOUD = "AWSCloud"
ATTEMPTS = 4  # pieces of work in which a step must be taken
HEARTBEAT = "store.leases.renew:write"  # moves the end of a lease and nothing else

MADE = (
    "store.requests.begin#1",
    "provisioning.networks.Networks._make_vpc:create_vpc",
    "provisioning.networks.Networks._make_vpc#1",
    "provisioning.networks.Networks._ready_vpc.look:describe_vpcs",
    "provisioning.networks.Networks._make_subnet:create_subnet",
    "provisioning.networks.Networks._make_subnet#1",
    "provisioning.networks.Networks._make_group:create_security_group",
    "provisioning.networks.Networks._make_group#1",
    "provisioning.networks.Networks.create_config#1",
)
UNDONE = (
    "store.requests.undo#1",
    "provisioning.networks.Networks._remove:delete_subnet",
    "provisioning.networks.Networks._remove:delete_vpc",
    "provisioning.networks.Networks._remove#1",
    "store.requests.undone#1",
    "store.requests.fail#1",
    "store.requests.abandon#1",
)
ALONE = (
    "store.requests.claim_idle#1",
    "provisioning.networks.Networks.create_security_group:add_security_group_rules",
    "provisioning.networks.Networks.create_security_group#1",
)
SINGLE = (
    "provisioning.once.Attempt.answered#1",
    "provisioning.networks.Networks._check_siblings:describe_subnets",
)
REMOVAL = (
    "scaling.removal._look:find_machines",
    "store.orphans.delete_asked#1",
    "scaling.removal._delete:delete_machines",
    "store.watches.ask#1",
)
REMOVAL_OF_WHAT_IS_GONE = ("scaling.removal._look:describe_machines", "store.orphans.forget#1")
REMOVAL_REFUSED = ("store.orphans.delete_refused#1",)
GROUP_REMOVED = ("provisioning.networks.Networks._remove:delete_security_group",)

NEEDLESS = {
    # One transaction is all there is to them: what they write is there or it is not, and no cloud is asked.
    "scaling.tasks.submit_expand#1",
    "scaling.tasks.submit_shrink#1",
    "scaling.tasks.cancel#1",
    # They only read, at the cloud or here.
    "scaling.tasks.describe#1",
    "provisioning.networks.Networks.list_vpcs:describe_vpcs",
    "provisioning.networks.Networks.list_subnets:describe_subnets",
    # Always inside the transaction around it.
    "store.requests.begin#2",
}


def killed_steps() -> set[str]:
    scenarios = (*ON_EVERY_CLOUD.values(), *ON_ONE_CLOUD.values())
    networks = (*MADE, *UNDONE, *ALONE, *SINGLE, *GROUP_REMOVED)
    removal = (*REMOVAL, *REMOVAL_OF_WHAT_IS_GONE, *REMOVAL_REFUSED)
    return {step for scenario in scenarios for step in scenario.steps} | set(networks) | set(removal)


def test_every_commit_and_every_call_of_the_source_is_killed_around() -> None:
    written = steps_in(
        "scaling/*.py",
        "provisioning/networks.py",
        "provisioning/once.py",
        "provisioning/unfinished.py",
        "store/tasks.py",
        "store/watches.py",
        "store/leases.py",
        "store/requests.py",
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
    pytest.fail(f"no process passed {point}")


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
    unknown = world.passed() - steps_known()
    assert not unknown, f"taken, and no test kills around them: {sorted(unknown)}"


def steps_known() -> set[str]:
    return killed_steps() | NEEDLESS | {HEARTBEAT}


@pytest.mark.parametrize("cloud", sorted(FRONTS))
@pytest.mark.parametrize("name", ON_EVERY_CLOUD)
def test_killed_around_each_step(simulator: CloudSim, cloud: str, name: str, tmp_path: Path) -> None:
    scenario = ON_EVERY_CLOUD[name]
    with step_world(simulator, cloud, tmp_path, {}, **scenario.engine) as world:
        killed_through(world, scenario)


@pytest.mark.parametrize("name", ON_ONE_CLOUD)
def test_killed_around_each_step_of_what_happens_rarely(simulator: CloudSim, name: str, tmp_path: Path) -> None:
    scenario = ON_ONE_CLOUD[name]
    with step_world(simulator, ONE_CLOUD, tmp_path, {}, **scenario.engine) as world:
        killed_through(world, scenario)
