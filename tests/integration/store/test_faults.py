"""What goes wrong on a real machine: kills, full disks, servers that go away, many writers."""

import os
import random
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from signal import SIGKILL

import anyio
import asyncpg
import pytest
from anyio import fail_after
from anyio.streams.text import TextReceiveStream

from dtaas.connectors.registry import Registry
from dtaas.model.errors import (
    Action,
    AuthenticationError,
    DatabaseNotFoundError,
    HostNotFoundError,
    PermissionDeniedError,
    StoreFullError,
    StoreInUseError,
    StoreReadOnlyError,
    StoreUnavailableError,
)
from dtaas.model.execution import ExecutionStatus, ExecutionType, TablePhase
from dtaas.model.schema import TableRef
from dtaas.model.task import Task
from dtaas.sandbox.postgres import PostgresServer, postgres
from dtaas.sandbox.postgres_files import NOBODY
from dtaas.store import exclusive
from dtaas.store.errors import StorePlace, translated
from dtaas.store.metrics import MetricSample
from dtaas.store.store import Store, open_store
from tests.contract.store_samples import (
    TABLE,
    Clock,
    load_id,
    progress,
    spec,
    table_load,
    table_state,
)
from tests.contract.stored import connect

KILLS = 3


async def new_task_in(store: Store) -> Task:
    source, destination = await connect(store)
    return await store.tasks.create(
        spec("task", source_connector_id=source.id, destination_connector_id=destination.id)
    )


def position(number: int) -> bytes:
    return number.to_bytes(10, "big")


# --- kills ----------------------------------------------------------------------------------------
async def acknowledged_until_killed(url: str, data_dir: Path, task: Task, lines: int) -> int:
    """Let a process write, kill it after so many acknowledgements, return the last one."""
    argv = [
        sys.executable,
        "-m",
        "tests.integration.store.writer",
        url,
        str(data_dir),
        str(task.id),
    ]
    async with await anyio.open_process(argv, stderr=None) as process:
        assert process.stdout is not None
        text, wanted = "", lines
        async for part in TextReceiveStream(process.stdout):
            text += part
            if len([line for line in text.split("\n")[:-1] if line.isdigit()]) >= wanted:
                process.send_signal(SIGKILL)
                wanted = sys.maxsize  # and read what it had said before it died
        assert await process.wait() == -SIGKILL
    return int([line for line in text.split("\n")[:-1] if line.isdigit()][-1])


@pytest.mark.timeout(150)
async def test_kill_9_loses_no_acknowledged_write(url: str, tmp_path: Path) -> None:
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    async with open_store(url, data_dir=tmp_path, registry=Registry(memory=True)) as store:
        task = await new_task_in(store)
    with fail_after(120):
        for _ in range(KILLS):
            last = await acknowledged_until_killed(url, tmp_path, task, rng.randint(1, 60))
            async with open_store(url, data_dir=tmp_path, registry=Registry(memory=True)) as store:
                stored = int.from_bytes(await store.checkpoints.load(task.id, TABLE) or b"")
                receipts = await store.loads.receipts(load_id(1))
                # At most the one that was under way when the kill came is beyond the last word.
                assert last <= stored <= last + 1, f"seed {seed}"
                assert [r.chunk_index for r in receipts][-1] in {last, last + 1}
                assert len(receipts) == receipts[-1].chunk_index


