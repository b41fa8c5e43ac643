"""Who works on a request, on every kind of database: one attempt at a time, and nobody else writes about it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import bridgx.v1 as pb
import pytest
from bridgx_server.errors import Conflict, CutOff, RequestInProgress
from bridgx_server.identities.identity import of_settings
from bridgx_server.providers.gate import caller
from bridgx_server.provisioning.claims import MAX_WAITING, Claims
from bridgx_server.provisioning.once import Attempt, once
from bridgx_server.provisioning.unfinished import Sweep
from bridgx_server.store import requests
from bridgx_server.store.database import Store
from bridgx_server.store.leases import Lease, LeaseLost
from bridgx_server.store.migrations import migrate
from bridgx_server.store.models import ClusterRow, RequestRow, TaskRow
from bridgx_server.store.requests import Answered, Busy, Claim, Key, Made
from engine.conftest import QUICK, World, wait_for
from engine.fake_cloud import FakeCloud
from engine.test_leases import Ticks

LEASE = 10.0  # seconds; all that a test lets pass is less than a minute, after which the database's clock is looked at again
UNSETTLED = 20.0
KEY = Key("someone", "the-id", "CreateVpc")
SOMEONE = of_settings("someone")
EXPAND = pb.ExpandClusterRequest(cluster_name="web", task_name="grow", count=2)


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture(scope="module")
def migrated(module_database_url: str) -> str:
    store = Store(module_database_url)
    migrate(store)
    store.close()
    return module_database_url


@pytest.fixture
def url(migrated: str) -> str:
    """A database without requests."""
    store = Store(migrated)
    with store.transaction():
        for table in (RequestRow, TaskRow, ClusterRow):
            table.delete().execute()
    store.close()
    return migrated


@pytest.fixture
def store(url: str, ticks: Ticks) -> Iterator[Store]:
    store = Store(url, ticks=ticks, clock=ticks)
    yield store
    store.close()


def begin(
    store: Store, owner: str, fingerprint: str = "same", payload: str = '{"caller": "someone"}'
) -> Lease | Answered | Busy:
    return requests.begin(store, KEY, fingerprint, Claim(owner, int(LEASE * 1000)), payload)


def claimed(store: Store, owner: str) -> Lease:
    found = begin(store, owner)
    assert isinstance(found, Lease), found
    return found


def row_of(store: Store) -> dict[str, Any]:
    with store.connection():
        return dict(RequestRow.select().dicts().get())


def test_of_many_who_come_at_once_one_claims_the_request(store: Store) -> None:
    together = threading.Barrier(8)

    def claim(number: int) -> Lease | Answered | Busy:
        together.wait()
        return begin(store, f"attempt-{number}")

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(claim, range(8)))
    assert sorted(type(one).__name__ for one in found) == ["Busy"] * 7 + ["Lease"]


WRITES: dict[str, Callable[[Store, Lease], object]] = {
    "asking": requests.asking,
    "making": lambda store, lease: requests.making(store, lease, "vpc", 1, 1000),
    "made": lambda store, lease: requests.made(store, lease, Made("vpc", "vpc-late")),
    "removed": lambda store, lease: requests.removed(store, lease, "vpc"),
    "undo": lambda store, lease: requests.undo(store, lease, "no", "vpc"),
    "undone": requests.undone,
    "finish": lambda store, lease: requests.finish(store, lease, "vpc-late"),
    "fail": lambda store, lease: requests.fail(store, lease, "no", doubtful=False),
}


@pytest.mark.parametrize("write", WRITES)
def test_who_slept_past_its_lease_writes_nothing(store: Store, ticks: Ticks, write: str) -> None:
    late = claimed(store, "late")
    with store.transaction():
        requests.made(store, late, Made("vpc", "vpc-1"))
    ticks.at += LEASE + 1
    other = claimed(store, "other")
    before = row_of(store)
    with pytest.raises(LeaseLost), store.transaction():
        WRITES[write](store, late)
    assert row_of(store) == before
    assert late.lost.is_set()
    requests.release(store, late)
    assert row_of(store) == before
    with store.transaction():
        requests.finish(store, other, "vpc-1")
    assert begin(store, "third") == Answered("vpc-1")
    with pytest.raises(LeaseLost), store.transaction():
        WRITES[write](store, late)


def test_a_row_that_came_again_under_its_number_is_not_held_by_who_held_the_first(store: Store, ticks: Ticks) -> None:
    first = claimed(store, "first")
    requests.fail(store, first, "refused", doubtful=False)
    with store.connection():
        assert RequestRow.select().count() == 0
    second = claimed(store, "second")
    with pytest.raises(LeaseLost), store.transaction():
        requests.hold(store, Lease(RequestRow, second.row_id, first.fence, first.owner, first.lost))


def test_other_parameters_are_a_conflict_also_while_it_is_worked_on(store: Store, ticks: Ticks) -> None:
    lease = claimed(store, "first")
    with pytest.raises(Conflict):
        begin(store, "other", "different")
    # Undone, but not given back yet: whoever holds it may still begin anew.
    with store.transaction():
        requests.undo(store, lease, "no", "")
        requests.undone(store, lease)
    with pytest.raises(Conflict):
        begin(store, "other", "different")
    requests.fail(store, lease, "no", doubtful=False)
    assert isinstance(begin(store, "other", "different"), Lease)


def test_nobody_goes_on_while_the_last_call_may_still_have_its_effect(store: Store, ticks: Ticks) -> None:
    lease = claimed(store, "dead")
    requests.making(store, lease, "vpc", 1, int(UNSETTLED * 1000))
    found = begin(store, "other")
    assert isinstance(found, Busy)
    assert not found.unsettled
    ticks.at += LEASE + 1
    found = begin(store, "other")
    assert isinstance(found, Busy)
    assert found.unsettled
    assert 0 < found.wait < UNSETTLED * 1000
    assert requests.claim_idle(store, 0, Claim("sweep", 1000)) is None
    ticks.at += UNSETTLED
    found_idle = requests.claim_idle(store, 0, Claim("sweep", 1000))
    assert found_idle is not None


@pytest.mark.parametrize("doubtful", [False, True])
def test_a_call_that_has_ended_is_waited_for_where_its_end_says_nothing(
    store: Store, ticks: Ticks, doubtful: bool
) -> None:
    lease = claimed(store, "first")
    requests.making(store, lease, "vpc", 1, int(UNSETTLED * 1000))
    requests.fail(store, lease, "no", doubtful=doubtful)
    if doubtful:
        assert isinstance(begin(store, "second"), Busy)
        ticks.at += UNSETTLED
    assert isinstance(begin(store, "second"), Lease)


# What holds them: on the clock of this machine.


@pytest.fixture
def claims(url: str) -> Iterator[Claims]:
    store = Store(url)
    yield Claims(store, lease=0.6, unsettled=UNSETTLED)
    store.close()


def taken(claims: Claims) -> Lease:
    found = claims.claim(KEY, "same", '{"caller": "someone"}')
    assert isinstance(found, Lease), found
    return found


def test_a_request_is_kept_while_it_is_worked_on_and_no_longer(claims: Claims) -> None:
    lease = taken(claims)
    ends = {row_of(claims.store)["lease_until"]}
    with claims.working(lease):
        wait_for(lambda: ends.add(row_of(claims.store)["lease_until"]) or len(ends) > 3)
        with pytest.raises(RequestInProgress):
            claims.claim(KEY, "same")
        assert not lease.lost.is_set()
    wait_for(lambda: not isinstance(requests.look(claims.store, KEY), Busy))
    assert isinstance(claims.claim(KEY, "same"), Lease)


def test_no_cloud_is_asked_once_the_request_is_lost(claims: Claims) -> None:
    lease = taken(claims)
    with claims.working(lease):
        caller().check()
        with claims.store.connection():
            RequestRow.update(fence=RequestRow.fence + 1, lease_owner="another").execute()
        wait_for(lease.lost.is_set)  # a renewal finds out
        with pytest.raises(LeaseLost):
            caller().check()
    caller().check()


def test_few_wait_for_an_answer_and_they_get_it(claims: Claims) -> None:
    patient = Claims(claims.store, lease=60.0, monotonic=lambda: 0.0)  # whoever waits waits for ever
    lease = taken(patient)
    asked = threading.Barrier(MAX_WAITING + 4)

    def ask(_: int) -> str:
        asked.wait()
        try:
            found = patient.claim(KEY, "same")
        except RequestInProgress:
            return "in progress"
        assert isinstance(found, Answered)
        return found.answer

    with ThreadPoolExecutor(MAX_WAITING + 4) as pool:
        calls = [pool.submit(ask, number) for number in range(MAX_WAITING + 4)]
        wait_for(lambda: sum(call.done() for call in calls) == 4)
        with claims.store.transaction():
            requests.finish(claims.store, lease, "vpc-1")
        told = [call.result() for call in calls]
    assert (told.count("in progress"), told.count("vpc-1")) == (4, MAX_WAITING)


@pytest.fixture
def world(claims: Claims) -> World:
    world = World(claims.store, FakeCloud(), QUICK)
    world.add_cluster("web")
    return world


def test_an_expand_that_was_taken_over_adds_no_task_and_is_answered_as_the_other(claims: Claims, world: World) -> None:
    other = Claims(claims.store)

    def submit(attempt: Attempt) -> str:
        with claims.store.transaction():
            attempt.hold()
            task_id = str(world.expand(2))
            attempt.answered(task_id)
        return task_id

    def sleep(attempt: Attempt) -> str:
        with claims.store.connection():
            RequestRow.update(lease_until=1).execute()  # it slept for long
        answers.append(once(other, SOMEONE, "the-id", EXPAND, submit))
        return submit(attempt)

    answers: list[str] = []
    answers.append(once(claims, SOMEONE, "the-id", EXPAND, sleep))
    assert answers == [answers[0]] * 2
    with claims.store.connection():
        assert TaskRow.select().count() == 1


def test_what_breaks_off_here_may_be_repeated_at_once(claims: Claims) -> None:
    def breaks(attempt: Attempt) -> str:
        raise RuntimeError("a fault of ours")

    with pytest.raises(RuntimeError):
        once(claims, SOMEONE, "the-id", EXPAND, breaks)

    def works(attempt: Attempt) -> str:
        attempt.answered("done")
        return "done"

    assert once(claims, SOMEONE, "the-id", EXPAND, works) == "done"


def test_what_has_no_id_and_was_taken_over_is_not_to_be_repeated(claims: Claims) -> None:
    def sleep(attempt: Attempt) -> str:
        with claims.store.connection():
            RequestRow.update(fence=RequestRow.fence + 1).execute()
        attempt.answered("done")
        return "done"

    with pytest.raises(CutOff, match="nothing was done"):
        once(claims, SOMEONE, "", EXPAND, sleep)
    with pytest.raises(CutOff, match="removed again by itself"):
        once(claims, SOMEONE, "", EXPAND, sleep, lasting=True)
    with pytest.raises(RequestInProgress):
        once(claims, SOMEONE, "made-by-hand", EXPAND, sleep)


@pytest.mark.parametrize("bad", ["no json", "{}", '{"caller": "x", "request": {"count": "many"}}'])
def test_a_row_that_cannot_be_read_keeps_no_other_from_being_finished(claims: Claims, bad: str) -> None:
    for key in (KEY, Key("someone", "good", "CreateVpc")):
        lease = requests.begin(claims.store, key, "same", Claim("dead", 1), '{"caller": "someone", "request": {}}')
        assert isinstance(lease, Lease)
        requests.release(claims.store, lease)
    with claims.store.connection():
        RequestRow.update(payload=bad).where(RequestRow.request_id == KEY.request_id).execute()
        RequestRow.update(attempt_at=1).execute()

    def perform(request: object, attempt: Attempt) -> str:
        attempt.answered("vpc-1")
        return "vpc-1"

    sweep = Sweep(claims, {"CreateVpc": pb.ExpandClusterRequest}, perform, idle=60.0)
    assert (sweep.run(), sweep.run()) == (2, 0)
    assert requests.look(claims.store, Key("someone", "good", "CreateVpc")) == Answered("vpc-1")
    assert requests.look(claims.store, KEY) is None  # free, and open
