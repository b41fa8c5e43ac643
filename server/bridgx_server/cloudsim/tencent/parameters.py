"""The parameters of each action, after the vendor's machine-readable metadata of CVM and VPC 2017-03-12.

A word is `Name:kind`, or `Name!:kind` where the parameter is required. A kind is s (text), i (integer), b (boolean) or the
name of a structure; a star after it makes it a list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from bridgx_server.cloudsim.tencent.errors import Refused

STRUCTURES: Mapping[str, str] = {
    "Filter": "Name!:s Values!:s*",
    "InstanceTag": "Key!:s Value!:s",
    "Tag": "Key!:s Value:s",
    "TagSpecification": "ResourceType!:s Tags!:InstanceTag*",
    "Placement": (
        "Zone!:s ProjectId:i HostIds:s* HostId:s DedicatedResourcePackTenancy:s DedicatedResourcePackIds:s* RackId:s"
    ),
    "InstanceChargePrepaid": "Period!:i RenewFlag:s",
    "SystemDisk": "DiskType:s DiskId:s DiskSize:i CdcId:s DiskName:s Encrypt:b KmsKeyId:s",
    "DataDisk": (
        "DiskSize!:i DiskType:s DiskId:s DeleteWithInstance:b SnapshotId:s Encrypt:b KmsKeyId:s ThroughputPerformance:i"
        " CdcId:s BurstPerformance:b DiskName:s"
    ),
    "VirtualPrivateCloud": "VpcId!:s SubnetId!:s AsVpcGateway:b PrivateIpAddresses:s* Ipv6AddressCount:i",
    "InternetAccessible": (
        "InternetChargeType:s InternetMaxBandwidthOut:i PublicIpAssigned:b BandwidthPackageId:s InternetServiceProvider:s"
        " IPv4AddressType:s IPv6AddressType:s AntiDDoSPackageId:s"
    ),
    "LoginSettings": "Password:s KeyIds:s* KeepImageLogin:s",
    "Enabled": "Enabled:b",
    "EnhancedService": "SecurityService:Enabled MonitorService:Enabled AutomationService:Enabled",
    "Externals": "ReleaseAddress:b UnsupportNetworks:s*",
    "ActionTimer": "TimerAction:s ActionTime:s Externals:Externals ActionTimerId:s Status:s InstanceId:s",
    "SpotOptions": "MaxPrice!:s SpotInstanceType:s",
    "MarketOptions": "SpotOptions!:SpotOptions MarketType:s",
    "MetadataItem": "Key!:s Value!:s",
    "Metadata": "Items!:MetadataItem*",
    "CpuTopology": "CoreCount:i ThreadPerCore:i",
    "LaunchTemplate": "LaunchTemplateId:s LaunchTemplateVersion:i",
    "NetworkInterface": (
        "InterfaceType!:s VpcId!:s SubnetId!:s PrivateIpv4AddressCount!:i NetworkInterfaceId:s SecurityGroupIds:s*"
        " DeleteWithInstance:b"
    ),
    "ServiceTemplate": "ServiceId:s ServiceGroupId:s",
    "AddressTemplate": "AddressId:s AddressGroupId:s",
    "Policy": (
        "PolicyIndex:i Protocol:s Port:s ServiceTemplate:ServiceTemplate CidrBlock:s Ipv6CidrBlock:s SecurityGroupId:s"
        " AddressTemplate:AddressTemplate Action:s PolicyDescription:s ModifyTime:s Priority:i"
    ),
    "PolicySet": "Version:s Egress:Policy* Ingress:Policy*",
}

SYNTAX: Mapping[tuple[str, str], str] = {
    ("cvm", "DescribeRegions"): "",
    ("cvm", "DescribeZones"): "",
    ("cvm", "DescribeZoneInstanceConfigInfos"): "Filters:Filter*",
    ("cvm", "DescribeImages"): "ImageIds:s* Filters:Filter* Offset:i Limit:i InstanceType:s",
    ("cvm", "RunInstances"): (
        "InstanceChargeType:s InstanceChargePrepaid:InstanceChargePrepaid Placement:Placement InstanceType:s ImageId:s"
        " SystemDisk:SystemDisk DataDisks:DataDisk* VirtualPrivateCloud:VirtualPrivateCloud"
        " InternetAccessible:InternetAccessible InstanceCount:i MinCount:i InstanceName:s LoginSettings:LoginSettings"
        " SecurityGroupIds:s* EnhancedService:EnhancedService ClientToken:s HostName:s ActionTimer:ActionTimer"
        " DisasterRecoverGroupIds:s* TagSpecification:TagSpecification* InstanceMarketOptions:MarketOptions UserData:s"
        " Metadata:Metadata DryRun:b CpuTopology:CpuTopology CamRoleName:s HpcClusterId:s LaunchTemplate:LaunchTemplate"
        " DedicatedClusterId:s ChcIds:s* PartitionNumber:i DisableApiTermination:b EnableJumboFrame:b"
        " NetworkInterfaces:NetworkInterface*"
    ),
    ("cvm", "DescribeInstances"): "InstanceIds:s* Filters:Filter* Offset:i Limit:i",
    ("cvm", "TerminateInstances"): "InstanceIds!:s* ReleaseAddress:b ReleasePrepaidDataDisks:b",
    ("vpc", "CreateVpc"): (
        "VpcName!:s StackType:s CidrBlock:s Ipv6CidrBlock:s AddressType:s EnableMulticast:s DnsServers:s* DomainName:s"
        " Tags:Tag* EnableRouteVpcPublish:b EnableRouteVpcPublishIpv6:b"
    ),
    ("vpc", "DescribeVpcs"): "VpcIds:s* Filters:Filter* Offset:s Limit:s",
    ("vpc", "DeleteVpc"): "VpcId!:s",
    ("vpc", "CreateSubnet"): (
        "VpcId!:s SubnetName!:s Zone!:s StackType:s CidrBlock:s Ipv6CidrBlock:s Tags:Tag* CdcId:s"
    ),
    ("vpc", "DescribeSubnets"): "SubnetIds:s* Filters:Filter* Offset:s Limit:s MaxResults:i NextToken:s",
    ("vpc", "DeleteSubnet"): "SubnetId!:s",
    ("vpc", "CreateSecurityGroup"): "GroupName!:s GroupDescription!:s ProjectId:s Tags:Tag*",
    ("vpc", "DescribeSecurityGroups"): (
        "SecurityGroupIds:s* Filters:Filter* Offset:s Limit:s OrderField:s OrderDirection:s"
    ),
    ("vpc", "CreateSecurityGroupPolicies"): "SecurityGroupId!:s SecurityGroupPolicySet!:PolicySet",
    ("vpc", "DescribeSecurityGroupPolicies"): "SecurityGroupId!:s Filters:Filter*",
    ("vpc", "DeleteSecurityGroup"): "SecurityGroupId!:s",
    ("sts", "GetCallerIdentity"): "",
}

_TYPES: Mapping[str, type] = {"s": str, "i": int, "b": bool}


@dataclass(frozen=True)
class Parameter:
    """One parameter. ``kind`` is s, i, b or a structure."""

    name: str
    kind: str
    required: bool
    many: bool


def checked(product: str, action: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a call without those that are null; raises Refused."""
    return _members(given, _table(SYNTAX[product, action]), "")


