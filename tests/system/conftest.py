"""The daemon as a process, between a simulated SQL Server and S3 that tests can hurt."""

import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import httpx
import msgspec
import pytest
from anyio.abc import Process
from websockets.asyncio.client import connect

from dtaas.model.schema import TableRef
from dtaas.sandbox import tpch
from dtaas.sandbox.postgres import postgres
from dtaas.sandbox.sandbox import (
    ACCESS_KEY,
    BUCKET,
    DATABASE,
    SA_PASSWORD,
    SECRET_KEY,
    Sandbox,
    fill_with_tpch,
    sandbox,
)
from tests.system.life import LIMIT_S, Life

SCALE = 0.02
LINEITEM = TableRef("dbo", "lineitem")
ORDERS = TableRef("dbo", "orders")
REST = ("idle", "failed", "stopped", "paused")
Told = Callable[[dict[str, Any]], bool]


@pytest.fixture(scope="session")
async def servers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sandbox]:
    """A SQL Server with TPC-H tables and an S3 with a bucket, for all system tests."""
    folder = tmp_path_factory.mktemp("sandbox")
    async with sandbox(folder) as running:
        await running.s3.create_bucket(BUCKET)
        await anyio.to_thread.run_sync(tpch.generate, folder / "tpch", SCALE)
        await fill_with_tpch(running.sqlserver, folder / "tpch")
        yield running


class Daemon:
    """One daemon over its lives: the data folder stays, the process comes and goes."""

    def __init__(self, data_dir: Path, servers: Sandbox, environ: dict[str, str]) -> None:
        self.data_dir = data_dir
        self.log_path = data_dir.with_suffix(".log")
        self.port = 0
        self._servers = servers
        self._environ = environ
        self._process: Process | None = None
        self.http = httpx.AsyncClient(timeout=30)

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        with self.log_path.open("ab") as log:
            self._process = await anyio.open_process(
                [
                    sys.executable,
                    "-m",
                    "dtaas",
                    "serve",
                    "--port",
                    str(self.port),
                    "--data-dir",
                    self.data_dir,
                ],
                stdin=None,
                stdout=log,
                stderr=log,
                env={
                    **os.environ,
                    "DTAAS_LOG__FORMAT": "json",
                    "DTAAS_AUTH__ENABLED": "false",
                    **self._environ,
                },
            )
        with anyio.fail_after(LIMIT_S):
            self.http.base_url = await self._url()

    async def _url(self) -> str:
        """Return the address the present life logs when it has started."""
        seen = 0
        async for _ in _beats():
            assert self._process is not None
            assert self._process.returncode is None, self.log_path.read_text()
            lines = self.log_path.read_text().splitlines()
            for line in lines[seen:]:
                event = _json(line)
                if event.get("event") == "started" and self._mine(event):
                    return str(event["url"])
            seen = len(lines)
        raise AssertionError

    def _mine(self, event: dict[str, Any]) -> bool:
        assert self._process is not None
        return bool(event["pid"] == self._process.pid)

    async def kill(self) -> None:
        """End it as a power cut would."""
        await self.end(signal.SIGKILL)

    async def end(self, how: signal.Signals) -> int:
        """Send a signal and return the exit code."""
        assert self._process is not None
        self._process.send_signal(how)
        with anyio.fail_after(LIMIT_S):
            code = await self._process.wait()
        self._process = None
        return code

    def signal(self, how: signal.Signals) -> None:
        """Send a signal and go on."""
        assert self._process is not None
        self._process.send_signal(how)

    def events(self) -> list[dict[str, Any]]:
        """Return everything it logged."""
        return [_json(line) for line in self.log_path.read_text().splitlines()]

    async def aclose(self) -> None:
        """End what still runs."""
        if self._process is not None and self._process.returncode is None:
            await self.kill()
        await self.http.aclose()

    async def get(self, path: str) -> Any:
        """Return an answer of the API."""
        answer = await self.http.get(path)
        assert answer.is_success, answer.text
        return answer.json()

    async def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Send a request that must be accepted."""
        answer = await self.http.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    async def source(self, **config: Any) -> int:
        """Make a connector to the SQL Server."""
        server = self._servers.sqlserver
        body = {
            "name": f"source {os.urandom(4).hex()}",
            "connector_type": "source",
            "source_type": "sqlserver",
            "connection_config": {
                "host": server.host,
                "port": server.port,
                "database": DATABASE,
                "username": "sa",
                "password": SA_PASSWORD,
                "trust_server_certificate": True,
                **config,
            },
        }
        return int((await self.post("/api/connectors/", body))["id"])

    async def s3(self, **config: Any) -> int:
        """Make a connector to the S3, with a prefix of its own."""
        body = {
            "name": f"s3 {os.urandom(4).hex()}",
            "connector_type": "destination",
            "destination_type": "s3",
            "connection_config": {
                "bucket": BUCKET,
                "endpoint_url": self._servers.s3.endpoint_url,
                "access_key_id": ACCESS_KEY,
                "secret_access_key": SECRET_KEY,
                "prefix": os.urandom(4).hex() + "/{schema}/{table}",
                **config,
            },
        }
        return int((await self.post("/api/connectors/", body))["id"])

    async def folder(self, path: Path) -> int:
        """Make a connector to a folder."""
        body = {
            "name": f"folder {os.urandom(4).hex()}",
            "connector_type": "destination",
            "destination_type": "file",
            "connection_config": {"path": str(path)},
        }
        return int((await self.post("/api/connectors/", body))["id"])

    async def task(self, source: int, target: int, *tables: TableRef, **spec: Any) -> int:
        """Make a task."""
        body = {
            "name": f"task {os.urandom(4).hex()}",
            "source_connector_id": source,
            "destination_connector_id": target,
            "source_tables": [msgspec.to_builtins(t) for t in tables],
            **spec,
        }
        return int((await self.post("/api/tasks/", body))["id"])

    async def control(self, task_id: int, action: str, **how: Any) -> Any:
        """Steer a task."""
        return await self.post(f"/api/tasks/{task_id}/control", {"action": action, **how})

    async def until(self, task_id: int, told: Told) -> dict[str, Any]:
        """Return the first message of the task's topic that `told` accepts."""
        url = str(self.http.base_url).replace("http", "ws", 1).rstrip("/") + "/ws"
        topic = f"task:{task_id}"
        with anyio.fail_after(LIMIT_S):
            async with connect(url) as socket:
                await socket.send(json.dumps({"op": "subscribe", "topics": [topic]}))
                async for frame in socket:
                    message = json.loads(frame)
                    if message["topic"] == topic and told(message["data"]):
                        return dict(message["data"])
        raise AssertionError

    async def until_status(self, task_id: int, *statuses: str) -> dict[str, Any]:
        """Return the task once it is in one of these states."""
        data = await self.until(
            task_id, lambda d: bool(d.get("task")) and d["task"]["status"] in statuses
        )
        return dict(data["task"])

    async def run(self, task_id: int) -> dict[str, Any]:
        """Start a task and return its execution when it has ended."""
        await self.control(task_id, "start")
        await self.until_status(task_id, *REST)
        return await self.newest(task_id)

    async def newest(self, task_id: int) -> dict[str, Any]:
        """Return the newest execution with its tables."""
        listed = await self.get(f"/api/tasks/{task_id}/executions")
        return dict(await self.get(f"/api/executions/{listed['items'][0]['id']}"))


