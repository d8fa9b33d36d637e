"""`make load`: a transfer held at a rate while many clients watch and ask.

A daemon as a process moves a table from the replay server to a private S3, first as fast as it can,
then held at `LOAD_ROWS_S` by its connector's limit; the second time `LOAD_CLIENTS` WebSocket
clients listen and `LOAD_REQUESTS_S` requests a second come for `SECONDS`. Prints one JSON object as its
last line and ends with 1 when a request failed, a client was cut, the transfer fell below 90 % of
its rate, or memory grew by more than a fifth.
"""

import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import PIPE
from typing import Any

import anyio
import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from dtaas.sandbox.seaweed import SeaweedServer, seaweed
from tests.bench.shape import SCHEMA_NAME, TABLE_NAME

SECONDS = float(os.environ.get("SECONDS", "60"))
CLIENTS = int(os.environ.get("LOAD_CLIENTS", "200"))
REQUESTS_S = int(os.environ.get("LOAD_REQUESTS_S", "500"))
ROWS_S = int(os.environ.get("LOAD_ROWS_S", "100000"))
LEAST_SHARE, MOST_GROWTH = 0.9, 1.2
ROWS = int(ROWS_S * (SECONDS * 1.5 + 30))
CONNECTIONS = 25
PATHS = (
    "/api/dashboard/metrics",
    "/api/tasks/",
    "/api/tasks/{task}",
    "/api/tasks/{task}/executions",
    "/api/connectors/",
    "/api/health/ready",
)
BUCKET, ACCESS_KEY, SECRET_KEY = "load", "load", "load-secret"
LIMIT_S = 300.0


class Api:
    """What the load needs of the daemon."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def get(self, path: str) -> Any:
        answer = await self.http.get(path)
        answer.raise_for_status()
        return answer.json()

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        answer = await self.http.post(path, json=body)
        answer.raise_for_status()
        return answer.json()

    async def task(self, name: str, port: int, s3: SeaweedServer, mb_s: float) -> int:
        source = await self.post(
            "/api/connectors/",
            {
                "name": f"source {name}",
                "source_type": "sqlserver",
                "connection_config": {
                    "host": "127.0.0.1",
                    "port": port,
                    "database": "bench",
                    "username": "sa",
                    "password": "bench",
                    "encrypt": "no",
                    "trust_server_certificate": True,
                    "read_rate_limit_mb_s": mb_s,
                },
            },
        )
        target = await self.post(
            "/api/connectors/",
            {
                "name": f"target {name}",
                "destination_type": "s3",
                "connection_config": {
                    "bucket": BUCKET,
                    "prefix": f"{name}/{{table}}",
                    "endpoint_url": s3.endpoint_url,
                    "access_key_id": ACCESS_KEY,
                    "secret_access_key": SECRET_KEY,
                },
            },
        )
        made = await self.post(
            "/api/tasks/",
            {
                "name": name,
                "source_connector_id": source["id"],
                "destination_connector_id": target["id"],
                "source_tables": [{"schema": SCHEMA_NAME, "name": TABLE_NAME}],
            },
        )
        await self.post(f"/api/tasks/{made['id']}/control", {"action": "start"})
        return int(made["id"])

    async def execution(self, task: int) -> dict[str, Any]:
        """Return the task's latest execution once there is one."""
        with anyio.fail_after(LIMIT_S):
            while True:
                found = (await self.get(f"/api/tasks/{task}/executions?limit=1"))["items"]
                if found:
                    return dict(await self.get(f"/api/executions/{found[0]['id']}"))
                await anyio.sleep(0.05)

    async def ended(self, task: int) -> dict[str, Any]:
        with anyio.fail_after(LIMIT_S):
            while (found := await self.execution(task))["status"] == "running":
                await anyio.sleep(0.1)
        assert found["status"] == "completed", found
        return found

    async def rows(self, task: int) -> int:
        return sum(table["rows_done"] for table in (await self.execution(task))["tables"])

    async def memory(self) -> int:
        page = (await self.http.get("/metrics")).text
        return int(float(page.split("\ndtaas_memory_bytes ")[1].split()[0]))


async def started(log: Path) -> str:
    """Return the URL a daemon logs when it is ready."""
    with anyio.fail_after(60):
        while True:
            for line in log.read_text().splitlines():
                event = json.loads(line) if line.startswith("{") else {}
                if event.get("event") == "started":
                    return str(event["url"])
            await anyio.sleep(0.05)


@asynccontextmanager
async def daemon(folder: Path) -> AsyncIterator[str]:
    """Run a daemon and yield its URL."""
    command = [sys.executable, "-m", "dtaas", "serve", "--port", "0", "--data-dir", str(folder)]
    environ = {**os.environ, "DTAAS_LOG__FORMAT": "json", "DTAAS_AUTH__ENABLED": "false"}
    with (folder.parent / "daemon.log").open("wb") as log:
        process = await anyio.open_process(command, stdout=log, stderr=log, env=environ)
    try:
        yield await started(folder.parent / "daemon.log")
    finally:
        process.terminate()
        await process.wait()


