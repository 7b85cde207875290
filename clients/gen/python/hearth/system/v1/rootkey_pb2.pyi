import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from hearth.operations.v1 import operations_pb2 as _operations_pb2
from hearth.options.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RootKeyCopy(_message.Message):
    __slots__ = ("name", "create_time", "account")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    name: str
    create_time: _timestamp_pb2.Timestamp
    account: str
    def __init__(self, name: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., account: _Optional[str] = ...) -> None: ...

class GetRootKeyRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetRootKeyResponse(_message.Message):
    __slots__ = ("id", "rotating", "copies")
    ID_FIELD_NUMBER: _ClassVar[int]
    ROTATING_FIELD_NUMBER: _ClassVar[int]
    COPIES_FIELD_NUMBER: _ClassVar[int]
    id: str
    rotating: bool
    copies: _containers.RepeatedCompositeFieldContainer[RootKeyCopy]
    def __init__(self, id: _Optional[str] = ..., rotating: bool = ..., copies: _Optional[_Iterable[_Union[RootKeyCopy, _Mapping]]] = ...) -> None: ...

class RotateRootKeyRequest(_message.Message):
    __slots__ = ("request_id",)
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    def __init__(self, request_id: _Optional[str] = ...) -> None: ...

class RotateRootKeyResponse(_message.Message):
    __slots__ = ("operation",)
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    operation: _operations_pb2.Operation
    def __init__(self, operation: _Optional[_Union[_operations_pb2.Operation, _Mapping]] = ...) -> None: ...

class CreateRecoveryCodeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CreateRecoveryCodeResponse(_message.Message):
    __slots__ = ("recovery_code",)
    RECOVERY_CODE_FIELD_NUMBER: _ClassVar[int]
    recovery_code: str
    def __init__(self, recovery_code: _Optional[str] = ...) -> None: ...
