"""Clusters that exist: changed and deleted. New ones come from :mod:`bridgx_server.provisioning.templates`."""

from __future__ import annotations

from bridgx_server.errors import Conflict
from bridgx_server.provisioning.once import Attempt
from bridgx_server.store import audit, clusters, deletions, instances, tasks
from bridgx_server.store.database import Store
from bridgx_server.store.scope import Scope


def update(
    store: Store,
    scope: Scope,
    name: str,
    *,
    max_machines: int | None,
    description: str | None,
    termination_policy: str | None,
) -> None:
    """Changes what is not None; raises NotFound."""
    changes = {"max_machines": max_machines, "description": description, "termination_policy": termination_policy}
    with store.transaction():
        cluster = clusters.locked(store, scope, name)
        clusters.change(cluster, **{column: value for column, value in changes.items() if value is not None})
        audit.changed(store, clusters.resource_of(cluster))


def delete(store: Store, scope: Scope, name: str, attempt: Attempt) -> str:
    """Deletes a template and returns its name; the history stays.

    Raises:
        NotFound: no cluster has that name.
        Conflict: machines of it are not gone, or tasks of it have not ended.
    """
    with store.transaction():
        attempt.hold()
        cluster = clusters.locked(store, scope, name)
        machines = instances.in_use(store, cluster.id)
        waiting = tasks.open_tasks_of(store, cluster.id)
        if machines or waiting:
            kept, why = deletions.kept_in(store, cluster.id)
            told = f"; the cloud has not deleted {kept} of them: {why}" if kept else ""
            raise Conflict(
                f"cluster {name} has {machines} machines that are not gone and {len(waiting)} tasks that have not ended; "
                f"shrink it to nothing and wait for its tasks, or cancel them{told}"
            )
        clusters.bury(cluster, store.now(), attempt.caller)
        audit.changed(store, clusters.resource_of(cluster))
        attempt.answered(name)
    return name
