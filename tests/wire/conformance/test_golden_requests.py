"""What goes over the wire for each operation, compared with files that a reviewer can read: tests/wire/golden/.

After a change that is meant, write them anew and read the difference:

    UPDATE_GOLDEN=1 .venv/bin/python -m pytest tests/wire/conformance/test_golden_requests.py
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from bridgx_server.providers.base import Charge, CreateMachines, Provider, ProviderError, SecurityGroupRule
from wire.conformance.clouds import CLOUDS
from wire.conformance.world import World, a_token

GOLDEN = Path(__file__).parent.parent / "golden"
UNORDERED = ("list_images", "list_instance_types")  # pages that may be fetched at the same time
RANDOM = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")  # an SDK's own token or nonce
RULES = [
    SecurityGroupRule("ingress", "tcp", 22, 22, cidr_ip="10.0.0.0/8"),
    SecurityGroupRule("ingress", "icmp", -1, -1, cidr_ip="10.0.0.0/8"),
    SecurityGroupRule("egress", "udp", 53, 53, cidr_ip="0.0.0.0/0"),
]


class Recorder:
    """Runs operations and keeps the requests that each of them sends, with names in the place of what is random."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._names: dict[str, str] = {}
        self.requests: dict[str, list[dict[str, Any]]] = {}
        for name in ("vpc-1", "subnet-1", "group-1", "chunk-1", "chunk-2"):
            self.name(a_token(name), f"token of {name}")

    def name(self, value: str, called: str) -> None:
        self._names[value] = f"<{called}>"

    def run(self, operation: str, call: Callable[[], Any]) -> Any:
        before = len(self._calls())
        answer = call()
        sent = [
            {"action": row["action"], "method": row["method"], "path": row["path"], "parameters": row["parameters"]}
            for row in self._calls()[before:]
        ]
        text = json.dumps(sent, ensure_ascii=False, sort_keys=True)
        for value, called in self._names.items():
            text = text.replace(value, called)
        rows: list[dict[str, Any]] = json.loads(RANDOM.sub("<random>", text))
        if operation in UNORDERED:
            rows.sort(key=lambda row: json.dumps(row, sort_keys=True))
        self.requests[operation] = rows
        return answer

    def _calls(self) -> list[dict[str, Any]]:
        return self._world.control.calls(self._world.cloud.provider)


def record(world: World) -> dict[str, list[dict[str, Any]]]:
    """Every operation of the Provider, in the order in which a cluster is made and ended."""
    # An adapter of its own: what another one has looked up already would not be asked again.
    provider, region, recorder = world.with_settings(), world.cloud.region, Recorder(world)
    recorder.run("cloud_account_id", provider.cloud_account_id)
    recorder.run("list_regions", provider.list_regions)
    recorder.run("list_zones", lambda: provider.list_zones(region))
    recorder.run("list_instance_types", lambda: provider.list_instance_types(region, world.cloud.zone))
    recorder.run("list_images", lambda: provider.list_images(region))
    recorder.run("find_image", lambda: provider.find_image(region, world.cloud.image))
    vpc_id = recorder.run("create_vpc", lambda: provider.create_vpc(world.a_vpc()))
    recorder.name(vpc_id, "vpc")
    recorder.run("describe_vpcs", lambda: provider.describe_vpcs(region, [vpc_id]))
    subnet_id = recorder.run("create_subnet", lambda: provider.create_subnet(world.a_subnet(vpc_id)))
    recorder.name(subnet_id, "subnet")
    recorder.run("describe_subnets", lambda: provider.describe_subnets(region, vpc_id))
    group_id = recorder.run("create_security_group", lambda: provider.create_security_group(world.a_group(vpc_id)))
    recorder.name(group_id, "group")
    recorder.run("add_security_group_rules", lambda: provider.add_security_group_rules(region, group_id, RULES))
    recorder.run("describe_security_groups", lambda: provider.describe_security_groups(region, [group_id]))
    _record_machines(world, provider, recorder)
    recorder.run("delete_security_group", lambda: provider.delete_security_group(region, group_id))
    recorder.run("delete_subnet", lambda: provider.delete_subnet(region, vpc_id, subnet_id))
    recorder.run("delete_vpc", lambda: provider.delete_vpc(region, vpc_id))
    return recorder.requests


def _record_machines(world: World, provider: Provider, recorder: Recorder) -> None:
    region = world.cloud.region
    order = world.machines(2, data_disks=[world.cloud.data_disk], bandwidth_mbps=5)
    recorder.run("dry_run_machines", lambda: provider.dry_run_machines(order))
    ids = recorder.run("create_machines", lambda: provider.create_machines(order)).instance_ids
    for number, machine_id in enumerate(ids, 1):
        recorder.name(machine_id, f"machine {number}")
    prepaid = world.machines(1, chunk="2", charge=Charge("PrePaid", "Month", 1))
    paid: Sequence[str] = ()
    if _is_possible(world, prepaid):
        paid = recorder.run("create_machines, PrePaid", lambda: provider.create_machines(prepaid)).instance_ids
    recorder.run("describe_machines", lambda: provider.describe_machines(region, ids))
    recorder.run("find_machines", lambda: provider.find_machines(region, order.tags))
    recorder.run("delete_machines", lambda: provider.delete_machines(region, ids))
    if paid:
        recorder.name(paid[0], "machine 3")
        given_up = "delete_machines, PrePaid given up"
        recorder.run(given_up, lambda: provider.delete_machines(region, paid, release_prepaid=True))
    for row in world.control.machines(world.cloud.provider):
        world.control.call("DELETE", f"/machines/{row['machine_id']}")


def _is_possible(world: World, order: CreateMachines) -> bool:
    try:
        world.provider.check_machines(order)
    except ProviderError:
        return False
    return True


def test_the_wire_requests_are_those_of_the_golden_file(world: World) -> None:
    path = GOLDEN / f"{world.cloud.provider}.json"
    recorded = record(world)
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(json.dumps(recorded, ensure_ascii=False, indent=2) + "\n")

    kept = json.loads(path.read_text())

    for operation, requests in recorded.items():
        assert requests == kept.get(operation), operation
    assert set(kept) == set(recorded)


def test_recording_twice_gives_the_same(world: World) -> None:
    first = record(world)
    world.start_afresh()

    assert record(world) == first


def test_every_cloud_has_a_golden_file_without_secrets() -> None:
    for cloud in CLOUDS:
        text = (GOLDEN / f"{cloud.provider}.json").read_text()
        assert cloud.password not in text
        assert f"demo-secret-{cloud.provider}" not in text


def test_no_golden_file_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == {cloud.provider for cloud in CLOUDS}


@pytest.mark.parametrize("cloud", CLOUDS, ids=lambda cloud: cloud.provider)
def test_golden_create_requests_carry_the_token_or_the_tags(cloud: Any) -> None:
    kept = json.loads((GOLDEN / f"{cloud.provider}.json").read_text())

    text = json.dumps(kept["create_machines"])

    assert "bridgx-chunk" in text