async def ask(url: str, task: int, number: int, until: float, told: Counter[str]) -> None:
    """Send requests over one connection at this connection's share of the rate."""
    host, _, port = url.removeprefix("http://").partition(":")
    stream = await anyio.connect_tcp(host, int(port))
    pause_s = CONNECTIONS / REQUESTS_S
    due = time.monotonic() + pause_s * number / CONNECTIONS
    buffered = b""
    async with stream:
        while due < until:
            await anyio.sleep(max(0.0, due - time.monotonic()))
            path = PATHS[(told.total() + number) % len(PATHS)].format(task=task)
            began = time.monotonic()
            await stream.send(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            while b"\r\n\r\n" not in buffered:
                buffered += await stream.receive()
            head, _, buffered = buffered.partition(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split()[0])
            while len(buffered) < length:
                buffered += await stream.receive()
            buffered = buffered[length:]
            told[head.split()[1].decode()] += 1
            if time.monotonic() - began > 1:
                told["slower than 1 s"] += 1
            due += pause_s


async def watch(url: str, until: float, seen: Counter[str]) -> None:
    """Listen to everything like an open page."""
    try:
        async with connect(url.replace("http", "ws", 1) + "/ws") as socket:
            seen["connected"] += 1
            with anyio.move_on_after(max(0.0, until - time.monotonic())):
                async for _ in socket:
                    seen["messages"] += 1
                seen["cut"] += 1
    except (OSError, WebSocketException) as error:
        seen[f"failed {type(error).__name__}"] += 1


async def loaded(api: Api, url: str, task: int) -> dict[str, Any]:
    """Put the load on and return what was seen."""
    told: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    with anyio.fail_after(LIMIT_S):
        while await api.rows(task) < ROWS_S:
            await anyio.sleep(0.1)
    began, rows = time.monotonic(), await api.rows(task)
    until = began + SECONDS
    memory = []
    async with anyio.create_task_group() as group:
        for _ in range(CLIENTS):
            group.start_soon(watch, url, until, seen)
        for number in range(CONNECTIONS):
            group.start_soon(ask, url, task, number, until, told)
        for _ in range(3):
            await anyio.sleep(SECONDS / 3)
            memory.append(await api.memory())
        moved, took_s = await api.rows(task) - rows, time.monotonic() - began
    return {
        "requests": dict(told),
        "websockets": dict(seen),
        "rows_s": round(moved / took_s),
        "memory_mb": [round(m / 1e6) for m in memory],
    }


async def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "data").mkdir()
        async with seaweed(place / "s3", access_key=ACCESS_KEY, secret_key=SECRET_KEY) as s3:
            await s3.create_bucket(BUCKET)
            command = [sys.executable, "-m", "tests.bench.replay", "--rows", str(ROWS)]
            async with await anyio.open_process(command, stdout=PIPE, stderr=None) as replay:
                assert replay.stdout is not None
                port = int((await replay.stdout.receive()).split()[0])
                try:
                    async with daemon(place / "data") as url:
                        result = await measure(url, port, s3)
                finally:
                    replay.terminate()
    asked = result["requests"]
    result["ok"] = (
        set(asked) <= {"200", "slower than 1 s"}
        and asked.get("200", 0) >= LEAST_SHARE * REQUESTS_S * SECONDS
        and set(result["websockets"]) <= {"connected", "messages"}
        and result["websockets"].get("connected") == CLIENTS
        and result["rows_s"] >= LEAST_SHARE * ROWS_S
        and result["memory_mb"][-1] <= MOST_GROWTH * result["memory_mb"][0]
    )
    print(json.dumps(result))
    return 0 if result["ok"] else 1


async def measure(url: str, port: int, s3: SeaweedServer) -> dict[str, Any]:
    async with httpx.AsyncClient(base_url=url, timeout=30) as http:
        api = Api(http)
        free = await api.ended(await api.task("unlimited", port, s3, 0))
        row_bytes = free["data_size_mb"] * 1e6 / free["processed_rows"]
        task = await api.task("held", port, s3, ROWS_S * row_bytes / 1e6)
        oversized = await http.post("/api/tasks/", content=b"x" * 9_000_000)
        result = await loaded(api, url, task)
        await http.post(f"/api/tasks/{task}/control", json={"action": "stop", "force": True})
        return {
            "seconds": SECONDS,
            "clients": CLIENTS,
            "requests_s": REQUESTS_S,
            "limit_rows_s": ROWS_S,
            "unlimited_rows_s": round(free["rows_per_second"]),
            "oversized_body": oversized.status_code,
            **result,
        }


if __name__ == "__main__":
    sys.exit(anyio.run(main))
