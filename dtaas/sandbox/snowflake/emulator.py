"""A private Snowflake as a process of the sandbox, and what tests may do to it."""

import os
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import anyio
import httpx
import msgspec
from anyio.abc import Process

from dtaas.model.errors import AddressInUseError, FatalError
from dtaas.sandbox.processes import child_process
from dtaas.sandbox.snowflake.credentials import User
from dtaas.sandbox.snowflake.faults import Fault
from dtaas.sandbox.snowflake.said import Said

START_LIMIT_S: Final = 60.0
ACCOUNT: Final = "sandbox"
_HOST: Final = "127.0.0.1"
_POLL_S: Final = 0.05
_CONTROL_LIMIT_S: Final = 30.0
_PLAIN: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Trusts nobody: its routes are plain HTTP, and reading who is trusted takes longer than a call."""


class SnowflakeEmulator:
    """A running emulator.

    Attributes:
        host: where it listens; the protocol is plain HTTP.
        port: where it listens.
        account: any name does.
        user: may log in from the start.
        password: of that user.
        control_url: of the routes no Snowflake has; this object speaks to them.
        log_path: what the process says, for people.
    """

    def __init__(self, data_dir: Path, port: int, user: str, password: str) -> None:
        self.data_dir = data_dir
        self.host = _HOST
        self.port = port
        self.protocol = "http"
        self.account = ACCOUNT
        self.user = user
        self.password = password
        self.control_url = f"http://{_HOST}:{port}/control/"
        self.log_path = data_dir / "snowflake.log"
        self._running: AsyncExitStack | None = None
        self._process: Process | None = None

    @property
    def connection(self) -> dict[str, Any]:
        """Arguments of `snowflake.connector.connect`, and of its asyncio twin."""
        return {
            "account": self.account,
            "user": self.user,
            "password": self.password,
            "host": self.host,
            "port": self.port,
            "protocol": self.protocol,
            "enable_server_session_keep_alive_auto_detection": False,
        }

    def connector(self, database: str, **more: Any) -> dict[str, Any]:
        """Return the configuration of a destination connector that writes into a database here.

        Args:
            more: other fields of it.
        """
        return {
            "account": self.account,
            "user": self.user,
            "authentication": "password",
            "password": self.password,
            "database": database,
            "host": self.host,
            "port": self.port,
            "protocol": self.protocol,
            **more,
        }

    @property
    def pid(self) -> int | None:
        """The number of the process, None before the first start."""
        return self._process.pid if self._process is not None else None

    async def start(self) -> None:
        """Start the process on its folder; return when it answers. Idempotent.

        Raises:
            AddressInUseError: the port is taken.
            FatalError: it did not start; the detail carries the end of its log.
        """
        if self._running is not None:
            return
        if not _is_free(self.port):
            raise AddressInUseError(
                f"The port of the sandbox's Snowflake, {self.port}, is taken.",
                hint="Give another port, or 0 for a free one.",
            )
        async with AsyncExitStack() as stack:
            module = "dtaas.sandbox.snowflake.process"
            argv = [sys.executable, "-m", module, str(self.data_dir), str(self.port)]
            self._process = await stack.enter_async_context(
                child_process(
                    argv,
                    log_path=self.log_path,
                    env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
                )
            )
            await self._until_ready(self._process)
            self._running = stack.pop_all()
        await self.put_users({self.user: User(password=self.password)})

    async def stop(self) -> None:
        """Stop it in order. Idempotent."""
        running, self._running = self._running, None
        if running is not None:
            await running.aclose()

    async def kill(self) -> None:
        """End it as a power cut would. Idempotent."""
        if self._running is not None and self._process is not None:
            self._process.kill()
            await self._process.wait()
        await self.stop()

    async def wait_dead(self) -> None:
        """Wait until it died of an injected fault; then it may be started again."""
        if self._process is not None:
            await self._process.wait()
        await self.stop()

    async def restart(self, *, crash: bool = False) -> None:
        """Stop (or kill) and start again, on the same port and data."""
        await (self.kill() if crash else self.stop())
        await self.start()

    async def put_users(self, users: dict[str, User]) -> None:
        """Let users log in."""
        await self._post("users", users)

    async def create_database(self, name: str, schema: str = "PUBLIC") -> None:
        """Make a database and a schema, unless they exist."""
        await self._post("database", {"name": name, "schema": schema})

    async def inject(self, *faults: Fault) -> None:
        """Let things go wrong."""
        await self._post("faults", faults)

    async def clear(self) -> None:
        """Forget the faults that wait, and the log of statements."""
        await self._post("clear", {})

    async def expire(self, *, master: bool = False) -> None:
        """Let the tokens of all sessions be too old; the master tokens too, if so asked."""
        await self._post("expire", {"master": master})

    async def set_validity(self, *, session_s: float, master_s: float) -> None:
        """Set how long the tokens given from now on are valid."""
        await self._post("validity", {"session_s": session_s, "master_s": master_s})

    async def log(self) -> list[Said]:
        """Return the statements that were run, in the order they ended."""
        return msgspec.json.decode(await self._get("log"), type=list[Said])

    async def sessions(self) -> list[dict[str, Any]]:
        """Return the open sessions."""
        return msgspec.json.decode(await self._get("sessions"), type=list[dict[str, Any]])

    async def waiting_faults(self) -> list[Fault]:
        """Return the faults that have not hit yet."""
        return msgspec.json.decode(await self._get("faults"), type=list[Fault])

    async def _post(self, name: str, value: Any) -> None:
        async with httpx.AsyncClient(timeout=_CONTROL_LIMIT_S, verify=_PLAIN) as client:
            body = msgspec.json.encode(value)
            response = await client.post(f"{self.control_url}{name}", content=body)
        if response.is_error:
            raise ValueError(response.text)

    async def _get(self, name: str) -> bytes:
        async with httpx.AsyncClient(timeout=_CONTROL_LIMIT_S, verify=_PLAIN) as client:
            response = await client.get(f"{self.control_url}{name}")
        return response.raise_for_status().content

    async def _until_ready(self, process: Process) -> None:
        with anyio.move_on_after(START_LIMIT_S):
            while process.returncode is None:
                try:
                    await self._get("sessions")
                except httpx.HTTPError:
                    await anyio.sleep(_POLL_S)
                else:
                    return
        log = await anyio.Path(self.log_path).read_text(errors="replace")
        raise FatalError(
            f"The sandbox's Snowflake does not start: {log.strip()[-1000:]}",
            hint=f"Read {self.log_path}; an older sandbox may still use the folder.",
        )


@asynccontextmanager
async def snowflake_emulator(
    data_dir: Path, *, port: int = 0, user: str, password: str
) -> AsyncIterator[SnowflakeEmulator]:
    """Run an emulator below `data_dir` for the life of the context; port 0 takes a free one.

    Raises:
        AddressInUseError: the port is taken.
        FatalError: it does not start.
    """
    await anyio.Path(data_dir).mkdir(parents=True, exist_ok=True)
    emulator = SnowflakeEmulator(data_dir, port or _free_port(), user, password)
    try:
        await emulator.start()
        yield emulator
    finally:
        with anyio.CancelScope(shield=True):
            await emulator.stop()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind((_HOST, 0))
        return int(found.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as found:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((_HOST, port))
        except OSError:
            return False
        return True
