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

class CreateClusterRequest(_message.Message):
    __slots__ = ("name", "provider", "region_id", "zone_id", "network_config", "instance_type", "charge_config", "image", "disks", "password", "account_key", "desc", "tags", "charge_type", "max_machines", "request_id", "placements", "zones", "instance_types", "termination_policy")
    class TagsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    REGION_ID_FIELD_NUMBER: _ClassVar[int]
    ZONE_ID_FIELD_NUMBER: _ClassVar[int]
    NETWORK_CONFIG_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_TYPE_FIELD_NUMBER: _ClassVar[int]
    CHARGE_CONFIG_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    DISKS_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_KEY_FIELD_NUMBER: _ClassVar[int]
    DESC_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    CHARGE_TYPE_FIELD_NUMBER: _ClassVar[int]
    MAX_MACHINES_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PLACEMENTS_FIELD_NUMBER: _ClassVar[int]
    ZONES_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_TYPES_FIELD_NUMBER: _ClassVar[int]
    TERMINATION_POLICY_FIELD_NUMBER: _ClassVar[int]
    name: str
    provider: str
    region_id: str
    zone_id: str
    network_config: NetworkConfig
    instance_type: str
    charge_config: ChargeConfig
    image: str
    disks: DiskConfig
    password: str
    account_key: str
    desc: str
    tags: _containers.ScalarMap[str, str]
    charge_type: str
    max_machines: int
    request_id: str
    placements: _containers.RepeatedCompositeFieldContainer[Placement]
    zones: _containers.RepeatedCompositeFieldContainer[ZonePlacement]
    instance_types: _containers.RepeatedScalarFieldContainer[str]
    termination_policy: str
    def __init__(self, name: _Optional[str] = ..., provider: _Optional[str] = ..., region_id: _Optional[str] = ..., zone_id: _Optional[str] = ..., network_config: _Optional[_Union[NetworkConfig, _Mapping]] = ..., instance_type: _Optional[str] = ..., charge_config: _Optional[_Union[ChargeConfig, _Mapping]] = ..., image: _Optional[str] = ..., disks: _Optional[_Union[DiskConfig, _Mapping]] = ..., password: _Optional[str] = ..., account_key: _Optional[str] = ..., desc: _Optional[str] = ..., tags: _Optional[_Mapping[str, str]] = ..., charge_type: _Optional[str] = ..., max_machines: _Optional[int] = ..., request_id: _Optional[str] = ..., placements: _Optional[_Iterable[_Union[Placement, _Mapping]]] = ..., zones: _Optional[_Iterable[_Union[ZonePlacement, _Mapping]]] = ..., instance_types: _Optional[_Iterable[str]] = ..., termination_policy: _Optional[str] = ...) -> None: ...

class Placement(_message.Message):
    __slots__ = ("zone_id", "subnet_id", "instance_type")
    ZONE_ID_FIELD_NUMBER: _ClassVar[int]
    SUBNET_ID_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_TYPE_FIELD_NUMBER: _ClassVar[int]
    zone_id: str
    subnet_id: str
    instance_type: str
    def __init__(self, zone_id: _Optional[str] = ..., subnet_id: _Optional[str] = ..., instance_type: _Optional[str] = ...) -> None: ...

class ZonePlacement(_message.Message):
    __slots__ = ("zone_id", "subnet_id")
    ZONE_ID_FIELD_NUMBER: _ClassVar[int]
    SUBNET_ID_FIELD_NUMBER: _ClassVar[int]
    zone_id: str
    subnet_id: str
    def __init__(self, zone_id: _Optional[str] = ..., subnet_id: _Optional[str] = ...) -> None: ...

class NetworkConfig(_message.Message):
    __slots__ = ("vpc", "subnet_id", "security_group", "internet_charge_type", "internet_max_bandwidth_out")
    VPC_FIELD_NUMBER: _ClassVar[int]
    SUBNET_ID_FIELD_NUMBER: _ClassVar[int]
    SECURITY_GROUP_FIELD_NUMBER: _ClassVar[int]
    INTERNET_CHARGE_TYPE_FIELD_NUMBER: _ClassVar[int]
    INTERNET_MAX_BANDWIDTH_OUT_FIELD_NUMBER: _ClassVar[int]
    vpc: str
    subnet_id: str
    security_group: str
    internet_charge_type: str
    internet_max_bandwidth_out: int
    def __init__(self, vpc: _Optional[str] = ..., subnet_id: _Optional[str] = ..., security_group: _Optional[str] = ..., internet_charge_type: _Optional[str] = ..., internet_max_bandwidth_out: _Optional[int] = ...) -> None: ...

