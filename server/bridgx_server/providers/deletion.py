"""Deletions: each machine for itself, though a call names many, and never "nothing was done" after a part was.

Vendors refuse a whole call for one machine: one that they do not know, one that is protected, paid in advance, or being
changed. :class:`Deletion` finds it, and lets the others go.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from types import TracebackType

from bridgx_server.providers.base import DeletedMachines
from bridgx_server.providers.errors import ErrorClass, ProviderError

IN_DOUBT = (ErrorClass.UNAVAILABLE, ErrorClass.TIMEOUT_UNKNOWN)  # no refusals
# Refusals that may be about one machine of a call, and not about the caller or the cloud.
ABOUT_MACHINES = (
    ErrorClass.NOT_FOUND,
    ErrorClass.CONFLICT,
    ErrorClass.NOT_RELEASABLE,
    ErrorClass.INSUFFICIENT_BALANCE,
    ErrorClass.QUOTA_EXCEEDED,
    ErrorClass.INVALID_PARAMETER,
    ErrorClass.UNKNOWN,
)
# Calls of one `each_for_itself`: enough to find four machines of a hundred that a vendor refuses without naming them.
MAX_CALLS = 40

Send = Callable[[list[str]], object]


class Deletion:
    """One ``delete_machines``, around all of its calls.

    ``codes`` are the vendor's codes that are about single machines though their class is not (a protection is a lack of
    permission, which otherwise concerns the whole call). ``last`` are those after which no other machine is asked for:
    when one is refused for them, so are all that are left (an empty quota of refunds).

    A refusal for good stands for "all machines are as they were", and callers give them back. So once ``released`` is
    set, a refusal leaves here as CONFLICT, in the vendor's words and with its code: it is tried again.
    """

    def __init__(self, provider: str, codes: Collection[str] = (), last: Collection[str] = ()) -> None:
        self.released = False
        self.refused: dict[str, ProviderError] = {}
        self.unknown: set[str] = set()
        self._provider = provider
        self._codes = frozenset(codes)
        self._last = frozenset(last)

    def __enter__(self) -> Deletion:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.released or not isinstance(raised, ProviderError) or raised.kind in IN_DOUBT:
            return
        raise as_conflict(raised) from None

    def result(self) -> DeletedMachines:
        return DeletedMachines(dict(self.refused), frozenset(self.unknown))

    def is_about_machines(self, error: ProviderError) -> bool:
        """Whether a refusal may be about one machine of the call."""
        return error.kind in ABOUT_MACHINES or error.vendor_code in self._codes

    def settle(self, ids: Iterable[str], error: ProviderError) -> None:
        """Takes a refusal for each of these machines."""
        for instance_id in ids:
            if error.kind is ErrorClass.NOT_FOUND:
                self.unknown.add(instance_id)
            else:
                self.refused[instance_id] = error

    def refuse(self, instance_id: str, kind: ErrorClass, message: str, operation: str) -> None:
        """Refuses a machine in our own words: the vendor was not asked, or gave no reason."""
        self.refused[instance_id] = ProviderError(kind, message, provider=self._provider, operation=operation)

    def each_for_itself(self, ids: Sequence[str], send: Send, *, batch: int = 0, soft: bool = False) -> list[str]:
        """Sends all ids, at most ``batch`` a call; where one keeps the others alive, finds it and sends the others.

        Returns those that the cloud has agreed to delete; the others are in ``refused`` or ``unknown``. With ``soft`` every
        refusal is a CONFLICT: a step before has changed the machines. Raises what is not about single machines.
        """
        size = batch or len(ids) or 1
        waiting = [list(ids[start : start + size]) for start in range(0, len(ids), size)]
        agreed: list[str] = []
        calls = 0
        while waiting:
            part = waiting.pop(0)
            if calls == MAX_CALLS + len(ids) // size:
                self._give_up([part, *waiting])
                break
            calls += 1
            try:
                send(part)
            except ProviderError as raised:
                if not self.is_about_machines(raised):
                    raise
                error = as_conflict(raised) if soft and raised.kind is not ErrorClass.NOT_FOUND else raised
            else:
                self.released = True
                agreed += part
                continue
            if len(part) == 1 and error.vendor_code in self._last:
                self.settle([instance_id for rest in [part, *waiting] for instance_id in rest], error)
                break
            waiting[:0] = self._divided(part, error)
        return agreed

    def at_once(self, ids: list[str], send: Send) -> ProviderError | None:
        """Sends all ids in one call; returns its refusal where that may be about one of them, and raises any other."""
        try:
            send(ids)
        except ProviderError as error:
            if not self.is_about_machines(error):
                raise
            return error
        self.released = True
        return None

    def alike(self, ids: list[str], send: Send) -> None:
        """Sends machines that the cloud's list shows as alike, in one call: a refusal is taken for all of them.

        Those that it does not show are gone, or so new that it does not know them yet; others wait for the same, or are
        protected. To find one among them that fares better would cost a call for each.
        """
        if ids and (refusal := self.at_once(ids, send)) is not None:
            self.settle(ids, refusal)

    def _divided(self, part: list[str], error: ProviderError) -> list[list[str]]:
        """What is sent next after a refusal: without those that it names, which are asked for apart; else halves."""
        if len(part) == 1:
            self.settle(part, error)
            return []
        named = [instance_id for instance_id in part if names(error.message, instance_id)]
        rest = [instance_id for instance_id in part if instance_id not in set(named)]
        if named and error.kind is ErrorClass.NOT_FOUND:
            self.settle(named, error)
            return [rest] if rest else []
        if named and rest:
            return [rest, named]
        middle = len(part) // 2
        return [part[:middle], part[middle:]]

    def _give_up(self, parts: Iterable[Sequence[str]]) -> None:
        for part in parts:
            for instance_id in part:
                self.refuse(
                    instance_id,
                    ErrorClass.CONFLICT,
                    "too many of its call were refused one by one; it was not asked for by itself yet",
                    "delete_machines",
                )


def as_conflict(error: ProviderError) -> ProviderError:
    """The same refusal, as one that is tried again."""
    return error.altered(kind=ErrorClass.CONFLICT)


def not_released(
    provider: str, operation: str, expires_at: datetime | None = None, refusal: ProviderError | None = None
) -> ProviderError:
    """Why a machine that is paid for in advance stays: nobody asked that it be given up. ``refusal`` is the vendor's, if any."""
    until = f" until {expires_at.isoformat().replace('+00:00', 'Z')}" if expires_at else ""
    return ProviderError(
        ErrorClass.NOT_RELEASABLE,
        f"the machine is paid for in advance{until}, and {provider} deletes it only after it has been given up",
        provider=provider,
        operation=refusal.operation if refusal else operation,
        vendor_code=refusal.vendor_code if refusal else "",
        request_id=refusal.request_id if refusal else "",
        http_status=refusal.http_status if refusal else 0,
        field="release_prepaid",
    )


def names(message: str, instance_id: str) -> bool:
    """Whether a message has the id as a word of its own."""
    return re.search(rf"(?<![\w-]){re.escape(instance_id)}(?![\w-])", message) is not None
