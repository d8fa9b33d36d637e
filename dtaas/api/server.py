"""uvicorn inside our task group: it serves, and leaves signals and logging to the daemon."""

import errno
import os
import socket
import ssl
import stat
import struct
from asyncio import TimerHandle, Transport
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from grp import getgrnam
from pathlib import Path
from typing import Any, Final

import h11
import structlog
import uvicorn
from anyio import TASK_STATUS_IGNORED, CancelScope, Event, create_task_group, current_time
from anyio.abc import TaskStatus
from litestar.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from dtaas.model.errors import AddressInUseError, PermissionDeniedError, SettingsError

log = structlog.get_logger()

ADMIN_GROUP: Final = "dtaas"
GRACE_S: Final = 5.0
_ADMIN_MODE: Final = 0o660
_LONGEST_PATH_BYTES: Final = 107
"""unix(7): sun_path holds 108 with its end."""
_BACKLOG: Final = 128
_MOST_FRAME_BYTES: Final = 64 * 1024
HEAD_LIMIT_S: Final = 15.0
"""Seconds a client may take over the head of a request."""
BODY_LIMIT_S: Final = 60.0
"""Seconds a client may take over its body."""
STALL_LIMIT_S: Final = 60.0
"""Seconds a client may take no byte of its answer."""
_LINGER_S: Final = 2.0
"""Seconds a client that still sends has to read why its body was refused."""
_PEER: Final = struct.Struct("3i")
"""unix(7), SO_PEERCRED: process, user, group."""
_PING_EVERY_S: Final = 15.0
_CUT_AFTER_S: Final = 2.0
"""Seconds on top of the grace for what uvicorn does after it; then the server is cancelled."""


class LiveWebSocketProtocol(WebSocketsSansIOProtocol):
    """Lets a client that does not read be closed.

    uvicorn makes every message wait until the socket takes more, the close too, and then waits
    until all of it was sent. A stalled client would so keep its connection for ever.
    """

    async def send(self, message: Any) -> None:
        """Send a message; a close does not wait, and is followed by the end of the connection."""
        if message["type"] == "websocket.close":
            self.writable.set()
            self.loop.call_later(self.close_timeout, self.transport.abort)
        await super().send(message)


