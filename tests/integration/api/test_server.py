"""Sockets: taken ports, left-over sockets, rights, and the end."""

import asyncio
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from anyio import CancelScope, EndOfStream, connect_tcp, create_task_group, current_time, fail_after
from anyio.lowlevel import checkpoint
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from dtaas.api.app import create_app
from dtaas.api.server import listen_tcp, listen_unix, serve_tcp
from dtaas.model.errors import AddressInUseError, PermissionDeniedError, SettingsError
from dtaas.settings import ApiSettings
from tests.fakes.services_at_work import AtWork
from tests.integration.api.conftest import Served


async def test_requests_are_answered_over_tcp_and_the_admin_socket(
    served: Served, http: httpx.AsyncClient
):
    assert (await http.get("/api/health/ready")).json() == {"status": "ready"}
    transport = httpx.AsyncHTTPTransport(uds=str(served.socket))
    async with httpx.AsyncClient(transport=transport, base_url="http://anything") as admin:
        assert (await admin.get("/api/health/ready")).json() == {"status": "ready"}


async def test_no_answer_says_what_serves_it(http: httpx.AsyncClient):
    assert "server" not in (await http.get("/api/version")).headers


async def test_a_taken_port_is_named(served: Served):
    port = int(served.url.rpartition(":")[2])
    with pytest.raises(AddressInUseError) as caught:
        listen_tcp("127.0.0.1", port)
    assert str(port) in caught.value.detail
    assert "--port" in caught.value.hint


def test_a_port_is_free_again_at_once():
    first = listen_tcp("127.0.0.1", 0)
    port = first.getsockname()[1]
    with socket.create_connection(("127.0.0.1", port)) as client:
        _accept(first)[0].close()
        client.recv(1)
    first.close()
    listen_tcp("127.0.0.1", port).close()


async def test_an_answer_does_not_wait_for_the_acknowledgement_of_its_head():
    at_once: list[int] = []

    class Seen(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            link = transport.get_extra_info("socket")
            at_once.append(link.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            transport.close()

    server = await asyncio.get_running_loop().create_server(Seen, sock=listen_tcp("127.0.0.1", 0))
    async with server, await connect_tcp(*server.sockets[0].getsockname()) as client:
        with fail_after(5), pytest.raises(EndOfStream):
            await client.receive()
    assert at_once == [1]


def _accept(listener: socket.socket) -> tuple[socket.socket, object]:
    listener.settimeout(5)
    return listener.accept()


def test_unknown_hosts_are_refused():
    with pytest.raises(SettingsError):
        listen_tcp("no-such-host.invalid", 0)


def test_the_admin_socket_is_for_its_group_only(socket_dir: Path):
    path = socket_dir / "new" / "admin.sock"
    before = os.umask(0o022)
    try:
        with closing(listen_unix(path)):
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)


@contextmanager
def closing(listener: socket.socket) -> Iterator[socket.socket]:
    with listener:
        yield listener


def test_a_socket_nobody_answers_at_is_replaced(socket_dir: Path):
    path = socket_dir / "admin.sock"
    listen_unix(path).close()  # as a killed daemon leaves it
    assert path.exists()
    with closing(listen_unix(path)) as listener, socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        _accept(listener)[0].close()


def test_a_socket_somebody_answers_at_is_not(socket_dir: Path):
    path = socket_dir / "admin.sock"
    with closing(listen_unix(path)), pytest.raises(AddressInUseError) as caught:
        listen_unix(path)
    assert str(path) in caught.value.detail
    assert path.exists()


def test_what_is_no_socket_is_never_removed(socket_dir: Path):
    path = socket_dir / "admin.sock"
    path.write_text("precious")
    with pytest.raises(AddressInUseError):
        listen_unix(path)
    link = socket_dir / "link.sock"
    link.symlink_to(path)
    with pytest.raises(AddressInUseError):
        listen_unix(link)
    assert path.read_text() == "precious"


def test_a_path_too_long_for_a_socket_is_refused(tmp_path: Path):
    with pytest.raises(SettingsError):
        listen_unix(tmp_path / ("x" * 108))


def test_a_folder_that_may_not_be_written_is_named():
    with pytest.raises(PermissionDeniedError) as caught:
        listen_unix(Path("/proc/dtaas/admin.sock"))
    assert "/proc/dtaas/admin.sock" in caught.value.detail


async def test_who_leaves_in_the_middle_of_a_request_is_no_crash(served: Served):
    port = int(served.url.rpartition(":")[2])
    head = b"POST /api/tasks/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    async with await connect_tcp("127.0.0.1", port) as stream:
        await stream.send(head + b"Content-Length: 100\r\n\r\n{")
    with fail_after(10):
        while not (answers := [e for e in served.logs if e["event"] == "request_served"]):
            await checkpoint()
    assert [entry["status"] for entry in answers] == [400]
    assert not any(entry["event"] == "request_crashed" for entry in served.logs)


async def test_stopping_says_goodbye_and_ends_in_time(work: AtWork):
    app = create_app(work.services, ApiSettings())
    task = await work.task()
    async with create_task_group() as group:
        stop = CancelScope()

        async def serve(*, task_status) -> None:
            with stop:
                await serve_tcp(app, "127.0.0.1", 0, grace_s=2, task_status=task_status)

        url = await group.start(serve)
        async with (
            httpx.AsyncClient(base_url=url) as client,
            connect(url.replace("http", "ws") + "/ws") as connection,
        ):
            await connection.recv()
            assert (await client.get(f"/api/tasks/{task.id}")).status_code == 200
            began = current_time()
            stop.cancel()
            with fail_after(10), pytest.raises(ConnectionClosed) as caught:
                await connection.recv()
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1012
    assert current_time() - began < 5
    async with httpx.AsyncClient(base_url=url) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get("/api/version")
