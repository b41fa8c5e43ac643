"""The limits of an account's calls: counted in the store for all processes, fair, and lowered when the vendor says so.

Time is the test's own: a call that waits moves the clock, so nothing here takes long or depends on how fast it runs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest
from bridgx_server.cloudsim.rates import Rates
from bridgx_server.providers.errors import ErrorClass, ProviderError
from bridgx_server.providers.gate import ApiLimit, Caller, Gate, Rate, calling_for, side_by_side
from bridgx_server.providers.rates import RateOverride
from bridgx_server.scaling.limiter import Limiter, LimiterSettings
from bridgx_server.store import limits
from bridgx_server.store.database import Store
from bridgx_server.store.limits import Asked, Granted, Later
from bridgx_server.store.migrations import migrate
from bridgx_server.store.models import BucketRow, CallRow, FlowRow, LimiterRow

CLOUD, KEY, REGION = "AWSCloud", "key-1", "region-1"
SLACK = 0.05  # seconds


class Clock:
    """A clock that moves when someone sleeps."""

    def __init__(self) -> None:
        self.seconds = 1_700_000_000.0

    def __call__(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


class TimedStore(Store):
    """A store whose database's clock is the test's."""

    def __init__(self, url: str, clock: Clock) -> None:
        super().__init__(url)
        self._now = clock

    def now(self) -> int:
        return round(self._now() * 1000)


class World:
    """One database, and as many processes on it as a test asks for."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.clock = Clock()
        self.stores: list[Store] = []
        self.store = self.open_store()
        with self.store.transaction():
            for table in (LimiterRow, BucketRow, FlowRow, CallRow):
                table.delete().execute()

    def open_store(self) -> Store:
        self.stores.append(TimedStore(self.url, self.clock))
        return self.stores[-1]

    def process(self, *, places: int = 0, lease: float = 30.0, overrides: tuple[RateOverride, ...] = ()) -> Limiter:
        """A process with a connection of its own."""
        return Limiter(
            self.open_store(),
            LimiterSettings(places, lease, overrides),
            monotonic=self.clock,
            sleep=self.clock.sleep,
        )

    def gate(self, limit: ApiLimit, limiter: Limiter | None = None) -> Gate:
        return (limiter or self.process()).gate(CLOUD, KEY, [limit])

    def bucket(self) -> BucketRow:
        with self.store.connection():
            row: BucketRow = BucketRow.get()
            return row

    def asking(
        self, limit: ApiLimit, flow: str, store: Store | None = None, machines: int = 0
    ) -> Callable[[], Granted | Later]:
        """A call of a task that asks, and asks again."""
        number = limits.limiter_of(self.store, CLOUD, KEY)
        asked = Asked(number, REGION, limit, limit.api, machines, flow, True, "process", 30_000, 0, takes_place=False)

        def ask() -> Granted | Later:
            answer = limits.ask(store or self.store, asked)
            assert answer is not None
            if isinstance(answer, Granted):
                limits.settle(self.store, answer, number, limit, ended=True)  # the vendor answers at once
            return answer

        return ask


@pytest.fixture(scope="module")
def database(module_database_url: str) -> str:
    store = Store(module_database_url)
    migrate(store)
    store.close()
    return module_database_url


@pytest.fixture
def world(database: str) -> Iterator[World]:
    world = World(database)
    yield world
    for store in world.stores:
        store.close()


def went(gate: Gate, times: list[float], clock: Clock, api: str = "RunInstances", machines: int = 0) -> None:
    with gate.call(REGION, api, machines):
        times.append(clock())


@contextlib.contextmanager
def impatient(flow: str = "") -> Iterator[None]:
    with calling_for(Caller(flow, patience=0.0)):
        yield


def refused(gate: Gate, api: str = "RunInstances", machines: int = 0, flow: str = "") -> float:
    """How long a call would have to wait, in seconds."""
    with impatient(flow), pytest.raises(ProviderError) as caught, gate.call(REGION, api, machines):
        pass
    assert caught.value.kind is ErrorClass.THROTTLED
    assert caught.value.retry_after is not None
    return caught.value.retry_after


