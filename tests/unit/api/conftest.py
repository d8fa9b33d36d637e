from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from dtaas.api.app import create_app
from dtaas.settings import ApiSettings
from tests.fakes.services_at_work import AtWork, services_at_work

MAX_BODY_MB = 1


@pytest.fixture
async def work(tmp_path: Path) -> AsyncIterator[AtWork]:
    async with services_at_work(tmp_path) as made:
        yield made


@pytest.fixture
async def http(work: AtWork) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(work) as client:
        yield client


@asynccontextmanager
async def client_of(work: AtWork) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of the application without a server between."""
    settings = ApiSettings(
        max_body_mb=MAX_BODY_MB,
        allowed_hosts=("dtaas.example",),
        cors_origins=("https://page.example",),
    )
    transport = httpx.ASGITransport(create_app(work.services, settings))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
        yield client
