"""How long it takes to ask a cloud, before it is asked."""

from __future__ import annotations

import math

from bridgx_server.scaling.engine import EngineSettings

CALL_SECONDS = 1.5  # what a call that makes or deletes machines takes at the clouds


def seconds_to_ask(settings: EngineSettings, account_id: int, operation: str, calls: int) -> float:
    """Seconds from the first of so many calls of one task until the last is answered, with the account used by nobody else.

    ``operation`` is ``create_machines`` or ``delete_machines``. Calls run side by side as far as the settings allow it; no
    rate of the account is known here.
    """
    at_once = min(settings.parallel_chunks, settings.account_concurrency)
    return math.ceil(calls / at_once) * CALL_SECONDS
