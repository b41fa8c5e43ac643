"""`bridgx keys`: the keys that seal secrets in the database."""

from __future__ import annotations

import secrets as random_source
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bridgx_server.options import open_store, settings_of

if TYPE_CHECKING:
    from bridgx_server.store.database import Store
    from bridgx_server.store.rotation import Rotation
    from bridgx_server.store.secrets import Keyring

Command = TypeVar("Command", bound=Any)

_WHERE = (
    click.option("--database-url", default=None, metavar="VALUE", help="The database. [env BRIDGX_DATABASE_URL]"),
    click.option("--secret-key-file", default=None, metavar="FILE", help="Its keys. [env BRIDGX_SECRET_KEY_FILE]"),
    click.option(
        "--secret-key-command", default=None, metavar="COMMAND", help="Prints them. [env BRIDGX_SECRET_KEY_COMMAND]"
    ),
)


def _where(command: Command) -> Command:
    for option in reversed(_WHERE):
        command = option(command)
    return command


@click.group("keys")
def keys_command() -> None:
    """The keys that seal secrets in the database: make one, list them, seal everything under the newest."""


@keys_command.command("generate")
@click.option("--id", "name", default="", metavar="ID", help="What it is called; default: a fingerprint of it.")
@click.option("--file", type=click.Path(dir_okay=False, path_type=Path), help="Put it first in this file instead.")
def generate(name: str, file: Path | None) -> None:
    """Prints a new key as `id:key`, or puts it before those of a file, which is made if there is none.

    The first key of a file seals; the others still open what they sealed.
    """
    from bridgx_server.store.keys import add_to_file, private_text
    from bridgx_server.store.secrets import KEY_BYTES, InvalidKey, Key, keys_from_text

    try:
        key = Key.of(random_source.token_bytes(KEY_BYTES), name)
        line = f"{key.id}:{key.value.hex()}"
        if file is None:
            click.echo(line)
            return
        known = keys_from_text(private_text(file), str(file)) if file.exists() else []
        if key.id in {other.id for other in known}:
            raise InvalidKey(f"{file} has a key called {key.id} already")
        add_to_file(file, line)
    except FileExistsError as error:
        raise click.ClickException(f"{error.filename} is there: another key is being added, or was cut off") from None
    except (InvalidKey, OSError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{file} now begins with key {key.id}; `bridgx keys rotate` seals everything under it")


@keys_command.command("list")
@_where
def list_keys(**flags: Any) -> None:
    """Lists the keys by id, and how many secrets each has sealed. One that has sealed none may be taken away."""
    from bridgx_server.store.rotation import counts

    with _opened(flags) as (store, keyring):
        sealed: dict[str, int] = dict.fromkeys(keyring.ids, 0)
        for written, count in sorted(counts(store).items()):
            name = keyring.name_of(written)
            sealed[name] = sealed.get(name, 0) + count
        for name, count in sealed.items():
            note = "" if name in keyring.ids else "  not among the keys here"
            click.echo(f"{name or '(none)':32} {count:8} secrets{note or _first(name == keyring.ids[0])}")


@keys_command.command("rotate")
@_where
@click.option("--batch", type=click.IntRange(1, 10_000), default=200, show_default=True, help="Rows a transaction.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
def rotate_keys(batch: int, dry_run: bool, **flags: Any) -> None:
    """Seals every secret anew under the first key, while servers run.

    Everything is opened first, and what was found is said. A run that was cut off is continued by the next. What no key
    opens is named and left as it is; the exit status is then 1.
    """
    from bridgx_server.identities.command import by_command_line
    from bridgx_server.store import rotation
    from bridgx_server.store.audit import Resource

    with _opened(flags) as (store, keyring):
        found = rotation.check(store, keyring, batch=batch)
        click.echo(f"{found.stale} secrets to seal under {keyring.ids[0]}, {found.current} are; {_rest(found)}")
        if not dry_run:

            def tell(so_far: Rotation) -> None:
                click.echo(f"  {so_far.resealed} sealed", err=True)

            with by_command_line("keys rotate", store, Resource("key", keyring.ids[0])):
                found = rotation.rotate(store, keyring, batch=batch, progress=tell)
            click.echo(f"{found.resealed} secrets sealed under {keyring.ids[0]}, {found.current} were; {_rest(found)}")
    for reason in found.unreadable:
        click.echo(f"left as it is: {reason}", err=True)
    if found.unreadable:
        raise SystemExit(1)


def _first(is_first: bool) -> str:
    return "  seals what is new" if is_first else ""


def _rest(found: Rotation) -> str:
    return f"{len(found.unreadable)} cannot be opened"


@contextmanager
def _opened(flags: dict[str, Any]) -> Iterator[tuple[Store, Keyring]]:
    """The database and its keys; raises click.ClickException."""
    from bridgx_server.opening import keyring_of
    from bridgx_server.store.failures import DATABASE_FAILURES
    from bridgx_server.store.migrations import SchemaOutdated, require_current

    settings = settings_of(flags)
    keyring, store = keyring_of(settings), open_store(settings.database_url)
    try:
        require_current(store)
        yield store, keyring
    except SchemaOutdated as error:
        raise click.ClickException(str(error)) from None
    except DATABASE_FAILURES as error:
        raise click.ClickException(f"the database cannot be reached: {error}") from None
    finally:
        store.close()
