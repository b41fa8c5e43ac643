"""Why a machine that was promised did not come: Huawei says so in the job that made it, and nowhere else.

A create answers with ids at once, and its job goes on. When it fails the machine may be taken back without a trace, so the
jobs of machines that have not been seen yet are kept in memory, and asked when one is missing. That is for the reason
alone: after a restart of ours a machine that is missing is only missing.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from huaweicloudsdkecs.v2 import ShowJobRequest

from bridgx_server.providers.errors import ProviderError
from bridgx_server.providers.huawei.calls import Calls
from bridgx_server.providers.huawei.errors import UNKNOWN_NETWORK

KEPT = 20_000  # machines


@dataclass(frozen=True)
class Fate:
    """What a job says of a machine. ``failed``: it will not come; else it waits for what ``reason`` says.

    ``network_unknown``: it will not come since ECS did not know its subnet or security group.
    """

    failed: bool
    reason: str
    network_unknown: bool = False


class Jobs:
    """The jobs of the machines that this process asked for and has not seen yet."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._of: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    def remember(self, job_id: str, instance_ids: Iterable[str]) -> None:
        if not job_id:
            return
        with self._lock:
            self._of.update(dict.fromkeys(instance_ids, job_id))
            while len(self._of) > KEPT:
                self._of.popitem(last=False)

    def forget(self, instance_ids: Iterable[str]) -> None:
        with self._lock:
            for instance_id in instance_ids:
                self._of.pop(instance_id, None)

    def fates(self, region_id: str, instance_ids: Iterable[str]) -> dict[str, Fate]:
        """What the jobs say of these machines, by id; nothing of those whose job is unknown, goes on, or cannot be asked."""
        wanted = set(instance_ids)
        with self._lock:
            jobs = {self._of[instance_id] for instance_id in wanted if instance_id in self._of}
        found: dict[str, Fate] = {}
        for job_id in sorted(jobs):
            try:
                job = self._calls.ecs(region_id, "show_job", ShowJobRequest(job_id=job_id))
            except ProviderError:
                continue  # the reason is a help, not worth a failure
            if job.get("status") == "SUCCESS":
                self.forget(self._made_by(job_id))
            found.update(self._told(job_id, job))
        return {instance_id: fate for instance_id, fate in found.items() if instance_id in wanted}

    def _made_by(self, job_id: str) -> list[str]:
        with self._lock:
            return [instance_id for instance_id, known in self._of.items() if known == job_id]

    def _told(self, job_id: str, job: dict[str, Any]) -> dict[str, Fate]:
        entities = job.get("entities") or {}
        parts = entities.get("sub_jobs") or [job]
        found: dict[str, Fate] = {}
        for part in parts:
            instance_id = (part.get("entities") or {}).get("server_id")
            if instance_id and part.get("status") == "FAIL":
                found[instance_id] = _failure(part if _reason(part) else job)
        whole: Fate | None = None
        if job.get("status") == "PENDING_PAYMENT":
            whole = Fate(False, "the order waits to be paid")
        elif job.get("status") == "FAIL" and not found:
            whole = _failure(job)  # it ended before it came to single machines
        if whole is not None:
            found.update(dict.fromkeys(self._made_by(job_id), whole))
        return found


def _failure(job: dict[str, Any]) -> Fate:
    reason = _reason(job)  # some jobs put the code of the service behind them into their text
    return Fate(True, reason, any(code in reason for code in UNKNOWN_NETWORK))


def _reason(job: dict[str, Any]) -> str:
    said = str(job.get("fail_reason") or (job.get("entities") or {}).get("errorcode_message") or "")
    code = str(job.get("error_code") or "")
    return f"{code}: {said}" if code and said else code or said
