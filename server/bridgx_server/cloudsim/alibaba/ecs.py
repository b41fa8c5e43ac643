"""The actions of ECS 2014-05-26."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bridgx_server.cloudsim.alibaba import machines
from bridgx_server.cloudsim.alibaba.errors import Refused
from bridgx_server.cloudsim.alibaba.shapes import (
    numbered,
    page_by_number,
    page_by_token,
    seconds,
    structures,
    tags_of,
)
from bridgx_server.cloudsim.core import SimCloud, fingerprint_of
from bridgx_server.cloudsim.entities import Group
from bridgx_server.cloudsim.errors import Kind, SimError
from bridgx_server.cloudsim.front import Call

MOST_RULES = 200
PROTOCOLS = ("TCP", "UDP", "ICMP", "ICMPV6", "GRE", "ALL")


def describe_regions(call: Call, cloud: SimCloud) -> dict[str, Any]:
    rows = [
        {"RegionId": region, "LocalName": name, "RegionEndpoint": f"ecs.{region}.aliyuncs.com", "Status": "available"}
        for region, name in cloud.catalog.regions.items()
    ]
    return {"Regions": {"Region": rows}}


def describe_zones(call: Call, cloud: SimCloud) -> dict[str, Any]:
    zones = _zones(call, cloud)
    rows = [
        {"ZoneId": zone, "LocalName": f"可用区{zone[-1].upper()}", "ZoneType": "AvailabilityZone"} for zone in zones
    ]
    return {"Zones": {"Zone": rows}}


def describe_available_resource(call: Call, cloud: SimCloud) -> dict[str, Any]:
    parameters = call.parameters
    if parameters["DestinationResource"] not in (
        "Zone",
        "IoOptimized",
        "InstanceType",
        "SystemDisk",
        "DataDisk",
        "Network",
        "ddh",
    ):
        raise Refused(400, "InvalidDestinationResource", "The specified DestinationResource is not valid.")
    zones = _zones(call, cloud)
    if "ZoneId" in parameters:
        if parameters["ZoneId"] not in zones:
            raise SimError(Kind.NOT_FOUND, f"zone {parameters['ZoneId']} does not exist", subject="zone")
        zones = [parameters["ZoneId"]]
    rows = []
    for zone in zones:
        offers = []
        for offer in cloud.catalog.types_in(zone):
            if parameters.get("InstanceType") not in (None, offer.name):
                continue
            sold_out = cloud.left_in_stock(zone, offer.name) == 0
            offers.append(
                {
                    "Value": offer.name,
                    "Status": "SoldOut" if sold_out else "Available",
                    "StatusCategory": "WithoutStock" if sold_out else "WithStock",
                }
            )
        rows.append(
            {
                "RegionId": call.region,
                "ZoneId": zone,
                "Status": "Available",
                "StatusCategory": "WithStock",
                "AvailableResources": {
                    "AvailableResource": [{"Type": "InstanceType", "SupportedResources": {"SupportedResource": offers}}]
                },
            }
        )
    return {"AvailableZones": {"AvailableZone": rows}}


def describe_instance_types(call: Call, cloud: SimCloud) -> dict[str, Any]:
    parameters = call.parameters
    names = numbered(parameters, "InstanceTypes")
    if len(names) > 10:
        raise Refused(400, "InvalidParameter.InstanceTypes", "At most 10 instance types may be given.")
    rows = [
        {
            "InstanceTypeId": offer.name,
            "InstanceTypeFamily": offer.family,
            "CpuCoreCount": offer.cores,
            "MemorySize": float(offer.memory_gib),
        }
        for offer in cloud.catalog.types.values()
        if (not names or offer.name in names) and parameters.get("InstanceTypeFamily") in (None, offer.family)
    ]
    page, token = page_by_token(rows, parameters, 1600, 1600)
    return {"InstanceTypes": {"InstanceType": list(page)}, "NextToken": token}


def describe_images(call: Call, cloud: SimCloud) -> dict[str, Any]:
    parameters = call.parameters
    _zones(call, cloud)
    wanted = [key for key in parameters.get("ImageId", "").split(",") if key]
    if parameters.get("ImageOwnerAlias", "system") not in ("system", "self", "others", "marketplace"):
        raise Refused(400, "InvalidImageOwnerAlias.ValueNotSupported", "The specified ImageOwnerAlias is not valid.")
    rows = [
        {
            "ImageId": image.image_id,
            "ImageName": image.image_id,
            "OSName": image.name,
            "OSNameEn": image.name,
            "OSType": image.os_type,
            "Platform": image.platform,
            "ImageOwnerAlias": "system",
            "Status": "Available",
            "Architecture": "x86_64",
            "Size": 20,
        }
        for image in cloud.catalog.images[call.region].values()
        if (not wanted or image.image_id in wanted)
        and parameters.get("ImageOwnerAlias") in (None, "system")
        and parameters.get("OSType") in (None, image.os_type)
    ]
    page, number, size = page_by_number(rows, parameters, 100)
    return {
        "RegionId": call.region,
        "TotalCount": len(rows),
        "PageNumber": number,
        "PageSize": size,
        "Images": {"Image": list(page)},
    }


def create_security_group(call: Call, cloud: SimCloud) -> dict[str, Any]:
    parameters = call.parameters
    if parameters.get("SecurityGroupType", "normal") not in ("normal", "enterprise"):
        raise Refused(400, "InvalidSecurityGroupType.ValueNotSupported", "The specified type is not supported.")
    token, fingerprint = parameters.get("ClientToken", ""), fingerprint_of(parameters)
    known = cloud.remembered(call.account, "group", token, fingerprint)
    if known is None:
        group = cloud.create_group(
            call.account,
            call.region,
            parameters.get("VpcId", ""),
            parameters.get("SecurityGroupName", ""),
            parameters.get("SecurityGroupType", "normal"),
            description=parameters.get("Description", ""),
        )
        cloud.tag(group, tags_of(parameters))
        known = [group.group_id]
        cloud.remember(call.account, "group", token, fingerprint, known)
    return {"SecurityGroupId": known[0]}


def describe_security_groups(call: Call, cloud: SimCloud) -> dict[str, Any]:
    parameters = call.parameters
    wanted = machines.id_list(parameters, "SecurityGroupIds", 100)
    rows = [
        {
            "SecurityGroupId": group.group_id,
            "SecurityGroupName": group.name,
            "VpcId": group.vpc_id,
            "SecurityGroupType": group.group_type,
            "Description": group.description,
            "CreationTime": seconds(group.created_at),
            "Tags": {"Tag": [{"TagKey": key, "TagValue": value} for key, value in group.tags.items()]},
        }
        for group in cloud.known_groups(call.account, call.region)
        if (not wanted or group.group_id in wanted)
        and parameters.get("SecurityGroupId") in (None, group.group_id)
        and parameters.get("VpcId") in (None, group.vpc_id)
        and parameters.get("SecurityGroupName") in (None, group.name)
    ]
    page, token = page_by_token(rows, parameters, 100, 10)
    return {
        "RegionId": call.region,
        "TotalCount": len(rows),
        "NextToken": token,
        "SecurityGroups": {"SecurityGroup": list(page)},
    }


def describe_security_group_attribute(call: Call, cloud: SimCloud) -> dict[str, Any]:
    group = cloud.group(call.account, call.region, call.parameters["SecurityGroupId"])
    direction = call.parameters.get("Direction", "all")
    rules = [rule for rule in group.rules if direction in ("all", rule["Direction"])]
    page, token = page_by_token(rules, call.parameters, 1000, 500)
    return {
        "SecurityGroupId": group.group_id,
        "SecurityGroupName": group.name,
        "VpcId": group.vpc_id,
        "RegionId": group.region,
        "NextToken": token,
        "Permissions": {"Permission": list(page)},
    }


def delete_security_group(call: Call, cloud: SimCloud) -> dict[str, Any]:
    cloud.delete_group(call.account, call.region, call.parameters["SecurityGroupId"])
    return {}


def authorize_ingress(call: Call, cloud: SimCloud) -> dict[str, Any]:
    return _authorize(call, cloud, "ingress")


def authorize_egress(call: Call, cloud: SimCloud) -> dict[str, Any]:
    return _authorize(call, cloud, "egress")


def _authorize(call: Call, cloud: SimCloud, direction: str) -> dict[str, Any]:
    group = cloud.group(call.account, call.region, call.parameters["SecurityGroupId"])
    permissions = structures(call.parameters, "Permissions")
    if not permissions:
        raise Refused(400, "MissingParameter.Permissions", "Permissions is required.")
    if len(permissions) > 100:
        raise Refused(400, "InvalidParameter.Permissions", "At most 100 permissions may be given.")
    rules = [_rule(permission, direction, group, call, cloud) for permission in permissions]
    if len(group.rules) + len(rules) > MOST_RULES:
        raise Refused(403, "AuthorizationLimitExceed", "The security group has too many rules.")
    # A rule that is there already is passed over, as the reference of AuthorizeSecurityGroup says.
    cloud.add_rules(group, rules, duplicates=True)
    return {}


def _rule(permission: Mapping[str, Any], direction: str, group: Group, call: Call, cloud: SimCloud) -> dict[str, Any]:
    protocol = str(permission.get("IpProtocol", "")).upper()
    if protocol not in PROTOCOLS:
        raise Refused(400, "InvalidIpProtocol.ValueNotSupported", "The specified IpProtocol is not valid.")
    ports = str(permission.get("PortRange", ""))
    if protocol in ("TCP", "UDP"):
        low, _, high = ports.partition("/")
        if not (low.isdigit() and high.isdigit() and 1 <= int(low) <= int(high) <= 65535):
            raise Refused(400, "InvalidPortRange.Malformed", "The specified PortRange is not valid.")
    elif ports != "-1/-1":
        raise Refused(400, "InvalidPortRange.Malformed", "The PortRange of this protocol must be -1/-1.")
    side = "Source" if direction == "ingress" else "Dest"
    cidr, other = permission.get(f"{side}CidrIp", ""), permission.get(f"{side}GroupId", "")
    if not cidr and not other:
        raise Refused(400, f"Missing{side}", f"One of {side}CidrIp and {side}GroupId is required.")
    if other:
        cloud.group(call.account, call.region, other)
    return {
        "Direction": direction,
        "IpProtocol": protocol,
        "PortRange": ports,
        f"{side}CidrIp": cidr,
        f"{side}GroupId": other,
        "Policy": "Accept",
        "Priority": str(permission.get("Priority", "1")),
    }


def _zones(call: Call, cloud: SimCloud) -> list[str]:
    if call.region not in cloud.catalog.regions:
        raise SimError(Kind.NOT_FOUND, f"region {call.region} does not exist", subject="region")
    return list(cloud.catalog.zones[call.region])


ACTIONS: Mapping[str, Callable[[Call, SimCloud], dict[str, Any]]] = {
    "DescribeRegions": describe_regions,
    "DescribeZones": describe_zones,
    "DescribeAvailableResource": describe_available_resource,
    "DescribeInstanceTypes": describe_instance_types,
    "DescribeImages": describe_images,
    "CreateSecurityGroup": create_security_group,
    "DescribeSecurityGroups": describe_security_groups,
    "DescribeSecurityGroupAttribute": describe_security_group_attribute,
    "DeleteSecurityGroup": delete_security_group,
    "AuthorizeSecurityGroup": authorize_ingress,
    "AuthorizeSecurityGroupEgress": authorize_egress,
    **machines.ACTIONS,
}
