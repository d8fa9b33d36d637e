"""A query that always gives one value."""

from typing import Any

import asyncpg


async def one_value(connection: asyncpg.Connection, query: str, *arguments: Any) -> Any:
    """Return the first value of the first row of a query that has one."""
    return await connection.fetchval(query, *arguments)


async def one_row(connection: asyncpg.Connection, query: str, *args: Any) -> asyncpg.Record:
    """Return the first row of a query that always has one."""
    found = await connection.fetchrow(query, *args)
    assert found is not None, query  # noqa: S101 - the caller's promise
    return found
