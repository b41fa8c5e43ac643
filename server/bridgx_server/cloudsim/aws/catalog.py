"""Regions, zones, types and images of EC2."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bridgx_server.cloudsim.aws.errors import Refused
from bridgx_server.cloudsim.aws.shapes import filtered, page, refuse_dry_run
from bridgx_server.cloudsim.core import SimCloud
from bridgx_server.cloudsim.front import Call

AMAZON = "137112412989"


def describe_regions(call: Call, cloud: SimCloud) -> dict[str, Any]:
    wanted = call.parameters.get("RegionNames", [])
    rows = [
        {"RegionName": name, "Endpoint": f"ec2.{name}.amazonaws.com", "OptInStatus": "opt-in-not-required"}
        for name in cloud.catalog.regions
        if not wanted or name in wanted
    ]
    return {"Regions": rows}


def describe_availability_zones(call: Call, cloud: SimCloud) -> dict[str, Any]:
    rows = [
        {
            "ZoneName": zone,
            "ZoneId": f"{call.region}-az{index + 1}",
            "RegionName": call.region,
            "State": "available",
            "ZoneType": "availability-zone",
        }
        for index, zone in enumerate(cloud.catalog.zones[call.region])
    ]
    known = {
        "zone-name": lambda row: [row["ZoneName"]],
        "state": lambda row: [row["State"]],
        "zone-type": lambda row: [row["ZoneType"]],
        "region-name": lambda row: [row["RegionName"]],
    }
    return {"AvailabilityZones": filtered(rows, call.parameters, known, lambda row: {})}


def describe_instance_type_offerings(call: Call, cloud: SimCloud) -> dict[str, Any]:
    kind = call.parameters.get("LocationType", "region")
    if kind not in ("region", "availability-zone"):
        raise Refused(400, "InvalidParameterValue", f"The LocationType {kind} is not simulated.")
    places = [call.region] if kind == "region" else list(cloud.catalog.zones[call.region])
    rows = [
        {"InstanceType": offer.name, "LocationType": kind, "Location": place}
        for place in places
        for offer in (cloud.catalog.types.values() if kind == "region" else cloud.catalog.types_in(place))
    ]
    known = {"location": lambda row: [row["Location"]], "instance-type": lambda row: [row["InstanceType"]]}
    rows = filtered(rows, call.parameters, known, lambda row: {})
    found, token = page(rows, call.parameters)
    return {"InstanceTypeOfferings": list(found), "NextToken": token}


def describe_instance_types(call: Call, cloud: SimCloud) -> dict[str, Any]:
    names = call.parameters.get("InstanceTypes", [])
    if names and "MaxResults" in call.parameters:
        raise Refused(400, "InvalidParameterCombination", "MaxResults and InstanceTypes exclude each other.")
    if len(names) > 100:
        raise Refused(400, "InvalidParameterValue", "At most 100 instance types may be given.")
    unknown = [name for name in names if name not in cloud.catalog.types]
    if unknown:
        raise Refused(400, "InvalidInstanceType", f"The following supplied instance types do not exist: {unknown}")
    rows = [
        {
            "InstanceType": offer.name,
            "VCpuInfo": {"DefaultVCpus": offer.cores},
            "MemoryInfo": {"SizeInMiB": int(offer.memory_gib * 1024)},
            "CurrentGeneration": True,
        }
        for offer in cloud.catalog.types.values()
        if not names or offer.name in names
    ]
    found, token = page(rows, call.parameters, most=100)
    return {"InstanceTypes": list(found), "NextToken": token}


def describe_images(call: Call, cloud: SimCloud) -> dict[str, Any]:
    parameters = call.parameters
    refuse_dry_run(parameters)
    wanted = parameters.get("ImageIds", [])
    owners = parameters.get("Owners", [])
    images = cloud.catalog.images[call.region]
    unknown = [image_id for image_id in wanted if image_id not in images]
    if unknown:
        raise Refused(400, "InvalidAMIID.NotFound", f"The image id '[{', '.join(unknown)}]' does not exist")
    rows = [
        {
            "ImageId": image.image_id,
            "Name": image.name,
            "OwnerId": AMAZON,
            "ImageOwnerAlias": "amazon",
            "State": "available",
            "Architecture": "x86_64",
            "PlatformDetails": image.platform if image.os_type == "linux" else "Windows",
            "Platform": "windows" if image.os_type == "windows" else None,
            "RootDeviceName": "/dev/xvda",
            "VirtualizationType": "hvm",
            "ImageType": "machine",
            "Public": True,
        }
        for image in images.values()
        if (not wanted or image.image_id in wanted) and (not owners or {"amazon", AMAZON} & set(owners))
    ]
    known = {
        "state": lambda row: [row["State"]],
        "name": lambda row: [row["Name"]],
        "architecture": lambda row: [row["Architecture"]],
        "virtualization-type": lambda row: [row["VirtualizationType"]],
        "image-type": lambda row: [row["ImageType"]],
        "owner-alias": lambda row: [row["ImageOwnerAlias"]],
        "is-public": lambda row: ["true"],
    }
    rows = filtered(rows, parameters, known, lambda row: {})
    found, token = page(rows, parameters, least=1)
    return {"Images": list(found), "NextToken": token}


ACTIONS: Mapping[str, Callable[[Call, SimCloud], dict[str, Any]]] = {
    "DescribeRegions": describe_regions,
    "DescribeAvailabilityZones": describe_availability_zones,
    "DescribeInstanceTypeOfferings": describe_instance_type_offerings,
    "DescribeInstanceTypes": describe_instance_types,
    "DescribeImages": describe_images,
}
