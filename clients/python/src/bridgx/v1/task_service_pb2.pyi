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
    __slots__ = ("task_name", "cluster_name", "ips", "count", "request_id", "termination_policy", "instance_ids", "release_prepaid")
    TASK_NAME_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_NAME_FIELD_NUMBER: _ClassVar[int]
    IPS_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TERMINATION_POLICY_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_IDS_FIELD_NUMBER: _ClassVar[int]
    RELEASE_PREPAID_FIELD_NUMBER: _ClassVar[int]
    task_name: str
    cluster_name: str
    ips: _containers.RepeatedScalarFieldContainer[str]
    count: int
    request_id: str
    termination_policy: str
    instance_ids: _containers.RepeatedScalarFieldContainer[str]
    release_prepaid: bool
    def __init__(self, task_name: _Optional[str] = ..., cluster_name: _Optional[str] = ..., ips: _Optional[_Iterable[str]] = ..., count: _Optional[int] = ..., request_id: _Optional[str] = ..., termination_policy: _Optional[str] = ..., instance_ids: _Optional[_Iterable[str]] = ..., release_prepaid: _Optional[bool] = ...) -> None: ...

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
    __slots__ = ("task_id", "task_name", "task_action", "status", "cluster_name", "create_at", "execute_time", "finish_at", "asked", "pending", "running", "failed", "deleted", "phase", "reason", "error_class", "chunks", "create_by", "provider", "start_at", "progress", "termination_policy", "created_machines", "release_prepaid")
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
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    TERMINATION_POLICY_FIELD_NUMBER: _ClassVar[int]
    CREATED_MACHINES_FIELD_NUMBER: _ClassVar[int]
    RELEASE_PREPAID_FIELD_NUMBER: _ClassVar[int]
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
    progress: TaskProgress
    termination_policy: str
    created_machines: str
    release_prepaid: bool
    def __init__(self, task_id: _Optional[str] = ..., task_name: _Optional[str] = ..., task_action: _Optional[str] = ..., status: _Optional[str] = ..., cluster_name: _Optional[str] = ..., create_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., execute_time: _Optional[int] = ..., finish_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., asked: _Optional[int] = ..., pending: _Optional[int] = ..., running: _Optional[int] = ..., failed: _Optional[int] = ..., deleted: _Optional[int] = ..., phase: _Optional[str] = ..., reason: _Optional[str] = ..., error_class: _Optional[str] = ..., chunks: _Optional[_Iterable[_Union[TaskChunk, _Mapping]]] = ..., create_by: _Optional[str] = ..., provider: _Optional[str] = ..., start_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., progress: _Optional[_Union[TaskProgress, _Mapping]] = ..., termination_policy: _Optional[str] = ..., created_machines: _Optional[str] = ..., release_prepaid: _Optional[bool] = ...) -> None: ...

class TaskProgress(_message.Message):
    __slots__ = ("planned", "requested", "booting", "running", "deleting", "deleted", "failed")
    PLANNED_FIELD_NUMBER: _ClassVar[int]
    REQUESTED_FIELD_NUMBER: _ClassVar[int]
    BOOTING_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    DELETING_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    planned: int
    requested: int
    booting: int
    running: int
    deleting: int
    deleted: int
    failed: int
    def __init__(self, planned: _Optional[int] = ..., requested: _Optional[int] = ..., booting: _Optional[int] = ..., running: _Optional[int] = ..., deleting: _Optional[int] = ..., deleted: _Optional[int] = ..., failed: _Optional[int] = ...) -> None: ...

class TaskChunk(_message.Message):
    __slots__ = ("chunk_id", "index", "zone_id", "instance_type", "asked", "accepted", "running", "failed", "status", "reason", "error_class", "vendor_code", "vendor_request_id", "planned_at", "sent_at", "accepted_at", "finished_at", "first_running_at", "last_running_at", "subnet_id", "placement", "moved", "deleted", "replacement", "attempts")
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
    FIRST_RUNNING_AT_FIELD_NUMBER: _ClassVar[int]
    LAST_RUNNING_AT_FIELD_NUMBER: _ClassVar[int]
    SUBNET_ID_FIELD_NUMBER: _ClassVar[int]
    PLACEMENT_FIELD_NUMBER: _ClassVar[int]
    MOVED_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    REPLACEMENT_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
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
    first_running_at: _timestamp_pb2.Timestamp
    last_running_at: _timestamp_pb2.Timestamp
    subnet_id: str
    placement: int
    moved: int
    deleted: int
    replacement: bool
    attempts: int
    def __init__(self, chunk_id: _Optional[str] = ..., index: _Optional[int] = ..., zone_id: _Optional[str] = ..., instance_type: _Optional[str] = ..., asked: _Optional[int] = ..., accepted: _Optional[int] = ..., running: _Optional[int] = ..., failed: _Optional[int] = ..., status: _Optional[str] = ..., reason: _Optional[str] = ..., error_class: _Optional[str] = ..., vendor_code: _Optional[str] = ..., vendor_request_id: _Optional[str] = ..., planned_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., sent_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., accepted_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., finished_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., first_running_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_running_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., subnet_id: _Optional[str] = ..., placement: _Optional[int] = ..., moved: _Optional[int] = ..., deleted: _Optional[int] = ..., replacement: _Optional[bool] = ..., attempts: _Optional[int] = ...) -> None: ...

