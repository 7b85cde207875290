from hearth.accounts.v1 import accounts_pb2 as _accounts_pb2
from hearth.accounts.v1 import preferences_pb2 as _preferences_pb2
from hearth.actions.v1 import actions_pb2 as _actions_pb2
from hearth.audit.v1 import audit_pb2 as _audit_pb2
from hearth.diagnostics.v1 import diagnostics_pb2 as _diagnostics_pb2
from hearth.dns.v1 import dns_pb2 as _dns_pb2
from hearth.gateways.v1 import gateways_pb2 as _gateways_pb2
from hearth.hosts.v1 import hosts_pb2 as _hosts_pb2
from hearth.notifications.v1 import notifications_pb2 as _notifications_pb2
from hearth.operations.v1 import operations_pb2 as _operations_pb2
from hearth.options.v1 import options_pb2 as _options_pb2
from hearth.packages.v1 import limits_pb2 as _limits_pb2
from hearth.packages.v1 import resources_pb2 as _resources_pb2
from hearth.packages.v1 import updates_pb2 as _updates_pb2
from hearth.packages.v1 import usage_pb2 as _usage_pb2
from hearth.registries.v1 import resources_pb2 as _resources_pb2_1
from hearth.system.v1 import machine_pb2 as _machine_pb2
from hearth.system.v1 import settings_pb2 as _settings_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class WatchRequest(_message.Message):
    __slots__ = ("targets",)
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    targets: _containers.RepeatedCompositeFieldContainer[Target]
    def __init__(self, targets: _Optional[_Iterable[_Union[Target, _Mapping]]] = ...) -> None: ...

class Target(_message.Message):
    __slots__ = ("id", "selectors", "bookmark")
    ID_FIELD_NUMBER: _ClassVar[int]
    SELECTORS_FIELD_NUMBER: _ClassVar[int]
    BOOKMARK_FIELD_NUMBER: _ClassVar[int]
    id: str
    selectors: _containers.RepeatedCompositeFieldContainer[Selector]
    bookmark: str
    def __init__(self, id: _Optional[str] = ..., selectors: _Optional[_Iterable[_Union[Selector, _Mapping]]] = ..., bookmark: _Optional[str] = ...) -> None: ...

class Selector(_message.Message):
    __slots__ = ("kind", "id", "parent", "labels")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    KIND_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    PARENT_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    kind: str
    id: str
    parent: str
    labels: _containers.ScalarMap[str, str]
    def __init__(self, kind: _Optional[str] = ..., id: _Optional[str] = ..., parent: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ...) -> None: ...

class WatchResponse(_message.Message):
    __slots__ = ("updates",)
    UPDATES_FIELD_NUMBER: _ClassVar[int]
    updates: _containers.RepeatedCompositeFieldContainer[Update]
    def __init__(self, updates: _Optional[_Iterable[_Union[Update, _Mapping]]] = ...) -> None: ...

