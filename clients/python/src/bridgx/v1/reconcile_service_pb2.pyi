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

class ListComparisonsRequest(_message.Message):
    __slots__ = ("provider", "account", "region_id", "page_number", "page_size")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    REGION_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    provider: str
    account: str
    region_id: str
    page_number: int
    page_size: int
    def __init__(self, provider: _Optional[str] = ..., account: _Optional[str] = ..., region_id: _Optional[str] = ..., page_number: _Optional[int] = ..., page_size: _Optional[int] = ...) -> None: ...

class ListComparisonsResponse(_message.Message):
    __slots__ = ("comparison_list", "pager")
    COMPARISON_LIST_FIELD_NUMBER: _ClassVar[int]
    PAGER_FIELD_NUMBER: _ClassVar[int]
    comparison_list: _containers.RepeatedCompositeFieldContainer[Comparison]
    pager: _common_pb2.Pager
    def __init__(self, comparison_list: _Optional[_Iterable[_Union[Comparison, _Mapping]]] = ..., pager: _Optional[_Union[_common_pb2.Pager, _Mapping]] = ...) -> None: ...

class Comparison(_message.Message):
    __slots__ = ("provider", "account", "region_id", "status", "error_class", "reason", "start_at", "end_at", "success_at", "next_at", "listed", "missing", "adopted", "revived", "orphans")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    REGION_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ERROR_CLASS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    START_AT_FIELD_NUMBER: _ClassVar[int]
    END_AT_FIELD_NUMBER: _ClassVar[int]
    SUCCESS_AT_FIELD_NUMBER: _ClassVar[int]
    NEXT_AT_FIELD_NUMBER: _ClassVar[int]
    LISTED_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    ADOPTED_FIELD_NUMBER: _ClassVar[int]
    REVIVED_FIELD_NUMBER: _ClassVar[int]
    ORPHANS_FIELD_NUMBER: _ClassVar[int]
    provider: str
    account: str
    region_id: str
    status: str
    error_class: str
    reason: str
    start_at: _timestamp_pb2.Timestamp
    end_at: _timestamp_pb2.Timestamp
    success_at: _timestamp_pb2.Timestamp
    next_at: _timestamp_pb2.Timestamp
    listed: int
    missing: int
    adopted: int
    revived: int
    orphans: int
    def __init__(self, provider: _Optional[str] = ..., account: _Optional[str] = ..., region_id: _Optional[str] = ..., status: _Optional[str] = ..., error_class: _Optional[str] = ..., reason: _Optional[str] = ..., start_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., success_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., next_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., listed: _Optional[int] = ..., missing: _Optional[int] = ..., adopted: _Optional[int] = ..., revived: _Optional[int] = ..., orphans: _Optional[int] = ...) -> None: ...

class ListFindingsRequest(_message.Message):
    __slots__ = ("kind", "provider", "account", "region_id", "page_number", "page_size")
    KIND_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    REGION_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    kind: str
    provider: str
    account: str
    region_id: str
    page_number: int
    page_size: int
    def __init__(self, kind: _Optional[str] = ..., provider: _Optional[str] = ..., account: _Optional[str] = ..., region_id: _Optional[str] = ..., page_number: _Optional[int] = ..., page_size: _Optional[int] = ...) -> None: ...

class ListFindingsResponse(_message.Message):
    __slots__ = ("machine_list", "pager")
    MACHINE_LIST_FIELD_NUMBER: _ClassVar[int]
    PAGER_FIELD_NUMBER: _ClassVar[int]
    machine_list: _containers.RepeatedCompositeFieldContainer[Finding]
    pager: _common_pb2.Pager
    def __init__(self, machine_list: _Optional[_Iterable[_Union[Finding, _Mapping]]] = ..., pager: _Optional[_Union[_common_pb2.Pager, _Mapping]] = ...) -> None: ...

