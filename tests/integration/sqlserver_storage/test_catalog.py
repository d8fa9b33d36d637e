"""What the catalog says: views, INFORMATION_SCHEMA and metadata functions."""

import pytest

from dtaas.sandbox.sqlserver.types import SqlType, Variant


@pytest.fixture(autouse=True)
async def tables(sql) -> None:
    await sql.run(
        "CREATE TABLE a (id int NOT NULL CONSTRAINT pk_a PRIMARY KEY, n nvarchar(20) NULL,"
        " d decimal(9, 3) NOT NULL CONSTRAINT df_d DEFAULT 0, t datetime2(3), m varchar(max))"
    )
    await sql.run(
        "CREATE TABLE b (id int IDENTITY PRIMARY KEY, a int NOT NULL CONSTRAINT fk_a REFERENCES a"
        " ON DELETE CASCADE, CONSTRAINT ck CHECK (a > 0))"
    )
    await sql.run("INSERT a (id) VALUES (1), (2), (3); INSERT b VALUES (1)")


async def test_row_counts_are_exact_at_once(sql) -> None:
    counts = (
        "SELECT t.name, p.rows, s.row_count FROM sys.tables t"
        " JOIN sys.partitions p ON p.object_id = t.object_id AND p.index_id IN (0, 1)"
        " JOIN sys.dm_db_partition_stats s"
        " ON s.object_id = t.object_id AND s.index_id = p.index_id ORDER BY t.name"
    )
    assert await sql.run(counts) == [("a", 3, 3), ("b", 1, 1)]
    await sql.run("DELETE a WHERE id = 1")
    assert await sql.run(counts) == [("a", 2, 2), ("b", 0, 0)]


async def test_partitions(sql) -> None:
    await sql.run("CREATE PARTITION FUNCTION pf (int) AS RANGE RIGHT FOR VALUES (10, 20)")
    await sql.run("CREATE PARTITION SCHEME ps AS PARTITION pf ALL TO ([PRIMARY])")
    await sql.run("CREATE TABLE p (id int NOT NULL PRIMARY KEY, v int) ON ps (id)")
    await sql.run("INSERT p (id) VALUES (1), (10), (11), (20), (21), (22)")
    rows = await sql.run(
        "SELECT p.partition_number, p.rows, CAST(prv.value AS int), pf.boundary_value_on_right"
        " FROM sys.partitions p"
        " JOIN sys.indexes i ON i.object_id = p.object_id AND i.index_id = p.index_id"
        " JOIN sys.partition_schemes s ON s.data_space_id = i.data_space_id"
        " JOIN sys.partition_functions pf ON pf.function_id = s.function_id"
        " LEFT JOIN sys.partition_range_values prv ON prv.function_id = pf.function_id"
        "  AND prv.boundary_id = p.partition_number"
        " WHERE p.object_id = OBJECT_ID('p') ORDER BY p.partition_number"
    )
    assert rows == [(1, 1, 10, 1), (2, 2, 20, 1), (3, 3, None, 1)]


async def test_information_schema(sql) -> None:
    assert await sql.run(
        "SELECT COLUMN_NAME, DATA_TYPE, CHARACTER_MAXIMUM_LENGTH, NUMERIC_PRECISION, NUMERIC_SCALE,"
        " DATETIME_PRECISION, IS_NULLABLE, COLUMN_DEFAULT FROM INFORMATION_SCHEMA.COLUMNS"
        " WHERE TABLE_NAME = 'a' ORDER BY ORDINAL_POSITION"
    ) == [
        ("id", "int", None, 10, 0, None, "NO", None),
        ("n", "nvarchar", 20, None, None, None, "YES", None),
        ("d", "decimal", None, 9, 3, None, "NO", "((0))"),
        ("t", "datetime2", None, None, None, 3, "YES", None),
        ("m", "varchar", -1, None, None, None, "YES", None),
    ]
    assert await sql.run(
        "SELECT CONSTRAINT_NAME, CONSTRAINT_TYPE FROM INFORMATION_SCHEMA.TABLE_CONSTRAINTS"
        " WHERE CONSTRAINT_NAME NOT LIKE 'PK[_][_]%' ORDER BY CONSTRAINT_NAME"
    ) == [("ck", "CHECK"), ("fk_a", "FOREIGN KEY"), ("pk_a", "PRIMARY KEY")]
    assert await sql.run(
        "SELECT TABLE_NAME, COLUMN_NAME FROM INFORMATION_SCHEMA.KEY_COLUMN_USAGE"
        " WHERE CONSTRAINT_NAME = 'fk_a'"
    ) == [("b", "a")]


