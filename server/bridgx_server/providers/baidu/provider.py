"""The Provider of one Baidu account."""

from __future__ import annotations

from bridgx_server.providers.baidu.calls import Calls
from bridgx_server.providers.baidu.catalog import Catalog
from bridgx_server.providers.baidu.deletion import Deletions
from bridgx_server.providers.baidu.errors import PROVIDER
from bridgx_server.providers.baidu.machines import PURCHASE
from bridgx_server.providers.baidu.networks import Networks
from bridgx_server.providers.base import Credentials, Limits, ProviderSettings

# A batch is all or nothing: when one machine of it fails, Baidu takes back all ("Create an instance" of the BCC API
# reference). 20 keeps what a single failure undoes small; the reference names no largest number. 100 ids a describe and
# a delete: "Query instances by id" and "Release instances in batch".
# What releasing costs: "Batch Unsubscribe Prepaid Instances" of the BCC API reference, and the "Refund policy" that it names.
LIMITS = Limits(
    create_batch=PURCHASE,
    describe_batch=100,
    delete_batch=100,
    tokens=True,
    partial_delivery=False,
    create_api="CreateInstanceBySpec",
    delete_api="BatchDeleteInstanceWithRelatedResource",
    prepaid_release="It is refunded by Baidu's rules of refund and deleted with its disks, as long as the account's quota of "
    "refunds lasts; what was used is kept.",
)


class BaiduProvider(Catalog, Networks, Deletions):
    """All methods of :class:`bridgx_server.providers.base.Provider`."""

    name = PROVIDER
    limits = LIMITS

    def __init__(self, credentials: Credentials, settings: ProviderSettings) -> None:
        super().__init__(Calls(credentials, settings))
