"""Leases and the clock that they run on, on every kind of database."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from bridgx_server.store import database, leases, tasks, watches
from bridgx_server.store.database import Store
from bridgx_server.store.leases import LeaseLost
from bridgx_server.store.migrations import migrate
from bridgx_server.store.models import WatchRow
from peewee import InterfaceError, OperationalError

LEASE = 600_000  # ms


@dataclass
class Ticks:
    """Time that a test moves."""

    at: float = 1000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
def store(database_url: str, ticks: Ticks) -> Iterator[Store]:
    store = Store(database_url, ticks=ticks)
    migrate(store)
    watches.ensure(store, 1, "region-1", 0)
    yield store
    store.close()


def owner_of(store: Store) -> tuple[str, int]:
    with store.connection():
        row = WatchRow.get()
    return row.lease_owner, row.lease_until


def claimed(store: Store, owner: str, lease_ms: int = LEASE) -> tuple[watches.Watch, leases.Lease]:
    found = watches.claim(store, owner, lease_ms)
    assert found is not None
    return found


def test_a_lease_that_was_given_back_is_not_prolonged_by_a_renewal_that_comes_late(store: Store) -> None:
    watch, lease = claimed(store, "one")
    watches.release(store, lease, watch)
    assert not leases.renew(store, lease, LEASE)
    assert owner_of(store) == ("", 0)
    claimed(store, "two")


def test_a_worker_that_slept_past_its_lease_writes_nothing(store: Store) -> None:
    watch, slow = claimed(store, "slow", 0)
    _, quick = claimed(store, "quick")
    with pytest.raises(LeaseLost):
        watches.release(store, slow, watch, reconcile_at=7)
    assert not leases.renew(store, slow, LEASE)
    assert slow.lost.is_set()
    assert owner_of(store)[0] == "quick"
    assert leases.renew(store, quick, LEASE)
    assert not quick.lost.is_set()


def test_a_lease_that_could_not_be_renewed_counts_as_lost_though_the_database_cannot_say_so(
    store: Store, ticks: Ticks
) -> None:
    _, lease = claimed(store, "one")
    ticks.at += 599
    assert not lease.lost.is_set()
    leases.renew(store, lease, LEASE)
    ticks.at += 599
    assert not lease.lost.is_set()
    ticks.at += 1
    assert lease.lost.is_set()


def test_a_servers_time_is_its_own_whatever_this_machines_clock_says(server_database_url: str) -> None:
    wrong = [time.time() - 5 * 86_400]
    store = Store(server_database_url, clock=lambda: wrong[0])
    true = store.now()
    assert abs(true - time.time() * 1000) < 60_000
    wrong[0] += 400 * 86_400
    assert 0 <= store.now() - true < 60_000
    store.close()


def test_time_does_not_stand_still_between_two_looks_at_the_servers_clock(server_database_url: str) -> None:
    ticks = Ticks()
    store = Store(server_database_url, ticks=ticks)
    before = store.now()
    ticks.at += 42.5
    assert store.now() - before == 42_500
    store.close()


def test_a_process_that_stops_in_the_middle_of_a_transaction_does_not_keep_its_rows_for_ever(
    server_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "SILENCE", 1)
    stopped, other = Store(server_database_url), Store(server_database_url)
    migrate(other)
    watches.ensure(other, 1, "region-1", 0)
    _, lease = claimed(stopped, "stopped")

    def stop_in_the_middle() -> None:
        with stopped.transaction():
            leases.hold(stopped, lease)
            with other.transaction():
                watches.wake(1, "region-1", 7)  # waits until the server has had enough
            leases.hold(stopped, lease)

    with pytest.raises((OperationalError, InterfaceError)):
        stop_in_the_middle()
    assert leases.renew(stopped, lease, LEASE)
    stopped.close()
    other.close()


def test_what_one_holds_another_does_not_get(store: Store) -> None:
    assert tasks.claim(store, "one", LEASE) is None
    claimed(store, "one")
    assert watches.claim(store, "two", LEASE) is None
