"""The words that Baidu has for what the API says otherwise, and back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from bridgx_server.providers.base import MachineState, Region

# From Baidu's own Terraform provider: the regions that have a BCC endpoint. Its API has no list without an endpoint.
REGIONS: tuple[Region, ...] = (
    Region("bj", "华北-北京"),
    Region("bd", "华北-保定"),
    Region("gz", "华南-广州"),
    Region("su", "华东-苏州"),
    Region("fsh", "华东-上海"),
    Region("fwh", "华中-武汉"),
    Region("hkg", "香港"),
    Region("sin", "新加坡"),
)

# Types of storage: "StorageType" in the appendix of the BCC API reference. hp1 is the efficiency disk (its default for
# data disks), cloud_hp1 the general SSD, enhanced_ssd_pl1 the enhanced SSD.
DISKS: Mapping[str, str] = {
    "cloud_efficiency": "hp1",
    "cloud_ssd": "cloud_hp1",
    "cloud_essd": "enhanced_ssd_pl1",
}
OWN_DISKS = frozenset(
    {
        "std1",
        "hp1",
        "cloud_hp1",
        "local",
        "sata",
        "ssd",
        "hdd",
        "HDD_Throughput",
        "premium_ssd",
        "local-ssd",
        "local-hdd",
        "local-nvme",
        "enhanced_ssd_pl1",
        "enhanced_ssd_pl2",
        "enhanced_ssd_pl3",
    }
)

# "InstanceStatus" in the appendix of the BCC API reference. A machine that is resized or imaged exists and is ours.
_STATES: Mapping[str, MachineState] = {
    "Running": MachineState.RUNNING,
    "Starting": MachineState.PENDING,
    "Creating": MachineState.PENDING,
    "Stopping": MachineState.STOPPED,
    "Stopped": MachineState.STOPPED,
    "Expired": MachineState.STOPPED,
    "Scaling": MachineState.RUNNING,
    "SnapshotProcessing": MachineState.RUNNING,
    "ImageProcessing": MachineState.RUNNING,
    "ChangeVpc": MachineState.RUNNING,
    "ChangeSubnet": MachineState.RUNNING,
    "Deleting": MachineState.DELETING,
    "Deleted": MachineState.DELETED,
    "Recycled": MachineState.DELETED,
    "Error": MachineState.FAILED,
}


def disk_of(category: str) -> str:
    """Baidu's storage type for a disk category; empty for a category that Baidu does not know."""
    translated = DISKS.get(category, category)
    return translated if translated in OWN_DISKS else ""


def state_of(status: str) -> MachineState:
    """A status that is new to us is taken as pending: nothing is decided on it."""
    return _STATES.get(status, MachineState.PENDING)


def zone_name(zone_id: str) -> str:
    """A zone for people: `cn-bj-a` is 可用区A."""
    return f"可用区{zone_id.rsplit('-', 1)[-1].upper()}"


def internet_charge(internet_charge_type: str, *, prepaid: bool) -> str:
    """ "InternetChargeType" in the appendix of the BCC API reference."""
    if internet_charge_type == "PayByTraffic":
        return "TRAFFIC_POSTPAID_BY_HOUR"
    return "BANDWIDTH_PREPAID" if prepaid else "BANDWIDTH_POSTPAID_BY_HOUR"


def moment(text: str | None) -> datetime | None:
    """A time as Baidu prints it, ISO 8601 in UTC; None where there is none or it cannot be read."""
    if not text:
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
