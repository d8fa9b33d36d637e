"""The tables of a task that takes them by pattern, as the source has them when it starts."""

from typing import Final

import structlog
from anyio import fail_after

from dtaas.engine.execution import Workshop
from dtaas.engine.progress import utc_now
from dtaas.model.errors import TableNotFoundError, TimedOutError
from dtaas.model.events import TaskChanged
from dtaas.model.ports import Source
from dtaas.model.schema import TableRef
from dtaas.model.table_rules import NewTables
from dtaas.model.task import Task

log = structlog.get_logger()
_LIMIT_S: Final = 120.0


async def with_tables_found(task: Task, source: Source, workshop: Workshop) -> Task:
    """Return the task with the tables its patterns find now, stored.

    Raises:
        TableNotFoundError: they find none.
        TimedOutError: the source does not list its tables in time.
    """
    rules, before = task.spec.table_rules, task.spec.source_tables
    if not rules.include or (before and rules.new_tables is NewTables.IGNORE):
        return task
    found = await _found(task, source)
    new, gone = set(found) - set(before), set(before) - set(found)
    if not new and not gone:
        return task
    task = await workshop.store.set_tables(task.id, found)
    workshop.bus.publish(TaskChanged(at=utc_now(), task=task))
    log.info(
        "tables_found",
        tables=len(found),
        new=sorted(map(str, new))[:20],
        gone=sorted(map(str, gone))[:20],
    )
    return task


async def _found(task: Task, source: Source) -> list[TableRef]:
    rules = task.spec.table_rules
    try:
        with fail_after(_LIMIT_S):
            listed = await source.discover()
    except TimeoutError as exc:
        raise TimedOutError(
            f"Listing the tables of the source took over {_LIMIT_S:g} s.",
            hint="Test the connector; look for blocking at the source.",
        ) from exc
    found = [info.table for info in listed if rules.takes(info.table)]
    if not found:
        raise TableNotFoundError(
            f"None of the {len(listed)} tables the login can see fits"
            f" {', '.join(rules.include[:10])}.",
            hint="Correct table_rules, or grant the login the right to see the tables.",
            field="$.table_rules.include",
        )
    return found
