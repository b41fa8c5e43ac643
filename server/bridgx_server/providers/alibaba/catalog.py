"""Regions, zones, types and images of Alibaba Cloud."""

from __future__ import annotations

from typing import Any

from alibabacloud_ecs20140526 import models

from bridgx_server.providers.alibaba.calls import Calls
from bridgx_server.providers.base import Image, InstanceType, Region, Zone

CATALOG_REGION = "cn-hangzhou"  # any region's endpoint lists all regions
IMAGES_A_PAGE = 100


def list_regions(calls: Calls) -> list[Region]:
    body = calls.ecs(CATALOG_REGION, "describe_regions", models.DescribeRegionsRequest())
    return [Region(row.region_id, row.local_name or row.region_id) for row in body.regions.region]


def list_zones(calls: Calls, region_id: str) -> list[Zone]:
    body = calls.ecs(region_id, "describe_zones", models.DescribeZonesRequest(region_id=region_id))
    return [Zone(row.zone_id, row.local_name or row.zone_id) for row in body.zones.zone]


def list_instance_types(calls: Calls, region_id: str, zone_id: str) -> list[InstanceType]:
    request = models.DescribeAvailableResourceRequest(
        region_id=region_id,
        zone_id=zone_id,
        destination_resource="InstanceType",
        instance_charge_type="PostPaid",
        io_optimized="optimized",
    )
    body = calls.ecs(region_id, "describe_available_resource", request)
    on_sale = {
        offer.value
        for zone in (body.available_zones.available_zone if body.available_zones else [])
        for resource in zone.available_resources.available_resource
        for offer in resource.supported_resources.supported_resource
        if offer.status == "Available"
    }
    return [known for known in _all_types(calls, region_id) if known.name in on_sale]


def _all_types(calls: Calls, region_id: str) -> list[InstanceType]:
    found: list[InstanceType] = []
    token: str | None = None
    while True:
        request = models.DescribeInstanceTypesRequest(max_results=1600, next_token=token)
        body = calls.ecs(region_id, "describe_instance_types", request)
        found.extend(
            InstanceType(
                row.instance_type_family, row.instance_type_id, int(row.cpu_core_count), float(row.memory_size)
            )
            for row in body.instance_types.instance_type
        )
        token = body.next_token
        if not token:
            return found


def list_images(calls: Calls, region_id: str) -> list[Image]:
    found: list[Image] = []
    number = 1
    while True:
        request = models.DescribeImagesRequest(
            region_id=region_id, page_number=number, page_size=IMAGES_A_PAGE, status="Available"
        )
        body = calls.ecs(region_id, "describe_images", request)
        rows = body.images.image
        found.extend(_image(row) for row in rows)
        if not rows or number * IMAGES_A_PAGE >= int(body.total_count):
            return found
        number += 1


def find_image(calls: Calls, region_id: str, image_id: str) -> Image | None:
    request = models.DescribeImagesRequest(region_id=region_id, image_id=image_id, status="Available")
    body = calls.ecs(region_id, "describe_images", request)
    return next((_image(row) for row in body.images.image if row.image_id == image_id), None)


def _image(row: Any) -> Image:
    return Image(row.image_id, str(row.ostype or "linux").lower(), row.osname or row.image_name or row.image_id)
