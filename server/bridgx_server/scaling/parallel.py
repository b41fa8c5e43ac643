"""Several calls to a cloud at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, wait


def in_parallel(executor: Executor, steps: Sequence[Callable[[], object]]) -> None:
    """Runs the steps, waits for all of them, and then raises the first failure, if any, in their order."""
    if len(steps) == 1:
        steps[0]()
        return
    futures = [executor.submit(step) for step in steps]
    wait(futures)
    for future in futures:
        future.result()