class CancelTaskRequest(_message.Message):
    __slots__ = ("task_id", "created_machines", "release_prepaid")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_MACHINES_FIELD_NUMBER: _ClassVar[int]
    RELEASE_PREPAID_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    created_machines: str
    release_prepaid: bool
    def __init__(self, task_id: _Optional[str] = ..., created_machines: _Optional[str] = ..., release_prepaid: _Optional[bool] = ...) -> None: ...

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
    __slots__ = ("task_id", "status", "phase", "asked", "pending", "running", "failed", "deleted", "execute_time", "reason", "error_class", "task_action", "progress", "chunks", "end")
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
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    CHUNKS_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
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
    progress: TaskProgress
    chunks: _containers.RepeatedCompositeFieldContainer[TaskChunk]
    end: WatchEnd
    def __init__(self, task_id: _Optional[str] = ..., status: _Optional[str] = ..., phase: _Optional[str] = ..., asked: _Optional[int] = ..., pending: _Optional[int] = ..., running: _Optional[int] = ..., failed: _Optional[int] = ..., deleted: _Optional[int] = ..., execute_time: _Optional[int] = ..., reason: _Optional[str] = ..., error_class: _Optional[str] = ..., task_action: _Optional[str] = ..., progress: _Optional[_Union[TaskProgress, _Mapping]] = ..., chunks: _Optional[_Iterable[_Union[TaskChunk, _Mapping]]] = ..., end: _Optional[_Union[WatchEnd, _Mapping]] = ...) -> None: ...

