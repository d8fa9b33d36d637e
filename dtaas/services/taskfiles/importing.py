"""Taking connectors and tasks from a file: everything is checked first, then all is stored."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

from anyio import Lock
from msgspec import Struct
from msgspec.structs import replace

from dtaas.concurrency.blocking import Blocking
from dtaas.model.connectors import Connector
from dtaas.model.errors import RevisionConflictError
from dtaas.model.ids import ConnectorId, TaskId
from dtaas.model.load import TableLoad
from dtaas.model.ports import ConnectorRegistry
from dtaas.model.schema import TableRef
from dtaas.model.task import Task
from dtaas.services.connectors import ConnectorService, Leftovers
from dtaas.services.task_change import TaskChange, TaskChanges, applies
from dtaas.services.taskfiles.bundling import bundled
from dtaas.services.taskfiles.checking import FileChecks
from dtaas.services.taskfiles.describing import described, differs
from dtaas.services.taskfiles.documents import CONNECTOR
from dtaas.services.taskfiles.drafting import Drafted, Drafter
from dtaas.services.taskfiles.reading import Part, read_parts
from dtaas.services.taskfiles.references import References
from dtaas.services.taskfiles.shapes import (
    FileChange,
    FileProblem,
    ImportRefusedError,
    ImportRequest,
    ImportResult,
)
from dtaas.services.taskfiles.stock import Stock, read_stock
from dtaas.store.bundle import Bundled
from dtaas.store.store import Store

_NO_LOADS: Final[Mapping[TableRef, TableLoad]] = {}


class _Done(Struct, frozen=True):
    """What was stored, and what has to be tidied up after it."""

    stored: Bundled
    changes: Mapping[int, TaskChange]
    loads: Mapping[int, Mapping[TableRef, TableLoad]]
    left: Mapping[int, Leftovers]


class ImportService:
    """Takes files. Of what is refused nothing is applied: the store changes once, or not at all."""

    def __init__(
        self,
        *,
        store: Store,
        registry: ConnectorRegistry,
        references: References,
        connectors: ConnectorService,
        checks: FileChecks,
        changes: TaskChanges,
        locks: tuple[Lock, Lock],
        now: Callable[[], datetime],
    ) -> None:
        """Take what is needed.

        Args:
            locks: of the connectors and of the tasks, which every change of them holds.
        """
        self._store = store
        self._registry = registry
        self._references = references
        self._connectors = connectors
        self._checks = checks
        self._changes = changes
        self._locks = locks
        self._now = now
        self._blocking = Blocking(1)

    async def take(self, request: ImportRequest, *, revision: str | None = None) -> ImportResult:
        """Apply a file, or say what it would do.

        Args:
            revision: of everything the file names, as it was looked at; None does not care.

        Raises:
            RevisionConflictError: some of it changed meanwhile.
            ImportRefusedError: something is wrong; not in a dry run, which tells it as its result.
        """
        parts, unread = await self._blocking(read_parts, request.document)
        async with self._locks[0], self._locks[1]:
            stock = await read_stock(self._store.connectors, self._store.tasks)
            here = stock.revision((part.kind, part.name) for part in parts)
            if revision not in {None, here}:
                raise RevisionConflictError(
                    "Something the file names was changed meanwhile.",
                    hint="Compare the file again, then apply it.",
                )
            drafted, problems, tasks = await self._look(request, stock, parts)
            changes = await self._blocking(described, stock, drafted)
            problems = sorted([*unread, *problems], key=lambda problem: problem.line)
            if request.dry_run:
                return _result(here, changes, problems=problems)
            if problems:
                raise ImportRefusedError(problems)
            done = await self._apply([one for one in drafted if differs(one)], tasks)
        applied = await self._clean_up(done)
        return _result(
            here, [_told(c, d, done, applied) for c, d in zip(changes, drafted, strict=True)]
        )

    async def _look(
        self, request: ImportRequest, stock: Stock, parts: Sequence[Part]
    ) -> tuple[Sequence[Drafted], Sequence[FileProblem], Mapping[int, TaskChange]]:
        drafter = Drafter(
            stock=stock,
            registry=self._registry,
            references=self._references,
            request=request,
            now=self._now(),
        )
        drafted = drafter.draft(parts)
        found, tasks = await self._checks.check(stock, drafted)
        return drafted, [*drafter.problems, *found], tasks

    async def _apply(self, drafted: Sequence[Drafted], tasks: Mapping[int, TaskChange]) -> _Done:
        left: dict[int, Leftovers] = {}
        for one in drafted:
            if isinstance(one.was, Connector):
                left[one.id] = await self._connectors.give_up_loads(one.was, one.changed())
        loads = {key: await self._changes.give_up_loads(change) for key, change in tasks.items()}
        stored = await self._store.bundles.store(bundled(drafted))
        now: dict[TaskId, Task] = {}
        for key, task in stored.tasks.items():
            change = tasks.get(key)
            now[key] = task if change is None else await self._changes.take_effect(change, task)
        return _Done(replace(stored, tasks=now), tasks, loads, left)

    async def _clean_up(self, done: _Done) -> Mapping[int, str]:
        """Tell of what was done and tidy up; return from when on each changed task applies."""
        for number, connector in done.stored.connectors.items():
            await self._connectors.clean_up(connector.id, done.left.get(number, ()))
        when: dict[int, str] = {}
        for key, task in done.stored.tasks.items():
            change = done.changes.get(key)
            if change is None:
                self._changes.tell(task)
                when[key] = "now"
            else:
                await self._changes.clean_up(change, task, done.loads.get(key, _NO_LOADS))
                when[key] = applies(change, task)
        return when


def _told(change: FileChange, one: Drafted, done: _Done, when: Mapping[int, str]) -> FileChange:
    if one.part.kind == CONNECTOR:
        connector = done.stored.connectors.get(ConnectorId(one.id))
        return change if connector is None else replace(change, id=connector.id, applies="now")
    task = done.stored.tasks.get(TaskId(one.id))
    return change if task is None else replace(change, id=task.id, applies=when[one.id])


def _result(
    revision: str, changes: Sequence[FileChange], *, problems: Sequence[FileProblem] | None = None
) -> ImportResult:
    return ImportResult(
        applied=problems is None,
        revision=revision,
        changes=tuple(changes),
        problems=tuple(problems or ()),
    )
