"""The course of the demo: processes, connectors, load, proof."""

import fcntl
import os
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import IO, Any

import anyio
import click
import msgspec
from anyio import create_task_group, fail_after, open_signal_receiver, sleep, sleep_forever
from anyio.abc import Process
from msgspec import Struct

from dtaas.cli.demo_arrival import Arrival, arrival, arrival_as_seen
from dtaas.cli.demo_changes import Burst, burst, change_for_ever
from dtaas.cli.demo_files import corrupt_rows, export
from dtaas.cli.demo_laps import Laps
from dtaas.cli.demo_screen import ProgressScreen
from dtaas.cli.demo_snowflake import corrupt_table, snowflake_body
from dtaas.cli.demo_task import DemoApi, file_body, s3_body
from dtaas.cli.verify_keys import show_keys
from dtaas.model.errors import FatalError
from dtaas.model.verification import Verdict, Verification
from dtaas.sandbox import tpch
from dtaas.sandbox.access import SandboxAccess
from dtaas.sandbox.processes import child_process

_SANDBOX_LIMIT_S = 3600.0
_DAEMON_LIMIT_S = 60.0
_ACCESS = "access.json"
_SANDBOX_LOG = "sandbox.log"
_LOOK_EVERY_S = 0.05
_MB = 1_000_000
EXIT_OK = 0
EXIT_FAILED = 1


class Demo(Struct, frozen=True, kw_only=True):
    """What the demo was asked to do; paths are absolute."""

    once: bool
    scale: float
    destination: str
    out: Path | None
    corrupt: int
    port: int
    data_dir: Path


async def run_demo(plan: Demo) -> int:
    """Run the demo and return the exit code: 0 when everything arrived as it left."""
    with _only_one(plan.data_dir) as lock:
        async with create_task_group() as group:
            group.start_soon(_stop_on_signal, group.cancel_scope.cancel)
            code = await _play(plan, lock)
            group.cancel_scope.cancel()
            return code
    return EXIT_FAILED if plan.once else EXIT_OK  # ended by a signal


async def _play(plan: Demo, lock: IO[str]) -> int:
    laps = Laps()
    say = _quiet if plan.once else click.echo
    say("Starting a private SQL Server and S3, and filling TPC-H ...")
    async with (
        _sandbox(plan) as sandbox,
        _daemon(plan) as url,
        DemoApi(url) as api,
    ):
        _publish(lock, url)
        say(f"Watch it in a browser: {url}")
        access = await _access(plan, sandbox)
        body = _destination(plan, access)
        task_id = await api.create_task(access, body, tpch.TABLES)
        say(f"{access.rows:,} rows are in SQL Server; loading them.")
        laps.end("start_s")
        load = await _load(api, task_id, live=not plan.once)
        laps.end("load_s")
        changed = await burst(access)
        lags = await api.until_arrived(task_id, changed.changes)
        if plan.destination == "snowflake":
            came = arrival_as_seen(changed.changes, lags)
            await corrupt_table(body, plan.corrupt)
        else:
            came = await arrival(body)
            await corrupt_rows(body, plan.corrupt)
        laps.end("stream_s")
        proof = await api.verify(task_id)
        laps.end("verify_s")
        _report(plan, load, changed, came, proof, laps=laps)
        if plan.out is not None and plan.destination == "s3":
            await export(body, plan.out)
        if not plan.once:
            _where_to_look(url, access, plan)
            await change_for_ever(access)
            await sleep_forever()
        return EXIT_OK if proof.proved else EXIT_FAILED


@asynccontextmanager
async def _sandbox(plan: Demo) -> AsyncIterator[Process]:
    """Start the sandbox; `_access` waits for it."""
    argv = [sys.executable, "-m", "dtaas", "sandbox", "up"]
    argv += ["--snowflake" if plan.destination == "snowflake" else "--no-snowflake"]
    argv += ["--access-file", str(plan.data_dir / _ACCESS), "--tpch", str(plan.scale)]
    argv += ["--data-dir", str(plan.data_dir / "sandbox")]
    log_path = plan.data_dir / _SANDBOX_LOG
    # Its data are scratch: nothing is lost by ending it at once, and its own children end with it.
    async with child_process(argv, log_path=log_path, stop_signal=signal.SIGKILL) as process:
        yield process


async def _access(plan: Demo, sandbox: Process) -> SandboxAccess:
    """Return how to reach the sandbox once it is ready.

    Raises:
        FatalError: it ended; the detail carries the end of its log.
    """
    path = anyio.Path(plan.data_dir / _ACCESS)
    with fail_after(_SANDBOX_LIMIT_S):
        while not await path.exists():
            _require_alive(sandbox, "sandbox", plan.data_dir / _SANDBOX_LOG)
            await sleep(_LOOK_EVERY_S)
    return msgspec.json.decode(await path.read_bytes(), type=SandboxAccess)


