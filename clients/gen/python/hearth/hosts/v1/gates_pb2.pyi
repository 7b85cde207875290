from hearth.meta.v1 import meta_pb2 as _meta_pb2
from hearth.options.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Gate(_message.Message):
    __slots__ = ("scheme", "realm")
    class Scheme(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        SCHEME_UNSPECIFIED: _ClassVar[Gate.Scheme]
        SCHEME_BASIC: _ClassVar[Gate.Scheme]
        SCHEME_BEARER: _ClassVar[Gate.Scheme]
    SCHEME_UNSPECIFIED: Gate.Scheme
    SCHEME_BASIC: Gate.Scheme
    SCHEME_BEARER: Gate.Scheme
    SCHEME_FIELD_NUMBER: _ClassVar[int]
    REALM_FIELD_NUMBER: _ClassVar[int]
    scheme: Gate.Scheme
    realm: str
    def __init__(self, scheme: _Optional[_Union[Gate.Scheme, str]] = ..., realm: _Optional[str] = ...) -> None: ...

class HostGates(_message.Message):
    __slots__ = ("meta", "spec")
    META_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    meta: _meta_pb2.Meta
    spec: HostGatesSpec
    def __init__(self, meta: _Optional[_Union[_meta_pb2.Meta, _Mapping]] = ..., spec: _Optional[_Union[HostGatesSpec, _Mapping]] = ...) -> None: ...

class HostGatesSpec(_message.Message):
    __slots__ = ("sealed",)
    class SealedEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: bytes
        def __init__(self, key: _Optional[int] = ..., value: _Optional[bytes] = ...) -> None: ...
    SEALED_FIELD_NUMBER: _ClassVar[int]
    sealed: _containers.ScalarMap[int, bytes]
    def __init__(self, sealed: _Optional[_Mapping[int, bytes]] = ...) -> None: ...

class GateCredentials(_message.Message):
    __slots__ = ("credentials",)
    CREDENTIALS_FIELD_NUMBER: _ClassVar[int]
    credentials: _containers.RepeatedCompositeFieldContainer[GateCredential]
    def __init__(self, credentials: _Optional[_Iterable[_Union[GateCredential, _Mapping]]] = ...) -> None: ...

class GateCredential(_message.Message):
    __slots__ = ("digest", "user")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    digest: bytes
    user: str
    def __init__(self, digest: _Optional[bytes] = ..., user: _Optional[str] = ...) -> None: ...
