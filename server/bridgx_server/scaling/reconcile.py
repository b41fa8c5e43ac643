"""Compares everything an account has in a region with the inventory, both ways.

The cloud is listed before the store, so that a machine made meanwhile is not taken for one that is gone. No cloud is
asked to delete anything here: a machine that is missing is asked about again by :mod:`bridgx_server.scaling.tend`. One
that no row knows is adopted when its chunk is known and lacks it, and its cluster has not been deleted; otherwise it is
reported as an orphan, as is one that was lost when its cluster was deleted, and is there again. A list that cannot be had
in full concludes nothing.

An access key sees all machines of its account at the cloud, and so does every other key of that account. What another
registered account has, or its tasks have made, is left to that account's own comparison, and is no part of this one: see
:mod:`bridgx_server.scaling.kin`.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from bridgx_server.errors import NotFound
from bridgx_server.providers.base import Machine, MachineState
from bridgx_server.providers.errors import ProviderError
from bridgx_server.scaling import faultpoints, kin, outcome, tags
from bridgx_server.scaling.engine import Engine
from bridgx_server.scaling.kin import Kin
from bridgx_server.scaling.moments import milliseconds
from bridgx_server.store import (
    audit,
    chunks,
    cloud_accounts,
    clusters,
    comparisons,
    instances,
    leases,
    orphans,
    tasks,
    watches,
)
from bridgx_server.store.comparisons import Counts, Found
from bridgx_server.store.instances import Origin, Tended
from bridgx_server.store.leases import Lease
from bridgx_server.store.orphans import Sighting
from bridgx_server.store.tasks import Task
from bridgx_server.store.watches import Watch

ALIVE = (MachineState.PENDING, MachineState.RUNNING, MachineState.STOPPED, MachineState.FAILED)
NONE_TAKEN: Mapping[int, int] = Counter()
RETRY = 60.0  # seconds until a comparison that failed is tried again, at most

log = structlog.get_logger("bridgx.reconcile")


@dataclass(frozen=True)
class Stranger:
    """A machine that carries our tag and that no row knows, or only one of a cluster that has been deleted.

    ``origin`` is what it is adopted as; None where nothing here says why it exists, and ``reason`` says what is missing.
    ``made_by`` is the access key of the account whose task made it; empty where nobody knows. ``unwanted`` says why it is
    not to run, and ``release_prepaid`` whether it is given up then where it is paid for in advance.
    """

    machine: Machine
    origin: Origin | None
    reason: str = ""
    made_by: str = ""
    unwanted: str = ""
    release_prepaid: bool = False


@dataclass(frozen=True)
class Foreign:
    """A machine that another registered account has, made or tells of: nothing of it is recorded or shown here.

    ``owner`` is that account's number.
    """

    machine: Machine
    owner: int


@dataclass(frozen=True)
class Difference:
    """What a comparison found.

    ``missing`` are running here and not shown there; ``revived`` were counted as gone and live; ``expected`` belong to
    calls whose outcome their task is about to find out, and are no difference. ``foreign`` are another account's. All but
    these are ``listed``.
    """

    started_at: int
    kin: Kin | None = None
    listed: tuple[str, ...] = ()
    missing: tuple[Tended, ...] = ()
    revived: tuple[Tended, ...] = ()
    strangers: tuple[Stranger, ...] = ()
    expected: tuple[str, ...] = ()
    foreign: tuple[Foreign, ...] = ()

    @property
    def adoptable(self) -> list[Stranger]:
        """The strangers whose chunk is known."""
        return [stranger for stranger in self.strangers if stranger.origin is not None]

    @property
    def orphans(self) -> list[Stranger]:
        """The strangers that nothing here explains."""
        return [stranger for stranger in self.strangers if stranger.origin is None]

    @property
    def counts(self) -> Counts:
        """The numbers."""
        return Counts(
            listed=len(self.listed),
            missing=len(self.missing),
            adopted=len(self.adoptable),
            revived=len(self.revived),
            orphans=len(self.orphans),
            unowned=sum(self.kin is not None and row.made_by != self.kin.own.access_key for row in self.orphans),
        )


def compare(engine: Engine, account_id: int, region_id: str, lease: Lease | None = None) -> Difference:
    """Compares, and changes nothing.

    Raises:
        LeaseLost: another worker holds the watch that ``lease`` is on.
        ProviderError: the cloud cannot be listed; nothing is concluded from that.
    """
    started = engine.now()
    name = chunks.installation(engine.store)
    provider = engine.clouds.provider(account_id)
    with engine.calling(lease) if lease else contextlib.nullcontext():
        found = provider.find_machines(region_id, tags.find_installation(name))
    engine.reach(faultpoints.RECONCILE_LISTED)
    there = {machine.instance_id: machine for machine in found if tags.is_of(name, machine)}
    known = instances.known_in(engine.store, account_id, region_id, list(there))
    # A young machine may not be listed yet.
    settled_before = started - int(engine.settings.visibility * 1000)
    running = instances.settled_running(engine.store, account_id, region_id, settled_before)
    unknown = [machine for key, machine in there.items() if key not in known and machine.state in ALIVE]
    relations = kin.look(engine, account_id, region_id, [machine.instance_id for machine in unknown])
    strangers: list[Stranger] = []
    foreign: list[Foreign] = []
    expected: list[str] = []
    taken: Counter[int] = Counter()
    for machine in unknown:
        stranger = explain(engine, relations, region_id, machine, taken)
        if stranger is None:
            expected.append(machine.instance_id)
        elif isinstance(stranger, Foreign):
            foreign.append(stranger)
        else:
            strangers.append(stranger)
            if stranger.origin is not None:
                taken[stranger.origin.chunk_id] += 1
    told = "its cluster {} has been deleted"
    strangers += [
        Stranger(there[row.instance_id], None, told.format(row.cluster_name), relations.own.access_key)
        for row in leftover(engine, [row for row in known.values() if there[row.instance_id].state in ALIVE])
    ]
    others = {stranger.machine.instance_id for stranger in foreign}
    return Difference(
        started_at=started,
        kin=relations,
        listed=tuple(key for key, machine in there.items() if not _is_gone(machine) and key not in others),
        missing=tuple(machine for machine in running if _is_gone(there.get(machine.instance_id))),
        revived=tuple(
            row
            for instance_id, row in known.items()
            if row.status in (instances.DELETED, instances.LOST) and there[instance_id].state in ALIVE
        ),
        strangers=tuple(strangers),
        expected=tuple(expected),
        foreign=tuple(foreign),
    )


def leftover(engine: Engine, rows: Sequence[Tended]) -> list[Tended]:
    """Those of machines that live and are not to be deleted whose cluster is no more: they were lost when it was deleted."""
    kept = [
        row
        for row in rows
        if row.status in (instances.PENDING, instances.RUNNING) or (row.status == instances.LOST and row.running_at)
    ]
    existing = clusters.existing(engine.store, {row.cluster_id for row in kept})
    return [row for row in kept if row.cluster_id not in existing]


def explain(
    engine: Engine, relations: Kin, region_id: str, machine: Machine, taken: Mapping[int, int] = NONE_TAKEN
) -> Stranger | Foreign | None:
    """Why a machine that no row of the account knows exists; None while its task is about to find that out itself.

    ``taken`` is how many others of each chunk, by its id, are about to be adopted.
    """
    if machine.instance_id in relations.elsewhere:
        return Foreign(machine, relations.elsewhere[machine.instance_id])
    token = machine.tags.get(tags.CHUNK, "")
    chunk = chunks.by_token(engine.store, token) if token else None
    if chunk is None:
        told = f"its chunk {token} is not in this store" if token else f"it carries no tag {tags.CHUNK}"
        told = f"{told}: the store is older than the machine, or the tags were copied"
        return _unexplained(relations, relations.reporter, machine, told)
    task = tasks.get(engine.store, chunk.task_id)
    if task is None:
        told = f"its task {chunk.task_id} is not in this store"
        return _unexplained(relations, relations.reporter, machine, told)
    if task.account_id != relations.own.id:
        return _of_another(relations, machine, task)
    own = relations.own.access_key
    try:
        template = engine.templates.template(task.cluster_id)
    except NotFound:
        return Stranger(machine, None, f"its cluster {task.cluster_name} has been deleted", own)
    if chunk.status == chunks.SENT:
        return None
    if chunk.asked - chunk.moved <= len(instances.of_chunk(engine.store, chunk.id)) + taken.get(chunk.id, 0):
        told = f"its task {task.id} has as many machines as it asked for, or has asked for others instead"
        return Stranger(machine, None, f"{told}: it came too late, or the tags were copied", own)
    origin = Origin(
        provider=template.provider,
        account_id=relations.own.id,
        account_key=template.account_key,
        region_id=region_id,
        zone_id=machine.zone_id or chunk.zone_id,
        cluster_id=template.cluster_id,
        cluster_name=template.cluster_name,
        task_id=chunk.task_id,
        chunk_id=chunk.id,
        instance_type=machine.instance_type or chunk.instance_type,
        image_id=template.image_id,
        charge_type=template.charge.charge_type,
    )
    if task.cancel != "delete":
        return Stranger(machine, origin, made_by=own)
    return Stranger(
        machine, origin, made_by=own, unwanted="the task was canceled", release_prepaid=task.release_prepaid
    )


def _of_another(relations: Kin, machine: Machine, task: Task) -> Stranger | Foreign:
    """A machine with the tags of a task that worked on another account."""
    if relations.other(task.account_id) is None:
        told = f"its task {task.id} worked on account {task.account_key}, which has been deleted here"
        return _unexplained(relations, relations.reporter_of(task.account_key), machine, told, task.account_key)
    if relations.is_apart(task.account_id):
        told = "it carries the tags of a task that worked on another account of the cloud: they were copied"
        return _unexplained(relations, relations.reporter, machine, told)
    return Foreign(machine, task.account_id)


def _unexplained(relations: Kin, reporter: int, machine: Machine, told: str, made_by: str = "") -> Stranger | Foreign:
    """An orphan, where it is this account that tells of it: it is told of once."""
    if reporter != relations.own.id:
        return Foreign(machine, reporter)
    return Stranger(machine, None, told, made_by)


def reconcile(engine: Engine, watch: Watch, lease: Lease) -> Difference:
    """Compares, and records what was found and what is to be looked into.

    Raises:
        LeaseLost: another worker holds the watch.
        ProviderError: the cloud cannot be listed; nothing is concluded from that.
    """
    difference = compare(engine, watch.account_id, watch.region_id, lease)
    if difference.kin is not None and difference.kin.news:
        cloud_accounts.join(engine.store, difference.kin.news)
    for owner in sorted({stranger.owner for stranger in difference.foreign}):
        # Whoever answers for a machine looks at where it is.
        watches.ensure(engine.store, owner, watch.region_id, engine.now())
    with engine.store.transaction():
        now = engine.now()
        # Tasks are locked before watches, and watches before machines, as everywhere.
        tasks.wake({stranger.origin.task_id for stranger in difference.adoptable if stranger.origin is not None}, now)
        leases.hold(engine.store, lease)
        adopted = _adopt(difference.adoptable, now)
        difference = replace(difference, strangers=(*adopted, *difference.orphans))
        _tell(engine, watch, lease, difference)
        _look_into(engine, difference, now)
        _report(watch, difference, now)
        watches.wake(watch.account_id, watch.region_id, now)
    engine.reach(faultpoints.RECONCILE_RECORDED)
    counts = difference.counts
    if counts != Counts(listed=counts.listed):
        log.warning(
            "inventory differs from the cloud",
            account_id=watch.account_id,
            region_id=watch.region_id,
            missing=counts.missing,
            adopted=counts.adopted,
            revived=counts.revived,
            orphans=counts.orphans,
        )
    return difference


def run(engine: Engine, watch: Watch, lease: Lease) -> Difference:
    """Compares, writes down if the cloud could not be asked, and gives the watch back.

    Raises:
        LeaseLost: another worker holds the watch.
        ProviderError: the cloud cannot be listed.
    """
    started = engine.now()
    period = engine.settings.reconcile
    failure: ProviderError | None = None
    difference = Difference(started)
    try:
        difference = reconcile(engine, watch, lease)
    except ProviderError as error:
        failure, period = error, min(period, RETRY)
        told = outcome.failure_of(error)
        error_class, reason = str(told["error_class"]), str(told["reason"])
        comparisons.failed(engine.store, watch.account_id, watch.region_id, started, error_class, reason)
    at = engine.now() + int(period * 1000 * engine.random.uniform(0.9, 1.1))
    watches.release(engine.store, lease, watch, reconcile_at=at)
    if failure is not None:
        raise failure
    return difference


def _is_gone(machine: Machine | None) -> bool:
    return machine is None or machine.state in (MachineState.DELETED, MachineState.DELETING)


def _adopt(strangers: Sequence[Stranger], now: int) -> list[Stranger]:
    """Takes strangers into the inventory, as of when the cloud says that they were made; returns those that were taken.

    What is unwanted is taken in as one that is being deleted.
    """
    adopted: list[Stranger] = []
    for stranger in strangers:
        if stranger.origin is None:
            continue
        machine = stranger.machine
        created_at, running_at = now, 0
        if machine.state in (MachineState.RUNNING, MachineState.STOPPED):
            # It has run for a while unseen; since when, only the cloud can say. One that is stopped has run too.
            created_at = min(milliseconds(machine.created_at) or now, now)
            running_at = min(max(milliseconds(machine.started_at), created_at), now)
        if instances.adopt(
            stranger.origin,
            machine.instance_id,
            created_at=created_at,
            running_at=running_at,
            now=now,
            unwanted=stranger.unwanted,
            release_prepaid=stranger.release_prepaid,
        ):
            adopted.append(stranger)
    return adopted


def _tell(engine: Engine, watch: Watch, lease: Lease, difference: Difference) -> None:
    adopted = [stranger.machine.instance_id for stranger in difference.adoptable]
    revived = [row.instance_id for row in difference.revived]
    for what, ids in (("adopted", adopted), ("revived", revived)):
        for instance_id in ids:
            machine = audit.of_account("machine", instance_id, watch.account_id)
            audit.changed_by_worker(engine.store, lease.owner, "reconcile", machine, {"what": what})


def _look_into(engine: Engine, difference: Difference, now: int) -> None:
    """Lets every machine that differs be asked about by its id."""
    instances.change_many(
        [row.id for row in difference.missing],
        if_status=instances.RUNNING,
        tend_at=now,
        absences=0,
        absent_at=difference.started_at,
    )
    for row in difference.revived:
        if row.status == instances.DELETED:
            change: dict[str, object] = {"status": instances.DELETING, "delete_sent_at": 0}
        elif row.running_at:
            # Counted as lost, and not: it goes on where it was.
            change = {"status": instances.RUNNING, "reason": ""}
        else:
            # It came after its task had given it up, and had another in its place: asked for is asked for.
            late = "it was shown too late"
            change = {"status": instances.DELETING, "reason": late, "deleting_at": now, "unwanted": True}
            task = tasks.get(engine.store, row.task_id)
            if task is not None and task.cancel == "delete" and task.release_prepaid:
                change["release_prepaid"] = True
        instances.change(row.id, if_status=row.status, tend_at=now, gone_at=0, absences=0, absent_at=0, **change)
    # Read now that the rows are locked: a shrink that has asked does not come back to one that was lost, while one that
    # has still to ask waits for the lock, and takes what runs then.
    asked = instances.asked_to_delete([row.id for row in difference.revived])
    instances.change_many(asked, if_status=instances.RUNNING, status=instances.DELETING, deleting_at=now)


def _report(watch: Watch, difference: Difference, now: int) -> None:
    place = (watch.account_id, watch.region_id)
    orphaned = difference.orphans
    foreign = [stranger.machine.instance_id for stranger in difference.foreign]
    orphans.drop([watch.account_id], watch.region_id, foreign)
    comparisons.drop_orphans([watch.account_id], watch.region_id, foreign)
    if difference.kin is not None:
        # What others have reported before it was known that they see the same: it is told of once.
        others = sorted(difference.kin.same - {watch.account_id})
        ours = [stranger.machine.instance_id for stranger in (*orphaned, *difference.adoptable)]
        orphans.drop(others, watch.region_id, ours)
        comparisons.drop_orphans(others, watch.region_id, ours)
    orphans.report(*place, [_sighting(stranger) for stranger in orphaned], now)
    orphans.unseen(*place, [stranger.machine.instance_id for stranger in orphaned])
    comparisons.note(comparisons.MISSING, *place, [_found(row) for row in difference.missing], now)
    comparisons.note(comparisons.REVIVED, *place, [_found(row) for row in difference.revived], now)
    adopted = [
        Found(stranger.machine.instance_id, stranger.origin.cluster_name, stranger.origin.task_id)
        for stranger in difference.adoptable
        if stranger.origin is not None
    ]
    comparisons.note(comparisons.ADOPTED, *place, adopted, now)
    strangers = [Found(stranger.machine.instance_id, made_by=stranger.made_by) for stranger in orphaned]
    comparisons.note(comparisons.ORPHAN, *place, strangers, now)
    comparisons.succeeded(*place, difference.started_at, now, difference.counts)


def _found(row: Tended) -> Found:
    return Found(row.instance_id, row.cluster_name, row.task_id)


def _sighting(stranger: Stranger) -> Sighting:
    machine = stranger.machine
    return Sighting(
        instance_id=machine.instance_id,
        state=machine.state.value,
        instance_type=machine.instance_type,
        zone_id=machine.zone_id,
        ip_inner=machine.private_ip,
        started_at=milliseconds(machine.created_at),
        tags=dict(machine.tags),
        reason=stranger.reason,
        made_by=stranger.made_by,
    )
