"""Data definition: what stands afterwards, and SQL Server's errors for what cannot be."""

import pytest


async def test_table_with_everything(sql) -> None:
    await sql.run("CREATE TYPE dbo.phone FROM varchar(20) NOT NULL")
    await sql.run(
        """CREATE TABLE dbo.parent (id int NOT NULL CONSTRAINT pk_parent PRIMARY KEY NONCLUSTERED,
             code varchar(10) COLLATE Latin1_General_CS_AS NOT NULL UNIQUE)"""
    )
    await sql.run(
        """CREATE TABLE dbo.child (
             id bigint IDENTITY(10, 5) NOT NULL PRIMARY KEY CLUSTERED WITH (FILLFACTOR = 80),
             parent int NULL CONSTRAINT fk_parent REFERENCES dbo.parent (id) ON DELETE CASCADE,
             amount decimal(10, 2) NOT NULL CONSTRAINT df_amount DEFAULT (1.5) CHECK (amount >= 0),
             doubled AS amount * 2 PERSISTED,
             called dbo.phone,
             guid uniqueidentifier ROWGUIDCOL DEFAULT NEWID(),
             wide nvarchar(max) SPARSE NULL,
             stamp rowversion,
             INDEX ix_called NONCLUSTERED (called DESC) INCLUDE (amount)
           ) ON [PRIMARY] TEXTIMAGE_ON [PRIMARY]"""
    )
    await sql.run(
        "INSERT dbo.parent VALUES (1, 'a'); INSERT dbo.child (parent, called) VALUES (1, '5')"
    )
    assert await sql.run("SELECT id, amount, doubled FROM dbo.child") == [(10, 150, 300)]
    assert await sql.run(
        """SELECT i.name, i.index_id, i.type_desc, i.is_unique, i.is_primary_key, c.name,
             ic.key_ordinal, ic.is_descending_key, ic.is_included_column
           FROM sys.indexes i JOIN sys.index_columns ic
             ON ic.object_id = i.object_id AND ic.index_id = i.index_id
           JOIN sys.columns c ON c.object_id = ic.object_id AND c.column_id = ic.column_id
           WHERE i.object_id = OBJECT_ID('dbo.child') AND i.name LIKE 'ix%'
           ORDER BY ic.index_column_id"""
    ) == [
        ("ix_called", 2, "NONCLUSTERED", 0, 0, "called", 1, 1, 0),
        ("ix_called", 2, "NONCLUSTERED", 0, 0, "amount", 0, 0, 1),
    ]
    assert await sql.run(
        """SELECT name, is_identity, is_computed, is_rowguidcol, is_sparse, TYPE_NAME(user_type_id)
           FROM sys.columns WHERE object_id = OBJECT_ID('child') ORDER BY column_id"""
    ) == [
        ("id", 1, 0, 0, 0, "bigint"),
        ("parent", 0, 0, 0, 0, "int"),
        ("amount", 0, 0, 0, 0, "decimal"),
        ("doubled", 0, 1, 0, 0, "numeric"),
        ("called", 0, 0, 0, 0, "phone"),
        ("guid", 0, 0, 1, 0, "uniqueidentifier"),
        ("wide", 0, 0, 0, 1, "nvarchar"),
        ("stamp", 0, 0, 0, 0, "timestamp"),
    ]
    await sql.run("DELETE dbo.parent")
    assert await sql.value("SELECT COUNT(*) FROM dbo.child") == 0


async def test_alter_table(sql) -> None:
    await sql.run("CREATE TABLE t (id int NOT NULL, v varchar(5) NULL DEFAULT 'x')")
    await sql.run("INSERT t (id) VALUES (1), (2)")
    await sql.run(
        "ALTER TABLE t ADD n int NOT NULL CONSTRAINT df_n DEFAULT 7, m int NULL DEFAULT 8"
    )
    assert await sql.run("SELECT n, m FROM t") == [(7, None), (7, None)]
    await sql.run("ALTER TABLE t ALTER COLUMN v nvarchar(50) NOT NULL")
    assert await sql.run(
        "SELECT TYPE_NAME(system_type_id), max_length, is_nullable FROM sys.columns"
        " WHERE object_id = OBJECT_ID('t') AND name = 'v'"
    ) == [("nvarchar", 100, 0)]
    await sql.run("ALTER TABLE t ADD CONSTRAINT pk_t PRIMARY KEY (id), CONSTRAINT ck CHECK (n > 0)")
    await sql.run("ALTER TABLE t DROP CONSTRAINT df_n, ck, COLUMN n")
    assert await sql.run("SELECT * FROM t") == [(1, "x", None), (2, "x", None)]
    assert await sql.run(
        "SELECT column_id FROM sys.columns WHERE object_id = OBJECT_ID('t') ORDER BY column_id"
    ) == [(1,), (2,), (4,)]