# Rates.


def test_calls_go_at_once_up_to_the_burst_and_then_at_the_rate_of_all_processes_together(world: World) -> None:
    limit = ApiLimit("RunInstances", Rate(2, 5))
    gates = [world.gate(limit) for _ in range(2)]
    vendor = Rates(world.clock)
    vendor.set(CLOUD, "RunInstances", 2, 5)
    start, times = world.clock(), []

    for number in range(20):
        went(gates[number % 2], times, world.clock)
        assert vendor.take(CLOUD, "RunInstances")

    # One of the burst is kept back for calls that arrive closer together than they were sent.
    assert [moment - start < SLACK for moment in times[:5]] == [True] * 4 + [False]
    assert times[-1] - start == pytest.approx((20 - 4) / 2, abs=2 * SLACK)


def test_each_api_and_each_region_is_counted_apart_unless_the_vendor_counts_them_together(world: World) -> None:
    limiter = world.process()
    gate = limiter.gate(CLOUD, KEY, [ApiLimit("Global*", Rate(1, 1), regional=False), ApiLimit("*", Rate(1, 1))])
    start = world.clock()
    for region in ("region-1", "region-2"):
        for api in ("RunInstances", "DescribeInstances"):
            with gate.call(region, api):
                pass
    assert world.clock() == start

    with gate.call("region-1", "GlobalThing"):
        pass
    with gate.call("region-2", "GlobalThing"):
        pass
    assert world.clock() - start == pytest.approx(1.0, abs=SLACK)


def test_machines_are_counted_beside_calls(world: World) -> None:
    gate = world.gate(ApiLimit("RunInstances", Rate(100, 100), Rate(2, 1000)))
    start, times = world.clock(), []
    for _ in range(10):
        went(gate, times, world.clock, machines=100)
    assert times[-1] - start < 1.0

    assert refused(gate, machines=100) == pytest.approx(50, abs=1)
    assert refused(gate, machines=4) == pytest.approx(2, abs=1)


def test_a_call_for_more_machines_than_may_go_at_once_goes_when_the_bucket_is_full(world: World) -> None:
    gate = world.gate(ApiLimit("RunInstances", None, Rate(10, 5)))
    start, times = world.clock(), []
    for _ in range(3):
        went(gate, times, world.clock, machines=100)

    assert times[-1] - start == pytest.approx(20, abs=0.5)


def test_an_override_replaces_what_it_names_and_off_costs_nothing(world: World) -> None:
    table = [ApiLimit("RunInstances", Rate(1, 1), Rate(1, 1))]
    off = (RateOverride("*", "Run*", False, None), RateOverride(CLOUD, "RunInstances", True, None))
    gate = world.process(overrides=off).gate(CLOUD, KEY, table)
    start = world.clock()
    for _ in range(50):
        with gate.call(REGION, "RunInstances", 100):
            pass

    assert world.clock() == start
    with world.store.connection():
        assert LimiterRow.select().count() == 0


# Fairness.


def test_a_task_of_five_machines_goes_before_the_next_call_of_one_of_a_thousand(world: World) -> None:
    limit = ApiLimit("RunInstances", Rate(1, 1))
    big, small = world.asking(limit, "task-1"), world.asking(limit, "task-2", world.open_store())
    assert isinstance(big(), Granted)
    assert isinstance(big(), Later)
    assert isinstance(small(), Later)  # came after the big one had asked for its second turn

    world.clock.sleep(1 + SLACK)

    assert isinstance(big(), Later)
    assert isinstance(small(), Granted)
    world.clock.sleep(1 + SLACK)
    assert isinstance(big(), Granted)


