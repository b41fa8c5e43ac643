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

class CreateAccountRequest(_message.Message):
    __slots__ = ("provider", "account_name", "account_key", "account_secret", "project_id", "request_id", "ambient")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_NAME_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_KEY_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_SECRET_FIELD_NUMBER: _ClassVar[int]
    PROJECT_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    AMBIENT_FIELD_NUMBER: _ClassVar[int]
    provider: str
    account_name: str
    account_key: str
    account_secret: str
    project_id: str
    request_id: str
    ambient: bool
    def __init__(self, provider: _Optional[str] = ..., account_name: _Optional[str] = ..., account_key: _Optional[str] = ..., account_secret: _Optional[str] = ..., project_id: _Optional[str] = ..., request_id: _Optional[str] = ..., ambient: _Optional[bool] = ...) -> None: ...

class CreateAccountResponse(_message.Message):
    __slots__ = ("account_key", "cloud_account_shared")
    ACCOUNT_KEY_FIELD_NUMBER: _ClassVar[int]
    CLOUD_ACCOUNT_SHARED_FIELD_NUMBER: _ClassVar[int]
    account_key: str
    cloud_account_shared: bool
    def __init__(self, account_key: _Optional[str] = ..., cloud_account_shared: _Optional[bool] = ...) -> None: ...

class ListAccountsRequest(_message.Message):
    __slots__ = ("provider", "page_number", "page_size")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    PAGE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    provider: str
    page_number: int
    page_size: int
    def __init__(self, provider: _Optional[str] = ..., page_number: _Optional[int] = ..., page_size: _Optional[int] = ...) -> None: ...

class ListAccountsResponse(_message.Message):
    __slots__ = ("account_list", "pager")
    ACCOUNT_LIST_FIELD_NUMBER: _ClassVar[int]
    PAGER_FIELD_NUMBER: _ClassVar[int]
    account_list: _containers.RepeatedCompositeFieldContainer[Account]
    pager: _common_pb2.Pager
    def __init__(self, account_list: _Optional[_Iterable[_Union[Account, _Mapping]]] = ..., pager: _Optional[_Union[_common_pb2.Pager, _Mapping]] = ...) -> None: ...

class Account(_message.Message):
    __slots__ = ("account_id", "account_name", "provider", "account_key", "project_id", "create_at", "create_by", "ambient", "cloud_key", "key_update_at", "cloud_account_id", "cloud_account_shared")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_NAME_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_KEY_FIELD_NUMBER: _ClassVar[int]
    PROJECT_ID_FIELD_NUMBER: _ClassVar[int]
    CREATE_AT_FIELD_NUMBER: _ClassVar[int]
    CREATE_BY_FIELD_NUMBER: _ClassVar[int]
    AMBIENT_FIELD_NUMBER: _ClassVar[int]
    CLOUD_KEY_FIELD_NUMBER: _ClassVar[int]
    KEY_UPDATE_AT_FIELD_NUMBER: _ClassVar[int]
    CLOUD_ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    CLOUD_ACCOUNT_SHARED_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    account_name: str
    provider: str
    account_key: str
    project_id: str
    create_at: _timestamp_pb2.Timestamp
    create_by: str
    ambient: bool
    cloud_key: str
    key_update_at: _timestamp_pb2.Timestamp
    cloud_account_id: str
    cloud_account_shared: bool
    def __init__(self, account_id: _Optional[str] = ..., account_name: _Optional[str] = ..., provider: _Optional[str] = ..., account_key: _Optional[str] = ..., project_id: _Optional[str] = ..., create_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., create_by: _Optional[str] = ..., ambient: _Optional[bool] = ..., cloud_key: _Optional[str] = ..., key_update_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., cloud_account_id: _Optional[str] = ..., cloud_account_shared: _Optional[bool] = ...) -> None: ...

class UpdateAccountRequest(_message.Message):
    __slots__ = ("provider", "account_key", "account_secret", "new_account_key", "ambient", "account_name")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_KEY_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_SECRET_FIELD_NUMBER: _ClassVar[int]
    NEW_ACCOUNT_KEY_FIELD_NUMBER: _ClassVar[int]
    AMBIENT_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_NAME_FIELD_NUMBER: _ClassVar[int]
    provider: str
    account_key: str
    account_secret: str
    new_account_key: str
    ambient: bool
    account_name: str
    def __init__(self, provider: _Optional[str] = ..., account_key: _Optional[str] = ..., account_secret: _Optional[str] = ..., new_account_key: _Optional[str] = ..., ambient: _Optional[bool] = ..., account_name: _Optional[str] = ...) -> None: ...

class UpdateAccountResponse(_message.Message):
    __slots__ = ("account_key",)
    ACCOUNT_KEY_FIELD_NUMBER: _ClassVar[int]
    account_key: str
    def __init__(self, account_key: _Optional[str] = ...) -> None: ...

class DeleteAccountRequest(_message.Message):
    __slots__ = ("provider", "account_key")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_KEY_FIELD_NUMBER: _ClassVar[int]
    provider: str
    account_key: str
    def __init__(self, provider: _Optional[str] = ..., account_key: _Optional[str] = ...) -> None: ...

class DeleteAccountResponse(_message.Message):
    __slots__ = ("account_key",)
    ACCOUNT_KEY_FIELD_NUMBER: _ClassVar[int]
    account_key: str
    def __init__(self, account_key: _Optional[str] = ...) -> None: ...
