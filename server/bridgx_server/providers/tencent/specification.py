"""What RunInstances takes, checked before it is called.

The figures are those of its API reference, but for the sizes of disks: those are the widest of all types in the overview of
the storage product.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from bridgx_server.providers.base import CreateMachines, Disk
from bridgx_server.providers.errors import ErrorClass, ProviderError
from bridgx_server.providers.tencent import words
from bridgx_server.providers.tencent.errors import PROVIDER

MOST_MACHINES = 100  # a call; the reason stands in provider.py
MOST_TOKEN = 64  # ASCII characters
NAME_CHARACTERS = 120  # Tencent's 128, less the number that is added
MOST_DATA_DISKS = 20
SYSTEM_DISK_GIB = (20, 2048)
DATA_DISK_GIB = (10, 32000)
DATA_DISK_STEP = 10  # GiB
BANDWIDTH_MBPS = (0, 100)
INTERNET_CHARGE_TYPES = ("PayByTraffic", "PayByBandwidth")
MONTHS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 24, 36, 48, 60)

# "Use Limits" of the tag product.
MOST_TAGS = 50
TAG_KEY_CHARACTERS = 127
TAG_VALUE_CHARACTERS = 255
TAG_RESERVED = ("qcs:", "project", "项目")
_TAG = re.compile(r"[\w+\-=.:/@()\[\],;><【】（）： ]+")

# Linux: two of these kinds. A password for Windows needs twelve characters and three kinds; the cloud tells.
PASSWORD_LENGTH = (8, 30)
_KINDS = (r"[a-z]", r"[A-Z]", r"[0-9]", r"[()`~!@#$%^&*\-+=|{}\[\]:;',.?/]")
_PASSWORD = re.compile(r"[a-zA-Z0-9()`~!@#$%^&*\-+=|{}\[\]:;',.?/]*")


def check(request: CreateMachines) -> None:
    """Raises INVALID_PARAMETER with the field that RunInstances would refuse."""
    for field, value in (
        ("region_id", request.region_id),
        ("zone_id", request.zone_id),
        ("instance_type", request.instance_type),
        ("image", request.image_id),
        ("network_config.vpc", request.vpc_id),
        ("network_config.subnet_id", request.subnet_id),
        ("network_config.security_group", request.security_group_id),
    ):
        _require(bool(value), field, "is required")
    _require(1 <= request.count <= MOST_MACHINES, "count", f"must be from 1 to {MOST_MACHINES} a call")
    _require(
        len(request.token) <= MOST_TOKEN and request.token.isascii(),
        "token",
        f"must have at most {MOST_TOKEN} ASCII characters",
    )
    _require(len(request.name) <= NAME_CHARACTERS, "name", f"must have at most {NAME_CHARACTERS} characters")
    _check_disks(request)
    _check_password(request.password)
    _check_charge(request)
    _check_tags(request.tags)


def _check_disks(request: CreateMachines) -> None:
    _check_disk("disks.system_disk", request.system_disk, SYSTEM_DISK_GIB, 1)
    _require(len(request.data_disks) <= MOST_DATA_DISKS, "disks.data_disk", f"at most {MOST_DATA_DISKS} are possible")
    for index, disk in enumerate(request.data_disks):
        _check_disk(f"disks.data_disk[{index}]", disk, DATA_DISK_GIB, DATA_DISK_STEP)


def _check_disk(field: str, disk: Disk, sizes: tuple[int, int], step: int) -> None:
    known = ", ".join([*words.DISKS, *words.OWN_DISKS])
    _require(bool(words.disk_of(disk.category)), f"{field}.category", f"must be one of {known}")
    low, high = sizes
    steps = f" in steps of {step}" if step > 1 else ""
    fits = low <= disk.size_gib <= high and disk.size_gib % step == 0
    _require(fits, f"{field}.size", f"must be from {low} to {high} GiB{steps}")


def _check_password(password: str) -> None:
    low, high = PASSWORD_LENGTH
    kinds = sum(bool(re.search(kind, password)) for kind in _KINDS)
    _require(
        low <= len(password) <= high and kinds >= 2 and _PASSWORD.fullmatch(password) is not None,
        "password",
        f"must have {low} to {high} characters, of two of these kinds: small letters, capitals, digits, and the marks "
        "()`~!@#$%^&*-+=|{}[]:;',.?/",
    )


def _check_charge(request: CreateMachines) -> None:
    charge = request.charge
    _require(charge.charge_type in words.CHARGES, "charge_config.charge_type", "must be PostPaid or PrePaid")
    if charge.charge_type == "PrePaid":
        _require(
            charge.period_unit == "Month", "charge_config.period_unit", "must be Month: nothing is sold by the week"
        )
        _require(
            charge.period in MONTHS, "charge_config.period", f"must be one of {', '.join(map(str, MONTHS))} months"
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
        shown = key[:TAG_KEY_CHARACTERS]
        _require(
            1 <= len(key) <= TAG_KEY_CHARACTERS and 1 <= len(value) <= TAG_VALUE_CHARACTERS,
            "tags",
            f"{shown}: keys have 1 to {TAG_KEY_CHARACTERS} characters, values 1 to {TAG_VALUE_CHARACTERS}",
        )
        _require(
            not key.startswith(TAG_RESERVED), "tags", f"{shown}: keys must not begin with {', '.join(TAG_RESERVED)}"
        )
        _require(
            all(_TAG.fullmatch(text) is not None and text.strip() == text for text in (key, value)),
            "tags",
            f"{shown}: letters, digits, spaces inside and + - = . _ : / @ ( ) [ ] , ; > < are allowed",
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
