"""Regions, zones, types and images of Alibaba Cloud."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alibabacloud_ecs20140526 import models

from bridgx_server.providers.alibaba.calls import Calls
from bridgx_server.providers.alibaba.paging import by_token, length_of, rows_in
from bridgx_server.providers.base import Image, InstanceType, Region, Zone
from bridgx_server.providers.gate import side_by_side

CATALOG_REGION = "cn-hangzhou"  # any region's endpoint lists all regions
LANGUAGE = "en-US"  # of names; the cloud's default is Chinese
TYPES_A_PAGE = 1600  # the most that DescribeInstanceTypes gives
IMAGES_A_PAGE = 100  # the most that DescribeImages gives
PAGES_AT_ONCE = 4  # calls for pages of images at a time


def cloud_account_id(calls: Calls) -> str:
    """The id of the account that a RAM user or role belongs to: STS API reference, GetCallerIdentity."""
    return str(calls.sts(CATALOG_REGION, "get_caller_identity").get("AccountId") or "")


def list_regions(calls: Calls) -> list[Region]:
    body = calls.ecs(CATALOG_REGION, "describe_regions", models.DescribeRegionsRequest(accept_language=LANGUAGE))
    return [
        Region(row.region_id, row.local_name or row.region_id)
        for row in rows_in("describe_regions", body.regions, "region")
    ]


def list_zones(calls: Calls, region_id: str) -> list[Zone]:
    request = models.DescribeZonesRequest(region_id=region_id, accept_language=LANGUAGE, verbose=False)
    body = calls.ecs(region_id, "describe_zones", request)
    return [Zone(row.zone_id, row.local_name or row.zone_id) for row in rows_in("describe_zones", body.zones, "zone")]


def list_instance_types(calls: Calls, region_id: str, zone_id: str) -> list[InstanceType]:
    """What the zone sells, joined with what a type is: neither call gives both, so both are made at once."""

    def on_sale() -> set[str]:
        return _on_sale(calls, region_id, zone_id)

    def known() -> Mapping[str, InstanceType]:
        return _types(calls, region_id)

    parts: list[Any] = side_by_side(lambda part: part(), [on_sale, known], 2)
    return [row for name, row in parts[1].items() if name in parts[0]]


def _on_sale(calls: Calls, region_id: str, zone_id: str) -> set[str]:
    request = models.DescribeAvailableResourceRequest(
        region_id=region_id,
        zone_id=zone_id,
        destination_resource="InstanceType",
        instance_charge_type="PostPaid",
        io_optimized="optimized",
    )
    body = calls.ecs(region_id, "describe_available_resource", request)
    return {
        offer.value
        for zone in rows_in("describe_available_resource", body.available_zones, "available_zone")
        for resource in (zone.available_resources.available_resource if zone.available_resources else None) or []
        for offer in (resource.supported_resources.supported_resource if resource.supported_resources else None) or []
        if offer.status == "Available"
    }


def _types(calls: Calls, region_id: str) -> Mapping[str, InstanceType]:
    # By token: where a page begins is known only when the one before it has come.
    def page(token: str | None) -> tuple[list[Any], str | None]:
        request = models.DescribeInstanceTypesRequest(max_results=TYPES_A_PAGE, next_token=token)
        body = calls.ecs(region_id, "describe_instance_types", request)
        return rows_in("describe_instance_types", body.instance_types, "instance_type"), body.next_token

    return {
        row.instance_type_id: InstanceType(
            row.instance_type_family, row.instance_type_id, int(row.cpu_core_count), float(row.memory_size)
        )
        for row in by_token("describe_instance_types", page)
    }


def list_images(calls: Calls, region_id: str) -> list[Image]:
    """All pages; those after the first are fetched a few at a time. An image that moves between pages is listed once."""

    def page(number: int) -> Any:
        request = models.DescribeImagesRequest(
            region_id=region_id, page_number=number, page_size=IMAGES_A_PAGE, status="Available"
        )
        return calls.ecs(region_id, "describe_images", request)

    first = page(1)
    pages = -(-length_of("describe_images", first) // IMAGES_A_PAGE)
    bodies = [first, *side_by_side(page, range(2, pages + 1), PAGES_AT_ONCE)]
    return list({row.image_id: _image(row) for body in bodies for row in _image_rows(body)}.values())


def find_image(calls: Calls, region_id: str, image_id: str) -> Image | None:
    request = models.DescribeImagesRequest(region_id=region_id, image_id=image_id, status="Available")
    body = calls.ecs(region_id, "describe_images", request)
    return next((_image(row) for row in _image_rows(body) if row.image_id == image_id), None)


def _image_rows(body: Any) -> list[Any]:
    return rows_in("describe_images", body.images, "image")


def _image(row: Any) -> Image:
    os_type = "windows" if str(row.ostype).lower() == "windows" else "linux"
    return Image(row.image_id, os_type, row.osname or row.image_name or row.image_id)
