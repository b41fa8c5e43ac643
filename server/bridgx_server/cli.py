"""The command `bridgx`."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bridgx_server.opening import keyring_of
from bridgx_server.options import open_store, secrets_epilog, settings_of, settings_options

if TYPE_CHECKING:
    from bridgx_server.server import Parts
    from bridgx_server.settings import Settings
    from bridgx_server.store.secrets import Keyring

# Commands of other packages, imported when they are called: some take long.
ELSEWHERE = {
    "after-restore": ("bridgx_server.after_restore", "after_restore_command"),
    "audit": ("bridgx_server.identities.command", "audit_command"),
    "cloudsim": ("bridgx_server.cloudsim.command", "cloudsim_command"),
    "demo": ("bridgx_server.demo.command", "demo_command"),
    "edge": ("bridgx_server.edge_command", "edge_command"),
    "health": ("bridgx_server.health", "health_command"),
    "keys": ("bridgx_server.keys_command", "keys_command"),
    "reconcile": ("bridgx_server.reconciling.command", "reconcile_command"),
    "token": ("bridgx_server.identities.command", "token_command"),
}

# Settings that a worker has no use for.
API_ONLY = (
    "grpc_host",
    "grpc_port",
    "tls_certificate",
    "tls_key",
    "tls_client_ca",
    "tls_require_client_certificate",
    "insecure_plaintext",
    "threads",
    "watches",
    "watches_per_caller",
    "watch_time",
    "call_time",
    "message_time",
    "backlog",
    "connections",
    "connection_streams",
    "worker",
    "tokens",
    "tokens_file",
    "oidc_issuer",
    "oidc_audience",
    "oidc_jwks_file",
    "oidc_jwks_url",
    "oidc_leeway",
    "oidc_name_claim",
    "oidc_role_claim",
    "oidc_roles",
    "oidc_accounts_claim",
    "trusted_proxies",
)


class _Commands(click.Group):
    def list_commands(self, context: click.Context) -> list[str]:
        return sorted([*super().list_commands(context), *ELSEWHERE])

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name in ELSEWHERE:
            module, attribute = ELSEWHERE[name]
            command: click.Command = getattr(importlib.import_module(module), attribute)
            return command
        return super().get_command(context, name)


@click.group(cls=_Commands)
@click.version_option(package_name="bridgx-server", prog_name="bridgx")
def main() -> None:
    """BridgX keeps templates of machine clusters on five clouds and scales them up and down, exactly."""
    from bridgx_server.crashes import keep_memory_private

    keep_memory_private()  # most commands hold a key
    os.umask(0o077)  # databases, logs and what the edge is told are nobody else's


@main.command(epilog=secrets_epilog())
@settings_options()
def serve(**flags: Any) -> None:
    """Serves the gRPC API, and carries out tasks too unless told otherwise."""
    from bridgx_server.identities.keys import KeysUnreadable
    from bridgx_server.server import Server, on_signals
    from bridgx_server.store import tokens
    from bridgx_server.tls import TransportError

    parts = _parts(settings_of(flags))
    if not (parts.tokens or parts.settings.oidc_issuer or tokens.any_active(parts.store)):
        raise click.ClickException(
            "there is no bearer token, so nobody could call: make one with `bridgx token create`, or set BRIDGX_TOKENS,"
            " --tokens-file or --oidc-issuer"
        )
    ended = on_signals()
    try:
        server = Server(parts)
    except (KeysUnreadable, OSError) as error:
        raise click.ClickException(f"the OIDC issuer's keys cannot be read: {error}") from None
    try:
        server.start()
    except (OSError, TransportError) as error:
        raise click.ClickException(str(error)) from None
    ended.wait()
    server.stop(and_close=False)


@main.command(epilog=secrets_epilog())
@settings_options(*API_ONLY)
def worker(**flags: Any) -> None:
    """Carries out tasks, without an API. Any number of workers may share one database server."""
    from bridgx_server.server import on_signals

    parts = _parts(settings_of(flags))
    ended = on_signals()
    clouds = parts.clouds()
    working, housekeeping = parts.worker(clouds), parts.housekeeping(parts.networks(clouds))
    working.start()
    housekeeping.start()
    ended.wait()
    working.stop(parts.settings.stop_grace)
    housekeeping.stop(parts.settings.stop_grace)


@main.command()
@click.option("--database-url", default=None, metavar="VALUE", help="The database. [env BRIDGX_DATABASE_URL]")
def migrate(database_url: str | None) -> None:
    """Brings the database to the newest schema."""
    from bridgx_server.store.migrations import migrate as apply

    store = open_store(database_url)
    for name in apply(store):
        click.echo(f"applied {name}")
    click.echo("the database is up to date")


@main.group()
def account() -> None:
    """Cloud accounts, written into the database directly."""


@account.command("add")
@click.option("--database-url", default=None, metavar="VALUE", help="The database. [env BRIDGX_DATABASE_URL]")
@click.option("--provider", required=True, help="AlibabaCloud, HuaweiCloud, TencentCloud, BaiduCloud or AWSCloud.")
@click.option("--name", required=True, help="What people call the account.")
@click.option("--access-key", required=True, help="Its access key.")
@click.option("--project-id", default="", help="HuaweiCloud: its project; empty: looked up in each region.")
@click.option(
    "--ambient", is_flag=True, help="No secret: the identity of the server's machine; the key is a mere name."
)
@click.option(
    "--secret-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A file with the secret."
)
def account_add(
    database_url: str | None,
    provider: str,
    name: str,
    access_key: str,
    project_id: str,
    ambient: bool,
    secret_file: Path | None,
) -> None:
    """Registers an account. The secret is read from a file, or asked for.

    The cloud is asked first, as by the API: what it does not accept is refused; a cloud that is away is no reason to.
    """
    from bridgx_server.errors import BridgXError
    from bridgx_server.identities.command import COMMAND_LINE, by_command_line
    from bridgx_server.providers.base import Credentials
    from bridgx_server.providers.errors import ProviderError
    from bridgx_server.providers.registry import ADAPTERS, ProviderRegistry
    from bridgx_server.provisioning import accounts
    from bridgx_server.store.audit import Resource

    if provider not in ADAPTERS:
        raise click.ClickException(f"provider: must be one of {', '.join(ADAPTERS)}")
    settings = _logging_settings(database_url)
    store, keyring = open_store(settings.database_url), _keyring(settings)
    secret = "" if ambient else _secret(secret_file)
    credentials = Credentials(provider, access_key, secret, project_id, ambient)
    clouds = accounts.AccountClouds(store, keyring, ProviderRegistry(settings.provider_settings()))
    try:
        with by_command_line("account add", store, Resource("account", access_key)):
            account = accounts.add(store, keyring, clouds, credentials, name, COMMAND_LINE)
    except BridgXError as error:
        raise click.ClickException(error.message) from None
    except ProviderError as error:
        raise click.ClickException(error.told) from None
    click.echo(f"registered {access_key} of {provider}")
    if account.shared:
        click.echo(
            f"warning: another registered account is the same account at {provider}, {account.cloud_account_id}: each sees the"
            " other's machines at the cloud",
            err=True,
        )


@account.command("update")
@click.option("--database-url", default=None, metavar="VALUE", help="The database. [env BRIDGX_DATABASE_URL]")
@click.option("--provider", required=True, help="The cloud.")
@click.option("--access-key", required=True, help="The access key that the account is registered with.")
@click.option(
    "--new-access-key", default="", help="The access key to use at the cloud from now on; default: as before."
)
@click.option("--name", default="", help="What people call it from now on.")
@click.option("--ambient", is_flag=True, help="Use the identity of the server's machine instead of a secret.")
@click.option("--only-name", is_flag=True, help="Change the name alone; no secret is asked for.")
@click.option(
    "--secret-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A file with the new secret."
)
def account_update(
    database_url: str | None,
    provider: str,
    access_key: str,
    new_access_key: str,
    name: str,
    ambient: bool,
    only_name: bool,
    secret_file: Path | None,
) -> None:
    """Exchanges an account's secret, while tasks run. The cloud is asked first: the old one stays unless it accepts."""
    from bridgx_server.errors import BridgXError
    from bridgx_server.identities.command import by_command_line
    from bridgx_server.providers.errors import ProviderError
    from bridgx_server.providers.registry import ProviderRegistry
    from bridgx_server.provisioning import accounts
    from bridgx_server.store.audit import Resource
    from bridgx_server.store.scope import EVERYTHING

    settings = _logging_settings(database_url)
    store, keyring = open_store(settings.database_url), _keyring(settings)
    clouds = accounts.AccountClouds(store, keyring, ProviderRegistry(settings.provider_settings()))
    secret = "" if ambient or only_name else _secret(secret_file)
    try:
        with by_command_line("account update", store, Resource("account", access_key)):
            accounts.update(
                store,
                EVERYTHING,
                keyring,
                clouds,
                provider=provider,
                access_key=access_key,
                name=name,
                secret=secret,
                new_key=new_access_key,
                ambient=ambient,
            )
    except (BridgXError, ProviderError) as error:
        raise click.ClickException(error.message) from None
    click.echo(f"updated {access_key} of {provider}")


