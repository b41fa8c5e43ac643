"""What is said of a chunk or a task when it has ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bridgx_server.providers.errors import ErrorClass, ProviderError
from bridgx_server.store import chunks
from bridgx_server.store.chunks import Chunk
from bridgx_server.store.tasks import Task

LONGEST_REASON = 2000  # characters


@dataclass(frozen=True)
class Outcome:
    """A task's end. ``error_class`` is a word of ErrorReason, or ``canceled`` or ``boot_failed``; empty at success."""

    status: str
    reason: str
    error_class: str


REASONS: dict[ErrorClass, str] = {
    ErrorClass.THROTTLED: "throttled",
    ErrorClass.OUT_OF_STOCK: "out_of_stock",
    ErrorClass.NO_ADDRESSES: "no_addresses",
    ErrorClass.QUOTA_EXCEEDED: "quota_exceeded",
    ErrorClass.INSUFFICIENT_BALANCE: "insufficient_balance",
    ErrorClass.BAD_CREDENTIALS: "bad_credentials",
    ErrorClass.CLOCK_SKEW: "clock_skew",
    ErrorClass.PERMISSION_DENIED: "permission_denied",
    ErrorClass.NOT_FOUND: "param_invalid",
    ErrorClass.CONFLICT: "conflict",
    ErrorClass.NOT_RELEASABLE: "not_releasable",
    ErrorClass.INVALID_PARAMETER: "param_invalid",
    ErrorClass.UNAVAILABLE: "cloud_unavailable",
    ErrorClass.TIMEOUT_UNKNOWN: "cloud_timeout",
    ErrorClass.UNKNOWN: "cloud_error",
}

# A call that asks for fewer may be granted after one of these.
SHORTAGES = (ErrorClass.OUT_OF_STOCK, ErrorClass.NO_ADDRESSES, ErrorClass.QUOTA_EXCEEDED)


def failure_of(error: ProviderError) -> dict[str, object]:
    """The columns of a chunk that say why the cloud refused, and what the user can do next."""
    return {
        "error_class": REASONS[error.kind],
        "reason": error.told[:LONGEST_REASON],
        "vendor_code": error.vendor_code[:128],
        "vendor_request_id": error.request_id[:128],
    }


def with_billed(result: Outcome, told: str, error_class: str) -> Outcome:
    """The same end of a task that leaves machines which nobody wants and the cloud did not delete: no success."""
    return Outcome(
        "PARTIAL_SUCCESS" if result.status == "SUCCESS" else result.status,
        (f"{result.reason}; {told}" if result.reason else told)[:LONGEST_REASON],
        result.error_class or error_class,
    )


def of_task(task: Task, ledger: Sequence[Chunk], done: int) -> Outcome:
    """How a task ends that brought ``done`` of its machines where they should be, and why not all of them."""
    if done >= task.asked and not task.cancel:
        return Outcome("SUCCESS", "", "")
    told = [chunk for chunk in ledger if chunk.reason]
    failed = [chunk for chunk in told if chunk.asked > chunk.moved]
    # A chunk that a part of was made of may lack nothing any more: what it has not was asked for again.
    nothing_made = [chunk for chunk in failed if chunk.status == chunks.FAILED]
    error_class = (nothing_made or failed or told)[0].error_class if told else ""
    blamed = [chunk for chunk in told if chunk.asked > chunk.moved or chunk.error_class == error_class] or told
    reason = "; ".join(_reasons(blamed, several=len({chunk.placement for chunk in ledger}) > 1))[:LONGEST_REASON]
    if task.cancel:
        return Outcome("CANCELED", reason or "the task was canceled", "canceled")
    return Outcome("PARTIAL_SUCCESS" if done else "FAILED", reason, error_class)


def _reasons(blamed: Sequence[Chunk], *, several: bool) -> list[str]:
    """What the chunks met. A shortage is told once at each placement: some clouds put the number asked for into it.

    The first telling of it is of the largest call, which says the most.
    """
    short = {REASONS[kind] for kind in SHORTAGES}
    found: dict[tuple[str, str, str], str] = {}
    for chunk in blamed:
        where = f"{chunk.instance_type} in {chunk.zone_id}: " if several else ""
        told = chunk.vendor_code if chunk.error_class in short and chunk.vendor_code else chunk.reason
        found.setdefault((where, chunk.error_class, told), f"{where}{chunk.reason}")
    return list(dict.fromkeys(found.values()))
