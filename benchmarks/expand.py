"""Scale-ups against the time that no program could go below, and against a bare script that knows everything.

The simulated clouds answer a creation after a second and boot machines in 20 to 40 seconds. The lower bound is what their
rate limit, their batch size and the boot times that were really drawn allow: call k starts as soon as the limit lets it.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bridgx import v1
from bridgx_server.cloudsim.front import FRONTS
from bridgx_server.providers.base import CreateMachines, Disk, MachineState
from result import Result
from system import PASSWORD, Place, System, a_cluster, a_place, system

BOOT = (20.0, 40.0)  # seconds
LATENCY = 1.0  # seconds until a creation is answered
MACHINES = 1_000
SHORT_TASKS = 50  # at once
SHORT_TASK = 20  # machines of each of them
MANY = 10_000
POLL = 1.0  # seconds between two looks of the bare script
FEW, MOST = 8, 100  # calls at once; ids a call


@dataclass(frozen=True)
class Creation:
    """How a cloud takes orders: the name of the call, and how many a second its documentation allows."""

    action: str
    per_second: float


CREATIONS = {
    "AlibabaCloud": Creation("RunInstances", 10),
    "HuaweiCloud": Creation("CreatePostPaidServers", 10),
    "TencentCloud": Creation("RunInstances", 10),
    "BaiduCloud": Creation("CreateInstanceBySpec", 10),
    "AWSCloud": Creation("RunInstances", 5),
}


def thousand(directory: Path, clouds: tuple[str, ...]) -> Iterator[Result]:
    """1,000 machines on each cloud."""
    with system(directory) as running:
        for cloud in clouds:
            _realistic(running, cloud)
            place = a_place(running, cloud, "thousand")
            name = a_cluster(running, place, f"thousand-{cloud}")
            seconds = _expand(running, [name], MACHINES)
            bound = _lower_bound(running, place, running.adapter(cloud).limits.create_batch)
            yield Result(
                f"{cloud}: expand by {MACHINES:,}",
                f"{seconds:.1f} s",
                f"bound {bound:.1f} s",
                seconds / bound,
                "≤ 1.15",
            )
            bare = _bare_script(running, place)
            yield Result(
                f"{cloud}: expand by {MACHINES:,}", f"{seconds:.1f} s", f"bare script {bare:.1f} s", seconds / bare
            )


def many_tasks(directory: Path) -> Iterator[Result]:
    """50 tasks of one account at once."""
    cloud = "TencentCloud" if "TencentCloud" in FRONTS else "AlibabaCloud"
    with system(directory) as running:
        _realistic(running, cloud)
        place = a_place(running, cloud, "many")
        names = [a_cluster(running, place, f"many-{number}") for number in range(SHORT_TASKS)]
        seconds = _expand(running, names, SHORT_TASK)
        bound = _lower_bound(running, place, SHORT_TASK)
        yield Result(
            f"{cloud}: {SHORT_TASKS} tasks of {SHORT_TASK} at once",
            f"{seconds:.1f} s",
            f"bound {bound:.1f} s",
            seconds / bound,
        )


def memory(directory: Path) -> Iterator[Result]:
    """The server's memory at rest, and while it starts 10,000 machines."""
    cloud = "AlibabaCloud"
    with system(directory) as running:
        bare = running.resident_mib()
        _realistic(running, cloud)
        place = a_place(running, cloud, "memory")
        rest = running.resident_mib()
        yield Result("memory at rest, one cloud in use", f"{rest:.0f} MiB", f"no cloud {bare:.0f} MiB", rest / bare)
        name = a_cluster(running, place, "memory")
        seconds = _expand(running, [name], MANY)
        peak = running.peak_mib()
        text = f"memory while {MANY:,} machines start ({seconds:.0f} s)"
        yield Result(text, f"{peak:.0f} MiB", f"at rest {rest:.0f} MiB", peak / rest)


def _realistic(running: System, cloud: str) -> None:
    creation = CREATIONS[cloud]
    control = running.control
    control.delays(cloud=cloud, boot=list(BOOT), delete=[1, 5], visible=[0, 1])
    control.fault("slow", cloud, creation.action, params={"seconds": LATENCY})
    rate = {"cloud": cloud, "action": creation.action, "per_second": creation.per_second, "burst": creation.per_second}
    control.call("POST", "/rates", rate)


def _expand(running: System, clusters: list[str], count: int) -> float:
    """Seconds from the first request to the end of the last task; every machine must run."""
    tasks = running.client.tasks
    ids = [
        tasks.ExpandCluster(v1.ExpandClusterRequest(cluster_name=name, task_name="benchmark", count=count)).task_id
        for name in clusters
    ]
    with ThreadPoolExecutor(len(ids)) as pool:
        ended = list(pool.map(running.client.wait_task, ids))
    short = [task for task in ended if task.running != count]
    if short:
        raise RuntimeError(f"a task brought {short[0].running} of {count} machines: {short[0].reason}")
    first = min(task.create_at.ToMilliseconds() for task in ended)
    last = max(task.finish_at.ToMilliseconds() for task in ended)
    return (last - first) / 1000


def _lower_bound(running: System, place: Place, batch: int) -> float:
    creation = CREATIONS[place.cloud]
    machines = sorted(running.control.machines(place.cloud), key=lambda row: row["created_at"])
    return max(
        _earliest(index // batch, creation) + LATENCY + machine["boots_at"] - machine["created_at"]
        for index, machine in enumerate(machines)
    )


def _earliest(call: int, creation: Creation) -> float:
    return max(call + 1 - creation.per_second, 0) / creation.per_second


def _bare_script(running: System, place: Place) -> float:
    """The same machines by the adapter alone: it crashes when anything fails, and knows what everything takes."""
    adapter, creation = running.adapter(place.cloud), CREATIONS[place.cloud]
    batch = adapter.limits.create_batch
    begun = time.monotonic()

    def create(call: int) -> tuple[str, ...]:
        time.sleep(max(begun + _earliest(call, creation) - time.monotonic(), 0))
        return adapter.create_machines(_order(place, batch)).instance_ids

    with ThreadPoolExecutor(FEW) as pool:
        waiting = [machine for ids in pool.map(create, range(MACHINES // batch)) for machine in ids]
        while waiting:
            parts = [waiting[start : start + MOST] for start in range(0, len(waiting), MOST)]
            shown = [
                row
                for rows in pool.map(lambda ids: adapter.describe_machines(place.region, ids), parts)
                for row in rows
            ]
            up = {row.instance_id for row in shown if row.state is MachineState.RUNNING}
            waiting = [machine for machine in waiting if machine not in up]
            if waiting:
                time.sleep(POLL)
    return time.monotonic() - begun


def _order(place: Place, count: int) -> CreateMachines:
    return CreateMachines(
        region_id=place.region,
        zone_id=place.zone,
        instance_type=place.instance_type,
        image_id=place.image,
        vpc_id=place.vpc,
        subnet_id=place.subnet,
        security_group_id=place.group,
        count=count,
        token=str(uuid.uuid4()),
        name="bare",
        password=PASSWORD,
        system_disk=Disk("cloud_efficiency", 50),
    )
