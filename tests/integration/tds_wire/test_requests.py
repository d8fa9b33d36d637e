"""Batches, prepared statements, transactions and messages as Microsoft's driver uses them."""

from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyodbc
import pytest

from dtaas.sandbox.sqlserver.results import (
    Columns,
    DatabaseChanged,
    Done,
    ErrorMessage,
    Item,
    Message,
    Parameter,
    ResultColumn,
    ReturnStatus,
    Rows,
    SqlError,
)
from dtaas.sandbox.sqlserver.types import SqlType
from tests.fakes.scripted_server import SELECT, ScriptedEngine, items, rows

INT = ResultColumn(name="n", type=SqlType("int"))
INSERT = 0xC3


def one(value: int) -> tuple[Item, ...]:
    return Columns((INT,)), Rows([[value]]), Done(rows=1, command=SELECT)


PARAMETERS = [
    5,
    -(2**31),
    2**63 - 1,
    "abc",
    "日本é😀",
    "",
    "x" * 4000,
    "ß" * 100_000,
    b"\0\xff",
    b"",
    b"\1" * 8000,
    b"\2" * 100_000,
    True,
    1.5,
    -5e-324,
    Decimal("1.25"),
    Decimal(-99999999999999999999999999999999999999),
    Decimal("0.00000000000000000000000000000000000001"),
    datetime(2024, 2, 29, 23, 59, 59, 123456),
    datetime(1, 1, 1),
    date(9999, 12, 31),
    time(23, 59, 59),
    UUID("6f9619ff-8b86-d011-b42d-00c04fc964ff"),
    None,
]


@pytest.mark.parametrize("value", PARAMETERS, ids=lambda v: repr(v)[:30])
async def test_parameters_come_back(value: Any, run: Any) -> None:
    def client(connection: pyodbc.Connection) -> Any:
        return connection.execute("echo ?", value).fetchval()

    expected = str(value).upper() if isinstance(value, UUID) else value
    assert await run(client) == expected


async def test_several_parameters_of_all_kinds(run: Any) -> None:
    values = [v for v in PARAMETERS if not isinstance(v, UUID)]

    def client(connection: pyodbc.Connection) -> Any:
        marks = ", ".join("?" * len(values))
        return list(connection.execute(f"echo {marks}", values).fetchall()[0])

    assert await run(client) == values


async def test_typed_parameters_keep_their_type(engine: ScriptedEngine, run: Any) -> None:
    """A key is bound with its column's own type, or comparisons go by another order."""

    def client(connection: pyodbc.Connection) -> Any:
        cursor = connection.cursor()
        cursor.setinputsizes([(pyodbc.SQL_VARCHAR, 50, 0)])
        return cursor.execute("echo ?", "Y-11-3-4").fetchval()

    assert await run(client) == "Y-11-3-4"
    call = engine.sessions[0].calls[-1]
    assert call.declarations == "@P1 varchar(50)"
    assert call.parameters[0].type.name == "varchar"


async def test_prepared_statements_are_run_again_by_handle(
    engine: ScriptedEngine, run: Any
) -> None:
    def client(connection: pyodbc.Connection) -> list[int]:
        cursor = connection.cursor()
        found = [cursor.execute("echo ?", n).fetchval() for n in (1, 2, 3)]
        found.append(cursor.execute("echo ?, ?", 4, 5).fetchall()[0][1])
        cursor.executemany("echo ?", [(6,), (7,)])
        return found

    assert await run(client) == [1, 2, 3, 5]
    executed = [c for c in engine.sessions[0].calls if c.method == "execute"]
    assert [[p.value for p in c.parameters] for c in executed] == [
        [1],
        [2],
        [3],
        [4, 5],
        [6],
        [7],
    ]
    assert {c.declarations for c in executed} == {"@P1 int", "@P1 int,@P2 int"}


async def test_columns_of_a_statement_that_was_only_prepared(
    engine: ScriptedEngine, run: Any
) -> None:
    """A long value makes the driver prepare first and ask for the columns."""
    engine.descriptions["echo @P1"] = (ResultColumn(name="c0", type=SqlType("ntext")),)

    def client(connection: pyodbc.Connection) -> Any:
        return connection.execute("echo ?", "z" * 9000).fetchval()

    assert await run(client) == "z" * 9000
    assert [c.method for c in engine.sessions[0].calls[-2:]] == ["describe", "execute"]