class PatientHttpProtocol(H11Protocol):
    """Knows the process at the other end of a Unix socket, and waits for clients so long only.

    uvicorn lets a client take for ever over its request, one byte a minute, and over its answer.
    """

    head_limit_s: float = HEAD_LIMIT_S
    body_limit_s: float = BODY_LIMIT_S
    stall_limit_s: float = STALL_LIMIT_S
    _waiting: TimerHandle | None = None
    _stalled: TimerHandle | None = None
    _in_body: bool = False

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Note who connects."""
        super().connection_made(transport)
        link = transport.get_extra_info("socket")
        if link is not None and link.family == socket.AF_UNIX:
            told = link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
            self.app_state = {**self.app_state, "peer_uid": _PEER.unpack(told)[1]}
        self._wait(self.head_limit_s)

    def data_received(self, data: bytes) -> None:
        """Take bytes; the clock of a head or body runs on until it is whole."""
        idle = self.timeout_keep_alive_task is not None
        super().data_received(data)
        state = self.conn.their_state
        if state is h11.IDLE:
            self._in_body = False
            if idle:
                self._wait(self.head_limit_s)
        elif state is not h11.SEND_BODY:
            self._in_body = False
            self._came()
        elif not self._in_body:
            self._in_body = True
            self._wait(self.body_limit_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the clocks."""
        self._came()
        self.resume_writing()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """End a connection whose body was refused: nobody reads the rest of it."""
        super().on_response_complete()
        if self.conn.their_state is h11.SEND_BODY:
            self._wait(_LINGER_S)

    def pause_writing(self) -> None:
        """Wait for a client that takes nothing of its answer, so long only."""
        super().pause_writing()
        self._stalled = self.loop.call_later(self.stall_limit_s, self._too_slow)

    def resume_writing(self) -> None:
        """Go on."""
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _wait(self, limit_s: float) -> None:
        self._came()
        self._waiting = self.loop.call_later(limit_s, self._too_slow)

    def _came(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _too_slow(self) -> None:
        log.warning("request_too_slow", client=self.client and self.client[0])
        self.transport.abort()


class _Server(uvicorn.Server):
    """Tells when it is ready and touches no signal handler."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve_tcp(
    app: ASGIApp,
    host: str,
    port: int,
    *,
    tls: ssl.SSLContext | None = None,
    grace_s: float = GRACE_S,
    task_status: TaskStatus[str] = TASK_STATUS_IGNORED,
) -> None:
    """Serve at a host and port until cancelled; then finish what is under way.

    Args:
        host: a name or address of this machine.
        port: 0 takes a free one.
        tls: settings to speak HTTPS with; None speaks plain HTTP.
        grace_s: seconds requests have to finish.
        task_status: told the URL once requests are answered.

    Raises:
        SettingsError: the host is unknown.
        AddressInUseError: another program listens there.
        PermissionDeniedError: ports below 1024 need a right.
    """
    listener = listen_tcp(host, port)
    name = f"[{host}]" if ":" in host else host
    url = f"{'https' if tls else 'http'}://{name}:{listener.getsockname()[1]}"
    await _serve(app, listener, grace_s, lambda: task_status.started(url), tls)


async def serve_unix(
    app: ASGIApp,
    path: Path,
    *,
    grace_s: float = GRACE_S,
    task_status: TaskStatus[None] = TASK_STATUS_IGNORED,
) -> None:
    """Serve at a Unix socket until cancelled; then finish what is under way and remove it.

    Raises:
        AddressInUseError: a daemon answers there, or something that is no socket lies there.
        PermissionDeniedError: the folder may not be written.
        SettingsError: the path is longer than a socket's may be.
    """
    listener = listen_unix(path)
    try:
        await _serve(app, listener, grace_s, task_status.started)
    finally:
        _remove(path)


async def _serve(
    app: ASGIApp,
    listener: socket.socket,
    grace_s: float,
    ready: Callable[[], None],
    tls: ssl.SSLContext | None = None,
) -> None:
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=False,
        http=PatientHttpProtocol,
        ws=LiveWebSocketProtocol,
        ws_max_size=_MOST_FRAME_BYTES,
        ws_per_message_deflate=False,  # the network is this machine's; it would cost the loop
        ws_ping_interval=_PING_EVERY_S,
        ws_ping_timeout=_PING_EVERY_S,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=max(1, round(grace_s)),
    )
    config.load()
    config.ssl = tls
    server = _Server(config, ready)
    ended = Event()
    protected = CancelScope(shield=True)

    async def run() -> None:
        try:
            with protected:
                await server.serve(sockets=[listener])
        finally:
            ended.set()

    async with create_task_group() as group:
        group.start_soon(run, name="http server")
        try:
            await ended.wait()
        finally:
            server.should_exit = True
            protected.deadline = current_time() + grace_s + _CUT_AFTER_S


def listen_tcp(host: str, port: int) -> socket.socket:
    """Return a socket that listens at a host and port; see `serve_tcp` for errors."""
    family, address = _resolve(host, port)
    # asyncio sends at once only where the socket says that it is TCP. An answer is a head and a
    # body: with Nagle's delay the body waits 40 ms for the client to acknowledge the head.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # Linux lets a port be taken again at once only so; two listeners are refused all the same.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as exc:
        listener.close()
        raise _not_bound(exc, host, port) from exc
    listener.setblocking(False)
    return listener


def listen_unix(path: Path) -> socket.socket:
    """Return a socket that listens at a path, mode 0660, group `dtaas` where there is one.

    A socket that nobody answers at is a dead daemon's and is replaced; anything else is not ours.
    See `serve_unix` for errors.
    """
    if len(os.fsencode(path)) > _LONGEST_PATH_BYTES:
        raise SettingsError(
            f"The path of the admin socket is too long: {path}.",
            hint=f"Set [daemon] admin_socket to one of at most {_LONGEST_PATH_BYTES} bytes.",
        )
    _clear(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o117)  # made with mode 0660 at once: no moment in which others may connect
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        listener.bind(str(path))
        path.chmod(_ADMIN_MODE)
        _give_to_group(path)
        listener.listen(_BACKLOG)
    except OSError as exc:
        listener.close()
        if exc.errno == errno.EADDRINUSE:
            raise _answered(path) from exc
        raise PermissionDeniedError(
            f"The admin socket {path} cannot be made: {exc.strerror}.",
            hint="Let the user of the daemon own the folder, or set [daemon] admin_socket.",
        ) from exc
    finally:
        os.umask(mask)
    listener.setblocking(False)
    return listener


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _resolve(host: str, port: int) -> tuple[int, Any]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as exc:
        raise SettingsError(
            f"The host {host!r} of [api] is unknown.", hint="Use 127.0.0.1 or ::1."
        ) from exc
    family, _, _, _, address = found[0]
    return family, address


def _not_bound(exc: OSError, host: str, port: int) -> AddressInUseError | PermissionDeniedError:
    if exc.errno == errno.EADDRINUSE:
        return AddressInUseError(
            f"Port {port} of {host} is in use.",
            hint="Stop the program that has it, or take another with --port (0 takes a free one).",
        )
    return PermissionDeniedError(
        f"The daemon may not listen on port {port} of {host}: {exc.strerror}.",
        hint="Use a port from 1024 on.",
    )


def _clear(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except OSError:
        return  # nothing there, or not to be looked at: binding says what is wrong
    if not stat.S_ISSOCK(mode):
        raise AddressInUseError(
            f"{path} is not a socket and will not be replaced.",
            hint="Move it away, or set [daemon] admin_socket to another path.",
        )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # a listener whose queue is full lives: EAGAIN
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
            return
        except OSError as exc:
            raise _answered(path) from exc
    raise _answered(path)


def _answered(path: Path) -> AddressInUseError:
    return AddressInUseError(
        f"A daemon already answers at {path}.",
        hint="Stop it, or give this one another --data-dir.",
    )


def _give_to_group(path: Path) -> None:
    # Without the group, or the right to give a file to it, the socket stays with our own group.
    with suppress(KeyError, PermissionError):
        os.chown(path, -1, getgrnam(ADMIN_GROUP).gr_gid)
