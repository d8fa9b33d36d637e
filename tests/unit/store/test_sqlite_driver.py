"""One call to the driver's thread a statement, and transactions that begin with their first one."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from dtaas.store.address import parse_address
from dtaas.store.database import Database
from dtaas.store.errors import StoreBusyError
from dtaas.store.exclusive import exclusive
from dtaas.store.sqlite_driver import StatementConnection, connect


class Counted:
    """Counts the calls that reach the driver's thread."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        plain = StatementConnection._execute

        async def counted(connection: Any, fn: Any, *args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            return await plain(connection, fn, *args, **kwargs)  # type: ignore[no-untyped-call]

        monkeypatch.setattr(StatementConnection, "_execute", counted)

    def taken(self) -> int:
        calls, self.calls = self.calls, 0
        return calls


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    return Counted(monkeypatch)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    address = parse_address("", tmp_path)
    async with exclusive(address) as right:
        opened = Database(address, right)
        await opened.write(lambda c: c.execute(text("CREATE TABLE t (id INTEGER PRIMARY KEY, n)")))
        try:
            yield opened
        finally:
            await opened.aclose()


async def test_a_transaction_is_a_call_a_statement_and_one_to_end_it(
    database: Database, counted: Counted
) -> None:
    def ask(connection: Connection) -> list[int]:
        return [connection.execute(text("SELECT :n"), {"n": n}).scalar_one() for n in range(3)]

    await database.read(ask)  # connects
    counted.taken()
    assert await database.read(ask) == [0, 1, 2]
    assert counted.taken() == 4
    assert await database.read(lambda _: 7) == 7
    assert counted.taken() == 0  # nothing was begun


async def test_results_are_whole(database: Database) -> None:
    def write(connection: Connection) -> tuple[int, int]:
        statement = text("INSERT INTO t (n) VALUES (:n)")
        connection.execute(statement, [{"n": n} for n in range(500)])
        one = connection.execute(statement, {"n": 500})
        changed = connection.execute(text("UPDATE t SET n = n + 1 WHERE n >= 400"))
        return one.lastrowid, changed.rowcount

    assert await database.write(write) == (501, 101)
    rows = await database.read(lambda c: c.execute(text("SELECT id, n FROM t ORDER BY id")).all())
    assert (len(rows), rows[0]._mapping["n"], rows[-1].n) == (501, 0, 501)


async def test_an_exception_undoes_all_of_it_and_the_connection_goes_on(database: Database) -> None:
    def broken(connection: Connection) -> None:
        connection.execute(text("INSERT INTO t (n) VALUES (1)"))
        raise RuntimeError("broken off")

    for _ in range(8):  # more often than there are connections
        with pytest.raises(RuntimeError, match="broken off"):
            await database.write(broken)
    assert await database.read(lambda c: c.scalar(text("SELECT count(*) FROM t"))) == 0


async def test_the_picture_is_that_of_the_first_statement(
    database: Database, tmp_path: Path
) -> None:
    other = sqlite3.connect(tmp_path / "dtaas.db", isolation_level=None)

    def look(connection: Connection) -> tuple[int, int]:
        before = connection.scalar(text("SELECT count(*) FROM t"))
        other.execute("INSERT INTO t (n) VALUES (1)")
        return before, connection.scalar(text("SELECT count(*) FROM t"))

    assert await database.read(look) == (0, 0)
    assert await database.read(lambda c: c.scalar(text("SELECT count(*) FROM t"))) == 1
    other.close()


async def test_a_lock_of_somebody_else_is_told_and_leaves_nothing_begun(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dtaas.store.database.ATTEMPTS", 1)
    insert = text("INSERT INTO t (n) VALUES (1)")
    other = sqlite3.connect(tmp_path / "dtaas.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusyError):
        await database.write(lambda c: c.execute(text("SELECT 1")))
    other.execute("ROLLBACK")
    other.close()
    assert (await database.write(lambda c: c.execute(insert))).rowcount == 1


async def test_the_driver_alone_begins_with_its_first_statement(tmp_path: Path) -> None:
    connection = await connect(str(tmp_path / "one.db"), isolation_level=None)
    try:
        cursor = connection.cursor()
        await cursor.execute("CREATE TABLE t (n)")
        connection.begin("BEGIN IMMEDIATE")
        assert not connection.in_transaction
        await cursor.executemany("INSERT INTO t VALUES (?)", [(n,) for n in range(3)])
        assert (connection.in_transaction, cursor.rowcount, cursor.description) == (True, 3, None)
        await connection.rollback()
        await cursor.execute("SELECT count(*) AS found FROM t")
        assert (cursor.description[0][0], await cursor.fetchall()) == ("found", [(0,)])
        await cursor.close()
        assert await cursor.fetchall() == ()
    finally:
        await connection.close()
