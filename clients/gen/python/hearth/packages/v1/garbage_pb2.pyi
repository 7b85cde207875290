import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from hearth.operations.v1 import operations_pb2 as _operations_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StoredItem(_message.Message):
    __slots__ = ("kind", "id", "package_id", "version", "bytes", "create_time", "used_by", "garbage")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[StoredItem.Kind]
        KIND_PACKAGE_FILE: _ClassVar[StoredItem.Kind]
        KIND_SNAPSHOT: _ClassVar[StoredItem.Kind]
        KIND_UPLOAD: _ClassVar[StoredItem.Kind]
        KIND_DOWNLOAD: _ClassVar[StoredItem.Kind]
    KIND_UNSPECIFIED: StoredItem.Kind
    KIND_PACKAGE_FILE: StoredItem.Kind
    KIND_SNAPSHOT: StoredItem.Kind
    KIND_UPLOAD: StoredItem.Kind
    KIND_DOWNLOAD: StoredItem.Kind
    KIND_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    USED_BY_FIELD_NUMBER: _ClassVar[int]
    GARBAGE_FIELD_NUMBER: _ClassVar[int]
    kind: StoredItem.Kind
    id: str
    package_id: str
    version: str
    bytes: int
    create_time: _timestamp_pb2.Timestamp
    used_by: _containers.RepeatedScalarFieldContainer[str]
    garbage: bool
    def __init__(self, kind: _Optional[_Union[StoredItem.Kind, str]] = ..., id: _Optional[str] = ..., package_id: _Optional[str] = ..., version: _Optional[str] = ..., bytes: _Optional[int] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., used_by: _Optional[_Iterable[str]] = ..., garbage: bool = ...) -> None: ...

class CollectGarbageRequest(_message.Message):
    __slots__ = ("validate_only",)
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    validate_only: bool
    def __init__(self, validate_only: bool = ...) -> None: ...

class CollectGarbageResponse(_message.Message):
    __slots__ = ("items", "operations")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    OPERATIONS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[StoredItem]
    operations: _containers.RepeatedCompositeFieldContainer[_operations_pb2.Operation]
    def __init__(self, items: _Optional[_Iterable[_Union[StoredItem, _Mapping]]] = ..., operations: _Optional[_Iterable[_Union[_operations_pb2.Operation, _Mapping]]] = ...) -> None: ...
