"""Machines of Alibaba Cloud: RunInstances, DescribeInstances, DeleteInstances."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from alibabacloud_ecs20140526 import models

from bridgx_server.providers.alibaba.calls import PROVIDER, Calls
from bridgx_server.providers.alibaba.networks import moment
from bridgx_server.providers.base import (
    CreatedMachines,
    CreateMachines,
    Disk,
    ErrorClass,
    Limits,
    Machine,
    MachineState,
    ProviderError,
)

# RunInstances, DescribeInstances and DeleteInstances take 100 each (API reference).
LIMITS = Limits(create_batch=100, describe_batch=100, delete_batch=100, vpc_prefix=(8, 24), subnet_prefix=(16, 29))

DISKS = frozenset({"cloud", "cloud_efficiency", "cloud_ssd", "cloud_essd", "cloud_auto", "cloud_essd_entry"})
SYSTEM_DISK_GIB = (20, 2048)
MOST_TAGS = 20

STATES: Mapping[str, MachineState] = {
    "Pending": MachineState.PENDING,
    "Starting": MachineState.PENDING,
    "Running": MachineState.RUNNING,
    "Stopping": MachineState.STOPPED,
    "Stopped": MachineState.STOPPED,
}


def check(request: CreateMachines) -> None:
    """Refuses what RunInstances would, without calling it; raises INVALID_PARAMETER."""
    _check_disk("disks.system_disk", request.system_disk)
    low, high = SYSTEM_DISK_GIB
    if not low <= request.system_disk.size_gib <= high:
        raise _invalid("disks.system_disk.size", f"must be from {low} to {high} GiB on {PROVIDER}")
    for index, disk in enumerate(request.data_disks):
        _check_disk(f"disks.data_disk[{index}]", disk)
    kinds = (r"[a-z]", r"[A-Z]", r"[0-9]", r"[()`~!@#$%^&*_\-+=|{}\[\]:;'<>,.?/]")
    if not 8 <= len(request.password) <= 30 or sum(bool(re.search(kind, request.password)) for kind in kinds) < 3:
        raise _invalid(
            "password",
            f"must have 8 to 30 characters of three of these kinds on {PROVIDER}: small letters, capitals, digits, marks",
        )
    if len(request.tags) > MOST_TAGS:
        raise _invalid("tags", f"a machine takes at most {MOST_TAGS} tags on {PROVIDER}, ours included")
    for key in request.tags:
        if key.lower().startswith(("aliyun", "acs:")):
            raise _invalid("tags", f"{key} must not begin with aliyun or acs:")


def create(calls: Calls, request: CreateMachines, *, dry_run: bool = False) -> CreatedMachines:
    """Creates the machines; fewer where the stock does not hold them all."""
    body = calls.ecs(request.region_id, "run_instances", _run_request(request, dry_run))
    ids = tuple(body.instance_id_sets.instance_id_set)
    shortfall = None
    if len(ids) < request.count:
        shortfall = ProviderError(
            ErrorClass.OUT_OF_STOCK,
            f"{PROVIDER} had {len(ids)} of {request.count} machines of {request.instance_type} in {request.zone_id}.",
            provider=PROVIDER,
            operation="run_instances",
            request_id=body.request_id,
        )
    return CreatedMachines(ids, body.request_id, shortfall)


def dry_run(calls: Calls, request: CreateMachines) -> bool:
    """Asks whether the machines could be created. Success comes as the error DryRunOperation."""
    try:
        create(calls, request, dry_run=True)
    except ProviderError as error:
        if error.vendor_code != "DryRunOperation":
            raise
    return True


def describe(calls: Calls, region_id: str, instance_ids: Sequence[str]) -> list[Machine]:
    if not instance_ids:
        return []
    return _pages(calls, region_id, {"instance_ids": json.dumps(list(instance_ids))})


def find(calls: Calls, region_id: str, tags: Mapping[str, str]) -> list[Machine]:
    wanted = [models.DescribeInstancesRequestTag(key=key, value=value) for key, value in tags.items()]
    return _pages(calls, region_id, {"tag": wanted})


def delete(calls: Calls, region_id: str, instance_ids: Sequence[str]) -> None:
    """Deletes running machines too. One id that is gone fails the call, so those that are left are asked for anew."""
    left = list(instance_ids)
    for _ in range(3):
        if not left:
            return
        request = models.DeleteInstancesRequest(region_id=region_id, instance_id=left, force=True)
        try:
            calls.ecs(region_id, "delete_instances", request)
        except ProviderError as error:
            if error.kind is not ErrorClass.NOT_FOUND:
                raise
            there = {machine.instance_id for machine in describe(calls, region_id, left)}
            if len(there) == len(left):
                raise  # it says that one is not there, and shows them all
            left = [instance_id for instance_id in left if instance_id in there]
        else:
            return
    raise ProviderError(
        ErrorClass.CONFLICT, "machines go away while they are being deleted", provider=PROVIDER, operation="delete"
    )


def _run_request(request: CreateMachines, dry_run: bool) -> Any:
    prepaid = request.charge.charge_type == "PrePaid"
    return models.RunInstancesRequest(
        region_id=request.region_id,
        zone_id=request.zone_id,
        instance_type=request.instance_type,
        image_id=request.image_id,
        v_switch_id=request.subnet_id,
        security_group_id=request.security_group_id,
        amount=request.count,
        min_amount=min(request.min_count, request.count),
        instance_name=request.name,
        password=request.password,
        system_disk=models.RunInstancesRequestSystemDisk(
            category=request.system_disk.category, size=str(request.system_disk.size_gib)
        ),
        data_disk=[
            models.RunInstancesRequestDataDisk(category=disk.category, size=disk.size_gib, delete_with_instance=True)
            for disk in request.data_disks
        ]
        or None,
        instance_charge_type=request.charge.charge_type,
        period=request.charge.period if prepaid else None,
        period_unit=request.charge.period_unit if prepaid else None,
        auto_pay=True if prepaid else None,
        auto_renew=False if prepaid else None,
        internet_max_bandwidth_out=request.bandwidth_mbps or None,
        internet_charge_type=request.internet_charge_type if request.bandwidth_mbps else None,
        tag=[models.RunInstancesRequestTag(key=key, value=value) for key, value in request.tags.items()],
        client_token=request.token,
        dry_run=True if dry_run else None,
        unique_suffix=True,
    )


def _pages(calls: Calls, region_id: str, filters: Mapping[str, Any]) -> list[Machine]:
    found: list[Machine] = []
    token: str | None = None
    while True:
        request = models.DescribeInstancesRequest(region_id=region_id, max_results=100, next_token=token, **filters)
        body = calls.ecs(region_id, "describe_instances", request)
        found.extend(_machine(row) for row in body.instances.instance)
        token = body.next_token
        if not token:
            return found


def _machine(row: Any) -> Machine:
    private = row.vpc_attributes.private_ip_address.ip_address if row.vpc_attributes else []
    public = row.public_ip_address.ip_address if row.public_ip_address else []
    state = STATES.get(row.status, MachineState.PENDING)
    return Machine(
        instance_id=row.instance_id,
        state=state,
        instance_type=row.instance_type or "",
        zone_id=row.zone_id or "",
        private_ip=private[0] if private else "",
        public_ip=public[0] if public else "",
        created_at=moment(row.creation_time),
        # StartTime is to the minute; the moment at which it was seen to run is nearer the truth.
        started_at=None,
        tags={tag.tag_key: tag.tag_value for tag in (row.tags.tag if row.tags else [])},
    )


def _check_disk(field: str, disk: Disk) -> None:
    if disk.category not in DISKS:
        raise _invalid(f"{field}.category", f"must be one of {', '.join(sorted(DISKS))} on {PROVIDER}")


def _invalid(field: str, message: str) -> ProviderError:
    return ProviderError(
        ErrorClass.INVALID_PARAMETER, message, provider=PROVIDER, operation="check_machines", field=field
    )
