from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListRoutesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListRoutesResponse(_message.Message):
    __slots__ = ("routes",)
    ROUTES_FIELD_NUMBER: _ClassVar[int]
    routes: _containers.RepeatedCompositeFieldContainer[Route]
    def __init__(self, routes: _Optional[_Iterable[_Union[Route, _Mapping]]] = ...) -> None: ...

class Route(_message.Message):
    __slots__ = ("address", "names", "local_addresses", "upstream", "certificate", "alpn", "http", "upstream_tls", "gated", "sources")
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    LOCAL_ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    UPSTREAM_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    ALPN_FIELD_NUMBER: _ClassVar[int]
    HTTP_FIELD_NUMBER: _ClassVar[int]
    UPSTREAM_TLS_FIELD_NUMBER: _ClassVar[int]
    GATED_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    address: str
    names: _containers.RepeatedScalarFieldContainer[str]
    local_addresses: _containers.RepeatedScalarFieldContainer[str]
    upstream: str
    certificate: str
    alpn: _containers.RepeatedScalarFieldContainer[str]
    http: bool
    upstream_tls: bool
    gated: bool
    sources: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, address: _Optional[str] = ..., names: _Optional[_Iterable[str]] = ..., local_addresses: _Optional[_Iterable[str]] = ..., upstream: _Optional[str] = ..., certificate: _Optional[str] = ..., alpn: _Optional[_Iterable[str]] = ..., http: bool = ..., upstream_tls: bool = ..., gated: bool = ..., sources: _Optional[_Iterable[str]] = ...) -> None: ...
