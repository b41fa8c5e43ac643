"""Machines of AWS: RunInstances, DescribeInstances, TerminateInstances."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bridgx_server.providers import answers
from bridgx_server.providers.aws.calls import PROVIDER, Calls, rows_in
from bridgx_server.providers.aws.errors import PROTECTED
from bridgx_server.providers.base import (
    CreatedMachines,
    CreateMachines,
    DeletedMachines,
    Disk,
    ErrorClass,
    Limits,
    Machine,
    MachineState,
    ProviderError,
)
from bridgx_server.providers.deletion import Deletion

# EC2 advises at most 100 a call to RunInstances, and a filter takes 200 values (API reference).
LIMITS = Limits(
    create_batch=100,
    describe_batch=100,
    delete_batch=100,
    network_tokens=False,
    vpc_prefix=(16, 28),
    subnet_prefix=(16, 28),
    create_api="RunInstances",
    delete_api="TerminateInstances",
)

# The words of the API and the volume types that are nearest to them; a type of EC2's own may be named as well.
VOLUMES: Mapping[str, str] = {
    "cloud_efficiency": "gp2",
    "cloud_ssd": "gp3",
    "cloud_essd": "gp3",
    "gp2": "gp2",
    "gp3": "gp3",
    "standard": "standard",
    "st1": "st1",
    "sc1": "sc1",
}
DATA_ONLY = ("st1", "sc1")
SMALLEST_THROUGHPUT_VOLUME = 125  # GiB, of st1 and sc1
LARGEST_VOLUME = 16384  # GiB, of gp2, gp3, st1 and sc1
MOST_DATA_DISKS = 11  # /dev/sdf to /dev/sdp, the names that EC2 recommends for volumes
USER_DATA_LIMIT = 16 * 1024  # bytes

STATES: Mapping[str, MachineState] = {
    "pending": MachineState.PENDING,
    "running": MachineState.RUNNING,
    "stopping": MachineState.STOPPED,
    "stopped": MachineState.STOPPED,
    "shutting-down": MachineState.DELETING,
    "terminated": MachineState.DELETED,
}


def check(request: CreateMachines) -> None:
    """Refuses what EC2 cannot do, without calling it; raises INVALID_PARAMETER."""
    if request.charge.charge_type != "PostPaid":
        raise _invalid("charge_config.charge_type", f"must be PostPaid: {PROVIDER} sells no packages paid ahead")
    _check_disk("disks.system_disk", request.system_disk, root=True)
    if len(request.data_disks) > MOST_DATA_DISKS:
        raise _invalid("disks.data_disk", f"takes at most {MOST_DATA_DISKS} disks on {PROVIDER}")
    for index, disk in enumerate(request.data_disks):
        _check_disk(f"disks.data_disk[{index}]", disk, root=False)
    for key, value in request.tags.items():
        if key.lower().startswith("aws:") or len(value) > 255:
            raise _invalid("tags", f"{key}: keys must not begin with aws:, values have at most 255 characters")


def create(calls: Calls, request: CreateMachines) -> CreatedMachines:
    """Creates the machines; fewer where the capacity does not hold them all."""
    answer = calls.ec2(request.region_id, "run_instances", **_parameters(calls, request))
    request_id = str(answer.get("ResponseMetadata", {}).get("RequestId", ""))
    made = (row["InstanceId"] for row in answer.get("Instances", ()))
    ids = answers.machines_in(PROVIDER, "run_instances", made, request_id)
    shortfall = None
    if len(ids) < request.count:
        shortfall = ProviderError(
            ErrorClass.OUT_OF_STOCK,
            f"{PROVIDER} had {len(ids)} of {request.count} machines of {request.instance_type} in {request.zone_id}.",
            provider=PROVIDER,
            operation="run_instances",
            request_id=request_id,
        )
    return CreatedMachines(ids, request_id, shortfall)


def dry_run(calls: Calls, request: CreateMachines) -> bool:
    """Asks whether the machines could be created. Success comes as the error DryRunOperation."""
    try:
        calls.ec2(request.region_id, "run_instances", **_parameters(calls, request), DryRun=True)
    except ProviderError as error:
        if error.vendor_code != "DryRunOperation":
            raise
    return True


def describe(calls: Calls, region_id: str, instance_ids: Sequence[str]) -> list[Machine]:
    # By filter: one unknown id would fail a call by ids, and a young machine is unknown for a while.
    return _found(calls, region_id, [{"Name": "instance-id", "Values": list(instance_ids)}]) if instance_ids else []


def find(calls: Calls, region_id: str, tags: Mapping[str, str]) -> list[Machine]:
    return _found(calls, region_id, [{"Name": f"tag:{key}", "Values": [value]} for key, value in tags.items()])


def delete(calls: Calls, region_id: str, instance_ids: Sequence[str]) -> DeletedMachines:
    """Terminates. One that is unknown or protected fails the call, and is named: the others are asked for anew.

    In a call over several zones, those in zones without a protected one are terminated all the same (TerminateInstances).
    """
    with Deletion(PROVIDER, {PROTECTED}) as deletion:
        deletion.each_for_itself(
            list(dict.fromkeys(instance_ids)),
            lambda part: calls.ec2(region_id, "terminate_instances", InstanceIds=part),
        )
    return deletion.result()


def _parameters(calls: Calls, request: CreateMachines) -> dict[str, Any]:
    # AWS has no field for a machine's name: it is the tag `Name`, and one that the template has is the one that is wanted.
    tags = [{"Key": key, "Value": value} for key, value in {"Name": request.name, **request.tags}.items()]
    root = calls.root_device(request.region_id, request.image_id)
    disks = [_mapping(root, request.system_disk)]
    disks += [_mapping(f"/dev/sd{chr(ord('f') + index)}", disk) for index, disk in enumerate(request.data_disks)]
    return {
        "ImageId": request.image_id,
        "InstanceType": request.instance_type,
        "MinCount": min(request.min_count, request.count),
        "MaxCount": request.count,
        "ClientToken": request.token,
        "Placement": {"AvailabilityZone": request.zone_id},
        "NetworkInterfaces": [
            {
                "DeviceIndex": 0,
                "SubnetId": request.subnet_id,
                "Groups": [request.security_group_id],
                "AssociatePublicIpAddress": request.bandwidth_mbps > 0,
            }
        ],
        "BlockDeviceMappings": disks,
        "UserData": _user_data(request.password),
        "TagSpecifications": [
            {"ResourceType": "instance", "Tags": tags},
            {"ResourceType": "volume", "Tags": tags},
        ],
    }


def _user_data(password: str) -> str:
    """EC2 has no password parameter: cloud-init sets that of the image's default user. JSON is YAML, safely quoted."""
    settings = {"password": password, "chpasswd": {"expire": False}, "ssh_pwauth": True}
    return f"#cloud-config\n{json.dumps(settings)}\n"


