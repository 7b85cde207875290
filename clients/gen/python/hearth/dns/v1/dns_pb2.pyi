from hearth.meta.v1 import meta_pb2 as _meta_pb2
from hearth.options.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DnsSettings(_message.Message):
    __slots__ = ("meta", "spec")
    META_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    meta: _meta_pb2.Meta
    spec: DnsSettingsSpec
    def __init__(self, meta: _Optional[_Union[_meta_pb2.Meta, _Mapping]] = ..., spec: _Optional[_Union[DnsSettingsSpec, _Mapping]] = ...) -> None: ...

class DnsSettingsSpec(_message.Message):
    __slots__ = ("servers",)
    SERVERS_FIELD_NUMBER: _ClassVar[int]
    servers: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, servers: _Optional[_Iterable[str]] = ...) -> None: ...

class DnsRecord(_message.Message):
    __slots__ = ("name", "addresses", "sources", "subdomains")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    SUBDOMAINS_FIELD_NUMBER: _ClassVar[int]
    name: str
    addresses: _containers.RepeatedScalarFieldContainer[str]
    sources: _containers.RepeatedScalarFieldContainer[str]
    subdomains: bool
    def __init__(self, name: _Optional[str] = ..., addresses: _Optional[_Iterable[str]] = ..., sources: _Optional[_Iterable[str]] = ..., subdomains: bool = ...) -> None: ...

class GetServersRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetServersResponse(_message.Message):
    __slots__ = ("settings", "in_use", "circular", "routers")
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    IN_USE_FIELD_NUMBER: _ClassVar[int]
    CIRCULAR_FIELD_NUMBER: _ClassVar[int]
    ROUTERS_FIELD_NUMBER: _ClassVar[int]
    settings: DnsSettings
    in_use: _containers.RepeatedScalarFieldContainer[str]
    circular: _containers.RepeatedScalarFieldContainer[str]
    routers: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, settings: _Optional[_Union[DnsSettings, _Mapping]] = ..., in_use: _Optional[_Iterable[str]] = ..., circular: _Optional[_Iterable[str]] = ..., routers: _Optional[_Iterable[str]] = ...) -> None: ...

class SetServersRequest(_message.Message):
    __slots__ = ("servers",)
    SERVERS_FIELD_NUMBER: _ClassVar[int]
    servers: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, servers: _Optional[_Iterable[str]] = ...) -> None: ...

class SetServersResponse(_message.Message):
    __slots__ = ("settings",)
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    settings: DnsSettings
    def __init__(self, settings: _Optional[_Union[DnsSettings, _Mapping]] = ...) -> None: ...

class ListRecordsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListRecordsResponse(_message.Message):
    __slots__ = ("records", "zones")
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    ZONES_FIELD_NUMBER: _ClassVar[int]
    records: _containers.RepeatedCompositeFieldContainer[DnsRecord]
    zones: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, records: _Optional[_Iterable[_Union[DnsRecord, _Mapping]]] = ..., zones: _Optional[_Iterable[str]] = ...) -> None: ...
