"""Alibaba Cloud's error codes in our vocabulary.

Sources: [ref] the error tables of ECS 2014-05-26 and VPC 2016-04-28 in Alibaba Cloud's API reference; [idem] its guide "How to
ensure idempotence"; [tf] the codes that its Terraform provider handles; [gardener] those of gardener's machine
controller for Alibaba Cloud. A code that is not here is judged by its family (`Throttling.*`), then by its HTTP status.
"""

from __future__ import annotations

from collections.abc import Mapping

from bridgx_server.providers.errors import ErrorClass

CODES: Mapping[str, ErrorClass] = {
    # Throttling [ref, idem]
    "Throttling": ErrorClass.THROTTLED,
    "Throttling.User": ErrorClass.THROTTLED,
    "Throttling.Api": ErrorClass.THROTTLED,
    # Stock [ref]
    "OperationDenied.NoStock": ErrorClass.OUT_OF_STOCK,
    "Zone.NotOnSale": ErrorClass.OUT_OF_STOCK,
    "Zone.NotOpen": ErrorClass.OUT_OF_STOCK,
    "InvalidResourceType.NotSupported": ErrorClass.OUT_OF_STOCK,
    "InstanceType.Offline": ErrorClass.OUT_OF_STOCK,
    "Invalid.PrivatePoolOptions.NoStock": ErrorClass.OUT_OF_STOCK,
    "OperationDenied.ZoneNotAllowed": ErrorClass.OUT_OF_STOCK,
    "OperationDenied.CloudSSDNotSupported": ErrorClass.OUT_OF_STOCK,
    "InvalidVSwitchId.IpNotEnough": ErrorClass.OUT_OF_STOCK,
    # Quotas [ref, gardener]
    "QuotaExceed.ElasticQuota": ErrorClass.QUOTA_EXCEEDED,
    "QuotaExceed.DiskCapacity": ErrorClass.QUOTA_EXCEEDED,
    "QuotaExceeded.Vpc": ErrorClass.QUOTA_EXCEEDED,
    "QuotaExceeded.VSwitch": ErrorClass.QUOTA_EXCEEDED,
    "QuotaExceed.SecurityGroup": ErrorClass.QUOTA_EXCEEDED,
    "AuthorizationLimitExceed": ErrorClass.QUOTA_EXCEEDED,
    # Money [ref]
    "InvalidPayMethod": ErrorClass.INSUFFICIENT_BALANCE,
    "InsufficientBalance": ErrorClass.INSUFFICIENT_BALANCE,
    "ACCOUNT_BALANCE_EXCEEDED": ErrorClass.INSUFFICIENT_BALANCE,
    "InvalidAccountStatus.NotEnoughBalance": ErrorClass.INSUFFICIENT_BALANCE,
    "Account.Arrearage": ErrorClass.INSUFFICIENT_BALANCE,
    # Who calls [ref]
    "InvalidAccessKeyId.NotFound": ErrorClass.BAD_CREDENTIALS,
    "InvalidAccessKeyId.Inactive": ErrorClass.BAD_CREDENTIALS,
    "SignatureDoesNotMatch": ErrorClass.BAD_CREDENTIALS,
    "IncompleteSignature": ErrorClass.BAD_CREDENTIALS,
    "InvalidSecurityToken.Expired": ErrorClass.BAD_CREDENTIALS,
    "Forbidden.RAM": ErrorClass.PERMISSION_DENIED,
    "Forbidden": ErrorClass.PERMISSION_DENIED,
    "NoPermission": ErrorClass.PERMISSION_DENIED,
    "RealNameAuthenticationError": ErrorClass.PERMISSION_DENIED,
    # Not there [ref, tf]
    "InvalidRegionId.NotFound": ErrorClass.NOT_FOUND,
    "InvalidZoneId.NotFound": ErrorClass.NOT_FOUND,
    "InvalidInstanceId.NotFound": ErrorClass.NOT_FOUND,
    "InvalidInstanceIds.NotFound": ErrorClass.NOT_FOUND,
    "Forbidden.InstanceNotFound": ErrorClass.NOT_FOUND,
    "InvalidVpcID.NotFound": ErrorClass.NOT_FOUND,
    "InvalidVpcId.NotFound": ErrorClass.NOT_FOUND,
    "Forbidden.VpcNotFound": ErrorClass.NOT_FOUND,
    "InvalidVswitchID.NotFound": ErrorClass.NOT_FOUND,
    "InvalidVSwitchId.NotFound": ErrorClass.NOT_FOUND,
    "InvalidSecurityGroupId.NotFound": ErrorClass.NOT_FOUND,
    "InvalidImageId.NotFound": ErrorClass.NOT_FOUND,
    "InvalidInstanceType.NotFound": ErrorClass.NOT_FOUND,
    # In the way of each other [ref, tf]
    "IncorrectInstanceStatus": ErrorClass.CONFLICT,
    "IncorrectVpcStatus": ErrorClass.CONFLICT,
    "IncorrectVSwitchStatus": ErrorClass.CONFLICT,
    "IncorrectStatus": ErrorClass.CONFLICT,
    "DependencyViolation": ErrorClass.CONFLICT,
    "DependencyViolation.VSwitch": ErrorClass.CONFLICT,
    "TaskConflict": ErrorClass.CONFLICT,
    "OperationConflict": ErrorClass.CONFLICT,
    "IdempotentProcessing": ErrorClass.CONFLICT,
    "LastTokenProcessing": ErrorClass.CONFLICT,
    # Wrong [ref, idem]
    "IdempotentParameterMismatch": ErrorClass.INVALID_PARAMETER,
    "Duplicated.ClientToken": ErrorClass.INVALID_PARAMETER,
    "InvalidCidrBlock.Overlapped": ErrorClass.INVALID_PARAMETER,
    "InvalidCidrBlock": ErrorClass.INVALID_PARAMETER,
    "InvalidOperation.DeletePrePaidInstance": ErrorClass.PERMISSION_DENIED,
    # Away [idem]
    "ServiceUnavailable": ErrorClass.UNAVAILABLE,
    "InternalError": ErrorClass.UNAVAILABLE,
    "ServiceTimeout": ErrorClass.UNAVAILABLE,
}

FAMILIES: tuple[tuple[str, ErrorClass], ...] = (
    ("Throttling.", ErrorClass.THROTTLED),
    ("QuotaExceed", ErrorClass.QUOTA_EXCEEDED),
    ("Forbidden.", ErrorClass.PERMISSION_DENIED),
    ("DependencyViolation", ErrorClass.CONFLICT),
    ("IncorrectStatus", ErrorClass.CONFLICT),
    ("Invalid", ErrorClass.INVALID_PARAMETER),
    ("Missing", ErrorClass.INVALID_PARAMETER),
    ("UnsupportedParameter", ErrorClass.INVALID_PARAMETER),
)


def class_of(code: str, status: int) -> ErrorClass:
    """The class of a code that came with this HTTP status."""
    if code in CODES:
        return CODES[code]
    for beginning, kind in FAMILIES:
        if code.startswith(beginning):
            return kind
    if status == 429:
        return ErrorClass.THROTTLED
    return ErrorClass.UNAVAILABLE if status >= 500 else ErrorClass.UNKNOWN
