"""A login that nobody waits for any more ends in its own thread, never on the event loop."""

import threading
from collections.abc import AsyncIterator

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream

from dtaas.connectors.sqlserver.control_session import open_session
from dtaas.connectors.sqlserver.endpoint import Endpoint
from dtaas.connectors.sqlserver.odbc import pyodbc
from dtaas.model.connectors import SqlServerConfig

LIMIT_S = 10.0


class SlowLogin:
    """Stands for `pyodbc.connect`: logs in when told to; the connection notes where it closes."""

    def __init__(self) -> None:
        self.begun, self.go_on, self.ended = (threading.Event() for _ in range(3))
        self.closed = False
        self.closed_in = ""
        self.timeout = 0

    def __call__(self, *_args: object, **_kwargs: object) -> "SlowLogin":
        self.begun.set()
        assert self.go_on.wait(LIMIT_S)
        return self

    def close(self) -> None:
        self.closed_in = threading.current_thread().name
        self.ended.set()


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    async def accept(stream: SocketStream) -> None:
        await stream.aclose()

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as group,
    ):
        group.start_soon(listener.serve, accept)
        port = listener.extra(SocketAttribute.local_port)  # noqa: S610
        config = SqlServerConfig(host="127.0.0.1", port=port, database="d", username="u")
        yield Endpoint(config, driver="d", application="tests")
        group.cancel_scope.cancel()


async def test_a_cancelled_login_is_closed_by_its_thread(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = SlowLogin()
    monkeypatch.setattr(pyodbc, "connect", login)
    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as group:
            group.start_soon(open_session, endpoint)
            await anyio.to_thread.run_sync(login.begun.wait, LIMIT_S)
            group.cancel_scope.cancel()
        login.go_on.set()
        assert await anyio.to_thread.run_sync(login.ended.wait, LIMIT_S)
    assert login.closed_in.startswith("sqlserver-control")
