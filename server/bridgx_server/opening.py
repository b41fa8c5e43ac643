"""Keys as the commands open them: what is wrong with the settings is told in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from bridgx_server.settings import Settings
    from bridgx_server.store.secrets import Keyring


def keyring_of(settings: Settings) -> Keyring:
    """The keys, without which nothing is started; raises click.ClickException."""
    from bridgx_server.store.secrets import InvalidKey

    try:
        keyring = settings.keyring()
    except (InvalidKey, OSError) as error:
        raise click.ClickException(f"the secret key cannot be used: {error}") from None
    if keyring is None:
        raise click.ClickException(
            "no secret key is set, so secrets could not be sealed: make one with `bridgx keys generate` and give it as"
            " BRIDGX_SECRET_KEY, --secret-key-file or --secret-key-command"
        )
    return keyring
