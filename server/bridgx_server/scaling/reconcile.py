"""Compares everything an account has in a region with the inventory, both ways.

The cloud is listed before the store, so that a machine made meanwhile is not taken for one that is gone. Nothing is
deleted here: a machine that is missing is asked about again by :mod:`bridgx_server.scaling.tend`, one that no row knows
is adopted when its chunk is known and its cluster has not been deleted, and reported as an orphan otherwise.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import structlog

from bridgx_server.errors import NotFound
from bridgx_server.providers.base import Machine, MachineState
from bridgx_server.scaling import faultpoints, tags
from bridgx_server.scaling.engine import Engine
from bridgx_server.store import audit, chunks, instances, leases, orphans, tasks, watches
from bridgx_server.store.instances import Origin, Tended
from bridgx_server.store.leases import Lease
from bridgx_server.store.watches import Watch

ALIVE = (MachineState.PENDING, MachineState.RUNNING, MachineState.STOPPED, MachineState.FAILED)

log = structlog.get_logger("bridgx.reconcile")


@dataclass(frozen=True)
class Report:
    """What a comparison found, as vendor ids.

    ``missing`` are running here and not shown there; ``adopted`` were taken into the inventory; ``revived`` were
    counted as gone and live; ``orphans`` carry our tag and nothing here knows why.
    """

    missing: tuple[str, ...] = ()
    adopted: tuple[str, ...] = ()
    revived: tuple[str, ...] = ()
    orphans: tuple[str, ...] = ()


def reconcile(engine: Engine, watch: Watch, lease: Lease) -> Report:
    """Compares, and records what is to be looked into.

    Raises:
        LeaseLost: another worker holds the watch.
        ProviderError: the cloud cannot be listed; nothing is concluded from that.
    """
    started = engine.now()
    name = chunks.installation(engine.store)
    provider = engine.clouds.provider(watch.account_id)
    with engine.calling(lease):
        listed = provider.find_machines(watch.region_id, tags.find_installation(name))
    engine.reach(faultpoints.RECONCILE_LISTED)
    there = {machine.instance_id: machine for machine in listed}
    known = instances.known_in(engine.store, watch.account_id, watch.region_id, list(there))
    # A young machine may not be listed yet.
    settled_before = started - int(engine.settings.visibility * 1000)
    running = instances.settled_running(engine.store, watch.account_id, watch.region_id, settled_before)
    missing = [machine for machine in running if _is_gone(there.get(machine.instance_id))]
    revived = [
        row
        for instance_id, row in known.items()
        if row.status in (instances.DELETED, instances.LOST) and there[instance_id].state in ALIVE
    ]
    strangers = [
        machine for instance_id, machine in there.items() if instance_id not in known and machine.state in ALIVE
    ]
    with engine.store.transaction():
        leases.hold(engine.store, lease)
        adopted, unknown = _adopt(engine, watch, strangers)
        _tell(engine, watch, lease, adopted, [machine.instance_id for machine in revived])
        _look_into(engine, watch, missing, revived)
        watches.wake(watch.account_id, watch.region_id, engine.now())
    engine.reach(faultpoints.RECONCILE_RECORDED)
    report = Report(
        missing=tuple(machine.instance_id for machine in missing),
        adopted=tuple(adopted),
        revived=tuple(machine.instance_id for machine in revived),
        orphans=tuple(unknown),
    )
    if report != Report():
        log.warning(
            "inventory differs from the cloud",
            account_id=watch.account_id,
            region_id=watch.region_id,
            missing=len(report.missing),
            adopted=len(report.adopted),
            revived=len(report.revived),
            orphans=len(report.orphans),
        )
    return report


def _is_gone(machine: Machine | None) -> bool:
    return machine is None or machine.state in (MachineState.DELETED, MachineState.DELETING)


def _adopt(engine: Engine, watch: Watch, strangers: list[Machine]) -> tuple[list[str], list[str]]:
    adopted: list[str] = []
    unknown: list[str] = []
    now = engine.now()
    for machine in strangers:
        chunk = chunks.by_token(engine.store, machine.tags.get(tags.CHUNK, ""))
        task = None if chunk is None else tasks.get(engine.store, chunk.task_id)
        if chunk is None or task is None:
            unknown.append(machine.instance_id)
            _report(watch, machine, now)
            continue
        if chunk.status == chunks.SENT:
            continue  # its task is about to find it
        try:
            template = engine.templates.template(task.cluster_id)
        except NotFound:
            unknown.append(machine.instance_id)
            _report(watch, machine, now)
            continue
        origin = Origin(
            provider=template.provider,
            account_id=watch.account_id,
            account_key=template.account_key,
            region_id=watch.region_id,
            zone_id=machine.zone_id or chunk.zone_id,
            cluster_id=template.cluster_id,
            cluster_name=template.cluster_name,
            task_id=chunk.task_id,
            chunk_id=chunk.id,
            instance_type=machine.instance_type or chunk.instance_type,
            image_id=template.image_id,
        )
        instances.record(origin, [machine.instance_id], now)
        adopted.append(machine.instance_id)
    orphans.forget(watch.account_id, watch.region_id, keep=unknown)
    return adopted, unknown


def _tell(engine: Engine, watch: Watch, lease: Lease, adopted: list[str], revived: list[str]) -> None:
    for what, ids in (("adopted", adopted), ("revived", revived)):
        for instance_id in ids:
            machine = audit.of_account("machine", instance_id, watch.account_id)
            audit.changed_by_worker(engine.store, lease.owner, "reconcile", machine, {"what": what})


def _report(watch: Watch, machine: Machine, now: int) -> None:
    orphans.report(
        watch.account_id,
        watch.region_id,
        machine.instance_id,
        state=machine.state.value,
        tags_json=json.dumps(dict(machine.tags), sort_keys=True),
        now=now,
    )


def _look_into(engine: Engine, watch: Watch, missing: list[Tended], revived: list[Tended]) -> None:
    now = engine.now()
    instances.change_many([row.id for row in missing], if_status=instances.RUNNING, tend_at=now, absences=0)
    for row in revived:
        if row.status == instances.DELETED:
            change: dict[str, object] = {"status": instances.DELETING, "delete_sent_at": 0}
        elif row.running_at:
            # Counted as lost, and not: it goes on where it was.
            change = {"status": instances.RUNNING, "reason": ""}
        else:
            # It came after its task had given it up, and had another in its place: asked for is asked for.
            change = {"status": instances.DELETING, "reason": "it was shown too late", "deleting_at": now}
        instances.change(row.id, if_status=row.status, tend_at=now, gone_at=0, absences=0, **change)
