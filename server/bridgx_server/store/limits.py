"""The limits of an account's calls, kept in the store, so that all processes share them.

Each API of an account in a region has a bucket: how many calls, and how many machines, may go in a second and at once.
Waiting callers stand in its queue, which is start-time fair: everyone has one place in it, ordered by how much they
have had, so a task of a thousand machines cannot stand before one of five. Beside that an account has so many places
for calls under way. One short transaction decides about a call, under the lock of the account's row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from peewee import IntegrityError

from bridgx_server.providers.gate import ApiLimit, Rate
from bridgx_server.store.database import Store
from bridgx_server.store.models import BucketRow, CallRow, FlowRow, LimiterRow

HERE = 2500  # ms that a waiting call counts as present after it last asked
MEMORY = 60_000  # ms that is remembered how much someone has had
RETURN = 30_000  # ms after its estimated turn that someone who went away finds his place again
RECOVERY = 60_000  # ms until a lowered rate is doubled again
LOWEST = 4  # halvings of a rate at most
FORGOTTEN = 7 * 86_400_000  # ms after which an unused account is dropped
MICRO = 1_000_000


@dataclass(frozen=True)
class Asked:
    """A call that wants to go. ``places`` is how many calls of the account may be under way (0: any number).

    ``spare`` of them are kept from calls that make or end machines. ``named`` callers keep their place in the queue.
    ``takes_place`` is False for a call whose caller has a place already.
    """

    limiter_id: int
    region_id: str
    limit: ApiLimit
    api: str
    machines: int
    flow: str
    named: bool
    owner: str
    lease_ms: int
    places: int
    spare: int = 0
    takes_place: bool = True


@dataclass(frozen=True)
class Granted:
    """The call may go; whoever made it then says :func:`settle`. ``at`` is now (ms)."""

    bucket_id: int
    call_id: int
    at: int


@dataclass(frozen=True)
class Later:
    """Not yet: ask again at ``at`` (ms), an estimate. ``for_place``: when any call ends it may be earlier."""

    bucket_id: int
    at: int
    for_place: bool


def limiter_of(store: Store, provider: str, access_key: str) -> int:
    """The number of the account's row, made if there is none, outside any transaction."""
    where = (LimiterRow.provider == provider) & (LimiterRow.access_key == access_key)
    with store.connection():
        row = LimiterRow.get_or_none(where)
        if row is None:
            now = store.now()
            forget(store, now)
            try:
                with store.transaction():
                    row = LimiterRow.create(provider=provider, access_key=access_key, used_at=now)
            except IntegrityError:
                row = LimiterRow.get(where)  # another made it meanwhile
    return int(row.id)


def forget(store: Store, now: int) -> None:
    """Drops the accounts that nobody has used for long."""
    with store.transaction():
        old = [row.id for row in LimiterRow.select(LimiterRow.id).where(LimiterRow.used_at < now - FORGOTTEN)]
        if old:
            for table in (FlowRow, CallRow, BucketRow):
                table.delete().where(table.limiter_id.in_(old)).execute()
            LimiterRow.delete().where(LimiterRow.id.in_(old)).execute()


def ask(store: Store, asked: Asked) -> Granted | Later | None:
    """Lets a call through, or notes that it waits; None when the account's row is gone and must be had anew."""
    now = store.now()
    with store.transaction():
        if not _lock(store, asked.limiter_id, now):
            return None
        bucket = _bucket(asked)
        under_way = _under_way(asked.limiter_id, now)
        flows = list(
            FlowRow.select()
            .where((FlowRow.limiter_id == asked.limiter_id) & (FlowRow.kept_until > now))
            .order_by(FlowRow.id)
        )
        mine = next((row for row in flows if row.bucket_id == bucket.id and row.name == asked.flow), None)
        waiting = [row for row in flows if row is not mine and row.waiting]
        turn = _Turn(asked, bucket, waiting, mine, _uncounted(under_way, bucket.id), now)
        free = _places_left(asked, under_way, turn.others_wanting_a_place())
        if turn.ready_at <= now and (free > 0 or not asked.takes_place):
            return _grant(asked, turn, now)
        at = max(turn.expected_at, now + 1)
        _wait(asked, turn, now, at)
        return Later(bucket.id, at, turn.ready_at <= now)


def leave_queue(store: Store, bucket_id: int, flow: str, *, named: bool) -> None:
    """Says that a waiting call stops to wait; one with a name keeps its place for when it comes again."""
    where = (FlowRow.bucket_id == bucket_id) & (FlowRow.name == flow)
    with store.connection():
        if named:
            FlowRow.update(here_until=0, wants_place=False).where(where).execute()
        else:
            FlowRow.delete().where(where).execute()


