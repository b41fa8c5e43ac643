"""The seam between BridgX and a cloud: the Provider protocol and its value types.

One adapter speaks one vendor and translates both ways: words (disk categories, charge types, states) and failures
(:mod:`bridgx_server.providers.errors`). An adapter keeps no state but its SDK clients, never retries by itself, never
sleeps, passes its gate (:mod:`bridgx_server.providers.gate`) with every request, and raises nothing but
:class:`ProviderError` and what the gate raises. All methods may be called from many threads at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from bridgx_server.providers.errors import ErrorClass, ProviderError
from bridgx_server.providers.gate import OPEN, Gate

__all__ = [
    "Charge",
    "CreateMachines",
    "CreateSecurityGroup",
    "CreateSubnet",
    "CreateVpc",
    "CreatedMachines",
    "Credentials",
    "DeletedMachines",
    "Disk",
    "ErrorClass",
    "Image",
    "InstanceType",
    "Limits",
    "Machine",
    "MachineState",
    "Provider",
    "ProviderError",
    "ProviderSettings",
    "Region",
    "SecurityGroup",
    "SecurityGroupRule",
    "Subnet",
    "Vpc",
    "Zone",
]


@dataclass(frozen=True)
class Credentials:
    """One account of one cloud. ``project_id`` is used by HuaweiCloud alone; empty: looked up per region.

    With ``ambient`` the SDK finds the identity of the machine it runs on, and renews it; ``access_key`` is then a mere
    name and ``secret`` is empty.
    """

    provider: str
    access_key: str
    secret: str = field(repr=False)
    project_id: str = ""
    ambient: bool = False


@dataclass(frozen=True)
class ProviderSettings:
    """How an adapter reaches its cloud.

    ``endpoint`` is a URL that replaces every endpoint of the cloud (empty: the vendor's own, over https). Timeouts are
    in seconds. ``pool_size`` is the number of connections kept per client. ``gate`` is that of the account; one that
    lets everything pass where there is no account to be counted.
    """

    endpoint: str = ""
    connect_timeout: float = 5.0
    read_timeout: float = 60.0
    pool_size: int = 32
    gate: Gate = field(default=OPEN, compare=False, repr=False)


@dataclass(frozen=True)
class Limits:
    """What one call of the vendor may carry, and what its networks may be.

    ``vpc_prefix`` and ``subnet_prefix`` are the shortest and longest CIDR masks that the cloud takes. ``tokens`` says
    whether machine creation is idempotent by client token; where it is not, machines are looked up by tag alone.
    ``network_tokens`` says the same of VPCs, subnets and security groups: where the cloud knows no token for them, two calls
    that are under way together make two, since neither finds what the other makes, and a call without an answer is not made
    again before what it may have made would be seen.
    ``partial_delivery`` says whether a create call may deliver fewer than asked when stock is short; where it may not, a
    chunk is split until what there is has been taken, as it is on every cloud for want of addresses or quota.
    ``create_api`` and ``delete_api`` are the vendor's names of the APIs that make and end machines, as the adapter tells its
    gate: a turn at them can then be had before anything is written down (empty: the turn is waited for on the way).
    ``prepaid_release`` says in a sentence, for a user, what giving up a machine that is paid for in advance does and costs
    (empty: the cloud sells none).
    """

    create_batch: int
    describe_batch: int
    delete_batch: int
    tokens: bool = True
    network_tokens: bool = True
    partial_delivery: bool = True
    vpc_prefix: tuple[int, int] = (8, 24)
    subnet_prefix: tuple[int, int] = (16, 29)
    create_api: str = ""
    delete_api: str = ""
    prepaid_release: str = ""


@dataclass(frozen=True)
class Region:
    region_id: str
    local_name: str


@dataclass(frozen=True)
class Zone:
    zone_id: str
    local_name: str


@dataclass(frozen=True)
class InstanceType:
    """A type on sale in a zone: ``cores`` are vCPUs, ``memory_gib`` GiB."""

    family: str
    name: str
    cores: int
    memory_gib: float


@dataclass(frozen=True)
class Image:
    """``os_type`` is ``linux`` or ``windows``."""

    image_id: str
    os_type: str
    os_name: str


@dataclass(frozen=True)
class Vpc:
    """``status`` is ``Pending`` or ``Available``."""

    vpc_id: str
    name: str
    cidr_block: str
    status: str
    created_at: datetime | None = None


@dataclass(frozen=True)
class Subnet:
    """``zone_id`` is empty on clouds whose subnets span a region. ``status`` is ``Pending`` or ``Available``."""

    subnet_id: str
    vpc_id: str
    zone_id: str
    name: str
    cidr_block: str
    status: str
    is_default: bool = False
    available_ip_count: int = 0
    created_at: datetime | None = None


@dataclass(frozen=True)
class SecurityGroup:
    """``vpc_id`` is empty on clouds whose groups belong to no VPC. ``group_type`` is ``normal`` or ``enterprise``."""

    security_group_id: str
    vpc_id: str
    name: str
    group_type: str = "normal"
    created_at: datetime | None = None


@dataclass(frozen=True)
class SecurityGroupRule:
    """One rule that accepts traffic.

    ``protocol`` is tcp, udp, icmp, gre or all; ``direction`` ingress or egress; ports are 1 to 65535, both -1 unless
    the protocol is tcp or udp. Exactly one of ``cidr_ip`` and ``group_id`` is set.
    """

    direction: str
    protocol: str
    port_from: int
    port_to: int
    cidr_ip: str = ""
    group_id: str = ""


@dataclass(frozen=True)
class CreateVpc:
    """``token`` is a lower-case UUID: two calls with one token make one VPC."""

    region_id: str
    name: str
    cidr_block: str
    token: str


@dataclass(frozen=True)
class CreateSubnet:
    """``vpc_cidr_block`` is the block of the VPC; ``token`` as in :class:`CreateVpc`."""

    region_id: str
    vpc_id: str
    vpc_cidr_block: str
    zone_id: str
    name: str
    cidr_block: str
    token: str


@dataclass(frozen=True)
class CreateSecurityGroup:
    """A group without rules; ``token`` as in :class:`CreateVpc`."""

    region_id: str
    vpc_id: str
    name: str
    group_type: str
    token: str


@dataclass(frozen=True)
class Disk:
    """``category`` is a word of the API (``cloud_efficiency``, ``cloud_ssd``, ``cloud_essd``) or the vendor's own."""

    category: str
    size_gib: int


@dataclass(frozen=True)
class Charge:
    """``charge_type`` PostPaid or PrePaid; ``period_unit`` Week or Month and ``period`` belong to PrePaid."""

    charge_type: str = "PostPaid"
    period_unit: str = ""
    period: int = 0


@dataclass(frozen=True)
class CreateMachines:
    """Machines of one shape, asked for in one call.

    ``count`` is at most :attr:`Limits.create_batch`; the cloud may deliver fewer but not fewer than ``min_count``
    (where it cannot deliver a part, it is all or nothing). ``token`` is a lower-case UUID that stands for this call
    for good. ``tags`` are put on every machine by the same call. ``bandwidth_mbps`` 0 means no public address.
    """

    region_id: str
    zone_id: str
    instance_type: str
    image_id: str
    vpc_id: str
    subnet_id: str
    security_group_id: str
    count: int
    token: str
    name: str
    password: str = field(repr=False)
    system_disk: Disk
    data_disks: Sequence[Disk] = ()
    min_count: int = 1
    charge: Charge = Charge()
    bandwidth_mbps: int = 0
    internet_charge_type: str = "PayByTraffic"
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CreatedMachines:
    """What a create call promised: the ids that will become machines, and the vendor's request id.

    Fewer ids than asked means that the cloud had no more; ``shortfall`` then says why, as far as the vendor did.
    """

    instance_ids: tuple[str, ...]
    request_id: str = ""
    shortfall: ProviderError | None = None


@dataclass(frozen=True)
class DeletedMachines:
    """What the cloud made of a deletion, machine by machine.

    ``refused``: those that are as they were, by id, each with why (NOT_RELEASABLE, PERMISSION_DENIED, CONFLICT …).
    ``unknown``: those that the cloud says it does not know, which alone does not prove that they are gone. The cloud has
    agreed to delete all others that were named.
    """

    refused: Mapping[str, ProviderError] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()


class MachineState(StrEnum):
    """A machine as the cloud sees it. FAILED: accepted, but will never run (it may vanish or must be deleted)."""

    PENDING = "pending"
    RUNNING = "running"
    STOPPED = "stopped"
    DELETING = "deleting"
    DELETED = "deleted"
    FAILED = "failed"


@dataclass(frozen=True)
class Machine:
    """One machine in the cloud.

    ``started_at`` and ``ended_at`` are the cloud's own times of its boot and of its deletion, where it gives them.
    ``charge_type`` is PrePaid or PostPaid, empty where the cloud does not tell; ``expires_at`` is when what was paid in
    advance ends, None where there is no such time or the cloud's list does not tell it.
    ``network_unknown``: it was promised and will not run, since the cloud did not know its subnet or security group.
    """

    instance_id: str
    state: MachineState
    instance_type: str = ""
    zone_id: str = ""
    private_ip: str = ""
    public_ip: str = ""
    created_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    reason: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    charge_type: str = ""
    expires_at: datetime | None = None
    network_unknown: bool = False


class Provider(Protocol):
    """One account of one cloud."""

    name: str
    limits: Limits

    def cloud_account_id(self) -> str:
        """The cloud's own id of the account that the access key belongs to: the same for all keys of one account.

        Empty where the cloud has no call that tells it for certain.
        """
        ...

    # Catalog. Everything the account may use, all pages.

    def list_regions(self) -> list[Region]: ...

    def list_zones(self, region_id: str) -> list[Zone]: ...

    def list_instance_types(self, region_id: str, zone_id: str) -> list[InstanceType]:
        """Types on sale in the zone now."""
        ...

    def list_images(self, region_id: str) -> list[Image]: ...

    def find_image(self, region_id: str, image_id: str) -> Image | None:
        """The image if the account may start machines from it, else None."""
        ...

    # Network. Lists leave out what does not exist; deleting what the cloud does not know is NOT_FOUND, which of a thing
    # that has just been made proves nothing.

    def create_vpc(self, request: CreateVpc) -> str: ...

    def find_vpc(self, request: CreateVpc) -> str:
        """The id of what a call under the same token has made, as far as the cloud shows it by now; empty: nothing is shown.

        Always empty where the cloud has tokens for networks (:attr:`Limits.network_tokens`): there the call is made again.
        """
        ...

    def describe_vpcs(self, region_id: str, vpc_ids: Sequence[str]) -> list[Vpc]: ...

    def delete_vpc(self, region_id: str, vpc_id: str) -> None: ...

    def create_subnet(self, request: CreateSubnet) -> str: ...

    def find_subnet(self, request: CreateSubnet) -> str:
        """As :meth:`find_vpc`."""
        ...

    def describe_subnets(self, region_id: str, vpc_id: str) -> list[Subnet]:
        """All subnets of the VPC."""
        ...

    def delete_subnet(self, region_id: str, vpc_id: str, subnet_id: str) -> None: ...

    def create_security_group(self, request: CreateSecurityGroup) -> str: ...

    def find_security_group(self, request: CreateSecurityGroup) -> str:
        """As :meth:`find_vpc`."""
        ...

    def add_security_group_rules(
        self, region_id: str, security_group_id: str, rules: Sequence[SecurityGroupRule]
    ) -> None:
        """Add the rules; one that exists already is success."""
        ...

    def describe_security_groups(self, region_id: str, security_group_ids: Sequence[str]) -> list[SecurityGroup]: ...

    def delete_security_group(self, region_id: str, security_group_id: str) -> None: ...

    # Machines.

    def check_machines(self, request: CreateMachines) -> None:
        """Refuse, without calling the cloud, what it cannot do; raises INVALID_PARAMETER with ``field``."""
        ...

    def dry_run_machines(self, request: CreateMachines) -> bool:
        """Ask the cloud whether it would create; False where it has no dry run. Raises what creation would raise."""
        ...

    def create_machines(self, request: CreateMachines) -> CreatedMachines: ...

    def describe_machines(self, region_id: str, instance_ids: Sequence[str]) -> list[Machine]:
        """The machines among ``instance_ids`` (at most :attr:`Limits.describe_batch`) that the cloud knows.

        One that is left out is unknown to the cloud: not yet visible, or gone. Raises rather than give a part.
        """
        ...

    def find_machines(self, region_id: str, tags: Mapping[str, str]) -> list[Machine]:
        """Every machine that carries all of ``tags``, all pages. Raises rather than give a part."""
        ...

    def delete_machines(
        self, region_id: str, instance_ids: Sequence[str], *, release_prepaid: bool = False
    ) -> DeletedMachines:
        """Delete machines and their disks (at most :attr:`Limits.delete_batch`), each for itself.

        One that may not go keeps no other alive: it is in ``refused``. One that is paid for in advance and has not
        expired is refused as NOT_RELEASABLE, unless ``release_prepaid``: then it is given up in the vendor's way
        (converted, unsubscribed, refunded) and deleted, or refused with why that failed.

        Raises what is about the call as a whole (throttled, credentials, no answer): all machines are then as they were,
        unless a part was deleted before, which makes it a CONFLICT, or it is in doubt.
        """
        ...
