"""Six client libraries behind one function: run a statement, get rows of plain values."""

import datetime as dt
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote

import arrow_odbc
import connectorx
import mssql_python
import pyarrow as pa
import pymssql
import pyodbc
import pytds

from tests.integration.sqlserver.odbc_session import Connector

Rows = list[tuple[Any, ...]]
Client = Callable[[Connector, str], Rows]


def plain(value: Any) -> Any:
    """Bring what libraries give for one SQL value to one Python value."""
    match value:
        case uuid.UUID():
            return str(value).upper()
        case bytearray() | memoryview():
            return bytes(value)
        case dt.datetime():
            return value.replace(tzinfo=None)
        case str() if len(value) == 36 and value.count("-") == 4:
            return value.upper()
        case _:
            return value


def _rows(rows: Iterable[Iterable[Any]]) -> Rows:
    return [tuple(plain(value) for value in row) for row in rows]


def _table(table: pa.Table) -> Rows:
    return _rows(zip(*(column.to_pylist() for column in table.columns), strict=True))


def through_pyodbc(connector: Connector, sql: str) -> Rows:
    connection = pyodbc.connect(connector.text(), autocommit=True)
    try:
        return _rows(connection.execute(sql).fetchall())
    finally:
        connection.close()


def through_mssql_python(connector: Connector, sql: str) -> Rows:
    connection = mssql_python.connect(
        f"Server={connector.server.host},{connector.server.port};Database={connector.database};"
        f"UID=sa;PWD={{{connector.server.password.replace('}', '}}')}}};Encrypt=yes;"
        "TrustServerCertificate=yes",
        autocommit=True,
    )
    try:
        cursor = connection.cursor()
        cursor.execute(sql)
        return _rows(cursor.fetchall())
    finally:
        connection.close()


def through_arrow_odbc(connector: Connector, sql: str) -> Rows:
    reader = arrow_odbc.read_arrow_batches_from_odbc(sql, connector.text(), max_text_size=10_000)
    return _table(pa.Table.from_batches(list(reader), reader.schema))


def through_pymssql(connector: Connector, sql: str) -> Rows:
    connection = pymssql.connect(
        server=connector.server.host,
        port=str(connector.server.port),
        user="sa",
        password=connector.server.password,
        database=connector.database,
        tds_version="7.4",
        autocommit=True,
    )
    try:
        cursor = connection.cursor()
        cursor.execute(sql)
        return _rows(cursor.fetchall())
    finally:
        connection.close()


def through_python_tds(connector: Connector, sql: str) -> Rows:
    connection = pytds.connect(
        dsn=connector.server.host,
        port=connector.server.port,
        user="sa",
        password=connector.server.password,
        database=connector.database,
        autocommit=True,
    )
    try:
        cursor = connection.cursor()
        cursor.execute(sql)
        return _rows(cursor.fetchall())
    finally:
        connection.close()


def through_connectorx(connector: Connector, sql: str) -> Rows:
    password = quote(connector.server.password, safe="")
    address = (
        f"mssql://sa:{password}@{connector.server.host}:{connector.server.port}/"
        f"{connector.database}?encrypt=true&trust_server_certificate=true"
    )
    return _table(connectorx.read_sql(address, sql, return_type="arrow"))


CLIENTS: Mapping[str, Client] = {
    "pyodbc": through_pyodbc,
    "mssql-python": through_mssql_python,
    "arrow-odbc": through_arrow_odbc,
    "pymssql": through_pymssql,
    "python-tds": through_python_tds,
    "connectorx": through_connectorx,
}
