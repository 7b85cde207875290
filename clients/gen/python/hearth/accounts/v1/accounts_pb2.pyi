import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from hearth.meta.v1 import meta_pb2 as _meta_pb2
from hearth.options.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Account(_message.Message):
    __slots__ = ("meta", "spec")
    META_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    meta: _meta_pb2.Meta
    spec: AccountSpec
    def __init__(self, meta: _Optional[_Union[_meta_pb2.Meta, _Mapping]] = ..., spec: _Optional[_Union[AccountSpec, _Mapping]] = ...) -> None: ...

class AccountSpec(_message.Message):
    __slots__ = ("title", "role")
    TITLE_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    title: str
    role: _options_pb2.Role
    def __init__(self, title: _Optional[str] = ..., role: _Optional[_Union[_options_pb2.Role, str]] = ...) -> None: ...

class PasswordRecord(_message.Message):
    __slots__ = ("meta", "spec")
    META_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    meta: _meta_pb2.Meta
    spec: PasswordRecordSpec
    def __init__(self, meta: _Optional[_Union[_meta_pb2.Meta, _Mapping]] = ..., spec: _Optional[_Union[PasswordRecordSpec, _Mapping]] = ...) -> None: ...

class PasswordRecordSpec(_message.Message):
    __slots__ = ("salt", "hash", "memory_kib", "passes", "threads", "set_time", "root_key_copy")
    SALT_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    MEMORY_KIB_FIELD_NUMBER: _ClassVar[int]
    PASSES_FIELD_NUMBER: _ClassVar[int]
    THREADS_FIELD_NUMBER: _ClassVar[int]
    SET_TIME_FIELD_NUMBER: _ClassVar[int]
    ROOT_KEY_COPY_FIELD_NUMBER: _ClassVar[int]
    salt: bytes
    hash: bytes
    memory_kib: int
    passes: int
    threads: int
    set_time: _timestamp_pb2.Timestamp
    root_key_copy: str
    def __init__(self, salt: _Optional[bytes] = ..., hash: _Optional[bytes] = ..., memory_kib: _Optional[int] = ..., passes: _Optional[int] = ..., threads: _Optional[int] = ..., set_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., root_key_copy: _Optional[str] = ...) -> None: ...

class SessionRecord(_message.Message):
    __slots__ = ("meta", "spec", "status")
    META_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    meta: _meta_pb2.Meta
    spec: SessionRecordSpec
    status: SessionRecordStatus
    def __init__(self, meta: _Optional[_Union[_meta_pb2.Meta, _Mapping]] = ..., spec: _Optional[_Union[SessionRecordSpec, _Mapping]] = ..., status: _Optional[_Union[SessionRecordStatus, _Mapping]] = ...) -> None: ...

