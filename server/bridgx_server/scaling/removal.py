"""Deletes orphans: machines that carry this installation's tag and that no cluster here has. Only those that are named.

Each is looked up at the cloud by tag right before, and left alone unless it still is an orphan. Who asked is written
down before the cloud is asked; a repetition is safe.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import structlog

from bridgx_server.errors import InvalidField
from bridgx_server.providers.base import Machine, MachineState, Provider
from bridgx_server.providers.errors import ProviderError
from bridgx_server.scaling import kin, reconcile, tags
from bridgx_server.scaling.engine import Engine
from bridgx_server.scaling.kin import Kin
from bridgx_server.scaling.reconcile import Foreign, Stranger
from bridgx_server.store import chunks, instances, orphans, watches
from bridgx_server.store.instances import Tended
from bridgx_server.store.orphans import Orphan, OrphanFilter
from bridgx_server.store.scope import AccountName, Scope

UNREPORTED = "no comparison has reported it as an orphan"

# The cloud has just shown it: that it does not know it a moment later proves nothing.
UNKNOWN = "the cloud showed it, and did not know it when it was asked to delete it; ask again when it has been compared"

log = structlog.get_logger("bridgx.removal")


class Fate(StrEnum):
    """What became of a machine that was named."""

    DELETING = "deleting"  # the cloud has been asked and deletes it
    GONE = "gone"  # the cloud knows it no more
    KNOWN = "known"  # it belongs to a cluster here: not touched
    FOREIGN = "foreign"  # it does not carry this installation's tag now: not touched
    UNREPORTED = "unreported"  # no comparison has reported it as an orphan: not touched
    FAILED = "failed"  # the cloud refused, or could not be asked


@dataclass(frozen=True)
class Removal:
    """One machine that was named. ``detail`` says why, where it is not being deleted."""

    instance_id: str
    fate: Fate
    account_key: str = ""
    region_id: str = ""
    detail: str = ""


def delete_orphans(
    engine: Engine, scope: Scope, which: OrphanFilter, caller: str, *, release_prepaid: bool = False
) -> list[Removal]:
    """Deletes the orphans of the scope that the filter names by id, and tells of each, in the order of their naming.

    With ``release_prepaid`` those that are paid for in advance are given up in the cloud's way.

    Raises:
        InvalidField: an id is that of two orphans, and the filter does not say of which account and region.
    """
    reported: dict[str, Orphan] = {}
    for orphan in orphans.named(engine.store, scope, which):
        if orphan.instance_id in reported:
            raise InvalidField(
                "instance_ids", f"{orphan.instance_id} is an orphan of two places; name the account and the region"
            )
        reported[orphan.instance_id] = orphan
    fates = {
        instance_id: Removal(instance_id, Fate.UNREPORTED, detail=UNREPORTED) for instance_id in which.instance_ids
    }
    for place in sorted({(orphan.account_id, orphan.region_id) for orphan in reported.values()}):
        there = [orphan for orphan in reported.values() if (orphan.account_id, orphan.region_id) == place]
        removals = _delete_in(engine, scope, *place, there, caller, release=release_prepaid)
        fates.update((removal.instance_id, removal) for removal in removals)
    return [fates[instance_id] for instance_id in which.instance_ids]


def _delete_in(
    engine: Engine,
    scope: Scope,
    account_id: int,
    region_id: str,
    named: Sequence[Orphan],
    caller: str,
    *,
    release: bool,
) -> list[Removal]:
    try:
        provider = engine.clouds.provider(account_id)
        sorted_out, condemned, leftover = _look(engine, scope, provider, account_id, region_id, named)
    except ProviderError as error:
        return [_removal(orphan, Fate.FAILED, f"it could not be looked up: {error.told}") for orphan in named]
    gone = [orphan.id for orphan, removal in sorted_out if removal.fate is Fate.GONE]
    if gone:
        orphans.forget(engine.store, gone)
    done = [removal for _, removal in sorted_out]
    size = provider.limits.delete_batch
    for start in range(0, len(condemned), size):
        batch = condemned[start : start + size]
        done += _delete(engine, provider, account_id, region_id, batch, leftover, caller, release=release)
    watches.ensure(engine.store, account_id, region_id, engine.now())
    watches.ask(engine.store, [(account_id, region_id)])
    return done


def _look(
    engine: Engine, scope: Scope, provider: Provider, account_id: int, region_id: str, named: Sequence[Orphan]
) -> tuple[list[tuple[Orphan, Removal]], list[Orphan], dict[str, Tended]]:
    """Sorts out what is to be left alone, by what cloud and inventory say now. Raises ProviderError.

    Returns that, what is to be deleted, and the rows of what the inventory holds of deleted clusters, by id.
    """
    name = chunks.installation(engine.store)
    found = provider.find_machines(region_id, tags.find_installation(name))
    tagged = {machine.instance_id: machine for machine in found if tags.is_of(name, machine)}
    unlisted = [orphan.instance_id for orphan in named if orphan.instance_id not in tagged]
    by_id: dict[str, Machine] = {}
    size = provider.limits.describe_batch
    for start in range(0, len(unlisted), size):
        answer = provider.describe_machines(region_id, unlisted[start : start + size])
        by_id.update((machine.instance_id, machine) for machine in answer)
    known = instances.known_in(engine.store, account_id, region_id, [orphan.instance_id for orphan in named])
    leftover = {row.instance_id: row for row in reconcile.leftover(engine, list(known.values()))}
    # Also of accounts that another key has been registered for since: what a cluster of theirs has is nobody's orphan.
    relations = kin.look(engine, account_id, region_id, [key for key in tagged if key not in known])
    sorted_out: list[tuple[Orphan, Removal]] = []
    condemned: list[Orphan] = []
    for orphan in named:
        machine = tagged.get(orphan.instance_id)
        if orphan.instance_id in known and orphan.instance_id not in leftover:
            status = known[orphan.instance_id].status
            sorted_out.append((orphan, _removal(orphan, Fate.KNOWN, f"the inventory has it as {status}")))
        elif machine is None:
            sorted_out.append((orphan, _unlisted(orphan, by_id.get(orphan.instance_id))))
        elif machine.state is MachineState.DELETED:
            sorted_out.append((orphan, _removal(orphan, Fate.GONE, "the cloud has deleted it already")))
        elif machine.state is MachineState.DELETING:
            sorted_out.append((orphan, _removal(orphan, Fate.DELETING, "the cloud is deleting it already")))
        else:
            spared = (
                None
                if orphan.instance_id in leftover
                else _spared(engine, scope, relations, region_id, orphan, machine)
            )
            if spared is None:
                condemned.append(orphan)
            else:
                sorted_out.append((orphan, spared))
    return sorted_out, condemned, leftover


def _spared(
    engine: Engine, scope: Scope, relations: Kin, region_id: str, orphan: Orphan, machine: Machine
) -> Removal | None:
    """Why a machine that lives is not deleted; None where it is an orphan now, and the caller's to delete."""
    stranger = reconcile.explain(engine, relations, region_id, machine)
    if stranger is None or (isinstance(stranger, Stranger) and stranger.origin is not None):
        return _removal(orphan, Fate.KNOWN, "its task is known here, and the next comparison adopts it")
    if isinstance(stranger, Foreign):
        owner = relations.other(stranger.owner)
        if owner is not None and scope.covers(AccountName(owner.provider, owner.access_key)):
            return _removal(orphan, Fate.KNOWN, f"it is a matter of account {owner.access_key}, which sees it too")
        return Removal(orphan.instance_id, Fate.UNREPORTED, detail=UNREPORTED)
    if not relations.shown_to(scope, stranger.made_by):
        return Removal(orphan.instance_id, Fate.UNREPORTED, detail=UNREPORTED)
    return None


