"""What only reads waits for nobody who writes: with SQLite's write lock in another's hands every rpc that reads answers."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bridgx.v1 as pb
import pytest
from bridgx import Client
from bridgx_server.interceptors.operations import OPERATIONS
from contract.tenants import CLOUD, REGION, ZONE, Tenant, World, called, world
from google.protobuf.message import Message

# Asks the cloud whether it would do it, and every call to a cloud is counted in the database before it is made.
COUNTED = {"TaskService.PlanExpand"}
READS = sorted(rpc for rpc, operation in OPERATIONS.items() if not operation.changes and rpc not in COUNTED)


@dataclass
class Locked:
    """A server whose database another writes to, for as long as the tests of this module last."""

    client: Client
    tenant: Tenant
    database: Path
    world: World


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Locked]:
    directory = tmp_path_factory.mktemp("reads")
    with world(directory) as one:
        tenant = one.furnished(one.tenant(f"demo-{CLOUD}", f"demo-secret-{CLOUD}"), "10.1", 2)
        for rpc in READS:  # what the cloud offers is remembered from now on
            called(one.root, rpc, _request(rpc, tenant))
        # A token that nobody has used yet, so that its use is to be written down.
        client = one.client(one.token("fresh", "admin").token)
        with contextlib.closing(sqlite3.connect(directory / "bridgx.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield Locked(client, tenant, directory / "bridgx.db", one)
            other.execute("ROLLBACK")


def _request(rpc: str, tenant: Tenant) -> Message:
    fields: dict[str, Any] = {
        "cluster_name": tenant.cluster,
        "vpc_id": tenant.vpc,
        "region_id": REGION,
        "zone_id": ZONE,
        "provider": CLOUD,
        "task_id": tenant.task_id,
        "instance_id": tenant.machines[0].instance_id,
        "count": 1,
    }
    kind: Any = getattr(pb, rpc.partition(".")[2] + "Request")
    return kind(**{name: value for name, value in fields.items() if name in kind.DESCRIPTOR.fields_by_name})


@pytest.mark.parametrize("rpc", READS)
def test_a_read_answers_while_another_writes(locked: Locked, rpc: str) -> None:
    service, name = rpc.split(".")
    stub = getattr(pb, f"{service}Stub")(locked.client._channel)
    # Less than the 30 s that who waits for the lock would wait.
    answer = getattr(stub, name)(_request(rpc, locked.tenant), timeout=25)
    assert list(answer) if name.startswith("Watch") else answer.ByteSize() >= 0


def test_the_lock_was_held(locked: Locked) -> None:
    with (
        contextlib.closing(sqlite3.connect(locked.database, timeout=0, isolation_level=None)) as third,
        pytest.raises(sqlite3.OperationalError, match="locked"),
    ):
        third.execute("BEGIN IMMEDIATE")
