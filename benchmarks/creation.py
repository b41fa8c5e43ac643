"""How a cloud takes orders for machines: its call, and what it allows of it."""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from bridgx_server.providers.gate import ApiLimit, Rate
from bridgx_server.providers.rates import limit_of
from bridgx_server.providers.registry import ADAPTERS
from system import System


@dataclass(frozen=True)
class Creation:
    """The call by the vendor's name, the most machines that one asks for, and the limits that the server keeps too."""

    action: str
    batch: int
    calls: Rate
    machines: Rate | None

    @classmethod
    def of(cls, running: System, cloud: str) -> Creation:
        """That of a cloud, from the adapter's own table of limits."""
        limits = running.adapter(cloud).limits
        table = importlib.import_module(f"{ADAPTERS[cloud]}.rates").RATES
        limit: ApiLimit = limit_of(cloud, limits.create_api, table, ())
        if limit.calls is None:
            raise ValueError(f"{cloud} has no limit of {limits.create_api}: nothing bounds a scale-up from below")
        return cls(limits.create_api, limits.create_batch, limit.calls, limit.machines)

    def earliest(self, call: int, batch: int) -> float:
        """Seconds from the first call until one may be made, counted from 0, if each asks for ``batch`` machines."""
        waits = [_wait(call + 1, self.calls)]
        if self.machines is not None:
            waits.append(_wait((call + 1) * batch, self.machines))
        return max(waits)


def _wait(count: int, rate: Rate) -> float:
    return max(count - rate.burst, 0) / rate.per_second
