"""The calls of BCC v2 on instances."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from bridgx_server.cloudsim.baidu.errors import bad
from bridgx_server.cloudsim.baidu.networks import named
from bridgx_server.cloudsim.baidu.shapes import moment, page, split, tag_rows, tags_of
from bridgx_server.cloudsim.core import Order, SimCloud, fingerprint_of
from bridgx_server.cloudsim.entities import Machine
from bridgx_server.cloudsim.errors import Kind, SimError
from bridgx_server.cloudsim.front import Call

PASSWORD = re.compile(r"(?=.*[A-Za-z])(?=.*[0-9])(?=.*[!@#$%^*()])[A-Za-z0-9!@#$%^*()]{8,16}")
MONTH = 30 * 86_400.0  # seconds
MONTHS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 24, 36)

_STATUSES = {
    "pending": "Starting",
    "running": "Running",
    "failed": "Error",
    "deleting": "Deleted",
    "deleted": "Deleted",
}


def create_instances(call: Call, cloud: SimCloud) -> dict[str, Any]:
    parameters = call.parameters
    charge = _charge(parameters["billing"])
    if "name" in parameters:
        named(parameters["name"])
    if "adminPass" in parameters:
        _check_password(parameters["adminPass"], cloud.accounts[call.key].secret)
    group_ids = list(
        dict.fromkeys([*filter(None, [parameters.get("securityGroupId")]), *parameters.get("securityGroupIds", ())])
    )
    if not parameters.get("subnetId") or not group_ids:
        raise bad("subnetId and securityGroupId must be given together; the simulated cloud has no default ones")
    count = parameters.get("purchaseCount", 1)
    least = parameters.get("purchaseMinCount", count)
    if least > count:
        raise bad("purchaseMinCount must not be larger than purchaseCount")
    token = parameters.get("clientToken", "")
    made = cloud.create_machines(
        Order(
            account=call.account,
            region=call.region,
            zone=parameters.get("zoneName", ""),
            type_name=parameters["spec"],
            image_id=parameters["imageId"],
            subnet_id=parameters["subnetId"],
            group_ids=tuple(group_ids),
            count=count,
            min_count=least,
            name=parameters.get("name", ""),
            # Each region is a service of its own and has its own memory of tokens.
            token=f"{call.region}/{token}" if token else "",
            fingerprint=fingerprint_of(parameters, ("clientToken",)),
            charge=charge,
            lasts=_lasts(parameters["billing"], charge),
            bandwidth=parameters.get("networkCapacityInMbps", 0),
            disks=_disks(parameters),
            tags=tags_of(parameters),
        ),
        call.effects,
    )
    ids = [machine.machine_id for machine in made]
    return {"instanceIds": ids, "warningList": []}


def list_instances(call: Call, cloud: SimCloud) -> dict[str, Any]:
    """By any of the filters: between filters `and`, between the values of one `or`."""
    parameters = call.parameters
    filters = {name: split(parameters[name]) for name in _FILTERS if name in parameters}
    if "vpcId" in parameters and "privateIps" not in parameters:
        raise bad("vpcId goes with privateIps only")
    rows = [
        _row(machine, cloud)
        for machine in cloud.visible(call.account, call.region, call.effects, call.dropped)
        if all(_matches(machine, cloud, name, values) for name, values in filters.items())
        and parameters.get("zoneName", machine.zone) == machine.zone
        and parameters.get("internalIp", machine.private_ip) == machine.private_ip
        and parameters.get("vpcId", machine.vpc_id) == machine.vpc_id
        and parameters.get("fuzzyInstanceName", "") in machine.name
    ]
    return page(rows, parameters, "instances", lambda row: str(row["id"]))


def list_instances_by_id(call: Call, cloud: SimCloud) -> dict[str, Any]:
    wanted = set(call.parameters["instanceIds"])
    rows = [
        _row(machine, cloud)
        for machine in cloud.visible(call.account, call.region, call.effects, call.dropped)
        if machine.machine_id in wanted
    ]
    return page(rows, call.parameters, "instances", lambda row: str(row["id"]))


def get_instance(call: Call, cloud: SimCloud) -> dict[str, Any]:
    return {"instance": _row(known([call.parameters["instanceId"]], call, cloud)[0], cloud)}


def known(ids: Sequence[str], call: Call, cloud: SimCloud) -> list[Machine]:
    """The machines that a call names; raises SimError (NOT_FOUND)."""
    shown = {
        machine.machine_id: machine
        for machine in cloud.visible(call.account, call.region, call.effects, call.dropped)
        if machine.state(cloud.clock()) not in ("deleted", "gone")
    }
    missing = tuple(machine_id for machine_id in ids if machine_id not in shown)
    if missing:
        raise SimError(Kind.NOT_FOUND, "The specified instance does not exist.", subject="machine", ids=missing)
    return [shown[machine_id] for machine_id in dict.fromkeys(ids)]


def _charge(billing: Mapping[str, Any]) -> str:
    timing = str(billing["paymentTiming"])
    reservation = billing.get("reservation", {})
    if timing == "Prepaid":
        if reservation.get("reservationLength", 1) not in MONTHS:
            raise bad(f"reservationLength must be one of {', '.join(map(str, MONTHS))}")
        if reservation.get("reservationTimeUnit", "Month").lower() != "month":
            raise bad("reservationTimeUnit must be Month")
    return timing


def _lasts(billing: Mapping[str, Any], charge: str) -> float:
    """How many seconds are paid in advance."""
    return MONTH * billing.get("reservation", {}).get("reservationLength", 1) if charge == "Prepaid" else 0.0


def _check_password(cipher_text: str, secret: str) -> None:
    """Passwords come as AES-128-ECB under the first 16 characters of the secret, in hexadecimal."""
    try:
        sealed = bytes.fromhex(cipher_text)
        opener = Cipher(algorithms.AES(secret[:16].encode()), modes.ECB()).decryptor()
        padded = opener.update(sealed) + opener.finalize()
        plain = padded[: -padded[-1]] if 1 <= padded[-1] <= 16 else b""
        password = plain.decode()
    except (ValueError, IndexError):
        raise bad("adminPass is not encrypted as it must be") from None
    if PASSWORD.fullmatch(password) is None:
        raise bad("adminPass must have 8 to 16 characters: letters, digits and symbols of !@#$%^*()")


def _disks(parameters: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    system = {
        "system": True,
        "category": parameters.get("rootDiskStorageType", "enhanced_ssd_pl1"),
        "size": parameters.get("rootDiskSizeInGb", 40),
    }
    data = [
        {"system": False, "category": row.get("storageType", "hp1"), "size": row["cdsSizeInGB"]}
        for row in parameters.get("createCdsList", ())
    ]
    return (system, *data)


_FILTERS = ("instanceIds", "instanceNames", "securityGroupIds", "paymentTiming", "status", "tags", "privateIps")


def _matches(machine: Machine, cloud: SimCloud, name: str, values: Sequence[str]) -> bool:
    if name == "tags":
        shown = {*machine.tags, *(f"{key}:{value}" for key, value in machine.tags.items())}
    else:
        shown = {
            "instanceIds": {machine.machine_id},
            "instanceNames": {machine.name},
            "securityGroupIds": set(machine.group_ids),
            "paymentTiming": {machine.charge},
            "status": {_status(machine, cloud)},
            "privateIps": {machine.private_ip},
        }[name]
    return not shown.isdisjoint(values)


def _status(machine: Machine, cloud: SimCloud) -> str:
    now = cloud.clock()
    state = machine.state(now)
    if state != "running":
        return _STATUSES.get(state, "")
    if machine.recycled:
        return "Recycled"
    return "Expired" if machine.prepaid(now) and not machine.unexpired(now) else "Running"


def _row(machine: Machine, cloud: SimCloud) -> dict[str, Any]:
    offer = cloud.catalog.types[machine.type_name]
    image = cloud.image(machine.region, machine.image_id)
    return {
        "id": machine.machine_id,
        "name": machine.name,
        "hostname": machine.name,
        "desc": "",
        "instanceType": "N5",
        "spec": machine.type_name,
        "status": _status(machine, cloud),
        "paymentTiming": machine.charge,
        "createTime": moment(machine.created_at),
        "expireTime": moment(machine.expires_at) if machine.charge == "Prepaid" else "",
        "publicIp": machine.public_ip,
        "internalIp": machine.private_ip,
        "cpuCount": offer.cores,
        "memoryCapacityInGB": offer.memory_gib,
        "localDiskSizeInGB": 0,
        "imageId": machine.image_id,
        "imageName": image.name if image else "",
        "networkCapacityInMbps": machine.bandwidth,
        "placementPolicy": "default",
        "zoneName": machine.zone,
        "subnetId": machine.subnet_id,
        "vpcId": machine.vpc_id,
        "autoRenew": False,
        "keypairId": "",
        "volumes": [
            {
                "volumeId": f"v-{machine.machine_id[2:]}{index}",
                "diskSizeInGB": disk["size"],
                "storageType": disk["category"],
                "isSystemVolume": disk["system"],
            }
            for index, disk in enumerate(machine.disks)
        ],
        "nicInfo": {"vpcId": machine.vpc_id, "subnetId": machine.subnet_id, "securityGroups": machine.group_ids},
        "tags": tag_rows(machine.tags),
    }
