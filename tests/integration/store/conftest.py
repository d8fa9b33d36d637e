"""A PostgreSQL server for the session, and a database of its own for every test."""

import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from dtaas.connectors.registry import Registry
from dtaas.sandbox.postgres import PostgresServer, postgres
from dtaas.store.store import Store, open_store
from tests.contract.store_samples import Clock
from tests.contract.stored import new_task

__all__ = ["new_task"]

_numbers = itertools.count()


@pytest.fixture(scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PostgresServer]:
    async with postgres(tmp_path_factory.mktemp("postgres")) as running:
        yield running


@pytest.fixture
async def postgres_url(server: PostgresServer) -> AsyncIterator[str]:
    name = f"store_{next(_numbers)}"
    admin = await asyncpg.connect(server.url())
    await admin.execute(f"CREATE DATABASE {name}")
    yield server.url(name)
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    """Both databases: an empty URL is SQLite in the data folder."""
    return request.getfixturevalue("postgres_url") if request.param == "postgres" else ""


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(tmp_path: Path, postgres_url: str, clock: Clock) -> AsyncIterator[Store]:
    async with open_store(
        postgres_url, data_dir=tmp_path, registry=Registry(memory=True), now=clock
    ) as opened:
        yield opened
