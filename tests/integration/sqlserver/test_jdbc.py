"""What Microsoft's JDBC driver asks of a server before Debezium can follow a table."""

import pytest

from tests.integration.sqlserver.odbc_session import OdbcSession

_KEPT = """
DECLARE @found TABLE (TABLE_QUALIFIER sysname, TABLE_OWNER sysname, TABLE_NAME sysname,
  COLUMN_NAME sysname, DATA_TYPE smallint, TYPE_NAME sysname, "PRECISION" int, LENGTH int,
  SCALE smallint, RADIX smallint, NULLABLE smallint, REMARKS varchar(254),
  COLUMN_DEF nvarchar(4000), SQL_DATA_TYPE smallint, SQL_DATETIME_SUB smallint,
  CHAR_OCTET_LENGTH int, ORDINAL_POSITION int, IS_NULLABLE varchar(254), SS_IS_SPARSE smallint,
  SS_IS_COLUMN_SET smallint, SS_IS_COMPUTED smallint, SS_IS_IDENTITY smallint,
  SS_UDT_CATALOG_NAME nvarchar(128), SS_UDT_SCHEMA_NAME nvarchar(128),
  SS_UDT_ASSEMBLY_TYPE_NAME nvarchar(max), SS_XML_SCHEMACOLLECTION_CATALOG_NAME nvarchar(128),
  SS_XML_SCHEMACOLLECTION_SCHEMA_NAME nvarchar(128), SS_XML_SCHEMACOLLECTION_NAME nvarchar(128),
  SS_DATA_TYPE tinyint);
INSERT INTO @found EXEC sp_columns_100 N'kept', N'dbo';
SELECT COLUMN_NAME, SS_IS_IDENTITY, SS_IS_COMPUTED FROM @found ORDER BY ORDINAL_POSITION
"""


@pytest.fixture
async def kept(sql: OdbcSession) -> None:
    await sql.run("DROP TABLE IF EXISTS dbo.kept")
    await sql.run("CREATE TABLE dbo.kept (id int IDENTITY PRIMARY KEY, n int, twice AS n * 2)")


@pytest.mark.parametrize("transaction", [False, True])
@pytest.mark.usefixtures("kept")
async def test_columns_are_kept_in_a_table_variable_and_read_from_it(
    sql: OdbcSession, transaction: bool
) -> None:
    """In an open transaction too, which must not hold the variable when the batch has ended."""
    if transaction:
        await sql.run("BEGIN TRAN")
    for _ in range(2):
        assert await sql.rows(_KEPT) == [("id", 1, 0), ("n", 0, 0), ("twice", 0, 1)]
    if transaction:
        await sql.run("COMMIT")
