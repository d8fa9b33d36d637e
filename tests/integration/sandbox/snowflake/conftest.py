"""A schema of its own for every test, and connections that are closed after it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from itertools import count
from typing import Any

import pytest
from snowflake.connector import aio

from dtaas.sandbox.snowflake.emulator import SnowflakeEmulator

Connect = Callable[..., Awaitable[Any]]
Run = Callable[..., Awaitable[list[tuple[Any, ...]]]]
_numbers = count(1)


@pytest.fixture
async def schema(snowflake: SnowflakeEmulator) -> AsyncIterator[str]:
    """A new schema of the database TEST. Faults and the log are cleared."""
    name = f"S{next(_numbers)}"
    await snowflake.create_database("TEST", name)
    await snowflake.clear()
    yield name
    await snowflake.clear()


@pytest.fixture
async def connect(snowflake: SnowflakeEmulator, schema: str) -> AsyncIterator[Connect]:
    """Open connections with the connector's asyncio flavour."""
    async with AsyncExitStack() as stack:

        async def open_one(**changes: Any) -> Any:
            arguments = {
                **snowflake.connection,
                "database": "TEST",
                "schema": schema,
                "login_timeout": 20,
                "query_timeout": 40,
                "request_timeout": 30,
                **changes,
            }
            connection = await aio.connect(**arguments)
            stack.push_async_callback(connection.close)
            return connection

        yield open_one


@pytest.fixture
async def run(connect: Connect) -> Run:
    """Run statements on one connection and return all rows."""
    connection = await connect()

    async def run_one(sql: str, *arguments: Any, **named: Any) -> list[tuple[Any, ...]]:
        cursor = connection.cursor()
        await cursor.execute(sql, *arguments, **named)
        return await cursor.fetchall()

    return run_one