class Finding(_message.Message):
    __slots__ = ("kind", "instance_id", "provider", "account", "region_id", "cluster_name", "task_id", "first_seen_at", "last_seen_at", "status", "reason")
    KIND_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_ID_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    REGION_ID_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_NAME_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    FIRST_SEEN_AT_FIELD_NUMBER: _ClassVar[int]
    LAST_SEEN_AT_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    kind: str
    instance_id: str
    provider: str
    account: str
    region_id: str
    cluster_name: str
    task_id: str
    first_seen_at: _timestamp_pb2.Timestamp
    last_seen_at: _timestamp_pb2.Timestamp
    status: str
    reason: str
    def __init__(self, kind: _Optional[str] = ..., instance_id: _Optional[str] = ..., provider: _Optional[str] = ..., account: _Optional[str] = ..., region_id: _Optional[str] = ..., cluster_name: _Optional[str] = ..., task_id: _Optional[str] = ..., first_seen_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_seen_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., status: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class StartComparisonRequest(_message.Message):
    __slots__ = ("provider", "account", "region_id")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    REGION_ID_FIELD_NUMBER: _ClassVar[int]
    provider: str
    account: str
    region_id: str
    def __init__(self, provider: _Optional[str] = ..., account: _Optional[str] = ..., region_id: _Optional[str] = ...) -> None: ...

class StartComparisonResponse(_message.Message):
    __slots__ = ("places", "asked_at")
    PLACES_FIELD_NUMBER: _ClassVar[int]
    ASKED_AT_FIELD_NUMBER: _ClassVar[int]
    places: int
    asked_at: _timestamp_pb2.Timestamp
    def __init__(self, places: _Optional[int] = ..., asked_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListOrphansRequest(_message.Message):
    __slots__ = ("provider", "account", "region_id", "page_number", "page_size")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    REGION_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    provider: str
    account: str
    region_id: str
    page_number: int
    page_size: int
    def __init__(self, provider: _Optional[str] = ..., account: _Optional[str] = ..., region_id: _Optional[str] = ..., page_number: _Optional[int] = ..., page_size: _Optional[int] = ...) -> None: ...

class ListOrphansResponse(_message.Message):
    __slots__ = ("orphan_list", "pager")
    ORPHAN_LIST_FIELD_NUMBER: _ClassVar[int]
    PAGER_FIELD_NUMBER: _ClassVar[int]
    orphan_list: _containers.RepeatedCompositeFieldContainer[Orphan]
    pager: _common_pb2.Pager
    def __init__(self, orphan_list: _Optional[_Iterable[_Union[Orphan, _Mapping]]] = ..., pager: _Optional[_Union[_common_pb2.Pager, _Mapping]] = ...) -> None: ...

class Orphan(_message.Message):
    __slots__ = ("instance_id", "provider", "account", "region_id", "zone_id", "instance_type", "ip_inner", "state", "create_at", "first_seen_at", "last_seen_at", "reason", "tags", "delete_asked_at", "delete_asked_by", "delete_failure", "made_by")
    class TagsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    INSTANCE_ID_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    REGION_ID_FIELD_NUMBER: _ClassVar[int]
    ZONE_ID_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_TYPE_FIELD_NUMBER: _ClassVar[int]
    IP_INNER_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CREATE_AT_FIELD_NUMBER: _ClassVar[int]
    FIRST_SEEN_AT_FIELD_NUMBER: _ClassVar[int]
    LAST_SEEN_AT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    DELETE_ASKED_AT_FIELD_NUMBER: _ClassVar[int]
    DELETE_ASKED_BY_FIELD_NUMBER: _ClassVar[int]
    DELETE_FAILURE_FIELD_NUMBER: _ClassVar[int]
    MADE_BY_FIELD_NUMBER: _ClassVar[int]
    instance_id: str
    provider: str
    account: str
    region_id: str
    zone_id: str
    instance_type: str
    ip_inner: str
    state: str
    create_at: _timestamp_pb2.Timestamp
    first_seen_at: _timestamp_pb2.Timestamp
    last_seen_at: _timestamp_pb2.Timestamp
    reason: str
    tags: _containers.ScalarMap[str, str]
    delete_asked_at: _timestamp_pb2.Timestamp
    delete_asked_by: str
    delete_failure: str
    made_by: str
    def __init__(self, instance_id: _Optional[str] = ..., provider: _Optional[str] = ..., account: _Optional[str] = ..., region_id: _Optional[str] = ..., zone_id: _Optional[str] = ..., instance_type: _Optional[str] = ..., ip_inner: _Optional[str] = ..., state: _Optional[str] = ..., create_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., first_seen_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_seen_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., reason: _Optional[str] = ..., tags: _Optional[_Mapping[str, str]] = ..., delete_asked_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., delete_asked_by: _Optional[str] = ..., delete_failure: _Optional[str] = ..., made_by: _Optional[str] = ...) -> None: ...

class DeleteOrphansRequest(_message.Message):
    __slots__ = ("instance_ids", "provider", "account", "region_id", "release_prepaid")
    INSTANCE_IDS_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    REGION_ID_FIELD_NUMBER: _ClassVar[int]
    RELEASE_PREPAID_FIELD_NUMBER: _ClassVar[int]
    instance_ids: _containers.RepeatedScalarFieldContainer[str]
    provider: str
    account: str
    region_id: str
    release_prepaid: bool
    def __init__(self, instance_ids: _Optional[_Iterable[str]] = ..., provider: _Optional[str] = ..., account: _Optional[str] = ..., region_id: _Optional[str] = ..., release_prepaid: _Optional[bool] = ...) -> None: ...

class DeleteOrphansResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[OrphanDeletion]
    def __init__(self, results: _Optional[_Iterable[_Union[OrphanDeletion, _Mapping]]] = ...) -> None: ...

class OrphanDeletion(_message.Message):
    __slots__ = ("instance_id", "result", "detail", "account", "region_id")
    INSTANCE_ID_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    REGION_ID_FIELD_NUMBER: _ClassVar[int]
    instance_id: str
    result: str
    detail: str
    account: str
    region_id: str
    def __init__(self, instance_id: _Optional[str] = ..., result: _Optional[str] = ..., detail: _Optional[str] = ..., account: _Optional[str] = ..., region_id: _Optional[str] = ...) -> None: ...

class ListUnfinishedNetworksRequest(_message.Message):
    __slots__ = ("page_number", "page_size")
    PAGE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    page_number: int
    page_size: int
    def __init__(self, page_number: _Optional[int] = ..., page_size: _Optional[int] = ...) -> None: ...

class ListUnfinishedNetworksResponse(_message.Message):
    __slots__ = ("request_list", "pager")
    REQUEST_LIST_FIELD_NUMBER: _ClassVar[int]
    PAGER_FIELD_NUMBER: _ClassVar[int]
    request_list: _containers.RepeatedCompositeFieldContainer[UnfinishedNetwork]
    pager: _common_pb2.Pager
    def __init__(self, request_list: _Optional[_Iterable[_Union[UnfinishedNetwork, _Mapping]]] = ..., pager: _Optional[_Union[_common_pb2.Pager, _Mapping]] = ...) -> None: ...

class UnfinishedNetwork(_message.Message):
    __slots__ = ("request_id", "operation", "create_by", "create_at", "attempt_at", "attempts", "made", "reason")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    CREATE_BY_FIELD_NUMBER: _ClassVar[int]
    CREATE_AT_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_AT_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    MADE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    operation: str
    create_by: str
    create_at: _timestamp_pb2.Timestamp
    attempt_at: _timestamp_pb2.Timestamp
    attempts: int
    made: _containers.RepeatedCompositeFieldContainer[MadeNetwork]
    reason: str
    def __init__(self, request_id: _Optional[str] = ..., operation: _Optional[str] = ..., create_by: _Optional[str] = ..., create_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., attempt_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., attempts: _Optional[int] = ..., made: _Optional[_Iterable[_Union[MadeNetwork, _Mapping]]] = ..., reason: _Optional[str] = ...) -> None: ...

class MadeNetwork(_message.Message):
    __slots__ = ("kind", "id")
    KIND_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    kind: str
    id: str
    def __init__(self, kind: _Optional[str] = ..., id: _Optional[str] = ...) -> None: ...
