"""Who works on a request: one attempt at a time, over all processes that share the database."""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from bridgx_server.errors import RequestInProgress
from bridgx_server.providers.gate import caller, calling_for
from bridgx_server.store import leases, requests
from bridgx_server.store.database import Store
from bridgx_server.store.leases import Lease, LeaseLost
from bridgx_server.store.requests import Answered, Busy, Claim, Key, Unfinished

MAX_WAIT = 1.0  # seconds that a repetition waits for an answer that is nearly there
MAX_WAITING = 4  # repetitions that wait so at once, each in a thread; others are answered at once
POLL = 0.05  # seconds between two looks of one that waits
RETRY = 2.0  # seconds after which a repetition may find the answer, which nobody knows better


class Claims:
    """The requests that this process works on. Their leases are renewed, by one thread, for as long as it does."""

    def __init__(
        self,
        store: Store,
        *,
        lease: float = 30.0,
        unsettled: float = 120.0,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Both times are in seconds.

        Args:
            lease: how long the requests of a dead process stay with it; renewed at a third.
            unsettled: how long after its sending a call to a cloud may have its effect and not be seen.
        """
        self.store = store
        self.unsettled_ms = int(unsettled * 1000)
        self._lease = lease
        self._sleep = sleep
        self._monotonic = monotonic
        self._process = secrets.token_hex(8)
        self._waiting = threading.BoundedSemaphore(MAX_WAITING)
        self._lock = threading.Lock()
        self._held: dict[str, Lease] = {}
        self._renewer: threading.Thread | None = None

    def claim(self, key: Key, fingerprint: str, payload: str = "") -> Lease | Answered:
        """Takes a request, or says what it was answered with; waits a moment for an attempt that is at work on it.

        Raises:
            Conflict: the id was used with other parameters.
            RequestInProgress: another attempt goes on working on it.
        """
        found = requests.begin(self.store, key, fingerprint, self._new_claim(), payload)
        if isinstance(found, Busy) and not found.unsettled and self._waiting.acquire(blocking=False):
            try:
                found = self._wait(key, fingerprint, payload, found)
            finally:
                self._waiting.release()
        if isinstance(found, Busy):
            raise in_progress(key, found)
        return found

    def _wait(
        self, key: Key, fingerprint: str, payload: str, found: Lease | Answered | Busy
    ) -> Lease | Answered | Busy:
        until = self._monotonic() + MAX_WAIT
        while isinstance(found, Busy) and self._monotonic() < until:
            self._sleep(POLL)
            if not isinstance(requests.look(self.store, key), Busy):
                found = requests.begin(self.store, key, fingerprint, self._new_claim(), payload)
        return found

    def claim_idle(self, idle: float) -> tuple[Unfinished, Lease] | None:
        """Takes a request that nobody has worked on for ``idle`` seconds, if there is one."""
        return requests.claim_idle(self.store, int(idle * 1000), self._new_claim())

    @contextlib.contextmanager
    def working(self, lease: Lease) -> Iterator[None]:
        """Keeps a request for as long as the block lasts. No cloud is asked for anything once it is known to be lost.

        Raises:
            LeaseLost: from the call that would have gone out.
        """

        def check() -> None:
            if lease.lost.is_set():
                raise LeaseLost(f"request {lease.row_id} is held by another attempt")

        self._began(lease)
        try:
            with calling_for(replace(caller(), check=check)):
                yield
        finally:
            with self._lock:
                self._held.pop(lease.owner, None)

    def _new_claim(self) -> Claim:
        # Each attempt has a name of its own: two of one process are as strange to each other as those of two.
        return Claim(f"{self._process}-{secrets.token_hex(8)}", int(self._lease * 1000))

    def _began(self, lease: Lease) -> None:
        with self._lock:
            self._held[lease.owner] = lease
            if self._renewer is None:
                self._renewer = threading.Thread(target=self._renew, name="bridgx-claims", daemon=True)
                self._renewer.start()

    def _renew(self) -> None:
        while True:
            time.sleep(self._lease / 3)
            with self._lock:
                if not self._held:
                    self._renewer = None
                    return
                held = list(self._held.values())
            leases.renew_each(self.store, held, int(self._lease * 1000))


def in_progress(key: Key, found: Busy | None = None) -> RequestInProgress:
    """What a repetition is told while another attempt is at work."""
    if found is not None and found.unsettled:
        seconds = max(found.wait / 1000, POLL)
        what = "was cut off while the cloud was asked, which may still do it"
        return RequestInProgress(f"an attempt at request_id {key.request_id} {what}", seconds)
    return RequestInProgress(f"request_id {key.request_id} is being worked on", RETRY)
