"""Regions, zones, machine types and images."""

from __future__ import annotations

from typing import Any

from bridgx_server.providers.baidu import words
from bridgx_server.providers.baidu.calls import Calls, is_id, pages, rows_in
from bridgx_server.providers.baidu.errors import PROVIDER
from bridgx_server.providers.base import Image, InstanceType, Region, Zone
from bridgx_server.providers.errors import ErrorClass, ProviderError


class Catalog:
    """The part of a Provider that tells what can be had."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def cloud_account_id(self) -> str:
        # Only STS's sessionToken names a `userId`, beside a temporary key that works. Whether that is the account or one of
        # its sub-users is unverified, so it is not asked for.
        return ""

    def list_regions(self) -> list[Region]:
        # From a table, but an account that cannot call is told so here as on every cloud.
        self.list_zones(words.REGIONS[0].region_id)
        return list(words.REGIONS)

    def list_zones(self, region_id: str) -> list[Zone]:
        body = self._calls.bcc(region_id, "list_zones")
        rows = rows_in("list_zones", body, "zones")
        return [Zone(row["zoneName"], words.zone_name(row["zoneName"])) for row in rows]

    def list_instance_types(self, region_id: str, zone_id: str) -> list[InstanceType]:
        body = self._calls.bcc(region_id, "list_flavor_spec", zone_name=zone_id)
        types: dict[str, InstanceType] = {}
        for resource in rows_in("list_flavor_spec", body, "zoneResources"):
            if resource.get("zoneName") != zone_id:
                continue
            for group in (resource.get("bccResources") or {}).get("flavorGroups") or ():
                for flavor in group.get("flavors") or ():
                    types[flavor["spec"]] = InstanceType(
                        family=flavor.get("specId") or group.get("groupId") or "",
                        name=flavor["spec"],
                        cores=int(flavor["cpuCount"]),
                        memory_gib=float(flavor["memoryCapacityInGB"]),
                    )
        return list(types.values())

    def list_images(self, region_id: str) -> list[Image]:
        rows = pages(self._calls.bcc, region_id, "list_images", "images", image_type="All")
        return [_image(row) for row in rows if _usable(row)]

    def find_image(self, region_id: str, image_id: str) -> Image | None:
        if not is_id(image_id):
            return None
        try:
            body = self._calls.bcc(region_id, "get_image", image_id)
        except ProviderError as error:
            if error.kind is ErrorClass.NOT_FOUND:
                return None
            raise
        row = body.get("image")
        if not row:
            raise ProviderError(
                ErrorClass.UNAVAILABLE, "the answer lacks the image", provider=PROVIDER, operation="get_image"
            )
        return _image(row) if _usable(row) else None


def _usable(row: dict[str, Any]) -> bool:
    return str(row.get("status", "Available")) == "Available"


def _image(row: dict[str, Any]) -> Image:
    system = " ".join(part for part in (row.get("osName"), row.get("osVersion"), row.get("osArch")) if part)
    return Image(
        image_id=row["id"],
        os_type="windows" if "windows" in f"{row.get('osType')} {row.get('osName')}".lower() else "linux",
        os_name=system or row.get("name") or row["id"],
    )
