"""The transformations of one task around its sources, where it has any."""

from pathlib import Path

from dtaas.concurrency.blocking import Blocking
from dtaas.engine.increment_rows import WatermarkWindows
from dtaas.engine.shaping.changes import ShapedChangeSource, ShapedMarks, ShapedWindows
from dtaas.engine.shaping.dead_letters import DeadLetters, LetGo
from dtaas.engine.shaping.shapes import Shapes, arriving
from dtaas.engine.shaping.source import ShapedSource
from dtaas.model.change_ports import ChangeSource, WatermarkSource, WindowSource
from dtaas.model.changes import TrackedTable
from dtaas.model.ids import ExecutionId, TaskId
from dtaas.model.ports import Source
from dtaas.model.schema import TableRef, TableSchema
from dtaas.model.task import TaskSpec
from dtaas.transforms.compile import expression_compilers

_THREADS = 4


class TaskShaping:
    """Wraps what reads for a task. Where nothing is shaped everything stays as it is."""

    def __init__(self, spec: TaskSpec, letters: DeadLetters | LetGo) -> None:
        self._letters = letters
        self._shapes = Shapes(spec)
        self._wanted = spec.shapes
        self._moves = isinstance(letters, DeadLetters)
        self._plain: Source | None = None
        self._blocking = Blocking(_THREADS)

    @classmethod
    async def of_execution(
        cls, spec: TaskSpec, data_dir: Path, task_id: TaskId, execution_id: ExecutionId
    ) -> "TaskShaping":
        """Return the shaping of one execution, whose rejected rows are kept."""
        letters = DeadLetters(data_dir, task_id, execution_id, most_of=spec.most_rejected)
        if spec.shapes:
            await Blocking(1)(letters.recall)
            await Blocking(1)(expression_compilers)
        return cls(spec, letters)

    @classmethod
    async def for_reading(cls, spec: TaskSpec) -> "TaskShaping":
        """Return a shaping that lets rejected rows go: nothing is moved."""
        if spec.shapes:
            await Blocking(1)(expression_compilers)
        return cls(spec, LetGo())

    def adopt(self, tracked: TrackedTable) -> None:
        """Make a table readable that an earlier life tracked.

        Raises:
            SchemaChangedError: the steps make other columns of it now.
        """
        if self._wanted:
            self._shapes.adopt(tracked)

    def arriving(self, schema: TableSchema, columns: tuple[str, ...]) -> tuple[str, ...]:
        """Return what columns of the source are called when they arrive; () if some do not."""
        if not self._wanted:
            return columns
        return arriving(self._shapes.program(schema), columns)

    def follow(self, spec: TaskSpec) -> None:
        """Take settings of tables that joined a stream; the rules cannot change meanwhile."""
        self._shapes.spec = spec

    def rejected(self, table: TableRef) -> int:
        """Return how many rows of a table were rejected in the execution."""
        return self._letters.count(table)

    def source(self, source: Source) -> Source:
        """Return a source that reads tables as they arrive."""
        if not self._wanted:
            return source
        self._plain = source
        return ShapedSource(source, self._shapes, self._letters, self._blocking)

    def changes(self, source: ChangeSource) -> ChangeSource:
        """Return a source of changes as they arrive; `source` must have been called before."""
        if not self._wanted:
            return source
        rows = self._plain if self._moves else None
        return ShapedChangeSource(source, self._shapes, self._letters, self._blocking, rows)

    def marks(self, marks: WatermarkSource) -> WatermarkSource:
        """Return watermarks of tables as they arrive."""
        return ShapedMarks(marks, self._shapes) if self._wanted else marks

    def windows(self, source: Source, marks: WatermarkSource) -> WindowSource:
        """Return the rows above watermarks as change rows."""
        if not isinstance(source, ShapedSource) or not isinstance(marks, ShapedMarks):
            return WatermarkWindows(source, marks)
        windows = WatermarkWindows(source.plain, marks.plain)
        return ShapedWindows(windows, self._shapes, self._letters, self._blocking)
