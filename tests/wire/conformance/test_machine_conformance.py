"""Machines made, found, described and deleted, the same on every cloud."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from bridgx_server.providers.base import Charge, DeletedMachines, Disk, ErrorClass, MachineState
from bridgx_server.scaling import fresh
from wire.conformance.world import World


def test_machines_are_made_as_ordered_and_seen_to_run(world: World) -> None:
    order = world.machines(3, data_disks=[world.cloud.data_disk], bandwidth_mbps=5)

    made = world.provider.create_machines(order)

    assert len(set(made.instance_ids)) == 3
    assert made.shortfall is None
    machines = world.provider.describe_machines(world.cloud.region, made.instance_ids)
    assert {machine.instance_id for machine in machines} == set(made.instance_ids)
    for machine in machines:
        assert machine.state is MachineState.RUNNING
        assert machine.instance_type == world.cloud.instance_type
        assert machine.zone_id == world.cloud.zone
        assert machine.private_ip.startswith("10.8.1.")
        assert machine.public_ip
        assert dict(machine.tags).items() >= dict(order.tags).items()
        for moment in (machine.created_at, machine.started_at):
            assert moment is None or moment.tzinfo is not None
    assert len({machine.private_ip for machine in machines}) == 3


def test_a_machine_is_pending_until_it_boots(world: World) -> None:
    world.control.delays(boot=3600)

    made = world.provider.create_machines(world.machines(1))

    (machine,) = world.provider.describe_machines(world.cloud.region, made.instance_ids)
    assert machine.state is MachineState.PENDING


def test_without_bandwidth_there_is_no_public_address(world: World) -> None:
    made = world.provider.create_machines(world.machines(1))

    (machine,) = world.provider.describe_machines(world.cloud.region, made.instance_ids)
    assert machine.public_ip == ""


def test_the_same_token_gives_the_same_machines(world: World) -> None:
    order = world.machines(4)

    first = world.provider.create_machines(order)
    again = world.provider.create_machines(order)

    assert sorted(again.instance_ids) == sorted(first.instance_ids)
    assert world.ids_in_the_cloud() == set(first.instance_ids)


def test_a_token_used_for_another_order_is_refused(world: World) -> None:
    if not world.provider.limits.tokens:
        return  # the engine looks by tag on such a cloud, and never sends a token twice
    order = world.machines(2)
    first = world.provider.create_machines(order)

    error = world.refused(lambda: world.provider.create_machines(replace(order, count=3)))

    assert error.kind is ErrorClass.INVALID_PARAMETER
    assert error.vendor_code
    assert world.ids_in_the_cloud() == set(first.instance_ids)


def test_many_threads_share_one_adapter_and_get_their_own_machines(world: World) -> None:
    orders = [world.machines(2, chunk=str(number)) for number in range(24)]

    with ThreadPoolExecutor(12) as pool:
        made = list(pool.map(world.provider.create_machines, orders))
        found = list(pool.map(lambda order: world.provider.find_machines(world.cloud.region, order.tags), orders))

    assert [{machine.instance_id for machine in machines} for machines in found] == [
        set(answer.instance_ids) for answer in made
    ]
    assert len(world.ids_in_the_cloud()) == 48


def test_machines_are_found_by_all_of_the_tags_on_every_page(world: World) -> None:
    provider = world.provider
    batch = min(provider.limits.create_batch, 60)
    ids = {
        machine_id
        for chunk in ("1", "2")
        for machine_id in provider.create_machines(world.machines(batch, chunk=chunk)).instance_ids
    }
    provider.create_machines(world.machines(1, chunk="3", tags={"bridgx-cluster": "other", "bridgx-chunk": "1"}))

    found = provider.find_machines(world.cloud.region, {"bridgx-cluster": "web"})
    one_chunk = provider.find_machines(world.cloud.region, {"bridgx-cluster": "web", "bridgx-chunk": "2"})

    assert len(found) == 2 * batch
    assert {machine.instance_id for machine in found} == ids
    assert len(one_chunk) == batch
    assert all(machine.tags["bridgx-chunk"] == "2" for machine in one_chunk)
    assert provider.find_machines(world.cloud.region, {"bridgx-cluster": "nobody"}) == []


def test_a_part_is_delivered_and_the_shortfall_explained_or_nothing_is(world: World) -> None:
    world.control.capacity(world.cloud.provider, world.cloud.zone, 2, world.cloud.instance_type)
    order = world.machines(5, min_count=1)

    if world.provider.limits.partial_delivery:
        made = world.provider.create_machines(order)
        assert len(made.instance_ids) == 2
        assert made.shortfall is not None
        assert made.shortfall.kind is ErrorClass.OUT_OF_STOCK
        assert world.ids_in_the_cloud() == set(made.instance_ids)
    else:
        error = world.refused(lambda: world.provider.create_machines(order))
        assert error.kind is ErrorClass.OUT_OF_STOCK
        assert world.ids_in_the_cloud() == set()


def test_fewer_than_the_least_that_is_wanted_is_nothing(world: World) -> None:
    world.control.capacity(world.cloud.provider, world.cloud.zone, 2, world.cloud.instance_type)

    error = world.refused(lambda: world.provider.create_machines(world.machines(5, min_count=3)))

    assert error.kind is ErrorClass.OUT_OF_STOCK
    assert world.ids_in_the_cloud() == set()


def test_machines_not_yet_visible_are_left_out_and_not_an_error(world: World) -> None:
    world.control.delays(visible=3600)
    made = world.provider.create_machines(world.machines(2))

    assert world.provider.describe_machines(world.cloud.region, made.instance_ids) == []
    assert world.provider.find_machines(world.cloud.region, {"bridgx-cluster": "web"}) == []
    assert len(world.ids_in_the_cloud()) == 2


def test_unknown_machines_are_left_out_of_a_full_batch(world: World) -> None:
    batch = min(world.provider.limits.describe_batch, 50)
    made = world.provider.create_machines(world.machines(min(batch, world.provider.limits.create_batch)))
    known, unknown = made.instance_ids[0], made.instance_ids[-1]
    world.control.call("DELETE", f"/machines/{unknown}")

    found = world.provider.describe_machines(world.cloud.region, made.instance_ids)

    shown = {machine.instance_id for machine in found if machine.state is not MachineState.DELETED}
    assert shown == set(made.instance_ids) - {unknown}
    assert known in shown
    assert world.provider.describe_machines(world.cloud.region, []) == []


def test_deleted_machines_are_gone_and_deleting_them_again_is_no_failure(world: World) -> None:
    made = world.provider.create_machines(world.machines(3))

    for _ in range(2):
        assert world.provider.delete_machines(world.cloud.region, made.instance_ids).refused == {}

    left = world.provider.describe_machines(world.cloud.region, made.instance_ids)
    assert {machine.state for machine in left} <= {MachineState.DELETING, MachineState.DELETED}
    assert world.ids_in_the_cloud() == set()


def test_one_machine_that_is_gone_does_not_save_the_others(world: World) -> None:
    made = world.provider.create_machines(world.machines(4))
    world.control.call("DELETE", f"/machines/{made.instance_ids[1]}")

    world.provider.delete_machines(world.cloud.region, made.instance_ids)

    assert world.ids_in_the_cloud() == set()


def test_a_machine_that_is_still_booting_is_deleted_or_has_to_wait(world: World) -> None:
    world.control.delays(boot=3600)
    made = world.provider.create_machines(world.machines(1))

    answer = world.provider.delete_machines(world.cloud.region, made.instance_ids)

    if not world.cloud.deletes_booting:
        assert {key: error.kind for key, error in answer.refused.items()} == {made.instance_ids[0]: ErrorClass.CONFLICT}
        now = {"cloud": world.cloud.provider, "boots_at": 0}
        world.control.call("POST", f"/machines/{made.instance_ids[0]}", now)
        answer = world.provider.delete_machines(world.cloud.region, made.instance_ids)
    assert answer == DeletedMachines()
    assert world.ids_in_the_cloud() == set()


def test_a_dry_run_makes_nothing_and_leaves_the_token_unused(world: World) -> None:
    order = world.machines(2)

    assert world.provider.dry_run_machines(order) == world.cloud.has_dry_run
    assert world.ids_in_the_cloud() == set()
    assert len(world.provider.create_machines(order).instance_ids) == 2


def test_a_dry_run_refuses_what_creation_would(world: World) -> None:
    if not world.cloud.has_dry_run:
        assert world.provider.dry_run_machines(world.machines(1)) is False
        return
    order = world.machines(1, image_id=world.cloud.image[:-1] + "0")

    error = world.refused(lambda: world.provider.dry_run_machines(order))

    assert error.kind in (ErrorClass.NOT_FOUND, ErrorClass.INVALID_PARAMETER)
    assert error.vendor_code


@pytest.mark.parametrize("field", ["image_id", "subnet_id", "security_group_id", "instance_type"])
def test_what_does_not_exist_cannot_be_ordered(world: World, field: str) -> None:
    order = world.machines(1)
    right = getattr(order, field)
    wrong = right[:-2] + ("01" if right.endswith("00") else "00")

    error = world.refused(lambda: world.provider.create_machines(replace(order, **{field: wrong})))

    assert error.kind in (ErrorClass.NOT_FOUND, ErrorClass.INVALID_PARAMETER)
    assert error.vendor_code
    assert world.ids_in_the_cloud() == set()
    if field in ("subnet_id", "security_group_id"):
        # Of a network that was made a moment ago the cloud may only not know yet.
        assert fresh.doubted(error)
    elif error.field:
        assert not fresh.doubted(error)


def test_an_order_that_every_cloud_can_fulfil_passes_the_check(world: World) -> None:
    world.provider.check_machines(world.machines(1, data_disks=[world.cloud.data_disk]))


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("system_disk", {"system_disk": Disk("cardboard", 40)}),
        ("system_disk", {"system_disk": Disk("cloud_ssd", 9_999_999)}),
        ("data_disk", {"data_disks": [Disk("cardboard", 40)]}),
        ("charge", {"charge": Charge("OnCredit")}),
    ],
    ids=["system-disk-word", "system-disk-size", "data-disk-word", "charge-type"],
)
def test_nonsense_is_refused_by_name_before_the_cloud_is_called(
    world: World, field: str, wrong: dict[str, object]
) -> None:
    order = world.machines(1, **wrong)
    calls = len(world.control.calls(world.cloud.provider))

    error = world.refused(lambda: world.provider.check_machines(order))

    assert error.kind is ErrorClass.INVALID_PARAMETER
    assert field in error.field
    assert len(world.control.calls(world.cloud.provider)) == calls
