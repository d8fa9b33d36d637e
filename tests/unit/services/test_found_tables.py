import anyio
import pyarrow as pa
from msgspec.structs import replace

from dtaas.model.schema import TableRef
from dtaas.model.table_rules import NewTables, TableRules
from dtaas.model.task import TaskAction, TaskStatus
from dtaas.services.revision import revision_of
from tests.fakes.services_at_work import LIMIT_S, LINES, ORDERS, AtWork, table_schema

NOTES = TableRef("dbo", "notes")
EVERYTHING = TableRules(include=("dbo.*",))


async def run(work: AtWork, task_id: int) -> tuple[TableRef, ...]:
    """Run a task and return the tables it found."""
    await work.services.control.act(task_id, TaskAction.START)
    await work.until_ended()
    with anyio.fail_after(LIMIT_S):
        while (await work.services.tasks.get(task_id)).status is not TaskStatus.IDLE:
            await anyio.sleep(0.01)
    return (await work.services.tasks.get(task_id)).spec.source_tables


def add(work: AtWork, table: TableRef) -> None:
    work.source.add(table_schema(table), pa.table({"id": [1], "name": ["n"]}))


async def test_each_start_finds_what_is_there(work: AtWork):
    spec = await work.task_spec(ORDERS, table_rules=EVERYTHING)
    task = await work.services.tasks.create(spec)
    assert task.spec.source_tables == ()
    revision = revision_of(task.spec)
    assert await run(work, task.id) == (LINES, ORDERS)
    add(work, NOTES)
    assert await run(work, task.id) == (LINES, NOTES, ORDERS)
    assert revision_of((await work.services.tasks.get(task.id)).spec) == revision
    assert ("dbo", "notes") in work.target.targets


async def test_new_tables_are_left_alone_when_the_task_says_so(work: AtWork):
    rules = TableRules(include=("*.*",), exclude=("*.lines",), new_tables=NewTables.IGNORE)
    task = await work.services.tasks.create(await work.task_spec(table_rules=rules))
    assert await run(work, task.id) == (ORDERS,)
    add(work, NOTES)
    assert await run(work, task.id) == (ORDERS,)


async def test_what_was_found_survives_a_change_but_not_of_the_patterns(work: AtWork):
    spec = await work.task_spec(table_rules=EVERYTHING)
    task = await work.services.tasks.create(spec)
    await run(work, task.id)
    changed = replace(spec, description="x", source_tables=(NOTES,))
    update = await work.services.tasks.update(task.id, changed)
    assert update.task.spec.source_tables == (LINES, ORDERS)
    other = replace(spec, table_rules=TableRules(include=("dbo.orders",)))
    update = await work.services.tasks.update(task.id, other)
    assert update.task.spec.source_tables == ()
    assert await run(work, task.id) == (ORDERS,)
