"""Huawei Cloud: ECS machines, VPCs, subnets and security groups, on the SDKs of ECS, VPC, IMS and IAM."""

from __future__ import annotations

from bridgx_server.providers.base import Credentials, Provider, ProviderSettings
from bridgx_server.providers.huawei.provider import HuaweiProvider
from bridgx_server.providers.huawei.rates import RATES

__all__ = ["RATES", "HuaweiProvider", "connect"]


def connect(credentials: Credentials, settings: ProviderSettings) -> Provider:
    """The adapter of one account; calls nothing."""
    return HuaweiProvider(credentials, settings)
