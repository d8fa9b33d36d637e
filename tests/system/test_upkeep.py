"""The daemon as a process, kept running by its command line."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

LIMIT_S = 60.0
SECRET = "Ge-Heim-4711"


class Life:
    """One daemon and its command line."""

    def __init__(self, folder: Path, socket_path: Path) -> None:
        self.folder = folder
        self.config = folder / "dtaas.toml"
        self.data_dir = folder / "data"
        self.socket = socket_path
        self.log = folder / "log"
        self.environ = {"DTAAS_LOG__FORMAT": "json"}
        self.config.write_text(
            f'[api]\nport = 0\n[daemon]\ndata_dir = "{self.data_dir}"\n'
            f'admin_socket = "{self.socket}"\nmemory_connectors = true\n'
        )

    async def command(self, *arguments: str, expect: int = 0) -> str:
        done = await anyio.run_process(
            [sys.executable, "-m", "dtaas", *arguments],
            check=False,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
        )
        text = done.stdout.decode()
        assert done.returncode == expect, text
        return text

    async def ask(self, *arguments: str, expect: int = 0) -> Any:
        where = ("--socket", str(self.socket), "--json")
        return json.loads(await self.command(*arguments, *where, expect=expect))

    @asynccontextmanager
    async def running(self, **environ: str) -> AsyncIterator[anyio.abc.Process]:
        with self.log.open("ab") as log:
            process = await anyio.open_process(
                [sys.executable, "-m", "dtaas", "serve", "--config", str(self.config)],
                stdin=None,
                stdout=log,
                stderr=log,
                env={**os.environ, "DTAAS_AUTH__ENABLED": "false", **self.environ, **environ},
            )
        try:
            await self.told("started", pid=process.pid)
            yield process
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            with anyio.fail_after(LIMIT_S):
                await process.wait()

    def lines(self) -> list[dict[str, Any]]:
        found = [x for x in self.log.read_text().splitlines() if x.startswith("{")]
        return [json.loads(line) for line in found]

    async def told(self, event: str, **fields: object) -> dict[str, Any]:
        with anyio.fail_after(LIMIT_S):
            while True:
                for line in self.lines():
                    if line["event"] == event and fields.items() <= line.items():
                        return line
                await anyio.sleep(0.02)  # a file has no event to wait for


@pytest.fixture
def life(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Life:
    return Life(tmp_path, tmp_path_factory.mktemp("s") / "a.sock")


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
    assert told[0] == "READY=1"


async def test_two_daemons_on_one_database_are_refused(life: Life) -> None:
    async with life.running():
        refused = await life.command("serve", "--config", str(life.config), expect=1)
        assert "store_in_use" in refused


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
async def test_shells_are_told_how_to_complete(life: Life, shell: str) -> None:
    assert "_DTAAS_COMPLETE" in await life.command("completion", shell)
