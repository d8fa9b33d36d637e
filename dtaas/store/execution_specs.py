"""What each execution was told to do: its task as it was written down then."""

from typing import Any

import msgspec
from sqlalchemy import Connection, select

from dtaas.model.ids import ExecutionId
from dtaas.model.task import TaskSpec
from dtaas.store.tables import execution_specs
from dtaas.store.upsert import upsert


def keep_spec(connection: Connection, execution_id: ExecutionId, spec: TaskSpec) -> None:
    """Keep what an execution is told, inside a transaction under way. The last one stays."""
    connection.execute(
        upsert(connection, execution_specs, ("execution_id",)).values(
            execution_id=execution_id, spec=msgspec.json.encode(spec).decode()
        )
    )


def find_spec(connection: Connection, execution_id: ExecutionId) -> dict[str, Any] | None:
    """Return what an execution was told, None when it began before this was kept.

    As plain values: a record of the past is shown as it is, even when fields were renamed since.
    """
    kept = connection.scalar(
        select(execution_specs.c.spec).where(execution_specs.c.execution_id == execution_id)
    )
    return None if kept is None else msgspec.json.decode(kept, type=dict[str, Any])


def plain_spec(spec: TaskSpec) -> dict[str, Any]:
    """Return a task as one that was kept would be shown."""
    return msgspec.json.decode(msgspec.json.encode(spec), type=dict[str, Any])
