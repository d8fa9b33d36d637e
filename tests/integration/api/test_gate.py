"""The gate on real sockets: WebSocket, admin socket, and clients that take their time."""

import json
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import httpx
import pytest
from anyio import fail_after, move_on_after
from structlog.testing import capture_logs
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from dtaas.api import server
from dtaas.api.live_gate import CLOSE_NOT_AUTHENTICATED
from dtaas.model.identity import UserRole
from dtaas.services.identity.accounts import From, Login
from dtaas.services.identity.users import UserSpec
from dtaas.settings import AuthSettings
from tests.fakes.services_at_work import AtWork, services_at_work
from tests.integration.api.conftest import Served, serving

QUICK = AuthSettings(argon2_time_cost=1, argon2_memory_mb=1, argon2_lanes=1)
PASSWORD = "correct horse battery"
LIMIT_S = 20


@pytest.fixture
async def work(tmp_path: Path) -> AsyncIterator[AtWork]:
    async with services_at_work(tmp_path, QUICK) as made:
        yield made


@pytest.fixture
async def login(work: AtWork) -> Login:
    spec = UserSpec(username="ann", password=PASSWORD, role=UserRole.ADMIN)
    await work.services.users.create(spec)
    return await work.services.accounts.login("ann", PASSWORD, From("127.0.0.1"))


def cookie(login: Login) -> dict[str, str]:
    return {"cookie": f"dtaas_session={login.key}"}


async def closed_with(url: str, **options: object) -> int:
    with fail_after(LIMIT_S):
        async with connect(url, **options) as link:
            with pytest.raises(ConnectionClosed) as closed:
                while True:
                    await link.recv()
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code


async def test_strangers_get_no_live_data(served: Served) -> None:
    assert await closed_with(served.ws_url) == CLOSE_NOT_AUTHENTICATED
    wrong = {"cookie": "dtaas_session=guess"}
    assert await closed_with(served.ws_url, additional_headers=wrong) == CLOSE_NOT_AUTHENTICATED


async def test_whoever_logged_in_listens_until_the_session_ends(
    served: Served, login: Login
) -> None:
    async with connect(served.ws_url, additional_headers=cookie(login)) as link:
        with fail_after(LIMIT_S):
            assert json.loads(await link.recv())["topic"] == "tasks"
            await served.work.services.accounts.end_session(login.session_id, None)
            with pytest.raises(ConnectionClosed) as closed:
                while True:
                    await link.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == CLOSE_NOT_AUTHENTICATED


async def test_the_admin_socket_knows_who_calls(served: Served) -> None:
    transport = httpx.AsyncHTTPTransport(uds=str(served.socket))
    async with httpx.AsyncClient(transport=transport, base_url="http://dtaas") as client:
        me = (await client.get("/api/me")).json()
        assert (me["auth"], me["user"]["role"], me["user"]["id"]) == ("socket", "admin", None)
        reset = await client.post("/api/auth/reset", json={"username": "Boss"})
        assert reset.status_code == 200
        listed = (await client.get("/api/audit/")).json()["items"]
        assert (listed[0]["action"], listed[0]["auth"]) == ("auth.reset", "socket")
        assert reset.json()["password"] not in (await client.get("/api/audit/export")).text
    async with httpx.AsyncClient(base_url=served.url) as page:
        answer = await page.post("/api/auth/login", json=reset.json())
        assert answer.status_code == 200
        page.headers["x-csrf-token"] = page.cookies["dtaas_csrf"]
        refused = await page.post("/api/auth/reset", json={"username": "boss"})
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
async def test_members_of_the_group_are_no_admins(served: Served) -> None:
    outside = Path(tempfile.gettempdir())
    for folder in served.socket.parents:
        if folder != outside and folder.is_relative_to(outside):  # pytest's own
            folder.chmod(0o755)
    served.socket.chmod(0o666)
    script = (
        "import http.client,socket,sys;c=http.client.HTTPConnection('dtaas');"
        "c.sock=socket.socket(socket.AF_UNIX);c.sock.connect(sys.argv[1]);"
        "c.request('POST','/api/auth/reset',b'{\"username\":\"x\"}',"
        "{'content-type':'application/json'});print(c.getresponse().status);"
    )
    command = ["/usr/bin/python3", "-c", script, str(served.socket)]
    with fail_after(LIMIT_S):
        done = await anyio.run_process(command, user=65534, group=65534, extra_groups=[])
    assert done.stdout.strip() == b"403"


async def test_a_slow_head_is_cut_off(
    work: AtWork, socket_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.PatientHttpProtocol, "head_limit_s", 0.3)
    with capture_logs() as logs:
        async with serving(work, socket_dir, logs) as served:
            host, port = served.url.removeprefix("http://").split(":")
            with fail_after(LIMIT_S):
                async with await anyio.connect_tcp(host, int(port)) as link:
                    await link.send(b"GET /api/health/live HTTP/1.1\r\nx: ")
                    with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                        while True:
                            await link.send(b"y")
                            with move_on_after(0.05):
                                await link.receive()
            async with httpx.AsyncClient(base_url=served.url) as http:
                assert (await http.get("/api/health/live")).status_code == 200
    assert any(entry["event"] == "request_too_slow" for entry in logs)
