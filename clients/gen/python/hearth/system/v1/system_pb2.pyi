import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from hearth.options.v1 import options_pb2 as _options_pb2
from hearth.system.v1 import machine_pb2 as _machine_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetStateRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetStateResponse(_message.Message):
    __slots__ = ("phase", "step", "steps_done", "steps", "start_time", "claimed")
    PHASE_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    STEPS_DONE_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    CLAIMED_FIELD_NUMBER: _ClassVar[int]
    phase: _options_pb2.Phase
    step: str
    steps_done: int
    steps: int
    start_time: _timestamp_pb2.Timestamp
    claimed: bool
    def __init__(self, phase: _Optional[_Union[_options_pb2.Phase, str]] = ..., step: _Optional[str] = ..., steps_done: _Optional[int] = ..., steps: _Optional[int] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., claimed: bool = ...) -> None: ...

class PingRequest(_message.Message):
    __slots__ = ("message",)
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    message: str
    def __init__(self, message: _Optional[str] = ...) -> None: ...

class PingResponse(_message.Message):
    __slots__ = ("message",)
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    message: str
    def __init__(self, message: _Optional[str] = ...) -> None: ...

class FollowStartRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class FollowStartResponse(_message.Message):
    __slots__ = ("lines",)
    LINES_FIELD_NUMBER: _ClassVar[int]
    lines: _containers.RepeatedCompositeFieldContainer[StartLine]
    def __init__(self, lines: _Optional[_Iterable[_Union[StartLine, _Mapping]]] = ...) -> None: ...

class StartLine(_message.Message):
    __slots__ = ("time", "level", "text")
    TIME_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    time: _timestamp_pb2.Timestamp
    level: str
    text: str
    def __init__(self, time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., level: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class GetServerRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetServerResponse(_message.Message):
    __slots__ = ("store_id", "tag", "version", "start_time", "revision", "hostname", "running_services", "installed_packages", "memory_bytes", "kinds", "door_connected", "root_fingerprint", "time")
    STORE_ID_FIELD_NUMBER: _ClassVar[int]
    TAG_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    HOSTNAME_FIELD_NUMBER: _ClassVar[int]
    RUNNING_SERVICES_FIELD_NUMBER: _ClassVar[int]
    INSTALLED_PACKAGES_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    DOOR_CONNECTED_FIELD_NUMBER: _ClassVar[int]
    ROOT_FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    store_id: str
    tag: str
    version: str
    start_time: _timestamp_pb2.Timestamp
    revision: int
    hostname: str
    running_services: int
    installed_packages: int
    memory_bytes: int
    kinds: _containers.RepeatedScalarFieldContainer[str]
    door_connected: bool
    root_fingerprint: str
    time: _timestamp_pb2.Timestamp
    def __init__(self, store_id: _Optional[str] = ..., tag: _Optional[str] = ..., version: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., revision: _Optional[int] = ..., hostname: _Optional[str] = ..., running_services: _Optional[int] = ..., installed_packages: _Optional[int] = ..., memory_bytes: _Optional[int] = ..., kinds: _Optional[_Iterable[str]] = ..., door_connected: bool = ..., root_fingerprint: _Optional[str] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class GetCapabilitiesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Platform(_message.Message):
    __slots__ = ("mode", "detail", "os", "kernel", "architecture")
    class Mode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        MODE_UNSPECIFIED: _ClassVar[Platform.Mode]
        MODE_IMAGE: _ClassVar[Platform.Mode]
        MODE_HOSTED: _ClassVar[Platform.Mode]
        MODE_SANDBOX: _ClassVar[Platform.Mode]
    MODE_UNSPECIFIED: Platform.Mode
    MODE_IMAGE: Platform.Mode
    MODE_HOSTED: Platform.Mode
    MODE_SANDBOX: Platform.Mode
    MODE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    OS_FIELD_NUMBER: _ClassVar[int]
    KERNEL_FIELD_NUMBER: _ClassVar[int]
    ARCHITECTURE_FIELD_NUMBER: _ClassVar[int]
    mode: Platform.Mode
    detail: str
    os: str
    kernel: str
    architecture: str
    def __init__(self, mode: _Optional[_Union[Platform.Mode, str]] = ..., detail: _Optional[str] = ..., os: _Optional[str] = ..., kernel: _Optional[str] = ..., architecture: _Optional[str] = ...) -> None: ...

class GetCapabilitiesResponse(_message.Message):
    __slots__ = ("capabilities", "platform")
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_FIELD_NUMBER: _ClassVar[int]
    capabilities: _containers.RepeatedCompositeFieldContainer[Capability]
    platform: Platform
    def __init__(self, capabilities: _Optional[_Iterable[_Union[Capability, _Mapping]]] = ..., platform: _Optional[_Union[Platform, _Mapping]] = ...) -> None: ...

class Capability(_message.Message):
    __slots__ = ("name", "available", "detail", "purpose", "remedy", "words", "metadata", "quote")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    REMEDY_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    QUOTE_FIELD_NUMBER: _ClassVar[int]
    name: str
    available: bool
    detail: str
    purpose: str
    remedy: str
    words: str
    metadata: _containers.ScalarMap[str, str]
    quote: str
    def __init__(self, name: _Optional[str] = ..., available: bool = ..., detail: _Optional[str] = ..., purpose: _Optional[str] = ..., remedy: _Optional[str] = ..., words: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ..., quote: _Optional[str] = ...) -> None: ...

class GetServerUsageRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetServerUsageResponse(_message.Message):
    __slots__ = ("usage",)
    USAGE_FIELD_NUMBER: _ClassVar[int]
    usage: _machine_pb2.ServerUsage
    def __init__(self, usage: _Optional[_Union[_machine_pb2.ServerUsage, _Mapping]] = ...) -> None: ...

class GetHardwareRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetHardwareResponse(_message.Message):
    __slots__ = ("hardware",)
    HARDWARE_FIELD_NUMBER: _ClassVar[int]
    hardware: _machine_pb2.Hardware
    def __init__(self, hardware: _Optional[_Union[_machine_pb2.Hardware, _Mapping]] = ...) -> None: ...

class ShutdownRequest(_message.Message):
    __slots__ = ("services",)
    SERVICES_FIELD_NUMBER: _ClassVar[int]
    services: bool
    def __init__(self, services: bool = ...) -> None: ...

class ShutdownResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RestartRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RestartResponse(_message.Message):
    __slots__ = ("machine",)
    MACHINE_FIELD_NUMBER: _ClassVar[int]
    machine: bool
    def __init__(self, machine: bool = ...) -> None: ...

class PowerOffRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PowerOffResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
