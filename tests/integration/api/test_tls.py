"""HTTPS by certificate files, on real sockets; and clients that waste a server's time."""

import json
import socket
import ssl
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import anyio
import httpx
import pytest
from anyio import create_task_group, fail_after, to_thread
from cryptography import x509
from structlog.typing import EventDict
from websockets.asyncio.client import connect

from dtaas.api import doorway, server
from dtaas.api.app import create_app
from dtaas.api.server import serve_tcp
from dtaas.api.tls import Certificate, load_certificate
from dtaas.model.errors import SettingsError
from dtaas.settings import ApiSettings
from tests.fakes.services_at_work import AtWork
from tests.integration.api.certificates import write_certificate
from tests.integration.api.conftest import Served

LIMIT_S = 30


def trusting(folder: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=folder / "certificate.pem")


def serial_at(url: str) -> int:
    port = httpx.URL(url).port
    assert port is not None
    pem = ssl.get_server_certificate(("127.0.0.1", port), timeout=LIMIT_S)
    return x509.load_pem_x509_certificate(pem.encode()).serial_number


@pytest.fixture
async def secure(work: AtWork, tmp_path: Path) -> AsyncIterator[tuple[str, Certificate]]:
    write_certificate(tmp_path, "one")
    certificate = Certificate(tmp_path / "certificate.pem", tmp_path / "key.pem")
    async with create_task_group() as group:
        app = create_app(work.services, ApiSettings())

        async def run(*, task_status: anyio.abc.TaskStatus[str]) -> None:
            await serve_tcp(app, "127.0.0.1", 0, tls=certificate.context, task_status=task_status)

        yield await group.start(run), certificate
        group.cancel_scope.cancel()


async def test_serves_https_with_hsts_and_secure_cookies(
    secure: tuple[str, Certificate], tmp_path: Path
) -> None:
    url, _ = secure
    assert url.startswith("https://")
    async with httpx.AsyncClient(verify=trusting(tmp_path), base_url=url) as http:
        answer = await http.get("/api/health/live")
        assert answer.status_code == 200
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
    socket_url = url.replace("https", "wss") + "/ws"
    async with connect(socket_url, ssl=trusting(tmp_path), origin=url) as link:
        assert "data" in json.loads(await link.recv())


async def test_speaks_no_old_tls_and_no_plain_http(
    secure: tuple[str, Certificate], tmp_path: Path
) -> None:
    url, _ = secure
    old = trusting(tmp_path)
    old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    for verify, base in ((old, url), (trusting(tmp_path), url.replace("https", "http"))):
        async with httpx.AsyncClient(verify=verify, base_url=base) as http:
            with pytest.raises(httpx.TransportError):
                await http.get("/api/health/live")


async def test_plain_http_has_no_hsts(served: Served) -> None:
    async with httpx.AsyncClient(base_url=served.url) as http:
        assert "strict-transport-security" not in (await http.get("/api/health/live")).headers


async def test_a_renewed_certificate_counts_and_a_bad_one_does_not(
    secure: tuple[str, Certificate], tmp_path: Path
) -> None:
    url, certificate = secure
    before = await to_thread.run_sync(serial_at, url)
    new = write_certificate(tmp_path, "two")
    certificate.reload()
    assert await to_thread.run_sync(serial_at, url) == new != before
    (tmp_path / "other").mkdir()
    write_certificate(tmp_path / "other", "three")
    (tmp_path / "other" / "key.pem").replace(tmp_path / "key.pem")  # of another certificate
    with pytest.raises(SettingsError, match="cannot be used"):
        certificate.reload()
    assert await to_thread.run_sync(serial_at, url) == new


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    write_certificate(tmp_path, "one", password=b"secret")
    certificate, key = str(tmp_path / "certificate.pem"), str(tmp_path / "key.pem")
    for settings, said in (
        (ApiSettings(tls_certificate=certificate), "tls_key"),
        (ApiSettings(tls_key=key), "tls_certificate"),
        (ApiSettings(tls_certificate=certificate, tls_key=key), "password"),
        (ApiSettings(tls_certificate=certificate, tls_key=certificate), "cannot be used"),
        (ApiSettings(tls_certificate=certificate, tls_key=str(tmp_path / "no")), "No such file"),
    ):
        with pytest.raises(SettingsError, match=said):
            load_certificate(settings)
    assert load_certificate(ApiSettings()) is None


