"""The connection string: every value quoted, every keyword as the driver spells it."""

import pytest

from dtaas.connectors.sqlserver.connection import connection_string
from dtaas.model.connectors import Encryption, SqlServerConfig
from dtaas.model.errors import ValidationFailedError

BASE = SqlServerConfig(host="db", database="shop", username="sa", password="x")


def made(**changes: object) -> str:
    values = {name: getattr(BASE, name) for name in BASE.__struct_fields__} | changes
    return connection_string(SqlServerConfig(**values), driver="/d.so", application="dtaas/one")


def test_values_cannot_break_out() -> None:
    assert "PWD={a;b=}}c};" in made(password="a;b=}c")
    assert "Database={x};" in made(database="x")


def test_server_and_application_are_named() -> None:
    text = made(port=14330)
    assert "Driver={/d.so};" in text
    assert "Server={db,14330};" in text
    assert "APP={dtaas/one};" in text


def test_encryption() -> None:
    assert "Encrypt={yes};" in made()
    assert "TrustServerCertificate={no};" in made()
    assert "TrustServerCertificate={yes};" in made(trust_server_certificate=True)
    strict = made(encrypt=Encryption.STRICT, host_name_in_certificate="sql.example.com")
    assert "TrustServerCertificate" not in strict
    assert "HostnameInCertificate={sql.example.com};" in strict


def test_secondary() -> None:
    assert "ApplicationIntent" not in made()
    assert "ApplicationIntent={ReadOnly};" in made(application_intent_read_only=True)


def test_nul_is_refused_without_showing_the_value() -> None:
    with pytest.raises(ValidationFailedError) as raised:
        made(password="secret\0")
    assert "secret" not in str(raised.value)
