from hearth.meta.v1 import meta_pb2 as _meta_pb2
from hearth.options.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Settings(_message.Message):
    __slots__ = ("meta", "spec")
    META_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    meta: _meta_pb2.Meta
    spec: SettingsSpec
    def __init__(self, meta: _Optional[_Union[_meta_pb2.Meta, _Mapping]] = ..., spec: _Optional[_Union[SettingsSpec, _Mapping]] = ...) -> None: ...

class SettingsSpec(_message.Message):
    __slots__ = ("name", "hostname", "language")
    NAME_FIELD_NUMBER: _ClassVar[int]
    HOSTNAME_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    name: str
    hostname: str
    language: str
    def __init__(self, name: _Optional[str] = ..., hostname: _Optional[str] = ..., language: _Optional[str] = ...) -> None: ...

class Smtp(_message.Message):
    __slots__ = ("meta", "spec")
    META_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    meta: _meta_pb2.Meta
    spec: SmtpSpec
    def __init__(self, meta: _Optional[_Union[_meta_pb2.Meta, _Mapping]] = ..., spec: _Optional[_Union[SmtpSpec, _Mapping]] = ...) -> None: ...

class SmtpSpec(_message.Message):
    __slots__ = ("host", "port", "sender", "username", "security", "has_password")
    class Security(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        SECURITY_UNSPECIFIED: _ClassVar[SmtpSpec.Security]
        SECURITY_STARTTLS: _ClassVar[SmtpSpec.Security]
        SECURITY_TLS: _ClassVar[SmtpSpec.Security]
    SECURITY_UNSPECIFIED: SmtpSpec.Security
    SECURITY_STARTTLS: SmtpSpec.Security
    SECURITY_TLS: SmtpSpec.Security
    HOST_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    SECURITY_FIELD_NUMBER: _ClassVar[int]
    HAS_PASSWORD_FIELD_NUMBER: _ClassVar[int]
    host: str
    port: int
    sender: str
    username: str
    security: SmtpSpec.Security
    has_password: bool
    def __init__(self, host: _Optional[str] = ..., port: _Optional[int] = ..., sender: _Optional[str] = ..., username: _Optional[str] = ..., security: _Optional[_Union[SmtpSpec.Security, str]] = ..., has_password: bool = ...) -> None: ...

class SmtpPassword(_message.Message):
    __slots__ = ("meta", "spec")
    META_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    meta: _meta_pb2.Meta
    spec: SmtpPasswordSpec
    def __init__(self, meta: _Optional[_Union[_meta_pb2.Meta, _Mapping]] = ..., spec: _Optional[_Union[SmtpPasswordSpec, _Mapping]] = ...) -> None: ...

class SmtpPasswordSpec(_message.Message):
    __slots__ = ("sealed",)
    SEALED_FIELD_NUMBER: _ClassVar[int]
    sealed: bytes
    def __init__(self, sealed: _Optional[bytes] = ...) -> None: ...

class GetSettingsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetSettingsResponse(_message.Message):
    __slots__ = ("settings", "hostname", "language")
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    HOSTNAME_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    settings: Settings
    hostname: str
    language: str
    def __init__(self, settings: _Optional[_Union[Settings, _Mapping]] = ..., hostname: _Optional[str] = ..., language: _Optional[str] = ...) -> None: ...

class SetServerNameRequest(_message.Message):
    __slots__ = ("name", "hostname")
    NAME_FIELD_NUMBER: _ClassVar[int]
    HOSTNAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    hostname: str
    def __init__(self, name: _Optional[str] = ..., hostname: _Optional[str] = ...) -> None: ...

class SetServerNameResponse(_message.Message):
    __slots__ = ("settings",)
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    settings: Settings
    def __init__(self, settings: _Optional[_Union[Settings, _Mapping]] = ...) -> None: ...

class SetLanguageRequest(_message.Message):
    __slots__ = ("language",)
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    language: str
    def __init__(self, language: _Optional[str] = ...) -> None: ...

class SetLanguageResponse(_message.Message):
    __slots__ = ("settings",)
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    settings: Settings
    def __init__(self, settings: _Optional[_Union[Settings, _Mapping]] = ...) -> None: ...

class GetSmtpRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetSmtpResponse(_message.Message):
    __slots__ = ("smtp",)
    SMTP_FIELD_NUMBER: _ClassVar[int]
    smtp: Smtp
    def __init__(self, smtp: _Optional[_Union[Smtp, _Mapping]] = ...) -> None: ...

class SetSmtpRequest(_message.Message):
    __slots__ = ("host", "port", "sender", "username", "password", "security")
    HOST_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    SECURITY_FIELD_NUMBER: _ClassVar[int]
    host: str
    port: int
    sender: str
    username: str
    password: str
    security: SmtpSpec.Security
    def __init__(self, host: _Optional[str] = ..., port: _Optional[int] = ..., sender: _Optional[str] = ..., username: _Optional[str] = ..., password: _Optional[str] = ..., security: _Optional[_Union[SmtpSpec.Security, str]] = ...) -> None: ...

class SetSmtpResponse(_message.Message):
    __slots__ = ("smtp",)
    SMTP_FIELD_NUMBER: _ClassVar[int]
    smtp: Smtp
    def __init__(self, smtp: _Optional[_Union[Smtp, _Mapping]] = ...) -> None: ...

class ClearSmtpRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ClearSmtpResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class TestSmtpRequest(_message.Message):
    __slots__ = ("to", "host", "port", "sender", "username", "password", "security")
    TO_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    SECURITY_FIELD_NUMBER: _ClassVar[int]
    to: str
    host: str
    port: int
    sender: str
    username: str
    password: str
    security: SmtpSpec.Security
    def __init__(self, to: _Optional[str] = ..., host: _Optional[str] = ..., port: _Optional[int] = ..., sender: _Optional[str] = ..., username: _Optional[str] = ..., password: _Optional[str] = ..., security: _Optional[_Union[SmtpSpec.Security, str]] = ...) -> None: ...

class TestSmtpResponse(_message.Message):
    __slots__ = ("answer",)
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    answer: str
    def __init__(self, answer: _Optional[str] = ...) -> None: ...
