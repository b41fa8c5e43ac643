"""The ways in which a machine ends: deleted, unsubscribed from at the billing centre (BSS), kept in the recycle bin.

Unverified: that BSS wants X-Domain-Id, that a locked machine is refused there with CBC.3002, that the list of servers shows
those in the recycle bin, with `in_recycle_bin` (the newer list has that member). The bin takes machines of any age here.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from bridgx_server.cloudsim.core import SimCloud
from bridgx_server.cloudsim.entities import Machine
from bridgx_server.cloudsim.errors import Kind, SimError
from bridgx_server.cloudsim.front import Call
from bridgx_server.cloudsim.huawei import jobs
from bridgx_server.cloudsim.huawei.errors import BSS, ECS, Refused, bad
from bridgx_server.cloudsim.huawei.route import Route
from bridgx_server.cloudsim.huawei.shapes import BOOLEAN, INTEGER, TEXT, Field, each

ENDED = ("deleted", "gone")


def delete(call: Call, cloud: SimCloud) -> dict[str, Any]:
    """All servers or none. Only what is paid by use is deleted, expired or not."""
    carry_out_orders(cloud)
    ids = [row["id"] for row in call.parameters["servers"]]
    machines = [_deletable(server_id, call, cloud) for server_id in dict.fromkeys(ids)]
    if _bin_is_on(call, cloud):
        for machine in machines:
            cloud.change_machine(machine.machine_id, recycled=True)
    else:
        cloud.delete_machines(machines)
    return {"job_id": jobs.begin(call, cloud, jobs.DELETE, ids)}


def _deletable(server_id: str, call: Call, cloud: SimCloud) -> Machine:
    now = cloud.clock()
    machine = cloud.machines.get(server_id)
    if (
        machine is None
        or (machine.account, machine.region) != (call.account, call.region)
        or machine.state(now) in ENDED
        or now < machine.visible_at
    ):
        raise SimError(Kind.NOT_FOUND, f"The ECS {server_id} does not exist.", subject="machine", ids=(server_id,))
    if machine.recycled:
        raise Refused(400, "Ecs.0100", f"The ECS {server_id} is in the recycle bin.")
    if machine.protected:
        raise bad("ECS locked.", "Ecs.0605")
    if machine.prepaid(now):
        raise bad(f"server {server_id} is the cycle order and not be deleted by ordinary user", "Ecs.0513")
    return machine


def unsubscribe(call: Call, cloud: SimCloud) -> dict[str, Any]:
    """An order for all resources or none; it is carried out when billing has come to it."""
    carry_out_orders(cloud)
    if call.parameters["unsubscribe_type"] == 2:
        message = "The resource has no renewed periods, or they have taken effect."
        raise bad(message, "CBC.99003128")
    machines = [_subscribed(machine_id, call, cloud) for machine_id in dict.fromkeys(call.parameters["resource_ids"])]
    cloud.convert(machines)
    carry_out_orders(cloud)
    return {"order_ids": [f"CS{uuid.uuid4().hex[:14].upper()}"]}


def _subscribed(machine_id: str, call: Call, cloud: SimCloud) -> Machine:
    now = cloud.clock()
    machine = cloud.machines.get(machine_id)
    if machine is None or machine.account != call.account or now < machine.visible_at:
        raise bad("The resource ID does not exist.", "CBC.99003012")
    if machine.charge == "prePaid" and machine.converted_at and machine.state(now) not in ENDED:
        raise bad("A transaction is in progress. Unsubscription is not allowed.", "CBC.99003651")
    if not machine.prepaid(now) or machine.state(now) in ENDED:
        message = "Unsubscription not supported. This resource has been deleted or is not known to billing."
        raise bad(message, "CBC.30000067")
    if machine.protected:
        raise bad("The resource has been locked.", "CBC.3002")
    return machine


def carry_out_orders(cloud: SimCloud) -> None:
    """Deletes what has been unsubscribed from, once billing has come to it."""
    now = cloud.clock()
    cloud.delete_machines(
        [
            machine
            for machine in cloud.machines.values()
            if machine.converted_at and now >= machine.converted_at and not machine.deleting_at
        ]
    )


def update_bin(call: Call, cloud: SimCloud) -> dict[str, Any]:
    cloud.remember(call.account, "recycle-bin", call.region, call.parameters["recycle_bin"]["switch"], ())
    return {}


def list_bin(call: Call, cloud: SimCloud) -> dict[str, Any]:
    rows = [machine for machine in cloud.alive(call.account, call.region) if machine.recycled]
    return {"servers": [{"id": machine.machine_id, "name": machine.name, "status": "SHUTOFF"} for machine in rows]}


def delete_from_bin(call: Call, cloud: SimCloud) -> dict[str, Any]:
    server_id = call.parameters["server_id"]
    machines = [row for row in cloud.alive(call.account, call.region) if row.recycled and row.machine_id == server_id]
    if not machines:
        raise SimError(Kind.NOT_FOUND, f"The ECS {server_id} does not exist.", subject="machine", ids=(server_id,))
    cloud.delete_machines(machines)
    return {"job_id": jobs.begin(call, cloud, jobs.DELETE, [server_id])}


def _bin_is_on(call: Call, cloud: SimCloud) -> bool:
    return bool(cloud.tokens.get(f"{call.account}/recycle-bin/{call.region}", {}).get("fingerprint") == "on")


_BIN = "/v1/{project_id}/recycle-bin"
_SERVER: Mapping[str, Field] = {"id": Field(required=True)}

ROUTES: tuple[Route, ...] = (
    Route(
        "DeleteServers",
        ECS,
        "Ecs.0005",
        "POST",
        "/v1/{project_id}/cloudservers/delete",
        delete,
        body={
            "servers": Field("list", required=True, of=Field("object", of=_SERVER), size=(1, 1000)),
            **each("delete_publicip delete_volume", BOOLEAN),
        },
    ),
    Route(
        "UpdateRecycleBin",
        ECS,
        "Ecs.0005",
        "PUT",
        _BIN,
        update_bin,
        body={
            "recycle_bin": Field("object", required=True, of={"switch": Field(required=True, choices=("on", "off"))})
        },
    ),
    Route(
        "ListRecycleBinServers",
        ECS,
        "Ecs.0005",
        "GET",
        f"{_BIN}/cloudservers",
        list_bin,
        {**each("marker name tags", TEXT), "limit": INTEGER},
    ),
    Route("DeleteRecycleBinServer", ECS, "Ecs.0005", "DELETE", f"{_BIN}/cloudservers/{{server_id}}", delete_from_bin),
    Route(
        "CancelResourcesSubscription",
        BSS,
        "CBC.0100",
        "POST",
        "/v2/orders/subscriptions/resources/unsubscribe",
        unsubscribe,
        body={
            "resource_ids": Field("list", required=True, of=TEXT, size=(1, 10)),
            "unsubscribe_type": Field("integer", required=True, size=(1, 2)),
            "unsubscribe_reason_type": Field("integer", size=(1, 5)),
            "unsubscribe_reason": TEXT,
        },
    ),
)
