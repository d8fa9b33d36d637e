"""Logins and rights, and filling tables from Arrow."""

from datetime import date, datetime, time
from decimal import Decimal
from uuid import UUID

import pyarrow as pa
import pytest

from dtaas.sandbox.sqlserver.results import SqlError


async def test_logins(server) -> None:
    await server.engine.create_login("Reader", "pässwörd")
    for user, password in (("sa", "wrong"), ("nobody", "x"), ("reader", "PÄSSWÖRD"), ("", "")):
        with pytest.raises(SqlError) as caught:
            async with server.client(user, password, "master"):
                pass
        assert (caught.value.number, caught.value.severity, caught.value.state) == (18456, 14, 1)
        assert caught.value.text == f"Login failed for user '{user}'."
    async with server.client("READER", "pässwörd", "master") as client:
        assert await client.value("SELECT SUSER_SNAME()") == "Reader"
    with pytest.raises(SqlError) as caught:
        async with server.client(database="no_such"):
            pass
    assert caught.value.number == 4060


async def test_rights(server, sql) -> None:
    await sql.run("CREATE TABLE seen (a int); CREATE TABLE hidden (a int); INSERT seen VALUES (1)")
    await server.engine.create_login("bob", "pw")
    with pytest.raises(SqlError) as caught:
        async with server.client("bob", "pw"):
            pass
    assert caught.value.number == 4060
    await server.engine.create_user("bob", server.database)
    await sql.run("GRANT SELECT ON dbo.seen TO bob")
    async with server.client("bob", "pw") as bob:
        assert await bob.run("SELECT name FROM sys.tables") == [("seen",)]
        assert await bob.run("SELECT a FROM seen") == [(1,)]
        assert await bob.value("SELECT HAS_PERMS_BY_NAME('dbo.seen', 'OBJECT', 'SELECT')") == 1
        assert (
            await bob.value("SELECT HAS_PERMS_BY_NAME(NULL, 'DATABASE', 'VIEW DATABASE STATE')")
            == 0
        )
        assert await bob.run("SELECT IS_ROLEMEMBER('db_owner'), IS_SRVROLEMEMBER('sysadmin')") == [
            (0, 0)
        ]
        error = await bob.refused("SELECT * FROM hidden")
        assert (error.number, error.severity, error.state) == (229, 14, 5)
        assert error.text == (
            f"The SELECT permission was denied on the object 'hidden', database '{server.database}', "
            "schema 'dbo'."
        )
        assert (await bob.refused("INSERT seen VALUES (2)")).number == 229
        error = await bob.refused("CREATE TABLE t (a int)")
        assert error.text == f"CREATE TABLE permission denied in database '{server.database}'."
        await bob.run("CREATE TABLE #mine (a int); INSERT #mine VALUES (1)")
        assert await bob.run("SELECT a FROM #mine") == [(1,)]
        await sql.run("REVOKE SELECT ON dbo.seen FROM bob")
        assert (await bob.refused("SELECT a FROM seen")).number == 229
    await server.engine.create_user("bob", server.database, owner=True)
    async with server.client("bob", "pw") as bob:
        await bob.run("CREATE TABLE t (a int); INSERT hidden VALUES (5)")
        assert await bob.value("SELECT IS_ROLEMEMBER('db_owner')") == 1


TABLE = """CREATE TABLE t (id int NOT NULL PRIMARY KEY, b bit, d decimal(10,2), m money, f float,
  day date, at datetime2(3), old datetime, clock time(2), c char(4), n nvarchar(10), raw varbinary(4),
  g uniqueidentifier, zoned datetimeoffset(7))"""


