import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from hearth.options.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Reason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REASON_UNSPECIFIED: _ClassVar[Reason]
    REASON_INTERNAL: _ClassVar[Reason]
    REASON_UNAUTHENTICATED: _ClassVar[Reason]
    REASON_PERMISSION_DENIED: _ClassVar[Reason]
    REASON_INVALID_ARGUMENT: _ClassVar[Reason]
    REASON_UNKNOWN_FIELD: _ClassVar[Reason]
    REASON_METHOD_NOT_FOUND: _ClassVar[Reason]
    REASON_MESSAGE_TOO_LARGE: _ClassVar[Reason]
    REASON_CANCELLED: _ClassVar[Reason]
    REASON_DEADLINE_EXCEEDED: _ClassVar[Reason]
    REASON_UNAVAILABLE: _ClassVar[Reason]
    REASON_CONFLICT: _ClassVar[Reason]
    REASON_NOT_FOUND: _ClassVar[Reason]
    REASON_ALREADY_EXISTS: _ClassVar[Reason]
    REASON_RESOURCE_TOO_LARGE: _ClassVar[Reason]
    REASON_BOOKMARK_EXPIRED: _ClassVar[Reason]
    REASON_BOOKMARK_FOREIGN: _ClassVar[Reason]
    REASON_STORE_TOO_NEW: _ClassVar[Reason]
    REASON_SELECTOR_INVALID: _ClassVar[Reason]
    REASON_PACKAGE_NOT_FOUND: _ClassVar[Reason]
    REASON_PACKAGE_FILE_FOREIGN: _ClassVar[Reason]
    REASON_PACKAGE_FILE_VERSION: _ClassVar[Reason]
    REASON_PACKAGE_FILE_DAMAGED: _ClassVar[Reason]
    REASON_PACKAGE_FILE_SIGNATURE: _ClassVar[Reason]
    REASON_PACKAGE_FILE_LIMIT: _ClassVar[Reason]
    REASON_PACKAGE_FILE_INVALID: _ClassVar[Reason]
    REASON_PACKAGE_ARCHITECTURE: _ClassVar[Reason]
    REASON_PACKAGE_OS_TOO_NEW: _ClassVar[Reason]
    REASON_PACKAGE_VERSION_CONFLICT: _ClassVar[Reason]
    REASON_PACKAGE_STATE: _ClassVar[Reason]
    REASON_OPERATION_NOT_FOUND: _ClassVar[Reason]
    REASON_OPERATION_CONFLICT: _ClassVar[Reason]
    REASON_OPERATION_FINAL: _ClassVar[Reason]
    REASON_OPERATION_TIMEOUT: _ClassVar[Reason]
    REASON_TRANSFER_NOT_FOUND: _ClassVar[Reason]
    REASON_TRANSFER_INCOMPLETE: _ClassVar[Reason]
    REASON_TRANSFER_DIGEST: _ClassVar[Reason]
    REASON_DISK_FULL: _ClassVar[Reason]
    REASON_ACTION_NOT_FOUND: _ClassVar[Reason]
    REASON_ACTION_DISABLED: _ClassVar[Reason]
    REASON_ACTION_STATUS: _ClassVar[Reason]
    REASON_ACTION_INPUT: _ClassVar[Reason]
    REASON_TASK_BLOCKS_START: _ClassVar[Reason]
    REASON_TASK_NOT_FOUND: _ClassVar[Reason]
    REASON_SERVICE_NOT_READY: _ClassVar[Reason]
    REASON_PACKAGE_CODE_FAILED: _ClassVar[Reason]
    REASON_PACKAGE_CODE_TIMEOUT: _ClassVar[Reason]
    REASON_CONTAINER_FAILED: _ClassVar[Reason]
    REASON_IMAGE_NOT_FOUND: _ClassVar[Reason]
    REASON_VOLUME_NOT_FOUND: _ClassVar[Reason]
    REASON_EFFECT_UNKNOWN: _ClassVar[Reason]
    REASON_EFFECT_DENIED: _ClassVar[Reason]
    REASON_EFFECT_INVALID: _ClassVar[Reason]
    REASON_EFFECT_LIMIT: _ClassVar[Reason]
    REASON_PORT_EXHAUSTED: _ClassVar[Reason]
    REASON_HOST_NOT_FOUND: _ClassVar[Reason]
    REASON_SERVER_STARTING: _ClassVar[Reason]
    REASON_STREAM_UNSUPPORTED: _ClassVar[Reason]
    REASON_CAPABILITY_MISSING: _ClassVar[Reason]
    REASON_PREFERENCES_CHANGED: _ClassVar[Reason]
    REASON_PREFERENCES_TOO_MANY: _ClassVar[Reason]
    REASON_STORE_DAMAGED: _ClassVar[Reason]
    REASON_STORE_READ_ONLY: _ClassVar[Reason]
    REASON_STORE_IN_USE: _ClassVar[Reason]
    REASON_STORE_OLD: _ClassVar[Reason]
    REASON_LOGIN_FAILED: _ClassVar[Reason]
    REASON_RATE_LIMITED: _ClassVar[Reason]
    REASON_SERVER_UNCLAIMED: _ClassVar[Reason]
    REASON_SERVER_CLAIMED: _ClassVar[Reason]
    REASON_CLAIM_CODE_WRONG: _ClassVar[Reason]
    REASON_LAST_OWNER: _ClassVar[Reason]
    REASON_OUT_OF_SCOPE: _ClassVar[Reason]
    REASON_REQUEST_FOREIGN: _ClassVar[Reason]
    REASON_NO_SESSION: _ClassVar[Reason]
    REASON_SERVER_IDENTITY: _ClassVar[Reason]
    REASON_CLIENT_CONFIG: _ClassVar[Reason]
    REASON_PROFILE_NOT_FOUND: _ClassVar[Reason]
    REASON_OPERATION_NOT_STUCK: _ClassVar[Reason]
    REASON_OPERATION_NOT_REPEATABLE: _ClassVar[Reason]
    REASON_WARNING_NOT_FOUND: _ClassVar[Reason]
    REASON_WARNING_NOT_DISMISSABLE: _ClassVar[Reason]
    REASON_STEP_UP_REQUIRED: _ClassVar[Reason]
    REASON_SIGNATURE_TIME: _ClassVar[Reason]
    REASON_SIGNATURE_REPLAYED: _ClassVar[Reason]
    REASON_SIGNATURE_BODY: _ClassVar[Reason]
    REASON_IMAGE_MALFORMED: _ClassVar[Reason]
    REASON_IMAGE_TOO_LARGE: _ClassVar[Reason]
    REASON_IMAGE_SOURCE_NOT_FOUND: _ClassVar[Reason]
    REASON_PROGRAM_MISSING: _ClassVar[Reason]
    REASON_PROJECT_INVALID: _ClassVar[Reason]
