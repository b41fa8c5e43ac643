"""The worker: claims tasks and watches from the store and carries them on, in threads of this process.

Any number of workers may share one database. One that dies leaves its leases to run out; one that
stops gives them back.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import structlog
from peewee import InternalError

from bridgx_server.providers.errors import ProviderError, Retry
from bridgx_server.scaling import expand, outcome, reconcile, shrink, tend
from bridgx_server.scaling.abandon import abandon
from bridgx_server.scaling.engine import Engine
from bridgx_server.store import leases, tasks, watches
from bridgx_server.store.failures import DATABASE_FAILURES
from bridgx_server.store.leases import Lease, LeaseLost
from bridgx_server.store.tasks import Task
from bridgx_server.store.watches import Watch

SHORTEST_IDLE = 0.1  # seconds; what is due but held by another does not keep the dispatcher busy
RETRY = 5.0  # seconds until work that failed for a reason of our own is taken up again
RETRY_DATABASE = 1.0  # the same, where the database failed: two transactions met, or it was restarted

STEP_FAILURES = (*DATABASE_FAILURES, InternalError)

log = structlog.get_logger("bridgx.worker")


class Worker:
    """Runs until stopped. ``owner`` names it in the store and must be unique among the living."""

    def __init__(self, engine: Engine, owner: str) -> None:
        self._engine = engine
        self._owner = owner
        self._lease_ms = int(engine.settings.lease * 1000)
        self._stopping = threading.Event()
        self._stopped = threading.Event()
        self._wake = threading.Event()
        self._held: dict[int, Lease] = {}
        self._idle = threading.Condition()
        self._task_places = threading.Semaphore(engine.settings.tasks_at_once)
        self._watch_places = threading.Semaphore(engine.settings.watches_at_once)
        self._pool = ThreadPoolExecutor(
            engine.settings.tasks_at_once + engine.settings.watches_at_once, thread_name_prefix="bridgx-work"
        )
        self._dispatcher = threading.Thread(target=self._dispatch, name="bridgx-dispatch", daemon=True)
        self._renewer = threading.Thread(target=self._renew, name="bridgx-renew", daemon=True)

    def start(self) -> None:
        """Begins to claim work."""
        self._dispatcher.start()
        self._renewer.start()
        log.info("working", owner=self._owner)

    def wake(self) -> None:
        """Says that there is new work, so that it begins at once."""
        self._wake.set()

    def stop(self, timeout: float = 30.0) -> None:
        """Claims nothing more, and lets the steps under way end and give their leases back.

        Steps that take longer than ``timeout`` seconds are left to themselves; their leases run out after the process.
        """
        self._stopping.set()
        self._engine.stopping.set()
        self._wake.set()
        self._dispatcher.join(timeout)
        self._pool.shutdown(wait=False, cancel_futures=True)
        with self._idle:
            self._idle.wait_for(lambda: not self._held, timeout)
        self._stopped.set()
        self._renewer.join(timeout)

    def _dispatch(self) -> None:
        while not self._stopping.is_set():
            try:
                claimed = self._claim_task() | self._claim_watch()
                wait = 0.0 if claimed else self._idle_time()
            except STEP_FAILURES as error:
                log.error("database unavailable", error=f"{type(error).__name__}: {error}")
                wait = self._engine.settings.idle
            except Exception:
                # Whatever a driver makes of a broken connection, this thread must go on.
                log.exception("no work claimed")
                wait = self._engine.settings.idle
            if wait:
                self._wake.wait(wait)
                self._wake.clear()

    def _idle_time(self) -> float:
        due = [at for at in (tasks.next_due(self._engine.store), watches.next_due(self._engine.store)) if at]
        idle = self._engine.settings.idle * self._engine.random.uniform(0.8, 1.0)
        if not due:
            return idle
        return min(max((min(due) - self._engine.now()) / 1000, SHORTEST_IDLE), idle)

    def _claim_task(self) -> bool:
        if not self._task_places.acquire(blocking=False):
            return False
        claimed = None
        try:
            claimed = tasks.claim(self._engine.store, self._owner, self._lease_ms)
        finally:
            if claimed is None:
                self._task_places.release()
        if claimed is None:
            return False
        task, lease = claimed
        self._submit(
            lease,
            self._task_places,
            lambda: self._run_task(task, lease),
            lambda at: tasks.release(self._engine.store, lease, at),
        )
        return True

    def _claim_watch(self) -> bool:
        if not self._watch_places.acquire(blocking=False):
            return False
        claimed = None
        try:
            claimed = watches.claim(self._engine.store, self._owner, self._lease_ms)
        finally:
            if claimed is None:
                self._watch_places.release()
        if claimed is None:
            return False
        watch, lease = claimed
        self._submit(
            lease,
            self._watch_places,
            lambda: self._run_watch(watch, lease),
            lambda at: self._put_off(watch, lease, at),
        )
        return True

    def _submit(
        self, lease: Lease, places: threading.Semaphore, step: Callable[[], None], give_back: Callable[[int], None]
    ) -> None:
        with self._idle:
            self._held[id(lease)] = lease

        def ended(future: Future[None]) -> None:
            with self._idle:
                self._held.pop(id(lease), None)
                self._idle.notify_all()
            places.release()
            self._wake.set()

        self._pool.submit(self._guarded, step, lease, give_back).add_done_callback(ended)

    def _guarded(self, step: Callable[[], None], lease: Lease, give_back: Callable[[int], None]) -> None:
        where = {"table": lease.table.__name__, "row": lease.row_id}
        try:
            step()
        except LeaseLost:
            log.warning("lease lost", **where)
        except Exception as error:
            if isinstance(error, STEP_FAILURES):
                log.error("database failed", error=f"{type(error).__name__}: {error}", **where)
            else:
                log.exception("step broke off", **where)
            # If that fails too, the row stays ours until the lease runs out; then it is taken up again.
            with contextlib.suppress(Exception):
                give_back(self._engine.now() + int(RETRY_DATABASE * 1000 * self._engine.random.uniform(0.2, 1.0)))

    def _run_task(self, task: Task, lease: Lease) -> None:
        advance = expand.advance if task.action == tasks.EXPAND else shrink.advance
        try:
            next_at = advance(self._engine, task, lease)
        except ProviderError as error:
            log.warning("account not usable", task_id=task.id, error_class=error.kind.value, code=error.vendor_code)
            if error.traits.retry is Retry.NEVER and abandon(self._engine, task, lease, error):
                return
            self._postpone(task, lease, outcome.REASONS[error.kind], error.told)
        except (LeaseLost, *STEP_FAILURES):
            raise
        except Exception:
            log.exception("step failed", task_id=task.id, action=task.action)
            self._postpone(task, lease, "internal", "the step failed here and is repeated; the server's log has more")
        else:
            if next_at is not None:
                tasks.release(self._engine.store, lease, next_at)
            else:
                log.info("task ended", task_id=task.id, action=task.action, cluster=task.cluster_name)

    def _postpone(self, task: Task, lease: Lease, error_class: str, reason: str) -> None:
        with self._engine.store.transaction():
            tasks.update(self._engine.store, lease, error_class=error_class, reason=reason, phase="WAITING")
        tasks.release(self._engine.store, lease, self._engine.now() + int(RETRY * 1000))

    def _run_watch(self, watch: Watch, lease: Lease) -> None:
        try:
            if watch.reconcile_at <= self._engine.now():
                self._reconcile(watch, lease)
            else:
                tend.run(self._engine, watch, lease)
        except (LeaseLost, *STEP_FAILURES):
            raise
        except Exception:
            log.exception("watch failed", account_id=watch.account_id, region_id=watch.region_id)
            self._put_off(watch, lease, self._engine.now() + int(RETRY * 1000))

    def _put_off(self, watch: Watch, lease: Lease, at: int) -> None:
        if watch.reconcile_at <= self._engine.now():
            # It was the comparison that failed: machines are asked about meanwhile.
            watches.release(self._engine.store, lease, watch, reconcile_at=at)
        else:
            watches.release(self._engine.store, lease, watch, not_before=at)

    def _reconcile(self, watch: Watch, lease: Lease) -> None:
        try:
            reconcile.run(self._engine, watch, lease)
        except ProviderError as error:
            log.warning("cloud not listed", account_id=watch.account_id, error_class=error.kind.value)

    def _renew(self) -> None:
        while not self._stopped.wait(self._engine.settings.lease / 3):
            with self._idle:
                held = list(self._held.values())
            leases.renew_each(self._engine.store, held, self._lease_ms)
