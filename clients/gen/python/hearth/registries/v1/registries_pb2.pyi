from hearth.options.v1 import options_pb2 as _options_pb2
from hearth.packages.v1 import packages_pb2 as _packages_pb2
from hearth.registries.v1 import resources_pb2 as _resources_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListRegistriesRequest(_message.Message):
    __slots__ = ("page_token",)
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_token: str
    def __init__(self, page_token: _Optional[str] = ...) -> None: ...

class ListRegistriesResponse(_message.Message):
    __slots__ = ("registries", "next_page_token")
    REGISTRIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    registries: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Registry]
    next_page_token: str
    def __init__(self, registries: _Optional[_Iterable[_Union[_resources_pb2.Registry, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class AddRegistryRequest(_message.Message):
    __slots__ = ("url", "id", "local", "fingerprint")
    URL_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    LOCAL_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    url: str
    id: str
    local: bool
    fingerprint: str
    def __init__(self, url: _Optional[str] = ..., id: _Optional[str] = ..., local: bool = ..., fingerprint: _Optional[str] = ...) -> None: ...

class AddRegistryResponse(_message.Message):
    __slots__ = ("registry",)
    REGISTRY_FIELD_NUMBER: _ClassVar[int]
    registry: _resources_pb2.Registry
    def __init__(self, registry: _Optional[_Union[_resources_pb2.Registry, _Mapping]] = ...) -> None: ...

class DeleteRegistryRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class DeleteRegistryResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SearchPackagesRequest(_message.Message):
    __slots__ = ("registry", "query", "category", "language", "page_size", "page_token")
    REGISTRY_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    registry: str
    query: str
    category: str
    language: str
    page_size: int
    page_token: str
    def __init__(self, registry: _Optional[str] = ..., query: _Optional[str] = ..., category: _Optional[str] = ..., language: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class SearchPackagesResponse(_message.Message):
    __slots__ = ("offers", "next_page_token", "failures")
    OFFERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    offers: _containers.RepeatedCompositeFieldContainer[_resources_pb2.Offer]
    next_page_token: str
    failures: _containers.RepeatedCompositeFieldContainer[_resources_pb2.RegistryFailure]
    def __init__(self, offers: _Optional[_Iterable[_Union[_resources_pb2.Offer, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., failures: _Optional[_Iterable[_Union[_resources_pb2.RegistryFailure, _Mapping]]] = ...) -> None: ...

class GetOfferRequest(_message.Message):
    __slots__ = ("package_id", "registry", "version", "language")
    PACKAGE_ID_FIELD_NUMBER: _ClassVar[int]
    REGISTRY_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    package_id: str
    registry: str
    version: str
    language: str
    def __init__(self, package_id: _Optional[str] = ..., registry: _Optional[str] = ..., version: _Optional[str] = ..., language: _Optional[str] = ...) -> None: ...

class GetOfferResponse(_message.Message):
    __slots__ = ("offer",)
    OFFER_FIELD_NUMBER: _ClassVar[int]
    offer: _resources_pb2.Offer
    def __init__(self, offer: _Optional[_Union[_resources_pb2.Offer, _Mapping]] = ...) -> None: ...

class ListCategoriesRequest(_message.Message):
    __slots__ = ("registry", "language")
    REGISTRY_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    registry: str
    language: str
    def __init__(self, registry: _Optional[str] = ..., language: _Optional[str] = ...) -> None: ...

class ListCategoriesResponse(_message.Message):
    __slots__ = ("categories",)
    CATEGORIES_FIELD_NUMBER: _ClassVar[int]
    categories: _containers.RepeatedCompositeFieldContainer[_resources_pb2.OfferCategory]
    def __init__(self, categories: _Optional[_Iterable[_Union[_resources_pb2.OfferCategory, _Mapping]]] = ...) -> None: ...

class GetOfferDocumentRequest(_message.Message):
    __slots__ = ("package_id", "registry", "version", "document")
    PACKAGE_ID_FIELD_NUMBER: _ClassVar[int]
    REGISTRY_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    package_id: str
    registry: str
    version: str
    document: _packages_pb2.Document.Kind
    def __init__(self, package_id: _Optional[str] = ..., registry: _Optional[str] = ..., version: _Optional[str] = ..., document: _Optional[_Union[_packages_pb2.Document.Kind, str]] = ...) -> None: ...

class GetOfferDocumentResponse(_message.Message):
    __slots__ = ("document",)
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    document: _packages_pb2.Document
    def __init__(self, document: _Optional[_Union[_packages_pb2.Document, _Mapping]] = ...) -> None: ...
