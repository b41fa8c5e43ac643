"""Machines of Alibaba Cloud: RunInstances, DescribeInstances."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from alibabacloud_ecs20140526 import models

from bridgx_server.providers import answers
from bridgx_server.providers.alibaba.calls import Calls
from bridgx_server.providers.alibaba.failures import PROVIDER
from bridgx_server.providers.alibaba.networks import moment
from bridgx_server.providers.alibaba.paging import by_token, rows_in
from bridgx_server.providers.base import (
    CreatedMachines,
    CreateMachines,
    ErrorClass,
    Limits,
    Machine,
    MachineState,
    ProviderError,
)

# RunInstances, DescribeInstances and DeleteInstances take 100 each (API reference).
LIMITS = Limits(
    create_batch=100,
    describe_batch=100,
    delete_batch=100,
    vpc_prefix=(8, 24),
    subnet_prefix=(16, 29),
    create_api="RunInstances",
    delete_api="DeleteInstances",
    prepaid_release=(
        "It is converted to pay-as-you-go and deleted: the difference of price comes back, as long as the account's quota of "
        "refunds of the month lasts; vouchers are lost."
    ),
)

MACHINES_A_PAGE = 100

STATES: Mapping[str, MachineState] = {
    "Pending": MachineState.PENDING,
    "Starting": MachineState.PENDING,
    "Running": MachineState.RUNNING,
    "Stopping": MachineState.STOPPED,
    "Stopped": MachineState.STOPPED,
}


def create(calls: Calls, request: CreateMachines) -> CreatedMachines:
    """Creates the machines; fewer where the stock does not hold them all."""
    body = calls.ecs(request.region_id, "run_instances", _run_request(request))
    made = (body.instance_id_sets.instance_id_set if body.instance_id_sets else None) or ()
    ids = answers.machines_in(PROVIDER, "run_instances", made, body.request_id or "")
    shortfall = None
    if len(ids) < request.count:
        shortfall = ProviderError(
            ErrorClass.OUT_OF_STOCK,
            f"{PROVIDER} had {len(ids)} of {request.count} machines of {request.instance_type} in {request.zone_id}.",
            provider=PROVIDER,
            operation="run_instances",
            request_id=body.request_id or "",
        )
    return CreatedMachines(ids, body.request_id or "", shortfall)


def dry_run(calls: Calls, request: CreateMachines) -> bool:
    """Asks whether the machines could be created. Success comes as the error DryRunOperation."""
    question = _run_request(request)
    question.dry_run = True
    # The token stands for the real call alone.
    question.client_token = None
    try:
        calls.ecs(request.region_id, "run_instances", question)
    except ProviderError as error:
        if error.vendor_code != "DryRunOperation":
            raise
    return True


def describe(calls: Calls, region_id: str, instance_ids: Sequence[str]) -> list[Machine]:
    if not instance_ids:
        return []
    return _machines(calls, region_id, {"instance_ids": json.dumps(list(instance_ids))})


def find(calls: Calls, region_id: str, tags: Mapping[str, str]) -> list[Machine]:
    wanted = [models.DescribeInstancesRequestTag(key=key, value=value) for key, value in tags.items()]
    return _machines(calls, region_id, {"tag": wanted or None})


def _run_request(request: CreateMachines) -> Any:
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
        tag=[models.RunInstancesRequestTag(key=key, value=value) for key, value in request.tags.items()] or None,
        client_token=request.token,
    )


def rows(calls: Calls, region_id: str, filters: Mapping[str, Any]) -> list[Any]:
    """What DescribeInstances says of the machines that pass the filters, all pages."""

    def page(token: str | None) -> tuple[list[Any], str | None]:
        request = models.DescribeInstancesRequest(
            region_id=region_id, max_results=MACHINES_A_PAGE, next_token=token, **filters
        )
        body = calls.ecs(region_id, "describe_instances", request)
        return rows_in("describe_instances", body.instances, "instance"), body.next_token

    return list({row.instance_id: row for row in by_token("describe_instances", page)}.values())


def _machines(calls: Calls, region_id: str, filters: Mapping[str, Any]) -> list[Machine]:
    return [_machine(row) for row in rows(calls, region_id, filters)]


def _machine(row: Any) -> Machine:
    vpc, elastic = row.vpc_attributes, row.eip_address
    private = (vpc.private_ip_address.ip_address if vpc and vpc.private_ip_address else None) or []
    public = (row.public_ip_address.ip_address if row.public_ip_address else None) or []
    locks = (row.operation_locks.lock_reason if row.operation_locks else None) or []
    reasons = [lock.lock_reason for lock in locks if lock.lock_reason]
    return Machine(
        instance_id=row.instance_id,
        # Recycling: the cloud takes a machine back; it ends whatever its status still says.
        state=MachineState.DELETING if "Recycling" in reasons else STATES.get(row.status, MachineState.PENDING),
        instance_type=row.instance_type or "",
        zone_id=row.zone_id or "",
        private_ip=private[0] if private else "",
        public_ip=public[0] if public else (elastic.ip_address or "" if elastic else ""),
        created_at=moment(row.creation_time),
        # StartTime is cut to the minute, and may lie before the machine was asked for: when it was seen to run is nearer.
        started_at=None,
        reason="" if row.status in STATES and not reasons else ", ".join(["status " + str(row.status), *reasons]),
        tags={tag.tag_key: tag.tag_value or "" for tag in (row.tags.tag if row.tags else None) or []},
        charge_type=row.instance_charge_type or "",
        # One that is paid by use is given a time far away.
        expires_at=moment(row.expired_time) if row.instance_charge_type == "PrePaid" else None,
    )
