"""Regions, zones, machine types and images."""

from __future__ import annotations

import re
from typing import Any

from huaweicloudsdkecs.v2 import ListFlavorsRequest, ListServerAzInfoRequest
from huaweicloudsdkiam.v3 import KeystoneListAuthDomainsRequest, KeystoneListRegionsRequest
from huaweicloudsdkims.v2 import ListImagesRequest

from bridgx_server.providers.base import Image, InstanceType, Region, Zone
from bridgx_server.providers.huawei import words
from bridgx_server.providers.huawei.calls import Calls, pages, rows_in

FLAVORS = 1000  # rows a page, the default of "Query details about flavors"
IMAGES = 500  # rows a page, the default of "Query images"
FOR_SALE = frozenset({"normal", "obt", "promotion"})
_IN_ZONE = re.compile(r"([\w-]+)\s*\((\w+)\)")


class Catalog:
    """The part of a Provider that tells what can be had."""

    _calls: Calls

    def cloud_account_id(self) -> str:
        # An IAM user belongs to one account ("domain"), and may ask for it without any permission: IAM API reference,
        # "Querying the list of accounts accessible to an IAM user".
        asked = "keystone_list_auth_domains"
        rows = rows_in(asked, self._calls.iam(asked, KeystoneListAuthDomainsRequest()), "domains")
        return str(rows[0]["id"]) if len(rows) == 1 else ""

    def list_regions(self) -> list[Region]:
        body = self._calls.iam("keystone_list_regions", KeystoneListRegionsRequest())
        return [Region(row["id"], _name(row)) for row in rows_in("keystone_list_regions", body, "regions")]

    def list_zones(self, region_id: str) -> list[Zone]:
        body = self._calls.ecs(region_id, "list_server_az_info", ListServerAzInfoRequest())
        return [
            Zone(zone_id, row.get("alias") or words.zone_name(zone_id))
            for row in rows_in("list_server_az_info", body, "availability_zones")
            for zone_id in (row["availability_zone_id"],)
        ]

    def list_instance_types(self, region_id: str, zone_id: str) -> list[InstanceType]:
        def fetch(marker: str | None) -> list[dict[str, Any]]:
            request = ListFlavorsRequest(availability_zone=zone_id, limit=FLAVORS, marker=marker)
            return rows_in("list_flavors", self._calls.ecs(region_id, "list_flavors", request), "flavors")

        types = {
            row["id"]: InstanceType(
                family=str(row["id"]).split(".", maxsplit=1)[0],
                name=row["id"],
                cores=int(row["vcpus"]),
                memory_gib=int(row["ram"]) / 1024,
            )
            for row in pages(fetch, FLAVORS)
            if _on_sale(row.get("os_extra_specs") or {}, zone_id)
        }
        return list(types.values())

    def list_images(self, region_id: str) -> list[Image]:
        return [_image(row) for row in self._images(region_id)]

    def find_image(self, region_id: str, image_id: str) -> Image | None:
        rows = self._images(region_id, id=image_id)
        return next((_image(row) for row in rows if row["id"] == image_id), None)

    def _images(self, region_id: str, **which: str) -> list[dict[str, Any]]:
        """The images from which an ECS may be started: no data disks, no bare metal."""

        def fetch(marker: str | None) -> list[dict[str, Any]]:
            request = ListImagesRequest(
                status="active", virtual_env_type="FusionCompute", limit=IMAGES, marker=marker, **which
            )
            return rows_in("list_images", self._calls.ims(region_id, "list_images", request), "images")

        return list({row["id"]: row for row in pages(fetch, IMAGES)}.values())


def _name(region: dict[str, Any]) -> str:
    locales = region.get("locales") or {}
    return str(locales.get("zh-cn") or locales.get("en-us") or region["id"])


def _on_sale(specs: dict[str, Any], zone_id: str) -> bool:
    """A type's state in a zone: that of the zone where it has one, else that of the region, else it is sold."""
    zones = dict(_IN_ZONE.findall(specs.get("cond:operation:az") or ""))
    return zones.get(zone_id, specs.get("cond:operation:status") or "normal") in FOR_SALE


def _image(row: dict[str, Any]) -> Image:
    return Image(
        image_id=row["id"],
        os_type="windows" if str(row.get("__os_type")).lower() == "windows" else "linux",
        os_name=row.get("__os_version") or row.get("__platform") or row.get("name") or row["id"],
    )
