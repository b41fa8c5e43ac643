"""Lets calls to the clouds through as fast as the vendors allow, counted in the store for all processes together."""

from __future__ import annotations

import contextlib
import contextvars
import random
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import structlog

from bridgx_server.providers.errors import ErrorClass, ProviderError
from bridgx_server.providers.gate import OPEN, ApiLimit, Caller, Gate, RateTable, caller
from bridgx_server.providers.rates import RateOverride, limit_of
from bridgx_server.store import limits
from bridgx_server.store.database import Store
from bridgx_server.store.failures import DATABASE_FAILURES
from bridgx_server.store.limits import Asked, Granted, Later

SHORTEST = 0.005  # seconds between two questions of one waiting call
SLICE = 1.0  # the longest; shorter than limits.HERE
PLACE_SLICE = 0.25  # the same while it waits for another call to end, which may be in another process

log = structlog.get_logger("bridgx.limiter")


@dataclass(frozen=True)
class LimiterSettings:
    """``places`` are calls to one account under way at once, 0: any number; ``lease`` is in seconds."""

    places: int = 8
    lease: float = 30.0  # how long the places of a dead process are taken; renewed at a third
    overrides: tuple[RateOverride, ...] = ()


@dataclass
class _Reserved:
    """A turn that was had ahead of its call, in the context of whoever makes the call."""

    gate: _AccountGate
    api: str
    granted: Granted | None
    used: bool = False


_reserved: contextvars.ContextVar[_Reserved | None] = contextvars.ContextVar("bridgx_reserved", default=None)


