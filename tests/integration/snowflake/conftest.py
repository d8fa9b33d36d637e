"""A Snowflake destination in a database schema of the test's own."""

from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count
from typing import Any

import pytest
from snowflake.connector import aio

from dtaas.connectors.snowflake.destination import SnowflakeDestination
from dtaas.model.connectors import SnowflakeAuthentication, SnowflakeConfig, SnowflakeNames
from dtaas.sandbox.snowflake.emulator import SnowflakeEmulator

Run = Callable[[str], Awaitable[list[tuple[Any, ...]]]]
_numbers = count(1)


def config_of(emulator: SnowflakeEmulator, number: int) -> SnowflakeConfig:
    return SnowflakeConfig(
        account=emulator.account,
        user=emulator.user,
        authentication=SnowflakeAuthentication.PASSWORD,
        password=emulator.password,
        database="TEST",
        schema=f"{{schema}}_{number}",
        metadata_schema=f"DTAAS_{number}",
        identifiers=SnowflakeNames.PRESERVE,
        host=emulator.host,
        port=emulator.port,
        protocol=emulator.protocol,
    )


@pytest.fixture
async def config(snowflake: SnowflakeEmulator) -> AsyncIterator[SnowflakeConfig]:
    await snowflake.clear()
    yield config_of(snowflake, next(_numbers))
    await snowflake.clear()


def destination_of(config: SnowflakeConfig) -> SnowflakeDestination:
    return SnowflakeDestination(config, task_name="task", database="db")


@pytest.fixture
async def destination(config: SnowflakeConfig) -> AsyncIterator[SnowflakeDestination]:
    destination = destination_of(config)
    yield destination
    await destination.aclose()


@pytest.fixture
async def run(snowflake: SnowflakeEmulator, config: SnowflakeConfig) -> AsyncIterator[Run]:
    """Run statements on a connection of the test's own, as any user would."""
    connection = await aio.connect(**snowflake.connection, database=config.database)

    async def run_one(sql: str) -> list[tuple[Any, ...]]:
        cursor = connection.cursor()
        await cursor.execute(sql)
        return list(await cursor.fetchall())

    yield run_one
    await connection.close()
