"""Patience with a cloud: it may not know yet what it has just made, or not have finished it.

For seconds after a VPC, subnet or security group was made a cloud may answer "not found" to whoever names it
(terraform-provider-aws issue 171, boto3 issue 620, gardener issue 1947), and leave it out of lists. A "not found" about
something that young proves nothing: it is neither a reason to undo what was made, nor a proof that it is gone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from bridgx_server.providers.errors import ClassTraits, ErrorClass, ProviderError, Retry

READY_TIMEOUT = 60.0  # seconds to wait for what the cloud has not finished
FIRST_PAUSE, MAX_PAUSE = 0.5, 2.0  # seconds between two tries: the first pause, and what pauses grow to
LONGEST_PAUSE = READY_TIMEOUT  # seconds between two tries at most, whatever the cloud says
UNANSWERED_ATTEMPTS = 3
ABSENCES = 2  # answers in a row that do not know a thing, the last after the visibility time, before it counts as gone
MAX_MARGIN = 5.0  # seconds before a caller's deadline in which it still gets its answer
PASSING = (
    ErrorClass.CONFLICT,
    ErrorClass.THROTTLED,
    ErrorClass.CLOCK_SKEW,
    ErrorClass.UNAVAILABLE,
    ErrorClass.TIMEOUT_UNKNOWN,
)
UNANSWERED = (ErrorClass.UNAVAILABLE, ErrorClass.TIMEOUT_UNKNOWN)

Answer = TypeVar("Answer")


class NotReadyYet(ProviderError):
    """The caller's deadline is near, and the cloud has not come so far: nothing failed, and nothing is undone.

    ``repeatable``: the caller has named its request, and goes on with it by calling again.
    """

    def __init__(self, cause: ProviderError, retry_after: float | None) -> None:
        super().__init__(
            ErrorClass.THROTTLED if cause.kind is ErrorClass.THROTTLED else ErrorClass.UNAVAILABLE,
            cause.message,
            provider=cause.provider,
            operation=cause.operation,
            vendor_code=cause.vendor_code,
            request_id=cause.request_id,
            http_status=cause.http_status,
            retry_after=retry_after,
            field=cause.field,
        )
        self.repeatable = True

    @property
    def traits(self) -> ClassTraits:
        """What the caller can do."""
        if self.repeatable:
            return ClassTraits(
                Retry.BACKOFF,
                "The request is not finished: repeat it under the same request_id, and it goes on where it was.",
            )
        return ClassTraits(
            Retry.BACKOFF,
            "The request is not finished, and what it has made, if anything, is removed again by itself: call with a request_id,"
            " so that a repetition can go on.",
        )


@dataclass(frozen=True)
class Patience:
    """How long flows wait, and by which clock. All times are in seconds.

    ``visibility`` is for how long a cloud may not know what it has made, ``answer`` how long a call to it may last,
    ``call_time`` how long a call of ours. Waiting ends at ``deadline``, a time of ``monotonic``; None: nobody waits for us.
    """

    visibility: float = 60.0
    answer: float = 60.0
    call_time: float = 120.0
    deadline: float | None = None
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic

    def until(self, left: float | None) -> Patience:
        """The patience of a call whose caller waits for ``left`` seconds more; None: it has set no deadline."""
        left = self.call_time if left is None else min(left, self.call_time)
        return replace(self, deadline=self.monotonic() + left - min(MAX_MARGIN, left / 5))

    def repeat(self, call: Callable[[], Answer], *, young_for: float = 0.0, within: float = READY_TIMEOUT) -> Answer:
        """Repeats a call that meets something unfinished, until it works or the bound is reached.

        One without an answer is repeated too, a few times: the call must be safe to repeat. Where the last one was
        refused for the moment, and one before had no answer, that one is what is raised: it may have had its effect.

        Args:
            young_for: for how long the cloud may not know yet what the call names.
            within: for how long a refusal for the moment is passed over.

        Raises:
            NotReadyYet: the caller's deadline is near.
            ProviderError: what the last call raised.
        """
        start = self.monotonic()
        unanswered: list[ProviderError] = []
        pause = FIRST_PAUSE
        while True:
            try:
                return call()
            except NotReadyYet:
                raise
            except ProviderError as error:
                waited = self.monotonic() - start
                if error.kind in UNANSWERED:
                    unanswered.append(error)
                passing = error.kind in PASSING and len(unanswered) < UNANSWERED_ATTEMPTS and waited < within
                if not passing and not (error.kind is ErrorClass.NOT_FOUND and waited < young_for):
                    raise (unanswered[-1] if unanswered and error.kind in PASSING else error) from None
                wait = error.retry_after or pause
                if self.deadline is not None and self.monotonic() + wait >= self.deadline:
                    raise NotReadyYet(error, wait) from None
            self.sleep(min(wait, LONGEST_PAUSE))
            pause = min(2 * pause, MAX_PAUSE)
