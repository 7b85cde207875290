import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from hearth.hosts.v1 import gates_pb2 as _gates_pb2
from hearth.hosts.v1 import routes_pb2 as _routes_pb2
from hearth.meta.v1 import meta_pb2 as _meta_pb2
from hearth.options.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Access(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACCESS_UNSPECIFIED: _ClassVar[Access]
    ACCESS_OFF: _ClassVar[Access]
    ACCESS_LAN: _ClassVar[Access]
    ACCESS_INTERNET: _ClassVar[Access]
ACCESS_UNSPECIFIED: Access
ACCESS_OFF: Access
ACCESS_LAN: Access
ACCESS_INTERNET: Access

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
    __slots__ = ("bindings", "ranges", "public_domains", "private_domains", "kept")
    class BindingsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: Binding
        def __init__(self, key: _Optional[int] = ..., value: _Optional[_Union[Binding, _Mapping]] = ...) -> None: ...
    class RangesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: BindingRange
        def __init__(self, key: _Optional[int] = ..., value: _Optional[_Union[BindingRange, _Mapping]] = ...) -> None: ...
    class PublicDomainsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: PublicDomain
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[PublicDomain, _Mapping]] = ...) -> None: ...
    class PrivateDomainsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: PrivateDomain
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[PrivateDomain, _Mapping]] = ...) -> None: ...
    BINDINGS_FIELD_NUMBER: _ClassVar[int]
    RANGES_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_DOMAINS_FIELD_NUMBER: _ClassVar[int]
    PRIVATE_DOMAINS_FIELD_NUMBER: _ClassVar[int]
    KEPT_FIELD_NUMBER: _ClassVar[int]
    bindings: _containers.MessageMap[int, Binding]
    ranges: _containers.MessageMap[int, BindingRange]
    public_domains: _containers.MessageMap[str, PublicDomain]
    private_domains: _containers.MessageMap[str, PrivateDomain]
    kept: bool
    def __init__(self, bindings: _Optional[_Mapping[int, Binding]] = ..., ranges: _Optional[_Mapping[int, BindingRange]] = ..., public_domains: _Optional[_Mapping[str, PublicDomain]] = ..., private_domains: _Optional[_Mapping[str, PrivateDomain]] = ..., kept: bool = ...) -> None: ...

class PublicDomain(_message.Message):
    __slots__ = ("gateway",)
    GATEWAY_FIELD_NUMBER: _ClassVar[int]
    gateway: str
    def __init__(self, gateway: _Optional[str] = ...) -> None: ...

class PrivateDomain(_message.Message):
    __slots__ = ("gateways",)
    GATEWAYS_FIELD_NUMBER: _ClassVar[int]
    gateways: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, gateways: _Optional[_Iterable[str]] = ...) -> None: ...

class Binding(_message.Message):
    __slots__ = ("enabled", "preferred_external_port", "add_ssl", "secure", "interfaces", "choices", "supplied")
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
    CHOICES_FIELD_NUMBER: _ClassVar[int]
    SUPPLIED_FIELD_NUMBER: _ClassVar[int]
    enabled: bool
    preferred_external_port: int
    add_ssl: AddSsl
    secure: Secure
    interfaces: _containers.MessageMap[str, Interface]
    choices: Choices
    supplied: _containers.RepeatedCompositeFieldContainer[SuppliedAddress]
    def __init__(self, enabled: bool = ..., preferred_external_port: _Optional[int] = ..., add_ssl: _Optional[_Union[AddSsl, _Mapping]] = ..., secure: _Optional[_Union[Secure, _Mapping]] = ..., interfaces: _Optional[_Mapping[str, Interface]] = ..., choices: _Optional[_Union[Choices, _Mapping]] = ..., supplied: _Optional[_Iterable[_Union[SuppliedAddress, _Mapping]]] = ...) -> None: ...

