"""How much of an expand is to be had, by what is known of its placements. Nothing here asks or writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bridgx_server.providers.errors import ErrorClass
from bridgx_server.scaling.outcome import REASONS, SHORTAGES
from bridgx_server.store.chunks import Placement
from bridgx_server.store.stockouts import RefusedQuota

ACCEPTED = "accepted"
REFUSED = "refused"
UNANSWERED = "unanswered"
NOT_OFFERED = "not_offered"

OUT_OF_STOCK = REASONS[ErrorClass.OUT_OF_STOCK]
NO_ADDRESSES = REASONS[ErrorClass.NO_ADDRESSES]
QUOTA_EXCEEDED = REASONS[ErrorClass.QUOTA_EXCEEDED]
_SHORT = frozenset(REASONS[kind] for kind in SHORTAGES)


@dataclass(frozen=True)
class Refusal:
    """What stands against a plan. ``reason`` is a word of ErrorReason in lower case; ``field`` may be empty."""

    reason: str
    field: str
    message: str


@dataclass(frozen=True)
class PlannedPlacement:
    """A placement as an expand would find it.

    ``sold_out_at`` (ms) and ``quota`` are what is remembered of refusals, 0 and None where nothing is. ``addresses`` are those
    that are free in its subnet; None where the cloud does not say. ``dry_run`` is empty where the cloud was not asked.
    """

    place: Placement
    sold_out_at: int
    addresses: int | None = None
    quota: RefusedQuota | None = None
    dry_run: str = ""
    reason: str = ""
    message: str = ""
    vendor_code: str = ""


def has_none(row: PlannedPlacement) -> bool:
    """Whether not one machine is to be had there, as far as is known: the next placement would be asked."""
    refused = row.dry_run == REFUSED and row.reason in (OUT_OF_STOCK, NO_ADDRESSES) and row.addresses in (None, 0)
    return bool(row.sold_out_at) or row.addresses == 0 or refused


def expected(placements: Sequence[PlannedPlacement], count: int) -> int:
    """How many of ``count`` machines are to be had: in subnets with addresses, where nothing is known to refuse them."""
    subnets: dict[str, int] = {}
    for row in placements:
        if has_none(row) or row.quota is not None or (row.dry_run == REFUSED and row.reason not in _SHORT):
            continue
        subnets[row.place.subnet_id] = count if row.addresses is None else row.addresses
    return min(count, sum(subnets.values()))


def refusals(placements: Sequence[PlannedPlacement], count: int, memory: float) -> list[Refusal]:
    """What is short. ``memory`` is for how long (seconds) a refusal is remembered."""
    return [*_of_stock(placements, memory), *_of_quotas(placements, memory), *_of_addresses(placements, count)]


def _of_stock(placements: Sequence[PlannedPlacement], memory: float) -> list[Refusal]:
    if not all(row.sold_out_at or row.reason == OUT_OF_STOCK for row in placements):
        return []
    where = "; ".join(f"{row.place.instance_type} in {row.place.zone_id}" for row in placements)
    return [
        Refusal(
            OUT_OF_STOCK,
            "placements",
            f"sold out within the last {memory:g} s: {where}. An expand would ask there again.",
        )
    ]


def _of_quotas(placements: Sequence[PlannedPlacement], memory: float) -> list[Refusal]:
    """Of the placement that would be asked first: an expand ends where it meets a quota."""
    row = next((row for row in placements if not has_none(row)), placements[0])
    if row.quota is None:
        return []
    told = row.quota.message.rstrip(". ")
    where = f"{row.place.instance_type} in {row.place.zone_id}"
    text = f"within the last {memory:g} s a quota of the cloud left no machine of {where}: {told}. An expand would ask again."
    return [Refusal(QUOTA_EXCEEDED, f"placements[{row.place.rank}]", text)]


def _of_addresses(placements: Sequence[PlannedPlacement], count: int) -> list[Refusal]:
    subnets = {row.place.subnet_id: row.addresses for row in placements}
    known = [free for free in subnets.values() if free is not None]
    if len(known) < len(subnets) or sum(known) >= count:
        return []
    each = ", ".join(f"{subnet} has {free}" for subnet, free in subnets.items())
    text = f"too few addresses are free for {count} machines: {each}. An expand would bring {sum(known)} at most."
    return [Refusal(NO_ADDRESSES, "count", text)]
