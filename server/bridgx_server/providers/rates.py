"""How limits are written down: the helpers of the clouds' tables, a cautious table for want of figures, and overrides."""

from __future__ import annotations

import fnmatch
import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from bridgx_server.providers.gate import ApiLimit, Rate, RateTable

UNPUBLISHED = "not published: a cautious default of ours"

_ENTRY = re.compile(r"(?P<cloud>[A-Za-z*]+)\.(?P<api>[A-Za-z0-9_*]+)(?P<machines>:machines)?=(?P<rate>\S+)")
_RATE = re.compile(r"(?P<count>[0-9.]+)/(?P<period>[0-9.]*)(?P<unit>[smh])(\+(?P<burst>[0-9.]+))?")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}
LARGEST = 1e6  # of a rate's numbers


def window(count: float, seconds: float, at_once: float = 0.2) -> Rate:
    """A vendor's `count in any such span of time` as a bucket: a share of it at once, the rest evenly over the span.

    No span, wherever it begins, then holds more than ``count``, which is at least 5.
    """
    return Rate(count * (1 - at_once) / seconds, count * at_once)


# For a cloud without a table, and the end of every table.
CAUTIOUS: RateTable = (
    *(
        ApiLimit(pattern, Rate(10, 20), source=UNPUBLISHED)
        for pattern in ("Describe*", "List*", "Show*", "Get*", "Keystone*", "Nova*")
    ),
    ApiLimit("*", Rate(5, 10), source=UNPUBLISHED),
)


@dataclass(frozen=True)
class RateOverride:
    """A limit that replaces those of the table, for the calls or for the machines of APIs; ``rate`` None lifts it."""

    cloud: str
    api: str
    machines: bool
    rate: Rate | None


class InvalidRates(ValueError):
    """A text that names no limits; says which entry, and what is wrong with it."""


def parse(text: str, clouds: Collection[str]) -> tuple[RateOverride, ...]:
    """Reads ``Cloud.Api=2/s+5``, ``Cloud.Api:machines=120/m``, ``Cloud.Api=off``, separated by commas.

    The rate is a number in so many seconds (s), minutes (m) or hours (h), as in ``300/60s``; behind ``+`` how many may
    go at once (default: one second's worth, at least 1). Cloud and API may be or hold ``*``. The first entry that names
    an API counts. Raises InvalidRates.
    """
    entries = [entry.strip() for entry in re.split(r"[,\n]", text)]
    return tuple(_entry(entry, clouds) for entry in entries if entry)


def _entry(entry: str, clouds: Collection[str]) -> RateOverride:
    found = _ENTRY.fullmatch(entry)
    if found is None:
        raise InvalidRates(f"{entry!r} is not like Cloud.Api=2/s+5, Cloud.Api:machines=120/m or Cloud.Api=off")
    cloud = found["cloud"]
    if cloud != "*" and cloud not in clouds:
        raise InvalidRates(f"{entry!r}: there is no cloud {cloud}; there are {', '.join(clouds)} and *")
    rate = None if found["rate"] == "off" else _rate(entry, found["rate"])
    return RateOverride(cloud, found["api"], found["machines"] is not None, rate)


def _rate(entry: str, text: str) -> Rate:
    found = _RATE.fullmatch(text)
    if found is None:
        raise InvalidRates(f"{entry!r}: {text} is neither off nor a rate such as 2/s, 300/60s or 2/s+5")
    try:
        count, period = float(found["count"]), float(found["period"] or 1) * _SECONDS[found["unit"]]
        burst = float(found["burst"]) if found["burst"] else None
    except ValueError:
        raise InvalidRates(f"{entry!r}: {text} holds something that is no number") from None
    if not (0 < count <= LARGEST and 0 < period <= LARGEST):
        raise InvalidRates(f"{entry!r}: the numbers of a rate are above 0 and at most {LARGEST:g}")
    if burst is not None and not 1 <= burst <= LARGEST:
        raise InvalidRates(f"{entry!r}: at least 1 and at most {LARGEST:g} may go at once")
    return Rate(count / period, burst or max(1.0, math.floor(count / period)))


def limit_of(provider: str, api: str, table: RateTable, overrides: Sequence[RateOverride]) -> ApiLimit:
    """The limit of an API: the table's first that names it, with what the overrides say instead."""
    limit = next((row for row in table if _names(row.api, api)), None) or ApiLimit(api, None)
    for machines in (False, True):
        said = next(
            (
                row
                for row in overrides
                if row.machines is machines and row.cloud in ("*", provider) and _names(row.api, api)
            ),
            None,
        )
        if said is not None:
            limit = replace(limit, machines=said.rate) if machines else replace(limit, calls=said.rate)
    return limit


def _names(pattern: str, api: str) -> bool:
    return fnmatch.fnmatchcase(api.lower(), pattern.lower())