def settle(store: Store, granted: Granted, limiter_id: int, limit: ApiLimit, *, ended: bool) -> None:
    """The call has been answered, so the vendor has counted it by now; ``ended``: its place is free too.

    Nobody knows when on its way it was counted, so it is from now on that the bucket recovers from it.
    """
    now = store.now()
    with store.transaction():
        if not _lock(store, limiter_id, now):
            return
        row = CallRow.get_or_none(CallRow.id == granted.call_id)
        bucket = BucketRow.get_or_none(BucketRow.id == granted.bucket_id)
        if row is not None and row.uncounted and bucket is not None:
            level = level_of(bucket.level, bucket.lowered_at, now)
            uncounted = _uncounted(_under_way(limiter_id, now), bucket.id)
            calls, machines = _lacking(bucket, limit, level, now, uncounted)
            BucketRow.update(calls=calls, machines=machines, counted_at=now).where(BucketRow.id == bucket.id).execute()
        if ended:
            CallRow.delete().where(CallRow.id == granted.call_id).execute()
        else:
            CallRow.update(uncounted=False).where(CallRow.id == granted.call_id).execute()


def keep_calls(store: Store, call_ids: list[int], until: int) -> None:
    """Says that the calls are still under way."""
    with store.connection():
        CallRow.update(until=until).where(CallRow.id.in_(call_ids)).execute()


def throttled(store: Store, granted: Granted, limiter_id: int, limit: ApiLimit, retry_after: float | None) -> None:
    """The vendor refused a call for being one too many: half the rate from now on, and nothing before ``retry_after`` s.

    Several calls that were on their way together lower it once.
    """
    now = store.now()
    with store.transaction():
        if not _lock(store, limiter_id, now):
            return
        bucket = BucketRow.get_or_none(BucketRow.id == granted.bucket_id)
        if bucket is None:
            return
        changes: dict[str, object] = {}
        if granted.at >= bucket.lowered_at:
            level = level_of(bucket.level, bucket.lowered_at, now)
            calls, machines = _lacking(bucket, limit, level, now, (0, 0))
            # What the vendor has just refused is not left over in our count either. Of the two it is the calls that
            # others may use up, with programs of their own on the same account.
            if limit.calls is not None:
                calls = max(calls, _room(limit.calls))
            elif limit.machines is not None:
                machines = max(machines, _room(limit.machines))
            changes.update(calls=calls, machines=machines, counted_at=now, level=min(level + 1, LOWEST), lowered_at=now)
        if retry_after:
            changes["paused_until"] = max(bucket.paused_until, now + int(retry_after * 1000))
        if changes:
            BucketRow.update(**changes).where(BucketRow.id == bucket.id).execute()


