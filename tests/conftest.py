"""Settings every test shares."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import settings

from dtaas.sandbox.snowflake.emulator import SnowflakeEmulator, snowflake_emulator

# A busy machine is no defect: what must be fast is measured in tests/bench.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on asyncio, as the daemon does."""
    return "asyncio"


@pytest.fixture(scope="session")
async def snowflake(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SnowflakeEmulator]:
    """An emulated Snowflake with the database TEST; each test should make a schema of its own."""
    folder = tmp_path_factory.mktemp("snowflake")
    async with snowflake_emulator(folder, user="tester", password="Snow-1") as running:
        await running.create_database("TEST")
        yield running
