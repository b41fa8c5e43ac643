"""Regions, zones, machine types and images."""

from __future__ import annotations

from typing import Any

from bridgx_server.providers.base import Image, InstanceType, Region, Zone
from bridgx_server.providers.errors import ErrorClass, ProviderError
from bridgx_server.providers.tencent.calls import Calls, rows_in

CATALOG_REGION = "ap-guangzhou"  # any region's service lists all regions
CHARGE_TYPE = "POSTPAID_BY_HOUR"  # that a type must be on sale for


class Catalog:
    """The part of a Provider that tells what can be had."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def cloud_account_id(self) -> str:
        # The UIN of the root account: STS API reference, GetCallerIdentity.
        return str(self._calls.sts(CATALOG_REGION, "GetCallerIdentity").get("AccountId") or "")

    def list_regions(self) -> list[Region]:
        answer = self._calls.cvm(CATALOG_REGION, "DescribeRegions")
        return [
            Region(row["Region"], row.get("RegionName") or row["Region"])
            for row in rows_in("DescribeRegions", answer, "RegionSet")
            if row.get("RegionState") == "AVAILABLE"
        ]

    def list_zones(self, region_id: str) -> list[Zone]:
        answer = self._calls.cvm(region_id, "DescribeZones")
        return [
            Zone(row["Zone"], row.get("ZoneName") or row["Zone"])
            for row in rows_in("DescribeZones", answer, "ZoneSet")
            if row.get("ZoneState") == "AVAILABLE"
        ]

    def list_instance_types(self, region_id: str, zone_id: str) -> list[InstanceType]:
        answer = self._calls.cvm(
            region_id,
            "DescribeZoneInstanceConfigInfos",
            Filters=[
                {"Name": "zone", "Values": [zone_id]},
                {"Name": "instance-charge-type", "Values": [CHARGE_TYPE]},
            ],
        )
        types = {
            row["InstanceType"]: InstanceType(
                family=row.get("InstanceFamily") or "",
                name=row["InstanceType"],
                cores=int(row["Cpu"]),
                memory_gib=float(row["Memory"]),
            )
            for row in rows_in("DescribeZoneInstanceConfigInfos", answer, "InstanceTypeQuotaSet")
            if row.get("Status") == "SELL" and row.get("Zone") == zone_id
        }
        return list(types.values())

    def list_images(self, region_id: str) -> list[Image]:
        rows = self._calls.cvm_pages(region_id, "DescribeImages", "ImageSet", "ImageId")
        return [_image(row) for row in rows if _usable(row)]

    def find_image(self, region_id: str, image_id: str) -> Image | None:
        try:
            answer = self._calls.cvm(region_id, "DescribeImages", ImageIds=[image_id])
        except ProviderError as error:
            if error.kind is ErrorClass.NOT_FOUND or error.vendor_code == "InvalidImageId.Malformed":
                return None
            raise
        rows = rows_in("DescribeImages", answer, "ImageSet")
        found = (row for row in rows if row["ImageId"] == image_id and _usable(row))
        return next((_image(row) for row in found), None)


def _usable(row: dict[str, Any]) -> bool:
    return str(row.get("ImageState", "NORMAL")) == "NORMAL"


def _image(row: dict[str, Any]) -> Image:
    return Image(
        image_id=row["ImageId"],
        os_type="windows" if "windows" in f"{row.get('Platform')} {row.get('OsName')}".lower() else "linux",
        os_name=row.get("OsName") or row.get("ImageName") or row["ImageId"],
    )
