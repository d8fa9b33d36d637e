"""Who asks takes a session that is free, waits for one that comes soon, else opens one."""

from typing import Any

import anyio
import pytest

from dtaas.connectors.sqlserver import session_shelf
from dtaas.connectors.sqlserver.endpoint import Endpoint
from dtaas.connectors.sqlserver.session_shelf import SessionShelf
from dtaas.model.connectors import SqlServerConfig
from dtaas.model.errors import ConnectionLostError

LIMIT_S = 10.0


class Sessions:
    """Stands for logins: each gives another session once it may go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.opened = 0
        self.go_on = anyio.Event()
        self.go_on.set()
        self.fails = False
        monkeypatch.setattr(session_shelf, "open_session", self.open)

    async def open(self, _endpoint: Endpoint) -> Any:
        await self.go_on.wait()
        if self.fails:
            raise ConnectionLostError("No server answers.")
        self.opened += 1
        return f"session {self.opened}"


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> Sessions:
    return Sessions(monkeypatch)


@pytest.fixture
def shelf() -> SessionShelf:
    config = SqlServerConfig(host="127.0.0.1", port=1, database="d", username="u")
    return SessionShelf(Endpoint(config, driver="d", application="tests"))


async def test_nothing_there_and_nobody_at_work_is_told_at_once(shelf: SessionShelf) -> None:
    with anyio.fail_after(LIMIT_S):
        assert await shelf.take() is None


async def test_a_session_on_its_way_is_waited_for(shelf: SessionShelf, sessions: Sessions) -> None:
    sessions.go_on = anyio.Event()
    found: list[Any] = []

    async def take() -> None:
        found.append(await shelf.take())

    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as group:
            group.start_soon(shelf.fill)
            await anyio.wait_all_tasks_blocked()
            group.start_soon(take)
            await anyio.wait_all_tasks_blocked()
            assert not found
            sessions.go_on.set()
    assert found == ["session 1"]
    assert sessions.opened == 1


async def test_who_waits_for_a_login_that_fails_opens_one_himself(
    shelf: SessionShelf, sessions: Sessions
) -> None:
    sessions.fails = True
    with anyio.fail_after(LIMIT_S):
        await shelf.fill()
        assert await shelf.take() is None
        with pytest.raises(ConnectionLostError):
            await shelf.lend()


async def test_a_session_that_comes_back_is_taken(shelf: SessionShelf, sessions: Sessions) -> None:
    found: list[Any] = []

    async def take() -> None:
        found.append(await shelf.take())

    with anyio.fail_after(LIMIT_S):
        lent = await shelf.lend()
        async with anyio.create_task_group() as group:
            group.start_soon(take)
            shelf.give(lent)
    assert found == [lent]
    assert sessions.opened == 1


@pytest.mark.usefixtures("sessions")
async def test_a_session_that_stays_away_is_not_waited_for(shelf: SessionShelf) -> None:
    with anyio.fail_after(LIMIT_S):
        await shelf.lend()
        assert await shelf.take() is None


@pytest.mark.usefixtures("sessions")
async def test_a_session_that_broke_is_not_waited_for(shelf: SessionShelf) -> None:
    with anyio.fail_after(LIMIT_S):
        await shelf.lend()
        shelf.lose()
        assert await shelf.take() is None
