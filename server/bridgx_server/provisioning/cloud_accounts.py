"""Asks the clouds whose the registered access keys are: :mod:`bridgx_server.store.cloud_accounts` says what for."""

from __future__ import annotations

import structlog

from bridgx_server.providers.base import Provider
from bridgx_server.providers.errors import ProviderError, Retry
from bridgx_server.scaling.engine import Clouds
from bridgx_server.store import cloud_accounts
from bridgx_server.store.database import Store

log = structlog.get_logger("bridgx.accounts")


def told_by(provider: Provider) -> str:
    """The cloud's own id of the account of credentials; empty where it does not tell, now or ever."""
    try:
        return provider.cloud_account_id()
    except ProviderError as error:
        log.warning("the cloud does not tell whose a key is", cloud=provider.name, error_class=error.kind.value)
        return ""


def learn(store: Store, clouds: Clouds) -> None:
    """Asks about the accounts of which it is not known whose they are, each of them once a day."""
    for account_id in cloud_accounts.to_ask(store):
        try:
            told = clouds.provider(account_id).cloud_account_id()
        except ProviderError as error:
            log.info("the cloud does not tell whose a key is", account_id=account_id, error_class=error.kind.value)
            if error.traits.retry is not Retry.NEVER:
                continue  # it may tell next time
            told = ""
        cloud_accounts.learnt(store, account_id, told)
