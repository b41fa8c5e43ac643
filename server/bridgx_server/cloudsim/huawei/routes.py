"""Which calls there are: method, path, parameters. From the ECS, VPC, IMS, IAM and BSS API references and Huawei's SDKs.

Actions are named after the methods of Huawei's SDKs. Of VPC there is version 3 for VPCs and security groups, version 1 for
subnets: what those versions alone have, or have best.
"""

from __future__ import annotations

from collections.abc import Mapping

from bridgx_server.cloudsim.huawei import groups, iam, jobs, networks, offered, release, servers
from bridgx_server.cloudsim.huawei.errors import ECS, IAM, IMS, VPC, VPC_V3
from bridgx_server.cloudsim.huawei.route import Route
from bridgx_server.cloudsim.huawei.shapes import BOOLEAN, INTEGER, MAP, TEXT, TEXTS, Field, each

_REQUIRED = Field(required=True)
_VOLUME: Mapping[str, Field] = {
    "volumetype": _REQUIRED,
    **each("iops throughput", INTEGER),
    **each("hw:passthrough", BOOLEAN),
    **each("cluster_type cluster_id", TEXT),
    **each("extendparam metadata", MAP),
}
_ROOT = Field("object", required=True, of={**_VOLUME, "size": Field("integer", size=(1, 1024))})
_DATA = Field(
    "object",
    of={
        **_VOLUME,
        "size": Field("integer", required=True, size=(10, 32768)),
        "data_image_id": TEXT,
        **each("shareable multiattach delete_on_termination", BOOLEAN),
    },
)
_BANDWIDTH = Field(
    "object",
    required=True,
    of={"size": INTEGER, "sharetype": Field(required=True, choices=("PER", "WHOLE")), "chargemode": TEXT, "id": TEXT},
)
_EIP_EXTENDED = Field("object", of={"chargingMode": Field(choices=("prePaid", "postPaid"))})
_ADDRESS = Field(
    "object",
    of={
        "id": TEXT,
        "eip": Field("object", of={"iptype": _REQUIRED, "bandwidth": _BANDWIDTH, "extendparam": _EIP_EXTENDED}),
        "delete_on_termination": BOOLEAN,
    },
)
_NIC = Field(
    "object",
    of={
        "subnet_id": _REQUIRED,
        **each("ip_address port_id", TEXT),
        **each("ipv6_enable efi_enable", BOOLEAN),
        "ipv6_bandwidth": MAP,
        "allowed_address_pairs": Field("list", of=MAP),
    },
)
_EXTENDED: Mapping[str, Field] = {
    **each("regionID enterprise_project_id marketType spotPrice diskPrior interruption_policy CB_CSBS_BACKUP", TEXT),
    **each("support_auto_recovery", BOOLEAN),
    **each("spot_duration_hours spot_duration_count", INTEGER),
}
_POSTPAID: Mapping[str, Field] = {**_EXTENDED, "chargingMode": INTEGER}
_ANY: Mapping[str, Field] = {
    **_EXTENDED,
    "chargingMode": Field(choices=("prePaid", "postPaid")),
    **each("periodType isAutoRenew isAutoPay", TEXT),
    "periodNum": INTEGER,
}


def _order(extended: Mapping[str, Field]) -> dict[str, Field]:
    """The body of a call that creates ECSs."""
    return {
        "dry_run": BOOLEAN,
        "server": Field(
            "object",
            required=True,
            of={
                **each("imageRef flavorRef name vpcid", _REQUIRED),
                "nics": Field("list", required=True, of=_NIC, size=(1, 12)),
                "root_volume": _ROOT,
                "data_volumes": Field("list", of=_DATA, size=(0, 59)),
                "publicip": _ADDRESS,
                "security_groups": Field("list", of=Field("object", of={"id": TEXT})),
                "server_tags": Field("list", of=Field("object", of={"key": _REQUIRED, "value": _REQUIRED})),
                "tags": TEXTS,
                # 100 in the SDK; the API reference has said 500, too.
                "count": Field("integer", size=(1, 100)),
                "extendparam": Field("object", of=extended),
                **each("user_data adminPass key_name availability_zone description auto_terminate_time", TEXT),
                **each("isAutoRename batch_create_in_multi_az", BOOLEAN),
                **each(
                    "metadata os:scheduler_hints cpu_options security_options serial_console_options metadata_options "
                    "enclave_options",
                    MAP,
                ),
            },
        ),
    }


