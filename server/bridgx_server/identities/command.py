"""`bridgx token` and `bridgx audit`: on the database directly, so that the first token needs none."""

from __future__ import annotations

import contextlib
import getpass
import re
import socket
from collections.abc import Iterator
from datetime import UTC, datetime

import click

from bridgx_server.errors import BridgXError, InvalidField
from bridgx_server.identities.identity import Role
from bridgx_server.options import open_store
from bridgx_server.providers.errors import ProviderError
from bridgx_server.scaling.outcome import REASONS
from bridgx_server.store import audit, tokens
from bridgx_server.store.audit import Actor, AuditFilter, Resource
from bridgx_server.store.database import Store
from bridgx_server.store.paging import PageOf
from bridgx_server.store.scope import EVERYTHING, AccountName, Scope

COMMAND_LINE = "command line"
NEVER = "never"

database_option = click.option(
    "--database-url", default=None, metavar="VALUE", help="The database. [env BRIDGX_DATABASE_URL]"
)


@contextlib.contextmanager
def by_command_line(operation: str, store: Store, resource: Resource) -> Iterator[None]:
    """Lets the audit tell of what the block changes, or of why it does not, as done at the command line."""
    actor = Actor(COMMAND_LINE, COMMAND_LINE, address=f"{_user()}@{socket.gethostname()}")
    with audit.change(actor, operation) as change:
        try:
            yield
        except BridgXError as error:
            audit.told(store, change, resource, error.reason, error.message)
            raise
        except ProviderError as error:
            audit.told(store, change, resource, REASONS[error.kind], error.message)
            raise


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name
        return "unknown"


@click.group("token")
def token_command() -> None:
    """Bearer tokens, written into the database directly."""


@token_command.command("create")
@database_option
@click.option("--name", required=True, help="What its caller is called, in create_by and in the audit.")
@click.option("--role", required=True, type=click.Choice([role.word for role in Role]), help="What it may do.")
@click.option("--account", "accounts", multiple=True, help="An account it is good for, as AWSCloud/AKIA…; repeatable.")
@click.option("--all-accounts", is_flag=True, help="Good for every account, those to come included.")
@click.option("--days", type=click.FloatRange(0, 3650, min_open=True), default=90, show_default=True, help="Its life.")
def token_create(
    database_url: str | None, name: str, role: str, accounts: tuple[str, ...], all_accounts: bool, days: float
) -> None:
    """Makes a token and prints it, this once."""
    from bridgx_server.provisioning import tokens as giving

    if all_accounts == bool(accounts):
        raise click.ClickException("say --all-accounts, or name the accounts with --account, and not both")
    store = open_store(database_url)
    try:
        wanted = EVERYTHING if all_accounts else Scope.of(AccountName.parse(text) for text in accounts)
        _check_name(name)
        with by_command_line("token create", store, Resource("token", name)):
            token, stored = giving.create(
                store,
                EVERYTHING,
                name=name,
                role=role,
                wanted=wanted,
                lifetime=max(int(days * 86_400), 1),
                caller=COMMAND_LINE,
            )
    except BridgXError as error:
        raise click.ClickException(error.message) from None
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    click.echo(
        f"token {stored.id} of {name}, {role}, until {_time(stored.expires_at)}; it is not shown again:", err=True
    )
    click.echo(token)


@token_command.command("list")
@database_option
def token_list(database_url: str | None) -> None:
    """Lists the tokens, newest first, without themselves."""
    store = open_store(database_url)
    now, number = store.now(), 1
    while True:
        page = tokens.page(store, EVERYTHING, PageOf.asked(number, 50))
        for token in page.rows:
            accounts = token.scope.accounts
            good_for = "all accounts" if accounts is None else " ".join(map(str, sorted(accounts)))
            click.echo(
                f"{token.id:5} {token.status(now):8} {token.role:9} {token.name:24} until {_time(token.expires_at)}  "
                f"used {_time(token.last_used_at)}  {good_for}"
            )
        if number * page.size >= page.total:
            return
        number += 1


@token_command.command("revoke")
@database_option
@click.argument("token_id")
def token_revoke(database_url: str | None, token_id: str) -> None:
    """Ends the token of that number, for ever."""
    from bridgx_server.provisioning import tokens as giving

    store = open_store(database_url)
    try:
        with by_command_line("token revoke", store, Resource("token", token_id)):
            token = giving.revoke(store, EVERYTHING, token_id)
    except BridgXError as error:
        raise click.ClickException(error.message) from None
    click.echo(f"token {token.id} of {token.name} is revoked; servers refuse it within two seconds")


@click.command("audit")
@database_option
@click.option("--caller", default="", help="Only what this caller did.")
@click.option("--operation", default="", help="Only calls of this kind, such as TaskService.ExpandCluster.")
@click.option("--resource", default="", help="Only what was done to the thing of this name or id.")
@click.option("--outcome", default="", help="Only what ended so: success, or the reason of the refusal.")
@click.option("--rows", type=click.IntRange(1, 100_000), default=50, show_default=True, help="At most so many.")
def audit_command(
    database_url: str | None, caller: str, operation: str, resource: str, outcome: str, rows: int
) -> None:
    """Lists who changed what, newest first."""
    store = open_store(database_url)
    which = AuditFilter(actor=caller, operation=operation, resource=resource, outcome=outcome)
    number, left = 1, rows
    while left > 0:
        page = audit.page(store, EVERYTHING, which, PageOf.asked(number, 50), about_no_account=True)
        for row in page.rows[:left]:
            click.echo(
                f"{_time(row.at)} {row.outcome:18} {row.actor} ({row.actor_kind}) {row.operation} "
                f"{row.resource_kind} {row.resource} from {row.address or 'here'} {row.message}".rstrip()
            )
        left -= len(page.rows)
        if number * page.size >= page.total:
            return
        number += 1


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9._@-]{1,64}", name):
        raise InvalidField("name", "must be 1 to 64 letters, digits and ._@-")


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if milliseconds else NEVER
