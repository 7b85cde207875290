import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from hearth.meta.v1 import fault_pb2 as _fault_pb2
from hearth.operations.v1 import operations_pb2 as _operations_pb2
from hearth.options.v1 import options_pb2 as _options_pb2
from hearth.packages.v1 import backup_pb2 as _backup_pb2
from hearth.packages.v1 import garbage_pb2 as _garbage_pb2
from hearth.packages.v1 import plan_pb2 as _plan_pb2
from hearth.packages.v1 import resources_pb2 as _resources_pb2
from hearth.packages.v1 import usage_pb2 as _usage_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListPackagesRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListPackagesResponse(_message.Message):
    __slots__ = ("packages", "next_page_token")
    PACKAGES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    packages: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Package]
    next_page_token: str
    def __init__(self, packages: _Optional[_Iterable[_Union[_resources_pb2.Package, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetPackageRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class GetPackageResponse(_message.Message):
    __slots__ = ("package", "artifact", "health_checks", "dependencies", "snapshots", "dependency_states", "permissions")
    PACKAGE_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_FIELD_NUMBER: _ClassVar[int]
    HEALTH_CHECKS_FIELD_NUMBER: _ClassVar[int]
    DEPENDENCIES_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOTS_FIELD_NUMBER: _ClassVar[int]
    DEPENDENCY_STATES_FIELD_NUMBER: _ClassVar[int]
    PERMISSIONS_FIELD_NUMBER: _ClassVar[int]
    package: _resources_pb2.Package
    artifact: _resources_pb2.Artifact
    health_checks: _containers.RepeatedCompositeFieldContainer[_resources_pb2.HealthCheck]
    dependencies: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Dependency]
    snapshots: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Snapshot]
    dependency_states: _containers.RepeatedCompositeFieldContainer[DependencyState]
    permissions: _containers.RepeatedCompositeFieldContainer[_plan_pb2.Permission]
    def __init__(self, package: _Optional[_Union[_resources_pb2.Package, _Mapping]] = ..., artifact: _Optional[_Union[_resources_pb2.Artifact, _Mapping]] = ..., health_checks: _Optional[_Iterable[_Union[_resources_pb2.HealthCheck, _Mapping]]] = ..., dependencies: _Optional[_Iterable[_Union[_resources_pb2.Dependency, _Mapping]]] = ..., snapshots: _Optional[_Iterable[_Union[_resources_pb2.Snapshot, _Mapping]]] = ..., dependency_states: _Optional[_Iterable[_Union[DependencyState, _Mapping]]] = ..., permissions: _Optional[_Iterable[_Union[_plan_pb2.Permission, _Mapping]]] = ...) -> None: ...

class DependencyState(_message.Message):
    __slots__ = ("package_id", "state", "installed_version", "version_range", "detail")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[DependencyState.State]
        STATE_SATISFIED: _ClassVar[DependencyState.State]
        STATE_NOT_INSTALLED: _ClassVar[DependencyState.State]
        STATE_VERSION: _ClassVar[DependencyState.State]
        STATE_NOT_RUNNING: _ClassVar[DependencyState.State]
        STATE_UNHEALTHY: _ClassVar[DependencyState.State]
        STATE_TASK: _ClassVar[DependencyState.State]
    STATE_UNSPECIFIED: DependencyState.State
    STATE_SATISFIED: DependencyState.State
    STATE_NOT_INSTALLED: DependencyState.State
    STATE_VERSION: DependencyState.State
    STATE_NOT_RUNNING: DependencyState.State
    STATE_UNHEALTHY: DependencyState.State
    STATE_TASK: DependencyState.State
    PACKAGE_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    INSTALLED_VERSION_FIELD_NUMBER: _ClassVar[int]
    VERSION_RANGE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    package_id: str
    state: DependencyState.State
    installed_version: str
    version_range: str
    detail: str
    def __init__(self, package_id: _Optional[str] = ..., state: _Optional[_Union[DependencyState.State, str]] = ..., installed_version: _Optional[str] = ..., version_range: _Optional[str] = ..., detail: _Optional[str] = ...) -> None: ...

class WhyPackageRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class WhyPackageResponse(_message.Message):
    __slots__ = ("links",)
    LINKS_FIELD_NUMBER: _ClassVar[int]
    links: _containers.RepeatedCompositeFieldContainer[WhyLink]
    def __init__(self, links: _Optional[_Iterable[_Union[WhyLink, _Mapping]]] = ...) -> None: ...

class WhyLink(_message.Message):
    __slots__ = ("package_id", "cause", "metadata", "fault", "remedies")
    class Cause(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        CAUSE_UNSPECIFIED: _ClassVar[WhyLink.Cause]
        CAUSE_STOPPED: _ClassVar[WhyLink.Cause]
        CAUSE_OPERATION: _ClassVar[WhyLink.Cause]
        CAUSE_TASK: _ClassVar[WhyLink.Cause]
        CAUSE_INIT_FAILED: _ClassVar[WhyLink.Cause]
        CAUSE_CRASHED: _ClassVar[WhyLink.Cause]
        CAUSE_CRASH_LOOP: _ClassVar[WhyLink.Cause]
        CAUSE_DATA_HELD: _ClassVar[WhyLink.Cause]
        CAUSE_DISK_FULL: _ClassVar[WhyLink.Cause]
        CAUSE_FILE_MISSING: _ClassVar[WhyLink.Cause]
        CAUSE_HARDWARE: _ClassVar[WhyLink.Cause]
        CAUSE_FAILED: _ClassVar[WhyLink.Cause]
        CAUSE_UNDER_WAY: _ClassVar[WhyLink.Cause]
        CAUSE_CHECK_FAILS: _ClassVar[WhyLink.Cause]
        CAUSE_CHECK_WAITS: _ClassVar[WhyLink.Cause]
        CAUSE_DEPENDENCY_NOT_INSTALLED: _ClassVar[WhyLink.Cause]
        CAUSE_DEPENDENCY_VERSION: _ClassVar[WhyLink.Cause]
        CAUSE_DEPENDENCY_NOT_RUNNING: _ClassVar[WhyLink.Cause]
        CAUSE_DEPENDENCY_UNHEALTHY: _ClassVar[WhyLink.Cause]
        CAUSE_DEPENDENCY_TASK: _ClassVar[WhyLink.Cause]
        CAUSE_STALLED: _ClassVar[WhyLink.Cause]
    CAUSE_UNSPECIFIED: WhyLink.Cause
    CAUSE_STOPPED: WhyLink.Cause
    CAUSE_OPERATION: WhyLink.Cause
    CAUSE_TASK: WhyLink.Cause
    CAUSE_INIT_FAILED: WhyLink.Cause
    CAUSE_CRASHED: WhyLink.Cause
    CAUSE_CRASH_LOOP: WhyLink.Cause
    CAUSE_DATA_HELD: WhyLink.Cause
    CAUSE_DISK_FULL: WhyLink.Cause
    CAUSE_FILE_MISSING: WhyLink.Cause
    CAUSE_HARDWARE: WhyLink.Cause
    CAUSE_FAILED: WhyLink.Cause
    CAUSE_UNDER_WAY: WhyLink.Cause
    CAUSE_CHECK_FAILS: WhyLink.Cause
    CAUSE_CHECK_WAITS: WhyLink.Cause
    CAUSE_DEPENDENCY_NOT_INSTALLED: WhyLink.Cause
    CAUSE_DEPENDENCY_VERSION: WhyLink.Cause
    CAUSE_DEPENDENCY_NOT_RUNNING: WhyLink.Cause
    CAUSE_DEPENDENCY_UNHEALTHY: WhyLink.Cause
    CAUSE_DEPENDENCY_TASK: WhyLink.Cause
    CAUSE_STALLED: WhyLink.Cause
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    PACKAGE_ID_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    FAULT_FIELD_NUMBER: _ClassVar[int]
    REMEDIES_FIELD_NUMBER: _ClassVar[int]
    package_id: str
    cause: WhyLink.Cause
    metadata: _containers.ScalarMap[str, str]
    fault: _fault_pb2.Fault
    remedies: _containers.RepeatedCompositeFieldContainer[Remedy]
    def __init__(self, package_id: _Optional[str] = ..., cause: _Optional[_Union[WhyLink.Cause, str]] = ..., metadata: _Optional[_Mapping[str, str]] = ..., fault: _Optional[_Union[_fault_pb2.Fault, _Mapping]] = ..., remedies: _Optional[_Iterable[_Union[Remedy, _Mapping]]] = ...) -> None: ...

class Remedy(_message.Message):
    __slots__ = ("method", "request", "command")
    METHOD_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    method: str
    request: str
    command: str
    def __init__(self, method: _Optional[str] = ..., request: _Optional[str] = ..., command: _Optional[str] = ...) -> None: ...

class ListPackageUsageRequest(_message.Message):
    __slots__ = ("package_id", "page_size", "page_token")
    PACKAGE_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    package_id: str
    page_size: int
    page_token: str
    def __init__(self, package_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListPackageUsageResponse(_message.Message):
    __slots__ = ("usage", "next_page_token")
    USAGE_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    usage: _containers.RepeatedCompositeFieldContainer[_usage_pb2.Usage]
    next_page_token: str
    def __init__(self, usage: _Optional[_Iterable[_Union[_usage_pb2.Usage, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListHealthChangesRequest(_message.Message):
    __slots__ = ("id", "check", "page_size", "page_token")
    ID_FIELD_NUMBER: _ClassVar[int]
    CHECK_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    id: str
    check: str
    page_size: int
    page_token: str
    def __init__(self, id: _Optional[str] = ..., check: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListHealthChangesResponse(_message.Message):
    __slots__ = ("changes", "next_page_token")
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    changes: _containers.RepeatedCompositeFieldContainer[_usage_pb2.HealthChange]
    next_page_token: str
    def __init__(self, changes: _Optional[_Iterable[_Union[_usage_pb2.HealthChange, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class CreateUploadRequest(_message.Message):
    __slots__ = ("size",)
    SIZE_FIELD_NUMBER: _ClassVar[int]
    size: int
    def __init__(self, size: _Optional[int] = ...) -> None: ...

class CreateUploadResponse(_message.Message):
    __slots__ = ("ticket", "path")
    TICKET_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    ticket: str
    path: str
    def __init__(self, ticket: _Optional[str] = ..., path: _Optional[str] = ...) -> None: ...

class InspectUploadRequest(_message.Message):
    __slots__ = ("ticket",)
    TICKET_FIELD_NUMBER: _ClassVar[int]
    ticket: str
    def __init__(self, ticket: _Optional[str] = ...) -> None: ...

class InspectUploadResponse(_message.Message):
    __slots__ = ("artifact", "icon", "installed_version", "other_signer")
    ARTIFACT_FIELD_NUMBER: _ClassVar[int]
    ICON_FIELD_NUMBER: _ClassVar[int]
    INSTALLED_VERSION_FIELD_NUMBER: _ClassVar[int]
    OTHER_SIGNER_FIELD_NUMBER: _ClassVar[int]
    artifact: _resources_pb2.Artifact
    icon: Document
    installed_version: str
    other_signer: bool
    def __init__(self, artifact: _Optional[_Union[_resources_pb2.Artifact, _Mapping]] = ..., icon: _Optional[_Union[Document, _Mapping]] = ..., installed_version: _Optional[str] = ..., other_signer: bool = ...) -> None: ...

class Document(_message.Message):
    __slots__ = ("kind", "media_type", "content", "digest")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[Document.Kind]
        KIND_ICON: _ClassVar[Document.Kind]
        KIND_INSTRUCTIONS: _ClassVar[Document.Kind]
        KIND_LICENSE: _ClassVar[Document.Kind]
        KIND_ASSETS: _ClassVar[Document.Kind]
    KIND_UNSPECIFIED: Document.Kind
    KIND_ICON: Document.Kind
    KIND_INSTRUCTIONS: Document.Kind
    KIND_LICENSE: Document.Kind
    KIND_ASSETS: Document.Kind
    KIND_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    kind: Document.Kind
    media_type: str
    content: bytes
    digest: bytes
    def __init__(self, kind: _Optional[_Union[Document.Kind, str]] = ..., media_type: _Optional[str] = ..., content: _Optional[bytes] = ..., digest: _Optional[bytes] = ...) -> None: ...

class GetPackageDocumentRequest(_message.Message):
    __slots__ = ("id", "document")
    ID_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    id: str
    document: Document.Kind
    def __init__(self, id: _Optional[str] = ..., document: _Optional[_Union[Document.Kind, str]] = ...) -> None: ...

class GetPackageDocumentResponse(_message.Message):
    __slots__ = ("document",)
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    document: Document
    def __init__(self, document: _Optional[_Union[Document, _Mapping]] = ...) -> None: ...

class InstallPackageRequest(_message.Message):
    __slots__ = ("ticket", "start", "request_id", "accept_signer", "time_limit", "validate_only", "accept_breakage", "health_limit", "from_registry")
    TICKET_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ACCEPT_SIGNER_FIELD_NUMBER: _ClassVar[int]
    TIME_LIMIT_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    ACCEPT_BREAKAGE_FIELD_NUMBER: _ClassVar[int]
    HEALTH_LIMIT_FIELD_NUMBER: _ClassVar[int]
    FROM_REGISTRY_FIELD_NUMBER: _ClassVar[int]
    ticket: str
    start: bool
    request_id: str
    accept_signer: bool
    time_limit: _duration_pb2.Duration
    validate_only: bool
    accept_breakage: bool
    health_limit: _duration_pb2.Duration
    from_registry: FromRegistry
    def __init__(self, ticket: _Optional[str] = ..., start: bool = ..., request_id: _Optional[str] = ..., accept_signer: bool = ..., time_limit: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., validate_only: bool = ..., accept_breakage: bool = ..., health_limit: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., from_registry: _Optional[_Union[FromRegistry, _Mapping]] = ...) -> None: ...

class FromRegistry(_message.Message):
    __slots__ = ("registry", "package_id", "version")
    REGISTRY_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    registry: str
    package_id: str
    version: str
    def __init__(self, registry: _Optional[str] = ..., package_id: _Optional[str] = ..., version: _Optional[str] = ...) -> None: ...

class InstallPackageResponse(_message.Message):
    __slots__ = ("operation", "plan")
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    operation: _operations_pb2.Operation
    plan: _plan_pb2.InstallPlan
    def __init__(self, operation: _Optional[_Union[_operations_pb2.Operation, _Mapping]] = ..., plan: _Optional[_Union[_plan_pb2.InstallPlan, _Mapping]] = ...) -> None: ...

class UninstallPackageRequest(_message.Message):
    __slots__ = ("id", "force", "keep_data", "request_id")
    ID_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    KEEP_DATA_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    force: bool
    keep_data: bool
    request_id: str
    def __init__(self, id: _Optional[str] = ..., force: bool = ..., keep_data: bool = ..., request_id: _Optional[str] = ...) -> None: ...

class UninstallPackageResponse(_message.Message):
    __slots__ = ("operation",)
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    operation: _operations_pb2.Operation
    def __init__(self, operation: _Optional[_Union[_operations_pb2.Operation, _Mapping]] = ...) -> None: ...

class PackageData(_message.Message):
    __slots__ = ("id", "version", "signer", "bytes", "since", "volumes")
    ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SIGNER_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    VOLUMES_FIELD_NUMBER: _ClassVar[int]
    id: str
    version: str
    signer: str
    bytes: int
    since: _timestamp_pb2.Timestamp
    volumes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, id: _Optional[str] = ..., version: _Optional[str] = ..., signer: _Optional[str] = ..., bytes: _Optional[int] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., volumes: _Optional[_Iterable[str]] = ...) -> None: ...

class ListPackageDataRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListPackageDataResponse(_message.Message):
    __slots__ = ("data", "next_page_token")
    DATA_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    data: _containers.RepeatedCompositeFieldContainer[PackageData]
    next_page_token: str
    def __init__(self, data: _Optional[_Iterable[_Union[PackageData, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeletePackageDataRequest(_message.Message):
    __slots__ = ("id", "request_id")
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class DeletePackageDataResponse(_message.Message):
    __slots__ = ("operation",)
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    operation: _operations_pb2.Operation
    def __init__(self, operation: _Optional[_Union[_operations_pb2.Operation, _Mapping]] = ...) -> None: ...

class RollbackPackageRequest(_message.Message):
    __slots__ = ("id", "request_id")
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class RollbackPackageResponse(_message.Message):
    __slots__ = ("operation",)
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    operation: _operations_pb2.Operation
    def __init__(self, operation: _Optional[_Union[_operations_pb2.Operation, _Mapping]] = ...) -> None: ...

class ListSnapshotsRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class ListSnapshotsResponse(_message.Message):
    __slots__ = ("snapshots",)
    SNAPSHOTS_FIELD_NUMBER: _ClassVar[int]
    snapshots: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Snapshot]
    def __init__(self, snapshots: _Optional[_Iterable[_Union[_resources_pb2.Snapshot, _Mapping]]] = ...) -> None: ...

class DeleteSnapshotRequest(_message.Message):
    __slots__ = ("id", "snapshot", "request_id")
    ID_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    snapshot: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., snapshot: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class DeleteSnapshotResponse(_message.Message):
    __slots__ = ("operation",)
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    operation: _operations_pb2.Operation
    def __init__(self, operation: _Optional[_Union[_operations_pb2.Operation, _Mapping]] = ...) -> None: ...

class StartPackageRequest(_message.Message):
    __slots__ = ("id", "force")
    ID_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    id: str
    force: bool
    def __init__(self, id: _Optional[str] = ..., force: bool = ...) -> None: ...

class StartPackageResponse(_message.Message):
    __slots__ = ("package",)
    PACKAGE_FIELD_NUMBER: _ClassVar[int]
    package: _resources_pb2.Package
    def __init__(self, package: _Optional[_Union[_resources_pb2.Package, _Mapping]] = ...) -> None: ...

class StopPackageRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class StopPackageResponse(_message.Message):
    __slots__ = ("package",)
    PACKAGE_FIELD_NUMBER: _ClassVar[int]
    package: _resources_pb2.Package
    def __init__(self, package: _Optional[_Union[_resources_pb2.Package, _Mapping]] = ...) -> None: ...

class RestartPackageRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class RestartPackageResponse(_message.Message):
    __slots__ = ("package",)
    PACKAGE_FIELD_NUMBER: _ClassVar[int]
    package: _resources_pb2.Package
    def __init__(self, package: _Optional[_Union[_resources_pb2.Package, _Mapping]] = ...) -> None: ...

class RebuildPackageRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class RebuildPackageResponse(_message.Message):
    __slots__ = ("package",)
    PACKAGE_FIELD_NUMBER: _ClassVar[int]
    package: _resources_pb2.Package
    def __init__(self, package: _Optional[_Union[_resources_pb2.Package, _Mapping]] = ...) -> None: ...
