"""The registered accounts as adapters."""

from __future__ import annotations

from bridgx_server.errors import NotFound, PermissionDenied
from bridgx_server.providers.base import Credentials, Provider
from bridgx_server.providers.errors import ErrorClass, ProviderError
from bridgx_server.providers.registry import ProviderRegistry
from bridgx_server.provisioning.once import Attempt
from bridgx_server.scaling.engine import Template
from bridgx_server.store import accounts, clusters
from bridgx_server.store.database import Store
from bridgx_server.store.scope import AccountName, Scope
from bridgx_server.store.secrets import Keyring, SecretUnreadable


class AccountClouds:
    """Adapters by account number."""

    def __init__(self, store: Store, keyring: Keyring, registry: ProviderRegistry) -> None:
        self._store = store
        self._keyring = keyring
        self._registry = registry

    def provider(self, account_id: int) -> Provider:
        """The adapter of an account.

        Raises:
            ProviderError: BAD_CREDENTIALS when the account is gone or its secret cannot be read.
        """
        try:
            credentials = accounts.credentials_of(self._store, self._keyring, account_id)
        except (NotFound, SecretUnreadable) as error:
            raise ProviderError(ErrorClass.BAD_CREDENTIALS, str(error)) from None
        return self._registry.get(credentials)

    def verify(self, credentials: Credentials) -> None:
        """Asks the cloud whether it accepts a secret, before it is stored; raises ProviderError."""
        self._registry.get(credentials).list_regions()


class StoredTemplates:
    """The engine's view of the clusters."""

    def __init__(self, store: Store, keyring: Keyring) -> None:
        self._store = store
        self._keyring = keyring

    def template(self, cluster_id: int) -> Template:
        """The template with its password; raises NotFound, SecretUnreadable."""
        stored = clusters.get(self._store, self._keyring, cluster_id)
        return Template(
            cluster_id=cluster_id,
            cluster_name=stored.name,
            provider=stored.provider,
            account_id=stored.account_id,
            account_key=stored.account_key,
            region_id=stored.region_id,
            image_id=stored.image_id,
            vpc_id=stored.vpc_id,
            security_group_id=stored.security_group_id,
            internet_charge_type=stored.internet_charge_type,
            bandwidth_mbps=stored.bandwidth_mbps,
            charge=stored.charge,
            system_disk=stored.system_disk,
            data_disks=stored.data_disks,
            tags=stored.tags,
            placements=stored.placements,
            password=stored.password,
        )


def register(
    store: Store,
    scope: Scope,
    keyring: Keyring,
    clouds: AccountClouds,
    credentials: Credentials,
    name: str,
    attempt: Attempt,
) -> str:
    """Registers an account, if the cloud accepts its secret or cannot be asked; returns its access key.

    Raises:
        PermissionDenied: the caller's accounts are named, and this is none of them; registered or not is not told.
        AlreadyExists: the access key is registered.
        ProviderError: BAD_CREDENTIALS, when the cloud says so.
    """
    if not scope.covers(AccountName(credentials.provider, credentials.access_key)):
        raise PermissionDenied(f"account {credentials.access_key} of {credentials.provider} is none of the caller's")
    try:
        clouds.verify(credentials)
    except ProviderError as error:
        # A cloud that is away, or an account that may not list regions, is no reason to refuse.
        if error.kind is ErrorClass.BAD_CREDENTIALS:
            raise
    with store.transaction():
        if answer := attempt.answer_so_far():
            return answer
        account = accounts.register(store, keyring, credentials, name=name, caller=attempt.caller)
        attempt.answered(account.access_key)
    return account.access_key