async def test_rename(sql) -> None:
    await sql.run("CREATE TABLE t (a int CONSTRAINT pk PRIMARY KEY, b int)")
    await sql.run("CREATE INDEX ix ON t (b)")
    await sql.run("EXEC sp_rename 'dbo.t', 'new name'")
    await sql.run("EXEC sp_rename '[new name].a', 'c d', 'COLUMN'")
    await sql.run("EXEC sp_rename 'new name.ix', 'iy', 'INDEX'")
    await sql.run("EXEC sp_rename 'pk', 'pk2'")
    assert await sql.run("SELECT [c d] FROM dbo.[new name]") == []
    assert await sql.run("SELECT name FROM sys.indexes WHERE name IS NOT NULL ORDER BY 1") == [
        ("iy",), ("pk2",),
    ]  # fmt: skip


async def test_names_of_any_shape(sql) -> None:
    name = "]-'\"/😀 " + "x" * 100
    quoted = "[" + name.replace("]", "]]") + "]"
    await sql.run(f"CREATE TABLE dbo.{quoted} ({quoted} int)")
    await sql.run(f"INSERT dbo.{quoted} VALUES (1)")
    assert await sql.run(f"SELECT {quoted} FROM {quoted}") == [(1,)]
    assert await sql.run("SELECT name FROM sys.tables") == [(name,)]


async def test_view_keeps_its_columns(sql) -> None:
    await sql.run("CREATE TABLE t (a int, b varchar(10))")
    await sql.run("CREATE VIEW v (x, y) AS SELECT a, b + '!' FROM t WHERE a > 1")
    await sql.run("INSERT t VALUES (1, 'a'), (2, 'b')")
    assert await sql.run("SELECT y, x FROM dbo.v") == [("b!", 2)]
    assert await sql.run("SELECT name, type FROM sys.objects WHERE type = 'V'") == [("v", "V ")]
    await sql.run("CREATE OR ALTER VIEW v AS SELECT b FROM t")
    assert await sql.run("SELECT * FROM v ORDER BY b") == [("a",), ("b",)]
    await sql.run("DROP VIEW v")
    assert (await sql.refused("SELECT * FROM v")).number == 208


async def test_temporary_tables_are_private_and_go_with_the_session(server, sql) -> None:
    await sql.run("CREATE TABLE #t (a int PRIMARY KEY); INSERT #t VALUES (1)")
    async with server.client() as other:
        assert (await other.refused("SELECT * FROM #t")).number == 208
        await other.run("CREATE TABLE #t (b varchar(3)); INSERT #t VALUES ('x')")
        assert await other.run("SELECT * FROM #t") == [("x",)]
        assert await sql.run("SELECT * FROM #t") == [(1,)]
        assert await sql.value("SELECT COUNT(*) FROM tempdb.sys.tables WHERE name LIKE '#t%'") == 2
    assert await sql.value("SELECT COUNT(*) FROM tempdb.sys.tables WHERE name LIKE '#t%'") == 1
    assert await sql.value("SELECT IIF(OBJECT_ID('tempdb..#t') IS NULL, 0, 1)") == 1
    await sql.run("DROP TABLE #t")
    assert await sql.value("SELECT IIF(OBJECT_ID('tempdb..#t') IS NULL, 0, 1)") == 0


async def test_ddl_is_transactional_and_seen_by_others_after_commit(server, sql) -> None:
    async with server.client() as other:
        await sql.run("BEGIN TRAN; CREATE TABLE t (a int); INSERT t VALUES (1)")
        assert await sql.run("SELECT * FROM t") == [(1,)]
        assert (await other.refused("SELECT * FROM t")).number == 208
        await sql.run("ROLLBACK")
        assert (await sql.refused("SELECT * FROM t")).number == 208
        await sql.run("BEGIN TRAN; CREATE TABLE t (a int); COMMIT")
        assert await other.run("SELECT * FROM t") == []
        await other.run("ALTER TABLE t ADD b int")
        assert await sql.run("SELECT a, b FROM t") == []


async def test_three_part_names_reach_other_databases(server, sql) -> None:
    await sql.run("CREATE TABLE t (a int); INSERT t VALUES (5)")
    async with server.client(database="master") as master:
        assert await master.run(f"SELECT a FROM {server.database}.dbo.t") == [(5,)]
        assert await master.run(f"SELECT name FROM {server.database}.sys.tables") == [("t",)]
        assert await master.value(f"SELECT OBJECT_ID('{server.database}.dbo.t')") is not None


