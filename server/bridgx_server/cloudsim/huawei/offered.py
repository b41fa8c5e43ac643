"""The calls that tell what ECS and IMS offer."""

from __future__ import annotations

from typing import Any

from bridgx_server.cloudsim.catalog import ImageOffer, TypeOffer
from bridgx_server.cloudsim.core import SimCloud
from bridgx_server.cloudsim.front import Call
from bridgx_server.cloudsim.huawei.errors import bad
from bridgx_server.cloudsim.huawei.offers import PERFORMANCE
from bridgx_server.cloudsim.huawei.shapes import after_marker, chosen

FLAVORS = 1000  # rows a page unless a limit is given
IMAGES = 500


def list_zones(call: Call, cloud: SimCloud) -> dict[str, Any]:
    zones = [
        {
            "availability_zone_id": zone,
            "alias": f"可用区{number}",
            "type": "Core",
            "mode": "shared",
            "category": 0,
            "public_border_group": "center",
            "az_group_ids": [],
        }
        for number, zone in enumerate(cloud.catalog.zones[call.region], 1)
    ]
    return {"availability_zones": zones}


def list_flavors(call: Call, cloud: SimCloud) -> dict[str, Any]:
    """With a zone: only the types that it sells now. Without: all, with their state in each zone."""
    parameters = call.parameters
    zone = parameters.get("availability_zone", "")
    if zone and zone not in cloud.catalog.zones[call.region]:
        raise bad(f"availability_zone {zone} is invalid.")
    rows = [
        _flavor(offer, states)
        for offer in cloud.catalog.types.values()
        if parameters.get("flavor_id", offer.name) == offer.name
        for states in (_states(offer, call.region, cloud),)
        if not zone or states[zone] == "normal"
    ]
    return {"flavors": after_marker(rows, parameters, FLAVORS)}


def _states(offer: TypeOffer, region: str, cloud: SimCloud) -> dict[str, str]:
    states = {}
    for zone in cloud.catalog.zones[region]:
        states[zone] = "normal" if offer in cloud.catalog.types_in(zone) else "abandon"
        if states[zone] == "normal" and cloud.left_in_stock(zone, offer.name) < 1:
            states[zone] = "sellout"
    return states


def _flavor(offer: TypeOffer, states: dict[str, str]) -> dict[str, Any]:
    return {
        "id": offer.name,
        "name": offer.name,
        "vcpus": str(offer.cores),
        "ram": int(offer.memory_gib * 1024),
        "disk": "0",
        "swap": "",
        "links": [],
        "OS-FLV-EXT-DATA:ephemeral": 0,
        "rxtx_factor": 1,
        "OS-FLV-DISABLED:disabled": False,
        "rxtx_quota": None,
        "rxtx_cap": None,
        "os-flavor-access:is_public": True,
        "os_extra_specs": {
            "ecs:performancetype": PERFORMANCE[offer.family[0]],
            "ecs:generation": offer.family,
            "ecs:virtualization_env_types": "CloudCompute",
            "resource_type": offer.family,
            "cond:operation:status": "abandon",
            "cond:operation:az": ",".join(f"{zone}({state})" for zone, state in states.items()),
        },
    }


def list_images(call: Call, cloud: SimCloud) -> dict[str, Any]:
    rows = [_image(image) for image in cloud.catalog.images[call.region].values()]
    return {"images": after_marker(chosen(rows, call.parameters), call.parameters, IMAGES)}


def _image(image: ImageOffer) -> dict[str, Any]:
    return {
        "id": image.image_id,
        "name": image.name,
        "status": "active",
        "visibility": "public",
        "protected": True,
        "min_disk": 40,
        "min_ram": 0,
        "disk_format": "zvhd2",
        "container_format": "bare",
        "virtual_env_type": "FusionCompute",
        "created_at": "2025-01-01T00:00:00Z",
        "updated_at": "2025-01-01T00:00:00Z",
        "owner": "1bed856811654c1cb661a6ca845ebc77",
        "tags": [],
        "__imagetype": "gold",
        "__isregistered": "true",
        "__os_type": image.os_type.capitalize(),
        "__os_bit": "64",
        "__os_version": image.name.rpartition(" ")[0],
        "__platform": image.platform,
        "__support_kvm": "true",
    }
