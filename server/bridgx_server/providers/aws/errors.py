"""EC2's error codes in our vocabulary.

Source: "Error codes for the Amazon EC2 API" in its API reference. A code that is not here is judged by its family
(`Invalid…`), then by its HTTP status. What a clock that is off is answered with: `CLOCK_SKEW_ERROR_CODES` of AWS's own SDK,
aws-sdk-js-v3, packages/service-error-classification; the five minutes are those of its other SDKs (AWSClockSkewProvider).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from bridgx_server.providers.errors import ErrorClass

# One of the machines is protected from termination, and the message names it.
PROTECTED = "OperationNotPermitted"
# "You have requested more instances (8) than your current instance limit of 5 allows for the specified instance type."
# That of vCPUs names vCPUs, of which the types have different numbers. Both are limits of what runs: with machines running
# already, no more are left than they say.
_LIMIT = re.compile(r"current instance limit of (\d+)")

CODES: Mapping[str, ErrorClass] = {
    # Throttling
    "RequestLimitExceeded": ErrorClass.THROTTLED,
    "EC2ThrottledException": ErrorClass.THROTTLED,
    "Throttling": ErrorClass.THROTTLED,
    "ThrottlingException": ErrorClass.THROTTLED,
    "TooManyRequestsException": ErrorClass.THROTTLED,
    # Stock
    "InsufficientInstanceCapacity": ErrorClass.OUT_OF_STOCK,
    "InsufficientCapacity": ErrorClass.OUT_OF_STOCK,
    "InsufficientHostCapacity": ErrorClass.OUT_OF_STOCK,
    "InsufficientReservedInstanceCapacity": ErrorClass.OUT_OF_STOCK,
    "InsufficientVolumeCapacity": ErrorClass.OUT_OF_STOCK,  # of the zone, as is the type
    "VolumeTypeNotAvailableInZone": ErrorClass.OUT_OF_STOCK,
    "InsufficientAddressCapacity": ErrorClass.OUT_OF_STOCK,  # public addresses of the zone
    "Unsupported": ErrorClass.OUT_OF_STOCK,
    # Addresses
    "InsufficientFreeAddressesInSubnet": ErrorClass.NO_ADDRESSES,
    # Quotas
    "InstanceLimitExceeded": ErrorClass.QUOTA_EXCEEDED,
    "VcpuLimitExceeded": ErrorClass.QUOTA_EXCEEDED,
    "VolumeLimitExceeded": ErrorClass.QUOTA_EXCEEDED,
    "MaxIOPSLimitExceeded": ErrorClass.QUOTA_EXCEEDED,
    "VpcLimitExceeded": ErrorClass.QUOTA_EXCEEDED,
    "SubnetLimitExceeded": ErrorClass.QUOTA_EXCEEDED,
    "SecurityGroupLimitExceeded": ErrorClass.QUOTA_EXCEEDED,
    "RulesPerSecurityGroupLimitExceeded": ErrorClass.QUOTA_EXCEEDED,
    "AddressLimitExceeded": ErrorClass.QUOTA_EXCEEDED,
    "NetworkInterfaceLimitExceeded": ErrorClass.QUOTA_EXCEEDED,
    "ResourceCountExceeded": ErrorClass.QUOTA_EXCEEDED,
    # Who calls
    "AuthFailure": ErrorClass.BAD_CREDENTIALS,
    "InvalidClientTokenId": ErrorClass.BAD_CREDENTIALS,
    "SignatureDoesNotMatch": ErrorClass.BAD_CREDENTIALS,
    "MissingAuthenticationToken": ErrorClass.BAD_CREDENTIALS,
    "IncompleteSignature": ErrorClass.BAD_CREDENTIALS,
    "InvalidSignatureException": ErrorClass.BAD_CREDENTIALS,
    "ExpiredToken": ErrorClass.BAD_CREDENTIALS,
    "ExpiredTokenException": ErrorClass.BAD_CREDENTIALS,
    # The clock. (EC2 says RequestExpired of a temporary key that has expired too; the SDK renews those before.)
    "RequestExpired": ErrorClass.CLOCK_SKEW,
    "RequestInTheFuture": ErrorClass.CLOCK_SKEW,
    "RequestTimeTooSkewed": ErrorClass.CLOCK_SKEW,
    "UnauthorizedOperation": ErrorClass.PERMISSION_DENIED,
    # Of STS: "Common Errors" in its API reference
    "AccessDenied": ErrorClass.PERMISSION_DENIED,
    "AccessDeniedException": ErrorClass.PERMISSION_DENIED,
    "OptInRequired": ErrorClass.PERMISSION_DENIED,
    "Blocked": ErrorClass.PERMISSION_DENIED,
    "PendingVerification": ErrorClass.PERMISSION_DENIED,
    PROTECTED: ErrorClass.PERMISSION_DENIED,
    # Not there
    "InvalidInstanceID.NotFound": ErrorClass.NOT_FOUND,
    "InvalidVpcID.NotFound": ErrorClass.NOT_FOUND,
    "InvalidSubnetID.NotFound": ErrorClass.NOT_FOUND,
    "InvalidGroup.NotFound": ErrorClass.NOT_FOUND,
    "InvalidAMIID.NotFound": ErrorClass.NOT_FOUND,
    "InvalidAMIID.Unavailable": ErrorClass.NOT_FOUND,
    # In the way of each other
    "DependencyViolation": ErrorClass.CONFLICT,
    "IncorrectState": ErrorClass.CONFLICT,
    "IncorrectInstanceState": ErrorClass.CONFLICT,
    "ResourceInUse": ErrorClass.CONFLICT,
    "ConcurrentTagAccess": ErrorClass.CONFLICT,
    "IdempotentInstanceTerminated": ErrorClass.CONFLICT,
    # Wrong
    "IdempotentParameterMismatch": ErrorClass.INVALID_PARAMETER,
    "MissingParameter": ErrorClass.INVALID_PARAMETER,
    "MissingInput": ErrorClass.INVALID_PARAMETER,
    "UnknownParameter": ErrorClass.INVALID_PARAMETER,
    "UnsupportedOperation": ErrorClass.INVALID_PARAMETER,
    # Away
    "InternalError": ErrorClass.UNAVAILABLE,
    "InternalFailure": ErrorClass.UNAVAILABLE,
    "ServiceUnavailable": ErrorClass.UNAVAILABLE,
    "Unavailable": ErrorClass.UNAVAILABLE,
}

# The beginning of a code of RunInstances → what it is about, in the words of our API.
_FIELDS: Mapping[str, str] = {
    "InsufficientFreeAddressesInSubnet": "network_config.subnet_id",
    "InvalidSubnet": "network_config.subnet_id",
    "InvalidGroup": "network_config.security_group",
    "InvalidSecurityGroup": "network_config.security_group",
    "InvalidVpc": "network_config.vpc",
    "InvalidAMIID": "image",
}


def field_of(code: str, operation: str) -> str:
    """The parameter of a machine that a refusal is about, in the words of our API; empty where the code names none."""
    if operation not in ("run_instances", "describe_images"):
        return ""
    return next((field for beginning, field in _FIELDS.items() if code.startswith(beginning)), "")


def available_of(code: str, message: str) -> int | None:
    """How many machines at most a refusal says that the account may run; None where it does not say."""
    told = _LIMIT.search(message) if code == "InstanceLimitExceeded" else None
    return int(told[1]) if told else None


# A wrong secret is answered with these, and so is a wrong clock: then the answer's own time is far from ours.
SKEWED_OR_WRONG = frozenset({"AuthFailure", "SignatureDoesNotMatch", "InvalidSignatureException"})
SKEW = 300.0  # seconds


def class_of(code: str, status: int, skew: float = 0.0) -> ErrorClass:
    """The class of a code that came with this HTTP status, ``skew`` seconds away from our time by the answer's own."""
    if code in SKEWED_OR_WRONG and skew > SKEW:
        return ErrorClass.CLOCK_SKEW
    if code in CODES:
        return CODES[code]
    if code.endswith(".NotFound"):
        return ErrorClass.NOT_FOUND
    if code.startswith("Invalid"):
        return ErrorClass.INVALID_PARAMETER
    if status == 429:
        return ErrorClass.THROTTLED
    return ErrorClass.UNAVAILABLE if status >= 500 else ErrorClass.UNKNOWN
