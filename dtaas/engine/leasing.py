"""A daemon among several: takes free tasks, keeps its own, and lets go of what it lost."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

import structlog
from anyio import TASK_STATUS_IGNORED, CancelScope, current_time, fail_after, move_on_after, sleep
from anyio.abc import TaskStatus

from dtaas.model.errors import DtaasError
from dtaas.model.ids import TaskId
from dtaas.model.store_ports import ExecutionStore
from dtaas.model.task import DesiredState

log = structlog.get_logger()
_LEAVE_LIMIT_S: Final = 5.0


class TaskLeases(Protocol):
    """Whose task is whose, kept where all daemons see it."""

    async def join(self) -> None:
        """Become a daemon the others see."""
        ...

    async def beat(self) -> bool:
        """Say that this daemon lives; False when the others think it does not."""
        ...

    async def acquire(self, task_id: TaskId) -> int | None:
        """Return the epoch of a task that is ours now, None when it is another's."""
        ...

    async def release(self, task_id: TaskId) -> None:
        """Leave a task to whoever wants it."""
        ...

    async def leave(self) -> None:
        """Go."""
        ...

    async def free_tasks(self, wanted: Sequence[TaskId]) -> Sequence[TaskId]:
        """Return those that no daemon has."""
        ...


class Crew(Protocol):
    """The tasks that run here."""

    def here(self) -> Sequence[TaskId]:
        """Return the tasks that run here."""
        ...

    async def wake(self, task_id: TaskId) -> None:
        """Look at what the user wants of a task and make it so."""
        ...

    async def abandon(self, task_ids: Sequence[TaskId]) -> None:
        """End tasks at once and write nothing of it down: they are somebody else's."""
        ...


class LeaseKeeper:
    """Beats, and makes what runs here what is this daemon's."""

    def __init__(
        self,
        leases: TaskLeases,
        store: ExecutionStore,
        crew: Crew,
        *,
        beat_s: float,
        ttl_s: float,
    ) -> None:
        self._leases = leases
        self._store = store
        self._crew = crew
        self._beat_s = beat_s
        self._ttl_s = ttl_s

    async def serve(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Join, then keep until cancelled, and leave."""
        await self._leases.join()
        task_status.started()
        try:
            await self._keep()
        finally:
            with CancelScope(shield=True), move_on_after(_LEAVE_LIMIT_S):
                await self._quietly(self._leases.leave)

    async def _keep(self) -> None:
        lived_at = current_time()
        while True:
            lived_at = await self._beat(lived_at)
            await self._quietly(self._look)
            await sleep(self._beat_s)

    async def _beat(self, lived_at: float) -> float:
        """Say that we live and return when we last could.

        Whoever cannot say so in time lets its tasks go before others come for them.
        """
        left_s = lived_at + self._ttl_s - self._beat_s - current_time()
        try:
            with fail_after(max(0.1, left_s)):
                if await self._leases.beat():
                    return current_time()
            log.error("lease_lost", tasks=list(self._crew.here()))
        except TimeoutError:
            log.error("lease_not_kept", code="timed_out", tasks=list(self._crew.here()))  # noqa: TRY400
        except DtaasError as error:
            log.warning("lease_not_kept", code=error.code, error=error.detail)
            if left_s > self._beat_s:
                return lived_at
        await self._crew.abandon(self._crew.here())
        await self._quietly(self._leases.join)
        return current_time()

    async def _look(self) -> None:
        """Start what is wanted and free, and stop here what is not wanted any more."""
        wanted = await self._store.tasks_desired(DesiredState.RUNNING)
        here = set(self._crew.here())
        for task_id in here.difference(wanted):
            await self._crew.wake(task_id)
        for task_id in await self._leases.free_tasks([t for t in wanted if t not in here]):
            log.info("task_taken", task_id=task_id)
            await self._crew.wake(task_id)

    @staticmethod
    async def _quietly(do: Callable[[], Awaitable[None]]) -> None:
        try:
            await do()
        except DtaasError as error:
            log.warning("leases_not_kept", code=error.code, error=error.detail)
