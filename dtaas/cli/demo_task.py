"""The demo as a user of the API: connectors, a task, its start, and its progress as it comes."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Self

import httpx
import msgspec
from anyio import fail_after, sleep
from msgspec import Struct
from websockets.asyncio.client import connect

from dtaas.model.errors import FatalError
from dtaas.model.execution import TablePhase, TableProgress
from dtaas.model.schema import TableRef
from dtaas.model.task import TaskStatus
from dtaas.model.verification import Verification, VerificationStatus
from dtaas.sandbox.access import SandboxAccess

_LOOK_EVERY_S: Final = 0.1
_ARRIVAL_LIMIT_S: Final = 120.0
_VERIFY_LIMIT_S: Final = 3600.0
SOURCE_NAME = "Demo SQL Server"
TASK_NAME = "TPC-H to the lake"


class _Message(Struct, frozen=True):
    """The parts of a message of `/ws` the demo needs."""

    topic: str = ""
    data: dict[str, Any] = {}


class DemoProgress:
    """The picture of a task that the messages of its topic draw.

    Attributes:
        tables: by name, in the order of the task.
        percent, rows_done, rows_s, elapsed_s: over all tables.
    """

    def __init__(self) -> None:
        self.tables: dict[str, TableProgress] = {}
        self.percent = 0.0
        self.rows_done = 0
        self.rows_s = 0.0
        self.elapsed_s = 0.0
        self.streams = False
        self.failed = ""

    def take(self, data: dict[str, Any]) -> None:
        """Take a snapshot or a delta into the picture."""
        for table in msgspec.convert(data.get("tables", []), list[TableProgress]):
            self.tables[str(table.table)] = table
        totals = data.get("progress") or {}
        for name in ("percent", "rows_s", "elapsed_s"):
            setattr(self, name, totals.get(name, getattr(self, name)))
        self.rows_done = sum(table.rows_done for table in self.tables.values())
        task = data.get("task", {})
        if task.get("status") == TaskStatus.FAILED:
            self.failed = task.get("last_error") or "see the daemon's log"
        phases = {table.phase for table in self.tables.values()}
        if phases == {TablePhase.STREAMING}:
            self.streams = True
            self.percent, self.rows_s = 100.0, 0.0


class DemoApi:
    """Calls the daemon's REST API and listens to its WebSocket."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._http = httpx.AsyncClient(base_url=url, timeout=30)

    async def __aenter__(self) -> Self:
        """Open the connection pool."""
        await self._http.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close it."""
        await self._http.aclose()

    async def is_ready(self) -> bool:
        """Return whether the daemon serves; false while nobody listens."""
        try:
            return (await self._http.get("/api/health/ready")).is_success
        except httpx.TransportError:
            return False

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send a request and return the answer, or raise what the API refused."""
        answer = await self._http.post(path, json=body)
        data: dict[str, Any] = answer.json()
        if answer.is_error:
            error = FatalError(
                f"{data.get('code')}: {data.get('detail')}", hint=data.get("hint") or ""
            )
            raise error
        return data

    async def create_task(
        self, access: SandboxAccess, destination: dict[str, Any], tables: Sequence[TableRef]
    ) -> int:
        """Create both connectors and the task; return the task's id."""
        source = await self.post("/api/connectors/", source_body(access))
        target = await self.post("/api/connectors/", destination)
        task = await self.post(
            "/api/tasks/",
            {
                "name": TASK_NAME,
                "description": "Made by dtaas demo",
                "source_connector_id": source["id"],
                "destination_connector_id": target["id"],
                "source_tables": [msgspec.to_builtins(table) for table in tables],
                "mode": "full_load_then_cdc",
                "s3_file_format": "parquet",
                # A folder that an earlier demo wrote is taken over.
                "options": {"take_over": True, "poll_interval_ms": 200, "merge_interval_s": 1},
            },
        )
        return int(task["id"])

    async def run(self, task_id: int, show: Callable[[DemoProgress], None]) -> DemoProgress:
        """Start the task and show its figures until every table is loaded and streams.

        Raises:
            FatalError: the API refused the start, or the task failed.
        """
        topic = f"task:{task_id}"
        picture = DemoProgress()
        async with connect(self._url.replace("http", "ws", 1) + "/ws") as socket:
            ask = {"op": "subscribe", "topics": [topic]}
            await socket.send(msgspec.json.encode(ask), text=True)
            await self.post(f"/api/tasks/{task_id}/control", {"action": "start"})
            async for frame in socket:
                message = msgspec.json.decode(frame, type=_Message)
                if message.topic == topic:
                    picture.take(message.data)
                    show(picture)
                    if picture.failed:
                        raise FatalError(f"The load failed: {picture.failed}")
                    if picture.streams:
                        break
        return picture

    async def until_arrived(self, task_id: int, changes: int) -> list[float]:
        """Wait until so many changes are durable; return the lags seen meanwhile, in seconds.

        Raises:
            TimeoutError: they were not within the limit.
        """
        lags: list[float] = []
        with fail_after(_ARRIVAL_LIMIT_S):
            while True:
                tables = (await self.newest_execution(task_id))["tables"]
                lags += [t["lag_s"] for t in tables if t["lag_s"]]
                if sum(t["changes"] for t in tables) >= changes:
                    break
                await sleep(_LOOK_EVERY_S)
        return lags

    async def verify(self, task_id: int) -> Verification:
        """Have both ends read again and compared.

        Raises:
            FatalError: the daemon could not.
            TimeoutError: it did not end within the limit.
        """
        found = await self.post(f"/api/tasks/{task_id}/verify", {})
        path = f"/api/tasks/{task_id}/verifications/{found['id']}"
        with fail_after(_VERIFY_LIMIT_S):
            while found["status"] in {VerificationStatus.QUEUED, VerificationStatus.RUNNING}:
                await sleep(_LOOK_EVERY_S)
                found = await self._get(path)
        if found["error"]:
            raise FatalError(f"The verification failed: {found['error']}")
        return msgspec.convert(found, Verification)

    async def newest_execution(self, task_id: int) -> dict[str, Any]:
        """Return the task's newest execution with its tables."""
        listed = await self._get(f"/api/tasks/{task_id}/executions")
        return await self._get(f"/api/executions/{listed['items'][0]['id']}")

    async def _get(self, path: str) -> dict[str, Any]:
        answer = await self._http.get(path)
        answer.raise_for_status()
        data: dict[str, Any] = answer.json()
        return data


def source_body(access: SandboxAccess) -> dict[str, Any]:
    """Return the request that creates the source connector."""
    server = access.sqlserver
    return {
        "name": SOURCE_NAME,
        "connector_type": "source",
        "source_type": "sqlserver",
        "connection_config": {
            "host": server.host,
            "port": server.port,
            "database": server.database,
            "username": server.username,
            "password": server.password,
            "trust_server_certificate": True,  # the sandbox's certificate is its own
        },
    }


def s3_body(access: SandboxAccess) -> dict[str, Any]:
    """Return the request that creates the S3 connector."""
    return {
        "name": "Demo S3",
        "connector_type": "destination",
        "destination_type": "s3",
        "connection_config": {
            "bucket": access.s3.bucket,
            "endpoint_url": access.s3.endpoint_url,
            "access_key_id": access.s3.access_key_id,
            "secret_access_key": access.s3.secret_access_key,
        },
    }


def file_body(folder: Path) -> dict[str, Any]:
    """Return the request that creates the local folder connector."""
    return {
        "name": "Demo folder",
        "connector_type": "destination",
        "destination_type": "file",
        "connection_config": {"path": str(folder)},
    }
