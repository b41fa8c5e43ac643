"""What the simulated cloud refuses, in words of no vendor. Each front renders them in its vendor's codes."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Kind(StrEnum):
    """Why a call is refused."""

    NO_STOCK = "no_stock"
    QUOTA = "quota"
    NOT_FOUND = "not_found"
    TOKEN_MISMATCH = "token_mismatch"
    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    IN_USE = "in_use"
    WRONG_STATE = "wrong_state"
    CIDR_CONFLICT = "cidr_conflict"
    CIDR_INVALID = "cidr_invalid"
    NO_ADDRESSES = "no_addresses"
    DUPLICATE = "duplicate"
    NOT_OFFERED = "not_offered"
    NO_REFUND = "no_refund"
    VENDOR = "vendor"


class SimError(Exception):
    """A refusal. ``subject`` is what it is about: vpc, subnet, group, machine, image, type, zone, rule.

    ``numbers`` are what a vendor may put into its text: of a quota, how many machines were ``asked`` for and its ``limit``.
    ``code`` and ``status`` are given for :attr:`Kind.VENDOR` alone: a scripted code of the vendor's own.
    """

    def __init__(
        self,
        kind: Kind,
        message: str,
        *,
        subject: str = "",
        ids: tuple[str, ...] = (),
        numbers: Mapping[str, int] | None = None,
        code: str = "",
        status: int = 400,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.subject = subject
        self.ids = ids
        self.numbers = dict(numbers or {})
        self.code = code
        self.status = status
