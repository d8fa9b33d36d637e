"""A daemon with in-process connectors, and its command line."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

LIMIT_S = 60.0


class Life:
    """One daemon and its command line."""

    def __init__(self, folder: Path, socket_path: Path) -> None:
        self.folder = folder
        self.config = folder / "dtaas.toml"
        self.data_dir = folder / "data"
        self.socket = socket_path
        self.log = folder / "log"
        self.environ = {"DTAAS_LOG__FORMAT": "json"}
        self.config.write_text(
            f'[api]\nport = 0\n[daemon]\ndata_dir = "{self.data_dir}"\n'
            f'admin_socket = "{self.socket}"\nmemory_connectors = true\n'
        )

    async def command(self, *arguments: str, expect: int = 0) -> str:
        done = await anyio.run_process(
            [sys.executable, "-m", "dtaas", *arguments],
            check=False,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
        )
        text = done.stdout.decode()
        assert done.returncode == expect, text
        return text

    async def ask(self, *arguments: str, expect: int = 0) -> Any:
        where = ("--socket", str(self.socket), "--json")
        return json.loads(await self.command(*arguments, *where, expect=expect))

    @asynccontextmanager
    async def running(self, **environ: str) -> AsyncIterator[anyio.abc.Process]:
        with self.log.open("ab") as log:
            process = await anyio.open_process(
                [sys.executable, "-m", "dtaas", "serve", "--config", str(self.config)],
                stdin=None,
                stdout=log,
                stderr=log,
                env={**os.environ, "DTAAS_AUTH__ENABLED": "false", **self.environ, **environ},
            )
        try:
            await self.told("started", pid=process.pid)
            yield process
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            with anyio.fail_after(LIMIT_S):
                await process.wait()

    def lines(self) -> list[dict[str, Any]]:
        found = [x for x in self.log.read_text().splitlines() if x.startswith("{")]
        return [json.loads(line) for line in found]

    async def told(self, event: str, **fields: object) -> dict[str, Any]:
        with anyio.fail_after(LIMIT_S):
            while True:
                for line in self.lines():
                    if line["event"] == event and fields.items() <= line.items():
                        return line
                await anyio.sleep(0.02)  # a file has no event to wait for
