"""New clusters: everything that a template names is looked up at the cloud before the template is stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from bridgx_server.errors import AlreadyExists, FieldError, InvalidFields
from bridgx_server.providers.base import CreateMachines, Provider
from bridgx_server.providers.errors import ErrorClass, ProviderError
from bridgx_server.provisioning.catalog import Catalog
from bridgx_server.provisioning.once import Attempt
from bridgx_server.scaling.engine import Clouds
from bridgx_server.store import clusters
from bridgx_server.store.clusters import ClusterTemplate
from bridgx_server.store.database import Store
from bridgx_server.store.secrets import Keyring

DRY_TOKEN = "00000000-0000-5000-8000-000000000000"
OUR_TAGS = {"bridgx": "x" * 36, "bridgx-cluster": "1", "bridgx-task": "1", "bridgx-chunk": "x" * 36}

Answer = TypeVar("Answer")


def create(
    store: Store, keyring: Keyring, clouds: Clouds, catalog: Catalog, template: ClusterTemplate, attempt: Attempt
) -> str:
    """Checks and stores a template; returns the cluster's name.

    Raises:
        AlreadyExists: a cluster of that name exists.
        InvalidFields: what is named does not exist at the cloud, or the cloud cannot do it.
        ProviderError: the cloud could not be asked.
    """
    if clusters.exists(store, template.name):
        raise AlreadyExists("cluster", template.name)
    check(clouds.provider(template.account_id), catalog, template)
    with store.transaction():
        clusters.add(store, keyring, template, attempt.caller)
        attempt.answered(template.name)
    return template.name


def check(provider: Provider, catalog: Catalog, template: ClusterTemplate) -> None:
    """Whether all that the template names exists and fits together; raises InvalidFields with every fault found."""
    place = template.placements[0]
    account, region = template.account_id, template.region_id
    zones = catalog.zones(account, region)  # refuses an unknown region at once: nothing else can be looked up
    errors: list[FieldError] = []
    zone_known = place.zone_id in {zone.zone_id for zone in zones}
    if not zone_known:
        errors.append(FieldError("zone_id", f"{place.zone_id} is no zone of {region}"))
    else:
        types = catalog.instance_types(account, region, place.zone_id)
        if place.instance_type not in {offer.name for offer in types}:
            errors.append(FieldError("instance_type", f"{place.instance_type} is not on sale in {place.zone_id}"))
    if _found(lambda: catalog.image(account, region, template.image_id)) is None:
        errors.append(FieldError("image", f"{template.image_id} is no image that {region} has for this account"))
    errors += _check_network(provider, template, zone_known=zone_known)
    try:
        provider.check_machines(_sample(template))
    except ProviderError as error:
        if error.kind is not ErrorClass.INVALID_PARAMETER:
            raise
        errors.append(FieldError(error.field or "cluster", error.message))
    if errors:
        raise InvalidFields(errors)


def _check_network(provider: Provider, template: ClusterTemplate, *, zone_known: bool) -> list[FieldError]:
    region, place = template.region_id, template.placements[0]
    errors: list[FieldError] = []
    if not _found(lambda: provider.describe_vpcs(region, [template.vpc_id])):
        errors.append(FieldError("network_config.vpc", f"{template.vpc_id} is no VPC of this account in {region}"))
        subnets = []
    else:
        subnets = _found(lambda: provider.describe_subnets(region, template.vpc_id)) or []
        subnet = next((subnet for subnet in subnets if subnet.subnet_id == place.subnet_id), None)
        if subnet is None:
            errors.append(
                FieldError("network_config.subnet_id", f"{place.subnet_id} is no subnet of {template.vpc_id}")
            )
        elif subnet.zone_id and zone_known and subnet.zone_id != place.zone_id:
            errors.append(
                FieldError(
                    "network_config.subnet_id", f"{place.subnet_id} is in {subnet.zone_id}, not in {place.zone_id}"
                )
            )
    groups = _found(lambda: provider.describe_security_groups(region, [template.security_group_id])) or []
    if not groups:
        errors.append(
            FieldError(
                "network_config.security_group",
                f"{template.security_group_id} is no security group of this account in {region}",
            )
        )
    elif groups[0].vpc_id not in ("", template.vpc_id):
        errors.append(
            FieldError("network_config.security_group", f"{template.security_group_id} belongs to {groups[0].vpc_id}")
        )
    return errors


def _found(look: Callable[[], Answer]) -> Answer | None:
    """What a lookup finds; an id that the cloud refuses as malformed is one that does not exist."""
    try:
        return look()
    except ProviderError as error:
        if error.kind in (ErrorClass.NOT_FOUND, ErrorClass.INVALID_PARAMETER):
            return None
        raise


def _sample(template: ClusterTemplate) -> CreateMachines:
    place = template.placements[0]
    return CreateMachines(
        region_id=template.region_id,
        zone_id=place.zone_id,
        instance_type=place.instance_type,
        image_id=template.image_id,
        vpc_id=template.vpc_id,
        subnet_id=place.subnet_id,
        security_group_id=template.security_group_id,
        count=1,
        token=DRY_TOKEN,
        name="bridgx",
        password=template.password,
        system_disk=template.system_disk,
        data_disks=template.data_disks,
        charge=template.charge,
        bandwidth_mbps=template.bandwidth_mbps,
        internet_charge_type=template.internet_charge_type,
        tags={**template.tags, **OUR_TAGS},
    )
