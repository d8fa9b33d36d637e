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


class _Event(Struct, frozen=True):
    """What is read of a message."""

    type: str
    data: msgspec.Raw


class _Ended(Struct, frozen=True):
    execution: Execution


def until_ended(socket: Path, task_id: TaskId, order: Callable[[], object]) -> Execution:
    """Listen, give the order, and return the task's execution once it has ended.

    Raises:
        DaemonUnreachableError: the daemon is not there, or goes away meanwhile.
        DtaasError: what `order` raises.
    """
    try:
        with unix_connect(str(socket), uri="ws://dtaas/ws", max_size=None) as connection:
            connection.recv()  # listening has begun
            order()
            for frame in connection:
                message = msgspec.json.decode(frame, type=_Event)
                if message.type != "event":
                    continue
                execution = msgspec.json.decode(message.data, type=_Ended).execution
                ended = execution.status is not ExecutionStatus.RUNNING
                if execution.task_id == task_id and ended:
                    return execution
    except (OSError, ConnectionClosed) as exc:
        raise unreachable(socket, exc) from exc
    raise unreachable(socket, ConnectionError("it closed the connection"))
