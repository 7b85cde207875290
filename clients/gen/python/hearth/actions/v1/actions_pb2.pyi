from hearth.meta.v1 import meta_pb2 as _meta_pb2
from hearth.options.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Action(_message.Message):
    __slots__ = ("meta", "spec")
    META_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    meta: _meta_pb2.Meta
    spec: ActionSpec
    def __init__(self, meta: _Optional[_Union[_meta_pb2.Meta, _Mapping]] = ..., spec: _Optional[_Union[ActionSpec, _Mapping]] = ...) -> None: ...

class ActionSpec(_message.Message):
    __slots__ = ("name", "description", "warning", "visibility", "disabled_reason", "allowed_statuses", "has_input", "group", "access", "order")
    class Visibility(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        VISIBILITY_UNSPECIFIED: _ClassVar[ActionSpec.Visibility]
        VISIBILITY_ENABLED: _ClassVar[ActionSpec.Visibility]
        VISIBILITY_DISABLED: _ClassVar[ActionSpec.Visibility]
        VISIBILITY_HIDDEN: _ClassVar[ActionSpec.Visibility]
    VISIBILITY_UNSPECIFIED: ActionSpec.Visibility
    VISIBILITY_ENABLED: ActionSpec.Visibility
    VISIBILITY_DISABLED: ActionSpec.Visibility
    VISIBILITY_HIDDEN: ActionSpec.Visibility
    class AllowedStatuses(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ALLOWED_STATUSES_UNSPECIFIED: _ClassVar[ActionSpec.AllowedStatuses]
        ALLOWED_STATUSES_ANY: _ClassVar[ActionSpec.AllowedStatuses]
        ALLOWED_STATUSES_ONLY_RUNNING: _ClassVar[ActionSpec.AllowedStatuses]
        ALLOWED_STATUSES_ONLY_STOPPED: _ClassVar[ActionSpec.AllowedStatuses]
    ALLOWED_STATUSES_UNSPECIFIED: ActionSpec.AllowedStatuses
    ALLOWED_STATUSES_ANY: ActionSpec.AllowedStatuses
    ALLOWED_STATUSES_ONLY_RUNNING: ActionSpec.AllowedStatuses
    ALLOWED_STATUSES_ONLY_STOPPED: ActionSpec.AllowedStatuses
    class AccessLevel(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ACCESS_LEVEL_UNSPECIFIED: _ClassVar[ActionSpec.AccessLevel]
        ACCESS_LEVEL_USER: _ClassVar[ActionSpec.AccessLevel]
        ACCESS_LEVEL_DEPENDENT: _ClassVar[ActionSpec.AccessLevel]
        ACCESS_LEVEL_PUBLIC: _ClassVar[ActionSpec.AccessLevel]
    ACCESS_LEVEL_UNSPECIFIED: ActionSpec.AccessLevel
    ACCESS_LEVEL_USER: ActionSpec.AccessLevel
    ACCESS_LEVEL_DEPENDENT: ActionSpec.AccessLevel
    ACCESS_LEVEL_PUBLIC: ActionSpec.AccessLevel
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    WARNING_FIELD_NUMBER: _ClassVar[int]
    VISIBILITY_FIELD_NUMBER: _ClassVar[int]
    DISABLED_REASON_FIELD_NUMBER: _ClassVar[int]
    ALLOWED_STATUSES_FIELD_NUMBER: _ClassVar[int]
    HAS_INPUT_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    ACCESS_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    name: str
    description: str
    warning: str
    visibility: ActionSpec.Visibility
    disabled_reason: str
    allowed_statuses: ActionSpec.AllowedStatuses
    has_input: bool
    group: str
    access: ActionSpec.AccessLevel
    order: int
    def __init__(self, name: _Optional[str] = ..., description: _Optional[str] = ..., warning: _Optional[str] = ..., visibility: _Optional[_Union[ActionSpec.Visibility, str]] = ..., disabled_reason: _Optional[str] = ..., allowed_statuses: _Optional[_Union[ActionSpec.AllowedStatuses, str]] = ..., has_input: bool = ..., group: _Optional[str] = ..., access: _Optional[_Union[ActionSpec.AccessLevel, str]] = ..., order: _Optional[int] = ...) -> None: ...

class Task(_message.Message):
    __slots__ = ("meta", "spec", "status")
    META_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    meta: _meta_pb2.Meta
    spec: TaskSpec
    status: TaskStatus
    def __init__(self, meta: _Optional[_Union[_meta_pb2.Meta, _Mapping]] = ..., spec: _Optional[_Union[TaskSpec, _Mapping]] = ..., status: _Optional[_Union[TaskStatus, _Mapping]] = ...) -> None: ...

class TaskSpec(_message.Message):
    __slots__ = ("package_id", "action_id", "severity", "reason", "when_input_not_matches", "once", "accept", "set")
    class Severity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        SEVERITY_UNSPECIFIED: _ClassVar[TaskSpec.Severity]
        SEVERITY_OPTIONAL: _ClassVar[TaskSpec.Severity]
        SEVERITY_IMPORTANT: _ClassVar[TaskSpec.Severity]
        SEVERITY_CRITICAL: _ClassVar[TaskSpec.Severity]
    SEVERITY_UNSPECIFIED: TaskSpec.Severity
    SEVERITY_OPTIONAL: TaskSpec.Severity
    SEVERITY_IMPORTANT: TaskSpec.Severity
    SEVERITY_CRITICAL: TaskSpec.Severity
    PACKAGE_ID_FIELD_NUMBER: _ClassVar[int]
    ACTION_ID_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    WHEN_INPUT_NOT_MATCHES_FIELD_NUMBER: _ClassVar[int]
    ONCE_FIELD_NUMBER: _ClassVar[int]
    ACCEPT_FIELD_NUMBER: _ClassVar[int]
    SET_FIELD_NUMBER: _ClassVar[int]
    package_id: str
    action_id: str
    severity: TaskSpec.Severity
    reason: str
    when_input_not_matches: bool
    once: bool
    accept: _containers.RepeatedScalarFieldContainer[bytes]
    set: bytes
    def __init__(self, package_id: _Optional[str] = ..., action_id: _Optional[str] = ..., severity: _Optional[_Union[TaskSpec.Severity, str]] = ..., reason: _Optional[str] = ..., when_input_not_matches: bool = ..., once: bool = ..., accept: _Optional[_Iterable[bytes]] = ..., set: _Optional[bytes] = ...) -> None: ...

class TaskStatus(_message.Message):
    __slots__ = ("active",)
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    active: bool
    def __init__(self, active: bool = ...) -> None: ...

class ListActionsRequest(_message.Message):
    __slots__ = ("package_id",)
    PACKAGE_ID_FIELD_NUMBER: _ClassVar[int]
    package_id: str
    def __init__(self, package_id: _Optional[str] = ...) -> None: ...

class ListActionsResponse(_message.Message):
    __slots__ = ("actions",)
    ACTIONS_FIELD_NUMBER: _ClassVar[int]
    actions: _containers.RepeatedCompositeFieldContainer[Action]
    def __init__(self, actions: _Optional[_Iterable[_Union[Action, _Mapping]]] = ...) -> None: ...

class GetActionInputRequest(_message.Message):
    __slots__ = ("package_id", "action_id", "prefill")
    PACKAGE_ID_FIELD_NUMBER: _ClassVar[int]
    ACTION_ID_FIELD_NUMBER: _ClassVar[int]
    PREFILL_FIELD_NUMBER: _ClassVar[int]
    package_id: str
    action_id: str
    prefill: str
    def __init__(self, package_id: _Optional[str] = ..., action_id: _Optional[str] = ..., prefill: _Optional[str] = ...) -> None: ...

class GetActionInputResponse(_message.Message):
    __slots__ = ("event_id", "spec", "value")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    spec: str
    value: str
    def __init__(self, event_id: _Optional[str] = ..., spec: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class RunActionRequest(_message.Message):
    __slots__ = ("package_id", "action_id", "input", "event_id", "request_id")
    PACKAGE_ID_FIELD_NUMBER: _ClassVar[int]
    ACTION_ID_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    package_id: str
    action_id: str
    input: str
    event_id: str
    request_id: str
    def __init__(self, package_id: _Optional[str] = ..., action_id: _Optional[str] = ..., input: _Optional[str] = ..., event_id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class RunActionResponse(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: str
    def __init__(self, result: _Optional[str] = ...) -> None: ...

class ListTasksRequest(_message.Message):
    __slots__ = ("package_id",)
    PACKAGE_ID_FIELD_NUMBER: _ClassVar[int]
    package_id: str
    def __init__(self, package_id: _Optional[str] = ...) -> None: ...

class ListTasksResponse(_message.Message):
    __slots__ = ("tasks",)
    TASKS_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedCompositeFieldContainer[Task]
    def __init__(self, tasks: _Optional[_Iterable[_Union[Task, _Mapping]]] = ...) -> None: ...

class DismissTaskRequest(_message.Message):
    __slots__ = ("package_id", "replay_id", "force")
    PACKAGE_ID_FIELD_NUMBER: _ClassVar[int]
    REPLAY_ID_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    package_id: str
    replay_id: str
    force: bool
    def __init__(self, package_id: _Optional[str] = ..., replay_id: _Optional[str] = ..., force: bool = ...) -> None: ...

class DismissTaskResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ActionRun(_message.Message):
    __slots__ = ("meta", "spec", "status")
    META_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    meta: _meta_pb2.Meta
    spec: ActionRunSpec
    status: ActionRunStatus
    def __init__(self, meta: _Optional[_Union[_meta_pb2.Meta, _Mapping]] = ..., spec: _Optional[_Union[ActionRunSpec, _Mapping]] = ..., status: _Optional[_Union[ActionRunStatus, _Mapping]] = ...) -> None: ...

class ActionRunSpec(_message.Message):
    __slots__ = ("action_id", "request_digest")
    ACTION_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_DIGEST_FIELD_NUMBER: _ClassVar[int]
    action_id: str
    request_digest: bytes
    def __init__(self, action_id: _Optional[str] = ..., request_digest: _Optional[bytes] = ...) -> None: ...

class ActionRunStatus(_message.Message):
    __slots__ = ("state",)
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[ActionRunStatus.State]
        STATE_BEGUN: _ClassVar[ActionRunStatus.State]
        STATE_SUCCEEDED: _ClassVar[ActionRunStatus.State]
        STATE_FAILED: _ClassVar[ActionRunStatus.State]
    STATE_UNSPECIFIED: ActionRunStatus.State
    STATE_BEGUN: ActionRunStatus.State
    STATE_SUCCEEDED: ActionRunStatus.State
    STATE_FAILED: ActionRunStatus.State
    STATE_FIELD_NUMBER: _ClassVar[int]
    state: ActionRunStatus.State
    def __init__(self, state: _Optional[_Union[ActionRunStatus.State, str]] = ...) -> None: ...
