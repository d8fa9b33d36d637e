"""The ODBC connection string of a configuration."""

import struct

from dtaas.model.connectors import Encryption, SqlServerConfig
from dtaas.model.errors import ValidationFailedError

_ACCESS_TOKEN = 1256
"""SQL_COPT_SS_ACCESS_TOKEN of msodbcsql.h."""
SESSION_SETTINGS = "SET NOCOUNT ON; SET LOCK_TIMEOUT 30000; SET DEADLOCK_PRIORITY LOW;"
"""First batch of every session: the source's own work goes before ours, and no wait is endless."""


def connection_string(config: SqlServerConfig, *, driver: str, application: str) -> str:
    """Return the connection string for Microsoft's ODBC driver 18.

    Unknown keywords are ignored by the driver without an error, so the spelling here is proven by
    tests on the wire. `ConnectRetryCount=0`: a driver that reconnects behind our back would hide
    a lost snapshot. `Language` keeps messages and date formats those we parse.

    Raises:
        ValidationFailedError: a value holds a NUL character.
    """
    values = {
        "Driver": driver,
        "Server": f"{config.host},{config.port}",
        "Database": config.database,
        **({} if config.access_token else {"UID": config.username, "PWD": config.password}),
        "Encrypt": config.encrypt.value,
        "APP": application[:128],
        "Language": "us_english",
        "ConnectRetryCount": "0",
    }
    if config.encrypt is not Encryption.STRICT:
        values["TrustServerCertificate"] = "yes" if config.trust_server_certificate else "no"
    if config.host_name_in_certificate:
        values["HostnameInCertificate"] = config.host_name_in_certificate
    if config.application_intent_read_only:
        values["ApplicationIntent"] = "ReadOnly"
    return "".join(f"{key}={_braced(key, value)};" for key, value in values.items())


def connection_attributes(config: SqlServerConfig) -> dict[int, bytes]:
    """Return what the driver must be told before it connects: the access token, if there is one.

    The driver takes it as a length and UTF-16, and only so: not in the connection string.
    """
    if not config.access_token:
        return {}
    token = config.access_token.encode("utf-16-le")
    return {_ACCESS_TOKEN: struct.pack("<I", len(token)) + token}


def _braced(key: str, value: str) -> str:
    """Quote a value so that `;`, `=`, spaces and braces in it are only characters."""
    if "\0" in value:
        raise ValidationFailedError(f"The connection's {key} holds a NUL character.")
    return "{" + value.replace("}", "}}") + "}"
