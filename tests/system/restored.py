"""A daemon whose metadata were restored while its target had gone on."""

import signal
import sys
from pathlib import Path

import anyio

from dtaas.model.schema import TableRef
from dtaas.sandbox.chaos.lake_reader import LakeReader
from dtaas.sandbox.chaos.lake_reader import folder as files_of
from dtaas.sandbox.sandbox import DATABASE, Sandbox
from tests.fakes.lake_reader import ORDER
from tests.system.conftest import LIMIT_S, Daemon


class Restored:
    """One table of a SQL Server on its way into a folder."""

    def __init__(self, servers: Sandbox, table: TableRef, folder: Path) -> None:
        self.table = table
        self._servers = servers
        self._out = folder / "out"
        self._backup = folder / "backup.tar.gz"

    async def begin(self, daemon: Daemon) -> int:
        """Restore a backup that knows of three rows while the target holds four.

        Returns:
            The task, which rests.
        """
        await self._sql(f"CREATE TABLE {self.table} (id int NOT NULL PRIMARY KEY)")
        await self.insert(1, 2)
        task_id = await daemon.task(
            await daemon.source(),
            await daemon.folder(self._out),
            self.table,
            mode="full_load_then_cdc",
            options={"poll_interval_ms": 50},
        )
        await daemon.control(task_id, "start")
        await daemon.until_status(task_id, "streaming")
        await self.insert(3)
        await self.until_ids(1, 2, 3)
        await cli(daemon, "backup", str(self._backup))
        await self.insert(4)
        await self.until_ids(1, 2, 3, 4)
        await daemon.end(signal.SIGTERM)
        told = await dtaas("restore", str(self._backup), "--data-dir", str(daemon.data_dir))
        assert "waits for your choice" in told
        await daemon.start()
        return task_id

    async def insert(self, *ids: int) -> None:
        """Give the source more rows."""
        await self._sql(f"INSERT INTO {self.table} VALUES {', '.join(f'({i})' for i in ids)}")

    async def until_ids(self, *wanted: int) -> None:
        """Wait until the target holds these rows and no others, each change once."""
        with anyio.fail_after(LIMIT_S):
            while self._ids() != sorted(wanted):
                await anyio.sleep(0.05)  # a folder has no event to wait for

    def _ids(self) -> list[int]:
        lake = LakeReader(files_of(self._out), f"dbo/{self.table.name}")
        places = [tuple(change[name] for name in ORDER) for change in lake.changes()]
        assert len(places) == len(set(places))  # none counts twice
        return sorted(row["id"] for row in lake.state(("id",)).values())

    async def _sql(self, text: str) -> None:
        await self._servers.sqlserver.run_script(text, database=DATABASE)


async def dtaas(*arguments: str, expect: int = 0) -> str:
    """Run the command line and return what it printed."""
    done = await anyio.run_process([sys.executable, "-m", "dtaas", *arguments], check=False)
    text = (done.stdout + done.stderr).decode()
    assert done.returncode == expect, text
    return text


async def cli(daemon: Daemon, *arguments: str, expect: int = 0) -> str:
    """Run a command on the daemon's admin socket."""
    return await dtaas(*arguments, "--socket", str(daemon.data_dir / "admin.sock"), expect=expect)
