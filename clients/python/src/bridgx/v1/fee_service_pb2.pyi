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

class GetUsageTotalRequest(_message.Message):
    __slots__ = ("cluster_name", "date")
    CLUSTER_NAME_FIELD_NUMBER: _ClassVar[int]
    DATE_FIELD_NUMBER: _ClassVar[int]
    cluster_name: str
    date: str
    def __init__(self, cluster_name: _Optional[str] = ..., date: _Optional[str] = ...) -> None: ...

class GetUsageTotalResponse(_message.Message):
    __slots__ = ("usage_total",)
    USAGE_TOTAL_FIELD_NUMBER: _ClassVar[int]
    usage_total: float
    def __init__(self, usage_total: _Optional[float] = ...) -> None: ...

class ListUsageRequest(_message.Message):
    __slots__ = ("cluster_name", "date", "page_number", "page_size")
    CLUSTER_NAME_FIELD_NUMBER: _ClassVar[int]
    DATE_FIELD_NUMBER: _ClassVar[int]
    PAGE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    cluster_name: str
    date: str
    page_number: int
    page_size: int
    def __init__(self, cluster_name: _Optional[str] = ..., date: _Optional[str] = ..., page_number: _Optional[int] = ..., page_size: _Optional[int] = ...) -> None: ...

class ListUsageResponse(_message.Message):
    __slots__ = ("instance_list", "pager")
    INSTANCE_LIST_FIELD_NUMBER: _ClassVar[int]
    PAGER_FIELD_NUMBER: _ClassVar[int]
    instance_list: _containers.RepeatedCompositeFieldContainer[InstanceUsage]
    pager: _common_pb2.Pager
    def __init__(self, instance_list: _Optional[_Iterable[_Union[InstanceUsage, _Mapping]]] = ..., pager: _Optional[_Union[_common_pb2.Pager, _Mapping]] = ...) -> None: ...

class InstanceUsage(_message.Message):
    __slots__ = ("id", "cluster_name", "instance_id", "startup_at", "shutdown_at", "startup_time", "instance_type")
    ID_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_NAME_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_ID_FIELD_NUMBER: _ClassVar[int]
    STARTUP_AT_FIELD_NUMBER: _ClassVar[int]
    SHUTDOWN_AT_FIELD_NUMBER: _ClassVar[int]
    STARTUP_TIME_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_TYPE_FIELD_NUMBER: _ClassVar[int]
    id: str
    cluster_name: str
    instance_id: str
    startup_at: _timestamp_pb2.Timestamp
    shutdown_at: _timestamp_pb2.Timestamp
    startup_time: int
    instance_type: str
    def __init__(self, id: _Optional[str] = ..., cluster_name: _Optional[str] = ..., instance_id: _Optional[str] = ..., startup_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., shutdown_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., startup_time: _Optional[int] = ..., instance_type: _Optional[str] = ...) -> None: ...
