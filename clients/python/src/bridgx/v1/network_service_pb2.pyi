import datetime

from bridgx.v1 import common_pb2 as _common_pb2
from buf.validate import validate_pb2 as _validate_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateVpcRequest(_message.Message):
    __slots__ = ("provider", "region_id", "cidr_block", "vpc_name", "ak", "request_id")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    REGION_ID_FIELD_NUMBER: _ClassVar[int]
    CIDR_BLOCK_FIELD_NUMBER: _ClassVar[int]
    VPC_NAME_FIELD_NUMBER: _ClassVar[int]
    AK_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    provider: str
    region_id: str
    cidr_block: str
    vpc_name: str
    ak: str
    request_id: str
    def __init__(self, provider: _Optional[str] = ..., region_id: _Optional[str] = ..., cidr_block: _Optional[str] = ..., vpc_name: _Optional[str] = ..., ak: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class CreateVpcResponse(_message.Message):
    __slots__ = ("vpc_id",)
    VPC_ID_FIELD_NUMBER: _ClassVar[int]
    vpc_id: str
    def __init__(self, vpc_id: _Optional[str] = ...) -> None: ...

class ListVpcsRequest(_message.Message):
    __slots__ = ("provider", "region_id", "vpc_name", "page_number", "page_size")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    REGION_ID_FIELD_NUMBER: _ClassVar[int]
    VPC_NAME_FIELD_NUMBER: _ClassVar[int]
    PAGE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    provider: str
    region_id: str
    vpc_name: str
    page_number: int
    page_size: int
    def __init__(self, provider: _Optional[str] = ..., region_id: _Optional[str] = ..., vpc_name: _Optional[str] = ..., page_number: _Optional[int] = ..., page_size: _Optional[int] = ...) -> None: ...

class ListVpcsResponse(_message.Message):
    __slots__ = ("vpcs", "pager")
    VPCS_FIELD_NUMBER: _ClassVar[int]
    PAGER_FIELD_NUMBER: _ClassVar[int]
    vpcs: _containers.RepeatedCompositeFieldContainer[Vpc]
    pager: _common_pb2.NetworkPager
    def __init__(self, vpcs: _Optional[_Iterable[_Union[Vpc, _Mapping]]] = ..., pager: _Optional[_Union[_common_pb2.NetworkPager, _Mapping]] = ...) -> None: ...

class Vpc(_message.Message):
    __slots__ = ("vpc_id", "vpc_name", "cidr_block", "switch_ids", "provider", "status", "create_at")
    VPC_ID_FIELD_NUMBER: _ClassVar[int]
    VPC_NAME_FIELD_NUMBER: _ClassVar[int]
    CIDR_BLOCK_FIELD_NUMBER: _ClassVar[int]
    SWITCH_IDS_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CREATE_AT_FIELD_NUMBER: _ClassVar[int]
    vpc_id: str
    vpc_name: str
    cidr_block: str
    switch_ids: _containers.RepeatedScalarFieldContainer[str]
    provider: str
    status: str
    create_at: _timestamp_pb2.Timestamp
    def __init__(self, vpc_id: _Optional[str] = ..., vpc_name: _Optional[str] = ..., cidr_block: _Optional[str] = ..., switch_ids: _Optional[_Iterable[str]] = ..., provider: _Optional[str] = ..., status: _Optional[str] = ..., create_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CreateSubnetRequest(_message.Message):
    __slots__ = ("zone_id", "cidr_block", "vpc_id", "switch_name", "request_id")
    ZONE_ID_FIELD_NUMBER: _ClassVar[int]
    CIDR_BLOCK_FIELD_NUMBER: _ClassVar[int]
    VPC_ID_FIELD_NUMBER: _ClassVar[int]
    SWITCH_NAME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    zone_id: str
    cidr_block: str
    vpc_id: str
    switch_name: str
    request_id: str
    def __init__(self, zone_id: _Optional[str] = ..., cidr_block: _Optional[str] = ..., vpc_id: _Optional[str] = ..., switch_name: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class CreateSubnetResponse(_message.Message):
    __slots__ = ("subnet_id",)
    SUBNET_ID_FIELD_NUMBER: _ClassVar[int]
    subnet_id: str
    def __init__(self, subnet_id: _Optional[str] = ...) -> None: ...

class ListSubnetsRequest(_message.Message):
    __slots__ = ("vpc_id", "switch_name", "page_number", "page_size")
    VPC_ID_FIELD_NUMBER: _ClassVar[int]
    SWITCH_NAME_FIELD_NUMBER: _ClassVar[int]
    PAGE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    vpc_id: str
    switch_name: str
    page_number: int
    page_size: int
    def __init__(self, vpc_id: _Optional[str] = ..., switch_name: _Optional[str] = ..., page_number: _Optional[int] = ..., page_size: _Optional[int] = ...) -> None: ...

class ListSubnetsResponse(_message.Message):
    __slots__ = ("switches", "pager")
    SWITCHES_FIELD_NUMBER: _ClassVar[int]
    PAGER_FIELD_NUMBER: _ClassVar[int]
    switches: _containers.RepeatedCompositeFieldContainer[Subnet]
    pager: _common_pb2.NetworkPager
    def __init__(self, switches: _Optional[_Iterable[_Union[Subnet, _Mapping]]] = ..., pager: _Optional[_Union[_common_pb2.NetworkPager, _Mapping]] = ...) -> None: ...

class Subnet(_message.Message):
    __slots__ = ("vpc_id", "switch_id", "zone_id", "switch_name", "cidr_block", "v_status", "create_at", "is_default", "available_ip_address_count")
    VPC_ID_FIELD_NUMBER: _ClassVar[int]
    SWITCH_ID_FIELD_NUMBER: _ClassVar[int]
    ZONE_ID_FIELD_NUMBER: _ClassVar[int]
    SWITCH_NAME_FIELD_NUMBER: _ClassVar[int]
    CIDR_BLOCK_FIELD_NUMBER: _ClassVar[int]
    V_STATUS_FIELD_NUMBER: _ClassVar[int]
    CREATE_AT_FIELD_NUMBER: _ClassVar[int]
    IS_DEFAULT_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_IP_ADDRESS_COUNT_FIELD_NUMBER: _ClassVar[int]
    vpc_id: str
    switch_id: str
    zone_id: str
    switch_name: str
    cidr_block: str
    v_status: str
    create_at: _timestamp_pb2.Timestamp
    is_default: str
    available_ip_address_count: int
    def __init__(self, vpc_id: _Optional[str] = ..., switch_id: _Optional[str] = ..., zone_id: _Optional[str] = ..., switch_name: _Optional[str] = ..., cidr_block: _Optional[str] = ..., v_status: _Optional[str] = ..., create_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., is_default: _Optional[str] = ..., available_ip_address_count: _Optional[int] = ...) -> None: ...

class CreateSecurityGroupRequest(_message.Message):
    __slots__ = ("vpc_id", "security_group_name", "rules", "request_id")
    VPC_ID_FIELD_NUMBER: _ClassVar[int]
    SECURITY_GROUP_NAME_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    vpc_id: str
    security_group_name: str
    rules: _containers.RepeatedCompositeFieldContainer[SecurityGroupRule]
    request_id: str
    def __init__(self, vpc_id: _Optional[str] = ..., security_group_name: _Optional[str] = ..., rules: _Optional[_Iterable[_Union[SecurityGroupRule, _Mapping]]] = ..., request_id: _Optional[str] = ...) -> None: ...

class SecurityGroupRule(_message.Message):
    __slots__ = ("protocol", "port_range", "direction", "group_id", "cidr_ip")
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    PORT_RANGE_FIELD_NUMBER: _ClassVar[int]
    DIRECTION_FIELD_NUMBER: _ClassVar[int]
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    CIDR_IP_FIELD_NUMBER: _ClassVar[int]
    protocol: str
    port_range: str
    direction: str
    group_id: str
    cidr_ip: str
    def __init__(self, protocol: _Optional[str] = ..., port_range: _Optional[str] = ..., direction: _Optional[str] = ..., group_id: _Optional[str] = ..., cidr_ip: _Optional[str] = ...) -> None: ...

class CreateSecurityGroupResponse(_message.Message):
    __slots__ = ("security_group_id",)
    SECURITY_GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    security_group_id: str
    def __init__(self, security_group_id: _Optional[str] = ...) -> None: ...

class ListSecurityGroupsRequest(_message.Message):
    __slots__ = ("region_id", "vpc_id", "security_group_name", "page_number", "page_size")
    REGION_ID_FIELD_NUMBER: _ClassVar[int]
    VPC_ID_FIELD_NUMBER: _ClassVar[int]
    SECURITY_GROUP_NAME_FIELD_NUMBER: _ClassVar[int]
    PAGE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    region_id: str
    vpc_id: str
    security_group_name: str
    page_number: int
    page_size: int
    def __init__(self, region_id: _Optional[str] = ..., vpc_id: _Optional[str] = ..., security_group_name: _Optional[str] = ..., page_number: _Optional[int] = ..., page_size: _Optional[int] = ...) -> None: ...

class ListSecurityGroupsResponse(_message.Message):
    __slots__ = ("groups", "pager")
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    PAGER_FIELD_NUMBER: _ClassVar[int]
    groups: _containers.RepeatedCompositeFieldContainer[SecurityGroup]
    pager: _common_pb2.NetworkPager
    def __init__(self, groups: _Optional[_Iterable[_Union[SecurityGroup, _Mapping]]] = ..., pager: _Optional[_Union[_common_pb2.NetworkPager, _Mapping]] = ...) -> None: ...

class SecurityGroup(_message.Message):
    __slots__ = ("vpc_id", "security_group_id", "security_group_name", "security_group_type", "create_at")
    VPC_ID_FIELD_NUMBER: _ClassVar[int]
    SECURITY_GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    SECURITY_GROUP_NAME_FIELD_NUMBER: _ClassVar[int]
    SECURITY_GROUP_TYPE_FIELD_NUMBER: _ClassVar[int]
    CREATE_AT_FIELD_NUMBER: _ClassVar[int]
    vpc_id: str
    security_group_id: str
    security_group_name: str
    security_group_type: str
    create_at: _timestamp_pb2.Timestamp
    def __init__(self, vpc_id: _Optional[str] = ..., security_group_id: _Optional[str] = ..., security_group_name: _Optional[str] = ..., security_group_type: _Optional[str] = ..., create_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CreateNetworkConfigRequest(_message.Message):
    __slots__ = ("provider", "region_id", "cidr_block", "vpc_name", "zone_id", "switch_cidr_block", "switch_name", "security_group_name", "security_group_type", "ak", "request_id")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    REGION_ID_FIELD_NUMBER: _ClassVar[int]
    CIDR_BLOCK_FIELD_NUMBER: _ClassVar[int]
    VPC_NAME_FIELD_NUMBER: _ClassVar[int]
    ZONE_ID_FIELD_NUMBER: _ClassVar[int]
    SWITCH_CIDR_BLOCK_FIELD_NUMBER: _ClassVar[int]
    SWITCH_NAME_FIELD_NUMBER: _ClassVar[int]
    SECURITY_GROUP_NAME_FIELD_NUMBER: _ClassVar[int]
    SECURITY_GROUP_TYPE_FIELD_NUMBER: _ClassVar[int]
    AK_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    provider: str
    region_id: str
    cidr_block: str
    vpc_name: str
    zone_id: str
    switch_cidr_block: str
    switch_name: str
    security_group_name: str
    security_group_type: str
    ak: str
    request_id: str
    def __init__(self, provider: _Optional[str] = ..., region_id: _Optional[str] = ..., cidr_block: _Optional[str] = ..., vpc_name: _Optional[str] = ..., zone_id: _Optional[str] = ..., switch_cidr_block: _Optional[str] = ..., switch_name: _Optional[str] = ..., security_group_name: _Optional[str] = ..., security_group_type: _Optional[str] = ..., ak: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class CreateNetworkConfigResponse(_message.Message):
    __slots__ = ("vpc_id",)
    VPC_ID_FIELD_NUMBER: _ClassVar[int]
    vpc_id: str
    def __init__(self, vpc_id: _Optional[str] = ...) -> None: ...
