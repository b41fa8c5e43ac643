"""What exists in a simulated cloud."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Account:
    """Someone who may call. ``machine_quota`` is how many machines may exist at a time in a region.

    With ``owner`` it is but another access key of that account. With ``token`` it is a temporary one: every call carries
    the token beside the signature.
    """

    access_key: str
    secret: str
    project_id: str = ""
    machine_quota: int = 100_000
    owner: str = ""
    token: str = ""


@dataclass
class Vpc:
    """A network. Times are seconds since the epoch; before ``visible_at`` no other call knows it."""

    vpc_id: str
    account: str
    region: str
    name: str
    cidr: str
    created_at: float
    available_at: float
    description: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    visible_at: float = 0.0


@dataclass
class Subnet:
    """A part of a network. ``next_host`` is the offset of the address that the next machine gets."""

    subnet_id: str
    account: str
    region: str
    vpc_id: str
    zone: str
    name: str
    cidr: str
    created_at: float
    available_at: float
    description: str = ""
    next_host: int = 4
    free_hosts: list[int] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    visible_at: float = 0.0


@dataclass
class Group:
    """A security group and its rules, each a dictionary as its front made it."""

    group_id: str
    account: str
    region: str
    vpc_id: str
    name: str
    group_type: str
    created_at: float
    description: str = ""
    rules: list[dict[str, Any]] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    visible_at: float = 0.0


@dataclass
class Machine:
    """A machine. Its state follows from the times: nothing runs in the background.

    ``recycled`` is for clouds that put prepaid machines into a recycle bin before they delete them. ``charge`` is the
    vendor's word; what is paid in advance lasts until ``expires_at`` (0: it does not expire), or until its billing was
    converted, at ``converted_at``. ``protected``: the cloud's own deletion protection, which its owner has switched on.
    """

    machine_id: str
    account: str
    region: str
    zone: str
    type_name: str
    image_id: str
    vpc_id: str
    subnet_id: str
    group_ids: list[str]
    name: str
    private_ip: str
    public_ip: str
    created_at: float
    boots_at: float
    visible_at: float
    charge: str = "PostPaid"
    bandwidth: int = 0
    disks: list[dict[str, Any]] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    fails: bool = False
    recycled: bool = False
    protected: bool = False
    expires_at: float = 0.0
    converted_at: float = 0.0
    deleting_at: float = 0.0
    deleted_at: float = 0.0
    gone_at: float = 0.0

    def state(self, now: float) -> str:
        """pending, running, failed, deleting, deleted or gone."""
        if self.deleting_at:
            if now < self.deleted_at:
                return "deleting"
            return "deleted" if now < self.gone_at else "gone"
        if now < self.boots_at:
            return "pending"
        return "failed" if self.fails else "running"

    def prepaid(self, now: float) -> bool:
        """Whether it was paid for in advance and has not been converted since, expired or not."""
        return self.charge.lower() == "prepaid" and not (self.converted_at and now >= self.converted_at)

    def unexpired(self, now: float) -> bool:
        """Whether it is paid for in advance until later than ``now``."""
        return self.prepaid(now) and not (self.expires_at and now >= self.expires_at)


def number_of(account: str, digits: int) -> str:
    """The vendor's number of an account: the same for all of its access keys, and always the same."""
    number = int.from_bytes(hashlib.sha256(account.encode()).digest()[:8])
    return str(10 ** (digits - 1) + number % (9 * 10 ** (digits - 1)))


def to_json(entity: Any) -> dict[str, Any]:
    """The entity as plain values."""
    return asdict(entity)
