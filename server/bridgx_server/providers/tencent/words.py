"""The words that Tencent has for what the API says otherwise, and back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from bridgx_server.providers.base import MachineState

# "SystemDisk.DiskType" of CVM's data types: the premium disk, the SSD, and the enhanced SSD.
DISKS: Mapping[str, str] = {
    "cloud_efficiency": "CLOUD_PREMIUM",
    "cloud_ssd": "CLOUD_SSD",
    "cloud_essd": "CLOUD_HSSD",
}
OWN_DISKS = ("CLOUD_BASIC", "CLOUD_PREMIUM", "CLOUD_SSD", "CLOUD_BSSD", "CLOUD_HSSD", "CLOUD_TSSD")

CHARGES: Mapping[str, str] = {"PostPaid": "POSTPAID_BY_HOUR", "PrePaid": "PREPAID"}

# "InstanceState" of CVM's data types. SHUTDOWN is the recycle bin: the machine is off and could be taken out again. One
# that is in rescue, or is moved between hosts, exists and is ours.
_STATES: Mapping[str, MachineState] = {
    "PENDING": MachineState.PENDING,
    "STARTING": MachineState.PENDING,
    "REBOOTING": MachineState.PENDING,
    "RUNNING": MachineState.RUNNING,
    "ENTER_RESCUE_MODE": MachineState.RUNNING,
    "RESCUE_MODE": MachineState.RUNNING,
    "EXIT_RESCUE_MODE": MachineState.RUNNING,
    "ENTER_SERVICE_LIVE_MIGRATE": MachineState.RUNNING,
    "SERVICE_LIVE_MIGRATE": MachineState.RUNNING,
    "EXIT_SERVICE_LIVE_MIGRATE": MachineState.RUNNING,
    "STOPPING": MachineState.STOPPED,
    "STOPPED": MachineState.STOPPED,
    "SHUTDOWN": MachineState.STOPPED,
    "TERMINATING": MachineState.DELETING,
    "LAUNCH_FAILED": MachineState.FAILED,
}


def disk_of(category: str) -> str:
    """Tencent's disk type for a disk category; empty for a category that Tencent does not know."""
    translated = DISKS.get(category, category)
    return translated if translated in OWN_DISKS else ""


def state_of(status: str) -> MachineState:
    """A status that is new to us is taken as pending: nothing is decided on it."""
    return _STATES.get(status, MachineState.PENDING)


def internet_charge(internet_charge_type: str, *, prepaid: bool) -> str:
    """ "InternetAccessible.InternetChargeType" of CVM's data types."""
    if internet_charge_type == "PayByTraffic":
        return "TRAFFIC_POSTPAID_BY_HOUR"
    return "BANDWIDTH_PREPAID" if prepaid else "BANDWIDTH_POSTPAID_BY_HOUR"


def moment(text: str | None) -> datetime | None:
    """A time as CVM prints it, ISO 8601 in UTC; None where there is none or it cannot be read."""
    if not text:
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
