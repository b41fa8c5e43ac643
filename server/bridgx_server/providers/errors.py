"""What can go wrong with a cloud, in one vocabulary.

Every adapter maps its vendor's codes to an :class:`ErrorClass`; callers act on the class alone. The vendor's own code,
message and request id ride along so that a user can open a ticket with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ErrorClass(StrEnum):
    """The classes of failure that callers distinguish."""

    THROTTLED = "throttled"
    OUT_OF_STOCK = "out_of_stock"
    NO_ADDRESSES = "no_addresses"
    QUOTA_EXCEEDED = "quota_exceeded"
    INSUFFICIENT_BALANCE = "insufficient_balance"
    BAD_CREDENTIALS = "bad_credentials"
    CLOCK_SKEW = "clock_skew"
    PERMISSION_DENIED = "permission_denied"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    NOT_RELEASABLE = "not_releasable"
    INVALID_PARAMETER = "invalid_parameter"
    UNAVAILABLE = "unavailable"
    TIMEOUT_UNKNOWN = "timeout_unknown"
    UNKNOWN = "unknown"


class Retry(StrEnum):
    """How a call that failed may be tried again."""

    WAIT = "wait"  # the same call, later; does not count as an attempt
    BACKOFF = "backoff"  # the same call with backoff, a bounded number of times
    LOOK_FIRST = "look_first"  # ask by token or tag what happened before trying again
    ELSEWHERE = "elsewhere"  # another zone or type may succeed
    NEVER = "never"  # the same call can only fail again


@dataclass(frozen=True)
class ClassTraits:
    """What a class of failure means for the engine and for the user."""

    retry: Retry
    next_step: str


TRAITS: dict[ErrorClass, ClassTraits] = {
    ErrorClass.THROTTLED: ClassTraits(
        Retry.WAIT,
        "Nothing to do: the call is repeated when the cloud allows it. Lower the account's rate if it persists.",
    ),
    ErrorClass.OUT_OF_STOCK: ClassTraits(Retry.ELSEWHERE, "Choose another zone or instance type, or try again later."),
    ErrorClass.NO_ADDRESSES: ClassTraits(
        Retry.ELSEWHERE,
        "Add a placement in another subnet to the cluster, or delete what is not needed in this one, then ask again.",
    ),
    ErrorClass.QUOTA_EXCEEDED: ClassTraits(
        Retry.NEVER, "Raise the quota in the cloud's console, or delete what is not needed, then ask again."
    ),
    ErrorClass.INSUFFICIENT_BALANCE: ClassTraits(
        Retry.NEVER, "Top up the cloud account or settle its bill, then ask again."
    ),
    ErrorClass.BAD_CREDENTIALS: ClassTraits(
        Retry.NEVER,
        "Give the account a valid access key and secret, with cloud_account/update or `bridgx account update`.",
    ),
    # Refused before anything was done; it works again as soon as the clock is right.
    ErrorClass.CLOCK_SKEW: ClassTraits(
        Retry.BACKOFF,
        "Set the clock of the machine that BridgX runs on (NTP): the cloud refuses requests whose time is minutes off. The"
        " access key is not at fault.",
    ),
    ErrorClass.PERMISSION_DENIED: ClassTraits(
        Retry.NEVER,
        "Grant the account the permission, or take off the protection, that the message names; docs/ has a minimal "
        "policy for each cloud.",
    ),
    ErrorClass.NOT_FOUND: ClassTraits(
        Retry.NEVER, "Check the id, the region and the account; the cloud does not know what was named."
    ),
    ErrorClass.CONFLICT: ClassTraits(
        Retry.BACKOFF, "Something else is changing the resource, or it is in use; try again when that has ended."
    ),
    ErrorClass.NOT_RELEASABLE: ClassTraits(
        Retry.NEVER,
        "Wait until what was paid in advance expires, or shrink with release_prepaid where the cloud takes it back.",
    ),
    ErrorClass.INVALID_PARAMETER: ClassTraits(Retry.NEVER, "Correct the value that the message names."),
    ErrorClass.UNAVAILABLE: ClassTraits(
        Retry.BACKOFF, "The cloud's API is failing or cannot be reached; the call is repeated for a while."
    ),
    ErrorClass.TIMEOUT_UNKNOWN: ClassTraits(
        Retry.LOOK_FIRST,
        "The cloud gave no answer: what was asked may have happened. It is looked up before any repetition.",
    ),
    ErrorClass.UNKNOWN: ClassTraits(
        Retry.NEVER, "Look the code up in the vendor's reference, or ask the vendor with the request id."
    ),
}


END_MARKS = (".", "!", "?", "…", "。", "！", "？")  # of a sentence, also in Chinese


class ProviderError(Exception):
    """A call to a cloud failed.

    ``retry_after`` is in seconds, None where the vendor named none. ``field`` names the parameter at fault in the
    vocabulary of the API (``instance_type``, ``network_config.subnet_id`` …), empty where unknown. ``available`` is, for a
    refusal of several machines, the most that the vendor says it would give now (0 or more); None where it does not say.
    """

    def __init__(
        self,
        kind: ErrorClass,
        message: str,
        *,
        provider: str = "",
        operation: str = "",
        vendor_code: str = "",
        request_id: str = "",
        http_status: int = 0,
        retry_after: float | None = None,
        field: str = "",
        available: int | None = None,
    ) -> None:
        message = message.replace("\0", "\ufffd")  # PostgreSQL stores no such text
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.provider = provider
        self.operation = operation
        self.vendor_code = vendor_code
        self.request_id = request_id
        self.http_status = http_status
        self.retry_after = retry_after
        self.field = field
        self.available = available

    @property
    def traits(self) -> ClassTraits:
        """Whether to retry, how, and what the user can do next."""
        return TRAITS[self.kind]

    def altered(self, *, kind: ErrorClass | None = None, message: str | None = None) -> ProviderError:
        """The same failure, of another class or in other words."""
        return ProviderError(
            self.kind if kind is None else kind,
            self.message if message is None else message,
            provider=self.provider,
            operation=self.operation,
            vendor_code=self.vendor_code,
            request_id=self.request_id,
            http_status=self.http_status,
            retry_after=self.retry_after,
            field=self.field,
            available=self.available,
        )

    @property
    def told(self) -> str:
        """What a user reads: the message as a sentence, and the next step."""
        message = self.message.rstrip()
        stop = "" if message.endswith(END_MARKS) or not message else "."
        return f"{message}{stop} {self.traits.next_step}".lstrip()

    def __str__(self) -> str:
        where = " ".join(part for part in (self.provider, self.operation) if part)
        code = f" [{self.vendor_code}]" if self.vendor_code else ""
        return f"{where}: {self.kind}{code}: {self.message}" if where else f"{self.kind}{code}: {self.message}"


def no_identity(provider: str, operation: str, cause: str) -> ProviderError:
    """The SDK could not find, or renew, the identity of this machine. Nothing was sent, and a later try may find it."""
    return ProviderError(
        ErrorClass.UNAVAILABLE,
        f"this machine has no identity at {provider}: neither environment, profile nor metadata service gave one ({cause})",
        provider=provider,
        operation=operation,
        field="ambient",
    )
