"""The API on real sockets, over a real store and a real supervisor."""

import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from anyio import create_task_group
from structlog.testing import capture_logs
from structlog.typing import EventDict

from dtaas.api.app import create_app
from dtaas.api.server import serve_tcp, serve_unix
from dtaas.settings import ApiSettings
from tests.fakes.services_at_work import AtWork, services_at_work


@dataclass
class Served:
    work: AtWork
    url: str
    ws_url: str
    socket: Path
    logs: list[EventDict]


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[EventDict]]:
    with capture_logs() as entries:
        yield entries


@pytest.fixture
async def work(tmp_path: Path) -> AsyncIterator[AtWork]:
    async with services_at_work(tmp_path) as made:
        yield made


@pytest.fixture
async def served(work: AtWork, socket_dir: Path, logs: list[EventDict]) -> AsyncIterator[Served]:
    async with serving(work, socket_dir, logs) as made:
        yield made


@pytest.fixture
def socket_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose path is short enough for a socket, whatever the test's name."""
    return tmp_path_factory.mktemp(uuid.uuid4().hex[:8])


@asynccontextmanager
async def serving(work: AtWork, socket_dir: Path, logs: list[EventDict]) -> AsyncIterator[Served]:
    settings = ApiSettings(cors_origins=("https://page.example",))
    socket = socket_dir / "admin.sock"
    async with create_task_group() as servers:
        trusted = create_app(work.services, settings, trusted=True)
        await servers.start(serve_unix, trusted, socket)
        url = await servers.start(serve_tcp, create_app(work.services, settings), "127.0.0.1", 0)
        ws_url = url.replace("http", "ws", 1) + "/ws"
        yield Served(
            work=work,
            url=url,
            ws_url=ws_url,
            socket=socket,
            logs=logs,
        )
        servers.cancel_scope.cancel()


@pytest.fixture
async def http(served: Served) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=served.url) as client:
        yield client
