"""A cloud in memory, behind the Provider seam: for what the engine must do whatever a cloud does, without a wire.

What it answers can be scripted: `fail_next` makes the next calls of an operation raise, before or after the effect.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bridgx_server.providers.base import (
    CreatedMachines,
    CreateMachines,
    DeletedMachines,
    Limits,
    Machine,
    MachineState,
)
from bridgx_server.providers.errors import ErrorClass, ProviderError


@dataclass
class _Script:
    error: ProviderError
    after_effect: bool


@dataclass
class FakeCloud:
    """`stock` is what is left by zone; `boots` says whether a machine comes to run at once; `before_create` may raise.

    Machines of `refuses` are not deleted, for that reason; those that are NOT_RELEASABLE are with `release_prepaid`.
    `addresses` are what is free by subnet, `quota` the machines that may be, None: no limit. Calls for more are refused as a
    whole; with `tells_left` the refusal says how many are left.
    """

    name: str = "AlibabaCloud"
    limits: Limits = field(default_factory=lambda: Limits(create_batch=10, describe_batch=10, delete_batch=10))
    stock: dict[str, int] = field(default_factory=dict)
    addresses: dict[str, int] = field(default_factory=dict)
    quota: int | None = None
    tells_left: bool = False
    boots: Callable[[int], bool] = lambda index: True
    fails: Callable[[int], bool] = lambda index: False
    before_create: Callable[[CreateMachines], None] = lambda request: None
    machines: dict[str, dict[str, Any]] = field(default_factory=dict)
    answers: dict[str, CreatedMachines] = field(default_factory=dict)
    calls: list[tuple[str, Any]] = field(default_factory=list)
    hidden: set[str] = field(default_factory=set)
    fail_deletes_silently: bool = False
    refuses: dict[str, ErrorClass] = field(default_factory=dict)
    scripts: dict[str, list[_Script]] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def fail_next(
        self, operation: str, kind: ErrorClass, times: int = 1, *, after_effect: bool = False, code: str = "Scripted"
    ) -> None:
        error = ProviderError(kind, f"scripted {kind}", provider=self.name, operation=operation, vendor_code=code)
        self.scripts.setdefault(operation, []).extend([_Script(error, after_effect)] * times)

    def alive(self) -> dict[str, dict[str, Any]]:
        with self.lock:
            return {key: value for key, value in self.machines.items() if value["state"] is not MachineState.DELETED}

    def _scripted(self, operation: str) -> _Script | None:
        scripts = self.scripts.get(operation)
        return scripts.pop(0) if scripts else None

    def check_machines(self, request: CreateMachines) -> None:
        pass

    def create_machines(self, request: CreateMachines) -> CreatedMachines:
        with self.lock:
            self.calls.append(("create", request))
            self.before_create(request)
            script = self._scripted("create")
            if script and not script.after_effect:
                raise script.error
            answer = self.answers.get(request.token)
            if answer is None:
                answer = self._create(request)
                self.answers[request.token] = answer
            if script:
                raise script.error
            return answer

    def _refuse_whole(self, kind: ErrorClass, left: int, request: CreateMachines) -> None:
        if left < request.count:
            text = f"too few for {request.count}."
            available = left if self.tells_left else None
            raise ProviderError(kind, text, vendor_code=f"Code.{kind}", available=available)

    def _create(self, request: CreateMachines) -> CreatedMachines:
        if self.quota is not None:
            self._refuse_whole(ErrorClass.QUOTA_EXCEEDED, self.quota - len(self.alive()), request)
        if request.subnet_id in self.addresses:
            self._refuse_whole(ErrorClass.NO_ADDRESSES, self.addresses[request.subnet_id], request)
        left = self.stock.get(request.zone_id, 1_000_000)
        if left == 0 or (left < request.count and not self.limits.partial_delivery):
            raise ProviderError(ErrorClass.OUT_OF_STOCK, "sold out.", vendor_code="NoStock")
        number = min(left, request.count)
        self.stock[request.zone_id] = left - number
        if request.subnet_id in self.addresses:
            self.addresses[request.subnet_id] -= number
        ids = []
        for _ in range(number):
            index = len(self.machines)
            key = f"i-{index:05d}"
            state = MachineState.RUNNING if self.boots(index) else MachineState.PENDING
            if self.fails(index):
                state = MachineState.FAILED
            self.machines[key] = {"state": state, "tags": dict(request.tags), "index": index, "zone": request.zone_id}
            ids.append(key)
        return CreatedMachines(tuple(ids), "req-1")

    def _machine(self, key: str) -> Machine:
        row = self.machines[key]
        index = row["index"]
        return Machine(
            key,
            row["state"],
            private_ip=f"10.0.{index // 250}.{index % 250 + 1}",
            started_at=row.get("started_at"),
            ended_at=row.get("ended_at"),
            reason=row.get("reason", ""),
            tags=row["tags"],
            network_unknown=row.get("network_unknown", False),
        )

    def describe_machines(self, region_id: str, instance_ids: Sequence[str]) -> list[Machine]:
        with self.lock:
            self.calls.append(("describe", tuple(instance_ids)))
            script = self._scripted("describe")
            if script:
                raise script.error
            return [self._machine(key) for key in instance_ids if key in self.machines and key not in self.hidden]

    def find_machines(self, region_id: str, tags: Mapping[str, str]) -> list[Machine]:
        with self.lock:
            self.calls.append(("find", dict(tags)))
            script = self._scripted("find")
            if script:
                raise script.error
            return [
                self._machine(key)
                for key, row in self.machines.items()
                if key not in self.hidden and tags.items() <= row["tags"].items()
            ]

    def delete_machines(
        self, region_id: str, instance_ids: Sequence[str], *, release_prepaid: bool = False
    ) -> DeletedMachines:
        with self.lock:
            self.calls.append(("release" if release_prepaid else "delete", tuple(instance_ids)))
            script = self._scripted("delete")
            if script and not script.after_effect:
                raise script.error
            refused: dict[str, ProviderError] = {}
            for key in instance_ids:
                kind = self.refuses.get(key)
                if kind and not (release_prepaid and kind is ErrorClass.NOT_RELEASABLE):
                    refused[key] = ProviderError(kind, f"scripted {kind}", provider=self.name, operation="delete")
                elif key in self.machines and key not in self.hidden and not self.fail_deletes_silently:
                    self.machines[key]["state"] = MachineState.DELETED
            if script:
                raise script.error
            unknown = {key for key in instance_ids if key not in self.machines or key in self.hidden}
            return DeletedMachines(refused, frozenset(unknown - set(refused)))