def _unlisted(orphan: Orphan, machine: Machine | None) -> Removal:
    if machine is None or machine.state is MachineState.DELETED:
        return _removal(orphan, Fate.GONE, "the cloud knows it no more")
    return _removal(orphan, Fate.FOREIGN, f"it is {machine.state.value} and does not carry this installation's tag")


def _delete(
    engine: Engine,
    provider: Provider,
    account_id: int,
    region_id: str,
    batch: Sequence[Orphan],
    leftover: Mapping[str, Tended],
    caller: str,
    *,
    release: bool,
) -> list[Removal]:
    ids = [orphan.id for orphan in batch]
    of_inventory = [leftover[orphan.instance_id] for orphan in batch if orphan.instance_id in leftover]
    orphans.delete_asked(engine.store, batch, of_inventory, caller, release_prepaid=release)
    try:
        answer = provider.delete_machines(region_id, [orphan.instance_id for orphan in batch], release_prepaid=release)
    except ProviderError as error:
        orphans.delete_refused(engine.store, ids, error.told)
        return [_removal(orphan, Fate.FAILED, error.told) for orphan in batch]
    told = {key: error.told for key, error in answer.refused.items()} | dict.fromkeys(answer.unknown, UNKNOWN)
    for failure in set(told.values()):
        which = [orphan.id for orphan in batch if told.get(orphan.instance_id) == failure]
        orphans.delete_refused(engine.store, which, failure)
    log.warning(
        "orphans deleted",
        account_id=account_id,
        region_id=region_id,
        caller=caller,
        instance_ids=[orphan.instance_id for orphan in batch if orphan.instance_id not in told],
        kept=sorted(told),
    )
    return [
        _removal(orphan, Fate.FAILED if orphan.instance_id in told else Fate.DELETING, told.get(orphan.instance_id, ""))
        for orphan in batch
    ]


def _removal(orphan: Orphan, fate: Fate, detail: str) -> Removal:
    return Removal(orphan.instance_id, fate, orphan.account_key, orphan.region_id, detail)
