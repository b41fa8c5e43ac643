"""What RunInstances asks for, and what it refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from bridgx_server.cloudsim.core import Order, SimCloud, fingerprint_of
from bridgx_server.cloudsim.front import Call
from bridgx_server.cloudsim.tencent.errors import Refused
from bridgx_server.cloudsim.tencent.shapes import TagCodes, tags_of

BATCH = 500
MONTH = 30 * 86_400.0  # seconds
MOST_DATA_DISKS = 20
MOST_GROUPS = 5
BANDWIDTH_MBPS = 200
PERIODS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 24, 36, 48, 60)
RENEWALS = ("NOTIFY_AND_AUTO_RENEW", "NOTIFY_AND_MANUAL_RENEW", "DISABLE_NOTIFY_AND_MANUAL_RENEW")
INTERNET = ("BANDWIDTH_PREPAID", "TRAFFIC_POSTPAID_BY_HOUR", "BANDWIDTH_POSTPAID_BY_HOUR", "BANDWIDTH_PACKAGE")
TAGGABLE = ("instance", "host", "image", "keypair", "ps", "hpc")
CLOUD_DISKS = ("CLOUD_BASIC", "CLOUD_PREMIUM", "CLOUD_SSD", "CLOUD_BSSD", "CLOUD_HSSD", "CLOUD_TSSD")
SYSTEM_DISK_GIB = (20, 2048)
DATA_DISK_GIB = (10, 32000)
DATA_DISK_STEP = 10  # GiB
TAG_CODES = TagCodes(
    many="InvalidParameterValue.TagQuotaLimitExceeded",
    twice="InvalidParameterValue.DuplicateTags",
    reserved="FailedOperation.TagKeyReserved",
    illegal="FailedOperation.IllegalTagKey",
)
NOT_SIMULATED = (
    "LaunchTemplate",
    "NetworkInterfaces",
    "DedicatedClusterId",
    "ChcIds",
    "HpcClusterId",
    "InstanceMarketOptions",
)

_KINDS = (r"[a-z]", r"[A-Z]", r"[0-9]", r"[()`~!@#$%^&*\-+=|{}\[\]:;',.?/]")
_PASSWORD = re.compile(r"[a-zA-Z0-9()`~!@#$%^&*\-+=|{}\[\]:;',.?/]+")


def order_of(call: Call, cloud: SimCloud) -> Order:
    """The order; raises Refused, SimError."""
    parameters = call.parameters
    for name in NOT_SIMULATED:
        if parameters.get(name):
            raise Refused("UnsupportedOperation", f"{name} is not simulated.")
    # The last three have defaults at the vendor; the simulated cloud has no default type, network or group.
    for name in ("Placement", "ImageId", "InstanceType", "VirtualPrivateCloud", "SecurityGroupIds"):
        if not parameters.get(name):
            raise Refused("MissingParameter", f"The request is missing a required parameter `{name}`.")
    count = parameters.get("InstanceCount", 1)
    if not 1 <= count <= BATCH:
        raise Refused("InvalidParameterValue.Range", f"`InstanceCount` must be from 1 to {BATCH}.")
    if "MinCount" in parameters:
        # Only for accounts and regions that Tencent has allowed it to.
        raise Refused("UnsupportedOperation.MinCountUnsupportedRegion", "`MinCount` is not supported in this region.")
    if len(parameters.get("InstanceName", "")) > 128:
        raise Refused("InvalidInstanceName.TooLong", "`InstanceName` must have at most 128 characters.")
    token = parameters.get("ClientToken", "")
    if len(token) > 64:
        raise Refused("InvalidClientToken.TooLong", "`ClientToken` must have at most 64 characters.")
    if len(parameters["SecurityGroupIds"]) > MOST_GROUPS:
        raise Refused("LimitExceeded.AssociateUSGLimitExceeded", f"At most {MOST_GROUPS} security groups.")
    charge = _charge(parameters)
    bandwidth = _bandwidth(parameters.get("InternetAccessible", {}))
    _check_login(parameters, call, cloud)
    network = parameters["VirtualPrivateCloud"]
    vpc = cloud.vpc(call.account, call.region, network["VpcId"])
    if cloud.subnet(call.account, call.region, network["SubnetId"]).vpc_id != vpc.vpc_id:
        raise Refused("InvalidParameterValue.VpcIdSubnetIdNotMatch", "The subnet is of another VPC.")
    return Order(
        account=call.account,
        region=call.region,
        zone=parameters["Placement"]["Zone"],
        type_name=parameters["InstanceType"],
        image_id=parameters["ImageId"],
        subnet_id=network["SubnetId"],
        group_ids=tuple(parameters["SecurityGroupIds"]),
        count=count,
        min_count=count,
        name=parameters.get("InstanceName", ""),
        # Each region is a service of its own and has its own memory of tokens.
        token=f"{call.region}/{token}" if token else "",
        fingerprint=fingerprint_of({"parameters": json.dumps(parameters, sort_keys=True)}),
        charge=charge,
        lasts=parameters["InstanceChargePrepaid"]["Period"] * MONTH if charge == "PREPAID" else 0.0,
        bandwidth=bandwidth,
        disks=(_system_disk(parameters.get("SystemDisk", {})), *_data_disks(parameters)),
        tags=_tags(parameters),
    )


def _charge(parameters: Mapping[str, Any]) -> str:
    charge = str(parameters.get("InstanceChargeType", "POSTPAID_BY_HOUR"))
    if charge not in ("PREPAID", "POSTPAID_BY_HOUR"):
        raise Refused("InvalidParameterValue", f"The charge type {charge} does not exist, or is not simulated.")
    if charge == "PREPAID":
        prepaid = parameters.get("InstanceChargePrepaid")
        if prepaid is None:
            raise Refused("MissingParameter", "`InstanceChargePrepaid` is required with PREPAID.")
        if prepaid["Period"] not in PERIODS:
            raise Refused("InvalidPeriod", f"`Period` must be one of {', '.join(map(str, PERIODS))}.")
        if prepaid.get("RenewFlag", RENEWALS[0]) not in RENEWALS:
            raise Refused("InvalidParameterValue", f"`RenewFlag` must be one of {', '.join(RENEWALS)}.")
    return charge


def _bandwidth(internet: Mapping[str, Any]) -> int:
    bandwidth = int(internet.get("InternetMaxBandwidthOut", 0))
    if bandwidth < 0:
        raise Refused("InvalidParameterValue.Range", "`InternetMaxBandwidthOut` must not be negative.")
    if bandwidth > BANDWIDTH_MBPS:
        raise Refused("LimitExceeded.InstanceTypeBandwidth", f"At most {BANDWIDTH_MBPS} Mbps.")
    if internet.get("InternetChargeType", INTERNET[0]) not in INTERNET:
        raise Refused("InvalidParameterValue", f"`InternetChargeType` must be one of {', '.join(INTERNET)}.")
    if internet.get("PublicIpAssigned") and not bandwidth:
        raise Refused("InvalidParameterCombination", "Without bandwidth no public address is given.")
    return bandwidth if internet.get("PublicIpAssigned", True) else 0


def _check_login(parameters: Mapping[str, Any], call: Call, cloud: SimCloud) -> None:
    login = parameters.get("LoginSettings", {})
    if sum(bool(login.get(name)) for name in ("Password", "KeyIds", "KeepImageLogin")) > 1:
        raise Refused("InvalidParameter.ParameterConflict", "Password, KeyIds and KeepImageLogin exclude each other.")
    password = login.get("Password")
    if password is None:
        return
    image = cloud.image(call.region, parameters["ImageId"])
    shortest, least = (12, 3) if image is not None and image.os_type == "windows" else (8, 2)
    kinds = sum(bool(re.search(kind, password)) for kind in _KINDS)
    if not shortest <= len(password) <= 30 or kinds < least or _PASSWORD.fullmatch(password) is None:
        raise Refused("InvalidPassword", "The password does not meet the requirements.")


def _system_disk(disk: Mapping[str, Any]) -> dict[str, Any]:
    return _disk({"DiskSize": 50, **disk}, SYSTEM_DISK_GIB, system=True)


def _data_disks(parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    disks = parameters.get("DataDisks", ())
    if len(disks) > MOST_DATA_DISKS:
        raise Refused("InvalidParameterValue.LimitExceeded", f"At most {MOST_DATA_DISKS} data disks may be given.")
    for disk in disks:
        if disk["DiskSize"] % DATA_DISK_STEP:
            raise Refused("InvalidParameterValue.Range", f"A data disk's size is a multiple of {DATA_DISK_STEP} GiB.")
    return [_disk(disk, DATA_DISK_GIB, system=False) for disk in disks]


def _disk(disk: Mapping[str, Any], sizes: tuple[int, int], *, system: bool) -> dict[str, Any]:
    category = disk.get("DiskType", "CLOUD_PREMIUM")
    if category not in CLOUD_DISKS:
        raise Refused("InvalidParameterValue", f"The disk type {category} does not exist, or is not simulated.")
    if not sizes[0] <= disk["DiskSize"] <= sizes[1]:
        raise Refused("InvalidParameterValue.Range", f"The disk size must be from {sizes[0]} to {sizes[1]} GiB.")
    return {"system": system, "category": category, "size": disk["DiskSize"]}


def _tags(parameters: Mapping[str, Any]) -> dict[str, str]:
    rows: list[Mapping[str, str]] = []
    for specification in parameters.get("TagSpecification", ()):
        if specification["ResourceType"] not in TAGGABLE:
            raise Refused("InvalidParameterValue", f"`ResourceType` must be one of {', '.join(TAGGABLE)}.")
        if specification["ResourceType"] == "instance":
            rows += specification["Tags"]
    return tags_of(rows, TAG_CODES)