class ChargeConfig(_message.Message):
    __slots__ = ("charge_type", "period_unit", "period")
    CHARGE_TYPE_FIELD_NUMBER: _ClassVar[int]
    PERIOD_UNIT_FIELD_NUMBER: _ClassVar[int]
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    charge_type: str
    period_unit: str
    period: int
    def __init__(self, charge_type: _Optional[str] = ..., period_unit: _Optional[str] = ..., period: _Optional[int] = ...) -> None: ...

class DiskConfig(_message.Message):
    __slots__ = ("system_disk", "data_disk")
    SYSTEM_DISK_FIELD_NUMBER: _ClassVar[int]
    DATA_DISK_FIELD_NUMBER: _ClassVar[int]
    system_disk: Disk
    data_disk: _containers.RepeatedCompositeFieldContainer[Disk]
    def __init__(self, system_disk: _Optional[_Union[Disk, _Mapping]] = ..., data_disk: _Optional[_Iterable[_Union[Disk, _Mapping]]] = ...) -> None: ...

class Disk(_message.Message):
    __slots__ = ("category", "size")
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    category: str
    size: int
    def __init__(self, category: _Optional[str] = ..., size: _Optional[int] = ...) -> None: ...

class CreateClusterResponse(_message.Message):
    __slots__ = ("cluster_name",)
    CLUSTER_NAME_FIELD_NUMBER: _ClassVar[int]
    cluster_name: str
    def __init__(self, cluster_name: _Optional[str] = ...) -> None: ...

class GetClusterRequest(_message.Message):
    __slots__ = ("cluster_name",)
    CLUSTER_NAME_FIELD_NUMBER: _ClassVar[int]
    cluster_name: str
    def __init__(self, cluster_name: _Optional[str] = ...) -> None: ...

class GetClusterResponse(_message.Message):
    __slots__ = ("cluster",)
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    cluster: ClusterDetail
    def __init__(self, cluster: _Optional[_Union[ClusterDetail, _Mapping]] = ...) -> None: ...

class ClusterDetail(_message.Message):
    __slots__ = ("cluster_id", "cluster_name", "provider", "account_key", "region_id", "placements", "network_config", "charge_config", "image", "disks", "desc", "tags", "max_machines", "termination_policy", "create_at", "create_by", "used", "protected_machines", "open_tasks")
    class TagsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_NAME_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_KEY_FIELD_NUMBER: _ClassVar[int]
    REGION_ID_FIELD_NUMBER: _ClassVar[int]
    PLACEMENTS_FIELD_NUMBER: _ClassVar[int]
    NETWORK_CONFIG_FIELD_NUMBER: _ClassVar[int]
    CHARGE_CONFIG_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    DISKS_FIELD_NUMBER: _ClassVar[int]
    DESC_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    MAX_MACHINES_FIELD_NUMBER: _ClassVar[int]
    TERMINATION_POLICY_FIELD_NUMBER: _ClassVar[int]
    CREATE_AT_FIELD_NUMBER: _ClassVar[int]
    CREATE_BY_FIELD_NUMBER: _ClassVar[int]
    USED_FIELD_NUMBER: _ClassVar[int]
    PROTECTED_MACHINES_FIELD_NUMBER: _ClassVar[int]
    OPEN_TASKS_FIELD_NUMBER: _ClassVar[int]
    cluster_id: str
    cluster_name: str
    provider: str
    account_key: str
    region_id: str
    placements: _containers.RepeatedCompositeFieldContainer[Placement]
    network_config: NetworkConfig
    charge_config: ChargeConfig
    image: str
    disks: DiskConfig
    desc: str
    tags: _containers.ScalarMap[str, str]
    max_machines: int
    termination_policy: str
    create_at: _timestamp_pb2.Timestamp
    create_by: str
    used: int
    protected_machines: int
    open_tasks: int
    def __init__(self, cluster_id: _Optional[str] = ..., cluster_name: _Optional[str] = ..., provider: _Optional[str] = ..., account_key: _Optional[str] = ..., region_id: _Optional[str] = ..., placements: _Optional[_Iterable[_Union[Placement, _Mapping]]] = ..., network_config: _Optional[_Union[NetworkConfig, _Mapping]] = ..., charge_config: _Optional[_Union[ChargeConfig, _Mapping]] = ..., image: _Optional[str] = ..., disks: _Optional[_Union[DiskConfig, _Mapping]] = ..., desc: _Optional[str] = ..., tags: _Optional[_Mapping[str, str]] = ..., max_machines: _Optional[int] = ..., termination_policy: _Optional[str] = ..., create_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., create_by: _Optional[str] = ..., used: _Optional[int] = ..., protected_machines: _Optional[int] = ..., open_tasks: _Optional[int] = ...) -> None: ...

