"""The daemon as a process, kept running by its command line."""

import json
import shutil
import signal
import socket
import stat
import tarfile
from pathlib import Path

import anyio
import httpx
import pytest

from tests.system.life import LIMIT_S, Life

SECRET = "Ge-Heim-4711"
CURL = shutil.which("curl")


async def connector(life: Life) -> None:
    body = {
        "name": "mail",
        "kind": "webhook",
        "config": {"url": "http://127.0.0.1:1/", "token": SECRET},
    }
    url = (await life.told("started"))["url"]
    async with httpx.AsyncClient() as http:
        assert (await http.post(f"{url}/api/alerts/channels", json=body)).status_code == 201


async def test_the_command_line_keeps_a_daemon(life: Life) -> None:
    async with life.running():
        assert (await life.ask("log-level")) == {"level": "info"}
        assert (await life.ask("log-level", "debug")) == {"level": "debug"}
        assert (await life.ask("config", "show"))["daemon"]["memory_connectors"] is True
        assert "started" in await life.command("logs", "--socket", str(life.socket))
        report = await life.ask("doctor")
        checked = {(f["area"], f["name"]): f["status"] for f in report["findings"]}
        assert checked["state", "key_file"] == "ok"
        assert checked["state", "integrity"] == "ok"
        assert checked["state", "admin_socket"] == "ok"
        (life.data_dir / "dtaas.key").chmod(0o644)
        report = await life.ask("doctor", expect=1)
        (bad,) = [f for f in report["findings"] if f["status"] == "failed"]
        assert bad["fix"] == f"chmod 600 {life.data_dir}/dtaas.key"
        (life.data_dir / "dtaas.key").chmod(0o600)
        assert (await life.ask("drain")) == {"drained": True}
    offline = await life.ask("doctor", "--config", str(life.config), expect=1)
    failed = [f["name"] for f in offline["findings"] if f["status"] == "failed"]
    assert failed == ["daemon"]
    await life.command("logs", "--socket", str(life.socket), expect=3)


@pytest.mark.skipif(CURL is None, reason="curl is missing; on Debian: apt-get install curl")
async def test_curl_speaks_to_the_admin_socket(life: Life) -> None:
    async with life.running(DTAAS_AUTH__ENABLED="true"):
        assert CURL is not None
        url = "http://dtaas/api/me"
        command = [CURL, "--silent", "--fail", "--unix-socket", str(life.socket), url]
        me = json.loads((await anyio.run_process(command)).stdout)
    assert (me["user"]["role"], me["auth"]) == ("admin", "socket")


async def test_backup_and_restore(life: Life, tmp_path: Path) -> None:
    file = tmp_path / "b.tar.gz"
    async with life.running():
        await connector(life)
        done = await life.ask("backup", str(file), "--with-key")
        assert (done["path"], done["manifest"]["with_key"]) == (str(file), True)
        await life.command("backup", str(file), "--socket", str(life.socket), expect=1)
        refused = await life.command("restore", str(file), "--config", str(life.config), expect=1)
        assert "store_in_use" in refused
    (life.data_dir / "dtaas.db").write_bytes(b"this is no database" * 1000)
    for end in ("-wal", "-shm"):
        (life.data_dir / f"dtaas.db{end}").unlink(missing_ok=True)
    broken = await life.command("serve", "--config", str(life.config), expect=1)
    assert "store_corrupt" in broken
    await life.command("restore", str(file), "--config", str(life.config))
    async with life.running():
        report = await life.ask("doctor")
        assert report["ok"]


async def test_a_support_bundle_has_no_secrets(life: Life, tmp_path: Path) -> None:
    file = tmp_path / "bundle.tar.gz"
    async with life.running():
        await connector(life)
        done = await life.ask("support-bundle", str(file))
        assert done["missing"] == {}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    key = (life.data_dir / "dtaas.key").read_text().strip()
    with tarfile.open(file) as archive:
        for member in archive:
            content = archive.extractfile(member)
            assert content is not None
            text = content.read().decode()
            assert SECRET not in text
            assert key not in text
    assert SECRET not in life.log.read_text()


async def test_a_bad_file_on_reload_keeps_the_old_settings(life: Life) -> None:
    good = life.config.read_text()
    async with life.running() as process:
        life.config.write_text(good + "[retention]\nlogs_days = 'many'\n")
        process.send_signal(signal.SIGHUP)
        assert "logs_days" in (await life.told("settings_refused"))["error"]
        assert (await life.ask("config", "show"))["retention"]["logs_days"] == 30
        life.config.write_text(good + "[retention]\nlogs_days = 3\n")
        process.send_signal(signal.SIGHUP)
        await life.told("settings_reloaded")
        assert (await life.ask("config", "show"))["retention"]["logs_days"] == 3


async def test_systemd_is_told_and_its_watchdog_fed(life: Life) -> None:
    address = life.socket.with_name("notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(address))
        systemd.settimeout(LIMIT_S)
        told = []
        environ = {"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "3000000"}
        async with life.running(**environ) as process:
            while "WATCHDOG=1" not in told:
                told.append((await anyio.to_thread.run_sync(systemd.recv, 4096)).decode())
            process.send_signal(signal.SIGHUP)
            while "RELOADING=1" not in told:
                told.append((await anyio.to_thread.run_sync(systemd.recv, 4096)).decode())
            process.send_signal(signal.SIGTERM)
            while "STOPPING=1" not in told:
                told.append((await anyio.to_thread.run_sync(systemd.recv, 4096)).decode())
    assert next(t for t in told if t != "WATCHDOG=1") == "READY=1"  # a slow start is fed, too


async def test_two_daemons_on_one_database_are_refused(life: Life) -> None:
    async with life.running():
        refused = await life.command("serve", "--config", str(life.config), expect=1)
        assert "store_in_use" in refused


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
async def test_shells_are_told_how_to_complete(life: Life, shell: str) -> None:
    assert "_DTAAS_COMPLETE" in await life.command("completion", shell)
