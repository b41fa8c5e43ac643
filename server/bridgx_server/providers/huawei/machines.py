"""Machines: ECS instances."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from huaweicloudsdkecs import v2 as ecs

from bridgx_server.providers import answers
from bridgx_server.providers.base import CreatedMachines, CreateMachines, Disk, Machine, MachineState
from bridgx_server.providers.errors import ProviderError
from bridgx_server.providers.huawei import words
from bridgx_server.providers.huawei.calls import Calls, pages, rows_in
from bridgx_server.providers.huawei.errors import PROVIDER, invalid
from bridgx_server.providers.huawei.jobs import Jobs

PURCHASE = 100  # machines a create; the sources of these three stand in provider.py
DESCRIBE = 100  # ids
DELETE = 1000  # ids
PAGE = 1000  # rows of "Query details about ECSs"

# "Create an ECS" of the ECS API reference and its data structures.
PASSWORD = re.compile(r"[A-Za-z0-9!@$%^_=+\[{}\]:,./?~#*-]{8,26}")
PASSWORD_KINDS = (r"[A-Z]", r"[a-z]", r"[0-9]", r"[^A-Za-z0-9]")
MONTHS = tuple(range(1, 10))
YEARS = (1, 2, 3)
SYSTEM_DISK_GIB = (1, 1024)
DATA_DISK_GIB = (10, 32768)
DATA_DISKS = 59
BANDWIDTH_MBPS = 2000
TAGS = 10
TAG_KEY = re.compile(r"[^\x00-\x1f=*<>\\,|/]{1,36}")
TAG_VALUE = re.compile(r"[^\x00-\x1f=*<>\\,|]{0,43}")

PREPAID = "1"  # `charging_mode` of a machine's metadata


class Machines:
    """The part of a Provider that makes and deletes machines."""

    _calls: Calls
    _jobs: Jobs

    def check_machines(self, request: CreateMachines) -> None:
        if not 1 <= request.count <= PURCHASE:
            raise _refused(f"from 1 to {PURCHASE} machines can be asked for in one call", "count")
        if request.password:
            _check_password(request.password)
        _period(request)
        _check_disk(request.system_disk, "system_disk", SYSTEM_DISK_GIB)
        if len(request.data_disks) > DATA_DISKS:
            raise _refused(f"a machine of Huawei's has at most {DATA_DISKS} data disks", "disks.data_disk")
        for index, disk in enumerate(request.data_disks):
            _check_disk(disk, f"data_disk[{index}]", DATA_DISK_GIB)
        if not 0 <= request.bandwidth_mbps <= BANDWIDTH_MBPS:
            raise _refused(
                f"Huawei gives a machine from 0 to {BANDWIDTH_MBPS} Mbit/s",
                "network_config.internet_max_bandwidth_out",
            )
        _check_tags(request.tags)

    def dry_run_machines(self, request: CreateMachines) -> bool:
        self.check_machines(request)
        # Without the token, which is then still unused when the machines are made.
        self._calls.ecs(request.region_id, *_order(request, dry_run=True))
        return True

    def create_machines(self, request: CreateMachines) -> CreatedMachines:
        self.check_machines(request)
        operation, order = _order(request, dry_run=False)
        body, request_id = self._calls.ecs_with_request_id(request.region_id, operation, order)
        ids = answers.machines_in(PROVIDER, operation, body.get("serverIds") or (), request_id)
        self._jobs.remember(str(body.get("job_id") or ""), ids)
        return CreatedMachines(ids, request_id)

    def describe_machines(self, region_id: str, instance_ids: Sequence[str]) -> list[Machine]:
        rows = self._rows(region_id, instance_ids)
        machines = {row["id"]: _machine(row) for row in rows if row.get("status")}
        self._jobs.forget(row.instance_id for row in machines.values() if row.state is MachineState.RUNNING)
        unexplained = [
            instance_id
            for instance_id in dict.fromkeys(instance_ids)
            if instance_id not in machines or (_has_failed(machines[instance_id]) and not machines[instance_id].reason)
        ]
        for instance_id, fate in self._jobs.fates(region_id, unexplained).items():
            if instance_id in machines:
                machines[instance_id] = replace(
                    machines[instance_id], reason=fate.reason, network_unknown=fate.network_unknown
                )
            else:  # one that failed and is not shown was taken back
                state = MachineState.DELETED if fate.failed else MachineState.PENDING
                machines[instance_id] = Machine(
                    instance_id, state, reason=fate.reason, network_unknown=fate.network_unknown
                )
        return list(machines.values())

    def find_machines(self, region_id: str, tags: Mapping[str, str]) -> list[Machine]:
        # Huawei looks for a text in the tags; what it finds is looked at here.
        asked = next((f"{key}={value}" for key, value in tags.items()), None)

        def fetch(marker: str | None) -> list[dict[str, Any]]:
            request = ecs.ListServersDetailsRequest(tags=asked, limit=PAGE, marker=marker)
            return self._listed(region_id, request)

        found = {row["id"]: _machine(row) for row in pages(fetch, PAGE) if row.get("status")}
        return [machine for machine in found.values() if tags.items() <= machine.tags.items()]

    def _existing(self, region_id: str, instance_ids: Sequence[str]) -> list[dict[str, Any]]:
        return [row for row in self._rows(region_id, instance_ids) if row.get("status")]

    def _rows(self, region_id: str, instance_ids: Sequence[str]) -> list[dict[str, Any]]:
        """What Huawei says of each id; of one that it does not know, yet or any more, no status but nulls and a fault."""
        wanted = list(dict.fromkeys(instance_ids))
        rows: dict[str, dict[str, Any]] = {}
        for start in range(0, len(wanted), DESCRIBE):
            batch = wanted[start : start + DESCRIBE]
            rows.update(self._described(region_id, batch))
            # Huawei's documents spell a query by several ids in two ways, `id1,id2` and twice `server_id=`. Should the
            # first not be understood, or a row be left out, those that no row speaks of are asked for one by one.
            for instance_id in batch if len(batch) > 1 else ():
                if instance_id not in rows:
                    rows.update(self._described(region_id, [instance_id]))
        return list(rows.values())

    def _described(self, region_id: str, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        request = ecs.ListServersDetailsRequest(server_id=",".join(ids), limit=DESCRIBE)
        return {row["id"]: row for row in self._listed(region_id, request) if row.get("id") in ids}

    def _listed(self, region_id: str, request: Any) -> list[dict[str, Any]]:
        body = self._calls.ecs(region_id, "list_servers_details", request)
        return rows_in("list_servers_details", body, "servers")


def _order(request: CreateMachines, *, dry_run: bool) -> tuple[str, Any]:
    """The call that makes the machines, and its request: two calls whose bodies hardly differ."""
    prepaid = request.charge.charge_type == "PrePaid"
    kind = "PrePaid" if prepaid else "PostPaid"

    def part(suffix: str, **members: Any) -> Any:
        return getattr(ecs, f"{kind}Server{suffix}")(**members)

    order = part(
        "",
        name=request.name,
        image_ref=request.image_id,
        flavor_ref=request.instance_type,
        admin_pass=request.password or None,
        count=request.count,
        availability_zone=request.zone_id,
        vpcid=request.vpc_id,
        nics=[part("Nic", subnet_id=request.subnet_id)],
        security_groups=[part("SecurityGroup", id=request.security_group_id)],
        root_volume=part(
            "RootVolume",
            volumetype=words.disk_of(request.system_disk.category),
            size=request.system_disk.size_gib,
        ),
        data_volumes=[
            part("DataVolume", volumetype=words.disk_of(disk.category), size=disk.size_gib)
            for disk in request.data_disks
        ]
        or None,
        publicip=_address(request, part, prepaid=prepaid) if request.bandwidth_mbps else None,
        server_tags=[part("Tag", key=key, value=value) for key, value in request.tags.items()] or None,
    )
    token = None if dry_run else request.token
    if not prepaid:
        body = ecs.CreatePostPaidServersRequestBody(server=order, dry_run=dry_run)
        return "create_post_paid_servers", ecs.CreatePostPaidServersRequest(x_client_token=token, body=body)
    unit, number = _period(request)
    order.extendparam = ecs.PrePaidServerExtendParam(
        charging_mode="prePaid",
        period_type=unit,
        period_num=number,
        is_auto_pay="true",  # else an order is left that waits to be paid by hand
        is_auto_renew="false",
    )
    prepaid_body = ecs.CreateServersRequestBody(server=order, dry_run=dry_run)
    return "create_servers", ecs.CreateServersRequest(x_client_token=token, body=prepaid_body)


def _address(request: CreateMachines, part: Any, *, prepaid: bool) -> Any:
    """A public address that is made with the machine and released with it; postpaid, even where the machine is not."""
    return part(
        "Publicip",
        eip=part(
            "Eip",
            iptype="5_bgp",
            bandwidth=part(
                "EipBandwidth",
                size=request.bandwidth_mbps,
                sharetype="PER",
                chargemode="traffic" if request.internet_charge_type == "PayByTraffic" else None,
            ),
            extendparam=part("EipExtendParam", charging_mode="postPaid") if prepaid else None,
        ),
        delete_on_termination=True,
    )


def is_prepaid(row: Mapping[str, Any]) -> bool:
    """Whether a row of the list is of a machine paid for in advance."""
    return (row.get("metadata") or {}).get("charging_mode") == PREPAID


def _machine(row: dict[str, Any]) -> Machine:
    state = words.state_of(row.get("status") or "", row.get("OS-EXT-STS:task_state") or "")
    reason = _fault(row) if state is MachineState.FAILED else ""
    if row.get("in_recycle_bin"):
        # Deleted, and kept for a while because the account's owner has switched the bin on; nothing more is asked of it.
        state, reason = MachineState.DELETED, "it is in the account's recycle bin"
    addresses = [address for network in (row.get("addresses") or {}).values() for address in network]

    def address(kind: str) -> str:
        return next((str(one["addr"]) for one in addresses if one.get("OS-EXT-IPS:type") == kind), "")

    return Machine(
        instance_id=row["id"],
        state=state,
        instance_type=(row.get("flavor") or {}).get("id") or "",
        zone_id=row.get("OS-EXT-AZ:availability_zone") or "",
        private_ip=address("fixed"),
        public_ip=address("floating"),
        created_at=words.moment(row.get("created")),
        started_at=words.moment(row.get("OS-SRV-USG:launched_at")),
        ended_at=words.moment(row.get("OS-SRV-USG:terminated_at")),
        reason=reason,
        tags=dict(tag.partition("=")[::2] for tag in row.get("tags") or ()),
        charge_type="PrePaid" if is_prepaid(row) else "PostPaid",
    )


def _has_failed(machine: Machine) -> bool:
    return machine.state is MachineState.FAILED


def _fault(row: dict[str, Any]) -> str:
    fault = row.get("fault")
    return str(fault.get("message") or fault.get("code") or "") if isinstance(fault, Mapping) else ""


def _period(request: CreateMachines) -> tuple[str, int]:
    """A prepaid period in Huawei's words; refuses one that it does not sell."""
    charge = request.charge
    if charge.charge_type not in ("PostPaid", "PrePaid"):
        raise _refused("must be PostPaid or PrePaid", "charge_config.charge_type")
    if charge.charge_type == "PostPaid":
        return "", 0
    if charge.period_unit != "Month":
        raise _refused(
            "Huawei sells prepaid machines by the month and year only: use Month", "charge_config.period_unit"
        )
    if charge.period in MONTHS:
        return "month", charge.period
    if charge.period in [12 * years for years in YEARS]:
        return "year", charge.period // 12
    raise _refused("Huawei sells prepaid machines for 1 to 9, 12, 24 or 36 months", "charge_config.period")