class WatchEnd(_message.Message):
    __slots__ = ("reason", "message")
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    reason: str
    message: str
    def __init__(self, reason: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class PlanExpandRequest(_message.Message):
    __slots__ = ("cluster_name", "count")
    CLUSTER_NAME_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    cluster_name: str
    count: int
    def __init__(self, cluster_name: _Optional[str] = ..., count: _Optional[int] = ...) -> None: ...

class PlanExpandResponse(_message.Message):
    __slots__ = ("feasible", "refusals", "chunks", "placements", "max_machines", "used", "coming", "tasks_before", "seconds", "expected")
    FEASIBLE_FIELD_NUMBER: _ClassVar[int]
    REFUSALS_FIELD_NUMBER: _ClassVar[int]
    CHUNKS_FIELD_NUMBER: _ClassVar[int]
    PLACEMENTS_FIELD_NUMBER: _ClassVar[int]
    MAX_MACHINES_FIELD_NUMBER: _ClassVar[int]
    USED_FIELD_NUMBER: _ClassVar[int]
    COMING_FIELD_NUMBER: _ClassVar[int]
    TASKS_BEFORE_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FIELD_NUMBER: _ClassVar[int]
    feasible: bool
    refusals: _containers.RepeatedCompositeFieldContainer[PlanRefusal]
    chunks: _containers.RepeatedCompositeFieldContainer[PlannedChunk]
    placements: _containers.RepeatedCompositeFieldContainer[PlannedPlacement]
    max_machines: int
    used: int
    coming: int
    tasks_before: int
    seconds: float
    expected: int
    def __init__(self, feasible: _Optional[bool] = ..., refusals: _Optional[_Iterable[_Union[PlanRefusal, _Mapping]]] = ..., chunks: _Optional[_Iterable[_Union[PlannedChunk, _Mapping]]] = ..., placements: _Optional[_Iterable[_Union[PlannedPlacement, _Mapping]]] = ..., max_machines: _Optional[int] = ..., used: _Optional[int] = ..., coming: _Optional[int] = ..., tasks_before: _Optional[int] = ..., seconds: _Optional[float] = ..., expected: _Optional[int] = ...) -> None: ...

class PlanShrinkRequest(_message.Message):
    __slots__ = ("cluster_name", "ips", "count", "termination_policy", "instance_ids", "release_prepaid")
    CLUSTER_NAME_FIELD_NUMBER: _ClassVar[int]
    IPS_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    TERMINATION_POLICY_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_IDS_FIELD_NUMBER: _ClassVar[int]
    RELEASE_PREPAID_FIELD_NUMBER: _ClassVar[int]
    cluster_name: str
    ips: _containers.RepeatedScalarFieldContainer[str]
    count: int
    termination_policy: str
    instance_ids: _containers.RepeatedScalarFieldContainer[str]
    release_prepaid: bool
    def __init__(self, cluster_name: _Optional[str] = ..., ips: _Optional[_Iterable[str]] = ..., count: _Optional[int] = ..., termination_policy: _Optional[str] = ..., instance_ids: _Optional[_Iterable[str]] = ..., release_prepaid: _Optional[bool] = ...) -> None: ...

class PlanShrinkResponse(_message.Message):
    __slots__ = ("feasible", "refusals", "chunks", "victims", "count", "termination_policy", "candidates", "protected_machines", "tasks_before", "seconds", "prepaid_machines", "prepaid_release")
    FEASIBLE_FIELD_NUMBER: _ClassVar[int]
    REFUSALS_FIELD_NUMBER: _ClassVar[int]
    CHUNKS_FIELD_NUMBER: _ClassVar[int]
    VICTIMS_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    TERMINATION_POLICY_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    PROTECTED_MACHINES_FIELD_NUMBER: _ClassVar[int]
    TASKS_BEFORE_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    PREPAID_MACHINES_FIELD_NUMBER: _ClassVar[int]
    PREPAID_RELEASE_FIELD_NUMBER: _ClassVar[int]
    feasible: bool
    refusals: _containers.RepeatedCompositeFieldContainer[PlanRefusal]
    chunks: _containers.RepeatedCompositeFieldContainer[PlannedChunk]
    victims: _containers.RepeatedCompositeFieldContainer[PlannedVictim]
    count: int
    termination_policy: str
    candidates: int
    protected_machines: int
    tasks_before: int
    seconds: float
    prepaid_machines: int
    prepaid_release: str
    def __init__(self, feasible: _Optional[bool] = ..., refusals: _Optional[_Iterable[_Union[PlanRefusal, _Mapping]]] = ..., chunks: _Optional[_Iterable[_Union[PlannedChunk, _Mapping]]] = ..., victims: _Optional[_Iterable[_Union[PlannedVictim, _Mapping]]] = ..., count: _Optional[int] = ..., termination_policy: _Optional[str] = ..., candidates: _Optional[int] = ..., protected_machines: _Optional[int] = ..., tasks_before: _Optional[int] = ..., seconds: _Optional[float] = ..., prepaid_machines: _Optional[int] = ..., prepaid_release: _Optional[str] = ...) -> None: ...

class PlanRefusal(_message.Message):
    __slots__ = ("reason", "field", "message")
    REASON_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    reason: str
    field: str
    message: str
    def __init__(self, reason: _Optional[str] = ..., field: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class PlannedChunk(_message.Message):
    __slots__ = ("index", "zone_id", "subnet_id", "instance_type", "count")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ZONE_ID_FIELD_NUMBER: _ClassVar[int]
    SUBNET_ID_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_TYPE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    index: int
    zone_id: str
    subnet_id: str
    instance_type: str
    count: int
    def __init__(self, index: _Optional[int] = ..., zone_id: _Optional[str] = ..., subnet_id: _Optional[str] = ..., instance_type: _Optional[str] = ..., count: _Optional[int] = ...) -> None: ...

class PlannedPlacement(_message.Message):
    __slots__ = ("placement", "zone_id", "subnet_id", "instance_type", "sold_out_at", "dry_run", "reason", "message", "vendor_code", "available_ip_address_count", "quota_exceeded_at")
    PLACEMENT_FIELD_NUMBER: _ClassVar[int]
    ZONE_ID_FIELD_NUMBER: _ClassVar[int]
    SUBNET_ID_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_TYPE_FIELD_NUMBER: _ClassVar[int]
    SOLD_OUT_AT_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    VENDOR_CODE_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_IP_ADDRESS_COUNT_FIELD_NUMBER: _ClassVar[int]
    QUOTA_EXCEEDED_AT_FIELD_NUMBER: _ClassVar[int]
    placement: int
    zone_id: str
    subnet_id: str
    instance_type: str
    sold_out_at: _timestamp_pb2.Timestamp
    dry_run: str
    reason: str
    message: str
    vendor_code: str
    available_ip_address_count: int
    quota_exceeded_at: _timestamp_pb2.Timestamp
    def __init__(self, placement: _Optional[int] = ..., zone_id: _Optional[str] = ..., subnet_id: _Optional[str] = ..., instance_type: _Optional[str] = ..., sold_out_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., dry_run: _Optional[str] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., vendor_code: _Optional[str] = ..., available_ip_address_count: _Optional[int] = ..., quota_exceeded_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class PlannedVictim(_message.Message):
    __slots__ = ("instance_id", "ip_inner", "ip_outer", "zone_id", "create_at", "charge_type", "expire_at")
    INSTANCE_ID_FIELD_NUMBER: _ClassVar[int]
    IP_INNER_FIELD_NUMBER: _ClassVar[int]
    IP_OUTER_FIELD_NUMBER: _ClassVar[int]
    ZONE_ID_FIELD_NUMBER: _ClassVar[int]
    CREATE_AT_FIELD_NUMBER: _ClassVar[int]
    CHARGE_TYPE_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_AT_FIELD_NUMBER: _ClassVar[int]
    instance_id: str
    ip_inner: str
    ip_outer: str
    zone_id: str
    create_at: _timestamp_pb2.Timestamp
    charge_type: str
    expire_at: _timestamp_pb2.Timestamp
    def __init__(self, instance_id: _Optional[str] = ..., ip_inner: _Optional[str] = ..., ip_outer: _Optional[str] = ..., zone_id: _Optional[str] = ..., create_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., charge_type: _Optional[str] = ..., expire_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
