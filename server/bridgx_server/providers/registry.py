"""Which clouds there are, and the adapters of the accounts in use.

An adapter's module, and with it the vendor's SDK, is imported when the first account of that cloud is used.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import cast

from bridgx_server.providers.base import Credentials, Provider, ProviderSettings
from bridgx_server.providers.gate import Gates, OpenGates, RateTable
from bridgx_server.providers.rates import CAUTIOUS
from bridgx_server.providers.redaction import discreet

ProviderFactory = Callable[[Credentials, ProviderSettings], Provider]

# provider → module with a function ``connect(credentials, settings) -> Provider`` and, where there are figures of the
# vendor's limits, a ``RATES`` of type RateTable
ADAPTERS: Mapping[str, str] = {
    "AlibabaCloud": "bridgx_server.providers.alibaba",
    "HuaweiCloud": "bridgx_server.providers.huawei",
    "TencentCloud": "bridgx_server.providers.tencent",
    "BaiduCloud": "bridgx_server.providers.baidu",
    "AWSCloud": "bridgx_server.providers.aws",
}

# Where the SDK can find the identity of the machine it runs on. Baidu's SDK takes an access key and a secret, nothing else.
AMBIENT = frozenset(ADAPTERS) - {"BaiduCloud"}


class ProviderRegistry:
    """Adapters by account, made once and shared by all threads."""

    def __init__(self, settings: Mapping[str, ProviderSettings] | None = None, gates: Gates | None = None) -> None:
        """``settings`` by provider; one that is absent has the defaults of :class:`ProviderSettings`.

        ``gates`` counts the calls of the accounts; without it nothing is limited.
        """
        self._settings = dict(settings or {})
        self._gates = gates or OpenGates()
        self._adapters: dict[Credentials, Provider] = {}
        self._lock = threading.Lock()
        self._import_locks = {name: threading.Lock() for name in ADAPTERS}

    def get(self, credentials: Credentials) -> Provider:
        """The adapter of an account. Slow (seconds) at the first use of a cloud, without blocking other clouds."""
        with self._lock:
            adapter = self._adapters.get(credentials)
        if adapter is not None:
            return adapter
        with self._import_locks[credentials.provider]:
            with self._lock:
                adapter = self._adapters.get(credentials)
            if adapter is not None:
                return adapter
            made = self._connect(credentials)
            with self._lock:
                self._adapters[credentials] = made
            return made

    def connect(self, credentials: Credentials) -> Provider:
        """A new adapter, which is not kept."""
        with self._import_locks[credentials.provider]:
            return self._connect(credentials)

    def forget(self, credentials: Credentials) -> None:
        """Drops the adapter of credentials that are no longer used; calls under way go on."""
        with self._lock:
            self._adapters.pop(credentials, None)

    def _connect(self, credentials: Credentials) -> Provider:
        module = importlib.import_module(ADAPTERS[credentials.provider])
        connect = cast(ProviderFactory, module.connect)
        table: RateTable = getattr(module, "RATES", CAUTIOUS)
        gate = self._gates.gate(credentials.provider, credentials.access_key, table)
        settings = self._settings.get(credentials.provider, ProviderSettings())
        return discreet(connect(credentials, replace(settings, gate=gate)), credentials)