class UpdateClusterRequest(_message.Message):
    __slots__ = ("cluster_name", "max_machines", "desc", "termination_policy")
    CLUSTER_NAME_FIELD_NUMBER: _ClassVar[int]
    MAX_MACHINES_FIELD_NUMBER: _ClassVar[int]
    DESC_FIELD_NUMBER: _ClassVar[int]
    TERMINATION_POLICY_FIELD_NUMBER: _ClassVar[int]
    cluster_name: str
    max_machines: int
    desc: str
    termination_policy: str
    def __init__(self, cluster_name: _Optional[str] = ..., max_machines: _Optional[int] = ..., desc: _Optional[str] = ..., termination_policy: _Optional[str] = ...) -> None: ...

class UpdateClusterResponse(_message.Message):
    __slots__ = ("cluster",)
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    cluster: ClusterDetail
    def __init__(self, cluster: _Optional[_Union[ClusterDetail, _Mapping]] = ...) -> None: ...

class DeleteClusterRequest(_message.Message):
    __slots__ = ("cluster_name", "request_id")
    CLUSTER_NAME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    cluster_name: str
    request_id: str
    def __init__(self, cluster_name: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class DeleteClusterResponse(_message.Message):
    __slots__ = ("cluster_name",)
    CLUSTER_NAME_FIELD_NUMBER: _ClassVar[int]
    cluster_name: str
    def __init__(self, cluster_name: _Optional[str] = ...) -> None: ...

class ListClustersRequest(_message.Message):
    __slots__ = ("account", "page_number", "page_size")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    PAGE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    account: str
    page_number: int
    page_size: int
    def __init__(self, account: _Optional[str] = ..., page_number: _Optional[int] = ..., page_size: _Optional[int] = ...) -> None: ...

class ListClustersResponse(_message.Message):
    __slots__ = ("cluster_list", "pager")
    CLUSTER_LIST_FIELD_NUMBER: _ClassVar[int]
    PAGER_FIELD_NUMBER: _ClassVar[int]
    cluster_list: _containers.RepeatedCompositeFieldContainer[Cluster]
    pager: _common_pb2.Pager
    def __init__(self, cluster_list: _Optional[_Iterable[_Union[Cluster, _Mapping]]] = ..., pager: _Optional[_Union[_common_pb2.Pager, _Mapping]] = ...) -> None: ...

class Cluster(_message.Message):
    __slots__ = ("cluster_id", "cluster_name", "provider", "account", "create_at", "create_by", "total_remainder")
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_NAME_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    CREATE_AT_FIELD_NUMBER: _ClassVar[int]
    CREATE_BY_FIELD_NUMBER: _ClassVar[int]
    TOTAL_REMAINDER_FIELD_NUMBER: _ClassVar[int]
    cluster_id: str
    cluster_name: str
    provider: str
    account: str
    create_at: _timestamp_pb2.Timestamp
    create_by: str
    total_remainder: str
    def __init__(self, cluster_id: _Optional[str] = ..., cluster_name: _Optional[str] = ..., provider: _Optional[str] = ..., account: _Optional[str] = ..., create_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., create_by: _Optional[str] = ..., total_remainder: _Optional[str] = ...) -> None: ...

class ListRegionsRequest(_message.Message):
    __slots__ = ("provider",)
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    provider: str
    def __init__(self, provider: _Optional[str] = ...) -> None: ...

class ListRegionsResponse(_message.Message):
    __slots__ = ("regions",)
    REGIONS_FIELD_NUMBER: _ClassVar[int]
    regions: _containers.RepeatedCompositeFieldContainer[Region]
    def __init__(self, regions: _Optional[_Iterable[_Union[Region, _Mapping]]] = ...) -> None: ...

class Region(_message.Message):
    __slots__ = ("region_id", "local_name")
    REGION_ID_FIELD_NUMBER: _ClassVar[int]
    LOCAL_NAME_FIELD_NUMBER: _ClassVar[int]
    region_id: str
    local_name: str
    def __init__(self, region_id: _Optional[str] = ..., local_name: _Optional[str] = ...) -> None: ...

class ListZonesRequest(_message.Message):
    __slots__ = ("provider", "region_id")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    REGION_ID_FIELD_NUMBER: _ClassVar[int]
    provider: str
    region_id: str
    def __init__(self, provider: _Optional[str] = ..., region_id: _Optional[str] = ...) -> None: ...

class ListZonesResponse(_message.Message):
    __slots__ = ("zones",)
    ZONES_FIELD_NUMBER: _ClassVar[int]
    zones: _containers.RepeatedCompositeFieldContainer[Zone]
    def __init__(self, zones: _Optional[_Iterable[_Union[Zone, _Mapping]]] = ...) -> None: ...

class Zone(_message.Message):
    __slots__ = ("zone_id", "local_name")
    ZONE_ID_FIELD_NUMBER: _ClassVar[int]
    LOCAL_NAME_FIELD_NUMBER: _ClassVar[int]
    zone_id: str
    local_name: str
    def __init__(self, zone_id: _Optional[str] = ..., local_name: _Optional[str] = ...) -> None: ...

class ListInstanceTypesRequest(_message.Message):
    __slots__ = ("provider", "region_id", "zone_id")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    REGION_ID_FIELD_NUMBER: _ClassVar[int]
    ZONE_ID_FIELD_NUMBER: _ClassVar[int]
    provider: str
    region_id: str
    zone_id: str
    def __init__(self, provider: _Optional[str] = ..., region_id: _Optional[str] = ..., zone_id: _Optional[str] = ...) -> None: ...

class ListInstanceTypesResponse(_message.Message):
    __slots__ = ("instance_types",)
    INSTANCE_TYPES_FIELD_NUMBER: _ClassVar[int]
    instance_types: _containers.RepeatedCompositeFieldContainer[InstanceType]
    def __init__(self, instance_types: _Optional[_Iterable[_Union[InstanceType, _Mapping]]] = ...) -> None: ...

class InstanceType(_message.Message):
    __slots__ = ("instance_type_family", "instance_type", "core", "memory")
    INSTANCE_TYPE_FAMILY_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_TYPE_FIELD_NUMBER: _ClassVar[int]
    CORE_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    instance_type_family: str
    instance_type: str
    core: int
    memory: float
    def __init__(self, instance_type_family: _Optional[str] = ..., instance_type: _Optional[str] = ..., core: _Optional[int] = ..., memory: _Optional[float] = ...) -> None: ...

class ListImagesRequest(_message.Message):
    __slots__ = ("provider", "region_id")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    REGION_ID_FIELD_NUMBER: _ClassVar[int]
    provider: str
    region_id: str
    def __init__(self, provider: _Optional[str] = ..., region_id: _Optional[str] = ...) -> None: ...

class ListImagesResponse(_message.Message):
    __slots__ = ("images",)
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    images: _containers.RepeatedCompositeFieldContainer[Image]
    def __init__(self, images: _Optional[_Iterable[_Union[Image, _Mapping]]] = ...) -> None: ...

class Image(_message.Message):
    __slots__ = ("os_type", "os_name", "image_id")
    OS_TYPE_FIELD_NUMBER: _ClassVar[int]
    OS_NAME_FIELD_NUMBER: _ClassVar[int]
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    os_type: str
    os_name: str
    image_id: str
    def __init__(self, os_type: _Optional[str] = ..., os_name: _Optional[str] = ..., image_id: _Optional[str] = ...) -> None: ...
