"""The registered accounts as adapters."""

from __future__ import annotations

import functools
import threading
from dataclasses import replace
from typing import Any, cast

from bridgx_server.errors import Conflict, InvalidField, NotFound, PermissionDenied
from bridgx_server.providers.base import Credentials, Provider
from bridgx_server.providers.errors import ErrorClass, ProviderError
from bridgx_server.providers.registry import AMBIENT, ProviderRegistry
from bridgx_server.provisioning.cloud_accounts import told_by
from bridgx_server.provisioning.once import Attempt
from bridgx_server.scaling.engine import Template
from bridgx_server.store import accounts, cloud_accounts, clusters, instances, networks
from bridgx_server.store.accounts import Account, AccountChange
from bridgx_server.store.database import Store
from bridgx_server.store.scope import EVERYTHING, AccountName, Scope
from bridgx_server.store.secrets import Keyring, SecretUnreadable

SHORTEST_SECRET = 16  # characters, as account_service.proto has it: AWS's have 40, Baidu's 32, and its SDK needs 16


class AccountClouds:
    """Adapters by account number."""

    def __init__(self, store: Store, keyring: Keyring, registry: ProviderRegistry) -> None:
        self._store = store
        self._keyring = keyring
        self._registry = registry
        self._used: dict[int, Credentials] = {}
        self._lock = threading.Lock()

    def provider(self, account_id: int) -> Provider:
        """The adapter of an account.

        A call that the cloud refuses for credentials which have been exchanged meanwhile is made again with the new ones:
        it may have waited for its turn, or been under way, when the old ones were withdrawn.

        Raises:
            ProviderError: BAD_CREDENTIALS when the account is gone or its secret cannot be read.
        """
        credentials = self._stored(account_id)
        return cast(Provider, _Following(self, account_id, credentials, self._adapter(account_id, credentials)))

    def successor(self, account_id: int, used: Credentials) -> Provider | None:
        """The adapter with what is stored now, None where that is what was used; raises ProviderError."""
        credentials = self._stored(account_id)
        return None if credentials == used else self._adapter(account_id, credentials)

    def _stored(self, account_id: int) -> Credentials:
        try:
            return accounts.credentials_of(self._store, self._keyring, account_id)
        except (NotFound, SecretUnreadable) as error:
            raise ProviderError(ErrorClass.BAD_CREDENTIALS, str(error)) from None

    def _adapter(self, account_id: int, credentials: Credentials) -> Provider:
        with self._lock:
            before = self._used.get(account_id)
            self._used[account_id] = credentials
        if before is not None and before != credentials:
            self._registry.forget(before)
        return self._registry.get(credentials)

    def verified(self, credentials: Credentials) -> Provider:
        """An adapter with credentials that are not stored yet and that the cloud accepts; raises InvalidField, ProviderError."""
        provider = self.connected(credentials)
        try:
            provider.list_regions()
        except ProviderError as error:
            if error.field == "ambient":
                raise InvalidField("ambient", error.message) from None
            raise
        return provider

    def connected(self, credentials: Credentials) -> Provider:
        """An adapter with credentials that are not stored yet; the cloud is not asked."""
        return self._registry.connect(credentials)


