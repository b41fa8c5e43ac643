"""Machines: BCC instances."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from baidubce.services.bcc import bcc_model

from bridgx_server.providers import answers
from bridgx_server.providers.baidu import words
from bridgx_server.providers.baidu.calls import Calls, among, pages
from bridgx_server.providers.baidu.errors import PROVIDER, invalid
from bridgx_server.providers.base import CreatedMachines, CreateMachines, Disk, Machine, MachineState
from bridgx_server.providers.errors import ProviderError

# "Create an instance" of the BCC API reference and its appendix.
PASSWORD = re.compile(r"(?=.*[A-Za-z])(?=.*[0-9])(?=.*[!@#$%^*()])[A-Za-z0-9!@#$%^*()]{8,16}")
MONTHS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 24, 36)
SYSTEM_DISK_GIB = (10, 2048)
DATA_DISK_GIB = (1, 5120)
BANDWIDTH_MBPS = 200
PURCHASE = 20  # machines a call; the reason stands in provider.py

PREPAID = "Prepaid"


class Machines:
    """The part of a Provider that makes and deletes machines."""

    _calls: Calls

    def check_machines(self, request: CreateMachines) -> None:
        if not 1 <= request.count <= PURCHASE:
            raise _refused(f"from 1 to {PURCHASE} machines can be asked for in one call", "count")
        if request.password and PASSWORD.fullmatch(request.password) is None:
            raise _refused(
                "Baidu wants 8 to 16 characters with letters, digits and at least one of !@#$%^*() and nothing else",
                "password",
            )
        _check_charge(request)
        _check_disk(request.system_disk, "system_disk", SYSTEM_DISK_GIB)
        for index, disk in enumerate(request.data_disks):
            _check_disk(disk, f"data_disk[{index}]", DATA_DISK_GIB)
        if not 0 <= request.bandwidth_mbps <= BANDWIDTH_MBPS:
            raise _refused(
                f"Baidu gives a machine from 0 to {BANDWIDTH_MBPS} Mbit/s",
                "network_config.internet_max_bandwidth_out",
            )

    def dry_run_machines(self, request: CreateMachines) -> bool:
        """False: Baidu has no dry run."""
        return False

    def create_machines(self, request: CreateMachines) -> CreatedMachines:
        self.check_machines(request)
        prepaid = request.charge.charge_type == "PrePaid"
        body, request_id = self._calls.bcc_with_request_id(
            request.region_id,
            "create_instance_by_spec",
            request.instance_type,
            request.image_id,
            root_disk_size_in_gb=request.system_disk.size_gib,
            root_disk_storage_type=words.disk_of(request.system_disk.category),
            create_cds_list=[
                bcc_model.CreateCdsModel(disk.size_gib, words.disk_of(disk.category)) for disk in request.data_disks
            ],
            network_capacity_in_mbps=request.bandwidth_mbps,
            internet_charge_type=words.internet_charge(request.internet_charge_type, prepaid=prepaid)
            if request.bandwidth_mbps
            else None,
            purchase_count=request.count,
            name=request.name,
            admin_pass=request.password or None,
            # Never left out: the SDK's default is one object that all calls share.
            billing=bcc_model.Billing(
                PREPAID if prepaid else "Postpaid", request.charge.period if prepaid else 1, "Month"
            ),
            zone_name=request.zone_id,
            subnet_id=request.subnet_id,
            security_group_id=request.security_group_id,
            tags=[bcc_model.TagModel(key, value) for key, value in request.tags.items()],
            cds_auto_renew=False,
            client_token=request.token,
        )
        ids = answers.machines_in(PROVIDER, "create_instance_by_spec", body.get("instanceIds") or (), request_id)
        return CreatedMachines(ids, request_id)

    def describe_machines(self, region_id: str, instance_ids: Sequence[str]) -> list[Machine]:
        return [_machine(row) for row in self._rows(region_id, instance_ids)]

    def find_machines(self, region_id: str, tags: Mapping[str, str]) -> list[Machine]:
        # Baidu joins several tags by "or", so one is asked for and the others are looked at here. A comma or a colon
        # in a tag would be taken for its syntax.
        asked = next((f"{key}:{value}" for key, value in tags.items() if not re.search("[,:]", key + value)), None)
        listed = pages(self._calls.bcc, region_id, "list_instances", "instances", tags=asked)
        found = [_machine(row) for row in listed]
        return [machine for machine in found if tags.items() <= machine.tags.items()]

    def _rows(self, region_id: str, instance_ids: Sequence[str]) -> list[dict[str, Any]]:
        def fetch(ids: list[str]) -> list[dict[str, Any]]:
            listed = pages(self._calls.bcc, region_id, "list_instances", "instances", instance_ids=",".join(ids))
            return [row for row in listed if row["id"] in ids]

        return among(list(dict.fromkeys(instance_ids)), fetch)


def _machine(row: dict[str, Any]) -> Machine:
    state = words.state_of(row.get("status") or "")
    return Machine(
        instance_id=row["id"],
        state=state,
        instance_type=row.get("spec") or row.get("instanceType") or "",
        zone_id=row.get("zoneName") or "",
        private_ip=row.get("internalIp") or "",
        public_ip=row.get("publicIp") or "",
        created_at=words.moment(row.get("createTime")),
        reason="the cloud could not start the machine" if state is MachineState.FAILED else "",
        tags={tag["tagKey"]: tag.get("tagValue") or "" for tag in row.get("tags") or ()},
        charge_type="PrePaid" if row.get("paymentTiming") == PREPAID else "PostPaid",
        expires_at=words.moment(row.get("expireTime")),
    )


def _check_charge(request: CreateMachines) -> None:
    charge = request.charge
    if charge.charge_type not in ("PostPaid", "PrePaid"):
        raise _refused("must be PostPaid or PrePaid", "charge_config.charge_type")
    if charge.charge_type == "PostPaid":
        return
    if charge.period_unit != "Month":
        raise _refused("Baidu sells prepaid machines by the month only: use Month", "charge_config.period_unit")
    if charge.period not in MONTHS:
        raise _refused(f"Baidu sells prepaid machines for {', '.join(map(str, MONTHS))} months", "charge_config.period")


def _check_disk(disk: Disk, field: str, sizes: tuple[int, int]) -> None:
    if not words.disk_of(disk.category):
        known = ", ".join([*words.DISKS, *sorted(words.OWN_DISKS)])
        raise _refused(f"{disk.category} is no disk of Baidu; there are {known}", f"disks.{field}.category")
    if not sizes[0] <= disk.size_gib <= sizes[1]:
        raise _refused(f"must be from {sizes[0]} to {sizes[1]} GiB on Baidu", f"disks.{field}.size")


def _refused(message: str, field: str) -> ProviderError:
    return invalid(message, field, "check_machines")
