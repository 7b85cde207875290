from hearth.meta.v1 import meta_pb2 as _meta_pb2
from hearth.options.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Forward(_message.Message):
    __slots__ = ("address", "mode", "names", "upstream", "sources", "error", "number_of_ports")
    class Mode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        MODE_UNSPECIFIED: _ClassVar[Forward.Mode]
        MODE_PLAIN: _ClassVar[Forward.Mode]
        MODE_PASS: _ClassVar[Forward.Mode]
        MODE_TLS: _ClassVar[Forward.Mode]
        MODE_HTTP: _ClassVar[Forward.Mode]
        MODE_PACKETS: _ClassVar[Forward.Mode]
    MODE_UNSPECIFIED: Forward.Mode
    MODE_PLAIN: Forward.Mode
    MODE_PASS: Forward.Mode
    MODE_TLS: Forward.Mode
    MODE_HTTP: Forward.Mode
    MODE_PACKETS: Forward.Mode
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    UPSTREAM_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    NUMBER_OF_PORTS_FIELD_NUMBER: _ClassVar[int]
    address: str
    mode: Forward.Mode
    names: _containers.RepeatedScalarFieldContainer[str]
    upstream: str
    sources: _containers.RepeatedScalarFieldContainer[str]
    error: str
    number_of_ports: int
    def __init__(self, address: _Optional[str] = ..., mode: _Optional[_Union[Forward.Mode, str]] = ..., names: _Optional[_Iterable[str]] = ..., upstream: _Optional[str] = ..., sources: _Optional[_Iterable[str]] = ..., error: _Optional[str] = ..., number_of_ports: _Optional[int] = ...) -> None: ...

class Gateway(_message.Message):
    __slots__ = ("meta", "spec", "status")
    META_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    meta: _meta_pb2.Meta
    spec: GatewaySpec
    status: GatewayStatus
    def __init__(self, meta: _Optional[_Union[_meta_pb2.Meta, _Mapping]] = ..., spec: _Optional[_Union[GatewaySpec, _Mapping]] = ..., status: _Optional[_Union[GatewayStatus, _Mapping]] = ...) -> None: ...

class GatewaySpec(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GatewayStatus(_message.Message):
    __slots__ = ("connected", "type", "scope_id", "addresses", "routers", "outbound")
    class Type(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        TYPE_UNSPECIFIED: _ClassVar[GatewayStatus.Type]
        TYPE_LOOPBACK: _ClassVar[GatewayStatus.Type]
        TYPE_BRIDGE: _ClassVar[GatewayStatus.Type]
        TYPE_ETHERNET: _ClassVar[GatewayStatus.Type]
        TYPE_WIRELESS: _ClassVar[GatewayStatus.Type]
        TYPE_WIREGUARD: _ClassVar[GatewayStatus.Type]
    TYPE_UNSPECIFIED: GatewayStatus.Type
    TYPE_LOOPBACK: GatewayStatus.Type
    TYPE_BRIDGE: GatewayStatus.Type
    TYPE_ETHERNET: GatewayStatus.Type
    TYPE_WIRELESS: GatewayStatus.Type
    TYPE_WIREGUARD: GatewayStatus.Type
    CONNECTED_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    SCOPE_ID_FIELD_NUMBER: _ClassVar[int]
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    ROUTERS_FIELD_NUMBER: _ClassVar[int]
    OUTBOUND_FIELD_NUMBER: _ClassVar[int]
    connected: bool
    type: GatewayStatus.Type
    scope_id: int
    addresses: _containers.RepeatedScalarFieldContainer[str]
    routers: _containers.RepeatedScalarFieldContainer[str]
    outbound: bool
    def __init__(self, connected: bool = ..., type: _Optional[_Union[GatewayStatus.Type, str]] = ..., scope_id: _Optional[int] = ..., addresses: _Optional[_Iterable[str]] = ..., routers: _Optional[_Iterable[str]] = ..., outbound: bool = ...) -> None: ...

class ListGatewaysRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListGatewaysResponse(_message.Message):
    __slots__ = ("gateways",)
    GATEWAYS_FIELD_NUMBER: _ClassVar[int]
    gateways: _containers.RepeatedCompositeFieldContainer[Gateway]
    def __init__(self, gateways: _Optional[_Iterable[_Union[Gateway, _Mapping]]] = ...) -> None: ...

class RenameGatewayRequest(_message.Message):
    __slots__ = ("id", "name")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class RenameGatewayResponse(_message.Message):
    __slots__ = ("gateway",)
    GATEWAY_FIELD_NUMBER: _ClassVar[int]
    gateway: Gateway
    def __init__(self, gateway: _Optional[_Union[Gateway, _Mapping]] = ...) -> None: ...

class ForgetGatewayRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class ForgetGatewayResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListForwardsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListForwardsResponse(_message.Message):
    __slots__ = ("forwards",)
    FORWARDS_FIELD_NUMBER: _ClassVar[int]
    forwards: _containers.RepeatedCompositeFieldContainer[Forward]
    def __init__(self, forwards: _Optional[_Iterable[_Union[Forward, _Mapping]]] = ...) -> None: ...
