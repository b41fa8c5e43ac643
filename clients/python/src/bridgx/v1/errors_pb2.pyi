from google.rpc import error_details_pb2 as _error_details_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ErrorReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ERROR_REASON_UNSPECIFIED: _ClassVar[ErrorReason]
    ERROR_REASON_PARAM_INVALID: _ClassVar[ErrorReason]
    ERROR_REASON_TOKEN_INVALID: _ClassVar[ErrorReason]
    ERROR_REASON_PERMISSION_DENIED: _ClassVar[ErrorReason]
    ERROR_REASON_CLUSTER_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_VPC_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_SUBNET_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_SECURITY_GROUP_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_TASK_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_INSTANCE_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_ACCOUNT_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_CLUSTER_ALREADY_EXISTS: _ClassVar[ErrorReason]
    ERROR_REASON_ACCOUNT_ALREADY_EXISTS: _ClassVar[ErrorReason]
    ERROR_REASON_CONFLICT: _ClassVar[ErrorReason]
    ERROR_REASON_CLUSTER_BUSY: _ClassVar[ErrorReason]
    ERROR_REASON_THROTTLED: _ClassVar[ErrorReason]
    ERROR_REASON_QUOTA_EXCEEDED: _ClassVar[ErrorReason]
    ERROR_REASON_OUT_OF_STOCK: _ClassVar[ErrorReason]
    ERROR_REASON_INSUFFICIENT_BALANCE: _ClassVar[ErrorReason]
    ERROR_REASON_BAD_CREDENTIALS: _ClassVar[ErrorReason]
    ERROR_REASON_CLOUD_UNAVAILABLE: _ClassVar[ErrorReason]
    ERROR_REASON_CLOUD_TIMEOUT: _ClassVar[ErrorReason]
    ERROR_REASON_STORE_UNAVAILABLE: _ClassVar[ErrorReason]
    ERROR_REASON_DEADLINE_EXCEEDED: _ClassVar[ErrorReason]
    ERROR_REASON_UNIMPLEMENTED: _ClassVar[ErrorReason]
    ERROR_REASON_INTERNAL: _ClassVar[ErrorReason]
    ERROR_REASON_CLOUD_ERROR: _ClassVar[ErrorReason]
    ERROR_REASON_PATH_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_METHOD_NOT_ALLOWED: _ClassVar[ErrorReason]
    ERROR_REASON_BODY_TOO_LARGE: _ClassVar[ErrorReason]
    ERROR_REASON_SERVER_UNAVAILABLE: _ClassVar[ErrorReason]
    ERROR_REASON_MEDIA_TYPE_UNSUPPORTED: _ClassVar[ErrorReason]
    ERROR_REASON_TOKEN_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_TOKEN_ALREADY_EXISTS: _ClassVar[ErrorReason]
    ERROR_REASON_NOT_RELEASABLE: _ClassVar[ErrorReason]
    ERROR_REASON_REQUEST_IN_PROGRESS: _ClassVar[ErrorReason]
    ERROR_REASON_NO_ADDRESSES: _ClassVar[ErrorReason]
    ERROR_REASON_CLOCK_SKEW: _ClassVar[ErrorReason]
ERROR_REASON_UNSPECIFIED: ErrorReason
ERROR_REASON_PARAM_INVALID: ErrorReason
ERROR_REASON_TOKEN_INVALID: ErrorReason
ERROR_REASON_PERMISSION_DENIED: ErrorReason
ERROR_REASON_CLUSTER_NOT_FOUND: ErrorReason
ERROR_REASON_VPC_NOT_FOUND: ErrorReason
ERROR_REASON_SUBNET_NOT_FOUND: ErrorReason
ERROR_REASON_SECURITY_GROUP_NOT_FOUND: ErrorReason
ERROR_REASON_TASK_NOT_FOUND: ErrorReason
ERROR_REASON_INSTANCE_NOT_FOUND: ErrorReason
ERROR_REASON_ACCOUNT_NOT_FOUND: ErrorReason
ERROR_REASON_CLUSTER_ALREADY_EXISTS: ErrorReason
ERROR_REASON_ACCOUNT_ALREADY_EXISTS: ErrorReason
ERROR_REASON_CONFLICT: ErrorReason
ERROR_REASON_CLUSTER_BUSY: ErrorReason
ERROR_REASON_THROTTLED: ErrorReason
ERROR_REASON_QUOTA_EXCEEDED: ErrorReason
ERROR_REASON_OUT_OF_STOCK: ErrorReason
ERROR_REASON_INSUFFICIENT_BALANCE: ErrorReason
ERROR_REASON_BAD_CREDENTIALS: ErrorReason
ERROR_REASON_CLOUD_UNAVAILABLE: ErrorReason
ERROR_REASON_CLOUD_TIMEOUT: ErrorReason
ERROR_REASON_STORE_UNAVAILABLE: ErrorReason
ERROR_REASON_DEADLINE_EXCEEDED: ErrorReason
ERROR_REASON_UNIMPLEMENTED: ErrorReason
ERROR_REASON_INTERNAL: ErrorReason
ERROR_REASON_CLOUD_ERROR: ErrorReason
ERROR_REASON_PATH_NOT_FOUND: ErrorReason
ERROR_REASON_METHOD_NOT_ALLOWED: ErrorReason
ERROR_REASON_BODY_TOO_LARGE: ErrorReason
ERROR_REASON_SERVER_UNAVAILABLE: ErrorReason
ERROR_REASON_MEDIA_TYPE_UNSUPPORTED: ErrorReason
ERROR_REASON_TOKEN_NOT_FOUND: ErrorReason
ERROR_REASON_TOKEN_ALREADY_EXISTS: ErrorReason
ERROR_REASON_NOT_RELEASABLE: ErrorReason
ERROR_REASON_REQUEST_IN_PROGRESS: ErrorReason
ERROR_REASON_NO_ADDRESSES: ErrorReason
ERROR_REASON_CLOCK_SKEW: ErrorReason

class ErrorDetails(_message.Message):
    __slots__ = ("error_info", "bad_request", "retry_info", "request_info")
    ERROR_INFO_FIELD_NUMBER: _ClassVar[int]
    BAD_REQUEST_FIELD_NUMBER: _ClassVar[int]
    RETRY_INFO_FIELD_NUMBER: _ClassVar[int]
    REQUEST_INFO_FIELD_NUMBER: _ClassVar[int]
    error_info: _error_details_pb2.ErrorInfo
    bad_request: _error_details_pb2.BadRequest
    retry_info: _error_details_pb2.RetryInfo
    request_info: _error_details_pb2.RequestInfo
    def __init__(self, error_info: _Optional[_Union[_error_details_pb2.ErrorInfo, _Mapping]] = ..., bad_request: _Optional[_Union[_error_details_pb2.BadRequest, _Mapping]] = ..., retry_info: _Optional[_Union[_error_details_pb2.RetryInfo, _Mapping]] = ..., request_info: _Optional[_Union[_error_details_pb2.RequestInfo, _Mapping]] = ...) -> None: ...
