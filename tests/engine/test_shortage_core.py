"""However little there is, and however it is told: a ledger alone decides what is asked for, and comes to an end soon."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from bridgx_server.providers.errors import ErrorClass
from bridgx_server.scaling import shortage
from bridgx_server.scaling.outcome import REASONS, SHORTAGES
from bridgx_server.store import chunks
from bridgx_server.store.chunks import Chunk
from hypothesis import given
from hypothesis import strategies as st

SIDE_BY_SIDE = 8


def a_chunk(number: int, asked: int) -> Chunk:
    rows = dict.fromkeys(Chunk.__dataclass_fields__, 0)
    texts = dict.fromkeys(("action", "zone_id", "reason", "error_class", "vendor_code", "vendor_request_id"), "")
    fixed = {"status": chunks.PLANNED, "subnet_id": "subnet", "instance_type": "type", "token": str(number)}
    return Chunk(**{**rows, **texts, **fixed, "id": number, "position": number, "asked": asked})  # type: ignore[arg-type]


@dataclass
class Cloud:
    """One that grants a call in full or, for want of ``kind``, not at all. Every call of a round meets what is left then."""

    kind: ErrorClass
    left: int
    tells_left: bool
    ledger: list[Chunk]
    calls: int = 0
    granted: int = 0
    rounds: list[int] = field(default_factory=list)

    def change(self, chunk: Chunk, **changes: object) -> None:
        index = next(index for index, row in enumerate(self.ledger) if row.id == chunk.id)
        self.ledger[index] = replace(self.ledger[index], **changes)  # type: ignore[arg-type]

    def plan(self, sizes: list[int]) -> None:
        self.ledger += [a_chunk(len(self.ledger) + index, size) for index, size in enumerate(sizes)]

    def round(self) -> None:
        """Sends what may be sent, as the engine does."""
        waiting = shortage.waiting(self.ledger, False)
        ready = [row for row in self.ledger if row.status == chunks.PLANNED and row.id not in waiting]
        assert ready, "all that is left waits for something else"
        self.rounds.append(len(ready[:SIDE_BY_SIDE]))
        for chunk in ready[:SIDE_BY_SIDE]:
            self.change(chunk, status=chunks.SENT, sent_at=1)
        for chunk in ready[:SIDE_BY_SIDE]:
            self.answer(chunk)

    def answer(self, chunk: Chunk) -> None:
        self.calls += 1
        if chunk.asked <= self.left:
            self.left -= chunk.asked
            self.granted += chunk.asked
            self.change(chunk, status=chunks.DONE)
            return
        word = REASONS[self.kind]
        found = shortage.exhausted(self.ledger, False)
        if shortage.divisible(self.kind, chunk.asked, False) and shortage.scope_of(self.kind, chunk) not in found:
            sizes = shortage.parts(chunk.asked, self.left if self.tells_left else None)
            assert sum(sizes) == chunk.asked
            assert all(0 < size < chunk.asked for size in sizes)
            self.plan(sizes)
            self.change(chunk, status=chunks.FAILED, error_class=word, moved=chunk.asked)
            return
        self.change(chunk, status=chunks.FAILED, error_class=word)
        for row in list(self.ledger):
            if row.status == chunks.PLANNED:
                self.change(row, status=chunks.FAILED, error_class=word)


@given(
    kind=st.sampled_from(SHORTAGES),
    sizes=st.lists(st.integers(1, 500), min_size=1, max_size=30),
    left=st.integers(0, 3000),
    tells_left=st.booleans(),
)
def test_all_that_there_is_is_taken_in_few_calls(
    kind: ErrorClass, sizes: list[int], left: int, tells_left: bool
) -> None:
    cloud = Cloud(kind, left, tells_left, [a_chunk(number, size) for number, size in enumerate(sizes)])
    while any(row.open and row.status != chunks.DONE for row in cloud.ledger):
        cloud.round()
    assert cloud.granted == min(left, sum(sizes))
    assert sum(row.asked - row.moved for row in cloud.ledger) == sum(sizes)
    # The calls that would be made anyway, those that were under way together when the shortage was met, and those that halve.
    assert cloud.calls <= len(sizes) + SIDE_BY_SIDE + 2 * math.ceil(math.log2(max(sizes))) * 2 + 4


@given(asked=st.integers(2, 10_000), available=st.none() | st.integers(0, 20_000))
def test_parts_are_two_and_make_up_the_whole(asked: int, available: int | None) -> None:
    first, second = shortage.parts(asked, available)
    assert first >= 1
    assert second >= 1
    assert first + second == asked
    if available is not None and 0 < available < asked:
        assert first == available


@given(
    asked=st.lists(st.integers(1, 100), min_size=1, max_size=12),
    statuses=st.lists(
        st.sampled_from([chunks.PLANNED, chunks.SENT, chunks.FAILED, chunks.DONE]), min_size=12, max_size=12
    ),
    kinds=st.lists(st.sampled_from([*SHORTAGES, None]), min_size=12, max_size=12),
    places=st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["one", "two"])), min_size=12, max_size=12),
    partial_delivery=st.booleans(),
)
def test_never_all_that_are_unsent_wait(
    asked: list[int],
    statuses: list[str],
    kinds: list[ErrorClass | None],
    places: list[tuple[int, str]],
    partial_delivery: bool,
) -> None:
    ledger = []
    for number, size in enumerate(asked):
        status, kind, (rank, subnet) = statuses[number], kinds[number], places[number]
        word = REASONS[kind] if kind is not None and status == chunks.FAILED else ""
        sent_at = 0 if status == chunks.PLANNED else 1
        row = replace(a_chunk(number, size), status=status, error_class=word, sent_at=sent_at)
        ledger.append(replace(row, placement=rank, subnet_id=subnet))
    waiting = shortage.waiting(ledger, partial_delivery)
    planned = {row.id for row in ledger if row.status == chunks.PLANNED}
    unsent = planned | {row.id for row in ledger if row.status == chunks.SENT}
    assert waiting <= planned
    assert not unsent or unsent - waiting