async def test_foreign_keys(sql) -> None:
    assert await sql.run(
        "SELECT f.name, OBJECT_NAME(f.parent_object_id), OBJECT_NAME(f.referenced_object_id),"
        " COL_NAME(c.parent_object_id, c.parent_column_id),"
        " COL_NAME(c.referenced_object_id, c.referenced_column_id), f.delete_referential_action_desc"
        " FROM sys.foreign_keys f"
        " JOIN sys.foreign_key_columns c ON c.constraint_object_id = f.object_id"
    ) == [("fk_a", "b", "a", "a", "id", "CASCADE")]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("OBJECT_NAME(OBJECT_ID('dbo.a'))", "a"),
        ("OBJECT_ID('dbo.nope')", None),
        ("OBJECT_ID('a', 'V')", None),
        ("OBJECT_SCHEMA_NAME(OBJECT_ID('[a]', N'U'))", "dbo"),
        ("SCHEMA_NAME()", "dbo"),
        ("SCHEMA_ID('sys')", 4),
        ("COL_LENGTH('dbo.a', 'n')", 40),
        ("TYPE_NAME(TYPE_ID('nvarchar'))", "nvarchar"),
        ("DB_NAME(1)", "master"),
        ("DB_ID('tempdb')", 2),
        ("OBJECTPROPERTY(OBJECT_ID('b'), 'TableHasIdentity')", 1),
        ("COLUMNPROPERTY(OBJECT_ID('b'), 'id', 'IsIdentity')", 1),
        ("INDEXPROPERTY(OBJECT_ID('a'), 'pk_a', 'IsClustered')", 1),
        ("HAS_PERMS_BY_NAME('dbo.a', 'OBJECT', 'SELECT')", 1),
        ("HAS_PERMS_BY_NAME('nope', 'OBJECT', 'SELECT')", None),
        ("IS_SRVROLEMEMBER('sysadmin')", 1),
        ("IS_ROLEMEMBER('db_owner')", 1),
        ("IS_ROLEMEMBER('nope')", None),
        ("SUSER_SNAME()", "sa"),
        ("ORIGINAL_LOGIN()", "sa"),
        ("USER_NAME()", "dbo"),
        ("CURRENT_TIMEZONE_ID()", "UTC"),
        ("SERVERPROPERTY('EngineEdition')", Variant(SqlType("int"), 3)),
        (
            "COLLATIONPROPERTY('Latin1_General_100_CI_AS_SC_UTF8', 'CodePage')",
            Variant(SqlType("int"), 65001),
        ),
        (
            "COLLATIONPROPERTY('SQL_Latin1_General_CP1_CI_AS', 'ComparisonStyle')",
            Variant(SqlType("int"), 196609),
        ),
        ("COLLATIONPROPERTY('nope', 'CodePage')", None),
        ("CAST(DATABASEPROPERTYEX(DB_NAME(), 'Updateability') AS nvarchar(60))", "READ_WRITE"),
        ("CAST(SERVERPROPERTY('Collation') AS nvarchar(128))", "SQL_Latin1_General_CP1_CI_AS"),
    ],
)
async def test_metadata_function(sql, expression: str, value: object) -> None:
    assert await sql.value(f"SELECT {expression}") == value


async def test_every_system_view_can_be_read(sql) -> None:
    catalog, _ = await sql.session._storage.catalogs()
    assert len(catalog.system) > 40
    for view in catalog.system.values():
        columns = ", ".join(f"[{column.name}]" for column in view.columns)
        await sql.run(f"SELECT {columns} FROM {view.schema}.{view.name}")


async def test_database_options(server, sql) -> None:
    await sql.run("ALTER DATABASE CURRENT SET READ_COMMITTED_SNAPSHOT ON WITH ROLLBACK IMMEDIATE")
    await sql.run("ALTER DATABASE CURRENT SET RECOVERY SIMPLE")
    assert await sql.run(
        "SELECT is_read_committed_snapshot_on, recovery_model_desc, snapshot_isolation_state_desc,"
        f" collation_name FROM sys.databases WHERE name = '{server.database.upper()}'"
    ) == [(1, "SIMPLE", "OFF", "SQL_Latin1_General_CP1_CI_AS")]
