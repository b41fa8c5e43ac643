"""How long it takes to ask a cloud, before it is asked."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bridgx_server.providers.gate import Gate, Rate

CALL_SECONDS = 1.5  # what a call that makes or deletes machines takes at the clouds


def seconds_to_ask(gate: Gate, api: str, sizes: Sequence[int], at_once: int) -> float:
    """Seconds from the first of one task's calls until the last is answered, with the account used by nobody else.

    ``sizes`` are the machines of each call, ``at_once`` how many calls a task makes side by side. The account's rates are
    those of a rested bucket.
    """
    if not sizes:
        return 0.0
    limit = gate.limit(api)
    side_by_side = min(at_once, gate.places or at_once)
    last_starts = max(
        (math.ceil(len(sizes) / side_by_side) - 1) * CALL_SECONDS,
        _wait(limit.calls, len(sizes)),
        _wait(limit.machines, sum(sizes)),
    )
    return last_starts + CALL_SECONDS


def _wait(rate: Rate | None, count: int) -> float:
    return 0.0 if rate is None else max(count - rate.burst, 0.0) / rate.per_second
