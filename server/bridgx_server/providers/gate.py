"""The gate that every single request to a cloud passes: how many there may be, and whose turn it is.

An adapter enters its gate around each request on the wire, every page of a list among them, under the vendor's own name
of the API, since that is what vendors count. What limits there are is in one table a cloud (``rates.py`` of its folder);
who keeps count is behind :class:`Gate`, so that an adapter alone, in a test or a script, runs without any.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeVar

API_PATIENCE = 20.0  # seconds that a call waits for its turn, where its caller says nothing else

Argument = TypeVar("Argument")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Rate:
    """``per_second`` in the long run, ``burst`` at once after a rest; both above 0."""

    per_second: float
    burst: float


@dataclass(frozen=True)
class ApiLimit:
    """What a vendor allows one account of the APIs that ``api`` names (``*`` stands for any letters, case is ignored).

    ``calls`` counts requests, ``machines`` the machines that they make or end; None: no limit. ``regional``: each
    region is counted apart. ``source`` says where the figures are from.
    """

    api: str
    calls: Rate | None
    machines: Rate | None = None
    regional: bool = True
    source: str = ""


RateTable = Sequence[ApiLimit]  # the first that names an API counts


class Gate(Protocol):
    """The gate of one account. ``places`` are the calls that may be under way at once, 0: any number."""

    @property
    def places(self) -> int: ...

    def limit(self, api: str) -> ApiLimit:
        """What is allowed of an API."""
        ...

    def call(self, region_id: str, api: str, machines: int = 0) -> AbstractContextManager[None]:
        """Waits until one request may go out, and counts it; the block is the request.

        ``machines`` is how many machines the request makes or ends. A ProviderError of class THROTTLED that leaves the
        block slows the account's calls of this API for a while.

        Raises:
            ProviderError: THROTTLED, with ``retry_after``, when its turn is further away than its caller waits.
        """
        ...

    def reserve(self, region_id: str, api: str, machines: int = 0) -> AbstractContextManager[None]:
        """Waits as :meth:`call` does; the first request of that API inside the block then goes without waiting.

        For a caller that must write something down between its turn and the request.
        """
        ...


class Gates(Protocol):
    """The gates of all accounts."""

    def gate(self, provider: str, access_key: str, table: RateTable) -> Gate:
        """The gate of an account, whose cloud has these limits."""
        ...

    def find(self, provider: str, access_key: str) -> Gate:
        """The gate of an account whose adapter has been made; an open one for others."""
        ...


class OpenGate:
    """Lets everything pass at once."""

    places = 0

    def limit(self, api: str) -> ApiLimit:
        return ApiLimit(api, None)

    def call(self, region_id: str, api: str, machines: int = 0) -> AbstractContextManager[None]:
        return contextlib.nullcontext()

    def reserve(self, region_id: str, api: str, machines: int = 0) -> AbstractContextManager[None]:
        return contextlib.nullcontext()


class OpenGates:
    """No account has a limit."""

    def gate(self, provider: str, access_key: str, table: RateTable) -> Gate:
        return OPEN

    def find(self, provider: str, access_key: str) -> Gate:
        return OPEN


OPEN = OpenGate()


@dataclass(frozen=True)
class Caller:
    """On whose behalf requests are made, and how long they may wait.

    Turns are shared out evenly among ``flow``\\ s; one that has a name keeps its place in the queue when it stops to
    wait and comes again, also in another process. ``patience`` is in seconds. ``check`` is called after every wait
    and may raise; then nothing is sent. ``leaving`` says that waiting is over for everyone here.
    """

    flow: str = ""
    patience: float = API_PATIENCE
    check: Callable[[], None] = lambda: None
    leaving: Callable[[], bool] = lambda: False


_caller: contextvars.ContextVar[Caller] = contextvars.ContextVar("bridgx_caller", default=Caller())  # noqa: B039


def caller() -> Caller:
    """Who calls, in this thread; without a name where nobody has said so."""
    return _caller.get()


@contextlib.contextmanager
def calling_for(who: Caller) -> Iterator[None]:
    """Says who makes the requests of the block."""
    token = _caller.set(who)
    try:
        yield
    finally:
        _caller.reset(token)


def api_name(operation: str) -> str:
    """The vendor's name of an API from an SDK's: ``run_instances`` → ``RunInstances``."""
    return "".join(part[:1].upper() + part[1:] for part in operation.split("_"))


def side_by_side(fetch: Callable[[Argument], Answer], arguments: Sequence[Argument], most: int) -> list[Answer]:
    """The answers in order, ``most`` at a time, each request on behalf of the same caller; raises the first failure."""
    if len(arguments) < 2:
        return [fetch(argument) for argument in arguments]
    contexts = [contextvars.copy_context() for _ in arguments]
    with ThreadPoolExecutor(min(most, len(arguments)), thread_name_prefix="bridgx-pages") as pool:
        futures = [
            pool.submit(context.run, fetch, argument) for context, argument in zip(contexts, arguments, strict=True)
        ]
        try:
            return [future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()