@pytest.mark.parametrize(
    ("statement", "number", "text"),
    [
        ("CREATE TABLE t (a int)", 2714, "There is already an object named 't' in the database."),
        (
            "CREATE TABLE u (a int, A int)",
            2705,
            (
                "Column names in each table must be unique. Column name 'A' in table 'u' is specified "
                "more than once."
            ),
        ),
        (
            "CREATE TABLE u (a foo)",
            2715,
            "Column, parameter, or variable #1: Cannot find data type foo.",
        ),
        ("CREATE TABLE nope.u (a int)", 2760, None),
        ("CREATE TABLE u (a int, b AS GETDATE())", 4936, None),
        ("ALTER TABLE t ADD b AS GETDATE()", 4936, None),
        ("ALTER TABLE t ALTER COLUMN v int", 245, None),
        ("CREATE TABLE u (a int IDENTITY, b int IDENTITY)", 2744, None),
        ("CREATE TABLE u (a varchar(10) IDENTITY)", 2749, None),
        ("CREATE TABLE u (a varchar(9000))", 131, None),
        ("CREATE TABLE u (a decimal(39))", 2750, None),
        (
            "CREATE TABLE u (a varchar(10) COLLATE No_Such_CI_AS)",
            448,
            "Invalid collation 'No_Such_CI_AS'.",
        ),
        ("CREATE TABLE u (a int NULL PRIMARY KEY)", 8111, None),
        (
            "ALTER TABLE t ADD PRIMARY KEY (id)",
            1779,
            "Table 't' already has a primary key defined on it.",
        ),
        ("ALTER TABLE nope ADD x int", 4902, None),
        ("ALTER TABLE t ADD id int", 2705, None),
        ("ALTER TABLE t ADD x int NOT NULL", 4901, None),
        ("ALTER TABLE t DROP COLUMN nope", 4924, None),
        ("ALTER TABLE t DROP COLUMN id", 5074, None),
        ("ALTER TABLE t DROP CONSTRAINT nope", 3728, "'nope' is not a constraint."),
        (
            "DROP TABLE nope",
            3701,
            "Cannot drop the table 'nope', because it does not exist or you do not have permission.",
        ),
        ("DROP INDEX nope ON t", 3701, None),
        ("DROP INDEX pk_t ON t", 3723, None),
        ("CREATE INDEX pk_t ON t (v)", 1913, None),
        ("CREATE CLUSTERED INDEX x ON t (v)", 1902, None),
        ("CREATE UNIQUE INDEX x ON t (v)", 1505, None),
        ("CREATE INDEX x ON t (nope)", 1911, None),
        ("CREATE INDEX x ON t (big)", 1919, None),
        ("CREATE TABLE u (a int REFERENCES nope)", 1767, None),
        ("CREATE TABLE u (a int REFERENCES t (v))", 1776, None),
        ("CREATE TABLE u (a varchar(5) REFERENCES t)", 1778, None),
        ("ALTER TABLE t ADD CHECK (v <> 'a')", 547, None),
        ("DROP SCHEMA nope", 15151, None),
        ("CREATE SCHEMA dbo", 2714, None),
        ("TRUNCATE TABLE nope", 4701, None),
        ("CREATE VIEW v AS SELECT 1", 4511, None),
        (
            "CREATE DATABASE master",
            1801,
            "Database 'master' already exists. Choose a different database name.",
        ),
        ("DROP DATABASE nope", 3701, None),
        ("ALTER DATABASE CURRENT SET NO_SUCH_OPTION ON", 5058, None),
        (
            "BEGIN TRAN; CREATE DATABASE x",
            226,
            "CREATE DATABASE statement not allowed within multi-statement transaction.",
        ),
    ],
)
async def test_refusals(sql, statement: str, number: int, text: str | None) -> None:
    await sql.run(
        "CREATE TABLE t (id int NOT NULL CONSTRAINT pk_t PRIMARY KEY, v varchar(5), big xml)"
    )
    await sql.run("INSERT t (id, v) VALUES (1, 'a'), (2, 'A ')")
    error = await sql.refused(statement)
    assert error.number == number
    if text is not None:
        assert error.text == text
    await sql.run("IF @@TRANCOUNT > 0 ROLLBACK")
    assert await sql.value("SELECT COUNT(*) FROM t") == 2  # the session goes on, nothing is lost