@cache
def _table(syntax: str) -> dict[str, Parameter]:
    table = {}
    for word in syntax.split():
        name, kind = word.split(":")
        bare = name.rstrip("!")
        table[bare] = Parameter(bare, kind.rstrip("*"), name.endswith("!"), kind.endswith("*"))
    return table


def _members(given: Mapping[str, Any], table: Mapping[str, Parameter], where: str) -> dict[str, Any]:
    for name in given:
        if name not in table:
            raise Refused("UnknownParameter", f"The parameter `{where}{name}` is not recognized.")
    values: dict[str, Any] = {}
    for parameter in table.values():
        value, called = given.get(parameter.name), f"{where}{parameter.name}"
        if value is None:
            if parameter.required:
                raise Refused("MissingParameter", f"The request is missing a required parameter `{called}`.")
        elif parameter.many:
            if not isinstance(value, list):
                raise _mistyped(called)
            values[parameter.name] = [
                _value(item, parameter.kind, f"{called}.{index}") for index, item in enumerate(value)
            ]
        else:
            values[parameter.name] = _value(value, parameter.kind, called)
    return values


def _value(value: Any, kind: str, called: str) -> Any:
    if kind in STRUCTURES:
        if not isinstance(value, dict):
            raise _mistyped(called)
        return _members(value, _table(STRUCTURES[kind]), f"{called}.")
    # To Python a boolean is an integer too.
    if not isinstance(value, _TYPES[kind]) or (kind == "i" and isinstance(value, bool)):
        raise _mistyped(called)
    return value


def _mistyped(called: str) -> Refused:
    return Refused("InvalidParameter", f"The value type of parameter `{called}` is not valid.")