REASON_UNSPECIFIED: Reason
REASON_INTERNAL: Reason
REASON_UNAUTHENTICATED: Reason
REASON_PERMISSION_DENIED: Reason
REASON_INVALID_ARGUMENT: Reason
REASON_UNKNOWN_FIELD: Reason
REASON_METHOD_NOT_FOUND: Reason
REASON_MESSAGE_TOO_LARGE: Reason
REASON_CANCELLED: Reason
REASON_DEADLINE_EXCEEDED: Reason
REASON_UNAVAILABLE: Reason
REASON_CONFLICT: Reason
REASON_NOT_FOUND: Reason
REASON_ALREADY_EXISTS: Reason
REASON_RESOURCE_TOO_LARGE: Reason
REASON_BOOKMARK_EXPIRED: Reason
REASON_BOOKMARK_FOREIGN: Reason
REASON_STORE_TOO_NEW: Reason
REASON_SELECTOR_INVALID: Reason
REASON_PACKAGE_NOT_FOUND: Reason
REASON_PACKAGE_FILE_FOREIGN: Reason
REASON_PACKAGE_FILE_VERSION: Reason
REASON_PACKAGE_FILE_DAMAGED: Reason
REASON_PACKAGE_FILE_SIGNATURE: Reason
REASON_PACKAGE_FILE_LIMIT: Reason
REASON_PACKAGE_FILE_INVALID: Reason
REASON_PACKAGE_ARCHITECTURE: Reason
REASON_PACKAGE_OS_TOO_NEW: Reason
REASON_PACKAGE_VERSION_CONFLICT: Reason
REASON_PACKAGE_STATE: Reason
REASON_OPERATION_NOT_FOUND: Reason
REASON_OPERATION_CONFLICT: Reason
REASON_OPERATION_FINAL: Reason
REASON_OPERATION_TIMEOUT: Reason
REASON_TRANSFER_NOT_FOUND: Reason
REASON_TRANSFER_INCOMPLETE: Reason
REASON_TRANSFER_DIGEST: Reason
REASON_DISK_FULL: Reason
REASON_ACTION_NOT_FOUND: Reason
REASON_ACTION_DISABLED: Reason
REASON_ACTION_STATUS: Reason
REASON_ACTION_INPUT: Reason
REASON_TASK_BLOCKS_START: Reason
REASON_TASK_NOT_FOUND: Reason
REASON_SERVICE_NOT_READY: Reason
REASON_PACKAGE_CODE_FAILED: Reason
REASON_PACKAGE_CODE_TIMEOUT: Reason
REASON_CONTAINER_FAILED: Reason
REASON_IMAGE_NOT_FOUND: Reason
REASON_VOLUME_NOT_FOUND: Reason
REASON_EFFECT_UNKNOWN: Reason
REASON_EFFECT_DENIED: Reason
REASON_EFFECT_INVALID: Reason
REASON_EFFECT_LIMIT: Reason
REASON_PORT_EXHAUSTED: Reason
REASON_HOST_NOT_FOUND: Reason
REASON_SERVER_STARTING: Reason
REASON_STREAM_UNSUPPORTED: Reason
REASON_CAPABILITY_MISSING: Reason
REASON_PREFERENCES_CHANGED: Reason
REASON_PREFERENCES_TOO_MANY: Reason
REASON_STORE_DAMAGED: Reason
REASON_STORE_READ_ONLY: Reason
REASON_STORE_IN_USE: Reason
REASON_STORE_OLD: Reason
REASON_LOGIN_FAILED: Reason
REASON_RATE_LIMITED: Reason
REASON_SERVER_UNCLAIMED: Reason
REASON_SERVER_CLAIMED: Reason
REASON_CLAIM_CODE_WRONG: Reason
REASON_LAST_OWNER: Reason
REASON_OUT_OF_SCOPE: Reason
REASON_REQUEST_FOREIGN: Reason
REASON_NO_SESSION: Reason
REASON_SERVER_IDENTITY: Reason
REASON_CLIENT_CONFIG: Reason
REASON_PROFILE_NOT_FOUND: Reason
REASON_OPERATION_NOT_STUCK: Reason
REASON_OPERATION_NOT_REPEATABLE: Reason
REASON_WARNING_NOT_FOUND: Reason
REASON_WARNING_NOT_DISMISSABLE: Reason
REASON_STEP_UP_REQUIRED: Reason
REASON_SIGNATURE_TIME: Reason
REASON_SIGNATURE_REPLAYED: Reason
REASON_SIGNATURE_BODY: Reason
REASON_IMAGE_MALFORMED: Reason
REASON_IMAGE_TOO_LARGE: Reason
REASON_IMAGE_SOURCE_NOT_FOUND: Reason
REASON_PROGRAM_MISSING: Reason
REASON_PROJECT_INVALID: Reason

class Fault(_message.Message):
    __slots__ = ("reason", "message", "metadata", "violations", "retry_after")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    VIOLATIONS_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_FIELD_NUMBER: _ClassVar[int]
    reason: Reason
    message: str
    metadata: _containers.ScalarMap[str, str]
    violations: _containers.RepeatedCompositeFieldContainer[Violation]
    retry_after: _duration_pb2.Duration
    def __init__(self, reason: _Optional[_Union[Reason, str]] = ..., message: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ..., violations: _Optional[_Iterable[_Union[Violation, _Mapping]]] = ..., retry_after: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Violation(_message.Message):
    __slots__ = ("field", "message")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    field: str
    message: str
    def __init__(self, field: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...
