"""All tasks of a kind, over all pages."""

from dtaas.model.task import Task
from dtaas.store.page import MAX_LIMIT, Window
from dtaas.store.tasks import TaskFilter, TaskRepository


async def every_task(tasks: TaskRepository, which: TaskFilter) -> list[Task]:
    """Return every task that matches, by id, so that a new one never moves the pages."""
    found: list[Task] = []
    while True:
        page = await tasks.list(which, Window(limit=MAX_LIMIT, offset=len(found), sort="id"))
        found.extend(page.items)
        if len(page.items) < MAX_LIMIT:
            return found