class Choices(_message.Message):
    __slots__ = ("enabled", "disabled", "global_access")
    class GlobalAccessEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Access
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Access, str]] = ...) -> None: ...
    ENABLED_FIELD_NUMBER: _ClassVar[int]
    DISABLED_FIELD_NUMBER: _ClassVar[int]
    GLOBAL_ACCESS_FIELD_NUMBER: _ClassVar[int]
    enabled: _containers.RepeatedScalarFieldContainer[str]
    disabled: _containers.RepeatedCompositeFieldContainer[Endpoint]
    global_access: _containers.ScalarMap[str, Access]
    def __init__(self, enabled: _Optional[_Iterable[str]] = ..., disabled: _Optional[_Iterable[_Union[Endpoint, _Mapping]]] = ..., global_access: _Optional[_Mapping[str, Access]] = ...) -> None: ...

class Endpoint(_message.Message):
    __slots__ = ("hostname", "port")
    HOSTNAME_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    hostname: str
    port: int
    def __init__(self, hostname: _Optional[str] = ..., port: _Optional[int] = ...) -> None: ...

class BindingRange(_message.Message):
    __slots__ = ("enabled", "external_start_port", "number_of_ports", "range_interface", "choices")
    ENABLED_FIELD_NUMBER: _ClassVar[int]
    EXTERNAL_START_PORT_FIELD_NUMBER: _ClassVar[int]
    NUMBER_OF_PORTS_FIELD_NUMBER: _ClassVar[int]
    RANGE_INTERFACE_FIELD_NUMBER: _ClassVar[int]
    CHOICES_FIELD_NUMBER: _ClassVar[int]
    enabled: bool
    external_start_port: int
    number_of_ports: int
    range_interface: RangeInterface
    choices: Choices
    def __init__(self, enabled: bool = ..., external_start_port: _Optional[int] = ..., number_of_ports: _Optional[int] = ..., range_interface: _Optional[_Union[RangeInterface, _Mapping]] = ..., choices: _Optional[_Union[Choices, _Mapping]] = ...) -> None: ...

class RangeInterface(_message.Message):
    __slots__ = ("id", "name", "description", "scheme")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    SCHEME_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    description: str
    scheme: str
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., scheme: _Optional[str] = ...) -> None: ...

class SuppliedAddress(_message.Message):
    __slots__ = ("package_id", "ssl", "internet", "hostname", "port", "remove_action", "overflow_actions", "info")
    PACKAGE_ID_FIELD_NUMBER: _ClassVar[int]
    SSL_FIELD_NUMBER: _ClassVar[int]
    INTERNET_FIELD_NUMBER: _ClassVar[int]
    HOSTNAME_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    REMOVE_ACTION_FIELD_NUMBER: _ClassVar[int]
    OVERFLOW_ACTIONS_FIELD_NUMBER: _ClassVar[int]
    INFO_FIELD_NUMBER: _ClassVar[int]
    package_id: str
    ssl: bool
    internet: bool
    hostname: str
    port: int
    remove_action: str
    overflow_actions: _containers.RepeatedScalarFieldContainer[str]
    info: bytes
    def __init__(self, package_id: _Optional[str] = ..., ssl: bool = ..., internet: bool = ..., hostname: _Optional[str] = ..., port: _Optional[int] = ..., remove_action: _Optional[str] = ..., overflow_actions: _Optional[_Iterable[str]] = ..., info: _Optional[bytes] = ...) -> None: ...

