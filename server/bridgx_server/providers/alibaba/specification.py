"""What RunInstances takes, checked before it is called. The figures are those of its API reference."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bridgx_server.providers.alibaba.failures import PROVIDER
from bridgx_server.providers.base import CreateMachines, Disk, ErrorClass, ProviderError

MOST_MACHINES = 100
MOST_TAGS = 20
MOST_DATA_DISKS = 16
MOST_TOKEN = 64  # ASCII characters
TAG_LENGTH = 128  # characters of a tag's key or value
NAME_LENGTH = (2, 128)
PASSWORD_LENGTH = (8, 30)
BANDWIDTH_MBPS = (0, 100)
INTERNET_CHARGE_TYPES = ("PayByTraffic", "PayByBandwidth")
PERIODS: Mapping[str, tuple[int, ...]] = {
    "Week": (1, 2, 3, 4),
    "Month": (1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 24, 36, 48, 60),
}

# category → smallest and largest GiB. The API's own words are Alibaba's, so there is nothing to translate.
# An ESSD is of performance level PL1, the default, since the API has no word for levels.
SYSTEM_DISKS: Mapping[str, tuple[int, int]] = {
    "cloud_efficiency": (20, 2048),
    "cloud_ssd": (20, 2048),
    "cloud_essd": (20, 2048),
    "cloud_essd_entry": (20, 2048),
    "cloud_auto": (1, 2048),
    "cloud": (20, 500),
}
DATA_DISKS: Mapping[str, tuple[int, int]] = {
    "cloud_efficiency": (20, 32768),
    "cloud_ssd": (20, 32768),
    "cloud_essd": (20, 65536),
    "cloud_essd_entry": (10, 32768),
    "cloud_auto": (1, 65536),
    "cloud": (5, 2000),
}

_KINDS_OF_CHARACTERS = (r"[a-z]", r"[A-Z]", r"[0-9]", r"[()`~!@#$%^&*_\-+=|{}\[\]:;'\\\"<>,.?/]")
_ALL_CHARACTERS = re.compile(r"[a-zA-Z0-9()`~!@#$%^&*_\-+=|{}\[\]:;'\\\"<>,.?/]*")


def check(request: CreateMachines) -> None:
    """Raises INVALID_PARAMETER with the field that RunInstances would refuse."""
    for field, value in (
        ("region_id", request.region_id),
        ("zone_id", request.zone_id),
        ("instance_type", request.instance_type),
        ("image", request.image_id),
        ("network_config.subnet_id", request.subnet_id),
        ("network_config.security_group", request.security_group_id),
    ):
        _require(bool(value), field, "is required")
    _require(1 <= request.count <= MOST_MACHINES, "count", f"must be from 1 to {MOST_MACHINES} a call")
    _require(1 <= request.min_count <= request.count, "min_count", "must be from 1 to count")
    _require(
        len(request.token) <= MOST_TOKEN and request.token.isascii(),
        "token",
        f"must have at most {MOST_TOKEN} ASCII characters",
    )
    low, high = NAME_LENGTH
    _require(low <= len(request.name) <= high, "name", f"must have {low} to {high} characters")
    _check_disks(request)
    _check_password(request.password)
    _check_charge(request)
    _check_tags(request.tags)


def _check_disks(request: CreateMachines) -> None:
    _check_disk("disks.system_disk", request.system_disk, SYSTEM_DISKS)
    _require(len(request.data_disks) <= MOST_DATA_DISKS, "disks.data_disk", f"at most {MOST_DATA_DISKS} are possible")
    for index, disk in enumerate(request.data_disks):
        _check_disk(f"disks.data_disk[{index}]", disk, DATA_DISKS)


def _check_disk(field: str, disk: Disk, categories: Mapping[str, tuple[int, int]]) -> None:
    _require(disk.category in categories, f"{field}.category", f"must be one of {', '.join(categories)}")
    low, high = categories[disk.category]
    _require(low <= disk.size_gib <= high, f"{field}.size", f"must be from {low} to {high} GiB for {disk.category}")


def _check_password(password: str) -> None:
    low, high = PASSWORD_LENGTH
    kinds = sum(bool(re.search(kind, password)) for kind in _KINDS_OF_CHARACTERS)
    _require(
        low <= len(password) <= high and kinds >= 3 and _ALL_CHARACTERS.fullmatch(password) is not None,
        "password",
        f"must have {low} to {high} characters, of three of these kinds: small letters, capitals, digits, marks",
    )


def _check_charge(request: CreateMachines) -> None:
    charge = request.charge
    _require(charge.charge_type in ("PostPaid", "PrePaid"), "charge_config.charge_type", "must be PostPaid or PrePaid")
    if charge.charge_type == "PrePaid":
        _require(charge.period_unit in PERIODS, "charge_config.period_unit", f"must be one of {', '.join(PERIODS)}")
        periods = PERIODS[charge.period_unit]
        _require(
            charge.period in periods,
            "charge_config.period",
            f"must be one of {', '.join(map(str, periods))} with {charge.period_unit}",
        )
    low, high = BANDWIDTH_MBPS
    _require(
        low <= request.bandwidth_mbps <= high,
        "network_config.internet_max_bandwidth_out",
        f"must be from {low} to {high} Mbit/s",
    )
    _require(
        not request.bandwidth_mbps or request.internet_charge_type in INTERNET_CHARGE_TYPES,
        "network_config.internet_charge_type",
        f"must be one of {', '.join(INTERNET_CHARGE_TYPES)}",
    )


def _check_tags(tags: Mapping[str, str]) -> None:
    _require(len(tags) <= MOST_TAGS, "tags", f"a machine takes at most {MOST_TAGS}, BridgX's own included")
    for key, value in tags.items():
        _require(
            0 < len(key) <= TAG_LENGTH and len(value) <= TAG_LENGTH,
            "tags",
            f"{key[:TAG_LENGTH]}: keys have 1 to {TAG_LENGTH} characters, values at most {TAG_LENGTH}",
        )
        _require(
            not key.startswith(("aliyun", "acs:")) and not re.search(r"https?://", f"{key} {value}"),
            "tags",
            f"{key}: a key must not begin with aliyun or acs:, and neither part may hold http:// or https://",
        )


def _require(fits: bool, field: str, message: str) -> None:
    if not fits:
        raise ProviderError(
            ErrorClass.INVALID_PARAMETER,
            f"{field}: {message} on {PROVIDER}.",
            provider=PROVIDER,
            operation="check_machines",
            field=field,
        )
