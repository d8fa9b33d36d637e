"""Rows that were rejected, kept as Parquet under the data folder, a file for each piece of work.

    dead_letters/<task>/<execution>/<table>/load-<chunk>.parquet
    dead_letters/<task>/<execution>/<table>/changes-<after>-<to>.parquet

They lie here and not beside the target, for they are as the source has them: what a step was to
hide is readable. A file appears, whole, before the chunk or window it belongs to is durable; work
that is done again writes the same file again, so that no row is kept or counted twice.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import Struct

from dtaas.concurrency.blocking import Blocking
from dtaas.model.errors import TooManyRejectedError, TransformationFailedError
from dtaas.model.ids import ExecutionId, TaskId
from dtaas.model.schema import TableRef, TableSchema
from dtaas.transforms.program import Program, Rejected

FOLDER: Final = "dead_letters"
REASON: Final = "_dtaas_reason"
STEP: Final = "_dtaas_step"
COLUMN: Final = "_dtaas_column"
NOTES: Final = (REASON, STEP, COLUMN)
"""Columns in front of the row: why, which step, and the column it was to make."""
_ABOUT: Final = b"dtaas"
_PART: Final = ".part"


class About(Struct, frozen=True, kw_only=True):
    """What a file says of itself.

    Attributes:
        work: the chunk or window the rows came with: `load-000003`, or `changes-<after>-<to>`,
            positions in hex.
        table: as the source has it, which the rows follow.
        changes: whether they are change rows.
    """

    work: str
    table: TableSchema
    changes: bool


class DeadLetters:
    """The rejected rows of one execution."""

    def __init__(
        self,
        data_dir: Path,
        task_id: TaskId,
        execution_id: ExecutionId,
        *,
        most_of: Callable[[TableRef], int],
    ) -> None:
        """Begin, or go on where an earlier life ended.

        Args:
            most_of: rejected rows allowed of a table; more fail it.
        """
        self.folder = data_dir / FOLDER / str(task_id) / str(execution_id)
        self._most_of = most_of
        self._blocking = Blocking(2)
        self._counts: dict[TableRef, dict[str, int]] = {}

    def recall(self) -> None:
        """Count what an earlier life kept. Blocks."""
        for path in self.folder.glob("*/*.parquet"):
            about = about_of(path)
            self._counts.setdefault(about.table.table, {})[about.work] = rows_of(path)

    def count(self, table: TableRef) -> int:
        """Return how many rows of a table were rejected."""
        return sum(self._counts.get(table, {}).values())

    def forget_load(self, table: TableRef) -> None:
        """Remove what a load of the table left that is now made anew. Blocks."""
        for path in (self.folder / folder_of(table)).glob("load-*"):
            path.unlink(missing_ok=True)
        counts = self._counts.get(table, {})
        for work in [work for work in counts if work.startswith("load-")]:
            del counts[work]

    def letters(self, program: Program, work: str) -> "Letters":
        """Return where the rejected rows of one chunk or window go."""
        table = program.source.table

        def kept(rows: int) -> None:
            self._counts.setdefault(table, {})[work] = rows

        def check(rows: int) -> None:
            others = self.count(table) - self._counts.get(table, {}).get(work, 0)
            most = self._most_of(table)
            if others + rows > most:
                raise TooManyRejectedError(
                    f"{others + rows} rows of {table} were rejected; the task allows {most}.",
                    hint="Look at the dead letters, mend the step or the rows, or raise "
                    "max_rejected_rows in the task's options or the table's mapping.",
                )

        path = self.folder / folder_of(table) / f"{work}.parquet"
        return Letters(_File(path, program, work), self._blocking, kept, check)


class LetGo:
    """What is rejected is not kept: for reading without moving anything."""

    def letters(self, program: Program, work: str) -> "Letters":  # noqa: ARG002 - as DeadLetters
        """Return where rejected rows go: nowhere."""
        return Letters()

    def forget_load(self, table: TableRef) -> None:
        """Nothing was kept."""

    def count(self, table: TableRef) -> int:  # noqa: ARG002 - as DeadLetters
        """Return 0: nothing was kept."""
        return 0


class Letters:
    """The rejected rows of one piece of work; without a file they are only let go."""

    def __init__(
        self,
        file: "_File | None" = None,
        blocking: Blocking | None = None,
        kept: Callable[[int], None] | None = None,
        check: Callable[[int], None] | None = None,
    ) -> None:
        self._file = file
        self._blocking = blocking
        self._kept = kept
        self._check = check
        self._rows = 0

    async def __aenter__(self) -> Self:
        """Begin."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove what was not kept."""
        if self._file is not None:
            self._file.drop()

    async def add(self, rejected: Rejected) -> None:
        """Write rows down.

        Raises:
            TooManyRejectedError: there are more than the task allows; those are kept.
        """
        if self._file is None or self._blocking is None or self._check is None:
            return
        self._rows += len(rejected.places)
        await self._blocking(self._file.write, rejected)
        try:
            self._check(self._rows)
        except TooManyRejectedError:
            await self.keep()
            raise

    async def keep(self) -> None:
        """Make the rows durable; what was kept of the same work before goes."""
        if self._file is None or self._blocking is None or self._kept is None:
            return
        await self._blocking(self._file.keep)
        self._kept(self._rows)


