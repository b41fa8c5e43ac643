"""Machines that a cloud does not delete: none keeps others alive, each has its reason, and what is paid for goes on demand."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import pytest
from bridgx_server.providers.base import Charge, DeletedMachines, ErrorClass, MachineState
from wire.conformance.world import World, a_token

MONTH = Charge("PrePaid", "Month", 1)
SETTLED = 20.0  # seconds within which a cloud that does everything at once has done it


def deleted(world: World, ids: Sequence[str], *, release_prepaid: bool = False) -> DeletedMachines:
    return world.provider.delete_machines(world.cloud.region, ids, release_prepaid=release_prepaid)


def paid_and_unpaid(world: World) -> tuple[list[str], list[str]]:
    """Two machines that are paid for in advance, and two that are not."""
    if world.cloud.provider == "AWSCloud":
        pytest.skip("AWS sells no machines paid for in advance by the call that makes them")
    unpaid = world.provider.create_machines(world.machines(2, chunk="1")).instance_ids
    paid = world.provider.create_machines(replace(world.machines(2, chunk="2"), charge=MONTH)).instance_ids
    return list(paid), list(unpaid)


def test_a_protected_machine_stays_and_says_why_and_the_others_go(world: World) -> None:
    made = list(world.provider.create_machines(world.machines(6)).instance_ids)
    kept = [made[1], made[4]]
    for machine_id in kept:
        world.control.protect(world.cloud.provider, machine_id)

    answer = deleted(world, made)

    assert set(answer.refused) == set(kept)
    assert {error.kind for error in answer.refused.values()} == {ErrorClass.PERMISSION_DENIED}
    assert all(error.provider == world.cloud.provider and error.message for error in answer.refused.values())
    assert answer.unknown == frozenset()
    assert world.ids_in_the_cloud() == set(kept)

    for machine_id in kept:
        world.control.protect(world.cloud.provider, machine_id, protected=False)
    assert deleted(world, kept) == DeletedMachines()
    assert world.ids_in_the_cloud() == set()


def test_a_single_protected_machine_is_refused_and_no_error_of_the_call(world: World) -> None:
    (made,) = world.provider.create_machines(world.machines(1)).instance_ids
    world.control.protect(world.cloud.provider, made)

    assert set(deleted(world, [made]).refused) == {made}


def test_a_machine_that_the_cloud_does_not_know_yet_is_told_apart_and_the_others_go(world: World) -> None:
    made = list(world.provider.create_machines(world.machines(4)).instance_ids)
    world.control.hide(world.cloud.provider, made[2])

    answer = deleted(world, made)

    assert answer.unknown | set(answer.refused) == {made[2]}
    assert {error.kind for error in answer.refused.values()} <= {ErrorClass.CONFLICT}  # "it is still being made"
    assert world.ids_in_the_cloud() == {made[2]}

    world.control.hide(world.cloud.provider, made[2], until=1.0)
    assert deleted(world, [made[2]]) == DeletedMachines()
    assert world.ids_in_the_cloud() == set()


def test_machines_that_the_cloud_never_knew_are_unknown_and_no_success(world: World) -> None:
    (made,) = world.provider.create_machines(world.machines(1)).instance_ids
    gone = made[:-1] + ("0" if made[-1] != "0" else "1")

    assert deleted(world, [gone]).unknown == {gone}
    assert deleted(world, [gone, made]) == DeletedMachines(unknown=frozenset({gone}))
    assert world.ids_in_the_cloud() == set()


def test_machines_paid_in_advance_stay_with_the_reason_and_the_others_go(world: World) -> None:
    paid, unpaid = paid_and_unpaid(world)

    answer = deleted(world, [paid[0], *unpaid, paid[1]])

    assert set(answer.refused) == set(paid)
    for error in answer.refused.values():
        assert error.kind is ErrorClass.NOT_RELEASABLE
        assert "paid for in advance" in error.message
    assert world.ids_in_the_cloud() == set(paid)


def test_a_machine_says_how_it_is_paid_for(world: World) -> None:
    paid, unpaid = paid_and_unpaid(world)

    shown = world.provider.describe_machines(world.cloud.region, [*paid, *unpaid])

    charges = {machine.instance_id: machine.charge_type for machine in shown}
    assert charges == {**dict.fromkeys(paid, "PrePaid"), **dict.fromkeys(unpaid, "PostPaid")}
    for machine in shown:
        if machine.instance_id in unpaid:
            assert machine.expires_at is None
        elif machine.expires_at is not None:
            assert 25 < (machine.expires_at.timestamp() - time.time()) / 86_400 < 35


@pytest.mark.parametrize("billing", [0.0, 0.3], ids=["at-once", "billing-follows-late"])
def test_machines_paid_in_advance_are_given_up_when_that_is_asked_for(world: World, billing: float) -> None:
    paid, unpaid = paid_and_unpaid(world)
    world.control.delays(billing=billing)

    asked = [*paid, *unpaid]
    until = time.monotonic() + SETTLED
    while world.ids_in_the_cloud() and time.monotonic() < until:
        answer = deleted(world, asked, release_prepaid=True)
        # What is under way may be asked for again, and nothing is refused for good.
        assert {error.kind for error in answer.refused.values()} <= {ErrorClass.CONFLICT}
        time.sleep(0.05)

    assert world.ids_in_the_cloud() == set()
    left = world.provider.describe_machines(world.cloud.region, asked)
    assert {machine.state for machine in left} <= {MachineState.DELETING, MachineState.DELETED}


def test_what_is_not_paid_for_in_advance_is_deleted_alike_with_or_without_giving_up(world: World) -> None:
    made = world.provider.create_machines(world.machines(2)).instance_ids

    assert deleted(world, made, release_prepaid=True) == DeletedMachines()
    assert world.ids_in_the_cloud() == set()


def test_a_quota_of_refunds_that_is_used_up_is_told_and_keeps_nobody_else_alive(world: World) -> None:
    paid, unpaid = paid_and_unpaid(world)
    if world.cloud.provider == "HuaweiCloud":
        pytest.skip("Huawei's reference of unsubscriptions names no such quota")
    world.control.refunds(world.cloud.provider, 0)

    answer = deleted(world, [*paid, *unpaid], release_prepaid=True)

    assert set(answer.refused) == set(paid)
    assert {error.kind for error in answer.refused.values()} == {ErrorClass.NOT_RELEASABLE}
    assert world.ids_in_the_cloud() == set(paid)


def test_an_expired_machine_is_deleted_without_giving_up_anything(world: World) -> None:
    paid, unpaid = paid_and_unpaid(world)
    if world.cloud.provider == "HuaweiCloud":
        pytest.skip(
            "Huawei keeps an expired server until its retention ends, and its list does not tell that it has expired"
        )
    for machine_id in paid:
        world.control.expire(world.cloud.provider, machine_id)

    answer = deleted(world, [*paid, *unpaid])

    assert {error.kind for error in answer.refused.values()} <= {ErrorClass.CONFLICT}
    assert not set(answer.refused) & set(unpaid)


def test_a_deletion_is_a_bounded_number_of_calls(world: World) -> None:
    size = min(world.provider.limits.create_batch, world.provider.limits.delete_batch, 60)
    made = list(world.provider.create_machines(world.machines(size, token=a_token("many"))).instance_ids)
    for machine_id in made[::2]:
        world.control.protect(world.cloud.provider, machine_id)
    before = len(world.control.calls(world.cloud.provider))

    answer = deleted(world, made)

    assert set(answer.refused) >= set(made[::2])
    assert {answer.refused[key].kind for key in answer.refused} <= {ErrorClass.PERMISSION_DENIED, ErrorClass.CONFLICT}
    assert not world.ids_in_the_cloud() & (set(made) - set(answer.refused))
    assert len(world.control.calls(world.cloud.provider)) - before < 60
