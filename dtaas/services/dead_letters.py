"""Rows that transformations rejected: looking at them, sending them again, throwing them away."""

import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
import structlog
from msgspec import Struct

from dtaas.concurrency.blocking import Blocking
from dtaas.engine.shaping.dead_letters import FOLDER, NOTES, about_of, rows_of
from dtaas.model.errors import NotFoundError
from dtaas.model.ids import ExecutionId, TaskId
from dtaas.model.schema import TableRef
from dtaas.model.store_ports import ExecutionStore
from dtaas.model.type_text import type_text
from dtaas.store.page import Page, Window

log = structlog.get_logger()
_FILE: Final = re.compile(r"(\d{1,19})\.([0-9a-f]{8})\.((?:load|changes)-[0-9a-f-]{1,60})")
_LONGEST: Final = 2_000


class DeadLetterFile(Struct, frozen=True, kw_only=True):
    """Rejected rows of one chunk or window.

    Attributes:
        file: its name in paths of the API.
        work: `load-<chunk>`, or `changes-<after>-<to>` with positions in hex.
    """

    file: str
    execution_id: ExecutionId
    table: TableRef
    work: str
    rows: int
    bytes: int
    created_at: datetime


class DeadLetterRow(Struct, frozen=True, kw_only=True):
    """One rejected row, its values as text.

    Attributes:
        step: path of the step in the task as it was then.
        column: the column the step was to make, '' for a condition.
    """

    reason: str
    step: str
    column: str
    values: tuple[str | None, ...]


class DeadLetterRows(Struct, frozen=True, kw_only=True):
    """A page of the rows of one file. Change rows begin with `_op`, `_lsn` and so on.

    Attributes:
        types: of the columns, as they are written in tasks; '' where a column is not the table's.
        required: columns that must not be NULL.
        longest: characters after which a longer value is cut and ends with `…`.
        revision: tells this content of the file from any other; edits name it.
    """

    columns: tuple[str, ...]
    types: tuple[str, ...]
    required: tuple[str, ...]
    longest: int = _LONGEST
    revision: str
    items: tuple[DeadLetterRow, ...]
    total: int
    limit: int
    offset: int


class DeadLetterService:
    """Reads the folder the engine writes. Files are looked at in threads."""

    def __init__(self, data_dir: Path, states: ExecutionStore) -> None:
        self._folder = data_dir / FOLDER
        self._states = states
        self._blocking = Blocking(2)

    async def list(self, task_id: TaskId, window: Window) -> Page[DeadLetterFile]:
        """Return a page of a task's files, the newest execution first.

        Raises:
            NotFoundError: no such task.
        """
        await self._states.task(task_id)
        found = await self._blocking(self._list, task_id)
        some = found[window.offset : window.offset + window.limit]
        return Page(items=tuple(some), total=len(found), limit=window.limit, offset=window.offset)

    async def rows(self, task_id: TaskId, file: str, window: Window) -> DeadLetterRows:
        """Return a page of the rows of a file.

        Raises:
            NotFoundError: no such task or file.
        """
        await self._states.task(task_id)
        return await self._blocking(self._rows, await self.path(task_id, file), window)

    async def discard(self, task_id: TaskId, file: str) -> None:
        """Throw the rows of a file away.

        Raises:
            NotFoundError: no such task or file.
        """
        await self._states.task(task_id)
        path = await self.path(task_id, file)
        log.info("dead_letters_discarded", task_id=task_id, file=file)
        await self._blocking(path.unlink)

    async def path(self, task_id: TaskId, file: str) -> Path:
        """Return where a file lies.

        Raises:
            NotFoundError: the task has no such file.
        """
        return await self._blocking(self._path, task_id, file)

    async def forget(self, task_id: TaskId) -> None:
        """Remove all of a task that is no more. Idempotent."""
        await self._blocking(_remove, self._folder / str(task_id))

    def _list(self, task_id: TaskId) -> Sequence[DeadLetterFile]:
        found = [_file(path) for path in (self._folder / str(task_id)).glob("*/*/*.parquet")]
        return sorted(found, key=lambda f: (-f.execution_id, f.table, f.work))

    def _path(self, task_id: TaskId, file: str) -> Path:
        parts = _FILE.fullmatch(file)
        if parts is not None:
            inside = self._folder / str(task_id) / parts[1]
            for path in inside.glob(f"*-{parts[2]}/{parts[3]}.parquet"):
                return path
        raise NotFoundError(
            f"Task {task_id} has no dead letters {file!r}.",
            hint="List them to see which there are.",
        )

    def _rows(self, path: Path, window: Window) -> DeadLetterRows:
        table = pq.read_table(path)
        page = table.slice(window.offset, window.limit)
        names = [name for name in page.column_names if name not in NOTES]
        columns = [[_text(value) for value in page.column(name)] for name in names]
        notes = [page.column(name).to_pylist() for name in NOTES]
        known = {column.name: column for column in about_of(path).table.columns}
        return DeadLetterRows(
            columns=tuple(names),
            types=tuple(type_text(known[n].type) if n in known else "" for n in names),
            required=tuple(n for n in names if n in known and not known[n].nullable),
            revision=revision_of(path),
            items=tuple(
                DeadLetterRow(
                    reason=notes[0][i],
                    step=notes[1][i],
                    column=notes[2][i],
                    values=tuple(column[i] for column in columns),
                )
                for i in range(page.num_rows)
            ),
            total=table.num_rows,
            limit=window.limit,
            offset=window.offset,
        )


def revision_of(path: Path) -> str:
    """Return what tells two contents of a file apart. Blocks."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _file(path: Path) -> DeadLetterFile:
    about, stat = about_of(path), path.stat()
    execution, digest = path.parent.parent.name, path.parent.name[-8:]
    return DeadLetterFile(
        file=f"{execution}.{digest}.{about.work}",
        execution_id=ExecutionId(int(execution)),
        table=about.table.table,
        work=about.work,
        rows=rows_of(path),
        bytes=stat.st_size,
        created_at=datetime.fromtimestamp(stat.st_mtime, UTC),
    )


def _text(value: pa.Scalar) -> str | None:
    if not value.is_valid:
        return None
    if pa.types.is_binary(value.type):
        text = f"0x{value.as_py().hex()}"
    else:
        text = str(value.cast(pa.string()).as_py())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _remove(folder: Path) -> None:
    if folder.is_dir():
        for path in sorted(folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        folder.rmdir()
