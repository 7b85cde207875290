import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from hearth.meta.v1 import meta_pb2 as _meta_pb2
from hearth.options.v1 import options_pb2 as _options_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CalendarEntry(_message.Message):
    __slots__ = ("meta", "status")
    META_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    meta: _meta_pb2.Meta
    status: CalendarEntryStatus
    def __init__(self, meta: _Optional[_Union[_meta_pb2.Meta, _Mapping]] = ..., status: _Optional[_Union[CalendarEntryStatus, _Mapping]] = ...) -> None: ...

class CalendarEntryStatus(_message.Message):
    __slots__ = ("dealt_time",)
    DEALT_TIME_FIELD_NUMBER: _ClassVar[int]
    dealt_time: _timestamp_pb2.Timestamp
    def __init__(self, dealt_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