# --- full disks -----------------------------------------------------------------------------------
@contextmanager
def mounted(disk: Path, options: str) -> Iterator[None]:
    """Mount a small file system in memory; skip the test where that is not allowed."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    disk.mkdir()
    done = subprocess.run(
        [shutil.which("mount") or "mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)],
        check=False,
        capture_output=True,
        text=True,
    )
    try:
        if done.returncode != 0:
            pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")
        yield
        subprocess.run([shutil.which("umount") or "umount", "-l", str(disk)], check=True)
    finally:
        disk.rmdir()


def resize(disk: Path, size: str) -> None:
    """Change the size of what `mounted` made."""
    remount(disk, f"size={size}")


def remount(disk: Path, options: str) -> None:
    """Change how what `mounted` made is mounted."""
    mount = shutil.which("mount") or "mount"
    subprocess.run([mount, "-o", f"remount,{options}", str(disk)], check=True)


def small_postgres_disk() -> Path:
    """Return a path that the server's user can reach."""
    return Path(f"/var/tmp/dtaas-test-disk-{os.getpid()}")  # noqa: S108


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB of its own."""
    disk = tmp_path / "disk"
    with mounted(disk, "size=2m"):
        yield disk


@pytest.fixture
async def small_postgres_url(server: PostgresServer) -> AsyncIterator[str]:
    """A database in a tablespace of 16 MB; the log of the server has room."""
    disk = small_postgres_disk()
    with mounted(disk, f"size=16m,uid={NOBODY},gid={NOBODY},mode=0700"):
        admin = await asyncpg.connect(server.url())
        await admin.execute(f"CREATE TABLESPACE small LOCATION '{disk}'")
        await admin.execute("CREATE DATABASE small TABLESPACE small")
        yield server.url("small")
        await admin.execute("DROP DATABASE small WITH (FORCE)")
        await admin.execute("DROP TABLESPACE small")
        await admin.close()


async def fill(store: Store, clock: Clock) -> None:
    """Write until the disk is full."""
    with fail_after(30):
        while True:
            await store.metrics.record(
                [MetricSample(name=f"{'x' * 90}{n}", value=n, at=clock.now) for n in range(500)]
            )


async def test_a_full_disk_is_said_and_nothing_is_lost(small_disk: Path, clock: Clock) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(400_000))
    async with open_store("", data_dir=small_disk, registry=Registry(memory=True)) as store:
        task = await new_task_in(store)
        await store.checkpoints.advance(task.id, TABLE, position(7))
        with pytest.raises(StoreFullError) as full:
            await fill(store, clock)
        assert str(small_disk / "dtaas.db") in full.value.detail
        assert full.value.hint
        assert await store.checkpoints.load(task.id, TABLE) == position(7)
        ballast.unlink()
        await store.checkpoints.advance(task.id, TABLE, position(8))
        with pytest.raises(StoreFullError):
            await fill(store, clock)
    os.truncate(small_disk / "dtaas.db.lock", 0)
    async with open_store("", data_dir=small_disk, registry=Registry(memory=True)) as store:
        assert await store.checkpoints.load(task.id, TABLE) == position(8)
        assert await store.tasks.get(task.id) == task
        checked = await store.database.read(
            lambda c: c.exec_driver_sql("PRAGMA integrity_check").scalar_one()
        )
        assert checked == "ok"


async def test_a_read_only_disk_is_said_and_nothing_is_lost(small_disk: Path) -> None:
    registry = Registry(memory=True)
    async with open_store("", data_dir=small_disk, registry=registry) as store:
        task = await new_task_in(store)
        await store.checkpoints.advance(task.id, TABLE, position(7))
    remount(small_disk, "ro")
    with pytest.raises(PermissionDeniedError, match="Read-only file system") as refused:
        async with open_store("", data_dir=small_disk, registry=registry):
            pass
    assert str(small_disk) in refused.value.detail
    remount(small_disk, "rw")
    async with open_store("", data_dir=small_disk, registry=registry) as store:
        assert await store.checkpoints.load(task.id, TABLE) == position(7)
        await store.checkpoints.advance(task.id, TABLE, position(8))


async def test_a_postgres_that_takes_no_writes_is_waited_for(
    server: PostgresServer, postgres_url: str, tmp_path: Path
) -> None:
    """As after a failover to a standby: nothing is given up, and writes go on by themselves."""
    registry = Registry(memory=True)
    admin = await asyncpg.connect(server.url())
    try:
        async with open_store(postgres_url, data_dir=tmp_path, registry=registry) as store:
            task = await new_task_in(store)
            await store.checkpoints.advance(task.id, TABLE, position(7))
            await admin.execute("ALTER SYSTEM SET default_transaction_read_only = on")
            await admin.execute("SELECT pg_reload_conf()")
            with fail_after(30), pytest.raises(StoreReadOnlyError) as refused:
                while True:  # until every connection has read its settings anew
                    await store.checkpoints.advance(task.id, TABLE, position(8))
            assert refused.value.action is Action.RETRY
            assert await store.tasks.get(task.id) == task
            await admin.execute("SET default_transaction_read_only = off")
            await admin.execute("ALTER SYSTEM RESET default_transaction_read_only")
            await admin.execute("SELECT pg_reload_conf()")
            with fail_after(30):
                while True:
                    with suppress(StoreReadOnlyError):
                        await store.checkpoints.advance(task.id, TABLE, position(9))
                        break
            assert await store.checkpoints.load(task.id, TABLE) == position(9)
    finally:
        await admin.close()


def test_a_sqlite_file_that_takes_no_writes_is_waited_for(tmp_path: Path) -> None:
    """As when the system makes a failing disk read-only: the next connection cannot write."""
    file = tmp_path / "dtaas.db"
    with closing(sqlite3.connect(file)) as writer:
        writer.execute("CREATE TABLE t (a)")
    with (
        closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as reader,
        pytest.raises(sqlite3.OperationalError) as refused,
    ):
        reader.execute("INSERT INTO t VALUES (1)")
    error = translated(refused.value, StorePlace(label=str(file), file=file))
    assert isinstance(error, StoreReadOnlyError)
    assert isinstance(error, StoreUnavailableError)  # what waits for the store waits for this, too
    assert (error.code, error.action) == ("store_read_only", Action.RETRY)
    assert "read-only" in error.hint


async def test_a_full_postgres_is_said_and_nothing_is_lost(
    small_postgres_url: str, tmp_path: Path, clock: Clock
) -> None:
    registry = Registry(memory=True)
    async with open_store(small_postgres_url, data_dir=tmp_path, registry=registry) as store:
        task = await new_task_in(store)
        await store.checkpoints.advance(task.id, TABLE, position(7))
        with pytest.raises(StoreFullError) as full:
            await fill(store, clock)
        assert full.value.hint
        assert await store.checkpoints.load(task.id, TABLE) == position(7)
        assert await store.tasks.get(task.id) == task
        resize(small_postgres_disk(), "32m")
        await store.checkpoints.advance(task.id, TABLE, position(8))


async def test_a_full_disk_at_the_first_start_is_said(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    with pytest.raises(OSError, match="No space left"), ballast.open("wb") as file:
        while True:
            file.write(bytes(4096))
            file.flush()
    with pytest.raises(StoreFullError):
        async with open_store("", data_dir=small_disk / "data", registry=Registry()):
            pass
    ballast.unlink()
    async with open_store("", data_dir=small_disk / "data", registry=Registry()) as store:
        await store.ping()


LIMITED = """
import resource, sys
from datetime import UTC, datetime
from pathlib import Path

