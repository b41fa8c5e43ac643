"""Jobs: what became of a call that was accepted. A job's state follows from its machines; it is kept as tokens are."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from bridgx_server.cloudsim.core import SimCloud
from bridgx_server.cloudsim.front import Call
from bridgx_server.cloudsim.huawei.errors import Refused
from bridgx_server.cloudsim.huawei.shapes import moment

CREATE, DELETE, UNPAID = "createServer", "deleteServer", "unpaid"
SINGLE = {CREATE: "createSingleServer", DELETE: "deleteSingleServer"}
FAILURE = ("Ecs.0219", "Failed to create the ECS. No valid host was found.")


def begin(call: Call, cloud: SimCloud, kind: str, ids: Sequence[str], token: str = "") -> str:
    """A job for these machines; the same for the same token."""
    job_id = (uuid.uuid5(uuid.NAMESPACE_OID, f"{call.account}/{token}") if token else uuid.uuid4()).hex
    cloud.remember(call.account, "job", job_id, kind, ids)
    return job_id


def show(call: Call, cloud: SimCloud) -> dict[str, Any]:
    job_id = call.parameters["job_id"]
    entry = cloud.tokens.get(f"{call.account}/job/{job_id}")
    if entry is None:
        raise Refused(400, "Common.0011", "Failed to query system tasks.")
    began = moment(entry["at"])
    kind = entry["fingerprint"]
    if kind == UNPAID:
        return _state(job_id, CREATE, "PENDING_PAYMENT", began, {})
    parts = [_part(job_id, kind, machine_id, began, cloud) for machine_id in entry["ids"]]
    states = {part["status"] for part in parts}
    status = "RUNNING" if "RUNNING" in states else "FAIL" if "FAIL" in states else "SUCCESS"
    return _state(job_id, kind, status, began, {"sub_jobs_total": len(parts), "sub_jobs": parts})


def _part(job_id: str, kind: str, machine_id: str, began: str, cloud: SimCloud) -> dict[str, Any]:
    machine = cloud.machines.get(machine_id)
    state = machine.state(cloud.clock()) if machine is not None else "gone"
    if kind == CREATE:
        failed = machine is not None and machine.fails and state != "pending"
        status = "FAIL" if failed else "RUNNING" if state == "pending" else "SUCCESS"
    else:
        status = "RUNNING" if state == "deleting" else "SUCCESS"
    part_id = uuid.uuid5(uuid.NAMESPACE_OID, f"{job_id}/{machine_id}").hex
    return _state(part_id, SINGLE[kind], status, began, {"server_id": machine_id})


def _state(job_id: str, kind: str, status: str, began: str, entities: dict[str, Any]) -> dict[str, Any]:
    code, reason = FAILURE if status == "FAIL" else (None, None)
    return {
        "status": status,
        "entities": entities,
        "job_id": job_id,
        "job_type": kind,
        "begin_time": began,
        "end_time": "" if status in ("RUNNING", "PENDING_PAYMENT") else began,
        "error_code": code,
        "fail_reason": reason,
    }