@account.command("list")
@click.option("--database-url", default=None, metavar="VALUE", help="The database. [env BRIDGX_DATABASE_URL]")
def account_list(database_url: str | None) -> None:
    """Lists the registered accounts."""
    from bridgx_server.store import accounts
    from bridgx_server.store.paging import PageOf
    from bridgx_server.store.scope import EVERYTHING

    store = open_store(database_url)
    number = 1
    while True:
        page = accounts.page(store, EVERYTHING, "", PageOf.asked(number, 50))
        for row in page.rows:
            click.echo(f"{row.provider:14} {row.access_key:30} {row.name}")
        if number * page.size >= page.total:
            return
        number += 1


@account.command("remove")
@click.option("--database-url", default=None, metavar="VALUE", help="The database. [env BRIDGX_DATABASE_URL]")
@click.option("--provider", required=True, help="The cloud.")
@click.option("--access-key", required=True, help="The account's access key.")
def account_remove(database_url: str | None, provider: str, access_key: str) -> None:
    """Forgets an account that no cluster and no network uses."""
    from bridgx_server.errors import BridgXError
    from bridgx_server.identities.command import by_command_line
    from bridgx_server.store import accounts
    from bridgx_server.store.audit import Resource
    from bridgx_server.store.scope import EVERYTHING

    store = open_store(database_url)
    try:
        with by_command_line("account remove", store, Resource("account", access_key)):
            accounts.remove(store, EVERYTHING, provider, access_key)
    except BridgXError as error:
        raise click.ClickException(error.message) from None
    click.echo(f"removed {access_key} of {provider}")


