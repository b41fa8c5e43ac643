"""The calls of BCC v2 that end instances: released where they are paid by use or have expired, else refunded.

Unverified: that a protected instance is refused by all of them with the code that the refund's page names; that the batch
refuses expired prepaid instances as it does unexpired ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bridgx_server.cloudsim.baidu.errors import Refused
from bridgx_server.cloudsim.baidu.instances import known
from bridgx_server.cloudsim.core import SimCloud
from bridgx_server.cloudsim.entities import Machine
from bridgx_server.cloudsim.front import Call


def delete_instance(call: Call, cloud: SimCloud) -> dict[str, Any]:
    """One that is postpaid, or has expired."""
    machines = _releasable([call.parameters["instanceId"]], call, cloud)
    if any(machine.unexpired(cloud.clock()) for machine in machines):
        raise Refused(403, "Instance.ReleaseNotPrepay", "Instance can not release if prepay.")
    return _release(machines, call, cloud)


def delete_instances(call: Call, cloud: SimCloud) -> dict[str, Any]:
    """Postpaid ones, all or none."""
    machines = _releasable(call.parameters["instanceIds"], call, cloud)
    if any(machine.prepaid(cloud.clock()) for machine in machines):
        raise Refused(403, "Instance.DeleteServerFailException", "Instance can not release if not postpay.")
    return _release(machines, call, cloud)


def refund_instances(call: Call, cloud: SimCloud) -> dict[str, Any]:
    """Takes unexpired prepaid machines back, and names those among the ids that are not prepaid."""
    now = cloud.clock()
    machines = _releasable(call.parameters["instanceIds"], call, cloud)
    prepaid = [machine for machine in machines if machine.prepaid(now)]
    if not all(machine.unexpired(now) for machine in prepaid):
        raise Refused(400, "BadRequest", "Instanceid status not support delete")
    cloud.refund(len(prepaid))
    cloud.delete_machines(prepaid)
    return {"failedInstanceIds": [machine.machine_id for machine in machines if not machine.prepaid(now)]}


def _release(machines: Sequence[Machine], call: Call, cloud: SimCloud) -> dict[str, Any]:
    if call.parameters.get("bccRecycleFlag"):
        for machine in machines:
            cloud.change_machine(machine.machine_id, recycled=True)
    else:
        cloud.delete_machines(machines)
    return {}


def _releasable(ids: Sequence[str], call: Call, cloud: SimCloud) -> list[Machine]:
    # A machine that is not shown yet and has not started is still created; such cannot be released.
    if any(_is_created(cloud.machines.get(machine_id), call, cloud) for machine_id in ids):
        raise Refused(403, "Instance.ReleaseWhileCreating", "Instance can not release during creating.")
    machines = known(ids, call, cloud)
    if any(machine.protected for machine in machines):
        raise Refused(403, "Instance.DeletionProtection", "Instance can not release with DeletionProtection.")
    return machines


def _is_created(machine: Machine | None, call: Call, cloud: SimCloud) -> bool:
    if machine is None or (machine.account, machine.region) != (call.account, call.region):
        return False
    now = cloud.clock()
    return now < machine.visible_at and machine.state(now) == "pending"
