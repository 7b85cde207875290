import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from hearth.meta.v1 import meta_pb2 as _meta_pb2
from hearth.options.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Check(_message.Message):
    __slots__ = ("name", "result", "detail", "remedy", "words", "metadata", "spoken", "quote")
    class Result(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        RESULT_UNSPECIFIED: _ClassVar[Check.Result]
        RESULT_OK: _ClassVar[Check.Result]
        RESULT_WARN: _ClassVar[Check.Result]
        RESULT_FAIL: _ClassVar[Check.Result]
        RESULT_SKIP: _ClassVar[Check.Result]
    RESULT_UNSPECIFIED: Check.Result
    RESULT_OK: Check.Result
    RESULT_WARN: Check.Result
    RESULT_FAIL: Check.Result
    RESULT_SKIP: Check.Result
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class SpokenEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _meta_pb2.Words
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_meta_pb2.Words, _Mapping]] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    REMEDY_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    SPOKEN_FIELD_NUMBER: _ClassVar[int]
    QUOTE_FIELD_NUMBER: _ClassVar[int]
    name: str
    result: Check.Result
    detail: str
    remedy: str
    words: str
    metadata: _containers.ScalarMap[str, str]
    spoken: _containers.MessageMap[str, _meta_pb2.Words]
    quote: str
    def __init__(self, name: _Optional[str] = ..., result: _Optional[_Union[Check.Result, str]] = ..., detail: _Optional[str] = ..., remedy: _Optional[str] = ..., words: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ..., spoken: _Optional[_Mapping[str, _meta_pb2.Words]] = ..., quote: _Optional[str] = ...) -> None: ...

class RunChecksRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RunChecksResponse(_message.Message):
    __slots__ = ("checks",)
    CHECKS_FIELD_NUMBER: _ClassVar[int]
    checks: _containers.RepeatedCompositeFieldContainer[Check]
    def __init__(self, checks: _Optional[_Iterable[_Union[Check, _Mapping]]] = ...) -> None: ...

class Warning(_message.Message):
    __slots__ = ("meta", "spec", "status")
    META_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    meta: _meta_pb2.Meta
    spec: WarningSpec
    status: WarningStatus
    def __init__(self, meta: _Optional[_Union[_meta_pb2.Meta, _Mapping]] = ..., spec: _Optional[_Union[WarningSpec, _Mapping]] = ..., status: _Optional[_Union[WarningStatus, _Mapping]] = ...) -> None: ...

class WarningSpec(_message.Message):
    __slots__ = ("dismissed",)
    DISMISSED_FIELD_NUMBER: _ClassVar[int]
    dismissed: bool
    def __init__(self, dismissed: bool = ...) -> None: ...

class WarningStatus(_message.Message):
    __slots__ = ("severity", "text", "remedy", "metadata", "button", "since", "quote")
    class Severity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        SEVERITY_UNSPECIFIED: _ClassVar[WarningStatus.Severity]
        SEVERITY_NOTICE: _ClassVar[WarningStatus.Severity]
        SEVERITY_WARNING: _ClassVar[WarningStatus.Severity]
        SEVERITY_CRITICAL: _ClassVar[WarningStatus.Severity]
    SEVERITY_UNSPECIFIED: WarningStatus.Severity
    SEVERITY_NOTICE: WarningStatus.Severity
    SEVERITY_WARNING: WarningStatus.Severity
    SEVERITY_CRITICAL: WarningStatus.Severity
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    REMEDY_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    BUTTON_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    QUOTE_FIELD_NUMBER: _ClassVar[int]
    severity: WarningStatus.Severity
    text: str
    remedy: str
    metadata: _containers.ScalarMap[str, str]
    button: Button
    since: _timestamp_pb2.Timestamp
    quote: str
    def __init__(self, severity: _Optional[_Union[WarningStatus.Severity, str]] = ..., text: _Optional[str] = ..., remedy: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ..., button: _Optional[_Union[Button, _Mapping]] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., quote: _Optional[str] = ...) -> None: ...

class Button(_message.Message):
    __slots__ = ("label", "method", "request_json")
    LABEL_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    REQUEST_JSON_FIELD_NUMBER: _ClassVar[int]
    label: str
    method: str
    request_json: str
    def __init__(self, label: _Optional[str] = ..., method: _Optional[str] = ..., request_json: _Optional[str] = ...) -> None: ...

class ListWarningsRequest(_message.Message):
    __slots__ = ("dismissed",)
    DISMISSED_FIELD_NUMBER: _ClassVar[int]
    dismissed: bool
    def __init__(self, dismissed: bool = ...) -> None: ...

class ListWarningsResponse(_message.Message):
    __slots__ = ("warnings",)
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    warnings: _containers.RepeatedCompositeFieldContainer[Warning]
    def __init__(self, warnings: _Optional[_Iterable[_Union[Warning, _Mapping]]] = ...) -> None: ...

class DismissWarningRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class DismissWarningResponse(_message.Message):
    __slots__ = ("warning",)
    WARNING_FIELD_NUMBER: _ClassVar[int]
    warning: Warning
    def __init__(self, warning: _Optional[_Union[Warning, _Mapping]] = ...) -> None: ...

class GetMetricsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetMetricsResponse(_message.Message):
    __slots__ = ("text",)
    TEXT_FIELD_NUMBER: _ClassVar[int]
    text: str
    def __init__(self, text: _Optional[str] = ...) -> None: ...

class CompactLogRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CompactLogResponse(_message.Message):
    __slots__ = ("revisions",)
    REVISIONS_FIELD_NUMBER: _ClassVar[int]
    revisions: int
    def __init__(self, revisions: _Optional[int] = ...) -> None: ...

class CollectReportRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CollectReportResponse(_message.Message):
    __slots__ = ("name", "data", "about")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    ABOUT_FIELD_NUMBER: _ClassVar[int]
    name: str
    data: bytes
    about: str
    def __init__(self, name: _Optional[str] = ..., data: _Optional[bytes] = ..., about: _Optional[str] = ...) -> None: ...
