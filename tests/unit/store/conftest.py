"""A store in a SQLite file of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dtaas.store.store import Store
from tests.contract.store_samples import Clock
from tests.contract.stored import new_task
from tests.fakes.fresh_store import fresh_store

__all__ = ["new_task"]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(tmp_path: Path, clock: Clock) -> AsyncIterator[Store]:
    async with fresh_store(tmp_path, now=clock) as opened:
        yield opened
