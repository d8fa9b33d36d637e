"""Queries and data changes over tables, on the simulated server without its wire."""

from collections.abc import AsyncIterator

import pytest

from dtaas.sandbox.sqlserver.engine import SimulatedEngine
from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.tsql.compile import compile_statement
from dtaas.sandbox.sqlserver.tsql.compiled import Scope
from dtaas.sandbox.sqlserver.types import SqlType
from tests.integration.tsql_compile.conftest import Tsql, login

TABLES = """
CREATE TABLE dbo.orders (
  id int NOT NULL PRIMARY KEY, customer varchar(20) NOT NULL, note nvarchar(10) NULL,
  amount decimal(10,2) NULL DEFAULT 5, placed datetime NULL);
CREATE TABLE dbo.items (
  order_id int NOT NULL, line tinyint NOT NULL, price money NULL, PRIMARY KEY (order_id, line));
CREATE TABLE dbo.numbered (id bigint IDENTITY(10, 5) PRIMARY KEY, code char(3) NULL UNIQUE);
"""
ROWS = """
INSERT INTO orders (id, customer, note, amount, placed) VALUES
  (1, 'Alice', N'x', 12.34, '2024-01-02T03:04:05.123'), (2, 'bob', NULL, 1, '20240103'),
  (3, 'ALICE ', N'x', 7.5, NULL), (4, 'carol', N'Y', NULL, NULL);
INSERT INTO items VALUES (1, 1, 1.5), (1, 2, 2.5), (2, 1, NULL), (9, 1, 9);
"""


@pytest.fixture(scope="session")
async def queried(engine: SimulatedEngine) -> AsyncIterator[Tsql]:
    """Tables that no test changes."""
    tsql = Tsql(await login(engine, "master"))
    await tsql.rows("CREATE DATABASE queried")
    await tsql.rows("USE queried")
    await tsql.rows(TABLES)
    await tsql.rows(ROWS)
    yield tsql
    await tsql.session.aclose()


