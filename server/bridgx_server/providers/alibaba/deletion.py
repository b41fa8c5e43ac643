"""Machines of Alibaba Cloud deleted, and converted to pay-as-you-go first where they are paid for in advance."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from alibabacloud_ecs20140526 import models

from bridgx_server.providers.alibaba import machines
from bridgx_server.providers.alibaba.calls import Calls
from bridgx_server.providers.alibaba.errors import REFUND_QUOTA
from bridgx_server.providers.alibaba.failures import PROVIDER
from bridgx_server.providers.alibaba.networks import moment
from bridgx_server.providers.base import DeletedMachines
from bridgx_server.providers.deletion import Deletion, not_released
from bridgx_server.providers.errors import ErrorClass

CONVERTED = 20  # instances in one ModifyInstanceChargeType (API reference)
# Refusals of DeleteInstances for one machine, by codes whose class otherwise concerns the whole call.
ABOUT_ONE = ("InvalidOperation.DeletionProtection", "InvalidOperation.NotInWhiteList", "InstanceLockedForSecurity")


def utc_now() -> datetime:
    return datetime.now(UTC)


def delete(
    calls: Calls,
    region_id: str,
    instance_ids: Sequence[str],
    *,
    release_prepaid: bool,
    now: Callable[[], datetime] = utc_now,
) -> DeletedMachines:
    """Deletes machines, running ones too.

    One that does not exist, is protected or has not expired fails the whole call: the machines are then told apart by
    the cloud's list. Those paid for in advance are converted on demand, which is an order that billing follows late:
    until then they are refused as CONFLICT, and a repetition finishes it ("Release an instance" of the ECS documentation).
    """
    with Deletion(PROVIDER, ABOUT_ONE, {REFUND_QUOTA}) as deletion:
        _delete(calls, region_id, deletion, list(dict.fromkeys(instance_ids)), release_prepaid, now())
    return deletion.result()


def _delete(
    calls: Calls, region_id: str, deletion: Deletion, ids: list[str], release_prepaid: bool, now: datetime
) -> None:
    def send(part: list[str]) -> None:
        # No client token: under one, a refusal would be answered again when the reason for it has gone.
        request = models.DeleteInstancesRequest(
            region_id=region_id, instance_id=part, force=True, terminate_subscription=True
        )
        calls.ecs(region_id, "delete_instances", request)

    def convert(part: list[str]) -> None:
        request = models.ModifyInstanceChargeTypeRequest(
            region_id=region_id, instance_ids=json.dumps(part), instance_charge_type="PostPaid", auto_pay=True
        )
        calls.ecs(region_id, "modify_instance_charge_type", request)

    if not ids:
        return
    refusal = deletion.at_once(ids, send)
    if refusal is None:
        return
    rows = {row.instance_id: row for row in machines.rows(calls, region_id, {"instance_ids": json.dumps(ids)})}
    protected = [key for key in ids if key in rows and rows[key].deletion_protection]
    paid = [key for key in ids if key in rows and key not in set(protected) and _is_paid(rows[key], now)]
    others = [key for key in ids if key in rows and key not in {*protected, *paid}]
    absent = [key for key in ids if key not in rows]
    for key in protected:
        why = "the cloud's own deletion protection is on for the machine"
        deletion.refuse(key, ErrorClass.PERMISSION_DENIED, why, "delete_instances")
    if ids in (others, absent) and len(ids) == 1:
        deletion.settle(ids, refusal)  # it has been asked for by itself just now
        return
    deletion.each_for_itself(others, send)
    deletion.alike(absent, send)
    if release_prepaid:
        converted = deletion.each_for_itself(paid, convert, batch=CONVERTED)
        deletion.each_for_itself(converted, send, soft=True)
    else:
        for key in paid:
            deletion.settle([key], not_released(PROVIDER, "delete_instances", moment(rows[key].expired_time)))


def _is_paid(row: Any, now: datetime) -> bool:
    """Whether it is a subscription that has not expired."""
    ends = moment(row.expired_time)
    return row.instance_charge_type == "PrePaid" and (ends is None or ends > now)
