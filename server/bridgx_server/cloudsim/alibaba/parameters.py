"""Which parameters each action takes, from the request syntax in Alibaba Cloud's API reference of ECS, VPC and STS.

``N`` stands for a number from 1. ``!`` marks what is required; the letter after the colon is the type: s text,
i whole number, b boolean.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

EVERYWHERE = "OwnerId:i OwnerAccount:s ResourceOwnerId:i ResourceOwnerAccount:s"

ECS = "2014-05-26"
VPC = "2016-04-28"
STS = "2015-04-01"

SYNTAX: Mapping[tuple[str, str], str] = {
    (ECS, "DescribeRegions"): "AcceptLanguage:s InstanceChargeType:s ResourceType:s",
    (ECS, "DescribeZones"): "RegionId!:s AcceptLanguage:s InstanceChargeType:s SpotStrategy:s Verbose:b",
    (ECS, "DescribeAvailableResource"): (
        "RegionId!:s DestinationResource!:s ZoneId:s InstanceType:s InstanceChargeType:s IoOptimized:s NetworkCategory:s"
        " SystemDiskCategory:s DataDiskCategory:s Cores:i Memory:s ResourceType:s Scope:s SpotStrategy:s SpotDuration:i"
        " DedicatedHostId:s"
    ),
    (ECS, "DescribeInstanceTypes"): (
        "InstanceTypes.N:s InstanceTypeFamily:s InstanceTypeFamilies.N:s MaxResults:i NextToken:s InstanceCategory:s"
        " CpuArchitecture:s MinimumCpuCoreCount:i MaximumCpuCoreCount:i MinimumMemorySize:s MaximumMemorySize:s"
        " NvmeSupport:s InstanceFamilyLevel:s AdditionalAttributes.N:s"
    ),
    (ECS, "DescribeImages"): (
        "RegionId!:s PageNumber:i PageSize:i ImageId:s ImageName:s ImageOwnerAlias:s ImageOwnerId:i InstanceType:s"
        " Status:s OSType:s Architecture:s ActionType:s Usage:s DryRun:b ImageFamily:s IsPublic:b IsSupportCloudinit:b"
        " IsSupportIoOptimized:b ShowExpired:b SnapshotId:s ResourceGroupId:s Tag.N.Key:s Tag.N.Value:s Filter.N.Key:s"
        " Filter.N.Value:s"
    ),
    (ECS, "RunInstances"): (
        "RegionId!:s ImageId:s ImageFamily:s InstanceType:s SecurityGroupId:s SecurityGroupIds.N:s VSwitchId:s ZoneId:s"
        " Amount:i MinAmount:i InstanceName:s HostName:s Description:s Password:s PasswordInherit:b KeyPairName:s"
        " UserData:s InstanceChargeType:s Period:i PeriodUnit:s AutoRenew:b AutoRenewPeriod:i AutoPay:b"
        " InternetChargeType:s InternetMaxBandwidthIn:i InternetMaxBandwidthOut:i SystemDisk.Category:s SystemDisk.Size:s"
        " SystemDisk.DiskName:s SystemDisk.PerformanceLevel:s SystemDisk.Description:s DataDisk.N.Category:s"
        " DataDisk.N.Size:i DataDisk.N.DiskName:s DataDisk.N.PerformanceLevel:s DataDisk.N.DeleteWithInstance:b"
        " DataDisk.N.Device:s DataDisk.N.SnapshotId:s DataDisk.N.Encrypted:s DataDisk.N.Description:s Tag.N.Key:s"
        " Tag.N.Value:s ClientToken:s DryRun:b UniqueSuffix:b IoOptimized:s SpotStrategy:s SpotPriceLimit:s"
        " DeletionProtection:b ResourceGroupId:s SecurityEnhancementStrategy:s PrivateIpAddress:s RamRoleName:s"
        " CreditSpecification:s LaunchTemplateId:s LaunchTemplateName:s LaunchTemplateVersion:i AutoReleaseTime:s"
    ),
    (ECS, "DescribeInstances"): (
        "RegionId!:s InstanceIds:s VpcId:s VSwitchId:s ZoneId:s InstanceName:s ImageId:s Status:s SecurityGroupId:s"
        " InstanceType:s InstanceTypeFamily:s InstanceChargeType:s InternetChargeType:s InstanceNetworkType:s"
        " PrivateIpAddresses:s PublicIpAddresses:s InnerIpAddresses:s EipAddresses:s KeyPairName:s ResourceGroupId:s"
        " Tag.N.Key:s Tag.N.Value:s Filter.N.Key:s Filter.N.Value:s MaxResults:i NextToken:s PageNumber:i PageSize:i"
        " DryRun:b AdditionalAttributes.N:s IoOptimized:b DeviceAvailable:b LockReason:s NeedSaleCycle:b"
    ),
    (ECS, "DeleteInstances"): (
        "RegionId!:s InstanceId.N!:s Force:b ForceStop:b TerminateSubscription:b ClientToken:s DryRun:b"
    ),
    (ECS, "ModifyInstanceChargeType"): (
        "RegionId!:s InstanceIds!:s Period:i PeriodUnit:s IncludeDataDisks:b DryRun:b AutoPay:b InstanceChargeType:s"
        " ClientToken:s IsDetailFee:b"
    ),
    (ECS, "CreateSecurityGroup"): (
        "RegionId!:s VpcId:s SecurityGroupName:s SecurityGroupType:s Description:s ClientToken:s ServiceManaged:b"
        " ResourceGroupId:s Tag.N.Key:s Tag.N.Value:s"
    ),
    (ECS, "DescribeSecurityGroups"): (
        "RegionId!:s VpcId:s SecurityGroupId:s SecurityGroupIds:s SecurityGroupName:s SecurityGroupType:s NetworkType:s"
        " MaxResults:i NextToken:s PageNumber:i PageSize:i ResourceGroupId:s Tag.N.Key:s Tag.N.Value:s DryRun:b"
        " FuzzyQuery:b IsQueryEcsCount:b ServiceManaged:b"
    ),
    (ECS, "DescribeSecurityGroupAttribute"): (
        "RegionId!:s SecurityGroupId!:s Direction:s NicType:s MaxResults:i NextToken:s Attribute:s"
    ),
    (ECS, "DeleteSecurityGroup"): "RegionId!:s SecurityGroupId!:s",
    (ECS, "AuthorizeSecurityGroup"): (
        "RegionId!:s SecurityGroupId!:s ClientToken:s Permissions.N.IpProtocol:s Permissions.N.PortRange:s"
        " Permissions.N.SourceCidrIp:s Permissions.N.SourceGroupId:s Permissions.N.DestCidrIp:s Permissions.N.Policy:s"
        " Permissions.N.Priority:s Permissions.N.Description:s Permissions.N.NicType:s Permissions.N.SourcePortRange:s"
        " Permissions.N.Ipv6SourceCidrIp:s Permissions.N.SourcePrefixListId:s Permissions.N.SourceGroupOwnerAccount:s"
    ),
    (ECS, "AuthorizeSecurityGroupEgress"): (
        "RegionId!:s SecurityGroupId!:s ClientToken:s Permissions.N.IpProtocol:s Permissions.N.PortRange:s"
        " Permissions.N.DestCidrIp:s Permissions.N.DestGroupId:s Permissions.N.SourceCidrIp:s Permissions.N.Policy:s"
        " Permissions.N.Priority:s Permissions.N.Description:s Permissions.N.NicType:s Permissions.N.SourcePortRange:s"
        " Permissions.N.Ipv6DestCidrIp:s Permissions.N.DestPrefixListId:s Permissions.N.DestGroupOwnerAccount:s"
    ),
    (VPC, "CreateVpc"): (
        "RegionId!:s CidrBlock:s VpcName:s Description:s ClientToken:s DryRun:b UserCidr:s ResourceGroupId:s Tag.N.Key:s"
        " Tag.N.Value:s EnableDnsHostname:b"
    ),
    (VPC, "DescribeVpcs"): (
        "RegionId!:s VpcId:s VpcName:s IsDefault:b PageNumber:i PageSize:i DryRun:b ResourceGroupId:s VpcOwnerId:i"
        " Tag.N.Key:s Tag.N.Value:s DhcpOptionsSetId:s"
    ),
    (VPC, "DescribeVpcAttribute"): "RegionId:s VpcId!:s IsDefault:b DryRun:b",
    (VPC, "DeleteVpc"): "RegionId:s VpcId!:s ForceDelete:b DryRun:b ClientToken:s",
    (VPC, "CreateVSwitch"): (
        "RegionId:s CidrBlock!:s VpcId!:s ZoneId!:s VSwitchName:s Description:s ClientToken:s CidrMask:i Tag.N.Key:s"
        " Tag.N.Value:s"
    ),
    (VPC, "DescribeVSwitches"): (
        "RegionId:s VpcId:s VSwitchId:s VSwitchName:s ZoneId:s IsDefault:b PageNumber:i PageSize:i DryRun:b"
        " ResourceGroupId:s RouteTableId:s VSwitchOwnerId:i Tag.N.Key:s Tag.N.Value:s"
    ),
    (VPC, "DeleteVSwitch"): "RegionId:s VSwitchId!:s DryRun:b",
    (STS, "GetCallerIdentity"): "",
}


@dataclass(frozen=True)
class Parameter:
    """One parameter of an action."""

    name: str
    kind: str
    required: bool


@cache
def parameters_of(version: str, action: str) -> dict[str, Parameter] | None:
    """The parameters of an action by their patterned names; None where there is no such action."""
    syntax = SYNTAX.get((version, action))
    if syntax is None:
        return None
    table = {}
    for word in f"{syntax} {EVERYWHERE}".split():
        name, kind = word.split(":")
        table[name.rstrip("!")] = Parameter(name.rstrip("!"), kind, name.endswith("!"))
    return table


def pattern_of(name: str) -> str:
    """`Tag.3.Key` → `Tag.N.Key`."""
    return re.sub(r"\.\d+(?=\.|$)", ".N", name)