@pytest.fixture
async def filled(tsql: Tsql) -> AsyncIterator[Tsql]:
    await tsql.rows(TABLES)
    await tsql.rows(ROWS)
    yield tsql
    await tsql.rows("DROP TABLE orders; DROP TABLE items; DROP TABLE numbered")


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT id FROM orders WHERE customer = 'alice' ORDER BY id", [1, 3]),
        ("SELECT id FROM orders ORDER BY note, id DESC", [2, 3, 1, 4]),
        ("SELECT id FROM orders ORDER BY note DESC, id", [4, 1, 3, 2]),
        ("SELECT COUNT(*) FROM orders GROUP BY customer ORDER BY customer", [2, 1, 1]),
        ("SELECT DISTINCT UPPER(RTRIM(customer)) FROM orders ORDER BY 1", ["ALICE", "BOB", "CAROL"]),
        ("SELECT COUNT(DISTINCT customer) FROM orders", [3]),
        ("SELECT MAX(customer) FROM orders", ["carol"]),
        ("SELECT SUM(amount) FROM orders HAVING COUNT(*) > 3", [2084]),
        ("SELECT TOP (2) id FROM orders ORDER BY id DESC", [4, 3]),
        ("SELECT TOP 30 PERCENT id FROM orders ORDER BY id", [1, 2]),
        ("SELECT TOP (1) WITH TIES note FROM orders ORDER BY note DESC", ["Y"]),
        ("SELECT id FROM orders ORDER BY id OFFSET 1 ROWS FETCH NEXT 2 ROWS ONLY", [2, 3]),
        ("SELECT o.id FROM orders o JOIN items i ON i.order_id = o.id ORDER BY o.id", [1, 1, 2]),
        ("SELECT o.id FROM orders o LEFT JOIN items i ON i.order_id = o.id WHERE i.line IS NULL ORDER BY o.id", [3, 4]),
        ("SELECT COALESCE(o.id, i.order_id) FROM orders o FULL JOIN items i ON i.order_id = o.id AND i.line = 1 ORDER BY 1", [1, 1, 2, 3, 4, 9]),
        ("SELECT COUNT(*) FROM orders CROSS JOIN items", [16]),
        ("SELECT x.n FROM orders o CROSS APPLY (SELECT COUNT(*) AS n FROM items i WHERE i.order_id = o.id) x ORDER BY o.id", [2, 1, 0, 0]),
        ("SELECT i.line FROM orders o OUTER APPLY (SELECT TOP 1 line FROM items i WHERE i.order_id = o.id ORDER BY line DESC) i ORDER BY o.id", [2, 1, None, None]),
        ("SELECT id FROM orders WHERE id IN (SELECT order_id FROM items) ORDER BY id", [1, 2]),
        ("SELECT id FROM orders o WHERE NOT EXISTS (SELECT * FROM items i WHERE i.order_id = o.id) ORDER BY id", [3, 4]),
        ("SELECT id FROM orders WHERE id >= ALL (SELECT id FROM orders)", [4]),
        ("SELECT id FROM orders WHERE note NOT IN ('x')", [4]),
        ("SELECT id FROM orders WHERE id NOT BETWEEN 2 AND 3 ORDER BY id", [1, 4]),
        ("SELECT (SELECT MAX(line) FROM items i WHERE i.order_id = o.id) FROM orders o ORDER BY id",
         [2, 1, None, None]),
        ("SELECT id FROM orders WHERE customer LIKE 'AL%' ORDER BY id", [1, 3]),
        ("SELECT id FROM orders WHERE customer LIKE '[b-c]__%' ORDER BY id", [2, 4]),
        ("SELECT id FROM orders WHERE customer LIKE '[^b-c]%' ORDER BY id", [1, 3]),
        ("SELECT id FROM orders WHERE customer LIKE 'c!arol' ESCAPE '!'", [4]),
        ("SELECT customer FROM orders INTERSECT SELECT 'BOB'", ["bob"]),
        ("SELECT id FROM orders EXCEPT SELECT order_id FROM items ORDER BY id", [3, 4]),
        ("SELECT 1 UNION SELECT 1 UNION ALL SELECT 2.5 ORDER BY 1", [10, 25]),
        ("WITH a AS (SELECT id FROM orders), b (n) AS (SELECT COUNT(*) FROM a) SELECT n FROM b", [4]),
        ("WITH r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 4) SELECT SUM(n) FROM r",
         [10]),
        ("SELECT STRING_AGG(customer, '|') WITHIN GROUP (ORDER BY id DESC) FROM orders",
         ["carol|ALICE |bob|Alice"]),
        ("SELECT n FROM (VALUES (1, 'b'), (2, 'a')) AS v (n, s) ORDER BY s", [2, 1]),
        ("SELECT ROW_NUMBER() OVER (PARTITION BY customer ORDER BY id) FROM orders ORDER BY id",
         [1, 1, 2, 1]),
        ("SELECT RANK() OVER (ORDER BY note) FROM orders ORDER BY id", [2, 1, 2, 4]),
        ("SELECT DENSE_RANK() OVER (ORDER BY note) FROM orders ORDER BY id", [2, 1, 2, 3]),
        ("SELECT NTILE(2) OVER (ORDER BY id) FROM orders ORDER BY id", [1, 1, 2, 2]),
        ("SELECT LAG(id, 1, 0) OVER (ORDER BY id) FROM orders ORDER BY id", [0, 1, 2, 3]),
        ("SELECT LEAD(customer) OVER (ORDER BY id) FROM orders ORDER BY id",
         ["bob", "ALICE ", "carol", None]),
        ("SELECT LAST_VALUE(id) OVER (ORDER BY id ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) FROM orders ORDER BY id", [4, 4, 4, 4]),
        ("SELECT SUM(id) OVER (ORDER BY id) FROM orders ORDER BY id", [1, 3, 6, 10]),
        ("SELECT MIN(customer) OVER () FROM orders WHERE id > 1 ORDER BY id",
         ["ALICE ", "ALICE ", "ALICE "]),
        ("SELECT NULL AS x UNION ALL SELECT 'q' ORDER BY x", [None, "q"]),
        ("SELECT (SELECT COUNT(*) FROM orders i WHERE i.customer = o.customer) FROM orders o GROUP BY customer ORDER BY customer", [2, 1, 1]),
        ("SELECT TOP (SELECT 2) id FROM orders ORDER BY id", [1, 2]),
        ("SELECT COUNT(*) FROM queried.dbo.orders WITH (NOLOCK) OPTION (RECOMPILE)", [4]),
        ("SELECT id FROM orders WHERE placed = '2024-01-02T03:04:05.123'", [1]),
        ("SELECT id FROM orders WHERE placed = CAST('2024-01-02T03:04:05.123' AS datetime2)", []),
        ("SELECT CASE customer WHEN 'ALICE' THEN 1 ELSE 2 END FROM orders ORDER BY id",
         [1, 2, 1, 2]),
    ],
)  # fmt: skip
async def test_first_column(queried: Tsql, sql: str, rows: list[object]):
    assert await queried.column(sql) == rows


