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
            module = importlib.import_module(ADAPTERS[credentials.provider])
            connect = cast(ProviderFactory, module.connect)
            table: RateTable = getattr(module, "RATES", CAUTIOUS)
            gate = self._gates.gate(credentials.provider, credentials.access_key, table)
            settings = self._settings.get(credentials.provider, ProviderSettings())
            made = connect(credentials, replace(settings, gate=gate))
            with self._lock:
                self._adapters[credentials] = made
            return made
