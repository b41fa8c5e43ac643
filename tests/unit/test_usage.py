"""Machine-seconds against a slow and obvious model: midnight, summer time, machines that go on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from bridgx_server.store import usage
from bridgx_server.store.database import Store
from bridgx_server.store.migrations import migrate
from bridgx_server.store.models import InstanceRow
from bridgx_server.store.paging import PageOf
from bridgx_server.store.scope import EVERYTHING
from bridgx_server.store.usage import Day
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ZONES = [ZoneInfo("UTC"), ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")]
FIRST = date(2026, 3, 27)  # summer time begins on the 29th in Berlin
DAYS = [FIRST + timedelta(days=number) for number in range(4)]
BEGIN = Day.of(FIRST, ZONES[0]).begins
SPAN = 4 * 86_400_000

machines = st.lists(
    st.tuples(st.integers(0, SPAN), st.one_of(st.just(0), st.integers(1, SPAN))), min_size=0, max_size=12
)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    store = Store(database_url)
    migrate(store)
    yield store
    store.close()


def fill(store: Store, lives: list[tuple[int, int]]) -> None:
    with store.transaction():
        InstanceRow.delete().execute()
        for number, (start, length) in enumerate(lives):
            begins = BEGIN + start
            InstanceRow.create(
                instance_id=f"i-{number}",
                provider="AWSCloud",
                account_id=1,
                account_key="key",
                region_id="r",
                zone_id="z",
                cluster_id=1,
                cluster_name="web",
                task_id=1,
                chunk_id=1,
                instance_type="t",
                image_id="m",
                status="deleted" if length else "running",
                created_at=begins,
                running_at=begins,
                gone_at=begins + length if length else 0,
            )


def by_hand(lives: list[tuple[int, int]], day: Day, now: int) -> list[int]:
    seconds = []
    for start, length in lives:
        begins = max(BEGIN + start, day.begins)
        ends = min(BEGIN + start + length if length else now, day.ends, now)
        if ends > begins:
            seconds.append((ends - begins) // 1000)
    return sorted(seconds)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lives=machines, until=st.integers(0, SPAN), zone=st.sampled_from(ZONES))
def test_the_day_of_every_machine_and_the_sum_of_all(
    store: Store, lives: list[tuple[int, int]], until: int, zone: ZoneInfo
) -> None:
    fill(store, lives)
    now = BEGIN + until
    for number in DAYS:
        day = Day.of(number, zone)
        expected = by_hand(lives, day, now)
        page = usage.page(store, EVERYTHING, day, "web", now, PageOf(1, 50))
        assert sorted(row.seconds for row in page.rows) == expected
        assert usage.total(store, EVERYTHING, day, "web", now) == sum(expected)
        assert usage.total(store, EVERYTHING, day, "", now) == sum(expected)
        assert usage.total(store, EVERYTHING, day, "other", now) == 0


def test_a_day_may_have_23_or_25_hours() -> None:
    zone = ZoneInfo("Europe/Berlin")
    spring, autumn = Day.of(date(2026, 3, 29), zone), Day.of(date(2026, 10, 25), zone)
    assert (spring.ends - spring.begins, autumn.ends - autumn.begins) == (23 * 3_600_000, 25 * 3_600_000)


def test_a_machine_up_all_day_counts_86400_and_one_over_midnight_on_both_days(store: Store) -> None:
    fill(store, [(0, SPAN), (86_400_000 - 5_000, 8_000)])
    now = BEGIN + SPAN
    days = [Day.of(number, ZONES[0]) for number in DAYS[:2]]
    assert [usage.total(store, EVERYTHING, day, "", now) for day in days] == [86_400 + 5, 86_400 + 3]
