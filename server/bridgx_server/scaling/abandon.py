"""What becomes of a task whose account cannot be used at all."""

from __future__ import annotations

from bridgx_server.providers.errors import ProviderError
from bridgx_server.scaling import expand, outcome
from bridgx_server.scaling.choice import spare
from bridgx_server.scaling.engine import Engine
from bridgx_server.store import chunks, tasks
from bridgx_server.store.leases import Lease
from bridgx_server.store.tasks import Task


def abandon(engine: Engine, task: Task, lease: Lease, error: ProviderError) -> bool:
    """Gives up what the cloud has not been asked for; True when that ends the task.

    A chunk that was sent is never given up: what became of it is found out when the account works again. Then, too, the
    machines of an expand are deleted that was canceled with them.
    """
    failure = outcome.failure_of(error)
    with engine.store.transaction():
        task = tasks.held(engine.store, lease)  # it may have been canceled since the claim
        now = engine.now()
        for chunk in chunks.of_task(engine.store, task.id):
            if chunk.status != chunks.PLANNED:
                continue
            if task.action == tasks.SHRINK:
                spare(engine.store, chunk, failure, now)
            else:
                chunks.update(chunk.id, status=chunks.FAILED, finished_at=now, **failure)
        ledger = chunks.of_task(engine.store, task.id)
        if any(chunk.open for chunk in ledger):
            return False
        counts = chunks.counts_of_task(engine.store, task.id, task.action).values()
        done = sum(count.ran if task.action == tasks.EXPAND else count.deleted for count in counts)
        if task.action == tasks.EXPAND and task.cancel == "delete":
            expand.delete_all(engine, task, now)
        result = outcome.of_task(task, ledger, done)
        tasks.update(
            engine.store,
            lease,
            status=result.status,
            reason=result.reason or failure["reason"],
            error_class=result.error_class or failure["error_class"],
            phase="FINISHED",
            started_at=task.started_at or now,
            finished_at=now,
            queue_at=None,
        )
        return True
