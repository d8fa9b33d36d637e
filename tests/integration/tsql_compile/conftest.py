"""A simulated server without its wire: T-SQL in, items out."""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

import pytest

from dtaas.sandbox.postgres import postgres
from dtaas.sandbox.sqlserver.engine import SimulatedEngine
from dtaas.sandbox.sqlserver.results import Columns, ErrorMessage, ResultColumn, Rows, Session

PASSWORD = "Pass_word1"


class Tsql:
    """Runs batches; keeps the rows and columns of the last result set."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.columns: Sequence[ResultColumn] = ()

    async def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of the last result set, in wire form.

        Raises:
            SqlError: the batch failed.
        """
        rows: list[tuple[Any, ...]] = []
        async with aclosing(self.session.batch(sql)) as items:
            async for item in items:
                if isinstance(item, ErrorMessage):
                    raise item.error
                if isinstance(item, Columns):
                    self.columns, rows = item.columns, []
                if isinstance(item, Rows):
                    rows += [tuple(row) for row in item.rows]
        return rows

    async def column(self, sql: str) -> list[Any]:
        """Return the first column."""
        return [row[0] for row in await self.rows(sql)]

    async def value(self, expression: str) -> Any:
        """Return the value of an expression in wire form."""
        return (await self.rows(f"SELECT {expression}"))[0][0]

    async def typed(self, expression: str) -> tuple[str, Any]:
        """Return the type of an expression as T-SQL writes it, and its value."""
        value = await self.value(expression)
        return shown(self.columns[0]), value


def shown(column: ResultColumn) -> str:
    """Return a type as T-SQL writes it."""
    type_ = column.type
    if type_.name in {"decimal", "numeric"}:
        return f"{type_.name}({type_.precision},{type_.scale})"
    if type_.name in {"time", "datetime2", "datetimeoffset"}:
        return f"{type_.name}({type_.scale})"
    if type_.length and type_.name != "timestamp":
        return f"{type_.name}({'max' if type_.length < 0 else type_.length})"
    return type_.name


@pytest.fixture(scope="session")
async def engine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SimulatedEngine]:
    async with postgres(tmp_path_factory.mktemp("tsql") / "data") as server:
        engine = await SimulatedEngine.open(server, password=PASSWORD)
        yield engine
        await engine.aclose()


@pytest.fixture(scope="session")
async def database(engine: SimulatedEngine) -> str:
    tsql = Tsql(await login(engine, "master"))
    await tsql.rows("CREATE DATABASE compiled")
    await tsql.session.aclose()
    return "compiled"


@pytest.fixture
async def tsql(engine: SimulatedEngine, database: str) -> AsyncIterator[Tsql]:
    tsql = Tsql(await login(engine, database))
    yield tsql
    await tsql.session.aclose()


async def login(engine: SimulatedEngine, database: str) -> Session:
    return await engine.login(
        user="sa", password=PASSWORD, database=database, application="test", host="test"
    )
