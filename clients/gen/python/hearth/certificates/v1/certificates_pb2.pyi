import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from hearth.options.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Certificate(_message.Message):
    __slots__ = ("id", "holder", "names", "algorithm", "begin_time", "expire_time", "fingerprint")
    class Holder(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        HOLDER_UNSPECIFIED: _ClassVar[Certificate.Holder]
        HOLDER_SERVER: _ClassVar[Certificate.Holder]
        HOLDER_PACKAGE: _ClassVar[Certificate.Holder]
        HOLDER_DEVICE: _ClassVar[Certificate.Holder]
    HOLDER_UNSPECIFIED: Certificate.Holder
    HOLDER_SERVER: Certificate.Holder
    HOLDER_PACKAGE: Certificate.Holder
    HOLDER_DEVICE: Certificate.Holder
    class Algorithm(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ALGORITHM_UNSPECIFIED: _ClassVar[Certificate.Algorithm]
        ALGORITHM_ECDSA: _ClassVar[Certificate.Algorithm]
        ALGORITHM_ED25519: _ClassVar[Certificate.Algorithm]
    ALGORITHM_UNSPECIFIED: Certificate.Algorithm
    ALGORITHM_ECDSA: Certificate.Algorithm
    ALGORITHM_ED25519: Certificate.Algorithm
    ID_FIELD_NUMBER: _ClassVar[int]
    HOLDER_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    ALGORITHM_FIELD_NUMBER: _ClassVar[int]
    BEGIN_TIME_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    id: str
    holder: Certificate.Holder
    names: _containers.RepeatedScalarFieldContainer[str]
    algorithm: Certificate.Algorithm
    begin_time: _timestamp_pb2.Timestamp
    expire_time: _timestamp_pb2.Timestamp
    fingerprint: str
    def __init__(self, id: _Optional[str] = ..., holder: _Optional[_Union[Certificate.Holder, str]] = ..., names: _Optional[_Iterable[str]] = ..., algorithm: _Optional[_Union[Certificate.Algorithm, str]] = ..., begin_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., fingerprint: _Optional[str] = ...) -> None: ...

class GetRootRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetRootResponse(_message.Message):
    __slots__ = ("pem", "fingerprint", "name", "expire_time", "apple_profile", "trust_urls")
    PEM_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    APPLE_PROFILE_FIELD_NUMBER: _ClassVar[int]
    TRUST_URLS_FIELD_NUMBER: _ClassVar[int]
    pem: str
    fingerprint: str
    name: str
    expire_time: _timestamp_pb2.Timestamp
    apple_profile: str
    trust_urls: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, pem: _Optional[str] = ..., fingerprint: _Optional[str] = ..., name: _Optional[str] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., apple_profile: _Optional[str] = ..., trust_urls: _Optional[_Iterable[str]] = ...) -> None: ...

class ListCertificatesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListCertificatesResponse(_message.Message):
    __slots__ = ("certificates",)
    CERTIFICATES_FIELD_NUMBER: _ClassVar[int]
    certificates: _containers.RepeatedCompositeFieldContainer[Certificate]
    def __init__(self, certificates: _Optional[_Iterable[_Union[Certificate, _Mapping]]] = ...) -> None: ...

class CreateCertificateRequest(_message.Message):
    __slots__ = ("names", "algorithm")
    NAMES_FIELD_NUMBER: _ClassVar[int]
    ALGORITHM_FIELD_NUMBER: _ClassVar[int]
    names: _containers.RepeatedScalarFieldContainer[str]
    algorithm: Certificate.Algorithm
    def __init__(self, names: _Optional[_Iterable[str]] = ..., algorithm: _Optional[_Union[Certificate.Algorithm, str]] = ...) -> None: ...

class CreateCertificateResponse(_message.Message):
    __slots__ = ("certificate", "chain", "key")
    CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    CHAIN_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    certificate: Certificate
    chain: str
    key: str
    def __init__(self, certificate: _Optional[_Union[Certificate, _Mapping]] = ..., chain: _Optional[str] = ..., key: _Optional[str] = ...) -> None: ...

class DeleteCertificateRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class DeleteCertificateResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
