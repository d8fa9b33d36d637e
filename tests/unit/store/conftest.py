"""A store in a SQLite file of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dtaas.connectors.registry import Registry
from dtaas.store.store import Store, open_store
from tests.contract.store_samples import Clock
from tests.contract.stored import new_task

__all__ = ["new_task"]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(tmp_path: Path, clock: Clock) -> AsyncIterator[Store]:
    async with open_store(
        "", data_dir=tmp_path, registry=Registry(memory=True), now=clock
    ) as opened:
        yield opened
