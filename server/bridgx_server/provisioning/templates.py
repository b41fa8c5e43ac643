"""New clusters: everything that a template names is looked up at the cloud before the template is stored."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TypeVar

from bridgx_server.errors import AlreadyExists, FieldError, InvalidFields
from bridgx_server.providers.base import CreateMachines, Provider
from bridgx_server.providers.errors import ErrorClass, ProviderError
from bridgx_server.provisioning.catalog import Catalog
from bridgx_server.provisioning.once import Attempt
from bridgx_server.provisioning.placements import Choice, Wanted
from bridgx_server.scaling import fresh
from bridgx_server.scaling.engine import Clouds
from bridgx_server.scaling.orders import DRY_TAGS, DRY_TOKEN
from bridgx_server.store import clusters
from bridgx_server.store.chunks import Placement
from bridgx_server.store.clusters import ClusterTemplate
from bridgx_server.store.database import Store
from bridgx_server.store.networks import Made
from bridgx_server.store.secrets import Keyring

Answer = TypeVar("Answer")


def create(
    store: Store,
    keyring: Keyring,
    clouds: Clouds,
    catalog: Catalog,
    template: ClusterTemplate,
    choice: Choice,
    attempt: Attempt,
    visibility: float,
) -> str:
    """Checks and stores a template with the placements of ``choice``; returns the cluster's name.

    ``visibility`` is for how long (seconds) a cloud may not show yet what was made.

    Raises:
        AlreadyExists: a cluster of that name exists.
        InvalidFields: what is named does not exist at the cloud, or the cloud cannot do it.
        ProviderError: the cloud could not be asked.
    """
    if clusters.exists(store, template.name):
        raise AlreadyExists("cluster", template.name)
    subnets = [wanted.place.subnet_id for wanted in choice.wanted]
    lately = fresh.made_lately(
        store, visibility, template.account_id, template.vpc_id, subnets, template.security_group_id
    )
    sold = check(clouds.provider(template.account_id), catalog, template, choice, lately)
    with store.transaction():
        attempt.hold()
        clusters.add(store, keyring, replace(template, placements=sold), attempt.caller)
        attempt.answered(template.name)
    return template.name


def check(
    provider: Provider, catalog: Catalog, template: ClusterTemplate, choice: Choice, lately: Made
) -> tuple[Placement, ...]:
    """Whether all that the template names exists and fits together, at each placement; returns those that are on sale.

    What was made ``lately`` is there, though the cloud may not show it yet.

    Raises InvalidFields with every fault found.
    """
    account, region = template.account_id, template.region_id
    zones = {zone.zone_id for zone in catalog.zones(account, region)}  # refuses an unknown region at once
    choice, errors = _on_sale(catalog, template, choice, zones)
    if _found(lambda: catalog.image(account, region, template.image_id)) is None:
        errors.append(FieldError("image", f"{template.image_id} is no image that {region} has for this account"))
    errors += _check_network(provider, template, choice, zones, lately)
    for wanted in choice.wanted:
        try:
            provider.check_machines(_sample(template, wanted.place))
        except ProviderError as error:
            if error.kind is not ErrorClass.INVALID_PARAMETER:
                raise
            errors.append(FieldError(_field_of(error, wanted), error.message))
    if errors:
        raise InvalidFields(list(dict.fromkeys(errors)))
    return choice.placements


def _on_sale(
    catalog: Catalog, template: ClusterTemplate, choice: Choice, zones: Collection[str]
) -> tuple[Choice, list[FieldError]]:
    """The placements without crossed ones that are not on sale, and what is wrong with the zones and types."""
    account, region = template.account_id, template.region_id
    unknown = [wanted for wanted in choice.wanted if wanted.place.zone_id not in zones]
    errors = [FieldError(wanted.zone_field, f"{wanted.place.zone_id} is no zone of {region}") for wanted in unknown]
    unsold = [
        wanted
        for wanted in choice.wanted
        if wanted not in unknown
        and wanted.place.instance_type
        not in {offer.name for offer in catalog.instance_types(account, region, wanted.place.zone_id)}
    ]
    left = choice.without(unsold) if choice.crossed else choice
    for wanted in unsold:
        place = wanted.place
        if not choice.crossed or not any(place.instance_type == other.instance_type for other in left.placements):
            errors.append(FieldError(wanted.type_field, f"{place.instance_type} is not on sale in {place.zone_id}"))
        elif not any(place.zone_id == other.zone_id for other in left.placements):
            errors.append(FieldError(wanted.zone_field, f"{place.zone_id} sells none of the instance types"))
    return (choice if errors else left), errors


def _field_of(error: ProviderError, wanted: Wanted) -> str:
    """The field of the request that the cloud's adapter refuses."""
    own = {
        "zone_id": wanted.zone_field,
        "network_config.subnet_id": wanted.subnet_field,
        "instance_type": wanted.type_field,
    }
    return own.get(error.field, error.field) or "cluster"


def _check_network(
    provider: Provider, template: ClusterTemplate, choice: Choice, zones: Collection[str], lately: Made
) -> list[FieldError]:
    region = template.region_id
    errors: list[FieldError] = []
    shown = _found(lambda: provider.describe_vpcs(region, [template.vpc_id]))
    if not shown and lately.vpc is None:
        errors.append(FieldError("network_config.vpc", f"{template.vpc_id} is no VPC of this account in {region}"))
    else:
        subnets = _found(lambda: provider.describe_subnets(region, template.vpc_id)) or []
        # Of one that the cloud does not show yet it is not known whether it belongs to a zone.
        zone_of = {**dict.fromkeys(lately.subnets, ""), **{subnet.subnet_id: subnet.zone_id for subnet in subnets}}
        for wanted in choice.wanted:
            place = wanted.place
            zone = zone_of.get(place.subnet_id)
            if zone is None:
                errors.append(FieldError(wanted.subnet_field, f"{place.subnet_id} is no subnet of {template.vpc_id}"))
            elif zone and place.zone_id in zones and zone != place.zone_id:
                where = f"{place.subnet_id} is in {zone}, not in {place.zone_id}"
                errors.append(FieldError(wanted.subnet_field, where))
    groups = _found(lambda: provider.describe_security_groups(region, [template.security_group_id])) or []
    vpcs = [group.vpc_id for group in (*groups, lately.group) if group is not None]
    if not vpcs:
        errors.append(
            FieldError(
                "network_config.security_group",
                f"{template.security_group_id} is no security group of this account in {region}",
            )
        )
    elif vpcs[0] not in ("", template.vpc_id):
        errors.append(FieldError("network_config.security_group", f"{template.security_group_id} belongs to {vpcs[0]}"))
    return errors


def _found(look: Callable[[], Answer]) -> Answer | None:
    """What a lookup finds; an id that the cloud refuses as malformed is one that does not exist."""
    try:
        return look()
    except ProviderError as error:
        if error.kind in (ErrorClass.NOT_FOUND, ErrorClass.INVALID_PARAMETER):
            return None
        raise


def _sample(template: ClusterTemplate, place: Placement) -> CreateMachines:
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
        tags={**template.tags, **DRY_TAGS},
    )
