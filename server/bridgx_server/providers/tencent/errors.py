"""Tencent Cloud's error codes in our vocabulary.

The sources of the rows are named in SOURCES. Codes of things that this adapter never uses are left to the families. A code
that is in no row is judged by its family; else it is UNKNOWN. Every answer has the HTTP status 200, so that tells nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bridgx_server.providers.errors import ErrorClass

PROVIDER = "TencentCloud"

SOURCES: Mapping[str, str] = {
    "common": "API 3.0, common error codes (the same list in the reference of every product)",
    "cvm": "tencentcloud-sdk-python-cvm, cvm/v20170312/errorcodes.py: the codes of CVM and what each means",
    "vpc": "tencentcloud-sdk-python-vpc, vpc/v20170312/errorcodes.py: the codes of VPC and what each means",
}


@dataclass(frozen=True)
class Row:
    """What a code means, and the key in SOURCES of where it is documented."""

    kind: ErrorClass
    source: str


_TABLE: tuple[tuple[ErrorClass, str, str], ...] = (
    (
        ErrorClass.THROTTLED,
        "common",
        "RequestLimitExceeded RequestLimitExceeded.IPLimitExceeded RequestLimitExceeded.UinLimitExceeded"
        " RequestLimitExceeded.GlobalRegionUinLimitExceeded",
    ),
    (ErrorClass.THROTTLED, "vpc", "LimitExceeded.ActionLimited"),
    (
        ErrorClass.OUT_OF_STOCK,
        "cvm",
        "ResourceInsufficient.SpecifiedInstanceType ResourceInsufficient.ZoneSoldOutForSpecifiedInstance"
        " ResourceInsufficient.AvailabilityZoneSoldOut ResourceInsufficient.CloudDiskSoldOut"
        " ResourceInsufficient.CloudDiskUnavailable ResourceInsufficient.InsufficientOfferingMinimum"
        " ResourcesSoldOut.SpecifiedInstanceType ResourcesSoldOut.AvailableZone ResourcesSoldOut.EipInsufficient"
        " ResourceUnavailable.InstanceType ResourceNotFound.InvalidZoneInstanceType ResourceNotFound.NoDefaultCbs"
        " ResourceNotFound.NoDefaultCbsWithReason InvalidParameter.InvalidCloudDiskSoldOut"
        " InvalidParameterValue.ZoneNotSupported InvalidParameterValue.InsufficientOffering"
        " UnsupportedOperation.InvalidZone",
    ),
    (ErrorClass.OUT_OF_STOCK, "vpc", "ResourceInsufficient ResourceInsufficient.Instance"),
    # "Insufficient subnet IPs." and "No available IPs in the subnet."
    (ErrorClass.NO_ADDRESSES, "cvm", "LimitExceeded.VpcSubnetNum FailedOperation.NoAvailableIpAddressCountInSubnet"),
    (ErrorClass.NO_ADDRESSES, "vpc", "ResourceInsufficient.Subnet"),
    (
        ErrorClass.QUOTA_EXCEEDED,
        "cvm",
        "LimitExceeded.InstanceQuota LimitExceeded.CvmInstanceQuota LimitExceeded.PrepayQuota LimitExceeded.SpotQuota"
        " LimitExceeded.SingleUSGQuota LimitExceeded.AssociateUSGLimitExceeded"
        " LimitExceeded.CvmsVifsPerSecGroupLimitExceeded LimitExceeded.TagResourceQuota"
        " InstancesQuotaLimitExceeded ResourceInsufficient.InsufficientGroupQuota"
        " ResourceInsufficient.DisasterRecoverGroupCvmQuota UnsupportedOperation.UserLimitOperationExceedQuota"
        " InvalidParameterValue.TagQuotaLimitExceeded",
    ),
    (
        ErrorClass.QUOTA_EXCEEDED,
        "vpc",
        "LimitExceeded VpcLimitExceeded LimitExceeded.CidrBlock LimitExceeded.SubnetCidrBlock"
        " LimitExceeded.SecurityGroupPolicySet LimitExceeded.TagQuota LimitExceeded.TagNotEnoughQuota"
        " ResourceInsufficient.CidrBlock",
    ),
    (
        ErrorClass.INSUFFICIENT_BALANCE,
        "cvm",
        "InvalidAccount.InsufficientBalance InvalidAccount.UnpaidOrder UnsupportedOperation.NotSupportUnpaidOrder",
    ),
    (
        ErrorClass.INSUFFICIENT_BALANCE,
        "vpc",
        "FailedOperation.BalanceInsufficient UnsupportedOperation.InsufficientFunds"
        " UnsupportedOperation.UnpaidOrderAlreadyExists",
    ),
    (
        ErrorClass.BAD_CREDENTIALS,
        "common",
        "AuthFailure.InvalidAuthorization AuthFailure.InvalidSecretId AuthFailure.SecretIdNotFound"
        " AuthFailure.SignatureFailure AuthFailure.TokenFailure",
    ),
    # The timestamp is more than five minutes off.
    (ErrorClass.CLOCK_SKEW, "common", "AuthFailure.SignatureExpire"),
    (ErrorClass.BAD_CREDENTIALS, "vpc", "AuthFailure"),
    (
        ErrorClass.PERMISSION_DENIED,
        "common",
        "AuthFailure.UnauthorizedOperation AuthFailure.MFAFailure UnauthorizedOperation IpInBlacklist IpNotInWhitelist",
    ),
    (
        ErrorClass.PERMISSION_DENIED,
        "cvm",
        "UnauthorizedOperation.PermissionDenied UnauthorizedOperation.ImageNotBelongToAccount"
        " UnauthorizedOperation.InvalidToken UnauthorizedOperation.MFAExpired UnauthorizedOperation.MFANotFound"
        " AccountQualificationRestrictions InvalidPermission OperationDenied.AccountNotSupported"
        " OperationDenied.InnerUserProhibitAction InvalidParameter.SpecialParameterForSpecialAccount"
        " UnsupportedOperation.InvalidInstancesOwner UnsupportedOperation.InstancesProtected"
        # It is to be deleted at a time that its owner has set, and until then by nobody.
        " UnsupportedOperation.InvalidInstanceNotSupportedProtectedInstance"
        " UnsupportedOperation.RedHatInstanceTerminateUnsupported",
    ),
    (
        ErrorClass.NOT_RELEASABLE,
        "cvm",
        # Machines that Tencent does not take back, by its rules of return, or not in this month any more.
        "FailedOperation.Unreturnable InvalidInstanceNotSupportedPrepaidInstance LimitExceeded.UserReturnQuota",
    ),
    (
        ErrorClass.PERMISSION_DENIED,
        "vpc",
        "UnauthorizedOperation.NoRealNameAuthentication UnauthorizedOperation.InvalidAccount"
        " UnauthorizedOperation.NeedApproval InvalidAccount.NotSupported UnsupportedOperation.WhiteListNotAdd"
        " UnsupportedOperation.TagNotPermit",
    ),
    (ErrorClass.NOT_FOUND, "common", "ResourceNotFound UnsupportedRegion"),
    (
        ErrorClass.NOT_FOUND,
        "cvm",
        "InvalidInstanceId.NotFound ResourceNotFound.InvalidInstanceIdNotFound InvalidImageId.NotFound"
        " InvalidSecurityGroupId.NotFound InvalidRegion.NotFound InvalidZone.MismatchRegion"
        " InvalidParameterValue.SubnetNotExist InvalidParameterValue.VpcIdNotExist"
        " InvalidParameterValue.InvalidVpcIdSubnetIdNotFound InvalidParameterValue.InstanceTypeNotFound"
        " UnsupportedOperation.InstanceStateTerminated",
    ),
    (
        ErrorClass.NOT_FOUND,
        "vpc",
        "InvalidVpcId.NotFound InvalidSecurityGroupID.NotFound UnsupportedOperation.SubnetNotExists"
        " InvalidParameterValue.ResourceNotFound InvalidParameterValue.UnavailableZone",
    ),
    (ErrorClass.CONFLICT, "common", "ResourceInUse ResourceUnavailable"),
    (
        ErrorClass.CONFLICT,
        "cvm",
        "InvalidInstanceState MutexOperation.TaskRunning OperationDenied.InstanceOperationInProgress"
        " FailedOperation.InvalidImageState InvalidImageId.IncorrectState InvalidParameterValue.InvalidImageState"
        " UnsupportedOperation.InstanceStatePending UnsupportedOperation.InstanceStateLaunchFailed"
        " UnsupportedOperation.InstanceStateIsolating UnsupportedOperation.InstanceStateTerminating"
        " UnsupportedOperation.InstanceStateRebooting UnsupportedOperation.InstanceStateStarting"
        " UnsupportedOperation.InstanceStateStopping UnsupportedOperation.InstanceStateFreezing"
        " UnsupportedOperation.InstanceStateBanning",
    ),
    (
        ErrorClass.CONFLICT,
        "vpc",
        "OperationDenied.MutexTaskRunning UnsupportedOperation.MutexOperationTaskRunning"
        " UnsupportedOperation.ResourceProcessing UnsupportedOperation.IdempotentProcessing"
        " UnsupportedOperation.InvalidState UnsupportedOperation.ResourceIsInvalidState"
        " UnsupportedOperation.LockedResources UnsupportedOperation.TagAllocate UnsupportedOperation.VersionMismatch"
        " UnsupportedOperation.DuplicatePolicy",
    ),
    (
        ErrorClass.INVALID_PARAMETER,
        "common",
        "InvalidParameter InvalidParameterValue MissingParameter UnknownParameter InvalidAction InvalidRequest"
        " NoSuchProduct NoSuchVersion ActionOffline RequestSizeLimitExceeded ResponseSizeLimitExceeded"
        " UnsupportedProtocol UnsupportedOperation",
    ),
    (
        ErrorClass.INVALID_PARAMETER,
        "cvm",
        "InvalidClientToken.TooLong InvalidInstanceId.Malformed InvalidImageId.Malformed InvalidInstanceType.Malformed"
        " InvalidSgId.Malformed InvalidInstanceName.TooLong InvalidPassword InvalidParameterValue.InvalidPassword"
        " InvalidPeriod InvalidFilter InvalidFilterValue.LimitExceeded InvalidParameterCombination"
        " InvalidParameterValueLimit InvalidParameterValueOffset InvalidParameterValue.LimitExceeded"
        " InvalidParameterValue.Range InvalidParameterValue.SubnetIdMalformed InvalidParameterValue.VpcIdMalformed"
        " InvalidParameterValue.SubnetIdZoneIdNotMatch InvalidParameterValue.VpcIdSubnetIdNotMatch"
        " InvalidParameterValue.VpcIdZoneIdNotMatch InvalidParameterValue.InvalidImageForGivenInstanceType"
        " InvalidParameterValue.DuplicateTags InvalidParameter.InstanceTypeNotSupport"
        " InvalidParameter.InvalidParameterCoexistImageIdsFilters LimitExceeded.InstanceTypeBandwidth"
        " FailedOperation.IllegalTagKey FailedOperation.IllegalTagValue FailedOperation.TagKeyReserved"
        " UnsupportedOperation.InstanceMixedPricingModel UnsupportedOperation.InstanceChargeType"
        " UnsupportedOperation.SystemDiskType UnsupportedOperation.MinCountUnsupportedRegion"
        " UnsupportedOperation.MinCountUnsupportedChargeType",
    ),
    (
        ErrorClass.INVALID_PARAMETER,
        "vpc",
        "InvalidParameter.Coexist InvalidParameter.FilterInvalidKey InvalidParameterValue.CidrConflict"
        " InvalidParameterValue.SubnetConflict InvalidParameterValue.SubnetOverlap InvalidParameterValue.SubnetRange"
        " InvalidParameterValue.NotInVpcCidr InvalidParameterValue.Malformed InvalidParameterValue.TooLong"
        " InvalidParameterValue.TagInvalidKey InvalidParameterValue.TagDuplicateKey"
        " InvalidVpcId.Malformed InvalidSecurityGroupID.Malformed UnknownParameter.WithGuess"
        " UnsupportedOperation.IdempotentParameterMismatch UnsupportedOperation.TagSystemReservedTagKey",
    ),
    (ErrorClass.UNAVAILABLE, "common", "InternalError ServiceUnavailable"),
    (ErrorClass.UNAVAILABLE, "cvm", "InternalServerError InternalError.TradeUnknownError"),
    (ErrorClass.UNAVAILABLE, "vpc", "InternalError.ModuleError"),
)


def _rows() -> Iterator[tuple[str, Row]]:
    for kind, source, codes in _TABLE:
        for code in codes.split():
            yield code, Row(kind, source)


CODES: Mapping[str, Row] = dict(_rows())

# Ends before beginnings: InvalidAnything.NotFound is more than invalid.
ENDINGS: tuple[tuple[str, ErrorClass], ...] = (
    ("SoldOut", ErrorClass.OUT_OF_STOCK),
    ("NotFound", ErrorClass.NOT_FOUND),
    ("NotExist", ErrorClass.NOT_FOUND),
)
BEGINNINGS: tuple[tuple[str, ErrorClass], ...] = (
    ("RequestLimitExceeded", ErrorClass.THROTTLED),
    ("ResourceInsufficient.", ErrorClass.OUT_OF_STOCK),
    ("ResourcesSoldOut.", ErrorClass.OUT_OF_STOCK),
    ("LimitExceeded.", ErrorClass.QUOTA_EXCEEDED),
    ("AuthFailure.", ErrorClass.BAD_CREDENTIALS),
    ("UnauthorizedOperation.", ErrorClass.PERMISSION_DENIED),
    ("ResourceNotFound.", ErrorClass.NOT_FOUND),
    ("ResourceInUse.", ErrorClass.CONFLICT),
    ("ResourceUnavailable.", ErrorClass.CONFLICT),
    ("MutexOperation.", ErrorClass.CONFLICT),
    ("OperationDenied.", ErrorClass.CONFLICT),
    ("UnsupportedOperation.InstanceState", ErrorClass.CONFLICT),
    ("UnsupportedOperation.", ErrorClass.INVALID_PARAMETER),
    ("Invalid", ErrorClass.INVALID_PARAMETER),
    ("MissingParameter.", ErrorClass.INVALID_PARAMETER),
    ("UnknownParameter.", ErrorClass.INVALID_PARAMETER),
    ("InternalError.", ErrorClass.UNAVAILABLE),
)

# The beginning of a code of RunInstances → what it is about, in the words of our API; the first that fits.
_FIELDS: tuple[tuple[str, str], ...] = (
    ("InvalidParameterValue.InstanceType", "instance_type"),
    ("InvalidParameter.InstanceType", "instance_type"),
    ("InvalidInstanceType", "instance_type"),
    ("InvalidImage", "image"),
    ("InvalidParameterValue.InvalidImage", "image"),
    ("InvalidParameterValue.SubnetId", "network_config.subnet_id"),
    ("InvalidParameterValue.SubnetNotExist", "network_config.subnet_id"),
    ("InvalidParameterValue.VpcId", "network_config.vpc"),
    ("InvalidParameterValue.InvalidVpcIdSubnetIdNotFound", "network_config.subnet_id"),
    ("LimitExceeded.VpcSubnetNum", "network_config.subnet_id"),
    ("FailedOperation.NoAvailableIpAddressCountInSubnet", "network_config.subnet_id"),
    ("ResourceInsufficient.Subnet", "network_config.subnet_id"),
    ("InvalidVpcId", "network_config.vpc"),
    ("UnsupportedOperation.SubnetNotExists", "network_config.subnet_id"),
    ("InvalidSecurityGroupID", "network_config.security_group"),
    ("InvalidSecurityGroupId", "network_config.security_group"),
    ("InvalidSgId", "network_config.security_group"),
    ("LimitExceeded.InstanceTypeBandwidth", "network_config.internet_max_bandwidth_out"),
    ("InvalidZone", "zone_id"),
    ("InvalidRegion", "region_id"),
    ("UnsupportedRegion", "region_id"),
    ("UnsupportedOperation.SystemDiskType", "disks.system_disk.category"),
    ("InvalidPassword", "password"),
    ("InvalidParameterValue.InvalidPassword", "password"),
    ("InvalidPeriod", "charge_config.period"),
    ("UnsupportedOperation.InstanceChargeType", "charge_config.charge_type"),
    ("FailedOperation.IllegalTag", "tags"),
    ("FailedOperation.TagKeyReserved", "tags"),
    ("InvalidParameterValue.DuplicateTags", "tags"),
)


def class_of(code: str) -> ErrorClass:
    """The class of a code."""
    row = CODES.get(code)
    if row is not None:
        return row.kind
    for ending, kind in ENDINGS:
        if code.endswith(ending):
            return kind
    for beginning, kind in BEGINNINGS:
        if code.startswith(beginning):
            return kind
    return ErrorClass.UNKNOWN


def field_of(code: str, kind: ErrorClass, action: str) -> str:
    """The parameter of a machine that a refusal is about, in the words of our API; empty where the code names none."""
    told = (ErrorClass.INVALID_PARAMETER, ErrorClass.NOT_FOUND, ErrorClass.NO_ADDRESSES)
    if action != "RunInstances" or kind not in told:
        return ""
    return next((field for beginning, field in _FIELDS if code.startswith(beginning)), "")
