"""Logs in with the driver and with the native client; a process of its own, as `SSL_CERT_FILE` is.

Reads a JSON list of connector configurations, prints for each what either way came to: '' when it
got in and read `ROWS` rows there, else the error.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

import msgspec
import pyarrow as pa
import pyodbc

from dtaas.connectors.sqlserver.driver import find_driver
from dtaas.connectors.sqlserver.endpoint import Endpoint
from dtaas.connectors.sqlserver.native import target_of
from dtaas.model.connectors import SqlServerConfig
from dtaas.tds.plan import plan_column
from dtaas.tds.session import Session

QUERY = "SELECT n AS id FROM (VALUES (1), (2), (3)) AS v (n)"
ROWS = 3


def through_odbc(where: Endpoint) -> None:
    connection = pyodbc.connect(
        where.string, timeout=10, autocommit=True, attrs_before=where.attributes
    )
    assert len(connection.execute(QUERY).fetchall()) == ROWS
    connection.close()


def through_native(where: Endpoint) -> None:
    session = Session(target_of(where))
    try:
        session.connect()
        result = session.query(QUERY)
        schema = pa.schema([("id", pa.int32())])
        plans = [plan_column(column, schema.field(0).type) for column in result.columns]
        result.start(plans, schema, most_value_bytes=1000)
        read = 0
        while (batch := result.next(most_rows=1000, most_bytes=1_000_000)) is not None:
            read += batch.num_rows
        assert read == ROWS
    finally:
        session.close()


def outcome(way: Callable[[Endpoint], None], where: Endpoint) -> str:
    try:
        way(where)
    except Exception as exc:  # noqa: BLE001 - whatever either library raises is the outcome
        return f"{type(exc).__name__}: {exc}"
    return ""


def main() -> None:
    driver = find_driver()
    found: list[dict[str, Any]] = []
    for data in json.load(sys.stdin):
        config = msgspec.convert(data, SqlServerConfig)
        where = Endpoint(config, driver=driver, application="dtaas/tests")
        found.append(
            {"odbc": outcome(through_odbc, where), "native": outcome(through_native, where)}
        )
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
