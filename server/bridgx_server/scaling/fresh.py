"""Networks that were made a moment ago: a cloud that denies one may only not know of it yet.

The vendors' APIs are made of parts that learn of a new thing one after the other, over seconds. So a cluster, its VPC,
subnets and security group are taken for existing until the visibility time has passed since the last of them was made.
"""

from __future__ import annotations

from collections.abc import Collection

from bridgx_server.providers.errors import ErrorClass, ProviderError
from bridgx_server.scaling.engine import Template
from bridgx_server.store import clusters, networks
from bridgx_server.store.database import Store
from bridgx_server.store.networks import Made

# The fields that name what machines are put into.
NETWORK = (
    "network_config",
    "network_config.vpc",
    "network_config.subnet_id",
    "network_config.security_group",
)
# How the reason of a machine begins that was promised, and then not made since the cloud did not know its network.
UNKNOWN = "the cloud did not know its network"


def doubted(error: ProviderError) -> bool:
    """Whether a refusal may mean that the cloud does not know yet of a network.

    A refusal that names another field does not. Some clouds call what they do not know an invalid parameter, and are
    believed only where they name the network.
    """
    if error.kind is ErrorClass.NOT_FOUND:
        return not error.field or error.field in NETWORK
    return error.kind is ErrorClass.INVALID_PARAMETER and error.field in NETWORK


def made_lately(
    store: Store, visibility: float, account_id: int, vpc_id: str, subnet_ids: Collection[str], group_id: str
) -> Made:
    """What of a network was made here within the visibility time (seconds).

    Clouds tell when a VPC was made, by clocks that are not ours: one that is ahead by more than that time counts for nothing.
    """
    now, wait = store.now(), int(visibility * 1000)
    return networks.made_lately(store, account_id, (now - wait, now + wait), vpc_id, list(subnet_ids), group_id)


def unknown_until(store: Store, visibility: float, template: Template, subnet_ids: Collection[str]) -> int:
    """Until when (ms) the cloud may not know yet of a cluster's network; a time that has passed where it surely does."""
    made = made_lately(store, visibility, template.account_id, template.vpc_id, subnet_ids, template.security_group_id)
    # A cluster is made when the cloud has shown all that it names; one of the cloud's parts has, at least.
    made_at = max(made.last_at, clusters.made_at(store, template.cluster_id))
    return made_at + int(visibility * 1000)
