"""Comparisons of many places, as rows of a report."""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from bridgx_server.providers.errors import ProviderError
from bridgx_server.reconciling.tables import moment
from bridgx_server.scaling import reconcile
from bridgx_server.scaling.engine import Engine
from bridgx_server.scaling.moments import milliseconds
from bridgx_server.scaling.reconcile import Difference
from bridgx_server.store import accounts, watches
from bridgx_server.store.accounts import Account

LEASE = 120.0  # seconds; nobody renews it here, so it lasts for as long as a comparison may take
PAUSE = 0.2  # seconds between two looks whether a worker has given the place back


@dataclass(frozen=True)
class MachineRow:
    """A machine that differs. ``finding`` is missing, adoptable, revived or orphan; ``since`` is a time or ``-``."""

    finding: str
    provider: str
    account: str
    region: str
    instance_id: str
    cluster: str
    task: int
    state: str
    since: str
    detail: str


@dataclass(frozen=True)
class PlaceRow:
    """An account in a region. The counts mean nothing unless ``status`` is ok."""

    provider: str
    account: str
    region: str
    status: str
    listed: int = 0
    missing: int = 0
    adoptable: int = 0
    revived: int = 0
    orphans: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Which:
    """Which places; what is empty does not matter. A region that is named is compared whatever was there before."""

    provider: str = ""
    account: str = ""
    region: str = ""
    all_regions: bool = False


@dataclass
class Report:
    """What was found so far."""

    places: list[PlaceRow] = field(default_factory=list)
    machines: list[MachineRow] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether every place could be compared."""
        return all(place.status == "ok" for place in self.places)


def compare(engine: Engine, which: Which, *, apply: bool) -> Report:
    """Compares all places that are meant; records what is found if ``apply`` says so, as a worker would."""
    report = Report()
    for account, region in _places(engine, which, report):
        try:
            difference = (
                _applied(engine, account.id, region) if apply else reconcile.compare(engine, account.id, region)
            )
        except ProviderError as error:
            report.places.append(_failed(account, region, error.told))
            continue
        except TimeoutError as error:
            report.places.append(_failed(account, region, str(error)))
            continue
        report.places.append(_compared(account, region, difference))
        report.machines.extend(_machines(account, region, difference))
    return report


def _applied(engine: Engine, account_id: int, region: str) -> Difference:
    """Under the lease of the place, so that only one compares. Raises TimeoutError, ProviderError."""
    watches.ensure(engine.store, account_id, region, engine.now())
    owner = f"reconcile-{socket.gethostname()[:30]}-{os.getpid()}-{secrets.token_hex(4)}"
    deadline = time.monotonic() + LEASE
    while True:
        claimed = watches.claim_place(engine.store, account_id, region, owner, int(LEASE * 1000))
        if claimed is not None:
            return reconcile.run(engine, *claimed)
        if time.monotonic() > deadline:
            raise TimeoutError(f"a worker has been at this region for {LEASE:g} s; try again")
        time.sleep(PAUSE)


def _places(engine: Engine, which: Which, report: Report) -> Iterator[tuple[Account, str]]:
    known = watches.places(engine.store)
    for account in accounts.every(engine.store):
        if which.provider not in ("", account.provider) or which.account not in ("", account.access_key):
            continue
        regions = {region for account_id, region in known if account_id == account.id}
        if which.region:
            regions = {which.region}
        elif which.all_regions:
            try:
                regions |= {region.region_id for region in engine.clouds.provider(account.id).list_regions()}
            except ProviderError as error:
                report.places.append(_failed(account, "*", error.told))
        for region in sorted(regions):
            yield account, region


def _failed(account: Account, region: str, reason: str) -> PlaceRow:
    return PlaceRow(account.provider, account.access_key, region, "failed", reason=reason)


def _compared(account: Account, region: str, difference: Difference) -> PlaceRow:
    counts = difference.counts
    return PlaceRow(
        account.provider,
        account.access_key,
        region,
        "ok",
        listed=counts.listed,
        missing=counts.missing,
        adoptable=counts.adopted,
        revived=counts.revived,
        orphans=counts.orphans,
    )


def _machines(account: Account, region: str, difference: Difference) -> Iterator[MachineRow]:
    place = (account.provider, account.access_key, region)
    told = [("missing", row, "not listed; it is asked about by its id") for row in difference.missing]
    told += [("revived", row, f"counted as {row.status}, and alive") for row in difference.revived]
    for finding, row, detail in told:
        since = moment(row.running_at or row.created_at)
        yield MachineRow(finding, *place, row.instance_id, row.cluster_name, row.task_id, row.status, since, detail)
    for stranger in difference.strangers:
        machine, origin = stranger.machine, stranger.origin
        since = moment(milliseconds(machine.created_at))
        if origin is None:
            yield MachineRow("orphan", *place, machine.instance_id, "", 0, machine.state.value, since, stranger.reason)
        else:
            yield MachineRow(
                "adoptable",
                *place,
                machine.instance_id,
                origin.cluster_name,
                origin.task_id,
                machine.state.value,
                since,
                f"made by task {origin.task_id}",
            )
