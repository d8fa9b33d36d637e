"""The sandbox as a process of its own."""

import signal
from collections.abc import Callable
from pathlib import Path

import msgspec
from anyio import Event, create_task_group, open_signal_receiver, sleep_forever

from dtaas.concurrency.blocking import Blocking
from dtaas.sandbox import tpch
from dtaas.sandbox.access import S3Access, SandboxAccess, SnowflakeAccess, SqlServerAccess
from dtaas.sandbox.sandbox import (
    ACCESS_KEY,
    BUCKET,
    DATABASE,
    SA_PASSWORD,
    SECRET_KEY,
    SNOWFLAKE_DATABASE,
    fill_with_tpch,
    sandbox,
)
from dtaas.sandbox.snowflake.emulator import SnowflakeEmulator


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    """Where the servers listen; 0 takes a free port, None leaves the server out."""

    sqlserver: int = 0
    s3: int = 0
    snowflake: int | None = None


async def run_sandbox(
    data_dir: Path,
    ports: Ports,
    tpch_scale: float | None,
    announce: Callable[[bytes], None],
    clock_ahead_s: int = 0,
) -> None:
    """Run the sandbox until SIGINT or SIGTERM.

    Args:
        tpch_scale: fill the database `tpch` first, None for an empty server.
        announce: called once with `SandboxAccess` as JSON when everything is ready.
        clock_ahead_s: of the SQL Server's clock, before this machine's.
    """
    async with create_task_group() as group:
        group.start_soon(_stop_on_signal, group.cancel_scope.cancel)
        tables = data_dir / "tpch"
        generated = Event()
        if tpch_scale is not None:
            group.start_soon(_generate, tables, tpch_scale, generated)
        async with sandbox(
            data_dir,
            sqlserver_port=ports.sqlserver,
            s3_port=ports.s3,
            snowflake_port=ports.snowflake,
        ) as running:
            await running.s3.create_bucket(BUCKET)
            await running.sqlserver.set_clock(clock_ahead_s)
            rows = 0
            if tpch_scale is not None:
                await generated.wait()
                rows = await fill_with_tpch(running.sqlserver, tables)
            access = SandboxAccess(
                sqlserver=SqlServerAccess(
                    host=running.sqlserver.host,
                    port=running.sqlserver.port,
                    username="sa",
                    password=SA_PASSWORD,
                    database=DATABASE if tpch_scale is not None else "master",
                ),
                s3=S3Access(
                    endpoint_url=running.s3.endpoint_url,
                    access_key_id=ACCESS_KEY,
                    secret_access_key=SECRET_KEY,
                    bucket=BUCKET,
                ),
                rows=rows,
                snowflake=await _snowflake(running.snowflake),
            )
            announce(msgspec.json.encode(access))
            await sleep_forever()


async def _snowflake(emulator: SnowflakeEmulator | None) -> SnowflakeAccess | None:
    """Make the database to work in, and return how to reach the account."""
    if emulator is None:
        return None
    await emulator.create_database(SNOWFLAKE_DATABASE)
    return SnowflakeAccess(
        account=emulator.account,
        user=emulator.user,
        password=emulator.password,
        host=emulator.host,
        port=emulator.port,
        protocol=emulator.protocol,
        database=SNOWFLAKE_DATABASE,
        control_url=emulator.control_url,
    )


async def _generate(folder: Path, scale: float, generated: Event) -> None:
    """Make the rows while the servers start."""
    await Blocking(1)(tpch.generate, folder, scale)
    generated.set()


async def _stop_on_signal(stop: Callable[[], None]) -> None:
    with open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            stop()
            return
