"""Baidu AI Cloud: BCC machines, VPCs, subnets and security groups, on bce-python-sdk."""

from __future__ import annotations

from bridgx_server.providers.baidu.provider import BaiduProvider
from bridgx_server.providers.baidu.rates import RATES
from bridgx_server.providers.base import Credentials, Provider, ProviderSettings

__all__ = ["RATES", "BaiduProvider", "connect"]


def connect(credentials: Credentials, settings: ProviderSettings) -> Provider:
    """The adapter of one account; calls nothing."""
    return BaiduProvider(credentials, settings)
