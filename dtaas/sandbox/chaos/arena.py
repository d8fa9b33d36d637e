"""Everything a storm or a crash test needs, running: servers and a daemon of its own."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import anyio
from msgspec import Struct

from dtaas.sandbox.chaos.daemon import Daemon, daemon
from dtaas.sandbox.chaos.places import Places
from dtaas.sandbox.chaos.snowflake import SnowflakeGround
from dtaas.sandbox.chaos.troubles import Ground, Jump
from dtaas.sandbox.faults import fault_proxy
from dtaas.sandbox.sandbox import BUCKET, SNOWFLAKE_DATABASE, sandbox
from dtaas.sandbox.seaweed import SeaweedServer

CAPTURE_EVERY_S: Final = 0.05
IDLE_AFTER_S: Final = 10.0
"""Columns that come last need one more position; SQL Server gives it after 300 s of quiet."""


class Arena(Struct, frozen=True, kw_only=True):
    """What runs. The daemon reaches S3 through the proxy of `ground`."""

    ground: Ground
    places: Places
    daemon: Daemon
    s3: SeaweedServer


@asynccontextmanager
async def arena(
    folder: Path,
    *,
    jump: Jump | None = None,
    environ: Mapping[str, str] | None = None,
    snowflake: bool = False,
) -> AsyncIterator[Arena]:
    """Run the servers and the daemon below a folder.

    Args:
        jump: moves the daemon's clock, which `environ` put in its place.
        snowflake: run an emulated one too.
    """
    await anyio.Path(folder).chmod(0o755)  # PostgreSQL runs as another user where we are root
    async with AsyncExitStack() as stack:
        servers = await stack.enter_async_context(
            sandbox(folder / "sandbox", snowflake_port=0 if snowflake else None)
        )
        servers.sqlserver.capture.interval_s = CAPTURE_EVERY_S
        servers.sqlserver.capture.idle_s = IDLE_AFTER_S
        await servers.s3.create_bucket(BUCKET)
        proxy = await stack.enter_async_context(fault_proxy("127.0.0.1", servers.s3.port))
        account = None
        if servers.snowflake is not None:
            await servers.snowflake.create_database(SNOWFLAKE_DATABASE)
            account = SnowflakeGround(servers.snowflake)
        running = await stack.enter_async_context(daemon(folder / "daemon", environ))
        yield Arena(
            ground=Ground(server=servers.sqlserver, proxy=proxy, jump=jump, snowflake=account),
            places=Places(servers.s3, f"http://{proxy.host}:{proxy.port}", account),
            daemon=running,
            s3=servers.s3,
        )
