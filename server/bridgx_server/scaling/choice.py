"""Which machines of a cluster a shrink takes, and which it must not."""

from __future__ import annotations

import random
from collections.abc import Sequence

from bridgx_server.errors import FieldError, InvalidField, InvalidFields
from bridgx_server.store import audit, chunks, clusters, deletions, instances, tasks, watches
from bridgx_server.store.chunks import Chunk, ChunkCounts
from bridgx_server.store.clusters import NEWEST, OLDEST
from bridgx_server.store.database import Store
from bridgx_server.store.instances import Tended
from bridgx_server.store.models import ClusterRow
from bridgx_server.store.scope import Scope
from bridgx_server.store.tasks import Task

TOLD = 20  # machines of a call that the audit names


def outstanding(store: Store, task: Task) -> int:
    """Machines of an expand that are not in the inventory yet and may still come, replacements of others included."""
    if task.action != tasks.EXPAND:
        return 0
    ledger = chunks.of_task(store, task.id)
    if not ledger:
        return 0 if task.cancel else task.asked
    counts = chunks.counts_of_task(store, task.id, task.action)
    return sum(_coming(task, chunk, counts.get(chunk.id, ChunkCounts())) for chunk in ledger)


def _coming(task: Task, chunk: Chunk, count: ChunkCounts) -> int:
    if chunk.status == chunks.SENT or (chunk.status == chunks.PLANNED and not task.cancel):
        return max(chunk.asked - chunk.moved - count.accepted, 0)
    if chunk.status == chunks.ACCEPTED and chunk.replaces and not task.cancel:
        return count.failed
    return 0


def check_count(store: Store, cluster: ClusterRow, count: int) -> None:
    """Whether a cluster has, or will have when its turn comes, ``count`` machines to delete; raises InvalidField."""
    there = instances.unchosen(store, cluster.id, with_pending=True)
    free = sum(not machine.protected for machine in there)
    for task in tasks.open_tasks_of(store, cluster.id):
        free += outstanding(store, task)
        if task.action == tasks.SHRINK and task.status == "INIT" and not chunks.of_task(store, task.id):
            free -= task.asked
    if count > max(free, 0):
        kept = sum(machine.protected for machine in there)
        beside = f"; {kept} more are protected" if kept else ""
        raise InvalidField(
            "count", f"is {count}, but cluster {cluster.name} has {max(free, 0)} machines to delete{beside}"
        )


def named(store: Store, cluster: ClusterRow, ips: Sequence[str], instance_ids: Sequence[str] = ()) -> list[Tended]:
    """The machines with these addresses and ids, in their order; raises InvalidFields that name all that cannot be."""
    running = instances.unchosen(store, cluster.id)
    by_ip = _by_ip(running)
    by_id = {machine.instance_id: machine for machine in running}
    wanted = [(f"ips[{index}]", ip, by_ip.get(ip)) for index, ip in enumerate(ips)]
    wanted += [(f"instance_ids[{index}]", name, by_id.get(name)) for index, name in enumerate(instance_ids)]
    errors = []
    chosen: dict[int, Tended] = {}
    for field, name, machine in wanted:
        if machine is None:
            errors.append(FieldError(field, f"{name} is not a running machine of cluster {cluster.name}"))
            continue
        machine_of = name if name == machine.instance_id else f"{name} is machine {machine.instance_id}, which"
        if machine.protected:
            errors.append(FieldError(field, f"{machine_of} is protected from deletion"))
        elif machine.id in chosen:
            errors.append(FieldError(field, f"{machine_of} is named already"))
        else:
            chosen[machine.id] = machine
    if errors:
        raise InvalidFields(errors)
    return list(chosen.values())


def victims(
    candidates: Sequence[Tended], count: int, policy: str, rng: random.Random, now: int, *, release_prepaid: bool
) -> list[Tended]:
    """``count`` of the candidates, which are given oldest first, or all if there are fewer.

    Those that nobody wants go before others, and those that the cloud does not delete, since they are paid for in advance,
    only where there are no others.
    """
    kept = [machine for machine in candidates if not release_prepaid and machine.paid_ahead(now)]
    free = [machine for machine in candidates if release_prepaid or not machine.paid_ahead(now)]
    chosen: list[Tended] = []
    for group in ([m for m in free if m.unwanted], [m for m in free if not m.unwanted], kept):
        chosen += _by_policy(group, count - len(chosen), policy, rng)
    return chosen


def _by_policy(candidates: Sequence[Tended], count: int, policy: str, rng: random.Random) -> list[Tended]:
    number = min(count, len(candidates))
    if not number:
        return []
    if policy == OLDEST:
        return list(candidates[:number])
    if policy == NEWEST:
        return list(candidates[len(candidates) - number :])
    return rng.sample(candidates, number)


def protect(
    store: Store,
    scope: Scope,
    cluster_name: str,
    instance_ids: Sequence[str],
    ips: Sequence[str],
    *,
    protected: bool,
) -> list[str]:
    """Protects the named machines of a cluster, or ends that; returns their ids, each once.

    Raises:
        NotFound: no such cluster.
        InvalidFields: what is named is no pending or running machine of the cluster, or a shrink has chosen it, or it was
            given up and has not come to run.
    """
    with store.transaction():
        cluster = clusters.locked(store, scope, cluster_name)
        found = _to_protect(store, cluster, instance_ids, ips, protected)
        instances.protect([machine.id for machine in found], protected)
        ids = [machine.instance_id for machine in found]
        audit.changed(store, clusters.resource_of(cluster), detail={"machines": ids[:TOLD]})
    return ids


def _to_protect(
    store: Store, cluster: ClusterRow, instance_ids: Sequence[str], ips: Sequence[str], protected: bool
) -> list[Tended]:
    living = instances.living(store, cluster.id)
    by_id = {machine.instance_id: machine for machine in living}
    by_ip = _by_ip(living)
    wanted = [(f"instance_ids[{index}]", name, by_id.get(name)) for index, name in enumerate(instance_ids)]
    wanted += [(f"ips[{index}]", ip, by_ip.get(ip)) for index, ip in enumerate(ips)]
    errors = []
    found: dict[int, Tended] = {}
    for field, name, machine in wanted:
        if machine is None:
            errors.append(FieldError(field, f"{name} is no pending or running machine of cluster {cluster.name}"))
        elif protected and machine.delete_chunk_id is not None:
            errors.append(FieldError(field, f"{name} is about to be deleted by a shrink that has chosen it"))
        elif protected and machine.unwanted and machine.status == instances.PENDING:
            told = f"{name} was given up before it came to run, and is deleted as soon as the cloud does that"
            errors.append(FieldError(field, f"{told}; protect it when it runs"))
        else:
            found[machine.id] = machine
    if errors:
        raise InvalidFields(errors)
    return list(found.values())


def spare(store: Store, chunk: Chunk, why: dict[str, object], now: int) -> None:
    """Gives the machines of a shrink's chunk back to the cluster, inside the caller's transaction."""
    machines = instances.of_delete_chunk(store, chunk.id)
    for account_id, region_id in instances.places_of([machine.id for machine in machines]):
        watches.wake(account_id, region_id, now)  # watches are locked before machines, as everywhere
    deletions.give_back(machines, now)
    chunks.update(chunk.id, status=chunks.FAILED, finished_at=now, **why)


def _by_ip(machines: Sequence[Tended]) -> dict[str, Tended]:
    return {ip: machine for machine in machines for ip in (machine.ip_inner, machine.ip_outer) if ip}