class NotAgain(Letters):
    """Refuses rejected rows where a row that does not come counts as one that is gone."""

    async def add(self, rejected: Rejected) -> None:
        """Refuse.

        Raises:
            TransformationFailedError: always.
        """
        raise TransformationFailedError(
            f"{len(rejected.places)} rows that were to be written anew are rejected: "
            f"{rejected.reasons[0]}.",
            hint="Look at the dead letters, and mend the step or the rows.",
        )


class _File:
    """One Parquet file that appears when it is whole. Its methods block."""

    def __init__(self, path: Path, program: Program, work: str) -> None:
        self._path = path
        self._program = program
        self._work = work
        self._part = path.with_name(path.name + _PART)
        self._writer: pq.ParquetWriter | None = None

    def write(self, rejected: Rejected) -> None:
        """Add rows."""
        rows = rejected.rows
        changes = rows.num_columns > len(self._program.source.columns)
        paths = [self._program.steps[i].path for i in rejected.steps]
        notes = [
            pa.array(rejected.reasons, pa.string()),
            pa.array(paths, pa.string()),
            pa.array(rejected.columns, pa.string()),
        ]
        names = [*NOTES, *rows.schema.names]
        table = pa.Table.from_arrays([*notes, *rows.columns], names=names)
        if self._writer is None:
            about = About(work=self._work, table=self._program.source, changes=changes)
            schema = table.schema.with_metadata({_ABOUT: msgspec.json.encode(about)})
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._part.touch(mode=0o600)
            self._writer = pq.ParquetWriter(self._part, schema)
        self._writer.write_table(table.replace_schema_metadata(self._writer.schema.metadata))

    def keep(self) -> None:
        """Put the file in its place, or take away what an earlier attempt left there."""
        if self._writer is None:
            self._path.unlink(missing_ok=True)
            return
        self._writer.close()
        self._writer = None
        self._part.replace(self._path)

    def drop(self) -> None:
        """Remove what is not whole."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
            self._part.unlink(missing_ok=True)


def folder_of(table: TableRef) -> str:
    """Return the name of a table's folder: readable, and short whatever the table is called."""
    digest = hashlib.sha256(f"{table.schema}\0{table.name}".encode()).hexdigest()[:8]
    return f"{quote(str(table), safe='')[:80]}-{digest}"


def rewrite(path: Path, table: pa.Table) -> None:
    """Put other rows into a file, for nobody else's eyes either, or leave it as it is. Blocks."""
    part = path.with_name(path.name + _PART)
    part.touch(mode=0o600)
    pq.write_table(table, part)
    part.replace(path)


def about_of(path: Path) -> About:
    """Return what a file says of itself. Blocks."""
    metadata = pq.read_schema(path).metadata or {}
    return msgspec.json.decode(metadata[_ABOUT], type=About)


def rows_of(path: Path) -> int:
    """Return the number of rows of a file. Blocks."""
    return int(pq.read_metadata(path).num_rows)