class Limiter:
    """The gates of all accounts, for one process."""

    def __init__(
        self,
        store: Store,
        settings: LimiterSettings | None = None,
        *,
        rng: random.Random | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.store = store
        self.settings = settings or LimiterSettings()
        self.owner = secrets.token_hex(8)
        self.random = rng or random.Random()
        self.monotonic = monotonic
        self.sleep = sleep
        self._gates: dict[tuple[str, str], _AccountGate] = {}
        self._lock = threading.Lock()
        self._under_way: set[int] = set()
        self._renewer: threading.Thread | None = None

    def gate(self, provider: str, access_key: str, table: RateTable) -> Gate:
        """The gate of an account, made at the first call."""
        with self._lock:
            gate = self._gates.get((provider, access_key))
            if gate is None:
                gate = self._gates[provider, access_key] = _AccountGate(self, provider, access_key, table)
            return gate

    def find(self, provider: str, access_key: str) -> Gate:
        """The gate of an account whose adapter has been made; an open one for others."""
        with self._lock:
            return self._gates.get((provider, access_key), OPEN)

    def began(self, call_id: int) -> None:
        """Keeps a call's place from now on, in a thread that ends when no call is under way."""
        with self._lock:
            self._under_way.add(call_id)
            if self._renewer is None:
                self._renewer = threading.Thread(target=self._renew, name="bridgx-places", daemon=True)
                self._renewer.start()

    def ended(self, call_id: int) -> None:
        """Keeps it no more."""
        with self._lock:
            self._under_way.discard(call_id)

    def _renew(self) -> None:
        while True:
            time.sleep(self.settings.lease / 3)
            with self._lock:
                if not self._under_way:
                    self._renewer = None
                    return
                held = sorted(self._under_way)
            with _unless_the_store_fails("places not renewed"):
                limits.keep_calls(self.store, held, self.store.now() + int(self.settings.lease * 1000))


@dataclass
class _AccountGate:
    """The gate of one account."""

    limiter: Limiter
    provider: str
    access_key: str
    table: RateTable
    row_id: int = 0
    freed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def places(self) -> int:
        """See :class:`bridgx_server.providers.gate.Gate`."""
        return self.limiter.settings.places

    @contextlib.contextmanager
    def call(self, region_id: str, api: str, machines: int = 0) -> Iterator[None]:
        """See :class:`bridgx_server.providers.gate.Gate`."""
        reserved = _reserved.get()
        if reserved is not None and reserved.gate is self and reserved.api == api and not reserved.used:
            reserved.used = True
            try:
                caller().check()  # the process may have slept since the turn came
                with self._heeding(api, reserved.granted):
                    yield
            finally:
                self._settle(api, reserved.granted)
            return
        # Whoever has reserved one call makes one at a time, so others on the way to it need no place of their own.
        granted = self._turn(region_id, api, machines, takes_place=reserved is None)
        try:
            caller().check()
            with self._heeding(api, granted):
                yield
        finally:
            self._end(api, granted)

    @contextlib.contextmanager
    def reserve(self, region_id: str, api: str, machines: int = 0) -> Iterator[None]:
        """See :class:`bridgx_server.providers.gate.Gate`."""
        granted = self._turn(region_id, api, machines, takes_place=True)
        token = _reserved.set(_Reserved(self, api, granted))
        try:
            caller().check()
            yield
        finally:
            _reserved.reset(token)
            self._end(api, granted)

    def _turn(self, region_id: str, api: str, machines: int, *, takes_place: bool) -> Granted | None:
        """Waits for a turn; None where nothing is counted."""
        limit = self.limit(api)
        places = self.limiter.settings.places if takes_place else 0
        if not places and limit.calls is None and (limit.machines is None or not machines):
            return None
        who = caller()
        flow = who.flow or f"{self.limiter.owner}/{threading.get_ident()}"
        deadline = self.limiter.monotonic() + who.patience
        while True:
            answer = self._ask(region_id, api, machines, limit, who, flow, places)
            if isinstance(answer, Granted):
                self.limiter.began(answer.call_id)
                return answer
            seconds = max((answer.at - self.limiter.store.now()) / 1000, SHORTEST)
            if who.leaving() or self.limiter.monotonic() + (0 if answer.for_place else seconds) >= deadline:
                self._give_up(answer, who, flow)
                raise ProviderError(
                    ErrorClass.THROTTLED,
                    f"the account's limit for {api} is used up for {seconds:.1f} s",
                    provider=self.provider,
                    operation=api,
                    retry_after=max(seconds, PLACE_SLICE),
                )
            try:
                self._pause(answer, seconds)
                who.check()
            except BaseException:
                self._give_up(answer, who, flow)
                raise

    def _ask(
        self,
        region_id: str,
        api: str,
        machines: int,
        limit: ApiLimit,
        who: Caller,
        flow: str,
        places: int,
    ) -> Granted | Later:
        while True:
            if not self.row_id:
                self.row_id = limits.limiter_of(self.limiter.store, self.provider, self.access_key)
            asked = Asked(
                limiter_id=self.row_id,
                region_id=region_id,
                limit=limit,
                api=api,
                machines=machines,
                flow=flow,
                named=bool(who.flow),
                owner=self.limiter.owner,
                lease_ms=int(self.limiter.settings.lease * 1000),
                places=places,
                spare=places // 4,
                takes_place=bool(places),
            )
            answer = limits.ask(self.limiter.store, asked)
            if answer is not None:
                return answer
            self.row_id = 0

    def _pause(self, answer: Later, seconds: float) -> None:
        if answer.for_place:
            with self.freed:
                self.freed.wait(PLACE_SLICE * self.limiter.random.uniform(0.5, 1.0))
        else:
            self.limiter.sleep(min(seconds, SLICE))

    def _give_up(self, answer: Later, who: Caller, flow: str) -> None:
        with _unless_the_store_fails("place in the queue not given up"):
            limits.leave_queue(self.limiter.store, answer.bucket_id, flow, named=bool(who.flow))

    @contextlib.contextmanager
    def _heeding(self, api: str, granted: Granted | None) -> Iterator[None]:
        """Slows down when the vendor says so."""
        try:
            yield
        except ProviderError as error:
            if error.kind is ErrorClass.THROTTLED and granted is not None:
                with _unless_the_store_fails("rate not lowered"):
                    limits.throttled(self.limiter.store, granted, self.row_id, self.limit(api), error.retry_after)
                log.warning("throttled", provider=self.provider, access_key=self.access_key, api=api)
            raise

    def _settle(self, api: str, granted: Granted | None) -> None:
        if granted is not None:
            with _unless_the_store_fails("call not counted"):
                limits.settle(self.limiter.store, granted, self.row_id, self.limit(api), ended=False)

    def _end(self, api: str, granted: Granted | None) -> None:
        if granted is not None:
            self.limiter.ended(granted.call_id)
            with _unless_the_store_fails("place not given back"):  # then it runs out by itself
                limits.settle(self.limiter.store, granted, self.row_id, self.limit(api), ended=True)
            with self.freed:
                self.freed.notify_all()

    def limit(self, api: str) -> ApiLimit:
        """See :class:`bridgx_server.providers.gate.Gate`."""
        return limit_of(self.provider, api, self.table, self.limiter.settings.overrides)


@contextlib.contextmanager
def _unless_the_store_fails(what: str) -> Iterator[None]:
    """What is done after a call must not hide what became of the call."""
    try:
        yield
    except DATABASE_FAILURES as error:
        log.error(what, error=f"{type(error).__name__}: {error}")
