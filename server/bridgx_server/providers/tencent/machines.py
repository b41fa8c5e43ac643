"""Machines: CVM instances."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bridgx_server.providers import answers
from bridgx_server.providers.base import CreatedMachines, CreateMachines, Machine, MachineState
from bridgx_server.providers.errors import ErrorClass, ProviderError
from bridgx_server.providers.tencent import specification, words
from bridgx_server.providers.tencent.calls import Calls, among
from bridgx_server.providers.tencent.errors import PROVIDER

MOST_FILTERS = 10
PREPAID = "PREPAID"
DRY_RUN = "DryRunOperation"


class Machines:
    """The part of a Provider that makes and deletes machines."""

    _calls: Calls

    def check_machines(self, request: CreateMachines) -> None:
        specification.check(request)

    def dry_run_machines(self, request: CreateMachines) -> bool:
        """Asks whether the machines could be created. The token stands for the real call alone."""
        self.check_machines(request)
        question = {**_order(request), "DryRun": True}
        del question["ClientToken"]
        try:
            self._calls.cvm(request.region_id, "RunInstances", **question)
        except ProviderError as error:
            if error.vendor_code != DRY_RUN:
                raise
        return True

    def create_machines(self, request: CreateMachines) -> CreatedMachines:
        """All the machines or none. Some of the ids may come to nothing later: they are shown as failed."""
        self.check_machines(request)
        answer = self._calls.cvm(request.region_id, "RunInstances", **_order(request))
        request_id = str(answer.get("RequestId") or "")
        ids = answers.machines_in(PROVIDER, "RunInstances", answer.get("InstanceIdSet") or (), request_id)
        shortfall = None
        if len(ids) < request.count:
            shortfall = ProviderError(
                ErrorClass.OUT_OF_STOCK,
                f"{PROVIDER} gave {len(ids)} of {request.count} machines of {request.instance_type} in {request.zone_id}.",
                provider=PROVIDER,
                operation="RunInstances",
                request_id=request_id,
            )
        return CreatedMachines(ids, request_id, shortfall)

    def describe_machines(self, region_id: str, instance_ids: Sequence[str]) -> list[Machine]:
        return [_machine(row) for row in self._rows(region_id, instance_ids)]

    def find_machines(self, region_id: str, tags: Mapping[str, str]) -> list[Machine]:
        filters = [{"Name": f"tag:{key}", "Values": [value]} for key, value in tags.items()][:MOST_FILTERS]
        listed = self._list(region_id, **({"Filters": filters} if filters else {}))
        found = [_machine(row) for row in listed]
        return [machine for machine in found if tags.items() <= machine.tags.items()]

    def _rows(self, region_id: str, instance_ids: Iterable[str]) -> list[dict[str, Any]]:
        def fetch(ids: list[str]) -> list[dict[str, Any]]:
            return [row for row in self._list(region_id, InstanceIds=ids) if row["InstanceId"] in ids]

        return among(list(dict.fromkeys(instance_ids)), fetch)

    def _list(self, region_id: str, **parameters: Any) -> list[dict[str, Any]]:
        return self._calls.cvm_pages(region_id, "DescribeInstances", "InstanceSet", "InstanceId", **parameters)


def _order(request: CreateMachines) -> dict[str, Any]:
    prepaid = request.charge.charge_type == "PrePaid"
    order: dict[str, Any] = {
        "InstanceChargeType": words.CHARGES[request.charge.charge_type],
        "Placement": {"Zone": request.zone_id},
        "InstanceType": request.instance_type,
        "ImageId": request.image_id,
        "SystemDisk": {
            "DiskType": words.disk_of(request.system_disk.category),
            "DiskSize": request.system_disk.size_gib,
        },
        "VirtualPrivateCloud": {"VpcId": request.vpc_id, "SubnetId": request.subnet_id},
        "SecurityGroupIds": [request.security_group_id],
        "InternetAccessible": {"InternetMaxBandwidthOut": 0, "PublicIpAssigned": False},
        "InstanceCount": request.count,
        # Several are numbered: web-1, web-2 …
        "InstanceName": f"{request.name}-{{R:1}}" if request.count > 1 else request.name,
        "LoginSettings": {"Password": request.password},
        "ClientToken": request.token,
    }
    if prepaid:
        order["InstanceChargePrepaid"] = {"Period": request.charge.period, "RenewFlag": "NOTIFY_AND_MANUAL_RENEW"}
    if request.bandwidth_mbps:
        order["InternetAccessible"] = {
            "InternetChargeType": words.internet_charge(request.internet_charge_type, prepaid=prepaid),
            "InternetMaxBandwidthOut": request.bandwidth_mbps,
            "PublicIpAssigned": True,
        }
    if request.data_disks:
        order["DataDisks"] = [
            {"DiskType": words.disk_of(disk.category), "DiskSize": disk.size_gib, "DeleteWithInstance": True}
            for disk in request.data_disks
        ]
    if request.tags:
        tags = [{"Key": key, "Value": value} for key, value in request.tags.items()]
        order["TagSpecification"] = [{"ResourceType": "instance", "Tags": tags}]
    return order


def _machine(row: dict[str, Any]) -> Machine:
    state = words.state_of(row.get("InstanceState") or "")
    private, public = row.get("PrivateIpAddresses") or [], row.get("PublicIpAddresses") or []
    reason = ""
    if state is MachineState.FAILED:
        reason = str(row.get("LatestOperationErrorMsg") or "the cloud could not create the machine")
    return Machine(
        instance_id=row["InstanceId"],
        state=state,
        instance_type=row.get("InstanceType") or "",
        zone_id=(row.get("Placement") or {}).get("Zone") or "",
        private_ip=private[0] if private else "",
        public_ip=public[0] if public else "",
        created_at=words.moment(row.get("CreatedTime")),
        reason=reason,
        tags={tag["Key"]: tag.get("Value") or "" for tag in row.get("Tags") or ()},
        charge_type="PrePaid" if row.get("InstanceChargeType") == PREPAID else "PostPaid",
        expires_at=words.moment(row.get("ExpiredTime")),
    )
