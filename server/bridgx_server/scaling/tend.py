"""Asks the cloud about every machine whose state is not settled, in bulk, and records what it says.

That a machine is gone is believed only from good, complete answers, several in a row, and never from a failure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Lock

import structlog

from bridgx_server.providers.base import DeletedMachines, Machine, MachineState, Provider
from bridgx_server.providers.errors import ErrorClass, ProviderError
from bridgx_server.scaling import faultpoints, fresh, outcome, refusals
from bridgx_server.scaling.engine import Engine
from bridgx_server.scaling.moments import milliseconds
from bridgx_server.scaling.parallel import in_parallel
from bridgx_server.store import comparisons, deletions, instances, leases, tasks, watches
from bridgx_server.store.comparisons import Found
from bridgx_server.store.instances import Tended
from bridgx_server.store.leases import Lease
from bridgx_server.store.watches import Watch

ROUND = 1000  # machines asked about in one round
ABSENCES = 5  # good answers in a row without a machine, over the visibility time at least, before it counts as gone
DELETED_ABSENCES = 2  # the same for one that the cloud has agreed to delete, at once if it was shown before
# Refusals of a deletion that may concern one machine of many: protected, paid for in advance, changing its state;
# or what giving it up costs is not there, or no more may be given up.
ABOUT_MACHINES = (
    ErrorClass.PERMISSION_DENIED,
    ErrorClass.INVALID_PARAMETER,
    ErrorClass.CONFLICT,
    ErrorClass.NOT_FOUND,
    ErrorClass.NOT_RELEASABLE,
    ErrorClass.INSUFFICIENT_BALANCE,
    ErrorClass.QUOTA_EXCEEDED,
    ErrorClass.UNKNOWN,
)
RESEND_DELETE = 60.0  # seconds after which a deletion that shows no effect is asked for again
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
    unsent = _to_delete(engine, watch, due, known.seen)
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
    if state.charge_type:
        found["charge_type"] = state.charge_type
        found["expires_at"] = milliseconds(state.expires_at)
    if state.state is MachineState.DELETED:
        return {**found, **_deleted(engine, machine, state, now)}
    if _is_unwanted(machine):
        return {**found, **_on_its_way_out(engine, machine, state, now)}
    if machine.status == instances.RUNNING:
        settled = bool(machine.ip_inner or state.private_ip)
        return {**found, "tend_at": None if settled else _next_look(engine, machine.running_at, now)}
    return {**found, **_booting(engine, machine, state, now)}


def _on_its_way_out(engine: Engine, machine: Tended, state: Machine, now: int) -> dict[str, object]:
    found: dict[str, object] = {"tend_at": _next_look(engine, machine.deleting_at, now)}
    if state.state is MachineState.RUNNING and not machine.running_at:
        # It came up on its way out: its seconds count, though its task does not count it as one that came to run.
        found["running_at"] = max(_started_at(engine, machine, state, now), machine.deleting_at + 1)
        if machine.status == instances.PENDING:
            found["status"] = instances.RUNNING
    if machine.status != instances.DELETING and state.state is not MachineState.DELETING:
        found["tend_at"] = _next_look_at_kept(engine, machine, now, runs=state.state is MachineState.RUNNING)
    return found


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
        return {"status": instances.DELETING, "reason": why, "deleting_at": now, "tend_at": now, "unwanted": True}
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
    if _is_unwanted(machine):
        return {"status": instances.DELETED, "gone_at": at, "tend_at": None, **deletions.NOT_REFUSED}
    return {"status": instances.LOST, "gone_at": at, "tend_at": None, "reason": reason}


def _next_look(engine: Engine, since: int, now: int) -> int:
    seconds = min(max((now - since) / 10_000, engine.settings.poll), engine.settings.poll_limit)
    return now + int(1000 * seconds)


def _next_look_at_kept(engine: Engine, machine: Tended, now: int, *, runs: bool) -> int:
    """When to look at a machine that the cloud does not delete: soon where it may still come to run, for that counts."""
    young = now - machine.created_at <= engine.settings.boot_timeout * 1000
    if young and not runs and not machine.running_at:
        return _next_look(engine, machine.created_at, now)
    return refusals.ask_again_at(machine.deletion_refused, now)


def _to_delete(engine: Engine, watch: Watch, due: Sequence[Tended], seen: Mapping[int, Machine | None]) -> list[Tended]:
    """Those that the cloud is to be asked to delete now.

    A shrink that has marked one since the cloud was asked about it may still give it back.
    """
    before = {machine.id: machine for machine in due}
    now_known = instances.known_in(
        engine.store, watch.account_id, watch.region_id, [machine.instance_id for machine in due]
    )
    return [
        machine
        for machine in now_known.values()
        if _is_to_go(machine, engine.now())
        and (not machine.delete_sent_at or engine.now() - machine.delete_sent_at > RESEND_DELETE * 1000)
        # What the cloud does not show it is asked to delete once, and again when it is shown.
        and (machine.id not in seen or seen[machine.id] is not None or not before[machine.id].absences)
    ]


def _is_to_go(machine: Tended, now: int) -> bool:
    if machine.tend_at is None:
        return False
    if machine.status == instances.DELETING:
        return True
    if not _is_kept(machine) or (machine.protected and machine.status == instances.RUNNING):
        return False
    conflict = machine.deletion_refused == outcome.REASONS[ErrorClass.CONFLICT]
    return conflict or now >= refusals.ask_again_at(machine.deletion_refused, machine.deletion_refused_at)


def _is_unwanted(machine: Tended) -> bool:
    """Whether it is to go, also where the cloud has not deleted it yet, or a shrink that has not begun has chosen it."""
    return machine.status == instances.DELETING or (machine.unwanted and machine.status in instances.IN_USE)


def _is_kept(machine: Tended) -> bool:
    """Whether nobody wants it, the cloud has not deleted it, and no shrink has chosen it."""
    return machine.unwanted and machine.status in instances.IN_USE and machine.delete_chunk_id is None


def _delete(
    engine: Engine, provider: Provider, watch: Watch, lease: Lease, machines: Sequence[Tended]
) -> ProviderError | None:
    size = provider.limits.delete_batch
    batches: list[Sequence[Tended]] = []
    for released in (False, True):
        alike = [machine for machine in machines if machine.release_prepaid is released]
        batches += [alike[start : start + size] for start in range(0, len(alike), size)]
    failure: ProviderError | None = None
    refused = 0
    while batches:
        batch = batches.pop(0)
        try:
            with engine.calling(lease):
                answer = provider.delete_machines(
                    watch.region_id,
                    [machine.instance_id for machine in batch],
                    release_prepaid=batch[0].release_prepaid,
                )
        except ProviderError as error:
            log.warning("deletion refused", machines=len(batch), error_class=error.kind.value, code=error.vendor_code)
            failure, refused = error, refused + 1
            if error.kind not in ABOUT_MACHINES or refused > MOST_REFUSALS:
                return error
            if len(batch) > 1:
                # An adapter tells of each machine; should one keep others alive all the same, it is set apart.
                half = len(batch) // 2
                batches[:0] = [batch[:half], batch[half:]]
            else:
                _record_answer(engine, lease, batch, DeletedMachines({batch[0].instance_id: error}))
            continue
        engine.reach(faultpoints.TEND_DELETED)
        _record_answer(engine, lease, batch, answer)
        engine.reach(faultpoints.TEND_DELETE_RECORDED)
    return failure


def _record_answer(engine: Engine, lease: Lease, batch: Sequence[Tended], answer: DeletedMachines) -> None:
    """Writes what the cloud said of each machine that it was asked to delete."""
    with engine.store.transaction():
        unwanted = [machine for machine in batch if machine.unwanted or machine.instance_id in answer.refused]
        tasks.wake(instances.tasks_waiting_for(engine.store, unwanted), engine.now())
        leases.hold(engine.store, lease)
        now = engine.now()
        agreed = [row for row in batch if row.instance_id not in {*answer.refused, *answer.unknown}]
        going: dict[str, object] = {"delete_sent_at": now, **deletions.NOT_REFUSED}
        instances.change_many([row.id for row in agreed], if_status=instances.DELETING, **going)
        for status in instances.IN_USE:
            ids = [row.id for row in agreed if row.status == status]
            soon = now + int(engine.settings.poll * 1000)
            instances.change_many(ids, if_status=status, status=instances.DELETING, tend_at=soon, **going)
        kept = [row for row in batch if row.instance_id in answer.refused]
        chosen = deletions.with_open_shrink([row.id for row in kept])
        for row in kept:
            _keep(engine, row, answer.refused[row.instance_id], now, chosen=row.id in chosen)


def _keep(engine: Engine, machine: Tended, error: ProviderError, now: int, *, chosen: bool) -> None:
    """One that the cloud does not delete, or not now. What an open shrink has chosen, its task gives back."""
    refusal = refusals.refusal_of(error)
    again_at = refusals.ask_again_at(refusal.reason, now)
    said = deletions.refused(refusal, now)
    if error.kind in refusals.FOR_GOOD and machine.status == instances.DELETING and not chosen:
        if not machine.unwanted:
            deletions.give_back([machine], now, refusals={machine.id: refusal})
            return
        status = instances.RUNNING if machine.running_at else instances.PENDING
        look_at = _next_look_at_kept(engine, replace(machine, deletion_refused=refusal.reason), now, runs=False)
        back = {"status": status, "delete_sent_at": 0, "tend_at": look_at}
        instances.change(machine.id, if_status=instances.DELETING, **back, **said)
        return
    if error.kind is ErrorClass.CONFLICT:
        # It is changing its state, which passes, or never does: asked again soon at first, and less and less often.
        again_at = min(_next_look(engine, machine.deleting_at, now), again_at)
    instances.change(machine.id, if_status=machine.status, delete_sent_at=0, tend_at=again_at, **said)


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
