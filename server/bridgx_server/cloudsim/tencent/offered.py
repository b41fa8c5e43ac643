"""What can be had: regions, zones, machine types and images, as CVM lists them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bridgx_server.cloudsim.catalog import ImageOffer
from bridgx_server.cloudsim.core import SimCloud
from bridgx_server.cloudsim.errors import Kind, SimError
from bridgx_server.cloudsim.front import Call
from bridgx_server.cloudsim.tencent.shapes import ids_or_filters, iso, matches, page

CHARGE_TYPES = ("PREPAID", "POSTPAID_BY_HOUR")
TYPE_FILTERS = ("zone", "instance-family", "instance-type", "instance-charge-type", "sort-keys")
IMAGE_FILTERS = ("image-id", "image-type", "image-name", "platform", "tag-key", "tag-value")
IMAGES_MADE_AT = 1_600_732_800.0
_NUMERALS = "零一二三四五六七八九"


def describe_regions(call: Call, cloud: SimCloud) -> dict[str, Any]:
    rows = [
        {"Region": region, "RegionName": name, "RegionState": "AVAILABLE"}
        for region, name in cloud.catalog.regions.items()
    ]
    return {"TotalCount": len(rows), "RegionSet": rows}


def describe_zones(call: Call, cloud: SimCloud) -> dict[str, Any]:
    city = cloud.catalog.regions[call.region].partition("(")[2].rstrip(")")
    rows = [
        {
            "Zone": zone,
            "ZoneName": f"{city}{_NUMERALS[int(zone.rsplit('-', 1)[1])]}区",
            "ZoneId": str(100_000 + number * 100 + int(zone.rsplit("-", 1)[1])),
            "ZoneState": "AVAILABLE",
        }
        for number, region in enumerate(cloud.catalog.regions)
        if region == call.region
        for zone in cloud.catalog.zones[region]
    ]
    return {"TotalCount": len(rows), "ZoneSet": rows}


def describe_types(call: Call, cloud: SimCloud) -> dict[str, Any]:
    """DescribeZoneInstanceConfigInfos: in one answer, without pages."""
    _, filters = ids_or_filters(
        call.parameters, "", TYPE_FILTERS, both="InvalidParameter", unknown="InvalidFilter", most_values=100
    )
    filters = [(name, values) for name, values in filters if name != "sort-keys"]
    rows = []
    for zone in cloud.catalog.zones[call.region]:
        for offer in cloud.catalog.types_in(zone):
            sold_out = cloud.left_in_stock(zone, offer.name) == 0
            for charge in CHARGE_TYPES:
                values: dict[str, str | Sequence[str]] = {
                    "zone": zone,
                    "instance-family": offer.family,
                    "instance-type": offer.name,
                    "instance-charge-type": charge,
                }
                if matches(filters, values, {}):
                    rows.append(
                        {
                            "Zone": zone,
                            "InstanceType": offer.name,
                            "InstanceFamily": offer.family,
                            "InstanceChargeType": charge,
                            "TypeName": f"Standard {offer.family}",
                            "Cpu": offer.cores,
                            "Memory": int(offer.memory_gib),
                            "Status": "SOLD_OUT" if sold_out else "SELL",
                            "StatusCategory": "WithoutStock" if sold_out else "EnoughStock",
                            "SoldOutReason": "",
                            "NetworkCard": 0,
                            "LocalDiskTypeList": [],
                            "Externals": {},
                        }
                    )
    return {"InstanceTypeQuotaSet": rows}


def describe_images(call: Call, cloud: SimCloud) -> dict[str, Any]:
    parameters = call.parameters
    wanted, filters = ids_or_filters(
        parameters,
        "ImageIds",
        IMAGE_FILTERS,
        both="InvalidParameter.InvalidParameterCoexistImageIdsFilters",
        unknown="InvalidFilter",
    )
    offered = cloud.catalog.images[call.region]
    for image_id in wanted or ():
        if image_id not in offered:
            raise SimError(Kind.NOT_FOUND, f"The image {image_id} does not exist.", subject="image", ids=(image_id,))
    rows = [
        image
        for image in offered.values()
        if (wanted is None or image.image_id in wanted)
        and matches(
            filters,
            {
                "image-id": image.image_id,
                "image-type": "PUBLIC_IMAGE",
                "image-name": image.name,
                "platform": image.platform,
            },
            {},
        )
    ]
    return {"TotalCount": len(rows), "ImageSet": [_image(image) for image in page(rows, parameters)]}


def _image(image: ImageOffer) -> dict[str, Any]:
    return {
        "ImageId": image.image_id,
        "ImageName": image.name,
        "ImageDescription": image.name,
        "ImageType": "PUBLIC_IMAGE",
        "ImageState": "NORMAL",
        "ImageSource": "OFFICIAL",
        "ImageCreator": "tencent",
        "ImageSize": 20,
        "OsName": image.name,
        "Platform": image.platform,
        "Architecture": "x86_64",
        "CreatedTime": iso(IMAGES_MADE_AT),
        "SyncPercent": 100,
        "IsSupportCloudinit": True,
        "LicenseType": "TencentCloud",
        "SnapshotSet": [],
        "Tags": [],
    }


ACTIONS: Mapping[str, Callable[[Call, SimCloud], dict[str, Any]]] = {
    "DescribeRegions": describe_regions,
    "DescribeZones": describe_zones,
    "DescribeZoneInstanceConfigInfos": describe_types,
    "DescribeImages": describe_images,
}
