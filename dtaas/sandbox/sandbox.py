"""All parts of the sandbox: a private SQL Server, S3 and Snowflake, started side by side."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

import anyio
from anyio import TASK_STATUS_IGNORED, Event, create_task_group
from anyio.abc import TaskStatus
from msgspec import Struct

from dtaas.sandbox import tpch
from dtaas.sandbox.seaweed import SeaweedServer, seaweed
from dtaas.sandbox.snowflake.emulator import SnowflakeEmulator, snowflake_emulator
from dtaas.sandbox.sqlserver.simulated import SimulatedSqlServer, simulated_sql_server

T = TypeVar("T")

SA_PASSWORD = "Sandbox-1433"  # noqa: S105 - of a server only this machine reaches
ACCESS_KEY = "sandbox"
SECRET_KEY = "sandbox-secret"  # noqa: S105
BUCKET = "lake"
SNOWFLAKE_USER = "dtaas"
SNOWFLAKE_PASSWORD = "Sandbox-443"  # noqa: S105
SNOWFLAKE_DATABASE = "SANDBOX"
DATABASE = "tpch"


class Sandbox(Struct, frozen=True, kw_only=True):
    """The running parts."""

    sqlserver: SimulatedSqlServer
    s3: SeaweedServer
    snowflake: SnowflakeEmulator | None = None


@asynccontextmanager
async def sandbox(
    data_dir: Path,
    *,
    sqlserver_port: int = 0,
    s3_port: int = 0,
    snowflake_port: int | None = None,
) -> AsyncIterator[Sandbox]:
    """Run the servers below `data_dir`; port 0 takes a free one.

    Args:
        snowflake_port: None leaves the Snowflake out.

    Raises:
        AddressInUseError: a given port is taken.
        FatalError: a part does not start; the detail carries the end of its log.
    """
    async with create_task_group() as group:
        stop = Event()
        servers: dict[str, Any] = {}

        async def start(name: str, manager: AbstractAsyncContextManager[object]) -> None:
            servers[name] = await group.start(_hold, manager, stop, name=name)

        try:
            async with create_task_group() as starting:
                starting.start_soon(
                    start,
                    "sqlserver",
                    simulated_sql_server(
                        data_dir / "sqlserver", port=sqlserver_port, password=SA_PASSWORD
                    ),
                )
                starting.start_soon(
                    start,
                    "s3",
                    seaweed(
                        data_dir / "s3",
                        port=s3_port,
                        access_key=ACCESS_KEY,
                        secret_key=SECRET_KEY,
                    ),
                )
                if snowflake_port is not None:
                    starting.start_soon(
                        start,
                        "snowflake",
                        snowflake_emulator(
                            data_dir / "snowflake",
                            port=snowflake_port,
                            user=SNOWFLAKE_USER,
                            password=SNOWFLAKE_PASSWORD,
                        ),
                    )
            yield Sandbox(
                sqlserver=cast("SimulatedSqlServer", servers["sqlserver"]),
                s3=cast("SeaweedServer", servers["s3"]),
                snowflake=cast("SnowflakeEmulator | None", servers.get("snowflake")),
            )
        finally:
            stop.set()


async def _hold(
    manager: AbstractAsyncContextManager[T],
    stop: Event,
    *,
    task_status: TaskStatus[T] = TASK_STATUS_IGNORED,
) -> None:
    """Keep a server running in a task of its own until told to stop."""
    async with manager as running:
        task_status.started(running)
        await stop.wait()


async def fill_with_tpch(server: SimulatedSqlServer, folder: Path) -> int:
    """Make the database `tpch` with the eight tables and their rows; return the rows.

    Args:
        folder: holds what `tpch.generate` wrote; its files are removed afterwards.
    """
    await server.run_script(f"CREATE DATABASE {DATABASE}")
    await server.run_script("\nGO\n".join(tpch.DDL), database=DATABASE)
    rows = 0
    for table in tpch.TABLES:
        rows += await server.bulk_fill(
            DATABASE, table.schema, table.name, tpch.batches(folder, table)
        )
        await anyio.Path(folder / f"{table.name}.parquet").unlink()
    return rows