def test_who_asks_for_much_waits_longer_than_who_asks_for_little(world: World) -> None:
    limit = ApiLimit("RunInstances", None, Rate(2, 100))
    big, small = world.asking(limit, "task-1", machines=99), world.asking(limit, "task-2", machines=5)
    assert isinstance(big(), Granted)
    second = big()
    assert isinstance(second, Later)
    little = small()
    assert isinstance(little, Later)

    assert little.at < second.at  # five machines' time, not a hundred and five's
    world.clock.sleep(2.5 + SLACK)
    assert isinstance(big(), Later)
    assert isinstance(small(), Granted)


def test_turns_go_round_among_tasks_that_all_wait(world: World) -> None:
    limit = ApiLimit("RunInstances", Rate(1, 1))
    tasks = {name: world.asking(limit, name) for name in ("task-1", "task-2", "task-3")}
    order: list[str] = []
    while len(order) < 9:
        order += [name for name, ask in tasks.items() if isinstance(ask(), Granted)]
        world.clock.sleep(0.5)

    assert [sorted(order[start : start + 3]) for start in (0, 3, 6)] == [sorted(tasks)] * 3


def test_who_went_away_stands_in_nobodys_way_and_finds_the_place_again(world: World) -> None:
    limit = ApiLimit("RunInstances", Rate(1, 1))
    first, second = world.asking(limit, "task-1"), world.asking(limit, "task-2")
    assert isinstance(world.asking(limit, "task-0")(), Granted)
    assert isinstance(first(), Later)
    assert isinstance(second(), Later)
    limits.leave_queue(world.store, world.bucket().id, "task-1", named=True)
    world.clock.sleep(1 + SLACK)
    assert isinstance(second(), Granted)

    assert isinstance(second(), Later)
    world.clock.sleep(1 + SLACK)
    assert isinstance(first(), Granted)


def test_a_dead_process_blocks_the_queue_for_moments_only(world: World) -> None:
    limit = ApiLimit("RunInstances", Rate(1, 1))
    dead, alive = world.asking(limit, "task-1"), world.asking(limit, "task-2")
    assert isinstance(world.asking(limit, "task-0")(), Granted)
    assert isinstance(dead(), Later)
    world.clock.sleep(1 + SLACK)
    assert isinstance(alive(), Later)

    world.clock.sleep(limits.HERE / 1000)

    assert isinstance(alive(), Granted)


def test_a_call_without_a_name_leaves_nothing_in_the_queue(world: World) -> None:
    gate = world.gate(ApiLimit("RunInstances", Rate(1, 1)))
    with gate.call(REGION, "RunInstances"):
        pass
    refused(gate)
    with world.store.connection():
        assert FlowRow.select().count() == 0


# Throttled.


def throttle(gate: Gate, retry_after: float | None = None) -> None:
    with pytest.raises(ProviderError), gate.call(REGION, "RunInstances"):
        raise ProviderError(ErrorClass.THROTTLED, "too many", retry_after=retry_after)


def pace(gate: Gate, clock: Clock, calls: int = 4) -> float:
    """Seconds from call to call when the bucket is empty."""
    times: list[float] = []
    for _ in range(calls + 1):
        went(gate, times, clock)
    return (times[-1] - times[0]) / calls


def test_a_throttled_api_goes_at_half_the_rate_in_all_processes_and_recovers_by_steps(world: World) -> None:
    limit = ApiLimit("RunInstances", Rate(10, 2))
    here, there = world.gate(limit), world.gate(limit)
    assert pace(here, world.clock) == pytest.approx(0.1, abs=0.03)
    throttle(here)
    world.clock.sleep(1)
    throttle(there)

    assert pace(there, world.clock) == pytest.approx(0.4, abs=0.03)
    world.clock.sleep(limits.RECOVERY / 1000)
    pace(there, world.clock, calls=2)
    assert pace(there, world.clock) == pytest.approx(0.2, abs=0.03)
    world.clock.sleep(limits.RECOVERY / 1000)
    pace(there, world.clock, calls=2)
    assert pace(there, world.clock) == pytest.approx(0.1, abs=0.03)