def _batch(**changes: list) -> pa.RecordBatch:
    values = {
        "id": [1, 2],
        "b": [True, None],
        "d": [Decimal("1.25"), None],
        "m": [Decimal("2.5"), None],
        "f": [0.1, None],
        "day": [date(2024, 2, 29), None],
        "at": [datetime(2024, 2, 29, 1, 2, 3, 456789), None],
        "old": [datetime(2024, 2, 29, 1, 2, 3, 4000), None],
        "clock": [time(1, 2, 3, 456000), None],
        "c": ["é", None],
        "n": ['"x",\n😀', None],
        "raw": [b"\x00\xff", None],
        "g": ["00112233-4455-6677-8899-aabbccddeeff", None],
        "zoned": ["2024-02-29 23:59:59.1234567 +05:30", None],
    }
    return pa.RecordBatch.from_pydict({**values, **changes})


async def test_fill_equals_inserts(server, sql) -> None:
    await sql.run(TABLE)
    assert await server.engine.bulk_fill(server.database, "dbo", "T", [_batch()]) == 2
    filled = await sql.run("SELECT * FROM t ORDER BY id")
    await sql.run("DELETE t")
    await sql.run(
        "INSERT t VALUES (1, 1, 1.25, 2.5, 0.1, '2024-02-29', '2024-02-29T01:02:03.457',"
        " '2024-02-29T01:02:03.004', '01:02:03.46', 'é', N'\"x\",\n😀', 0x00FF,"
        " '00112233-4455-6677-8899-AABBCCDDEEFF', '2024-02-29T23:59:59.1234567+05:30')"
    )
    inserted = await sql.run("SELECT * FROM t")
    assert filled[0] == inserted[0]
    assert filled[0][12] == UUID("00112233-4455-6677-8899-aabbccddeeff").bytes_le
    assert filled[1] == (2, *[None] * 13)
    assert await server.engine.bulk_fill(server.database, "dbo", "t", []) == 0


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({"id": [1, 1]}, 2627),
        ({"id": [1, None]}, 515),
        ({"id": [1, 2**40]}, 220),
        ({"d": [Decimal("1.234"), None]}, 8114),
        ({"c": ["12345", None]}, 2628),
        ({"n": ["😀" * 6, None]}, 2628),
        ({"raw": [b"12345", None]}, 2628),
        ({"g": ["no guid", None]}, 8114),
        ({"nope": [1, 2]}, 207),
    ],
)
async def test_fill_refuses_what_does_not_fit_and_leaves_nothing(
    server, sql, changes: dict, number: int
) -> None:
    await sql.run(TABLE)
    with pytest.raises(SqlError) as caught:
        await server.engine.bulk_fill(server.database, "dbo", "t", [_batch(**changes)])
    assert caught.value.number == number
    assert await sql.value("SELECT COUNT(*) FROM t") == 0


async def test_fill_checks_foreign_keys(server, sql) -> None:
    await sql.run(
        "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (p int CONSTRAINT fk REFERENCES p)"
    )
    await sql.run("INSERT p VALUES (1)")
    good = pa.RecordBatch.from_pydict({"p": [1, None]})
    bad = pa.RecordBatch.from_pydict({"p": [1, 2]})
    assert await server.engine.bulk_fill(server.database, "dbo", "c", iter([good])) == 2
    with pytest.raises(SqlError) as caught:
        await server.engine.bulk_fill(server.database, "dbo", "c", iter([good, bad]))
    assert caught.value.number == 547
    assert caught.value.text.startswith(
        'The INSERT statement conflicted with the FOREIGN KEY constraint "fk".'
    )
    assert await sql.value("SELECT COUNT(*) FROM c") == 2
    with pytest.raises(SqlError) as caught:
        await server.engine.bulk_fill(server.database, "dbo", "nope", iter([good]))
    assert caught.value.number == 208


async def test_fill_moves_the_identity(server, sql) -> None:
    await sql.run("CREATE TABLE t (id int IDENTITY PRIMARY KEY, v int)")
    batch = pa.RecordBatch.from_pydict({"id": [7, 9], "v": [1, 2]})
    await server.engine.bulk_fill(server.database, "dbo", "t", [batch])
    await sql.run("INSERT t VALUES (3)")
    assert await sql.value("SELECT MAX(id) FROM t") == 10
