"""The simulated SQL Server as one thing: PostgreSQL, the engine on it, and the TDS listener."""

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import anyio
import pyarrow as pa
from msgspec import Struct

from dtaas.model.errors import AddressInUseError
from dtaas.sandbox.postgres import postgres
from dtaas.sandbox.sqlserver.engine import SimulatedEngine
from dtaas.sandbox.sqlserver.results import ErrorMessage
from dtaas.sandbox.sqlserver.server import TdsServer
from dtaas.sandbox.sqlserver.storage.capture.process import CaptureProcess
from dtaas.sandbox.sqlserver.tsql.script import split_script
from dtaas.sandbox.sqlserver.wire.faults import Faults

_HOST: Final = "127.0.0.1"
_CERTIFICATE: Final = "certificate.pem"
_CLOSE_S: Final = 10.0
_APPLICATION: Final = "dtaas sandbox"


class SimulatedSqlServer(Struct, frozen=True, kw_only=True):
    """A running server.

    Attributes:
        host: numeric loopback address; the certificate is good for `localhost` too.
        password: of the login `sa`, who may do everything.
        certificate_path: PEM file of the self-signed certificate, for clients that verify it.
        engine: logins and users are made through it.
        tds: the listener: counts and drops connections.
    """

    host: str
    port: int
    password: str
    certificate_path: Path
    engine: SimulatedEngine
    tds: TdsServer

    @property
    def capture(self) -> CaptureProcess:
        """The capture process: may be paused, hurried or made to fail."""
        return self.engine.capture

    @property
    def faults(self) -> Faults:
        """What shall go wrong, settable at any time."""
        return self.tds.faults

    async def run_script(self, script: str, *, database: str = "master") -> None:
        """Run a script as `sa`, batch by batch, without the wire.

        Raises:
            SqlError: the first error of any batch; later batches are not run.
        """
        session = await self.engine.login(
            user="sa",
            password=self.password,
            database=database,
            application=_APPLICATION,
            host=self.host,
        )
        try:
            for batch in split_script(script):
                errors = [
                    i.error async for i in session.batch(batch) if isinstance(i, ErrorMessage)
                ]
                if errors:
                    raise errors[0]
        finally:
            with anyio.move_on_after(_CLOSE_S, shield=True):
                await session.aclose()

    async def restore(self, database: str) -> None:
        """Give a database another recovery fork, as a restore to an earlier point does."""
        await self.engine.new_recovery_fork(database)

    async def set_clock(self, ahead_s: int) -> None:
        """Set the clock so far ahead of this machine's, behind it when negative, until the end."""
        await self.engine.set_clock(ahead_s)

    async def bulk_fill(
        self, database: str, schema: str, table: str, batches: Iterable[pa.RecordBatch]
    ) -> int:
        """Put Arrow batches into an existing table, all or none, and return the rows.

        Raises:
            SqlError: 208 no such table; constraint errors; 8114 a value or column does not fit.
        """
        return await self.engine.bulk_fill(database, schema, table, batches)


@asynccontextmanager
async def simulated_sql_server(
    data_dir: Path, *, port: int = 0, password: str
) -> AsyncIterator[SimulatedSqlServer]:
    """Run a server on `data_dir`, made when it does not exist, else with what it holds.

    Args:
        port: 0 takes a free one.
        password: of the login `sa`, from now on.

    Raises:
        AddressInUseError: the port is taken.
        FatalError: PostgreSQL does not start; the detail carries the end of its log.
    """
    async with postgres(data_dir / "postgres") as storage:
        engine = await SimulatedEngine.open(storage, password=password)
        try:
            async with AsyncExitStack() as stack:
                try:
                    tds = await stack.enter_async_context(TdsServer.listen(engine, _HOST, port))
                except OSError as exc:
                    raise AddressInUseError(
                        f"Port {port} for the simulated SQL Server is taken.",
                        hint="Give another port, or 0 for a free one.",
                    ) from exc
                certificate_path = data_dir / _CERTIFICATE
                await anyio.Path(certificate_path).write_bytes(tds.certificate_pem)
                await stack.enter_async_context(engine.capture.running())
                yield SimulatedSqlServer(
                    host=_HOST,
                    port=tds.port,
                    password=password,
                    certificate_path=certificate_path,
                    engine=engine,
                    tds=tds,
                )
        finally:
            with anyio.move_on_after(_CLOSE_S, shield=True):
                await engine.aclose()
