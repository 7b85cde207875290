from hearth.options.v1 import options_pb2 as _options_pb2
from hearth.packages.v1 import resources_pb2 as _resources_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetEffectPolicyRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class GetEffectPolicyResponse(_message.Message):
    __slots__ = ("policy", "refused")
    POLICY_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    policy: _resources_pb2.EffectPolicy
    refused: _containers.RepeatedCompositeFieldContainer[_resources_pb2.RefusedEffect]
    def __init__(self, policy: _Optional[_Union[_resources_pb2.EffectPolicy, _Mapping]] = ..., refused: _Optional[_Iterable[_Union[_resources_pb2.RefusedEffect, _Mapping]]] = ...) -> None: ...

class SetEffectPolicyRequest(_message.Message):
    __slots__ = ("id", "lenient")
    ID_FIELD_NUMBER: _ClassVar[int]
    LENIENT_FIELD_NUMBER: _ClassVar[int]
    id: str
    lenient: bool
    def __init__(self, id: _Optional[str] = ..., lenient: bool = ...) -> None: ...

class SetEffectPolicyResponse(_message.Message):
    __slots__ = ("policy",)
    POLICY_FIELD_NUMBER: _ClassVar[int]
    policy: _resources_pb2.EffectPolicy
    def __init__(self, policy: _Optional[_Union[_resources_pb2.EffectPolicy, _Mapping]] = ...) -> None: ...