class Update(_message.Message):
    __slots__ = ("targets", "phase", "changes", "bookmark", "revision", "boot_id")
    class Phase(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        PHASE_UNSPECIFIED: _ClassVar[Update.Phase]
        PHASE_SNAPSHOT: _ClassVar[Update.Phase]
        PHASE_CHANGES: _ClassVar[Update.Phase]
    PHASE_UNSPECIFIED: Update.Phase
    PHASE_SNAPSHOT: Update.Phase
    PHASE_CHANGES: Update.Phase
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    BOOKMARK_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    BOOT_ID_FIELD_NUMBER: _ClassVar[int]
    targets: _containers.RepeatedScalarFieldContainer[str]
    phase: Update.Phase
    changes: _containers.RepeatedCompositeFieldContainer[Change]
    bookmark: str
    revision: int
    boot_id: str
    def __init__(self, targets: _Optional[_Iterable[str]] = ..., phase: _Optional[_Union[Update.Phase, str]] = ..., changes: _Optional[_Iterable[_Union[Change, _Mapping]]] = ..., bookmark: _Optional[str] = ..., revision: _Optional[int] = ..., boot_id: _Optional[str] = ...) -> None: ...

class Change(_message.Message):
    __slots__ = ("revision", "kind", "id", "resource")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    revision: int
    kind: str
    id: str
    resource: Resource
    def __init__(self, revision: _Optional[int] = ..., kind: _Optional[str] = ..., id: _Optional[str] = ..., resource: _Optional[_Union[Resource, _Mapping]] = ...) -> None: ...

class Resource(_message.Message):
    __slots__ = ("operation", "progress", "package", "artifact", "health_check", "dependency", "refused_effect", "snapshot", "action", "task", "host", "passthrough", "gateway", "account", "preferences", "audit", "warning", "registry", "effect_policy", "update_policy", "package_update", "package_limits", "notification", "settings", "smtp", "dns_settings", "url_plugin", "reachability", "usage", "server_usage", "health_change", "hardware")
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_FIELD_NUMBER: _ClassVar[int]
    HEALTH_CHECK_FIELD_NUMBER: _ClassVar[int]
    DEPENDENCY_FIELD_NUMBER: _ClassVar[int]
    REFUSED_EFFECT_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    PASSTHROUGH_FIELD_NUMBER: _ClassVar[int]
    GATEWAY_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    PREFERENCES_FIELD_NUMBER: _ClassVar[int]
    AUDIT_FIELD_NUMBER: _ClassVar[int]
    WARNING_FIELD_NUMBER: _ClassVar[int]
    REGISTRY_FIELD_NUMBER: _ClassVar[int]
    EFFECT_POLICY_FIELD_NUMBER: _ClassVar[int]
    UPDATE_POLICY_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_UPDATE_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_LIMITS_FIELD_NUMBER: _ClassVar[int]
    NOTIFICATION_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    SMTP_FIELD_NUMBER: _ClassVar[int]
    DNS_SETTINGS_FIELD_NUMBER: _ClassVar[int]
    URL_PLUGIN_FIELD_NUMBER: _ClassVar[int]
    REACHABILITY_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    SERVER_USAGE_FIELD_NUMBER: _ClassVar[int]
    HEALTH_CHANGE_FIELD_NUMBER: _ClassVar[int]
    HARDWARE_FIELD_NUMBER: _ClassVar[int]
    operation: _operations_pb2.Operation
    progress: _operations_pb2.Progress
    package: _resources_pb2.Package
    artifact: _resources_pb2.Artifact
    health_check: _resources_pb2.HealthCheck
    dependency: _resources_pb2.Dependency
    refused_effect: _resources_pb2.RefusedEffect
    snapshot: _resources_pb2.Snapshot
    action: _actions_pb2.Action
    task: _actions_pb2.Task
    host: _hosts_pb2.Host
    passthrough: _hosts_pb2.Passthrough
    gateway: _gateways_pb2.Gateway
    account: _accounts_pb2.Account
    preferences: _preferences_pb2.Preferences
    audit: _audit_pb2.Entry
    warning: _diagnostics_pb2.Warning
    registry: _resources_pb2_1.Registry
    effect_policy: _resources_pb2.EffectPolicy
    update_policy: _updates_pb2.UpdatePolicy
    package_update: _updates_pb2.PackageUpdate
    package_limits: _limits_pb2.PackageLimits
    notification: _notifications_pb2.Notification
    settings: _settings_pb2.Settings
    smtp: _settings_pb2.Smtp
    dns_settings: _dns_pb2.DnsSettings
    url_plugin: _hosts_pb2.UrlPlugin
    reachability: _hosts_pb2.Reachability
    usage: _usage_pb2.Usage
    server_usage: _machine_pb2.ServerUsage
    health_change: _usage_pb2.HealthChange
    hardware: _machine_pb2.Hardware
    def __init__(self, operation: _Optional[_Union[_operations_pb2.Operation, _Mapping]] = ..., progress: _Optional[_Union[_operations_pb2.Progress, _Mapping]] = ..., package: _Optional[_Union[_resources_pb2.Package, _Mapping]] = ..., artifact: _Optional[_Union[_resources_pb2.Artifact, _Mapping]] = ..., health_check: _Optional[_Union[_resources_pb2.HealthCheck, _Mapping]] = ..., dependency: _Optional[_Union[_resources_pb2.Dependency, _Mapping]] = ..., refused_effect: _Optional[_Union[_resources_pb2.RefusedEffect, _Mapping]] = ..., snapshot: _Optional[_Union[_resources_pb2.Snapshot, _Mapping]] = ..., action: _Optional[_Union[_actions_pb2.Action, _Mapping]] = ..., task: _Optional[_Union[_actions_pb2.Task, _Mapping]] = ..., host: _Optional[_Union[_hosts_pb2.Host, _Mapping]] = ..., passthrough: _Optional[_Union[_hosts_pb2.Passthrough, _Mapping]] = ..., gateway: _Optional[_Union[_gateways_pb2.Gateway, _Mapping]] = ..., account: _Optional[_Union[_accounts_pb2.Account, _Mapping]] = ..., preferences: _Optional[_Union[_preferences_pb2.Preferences, _Mapping]] = ..., audit: _Optional[_Union[_audit_pb2.Entry, _Mapping]] = ..., warning: _Optional[_Union[_diagnostics_pb2.Warning, _Mapping]] = ..., registry: _Optional[_Union[_resources_pb2_1.Registry, _Mapping]] = ..., effect_policy: _Optional[_Union[_resources_pb2.EffectPolicy, _Mapping]] = ..., update_policy: _Optional[_Union[_updates_pb2.UpdatePolicy, _Mapping]] = ..., package_update: _Optional[_Union[_updates_pb2.PackageUpdate, _Mapping]] = ..., package_limits: _Optional[_Union[_limits_pb2.PackageLimits, _Mapping]] = ..., notification: _Optional[_Union[_notifications_pb2.Notification, _Mapping]] = ..., settings: _Optional[_Union[_settings_pb2.Settings, _Mapping]] = ..., smtp: _Optional[_Union[_settings_pb2.Smtp, _Mapping]] = ..., dns_settings: _Optional[_Union[_dns_pb2.DnsSettings, _Mapping]] = ..., url_plugin: _Optional[_Union[_hosts_pb2.UrlPlugin, _Mapping]] = ..., reachability: _Optional[_Union[_hosts_pb2.Reachability, _Mapping]] = ..., usage: _Optional[_Union[_usage_pb2.Usage, _Mapping]] = ..., server_usage: _Optional[_Union[_machine_pb2.ServerUsage, _Mapping]] = ..., health_change: _Optional[_Union[_usage_pb2.HealthChange, _Mapping]] = ..., hardware: _Optional[_Union[_machine_pb2.Hardware, _Mapping]] = ...) -> None: ...