class AddSsl(_message.Message):
    __slots__ = ("preferred_external_port", "add_x_forwarded_headers", "alpn", "alpn_reflect", "gate", "upstream_certificates", "upstream_unchecked")
    PREFERRED_EXTERNAL_PORT_FIELD_NUMBER: _ClassVar[int]
    ADD_X_FORWARDED_HEADERS_FIELD_NUMBER: _ClassVar[int]
    ALPN_FIELD_NUMBER: _ClassVar[int]
    ALPN_REFLECT_FIELD_NUMBER: _ClassVar[int]
    GATE_FIELD_NUMBER: _ClassVar[int]
    UPSTREAM_CERTIFICATES_FIELD_NUMBER: _ClassVar[int]
    UPSTREAM_UNCHECKED_FIELD_NUMBER: _ClassVar[int]
    preferred_external_port: int
    add_x_forwarded_headers: bool
    alpn: _containers.RepeatedScalarFieldContainer[str]
    alpn_reflect: bool
    gate: _gates_pb2.Gate
    upstream_certificates: bytes
    upstream_unchecked: bool
    def __init__(self, preferred_external_port: _Optional[int] = ..., add_x_forwarded_headers: bool = ..., alpn: _Optional[_Iterable[str]] = ..., alpn_reflect: bool = ..., gate: _Optional[_Union[_gates_pb2.Gate, _Mapping]] = ..., upstream_certificates: _Optional[bytes] = ..., upstream_unchecked: bool = ...) -> None: ...

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
    __slots__ = ("ports", "addresses", "addresses_off")
    class PortsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: Ports
        def __init__(self, key: _Optional[int] = ..., value: _Optional[_Union[Ports, _Mapping]] = ...) -> None: ...
    PORTS_FIELD_NUMBER: _ClassVar[int]
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    ADDRESSES_OFF_FIELD_NUMBER: _ClassVar[int]
    ports: _containers.MessageMap[int, Ports]
    addresses: _containers.RepeatedCompositeFieldContainer[Address]
    addresses_off: _containers.RepeatedCompositeFieldContainer[Address]
    def __init__(self, ports: _Optional[_Mapping[int, Ports]] = ..., addresses: _Optional[_Iterable[_Union[Address, _Mapping]]] = ..., addresses_off: _Optional[_Iterable[_Union[Address, _Mapping]]] = ...) -> None: ...

class Ports(_message.Message):
    __slots__ = ("assigned_port", "assigned_ssl_port")
    ASSIGNED_PORT_FIELD_NUMBER: _ClassVar[int]
    ASSIGNED_SSL_PORT_FIELD_NUMBER: _ClassVar[int]
    assigned_port: int
    assigned_ssl_port: int
    def __init__(self, assigned_port: _Optional[int] = ..., assigned_ssl_port: _Optional[int] = ...) -> None: ...

class Address(_message.Message):
    __slots__ = ("interface_id", "url", "hostname", "port", "ssl", "kind", "gateway", "unserved", "internal_port", "access", "number_of_ports", "supplied_by", "remove_action", "overflow_actions", "internet")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[Address.Kind]
        KIND_IPV4: _ClassVar[Address.Kind]
        KIND_IPV6: _ClassVar[Address.Kind]
        KIND_MDNS: _ClassVar[Address.Kind]
        KIND_LOCALHOST: _ClassVar[Address.Kind]
        KIND_BRIDGE: _ClassVar[Address.Kind]
        KIND_PRIVATE_DOMAIN: _ClassVar[Address.Kind]
        KIND_PUBLIC_DOMAIN: _ClassVar[Address.Kind]
        KIND_SUPPLIED: _ClassVar[Address.Kind]
    KIND_UNSPECIFIED: Address.Kind
    KIND_IPV4: Address.Kind
    KIND_IPV6: Address.Kind
    KIND_MDNS: Address.Kind
    KIND_LOCALHOST: Address.Kind
    KIND_BRIDGE: Address.Kind
    KIND_PRIVATE_DOMAIN: Address.Kind
    KIND_PUBLIC_DOMAIN: Address.Kind
    KIND_SUPPLIED: Address.Kind
    INTERFACE_ID_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    HOSTNAME_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    SSL_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    GATEWAY_FIELD_NUMBER: _ClassVar[int]
    UNSERVED_FIELD_NUMBER: _ClassVar[int]
    INTERNAL_PORT_FIELD_NUMBER: _ClassVar[int]
    ACCESS_FIELD_NUMBER: _ClassVar[int]
    NUMBER_OF_PORTS_FIELD_NUMBER: _ClassVar[int]
    SUPPLIED_BY_FIELD_NUMBER: _ClassVar[int]
    REMOVE_ACTION_FIELD_NUMBER: _ClassVar[int]
    OVERFLOW_ACTIONS_FIELD_NUMBER: _ClassVar[int]
    INTERNET_FIELD_NUMBER: _ClassVar[int]
    interface_id: str
    url: str
    hostname: str
    port: int
    ssl: bool
    kind: Address.Kind
    gateway: str
    unserved: str
    internal_port: int
    access: Access
    number_of_ports: int
    supplied_by: str
    remove_action: str
    overflow_actions: _containers.RepeatedScalarFieldContainer[str]
    internet: bool
    def __init__(self, interface_id: _Optional[str] = ..., url: _Optional[str] = ..., hostname: _Optional[str] = ..., port: _Optional[int] = ..., ssl: bool = ..., kind: _Optional[_Union[Address.Kind, str]] = ..., gateway: _Optional[str] = ..., unserved: _Optional[str] = ..., internal_port: _Optional[int] = ..., access: _Optional[_Union[Access, str]] = ..., number_of_ports: _Optional[int] = ..., supplied_by: _Optional[str] = ..., remove_action: _Optional[str] = ..., overflow_actions: _Optional[_Iterable[str]] = ..., internet: bool = ...) -> None: ...

