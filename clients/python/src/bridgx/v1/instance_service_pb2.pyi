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

class ListInstancesRequest(_message.Message):
    __slots__ = ("account", "instance_id", "ip", "provider", "cluster_name", "status", "page_number", "page_size")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_ID_FIELD_NUMBER: _ClassVar[int]
    IP_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_NAME_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    PAGE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    account: str
    instance_id: str
    ip: str
    provider: str
    cluster_name: str
    status: str
    page_number: int
    page_size: int
    def __init__(self, account: _Optional[str] = ..., instance_id: _Optional[str] = ..., ip: _Optional[str] = ..., provider: _Optional[str] = ..., cluster_name: _Optional[str] = ..., status: _Optional[str] = ..., page_number: _Optional[int] = ..., page_size: _Optional[int] = ...) -> None: ...

class ListInstancesResponse(_message.Message):
    __slots__ = ("instance_list", "pager")
    INSTANCE_LIST_FIELD_NUMBER: _ClassVar[int]
    PAGER_FIELD_NUMBER: _ClassVar[int]
    instance_list: _containers.RepeatedCompositeFieldContainer[Instance]
    pager: _common_pb2.Pager
    def __init__(self, instance_list: _Optional[_Iterable[_Union[Instance, _Mapping]]] = ..., pager: _Optional[_Union[_common_pb2.Pager, _Mapping]] = ...) -> None: ...