def test_a_rate_is_lowered_once_for_calls_that_were_on_their_way_together_and_never_below_its_least(
    world: World,
) -> None:
    gate = world.gate(ApiLimit("RunInstances", Rate(10, 5)))
    under_way = [gate.call(REGION, "RunInstances") for _ in range(3)]
    for call in under_way:
        call.__enter__()
    world.clock.sleep(0.2)
    error = ProviderError(ErrorClass.THROTTLED, "too many")
    for call in under_way:
        assert not call.__exit__(ProviderError, error, None)
    assert world.bucket().level == 1

    for _ in range(10):
        world.clock.sleep(2)
        throttle(gate)
    assert world.bucket().level == limits.LOWEST


def test_nothing_of_the_api_goes_before_the_vendors_retry_after(world: World) -> None:
    limit = ApiLimit("*", Rate(10, 5))
    here, there = world.gate(limit), world.gate(limit)
    throttle(here, retry_after=90)

    assert refused(there) == pytest.approx(90, abs=1)
    with impatient(), there.call(REGION, "DescribeInstances"):
        pass


def test_other_failures_slow_nothing(world: World) -> None:
    gate = world.gate(ApiLimit("RunInstances", Rate(10, 5)))
    with pytest.raises(ProviderError), gate.call(REGION, "RunInstances"):
        raise ProviderError(ErrorClass.OUT_OF_STOCK, "none left")
    assert world.bucket().level == 0


# Places.

FREE = ApiLimit("*", None)


def test_no_more_calls_are_under_way_than_there_are_places_in_all_processes_together(world: World) -> None:
    here, there = world.gate(FREE, world.process(places=2)), world.gate(FREE, world.process(places=2))
    with here.call(REGION, "ListThings"):
        with there.call(REGION, "ListThings"):
            refused(here, "ListThings")
            refused(there, "ListThings")
        with impatient(), here.call(REGION, "ListThings"):
            pass


def test_calls_that_change_machines_leave_places_for_those_that_look(world: World) -> None:
    gate = world.gate(FREE, world.process(places=4))
    with contextlib.ExitStack() as under_way:
        for _ in range(3):
            under_way.enter_context(gate.call(REGION, "RunInstances", 10))
        refused(gate, machines=10)
        with impatient(), gate.call(REGION, "DescribeInstances"):
            pass


def test_calls_that_wait_to_change_machines_do_not_stand_before_the_places_for_those_that_look(world: World) -> None:
    def asks(number: int, machines: int) -> Granted | Later:
        flow, api = f"task-{number}", "RunInstances" if machines else "DescribeInstances"
        owner, lease = "process", 30_000
        answer = limits.ask(
            world.store, Asked(limiter, REGION, FREE, api, machines, flow, True, owner, lease, places=8, spare=2)
        )
        assert answer is not None
        return answer

    limiter = limits.limiter_of(world.store, CLOUD, KEY)
    under_way = [asks(number, machines=10) for number in range(6)]
    waiting = [asks(number, machines=10) for number in range(6, 9)]
    assert [type(answer) for answer in (*under_way, *waiting)] == [Granted] * 6 + [Later] * 3

    looks = [asks(number, machines=0) for number in range(9, 12)]

    assert [type(answer) for answer in looks] == [Granted, Granted, Later]
    # A place that those who wait for one could take is theirs, though: they have waited for longer.
    for answer in under_way[:2]:
        assert isinstance(answer, Granted)
        limits.settle(world.store, answer, limiter, FREE, ended=True)
    assert isinstance(asks(11, machines=0), Later)
    assert isinstance(asks(6, machines=10), Granted)
    assert isinstance(asks(7, machines=10), Granted)


def test_the_places_of_a_dead_process_are_free_when_its_lease_has_run_out(world: World) -> None:
    dead = world.gate(FREE, world.process(places=1, lease=3600.0))
    held = dead.call(REGION, "ListThings")
    held.__enter__()
    alive = world.gate(FREE, world.process(places=1))
    refused(alive, "ListThings")

    world.clock.sleep(3601)

    with impatient(), alive.call(REGION, "ListThings"):
        pass
    held.__exit__(None, None, None)