import anyio

from dtaas.connectors.registry import Registry
from dtaas.model.errors import DtaasError
from dtaas.store import exclusive
from dtaas.store.metrics import MetricSample
from dtaas.store.store import open_store


async def main(data_dir):
    now = datetime.now(UTC)
    batch = [MetricSample(name="x" * 90, value=n, at=now) for n in range(500)]
    async with open_store("", data_dir=data_dir, registry=Registry()) as store:
        await store.metrics.record(batch)
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))
        written = 1
        try:
            while written < 100:
                await store.metrics.record(batch)
                written += 1
        except DtaasError as exc:
            print(exc.code)
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        await store.metrics.record(batch)
        print((await store.metrics.delete_before(datetime(9999, 1, 1, tzinfo=UTC))) // 500 - written)


anyio.run(main, Path(sys.argv[1]))
"""


def test_a_file_that_may_not_grow_is_said_and_nothing_is_lost(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
        timeout=50,
    )
    # SQLite calls EFBIG an I/O error, and the disk has room: unavailable, not full.
    assert done.stdout.splitlines()[-2:] == ["store_unavailable", "1"]


# --- many at once ---------------------------------------------------------------------------------
async def test_many_writers_and_readers_at_once(url: str, tmp_path: Path) -> None:
    """Eight tasks write while the dashboard reads; nothing fails, nothing is lost."""
    async with open_store(url, data_dir=tmp_path, registry=Registry(memory=True)) as store:
        source, destination = await connect(store)
        tasks = [
            await store.tasks.create(
                spec(
                    f"task {n}",
                    source_connector_id=source.id,
                    destination_connector_id=destination.id,
                )
            )
            for n in range(8)
        ]
        waits_s: list[float] = []

        async def work(task: Task) -> None:
            execution = await store.engine.begin_execution(task.id, ExecutionType.FULL_LOAD)
            for number in range(1, 21):
                began = anyio.current_time()
                await store.checkpoints.advance(task.id, TABLE, position(number))
                waits_s.append(anyio.current_time() - began)
                await store.engine.record_tables(
                    execution.id, [table_state(TABLE, TablePhase.LOADING, rows_done=number)]
                )
            await store.engine.end_execution(
                execution.id,
                ExecutionStatus.COMPLETED,
                progress(task.id, execution.id, table_state(TABLE, TablePhase.COMPLETED)),
            )

        async def watch(stop: anyio.Event) -> None:
            while not stop.is_set():
                figures = await store.dashboard.figures()
                assert figures.running + figures.completed_24h <= 8

        done = anyio.Event()
        with fail_after(40):
            async with anyio.create_task_group() as group:
                for _ in range(3):
                    group.start_soon(watch, done)
                async with anyio.create_task_group() as writers:
                    for task in tasks:
                        writers.start_soon(work, task)
                done.set()
        figures = await store.dashboard.figures()
        assert (figures.running, figures.completed_24h) == (0, 8)
        for task in tasks:
            assert await store.checkpoints.load(task.id, TABLE) == position(20)
    # A starved writer waited whole seconds before there was one lock; far above the usual 50 ms.
    assert max(waits_s) < 2.0


async def test_a_cancelled_write_is_whole_or_not_there(url: str, tmp_path: Path) -> None:
    async with open_store(url, data_dir=tmp_path, registry=Registry(memory=True)) as store:
        task = await new_task_in(store)
        for number in range(1, 16):
            async with anyio.create_task_group() as group:
                group.start_soon(
                    store.loads.save_load, table_load(task.id, number, TableRef("s", str(number)))
                )
                for _ in range(number % 5):
                    await anyio.lowlevel.checkpoint()
                group.cancel_scope.cancel()
        # The store goes on as if nothing had happened.
        for number in range(1, 16):
            found = await store.loads.open_load(task.id, TableRef("s", str(number)))
            assert found is None or found.load_id == load_id(number)
        await store.loads.save_load(table_load(task.id, 99))


SLOW = {
    "": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
    "postgres": "SELECT pg_sleep(600)",
}


async def test_a_transaction_that_takes_too_long_is_ended(url: str, tmp_path: Path) -> None:
    slow = SLOW["postgres" if url else ""]
    async with open_store(url, data_dir=tmp_path, registry=Registry(memory=True)) as store:
        task = await new_task_in(store)
        with fail_after(20):
            for number in range(1, 4):
                with pytest.raises(StoreUnavailableError, match="in time"):
                    await store.database.write(lambda c: c.exec_driver_sql(slow).all(), limit_s=0.1)
                await store.checkpoints.advance(task.id, TABLE, position(number))
        assert await store.checkpoints.load(task.id, TABLE) == position(3)


async def test_a_server_that_never_answers_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exclusive, "_CONNECT_LIMIT_S", 0.2)
    with closing(socket.socket()) as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        url = f"postgresql://me:hush@127.0.0.1:{deaf.getsockname()[1]}/db"
        with fail_after(10), pytest.raises(StoreUnavailableError, match="cannot be reached"):
            async with open_store(url, data_dir=tmp_path, registry=Registry()):
                pass


# --- PostgreSQL that is wrong or gone -------------------------------------------------------------
async def test_a_second_daemon_on_one_postgres_is_refused(
    postgres_url: str, tmp_path: Path
) -> None:
    async with open_store(postgres_url, data_dir=tmp_path, registry=Registry()):
        with pytest.raises(StoreInUseError) as refused:
            async with open_store(postgres_url, data_dir=tmp_path, registry=Registry()):
                pass
        assert "***" in refused.value.detail
    async with open_store(postgres_url, data_dir=tmp_path, registry=Registry()):
        pass


async def test_wrong_urls_are_told_apart(server: PostgresServer, tmp_path: Path) -> None:
    good = server.url()
    for url, error in (
        (good.replace(server.password, "wrong"), AuthenticationError),
        (good.replace("//postgres:", "//nobody:"), AuthenticationError),
        (server.url("nothing"), DatabaseNotFoundError),
        (good.replace(server.host, "no-such-host.invalid"), HostNotFoundError),
        (good.replace(str(server.port), "1"), StoreUnavailableError),
    ):
        with pytest.raises(error) as refused:
            async with open_store(url, data_dir=tmp_path, registry=Registry()):
                pass
        assert server.password not in str(refused.value) + refused.value.hint
        assert refused.value.hint


async def test_a_postgres_that_went_away_comes_back(tmp_path: Path) -> None:
    folder = tmp_path / "server"
    async with postgres(folder) as server:
        port, url = server.port, server.url()
        stack = open_store(url, data_dir=tmp_path, registry=Registry(memory=True))
        store = await stack.__aenter__()
        task = await new_task_in(store)
        await store.checkpoints.advance(task.id, TABLE, position(1))
    with pytest.raises(StoreUnavailableError):
        await store.checkpoints.advance(task.id, TABLE, position(2))
    with pytest.raises(StoreUnavailableError):
        await store.ping()
    async with postgres(folder, port=port):
        await store.checkpoints.advance(task.id, TABLE, position(3))
        assert await store.checkpoints.load(task.id, TABLE) == position(3)
        with pytest.raises(StoreInUseError):
            async with open_store(url, data_dir=tmp_path, registry=Registry()):
                pass
        await stack.__aexit__(None, None, None)


async def test_a_daemon_that_lost_its_postgres_to_another_stops_writing(
    postgres_url: str, tmp_path: Path
) -> None:
    admin = await asyncpg.connect(postgres_url)
    async with open_store(postgres_url, data_dir=tmp_path, registry=Registry(memory=True)) as store:
        task = await new_task_in(store)
        # The server ends the session that holds the lock, and somebody else is faster.
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
        )
        await admin.execute("SELECT pg_advisory_lock($1)", 0x4454_6161_5302)
        with pytest.raises(StoreInUseError):
            await store.checkpoints.advance(task.id, TABLE, position(1))
        assert await store.checkpoints.load(task.id, TABLE) is None
        await admin.close()
        await store.checkpoints.advance(task.id, TABLE, position(1))
