"""The example of config/: nginx with TLS before two daemons, for the API and for live data."""

import json
import os
import shutil
import signal
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError

from tests.integration.api.certificates import write_certificate
from tests.system.conftest import LIMIT_S, Daemon, Make

CONF = Path(__file__).parents[2] / "config" / "nginx.conf"
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
NAME = "dtaas.example.com"
AROUND = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
{example}
}}
"""
pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(
        NGINX is None, reason="nginx is missing; on Debian: apt-get install nginx-light"
    ),
]


def exchanged(text: str, *pairs: tuple[str, str]) -> str:
    for old, new in pairs:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


@asynccontextmanager
async def nginx(folder: Path, *daemons: Daemon) -> AsyncIterator[int]:
    """Run it with the example, at other addresses only, and yield the port of its HTTPS."""
    write_certificate(folder, NAME)
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    first, second = (d.http.base_url for d in daemons)
    example = exchanged(
        CONF.read_text(),
        ("10.0.0.11:8000", f"{first.host}:{first.port}"),
        ("10.0.0.12:8000", f"{second.host}:{second.port}"),
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("/etc/nginx/dtaas.crt", str(folder / "certificate.pem")),
        ("/etc/nginx/dtaas.key", str(folder / "key.pem")),
    )
    (folder / "nginx.conf").write_text(AROUND.format(folder=folder, example=example))
    assert NGINX is not None
    command = [NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
    checked = await anyio.run_process([*command, "-t"], check=False)
    assert checked.returncode == 0, checked.stderr.decode()
    process = await anyio.open_process(command, stdout=None, stderr=None)
    try:
        with anyio.fail_after(LIMIT_S):
            while not await answers(port):
                assert process.returncode is None
                await anyio.sleep(0.02)  # a port has no event to wait for
        yield port
    finally:
        process.terminate()
        await process.wait()


async def answers(port: int) -> bool:
    try:
        await (await anyio.connect_tcp("127.0.0.1", port)).aclose()
    except OSError:
        return False
    return True


def trusting(folder: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=folder / "certificate.pem")
    context.check_hostname = False  # it is good for the address, and the name is in the request
    return context


async def first_message(folder: Path, port: int, origin: str) -> dict[str, Any]:
    """Open live data as a page of `origin` would."""
    async with connect(
        f"wss://{NAME}/ws", host="127.0.0.1", port=port, ssl=trusting(folder), origin=origin
    ) as listener:
        with anyio.fail_after(LIMIT_S):
            return dict(json.loads(await listener.recv()))


async def test_nginx_serves_api_and_live_data_of_whichever_daemon_lives(
    make_daemon: Make, shared: dict[str, str], tmp_path: Path
) -> None:
    environ = {**shared, "DTAAS_API__ALLOWED_HOSTS": NAME}
    first, second = await make_daemon(**environ), await make_daemon(**environ)
    folder = tmp_path / "nginx"
    folder.mkdir()
    async with (
        nginx(folder, first, second) as port,
        httpx.AsyncClient(
            base_url=f"https://127.0.0.1:{port}", verify=trusting(folder), headers={"host": NAME}
        ) as http,
    ):
        made = await http.post(
            "/api/connectors/",
            json={
                "name": "through the proxy",
                "destination_type": "file",
                "connection_config": {"path": str(tmp_path / "out")},
            },
            headers={"origin": f"https://{NAME}"},
        )
        assert made.status_code == 201, made.text
        assert made.headers["x-request-id"]
        too_large = await http.post("/api/tasks/", content=b"x" * 9_000_000)
        assert too_large.status_code == 413
        assert (await first_message(folder, port, f"https://{NAME}"))["type"] == "snapshot"
        with pytest.raises(ConnectionClosedError) as refused:
            await first_message(folder, port, "https://evil.example")
        assert refused.value.rcvd is not None
        assert refused.value.rcvd.reason == "origin_not_allowed"
        await first.end(signal.SIGKILL)
        for _ in range(6):
            listed = await http.get("/api/connectors/")
            assert [c["name"] for c in listed.json()["items"]] == ["through the proxy"]
        assert (await first_message(folder, port, f"https://{NAME}"))["type"] == "snapshot"