async def test_results_counts_and_messages_of_one_batch(engine: ScriptedEngine, run: Any) -> None:
    engine.scripts["many"] = items(
        *one(1),
        Done(rows=3, command=INSERT),
        *one(2),
        Message(number=0, text="printed"),
        Done(),
    )

    def client(connection: pyodbc.Connection) -> list[Any]:
        cursor = connection.execute("many")
        seen: list[Any] = []
        while True:
            seen.append(cursor.fetchall() if cursor.description else cursor.rowcount)
            if cursor.messages:
                seen.append(str(cursor.messages[0][1]).rpartition("]")[2])
            if not cursor.nextset():
                return seen

    found = await run(client)
    assert [list(map(tuple, s)) if isinstance(s, list) else s for s in found] == [
        [(1,)],
        3,
        [(2,)],
        -1,
        "printed",
    ]


async def test_an_error_after_rows_comes_when_they_are_fetched(
    engine: ScriptedEngine, run: Any
) -> None:
    deadlock = SqlError(1205, "Transaction was deadlocked.", severity=13, state=51)
    engine.scripts["deadlock"] = items(Columns((INT,)), Rows([[1], [2]]), ErrorMessage(deadlock))

    def client(connection: pyodbc.Connection) -> None:
        cursor = connection.execute("deadlock")
        assert cursor.fetchval() == 1
        assert cursor.fetchval() == 2
        with pytest.raises(pyodbc.Error, match=r"\(1205\)") as failed:
            cursor.fetchone()
        assert failed.value.args[0] == "40001"
        assert connection.execute("echo ?", 1).fetchval() == 1

    await run(client)


async def test_a_failed_statement_does_not_end_the_batch(engine: ScriptedEngine, run: Any) -> None:
    failed = ErrorMessage(SqlError(2627, "Violation of PRIMARY KEY constraint 'pk'.", severity=14))
    engine.scripts["partly"] = items(failed, *one(7))
    engine.scripts["well"] = items(*one(8), failed)

    def client(connection: pyodbc.Connection) -> None:
        with pytest.raises(pyodbc.IntegrityError, match=r"\(2627\)"):
            connection.execute("partly")
        cursor = connection.execute("well")
        assert cursor.fetchval() == 8
        with pytest.raises(pyodbc.IntegrityError, match=r"\(2627\)"):
            cursor.nextset()

    await run(client)


async def test_an_error_raised_by_a_session_is_told_too(engine: ScriptedEngine, run: Any) -> None:
    async def raising(_parameters: Sequence[Parameter]) -> AsyncIterator[Item]:
        yield Columns((INT,))
        raise SqlError(8134, "Divide by zero error encountered.")

    engine.scripts["divide"] = raising

    def client(connection: pyodbc.Connection) -> None:
        with pytest.raises(pyodbc.Error, match=r"\(8134\)"):
            connection.execute("divide").fetchall()
        assert connection.execute("echo ?", 1).fetchval() == 1

    await run(client)


async def test_transactions_without_autocommit(engine: ScriptedEngine, run: Any) -> None:
    def client(connection: pyodbc.Connection) -> None:
        connection.execute("echo ?", 1).fetchall()
        connection.commit()
        connection.execute("echo ?", 2).fetchall()
        connection.rollback()
        connection.execute("echo ?", 3).fetchall()
        connection.rollback()

    await run(client, autocommit=False)
    session = engine.sessions[0]
    methods = [c.method for c in session.calls if c.method not in {"login", "call"}]
    assert methods[:7] == ["begin", "execute", "commit", "begin", "execute", "rollback", "begin"]


async def test_commit_of_a_transaction_that_is_gone(engine: ScriptedEngine, run: Any) -> None:
    def client(connection: pyodbc.Connection) -> None:
        connection.execute("echo ?", 1).fetchall()
        engine.sessions[0].transaction = 0
        with pytest.raises(pyodbc.Error, match=r"\(3902\)"):
            connection.commit()

    await run(client, autocommit=False)


