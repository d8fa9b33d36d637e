"""A Snowflake destination in a database schema of the test's own."""

import os
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count
from typing import Any

import pytest
from msgspec import convert
from msgspec.structs import replace

from dtaas.connectors.snowflake.destination import SnowflakeDestination
from dtaas.connectors.snowflake.names import quoted, text
from dtaas.connectors.snowflake.sessions import Row, Session, SessionPool
from dtaas.model.connectors import SnowflakeConfig
from dtaas.sandbox.snowflake.emulator import SnowflakeEmulator
from tests.integration.snowflake.account import account_of

Run = Callable[[str], Awaitable[list[tuple[Any, ...]]]]
REAL = account_of(os.environ)
"""The account to run on instead of the emulator."""
_RUN = uuid.uuid4().hex[:8] if REAL else ""
_numbers = count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what only the emulator can do, when a real account is named."""
    emulated = pytest.mark.skip(reason="injects faults, which takes the emulator")
    for item in items:
        if REAL and "snowflake" in getattr(item, "fixturenames", ()):
            item.add_marker(emulated)


def config_of(emulator: SnowflakeEmulator, number: int) -> SnowflakeConfig:
    return convert(
        emulator.connector(
            "TEST",
            schema=f"{{schema}}_{number}",
            metadata_schema=f"DTAAS_{number}",
            identifiers="preserve",
        ),
        SnowflakeConfig,
    )


if REAL:

    @pytest.fixture
    async def config() -> AsyncIterator[SnowflakeConfig]:
        assert REAL is not None
        mark = f"{_RUN}_{next(_numbers)}"
        config = replace(
            REAL, schema=f"dtaas_test_{mark}_{{schema}}", metadata_schema=f"DTAAS_TEST_{mark}"
        )
        yield config
        await drop_schemas(config, mark)

else:

    @pytest.fixture
    async def config(snowflake: SnowflakeEmulator) -> AsyncIterator[SnowflakeConfig]:
        await snowflake.clear()
        yield config_of(snowflake, next(_numbers))
        await snowflake.clear()


async def drop_schemas(config: SnowflakeConfig, mark: str) -> None:
    """Drop what a test made on a real account."""
    database = quoted(config.database)
    like = text(f"%dtaas_test_{mark}%")
    pool = SessionPool(config)
    for row in await pool.run("dtaas/test", "Looking", f"SHOW SCHEMAS LIKE {like} IN {database}"):
        await pool.run("dtaas/test", "Dropping", f"DROP SCHEMA {database}.{quoted(row[1])}")
    await pool.aclose()


def destination_of(config: SnowflakeConfig) -> SnowflakeDestination:
    return SnowflakeDestination(config, task_name="task", database="db")


@pytest.fixture
async def destination(config: SnowflakeConfig) -> AsyncIterator[SnowflakeDestination]:
    destination = destination_of(config)
    yield destination
    await destination.aclose()


@pytest.fixture
async def lives() -> AsyncIterator[list[SnowflakeDestination]]:
    opened: list[SnowflakeDestination] = []
    yield opened
    for destination in opened:
        await destination.aclose()


@pytest.fixture
def run(config: SnowflakeConfig) -> Run:
    """Run statements on a connection of the test's own, as any user would."""

    async def run_one(sql: str) -> list[tuple[Any, ...]]:
        pool = SessionPool(config)  # each time: the emulator may have died between two
        try:
            return [tuple(row) for row in await pool.run("a reader", "Reading", sql)]
        finally:
            await pool.aclose()

    return run_one


def before_statement(
    monkeypatch: pytest.MonkeyPatch, pattern: str, do: Callable[[], Awaitable[None]]
) -> None:
    """Do something when any of our sessions is about to run such a statement for the first time."""
    answered, done = Session._answer, list[str]()

    async def answer(self: Session, what: str, sql: str) -> tuple[list[str], list[Row]]:
        if not done and re.match(pattern, sql):
            done.append(sql)
            await do()
        return await answered(self, what, sql)

    monkeypatch.setattr(Session, "_answer", answer)


async def transactions(config: SnowflakeConfig) -> list[str]:
    """Return the ids of open transactions."""
    pool = SessionPool(config)
    async with pool.session("dtaas/test") as session:
        shown = await session.run_named("Looking", "SHOW TRANSACTIONS")
    await pool.aclose()
    return [str(row["id"]) for row in shown]
