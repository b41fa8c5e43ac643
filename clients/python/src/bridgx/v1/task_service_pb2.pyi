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

class ExpandClusterRequest(_message.Message):
    __slots__ = ("task_name", "cluster_name", "count", "ips", "request_id")
    TASK_NAME_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_NAME_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    IPS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    task_name: str
    cluster_name: str
    count: int
    ips: _containers.RepeatedScalarFieldContainer[str]
    request_id: str
    def __init__(self, task_name: _Optional[str] = ..., cluster_name: _Optional[str] = ..., count: _Optional[int] = ..., ips: _Optional[_Iterable[str]] = ..., request_id: _Optional[str] = ...) -> None: ...

class ExpandClusterResponse(_message.Message):
    __slots__ = ("task_id",)
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    def __init__(self, task_id: _Optional[str] = ...) -> None: ...

class ShrinkClusterRequest(_message.Message):
    __slots__ = ("task_name", "cluster_name", "ips", "count", "request_id")
    TASK_NAME_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_NAME_FIELD_NUMBER: _ClassVar[int]
    IPS_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    task_name: str
    cluster_name: str
    ips: _containers.RepeatedScalarFieldContainer[str]
    count: int
    request_id: str
    def __init__(self, task_name: _Optional[str] = ..., cluster_name: _Optional[str] = ..., ips: _Optional[_Iterable[str]] = ..., count: _Optional[int] = ..., request_id: _Optional[str] = ...) -> None: ...

class ShrinkClusterResponse(_message.Message):
    __slots__ = ("task_id",)
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    def __init__(self, task_id: _Optional[str] = ...) -> None: ...

class ListTasksRequest(_message.Message):
    __slots__ = ("account", "cluster_name", "page_number", "page_size")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_NAME_FIELD_NUMBER: _ClassVar[int]
    PAGE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    account: str
    cluster_name: str
    page_number: int
    page_size: int
    def __init__(self, account: _Optional[str] = ..., cluster_name: _Optional[str] = ..., page_number: _Optional[int] = ..., page_size: _Optional[int] = ...) -> None: ...

class ListTasksResponse(_message.Message):
    __slots__ = ("task_list", "pager")
    TASK_LIST_FIELD_NUMBER: _ClassVar[int]
    PAGER_FIELD_NUMBER: _ClassVar[int]
    task_list: _containers.RepeatedCompositeFieldContainer[Task]
    pager: _common_pb2.Pager
    def __init__(self, task_list: _Optional[_Iterable[_Union[Task, _Mapping]]] = ..., pager: _Optional[_Union[_common_pb2.Pager, _Mapping]] = ...) -> None: ...

