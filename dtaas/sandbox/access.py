"""How to reach the parts of a sandbox: what it tells whoever started it."""

from msgspec import Struct


class SqlServerAccess(Struct, frozen=True, kw_only=True):
    """How to reach the simulated SQL Server. Its certificate is self-signed."""

    host: str
    port: int
    username: str
    password: str
    database: str


class S3Access(Struct, frozen=True, kw_only=True):
    """How to reach the private S3."""

    endpoint_url: str
    access_key_id: str
    secret_access_key: str
    bucket: str


class SnowflakeAccess(Struct, frozen=True, kw_only=True):
    """How to reach the emulated Snowflake.

    Attributes:
        control_url: of faults, users and the log of statements, which no Snowflake has.
    """

    account: str
    user: str
    password: str
    host: str
    port: int
    protocol: str
    database: str
    control_url: str


class SandboxAccess(Struct, frozen=True, kw_only=True):
    """What `dtaas sandbox up --json` prints once everything is ready.

    Attributes:
        rows: rows filled into the TPC-H tables.
        snowflake: None when it was not started.
    """

    sqlserver: SqlServerAccess
    s3: S3Access
    rows: int
    snowflake: SnowflakeAccess | None = None
