"""Orders a source must know: collations and uniqueidentifier."""

import uuid

import pytest

from tests.integration.sqlserver.odbc_session import OdbcSession

KEYS = ["Y-11-3-4", "Y1-01-1-1", "Y-2", "Y1", "y-11-3-5", "Y'1"]


async def test_sql_order_weighs_hyphens_and_unicode_order_does_not(sql: OdbcSession) -> None:
    await sql.run(
        "CREATE TABLE ordered (k varchar(20) COLLATE SQL_Latin1_General_CP1_CI_AS, n nvarchar(20))"
    )
    for key in KEYS:
        await sql.run("INSERT INTO ordered VALUES (?, ?)", key, key)
    by_sql = [k for (k,) in await sql.rows("SELECT k FROM ordered ORDER BY k")]
    by_unicode = [n for (n,) in await sql.rows("SELECT n FROM ordered ORDER BY n")]
    assert by_sql.index("Y-11-3-4") < by_sql.index("Y1-01-1-1")
    assert by_sql != by_unicode
    assert sorted(by_sql) == sorted(by_unicode) == sorted(KEYS)


async def test_dbz_7359_an_nvarchar_bound_skips_rows_of_a_varchar_key(sql: OdbcSession) -> None:
    keys = [f"Y-{i}-{j}" for i in range(1, 12) for j in range(1, 4)]
    keys += [f"Y{i}-01-{j}" for i in range(1, 12) for j in range(1, 4)]
    await sql.run("CREATE TABLE chunked (id varchar(20) PRIMARY KEY)")
    await sql.run(f"INSERT INTO chunked VALUES {', '.join(f'({k!r})' for k in keys)}")

    async def walk(bound: str) -> list[str]:
        seen: list[str] = []
        while True:
            where = f"DECLARE @k {bound} = '{seen[-1]}' " if seen else ""
            after = "WHERE id > @k" if seen else ""
            rows = await sql.rows(f"{where}SELECT TOP (5) id FROM chunked {after} ORDER BY id")
            if not rows or len(seen) > len(keys):
                return seen
            seen += [k for (k,) in rows]

    assert sorted(await walk("varchar(20)")) == sorted(keys)
    assert sorted(await walk("nvarchar(20)")) != sorted(keys)


@pytest.mark.parametrize(
    ("left", "right", "collation", "equal"),
    [
        ("abc", "ABC", "SQL_Latin1_General_CP1_CI_AS", True),
        ("abc", "ABC", "SQL_Latin1_General_CP1_CS_AS", False),
        ("abc", "abc  ", "SQL_Latin1_General_CP1_CI_AS", True),
        ("resume", "résumé", "Latin1_General_CI_AS", False),
        ("resume", "résumé", "Latin1_General_CI_AI", True),
        ("abc", "ABC", "Latin1_General_BIN2", False),
        ("abc", "abc ", "Latin1_General_BIN2", True),
    ],
)
async def test_equality(
    sql: OdbcSession, left: str, right: str, collation: str, equal: bool
) -> None:
    batch = f"SELECT CASE WHEN N'{left}' COLLATE {collation} = N'{right}' THEN 1 ELSE 0 END"
    assert await sql.value(batch) == int(equal)
    grouped = (
        f"SELECT COUNT(*) FROM (SELECT v COLLATE {collation} AS v FROM (VALUES (N'{left}'), "
        f"(N'{right}')) AS t (v)) AS c GROUP BY v"
    )
    assert len(await sql.rows(grouped)) == (1 if equal else 2)


async def test_unique_keys_fold_case_and_trailing_blanks(sql: OdbcSession) -> None:
    await sql.run("CREATE TABLE folded (k nvarchar(10) PRIMARY KEY) INSERT folded VALUES (N'a')")
    assert (await sql.fails("INSERT folded VALUES (N'A')"))[0] == 2627
    assert (await sql.fails("INSERT folded VALUES (N'a ')"))[0] == 2627
    await sql.run("INSERT folded VALUES (N'ä')")


async def test_uniqueidentifier_order_is_sql_guid_order(sql: OdbcSession) -> None:
    made = [uuid.UUID(int=0xFF << shift) for shift in range(0, 128, 8)]
    await sql.run("CREATE TABLE guids (g uniqueidentifier PRIMARY KEY)")
    await sql.run(f"INSERT INTO guids VALUES {', '.join(f'({str(g)!r})' for g in made)}")
    order = (10, 11, 12, 13, 14, 15, 8, 9, 6, 7, 4, 5, 0, 1, 2, 3)
    expected = sorted(made, key=lambda g: [g.bytes_le[i] for i in order])
    rows = [uuid.UUID(g) for (g,) in await sql.rows("SELECT g FROM guids ORDER BY g")]
    assert rows == expected
    middle = expected[7]
    above = [uuid.UUID(g) for (g,) in await sql.rows(f"SELECT g FROM guids WHERE g > '{middle}'")]
    assert set(above) == set(expected[8:])


async def test_null_sorts_first(sql: OdbcSession) -> None:
    rows = await sql.rows("SELECT v FROM (VALUES (2), (NULL), (1)) AS t (v) ORDER BY v")
    assert rows == [(None,), (1,), (2,)]
