import datetime

from google.protobuf import duration_pb2 as _duration_pb2
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

class UpdatePolicy(_message.Message):
    __slots__ = ("meta", "spec")
    META_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    meta: _meta_pb2.Meta
    spec: UpdatePolicySpec
    def __init__(self, meta: _Optional[_Union[_meta_pb2.Meta, _Mapping]] = ..., spec: _Optional[_Union[UpdatePolicySpec, _Mapping]] = ...) -> None: ...

class UpdatePolicySpec(_message.Message):
    __slots__ = ("mode", "window", "skipped", "keep_previous")
    class Mode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        MODE_UNSPECIFIED: _ClassVar[UpdatePolicySpec.Mode]
        MODE_MANUAL: _ClassVar[UpdatePolicySpec.Mode]
        MODE_NOTIFY: _ClassVar[UpdatePolicySpec.Mode]
        MODE_WINDOW: _ClassVar[UpdatePolicySpec.Mode]
        MODE_AUTOMATIC: _ClassVar[UpdatePolicySpec.Mode]
    MODE_UNSPECIFIED: UpdatePolicySpec.Mode
    MODE_MANUAL: UpdatePolicySpec.Mode
    MODE_NOTIFY: UpdatePolicySpec.Mode
    MODE_WINDOW: UpdatePolicySpec.Mode
    MODE_AUTOMATIC: UpdatePolicySpec.Mode
    MODE_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    KEEP_PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    mode: UpdatePolicySpec.Mode
    window: UpdateWindow
    skipped: _containers.RepeatedScalarFieldContainer[str]
    keep_previous: _duration_pb2.Duration
    def __init__(self, mode: _Optional[_Union[UpdatePolicySpec.Mode, str]] = ..., window: _Optional[_Union[UpdateWindow, _Mapping]] = ..., skipped: _Optional[_Iterable[str]] = ..., keep_previous: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class UpdateWindow(_message.Message):
    __slots__ = ("start", "length", "days", "time_zone")
    START_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    DAYS_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    start: str
    length: _duration_pb2.Duration
    days: _containers.RepeatedScalarFieldContainer[int]
    time_zone: str
    def __init__(self, start: _Optional[str] = ..., length: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., days: _Optional[_Iterable[int]] = ..., time_zone: _Optional[str] = ...) -> None: ...

class PackageUpdate(_message.Message):
    __slots__ = ("meta", "spec", "status")
    META_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    meta: _meta_pb2.Meta
    spec: PackageUpdateSpec
    status: PackageUpdateStatus
    def __init__(self, meta: _Optional[_Union[_meta_pb2.Meta, _Mapping]] = ..., spec: _Optional[_Union[PackageUpdateSpec, _Mapping]] = ..., status: _Optional[_Union[PackageUpdateStatus, _Mapping]] = ...) -> None: ...

class PackageUpdateSpec(_message.Message):
    __slots__ = ("wanted_version", "asked_by", "asked_time", "operation", "accept_changes", "wanted_registry")
    WANTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    ASKED_BY_FIELD_NUMBER: _ClassVar[int]
    ASKED_TIME_FIELD_NUMBER: _ClassVar[int]
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    ACCEPT_CHANGES_FIELD_NUMBER: _ClassVar[int]
    WANTED_REGISTRY_FIELD_NUMBER: _ClassVar[int]
    wanted_version: str
    asked_by: str
    asked_time: _timestamp_pb2.Timestamp
    operation: str
    accept_changes: bool
    wanted_registry: str
    def __init__(self, wanted_version: _Optional[str] = ..., asked_by: _Optional[str] = ..., asked_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., operation: _Optional[str] = ..., accept_changes: bool = ..., wanted_registry: _Optional[str] = ...) -> None: ...

class PackageUpdateStatus(_message.Message):
    __slots__ = ("looked_time", "installed_version", "version", "registry", "held_by", "unknown", "failed_version", "failure")
    LOOKED_TIME_FIELD_NUMBER: _ClassVar[int]
    INSTALLED_VERSION_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    REGISTRY_FIELD_NUMBER: _ClassVar[int]
    HELD_BY_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    FAILED_VERSION_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    looked_time: _timestamp_pb2.Timestamp
    installed_version: str
    version: str
    registry: str
    held_by: _containers.RepeatedCompositeFieldContainer[_fault_pb2.Fault]
    unknown: _fault_pb2.Fault
    failed_version: str
    failure: _fault_pb2.Fault
    def __init__(self, looked_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., installed_version: _Optional[str] = ..., version: _Optional[str] = ..., registry: _Optional[str] = ..., held_by: _Optional[_Iterable[_Union[_fault_pb2.Fault, _Mapping]]] = ..., unknown: _Optional[_Union[_fault_pb2.Fault, _Mapping]] = ..., failed_version: _Optional[str] = ..., failure: _Optional[_Union[_fault_pb2.Fault, _Mapping]] = ...) -> None: ...

class GetUpdatePolicyRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class GetUpdatePolicyResponse(_message.Message):
    __slots__ = ("policy", "update", "next_window")
    POLICY_FIELD_NUMBER: _ClassVar[int]
    UPDATE_FIELD_NUMBER: _ClassVar[int]
    NEXT_WINDOW_FIELD_NUMBER: _ClassVar[int]
    policy: UpdatePolicy
    update: PackageUpdate
    next_window: _timestamp_pb2.Timestamp
    def __init__(self, policy: _Optional[_Union[UpdatePolicy, _Mapping]] = ..., update: _Optional[_Union[PackageUpdate, _Mapping]] = ..., next_window: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class SetUpdatePolicyRequest(_message.Message):
    __slots__ = ("id", "mode", "window", "keep_previous")
    ID_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    KEEP_PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    id: str
    mode: UpdatePolicySpec.Mode
    window: UpdateWindow
    keep_previous: _duration_pb2.Duration
    def __init__(self, id: _Optional[str] = ..., mode: _Optional[_Union[UpdatePolicySpec.Mode, str]] = ..., window: _Optional[_Union[UpdateWindow, _Mapping]] = ..., keep_previous: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class SetUpdatePolicyResponse(_message.Message):
    __slots__ = ("policy",)
    POLICY_FIELD_NUMBER: _ClassVar[int]
    policy: UpdatePolicy
    def __init__(self, policy: _Optional[_Union[UpdatePolicy, _Mapping]] = ...) -> None: ...

class SkipVersionRequest(_message.Message):
    __slots__ = ("id", "version", "undo")
    ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    UNDO_FIELD_NUMBER: _ClassVar[int]
    id: str
    version: str
    undo: bool
    def __init__(self, id: _Optional[str] = ..., version: _Optional[str] = ..., undo: bool = ...) -> None: ...

class SkipVersionResponse(_message.Message):
    __slots__ = ("policy",)
    POLICY_FIELD_NUMBER: _ClassVar[int]
    policy: UpdatePolicy
    def __init__(self, policy: _Optional[_Union[UpdatePolicy, _Mapping]] = ...) -> None: ...

class FindUpdatesRequest(_message.Message):
    __slots__ = ("ids",)
    IDS_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, ids: _Optional[_Iterable[str]] = ...) -> None: ...

class FindUpdatesResponse(_message.Message):
    __slots__ = ("updates",)
    UPDATES_FIELD_NUMBER: _ClassVar[int]
    updates: _containers.RepeatedCompositeFieldContainer[PackageUpdate]
    def __init__(self, updates: _Optional[_Iterable[_Union[PackageUpdate, _Mapping]]] = ...) -> None: ...

class UpdatePackagesRequest(_message.Message):
    __slots__ = ("ids", "accept_changes")
    IDS_FIELD_NUMBER: _ClassVar[int]
    ACCEPT_CHANGES_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[str]
    accept_changes: bool
    def __init__(self, ids: _Optional[_Iterable[str]] = ..., accept_changes: bool = ...) -> None: ...

class UpdatePackagesResponse(_message.Message):
    __slots__ = ("begun", "held")
    BEGUN_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    begun: _containers.RepeatedCompositeFieldContainer[PackageUpdate]
    held: _containers.RepeatedCompositeFieldContainer[PackageUpdate]
    def __init__(self, begun: _Optional[_Iterable[_Union[PackageUpdate, _Mapping]]] = ..., held: _Optional[_Iterable[_Union[PackageUpdate, _Mapping]]] = ...) -> None: ...
