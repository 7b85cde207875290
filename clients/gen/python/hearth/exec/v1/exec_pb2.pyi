import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from hearth.options.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Subcontainer(_message.Message):
    __slots__ = ("id", "name", "image", "create_time")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    image: str
    create_time: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., image: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListSubcontainersRequest(_message.Message):
    __slots__ = ("package_id",)
    PACKAGE_ID_FIELD_NUMBER: _ClassVar[int]
    package_id: str
    def __init__(self, package_id: _Optional[str] = ...) -> None: ...

class ListSubcontainersResponse(_message.Message):
    __slots__ = ("subcontainers",)
    SUBCONTAINERS_FIELD_NUMBER: _ClassVar[int]
    subcontainers: _containers.RepeatedCompositeFieldContainer[Subcontainer]
    def __init__(self, subcontainers: _Optional[_Iterable[_Union[Subcontainer, _Mapping]]] = ...) -> None: ...

class OpenSessionRequest(_message.Message):
    __slots__ = ("package_id", "subcontainer", "command", "user", "working_directory", "environment", "terminal", "idle_limit")
    class EnvironmentEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    PACKAGE_ID_FIELD_NUMBER: _ClassVar[int]
    SUBCONTAINER_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    WORKING_DIRECTORY_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    TERMINAL_FIELD_NUMBER: _ClassVar[int]
    IDLE_LIMIT_FIELD_NUMBER: _ClassVar[int]
    package_id: str
    subcontainer: str
    command: _containers.RepeatedScalarFieldContainer[str]
    user: str
    working_directory: str
    environment: _containers.ScalarMap[str, str]
    terminal: TerminalSize
    idle_limit: _duration_pb2.Duration
    def __init__(self, package_id: _Optional[str] = ..., subcontainer: _Optional[str] = ..., command: _Optional[_Iterable[str]] = ..., user: _Optional[str] = ..., working_directory: _Optional[str] = ..., environment: _Optional[_Mapping[str, str]] = ..., terminal: _Optional[_Union[TerminalSize, _Mapping]] = ..., idle_limit: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class TerminalSize(_message.Message):
    __slots__ = ("rows", "columns")
    ROWS_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    rows: int
    columns: int
    def __init__(self, rows: _Optional[int] = ..., columns: _Optional[int] = ...) -> None: ...

class OpenSessionResponse(_message.Message):
    __slots__ = ("session_id", "subcontainer")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    SUBCONTAINER_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    subcontainer: Subcontainer
    def __init__(self, session_id: _Optional[str] = ..., subcontainer: _Optional[_Union[Subcontainer, _Mapping]] = ...) -> None: ...

class Input(_message.Message):
    __slots__ = ("stdin", "close_stdin", "resize", "signal")
    class Signal(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        SIGNAL_UNSPECIFIED: _ClassVar[Input.Signal]
        SIGNAL_HUP: _ClassVar[Input.Signal]
        SIGNAL_INT: _ClassVar[Input.Signal]
        SIGNAL_QUIT: _ClassVar[Input.Signal]
        SIGNAL_KILL: _ClassVar[Input.Signal]
        SIGNAL_USR1: _ClassVar[Input.Signal]
        SIGNAL_USR2: _ClassVar[Input.Signal]
        SIGNAL_TERM: _ClassVar[Input.Signal]
    SIGNAL_UNSPECIFIED: Input.Signal
    SIGNAL_HUP: Input.Signal
    SIGNAL_INT: Input.Signal
    SIGNAL_QUIT: Input.Signal
    SIGNAL_KILL: Input.Signal
    SIGNAL_USR1: Input.Signal
    SIGNAL_USR2: Input.Signal
    SIGNAL_TERM: Input.Signal
    STDIN_FIELD_NUMBER: _ClassVar[int]
    CLOSE_STDIN_FIELD_NUMBER: _ClassVar[int]
    RESIZE_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    stdin: bytes
    close_stdin: bool
    resize: TerminalSize
    signal: Input.Signal
    def __init__(self, stdin: _Optional[bytes] = ..., close_stdin: bool = ..., resize: _Optional[_Union[TerminalSize, _Mapping]] = ..., signal: _Optional[_Union[Input.Signal, str]] = ...) -> None: ...

class Output(_message.Message):
    __slots__ = ("stdout", "stderr", "exit")
    STDOUT_FIELD_NUMBER: _ClassVar[int]
    STDERR_FIELD_NUMBER: _ClassVar[int]
    EXIT_FIELD_NUMBER: _ClassVar[int]
    stdout: bytes
    stderr: bytes
    exit: Exit
    def __init__(self, stdout: _Optional[bytes] = ..., stderr: _Optional[bytes] = ..., exit: _Optional[_Union[Exit, _Mapping]] = ...) -> None: ...

class Exit(_message.Message):
    __slots__ = ("code",)
    CODE_FIELD_NUMBER: _ClassVar[int]
    code: int
    def __init__(self, code: _Optional[int] = ...) -> None: ...

class AttachRequest(_message.Message):
    __slots__ = ("session_id", "input")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    input: Input
    def __init__(self, session_id: _Optional[str] = ..., input: _Optional[_Union[Input, _Mapping]] = ...) -> None: ...

class AttachResponse(_message.Message):
    __slots__ = ("output",)
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    output: Output
    def __init__(self, output: _Optional[_Union[Output, _Mapping]] = ...) -> None: ...

class ReadSessionRequest(_message.Message):
    __slots__ = ("session_id",)
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    def __init__(self, session_id: _Optional[str] = ...) -> None: ...

class ReadSessionResponse(_message.Message):
    __slots__ = ("output",)
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    output: Output
    def __init__(self, output: _Optional[_Union[Output, _Mapping]] = ...) -> None: ...

class WriteSessionRequest(_message.Message):
    __slots__ = ("session_id", "input")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    input: Input
    def __init__(self, session_id: _Optional[str] = ..., input: _Optional[_Union[Input, _Mapping]] = ...) -> None: ...

class WriteSessionResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
