"""A daemon that is warm, and how long one load takes in it from the start command to its end."""

import json
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

import anyio
import httpx
import psutil
from anyio.abc import Process

from tests.bench.peers.lanes import Place
from tests.bench.peers.measured import Measured
from tests.bench.shape import SCHEMA_NAME, TABLE_NAME

_READY_S = 60.0
_END_S = 5.0
_LOOK_S = 0.02
_GLANCE_S = 0.005
_MOST_BETWEEN_S = 0.25
_SHARE = 0.05
"""Of the time a run has taken so far: how long until it is looked at again. A question costs the
daemon milliseconds, which are counted as its own."""


class WarmDaemon:
    """DTaaS as users run it, over its REST interface."""

    def __init__(self, http: httpx.AsyncClient, process: psutil.Process) -> None:
        self._http = http
        self._process = process

    async def load(self, place: Place, *, limit_s: float) -> Measured:
        """Make a task for the table and run it once; only the run is timed.

        Raises:
            TimeoutError: it took longer than `limit_s`.
        """
        task = await self._task(place)

        async def run() -> int:
            await self._post(f"/api/tasks/{task}/control", {"action": "start"})
            execution = await self._ended(task)
            if execution["status"] != "completed":
                raise RuntimeError(f"the execution ended {execution['status']}: {execution}")
            return int(execution["processed_rows"])

        return await self._measured(run, limit_s)

    async def begin(self, place: Place) -> int:
        """Make a task for the table and start it; return the task's id."""
        task = await self._task(place)
        await self._steer(task, "start", "running")
        return task

    async def is_running(self, task: int) -> bool:
        """Return whether its execution runs.

        Raises:
            RuntimeError: it failed.
        """
        found = await self._get(f"/api/tasks/{task}")
        if found["status"] == "failed":
            raise RuntimeError(found["last_error"])
        return bool(found["status"] == "running")

    async def answer_s(self, path: str) -> float:
        """Return how many seconds the answer to a GET took."""
        began = time.perf_counter()
        (await self._http.get(path)).raise_for_status()
        return time.perf_counter() - began

    async def stand(self, port: int, password: str, folder: Path) -> int:
        """Make a task that follows the table from now on, paused; return its id."""
        source = _source(port, password)
        ids = await self._pair(f"{folder.name}", source, "file", {"path": str(folder)})
        task = await self._make(f"follow {folder.name}", ids, mode="cdc")
        await self._steer(task, "start", "streaming")
        await self._steer(task, "pause", "paused")
        return task

    async def follow(self, task: int, changes: int, folder: Path, *, limit_s: float) -> Measured:
        """Let a paused task go on until its folder counts so many changes; only that is timed.

        It is watched there, where readers see it, so that the daemon has nothing to answer
        meanwhile: no other tool has.

        Raises:
            TimeoutError: it took longer than `limit_s`.
        """

        async def run() -> int:
            await self._post(f"/api/tasks/{task}/control", {"action": "resume"})
            while (seen := await anyio.to_thread.run_sync(_counted, folder)) < changes:
                await anyio.sleep(_GLANCE_S)
            return seen

        items = (await self._get(f"/api/tasks/{task}/executions?limit=1"))["items"]
        execution = items[0]["id"]  # one that was paused goes on

        measured = await self._measured(run, limit_s)
        with anyio.fail_after(_READY_S):
            while await self._changes(execution) < changes:
                await anyio.sleep(_LOOK_S)
        await self._steer(task, "pause", "paused")
        return measured

    async def _measured(self, run: Callable[[], Awaitable[int]], limit_s: float) -> Measured:
        """Return what something takes, which returns its rows and must end within a limit."""
        peak = [0]
        rows: int | None = None
        before = _cpu_s(self._process)
        async with anyio.create_task_group() as group:
            group.start_soon(self._look, peak)
            began = time.perf_counter()
            with anyio.move_on_after(limit_s):
                rows = await run()
            seconds = time.perf_counter() - began
            group.cancel_scope.cancel()
        if rows is None:  # told out here, where it is no group of errors
            raise TimeoutError(f"not done after {limit_s:.0f} s")
        return Measured(
            rows=rows,
            seconds=seconds,
            cpu_s=_cpu_s(self._process) - before,
            peak_mb=peak[0] / 1e6,
        )

    async def _task(self, place: Place) -> int:
        target: dict[str, Any] = {"path": str(place.folder)}
        if place.endpoint:
            target = {
                "bucket": place.bucket,
                "prefix": f"{place.prefix}/{{table}}",
                "endpoint_url": place.endpoint,
                "access_key_id": place.access_key,
                "secret_access_key": place.secret_key,
            }
        kind = "s3" if place.endpoint else "file"
        ids = await self._pair(place.folder.name, _source(place.port, "bench"), kind, target)
        return await self._make(f"load {place.folder.name}", ids)

    async def _pair(
        self, name: str, source: dict[str, Any], kind: str, target: dict[str, Any]
    ) -> tuple[int, int]:
        return (
            await self._connector(f"source {name}", "source", "sqlserver", source),
            await self._connector(f"target {name}", "destination", kind, target),
        )

    async def _make(self, name: str, ids: tuple[int, int], **more: str) -> int:
        body = {
            "name": name,
            "source_connector_id": ids[0],
            "destination_connector_id": ids[1],
            "source_tables": [{"schema": SCHEMA_NAME, "name": TABLE_NAME}],
            **more,
        }
        return int((await self._post("/api/tasks/", body))["id"])

    async def _steer(self, task: int, action: str, status: str) -> None:
        """Give an order and wait until it is carried out."""
        await self._post(f"/api/tasks/{task}/control", {"action": action})
        with anyio.fail_after(_READY_S):
            while (found := await self._get(f"/api/tasks/{task}"))["status"] != status:
                if found["status"] == "failed":
                    raise RuntimeError(found["last_error"])
                await anyio.sleep(_LOOK_S)

    async def _changes(self, execution: int) -> int:
        """Return the changes an execution has made durable."""
        found = await self._get(f"/api/executions/{execution}")
        return sum(int(table["changes"]) for table in found["tables"])

    async def _connector(self, name: str, role: str, kind: str, config: dict[str, Any]) -> int:
        body = {
            "name": name,
            "connector_type": role,
            f"{role}_type": kind,
            "connection_config": config,
        }
        return int((await self._post("/api/connectors/", body))["id"])

    async def _ended(self, task: int) -> dict[str, Any]:
        async for _ in _looks():
            items = (await self._get(f"/api/tasks/{task}/executions?limit=1"))["items"]
            if items and items[0]["status"] != "running":
                return dict(items[0])
        raise AssertionError

    async def _look(self, peak: list[int]) -> None:
        while True:
            peak[0] = max(peak[0], self._process.memory_info().rss)
            await anyio.sleep(_LOOK_S)

    async def _get(self, path: str) -> dict[str, Any]:
        return dict((await self._http.get(path)).raise_for_status().json())

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = await self._http.post(path, json=body)
        if answer.is_error:
            raise RuntimeError(answer.text)
        return dict(answer.json())


