"""Asks the cloud about every machine whose state is not settled, in bulk, and records what it says.

That a machine is gone is believed only from good, complete answers, several in a row, and never from a failure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from threading import Lock

import structlog

from bridgx_server.providers.base import Machine, MachineState, Provider
from bridgx_server.providers.errors import ErrorClass, ProviderError
from bridgx_server.scaling import faultpoints, fresh
from bridgx_server.scaling.engine import Engine
from bridgx_server.scaling.moments import milliseconds
from bridgx_server.scaling.parallel import in_parallel
from bridgx_server.store import comparisons, instances, leases, tasks, watches
from bridgx_server.store.comparisons import Found
from bridgx_server.store.instances import Tended
from bridgx_server.store.leases import Lease
from bridgx_server.store.watches import Watch

ROUND = 1000  # machines asked about in one round
ABSENCES = 5  # good answers in a row without a machine, over the visibility time at least, before it counts as gone
DELETED_ABSENCES = 2  # the same for one that the cloud has agreed to delete, at once if it was shown before
# Refusals of a deletion that may concern one machine of many: protected, paid for in advance, changing its state.
ABOUT_MACHINES = (
    ErrorClass.PERMISSION_DENIED,
    ErrorClass.INVALID_PARAMETER,
    ErrorClass.CONFLICT,
    ErrorClass.NOT_FOUND,
    ErrorClass.UNKNOWN,
)
RESEND_DELETE = 60.0  # seconds after which a deletion that shows no effect, or was refused, is asked for again
MOST_REFUSALS = 20  # of deletions in one round
UNWATCHED = 60.0  # seconds that a machine's start may be off without the cloud being asked when it was created

log = structlog.get_logger("bridgx.tend")


@dataclass
class _Round:
    """What one round has learnt. Batches run side by side, so adding takes the lock."""

    seen: dict[int, Machine | None] = field(default_factory=dict)
    failure: ProviderError | None = None
    lock: Lock = field(default_factory=Lock)


def tend(engine: Engine, watch: Watch, lease: Lease) -> ProviderError | None:
    """One round over the machines that are due; returns the failure of a call, if one failed.

    Raises:
        LeaseLost: another worker holds the watch.
        ProviderError: the account's adapter cannot be had.
    """
    due = instances.due(engine.store, watch.account_id, watch.region_id, engine.now(), ROUND)
    if not due:
        return None
    provider = engine.clouds.provider(watch.account_id)
    known = _Round()
    size = provider.limits.describe_batch
    batches = [due[start : start + size] for start in range(0, len(due), size)]
    in_parallel(engine.calls, [partial(_ask, engine, provider, watch, lease, batch, known) for batch in batches])
    engine.reach(faultpoints.TEND_DESCRIBED)
    _record(engine, watch, lease, [machine for machine in due if machine.id in known.seen], known.seen)
    engine.reach(faultpoints.TEND_RECORDED)
    unsent = [machine for machine in _to_delete(engine, watch, due) if _delete_is_due(engine, machine)]
    # A round sets only a few apart that may not be deleted: in no order, so that the same ones never stand before others.
    engine.random.shuffle(unsent)
    failure = _delete(engine, provider, watch, lease, unsent)
    return known.failure or failure


def _ask(
    engine: Engine, provider: Provider, watch: Watch, lease: Lease, batch: Sequence[Tended], known: _Round
) -> None:
    try:
        with engine.calling(lease):
            answer = provider.describe_machines(watch.region_id, [machine.instance_id for machine in batch])
    except ProviderError as error:
        with known.lock:
            known.failure = error
        return
    states = {machine.instance_id: machine for machine in answer}
    with known.lock:
        known.seen.update((machine.id, states.get(machine.instance_id)) for machine in batch)


def _record(engine: Engine, watch: Watch, lease: Lease, due: Sequence[Tended], seen: dict[int, Machine | None]) -> None:
    now = engine.now()
    changes = [(machine, _verdict(engine, machine, seen[machine.id], now)) for machine in due]
    settled = [machine for machine, change in changes if "status" in change]
    with engine.store.transaction():
        # Tasks are locked before watches, and watches before machines, as everywhere.
        tasks.wake(instances.tasks_waiting_for(engine.store, settled), now)
        leases.hold(engine.store, lease)
        for machine, change in changes:
            instances.change(machine.id, if_status=machine.status, **change)
        lost = [machine for machine, change in changes if change.get("status") == instances.LOST]
        found = [Found(machine.instance_id, machine.cluster_name, machine.task_id) for machine in lost]
        comparisons.note(comparisons.LOST, watch.account_id, watch.region_id, found, now)


def _verdict(engine: Engine, machine: Tended, state: Machine | None, now: int) -> dict[str, object]:
    """The columns that the cloud's answer changes. ``status`` is among them only where it changes."""
    if state is None:
        return _absent(engine, machine, now)
    found: dict[str, object] = {"absences": 0, "absent_at": 0}
    if state.private_ip:
        found["ip_inner"] = state.private_ip
    if state.public_ip:
        found["ip_outer"] = state.public_ip
    if state.state is MachineState.DELETED:
        return {**found, **_deleted(engine, machine, state, now)}
    if machine.status == instances.DELETING:
        if state.state is MachineState.RUNNING and not machine.running_at:
            # It came up on its way out: its seconds count, though its task does not count it as one that came to run.
            found["running_at"] = max(_started_at(engine, machine, state, now), machine.deleting_at + 1)
        return {**found, "tend_at": _next_look(engine, machine.deleting_at, now)}
    if machine.status == instances.RUNNING:
        settled = bool(machine.ip_inner or state.private_ip)
        return {**found, "tend_at": None if settled else _next_look(engine, machine.running_at, now)}
    return {**found, **_booting(engine, machine, state, now)}


