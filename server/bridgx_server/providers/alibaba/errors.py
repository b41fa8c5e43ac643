"""Alibaba Cloud's error codes in our vocabulary.

The sources of the rows are named in SOURCES. Codes of parameters that this adapter never sends are left to the
families. A code that is in no row is judged by its family, then by its HTTP status; else it is UNKNOWN.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bridgx_server.providers.errors import ErrorClass

SOURCES: Mapping[str, str] = {
    "run": "ECS API reference, RunInstances, error codes",
    "delete": "ECS API reference, DeleteInstance and DeleteInstances, error codes",
    "charge": "ECS API reference, ModifyInstanceChargeType, error codes",
    "describe": "ECS API reference, DescribeInstances, DescribeZones, DescribeAvailableResource, DescribeImages",
    "group": "ECS API reference, CreateSecurityGroup, AuthorizeSecurityGroup(Egress), DeleteSecurityGroup",
    "vpc": "VPC API reference, CreateVpc, DeleteVpc, CreateVSwitch, DescribeVSwitches, DeleteVSwitch",
    "common": "Alibaba Cloud OpenAPI, common client error codes",
    "server": "ECS API reference, appendix: error codes of the server",
    "token": "ECS API reference, appendix: how to ensure idempotence",
    "stock": "Alibaba Cloud's sample of falling back to other zones and types",
    "gardener": "gardener, machine-controller-manager-provider-alicloud, pkg/alicloud/errors",
    "terraform": "terraform-provider-alicloud, alicloud/errors.go and the retries of its resources",
    "terway": "AliyunContainerService/terway, pkg/aliyun/client/errors and pull request 720",
    "bridgx": "galaxy-future/bridgx, pkg/cloud/alibaba",
}


REFUND_QUOTA = "QuotaExceed.RufundVcpu"  # so spelled: what an account may have refunded in a month is used up


@dataclass(frozen=True)
class Row:
    """What a code means, and the key in SOURCES of where it is documented."""

    kind: ErrorClass
    source: str


_TABLE: tuple[tuple[ErrorClass, str, str], ...] = (
    (ErrorClass.THROTTLED, "common", "Throttling Throttling.User Throttling.Api"),
    (ErrorClass.THROTTLED, "terraform", "Rejected.Throttling OperationFailed.Throttling"),
    (
        ErrorClass.OUT_OF_STOCK,
        "run",
        "OperationDenied.NoStock OperationDenied.ZoneNotAllowed OperationDenied.ZoneSystemCategoryNotMatch"
        " OperationDenied.ResourceControl Zone.NotOnSale Zone.NotOpen InvalidResourceType.NotSupported"
        " InstanceType.Offline InvalidInstanceType.ZoneNotSupported InvalidVpcZone.NotSupported CategoryNotSupported"
        " NodeControllerUnavailable ResourceNotAvailable",
    ),
    (ErrorClass.OUT_OF_STOCK, "vpc", "ResourceNotAvailable.Vpc"),
    (ErrorClass.OUT_OF_STOCK, "stock", "Invalid.PrivatePoolOptions.NoStock OperationDenied.CloudSSDNotSupported"),
    # "Don't have enough private IPs in this switch"
    (ErrorClass.NO_ADDRESSES, "run", "QuotaExceeded.PrivateIpAddress"),
    # The answer to RunInstances at most times, by Alibaba's own network plugin, which takes both.
    (ErrorClass.NO_ADDRESSES, "terway", "InvalidVSwitchId.IpNotEnough"),
    (
        ErrorClass.QUOTA_EXCEEDED,
        "run",
        "QuotaExceed.ElasticQuota QuotaExceed.AfterpayInstance QuotaExceed.PortableCloudDisk QuotaExceed.PostPaidDisk"
        " QuotaExceed.BuyImage QuotaExceeded SecurityGroupInstanceLimitExceed OperationDenied.QuotaExceed",
    ),
    (ErrorClass.QUOTA_EXCEEDED, "gardener", "QuotaExceed.DiskCapacity"),
    (ErrorClass.QUOTA_EXCEEDED, "group", "QuotaExceed.SecurityGroup AuthorizationLimitExceed"),
    (ErrorClass.QUOTA_EXCEEDED, "vpc", "QuotaExceeded.Vpc QuotaExceeded.VSwitch"),
    (
        ErrorClass.INSUFFICIENT_BALANCE,
        "run",
        "InvalidPayMethod InsufficientBalance InvalidAccountStatus.NotEnoughBalance Account.Arrearage"
        " PaymentMethodNotFound InvalidInstance.UnPaidOrder",
    ),
    (ErrorClass.INSUFFICIENT_BALANCE, "terraform", "ACCOUNT_BALANCE_EXCEEDED"),
    (
        ErrorClass.BAD_CREDENTIALS,
        "common",
        "InvalidAccessKeyId.NotFound InvalidAccessKeyId.Inactive SignatureDoesNotMatch IncompleteSignature"
        " InvalidSecurityToken.Expired InvalidSecurityToken.Malformed InvalidSecurityToken.MismatchWithAccessKey",
    ),
    # More than 15 minutes off.
    (ErrorClass.CLOCK_SKEW, "common", "InvalidTimeStamp.Expired"),
    (
        ErrorClass.PERMISSION_DENIED,
        "common",
        "Forbidden Forbidden.RAM Forbidden.RiskControl Forbidden.UserVerification Forbedden.NotSupportRAM NoPermission"
        " ActionUnauthorized",
    ),
    (
        ErrorClass.PERMISSION_DENIED,
        "run",
        "Forbbiden Forbidden.RegionId RegionUnauthorized RealNameAuthenticationError SecurityRisk.3DVerification"
        " InvalidInstanceType.ValueUnauthorized InvalidSystemDiskCategory.ValueUnauthorized ImageNotSubscribed",
    ),
    (ErrorClass.PERMISSION_DENIED, "describe", "Unauthorized.EmptyRegion"),
    (
        ErrorClass.PERMISSION_DENIED,
        "delete",
        "InvalidOperation.NotInWhiteList InvalidOperation.DeletionProtection InstanceLockedForSecurity",
    ),
    (ErrorClass.NOT_RELEASABLE, "delete", "ChargeTypeViolation"),
    (
        ErrorClass.NOT_RELEASABLE,
        "charge",
        f"{REFUND_QUOTA} InvalidInstance.TempBandwidthUpgrade ReleaseTimeHaveBeenSet",
    ),
    (
        ErrorClass.NOT_FOUND,
        "run",
        "InvalidZoneId.NotFound InvalidImageId.NotFound InvalidMarketImage.NotFound ImageRemovedInMarket"
        " OperationDenied.ImageNotValid InvalidSecurityGroupId InvalidSecurityGroupId.NotFound"
        " InvalidVSwitchId.NotFound InvalidVSwitchId.NotExist VpcNotFound",
    ),
    (ErrorClass.NOT_FOUND, "describe", "InvalidRegionId.NotFound Invalid.RegionId Unavailable.Regions"),
    (ErrorClass.NOT_FOUND, "delete", "InvalidInstanceId.NotFound"),
    (ErrorClass.NOT_FOUND, "bridgx", "InvalidInstanceIds.NotFound"),
    (
        ErrorClass.NOT_FOUND,
        "group",
        "InvalidVpcId.NotFound InvalidSourceGroupId.NotFound InvalidSourceGroup.NotFound InvalidDestGroupId.NotFound"
        " InvalidDestGroup.NotFound",
    ),
    (ErrorClass.NOT_FOUND, "vpc", "Forbidden.VpcNotFound"),
    (
        ErrorClass.NOT_FOUND,
        "terraform",
        "Forbidden.InstanceNotFound Instance.Notfound InvalidVpcID.NotFound InvalidVswitchID.NotFound",
    ),
    (
        ErrorClass.CONFLICT,
        "run",
        "IncorrectVSwitchStatus IncorrectDefaultVpcStatus IncorrectImageStatus OperationDenied.CreatingConflict",
    ),
    (
        ErrorClass.CONFLICT,
        "delete",
        "IncorrectInstanceStatus IncorrectInstanceStatus.Initializing DependencyViolation.SLBConfiguring"
        " DependencyViolation.RouteEntry",
    ),
    (ErrorClass.CONFLICT, "group", "IdempotentProcessing DependencyViolation"),
    (
        ErrorClass.CONFLICT,
        "vpc",
        "IncorrectVpcStatus IncorrectRouteEntryStatus IncorrectStatus DependencyViolation.Instance"
        " DependencyViolation.VSwitch DependencyViolation.SecurityGroup DependencyViolation.RouteInterface"
        " DependencyViolation.RouterInterface DependencyViolation.NatGateway DependencyViolation.Tunnel"
        " DependencyViolation.HaVip",
    ),
    # A nonce that was used before is no fault of the request: the next call has its own.
    (ErrorClass.CONFLICT, "common", "SignatureNonceUsed"),
    # What only needs patience: the network, or an earlier call under the same token, is still being worked on.
    (
        ErrorClass.CONFLICT,
        "terraform",
        "TaskConflict OperationConflict Operation.Conflict LastTokenProcessing OperationFailed.LastTokenProcessing"
        " OperationFailed.IdempotentTokenProcessing OperationFailed.DistibuteLock OperationFailed.NotifyCenCreate"
        " CreateVSwitch.IncorrectStatus.cbnStatus IncorrectStatus.cbnStatus InvalidStatus.RouteEntry",
    ),
    (ErrorClass.INVALID_PARAMETER, "token", "IdempotentParameterMismatch"),
    (ErrorClass.INVALID_PARAMETER, "terraform", "Duplicated.ClientToken"),
    (
        ErrorClass.INVALID_PARAMETER,
        "common",
        "MissingParameter InvalidParameter UnsupportedParameter UnsupportedHTTPMethod UnsupportedOperation"
        " InvalidAction NoSuchVersion InvalidApi.NotFound IllegalTimestamp InvalidTimeStamp.Format",
    ),
    (
        ErrorClass.INVALID_PARAMETER,
        "run",
        "InvalidInstanceType.ValueNotSupported InvalidInstanceType.NotSupported InvalidInstanceName.Malformed"
        " InvalidParams.InstanceNameExceed InvalidPassword.Malformed InvalidPasswordParam.Mismatch"
        " InvalidSystemDiskCategory.ValueNotSupported InvalidSystemDiskSize.ValueNotSupported"
        " InvalidSystemDiskSize.LessThanImageSize InvalidSystemDiskSize.LessThanMinSize"
        " InvalidSystemDiskSize.MoreThanMaxSize InvalidDisk.SystemDiskSize InvalidDataDiskSize.ValueNotSupported"
        " InvalidDataDiskCategory.ValueNotSupported InvalidDiskCategory.ValueNotSupported InvalidDiskCategory.Mismatch"
        " InvalidDiskCategory.NotSupported InvalidDiskSize.TooSmall InstanceDiskCategoryLimitExceed"
        " InstanceDiskNumLimitExceed InstanceDiskNumber.LimitExceed DeleteWithInstance.Conflict CategoryViolation"
        " OperationDenied.DiskTypeNotSupport OperationDenied.LocalDiskUnsupported InvalidParameter.Conflict"
        " InvalidParameter.Mismatch InvalidParameter.NotMatch InvalidParameter.Bandwidth"
        " InvalidNetworkType.Mismatch OperationDenied.InvalidNetworkType OperationDenied.InconsistentNetwork"
        " InvalidInternetChargeType.ValueNotSupported InvalidInternetMaxBandwidthOut.Malformed"
        " InvalidInstanceChargeType.NotFound InvalidPeriod InvalidPeriodType.ValueNotSupported MissingParamter"
        " InvalidTagKey.Malformed InvalidTagValue.Malformed InvalidTag.Mismatch InvalidTagCount Duplicate.TagKey"
        " InvalidMinAmount.Malformed InvalidMaxAmount.Malformed InvalidParam.Amount"
        " InvalidClientToken.ValueNotSupported ImageNotSupportInstanceType ImageNotSupportCloudInit"
        " IoOptimized.NotSupported DependencyViolation.IoOptimized DependencyViolation.WindowsInstance"
        " InvalidSecurityGroup.NotInDefaultVpc OperationDenied",
    ),
    (
        ErrorClass.INVALID_PARAMETER,
        "describe",
        "InvalidStatus.NotFound InvalidFilterKey.NotFound InvalidFilterValue InvalidAcceptLanguage.NotFound"
        " InvalidRegionId.MalFormed Invalid.InstanceChargeType Invalid.Param Invalid.DestinationResource"
        " InvalidImageOwnerAlias.ValueNotSupported InvalidParamter",
    ),
    (
        ErrorClass.INVALID_PARAMETER,
        "group",
        "InvalidSecurityGroupName.Malformed InvalidIpProtocol.Malformed InvalidIpProtocol.ValueNotSupported"
        " InvalidParam.PortRange InvalidParam.SourceIp InvalidParam.DestIp InvalidSourceCidrIp.Malformed"
        " InvalidDestCidrIp.Malformed InvalidSourceGroupId.Mismatch InvalidDestGroupId.Mismatch"
        " InvalidParamter.Conflict InvalidSecurityGroup.IsSame MissingParameter.Source MissingParameter.Dest"
        " InvalidPolicy.Malformed InvalidPriority.Malformed InvalidNicType.ValueNotSupported"
        " InvalidSecurityGroup.InvalidNetworkType VPCDisabled",
    ),
    (
        ErrorClass.INVALID_PARAMETER,
        "vpc",
        "InvalidVpcName.Malformed InvalidVSwitchName.Malformed InvalidCidrBlock.Malformed InvalidCidrBlock.Overlapped"
        " InvalidCirdrBlock.MaskLength",
    ),
    (ErrorClass.UNAVAILABLE, "server", "ServiceUnavailable InternalError"),
    (ErrorClass.UNAVAILABLE, "terraform", "SystemBusy ServiceBusy"),
)


def _rows() -> Iterator[tuple[str, Row]]:
    for kind, source, codes in _TABLE:
        for code in codes.split():
            yield code, Row(kind, source)


CODES: Mapping[str, Row] = dict(_rows())

# One code, another meaning in one call.
IN_ONE_OPERATION: Mapping[tuple[str, str], Row] = {
    ("delete_vpc", "OperationDenied"): Row(ErrorClass.CONFLICT, "vpc"),
    # It has not booted, or its billing is not what it was a moment ago: looked at again.
    **{
        ("modify_instance_charge_type", code): Row(ErrorClass.CONFLICT, "charge")
        for code in (
            "ExpiredInstance",
            "InvalidStatus.ValueNotSupported",
            "InvalidInstanceChargeType.ValueNotSupported",
        )
    },
}

# Ends before beginnings: InvalidAnything.NotFound is more than invalid.
ENDINGS: tuple[tuple[str, ErrorClass], ...] = (
    (".NoStock", ErrorClass.OUT_OF_STOCK),
    (".NotFound", ErrorClass.NOT_FOUND),
    (".NotExist", ErrorClass.NOT_FOUND),
)
BEGINNINGS: tuple[tuple[str, ErrorClass], ...] = (
    ("Throttling.", ErrorClass.THROTTLED),
    ("QuotaExceed", ErrorClass.QUOTA_EXCEEDED),
    ("InvalidAccountStatus.", ErrorClass.INSUFFICIENT_BALANCE),
    ("InvalidAccessKeyId.", ErrorClass.BAD_CREDENTIALS),
    ("InvalidSecurityToken.", ErrorClass.BAD_CREDENTIALS),
    ("Forbidden.", ErrorClass.PERMISSION_DENIED),
    ("InvalidOperation.", ErrorClass.PERMISSION_DENIED),
    ("DependencyViolation.", ErrorClass.CONFLICT),
    ("Incorrect", ErrorClass.CONFLICT),
    ("Invalid", ErrorClass.INVALID_PARAMETER),
    ("Missing", ErrorClass.INVALID_PARAMETER),
    ("InternalError.", ErrorClass.UNAVAILABLE),
)

# The beginning of a code of RunInstances → what it is about, in the words of our API; the first that fits.
_FIELDS: tuple[tuple[str, str], ...] = (
    ("InvalidInstanceType", "instance_type"),
    ("InvalidImage", "image"),
    ("ImageNot", "image"),
    ("OperationDenied.ImageNotValid", "image"),
    ("InvalidVSwitchId", "network_config.subnet_id"),
    ("QuotaExceeded.PrivateIpAddress", "network_config.subnet_id"),
    ("InvalidVswitchID", "network_config.subnet_id"),
    ("InvalidSecurityGroup", "network_config.security_group"),
    ("InvalidVpc", "network_config.vpc"),
    ("VpcNotFound", "network_config.vpc"),
    ("Forbidden.VpcNotFound", "network_config.vpc"),
    ("InvalidInternetChargeType", "network_config.internet_charge_type"),
    ("InvalidInternetMaxBandwidthOut", "network_config.internet_max_bandwidth_out"),
    ("InvalidParameter.Bandwidth", "network_config.internet_max_bandwidth_out"),
    ("InvalidZoneId", "zone_id"),
    ("InvalidRegionId", "region_id"),
    ("InvalidSystemDiskCategory", "disks.system_disk.category"),
    ("InvalidSystemDiskSize", "disks.system_disk.size"),
    ("InvalidDisk.SystemDiskSize", "disks.system_disk.size"),
    ("InvalidDataDisk", "disks.data_disk"),
    ("InvalidDisk", "disks"),
    ("InvalidPassword", "password"),
    ("InvalidPeriod", "charge_config.period"),
    ("InvalidInstanceChargeType", "charge_config.charge_type"),
    ("InvalidTag", "tags"),
)


def class_of(code: str, status: int, operation: str = "") -> ErrorClass:
    """The class of a code that came with this HTTP status."""
    row = IN_ONE_OPERATION.get((operation, code)) or CODES.get(code)
    if row is not None:
        return row.kind
    for ending, kind in ENDINGS:
        if code.endswith(ending):
            return kind
    for beginning, kind in BEGINNINGS:
        if code.startswith(beginning):
            return kind
    if status == 429:
        return ErrorClass.THROTTLED
    return ErrorClass.UNAVAILABLE if status >= 500 else ErrorClass.UNKNOWN


def field_of(code: str, kind: ErrorClass, operation: str) -> str:
    """The parameter of a machine that a refusal is about, in the words of our API; empty where the code names none."""
    told = (ErrorClass.INVALID_PARAMETER, ErrorClass.NOT_FOUND, ErrorClass.OUT_OF_STOCK, ErrorClass.NO_ADDRESSES)
    if operation != "run_instances" or kind not in told:
        return ""
    return next((field for beginning, field in _FIELDS if code.startswith(beginning)), "")
