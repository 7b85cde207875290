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

class Package(_message.Message):
    __slots__ = ("meta", "spec", "status")
    META_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    meta: _meta_pb2.Meta
    spec: PackageSpec
    status: PackageStatus
    def __init__(self, meta: _Optional[_Union[_meta_pb2.Meta, _Mapping]] = ..., spec: _Optional[_Union[PackageSpec, _Mapping]] = ..., status: _Optional[_Union[PackageStatus, _Mapping]] = ...) -> None: ...

class PackageSpec(_message.Message):
    __slots__ = ("artifact", "version", "title", "desired", "restarts", "rebuilds", "init_kind", "exit_target", "operation", "exit_force", "past_tasks", "restore_from", "stopped_for", "registry")
    class Desired(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        DESIRED_UNSPECIFIED: _ClassVar[PackageSpec.Desired]
        DESIRED_STOPPED: _ClassVar[PackageSpec.Desired]
        DESIRED_RUNNING: _ClassVar[PackageSpec.Desired]
        DESIRED_ABSENT: _ClassVar[PackageSpec.Desired]
    DESIRED_UNSPECIFIED: PackageSpec.Desired
    DESIRED_STOPPED: PackageSpec.Desired
    DESIRED_RUNNING: PackageSpec.Desired
    DESIRED_ABSENT: PackageSpec.Desired
    class InitKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        INIT_KIND_UNSPECIFIED: _ClassVar[PackageSpec.InitKind]
        INIT_KIND_INSTALL: _ClassVar[PackageSpec.InitKind]
        INIT_KIND_UPDATE: _ClassVar[PackageSpec.InitKind]
        INIT_KIND_RESTORE: _ClassVar[PackageSpec.InitKind]
    INIT_KIND_UNSPECIFIED: PackageSpec.InitKind
    INIT_KIND_INSTALL: PackageSpec.InitKind
    INIT_KIND_UPDATE: PackageSpec.InitKind
    INIT_KIND_RESTORE: PackageSpec.InitKind
    ARTIFACT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    DESIRED_FIELD_NUMBER: _ClassVar[int]
    RESTARTS_FIELD_NUMBER: _ClassVar[int]
    REBUILDS_FIELD_NUMBER: _ClassVar[int]
    INIT_KIND_FIELD_NUMBER: _ClassVar[int]
    EXIT_TARGET_FIELD_NUMBER: _ClassVar[int]
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    EXIT_FORCE_FIELD_NUMBER: _ClassVar[int]
    PAST_TASKS_FIELD_NUMBER: _ClassVar[int]
    RESTORE_FROM_FIELD_NUMBER: _ClassVar[int]
    STOPPED_FOR_FIELD_NUMBER: _ClassVar[int]
    REGISTRY_FIELD_NUMBER: _ClassVar[int]
    artifact: str
    version: str
    title: str
    desired: PackageSpec.Desired
    restarts: int
    rebuilds: int
    init_kind: PackageSpec.InitKind
    exit_target: str
    operation: str
    exit_force: bool
    past_tasks: bool
    restore_from: str
    stopped_for: _fault_pb2.Fault
    registry: str
    def __init__(self, artifact: _Optional[str] = ..., version: _Optional[str] = ..., title: _Optional[str] = ..., desired: _Optional[_Union[PackageSpec.Desired, str]] = ..., restarts: _Optional[int] = ..., rebuilds: _Optional[int] = ..., init_kind: _Optional[_Union[PackageSpec.InitKind, str]] = ..., exit_target: _Optional[str] = ..., operation: _Optional[str] = ..., exit_force: bool = ..., past_tasks: bool = ..., restore_from: _Optional[str] = ..., stopped_for: _Optional[_Union[_fault_pb2.Fault, _Mapping]] = ..., registry: _Optional[str] = ...) -> None: ...

class PackageStatus(_message.Message):
    __slots__ = ("state", "observed_generation", "initialized_artifact", "observed_restarts", "observed_rebuilds", "start_time", "fault", "ipv4", "container", "crashes", "ipv6")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[PackageStatus.State]
        STATE_ABSENT: _ClassVar[PackageStatus.State]
        STATE_CREATING: _ClassVar[PackageStatus.State]
        STATE_INITIALIZING: _ClassVar[PackageStatus.State]
        STATE_STOPPED: _ClassVar[PackageStatus.State]
        STATE_STARTING: _ClassVar[PackageStatus.State]
        STATE_RUNNING: _ClassVar[PackageStatus.State]
        STATE_STOPPING: _ClassVar[PackageStatus.State]
        STATE_EXITING: _ClassVar[PackageStatus.State]
        STATE_FAILED: _ClassVar[PackageStatus.State]
    STATE_UNSPECIFIED: PackageStatus.State
    STATE_ABSENT: PackageStatus.State
    STATE_CREATING: PackageStatus.State
    STATE_INITIALIZING: PackageStatus.State
    STATE_STOPPED: PackageStatus.State
    STATE_STARTING: PackageStatus.State
    STATE_RUNNING: PackageStatus.State
    STATE_STOPPING: PackageStatus.State
    STATE_EXITING: PackageStatus.State
    STATE_FAILED: PackageStatus.State
    STATE_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_GENERATION_FIELD_NUMBER: _ClassVar[int]
    INITIALIZED_ARTIFACT_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_RESTARTS_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_REBUILDS_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    FAULT_FIELD_NUMBER: _ClassVar[int]
    IPV4_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    CRASHES_FIELD_NUMBER: _ClassVar[int]
    IPV6_FIELD_NUMBER: _ClassVar[int]
    state: PackageStatus.State
    observed_generation: int
    initialized_artifact: str
    observed_restarts: int
    observed_rebuilds: int
    start_time: _timestamp_pb2.Timestamp
    fault: _fault_pb2.Fault
    ipv4: str
    container: str
    crashes: Crashes
    ipv6: str
    def __init__(self, state: _Optional[_Union[PackageStatus.State, str]] = ..., observed_generation: _Optional[int] = ..., initialized_artifact: _Optional[str] = ..., observed_restarts: _Optional[int] = ..., observed_rebuilds: _Optional[int] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., fault: _Optional[_Union[_fault_pb2.Fault, _Mapping]] = ..., ipv4: _Optional[str] = ..., container: _Optional[str] = ..., crashes: _Optional[_Union[Crashes, _Mapping]] = ..., ipv6: _Optional[str] = ...) -> None: ...

class Crashes(_message.Message):
    __slots__ = ("count", "last_time", "reason", "retry_time", "generation")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    LAST_TIME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    RETRY_TIME_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    count: int
    last_time: _timestamp_pb2.Timestamp
    reason: str
    retry_time: _timestamp_pb2.Timestamp
    generation: int
    def __init__(self, count: _Optional[int] = ..., last_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., reason: _Optional[str] = ..., retry_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., generation: _Optional[int] = ...) -> None: ...

class Artifact(_message.Message):
    __slots__ = ("meta", "spec")
    META_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    meta: _meta_pb2.Meta
    spec: ArtifactSpec
    def __init__(self, meta: _Optional[_Union[_meta_pb2.Meta, _Mapping]] = ..., spec: _Optional[_Union[ArtifactSpec, _Mapping]] = ...) -> None: ...

class ArtifactSpec(_message.Message):
    __slots__ = ("package_id", "version", "title", "description", "size", "signer", "manifest", "architecture")
    PACKAGE_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    SIGNER_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_FIELD_NUMBER: _ClassVar[int]
    ARCHITECTURE_FIELD_NUMBER: _ClassVar[int]
    package_id: str
    version: str
    title: str
    description: str
    size: int
    signer: str
    manifest: bytes
    architecture: str
    def __init__(self, package_id: _Optional[str] = ..., version: _Optional[str] = ..., title: _Optional[str] = ..., description: _Optional[str] = ..., size: _Optional[int] = ..., signer: _Optional[str] = ..., manifest: _Optional[bytes] = ..., architecture: _Optional[str] = ...) -> None: ...

class HealthCheck(_message.Message):
    __slots__ = ("meta", "status")
    META_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    meta: _meta_pb2.Meta
    status: HealthCheckStatus
    def __init__(self, meta: _Optional[_Union[_meta_pb2.Meta, _Mapping]] = ..., status: _Optional[_Union[HealthCheckStatus, _Mapping]] = ...) -> None: ...

class HealthCheckStatus(_message.Message):
    __slots__ = ("name", "result", "message", "since")
    class Result(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        RESULT_UNSPECIFIED: _ClassVar[HealthCheckStatus.Result]
        RESULT_SUCCESS: _ClassVar[HealthCheckStatus.Result]
        RESULT_DISABLED: _ClassVar[HealthCheckStatus.Result]
        RESULT_STARTING: _ClassVar[HealthCheckStatus.Result]
        RESULT_WAITING: _ClassVar[HealthCheckStatus.Result]
        RESULT_LOADING: _ClassVar[HealthCheckStatus.Result]
        RESULT_FAILURE: _ClassVar[HealthCheckStatus.Result]
    RESULT_UNSPECIFIED: HealthCheckStatus.Result
    RESULT_SUCCESS: HealthCheckStatus.Result
    RESULT_DISABLED: HealthCheckStatus.Result
    RESULT_STARTING: HealthCheckStatus.Result
    RESULT_WAITING: HealthCheckStatus.Result
    RESULT_LOADING: HealthCheckStatus.Result
    RESULT_FAILURE: HealthCheckStatus.Result
    NAME_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    name: str
    result: HealthCheckStatus.Result
    message: str
    since: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., result: _Optional[_Union[HealthCheckStatus.Result, str]] = ..., message: _Optional[str] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Dependency(_message.Message):
    __slots__ = ("meta", "spec")
    META_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    meta: _meta_pb2.Meta
    spec: DependencySpec
    def __init__(self, meta: _Optional[_Union[_meta_pb2.Meta, _Mapping]] = ..., spec: _Optional[_Union[DependencySpec, _Mapping]] = ...) -> None: ...

class DependencySpec(_message.Message):
    __slots__ = ("running", "health_checks", "version_range", "title")
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    HEALTH_CHECKS_FIELD_NUMBER: _ClassVar[int]
    VERSION_RANGE_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    running: bool
    health_checks: _containers.RepeatedScalarFieldContainer[str]
    version_range: str
    title: str
    def __init__(self, running: bool = ..., health_checks: _Optional[_Iterable[str]] = ..., version_range: _Optional[str] = ..., title: _Optional[str] = ...) -> None: ...

class RefusedEffect(_message.Message):
    __slots__ = ("meta", "status")
    META_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    meta: _meta_pb2.Meta
    status: RefusedEffectStatus
    def __init__(self, meta: _Optional[_Union[_meta_pb2.Meta, _Mapping]] = ..., status: _Optional[_Union[RefusedEffectStatus, _Mapping]] = ...) -> None: ...

class RefusedEffectStatus(_message.Message):
    __slots__ = ("first_time", "version", "effect", "target", "outcome")
    class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        OUTCOME_UNSPECIFIED: _ClassVar[RefusedEffectStatus.Outcome]
        OUTCOME_UNKNOWN: _ClassVar[RefusedEffectStatus.Outcome]
        OUTCOME_DENIED: _ClassVar[RefusedEffectStatus.Outcome]
        OUTCOME_LET_THROUGH: _ClassVar[RefusedEffectStatus.Outcome]
    OUTCOME_UNSPECIFIED: RefusedEffectStatus.Outcome
    OUTCOME_UNKNOWN: RefusedEffectStatus.Outcome
    OUTCOME_DENIED: RefusedEffectStatus.Outcome
    OUTCOME_LET_THROUGH: RefusedEffectStatus.Outcome
    FIRST_TIME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    first_time: _timestamp_pb2.Timestamp
    version: str
    effect: str
    target: str
    outcome: RefusedEffectStatus.Outcome
    def __init__(self, first_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., version: _Optional[str] = ..., effect: _Optional[str] = ..., target: _Optional[str] = ..., outcome: _Optional[_Union[RefusedEffectStatus.Outcome, str]] = ...) -> None: ...

class EffectPolicy(_message.Message):
    __slots__ = ("meta", "spec")
    META_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    meta: _meta_pb2.Meta
    spec: EffectPolicySpec
    def __init__(self, meta: _Optional[_Union[_meta_pb2.Meta, _Mapping]] = ..., spec: _Optional[_Union[EffectPolicySpec, _Mapping]] = ...) -> None: ...

class EffectPolicySpec(_message.Message):
    __slots__ = ("lenient",)
    LENIENT_FIELD_NUMBER: _ClassVar[int]
    lenient: bool
    def __init__(self, lenient: bool = ...) -> None: ...

class Container(_message.Message):
    __slots__ = ("meta", "spec")
    META_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    meta: _meta_pb2.Meta
    spec: ContainerSpec
    def __init__(self, meta: _Optional[_Union[_meta_pb2.Meta, _Mapping]] = ..., spec: _Optional[_Union[ContainerSpec, _Mapping]] = ...) -> None: ...

class ContainerSpec(_message.Message):
    __slots__ = ("ipv4", "first_uid", "instance", "artifact", "rebuilds", "boot", "volumes", "parked", "ipv6")
    IPV4_FIELD_NUMBER: _ClassVar[int]
    FIRST_UID_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_FIELD_NUMBER: _ClassVar[int]
    REBUILDS_FIELD_NUMBER: _ClassVar[int]
    BOOT_FIELD_NUMBER: _ClassVar[int]
    VOLUMES_FIELD_NUMBER: _ClassVar[int]
    PARKED_FIELD_NUMBER: _ClassVar[int]
    IPV6_FIELD_NUMBER: _ClassVar[int]
    ipv4: str
    first_uid: int
    instance: str
    artifact: str
    rebuilds: int
    boot: str
    volumes: _containers.RepeatedScalarFieldContainer[str]
    parked: Parked
    ipv6: str
    def __init__(self, ipv4: _Optional[str] = ..., first_uid: _Optional[int] = ..., instance: _Optional[str] = ..., artifact: _Optional[str] = ..., rebuilds: _Optional[int] = ..., boot: _Optional[str] = ..., volumes: _Optional[_Iterable[str]] = ..., parked: _Optional[_Union[Parked, _Mapping]] = ..., ipv6: _Optional[str] = ...) -> None: ...

class Parked(_message.Message):
    __slots__ = ("container", "artifact", "rebuilds", "waits")
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_FIELD_NUMBER: _ClassVar[int]
    REBUILDS_FIELD_NUMBER: _ClassVar[int]
    WAITS_FIELD_NUMBER: _ClassVar[int]
    container: str
    artifact: str
    rebuilds: int
    waits: _containers.RepeatedCompositeFieldContainer[ParkedWait]
    def __init__(self, container: _Optional[str] = ..., artifact: _Optional[str] = ..., rebuilds: _Optional[int] = ..., waits: _Optional[_Iterable[_Union[ParkedWait, _Mapping]]] = ...) -> None: ...

class ParkedWait(_message.Message):
    __slots__ = ("effect", "request", "etag")
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    effect: str
    request: bytes
    etag: str
    def __init__(self, effect: _Optional[str] = ..., request: _Optional[bytes] = ..., etag: _Optional[str] = ...) -> None: ...

class Snapshot(_message.Message):
    __slots__ = ("meta", "spec", "status")
    META_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    meta: _meta_pb2.Meta
    spec: SnapshotSpec
    status: SnapshotStatus
    def __init__(self, meta: _Optional[_Union[_meta_pb2.Meta, _Mapping]] = ..., spec: _Optional[_Union[SnapshotSpec, _Mapping]] = ..., status: _Optional[_Union[SnapshotStatus, _Mapping]] = ...) -> None: ...

class SnapshotSpec(_message.Message):
    __slots__ = ("cause", "artifact", "version", "title")
    class Cause(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        CAUSE_UNSPECIFIED: _ClassVar[SnapshotSpec.Cause]
        CAUSE_UPDATE: _ClassVar[SnapshotSpec.Cause]
        CAUSE_ROLLBACK: _ClassVar[SnapshotSpec.Cause]
        CAUSE_INSTALL: _ClassVar[SnapshotSpec.Cause]
    CAUSE_UNSPECIFIED: SnapshotSpec.Cause
    CAUSE_UPDATE: SnapshotSpec.Cause
    CAUSE_ROLLBACK: SnapshotSpec.Cause
    CAUSE_INSTALL: SnapshotSpec.Cause
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    cause: SnapshotSpec.Cause
    artifact: str
    version: str
    title: str
    def __init__(self, cause: _Optional[_Union[SnapshotSpec.Cause, str]] = ..., artifact: _Optional[str] = ..., version: _Optional[str] = ..., title: _Optional[str] = ...) -> None: ...

class SnapshotStatus(_message.Message):
    __slots__ = ("mechanism", "files", "bytes", "data_version")
    class Mechanism(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        MECHANISM_UNSPECIFIED: _ClassVar[SnapshotStatus.Mechanism]
        MECHANISM_SUBVOLUME: _ClassVar[SnapshotStatus.Mechanism]
        MECHANISM_REFLINK: _ClassVar[SnapshotStatus.Mechanism]
        MECHANISM_COPY: _ClassVar[SnapshotStatus.Mechanism]
        MECHANISM_MOVED: _ClassVar[SnapshotStatus.Mechanism]
    MECHANISM_UNSPECIFIED: SnapshotStatus.Mechanism
    MECHANISM_SUBVOLUME: SnapshotStatus.Mechanism
    MECHANISM_REFLINK: SnapshotStatus.Mechanism
    MECHANISM_COPY: SnapshotStatus.Mechanism
    MECHANISM_MOVED: SnapshotStatus.Mechanism
    MECHANISM_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    DATA_VERSION_FIELD_NUMBER: _ClassVar[int]
    mechanism: SnapshotStatus.Mechanism
    files: int
    bytes: int
    data_version: str
    def __init__(self, mechanism: _Optional[_Union[SnapshotStatus.Mechanism, str]] = ..., files: _Optional[int] = ..., bytes: _Optional[int] = ..., data_version: _Optional[str] = ...) -> None: ...
