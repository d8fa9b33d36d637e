"""A query that always gives one value."""

from typing import Any

import asyncpg


async def one_value(connection: asyncpg.Connection, query: str, *arguments: Any) -> Any:
    """Return the first value of the first row of a query that has one."""
    return await connection.fetchval(query, *arguments)
