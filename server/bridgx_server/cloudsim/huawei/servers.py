"""The calls of ECS on machines."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from bridgx_server.cloudsim.core import TOKEN_LIFE, Effects, Order, SimCloud, fingerprint_of
from bridgx_server.cloudsim.entities import Machine
from bridgx_server.cloudsim.front import Call
from bridgx_server.cloudsim.huawei import jobs
from bridgx_server.cloudsim.huawei.errors import bad
from bridgx_server.cloudsim.huawei.release import carry_out_orders
from bridgx_server.cloudsim.huawei.shapes import UUID, after_marker, moment

TOKEN = "X-Client-Token"
PASSWORD = re.compile(r"[A-Za-z0-9!@$%^_=+\[{}\]:,./?~#*-]{8,26}")
NAME = re.compile(r"[\w\u4e00-\u9fff.-]+")
TAG_KEY = re.compile(r"[^\x00-\x1f=*<>\\,|/]{1,36}")
TAG_VALUE = re.compile(r"[^\x00-\x1f=*<>\\,|]{0,43}")
VOLUMES = ("SATA", "SAS", "SSD", "GPSSD", "co-p1", "uh-l1", "ESSD", "GPSSD2", "ESSD2")
PERIODS = {"month": range(1, 10), "year": range(1, 4)}
SECONDS = {"month": 30 * 86_400.0, "year": 365 * 86_400.0}
SERVERS = 25  # rows a page unless a limit is given

_STATUSES = {"pending": "BUILD", "running": "ACTIVE", "failed": "ERROR", "deleting": "ACTIVE", "deleted": "DELETED"}


def create_postpaid(call: Call, cloud: SimCloud) -> dict[str, Any]:
    charging = call.parameters["server"].get("extendparam", {}).get("chargingMode", 0)
    if charging != 0:
        raise bad("chargingMode must be 0; prepaid ECSs are created with v1.1.")
    return _create(call, cloud, "postPaid")


def create(call: Call, cloud: SimCloud) -> dict[str, Any]:
    """v1.1: postpaid or prepaid."""
    extended = call.parameters["server"].get("extendparam", {})
    charging = extended.get("chargingMode", "postPaid")
    if charging == "prePaid":
        unit = extended.get("periodType")
        if unit not in PERIODS or extended.get("periodNum") not in PERIODS[unit]:
            raise bad("periodType must be month or year, and periodNum 1 to 9 months or 1 to 3 years.")
        if extended.get("isAutoPay") != "true" and not call.parameters.get("dry_run"):
            job_id = jobs.begin(call, cloud, jobs.UNPAID, ())
            return {"order_id": f"CS{job_id[:12].upper()}", "job_id": job_id, "serverIds": []}
    made = _create(call, cloud, charging)
    return {"order_id": f"CS{made['job_id'][:12].upper()}", **made} if charging == "prePaid" and made else made


def _create(call: Call, cloud: SimCloud, charging: str) -> dict[str, Any]:
    token = _token(call, cloud)
    order = _order(call, cloud, charging, token)
    if call.parameters.get("dry_run"):
        cloud.check_order(order)
        return {}
    made = cloud.create_machines(order, call.effects)
    for index, machine in enumerate(made):
        if order.count > 1 and machine.name == order.name:
            cloud.change_machine(machine.machine_id, name=f"{order.name}-{index + 1:04d}")
    ids = [machine.machine_id for machine in made]
    return {"job_id": jobs.begin(call, cloud, jobs.CREATE, ids, order.token), "serverIds": ids}


def _token(call: Call, cloud: SimCloud) -> str:
    token = str(call.parameters.get(TOKEN, ""))
    if not token:
        return ""
    if UUID.fullmatch(token) is None:
        raise bad("The X-Client-Token is not a UUID.", "Ecs.0123")
    # Each region is a service of its own and has its own memory of tokens.
    remembered = cloud.tokens.get(f"{call.account}/machines/{call.region}/{token}")
    if remembered is not None and cloud.clock() - remembered["at"] > TOKEN_LIFE:
        raise bad("The X-Client-Token has expired.", "Ecs.0124")
    return f"{call.region}/{token}"


def _order(call: Call, cloud: SimCloud, charging: str, token: str) -> Order:
    server: Mapping[str, Any] = call.parameters["server"]
    count = server.get("count", 1)
    _check_name(server["name"], count)
    if "adminPass" in server:
        _check_password(server["adminPass"])
    subnet_id = server["nics"][0]["subnet_id"]
    subnet = cloud.subnet(call.account, call.region, subnet_id)
    if subnet.vpc_id != server["vpcid"]:
        raise bad("The VPC ID in the request is inconsistent with that in the main subnet ID.", "Ecs.0064")
    group_ids = tuple(dict.fromkeys(group["id"] for group in server.get("security_groups", ()) if "id" in group))
    if not group_ids:
        raise bad("security_groups must be given; the simulated cloud has no default group.", "Ecs.0014")
    return Order(
        account=call.account,
        region=call.region,
        zone=server.get("availability_zone") or cloud.catalog.zones[call.region][0],
        type_name=server["flavorRef"],
        image_id=server["imageRef"],
        subnet_id=subnet_id,
        group_ids=group_ids,
        count=count,
        min_count=count,
        name=server["name"],
        token=token,
        fingerprint=fingerprint_of(call.parameters, (TOKEN,)),
        charge=charging,
        lasts=_lasts(server, charging),
        bandwidth=_bandwidth(server),
        disks=_disks(server),
        tags=_tags(server),
    )


def _lasts(server: Mapping[str, Any], charging: str) -> float:
    """How many seconds are paid in advance."""
    if charging != "prePaid":
        return 0.0
    extended = server["extendparam"]
    return float(SECONDS[extended["periodType"]] * extended["periodNum"])


def _check_name(name: str, count: int) -> None:
    if not 1 <= len(name) <= (59 if count > 1 else 128):
        raise bad("The length of the ECS name exceeds the maximum allowed limit.", "Ecs.0914")
    if NAME.fullmatch(name) is None:
        raise bad("The ECS name has illegal characters.", "Ecs.0915")


def _check_password(password: str) -> None:
    kinds = sum(1 for kind in (r"[A-Z]", r"[a-z]", r"[0-9]", r"[^A-Za-z0-9]") if re.search(kind, password))
    named = any(name in password.lower() for name in ("root", "toor"))
    if PASSWORD.fullmatch(password) is None or kinds < 3 or named:
        raise bad("Ensure the password meets the password complexity requirements.", "Ecs.0011")


def _disks(server: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    volumes = [server["root_volume"], *server.get("data_volumes", ())]
    for volume in volumes:
        if volume["volumetype"] not in VOLUMES:
            raise bad("The disk type does not exist.", "Ecs.0043")
        if volume["volumetype"] in ("GPSSD2", "ESSD2") and "iops" not in volume:
            raise bad(f"iops is required with {volume['volumetype']}.")
    return tuple(
        {"system": index == 0, "category": volume["volumetype"], "size": volume.get("size", 40)}
        for index, volume in enumerate(volumes)
    )


def _bandwidth(server: Mapping[str, Any]) -> int:
    address = server.get("publicip", {})
    if not address:
        return 0
    if "eip" not in address or "id" in address:
        raise bad("publicip takes eip; the simulated cloud has no addresses apart from machines.")
    bandwidth = address["eip"]["bandwidth"]
    if bandwidth["sharetype"] != "PER" or "size" not in bandwidth:
        raise bad("bandwidth takes sharetype PER and a size.")
    if bandwidth.get("chargemode", "") not in ("", "traffic"):
        raise bad("chargemode must be empty, or traffic.")
    if not 1 <= bandwidth["size"] <= 2000:
        raise bad("The bandwidth exceeds the maximum allowed limit.", "Ecs.0045")
    return int(bandwidth["size"])


def _tags(server: Mapping[str, Any]) -> dict[str, str]:
    rows = server.get("server_tags", ())
    if len(rows) > 10:
        raise bad("The number of tags exceeds the maximum allowed limit.", "Ecs.0905")
    tags = {row["key"]: row.get("value", "") for row in rows}
    if len(tags) < len(rows):
        raise bad("The tag key cannot be duplicate.", "Ecs.0908")
    if not all(TAG_KEY.fullmatch(key) and TAG_VALUE.fullmatch(value) for key, value in tags.items()):
        raise bad("Invalid tag character set.", "Ecs.0907")
    return tags


def list_details(call: Call, cloud: SimCloud) -> dict[str, Any]:
    """By ids, and then by nothing else; or by any of the filters."""
    carry_out_orders(cloud)
    parameters = call.parameters
    now = cloud.clock()
    shown = {
        machine.machine_id: _row(machine, cloud, call.parameters["project_id"])
        for machine in cloud.visible(call.account, call.region, Effects(), call.dropped)
    }
    if "server_id" in parameters:
        ids = [part for text in parameters["server_id"] for part in text.split(",") if part]
        rows = [shown.get(server_id) or _unknown(server_id, now) for server_id in dict.fromkeys(ids)]
    else:
        rows = [row for row in shown.values() if _matches(row, parameters)]
    # A row of nulls is an answer; what a fault drops is not even that.
    if call.effects.drop:
        rows = [row for row in rows if not call.dropped(call.effects.drop)]
    return {"count": len(rows), "servers": _page(rows, parameters), "request_id": f"{now:.0f}"}


def _unknown(server_id: str, now: float) -> dict[str, Any]:
    """The row of an id that is not known, or not shown yet: null but for the id and the fault."""
    fault = {"code": 404, "message": f"Instance {server_id} could not be found.", "created": moment(now)}
    return {**dict.fromkeys(_KEYS), "id": server_id, "fault": fault}


def _page(rows: Sequence[dict[str, Any]], parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    """`offset` is the number of a page, from 1; 0 is the first, too."""
    size = parameters.get("limit", SERVERS)
    if "marker" in parameters:
        return after_marker(rows, parameters, SERVERS)
    start = (max(parameters.get("offset", 1), 1) - 1) * size
    return list(rows[start : start + size])


def _matches(row: Mapping[str, Any], parameters: Mapping[str, Any]) -> bool:
    tags = ",".join(row["tags"])
    addresses = [address["addr"] for rows in row["addresses"].values() for address in rows]
    return (
        parameters.get("name", "") in row["name"]
        and parameters.get("status", row["status"]) == row["status"]
        and parameters.get("flavor", row["flavor"]["id"]) == row["flavor"]["id"]
        and parameters.get("tags", "") in tags
        and ("not-tags" not in parameters or parameters["not-tags"] not in tags)
        and any(parameters.get("ip", "") in address for address in addresses)
        and any(parameters.get("ip_eq", address) == address for address in addresses)
        and "reservation_id" not in parameters
    )


_KEYS = (
    "fault",
    "id",
    "name",
    "addresses",
    "flavor",
    "accessIPv4",
    "accessIPv6",
    "status",
    "image",
    "hostId",
    "updated",
    "created",
    "metadata",
    "tags",
    "description",
    "locked",
    "config_drive",
    "tenant_id",
    "user_id",
    "os-extended-volumes:volumes_attached",
    "OS-EXT-STS:task_state",
    "OS-EXT-STS:power_state",
    "OS-EXT-STS:vm_state",
    "OS-EXT-AZ:availability_zone",
    "OS-SRV-USG:launched_at",
    "enterprise_project_id",
    "sys_tags",
    "security_groups",
)
_VM_STATES = {"BUILD": "building", "ACTIVE": "active", "ERROR": "error", "DELETED": "deleted", "SHUTOFF": "stopped"}


def _row(machine: Machine, cloud: SimCloud, project: str) -> dict[str, Any]:
    state = machine.state(cloud.clock())
    status = "ERROR" if state == "deleting" and machine.fails else _STATUSES[state]
    recycled = machine.recycled and state == "running"
    if recycled:
        status = "SHUTOFF"
    offer = cloud.catalog.types[machine.type_name]
    image = cloud.image(machine.region, machine.image_id)
    fault = {"code": 500, "message": "No valid host was found.", "created": moment(machine.boots_at)}
    started = moment(machine.boots_at).replace("Z", ".000000") if status == "ACTIVE" else None
    values = {
        "fault": fault if status == "ERROR" else None,
        "id": machine.machine_id,
        "name": machine.name,
        "addresses": {machine.vpc_id: _addresses(machine)},
        "flavor": {
            "id": offer.name,
            "name": offer.name,
            "disk": "0",
            "vcpus": str(offer.cores),
            "ram": str(int(offer.memory_gib * 1024)),
        },
        "accessIPv4": "",
        "accessIPv6": "",
        "status": status,
        "image": {"id": machine.image_id},
        "hostId": uuid.uuid5(uuid.NAMESPACE_OID, machine.zone).hex,
        "updated": moment(machine.created_at),
        "created": moment(machine.created_at),
        "metadata": {
            "charging_mode": "1" if machine.prepaid(cloud.clock()) else "0",
            "vpc_id": machine.vpc_id,
            "image_name": image.name if image else "",
            "os_type": image.os_type.capitalize() if image else "",
        },
        "tags": [f"{key}={value}" for key, value in machine.tags.items()],
        "description": "",
        "locked": machine.protected,
        "config_drive": "",
        "tenant_id": project,
        "user_id": "",
        "os-extended-volumes:volumes_attached": [
            {
                "id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{machine.machine_id}/{index}")),
                "bootIndex": "0" if disk["system"] else None,
                "delete_on_termination": str(disk["system"]).lower(),
            }
            for index, disk in enumerate(machine.disks)
        ],
        "OS-EXT-STS:task_state": {"pending": "spawning", "deleting": "deleting"}.get(state),
        "OS-EXT-STS:power_state": 1 if status == "ACTIVE" else 0,
        "OS-EXT-STS:vm_state": _VM_STATES[status],
        "OS-EXT-AZ:availability_zone": machine.zone,
        "OS-SRV-USG:launched_at": started,
        "enterprise_project_id": "0",
        "sys_tags": [{"key": "_sys_enterprise_project_id", "value": "0"}],
        "security_groups": [
            {"id": group_id, "name": cloud.groups[group_id].name if group_id in cloud.groups else ""}
            for group_id in machine.group_ids
        ],
    }
    row = {key: values[key] for key in _KEYS}
    return {**row, "in_recycle_bin": True} if recycled else row


def _addresses(machine: Machine) -> list[dict[str, Any]]:
    port = str(uuid.uuid5(uuid.NAMESPACE_OID, machine.machine_id))
    kinds = [("fixed", machine.private_ip), ("floating", machine.public_ip)]
    return [
        {
            "version": "4",
            "addr": address,
            "OS-EXT-IPS-MAC:mac_addr": f"fa:16:3e:{port[0:2]}:{port[2:4]}:{port[4:6]}",
            "OS-EXT-IPS:port_id": port,
            "OS-EXT-IPS:type": kind,
        }
        for kind, address in kinds
        if address
    ]
