"""The words that Huawei has for what the API says otherwise, and back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from bridgx_server.providers.base import MachineState

# Volume types: `volumetype` of "Create an ECS" in the ECS API reference. SAS is high I/O, SSD ultra-high I/O, ESSD
# extreme SSD. GPSSD2 and ESSD2 are left out: they want a number of IOPS, for which the API has no word.
DISKS: Mapping[str, str] = {
    "cloud_efficiency": "SAS",
    "cloud_ssd": "SSD",
    "cloud_essd": "ESSD",
}
OWN_DISKS = frozenset({"SATA", "SAS", "GPSSD", "SSD", "ESSD", "co-p1", "uh-l1"})

# "ECS statuses" of the ECS API reference. A machine that is resized, rebuilt or moved exists and is ours.
_STATES: Mapping[str, MachineState] = {
    "BUILD": MachineState.PENDING,
    "ACTIVE": MachineState.RUNNING,
    "REBOOT": MachineState.RUNNING,
    "HARD_REBOOT": MachineState.RUNNING,
    "REBUILD": MachineState.RUNNING,
    "MIGRATING": MachineState.RUNNING,
    "RESIZE": MachineState.RUNNING,
    "REVERT_RESIZE": MachineState.RUNNING,
    "VERIFY_RESIZE": MachineState.RUNNING,
    "SHUTOFF": MachineState.STOPPED,
    "SHELVED": MachineState.STOPPED,
    "SHELVED_OFFLOADED": MachineState.STOPPED,
    "ERROR": MachineState.FAILED,
    "DELETED": MachineState.DELETED,
}

# The DNS servers inside Huawei's networks, without which machines resolve no name of its services. From the DNS FAQ
# "What are Huawei Cloud's private DNS server addresses", as configurations of Huawei's customers repeat it.
DNS = "100.125.1.250"
SECOND_DNS: Mapping[str, str] = {
    "cn-north-4": "100.125.129.250",
    "cn-north-9": "100.125.107.250",
    "cn-east-3": "100.125.64.250",
    "cn-south-1": "100.125.136.29",
    "cn-southwest-2": "100.125.129.250",
}

_ZONE = re.compile(r".*\d([a-z])")


def disk_of(category: str) -> str:
    """Huawei's volume type for a disk category; empty for a category that Huawei does not know."""
    translated = DISKS.get(category, category)
    return translated if translated in OWN_DISKS else ""


def state_of(status: str, task: str) -> MachineState:
    """A status that is new to us is taken as pending: nothing is decided on it. ``task`` is what is done to it now."""
    state = _STATES.get(status, MachineState.PENDING)
    return MachineState.DELETING if task == "deleting" and state is not MachineState.DELETED else state


def zone_name(zone_id: str) -> str:
    """A zone for people, as Huawei's console names it: `cn-north-4a` is 可用区1."""
    letter = _ZONE.fullmatch(zone_id)
    return f"可用区{ord(letter[1]) - ord('a') + 1}" if letter else zone_id


def moment(text: str | None) -> datetime | None:
    """A time as Huawei prints it, ISO 8601 in UTC; None where there is none or it cannot be read."""
    if not text:
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
