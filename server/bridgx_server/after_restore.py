"""`bridgx after-restore`: ends what a restored database believes to be under way."""

from __future__ import annotations

import click

from bridgx_server.errors import Conflict
from bridgx_server.identities.command import by_command_line, database_option
from bridgx_server.options import open_store
from bridgx_server.scaling import tasks as scaling
from bridgx_server.store import tasks
from bridgx_server.store.audit import Resource
from bridgx_server.store.database import Store
from bridgx_server.store.scope import EVERYTHING


@click.command("after-restore")
@database_option
@click.option("--apply", is_flag=True, help="Do it. Without it the tasks are only listed.")
def after_restore_command(database_url: str | None, apply: bool) -> None:
    """Cancels every task that a restored database believes to be under way, before a worker takes it up again.

    What such a task had not asked for when the backup was made may have been asked for, and undone, since. Machines are
    kept; those that came after the backup are found by comparing with the clouds.
    """
    store = open_store(database_url)
    unfinished = tasks.open_tasks(store)
    for task in unfinished:
        outcome = _canceled(store, task) if apply else "would be canceled"
        click.echo(f"{task.id:8} {task.action:7} {task.asked:6} {task.status:8} {task.cluster_name}: {outcome}")
    hint = "" if apply or not unfinished else "; --apply cancels them"
    click.echo(f"{len(unfinished)} unfinished tasks{hint}")


def _canceled(store: Store, task: tasks.Task) -> str:
    try:
        with by_command_line("after-restore", store, Resource("task", str(task.id))):
            scaling.cancel(store, EVERYTHING, task.id, "keep", at_once=False)
    except Conflict as error:
        return error.message
    return "canceled"
