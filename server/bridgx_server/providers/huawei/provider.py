"""The Provider of one Huawei account."""

from __future__ import annotations

from bridgx_server.providers.base import Credentials, Limits, ProviderSettings
from bridgx_server.providers.huawei.calls import Calls
from bridgx_server.providers.huawei.catalog import Catalog
from bridgx_server.providers.huawei.deletion import Deletions
from bridgx_server.providers.huawei.errors import PROVIDER
from bridgx_server.providers.huawei.jobs import Jobs
from bridgx_server.providers.huawei.machines import DELETE, DESCRIBE, PURCHASE
from bridgx_server.providers.huawei.networks import Networks

# 100 machines a create: `count` of the SDK's create calls. 100 ids a describe: the advice of "Query details about
# ECSs" for the length of its URL. 1,000 a delete: "Delete ECSs". A create is refused as a whole or accepted as a whole;
# the subnet's mask may be 28 at most ("Create a subnet" of the VPC API reference).
# What releasing costs: "Unsubscribing from Yearly/Monthly Resources" of the BSS API reference.
LIMITS = Limits(
    create_batch=PURCHASE,
    describe_batch=DESCRIBE,
    delete_batch=DELETE,
    network_tokens=False,
    tokens=True,
    partial_delivery=False,
    subnet_prefix=(16, 28),
    create_api="CreatePostPaidServers",  # one of the two; prepaid machines wait for their turn on the way
    delete_api="DeleteServers",
    prepaid_release="It is unsubscribed from at Huawei's billing centre and deleted: within five days of its purchase the price "
    "comes back in full as a rule, later what was used and a fee are kept; disks bought with it go along.",
)


class HuaweiProvider(Catalog, Networks, Deletions):
    """All methods of :class:`bridgx_server.providers.base.Provider`."""

    name = PROVIDER
    limits = LIMITS

    def __init__(self, credentials: Credentials, settings: ProviderSettings) -> None:
        self._calls = Calls(credentials, settings)
        self._jobs = Jobs(self._calls)
