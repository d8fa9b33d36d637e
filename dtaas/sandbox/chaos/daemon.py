"""The real daemon as a process that is killed and started again, and its API."""

import os
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path
from signal import SIGKILL
from typing import Any, Final

import anyio
import httpx
from anyio.abc import Process

from dtaas.model.errors import FatalError
from dtaas.sandbox.processes import child_process

_HOST: Final = "127.0.0.1"
_START_LIMIT_S: Final = 60.0
_LOOK_EVERY_S: Final = 0.02
_LOG_SHOWN: Final = 2_000


class Daemon:
    """One daemon over its lives: folder and port stay, the process comes and goes.

    Attributes:
        kills: SIGKILLs so far.
    """

    def __init__(self, data_dir: Path, environ: Mapping[str, str]) -> None:
        self.data_dir = data_dir
        self.log_path = data_dir.with_suffix(".log")
        self.kills = 0
        self._port = _free_port()
        self._environ = environ
        self._process: Process | None = None
        self._life = AsyncExitStack()
        self._http = httpx.AsyncClient(base_url=f"http://{_HOST}:{self._port}", timeout=120)

    async def start(self) -> None:
        """Begin a life; return when it is ready.

        Raises:
            FatalError: it ended; the detail carries the end of its log.
        """
        argv = [sys.executable, "-m", "dtaas", "serve", "--host", _HOST, "--port", str(self._port)]
        env = {
            **os.environ,
            "DTAAS_LOG__FORMAT": "json",
            "DTAAS_AUTH__ENABLED": "false",
            **self._environ,
        }
        self._process = await self._life.enter_async_context(
            child_process(
                [*argv, "--data-dir", str(self.data_dir)],
                log_path=self.log_path,
                env=env,
                stop_signal=SIGKILL,
            )
        )
        with anyio.fail_after(_START_LIMIT_S):
            while not await self._is_ready():
                if self._process.returncode is not None:
                    raise FatalError(
                        f"The daemon ended: {self._log_end()}", hint=f"Read {self.log_path}."
                    )
                await anyio.sleep(_LOOK_EVERY_S)

    async def kill(self) -> None:
        """End it as a power cut would."""
        self.kills += 1
        await self._end()

    async def aclose(self) -> None:
        """End it for good."""
        await self._end()
        await self._http.aclose()

    async def get(self, path: str) -> Any:
        """Return an answer of the API."""
        return _body(await self._http.get(path))

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Send a request that must be accepted."""
        return _body(await self._http.post(path, json=body))

    async def delete(self, path: str) -> None:
        """Remove something."""
        _body(await self._http.delete(path))

    async def _end(self) -> None:
        await self._life.aclose()
        self._process = None

    async def _is_ready(self) -> bool:
        try:
            return (await self._http.get("/api/health/ready")).is_success
        except httpx.TransportError:
            return False

    def _log_end(self) -> str:
        return self.log_path.read_text(errors="replace").strip()[-_LOG_SHOWN:]


@asynccontextmanager
async def daemon(data_dir: Path, environ: Mapping[str, str] | None = None) -> AsyncIterator[Daemon]:
    """Run a daemon of its own folder for the life of the context."""
    running = Daemon(data_dir, environ or {})
    try:
        await running.start()
        yield running
    finally:
        with anyio.CancelScope(shield=True):
            await running.aclose()


def _body(answer: httpx.Response) -> Any:
    if answer.is_error:
        raise FatalError(
            f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text}"
        )
    return answer.json() if answer.content else None


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])
