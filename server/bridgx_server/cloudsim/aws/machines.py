"""RunInstances, DescribeInstances and TerminateInstances of EC2."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bridgx_server.cloudsim.aws.errors import Refused
from bridgx_server.cloudsim.aws.shapes import OWNER, filtered, page, refuse_dry_run, tag_list, tags_for
from bridgx_server.cloudsim.core import Order, SimCloud, fingerprint_of
from bridgx_server.cloudsim.entities import Machine
from bridgx_server.cloudsim.errors import Kind, SimError
from bridgx_server.cloudsim.front import Call

MOST_DELETED = 1000
USER_DATA_LIMIT = 16 * 1024  # bytes, before base64
VOLUMES = ("standard", "io1", "io2", "gp2", "gp3", "sc1", "st1")
STATES = {
    "pending": (0, "pending"),
    "running": (16, "running"),
    "failed": (48, "terminated"),
    "deleting": (32, "shutting-down"),
    "deleted": (48, "terminated"),
}


def run_instances(call: Call, cloud: SimCloud) -> dict[str, Any]:
    order = _order(call)
    if call.parameters.get("DryRun"):
        cloud.check_order(order)
        refuse_dry_run(call.parameters)
    made = cloud.create_machines(order, call.effects)
    return {
        "ReservationId": _reservation(made[0].machine_id),
        "OwnerId": OWNER,
        "Groups": [],
        "Instances": [_instance(machine, cloud) for machine in made],
    }


def describe_instances(call: Call, cloud: SimCloud) -> dict[str, Any]:
    parameters = call.parameters
    ids = parameters.get("InstanceIds", [])
    if ids and "MaxResults" in parameters:
        raise Refused(400, "InvalidParameterCombination", "The parameter instancesSet cannot be used with maxResults")
    rows = cloud.visible(call.account, call.region, call.effects, call.dropped)
    if ids:
        # A machine that a fault leaves out of the answer is not said to be unknown: it is only not shown.
        shown = {machine.machine_id: machine for machine in rows}
        known = {
            machine.machine_id
            for machine in cloud.visible(call.account, call.region, type(call.effects)(), call.dropped)
        }
        _refuse_unknown(ids, known)
        rows = [shown[machine_id] for machine_id in ids if machine_id in shown]
    known_filters = {
        "instance-id": lambda row: [row.machine_id],
        "instance-state-name": lambda row: [STATES[row.state(cloud.clock())][1]],
        "vpc-id": lambda row: [row.vpc_id],
        "subnet-id": lambda row: [row.subnet_id],
        "availability-zone": lambda row: [row.zone],
        "instance-type": lambda row: [row.type_name],
        "private-ip-address": lambda row: [row.private_ip],
    }
    rows = filtered(rows, parameters, known_filters, lambda row: row.tags)
    found, token = page(rows, parameters)
    return {
        "Reservations": [
            {
                "ReservationId": _reservation(machine.machine_id),
                "OwnerId": OWNER,
                "Groups": [],
                "Instances": [_instance(machine, cloud)],
            }
            for machine in found
        ],
        "NextToken": token,
    }


def terminate_instances(call: Call, cloud: SimCloud) -> dict[str, Any]:
    parameters = call.parameters
    ids = parameters["InstanceIds"]
    if len(ids) > MOST_DELETED:
        raise Refused(400, "InvalidParameterValue", f"At most {MOST_DELETED} instances may be given.")
    visible = cloud.visible(call.account, call.region, type(call.effects)(), call.dropped)
    known = {machine.machine_id: machine for machine in visible}
    _refuse_unknown(ids, set(known))
    refuse_dry_run(parameters)
    machines = [known[machine_id] for machine_id in dict.fromkeys(ids)]
    before = {machine.machine_id: STATES[machine.state(cloud.clock())] for machine in machines}
    protected = [machine for machine in machines if machine.protected]
    if protected:
        # The call fails, and those in zones without a protected one are terminated all the same (TerminateInstances).
        zones = {machine.zone for machine in protected}
        cloud.delete_machines([machine for machine in machines if machine.zone not in zones])
        message = (
            f"The instance '{protected[0].machine_id}' may not be terminated. Modify its 'disableApiTermination' "
            "instance attribute and try again."
        )
        raise Refused(400, "OperationNotPermitted", message)
    cloud.delete_machines(machines)
    return {
        "TerminatingInstances": [
            {
                "InstanceId": machine.machine_id,
                "PreviousState": _state(before[machine.machine_id]),
                "CurrentState": _state(STATES[machine.state(cloud.clock())]),
            }
            for machine in machines
        ]
    }


def _refuse_unknown(ids: Sequence[str], known: set[str]) -> None:
    malformed = [key for key in ids if not key.startswith("i-")]
    if malformed:
        raise Refused(400, "InvalidInstanceID.Malformed", f'Invalid id: "{malformed[0]}"')
    unknown = tuple(key for key in ids if key not in known)
    if unknown:
        raise SimError(Kind.NOT_FOUND, "", subject="machine", ids=unknown)


def _order(call: Call) -> Order:
    parameters = call.parameters
    least, most = parameters["MinCount"], parameters["MaxCount"]
    if least < 1 or most < least:
        raise Refused(400, "InvalidParameterValue", f"Value ({most}) for parameter maxCount is invalid.")
    for name in ("ImageId", "InstanceType"):
        if not parameters.get(name):
            raise Refused(400, "MissingParameter", f"The request must contain the parameter {name}")
    token = parameters.get("ClientToken", "")
    if len(token) > 64 or not token.isascii():
        raise Refused(400, "InvalidParameterValue", "ClientToken must have at most 64 ASCII characters.")
    subnet_id, groups, public = _network(parameters)
    _check_user_data(parameters.get("UserData"))
    zone = parameters.get("Placement", {}).get("AvailabilityZone", "")
    return Order(
        account=call.account,
        region=call.region,
        zone=zone,
        type_name=parameters["InstanceType"],
        image_id=parameters["ImageId"],
        subnet_id=subnet_id,
        group_ids=tuple(groups),
        count=most,
        min_count=least,
        name=tags_for(parameters, "instance").get("Name", ""),
        token=token,
        fingerprint=fingerprint_of(parameters, {"DryRun"}),
        bandwidth=1 if public else 0,
        disks=tuple(_disks(parameters)),
        tags=tags_for(parameters, "instance"),
    )


def _network(parameters: Mapping[str, Any]) -> tuple[str, list[str], bool]:
    interfaces = parameters.get("NetworkInterfaces", [])
    if not interfaces:
        if not parameters.get("SubnetId"):
            raise Refused(400, "MissingInput", "No subnets found for the default VPC. Please specify a subnet.")
        return parameters["SubnetId"], parameters.get("SecurityGroupIds", []), False
    if parameters.get("SubnetId") or parameters.get("SecurityGroupIds"):
        message = "Network interfaces and an instance-level subnet ID or security groups may not be specified on the same request"
        raise Refused(400, "InvalidParameterCombination", message)
    if len(interfaces) > 1 or interfaces[0].get("DeviceIndex") != 0 or not interfaces[0].get("SubnetId"):
        raise Refused(
            400, "InvalidParameterValue", "One network interface with DeviceIndex 0 and a subnet is expected."
        )
    first = interfaces[0]
    return first["SubnetId"], first.get("Groups", []), bool(first.get("AssociatePublicIpAddress"))


def _check_user_data(text: str | None) -> None:
    if text is None:
        return
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise Refused(400, "InvalidUserData.Malformed", "Invalid BASE64 encoding of user data.") from None
    if len(data) > USER_DATA_LIMIT:
        raise Refused(400, "InvalidParameterValue", "User data is limited to 16384 bytes")


def _disks(parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    disks = []
    for mapping in parameters.get("BlockDeviceMappings", []):
        volume = mapping.get("Ebs", {})
        kind, size = volume.get("VolumeType", "gp2"), volume.get("VolumeSize", 8)
        if kind not in VOLUMES:
            raise Refused(400, "InvalidParameterValue", f"Value ({kind}) for parameter volumeType is invalid.")
        if not 1 <= size <= 65536:
            raise Refused(400, "InvalidParameterValue", f"Volume of size {size}GB is invalid.")
        if not mapping.get("DeviceName"):
            raise Refused(400, "MissingParameter", "The request must contain the parameter DeviceName")
        disks.append({"kind": mapping["DeviceName"], "category": kind, "size": size})
    return disks


def _reservation(machine_id: str) -> str:
    return f"r-{machine_id[2:]}"


def _state(state: tuple[int, str]) -> dict[str, Any]:
    return {"Code": state[0], "Name": state[1]}


def _instance(machine: Machine, cloud: SimCloud) -> dict[str, Any]:
    state = machine.state(cloud.clock())
    reason = {"Code": "Server.InternalError", "Message": "Server.InternalError: Internal error on launch"}
    gone = state in ("deleting", "deleted", "failed")
    return {
        "InstanceId": machine.machine_id,
        "ImageId": machine.image_id,
        "InstanceType": machine.type_name,
        "State": _state(STATES[state]),
        "StateReason": reason if state == "failed" else None,
        "StateTransitionReason": _transition(machine) if gone else "",
        "LaunchTime": machine.created_at,
        "Placement": {"AvailabilityZone": machine.zone, "Tenancy": "default"},
        "PrivateIpAddress": None if gone else machine.private_ip,
        "PublicIpAddress": machine.public_ip if machine.public_ip and state == "running" else None,
        "SubnetId": None if gone else machine.subnet_id,
        "VpcId": None if gone else machine.vpc_id,
        "SecurityGroups": [{"GroupId": group_id} for group_id in machine.group_ids],
        "Tags": tag_list(machine.tags),
    }


def _transition(machine: Machine) -> str:
    if not machine.deleting_at:
        return "Server.InternalError"
    moment = datetime.fromtimestamp(machine.deleting_at, UTC)
    return f"User initiated ({moment:%Y-%m-%d %H:%M:%S} GMT)"


ACTIONS: Mapping[str, Callable[[Call, SimCloud], dict[str, Any]]] = {
    "RunInstances": run_instances,
    "DescribeInstances": describe_instances,
    "TerminateInstances": terminate_instances,
}
