import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from hearth.meta.v1 import meta_pb2 as _meta_pb2
from hearth.options.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ServerUsage(_message.Message):
    __slots__ = ("meta", "status")
    META_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    meta: _meta_pb2.Meta
    status: ServerUsageStatus
    def __init__(self, meta: _Optional[_Union[_meta_pb2.Meta, _Mapping]] = ..., status: _Optional[_Union[ServerUsageStatus, _Mapping]] = ...) -> None: ...

class ServerUsageStatus(_message.Message):
    __slots__ = ("time", "processors", "cpu_load", "cpu_user", "cpu_system", "cpu_wait", "memory_total_bytes", "memory_available_bytes", "swap_total_bytes", "swap_free_bytes", "disk_total_bytes", "disk_free_bytes", "temperature", "boot_time", "daemon", "services")
    TIME_FIELD_NUMBER: _ClassVar[int]
    PROCESSORS_FIELD_NUMBER: _ClassVar[int]
    CPU_LOAD_FIELD_NUMBER: _ClassVar[int]
    CPU_USER_FIELD_NUMBER: _ClassVar[int]
    CPU_SYSTEM_FIELD_NUMBER: _ClassVar[int]
    CPU_WAIT_FIELD_NUMBER: _ClassVar[int]
    MEMORY_TOTAL_BYTES_FIELD_NUMBER: _ClassVar[int]
    MEMORY_AVAILABLE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SWAP_TOTAL_BYTES_FIELD_NUMBER: _ClassVar[int]
    SWAP_FREE_BYTES_FIELD_NUMBER: _ClassVar[int]
    DISK_TOTAL_BYTES_FIELD_NUMBER: _ClassVar[int]
    DISK_FREE_BYTES_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    BOOT_TIME_FIELD_NUMBER: _ClassVar[int]
    DAEMON_FIELD_NUMBER: _ClassVar[int]
    SERVICES_FIELD_NUMBER: _ClassVar[int]
    time: _timestamp_pb2.Timestamp
    processors: int
    cpu_load: float
    cpu_user: float
    cpu_system: float
    cpu_wait: float
    memory_total_bytes: int
    memory_available_bytes: int
    swap_total_bytes: int
    swap_free_bytes: int
    disk_total_bytes: int
    disk_free_bytes: int
    temperature: float
    boot_time: _timestamp_pb2.Timestamp
    daemon: ProcessUsage
    services: ProcessUsage
    def __init__(self, time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., processors: _Optional[int] = ..., cpu_load: _Optional[float] = ..., cpu_user: _Optional[float] = ..., cpu_system: _Optional[float] = ..., cpu_wait: _Optional[float] = ..., memory_total_bytes: _Optional[int] = ..., memory_available_bytes: _Optional[int] = ..., swap_total_bytes: _Optional[int] = ..., swap_free_bytes: _Optional[int] = ..., disk_total_bytes: _Optional[int] = ..., disk_free_bytes: _Optional[int] = ..., temperature: _Optional[float] = ..., boot_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., daemon: _Optional[_Union[ProcessUsage, _Mapping]] = ..., services: _Optional[_Union[ProcessUsage, _Mapping]] = ...) -> None: ...

class ProcessUsage(_message.Message):
    __slots__ = ("memory_bytes", "cpu_time", "cpu_load")
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    CPU_TIME_FIELD_NUMBER: _ClassVar[int]
    CPU_LOAD_FIELD_NUMBER: _ClassVar[int]
    memory_bytes: int
    cpu_time: _duration_pb2.Duration
    cpu_load: float
    def __init__(self, memory_bytes: _Optional[int] = ..., cpu_time: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., cpu_load: _Optional[float] = ...) -> None: ...

class Hardware(_message.Message):
    __slots__ = ("meta", "status")
    META_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    meta: _meta_pb2.Meta
    status: HardwareStatus
    def __init__(self, meta: _Optional[_Union[_meta_pb2.Meta, _Mapping]] = ..., status: _Optional[_Union[HardwareStatus, _Mapping]] = ...) -> None: ...

class HardwareStatus(_message.Message):
    __slots__ = ("architecture", "memory_bytes", "devices", "emulated")
    ARCHITECTURE_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    EMULATED_FIELD_NUMBER: _ClassVar[int]
    architecture: str
    memory_bytes: int
    devices: _containers.RepeatedCompositeFieldContainer[HardwareDevice]
    emulated: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, architecture: _Optional[str] = ..., memory_bytes: _Optional[int] = ..., devices: _Optional[_Iterable[_Union[HardwareDevice, _Mapping]]] = ..., emulated: _Optional[_Iterable[str]] = ...) -> None: ...

class HardwareDevice(_message.Message):
    __slots__ = ("device_class", "product", "vendor", "driver", "capabilities", "address", "files", "count")
    DEVICE_CLASS_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_FIELD_NUMBER: _ClassVar[int]
    VENDOR_FIELD_NUMBER: _ClassVar[int]
    DRIVER_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    device_class: str
    product: str
    vendor: str
    driver: str
    capabilities: _containers.RepeatedScalarFieldContainer[str]
    address: str
    files: _containers.RepeatedScalarFieldContainer[str]
    count: int
    def __init__(self, device_class: _Optional[str] = ..., product: _Optional[str] = ..., vendor: _Optional[str] = ..., driver: _Optional[str] = ..., capabilities: _Optional[_Iterable[str]] = ..., address: _Optional[str] = ..., files: _Optional[_Iterable[str]] = ..., count: _Optional[int] = ...) -> None: ...
