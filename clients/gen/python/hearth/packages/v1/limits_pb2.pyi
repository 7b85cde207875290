from hearth.meta.v1 import fault_pb2 as _fault_pb2
from hearth.meta.v1 import meta_pb2 as _meta_pb2
from hearth.options.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PackageLimits(_message.Message):
    __slots__ = ("meta", "spec", "status")
    META_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    meta: _meta_pb2.Meta
    spec: PackageLimitsSpec
    status: PackageLimitsStatus
    def __init__(self, meta: _Optional[_Union[_meta_pb2.Meta, _Mapping]] = ..., spec: _Optional[_Union[PackageLimitsSpec, _Mapping]] = ..., status: _Optional[_Union[PackageLimitsStatus, _Mapping]] = ...) -> None: ...

class PackageLimitsSpec(_message.Message):
    __slots__ = ("memory_bytes", "cpu_millis", "processes", "io_weight", "read_rate", "write_rate", "disk_bytes")
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    CPU_MILLIS_FIELD_NUMBER: _ClassVar[int]
    PROCESSES_FIELD_NUMBER: _ClassVar[int]
    IO_WEIGHT_FIELD_NUMBER: _ClassVar[int]
    READ_RATE_FIELD_NUMBER: _ClassVar[int]
    WRITE_RATE_FIELD_NUMBER: _ClassVar[int]
    DISK_BYTES_FIELD_NUMBER: _ClassVar[int]
    memory_bytes: int
    cpu_millis: int
    processes: int
    io_weight: int
    read_rate: int
    write_rate: int
    disk_bytes: int
    def __init__(self, memory_bytes: _Optional[int] = ..., cpu_millis: _Optional[int] = ..., processes: _Optional[int] = ..., io_weight: _Optional[int] = ..., read_rate: _Optional[int] = ..., write_rate: _Optional[int] = ..., disk_bytes: _Optional[int] = ...) -> None: ...

class PackageLimitsStatus(_message.Message):
    __slots__ = ("observed_generation", "fault")
    OBSERVED_GENERATION_FIELD_NUMBER: _ClassVar[int]
    FAULT_FIELD_NUMBER: _ClassVar[int]
    observed_generation: int
    fault: _fault_pb2.Fault
    def __init__(self, observed_generation: _Optional[int] = ..., fault: _Optional[_Union[_fault_pb2.Fault, _Mapping]] = ...) -> None: ...

class GetPackageLimitsRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class GetPackageLimitsResponse(_message.Message):
    __slots__ = ("limits", "effective", "unsupported", "declared", "unbounded")
    class UnsupportedEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class UnboundedEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _meta_pb2.Words
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_meta_pb2.Words, _Mapping]] = ...) -> None: ...
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_FIELD_NUMBER: _ClassVar[int]
    UNSUPPORTED_FIELD_NUMBER: _ClassVar[int]
    DECLARED_FIELD_NUMBER: _ClassVar[int]
    UNBOUNDED_FIELD_NUMBER: _ClassVar[int]
    limits: PackageLimits
    effective: PackageLimitsSpec
    unsupported: _containers.ScalarMap[str, str]
    declared: PackageLimitsSpec
    unbounded: _containers.MessageMap[str, _meta_pb2.Words]
    def __init__(self, limits: _Optional[_Union[PackageLimits, _Mapping]] = ..., effective: _Optional[_Union[PackageLimitsSpec, _Mapping]] = ..., unsupported: _Optional[_Mapping[str, str]] = ..., declared: _Optional[_Union[PackageLimitsSpec, _Mapping]] = ..., unbounded: _Optional[_Mapping[str, _meta_pb2.Words]] = ...) -> None: ...

class SetPackageLimitsRequest(_message.Message):
    __slots__ = ("id", "memory_bytes", "cpu_millis", "processes", "io_weight", "read_rate", "write_rate", "disk_bytes")
    ID_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    CPU_MILLIS_FIELD_NUMBER: _ClassVar[int]
    PROCESSES_FIELD_NUMBER: _ClassVar[int]
    IO_WEIGHT_FIELD_NUMBER: _ClassVar[int]
    READ_RATE_FIELD_NUMBER: _ClassVar[int]
    WRITE_RATE_FIELD_NUMBER: _ClassVar[int]
    DISK_BYTES_FIELD_NUMBER: _ClassVar[int]
    id: str
    memory_bytes: int
    cpu_millis: int
    processes: int
    io_weight: int
    read_rate: int
    write_rate: int
    disk_bytes: int
    def __init__(self, id: _Optional[str] = ..., memory_bytes: _Optional[int] = ..., cpu_millis: _Optional[int] = ..., processes: _Optional[int] = ..., io_weight: _Optional[int] = ..., read_rate: _Optional[int] = ..., write_rate: _Optional[int] = ..., disk_bytes: _Optional[int] = ...) -> None: ...

class SetPackageLimitsResponse(_message.Message):
    __slots__ = ("limits",)
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    limits: PackageLimits
    def __init__(self, limits: _Optional[_Union[PackageLimits, _Mapping]] = ...) -> None: ...
