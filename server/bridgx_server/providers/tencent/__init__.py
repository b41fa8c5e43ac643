"""Tencent Cloud: CVM machines, VPCs, subnets and security groups, on tencentcloud-sdk-python-cvm and -vpc."""

from __future__ import annotations

from bridgx_server.providers.base import Credentials, Provider, ProviderSettings
from bridgx_server.providers.tencent.provider import TencentProvider
from bridgx_server.providers.tencent.rates import RATES

__all__ = ["RATES", "TencentProvider", "connect"]


def connect(credentials: Credentials, settings: ProviderSettings) -> Provider:
    """The adapter of one account; calls nothing."""
    return TencentProvider(credentials, settings)