async def test_a_transaction_begun_by_a_batch_is_announced(
    engine: ScriptedEngine, run: Any
) -> None:
    async def begin(_parameters: Sequence[Parameter]) -> AsyncIterator[Item]:
        await engine.sessions[0].begin(0)
        yield Done()

    async def commit(_parameters: Sequence[Parameter]) -> AsyncIterator[Item]:
        await engine.sessions[0].commit()
        yield Done()

    engine.scripts["begin tran"] = begin
    engine.scripts["commit tran"] = commit

    def client(connection: pyodbc.Connection) -> None:
        connection.execute("begin tran")
        assert connection.execute("echo ?", 1).fetchval() == 1
        connection.execute("commit tran")
        assert connection.execute("echo ?", 2).fetchval() == 2

    await run(client)


async def test_isolation_levels_are_set_by_batch(engine: ScriptedEngine, run: Any) -> None:
    def client(connection: pyodbc.Connection) -> None:
        connection.set_attr(pyodbc.SQL_ATTR_TXN_ISOLATION, pyodbc.SQL_TXN_SERIALIZABLE)
        connection.execute("echo ?", 1).fetchall()

    await run(client)
    texts = [c.text.strip().upper() for c in engine.sessions[0].calls]
    assert "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE" in texts


async def test_use_changes_the_database_the_driver_knows(engine: ScriptedEngine, run: Any) -> None:
    engine.scripts["use"] = items(DatabaseChanged("other", "testdb"), Done())

    def client(connection: pyodbc.Connection) -> str:
        connection.execute("use other")
        name: str = connection.getinfo(pyodbc.SQL_DATABASE_NAME)
        return name

    assert await run(client) == "other"


async def test_calls_of_procedures_reach_the_session(engine: ScriptedEngine, run: Any) -> None:
    engine.scripts["dbo.p"] = items(*one(5), ReturnStatus(3))

    def client(connection: pyodbc.Connection) -> Any:
        return connection.execute("{call dbo.p(?, ?)}", 1, "a").fetchval()

    assert await run(client) == 5
    call = next(c for c in engine.sessions[0].calls if c.text == "dbo.p")
    assert [p.value for p in call.parameters] == [1, "a"]


async def test_unknown_procedures_are_refused_by_the_session(run: Any) -> None:
    def client(connection: pyodbc.Connection) -> None:
        with pytest.raises(pyodbc.Error, match=r"\(208\)"):
            connection.execute("{call nothing(?)}", 1)

    await run(client)


async def test_more_columns_than_a_bitmap_byte_with_nulls_everywhere(
    engine: ScriptedEngine, run: Any
) -> None:
    columns = [ResultColumn(name=f"c{i}", type=SqlType("nvarchar", 10)) for i in range(20)]
    values = [[None if (i + j) % 3 else f"{i}.{j}" for i in range(20)] for j in range(40)]
    engine.scripts["sparse"] = rows(columns, *values)

    def client(connection: pyodbc.Connection) -> list[list[Any]]:
        return [list(row) for row in connection.execute("sparse").fetchall()]

    assert await run(client) == values


async def test_an_empty_result_has_columns(engine: ScriptedEngine, run: Any) -> None:
    engine.scripts["empty"] = rows([INT])

    def client(connection: pyodbc.Connection) -> Any:
        cursor = connection.execute("empty")
        return cursor.fetchall(), cursor.description[0][0]

    assert await run(client) == ([], "n")


async def test_long_texts_of_errors_and_odd_names(engine: ScriptedEngine, run: Any) -> None:
    name = "naïve ]name' 😀"
    engine.scripts["odd"] = rows([ResultColumn(name=name, type=SqlType("int"))], [1])
    engine.scripts["fail"] = items(ErrorMessage(SqlError(50000, "e" * 2047)))

    def client(connection: pyodbc.Connection) -> None:
        assert connection.execute("odd").description[0][0] == name
        with pytest.raises(pyodbc.Error, match=r"e{500}"):
            connection.execute("fail")

    await run(client)


async def test_a_fatal_error_ends_the_connection(engine: ScriptedEngine, run: Any) -> None:
    engine.scripts["fatal"] = items(
        ErrorMessage(SqlError(823, "The operating system returned error 21.", severity=24)), Done()
    )

    def client(connection: pyodbc.Connection) -> None:
        with pytest.raises(pyodbc.Error) as failed:
            connection.execute("fatal")
        assert failed.value.args[0] == "HY000"
        with pytest.raises(pyodbc.OperationalError) as lost:
            connection.execute("echo ?", 1)
        assert lost.value.args[0] == "08S01"

    await run(client, ConnectRetryCount=0)