class SessionRecordSpec(_message.Message):
    __slots__ = ("account", "client", "lasting", "user_agent", "expire_time", "idle_seconds", "secrets", "previous", "rotate_time", "prove_time")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    LASTING_FIELD_NUMBER: _ClassVar[int]
    USER_AGENT_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    IDLE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    SECRETS_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    ROTATE_TIME_FIELD_NUMBER: _ClassVar[int]
    PROVE_TIME_FIELD_NUMBER: _ClassVar[int]
    account: str
    client: Session.Client
    lasting: bool
    user_agent: str
    expire_time: _timestamp_pb2.Timestamp
    idle_seconds: int
    secrets: SessionSecrets
    previous: SessionSecrets
    rotate_time: _timestamp_pb2.Timestamp
    prove_time: _timestamp_pb2.Timestamp
    def __init__(self, account: _Optional[str] = ..., client: _Optional[_Union[Session.Client, str]] = ..., lasting: bool = ..., user_agent: _Optional[str] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., idle_seconds: _Optional[int] = ..., secrets: _Optional[_Union[SessionSecrets, _Mapping]] = ..., previous: _Optional[_Union[SessionSecrets, _Mapping]] = ..., rotate_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., prove_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class SessionSecrets(_message.Message):
    __slots__ = ("cookie_hash", "secret_hash")
    COOKIE_HASH_FIELD_NUMBER: _ClassVar[int]
    SECRET_HASH_FIELD_NUMBER: _ClassVar[int]
    cookie_hash: bytes
    secret_hash: bytes
    def __init__(self, cookie_hash: _Optional[bytes] = ..., secret_hash: _Optional[bytes] = ...) -> None: ...

class SessionRecordStatus(_message.Message):
    __slots__ = ("use_time", "address")
    USE_TIME_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    use_time: _timestamp_pb2.Timestamp
    address: str
    def __init__(self, use_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., address: _Optional[str] = ...) -> None: ...

class Session(_message.Message):
    __slots__ = ("id", "account", "client", "lasting", "user_agent", "create_time", "use_time", "expire_time", "address", "current")
    class Client(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        CLIENT_UNSPECIFIED: _ClassVar[Session.Client]
        CLIENT_BROWSER: _ClassVar[Session.Client]
        CLIENT_PROGRAM: _ClassVar[Session.Client]
    CLIENT_UNSPECIFIED: Session.Client
    CLIENT_BROWSER: Session.Client
    CLIENT_PROGRAM: Session.Client
    ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    LASTING_FIELD_NUMBER: _ClassVar[int]
    USER_AGENT_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    USE_TIME_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    CURRENT_FIELD_NUMBER: _ClassVar[int]
    id: str
    account: str
    client: Session.Client
    lasting: bool
    user_agent: str
    create_time: _timestamp_pb2.Timestamp
    use_time: _timestamp_pb2.Timestamp
    expire_time: _timestamp_pb2.Timestamp
    address: str
    current: bool
    def __init__(self, id: _Optional[str] = ..., account: _Optional[str] = ..., client: _Optional[_Union[Session.Client, str]] = ..., lasting: bool = ..., user_agent: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., use_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., address: _Optional[str] = ..., current: bool = ...) -> None: ...

class Scope(_message.Message):
    __slots__ = ("methods", "packages")
    METHODS_FIELD_NUMBER: _ClassVar[int]
    PACKAGES_FIELD_NUMBER: _ClassVar[int]
    methods: _containers.RepeatedScalarFieldContainer[str]
    packages: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, methods: _Optional[_Iterable[str]] = ..., packages: _Optional[_Iterable[str]] = ...) -> None: ...

class TokenRecord(_message.Message):
    __slots__ = ("meta", "spec")
    META_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    meta: _meta_pb2.Meta
    spec: TokenRecordSpec
    def __init__(self, meta: _Optional[_Union[_meta_pb2.Meta, _Mapping]] = ..., spec: _Optional[_Union[TokenRecordSpec, _Mapping]] = ...) -> None: ...

class TokenRecordSpec(_message.Message):
    __slots__ = ("name", "role", "expire_time", "hash", "account", "scope", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    role: _options_pb2.Role
    expire_time: _timestamp_pb2.Timestamp
    hash: bytes
    account: str
    scope: Scope
    request_id: str
    def __init__(self, name: _Optional[str] = ..., role: _Optional[_Union[_options_pb2.Role, str]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., hash: _Optional[bytes] = ..., account: _Optional[str] = ..., scope: _Optional[_Union[Scope, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class Token(_message.Message):
    __slots__ = ("id", "name", "role", "create_time", "expire_time", "account", "scope")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    role: _options_pb2.Role
    create_time: _timestamp_pb2.Timestamp
    expire_time: _timestamp_pb2.Timestamp
    account: str
    scope: Scope
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., role: _Optional[_Union[_options_pb2.Role, str]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., account: _Optional[str] = ..., scope: _Optional[_Union[Scope, _Mapping]] = ...) -> None: ...

class ClaimServerRequest(_message.Message):
    __slots__ = ("code", "account", "title", "password")
    CODE_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    code: str
    account: str
    title: str
    password: str
    def __init__(self, code: _Optional[str] = ..., account: _Optional[str] = ..., title: _Optional[str] = ..., password: _Optional[str] = ...) -> None: ...

class ClaimServerResponse(_message.Message):
    __slots__ = ("account", "recovery_code")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    RECOVERY_CODE_FIELD_NUMBER: _ClassVar[int]
    account: Account
    recovery_code: str
    def __init__(self, account: _Optional[_Union[Account, _Mapping]] = ..., recovery_code: _Optional[str] = ...) -> None: ...

class GetCallerRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetCallerResponse(_message.Message):
    __slots__ = ("credential", "id", "account", "role", "scope")
    class Credential(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        CREDENTIAL_UNSPECIFIED: _ClassVar[GetCallerResponse.Credential]
        CREDENTIAL_LOCAL: _ClassVar[GetCallerResponse.Credential]
        CREDENTIAL_SESSION: _ClassVar[GetCallerResponse.Credential]
        CREDENTIAL_TOKEN: _ClassVar[GetCallerResponse.Credential]
        CREDENTIAL_KEY: _ClassVar[GetCallerResponse.Credential]
    CREDENTIAL_UNSPECIFIED: GetCallerResponse.Credential
    CREDENTIAL_LOCAL: GetCallerResponse.Credential
    CREDENTIAL_SESSION: GetCallerResponse.Credential
    CREDENTIAL_TOKEN: GetCallerResponse.Credential
    CREDENTIAL_KEY: GetCallerResponse.Credential
    CREDENTIAL_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    credential: GetCallerResponse.Credential
    id: str
    account: str
    role: _options_pb2.Role
    scope: Scope
    def __init__(self, credential: _Optional[_Union[GetCallerResponse.Credential, str]] = ..., id: _Optional[str] = ..., account: _Optional[str] = ..., role: _Optional[_Union[_options_pb2.Role, str]] = ..., scope: _Optional[_Union[Scope, _Mapping]] = ...) -> None: ...

class LoginRequest(_message.Message):
    __slots__ = ("account", "password", "client", "lasting")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    LASTING_FIELD_NUMBER: _ClassVar[int]
    account: str
    password: str
    client: Session.Client
    lasting: bool
    def __init__(self, account: _Optional[str] = ..., password: _Optional[str] = ..., client: _Optional[_Union[Session.Client, str]] = ..., lasting: bool = ...) -> None: ...

class LoginResponse(_message.Message):
    __slots__ = ("session", "secret", "rotate_time")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    ROTATE_TIME_FIELD_NUMBER: _ClassVar[int]
    session: Session
    secret: str
    rotate_time: _timestamp_pb2.Timestamp
    def __init__(self, session: _Optional[_Union[Session, _Mapping]] = ..., secret: _Optional[str] = ..., rotate_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class LogoutRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class LogoutResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RotateSessionRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RotateSessionResponse(_message.Message):
    __slots__ = ("secret", "rotate_time")
    SECRET_FIELD_NUMBER: _ClassVar[int]
    ROTATE_TIME_FIELD_NUMBER: _ClassVar[int]
    secret: str
    rotate_time: _timestamp_pb2.Timestamp
    def __init__(self, secret: _Optional[str] = ..., rotate_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListSessionsRequest(_message.Message):
    __slots__ = ("account", "all")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    account: str
    all: bool
    def __init__(self, account: _Optional[str] = ..., all: bool = ...) -> None: ...

class ListSessionsResponse(_message.Message):
    __slots__ = ("sessions",)
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    sessions: _containers.RepeatedCompositeFieldContainer[Session]
    def __init__(self, sessions: _Optional[_Iterable[_Union[Session, _Mapping]]] = ...) -> None: ...

class DeleteSessionRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class DeleteSessionResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DeleteSessionsRequest(_message.Message):
    __slots__ = ("account",)
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    account: str
    def __init__(self, account: _Optional[str] = ...) -> None: ...

class DeleteSessionsResponse(_message.Message):
    __slots__ = ("ended",)
    ENDED_FIELD_NUMBER: _ClassVar[int]
    ended: int
    def __init__(self, ended: _Optional[int] = ...) -> None: ...

class ChangePasswordRequest(_message.Message):
    __slots__ = ("old_password", "new_password", "keep_sessions")
    OLD_PASSWORD_FIELD_NUMBER: _ClassVar[int]
    NEW_PASSWORD_FIELD_NUMBER: _ClassVar[int]
    KEEP_SESSIONS_FIELD_NUMBER: _ClassVar[int]
    old_password: str
    new_password: str
    keep_sessions: bool
    def __init__(self, old_password: _Optional[str] = ..., new_password: _Optional[str] = ..., keep_sessions: bool = ...) -> None: ...

class ChangePasswordResponse(_message.Message):
    __slots__ = ("ended",)
    ENDED_FIELD_NUMBER: _ClassVar[int]
    ended: int
    def __init__(self, ended: _Optional[int] = ...) -> None: ...

class ResetPasswordRequest(_message.Message):
    __slots__ = ("account", "new_password", "keep_sessions")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    NEW_PASSWORD_FIELD_NUMBER: _ClassVar[int]
    KEEP_SESSIONS_FIELD_NUMBER: _ClassVar[int]
    account: str
    new_password: str
    keep_sessions: bool
    def __init__(self, account: _Optional[str] = ..., new_password: _Optional[str] = ..., keep_sessions: bool = ...) -> None: ...

class ResetPasswordResponse(_message.Message):
    __slots__ = ("ended", "account")
    ENDED_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    ended: int
    account: str
    def __init__(self, ended: _Optional[int] = ..., account: _Optional[str] = ...) -> None: ...

class CreateAccountRequest(_message.Message):
    __slots__ = ("id", "title", "role", "password")
    ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    id: str
    title: str
    role: _options_pb2.Role
    password: str
    def __init__(self, id: _Optional[str] = ..., title: _Optional[str] = ..., role: _Optional[_Union[_options_pb2.Role, str]] = ..., password: _Optional[str] = ...) -> None: ...

class CreateAccountResponse(_message.Message):
    __slots__ = ("account",)
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    account: Account
    def __init__(self, account: _Optional[_Union[Account, _Mapping]] = ...) -> None: ...

class ListAccountsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListAccountsResponse(_message.Message):
    __slots__ = ("accounts",)
    ACCOUNTS_FIELD_NUMBER: _ClassVar[int]
    accounts: _containers.RepeatedCompositeFieldContainer[Account]
    def __init__(self, accounts: _Optional[_Iterable[_Union[Account, _Mapping]]] = ...) -> None: ...

class UpdateAccountRequest(_message.Message):
    __slots__ = ("id", "title", "role")
    ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    id: str
    title: str
    role: _options_pb2.Role
    def __init__(self, id: _Optional[str] = ..., title: _Optional[str] = ..., role: _Optional[_Union[_options_pb2.Role, str]] = ...) -> None: ...

class UpdateAccountResponse(_message.Message):
    __slots__ = ("account",)
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    account: Account
    def __init__(self, account: _Optional[_Union[Account, _Mapping]] = ...) -> None: ...

class DeleteAccountRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class DeleteAccountResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CreateTokenRequest(_message.Message):
    __slots__ = ("name", "role", "expire_time", "scope", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    role: _options_pb2.Role
    expire_time: _timestamp_pb2.Timestamp
    scope: Scope
    request_id: str
    def __init__(self, name: _Optional[str] = ..., role: _Optional[_Union[_options_pb2.Role, str]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., scope: _Optional[_Union[Scope, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class CreateTokenResponse(_message.Message):
    __slots__ = ("token", "secret")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    token: Token
    secret: str
    def __init__(self, token: _Optional[_Union[Token, _Mapping]] = ..., secret: _Optional[str] = ...) -> None: ...

class ListTokensRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListTokensResponse(_message.Message):
    __slots__ = ("tokens",)
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    tokens: _containers.RepeatedCompositeFieldContainer[Token]
    def __init__(self, tokens: _Optional[_Iterable[_Union[Token, _Mapping]]] = ...) -> None: ...

class DeleteTokenRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class DeleteTokenResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
