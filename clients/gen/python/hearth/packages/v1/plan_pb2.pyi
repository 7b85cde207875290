from hearth.meta.v1 import fault_pb2 as _fault_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class InstallPlan(_message.Message):
    __slots__ = ("package_id", "title", "from_version", "to_version", "data_version", "obstacles", "stopped", "dependents", "permissions_added", "permissions_removed", "bytes_needed", "bytes_free", "dependencies", "from_registry", "to_registry", "other_flavor")
    PACKAGE_ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    FROM_VERSION_FIELD_NUMBER: _ClassVar[int]
    TO_VERSION_FIELD_NUMBER: _ClassVar[int]
    DATA_VERSION_FIELD_NUMBER: _ClassVar[int]
    OBSTACLES_FIELD_NUMBER: _ClassVar[int]
    STOPPED_FIELD_NUMBER: _ClassVar[int]
    DEPENDENTS_FIELD_NUMBER: _ClassVar[int]
    PERMISSIONS_ADDED_FIELD_NUMBER: _ClassVar[int]
    PERMISSIONS_REMOVED_FIELD_NUMBER: _ClassVar[int]
    BYTES_NEEDED_FIELD_NUMBER: _ClassVar[int]
    BYTES_FREE_FIELD_NUMBER: _ClassVar[int]
    DEPENDENCIES_FIELD_NUMBER: _ClassVar[int]
    FROM_REGISTRY_FIELD_NUMBER: _ClassVar[int]
    TO_REGISTRY_FIELD_NUMBER: _ClassVar[int]
    OTHER_FLAVOR_FIELD_NUMBER: _ClassVar[int]
    package_id: str
    title: str
    from_version: str
    to_version: str
    data_version: str
    obstacles: _containers.RepeatedCompositeFieldContainer[_fault_pb2.Fault]
    stopped: _containers.RepeatedScalarFieldContainer[str]
    dependents: _containers.RepeatedScalarFieldContainer[str]
    permissions_added: _containers.RepeatedCompositeFieldContainer[Permission]
    permissions_removed: _containers.RepeatedCompositeFieldContainer[Permission]
    bytes_needed: int
    bytes_free: int
    dependencies: _containers.RepeatedCompositeFieldContainer[PlannedDependency]
    from_registry: str
    to_registry: str
    other_flavor: bool
    def __init__(self, package_id: _Optional[str] = ..., title: _Optional[str] = ..., from_version: _Optional[str] = ..., to_version: _Optional[str] = ..., data_version: _Optional[str] = ..., obstacles: _Optional[_Iterable[_Union[_fault_pb2.Fault, _Mapping]]] = ..., stopped: _Optional[_Iterable[str]] = ..., dependents: _Optional[_Iterable[str]] = ..., permissions_added: _Optional[_Iterable[_Union[Permission, _Mapping]]] = ..., permissions_removed: _Optional[_Iterable[_Union[Permission, _Mapping]]] = ..., bytes_needed: _Optional[int] = ..., bytes_free: _Optional[int] = ..., dependencies: _Optional[_Iterable[_Union[PlannedDependency, _Mapping]]] = ..., from_registry: _Optional[str] = ..., to_registry: _Optional[str] = ..., other_flavor: bool = ...) -> None: ...

class Permission(_message.Message):
    __slots__ = ("kind", "target")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[Permission.Kind]
        KIND_HARDWARE_ACCELERATION: _ClassVar[Permission.Kind]
        KIND_USERSPACE_FILESYSTEMS: _ClassVar[Permission.Kind]
        KIND_VIRTUAL_NETWORKING: _ClassVar[Permission.Kind]
        KIND_DEPENDENCY: _ClassVar[Permission.Kind]
        KIND_PLUGIN: _ClassVar[Permission.Kind]
        KIND_VOLUME: _ClassVar[Permission.Kind]
        KIND_SERVER_FEATURE: _ClassVar[Permission.Kind]
        KIND_NETWORK: _ClassVar[Permission.Kind]
    KIND_UNSPECIFIED: Permission.Kind
    KIND_HARDWARE_ACCELERATION: Permission.Kind
    KIND_USERSPACE_FILESYSTEMS: Permission.Kind
    KIND_VIRTUAL_NETWORKING: Permission.Kind
    KIND_DEPENDENCY: Permission.Kind
    KIND_PLUGIN: Permission.Kind
    KIND_VOLUME: Permission.Kind
    KIND_SERVER_FEATURE: Permission.Kind
    KIND_NETWORK: Permission.Kind
    KIND_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    kind: Permission.Kind
    target: str
    def __init__(self, kind: _Optional[_Union[Permission.Kind, str]] = ..., target: _Optional[str] = ...) -> None: ...

class PlannedDependency(_message.Message):
    __slots__ = ("package_id", "optional", "installed_version", "description")
    PACKAGE_ID_FIELD_NUMBER: _ClassVar[int]
    OPTIONAL_FIELD_NUMBER: _ClassVar[int]
    INSTALLED_VERSION_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    package_id: str
    optional: bool
    installed_version: str
    description: str
    def __init__(self, package_id: _Optional[str] = ..., optional: bool = ..., installed_version: _Optional[str] = ..., description: _Optional[str] = ...) -> None: ...
