"""The actions of CVM 2017-03-12 on instances."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bridgx_server.cloudsim.core import SimCloud
from bridgx_server.cloudsim.entities import Machine
from bridgx_server.cloudsim.errors import Kind, SimError
from bridgx_server.cloudsim.front import Call
from bridgx_server.cloudsim.tencent.errors import Refused
from bridgx_server.cloudsim.tencent.orders import order_of
from bridgx_server.cloudsim.tencent.shapes import LARGEST, ids_or_filters, iso, matches, page, tag_rows

# Seconds after which a machine that could not be made is gone by itself. The vendor names no time.
FAILED_KEPT = 60.0
INSTANCE_ID = re.compile(r"ins-[a-z0-9]{8}")
NUMBERED = re.compile(r"\{R:(\d+)(?:,F:([0-8]))?\}")
FILTERS = (
    "zone",
    "project-id",
    "vpc-id",
    "subnet-id",
    "instance-id",
    "security-group-id",
    "instance-name",
    "instance-charge-type",
    "instance-state",
    "private-ip-address",
    "public-ip-address",
    "tag-key",
    "tag-value",
)
STATES = {
    "pending": "PENDING",
    "running": "RUNNING",
    "failed": "LAUNCH_FAILED",
    "deleting": "TERMINATING",
    "deleted": "TERMINATING",
}
# States in which an instance is not terminated, and how it is said.
UNTERMINABLE = {
    "PENDING": "Pending",
    "LAUNCH_FAILED": "LaunchFailed",
    "TERMINATING": "Terminating",
    "STOPPING": "Isolating",
}


def run_instances(call: Call, cloud: SimCloud) -> dict[str, Any]:
    order = order_of(call, cloud)
    if call.parameters.get("DryRun"):
        _, offer = cloud.check_order(order)
        cloud.check_quota(order)
        if call.effects.stockout or cloud.left_in_stock(order.zone, offer.name) < order.count:
            raise SimError(Kind.NO_STOCK, f"{offer.name} is sold out in {order.zone}", subject="type")
        return {}
    made = cloud.create_machines(order, call.effects)
    for number, machine in enumerate(made):
        machine.name = _named(order.name, number, order.count)
        machine.protected = bool(call.parameters.get("DisableApiTermination"))
        cloud.tag(machine, {})
    return {"InstanceIdSet": [machine.machine_id for machine in made]}


def describe_instances(call: Call, cloud: SimCloud) -> dict[str, Any]:
    wanted, filters = ids_or_filters(
        call.parameters,
        "InstanceIds",
        FILTERS,
        both="InvalidParameterCombination",
        unknown="InvalidFilter",
    )
    _check_ids(wanted or ())
    _take_back_failed(cloud)
    rows = [
        machine
        for machine in cloud.visible(call.account, call.region, call.effects, call.dropped)
        if (wanted is None or machine.machine_id in wanted) and matches(filters, _values(machine, cloud), machine.tags)
    ]
    shown = [_instance(machine, cloud) for machine in page(rows, call.parameters)]
    return {"TotalCount": len(rows), "InstanceSet": shown}


def terminate_instances(call: Call, cloud: SimCloud) -> dict[str, Any]:
    """All ids or none. Prepaid instances go to the recycle bin at first, and are deleted from there.

    An unexpired one is given back without further question, as long as the account may give any back. Unverified: that its
    way into the bin takes a while, and what state it shows meanwhile.
    """
    ids = call.parameters["InstanceIds"]
    if not ids:
        raise Refused("MissingParameter", "The request is missing a required parameter `InstanceIds`.")
    if len(ids) > LARGEST:
        raise Refused("InvalidParameterValue.LimitExceeded", f"At most {LARGEST} ids may be given.")
    _check_ids(ids)
    _take_back_failed(cloud)
    shown = {
        machine.machine_id: machine
        for machine in cloud.visible(call.account, call.region, call.effects, lambda share: False)
    }
    missing = tuple(machine_id for machine_id in ids if machine_id not in shown)
    if missing:
        message = f"The specified InstanceIds {list(missing)} are not found."
        raise SimError(Kind.NOT_FOUND, message, subject="machine", ids=missing)
    machines = [shown[machine_id] for machine_id in dict.fromkeys(ids)]
    if len({machine.charge for machine in machines}) > 1:
        code = "UnsupportedOperation.InstanceMixedPricingModel"
        raise Refused(code, "Instances of different charge types cannot be terminated in one call.")
    for machine in machines:
        state = _state(machine, cloud)
        if state in UNTERMINABLE:
            code = f"UnsupportedOperation.InstanceState{UNTERMINABLE[state]}"
            raise Refused(code, f"The instance {machine.machine_id} is in the state {state}.")
        if machine.protected:
            code = "UnsupportedOperation.InstancesProtected"
            raise Refused(code, f"The instance {machine.machine_id} is protected against termination.")
    now = cloud.clock()
    fresh = [machine for machine in machines if machine.charge == "PREPAID" and not machine.recycled]
    cloud.refund(sum(1 for machine in fresh if machine.unexpired(now)))
    for machine in fresh:
        machine.recycled = True
        machine.converted_at = now + cloud.delays.billing
        cloud.tag(machine, {})
    cloud.delete_machines([machine for machine in machines if machine not in fresh])
    return {}


def _named(name: str, number: int, count: int) -> str:
    """The name of one of several: `{R:3}` counts from 3, `{R:3,F:2}` with two digits; without either 1, 2 … is added."""
    if NUMBERED.search(name) is None:
        return f"{name}{number + 1}" if name and count > 1 else name
    return NUMBERED.sub(lambda found: str(int(found[1]) + number).zfill(int(found[2] or 0)), name)


def _check_ids(ids: Sequence[str]) -> None:
    for machine_id in ids:
        if INSTANCE_ID.fullmatch(machine_id) is None:
            raise Refused("InvalidInstanceId.Malformed", f"{machine_id} is no instance id.")


def _take_back_failed(cloud: SimCloud) -> None:
    now = cloud.clock()
    for machine in list(cloud.machines.values()):
        if machine.fails and not machine.deleting_at and machine.boots_at + FAILED_KEPT <= now:
            cloud.delete_machines([machine])
            cloud.change_machine(machine.machine_id, deleted_at=now, gone_at=now)


def _state(machine: Machine, cloud: SimCloud) -> str:
    now = cloud.clock()
    state = machine.state(now)
    if machine.recycled and state == "running":
        return "STOPPING" if now < machine.converted_at else "SHUTDOWN"
    return STATES[state]


def _values(machine: Machine, cloud: SimCloud) -> dict[str, str | Sequence[str]]:
    return {
        "zone": machine.zone,
        "project-id": "0",
        "vpc-id": machine.vpc_id,
        "subnet-id": machine.subnet_id,
        "instance-id": machine.machine_id,
        "security-group-id": machine.group_ids,
        "instance-name": machine.name,
        "instance-charge-type": machine.charge,
        "instance-state": _state(machine, cloud),
        "private-ip-address": machine.private_ip,
        "public-ip-address": machine.public_ip,
    }


def _instance(machine: Machine, cloud: SimCloud) -> dict[str, Any]:
    offer = cloud.catalog.types[machine.type_name]
    image = cloud.image(machine.region, machine.image_id)
    state = _state(machine, cloud)
    failed = state == "LAUNCH_FAILED"
    now = cloud.clock()
    prepaid = machine.charge == "PREPAID"
    expired = prepaid and bool(machine.expires_at) and now >= machine.expires_at
    disks = [
        {
            "DiskId": f"disk-{machine.machine_id[4:]}{index}",
            "DiskType": disk["category"],
            "DiskSize": disk["size"],
        }
        for index, disk in enumerate(machine.disks)
    ]
    return {
        "InstanceId": machine.machine_id,
        "InstanceName": machine.name,
        "InstanceType": machine.type_name,
        "InstanceState": state,
        "InstanceChargeType": machine.charge,
        "RestrictState": "EXPIRED" if expired else "NORMAL",
        "IsolatedSource": "MANMADE" if machine.recycled else "NOTISOLATED",
        "StopChargingMode": "NOT_APPLICABLE",
        "CPU": offer.cores,
        "Memory": int(offer.memory_gib),
        "Placement": {"Zone": machine.zone, "ProjectId": 0},
        "VirtualPrivateCloud": {
            "VpcId": machine.vpc_id,
            "SubnetId": machine.subnet_id,
            "AsVpcGateway": False,
        },
        "PrivateIpAddresses": [machine.private_ip],
        "PublicIpAddresses": [machine.public_ip] if machine.public_ip else None,
        "InternetAccessible": {"InternetMaxBandwidthOut": machine.bandwidth},
        "SecurityGroupIds": machine.group_ids,
        "ImageId": machine.image_id,
        "OsName": image.name if image else "",
        "SystemDisk": disks[0],
        "DataDisks": [{**disk, "DeleteWithInstance": True} for disk in disks[1:]],
        "LoginSettings": {},
        "CreatedTime": iso(machine.created_at),
        "ExpiredTime": iso(machine.expires_at) if prepaid else None,
        "RenewFlag": "NOTIFY_AND_MANUAL_RENEW" if prepaid else None,
        "DisableApiTermination": machine.protected,
        "LatestOperation": "RunInstances",
        "LatestOperationState": "FAILED" if failed else "OPERATING" if state == "PENDING" else "SUCCESS",
        "LatestOperationErrorMsg": "The instance could not be created." if failed else "",
        "Tags": tag_rows(machine.tags),
        "Uuid": f"00000000-0000-0000-0000-0000{machine.machine_id[4:]}",
    }


ACTIONS: Mapping[str, Callable[[Call, SimCloud], dict[str, Any]]] = {
    "RunInstances": run_instances,
    "DescribeInstances": describe_instances,
    "TerminateInstances": terminate_instances,
}