async def test_sql_order_differs_from_unicode_order(tsql: Tsql):
    """DBZ-7359: an nvarchar parameter compares in another order than ORDER BY sorts."""
    await tsql.rows("CREATE TABLE dbo.keys (k varchar(20) NOT NULL PRIMARY KEY)")
    await tsql.rows("INSERT INTO keys VALUES ('Y-11-3-4'), ('Y1-01-1-1'), ('Y-9')")
    above = "SELECT k FROM keys WHERE k > @k ORDER BY k"
    assert await tsql.column("SELECT k FROM keys ORDER BY k") == ["Y-11-3-4", "Y-9", "Y1-01-1-1"]
    own = await tsql.column(f"DECLARE @k varchar(20) = 'Y-11-3-4'; {above}")
    foreign = await tsql.column(f"DECLARE @k nvarchar(20) = N'Y-11-3-4'; {above}")
    assert own == ["Y-9", "Y1-01-1-1"]
    assert foreign == ["Y-9"]
    await tsql.rows("DROP TABLE keys")


async def test_guids_sort_as_sql_guid(tsql: Tsql):
    first = "01000000-0000-0000-0000-000000000001"
    second = "00000001-0000-0000-0000-000000000100"
    got = await tsql.column(
        f"SELECT CAST(g AS char(36)) FROM (VALUES (CAST('{second}' AS uniqueidentifier)), "
        f"('{first}')) AS v (g) ORDER BY g"
    )
    assert got == [first, second]


async def test_changes_and_output(filled: Tsql):
    sql = "UPDATE orders SET amount += 1, note = customer OUTPUT deleted.amount, inserted.note "
    assert await filled.rows(f"{sql} WHERE id = 1") == [(1234, "Alice")]
    await filled.rows(
        "UPDATE o SET amount = i.price FROM orders AS o JOIN items AS i ON i.order_id = o.id "
        "WHERE i.line = 2"
    )
    assert await filled.column("SELECT amount FROM orders WHERE id = 1") == [250]
    await filled.rows(
        "UPDATE orders SET note = 'none' FROM orders LEFT JOIN items ON order_id = id "
        "WHERE order_id IS NULL"
    )
    assert await filled.column("SELECT id FROM orders WHERE note = 'none' ORDER BY id") == [3, 4]
    assert await filled.column(
        "DELETE o OUTPUT deleted.id FROM orders o JOIN items i ON i.order_id = o.id AND line = 2"
    ) == [1]
    assert len(await filled.rows("DELETE TOP (1) FROM items OUTPUT deleted.line")) == 1
    merged = await filled.rows(
        "MERGE orders AS t USING (VALUES (2, 'B'), (7, 'new')) AS s (id, c) ON t.id = s.id "
        "WHEN MATCHED THEN UPDATE SET customer = s.c "
        "WHEN NOT MATCHED THEN INSERT (id, customer) VALUES (s.id, s.c) "
        "OUTPUT $action, inserted.amount;"
    )
    assert sorted(merged) == [("INSERT", 500), ("UPDATE", 100)]