@asynccontextmanager
async def _daemon(plan: Demo) -> AsyncIterator[str]:
    port = plan.port or _free_port()
    log_path = plan.data_dir / "daemon.log"
    argv = [sys.executable, "-m", "dtaas", "serve", "--host", "127.0.0.1", "--port", str(port)]
    argv += ["--data-dir", str(plan.data_dir / "daemon")]
    # On loopback, for whoever sits here: nobody has to log in.
    env = {**os.environ, "DTAAS_AUTH__ENABLED": "false"}
    async with child_process(argv, log_path=log_path, env=env) as process:
        url = f"http://127.0.0.1:{port}"
        async with DemoApi(url) as api:
            with fail_after(_DAEMON_LIMIT_S):
                while not await api.is_ready():
                    _require_alive(process, "daemon", log_path)
                    await sleep(_LOOK_EVERY_S)
        yield url


def _require_alive(process: Process, name: str, log_path: Path) -> None:
    """Raise FatalError with the end of its log when a process of the demo has ended."""
    if process.returncode is not None:
        log = log_path.read_text(errors="replace").strip()
        raise FatalError(f"The {name} ended: {log[-2000:]}", hint=f"Read {log_path}.")


class Load(Struct, frozen=True, kw_only=True):
    """Figures of the full load: rows and megabytes (10^6) of Arrow data read."""

    rows: int
    mb: float
    seconds: float


async def _load(api: DemoApi, task_id: int, *, live: bool) -> Load:
    """Load every table and return the figures once all of them stream.

    Raises:
        FatalError: the task failed; the detail says why.
    """
    began = anyio.current_time()
    with ProgressScreen(live=live) as screen:
        await api.run(task_id, screen.show)
    seconds = anyio.current_time() - began
    tables = (await api.newest_execution(task_id))["tables"]
    return Load(
        rows=sum(t["rows_done"] for t in tables),
        mb=sum(t["bytes"] for t in tables) / _MB,
        seconds=seconds,
    )


def _report(
    plan: Demo,
    load: Load,
    changed: Burst,
    came: Arrival,
    proof: Verification,
    *,
    laps: Laps,
) -> None:
    streamed_s = max((came.last - changed.began).total_seconds(), 0.001)
    result = {
        "tables": len(proof.tables),
        "rows": load.rows,
        "mb": round(load.mb, 1),
        "seconds": round(load.seconds, 2),
        "rows_per_second": round(load.rows / load.seconds),
        "verified": proof.proved,
        "changes": came.changes,
        "changes_per_second": round(came.changes / streamed_s),
        "lag_p99_ms": came.lag_p99_ms,
        **laps.seconds(),
    }
    for table in proof.tables:
        if table.verdict is not Verdict.EQUAL:
            words = "; ".join(table.differences) or table.error or table.verdict
            click.secho(f"{table.table} differs: {words}", fg="red", err=True)
            show_keys(table, err=True)
    if plan.once:
        click.echo(msgspec.json.encode(result).decode())
    elif proof.proved:
        click.secho(
            f"{load.rows:,} rows of {len(proof.tables)} tables in {load.seconds:.1f} s "
            f"({result['rows_per_second']:,} rows/s), then {came.changes:,} changes at "
            f"{result['changes_per_second']:,} a second; source and destination hold the same.",
            fg="green",
        )


def _where_to_look(url: str, access: SandboxAccess, plan: Demo) -> None:
    sql, s3 = access.sqlserver, access.s3
    click.echo(f"""
Web page            {url}
API and documents   {url}/api/openapi.json   {url}/api/dashboard/metrics
Streaming           the task goes on: orders are placed and shipped while you watch
Command line        dtaas status --socket {plan.data_dir / "daemon" / "admin.sock"}
SQL Server          {sql.host},{sql.port}  database {sql.database}  {sql.username} / {sql.password}
S3                  {s3.endpoint_url}  bucket {s3.bucket}
                    {s3.access_key_id} / {s3.secret_access_key}
Logs                {plan.data_dir}/daemon.log, sandbox.log

Ctrl-C ends everything.""")


def _destination(plan: Demo, access: SandboxAccess) -> dict[str, Any]:
    """Return the request that creates the destination connector; a folder is made."""
    match plan.destination:
        case "snowflake":
            return snowflake_body(access)
        case "file":
            folder = plan.out or plan.data_dir / "lake"
            folder.mkdir(parents=True, exist_ok=True)
            return file_body(folder)
        case _:
            return s3_body(access)


@contextmanager
def _only_one(data_dir: Path) -> Iterator[IO[str]]:
    """Hold the demo's folder, emptied; a second demo is told where the first one runs."""
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    lock_path = data_dir.with_name(f"{data_dir.name}.lock")
    with lock_path.open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            lock.seek(0)
            where = lock.read().strip() or "it is still starting"
            raise AlreadyRunningError(
                f"A demo already runs on {data_dir}: {where}",
                hint="Use it, end it with Ctrl-C, or give this one another --data-dir.",
            ) from exc
        lock.truncate(0)
        shutil.rmtree(data_dir, ignore_errors=True)
        data_dir.mkdir(parents=True)
        yield lock


class AlreadyRunningError(FatalError):
    """Another demo holds the folder."""

    code = "already_running"


def _publish(lock: IO[str], url: str) -> None:
    lock.write(f"{url} (process {os.getpid()})\n")
    lock.flush()


async def _stop_on_signal(stop: Any) -> None:
    with open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            stop()
            return


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _quiet(_text: str) -> None:
    """Say nothing: `--once` prints one line."""
