"""Which calls there are: method, path, parameters. From the BCC and VPC API references and Baidu's SDKs.

Actions are named after the methods of Baidu's Python SDK.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bridgx_server.cloudsim.baidu import groups, instances, networks, offered, release
from bridgx_server.cloudsim.baidu.shapes import BOOLEAN, IDS, INTEGER, PAGE, TAGS, TEXT, TEXTS, TOKEN, Field
from bridgx_server.cloudsim.core import SimCloud
from bridgx_server.cloudsim.front import Call

STORAGE = (
    "std1",
    "hp1",
    "cloud_hp1",
    "local",
    "sata",
    "ssd",
    "hdd",
    "HDD_Throughput",
    "premium_ssd",
    "local-ssd",
    "local-hdd",
    "local-nvme",
    "enhanced_ssd_pl1",
    "enhanced_ssd_pl2",
    "enhanced_ssd_pl3",
)
INTERNET = ("BANDWIDTH_PREPAID", "TRAFFIC_POSTPAID_BY_HOUR", "BANDWIDTH_POSTPAID_BY_HOUR")
IMAGES = ("All", "System", "Custom", "Integration", "Sharing", "GpuBccSystem", "GpuBccCustom", "BbcSystem", "BbcCustom")


@dataclass(frozen=True)
class Route:
    """A call. ``path`` has its parameters in braces; ``word`` is a query parameter without a value that names the call."""

    action: str
    method: str
    path: str
    perform: Callable[[Call, SimCloud], dict[str, Any]]
    query: Mapping[str, Field] = field(default_factory=dict)
    body: Mapping[str, Field] = field(default_factory=dict)
    word: str = ""

    def match(self, method: str, path: str, words: frozenset[str]) -> dict[str, str] | None:
        """The parameters of the path, None where this is another call."""
        if method != self.method or (self.word and self.word not in words):
            return None
        found = re.fullmatch(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.path), path)
        return None if found is None else found.groupdict()


def _each(names: str, field: Field) -> dict[str, Field]:
    """The same field under each of the names, which blanks part."""
    return dict.fromkeys(names.split(), field)


_STORAGE = Field(choices=STORAGE)
_BILLING = Field(
    "object",
    required=True,
    of={
        "paymentTiming": Field(required=True, choices=("Prepaid", "Postpaid")),
        "reservation": Field("object", of={"reservationLength": INTEGER, "reservationTimeUnit": TEXT}),
    },
)
_CDS = Field(
    "object",
    of={
        "cdsSizeInGB": Field("integer", required=True, size=(1, 5120)),
        "storageType": _STORAGE,
        "snapshotId": TEXT,
        "encryptKey": TEXT,
        "deleteWithInstance": BOOLEAN,
    },
)
_INSTANCE: Mapping[str, Field] = {
    "spec": Field(required=True),
    "imageId": Field(required=True),
    "billing": _BILLING,
    "rootDiskSizeInGb": Field("integer", size=(10, 2048)),
    "rootDiskStorageType": _STORAGE,
    "createCdsList": Field("list", of=_CDS),
    "ephemeralDisks": Field("list", of=Field("object", of={"sizeInGB": INTEGER, "storageType": _STORAGE})),
    "networkCapacityInMbps": Field("integer", size=(0, 200)),
    "internetChargeType": Field(choices=INTERNET),
    # No source names a largest number; this is that of the batches whose size is documented.
    "purchaseCount": Field("integer", size=(1, 100)),
    "purchaseMinCount": Field("integer", size=(1, 100)),
    "tags": TAGS,
    **_each(
        "eipName name hostname adminPass zoneName subnetId securityGroupId enterpriseSecurityGroupId "
        "ehcClusterId keypairId autoRenewTimeUnit aspId bidModel bidPrice dedicatedHostId deployId "
        "cpuThreadConfig numaConfig userData specId hosteyeType resGroupId dataPartitionType "
        "rootPartitionType networkPurchaseType requestToken",
        TEXT,
    ),
    **_each(
        "autoSeqSuffix isOpenHostnameDomain relationTag isOpenIpv6 cdsAutoRenew enableJumboFrame "
        "isOpenHosteye enableHt disableRootDiskSerial keepImageLogin isEipAutoRelatedDelete "
        "enableDeleteProtection",
        BOOLEAN,
    ),
    **_each(
        "securityGroupIds enterpriseSecurityGroupIds deployIdList eniIds internalIps",
        TEXTS,
    ),
    **_each(
        "autoRenewTime deletionProtection",
        INTEGER,
    ),
}
_INSTANCE_FILTERS: Mapping[str, Field] = {
    **PAGE,
    **_each(
        "internalIp dedicatedHostId zoneName instanceIds instanceNames fuzzyInstanceName cdsIds volumeIds "
        "deploySetIds securityGroupIds paymentTiming status tags vpcId privateIps ipv6Addresses ehcClusterId",
        TEXT,
    ),
    **_each(
        "autoRenew showRdmaTopo",
        BOOLEAN,
    ),
}
_RELEASE: Mapping[str, Field] = {
    "relatedReleaseFlag": Field("boolean", required=True),
    "deleteCdsSnapshotFlag": Field("boolean", required=True),
    **_each(
        "bccRecycleFlag deleteRelatedEnisFlag cdsAttributeActive",
        BOOLEAN,
    ),
}
_REFUND = _each("relatedReleaseFlag deleteCdsSnapshotFlag deleteRelatedEnisFlag", BOOLEAN)
_RULE: Mapping[str, Field] = {
    "direction": Field(required=True, choices=("ingress", "egress")),
    "ethertype": Field(choices=("IPv4", "IPv6", "")),
    **_each(
        "remark protocol portRange sourceIp sourceGroupId destIp destGroupId securityGroupId",
        TEXT,
    ),
}
_ONE_RULE: Mapping[str, Field] = {"rule": Field("object", required=True, of=_RULE)}
_RULE_QUERY: Mapping[str, Field] = {**TOKEN, "sgVersion": INTEGER}
_NAMED: Mapping[str, Field] = {"description": TEXT, "enableIpv6": BOOLEAN, "tags": TAGS}

ROUTES: tuple[Route, ...] = (
    Route("DescribeRegions", "POST", "/v2/region/describeRegions", offered.describe_regions, body={"region": TEXT}),
    Route("ListZones", "GET", "/v2/zone", offered.list_zones),
    Route(
        "ListFlavorSpec",
        "GET",
        "/v2/instance/flavorSpec",
        offered.list_flavors,
        {**TOKEN, "zoneName": TEXT, "specs": TEXT, "specIds": TEXT},
    ),
    Route(
        "ListTypeZones",
        "GET",
        "/v1/instance/flavorZones",
        offered.list_type_zones,
        {**TOKEN, "spec": TEXT, "specId": TEXT, "productType": TEXT, "instanceType": TEXT},
    ),
    Route(
        "ListImages",
        "GET",
        "/v2/image",
        offered.list_images,
        {**PAGE, "imageType": Field(required=True, choices=IMAGES), "imageName": TEXT},
    ),
    Route("GetImage", "GET", "/v2/image/{imageId}", offered.get_image),
    Route("CreateInstanceBySpec", "POST", "/v2/instanceBySpec", instances.create_instances, TOKEN, _INSTANCE),
    Route("ListInstances", "GET", "/v2/instance", instances.list_instances, _INSTANCE_FILTERS),
    Route(
        "ListInstanceByInstanceIds",
        "POST",
        "/v2/instance/listByInstanceId",
        instances.list_instances_by_id,
        {**TOKEN, **PAGE},
        {"instanceIds": IDS},
    ),
    Route(
        "BatchDeleteInstanceWithRelatedResource",
        "POST",
        "/v2/instance/batchDelete",
        release.delete_instances,
        TOKEN,
        {"instanceIds": IDS, **_RELEASE},
    ),
    Route(
        "BatchRefundResources",
        "POST",
        "/v2/instance/batchRefundResource",
        release.refund_instances,
        TOKEN,
        {"instanceIds": Field("list", required=True, of=TEXT, size=(1, 20)), **_REFUND},
    ),
    Route(
        "GetInstance",
        "GET",
        "/v2/instance/{instanceId}",
        instances.get_instance,
        {"containsFailed": BOOLEAN},
    ),
    Route("ReleaseInstance", "DELETE", "/v2/instance/{instanceId}", release.delete_instance),
    Route(
        "ReleaseInstanceWithRelatedResources",
        "POST",
        "/v2/instance/{instanceId}",
        release.delete_instance,
        TOKEN,
        _RELEASE,
    ),
    Route(
        "CreateSecurityGroup",
        "POST",
        "/v2/securityGroup",
        groups.create_group,
        TOKEN,
        {
            "name": Field(required=True),
            "rules": Field("list", required=True, of=Field("object", of=_RULE)),
            "vpcId": TEXT,
            "desc": TEXT,
            "tags": TAGS,
        },
    ),
    Route(
        "ListSecurityGroups",
        "GET",
        "/v2/securityGroup",
        groups.list_groups,
        {**PAGE, "instanceId": TEXT, "vpcId": TEXT, "securityGroupId": TEXT, "securityGroupIds": TEXT},
    ),
    Route("GetSecurityGroupDetail", "GET", "/v2/securityGroup/{securityGroupId}", groups.get_group),
    Route("DeleteSecurityGroup", "DELETE", "/v2/securityGroup/{securityGroupId}", groups.delete_group, TOKEN),
    Route(
        "AuthorizeSecurityGroupRule",
        "PUT",
        "/v2/securityGroup/{securityGroupId}",
        groups.change_rules,
        _RULE_QUERY,
        _ONE_RULE,
        "authorizeRule",
    ),
    Route(
        "RevokeSecurityGroupRule",
        "PUT",
        "/v2/securityGroup/{securityGroupId}",
        groups.change_rules,
        _RULE_QUERY,
        _ONE_RULE,
        "revokeRule",
    ),
    Route(
        "CreateVpc",
        "POST",
        "/v1/vpc",
        networks.create_vpc,
        TOKEN,
        {"name": Field(required=True), "cidr": Field(required=True), **_NAMED},
    ),
    Route("ListVpcs", "GET", "/v1/vpc", networks.list_vpcs, {**PAGE, "vpcIds": TEXT, "isDefault": BOOLEAN}),
    Route("GetVpc", "GET", "/v1/vpc/{vpcId}", networks.get_vpc),
    Route("DeleteVpc", "DELETE", "/v1/vpc/{vpcId}", networks.delete_vpc, TOKEN),
    Route(
        "CreateSubnet",
        "POST",
        "/v1/subnet",
        networks.create_subnet,
        TOKEN,
        {
            **dict.fromkeys(("name", "zoneName", "cidr", "vpcId"), Field(required=True)),
            "subnetType": Field(choices=("BCC", "BCC_NAT", "BBC")),
            "vpcSecondaryCidr": TEXT,
            **_NAMED,
        },
    ),
    Route(
        "ListSubnets",
        "GET",
        "/v1/subnet",
        networks.list_subnets,
        {**PAGE, "vpcId": TEXT, "subnetIds": TEXT, "zoneName": TEXT, "subnetType": TEXT},
    ),
    Route("GetSubnet", "GET", "/v1/subnet/{subnetId}", networks.get_subnet),
    Route("DeleteSubnet", "DELETE", "/v1/subnet/{subnetId}", networks.delete_subnet, TOKEN),
)


def route_of(method: str, path: str, words: frozenset[str]) -> tuple[Route, dict[str, str]] | None:
    """The call that a request makes, and the parameters in its path."""
    for route in ROUTES:
        found = route.match(method, path, words)
        if found is not None:
            return route, found
    return None
