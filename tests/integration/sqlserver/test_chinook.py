"""A real script, unchanged, batch by batch; then what it left."""

import os
from decimal import Decimal
from pathlib import Path

import pytest

from dtaas.sandbox.sqlserver.tsql.script import decode_script, split_script
from tests.integration.sqlserver.odbc_session import Connector, OdbcSession

SCRIPT = os.environ.get("DTAAS_TEST_CHINOOK")
pytestmark = [
    pytest.mark.skipif(SCRIPT is None, reason="DTAAS_TEST_CHINOOK names no Chinook_SqlServer.sql"),
    pytest.mark.timeout(180),
]

ROWS = {
    "Album": 347,
    "Artist": 275,
    "Customer": 59,
    "Employee": 8,
    "Genre": 25,
    "Invoice": 412,
    "InvoiceLine": 2240,
    "MediaType": 5,
    "Playlist": 18,
    "PlaylistTrack": 8715,
    "Track": 3503,
}


@pytest.fixture(scope="module")
async def chinook(connector: Connector) -> Connector:
    batches = split_script(decode_script(Path(SCRIPT or "").read_bytes()))
    async with connector.session(Database="master") as session:
        for batch in batches:
            await session.run(batch)
    return Connector(connector.server, connector.driver, "Chinook")


async def test_every_table_is_full(chinook: Connector) -> None:
    async with chinook.session() as sql:
        assert {t: await sql.value(f"SELECT COUNT(*) FROM dbo.{t}") for t in ROWS} == ROWS


async def test_joins_and_aggregates(chinook: Connector) -> None:
    async with chinook.session() as sql:
        rows = await sql.rows(
            "SELECT TOP (3) a.Name, COUNT(*) AS lines, SUM(l.UnitPrice * l.Quantity) AS sold\n"
            "FROM Artist AS a JOIN Album AS b ON b.ArtistId = a.ArtistId\n"
            "JOIN Track AS t ON t.AlbumId = b.AlbumId JOIN InvoiceLine AS l ON l.TrackId = t.TrackId\n"
            "GROUP BY a.Name ORDER BY sold DESC"
        )
    assert rows == [
        ("Iron Maiden", 140, Decimal("138.60")),
        ("U2", 107, Decimal("105.93")),
        ("Metallica", 91, Decimal("90.09")),
    ]


async def test_letters_beyond_ascii_came_through(chinook: Connector) -> None:
    async with chinook.session() as sql:
        city = await sql.value("SELECT City FROM Customer WHERE CustomerId = 1")
        assert city == "São José dos Campos"
        # the collation tells accents apart but not case
        found = await sql.rows(
            "SELECT CustomerId FROM Customer WHERE City = N'são JOSÉ dos campos'"
        )
        assert found == [(1,)]


async def test_keys_hold(chinook: Connector) -> None:
    async with chinook.session() as sql:
        assert (await sql.fails("INSERT INTO Artist VALUES (1, N'again')"))[0] == 2627
        number, text = await sql.fails("DELETE FROM Artist WHERE ArtistId = 1")
        assert number == 547
        assert text == (
            'The DELETE statement conflicted with the REFERENCE constraint "FK_AlbumArtistId". The '
            'conflict occurred in database "Chinook", table "dbo.Album", column \'ArtistId\'.'
        )


async def test_the_script_runs_again(chinook: Connector) -> None:
    async with chinook.session(Database="master") as sql:
        drop = split_script(decode_script(Path(SCRIPT or "").read_bytes()))[0]
        await sql.run(drop)
        assert await sql.value("SELECT DB_ID(N'Chinook')") is None


async def test_sessions_see_ddl_of_others(sql: OdbcSession, connector: Connector) -> None:
    async with connector.session() as other:
        await other.run("CREATE TABLE seen (a int)")
        assert await sql.value("SELECT COUNT(*) FROM seen") == 0
        await other.run("ALTER TABLE seen ADD b int")
        assert (await sql.run("SELECT * FROM seen"))[0].columns == ("a", "b")
        await other.run("DROP TABLE seen")
        assert (await sql.fails("SELECT * FROM seen"))[0] == 208
