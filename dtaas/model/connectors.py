"""What a connector needs to connect: one Struct per product, and which of its fields are secret."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from functools import cache
from string import Formatter
from typing import Annotated, Any, get_args, get_type_hints

import msgspec
from msgspec import Meta, Struct

from dtaas.model.check import CheckReport
from dtaas.model.ids import ConnectorId
from dtaas.model.secret_references import SecretReference, parse_secret

Secret = Annotated[str, Meta(extra={"secret": True}, extra_json_schema={"format": "password"})]
"""Text that is encrypted at rest, never sent out and hidden in `repr`."""


class ConnectorRole(StrEnum):
    """Which side of a task a connector can take."""

    SOURCE = "source"
    DESTINATION = "destination"


class ConnectionConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every connection. Adding a product is one Struct and one row of the registry."""

    def __repr__(self) -> str:
        """Show every field but the secrets."""
        hidden = secret_fields(type(self))
        shown = (
            f"{name}={'***' if name in hidden else repr(getattr(self, name))}"
            for name in self.__struct_fields__
        )
        return f"{type(self).__name__}({', '.join(shown)})"


class Encryption(StrEnum):
    """The ODBC driver's `Encrypt` values."""

    YES = "yes"
    NO = "no"
    STRICT = "strict"


Port = Annotated[int, Meta(ge=1, le=65535)]


class Reader(StrEnum):
    """What reads the rows of a SQL Server: our own decoder, or Microsoft's ODBC driver."""

    AUTO = "auto"
    NATIVE = "native"
    ODBC = "odbc"


class SqlServerConfig(ConnectionConfig, frozen=True, kw_only=True):
    """A SQL Server database read as a source."""

    host: Annotated[str, Meta(min_length=1, description="Host name or address")]
    port: Port = 1433
    database: Annotated[str, Meta(min_length=1)]
    username: Annotated[
        str,
        Meta(min_length=1, description="Login of SQL Server; with an access token only shown"),
    ]
    password: Secret = ""
    access_token: Annotated[
        str,
        Meta(
            description="Entra ID token for https://database.windows.net/ instead of a password; "
            "a reference such as ${file:/run/token} is read anew whenever a task starts",
            extra={"secret": True},
            extra_json_schema={"format": "password"},
        ),
    ] = ""
    encrypt: Encryption = Encryption.YES
    trust_server_certificate: bool = False
    host_name_in_certificate: str = ""
    application_intent_read_only: Annotated[
        bool,
        Meta(
            description="Read from a readable secondary of an availability group; name that one "
            "server when there are several, for they lag differently"
        ),
    ] = False
    login_timeout_s: Annotated[int, Meta(ge=1, le=120)] = 15
    query_timeout_s: Annotated[
        int, Meta(ge=1, le=3600, description="Limit of one catalog or planning statement")
    ] = 300
    reader: Annotated[
        Reader, Meta(description="What reads tables in bulk; auto is native where it can")
    ] = Reader.AUTO
    read_rate_limit_mb_s: Annotated[
        float, Meta(ge=0, description="Megabytes a second read over all tables; 0 is no limit")
    ] = 0.0
    max_lob_bytes: Annotated[
        int, Meta(ge=1024, description="Longest LOB value accepted; a longer one is an error")
    ] = 256 * 1024 * 1024

    def __post_init__(self) -> None:
        """Refuse what cannot log in, or would show the token to a server that is not verified.

        Raises:
            ValueError: the token does not go with another setting.
        """
        if self.access_token and self.password:
            raise ValueError("give password or access_token, and make the other empty")
        if self.access_token and self.encrypt is Encryption.NO:
            raise ValueError("an access_token needs encrypt yes or strict")
        if self.access_token and self.reader is Reader.ODBC:
            raise ValueError("an access_token needs the native reader")


_PLACEHOLDERS = ("database", "schema", "table", "task")


def _check_prefix(prefix: str) -> None:
    """Refuse a prefix template when it is saved, not when it is used.

    Raises:
        ValueError: it has a stray brace, or a placeholder there is not.
    """
    try:
        parts = list(Formatter().parse(prefix))
    except ValueError as exc:
        raise ValueError(f"prefix {prefix!r} has a stray brace: {exc}") from exc
    for _, name, spec, conversion in parts:
        if name is not None and (name not in _PLACEHOLDERS or spec or conversion):
            raise ValueError(
                f"prefix {prefix!r} has no placeholder {name!r}; there are "
                + ", ".join(f"{{{known}}}" for known in _PLACEHOLDERS)
            )


