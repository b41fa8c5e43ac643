"""Regions, zones, types and images of AWS."""

from __future__ import annotations

from typing import Any

from bridgx_server.providers.aws.calls import CATALOG_REGION, Calls, rows_in
from bridgx_server.providers.base import ErrorClass, Image, InstanceType, ProviderError, Region, Zone
from bridgx_server.providers.gate import side_by_side

# Amazon's own images: there are tens of thousands of others. A template may name any image, also the account's.
OWNERS = ("amazon", "self")
FILTERS = (
    {"Name": "state", "Values": ["available"]},
    {"Name": "image-type", "Values": ["machine"]},
    {"Name": "virtualization-type", "Values": ["hvm"]},
)

TYPES_A_CALL = 100  # the most that DescribeInstanceTypes takes by name
CALLS_AT_ONCE = 4


def cloud_account_id(calls: Calls) -> str:
    """The number of the AWS account, which every identity may ask for: STS API reference, GetCallerIdentity."""
    return str(calls.sts("get_caller_identity").get("Account") or "")


def list_regions(calls: Calls) -> list[Region]:
    rows = rows_in("describe_regions", calls.ec2(CATALOG_REGION, "describe_regions"), "Regions")
    return [Region(row["RegionName"], row["RegionName"]) for row in rows]


def list_zones(calls: Calls, region_id: str) -> list[Zone]:
    answer = calls.ec2(region_id, "describe_availability_zones")
    rows = rows_in("describe_availability_zones", answer, "AvailabilityZones")
    return [Zone(row["ZoneName"], row["ZoneName"]) for row in rows if row.get("State", "available") == "available"]


def list_instance_types(calls: Calls, region_id: str, zone_id: str) -> list[InstanceType]:
    offers = calls.pages(
        region_id,
        "describe_instance_type_offerings",
        "InstanceTypeOfferings",
        1000,
        LocationType="availability-zone",
        Filters=[{"Name": "location", "Values": [zone_id]}],
    )
    on_sale = sorted({row["InstanceType"] for row in offers})
    # By name, a hundred a call: pages by token could only come one after another.
    batches = [on_sale[start : start + TYPES_A_CALL] for start in range(0, len(on_sale), TYPES_A_CALL)]

    def described(names: list[str]) -> list[dict[str, Any]]:
        answer = calls.ec2(region_id, "describe_instance_types", InstanceTypes=names)
        return rows_in("describe_instance_types", answer, "InstanceTypes")

    return [
        InstanceType(
            row["InstanceType"].split(".")[0],
            row["InstanceType"],
            int(row["VCpuInfo"]["DefaultVCpus"]),
            row["MemoryInfo"]["SizeInMiB"] / 1024,
        )
        for rows in side_by_side(described, batches, CALLS_AT_ONCE)
        for row in rows
    ]


def list_images(calls: Calls, region_id: str) -> list[Image]:
    rows = calls.pages(region_id, "describe_images", "Images", 1000, Owners=list(OWNERS), Filters=list(FILTERS))
    return [_image(row) for row in rows]


def find_image(calls: Calls, region_id: str, image_id: str) -> Image | None:
    try:
        answer = calls.ec2(region_id, "describe_images", ImageIds=[image_id])
    except ProviderError as error:
        if error.kind is ErrorClass.NOT_FOUND or error.vendor_code == "InvalidAMIID.Malformed":
            return None
        raise
    rows = rows_in("describe_images", answer, "Images")
    return next((_image(row) for row in rows if row.get("State") == "available"), None)


def _image(row: dict[str, Any]) -> Image:
    os_type = "windows" if row.get("Platform", "").lower() == "windows" else "linux"
    return Image(row["ImageId"], os_type, row.get("Name") or row["ImageId"])
