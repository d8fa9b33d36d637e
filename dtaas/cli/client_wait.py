"""Waiting for an execution's end, by listening instead of asking again and again."""

from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Struct
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import unix_connect

from dtaas.admin.client import unreachable
from dtaas.model.execution import Execution, ExecutionStatus
from dtaas.model.ids import TaskId


class _Message(Struct, frozen=True):
    """What is read of a message."""

    type: str
    data: msgspec.Raw


class _Event(Struct, frozen=True):
    execution: Execution


def _is_end(execution: Execution, task_id: TaskId, before: Execution | None) -> bool:
    """Return whether this is how the execution we wait for ended, not how one before it did."""
    return (
        execution.task_id == task_id
        and execution.status is not ExecutionStatus.RUNNING
        and (before is None or (execution.id, execution.status) != (before.id, before.status))
    )


def until_ended(
    socket: Path,
    task_id: TaskId,
    order: Callable[[], object],
    latest: Callable[[], Execution | None],
) -> Execution:
    """Listen, give the order, and return the task's execution once it has ended.

    Args:
        latest: asks for the task's latest execution, as it is now.

    Raises:
        DaemonUnreachableError: the daemon is not there, or goes away meanwhile.
        DtaasError: what `order` raises.
    """
    try:
        with unix_connect(str(socket), uri="ws://dtaas/ws", max_size=None) as connection:
            connection.recv()  # listening has begun
            before = latest()
            order()
            for frame in connection:
                message = msgspec.json.decode(frame, type=_Message)
                execution: Execution | None = None
                if message.type == "event":
                    execution = msgspec.json.decode(message.data, type=_Event).execution
                elif message.type == "snapshot":  # too slow: the end may be among what was lost
                    execution = latest()
                if execution is not None and _is_end(execution, task_id, before):
                    return execution
    except (OSError, ConnectionClosed) as exc:
        raise unreachable(socket, exc) from exc
    raise unreachable(socket, ConnectionError("it closed the connection"))