class Slow:
    """A client on a raw socket."""

    def __init__(self, served: Served, receive_bytes: int = 0) -> None:
        url = httpx.URL(served.url)
        assert url.port is not None
        self.link = socket.socket()
        if receive_bytes:
            self.link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.link.settimeout(LIMIT_S)
        self.link.connect(("127.0.0.1", url.port))

    def drip(self, head: bytes, part: bytes, stop: threading.Event) -> bytes:
        """Send a part again and again until the server has enough of it; return its answer."""
        with self.link:
            self.link.sendall(head)
            self.link.settimeout(0.02)
            answer = b""
            while not stop.is_set():
                try:
                    self.link.sendall(part)
                    got = self.link.recv(65536)
                    if not got:
                        return answer
                    answer += got
                except TimeoutError:
                    continue
                except ConnectionError:
                    return answer
        raise AssertionError


async def dripped(served: Served, head: bytes, part: bytes) -> bytes:
    stop = threading.Event()
    try:
        with fail_after(LIMIT_S):
            slow = Slow(served)
            return await to_thread.run_sync(slow.drip, head, part, stop, abandon_on_cancel=True)
    finally:
        stop.set()


POST = b"POST /api/tasks/ HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"


async def test_a_body_that_drips_is_cut(
    served: Served, logs: list[EventDict], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.PatientHttpProtocol, "body_limit_s", 0.3)
    for framing, part in (
        (b"content-length: 100000\r\n\r\n", b" "),
        (b"transfer-encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    ):
        assert await dripped(served, POST + framing, part) == b""
    assert sum(entry["event"] == "request_too_slow" for entry in logs) == 2
    async with httpx.AsyncClient(base_url=served.url) as http:
        assert (await http.get("/api/health/live")).status_code == 200


async def test_a_body_that_comes_in_parts_is_taken(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.PatientHttpProtocol, "body_limit_s", LIMIT_S)

    async def parts() -> AsyncIterator[bytes]:
        yield b'{"name": '
        await anyio.lowlevel.checkpoint()
        yield b'"x"}'

    async with httpx.AsyncClient(base_url=served.url) as http:
        for _ in range(2):  # the clock of the first ends with it
            answer = await http.post(
                "/api/tasks/", content=parts(), headers={"content-type": "application/json"}
            )
            assert answer.status_code == 422


async def test_a_body_that_is_too_large_is_refused_early(served: Served) -> None:
    head = POST + b"content-length: 99000000\r\n\r\n"
    assert b" 413 " in await dripped(served, head, b"[" * 1000)
    endless = POST + b"transfer-encoding: chunked\r\n\r\n"
    part = b"%x\r\n%s\r\n" % (100_000, b"[" * 100_000)
    answer = await dripped(served, endless, part)
    assert answer == b"" or b" 413 " in answer  # cut, or told before it was


async def test_a_head_that_is_too_large_is_refused(served: Served) -> None:
    head = b"GET /api/health/live HTTP/1.1\r\nhost: localhost\r\n"
    answer = await dripped(served, head, b"x-filler: " + b"y" * 4000 + b"\r\n")
    assert b" 400 " in answer or b" 431 " in answer


async def test_an_answer_nobody_reads_is_cut(
    served: Served, logs: list[EventDict], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.PatientHttpProtocol, "stall_limit_s", 0.3)
    slow = Slow(served, receive_bytes=4096)
    asked = b"GET /api/openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n"
    with slow.link, fail_after(LIMIT_S):
        slow.link.settimeout(0.05)
        while not any(entry["event"] == "request_too_slow" for entry in logs):
            with suppress(TimeoutError, ConnectionError):
                slow.link.sendall(asked)
            await anyio.sleep(0.01)  # the log of another thread has no event to wait for


async def test_an_answer_that_does_not_come_is_a_problem(
    work: AtWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doorway, "ANSWER_LIMIT_S", 0.1)
    app = create_app(work.services, ApiSettings())
    monkeypatch.setattr(work.services.health, "check_ready", anyio.sleep_forever)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        with fail_after(LIMIT_S):
            answer = await http.get("/api/health/ready")
    assert (answer.status_code, answer.json()["code"]) == (504, "timed_out")