class Task(_message.Message):
    __slots__ = ("task_id", "task_name", "task_action", "status", "cluster_name", "create_at", "execute_time", "finish_at")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_NAME_FIELD_NUMBER: _ClassVar[int]
    TASK_ACTION_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_NAME_FIELD_NUMBER: _ClassVar[int]
    CREATE_AT_FIELD_NUMBER: _ClassVar[int]
    EXECUTE_TIME_FIELD_NUMBER: _ClassVar[int]
    FINISH_AT_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    task_name: str
    task_action: str
    status: str
    cluster_name: str
    create_at: _timestamp_pb2.Timestamp
    execute_time: int
    finish_at: _timestamp_pb2.Timestamp
    def __init__(self, task_id: _Optional[str] = ..., task_name: _Optional[str] = ..., task_action: _Optional[str] = ..., status: _Optional[str] = ..., cluster_name: _Optional[str] = ..., create_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., execute_time: _Optional[int] = ..., finish_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class GetTaskRequest(_message.Message):
    __slots__ = ("task_id",)
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    def __init__(self, task_id: _Optional[str] = ...) -> None: ...

class GetTaskResponse(_message.Message):
    __slots__ = ("task",)
    TASK_FIELD_NUMBER: _ClassVar[int]
    task: TaskDetail
    def __init__(self, task: _Optional[_Union[TaskDetail, _Mapping]] = ...) -> None: ...

class TaskDetail(_message.Message):
    __slots__ = ("task_id", "task_name", "task_action", "status", "cluster_name", "create_at", "execute_time", "finish_at", "asked", "pending", "running", "failed", "deleted", "phase", "reason", "error_class", "chunks", "create_by", "provider", "start_at")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_NAME_FIELD_NUMBER: _ClassVar[int]
    TASK_ACTION_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_NAME_FIELD_NUMBER: _ClassVar[int]
    CREATE_AT_FIELD_NUMBER: _ClassVar[int]
    EXECUTE_TIME_FIELD_NUMBER: _ClassVar[int]
    FINISH_AT_FIELD_NUMBER: _ClassVar[int]
    ASKED_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ERROR_CLASS_FIELD_NUMBER: _ClassVar[int]
    CHUNKS_FIELD_NUMBER: _ClassVar[int]
    CREATE_BY_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    START_AT_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    task_name: str
    task_action: str
    status: str
    cluster_name: str
    create_at: _timestamp_pb2.Timestamp
    execute_time: int
    finish_at: _timestamp_pb2.Timestamp
    asked: int
    pending: int
    running: int
    failed: int
    deleted: int
    phase: str
    reason: str
    error_class: str
    chunks: _containers.RepeatedCompositeFieldContainer[TaskChunk]
    create_by: str
    provider: str
    start_at: _timestamp_pb2.Timestamp
    def __init__(self, task_id: _Optional[str] = ..., task_name: _Optional[str] = ..., task_action: _Optional[str] = ..., status: _Optional[str] = ..., cluster_name: _Optional[str] = ..., create_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., execute_time: _Optional[int] = ..., finish_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., asked: _Optional[int] = ..., pending: _Optional[int] = ..., running: _Optional[int] = ..., failed: _Optional[int] = ..., deleted: _Optional[int] = ..., phase: _Optional[str] = ..., reason: _Optional[str] = ..., error_class: _Optional[str] = ..., chunks: _Optional[_Iterable[_Union[TaskChunk, _Mapping]]] = ..., create_by: _Optional[str] = ..., provider: _Optional[str] = ..., start_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class TaskChunk(_message.Message):
    __slots__ = ("chunk_id", "index", "zone_id", "instance_type", "asked", "accepted", "running", "failed", "status", "reason", "error_class", "vendor_code", "vendor_request_id", "planned_at", "sent_at", "accepted_at", "finished_at")
    CHUNK_ID_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ZONE_ID_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_TYPE_FIELD_NUMBER: _ClassVar[int]
    ASKED_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ERROR_CLASS_FIELD_NUMBER: _ClassVar[int]
    VENDOR_CODE_FIELD_NUMBER: _ClassVar[int]
    VENDOR_REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PLANNED_AT_FIELD_NUMBER: _ClassVar[int]
    SENT_AT_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_AT_FIELD_NUMBER: _ClassVar[int]
    FINISHED_AT_FIELD_NUMBER: _ClassVar[int]
    chunk_id: str
    index: int
    zone_id: str
    instance_type: str
    asked: int
    accepted: int
    running: int
    failed: int
    status: str
    reason: str
    error_class: str
    vendor_code: str
    vendor_request_id: str
    planned_at: _timestamp_pb2.Timestamp
    sent_at: _timestamp_pb2.Timestamp
    accepted_at: _timestamp_pb2.Timestamp
    finished_at: _timestamp_pb2.Timestamp
    def __init__(self, chunk_id: _Optional[str] = ..., index: _Optional[int] = ..., zone_id: _Optional[str] = ..., instance_type: _Optional[str] = ..., asked: _Optional[int] = ..., accepted: _Optional[int] = ..., running: _Optional[int] = ..., failed: _Optional[int] = ..., status: _Optional[str] = ..., reason: _Optional[str] = ..., error_class: _Optional[str] = ..., vendor_code: _Optional[str] = ..., vendor_request_id: _Optional[str] = ..., planned_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., sent_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., accepted_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., finished_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CancelTaskRequest(_message.Message):
    __slots__ = ("task_id", "created_machines")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_MACHINES_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    created_machines: str
    def __init__(self, task_id: _Optional[str] = ..., created_machines: _Optional[str] = ...) -> None: ...

class CancelTaskResponse(_message.Message):
    __slots__ = ("task_id", "status")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    status: str
    def __init__(self, task_id: _Optional[str] = ..., status: _Optional[str] = ...) -> None: ...

class WatchTaskRequest(_message.Message):
    __slots__ = ("task_id",)
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    def __init__(self, task_id: _Optional[str] = ...) -> None: ...

class WatchTaskResponse(_message.Message):
    __slots__ = ("task_id", "status", "phase", "asked", "pending", "running", "failed", "deleted", "execute_time", "reason", "error_class", "task_action")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    ASKED_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    EXECUTE_TIME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ERROR_CLASS_FIELD_NUMBER: _ClassVar[int]
    TASK_ACTION_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    status: str
    phase: str
    asked: int
    pending: int
    running: int
    failed: int
    deleted: int
    execute_time: int
    reason: str
    error_class: str
    task_action: str
    def __init__(self, task_id: _Optional[str] = ..., status: _Optional[str] = ..., phase: _Optional[str] = ..., asked: _Optional[int] = ..., pending: _Optional[int] = ..., running: _Optional[int] = ..., failed: _Optional[int] = ..., deleted: _Optional[int] = ..., execute_time: _Optional[int] = ..., reason: _Optional[str] = ..., error_class: _Optional[str] = ..., task_action: _Optional[str] = ...) -> None: ...
