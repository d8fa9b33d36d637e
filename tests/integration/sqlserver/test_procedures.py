"""System procedures, as drivers call them and by EXEC."""

from collections.abc import Callable
from typing import Any

import pyodbc
import pytest

from tests.integration.sqlserver.odbc_session import Connector, OdbcSession

SETUP = """
CREATE TABLE customers (id int IDENTITY PRIMARY KEY, name nvarchar(40) NOT NULL, rv rowversion)
CREATE TABLE sales (
  customer_id int NOT NULL CONSTRAINT fk_sales REFERENCES customers (id) ON DELETE CASCADE,
  day date NOT NULL, amount decimal(10, 2) DEFAULT 0,
  CONSTRAINT pk_sales PRIMARY KEY (customer_id, day))
CREATE INDEX ix_amount ON sales (amount DESC)
GO
CREATE VIEW totals AS SELECT customer_id, SUM(amount) AS total FROM sales GROUP BY customer_id
"""


@pytest.fixture(scope="module", autouse=True)
async def tables(connector: Connector) -> None:
    await connector.server.run_script(SETUP, database=connector.database)


async def listed(
    sql: OdbcSession, call: Callable[[pyodbc.Cursor], Any], *columns: int
) -> list[tuple[Any, ...]]:
    """Return chosen columns of an ODBC catalog function's answer."""

    def client() -> list[tuple[Any, ...]]:
        cursor = sql.connection.cursor()
        call(cursor)
        return [tuple(row[i] for i in columns) for row in cursor.fetchall()]

    return await sql.blocking(client)


async def test_tables(sql: OdbcSession) -> None:
    found = await listed(sql, lambda c: c.tables(schema="dbo"), 1, 2, 3)
    assert found == [
        ("dbo", "customers", "TABLE"),
        ("dbo", "sales", "TABLE"),
        ("dbo", "totals", "VIEW"),
    ]
    only = await listed(sql, lambda c: c.tables(table="s%", tableType="TABLE"), 2)
    assert only == [("sales",)]


async def test_columns(sql: OdbcSession) -> None:
    found = await listed(sql, lambda c: c.columns(table="sales"), 3, 4, 5, 6, 8, 17)
    assert found == [
        ("customer_id", 4, "int", 10, 0, "NO"),
        ("day", 91, "date", 10, None, "NO"),
        ("amount", 3, "decimal", 10, 2, "YES"),
    ]
    assert await listed(sql, lambda c: c.columns(table="customers", column="id"), 5) == [
        ("int identity",)
    ]


async def test_keys(sql: OdbcSession) -> None:
    found = await listed(sql, lambda c: c.primaryKeys(table="sales"), 3, 4, 5)
    assert found == [("customer_id", 1, "pk_sales"), ("day", 2, "pk_sales")]
    foreign = await listed(sql, lambda c: c.foreignKeys(table="customers"), 2, 3, 6, 7, 10, 11)
    assert foreign == [("customers", "id", "sales", "customer_id", 0, "fk_sales")]


async def test_statistics(sql: OdbcSession) -> None:
    found = await listed(sql, lambda c: c.statistics(table="sales"), 3, 5, 6, 7, 8, 9)
    assert found == [
        (0, "pk_sales", 1, 1, "customer_id", "A"),
        (0, "pk_sales", 1, 2, "day", "A"),
        (1, "ix_amount", 3, 1, "amount", "D"),
    ]


async def test_special_columns(sql: OdbcSession) -> None:
    # pyodbc's own rowIdColumns sends a garbled table name, so the call is written out
    call = "EXEC [sys].sp_special_columns_100 N'customers', NULL, NULL, N'{}', N'T', N'U', @ODBCVer = 3"
    assert [row[1] for row in await sql.rows(call.format("R"))] == ["id"]
    assert [row[1] for row in await sql.rows(call.format("V"))] == ["rv"]


async def test_type_info(sql: OdbcSession) -> None:
    names = {n for (n,) in await listed(sql, lambda c: c.getTypeInfo(), 0)}
    assert {"int", "nvarchar", "datetime2", "datetimeoffset", "sql_variant", "xml"} <= names
    precise = await sql.rows("EXEC [sys].sp_datatype_info_100 -9, @ODBCVer = 4")
    assert precise[0][:3] == ("nvarchar", -9, 4000)


async def test_help_databases_and_who(sql: OdbcSession) -> None:
    first, columns = await sql.run("EXEC sp_help 'sales'")
    assert first.rows[0][:3] == ("sales", "dbo", "USER_TABLE")
    assert [row[0] for row in columns.rows] == ["customer_id", "day", "amount"]
    names = {row[0] for row in await sql.rows("sp_databases")}
    assert {"master", "tempdb", "test_procedures"} <= names
    (who,) = await sql.rows("EXEC sp_who")
    assert who[0] == await sql.value("SELECT @@SPID")
    assert who[6] == "test_procedures"


async def test_rename(sql: OdbcSession) -> None:
    await sql.run("CREATE TABLE old_name (a int)")
    await sql.run("EXEC sp_rename 'old_name', 'new_name'")
    await sql.run("EXEC sp_rename 'new_name.a', 'b', 'COLUMN'")
    assert (await sql.run("SELECT * FROM new_name"))[0].columns == ("b",)
    assert (await sql.fails("SELECT * FROM old_name"))[0] == 208


async def test_describe_first_result_set(sql: OdbcSession) -> None:
    rows = await sql.rows(
        "EXEC sp_describe_first_result_set N'SELECT id, name FROM customers WHERE id = @p',"
        " N'@p int'"
    )
    assert [(row[1], row[2], row[3], row[5]) for row in rows] == [
        (1, "id", False, "int"),
        (2, "name", False, "nvarchar(40)"),
    ]


async def test_return_status_and_outputs(sql: OdbcSession) -> None:
    rows = await sql.rows(
        "DECLARE @s int, @n int = 1, @t nvarchar(20)"
        " EXEC @s = sp_executesql N'SET @a = @a + 41 SET @b = N''set'' RETURN',"
        " N'@a int OUTPUT, @b nvarchar(20) OUTPUT', @n OUTPUT, @b = @t OUTPUT SELECT @s, @n, @t"
    )
    assert rows == [(0, 42, "set")]
