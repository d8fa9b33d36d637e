from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.services_at_work import AtWork, services_at_work


@pytest.fixture
async def work(tmp_path: Path) -> AsyncIterator[AtWork]:
    async with services_at_work(tmp_path) as made:
        yield made
