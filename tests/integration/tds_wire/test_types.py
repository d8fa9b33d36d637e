"""Every type through Microsoft's driver: as a batch and prepared, NULL and NOT NULL."""

import struct
from datetime import date, datetime
from typing import Any

import arrow_odbc
import pyodbc
import pytest

from dtaas.concurrency.blocking import Blocking
from dtaas.sandbox.sqlserver.results import ResultColumn
from dtaas.sandbox.sqlserver.types import SqlType, Variant
from tests.fakes.scripted_server import ScriptedEngine, rows
from tests.integration.tds_wire.conftest import Odbc
from tests.integration.tds_wire.type_matrix import CASES, TypeCase

SQL_SS_TIME2 = -154
SQL_SS_TIMESTAMPOFFSET = -155
SQL_SS_UDT = -151
SQL_TYPE_DATE = 91
SQL_TYPE_TIMESTAMP = 93


def fraction(nanoseconds: int) -> str:
    return f".{nanoseconds:09}".rstrip("0").rstrip(".")


def time_text(raw: bytes) -> str:
    hour, minute, second, nanoseconds = struct.unpack("<HHHxxI", raw)
    return f"{hour:02}:{minute:02}:{second:02}{fraction(nanoseconds)}"


def timestamp_text(raw: bytes) -> str:
    year, month, day, hour, minute, second, nanoseconds = struct.unpack("<hHHHHHI", raw)
    return f"{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}{fraction(nanoseconds)}"


def offset_text(raw: bytes) -> str:
    hours, minutes = struct.unpack("<hh", raw[16:])
    sign = "-" if hours < 0 or minutes < 0 else "+"
    return f"{timestamp_text(raw[:16])} {sign}{abs(hours):02}:{abs(minutes):02}"


def exact(connection: pyodbc.Connection, sql: SqlType) -> None:
    """Take times as the driver's structs, which hold 100 ns, and CLR types as bytes."""
    connection.add_output_converter(SQL_SS_TIME2, time_text)
    if sql.name == "datetime2":
        connection.add_output_converter(SQL_TYPE_TIMESTAMP, timestamp_text)
    connection.add_output_converter(SQL_SS_TIMESTAMPOFFSET, offset_text)
    connection.add_output_converter(SQL_SS_UDT, bytes)


def plain(value: Any) -> Any:
    """Write dates as text; a datetime has milliseconds where it has any."""
    if isinstance(value, datetime):
        return value.isoformat(" ", "milliseconds").replace(".000", "")
    return value.isoformat() if isinstance(value, date) else value


@pytest.mark.parametrize("nullable", [True, False], ids=["nullable", "not_null"])
@pytest.mark.parametrize("case", [c for c in CASES if c.type.name != "sql_variant"], ids=str)
async def test_a_type_arrives_exactly(
    case: TypeCase, nullable: bool, engine: ScriptedEngine, run: Any
) -> None:
    columns = [
        ResultColumn(name="n", type=case.type, nullable=nullable),
        ResultColumn(name="after", type=case.type, nullable=nullable),
    ]
    wire = [value for value, _ in case.pairs] + ([None] if nullable else [])
    expected = [value for _, value in case.pairs] + ([None] if nullable else [])
    engine.scripts["select"] = rows(columns, *([value, value] for value in wire))

    def client(connection: pyodbc.Connection) -> None:
        exact(connection, case.type)
        cursor = connection.cursor()
        pairs = [(e, e) for e in expected]
        batch = cursor.execute("select *").fetchall()
        assert [tuple(map(plain, row)) for row in batch] == pairs
        assert cursor.description[0][6] is nullable
        prepared = cursor.execute("select * where x = ?", 1).fetchall()
        assert [tuple(map(plain, row)) for row in prepared] == pairs
        again = cursor.execute("select * where x = ?", 2).fetchall()
        assert [tuple(map(plain, row)) for row in again] == pairs

    await run(client)


VARIANTS = next(case for case in CASES if case.type.name == "sql_variant")


@pytest.mark.parametrize(("variant", "text"), VARIANTS.pairs, ids=lambda v: str(v)[:40])
async def test_a_variant_arrives_with_its_own_type(
    variant: Variant, text: str, engine: ScriptedEngine, odbc: Odbc, blocking: Blocking
) -> None:
    column = ResultColumn(name="v", type=VARIANTS.type)
    engine.scripts["select"] = rows([column], [variant], [None])

    def client() -> list[Any]:
        reader = arrow_odbc.read_arrow_batches_from_odbc(
            query="select v", connection_string=odbc.text(), batch_size=10
        )
        return [row["v"] for batch in reader for row in batch.to_pylist()]

    assert await blocking(client) == [text, None]