class S3Credentials(StrEnum):
    """Where S3 credentials come from."""

    STATIC = "static"
    INSTANCE = "instance"
    ASSUME_ROLE = "assume_role"


class ServerSideEncryption(StrEnum):
    """Encryption S3 applies to objects; `none` leaves it to the bucket."""

    NONE = "none"
    AES256 = "AES256"
    KMS = "aws:kms"


class BucketConfig(ConnectionConfig, frozen=True, kw_only=True):
    """A bucket and prefix of S3, whatever is written there."""

    bucket: Annotated[str, Meta(min_length=3, max_length=63)]
    prefix: Annotated[
        str,
        Meta(description="Template below the bucket: {database}, {schema}, {table}, {task}"),
    ] = "{schema}/{table}"
    region: str = "us-east-1"
    endpoint_url: Annotated[str, Meta(description="For S3-compatible servers; empty is AWS")] = ""
    credentials: S3Credentials = S3Credentials.STATIC
    access_key_id: str = ""
    secret_access_key: Secret = ""
    session_token: Secret = ""
    role_arn: str = ""
    external_id: str = ""
    storage_class: str = "STANDARD"
    encryption: ServerSideEncryption = ServerSideEncryption.NONE
    kms_key_id: str = ""

    def __post_init__(self) -> None:
        """Refuse a wrong prefix template."""
        _check_prefix(self.prefix)


class S3Config(BucketConfig, frozen=True, kw_only=True):
    """A bucket and prefix written as a destination."""

    keep_loads: Annotated[int, Meta(ge=1, le=100, description="Old loads kept readable")] = 2


class DeltaS3Config(BucketConfig, frozen=True, kw_only=True):
    """Delta Lake tables in a bucket."""


class FolderConfig(ConnectionConfig, frozen=True, kw_only=True):
    """A local folder, whatever is written there."""

    path: Annotated[str, Meta(min_length=1, description="Absolute path of an existing folder")]
    prefix: str = "{schema}/{table}"

    def __post_init__(self) -> None:
        """Refuse a wrong prefix template."""
        _check_prefix(self.prefix)


class FileConfig(FolderConfig, frozen=True, kw_only=True):
    """A local folder written as a destination, with the layout of S3."""

    keep_loads: Annotated[int, Meta(ge=1, le=100)] = 2


class DeltaFileConfig(FolderConfig, frozen=True, kw_only=True):
    """Delta Lake tables in a local folder."""


class SnowflakeAuthentication(StrEnum):
    """How a user logs in to Snowflake; `pat` is a programmatic access token."""

    PASSWORD = "password"  # noqa: S105 - a way to log in, not a password
    KEY_PAIR = "key_pair"
    OAUTH = "oauth"
    PAT = "pat"


class SnowflakeNames(StrEnum):
    """What becomes of the source's spelling: upper case as unquoted SQL finds it, or as it is."""

    UPPER = "upper"
    PRESERVE = "preserve"


class SnowflakeDeletes(StrEnum):
    """What a deleted row becomes: gone, or marked in the column `_DTAAS_DELETED`."""

    HARD = "hard"
    SOFT = "soft"


class SnowflakeSize(StrEnum):
    """Sizes of warehouses: each costs twice the credits of the one before, beginning with 1."""

    XS = "x-small"
    S = "small"
    M = "medium"
    L = "large"
    XL = "x-large"
    XL2 = "2x-large"
    XL3 = "3x-large"
    XL4 = "4x-large"
    XL5 = "5x-large"
    XL6 = "6x-large"