def _check_password(password: str) -> None:
    kinds = sum(1 for kind in PASSWORD_KINDS if re.search(kind, password))
    if PASSWORD.fullmatch(password) is None or kinds < 3:
        raise _refused(
            "Huawei wants 8 to 26 characters of at least three kinds: capitals, small letters, digits, and "
            "!@$%^-_=+[{}]:,./?~#*",
            "password",
        )
    if any(name in password.lower() for name in ("root", "toor")):
        raise _refused("Huawei refuses a password that holds the user's name, root, forwards or backwards", "password")


def _check_disk(disk: Disk, field: str, sizes: tuple[int, int]) -> None:
    if not words.disk_of(disk.category):
        known = ", ".join([*words.DISKS, *sorted(words.OWN_DISKS)])
        raise _refused(f"{disk.category} is no disk of Huawei; there are {known}", f"disks.{field}.category")
    if not sizes[0] <= disk.size_gib <= sizes[1]:
        raise _refused(f"must be from {sizes[0]} to {sizes[1]} GiB on Huawei", f"disks.{field}.size")


def _check_tags(tags: Mapping[str, str]) -> None:
    if len(tags) > TAGS:
        raise _refused(f"a machine of Huawei's has at most {TAGS} tags, of which BridgX needs 4", "tags")
    for key, value in tags.items():
        if TAG_KEY.fullmatch(key) is None or TAG_VALUE.fullmatch(value) is None:
            raise _refused(
                f"{key}: keys of Huawei's tags have 1 to 36 characters and values at most 43, without =*<>\\,| and, in "
                "keys, without /",
                "tags",
            )


def _refused(message: str, field: str) -> ProviderError:
    return invalid(message, field, "check_machines")
