"""A real storage for the whole run; each test gets a database of its own."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from dtaas.sandbox.postgres import postgres
from dtaas.sandbox.sqlserver.engine import SimulatedEngine
from dtaas.sandbox.sqlserver.results import ErrorMessage, Rows, Session, SqlError

PASSWORD = "Str0ng!"
_NUMBERS = count(1)


class Client:
    """Runs T-SQL and gives back what it answered."""

    def __init__(self, session: Session) -> None:
        self.session = session

    async def run(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of all result sets; raises the first error."""
        rows: list[tuple[Any, ...]] = []
        errors: list[SqlError] = []
        async for item in self.session.batch(sql):
            if isinstance(item, Rows):
                rows.extend(tuple(row) for row in item.rows)
            if isinstance(item, ErrorMessage):
                errors.append(item.error)
        if errors:
            raise errors[0]
        return rows

    async def value(self, sql: str) -> Any:
        """Return the one value a query gives."""
        ((value,),) = await self.run(sql)
        return value

    async def refused(self, sql: str) -> SqlError:
        """Return the error a statement must give."""
        with pytest.raises(SqlError) as caught:
            await self.run(sql)
        return caught.value


class Server:
    """The engine, with clients on the test's database."""

    def __init__(self, engine: SimulatedEngine, database: str) -> None:
        self.engine = engine
        self.database = database

    @asynccontextmanager
    async def client(
        self, user: str = "sa", password: str = PASSWORD, database: str | None = None
    ) -> AsyncIterator[Client]:
        """Log in; closed at the end."""
        session = await self.engine.login(
            user=user,
            password=password,
            database=self.database if database is None else database,
            application="tests",
            host="localhost",
        )
        try:
            yield Client(session)
        finally:
            await session.aclose()


@pytest.fixture(scope="session")
async def engine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SimulatedEngine]:
    data_dir: Path = tmp_path_factory.mktemp("storage")
    async with postgres(data_dir / "postgres") as server:
        engine = await SimulatedEngine.open(server, password=PASSWORD)
        yield engine
        await engine.aclose()


@pytest.fixture
async def server(engine: SimulatedEngine) -> AsyncIterator[Server]:
    name = f"Test{next(_NUMBERS)}"
    server = Server(engine, name)
    async with server.client(database="master") as master:
        await master.run(f"CREATE DATABASE [{name}]")
        yield server
        await master.run(f"DROP DATABASE [{name}]")


@pytest.fixture
async def sql(server: Server) -> AsyncIterator[Client]:
    async with server.client() as client:
        yield client


def names(rows: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Return the first column."""
    return [row[0] for row in rows]
