"""RunInstances, DescribeInstances, DeleteInstances and ModifyInstanceChargeType of ECS 2014-05-26."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from bridgx_server.cloudsim.alibaba.errors import Refused
from bridgx_server.cloudsim.alibaba.shapes import minutes, numbered, page_by_number, page_by_token, structures, tags_of
from bridgx_server.cloudsim.core import Order, SimCloud, fingerprint_of
from bridgx_server.cloudsim.entities import Machine
from bridgx_server.cloudsim.errors import Kind, SimError
from bridgx_server.cloudsim.front import Call

BATCH = 100
CONVERTED = 20  # instances in one ModifyInstanceChargeType
DAY = 86_400.0  # seconds
NEVER = "2099-12-31T15:59Z"  # the ExpiredTime of a pay-as-you-go instance
SYSTEM_DISKS = ("cloud", "cloud_efficiency", "cloud_ssd", "cloud_essd", "cloud_auto", "cloud_essd_entry")
STATUS = {
    "pending": "Starting",
    "running": "Running",
    "failed": "Stopped",
    "deleting": "Stopping",
    "deleted": "Stopped",
}
DAYS = {"Week": 7, "Month": 30}
PERIODS = {"Week": (1, 2, 3, 4), "Month": (1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 24, 36, 48, 60)}


def run_instances(call: Call, cloud: SimCloud) -> dict[str, Any]:
    order = _order(call)
    if call.parameters.get("DryRun"):
        cloud.check_order(order)
        raise Refused(400, "DryRunOperation", "Request validation has been passed with DryRun flag set.")
    made = cloud.create_machines(order, call.effects)
    return {"InstanceIdSets": {"InstanceIdSet": [machine.machine_id for machine in made]}}


def describe_instances(call: Call, cloud: SimCloud) -> dict[str, Any]:
    parameters = call.parameters
    wanted = id_list(parameters, "InstanceIds", BATCH)
    tags = [(row.get("Key"), row.get("Value")) for row in structures(parameters, "Tag")]
    rows = [
        machine
        for machine in cloud.visible(call.account, call.region, call.effects, call.dropped)
        if (wanted is None or machine.machine_id in wanted)
        and all(key in machine.tags and value in (None, machine.tags[key]) for key, value in tags)
        and parameters.get("ZoneId") in (None, machine.zone)
        and parameters.get("VpcId") in (None, machine.vpc_id)
        and parameters.get("Status") in (None, _status(machine, cloud))
    ]
    answer: dict[str, Any] = {"TotalCount": len(rows)}
    if "PageNumber" in parameters or "PageSize" in parameters:
        page, answer["PageNumber"], answer["PageSize"] = page_by_number(rows, parameters, 100)
    else:
        # Values under ten are taken as ten, as the reference says.
        size = max(parameters.get("MaxResults", 10), 10) if parameters.get("MaxResults", 10) >= 1 else 0
        page, answer["NextToken"] = page_by_token(rows, {**parameters, "MaxResults": size}, 100, 10)
    answer["Instances"] = {"Instance": [_instance(machine, cloud) for machine in page]}
    return answer


def delete_instances(call: Call, cloud: SimCloud) -> dict[str, Any]:
    parameters = call.parameters
    wanted = numbered(parameters, "InstanceId")
    if len(wanted) > BATCH:
        raise Refused(400, "InvalidParameter.InstanceId", f"At most {BATCH} ids may be given.")
    now = cloud.clock()
    found, unknown = [], []
    for machine_id in wanted:
        machine = cloud.machines.get(machine_id)
        if (
            machine is None
            or machine.account != call.account
            or machine.region != call.region
            or machine.state(now) in ("deleted", "gone")
            or now < machine.visible_at
        ):
            unknown.append(machine_id)
        else:
            found.append(machine)
    if unknown:
        raise SimError(
            Kind.NOT_FOUND,
            f"The specified InstanceId does not exist. ({';'.join(unknown)})",
            subject="machine",
            ids=tuple(unknown),
        )
    for machine in found:
        if machine.protected:
            raise Refused(403, "InvalidOperation.DeletionProtection", "The instance is under deletion protection.")
        # Only a subscription that has expired is released, and only where that was asked for.
        if machine.unexpired(now) or (machine.prepaid(now) and not parameters.get("TerminateSubscription")):
            message = "The operation is not permitted due to charge type of the instance."
            raise Refused(403, "ChargeTypeViolation", message)
        if machine.state(now) in ("pending", "running") and not (
            parameters.get("Force") or parameters.get("ForceStop")
        ):
            raise Refused(403, "IncorrectInstanceStatus", "The current status of the instance does not allow it.")
    cloud.delete_machines(found)
    return {}


def modify_instance_charge_type(call: Call, cloud: SimCloud) -> dict[str, Any]:
    """Subscriptions become pay-as-you-go; what has become of that order is seen when billing has followed."""
    parameters = call.parameters
    ids = id_list(parameters, "InstanceIds", 10**6) or set()
    if len(ids) > CONVERTED:
        raise Refused(400, "InstancesIdQuotaExceed", "The maximum number of Instances is exceeded.")
    if parameters.get("InstanceChargeType", "PrePaid") != "PostPaid":
        message = "Only the conversion to PostPaid is simulated."
        raise Refused(400, "InvalidInstanceChargeType.ValueNotSupported", message)
    shown = {
        machine.machine_id: machine
        for machine in cloud.visible(call.account, call.region, call.effects, lambda share: False)
    }
    if not ids or not ids <= set(shown):
        raise Refused(400, "InvalidParameter.InstanceIds", "The specified InstanceIds are invalid.")
    now = cloud.clock()
    machines = [shown[machine_id] for machine_id in sorted(ids)]
    for machine in machines:
        if machine.state(now) not in ("running", "failed"):
            raise Refused(400, "InvalidStatus.ValueNotSupported", "The instance must be Running or Stopped.")
        if not machine.prepaid(now):
            message = "The instance is billed so already."
            raise Refused(400, "InvalidInstanceChargeType.ValueNotSupported", message)
        if not machine.unexpired(now):
            raise Refused(400, "ExpiredInstance", "The specified instance has expired.")
        if machine.converted_at:
            raise Refused(403, "IncorrectInstanceStatus", "An order of the instance is being carried out.")
    if parameters.get("DryRun"):
        raise Refused(400, "DryRunOperation", "Request validation has been passed with DryRun flag set.")
    cloud.convert(machines)
    fees = [{"InstanceId": machine.machine_id, "Fee": "0", "Currency": "CNY"} for machine in machines]
    return {"OrderId": f"2041{int(now * 1000)}", "FeeOfInstances": {"FeeOfInstance": fees}}


def id_list(parameters: Mapping[str, Any], name: str, most: int) -> set[str] | None:
    """A parameter that holds ids as a JSON array of texts; None where it is absent."""
    text = parameters.get(name)
    if text is None:
        return None
    try:
        ids = json.loads(text)
    except ValueError:
        ids = None
    if not isinstance(ids, list) or not all(isinstance(key, str) for key in ids):
        raise Refused(400, f"InvalidParameter.{name}", f"{name} must be a JSON array of strings.")
    if len(ids) > most:
        raise Refused(400, f"InvalidParameter.{name}", f"At most {most} ids may be given.")
    return set(ids)


def _order(call: Call) -> Order:
    parameters = call.parameters
    for name in ("ImageId", "InstanceType"):
        if not parameters.get(name):
            raise Refused(400, f"Missing{name}", f'The input parameter "{name}" that is mandatory is not supplied.')
    groups = numbered(parameters, "SecurityGroupIds")
    if parameters.get("SecurityGroupId"):
        if groups:
            raise Refused(
                400, "InvalidParameter.Conflict", "SecurityGroupId and SecurityGroupIds.N exclude each other."
            )
        groups = [parameters["SecurityGroupId"]]
    if not groups or not parameters.get("VSwitchId"):
        raise Refused(400, "MissingParameter", "A security group and a vSwitch are required.")
    amount = parameters.get("Amount", 1)
    least = parameters.get("MinAmount", amount)
    if not 1 <= amount <= BATCH:
        raise Refused(400, "InvalidAmount.ValueNotSupported", f"Amount must be from 1 to {BATCH}.")
    if not 1 <= least <= amount:
        raise Refused(400, "InvalidMinAmount.ValueNotSupported", "MinAmount must be from 1 to Amount.")
    _check_password(parameters)
    _check_charge(parameters)
    bandwidth = parameters.get("InternetMaxBandwidthOut", 0)
    if not 0 <= bandwidth <= 100:
        raise Refused(400, "InvalidParameter.Bandwidth", "InternetMaxBandwidthOut must be from 0 to 100.")
    token = parameters.get("ClientToken", "")
    if len(token) > 64 or not token.isascii():
        raise Refused(400, "InvalidClientToken.Malformed", "ClientToken must have at most 64 ASCII characters.")
    return Order(
        account=call.account,
        region=call.region,
        zone=parameters.get("ZoneId", ""),
        type_name=parameters["InstanceType"],
        image_id=parameters["ImageId"],
        subnet_id=parameters["VSwitchId"],
        group_ids=tuple(groups),
        count=amount,
        min_count=least,
        name=parameters.get("InstanceName", ""),
        token=token,
        fingerprint=fingerprint_of(parameters),
        charge=parameters.get("InstanceChargeType", "PostPaid"),
        lasts=_seconds_paid(parameters),
        bandwidth=bandwidth,
        disks=tuple(_disks(parameters)),
        tags=tags_of(parameters),
    )


def _check_password(parameters: Mapping[str, Any]) -> None:
    password = parameters.get("Password", "")
    if not password:
        return
    if parameters.get("PasswordInherit"):
        raise Refused(400, "InvalidPasswordParam.Mismatch", "Password must be empty with PasswordInherit.")
    kinds = [r"[a-z]", r"[A-Z]", r"[0-9]", r"[()`~!@#$%^&*_\-+=|{}\[\]:;'<>,.?/]"]
    if not 8 <= len(password) <= 30 or sum(bool(re.search(kind, password)) for kind in kinds) < 3:
        raise Refused(400, "InvalidPassword.Malformed", "The specified parameter Password is not valid.")


def _check_charge(parameters: Mapping[str, Any]) -> None:
    charge = parameters.get("InstanceChargeType", "PostPaid")
    if charge not in ("PostPaid", "PrePaid"):
        raise Refused(400, "InvalidInstanceChargeType.ValueNotSupported", "The specified charge type is not valid.")
    if charge == "PostPaid":
        if parameters.get("AutoPay") is False:
            raise Refused(400, "InvalidParameter.AutoPay", "AutoPay must not be false with PostPaid.")
        return
    unit = parameters.get("PeriodUnit", "Month")
    if unit not in PERIODS or parameters.get("Period") not in PERIODS[unit]:
        raise Refused(400, "InvalidPeriod.ValueNotSupported", "The specified Period is not valid.")


def _seconds_paid(parameters: Mapping[str, Any]) -> float:
    if parameters.get("InstanceChargeType") != "PrePaid":
        return 0.0
    return float(parameters["Period"] * DAYS[parameters.get("PeriodUnit", "Month")] * DAY)


def _disks(parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    category = parameters.get("SystemDisk.Category", "cloud_efficiency")
    size = parameters.get("SystemDisk.Size", "40")
    if category not in SYSTEM_DISKS:
        raise Refused(
            400, "InvalidSystemDiskCategory.ValueNotSupported", "The specified disk category is not supported."
        )
    if not size.isdigit() or not 20 <= int(size) <= 2048:
        raise Refused(400, "InvalidSystemDiskSize", "The specified SystemDisk.Size is not valid.")
    disks = [{"kind": "system", "category": category, "size": int(size)}]
    data = structures(parameters, "DataDisk")
    if len(data) > 16:
        raise Refused(400, "InvalidDataDisk.TooMany", "At most 16 data disks may be given.")
    for disk in data:
        if disk.get("Category", "cloud_efficiency") not in SYSTEM_DISKS:
            raise Refused(400, "InvalidDataDiskCategory.ValueNotSupported", "The specified disk category is not valid.")
        if not 1 <= disk.get("Size", 0) <= 65536:
            raise Refused(400, "InvalidDataDiskSize.ValueNotSupported", "The specified DataDisk.Size is not valid.")
        disks.append({"kind": "data", "category": disk.get("Category", "cloud_efficiency"), "size": disk["Size"]})
    return disks


def _status(machine: Machine, cloud: SimCloud) -> str:
    return STATUS[machine.state(cloud.clock())]


def _instance(machine: Machine, cloud: SimCloud) -> dict[str, Any]:
    now = cloud.clock()
    offer = cloud.catalog.types[machine.type_name]
    started = machine.boots_at <= now
    return {
        "InstanceId": machine.machine_id,
        "InstanceName": machine.name,
        "RegionId": machine.region,
        "ZoneId": machine.zone,
        "Status": STATUS[machine.state(now)],
        "InstanceType": machine.type_name,
        "InstanceTypeFamily": offer.family,
        "Cpu": offer.cores,
        "Memory": int(offer.memory_gib * 1024),
        "ImageId": machine.image_id,
        "CreationTime": minutes(machine.created_at),
        "StartTime": minutes(machine.boots_at) if started else "",
        "InstanceChargeType": "PrePaid" if machine.prepaid(now) else "PostPaid",
        "ExpiredTime": minutes(machine.expires_at) if machine.prepaid(now) and machine.expires_at else NEVER,
        "DeletionProtection": machine.protected,
        "InternetMaxBandwidthOut": machine.bandwidth,
        "VpcAttributes": {
            "VpcId": machine.vpc_id,
            "VSwitchId": machine.subnet_id,
            "PrivateIpAddress": {"IpAddress": [machine.private_ip]},
        },
        "PublicIpAddress": {"IpAddress": [machine.public_ip] if machine.public_ip else []},
        "SecurityGroupIds": {"SecurityGroupId": machine.group_ids},
        "Tags": {"Tag": [{"TagKey": key, "TagValue": value} for key, value in machine.tags.items()]},
    }


ACTIONS: Mapping[str, Callable[[Call, SimCloud], dict[str, Any]]] = {
    "RunInstances": run_instances,
    "DescribeInstances": describe_instances,
    "DeleteInstances": delete_instances,
    "ModifyInstanceChargeType": modify_instance_charge_type,
}