class Instance(_message.Message):
    __slots__ = ("instance_id", "ip_inner", "ip_outer", "provider", "create_at", "status", "startup_time", "cluster_name", "instance_type", "protected", "deletion_refusal", "deletion_refused_at", "charge_type", "expire_at")
    INSTANCE_ID_FIELD_NUMBER: _ClassVar[int]
    IP_INNER_FIELD_NUMBER: _ClassVar[int]
    IP_OUTER_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    CREATE_AT_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    STARTUP_TIME_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_NAME_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_TYPE_FIELD_NUMBER: _ClassVar[int]
    PROTECTED_FIELD_NUMBER: _ClassVar[int]
    DELETION_REFUSAL_FIELD_NUMBER: _ClassVar[int]
    DELETION_REFUSED_AT_FIELD_NUMBER: _ClassVar[int]
    CHARGE_TYPE_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_AT_FIELD_NUMBER: _ClassVar[int]
    instance_id: str
    ip_inner: str
    ip_outer: str
    provider: str
    create_at: _timestamp_pb2.Timestamp
    status: str
    startup_time: int
    cluster_name: str
    instance_type: str
    protected: bool
    deletion_refusal: str
    deletion_refused_at: _timestamp_pb2.Timestamp
    charge_type: str
    expire_at: _timestamp_pb2.Timestamp
    def __init__(self, instance_id: _Optional[str] = ..., ip_inner: _Optional[str] = ..., ip_outer: _Optional[str] = ..., provider: _Optional[str] = ..., create_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., status: _Optional[str] = ..., startup_time: _Optional[int] = ..., cluster_name: _Optional[str] = ..., instance_type: _Optional[str] = ..., protected: _Optional[bool] = ..., deletion_refusal: _Optional[str] = ..., deletion_refused_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., charge_type: _Optional[str] = ..., expire_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class GetInstanceRequest(_message.Message):
    __slots__ = ("instance_id",)
    INSTANCE_ID_FIELD_NUMBER: _ClassVar[int]
    instance_id: str
    def __init__(self, instance_id: _Optional[str] = ...) -> None: ...

class GetInstanceResponse(_message.Message):
    __slots__ = ("instance",)
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    instance: InstanceDetail
    def __init__(self, instance: _Optional[_Union[InstanceDetail, _Mapping]] = ...) -> None: ...

class InstanceDetail(_message.Message):
    __slots__ = ("instance_id", "provider", "region_id", "image_id", "instance_type", "ip_inner", "ip_outer", "create_at", "storage_config", "network_config", "zone_id", "cluster_name", "status", "task_id", "protected", "deletion_refusal", "deletion_refused_at", "charge_type", "expire_at")
    INSTANCE_ID_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    REGION_ID_FIELD_NUMBER: _ClassVar[int]
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_TYPE_FIELD_NUMBER: _ClassVar[int]
    IP_INNER_FIELD_NUMBER: _ClassVar[int]
    IP_OUTER_FIELD_NUMBER: _ClassVar[int]
    CREATE_AT_FIELD_NUMBER: _ClassVar[int]
    STORAGE_CONFIG_FIELD_NUMBER: _ClassVar[int]
    NETWORK_CONFIG_FIELD_NUMBER: _ClassVar[int]
    ZONE_ID_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_NAME_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    PROTECTED_FIELD_NUMBER: _ClassVar[int]
    DELETION_REFUSAL_FIELD_NUMBER: _ClassVar[int]
    DELETION_REFUSED_AT_FIELD_NUMBER: _ClassVar[int]
    CHARGE_TYPE_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_AT_FIELD_NUMBER: _ClassVar[int]
    instance_id: str
    provider: str
    region_id: str
    image_id: str
    instance_type: str
    ip_inner: str
    ip_outer: str
    create_at: _timestamp_pb2.Timestamp
    storage_config: InstanceStorage
    network_config: InstanceNetwork
    zone_id: str
    cluster_name: str
    status: str
    task_id: str
    protected: bool
    deletion_refusal: str
    deletion_refused_at: _timestamp_pb2.Timestamp
    charge_type: str
    expire_at: _timestamp_pb2.Timestamp
    def __init__(self, instance_id: _Optional[str] = ..., provider: _Optional[str] = ..., region_id: _Optional[str] = ..., image_id: _Optional[str] = ..., instance_type: _Optional[str] = ..., ip_inner: _Optional[str] = ..., ip_outer: _Optional[str] = ..., create_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., storage_config: _Optional[_Union[InstanceStorage, _Mapping]] = ..., network_config: _Optional[_Union[InstanceNetwork, _Mapping]] = ..., zone_id: _Optional[str] = ..., cluster_name: _Optional[str] = ..., status: _Optional[str] = ..., task_id: _Optional[str] = ..., protected: _Optional[bool] = ..., deletion_refusal: _Optional[str] = ..., deletion_refused_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., charge_type: _Optional[str] = ..., expire_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class InstanceStorage(_message.Message):
    __slots__ = ("system_disk_type", "system_disk_size", "data_disks", "data_disk_num")
    SYSTEM_DISK_TYPE_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_DISK_SIZE_FIELD_NUMBER: _ClassVar[int]
    DATA_DISKS_FIELD_NUMBER: _ClassVar[int]
    DATA_DISK_NUM_FIELD_NUMBER: _ClassVar[int]
    system_disk_type: str
    system_disk_size: int
    data_disks: _containers.RepeatedCompositeFieldContainer[InstanceDataDisk]
    data_disk_num: int
    def __init__(self, system_disk_type: _Optional[str] = ..., system_disk_size: _Optional[int] = ..., data_disks: _Optional[_Iterable[_Union[InstanceDataDisk, _Mapping]]] = ..., data_disk_num: _Optional[int] = ...) -> None: ...

class InstanceDataDisk(_message.Message):
    __slots__ = ("data_disk_type", "data_disk_size")
    DATA_DISK_TYPE_FIELD_NUMBER: _ClassVar[int]
    DATA_DISK_SIZE_FIELD_NUMBER: _ClassVar[int]
    data_disk_type: str
    data_disk_size: int
    def __init__(self, data_disk_type: _Optional[str] = ..., data_disk_size: _Optional[int] = ...) -> None: ...

class InstanceNetwork(_message.Message):
    __slots__ = ("vpc_name", "subnet_id_name", "security_group_name")
    VPC_NAME_FIELD_NUMBER: _ClassVar[int]
    SUBNET_ID_NAME_FIELD_NUMBER: _ClassVar[int]
    SECURITY_GROUP_NAME_FIELD_NUMBER: _ClassVar[int]
    vpc_name: str
    subnet_id_name: str
    security_group_name: str
    def __init__(self, vpc_name: _Optional[str] = ..., subnet_id_name: _Optional[str] = ..., security_group_name: _Optional[str] = ...) -> None: ...

class CountInstancesRequest(_message.Message):
    __slots__ = ("account", "cluster_name")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_NAME_FIELD_NUMBER: _ClassVar[int]
    account: str
    cluster_name: str
    def __init__(self, account: _Optional[str] = ..., cluster_name: _Optional[str] = ...) -> None: ...

class CountInstancesResponse(_message.Message):
    __slots__ = ("instance_num",)
    INSTANCE_NUM_FIELD_NUMBER: _ClassVar[int]
    instance_num: int
    def __init__(self, instance_num: _Optional[int] = ...) -> None: ...

class ProtectInstancesRequest(_message.Message):
    __slots__ = ("cluster_name", "instance_ids", "ips")
    CLUSTER_NAME_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_IDS_FIELD_NUMBER: _ClassVar[int]
    IPS_FIELD_NUMBER: _ClassVar[int]
    cluster_name: str
    instance_ids: _containers.RepeatedScalarFieldContainer[str]
    ips: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, cluster_name: _Optional[str] = ..., instance_ids: _Optional[_Iterable[str]] = ..., ips: _Optional[_Iterable[str]] = ...) -> None: ...

class ProtectInstancesResponse(_message.Message):
    __slots__ = ("instance_ids",)
    INSTANCE_IDS_FIELD_NUMBER: _ClassVar[int]
    instance_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, instance_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class UnprotectInstancesRequest(_message.Message):
    __slots__ = ("cluster_name", "instance_ids", "ips")
    CLUSTER_NAME_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_IDS_FIELD_NUMBER: _ClassVar[int]
    IPS_FIELD_NUMBER: _ClassVar[int]
    cluster_name: str
    instance_ids: _containers.RepeatedScalarFieldContainer[str]
    ips: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, cluster_name: _Optional[str] = ..., instance_ids: _Optional[_Iterable[str]] = ..., ips: _Optional[_Iterable[str]] = ...) -> None: ...

class UnprotectInstancesResponse(_message.Message):
    __slots__ = ("instance_ids",)
    INSTANCE_IDS_FIELD_NUMBER: _ClassVar[int]
    instance_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, instance_ids: _Optional[_Iterable[str]] = ...) -> None: ...