def _booting(engine: Engine, machine: Tended, state: Machine, now: int) -> dict[str, object]:
    if state.state is MachineState.RUNNING:
        return {
            "status": instances.RUNNING,
            "running_at": _started_at(engine, machine, state, now),
            # Some clouds say running before the address is known.
            "tend_at": None if state.private_ip else _next_look(engine, machine.created_at, now),
        }
    why = ""
    if state.state is MachineState.FAILED:
        why = _why_failed(state)
    elif now - machine.created_at > engine.settings.boot_timeout * 1000:
        why = f"it did not run within {engine.settings.boot_timeout:g} s"
    if why:
        return {"status": instances.DELETING, "reason": why, "deleting_at": now, "tend_at": now}
    return {"tend_at": _next_look(engine, machine.created_at, now)}


def _why_failed(state: Machine) -> str:
    what = fresh.UNKNOWN if state.network_unknown else "the cloud could not start it"
    return f"{what}: {state.reason}" if state.reason else what


def _started_at(engine: Engine, machine: Tended, state: Machine, now: int) -> int:
    """When a machine that is seen to run for the first time began to (ms).

    The cloud's own time where it gives one, else this moment, unless nobody has been looking: then the machine may have
    run since it was last due to be looked at, or, where it was found late, since the cloud made it.
    """
    made_at = min(milliseconds(state.created_at) or machine.created_at, machine.created_at)
    told = milliseconds(state.started_at)
    if told:
        return min(max(told, made_at), now)
    late = int(max(UNWATCHED, engine.settings.poll_limit) * 1000)
    since = made_at if machine.created_at - made_at > late else machine.tend_at or now
    return now if now - since <= late else since


def _deleted(engine: Engine, machine: Tended, state: Machine, now: int) -> dict[str, object]:
    found: dict[str, object] = {}
    began = machine.running_at
    if not began and state.started_at:
        # It was never seen to run, and the cloud says that it did.
        began = _started_at(engine, machine, state, now)
        if machine.status == instances.DELETING:
            began = max(began, machine.deleting_at + 1)
        found["running_at"] = began
    ended = milliseconds(state.ended_at) or machine.absent_at or now
    why = _why_failed(state) if state.network_unknown else f"the cloud has deleted it: {state.reason}".rstrip(": ")
    return {**found, **_gone(machine, max(min(ended, now), began, machine.created_at), why)}