def level_of(level: int, lowered_at: int, now: int) -> int:
    """How often a rate is halved by now: once less for every :data:`RECOVERY`."""
    return max(0, level - (now - lowered_at) // RECOVERY)


class _Turn:
    """When a call's turn comes, given the bucket and those who wait."""

    def __init__(
        self,
        asked: Asked,
        bucket: BucketRow,
        waiting: list[FlowRow],
        mine: FlowRow | None,
        uncounted: tuple[int, int],
        now: int,
    ) -> None:
        self.asked, self.bucket, self.mine, self.waiting = asked, bucket, mine, waiting
        self.now = now
        self.since: int = now
        self.start: int = max(bucket.virtual, mine.finish if mine else 0)
        if mine is not None and mine.waiting:
            self.since, self.start = mine.since, mine.start
        self.level = level_of(bucket.level, bucket.lowered_at, now)
        self.calls, self.machines = _lacking(bucket, asked.limit, self.level, now, uncounted)
        me = (self.start, self.since, mine.id if mine else float("inf"))
        ahead = [row for row in waiting if row.bucket_id == bucket.id and (row.start, row.since, row.id) < me]
        self.ready_at = self._after([row.machines for row in ahead if row.here_until > now])
        self.expected_at = self._after([row.machines for row in ahead])

    def _after(self, ahead: list[int]) -> int:
        """When (ms) the call may go if those with so many machines go first."""
        limit, slowness = self.asked.limit, 2**self.level
        wait = 0.0
        for rate, lacking, cost in (
            (limit.calls, self.calls + len(ahead), 1.0),
            (limit.machines, self.machines + sum(ahead), float(self.asked.machines)),
        ):
            if rate is not None and cost:
                room = _room(rate)
                short = lacking + min(cost, room) - room
                wait = max(wait, short * slowness / rate.per_second)
        paused_until: int = self.bucket.paused_until
        return max(self.now + math.ceil(round(wait * 1000, 3)), paused_until)

    def spent(self) -> dict[str, object]:
        """The bucket's columns after the call."""
        return {
            "calls": self.calls + 1,
            "machines": self.machines + self.asked.machines,
            "counted_at": self.now,
            "virtual": max(self.bucket.virtual, self.start),
        }

    def cost(self) -> int:
        """How much of the bucket's time the call takes, in microseconds at the full rate."""
        limit = self.asked.limit
        calls = MICRO / limit.calls.per_second if limit.calls else 1.0
        machines = self.asked.machines * MICRO / limit.machines.per_second if limit.machines else 0.0
        return max(1, int(max(calls, machines)))

    def others_wanting_a_place(self) -> list[FlowRow]:
        """Those, of any API, who have wanted a place for longer."""
        mine = (self.since, self.mine.id if self.mine else float("inf"))
        return [
            row for row in self.waiting if row.wants_place and row.here_until > self.now and (row.since, row.id) < mine
        ]


def _lacking(
    bucket: BucketRow, limit: ApiLimit, level: int, now: int, uncounted: tuple[int, int]
) -> tuple[float, float]:
    """How many calls and machines the bucket lacks by now; at the least those that the vendor may count any moment."""
    seconds = max(0, now - bucket.counted_at) / 1000 / 2**level
    least_calls, least_machines = uncounted
    calls, machines = 0.0, 0.0
    if limit.calls is not None:
        calls = max(float(least_calls), bucket.calls - seconds * limit.calls.per_second)
    if limit.machines is not None:
        machines = max(float(least_machines), bucket.machines - seconds * limit.machines.per_second)
    return calls, machines


def _under_way(limiter_id: int, now: int) -> list[CallRow]:
    rows = list(CallRow.select().where(CallRow.limiter_id == limiter_id))
    alive = [row for row in rows if row.until > now]
    if len(alive) < len(rows):
        CallRow.delete().where((CallRow.limiter_id == limiter_id) & (CallRow.until <= now)).execute()
    return alive


def _uncounted(under_way: list[CallRow], bucket_id: int) -> tuple[int, int]:
    """How many calls of the bucket are on their way, and their machines."""
    rows = [row for row in under_way if row.uncounted and row.bucket_id == bucket_id]
    return len(rows), sum(row.machines for row in rows)


def _room(rate: Rate) -> float:
    """How many may go at once: one of a burst is kept back, for clocks that do not agree to the millisecond."""
    return max(1.0, rate.burst - 1)


def _lock(store: Store, limiter_id: int, now: int) -> bool:
    query = LimiterRow.select().where(LimiterRow.id == limiter_id)
    row = (query if store.dialect == "sqlite" else query.for_update()).first()
    if row is None:
        return False
    if now - row.used_at > MEMORY:
        LimiterRow.update(used_at=now).where(LimiterRow.id == limiter_id).execute()
    return True


def _bucket(asked: Asked) -> BucketRow:
    region = asked.region_id if asked.limit.regional else ""
    bucket: BucketRow = BucketRow.get_or_create(limiter_id=asked.limiter_id, region_id=region, api=asked.api)[0]
    return bucket


def _places_left(asked: Asked, under_way: list[CallRow], ahead: list[FlowRow]) -> int:
    """How many places are free for the call when those ahead of it have had theirs."""
    taken = [bool(row.machines) for row in under_way if row.has_place]
    left = asked.places - len(taken)
    left_for_machines = asked.places - asked.spare - sum(taken)
    if asked.machines:
        return min(left, left_for_machines) - len(ahead)
    # However many wait to make or end machines, the spare places are none that they could take.
    changing = sum(1 for row in ahead if row.machines)
    return left - (len(ahead) - changing) - min(changing, max(0, left_for_machines))


def _grant(asked: Asked, turn: _Turn, now: int) -> Granted:
    BucketRow.update(**turn.spent()).where(BucketRow.id == turn.bucket.id).execute()
    if asked.named:
        _put(
            asked,
            turn,
            waiting=False,
            wants_place=False,
            finish=turn.start + turn.cost(),
            since=now,
            here_until=0,
            kept_until=now + MEMORY,
        )
    elif turn.mine is not None:
        FlowRow.delete().where(FlowRow.id == turn.mine.id).execute()
    call_id = CallRow.insert(
        limiter_id=asked.limiter_id,
        bucket_id=turn.bucket.id,
        owner=asked.owner,
        machines=asked.machines,
        has_place=asked.takes_place,
        uncounted=True,
        until=now + asked.lease_ms,
    ).execute()
    return Granted(turn.bucket.id, int(call_id), now)


def _wait(asked: Asked, turn: _Turn, now: int, at: int) -> None:
    _put(
        asked,
        turn,
        waiting=True,
        wants_place=turn.ready_at <= now,
        machines=asked.machines,
        start=turn.start,
        since=turn.since,
        here_until=now + HERE,
        kept_until=at + RETURN,
    )


def _put(asked: Asked, turn: _Turn, **columns: object) -> None:
    if turn.mine is not None:
        FlowRow.update(**columns).where(FlowRow.id == turn.mine.id).execute()
        return
    where = (FlowRow.limiter_id == asked.limiter_id) & (FlowRow.kept_until <= turn.now)
    FlowRow.delete().where(where).execute()
    FlowRow.insert(limiter_id=asked.limiter_id, bucket_id=turn.bucket.id, name=asked.flow, **columns).execute()
