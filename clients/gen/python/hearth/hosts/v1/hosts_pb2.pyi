from hearth.meta.v1 import meta_pb2 as _meta_pb2
from hearth.options.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Host(_message.Message):
    __slots__ = ("meta", "spec", "status")
    META_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    meta: _meta_pb2.Meta
    spec: HostSpec
    status: HostStatus
    def __init__(self, meta: _Optional[_Union[_meta_pb2.Meta, _Mapping]] = ..., spec: _Optional[_Union[HostSpec, _Mapping]] = ..., status: _Optional[_Union[HostStatus, _Mapping]] = ...) -> None: ...

class HostSpec(_message.Message):
    __slots__ = ("bindings",)
    class BindingsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: Binding
        def __init__(self, key: _Optional[int] = ..., value: _Optional[_Union[Binding, _Mapping]] = ...) -> None: ...
    BINDINGS_FIELD_NUMBER: _ClassVar[int]
    bindings: _containers.MessageMap[int, Binding]
    def __init__(self, bindings: _Optional[_Mapping[int, Binding]] = ...) -> None: ...

class Binding(_message.Message):
    __slots__ = ("enabled", "preferred_external_port", "add_ssl", "secure", "interfaces")
    class InterfacesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Interface
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Interface, _Mapping]] = ...) -> None: ...
    ENABLED_FIELD_NUMBER: _ClassVar[int]
    PREFERRED_EXTERNAL_PORT_FIELD_NUMBER: _ClassVar[int]
    ADD_SSL_FIELD_NUMBER: _ClassVar[int]
    SECURE_FIELD_NUMBER: _ClassVar[int]
    INTERFACES_FIELD_NUMBER: _ClassVar[int]
    enabled: bool
    preferred_external_port: int
    add_ssl: AddSsl
    secure: Secure
    interfaces: _containers.MessageMap[str, Interface]
    def __init__(self, enabled: bool = ..., preferred_external_port: _Optional[int] = ..., add_ssl: _Optional[_Union[AddSsl, _Mapping]] = ..., secure: _Optional[_Union[Secure, _Mapping]] = ..., interfaces: _Optional[_Mapping[str, Interface]] = ...) -> None: ...

class AddSsl(_message.Message):
    __slots__ = ("preferred_external_port", "add_x_forwarded_headers", "alpn", "alpn_reflect")
    PREFERRED_EXTERNAL_PORT_FIELD_NUMBER: _ClassVar[int]
    ADD_X_FORWARDED_HEADERS_FIELD_NUMBER: _ClassVar[int]
    ALPN_FIELD_NUMBER: _ClassVar[int]
    ALPN_REFLECT_FIELD_NUMBER: _ClassVar[int]
    preferred_external_port: int
    add_x_forwarded_headers: bool
    alpn: _containers.RepeatedScalarFieldContainer[str]
    alpn_reflect: bool
    def __init__(self, preferred_external_port: _Optional[int] = ..., add_x_forwarded_headers: bool = ..., alpn: _Optional[_Iterable[str]] = ..., alpn_reflect: bool = ...) -> None: ...

class Secure(_message.Message):
    __slots__ = ("ssl",)
    SSL_FIELD_NUMBER: _ClassVar[int]
    ssl: bool
    def __init__(self, ssl: bool = ...) -> None: ...

class Interface(_message.Message):
    __slots__ = ("id", "name", "description", "masked", "type", "username", "scheme", "ssl_scheme", "suffix")
    class Type(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        TYPE_UNSPECIFIED: _ClassVar[Interface.Type]
        TYPE_UI: _ClassVar[Interface.Type]
        TYPE_API: _ClassVar[Interface.Type]
        TYPE_P2P: _ClassVar[Interface.Type]
    TYPE_UNSPECIFIED: Interface.Type
    TYPE_UI: Interface.Type
    TYPE_API: Interface.Type
    TYPE_P2P: Interface.Type
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    MASKED_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    SCHEME_FIELD_NUMBER: _ClassVar[int]
    SSL_SCHEME_FIELD_NUMBER: _ClassVar[int]
    SUFFIX_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    description: str
    masked: bool
    type: Interface.Type
    username: str
    scheme: str
    ssl_scheme: str
    suffix: str
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., masked: bool = ..., type: _Optional[_Union[Interface.Type, str]] = ..., username: _Optional[str] = ..., scheme: _Optional[str] = ..., ssl_scheme: _Optional[str] = ..., suffix: _Optional[str] = ...) -> None: ...

class HostStatus(_message.Message):
    __slots__ = ("ports", "addresses")
    class PortsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: Ports
        def __init__(self, key: _Optional[int] = ..., value: _Optional[_Union[Ports, _Mapping]] = ...) -> None: ...
    PORTS_FIELD_NUMBER: _ClassVar[int]
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    ports: _containers.MessageMap[int, Ports]
    addresses: _containers.RepeatedCompositeFieldContainer[Address]
    def __init__(self, ports: _Optional[_Mapping[int, Ports]] = ..., addresses: _Optional[_Iterable[_Union[Address, _Mapping]]] = ...) -> None: ...

class Ports(_message.Message):
    __slots__ = ("assigned_port", "assigned_ssl_port")
    ASSIGNED_PORT_FIELD_NUMBER: _ClassVar[int]
    ASSIGNED_SSL_PORT_FIELD_NUMBER: _ClassVar[int]
    assigned_port: int
    assigned_ssl_port: int
    def __init__(self, assigned_port: _Optional[int] = ..., assigned_ssl_port: _Optional[int] = ...) -> None: ...

class Address(_message.Message):
    __slots__ = ("interface_id", "url", "hostname", "port", "ssl", "kind", "gateway", "unserved")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[Address.Kind]
        KIND_IPV4: _ClassVar[Address.Kind]
        KIND_IPV6: _ClassVar[Address.Kind]
        KIND_MDNS: _ClassVar[Address.Kind]
        KIND_LOCALHOST: _ClassVar[Address.Kind]
        KIND_BRIDGE: _ClassVar[Address.Kind]
    KIND_UNSPECIFIED: Address.Kind
    KIND_IPV4: Address.Kind
    KIND_IPV6: Address.Kind
    KIND_MDNS: Address.Kind
    KIND_LOCALHOST: Address.Kind
    KIND_BRIDGE: Address.Kind
    INTERFACE_ID_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    HOSTNAME_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    SSL_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    GATEWAY_FIELD_NUMBER: _ClassVar[int]
    UNSERVED_FIELD_NUMBER: _ClassVar[int]
    interface_id: str
    url: str
    hostname: str
    port: int
    ssl: bool
    kind: Address.Kind
    gateway: str
    unserved: str
    def __init__(self, interface_id: _Optional[str] = ..., url: _Optional[str] = ..., hostname: _Optional[str] = ..., port: _Optional[int] = ..., ssl: bool = ..., kind: _Optional[_Union[Address.Kind, str]] = ..., gateway: _Optional[str] = ..., unserved: _Optional[str] = ...) -> None: ...

class ListHostsRequest(_message.Message):
    __slots__ = ("package_id",)
    PACKAGE_ID_FIELD_NUMBER: _ClassVar[int]
    package_id: str
    def __init__(self, package_id: _Optional[str] = ...) -> None: ...

class ListHostsResponse(_message.Message):
    __slots__ = ("hosts",)
    HOSTS_FIELD_NUMBER: _ClassVar[int]
    hosts: _containers.RepeatedCompositeFieldContainer[Host]
    def __init__(self, hosts: _Optional[_Iterable[_Union[Host, _Mapping]]] = ...) -> None: ...
