import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from hearth.meta.v1 import meta_pb2 as _meta_pb2
from hearth.options.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Notification(_message.Message):
    __slots__ = ("meta", "spec", "status")
    META_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    meta: _meta_pb2.Meta
    spec: NotificationSpec
    status: NotificationStatus
    def __init__(self, meta: _Optional[_Union[_meta_pb2.Meta, _Mapping]] = ..., spec: _Optional[_Union[NotificationSpec, _Mapping]] = ..., status: _Optional[_Union[NotificationStatus, _Mapping]] = ...) -> None: ...

class NotificationSpec(_message.Message):
    __slots__ = ("seen",)
    SEEN_FIELD_NUMBER: _ClassVar[int]
    seen: bool
    def __init__(self, seen: bool = ...) -> None: ...

class NotificationStatus(_message.Message):
    __slots__ = ("level", "title", "message", "data", "time", "times")
    class Level(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        LEVEL_UNSPECIFIED: _ClassVar[NotificationStatus.Level]
        LEVEL_SUCCESS: _ClassVar[NotificationStatus.Level]
        LEVEL_INFO: _ClassVar[NotificationStatus.Level]
        LEVEL_WARNING: _ClassVar[NotificationStatus.Level]
        LEVEL_ERROR: _ClassVar[NotificationStatus.Level]
    LEVEL_UNSPECIFIED: NotificationStatus.Level
    LEVEL_SUCCESS: NotificationStatus.Level
    LEVEL_INFO: NotificationStatus.Level
    LEVEL_WARNING: NotificationStatus.Level
    LEVEL_ERROR: NotificationStatus.Level
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    TIMES_FIELD_NUMBER: _ClassVar[int]
    level: NotificationStatus.Level
    title: str
    message: str
    data: str
    time: _timestamp_pb2.Timestamp
    times: int
    def __init__(self, level: _Optional[_Union[NotificationStatus.Level, str]] = ..., title: _Optional[str] = ..., message: _Optional[str] = ..., data: _Optional[str] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., times: _Optional[int] = ...) -> None: ...

class ListNotificationsRequest(_message.Message):
    __slots__ = ("package_id", "unseen", "page_size", "page_token")
    PACKAGE_ID_FIELD_NUMBER: _ClassVar[int]
    UNSEEN_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    package_id: str
    unseen: bool
    page_size: int
    page_token: str
    def __init__(self, package_id: _Optional[str] = ..., unseen: bool = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListNotificationsResponse(_message.Message):
    __slots__ = ("notifications", "next_page_token")
    NOTIFICATIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    notifications: _containers.RepeatedCompositeFieldContainer[Notification]
    next_page_token: str
    def __init__(self, notifications: _Optional[_Iterable[_Union[Notification, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class MarkNotificationsRequest(_message.Message):
    __slots__ = ("ids", "all", "unseen")
    IDS_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    UNSEEN_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[str]
    all: bool
    unseen: bool
    def __init__(self, ids: _Optional[_Iterable[str]] = ..., all: bool = ..., unseen: bool = ...) -> None: ...

class MarkNotificationsResponse(_message.Message):
    __slots__ = ("marked",)
    MARKED_FIELD_NUMBER: _ClassVar[int]
    marked: int
    def __init__(self, marked: _Optional[int] = ...) -> None: ...

class RemoveNotificationsRequest(_message.Message):
    __slots__ = ("ids", "seen")
    IDS_FIELD_NUMBER: _ClassVar[int]
    SEEN_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[str]
    seen: bool
    def __init__(self, ids: _Optional[_Iterable[str]] = ..., seen: bool = ...) -> None: ...

class RemoveNotificationsResponse(_message.Message):
    __slots__ = ("removed",)
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    removed: int
    def __init__(self, removed: _Optional[int] = ...) -> None: ...
