"""The daemon as a process that speaks HTTPS, and places its connectors may not reach."""

import signal
import ssl
from pathlib import Path

import anyio
import httpx
import pytest

from tests.integration.api.certificates import write_certificate
from tests.system.life import Life


def with_tls(life: Life, folder: Path) -> None:
    text = life.config.read_text()
    files = (
        f'tls_certificate = "{folder}/certificate.pem"\ntls_key = "{folder}/key.pem"\n[daemon]\n'
    )
    life.config.write_text(text.replace("[daemon]\n", files, 1))


def served_serial(url: str) -> bytes:
    port = httpx.URL(url).port
    assert port is not None
    return ssl.get_server_certificate(("127.0.0.1", port), timeout=30).encode()


async def test_https_with_a_certificate_that_is_renewed(life: Life, tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    folder.mkdir()
    write_certificate(folder, "one")
    with_tls(life, folder)
    async with life.running() as process:
        url = (await life.told("started", pid=process.pid))["url"]
        assert url.startswith("https://")
        trusted = ssl.create_default_context(cafile=folder / "certificate.pem")
        async with httpx.AsyncClient(base_url=url, verify=trusted) as http:
            answer = await http.get("/api/health/ready")
            assert answer.json() == {"status": "ready"}
            assert "strict-transport-security" in answer.headers
        before = await anyio.to_thread.run_sync(served_serial, url)
        write_certificate(folder, "two")
        process.send_signal(signal.SIGHUP)
        await life.told("certificate_reloaded")
        after = await anyio.to_thread.run_sync(served_serial, url)
        assert after != before
        (folder / "key.pem").write_text("no key")
        process.send_signal(signal.SIGHUP)
        assert "cannot be used" in (await life.told("certificate_refused"))["error"]
        assert await anyio.to_thread.run_sync(served_serial, url) == after
        assert (await life.ask("log-level")) == {"level": "info"}  # the admin socket needs no TLS
    refused = await life.command("serve", "--config", str(life.config), expect=1)
    assert "invalid_settings" in refused


@pytest.mark.parametrize("inside", ["", "lake", "../data"])
async def test_the_daemons_own_folder_is_no_destination(life: Life, inside: str) -> None:
    async with life.running() as process:
        url = (await life.told("started", pid=process.pid))["url"]
        body = {
            "name": "lake",
            "connector_type": "destination",
            "destination_type": "file",
            "connection_config": {"path": f"{life.data_dir}/{inside}"},
        }
        async with httpx.AsyncClient(base_url=url) as http:
            answer = await http.post("/api/connectors/", json=body)
            assert answer.status_code == 422
            assert answer.json()["field"] == "$.connection_config.path"
            body["connection_config"] = {"path": str(life.folder / "lake")}
            assert (await http.post("/api/connectors/", json=body)).status_code == 201