class _Following:
    """An adapter whose calls go on with new credentials where the old ones were exchanged under way."""

    def __init__(self, clouds: AccountClouds, account_id: int, credentials: Credentials, provider: Provider) -> None:
        self._clouds = clouds
        self._account_id = account_id
        self._credentials = credentials
        self._provider = provider

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._provider, name)
        return functools.partial(self._call, name) if callable(value) else value

    def _call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        try:
            return getattr(self._provider, name)(*args, **kwargs)
        except ProviderError as error:
            if error.kind is not ErrorClass.BAD_CREDENTIALS:
                raise
            # Refused, so nothing was done; and whatever was done before carries the same token.
            successor = self._clouds.successor(self._account_id, self._credentials)
            if successor is None:
                raise
        return getattr(successor, name)(*args, **kwargs)


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
        PermissionDenied: the caller's accounts are named, and this is none of them, registered or not; or it is to be
            the identity of the server's machine.
        AlreadyExists: the access key is registered.
        InvalidField: there is no ambient identity at this cloud, or none on this machine.
        ProviderError: BAD_CREDENTIALS, when the cloud says so; CLOCK_SKEW, when it cannot say so.
    """
    if not scope.covers(AccountName(credentials.provider, credentials.access_key)):
        raise PermissionDenied(f"account {credentials.access_key} of {credentials.provider} is none of the caller's")
    check_secret(credentials)
    check_ambient(credentials)
    _check_may_be_ambient(scope, credentials)
    cloud_account_id = _verified(clouds, credentials)
    with store.transaction():
        attempt.hold()
        account = accounts.register(
            store, keyring, credentials, name=name, caller=attempt.caller, cloud_account_id=cloud_account_id
        )
        attempt.answered(account.access_key)
    cloud_accounts.warn_if_shared(store, account.id)
    return account.access_key


def add(
    store: Store, keyring: Keyring, clouds: AccountClouds, credentials: Credentials, name: str, caller: str
) -> Account:
    """The same for the command line, whose caller may do everything; raises the same."""
    check_secret(credentials)
    check_ambient(credentials)
    cloud_account_id = _verified(clouds, credentials)
    account = accounts.register(
        store, keyring, credentials, name=name, caller=caller, cloud_account_id=cloud_account_id
    )
    cloud_accounts.warn_if_shared(store, account.id)
    return accounts.by_key(store, EVERYTHING, account.provider, account.access_key)


def _verified(clouds: AccountClouds, credentials: Credentials) -> str:
    """Whose credentials these are, as far as the cloud tells; raises what it refuses them with."""
    try:
        provider = clouds.verified(credentials)
    except ProviderError as error:
        # A cloud that is away, or an account that may not list regions, is no reason to refuse.
        if error.kind in (ErrorClass.BAD_CREDENTIALS, ErrorClass.CLOCK_SKEW):
            raise
        if error.kind is not ErrorClass.PERMISSION_DENIED:
            return ""
        provider = clouds.connected(credentials)
    return told_by(provider)


def update(
    store: Store,
    scope: Scope,
    keyring: Keyring,
    clouds: AccountClouds,
    *,
    provider: str,
    access_key: str,
    name: str = "",
    secret: str = "",
    new_key: str = "",
    ambient: bool = False,
) -> Account:
    """Changes an account's name, or what it uses at the cloud: another secret, another key and secret, or the machine's
    own identity. What is empty stays. The cloud is asked first, and the old secret stays unless it accepts the new.

    Tasks go on: every call takes the credentials that are stored when it begins.

    Raises:
        NotFound: there is no such account.
        PermissionDenied: the identity of the server's machine is for callers of all accounts.
        AlreadyExists: the new access key is another account's.
        Conflict: the credentials are those of another account at the cloud.
        InvalidField: there is no ambient identity at this cloud, or none on this machine.
        ProviderError: the cloud refuses the new credentials, or cannot be asked.
    """
    account = accounts.by_key(store, scope, provider, access_key)
    wanted = AccountChange(name=name or None)
    if secret or ambient:
        key = access_key if ambient else new_key or account.cloud_key or access_key
        credentials = Credentials(provider, key, secret, account.project_id, ambient)
        check_secret(credentials)
        check_ambient(credentials)
        _check_may_be_ambient(scope, credentials)
        new = _accepted(clouds, credentials)
        told = told_by(new)
        _check_same_owner(store, account, new, told)
        wanted = replace(wanted, credentials=credentials, cloud_account_id=told)
    changed = accounts.change(store, scope, keyring, provider, access_key, wanted)
    if wanted.cloud_account_id and wanted.cloud_account_id != account.cloud_account_id:
        cloud_accounts.warn_if_shared(store, changed.id)
    return changed


def check_secret(credentials: Credentials) -> None:
    """Refuses a secret that is none of any cloud's, as the API does; raises InvalidField."""
    if not credentials.ambient and len(credentials.secret) < SHORTEST_SECRET:
        raise InvalidField(
            "account_secret",
            f"must have at least {SHORTEST_SECRET} characters: every cloud's secrets are longer; was it cut off?",
        )


def check_ambient(credentials: Credentials) -> None:
    """Refuses an ambient identity at a cloud whose SDK knows none; raises InvalidField."""
    if credentials.ambient and credentials.provider not in AMBIENT:
        raise InvalidField(
            "ambient", f"{credentials.provider} knows no identity of a machine: give an access key and its secret"
        )


def _check_may_be_ambient(scope: Scope, credentials: Credentials) -> None:
    """The machine's identity belongs to whoever runs the server, not to a tenant."""
    if credentials.ambient and scope.accounts is not None:
        raise PermissionDenied("only a caller of all accounts may use the identity of the server's machine")


def _accepted(clouds: AccountClouds, credentials: Credentials) -> Provider:
    try:
        return clouds.verified(credentials)
    except ProviderError as error:
        if error.kind is not ErrorClass.PERMISSION_DENIED:
            raise
    return clouds.connected(credentials)  # they are known there, though they may not list regions


def _check_same_owner(store: Store, account: Account, provider: Provider, told: str) -> None:
    """Refuses credentials of another account at the cloud: the account's machines would all seem to be gone.

    ``told`` is whose the cloud says that they are. Where it is not known of either, credentials that see nothing of what the
    account has are refused.
    """
    known = bool(told) and cloud_accounts.is_told(account.cloud_account_id)
    if known and told == account.cloud_account_id:
        return
    kept = instances.some_running(store, account.id)
    if known:
        kept, seen = kept or networks.some_vpcs(store, account.id), False
    elif kept:
        batch = provider.limits.describe_batch
        seen = any(provider.describe_machines(region, ids[:batch]) for region, ids in kept.items())
    else:
        kept = networks.some_vpcs(store, account.id)
        seen = any(provider.describe_vpcs(region, ids) for region, ids in kept.items())
    if kept and not seen:
        raise _another_account(account)


def _another_account(account: Account) -> Conflict:
    return Conflict(
        f"the cloud accepts these credentials, but they belong to another account there than {account.access_key}, and see"
        " nothing of what it has. Register that one beside it"
    )