async def _looks() -> AsyncIterator[None]:
    """Come at once and again, the less often the longer it takes; never end."""
    began = time.perf_counter()
    while True:
        yield
        ran_s = time.perf_counter() - began
        await anyio.sleep(min(_MOST_BETWEEN_S, max(_LOOK_S, _SHARE * ran_s)))


@asynccontextmanager
async def warm_daemon(folder: Path, module: str = "dtaas") -> AsyncIterator[WarmDaemon]:
    """Run a daemon until the block ends, at its second start: the first made its database.

    Args:
        module: what is run with the daemon's arguments.
    """
    async with _daemon(folder, module):
        pass
    async with _daemon(folder, module) as daemon:
        yield daemon


@asynccontextmanager
async def _daemon(folder: Path, module: str) -> AsyncIterator[WarmDaemon]:
    port = _free_port()
    command = [sys.executable, "-m", module, "serve", "--port", str(port)]
    environment = {
        **os.environ,
        "DTAAS_AUTH__ENABLED": "false",
        "DTAAS_DAEMON__ADMIN_SOCKET": str(folder / "admin.sock"),
    }
    async with (
        await anyio.open_process(
            [*command, "--data-dir", str(folder)], env=environment, stdout=DEVNULL, stderr=DEVNULL
        ) as process,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as http,
    ):
        try:
            with anyio.fail_after(_READY_S):
                while not await _is_ready(http):
                    await anyio.sleep(0.1)
            yield WarmDaemon(http, psutil.Process(process.pid))
        finally:
            await ended(process)


def _counted(folder: Path) -> int:
    """Return how many changes count below a folder: those of the segments its head leads to."""
    counted = 0
    for head in folder.rglob("_dtaas/stream.json"):
        found = json.loads(head.read_bytes())
        chain = head.parent / "changes" / found["generation"]
        to = found["segment"]
        while to is not None:
            segment = json.loads((chain / f"{to}.json").read_bytes())
            counted += segment["rows"]
            to = segment.get("previous")
    return counted


async def ended(process: Process) -> None:
    """Let a process of ours end, and kill it where it does not."""
    process.terminate()
    with anyio.CancelScope(shield=True):
        with anyio.move_on_after(_END_S) as late:
            await process.wait()
        if late.cancelled_caught:
            process.kill()


def _source(port: int, password: str) -> dict[str, Any]:
    """Return the source connector's settings."""
    return {
        "host": "127.0.0.1",
        "port": port,
        "database": "bench",
        "username": "sa",
        "password": password,
        "encrypt": "no",
    }


async def _is_ready(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/api/tasks/")).is_success
    except httpx.TransportError:
        return False


def _free_port() -> int:
    import socket  # noqa: PLC0415 - the name is taken above

    with socket.create_server(("127.0.0.1", 0)) as held:
        return int(held.getsockname()[1])


def _cpu_s(process: psutil.Process) -> float:
    used = process.cpu_times()
    return float(used.user + used.system)
