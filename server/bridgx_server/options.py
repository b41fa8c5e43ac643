"""Settings as flags of a command: one flag a setting, all of them in its help."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click
from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings

from bridgx_server.settings import Settings, default_text
from bridgx_server.store.secrets import InvalidKey

if TYPE_CHECKING:
    from bridgx_server.store.database import Store

Command = TypeVar("Command", bound=Callable[..., Any])
Kind = TypeVar("Kind", bound=BaseSettings)


def settings_options(*without: str, kind: type[BaseSettings] = Settings) -> Callable[[Command], Command]:
    """Adds a flag for every setting but those in ``without``. What is not given comes from the environment or the file."""
    prefix = kind.model_config["env_prefix"]

    def decorate(command: Command) -> Command:
        for name, field in reversed(kind.model_fields.items()):
            if name in without:
                continue
            secret = isinstance(field.default, SecretStr)
            text = f"{field.description} [{'environment only' if secret else 'env'} {prefix}{name.upper()}"
            text += f"; default {default_text(name, kind)}]"
            if secret:
                # A secret on a command line can be read by every user of the machine.
                continue
            flag = f"--{name.replace('_', '-')}"
            if field.annotation is bool:
                command = click.option(f"{flag}/--no-{name.replace('_', '-')}", name, default=None, help=text)(command)
            else:
                command = click.option(flag, name, default=None, metavar="VALUE", help=text)(command)
        return command

    return decorate


def settings_of(flags: dict[str, Any]) -> Settings:
    """The settings; raises click.ClickException that names every one that is wrong."""
    return checked(Settings, flags)


def checked(kind: type[Kind], flags: dict[str, Any]) -> Kind:
    """Settings of any kind, as :func:`settings_of`."""
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        return kind(**given)
    except (InvalidKey, OSError) as error:  # of the settings file, before anything is checked
        raise click.ClickException(f"the settings file cannot be used: {error}") from None
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, row['loc'])) or 'settings'}: {row['msg']}" for row in error.errors()]
        raise click.ClickException("wrong settings: " + "; ".join(lines)) from None


def open_store(database_url: str | None) -> Store:
    """The store of a URL, or of the settings where it is None; raises click.ClickException."""
    from bridgx_server.store.database import InvalidDatabaseUrl, Store

    try:
        return Store(settings_of({"database_url": database_url}).database_url)
    except InvalidDatabaseUrl as error:
        raise click.ClickException(str(error)) from None


def secrets_epilog() -> str:
    """What help says of the settings that have no flag."""
    rows = [
        f"BRIDGX_{name.upper()}: {field.description}"
        for name, field in Settings.model_fields.items()
        if isinstance(field.default, SecretStr)
    ]
    return "Only by environment or file, since flags can be read by everyone on the machine: " + " ".join(rows)
