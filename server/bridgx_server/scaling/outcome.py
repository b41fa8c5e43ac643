"""What is said of a chunk or a task when it has ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bridgx_server.providers.errors import ErrorClass, ProviderError
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
    ErrorClass.QUOTA_EXCEEDED: "quota_exceeded",
    ErrorClass.INSUFFICIENT_BALANCE: "insufficient_balance",
    ErrorClass.BAD_CREDENTIALS: "bad_credentials",
    ErrorClass.CLOCK_SKEW: "clock_skew",
    ErrorClass.PERMISSION_DENIED: "permission_denied",
    ErrorClass.NOT_FOUND: "param_invalid",
    ErrorClass.CONFLICT: "conflict",
    ErrorClass.INVALID_PARAMETER: "param_invalid",
    ErrorClass.UNAVAILABLE: "cloud_unavailable",
    ErrorClass.TIMEOUT_UNKNOWN: "cloud_timeout",
    ErrorClass.UNKNOWN: "cloud_error",
}


def failure_of(error: ProviderError) -> dict[str, object]:
    """The columns of a chunk that say why the cloud refused, and what the user can do next."""
    return {
        "error_class": REASONS[error.kind],
        "reason": error.told[:LONGEST_REASON],
        "vendor_code": error.vendor_code[:128],
        "vendor_request_id": error.request_id[:128],
    }


def of_task(task: Task, ledger: Sequence[Chunk], done: int) -> Outcome:
    """How a task ends that brought ``done`` of its machines where they should be, and why not all of them."""
    if done >= task.asked and not task.cancel:
        return Outcome("SUCCESS", "", "")
    told = [chunk for chunk in ledger if chunk.reason]
    failed = [chunk for chunk in told if chunk.asked > chunk.moved]
    error_class = (failed or told)[0].error_class if told else ""
    blamed = [chunk for chunk in told if chunk.asked > chunk.moved or chunk.error_class == error_class] or told
    several = len({chunk.placement for chunk in ledger}) > 1
    reasons = list(
        dict.fromkeys(
            f"{chunk.instance_type} in {chunk.zone_id}: {chunk.reason}" if several else chunk.reason for chunk in blamed
        )
    )
    reason = "; ".join(reasons)[:LONGEST_REASON]
    if task.cancel:
        return Outcome("CANCELED", reason or "the task was canceled", "canceled")
    return Outcome("PARTIAL_SUCCESS" if done else "FAILED", reason, error_class)
