from hearth.meta.v1 import fault_pb2 as _fault_pb2
from hearth.meta.v1 import meta_pb2 as _meta_pb2
from hearth.options.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Registry(_message.Message):
    __slots__ = ("meta", "spec")
    META_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    meta: _meta_pb2.Meta
    spec: RegistrySpec
    def __init__(self, meta: _Optional[_Union[_meta_pb2.Meta, _Mapping]] = ..., spec: _Optional[_Union[RegistrySpec, _Mapping]] = ...) -> None: ...

class RegistrySpec(_message.Message):
    __slots__ = ("url", "name", "local", "fingerprint")
    URL_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    LOCAL_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    url: str
    name: str
    local: bool
    fingerprint: str
    def __init__(self, url: _Optional[str] = ..., name: _Optional[str] = ..., local: bool = ..., fingerprint: _Optional[str] = ...) -> None: ...

class RegistryTrust(_message.Message):
    __slots__ = ("meta", "spec")
    META_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    meta: _meta_pb2.Meta
    spec: RegistryTrustSpec
    def __init__(self, meta: _Optional[_Union[_meta_pb2.Meta, _Mapping]] = ..., spec: _Optional[_Union[RegistryTrustSpec, _Mapping]] = ...) -> None: ...

class RegistryTrustSpec(_message.Message):
    __slots__ = ("root", "timestamp", "snapshot")
    ROOT_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    root: bytes
    timestamp: bytes
    snapshot: bytes
    def __init__(self, root: _Optional[bytes] = ..., timestamp: _Optional[bytes] = ..., snapshot: _Optional[bytes] = ...) -> None: ...

class RegistryFailure(_message.Message):
    __slots__ = ("registry", "fault")
    REGISTRY_FIELD_NUMBER: _ClassVar[int]
    FAULT_FIELD_NUMBER: _ClassVar[int]
    registry: str
    fault: _fault_pb2.Fault
    def __init__(self, registry: _Optional[str] = ..., fault: _Optional[_Union[_fault_pb2.Fault, _Mapping]] = ...) -> None: ...

class OfferCategory(_message.Message):
    __slots__ = ("id", "name")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class Offer(_message.Message):
    __slots__ = ("registry", "package_id", "categories", "best", "other_versions", "installed_version")
    REGISTRY_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_ID_FIELD_NUMBER: _ClassVar[int]
    CATEGORIES_FIELD_NUMBER: _ClassVar[int]
    BEST_FIELD_NUMBER: _ClassVar[int]
    OTHER_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    INSTALLED_VERSION_FIELD_NUMBER: _ClassVar[int]
    registry: str
    package_id: str
    categories: _containers.RepeatedScalarFieldContainer[str]
    best: _containers.RepeatedCompositeFieldContainer[OfferVersion]
    other_versions: _containers.RepeatedScalarFieldContainer[str]
    installed_version: str
    def __init__(self, registry: _Optional[str] = ..., package_id: _Optional[str] = ..., categories: _Optional[_Iterable[str]] = ..., best: _Optional[_Iterable[_Union[OfferVersion, _Mapping]]] = ..., other_versions: _Optional[_Iterable[str]] = ..., installed_version: _Optional[str] = ...) -> None: ...

class OfferVersion(_message.Message):
    __slots__ = ("version", "title", "short_description", "long_description", "release_notes", "license", "package_repo", "upstream_repo", "marketing_url", "dependencies", "signers", "urls", "published")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    SHORT_DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    LONG_DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    RELEASE_NOTES_FIELD_NUMBER: _ClassVar[int]
    LICENSE_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_REPO_FIELD_NUMBER: _ClassVar[int]
    UPSTREAM_REPO_FIELD_NUMBER: _ClassVar[int]
    MARKETING_URL_FIELD_NUMBER: _ClassVar[int]
    DEPENDENCIES_FIELD_NUMBER: _ClassVar[int]
    SIGNERS_FIELD_NUMBER: _ClassVar[int]
    URLS_FIELD_NUMBER: _ClassVar[int]
    PUBLISHED_FIELD_NUMBER: _ClassVar[int]
    version: str
    title: str
    short_description: str
    long_description: str
    release_notes: str
    license: str
    package_repo: str
    upstream_repo: str
    marketing_url: str
    dependencies: _containers.RepeatedScalarFieldContainer[str]
    signers: _containers.RepeatedScalarFieldContainer[str]
    urls: _containers.RepeatedScalarFieldContainer[str]
    published: str
    def __init__(self, version: _Optional[str] = ..., title: _Optional[str] = ..., short_description: _Optional[str] = ..., long_description: _Optional[str] = ..., release_notes: _Optional[str] = ..., license: _Optional[str] = ..., package_repo: _Optional[str] = ..., upstream_repo: _Optional[str] = ..., marketing_url: _Optional[str] = ..., dependencies: _Optional[_Iterable[str]] = ..., signers: _Optional[_Iterable[str]] = ..., urls: _Optional[_Iterable[str]] = ..., published: _Optional[str] = ...) -> None: ...
