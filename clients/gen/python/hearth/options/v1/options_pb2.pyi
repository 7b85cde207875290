from google.protobuf import descriptor_pb2 as _descriptor_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Role(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROLE_UNSPECIFIED: _ClassVar[Role]
    ROLE_VIEWER: _ClassVar[Role]
    ROLE_OPERATOR: _ClassVar[Role]
    ROLE_ADMIN: _ClassVar[Role]
    ROLE_OWNER: _ClassVar[Role]

class Phase(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PHASE_UNSPECIFIED: _ClassVar[Phase]
    PHASE_SETUP: _ClassVar[Phase]
    PHASE_INIT: _ClassVar[Phase]
    PHASE_RUNNING: _ClassVar[Phase]
    PHASE_DIAGNOSTIC: _ClassVar[Phase]

class Durability(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DURABILITY_UNSPECIFIED: _ClassVar[Durability]
    DURABILITY_DURABLE: _ClassVar[Durability]
    DURABILITY_EPHEMERAL: _ClassVar[Durability]

class Code(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CODE_UNSPECIFIED: _ClassVar[Code]
    CODE_CANCELLED: _ClassVar[Code]
    CODE_UNKNOWN: _ClassVar[Code]
    CODE_INVALID_ARGUMENT: _ClassVar[Code]
    CODE_DEADLINE_EXCEEDED: _ClassVar[Code]
    CODE_NOT_FOUND: _ClassVar[Code]
    CODE_ALREADY_EXISTS: _ClassVar[Code]
    CODE_PERMISSION_DENIED: _ClassVar[Code]
    CODE_RESOURCE_EXHAUSTED: _ClassVar[Code]
    CODE_FAILED_PRECONDITION: _ClassVar[Code]
    CODE_ABORTED: _ClassVar[Code]
    CODE_OUT_OF_RANGE: _ClassVar[Code]
    CODE_UNIMPLEMENTED: _ClassVar[Code]
    CODE_INTERNAL: _ClassVar[Code]
    CODE_UNAVAILABLE: _ClassVar[Code]
    CODE_DATA_LOSS: _ClassVar[Code]
    CODE_UNAUTHENTICATED: _ClassVar[Code]
ROLE_UNSPECIFIED: Role
ROLE_VIEWER: Role
ROLE_OPERATOR: Role
ROLE_ADMIN: Role
ROLE_OWNER: Role
PHASE_UNSPECIFIED: Phase
PHASE_SETUP: Phase
PHASE_INIT: Phase
PHASE_RUNNING: Phase
PHASE_DIAGNOSTIC: Phase
DURABILITY_UNSPECIFIED: Durability
DURABILITY_DURABLE: Durability
DURABILITY_EPHEMERAL: Durability
CODE_UNSPECIFIED: Code
CODE_CANCELLED: Code
CODE_UNKNOWN: Code
CODE_INVALID_ARGUMENT: Code
CODE_DEADLINE_EXCEEDED: Code
CODE_NOT_FOUND: Code
CODE_ALREADY_EXISTS: Code
CODE_PERMISSION_DENIED: Code
CODE_RESOURCE_EXHAUSTED: Code
CODE_FAILED_PRECONDITION: Code
CODE_ABORTED: Code
CODE_OUT_OF_RANGE: Code
CODE_UNIMPLEMENTED: Code
CODE_INTERNAL: Code
CODE_UNAVAILABLE: Code
CODE_DATA_LOSS: Code
CODE_UNAUTHENTICATED: Code
ACCESS_FIELD_NUMBER: _ClassVar[int]
access: _descriptor.FieldDescriptor
LEGACY_RPC_FIELD_NUMBER: _ClassVar[int]
legacy_rpc: _descriptor.FieldDescriptor
PHASES_FIELD_NUMBER: _ClassVar[int]
phases: _descriptor.FieldDescriptor
STEP_UP_FIELD_NUMBER: _ClassVar[int]
step_up: _descriptor.FieldDescriptor
EFFECT_FIELD_NUMBER: _ClassVar[int]
effect: _descriptor.FieldDescriptor
RECORD_FIRST_FIELD_NUMBER: _ClassVar[int]
record_first: _descriptor.FieldDescriptor
SCOPED_FIELD_NUMBER: _ClassVar[int]
scoped: _descriptor.FieldDescriptor
RECORD_FAILURE_FIELD_NUMBER: _ClassVar[int]
record_failure: _descriptor.FieldDescriptor
SECRET_FIELD_NUMBER: _ClassVar[int]
secret: _descriptor.FieldDescriptor
TARGET_FIELD_NUMBER: _ClassVar[int]
target: _descriptor.FieldDescriptor
PACKAGE_FIELD_NUMBER: _ClassVar[int]
package: _descriptor.FieldDescriptor
KIND_FIELD_NUMBER: _ClassVar[int]
kind: _descriptor.FieldDescriptor
REASON_FIELD_NUMBER: _ClassVar[int]
reason: _descriptor.FieldDescriptor

class Access(_message.Message):
    __slots__ = ("anonymous", "role", "local", "container", "internal")
    ANONYMOUS_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    LOCAL_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    INTERNAL_FIELD_NUMBER: _ClassVar[int]
    anonymous: bool
    role: Role
    local: bool
    container: bool
    internal: bool
    def __init__(self, anonymous: bool = ..., role: _Optional[_Union[Role, str]] = ..., local: bool = ..., container: bool = ..., internal: bool = ...) -> None: ...

class Kind(_message.Message):
    __slots__ = ("number", "id", "durability", "read_role", "spec_writer", "status_writer", "personal", "of_package")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    READ_ROLE_FIELD_NUMBER: _ClassVar[int]
    SPEC_WRITER_FIELD_NUMBER: _ClassVar[int]
    STATUS_WRITER_FIELD_NUMBER: _ClassVar[int]
    PERSONAL_FIELD_NUMBER: _ClassVar[int]
    OF_PACKAGE_FIELD_NUMBER: _ClassVar[int]
    number: int
    id: str
    durability: Durability
    read_role: Role
    spec_writer: str
    status_writer: str
    personal: bool
    of_package: bool
    def __init__(self, number: _Optional[int] = ..., id: _Optional[str] = ..., durability: _Optional[_Union[Durability, str]] = ..., read_role: _Optional[_Union[Role, str]] = ..., spec_writer: _Optional[str] = ..., status_writer: _Optional[str] = ..., personal: bool = ..., of_package: bool = ...) -> None: ...

class ReasonInfo(_message.Message):
    __slots__ = ("code", "retryable", "remedy")
    CODE_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    REMEDY_FIELD_NUMBER: _ClassVar[int]
    code: Code
    retryable: bool
    remedy: str
    def __init__(self, code: _Optional[_Union[Code, str]] = ..., retryable: bool = ..., remedy: _Optional[str] = ...) -> None: ...
