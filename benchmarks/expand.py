"""Scale-ups against the time that no program could go below, and against a bare script that knows everything.

The simulated clouds answer a creation after a second, boot machines in 20 to 40 seconds, and take as many calls as the
adapter's table of limits says, by which the server goes too. The lower bound is what these limits, the batch size and the
boot times that were really drawn allow: call k starts as soon as the limits let it.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bare import script as bare_script
from bridgx import v1
from bridgx_server.cloudsim.front import FRONTS
from creation import Creation
from result import Result
from system import Place, System, a_cluster, a_place, register, system

BOOT = (20.0, 40.0)  # seconds
LATENCY = 1.0  # seconds until a creation is answered
MACHINES = 1_000
SHORT_TASKS = 50  # at once
SHORT_TASK = 20  # machines of each of them
MANY = 10_000


def thousand(directory: Path, clouds: tuple[str, ...]) -> Iterator[Result]:
    """1,000 machines on each cloud."""
    with system(directory) as running:
        for cloud in clouds:
            _realistic(running, cloud)
            place = a_place(running, cloud, "thousand")
            name = a_cluster(running, place, f"thousand-{cloud}")
            seconds = _expand(running, [name], MACHINES)
            bound = _lower_bound(running, place, Creation.of(running, cloud).batch)
            yield Result(
                f"{cloud}: expand by {MACHINES:,}",
                f"{seconds:.1f} s",
                f"bound {bound:.1f} s",
                seconds / bound,
                "≤ 1.15",
            )
            script, bare = bare_script(running, place, MACHINES)
            yield Result(
                f"{cloud}: expand by {MACHINES:,}",
                f"{seconds:.1f} s",
                f"bare script, {script} {bare:.1f} s",
                seconds / bare,
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
    """The server's memory at rest with each cloud in use alone, and while it starts 10,000 machines."""
    for cloud in (*FRONTS, "all five"):
        with system(directory / cloud, clouds=()) as running:
            bare = running.resident_mib()
            for name in FRONTS if cloud == "all five" else (cloud,):
                register(running, name)
                a_place(running, name, "memory")
            rest = running.resident_mib()
        yield Result(f"memory at rest, {cloud} in use", f"{rest:.0f} MiB", f"no cloud {bare:.0f} MiB", rest / bare)
    cloud = "AlibabaCloud"
    with system(directory / "many", clouds=[cloud]) as running:
        _realistic(running, cloud)
        place = a_place(running, cloud, "memory")
        rest = running.resident_mib()
        name = a_cluster(running, place, "memory")
        seconds = _expand(running, [name], MANY)
        peak = running.peak_mib()
        text = f"memory while {MANY:,} machines start ({seconds:.0f} s)"
        yield Result(text, f"{peak:.0f} MiB", f"at rest {rest:.0f} MiB", peak / rest)


def _realistic(running: System, cloud: str) -> None:
    creation, control = Creation.of(running, cloud), running.control
    control.delays(cloud=cloud, boot=list(BOOT), delete=[1, 5], visible=[0, 1])
    control.fault("slow", cloud, creation.action, params={"seconds": LATENCY})
    control.rate(cloud, creation.action, creation.calls.per_second, creation.calls.burst)


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
    creation = Creation.of(running, place.cloud)
    machines = sorted(running.control.machines(place.cloud), key=lambda row: row["created_at"])
    return max(
        creation.earliest(index // batch, batch) + LATENCY + machine["boots_at"] - machine["created_at"]
        for index, machine in enumerate(machines)
    )
