"""Scripted trouble: which calls go wrong, how, and how often."""

from __future__ import annotations

import fnmatch
import random
from dataclasses import dataclass, field
from typing import Any

KINDS = {
    "throttle": "refused: too many calls",
    "error": "refused with `code` (and `status`, `message`)",
    "unavailable": "refused with 503",
    "cut_before": "the connection is cut before anything happened",
    "cut_after": "the connection is cut after it happened",
    "empty": "a success is answered without a body, after it happened",
    "slow": "answered only after `seconds`",
    "stockout": "no machine of the type is in stock",
    "partial": "only `count` machines are in stock",
    "incomplete_describe": "`drop` (0 to 1) of the machines are left out of the answer",
    "never_boots": "the machines stay pending",
    "fails_to_boot": "the machines end as failed",
    "late_describe": "the machines are shown only after `seconds`",
}


@dataclass
class Fault:
    """One line of the script. ``times`` None: for ever; ``rate`` is the probability for each call, 0 to 1."""

    fault_id: int
    cloud: str
    action: str
    kind: str
    rate: float = 1.0
    times: int | None = None
    params: dict[str, Any] = field(default_factory=dict)
    hits: int = 0

    def matches(self, cloud: str, action: str) -> bool:
        """Whether it concerns a call. ``cloud`` and ``action`` may hold ``*``."""
        return fnmatch.fnmatchcase(cloud, self.cloud) and fnmatch.fnmatchcase(action, self.action)


class Faults:
    """The script, in the order in which it was written."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._next = 1
        self.script: list[Fault] = []

    def add(self, **fields: Any) -> Fault:
        """Adds a line; the fields are those of :class:`Fault` without ``fault_id`` and ``hits``."""
        fault = Fault(fault_id=self._next, **fields)
        self._next += 1
        self.script.append(fault)
        return fault

    def remove(self, fault_id: int) -> bool:
        """Takes a line out; False where there is none of that number."""
        before = len(self.script)
        self.script = [fault for fault in self.script if fault.fault_id != fault_id]
        return len(self.script) != before

    def pick(self, cloud: str, action: str) -> list[Fault]:
        """The faults that strike this call."""
        struck = []
        for fault in self.script:
            if fault.times is not None and fault.hits >= fault.times:
                continue
            if fault.matches(cloud, action) and self._random.random() < fault.rate:
                fault.hits += 1
                struck.append(fault)
        return struck

    def dropped(self, share: float) -> bool:
        """Whether one machine is left out of an answer that leaves out ``share`` of them."""
        return self._random.random() < share