_SERVERS: Mapping[str, Field] = {
    **each("flavor ip name not-tags reservation_id status tags ip_eq enterprise_project_id marker", TEXT),
    "server_id": TEXTS,
    "limit": Field("integer", size=(1, 1000)),
    "offset": Field("integer", size=(0, 10**9)),
}
_PAGE: Mapping[str, Field] = {"limit": Field("integer", size=(0, 2000)), "marker": TEXT}
_IMAGES: Mapping[str, Field] = {
    **each(
        "__imagetype __isregistered __os_bit __os_type __platform __support_diskintensive __support_highperformance "
        "__support_kvm __support_kvm_gpu_type __support_kvm_infiniband __support_largememory __support_xen "
        "__support_xen_gpu_type __support_xen_hana container_format disk_format enterprise_project_id id marker "
        "member_status name owner status tag virtual_env_type visibility flavor_id created_at updated_at architecture",
        TEXT,
    ),
    **each("min_disk min_ram", INTEGER),
    "limit": Field("integer", size=(0, 1000)),
    "protected": BOOLEAN,
    "sort_dir": Field(choices=("asc", "desc")),
    "sort_key": TEXT,
}
_RULE: Mapping[str, Field] = {
    "direction": Field(required=True, choices=("ingress", "egress")),
    "ethertype": Field(choices=("IPv4", "IPv6")),
    "action": Field(choices=("allow", "deny")),
    "priority": Field("integer", size=(1, 100)),
    "enabled": BOOLEAN,
    **each("description protocol multiport remote_ip_prefix remote_group_id remote_address_group_id", TEXT),
}
_TAGS = Field("list", of=Field("object", of={"key": _REQUIRED, "value": _REQUIRED}), size=(0, 10))
_NAMED: Mapping[str, Field] = {"name": _REQUIRED, **each("description enterprise_project_id", TEXT)}
_VPC = Field("object", required=True, of={**_NAMED, "cidr": _REQUIRED, "tags": _TAGS})
_SUBNET = Field(
    "object",
    required=True,
    of={
        **each("name cidr vpc_id gateway_ip", _REQUIRED),
        **each("description primary_dns secondary_dns availability_zone", TEXT),
        **each("ipv6_enable dhcp_enable enable_network_address_usage_metrics", BOOLEAN),
        **each("dnsList tags", TEXTS),
        "extra_dhcp_opts": Field("list", of=MAP),
    },
)

_ECS_PATH = "/v1/{project_id}/cloudservers"
_VPC_PATH = "/v3/{project_id}/vpc"