def _mapping(device: str, disk: Disk) -> dict[str, Any]:
    return {
        "DeviceName": device,
        "Ebs": {"VolumeType": VOLUMES[disk.category], "VolumeSize": disk.size_gib, "DeleteOnTermination": True},
    }


def _found(calls: Calls, region_id: str, filters: list[dict[str, Any]]) -> list[Machine]:
    reservations = calls.pages(region_id, "describe_instances", "Reservations", 1000, Filters=filters)
    return [
        _machine(row) for reservation in reservations for row in rows_in("describe_instances", reservation, "Instances")
    ]


def _machine(row: dict[str, Any]) -> Machine:
    state = STATES.get(row["State"]["Name"], MachineState.PENDING)
    reason = row.get("StateReason", {})
    return Machine(
        instance_id=row["InstanceId"],
        state=state,
        instance_type=row.get("InstanceType", ""),
        zone_id=row.get("Placement", {}).get("AvailabilityZone", ""),
        private_ip=row.get("PrivateIpAddress") or "",
        public_ip=row.get("PublicIpAddress") or "",
        created_at=row.get("LaunchTime"),
        # LaunchTime is when the launch was asked for, not when the machine ran.
        started_at=None,
        ended_at=_ended_at(row.get("StateTransitionReason") or "") if state is MachineState.DELETED else None,
        reason=str(reason.get("Message", "")),
        tags={tag["Key"]: tag["Value"] for tag in row.get("Tags", [])},
        charge_type="PostPaid",
    )


def _ended_at(reason: str) -> datetime | None:
    """When termination began, which is what EC2 bills until: it says so in words alone."""
    told = re.search(r"\((\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) GMT\)", reason)
    return datetime.strptime(told[1], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC) if told else None


def _check_disk(field: str, disk: Disk, *, root: bool) -> None:
    volume = VOLUMES.get(disk.category)
    if volume is None or (root and volume in DATA_ONLY):
        known = [word for word, kind in VOLUMES.items() if not (root and kind in DATA_ONLY)]
        raise _invalid(f"{field}.category", f"must be one of {', '.join(known)} on {PROVIDER}")
    least = SMALLEST_THROUGHPUT_VOLUME if volume in DATA_ONLY else 1
    most = 1024 if volume == "standard" else LARGEST_VOLUME
    if not least <= disk.size_gib <= most:
        raise _invalid(f"{field}.size", f"must be from {least} to {most} GiB for {disk.category} on {PROVIDER}")


def _invalid(field: str, message: str) -> ProviderError:
    return ProviderError(
        ErrorClass.INVALID_PARAMETER, message, provider=PROVIDER, operation="check_machines", field=field
    )
