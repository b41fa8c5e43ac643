"""The Provider of one Tencent Cloud account."""

from __future__ import annotations

from bridgx_server.providers.base import Credentials, Limits, ProviderSettings
from bridgx_server.providers.tencent.calls import Calls
from bridgx_server.providers.tencent.catalog import Catalog
from bridgx_server.providers.tencent.deletion import Deletions
from bridgx_server.providers.tencent.errors import PROVIDER
from bridgx_server.providers.tencent.networks import Networks
from bridgx_server.providers.tencent.specification import MOST_MACHINES

# RunInstances takes 500, but delivers all or nothing: its MinCount works only for accounts, regions and charge types that
# Tencent has allowed it to. So calls are smaller, and no part is delivered. DescribeInstances and TerminateInstances take
# 100 ids. Blocks of VPCs have a mask of 12 to 28 (16 to 28 in 192.168.0.0/16), those of subnets 16 to 28.
# What releasing costs: "Refund" of Tencent Cloud's billing documents.
LIMITS = Limits(
    create_batch=MOST_MACHINES,
    describe_batch=100,
    delete_batch=100,
    network_tokens=False,
    tokens=True,
    partial_delivery=False,
    vpc_prefix=(12, 28),
    subnet_prefix=(16, 28),
    create_api="RunInstances",
    delete_api="TerminateInstances",
    prepaid_release="It is given back by Tencent's rules of refund and deleted from the recycle bin: one machine of an account "
    "within five days of its purchase comes back in full, of others what was used is kept at today's price; vouchers are lost.",
)


class TencentProvider(Catalog, Networks, Deletions):
    """All methods of :class:`bridgx_server.providers.base.Provider`."""

    name = PROVIDER
    limits = LIMITS

    def __init__(self, credentials: Credentials, settings: ProviderSettings) -> None:
        super().__init__(Calls(credentials, settings))