class SnowflakeConfig(ConnectionConfig, frozen=True, kw_only=True):
    """A Snowflake database written as a destination."""

    account: Annotated[
        str, Meta(min_length=1, description="Account identifier, such as myorg-account")
    ]
    user: Annotated[str, Meta(min_length=1)]
    authentication: SnowflakeAuthentication = SnowflakeAuthentication.KEY_PAIR
    password: Secret = ""
    private_key: Annotated[Secret, Meta(description="PEM (PKCS 8) of the user's key pair")] = ""
    private_key_passphrase: Secret = ""
    token: Annotated[Secret, Meta(description="OAuth or programmatic access token")] = ""
    role: str = ""
    warehouse: str = ""
    warehouse_size: Annotated[
        SnowflakeSize | None, Meta(description="For estimated credits; else Snowflake is asked")
    ] = None
    warehouse_auto_suspend_s: Annotated[
        int, Meta(ge=0, description="Idle seconds until it is suspended, where its size is given")
    ] = 60
    database: Annotated[str, Meta(min_length=1)]
    schema: Annotated[
        str, Meta(description="Template of the schema: {database}, {schema}, {table}, {task}")
    ] = "{schema}"
    metadata_schema: Annotated[
        str, Meta(min_length=1, description="Schema of the stage, owners and positions")
    ] = "DTAAS"
    identifiers: SnowflakeNames = SnowflakeNames.UPPER
    deletes: SnowflakeDeletes = SnowflakeDeletes.HARD
    host: Annotated[str, Meta(description="Empty: made from the account")] = ""
    port: Port = 443
    protocol: Annotated[str, Meta(pattern="^https?$")] = "https"
    login_timeout_s: Annotated[int, Meta(ge=1, le=600)] = 60
    statement_timeout_s: Annotated[int, Meta(ge=1, le=86_400)] = 3600

    def __post_init__(self) -> None:
        """Refuse a wrong schema template."""
        _check_prefix(self.schema)


class MemorySourceConfig(ConnectionConfig, frozen=True, kw_only=True):
    """Tables held by the process itself: for tests and as the reference implementation."""

    dataset: str


class MemoryDestinationConfig(ConnectionConfig, frozen=True, kw_only=True):
    """A destination held by the process itself."""

    dataset: str


@cache
def secret_fields(config_type: type[ConnectionConfig]) -> frozenset[str]:
    """Return the names of the fields declared `Secret`."""
    hints = get_type_hints(config_type, include_extras=True)
    return frozenset(
        name
        for name, hint in hints.items()
        if any(isinstance(a, Meta) and (a.extra or {}).get("secret") for a in get_args(hint)[1:])
    )


ENDPOINT_FIELDS = frozenset(
    {
        "host",
        "port",
        "protocol",
        "endpoint_url",
        "account",
        "encrypt",
        "trust_server_certificate",
    }
)
"""Fields that say where, or how safely, a secret is sent: changing one demands the secret again."""


def redacted(config: ConnectionConfig) -> dict[str, Any]:
    """Return the configuration as plain data without its secrets: what may leave the daemon."""
    data: dict[str, Any] = msgspec.to_builtins(config)
    return {k: v for k, v in data.items() if k not in secret_fields(type(config))}


def secrets_set(config: ConnectionConfig) -> tuple[str, ...]:
    """Return the names of the secrets that hold a value, sorted."""
    return tuple(sorted(n for n in secret_fields(type(config)) if getattr(config, n)))


def secret_references(config: ConnectionConfig) -> dict[str, SecretReference]:
    """Return the references among the secrets, by field."""
    found = {name: parse_secret(getattr(config, name)) for name in secret_fields(type(config))}
    return {name: held for name, held in found.items() if isinstance(held, SecretReference)}


class TestStatus(StrEnum):
    """Result of a connector's last test."""

    __test__ = False  # not a test class, whatever pytest thinks of its name

    UNTESTED = "untested"
    OK = "ok"
    FAILED = "failed"


class Connector(Struct, frozen=True, kw_only=True):
    """A stored connector with its secrets in the clear: never leaves the services layer.

    Attributes:
        kind: `source_type` of a source (`sqlserver`), `destination_type` of a destination (`s3`).
    """

    id: ConnectorId
    name: str
    description: str
    role: ConnectorRole
    kind: str
    config: ConnectionConfig
    is_active: bool
    created_at: datetime
    updated_at: datetime
    last_tested_at: datetime | None = None
    test_status: TestStatus = TestStatus.UNTESTED
    test_report: CheckReport | None = None


def without_secrets(connector: Connector) -> Connector:
    """Return the connector with nothing in its secrets: enough to know names and places."""
    nothing = dict.fromkeys(secret_fields(type(connector.config)), "")
    config = msgspec.structs.replace(connector.config, **nothing)
    return msgspec.structs.replace(connector, config=config)


def decode_config(data: Mapping[str, Any], config_type: type[ConnectionConfig]) -> ConnectionConfig:
    """Return `data` as a checked configuration.

    Raises:
        msgspec.ValidationError: with the path of the first mistake.
    """
    config = msgspec.convert(data, config_type)
    for name in sorted(secret_fields(config_type)):
        try:
            parse_secret(getattr(config, name))
        except ValueError as exc:
            raise msgspec.ValidationError(f"{exc} - at `$.{name}`") from exc
    return config