async def test_update_sets_variables(filled: Tsql):
    sql = "DECLARE @old decimal(10,2), @new money; UPDATE orders SET @old = amount, @new = amount = 9 "
    assert await filled.rows(f"{sql} WHERE id = 2; SELECT @old, @new, @@ROWCOUNT") == [
        (100, 90000, 1)
    ]
    only = "DECLARE @n int = 5; UPDATE orders SET @n += id WHERE id = 2; SELECT @n"
    assert await filled.column(only) == [7]


async def test_inserts(filled: Tsql):
    assert await filled.rows(
        "INSERT INTO numbered (code) OUTPUT inserted.id, inserted.code VALUES ('a'), (DEFAULT)"
    ) == [(10, "a  "), (15, None)]
    await filled.rows(
        "INSERT INTO numbered (code) SELECT LEFT(customer, 3) FROM orders WHERE id = 2"
    )
    assert await filled.column("SELECT SCOPE_IDENTITY()") == [20]
    await filled.rows(
        "SET IDENTITY_INSERT numbered ON; INSERT INTO numbered (id, code) VALUES (1, 'z'); "
        "SET IDENTITY_INSERT numbered OFF"
    )
    assert await filled.column("SELECT id FROM numbered ORDER BY id") == [1, 10, 15, 20]
    await filled.rows("INSERT INTO orders (id, customer) VALUES (50, 'd')")
    assert await filled.column("SELECT amount FROM orders WHERE id = 50") == [500]
    await filled.rows("SELECT id, customer INTO dbo.copy FROM orders WHERE id < 3")
    assert await filled.rows("SELECT * FROM copy ORDER BY id") == [(1, "Alice"), (2, "bob")]
    await filled.rows("DROP TABLE copy")