class UrlPlugin(_message.Message):
    __slots__ = ("meta", "spec")
    META_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    meta: _meta_pb2.Meta
    spec: UrlPluginSpec
    def __init__(self, meta: _Optional[_Union[_meta_pb2.Meta, _Mapping]] = ..., spec: _Optional[_Union[UrlPluginSpec, _Mapping]] = ...) -> None: ...

class UrlPluginSpec(_message.Message):
    __slots__ = ("table_action",)
    TABLE_ACTION_FIELD_NUMBER: _ClassVar[int]
    table_action: str
    def __init__(self, table_action: _Optional[str] = ...) -> None: ...

class Reachability(_message.Message):
    __slots__ = ("meta", "status")
    META_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    meta: _meta_pb2.Meta
    status: ReachabilityStatus
    def __init__(self, meta: _Optional[_Union[_meta_pb2.Meta, _Mapping]] = ..., status: _Optional[_Union[ReachabilityStatus, _Mapping]] = ...) -> None: ...

class ReachabilityStatus(_message.Message):
    __slots__ = ("verdicts", "check_time")
    VERDICTS_FIELD_NUMBER: _ClassVar[int]
    CHECK_TIME_FIELD_NUMBER: _ClassVar[int]
    verdicts: _containers.RepeatedCompositeFieldContainer[Verdict]
    check_time: _timestamp_pb2.Timestamp
    def __init__(self, verdicts: _Optional[_Iterable[_Union[Verdict, _Mapping]]] = ..., check_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Verdict(_message.Message):
    __slots__ = ("hostname", "port", "works", "missing", "message", "remedy")
    class Step(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STEP_UNSPECIFIED: _ClassVar[Verdict.Step]
        STEP_SERVICE: _ClassVar[Verdict.Step]
        STEP_GATEWAY: _ClassVar[Verdict.Step]
        STEP_DNS: _ClassVar[Verdict.Step]
        STEP_PORT: _ClassVar[Verdict.Step]
        STEP_CERTIFICATE: _ClassVar[Verdict.Step]
    STEP_UNSPECIFIED: Verdict.Step
    STEP_SERVICE: Verdict.Step
    STEP_GATEWAY: Verdict.Step
    STEP_DNS: Verdict.Step
    STEP_PORT: Verdict.Step
    STEP_CERTIFICATE: Verdict.Step
    HOSTNAME_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    WORKS_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REMEDY_FIELD_NUMBER: _ClassVar[int]
    hostname: str
    port: int
    works: bool
    missing: Verdict.Step
    message: str
    remedy: str
    def __init__(self, hostname: _Optional[str] = ..., port: _Optional[int] = ..., works: bool = ..., missing: _Optional[_Union[Verdict.Step, str]] = ..., message: _Optional[str] = ..., remedy: _Optional[str] = ...) -> None: ...

class Passthrough(_message.Message):
    __slots__ = ("meta", "spec")
    META_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    meta: _meta_pb2.Meta
    spec: PassthroughSpec
    def __init__(self, meta: _Optional[_Union[_meta_pb2.Meta, _Mapping]] = ..., spec: _Optional[_Union[PassthroughSpec, _Mapping]] = ...) -> None: ...

class PassthroughSpec(_message.Message):
    __slots__ = ("hostname", "port", "backend", "gateways", "access")
    HOSTNAME_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    GATEWAYS_FIELD_NUMBER: _ClassVar[int]
    ACCESS_FIELD_NUMBER: _ClassVar[int]
    hostname: str
    port: int
    backend: str
    gateways: _containers.RepeatedScalarFieldContainer[str]
    access: Access
    def __init__(self, hostname: _Optional[str] = ..., port: _Optional[int] = ..., backend: _Optional[str] = ..., gateways: _Optional[_Iterable[str]] = ..., access: _Optional[_Union[Access, str]] = ...) -> None: ...

class ListPassthroughsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListPassthroughsResponse(_message.Message):
    __slots__ = ("passthroughs",)
    PASSTHROUGHS_FIELD_NUMBER: _ClassVar[int]
    passthroughs: _containers.RepeatedCompositeFieldContainer[Passthrough]
    def __init__(self, passthroughs: _Optional[_Iterable[_Union[Passthrough, _Mapping]]] = ...) -> None: ...

class AddPassthroughRequest(_message.Message):
    __slots__ = ("hostname", "backend", "port", "gateways", "access")
    HOSTNAME_FIELD_NUMBER: _ClassVar[int]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    GATEWAYS_FIELD_NUMBER: _ClassVar[int]
    ACCESS_FIELD_NUMBER: _ClassVar[int]
    hostname: str
    backend: str
    port: int
    gateways: _containers.RepeatedScalarFieldContainer[str]
    access: Access
    def __init__(self, hostname: _Optional[str] = ..., backend: _Optional[str] = ..., port: _Optional[int] = ..., gateways: _Optional[_Iterable[str]] = ..., access: _Optional[_Union[Access, str]] = ...) -> None: ...

class AddPassthroughResponse(_message.Message):
    __slots__ = ("passthrough",)
    PASSTHROUGH_FIELD_NUMBER: _ClassVar[int]
    passthrough: Passthrough
    def __init__(self, passthrough: _Optional[_Union[Passthrough, _Mapping]] = ...) -> None: ...

class DeletePassthroughRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class DeletePassthroughResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

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

class SetAddressAccessRequest(_message.Message):
    __slots__ = ("package_id", "host", "hostname", "port", "access")
    PACKAGE_ID_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    HOSTNAME_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    ACCESS_FIELD_NUMBER: _ClassVar[int]
    package_id: str
    host: str
    hostname: str
    port: int
    access: Access
    def __init__(self, package_id: _Optional[str] = ..., host: _Optional[str] = ..., hostname: _Optional[str] = ..., port: _Optional[int] = ..., access: _Optional[_Union[Access, str]] = ...) -> None: ...

class SetAddressAccessResponse(_message.Message):
    __slots__ = ("host",)
    HOST_FIELD_NUMBER: _ClassVar[int]
    host: Host
    def __init__(self, host: _Optional[_Union[Host, _Mapping]] = ...) -> None: ...

class AddPublicDomainRequest(_message.Message):
    __slots__ = ("package_id", "host", "domain", "gateway", "internal_port")
    PACKAGE_ID_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    GATEWAY_FIELD_NUMBER: _ClassVar[int]
    INTERNAL_PORT_FIELD_NUMBER: _ClassVar[int]
    package_id: str
    host: str
    domain: str
    gateway: str
    internal_port: int
    def __init__(self, package_id: _Optional[str] = ..., host: _Optional[str] = ..., domain: _Optional[str] = ..., gateway: _Optional[str] = ..., internal_port: _Optional[int] = ...) -> None: ...

class AddPublicDomainResponse(_message.Message):
    __slots__ = ("host",)
    HOST_FIELD_NUMBER: _ClassVar[int]
    host: Host
    def __init__(self, host: _Optional[_Union[Host, _Mapping]] = ...) -> None: ...

class RemovePublicDomainRequest(_message.Message):
    __slots__ = ("package_id", "host", "domain")
    PACKAGE_ID_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    package_id: str
    host: str
    domain: str
    def __init__(self, package_id: _Optional[str] = ..., host: _Optional[str] = ..., domain: _Optional[str] = ...) -> None: ...

class RemovePublicDomainResponse(_message.Message):
    __slots__ = ("host",)
    HOST_FIELD_NUMBER: _ClassVar[int]
    host: Host
    def __init__(self, host: _Optional[_Union[Host, _Mapping]] = ...) -> None: ...

class AddPrivateDomainRequest(_message.Message):
    __slots__ = ("package_id", "host", "domain", "gateways", "internal_port")
    PACKAGE_ID_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    GATEWAYS_FIELD_NUMBER: _ClassVar[int]
    INTERNAL_PORT_FIELD_NUMBER: _ClassVar[int]
    package_id: str
    host: str
    domain: str
    gateways: _containers.RepeatedScalarFieldContainer[str]
    internal_port: int
    def __init__(self, package_id: _Optional[str] = ..., host: _Optional[str] = ..., domain: _Optional[str] = ..., gateways: _Optional[_Iterable[str]] = ..., internal_port: _Optional[int] = ...) -> None: ...

class AddPrivateDomainResponse(_message.Message):
    __slots__ = ("host",)
    HOST_FIELD_NUMBER: _ClassVar[int]
    host: Host
    def __init__(self, host: _Optional[_Union[Host, _Mapping]] = ...) -> None: ...

class RemovePrivateDomainRequest(_message.Message):
    __slots__ = ("package_id", "host", "domain")
    PACKAGE_ID_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    package_id: str
    host: str
    domain: str
    def __init__(self, package_id: _Optional[str] = ..., host: _Optional[str] = ..., domain: _Optional[str] = ...) -> None: ...

class RemovePrivateDomainResponse(_message.Message):
    __slots__ = ("host",)
    HOST_FIELD_NUMBER: _ClassVar[int]
    host: Host
    def __init__(self, host: _Optional[_Union[Host, _Mapping]] = ...) -> None: ...

class HostAddress(_message.Message):
    __slots__ = ("package_id", "host", "address", "verdict")
    PACKAGE_ID_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    package_id: str
    host: str
    address: Address
    verdict: Verdict
    def __init__(self, package_id: _Optional[str] = ..., host: _Optional[str] = ..., address: _Optional[_Union[Address, _Mapping]] = ..., verdict: _Optional[_Union[Verdict, _Mapping]] = ...) -> None: ...

class ListAddressesRequest(_message.Message):
    __slots__ = ("package_id",)
    PACKAGE_ID_FIELD_NUMBER: _ClassVar[int]
    package_id: str
    def __init__(self, package_id: _Optional[str] = ...) -> None: ...

class ListAddressesResponse(_message.Message):
    __slots__ = ("addresses",)
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    addresses: _containers.RepeatedCompositeFieldContainer[HostAddress]
    def __init__(self, addresses: _Optional[_Iterable[_Union[HostAddress, _Mapping]]] = ...) -> None: ...

class CheckAddressesRequest(_message.Message):
    __slots__ = ("package_id", "host")
    PACKAGE_ID_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    package_id: str
    host: str
    def __init__(self, package_id: _Optional[str] = ..., host: _Optional[str] = ...) -> None: ...

class CheckAddressesResponse(_message.Message):
    __slots__ = ("addresses",)
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    addresses: _containers.RepeatedCompositeFieldContainer[HostAddress]
    def __init__(self, addresses: _Optional[_Iterable[_Union[HostAddress, _Mapping]]] = ...) -> None: ...
