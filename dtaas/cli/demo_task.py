"""The demo as a user of the API: connectors, a task, its start, and its progress as it comes."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import msgspec
from anyio import fail_after, sleep
from websockets.asyncio.client import connect

from dtaas.model.errors import FatalError
from dtaas.model.execution import ExecutionProgress
from dtaas.model.schema import TableRef
from dtaas.sandbox.sandbox import SandboxAccess

SOURCE_NAME = "Demo SQL Server"
TASK_NAME = "TPC-H to the lake"
_READY_LIMIT_S = 60.0


class DemoApi:
    """Calls the daemon's REST API and listens to its WebSocket."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._http = httpx.AsyncClient(base_url=url, timeout=30)

    async def __aenter__(self) -> "DemoApi":
        """Open the connection pool."""
        await self._http.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close it."""
        await self._http.aclose()

    async def wait_ready(self) -> None:
        """Return once the daemon serves.

        Raises:
            TimeoutError: it did not within a minute.
        """
        with fail_after(_READY_LIMIT_S):
            while True:
                try:
                    if (await self._http.get("/api/health/ready")).is_success:
                        return
                except httpx.TransportError:  # not listening yet: look again
                    pass
                await sleep(0.05)

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
                "mode": "full_load",
                "s3_file_format": "parquet",
            },
        )
        return int(task["id"])

    async def run(self, task_id: int) -> AsyncIterator[ExecutionProgress]:
        """Start the task and yield its figures as they come, the final ones last.

        Raises:
            FatalError: the execution did not complete; the detail says why.
        """
        url = self._url.replace("http", "ws", 1) + "/ws"
        async with connect(url) as socket:
            await self.post(f"/api/tasks/{task_id}/control", {"action": "start"})
            async for frame in socket:
                message = msgspec.json.decode(frame)
                progress = _progress_in(message, task_id)
                if progress is not None:
                    yield progress
                if _ended(message, task_id):
                    return

    async def executions(self, task_id: int) -> list[dict[str, Any]]:
        """Return the task's executions, newest first."""
        answer = await self._http.get(f"/api/tasks/{task_id}/executions")
        return list(answer.json()["items"])


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