@pytest.mark.parametrize(
    ("sql", "number"),
    [
        ("SELECT nope FROM orders", 207),
        ("SELECT o.nope FROM orders o", 207),
        ("SELECT id FROM nope", 208),
        ("SELECT id FROM orders a JOIN orders b ON a.id = b.id", 209),
        ("SELECT x.id FROM orders", 4104),
        ("SELECT x.* FROM orders", 107),
        ("SELECT foo(1)", 195),
        ("SELECT dbo.foo(1)", 4121),
        ("SELECT LEN()", 174),
        ("SELECT customer, COUNT(*) FROM orders", 8120),
        ("SELECT COUNT(*) FROM orders HAVING id > 1", 8121),
        ("SELECT COUNT(*) FROM orders ORDER BY id", 8127),
        ("SELECT id FROM orders WHERE COUNT(*) > 1", 147),
        ("SELECT SUM(customer) FROM orders", 8117),
        ("SELECT id FROM orders WHERE ROW_NUMBER() OVER (ORDER BY id) = 1", 4108),
        ("SELECT ROW_NUMBER() OVER (PARTITION BY id) FROM orders", 4112),
        ("SELECT CAST(1 AS date)", 529),
        ("SELECT CAST('2024-01-01' AS date) + 1", 402),
        ("SELECT CAST(GETDATE() AS date) WHERE CAST(GETDATE() AS date) = 1", 206),
        ("SELECT CAST(1 AS nosuch)", 243),
        ("SELECT @missing", 137),
        ("SELECT 1/0", 8134),
        ("SELECT CAST('abc' AS int)", 245),
        ("SELECT CAST('abc' AS bigint)", 8114),
        ("SELECT CAST('99999999999' AS int)", 248),
        ("SELECT CAST(300 AS tinyint)", 220),
        ("SELECT 2147483647 + 1", 8115),
        ("SELECT CAST(12345.678 AS decimal(5,2))", 8115),
        ("SELECT CAST('x' AS uniqueidentifier)", 8169),
        ("SELECT CAST('x' AS money)", 235),
        ("SELECT CAST('foo' AS date)", 241),
        ("SELECT CAST('2024-13-01' AS datetime)", 242),
        ("SELECT (SELECT id FROM orders)", 512),
        ("SELECT (SELECT 1, 2)", 116),
        ("SELECT 1 UNION SELECT 1, 2", 205),
        ("SELECT id FROM orders ORDER BY 2", 108),
        ("SELECT DISTINCT id FROM orders ORDER BY customer", 145),
        ("SELECT * FROM (SELECT 1) AS x", 8155),
        ("SELECT * FROM (SELECT 1 AS a, 2 AS A) AS x", 8156),
        ("SELECT * FROM orders, orders", 1011),
        ("SELECT CASE WHEN 1 = 1 THEN NULL END", 8133),
        ("SELECT COALESCE(NULL, NULL)", 4127),
        ("SELECT 'a' COLLATE nosuch", 448),
        ("SELECT 1 WHERE 'a' COLLATE Latin1_General_CI_AS = 'a' COLLATE Latin1_General_BIN", 468),
        ("WITH r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT n FROM r", 530),
        ("WITH r AS (SELECT 1 AS n UNION ALL SELECT 'x' FROM r) SELECT n FROM r", 240),
        ("SELECT SUBSTRING('abc', 1, -1)", 537),
        ("SELECT DATEADD(nosuch, 1, GETDATE())", 155),
        ("SELECT DATEADD(year, 9000, GETDATE())", 517),
        ("SELECT DATEDIFF(ms, '1900-01-01', '2024-01-01')", 535),
        ("SELECT DATEFROMPARTS(2023, 2, 29)", 289),
        ("SELECT TOP (-1) id FROM orders", 1014),
        ("INSERT INTO orders VALUES (1)", 213),
        ("INSERT INTO orders (id, customer) VALUES (1)", 109),
        ("INSERT INTO orders (id) VALUES (1, 2)", 110),
        ("INSERT INTO orders (id, id) VALUES (1, 2)", 264),
        ("INSERT INTO orders (id, customer) SELECT 1", 120),
        ("INSERT INTO orders (id, customer) VALUES (60, REPLICATE('x', 21))", 2628),
        ("INSERT INTO orders (id, customer, placed) VALUES (60, 'x', 'never')", 241),
        ("INSERT INTO orders (id, customer) VALUES (1, 'x')", 2627),
        ("INSERT INTO orders (id) VALUES (60)", 515),
        ("INSERT INTO numbered (id) VALUES (1)", 544),
        ("UPDATE numbered SET id = 1", 8102),
        ("UPDATE orders SET nope = 1", 207),
        ("UPDATE sys.tables SET name = 'x'", 259),
        ("DELETE FROM nope", 208),
    ],
)
async def test_errors_by_number(queried: Tsql, sql: str, number: int):
    with pytest.raises(SqlError) as raised:
        await queried.rows(sql)
    assert raised.value.number == number


async def test_key_ranges_use_the_index(filled: Tsql, engine: SimulatedEngine):
    await filled.rows(
        "WITH n AS (SELECT 100 AS id UNION ALL SELECT id + 1 FROM n WHERE id < 3000) "
        "INSERT INTO orders (id, customer) SELECT id, STR(id, 10) FROM n OPTION (MAXRECURSION 0)"
    )
    connection = await engine._storage.connect(login="sa", spid=0, restricted=False)
    try:
        catalog = (await engine._storage.catalogs())["compiled"]
        scope = Scope(catalog=catalog, variables={"@lo": SqlType("int"), "@hi": SqlType("bigint")})
        compiled = compile_statement(
            "SELECT o.id, o.customer FROM dbo.orders AS o WHERE o.id > @lo AND o.id <= @hi "
            "ORDER BY o.id",
            scope,
        )
        assert compiled.arguments == ("@lo", "@hi")
        await connection.execute("ANALYZE")
        plan = await connection.fetch(f"EXPLAIN {compiled.sql}", 200, 220)
    finally:
        await connection.close()
    text = "\n".join(row[0] for row in plan)
    assert "Index Scan" in text
    assert "Sort" not in text
