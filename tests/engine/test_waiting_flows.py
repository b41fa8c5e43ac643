"""How long the flows of networks wait for a cloud, and that they wait for many places at once."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from bridgx_server.providers.errors import ErrorClass, ProviderError
from bridgx_server.provisioning.catalog import Catalog
from bridgx_server.provisioning.networks import Networks
from bridgx_server.provisioning.refreshing import THREADS, Refresher
from bridgx_server.provisioning.visibility import LONGEST_PAUSE, Patience
from bridgx_server.store.models import VpcRow
from bridgx_server.store.paging import PageOf
from bridgx_server.store.scope import EVERYTHING
from engine.conftest import World

PLACES = 12


@dataclass
class Slow:
    """A cloud that answers when it has been asked about every place, and not before."""

    together: threading.Barrier = field(default_factory=lambda: threading.Barrier(PLACES))
    asked: list[str] = field(default_factory=list)

    def provider(self, account_id: int) -> Slow:
        return self

    def describe_vpcs(self, region_id: str, vpc_ids: Sequence[str]) -> list[Any]:
        self.asked.append(region_id)
        self.together.wait(30)
        return []


def test_all_places_are_asked_at_once(world: World) -> None:
    common = {"provider": "AlibabaCloud", "account_id": 1, "account_key": "key", "cidr_block": "10.0.0.0/16"}
    with world.store.transaction():
        for number in range(PLACES):
            row = {"vpc_id": f"vpc-{number}", "region_id": f"region-{number}", "name": "n", "status": "Available"}
            VpcRow.create(created_at=number, created_by="test", **row, **common)
    cloud = Slow()
    flows = Networks(world.store, cast(Any, cloud), cast(Catalog, None), refresher=Refresher(60.0))

    page = flows.list_vpcs(EVERYTHING, "", "", "", PageOf.asked(1, 50))

    assert len(page.rows) == PLACES
    assert sorted(cloud.asked) == sorted(f"region-{number}" for number in range(PLACES))
    assert not cloud.together.broken


def test_a_thread_that_cannot_be_had_takes_no_place_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    refresher = Refresher(60.0)
    done: list[int] = []

    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(ThreadPoolExecutor, "submit", refuse)
        for _ in range(THREADS + 1):
            with pytest.raises(RuntimeError):
                refresher.refresh("VPCs", lambda: done.append(1))
    refresher.refresh("VPCs", lambda: done.append(2))
    assert done == [2]


def test_a_cloud_that_says_to_come_tomorrow_is_asked_before() -> None:
    slept: list[float] = []
    patience = Patience(sleep=slept.append, monotonic=lambda: sum(slept))

    def throttled() -> None:
        raise ProviderError(ErrorClass.THROTTLED, "slow down", retry_after=86_400.0)

    with pytest.raises(ProviderError, match="slow down"):
        patience.repeat(throttled, within=150.0)
    assert slept == [LONGEST_PAUSE] * 3