ROUTES: tuple[Route, ...] = (
    Route("KeystoneListRegions", IAM, "IAM.0007", "GET", "/v3/regions", iam.list_regions),
    Route(
        "KeystoneListProjects",
        IAM,
        "IAM.0007",
        "GET",
        "/v3/projects",
        iam.list_projects,
        {
            **each("domain_id name parent_id", TEXT),
            **each("enabled is_domain", BOOLEAN),
            **each("page per_page", INTEGER),
        },
    ),
    Route("KeystoneListAuthDomains", IAM, "IAM.0007", "GET", "/v3/auth/domains", iam.list_auth_domains),
    Route("KeystoneListAuthProjects", IAM, "IAM.0007", "GET", "/v3/auth/projects", iam.list_auth_projects),
    Route("KeystoneListAuthDomains", IAM, "IAM.0007", "GET", "/v3/auth/domains", iam.list_auth_domains),
    Route("ListServerAzInfo", ECS, "Ecs.0005", "GET", "/v1/{project_id}/availability-zones", offered.list_zones),
    Route(
        "ListFlavors",
        ECS,
        "Ecs.0005",
        "GET",
        f"{_ECS_PATH}/flavors",
        offered.list_flavors,
        {**each("availability_zone flavor_id marker", TEXT), "limit": Field("integer", size=(1, 1000))},
    ),
    Route("ListImages", IMS, "IMG.0001", "GET", "/v2/cloudimages", offered.list_images, _IMAGES),
    Route(
        "CreatePostPaidServers",
        ECS,
        "Ecs.0005",
        "POST",
        _ECS_PATH,
        servers.create_postpaid,
        body=_order(_POSTPAID),
        token=True,
    ),
    Route(
        "CreateServers",
        ECS,
        "Ecs.0005",
        "POST",
        "/v1.1/{project_id}/cloudservers",
        servers.create,
        body=_order(_ANY),
        token=True,
    ),
    Route("ListServersDetails", ECS, "Ecs.0005", "GET", f"{_ECS_PATH}/detail", servers.list_details, _SERVERS),
    Route("ShowJob", ECS, "Ecs.0005", "GET", "/v1/{project_id}/jobs/{job_id}", jobs.show),
    Route(
        "CreateVpc",
        VPC_V3,
        "VPC.0101",
        "POST",
        f"{_VPC_PATH}/vpcs",
        networks.create_vpc,
        body={"vpc": _VPC, "dry_run": BOOLEAN},
        status=201,
    ),
    Route(
        "ListVpcs",
        VPC_V3,
        "VPC.0101",
        "GET",
        f"{_VPC_PATH}/vpcs",
        networks.list_vpcs,
        {**_PAGE, **each("id name description cidr", TEXTS), "enterprise_project_id": TEXT},
    ),
    Route("ShowVpc", VPC_V3, "VPC.0101", "GET", f"{_VPC_PATH}/vpcs/{{vpc_id}}", networks.show_vpc),
    Route("DeleteVpc", VPC_V3, "VPC.0101", "DELETE", f"{_VPC_PATH}/vpcs/{{vpc_id}}", networks.delete_vpc, status=204),
    Route(
        "CreateSubnet",
        VPC,
        "VPC.0201",
        "POST",
        "/v1/{project_id}/subnets",
        networks.create_subnet,
        body={"subnet": _SUBNET},
    ),
    Route(
        "ListSubnets",
        VPC,
        "VPC.0201",
        "GET",
        "/v1/{project_id}/subnets",
        networks.list_subnets,
        {**_PAGE, "vpc_id": TEXT},
    ),
    Route("ShowSubnet", VPC, "VPC.0201", "GET", "/v1/{project_id}/subnets/{subnet_id}", networks.show_subnet),
    Route(
        "DeleteSubnet",
        VPC,
        "VPC.0201",
        "DELETE",
        "/v1/{project_id}/vpcs/{vpc_id}/subnets/{subnet_id}",
        networks.delete_subnet,
        status=204,
    ),
    Route(
        "CreateSecurityGroup",
        VPC_V3,
        "VPC.0601",
        "POST",
        f"{_VPC_PATH}/security-groups",
        groups.create_group,
        body={"security_group": Field("object", required=True, of={**_NAMED, "tags": _TAGS}), "dry_run": BOOLEAN},
        status=201,
    ),
    Route(
        "ListSecurityGroups",
        VPC_V3,
        "VPC.0601",
        "GET",
        f"{_VPC_PATH}/security-groups",
        groups.list_groups,
        {**_PAGE, **each("id name description", TEXTS), "enterprise_project_id": TEXT},
    ),
    Route(
        "ShowSecurityGroup",
        VPC_V3,
        "VPC.0601",
        "GET",
        f"{_VPC_PATH}/security-groups/{{security_group_id}}",
        groups.show_group,
    ),
    Route(
        "DeleteSecurityGroup",
        VPC_V3,
        "VPC.0601",
        "DELETE",
        f"{_VPC_PATH}/security-groups/{{security_group_id}}",
        groups.delete_group,
        status=204,
    ),
    Route(
        "CreateSecurityGroupRule",
        VPC_V3,
        "VPC.0601",
        "POST",
        f"{_VPC_PATH}/security-group-rules",
        groups.create_rule,
        body={
            "security_group_rule": Field("object", required=True, of={**_RULE, "security_group_id": _REQUIRED}),
            "dry_run": BOOLEAN,
        },
        status=201,
    ),
    Route(
        "BatchCreateSecurityGroupRules",
        VPC_V3,
        "VPC.0601",
        "POST",
        f"{_VPC_PATH}/security-groups/{{security_group_id}}/security-group-rules/batch-create",
        groups.create_rules,
        body={
            "security_group_rules": Field("list", required=True, of=Field("object", of=_RULE), size=(1, 200)),
            **each("ignore_duplicate dry_run", BOOLEAN),
        },
        status=201,
    ),
    Route(
        "ListSecurityGroupRules",
        VPC_V3,
        "VPC.0601",
        "GET",
        f"{_VPC_PATH}/security-group-rules",
        groups.list_rules,
        {**_PAGE, **each("id security_group_id protocol description remote_group_id ethertype", TEXTS)},
    ),
    *release.ROUTES,
)


def route_of(method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """The call that a request makes, and the parameters in its path."""
    for route in ROUTES:
        found = route.match(method, path)
        if found is not None:
            return route, found
    return None
