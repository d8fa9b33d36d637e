"""The port `StreamStore` in a plain dictionary: the reference implementation, and for tests."""

from collections.abc import Collection, Sequence

from msgspec.structs import replace

from dtaas.model.change_ports import StreamStore
from dtaas.model.changes import ChangeWindow, StreamState, TrackedTable
from dtaas.model.errors import CheckpointRegressionError, NotFoundError
from dtaas.model.ids import TaskId
from dtaas.model.schema import TableRef


class MemoryStreams:
    """Streams in a dictionary."""

    def __init__(self) -> None:
        self._states: dict[tuple[TaskId, TableRef], StreamState] = {}

    async def stream(self, task_id: TaskId, table: TableRef) -> StreamState | None:
        """Return the stream, None before the first."""
        return self._states.get((task_id, table))

    async def streams(self, task_id: TaskId) -> Sequence[StreamState]:
        """Return all streams of a task by table."""
        return [state for (owner, _), state in sorted(self._states.items()) if owner == task_id]

    async def open(self, state: StreamState) -> None:
        """Store a new generation of a stream, replacing an older one."""
        self._states[state.stream.task_id, state.stream.tracked.table] = state

    async def intend(self, task_id: TaskId, table: TableRef, window: ChangeWindow) -> None:
        """Store the window about to be applied."""
        self._states[task_id, table] = replace(self._state(task_id, table), intent=window)

    async def advance(self, task_id: TaskId, table: TableRef, position: bytes) -> None:
        """Store that everything up to `position` is durable, and clear the intent."""
        state = self._states.get((task_id, table))
        if state is None or position < state.position:
            raise CheckpointRegressionError(
                f"The position of {table} of task {task_id} would move back to {position.hex()}."
            )
        self._states[task_id, table] = replace(
            state, position=position, applied=position, intent=None
        )

    async def advance_idle(
        self, task_id: TaskId, tables: Collection[TableRef], position: bytes
    ) -> None:
        """Move tables without changes to `position`. Never moves one back."""
        for table in tables:
            state = self._states.get((task_id, table))
            if state is not None and state.intent is None and state.position < position:
                self._states[task_id, table] = replace(state, position=position)

    async def verified(self, task_id: TaskId, table: TableRef, position: bytes) -> None:
        """Store that both ends were proved equal up to `position`. Never moves back."""
        state = self._states.get((task_id, table))
        if state is not None and (state.verified_through or b"") < position:
            self._states[task_id, table] = replace(state, verified_through=position)

    async def shares(self, task_id: TaskId, tracked: TrackedTable) -> bool:
        """Return whether the stream of another task reads the same capture instance."""
        return any(
            owner != task_id and state.stream.tracked.instance_id == tracked.instance_id
            for (owner, table), state in self._states.items()
            if table == tracked.table
        )

    async def forget(self, task_id: TaskId, table: TableRef) -> None:
        """Remove the stream. Idempotent."""
        self._states.pop((task_id, table), None)

    def _state(self, task_id: TaskId, table: TableRef) -> StreamState:
        state = self._states.get((task_id, table))
        if state is None:
            raise NotFoundError(f"Task {task_id} has no stream of {table}.")
        return state


_: type[StreamStore] = MemoryStreams
