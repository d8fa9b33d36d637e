"""The private PostgreSQL: keeps its data, tells its troubles, never outlives its parent."""

import os
import shutil
import socket
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import anyio
import asyncpg
import pytest
from anyio import fail_after

from dtaas.model.errors import AddressInUseError, FatalError
from dtaas.sandbox import postgres_files
from dtaas.sandbox.postgres import PostgresServer, postgres

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs it as another user")

RUN = """
import sys
from pathlib import Path

import anyio

from dtaas.sandbox.postgres import postgres


async def main():
    async with postgres(Path(sys.argv[1])) as server:
        print(server.url(), flush=True)
        await anyio.sleep_forever()


anyio.run(main)
"""


async def test_a_restart_keeps_the_data(tmp_path: Path) -> None:
    urls = []
    for number in range(1, 3):
        async with postgres(tmp_path / "a" / "data") as server:
            urls.append(server.url())
            connection = await asyncpg.connect(server.url())
            await connection.execute("CREATE TABLE IF NOT EXISTS kept (n int)")
            await connection.execute("INSERT INTO kept VALUES (1)")
            assert await connection.fetchval("SELECT count(*) FROM kept") == number
            await connection.close()
    for url in urls:
        with pytest.raises(ConnectionRefusedError):
            await asyncpg.connect(url)


async def test_listens_on_loopback_only_and_wants_the_password(server: PostgresServer) -> None:
    connection = await asyncpg.connect(server.url())
    assert await connection.fetchval("SHOW listen_addresses") == "127.0.0.1"
    await connection.close()
    for password in ("", "wrong"):
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(
                host=server.host, port=server.port, user=server.user, password=password
            )


async def test_the_files_are_its_owners_only(server: PostgresServer) -> None:
    assert server.data_dir.stat().st_mode & 0o077 == 0
    assert (server.data_dir / "password").stat().st_mode & 0o077 == 0
    assert (server.data_dir / "cluster").stat().st_mode & 0o077 == 0


async def test_the_unix_socket_serves_its_owner(tmp_path: Path) -> None:
    short = Path("/tmp") / f"dtaas-test-{os.getpid()}"  # noqa: S108 - a path short enough
    try:
        async with postgres(short) as server:
            assert server.socket_dir == short / "cluster"
            connection = await asyncpg.connect(
                host=str(server.socket_dir), port=server.port, user=server.user
            )
            assert await connection.fetchval("SELECT 1") == 1
            await connection.close()
    finally:
        shutil.rmtree(short)
    async with postgres(tmp_path / ("x" * 100)) as server:
        assert server.socket_dir is None


async def test_settings_reach_the_server(tmp_path: Path) -> None:
    async with postgres(tmp_path, settings={"work_mem": "7MB"}) as server:
        connection = await asyncpg.connect(server.url())
        assert await connection.fetchval("SHOW work_mem") == "7MB"
        await connection.close()


async def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(AddressInUseError, match=str(port)):
            async with postgres(tmp_path, port=port):
                pass


async def test_a_server_that_cannot_start_shows_its_log(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match="no_such_setting") as refused:
        async with postgres(tmp_path, settings={"no_such_setting": "1"}):
            pass
    assert str(tmp_path / "postgres.log") in refused.value.hint


async def test_an_error_of_the_body_passes_and_the_server_stops(tmp_path: Path) -> None:
    # Also one that looks like the launcher's own.
    with pytest.raises(AddressInUseError, match="mine"):
        async with postgres(tmp_path) as server:
            raise AddressInUseError("mine")
    with pytest.raises(ConnectionRefusedError):
        await asyncpg.connect(server.url())


async def until_refused(url: str) -> None:
    """Return when nobody listens any more."""
    while True:
        try:
            connection = await asyncpg.connect(url)
        except (OSError, asyncpg.PostgresError):
            return
        try:
            await connection.execute("SELECT pg_sleep(10)")  # ends when the server does
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            connection.terminate()


async def test_dies_with_its_parent_and_recovers(tmp_path: Path) -> None:
    with fail_after(30):
        async with await anyio.open_process(
            [sys.executable, "-c", RUN, str(tmp_path / "data")], stderr=None
        ) as parent:
            assert parent.stdout is not None
            url = (await parent.stdout.receive()).decode().strip()
            connection = await asyncpg.connect(url)
            await connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
            parent.kill()
            await until_refused(url)
            connection.terminate()
        async with postgres(tmp_path / "data") as server:
            connection = await asyncpg.connect(server.url())
            assert await connection.fetchval("SELECT answer FROM kept") == 42
            await connection.close()


@needs_root
async def test_runs_from_programs_that_only_root_can_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = postgres_files.find_programs().parents[1]
    hidden = tmp_path / "hidden"
    for folder in (package, package.with_name(package.name + ".libs")):
        shutil.copytree(folder, hidden / folder.name, symlinks=True)
    hidden.chmod(0o700)
    cache = Path(f"/var/tmp/dtaas-test-{os.getpid()}")  # noqa: S108 - others must reach it
    monkeypatch.setattr(postgres_files, "ROOT_CACHE", cache)
    monkeypatch.syspath_prepend(str(hidden))
    try:
        async with postgres(tmp_path / "data") as server:
            connection = await asyncpg.connect(server.url())
            assert await connection.fetchval("SELECT 1") == 1
            await connection.close()
        assert list(cache.glob("postgres-*/*/*/bin/postgres"))
        assert not list(cache.glob("draft-*"))
    finally:
        shutil.rmtree(cache)


def python_for_everybody() -> str:
    """Return an interpreter of our version that an ordinary user may run."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for found in (sys.executable, shutil.which(name, path=os.defpath)):
        if found and all(p.stat().st_mode & stat.S_IXOTH for p in Path(found).resolve().parents):
            return found
    pytest.skip(f"no {name} that an ordinary user may run")


@needs_root
def test_runs_for_an_ordinary_user() -> None:
    python = python_for_everybody()
    home = Path(f"/var/tmp/dtaas-test-home-{os.getpid()}")  # noqa: S108 - others must reach it
    home.mkdir()
    os.chown(home, postgres_files.NOBODY, postgres_files.NOBODY)
    script = RUN.replace("await anyio.sleep_forever()", "import os; print(os.getuid())")
    packages = Path(asyncpg.__file__).parents[1]
    project = Path(postgres_files.__file__).parents[2]
    try:
        done = subprocess.run(
            [python, "-c", script, str(home / "data")],
            check=False,
            capture_output=True,
            text=True,
            user=postgres_files.NOBODY,
            group=postgres_files.NOBODY,
            extra_groups=[],
            cwd=home,
            env={
                "HOME": str(home),
                "PATH": os.defpath,
                "PYTHONPATH": f"{project}{os.pathsep}{packages}",
            },
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] == str(postgres_files.NOBODY)
        assert (home / ".cache" / "dtaas").is_dir()
    finally:
        shutil.rmtree(home)


@needs_root
def test_a_cache_of_somebody_else_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    os.chown(theirs, postgres_files.NOBODY, postgres_files.NOBODY)
    open_to_all = tmp_path / f"dtaas-cache-{os.geteuid()}"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    monkeypatch.setattr(postgres_files, "ROOT_CACHE", theirs)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(FatalError, match="theirs"):
        postgres_files.make_cluster(postgres_files.find_programs(), tmp_path / "data")
