"""One history: a database with a random workload, the task that moves it, what must come of it."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from time import monotonic
from typing import Any, Final

import anyio
import httpx
from msgspec import Struct

from dtaas.concurrency.blocking import Blocking
from dtaas.model.errors import FatalError
from dtaas.sandbox.chaos.daemon import Daemon
from dtaas.sandbox.chaos.places import LAKE, Place
from dtaas.sandbox.chaos.verdict import Verdict, of_changes, of_rows
from dtaas.sandbox.sqlserver.results import Rows
from dtaas.sandbox.sqlserver.simulated import SimulatedSqlServer
from dtaas.sandbox.workload.hand import Hand, hand
from dtaas.sandbox.workload.history import commits_of
from dtaas.sandbox.workload.names import ID
from dtaas.sandbox.workload.workload import Mix, Workload

_LOOK_EVERY_S: Final = 0.2
_STOP_LIMIT_S: Final = 60.0
_TABLES: Final = 2
_SESSIONS: Final = 3
_STREAMING: Final = "streaming"
_SETTLE_LIMIT_S: Final = 60.0


class Plan(Struct, frozen=True, kw_only=True):
    """What one history is made of.

    Attributes:
        early_steps: of the workload, before the task is made.
        quiet_load: nothing changes while tables are loaded, so that every later change must come
            as a change.
        options: of the task.
    """

    seed: int
    name: str
    mix: Mix
    early_steps: int
    quiet_load: bool
    options: dict[str, Any]


class History:
    """Plays against one database, and judges what arrived.

    Attributes:
        loads_again: tables of it may be loaded anew, so that old change files do not count.
    """

    def __init__(self, plan: Plan, server: SimulatedSqlServer, place: Place) -> None:
        self.plan = plan
        self.workload = Workload(plan.seed, tables=_TABLES, sessions=_SESSIONS, mix=plan.mix)
        self.loads_again = not plan.quiet_load
        self.task_id = 0
        self._server = server
        self.place = place
        self._stack = AsyncExitStack()
        self._hand: Hand | None = None
        self._loaded = 0

    @property
    def tables(self) -> Sequence[str]:
        """Return the names of its tables."""
        return tuple(self.workload.tables)

    async def prepare(self) -> None:
        """Make the database with its first rows."""
        name = self.plan.name
        await self._server.run_script(f"CREATE DATABASE {name}")
        await self._server.run_script("\nGO\n".join(self.workload.setup()), database=name)
        self._hand = await self._stack.enter_async_context(hand(self._server, name, self.workload))
        await self.play(self.plan.early_steps)
        await self._playing.finish()
        self._loaded = len(self.workload.history)

    async def enrol(self, daemon: Daemon) -> None:
        """Make the connectors and the task, and start it."""
        plan, server = self.plan, self._server
        source = await daemon.post(
            "/api/connectors/",
            {
                "name": f"{plan.name} source",
                "connector_type": "source",
                "source_type": "sqlserver",
                "connection_config": {
                    "host": server.host,
                    "port": server.port,
                    "database": plan.name,
                    "username": "sa",
                    "password": server.password,
                    "trust_server_certificate": True,
                },
            },
        )
        target = await daemon.post(
            "/api/connectors/",
            {
                "name": f"{plan.name} target",
                "connector_type": "destination",
                "destination_type": self.place.kind,
                "connection_config": self.place.config,
            },
        )
        task = await daemon.post(
            "/api/tasks/",
            {
                "name": plan.name,
                "source_connector_id": source["id"],
                "destination_connector_id": target["id"],
                "source_tables": [_ref(name) for name in self.tables],
                "table_mappings": self._keys(),
                "mode": "full_load_then_cdc",
                "options": plan.options,
            },
        )
        self.task_id = int(task["id"])
        await self.control(daemon, "start")

    async def control(self, daemon: Daemon, action: str, **how: Any) -> None:
        """Steer the task."""
        await daemon.post(f"/api/tasks/{self.task_id}/control", {"action": action, **how})

    async def reload(self, daemon: Daemon, table: str) -> None:
        """Load one table anew while the other streams."""
        self.loads_again = True
        await self.control(daemon, "start", tables=[_ref(table)])

    async def play(self, steps: int) -> None:
        """Do the workload's next steps."""
        await self._playing.play(steps)

    async def finish(self) -> None:
        """End every transaction."""
        await self._playing.finish()

    async def clean(self, table: str, *, keep: int) -> bool:
        """Let cleanup pass by one table's changes. Returns whether there were any."""
        instance = await self._instance(table)
        if not instance:
            return False
        self.loads_again = True
        await self._server.capture.clean(instance, keep=keep)
        return True

    async def high(self) -> bytes:
        """Return the position of the last commit, captured by now."""
        while await self._server.capture.scan_now():
            continue
        value = await self._value("SELECT MAX(m.start_lsn) FROM cdc.lsn_time_mapping AS m")
        return bytes(value) if value is not None else b""

    async def arrived(self, daemon: Daemon, limit_s: float) -> str:
        """Wait until every table stands behind the last commit.

        Returns:
            Why it does not come to that, '' when it does.
        """
        found: dict[str, Any] = {}
        position = await self.high()
        with anyio.move_on_after(limit_s):
            while True:
                found = await self.progress(daemon)
                if stands_at(found, position.hex()):
                    return ""
                if await self.status(daemon) == "failed":
                    break
                await anyio.sleep(_LOOK_EVERY_S)
        tables = [
            f"{t['table']['name']} {t['phase']} at {t['position']}: {t['error']}"
            for t in found.get("tables", [])
        ]
        status = await self.status(daemon)
        return f"{status} and not at {position.hex()} in {limit_s:.0f} s: {'; '.join(tables)}"

    async def streams(self, daemon: Daemon, limit_s: float) -> bool:
        """Wait until every table streams, over lives of the daemon; return whether it came."""
        with anyio.move_on_after(limit_s):
            while True:
                try:
                    if stands_at(await self.progress(daemon), ""):
                        return True
                except httpx.TransportError:  # it is down for the moment
                    pass
                await anyio.sleep(_LOOK_EVERY_S)
        return False

    async def status(self, daemon: Daemon) -> str:
        """Return the state of the task."""
        return str((await daemon.get(f"/api/tasks/{self.task_id}"))["status"])

    async def progress(self, daemon: Daemon) -> dict[str, Any]:
        """Return the task's newest execution with its tables, empty before the first."""
        listed = await daemon.get(f"/api/tasks/{self.task_id}/executions?limit=1")
        if not listed["items"]:
            return {}
        return dict(await daemon.get(f"/api/executions/{listed['items'][0]['id']}"))

    async def judge(self, blocking: Blocking, *, settle_s: float = _SETTLE_LIMIT_S) -> Verdict:
        """Read everything back and compare. Every transaction has ended and arrived.

        Args:
            settle_s: how long values of columns that were added may take to come. They need a
                newer capture instance, at a position of its own, and nobody outside sees when
                what the older one missed has been read again.
        """
        settled = monotonic() + (settle_s if self.alterations else 0.0)
        while True:
            verdict = Verdict()
            for name in self.tables:
                verdict = verdict.with_(await blocking(self._judge, name))
            if verdict.is_clean or monotonic() >= settled:
                return verdict
            await anyio.sleep(_LOOK_EVERY_S)

    @property
    def alterations(self) -> int:
        """Return how many columns were added and dropped."""
        return sum(t.alterations for t in self.workload.tables.values())

    async def aclose(self, daemon: Daemon | None = None) -> None:
        """Let go of the database, and of the task when a daemon is given."""
        await self._stack.aclose()
        if daemon is not None:
            if await self.status(daemon) not in _AT_REST:
                await self.control(daemon, "stop")
            await self._stopped(daemon)
            await daemon.delete(f"/api/tasks/{self.task_id}")
        await self._server.run_script(f"DROP DATABASE {self.plan.name}")

    async def _stopped(self, daemon: Daemon) -> None:
        with anyio.fail_after(_STOP_LIMIT_S):
            while True:
                if await self.status(daemon) in _AT_REST:
                    return
                await anyio.sleep(_LOOK_EVERY_S)

    def _keys(self) -> list[dict[str, Any]]:
        """Declare a key where changes are applied by key and the table has none."""
        if self.place.kind == LAKE:
            return []
        keyless = [t.name for t in self.workload.tables.values() if not t.has_key]
        return [{"source": _ref(name), "key": [ID]} for name in keyless]

    def _judge(self, name: str) -> Verdict:
        table = self.workload.tables[name]
        arrivals = self.place.arrivals(name)
        verdict = of_rows(name, self.workload.rows(name), arrivals.rows(table))
        seen = arrivals.transactions(table)
        if seen is None:
            return verdict
        committed = commits_of(self.workload.history[self._loaded :], name)
        # Without a key, what new columns held before they were captured takes a load anew.
        since_load = self.loads_again or (table.is_altered and not table.has_key)
        return verdict.with_(of_changes(name, committed, seen, since_load=since_load))

    async def _instance(self, table: str) -> str:
        sql = (
            "SELECT MAX(c.capture_instance) FROM cdc.change_tables AS c"
            f" WHERE c.source_object_id = OBJECT_ID(N'dbo.{table}')"
        )
        return str(await self._value(sql) or "")

    async def _value(self, sql: str) -> Any:
        session = await self._server.engine.login(
            user="sa", password=self._server.password, database=self.plan.name,
            application="", host="",
        )  # fmt: skip
        try:
            values = [
                item.rows[0][0] async for item in session.batch(sql) if isinstance(item, Rows)
            ]
        finally:
            await session.aclose()
        return values[0] if values else None

    @property
    def _playing(self) -> Hand:
        if self._hand is None:
            raise FatalError("The history was not prepared.")
        return self._hand


_AT_REST: Final = frozenset({"idle", "stopped", "failed", "paused", "scheduled", "draft"})


def stands_at(execution: dict[str, Any], position: str) -> bool:
    """Return whether every table of an execution streams and stands there or behind it."""
    tables = execution.get("tables", [])
    return bool(tables) and all(
        t["phase"] == _STREAMING and (t["position"] or "") >= position for t in tables
    )


def _ref(table: str) -> dict[str, str]:
    return {"schema": "dbo", "name": table}