def test_a_turn_had_ahead_is_used_by_the_call_and_by_no_other(world: World) -> None:
    gate = world.gate(ApiLimit("RunInstances", Rate(1, 1)), world.process(places=1))
    start = world.clock()
    with gate.reserve(REGION, "RunInstances", 5):
        with gate.call(REGION, "DescribeImages"):  # on the way; it needs no second place
            pass
        with gate.call(REGION, "RunInstances", 5):
            assert world.clock() == start
        with gate.call(REGION, "RunInstances", 5):
            assert world.clock() - start == pytest.approx(1, abs=SLACK)


@pytest.mark.parametrize("reserves", [False, True])
def test_a_call_is_counted_when_it_ends_since_nobody_knows_when_it_arrived(world: World, reserves: bool) -> None:
    limit = ApiLimit("RunInstances", Rate(2, 4))
    here, there = world.gate(limit, world.process(lease=3600.0)), world.gate(limit)
    vendor = Rates(world.clock)
    vendor.set(CLOUD, "RunInstances", 2, 4)
    with contextlib.ExitStack() as turn:
        turn.enter_context((here.reserve if reserves else here.call)(REGION, "RunInstances", 5))
        world.clock.sleep(60)  # it is slow to go out; the vendor's bucket is full all the while
        for _ in range(2):
            with there.call(REGION, "RunInstances", 5):
                assert vendor.take(CLOUD, "RunInstances")
        assert refused(there) > 0
        if reserves:
            turn.enter_context(here.call(REGION, "RunInstances", 5))
        assert vendor.take(CLOUD, "RunInstances")
    times: list[float] = []
    for _ in range(4):
        went(there, times, world.clock)
        assert vendor.take(CLOUD, "RunInstances")


def test_a_call_that_learns_while_it_waits_that_it_must_not_go_is_not_sent(world: World) -> None:
    gate = world.gate(ApiLimit("RunInstances", Rate(1, 1)))
    with gate.call(REGION, "RunInstances"):
        pass

    class Lost(Exception):
        pass

    def lost() -> None:
        raise Lost

    sent: list[bool] = []
    with calling_for(Caller("task-1", 10.0, lost)), pytest.raises(Lost), gate.call(REGION, "RunInstances"):
        sent.append(True)
    assert not sent


def test_waiting_ends_when_the_process_ends(world: World) -> None:
    gate = world.gate(ApiLimit("RunInstances", Rate(0.2, 1)))
    with gate.call(REGION, "RunInstances"):
        pass
    start = world.clock()
    caller = Caller("task-1", patience=60.0, leaving=lambda: True)
    with calling_for(caller), pytest.raises(ProviderError), gate.call(REGION, "RunInstances"):
        pass
    assert world.clock() == start


def test_pages_side_by_side_are_calls_of_the_same_caller_and_the_first_failure_is_raised() -> None:
    from bridgx_server.providers.gate import caller

    with calling_for(Caller("task-7")):
        assert side_by_side(lambda page: (page, caller().flow), range(5), 3) == [(page, "task-7") for page in range(5)]

    def fails(page: int) -> int:
        if page == 2:
            raise ProviderError(ErrorClass.UNAVAILABLE, "page 2")
        return page

    with pytest.raises(ProviderError, match="page 2"):
        side_by_side(fails, range(5), 2)


def test_an_account_that_nobody_uses_is_forgotten(world: World) -> None:
    with world.gate(ApiLimit("*", Rate(1, 5))).call(REGION, "RunInstances"):
        pass
    gate = world.gate(ApiLimit("*", Rate(1, 5)))
    with gate.call(REGION, "RunInstances"):
        pass
    world.clock.sleep(8 * 86_400)
    limits.limiter_of(world.store, CLOUD, "another")
    with world.store.connection():
        assert BucketRow.select().count() == 0

    with gate.call(REGION, "RunInstances"):  # and comes into being again
        pass
    with world.store.connection():
        assert [row.api for row in BucketRow.select()] == ["RunInstances"]
