import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from hearth.meta.v1 import fault_pb2 as _fault_pb2
from hearth.meta.v1 import meta_pb2 as _meta_pb2
from hearth.options.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Entry(_message.Message):
    __slots__ = ("meta", "spec", "status")
    META_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    meta: _meta_pb2.Meta
    spec: EntrySpec
    status: EntryStatus
    def __init__(self, meta: _Optional[_Union[_meta_pb2.Meta, _Mapping]] = ..., spec: _Optional[_Union[EntrySpec, _Mapping]] = ..., status: _Optional[_Union[EntryStatus, _Mapping]] = ...) -> None: ...

class EntrySpec(_message.Message):
    __slots__ = ("method", "targets", "caller", "role", "listener", "address", "uid", "wire", "request_id", "call_time", "caller_id")
    class TargetsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    METHOD_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    CALLER_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    LISTENER_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    WIRE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    CALL_TIME_FIELD_NUMBER: _ClassVar[int]
    CALLER_ID_FIELD_NUMBER: _ClassVar[int]
    method: str
    targets: _containers.ScalarMap[str, str]
    caller: str
    role: _options_pb2.Role
    listener: str
    address: str
    uid: int
    wire: str
    request_id: str
    call_time: _timestamp_pb2.Timestamp
    caller_id: str
    def __init__(self, method: _Optional[str] = ..., targets: _Optional[_Mapping[str, str]] = ..., caller: _Optional[str] = ..., role: _Optional[_Union[_options_pb2.Role, str]] = ..., listener: _Optional[str] = ..., address: _Optional[str] = ..., uid: _Optional[int] = ..., wire: _Optional[str] = ..., request_id: _Optional[str] = ..., call_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., caller_id: _Optional[str] = ...) -> None: ...

class EntryStatus(_message.Message):
    __slots__ = ("outcome", "reason", "count")
    class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        OUTCOME_UNSPECIFIED: _ClassVar[EntryStatus.Outcome]
        OUTCOME_BEGUN: _ClassVar[EntryStatus.Outcome]
        OUTCOME_DONE: _ClassVar[EntryStatus.Outcome]
        OUTCOME_REFUSED: _ClassVar[EntryStatus.Outcome]
        OUTCOME_FAILED: _ClassVar[EntryStatus.Outcome]
    OUTCOME_UNSPECIFIED: EntryStatus.Outcome
    OUTCOME_BEGUN: EntryStatus.Outcome
    OUTCOME_DONE: EntryStatus.Outcome
    OUTCOME_REFUSED: EntryStatus.Outcome
    OUTCOME_FAILED: EntryStatus.Outcome
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    outcome: EntryStatus.Outcome
    reason: _fault_pb2.Reason
    count: int
    def __init__(self, outcome: _Optional[_Union[EntryStatus.Outcome, str]] = ..., reason: _Optional[_Union[_fault_pb2.Reason, str]] = ..., count: _Optional[int] = ...) -> None: ...

class ListEntriesRequest(_message.Message):
    __slots__ = ("caller", "method", "outcome", "since", "until", "page_size", "page_token")
    CALLER_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    caller: str
    method: str
    outcome: EntryStatus.Outcome
    since: _timestamp_pb2.Timestamp
    until: _timestamp_pb2.Timestamp
    page_size: int
    page_token: str
    def __init__(self, caller: _Optional[str] = ..., method: _Optional[str] = ..., outcome: _Optional[_Union[EntryStatus.Outcome, str]] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListEntriesResponse(_message.Message):
    __slots__ = ("entries", "next_page_token")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[Entry]
    next_page_token: str
    def __init__(self, entries: _Optional[_Iterable[_Union[Entry, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
