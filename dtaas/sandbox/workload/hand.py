"""Plays a workload without the wire, so that faults on the wire strike the product alone."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from dtaas.model.errors import FatalError
from dtaas.sandbox.sqlserver.results import ErrorMessage, Session
from dtaas.sandbox.sqlserver.simulated import SimulatedSqlServer
from dtaas.sandbox.workload.workload import Step, Workload

_SHOWN = 300


class Hand:
    """Plays one step after the other, each on the session it names."""

    def __init__(self, sessions: list[Session], workload: Workload) -> None:
        self._sessions = sessions
        self.workload = workload

    async def play(self, steps: int) -> None:
        """Do the workload's next steps."""
        for _ in range(steps):
            await self._run(self.workload.step())

    async def finish(self) -> None:
        """End every transaction that is open."""
        for step in self.workload.finish():
            await self._run(step)

    async def _run(self, step: Step) -> None:
        async for item in self._sessions[step.session].batch(step.sql):
            if isinstance(item, ErrorMessage):
                raise FatalError(
                    f"{item.error} came of a step: {step.sql[:_SHOWN]}",
                    hint="The server or the workload is wrong: play the same seed again.",
                )


@asynccontextmanager
async def hand(
    server: SimulatedSqlServer, database: str, workload: Workload
) -> AsyncIterator[Hand]:
    """Open the workload's sessions in a database, and close them behind the block."""
    async with AsyncExitStack() as stack:
        sessions = []
        for _ in range(workload.sessions):
            session = await server.engine.login(
                user="sa", password=server.password, database=database, application="", host=""
            )
            stack.push_async_callback(session.aclose)
            sessions.append(session)
        yield Hand(sessions, workload)