def _secret(file: Path | None) -> str:
    secret = file.read_text().strip() if file else str(click.prompt("Secret", hide_input=True))
    if not secret:
        raise click.ClickException("the secret is empty")
    return secret


def _logging_settings(database_url: str | None) -> Settings:
    """The settings of a command that asks a cloud: its SDK must not log requests."""
    from bridgx_server import logs

    settings = settings_of({"database_url": database_url})
    logs.set_up(settings.log_level, settings.log_format)
    return settings


def _keyring(settings: Settings) -> Keyring:
    return keyring_of(settings)


def _parts(settings: Settings) -> Parts:
    from bridgx_server import crashes, logs
    from bridgx_server.server import Parts
    from bridgx_server.store.failures import DATABASE_FAILURES
    from bridgx_server.store.migrations import SchemaOutdated, require_current

    logs.set_up(settings.log_level, settings.log_format)
    crashes.guard()
    store, keyring = open_store(settings.database_url), _keyring(settings)
    try:
        require_current(store)
        tokens = settings.token_table()
    except (SchemaOutdated, ValueError, OSError) as error:
        raise click.ClickException(str(error)) from None
    except DATABASE_FAILURES as error:
        raise click.ClickException(f"the database cannot be reached: {error}") from None
    return Parts(settings, store, keyring, tokens)


def parts_of(settings: Settings) -> Parts:
    """What a command of another package works with; raises click.ClickException."""
    return _parts(settings)