Make = Callable[..., Awaitable[Daemon]]


@pytest.fixture
async def make_daemon(servers: Sandbox, tmp_path: Path) -> AsyncIterator[Make]:
    """Return a function that starts daemons, which end with the test."""
    made: list[Daemon] = []

    async def make(data_dir: Path | None = None, **environ: str) -> Daemon:
        daemon = Daemon(data_dir or tmp_path / f"daemon{len(made)}", servers, environ)
        made.append(daemon)
        await daemon.start()
        return daemon

    yield make
    for daemon in made:
        await daemon.aclose()


@pytest.fixture
async def daemon(make_daemon: Make) -> Daemon:
    """A running daemon."""
    return await make_daemon()


@pytest.fixture
async def shared(tmp_path: Path) -> AsyncIterator[dict[str, str]]:
    """What every daemon of one database is told."""
    key = tmp_path / "shared.key"
    key.write_text(os.urandom(32).hex())
    key.chmod(0o600)
    async with postgres(tmp_path / "metadata") as server:
        yield {
            "DTAAS_STORE__URL": server.url(),
            "DTAAS_STORE__KEY_FILE": str(key),
            "DTAAS_DAEMON__HIGH_AVAILABILITY": "true",
        }


async def _beats() -> AsyncIterator[None]:
    while True:
        yield
        await anyio.sleep(0.02)  # a file has no event to wait for


def _json(line: str) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


@pytest.fixture
def life(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Life:
    """A daemon that is not started yet."""
    return Life(tmp_path, tmp_path_factory.mktemp("s") / "a.sock")
