"""A server with a scripted engine."""

from collections.abc import AsyncIterator

import pytest

from dtaas.sandbox.sqlserver.server import TdsServer
from tests.fakes.scripted_server import ScriptedEngine


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine()


@pytest.fixture
async def server(engine: ScriptedEngine) -> AsyncIterator[TdsServer]:
    async with TdsServer.listen(engine) as listening:
        yield listening
