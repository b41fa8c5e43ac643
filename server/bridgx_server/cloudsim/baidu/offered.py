"""The calls that tell what BCC offers."""

from __future__ import annotations

from typing import Any

from bridgx_server.cloudsim.baidu.errors import bad
from bridgx_server.cloudsim.baidu.shapes import page, split
from bridgx_server.cloudsim.catalog import ImageOffer, TypeOffer
from bridgx_server.cloudsim.core import SimCloud
from bridgx_server.cloudsim.errors import Kind, SimError
from bridgx_server.cloudsim.front import Call


def describe_regions(call: Call, cloud: SimCloud) -> dict[str, Any]:
    wanted = call.parameters.get("region", "")
    return {
        "regions": [
            {"regionId": region, "regionName": name, "regionEndpoint": f"bcc.{region}.baidubce.com"}
            for region, name in cloud.catalog.regions.items()
            if wanted in ("", region)
        ]
    }


def list_zones(call: Call, cloud: SimCloud) -> dict[str, Any]:
    return {"zones": [{"zoneName": zone} for zone in cloud.catalog.zones[call.region]]}


def list_flavors(call: Call, cloud: SimCloud) -> dict[str, Any]:
    parameters = call.parameters
    specs, families = split(parameters.get("specs", "")), split(parameters.get("specIds", ""))
    resources = []
    for zone in cloud.catalog.zones[call.region]:
        if parameters.get("zoneName", zone) != zone:
            continue
        groups: dict[str, list[dict[str, Any]]] = {}
        for offer in cloud.catalog.types_in(zone):
            if (not specs or offer.name in specs) and (not families or offer.family in families):
                groups.setdefault(offer.family, []).append(_flavor(offer))
        resources.append(
            {
                "zoneName": zone,
                "bccResources": {
                    "flavorGroups": [{"groupId": family, "flavors": flavors} for family, flavors in groups.items()]
                },
                "ebcResources": {"customFlavors": [], "flavorGroups": []},
            }
        )
    return {"zoneResources": resources}


def list_type_zones(call: Call, cloud: SimCloud) -> dict[str, Any]:
    spec, family = call.parameters.get("spec", ""), call.parameters.get("specId", "")
    if not spec and not family:
        raise bad("spec or specId is required")
    zones = [
        zone
        for zone in cloud.catalog.zones[call.region]
        if any(spec in ("", offer.name) and family in ("", offer.family) for offer in cloud.catalog.types_in(zone))
    ]
    return {"zoneNames": zones}


def list_images(call: Call, cloud: SimCloud) -> dict[str, Any]:
    parameters = call.parameters
    images = cloud.catalog.images[call.region].values() if parameters["imageType"] in ("All", "System") else ()
    rows = [_image(image) for image in images if parameters.get("imageName", "") in image.name]
    return page(rows, parameters, "images", lambda row: str(row["id"]))


def get_image(call: Call, cloud: SimCloud) -> dict[str, Any]:
    image = cloud.image(call.region, call.parameters["imageId"])
    if image is None:
        raise SimError(Kind.NOT_FOUND, "The specified image does not exist.", subject="image")
    return {"image": _image(image)}


def _flavor(offer: TypeOffer) -> dict[str, Any]:
    return {
        "specId": offer.family,
        "spec": offer.name,
        "cpuCount": offer.cores,
        "memoryCapacityInGB": offer.memory_gib,
        "ephemeralDiskInGb": 0,
        "ephemeralDiskCount": 0,
        "ephemeralDiskType": "",
        "gpuCardType": "",
        "gpuCardCount": 0,
        "productType": "ProductBoth",
        "flavorSubType": "",
        "systemDiskType": ["hp1", "cloud_hp1", "enhanced_ssd_pl1"],
        "dataDiskType": ["hp1", "cloud_hp1", "enhanced_ssd_pl1"],
    }


def _image(image: ImageOffer) -> dict[str, Any]:
    words = image.name.removeprefix(image.platform).split()
    return {
        "id": image.image_id,
        "name": image.name,
        "type": "System",
        "status": "Available",
        "osType": image.os_type,
        "osName": image.platform,
        "osVersion": words[0],
        "osArch": "x86_64 (64bit)",
        "osBuild": words[-1],
        "osLang": "ENG",
        "desc": "",
        "minDiskGb": 40 if image.os_type == "windows" else 20,
    }