def _absent(engine: Engine, machine: Tended, now: int) -> dict[str, object]:
    first = machine.absent_at or now
    counted: dict[str, object] = {"absences": machine.absences + 1, "absent_at": first}
    visibility = int(engine.settings.visibility * 1000)
    if machine.delete_sent_at:
        # One that was shown before is not hidden since it is young.
        seen = bool(machine.running_at or machine.ip_inner)
        needed, believed = DELETED_ABSENCES, seen or now - machine.created_at >= visibility
    else:
        # A cloud under load may leave machines out of an answer, and of the next: nobody asked for this one's end.
        needed, believed = ABSENCES, now - first >= visibility
    if not believed or machine.absences + 1 < needed:
        return {**counted, "tend_at": now + int(engine.settings.poll * 1000)}
    return {**counted, **_gone(machine, first, "the cloud knows it no more")}


def _gone(machine: Tended, at: int, reason: str) -> dict[str, object]:
    if machine.status == instances.DELETING:
        return {"status": instances.DELETED, "gone_at": at, "tend_at": None}
    return {"status": instances.LOST, "gone_at": at, "tend_at": None, "reason": reason}


def _next_look(engine: Engine, since: int, now: int) -> int:
    seconds = min(max((now - since) / 10_000, engine.settings.poll), engine.settings.poll_limit)
    return now + int(1000 * seconds)


def _to_delete(engine: Engine, watch: Watch, due: Sequence[Tended]) -> list[Tended]:
    """Those to be deleted now. A shrink that has marked one since the cloud was asked about it may still give it back."""
    now_known = instances.known_in(
        engine.store, watch.account_id, watch.region_id, [machine.instance_id for machine in due]
    )
    return [
        machine
        for machine in now_known.values()
        if machine.status == instances.DELETING and machine.tend_at is not None
    ]


def _delete_is_due(engine: Engine, machine: Tended) -> bool:
    if not machine.delete_sent_at:
        return True
    return engine.now() - machine.delete_sent_at > RESEND_DELETE * 1000


def _delete(
    engine: Engine, provider: Provider, watch: Watch, lease: Lease, machines: Sequence[Tended]
) -> ProviderError | None:
    size = provider.limits.delete_batch
    batches = [machines[start : start + size] for start in range(0, len(machines), size)]
    failure: ProviderError | None = None
    refusals = 0
    while batches:
        batch = batches.pop(0)
        try:
            with engine.calling(lease):
                provider.delete_machines(watch.region_id, [machine.instance_id for machine in batch])
        except ProviderError as error:
            log.warning("deletion refused", machines=len(batch), error_class=error.kind.value, code=error.vendor_code)
            failure, refusals = error, refusals + 1
            if error.kind not in ABOUT_MACHINES or refusals > MOST_REFUSALS:
                return error
            if len(batch) > 1:
                # One that may not be deleted keeps no other alive.
                half = len(batch) // 2
                batches[:0] = [batch[:half], batch[half:]]
            else:
                _ask_again_late(engine, lease, batch[0], error.kind)
            continue
        engine.reach(faultpoints.TEND_DELETED)
        with engine.store.transaction():
            leases.hold(engine.store, lease)
            now = engine.now()
            ids = [machine.id for machine in batch]
            instances.change_many(ids, if_status=instances.DELETING, delete_sent_at=now)
        engine.reach(faultpoints.TEND_DELETE_RECORDED)
    return failure


def _ask_again_late(engine: Engine, lease: Lease, machine: Tended, kind: ErrorClass) -> None:
    with engine.store.transaction():
        leases.hold(engine.store, lease)
        now = engine.now()
        later = now + int(RESEND_DELETE * 1000)
        if kind is ErrorClass.CONFLICT:
            # It is changing its state, which passes, or never does: asked again soon at first, and less and less often.
            later = min(_next_look(engine, machine.deleting_at, now), later)
        instances.change(machine.id, if_status=instances.DELETING, tend_at=later)


def run(engine: Engine, watch: Watch, lease: Lease) -> None:
    """Tends what is due and gives the watch back. Raises LeaseLost when another worker holds it."""
    failure: ProviderError | None
    try:
        failure = tend(engine, watch, lease)
    except ProviderError as error:
        failure = error
    not_before = 0
    if failure is not None:
        log.warning(
            "cloud not asked",
            account_id=watch.account_id,
            region_id=watch.region_id,
            error_class=failure.kind.value,
            code=failure.vendor_code,
            request_id=failure.request_id,
        )
        wait = failure.retry_after or engine.settings.poll
        not_before = engine.now() + int(1000 * wait * engine.random.uniform(1.0, 2.0))
    watches.release(engine.store, lease, watch, not_before=not_before)
