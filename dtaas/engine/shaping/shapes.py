"""What a task does to the rows of each table on their way: programs, compiled once a life."""

from collections.abc import Sequence

from msgspec.structs import replace

from dtaas.model.changes import TrackedTable, TrackingMethod
from dtaas.model.errors import FatalError, SchemaChangedError
from dtaas.model.schema import TableSchema
from dtaas.model.table_rules import with_columns
from dtaas.model.task import TaskMode, TaskSpec
from dtaas.transforms.compile import compile_steps, require_program
from dtaas.transforms.program import Program


class Shapes:
    """Programs by the schema that arrives. Everybody but this package sees only that schema."""

    def __init__(self, spec: TaskSpec) -> None:
        self.spec = spec
        self._by_key = spec.mode is not TaskMode.FULL_LOAD
        self._programs: dict[TableSchema, Program] = {}
        self._streams: dict[TableSchema, Program] = {}

    def shaped(self, schema: TableSchema) -> TableSchema:
        """Return what a table looks like when it arrives.

        Args:
            schema: as the source has it.

        Raises:
            TransformationsInvalidError: a step cannot work; names it.
        """
        program = self._compiled(schema, whole_rows=True)
        self._programs[program.output] = program
        return program.output

    def _compiled(self, schema: TableSchema, *, whole_rows: bool) -> Program:
        mapping = self.spec.mapping(schema.table)
        taken = with_columns(schema, mapping.include_columns, mapping.exclude_columns)
        steps = self.spec.steps(schema.table)
        return require_program(
            compile_steps(steps, taken, streaming=self._by_key, whole_rows=whole_rows)
        )

    def tracked(self, tracked: TrackedTable) -> TrackedTable:
        """Return a tracked table as its changes arrive."""
        whole = tracked.method is not TrackingMethod.CAPTURE
        program = self._compiled(tracked.schema, whole_rows=whole)
        self._streams[program.output] = program
        self._programs.setdefault(program.output, program)
        return replace(tracked, schema=program.output, captured=program.source)

    def adopt(self, tracked: TrackedTable) -> Program:
        """Return the program of a table that an earlier life tracked.

        Raises:
            SchemaChangedError: the steps make other columns of it now.
        """
        found = self._streams.get(tracked.schema)
        if found is not None and found.source == tracked.captured:
            return found
        again = self.tracked(plain(tracked))
        if again.schema != tracked.schema:
            raise SchemaChangedError(
                f"The transformations of {tracked.table} make other columns than those at the "
                "target.",
                hint="Start the task with force and this table to load it anew.",
            )
        return self._streams[again.schema]

    def program(self, schema: TableSchema) -> Program:
        """Return the program that makes `schema`.

        Raises:
            SchemaChangedError: there is none.
        """
        found = self._programs.get(schema)
        if found is None:
            raise SchemaChangedError(
                f"The transformations of {schema.table} make other columns than before.",
                hint="Start the task with force and this table to load it anew.",
            )
        return found


def plain(tracked: TrackedTable) -> TrackedTable:
    """Return a tracked table as its source has it."""
    if tracked.captured is None:
        return tracked
    return replace(tracked, schema=tracked.captured, captured=None)


def source_columns(program: Program, columns: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of the source that are `columns` at the target, values and all.

    Raises:
        FatalError: their values are others at the target.
    """
    known = {column.name: column for column in program.columns}
    found = []
    for name in columns:
        column = known[name]
        if not column.untouched:
            raise FatalError(
                f"Rows of {program.source.table} cannot be looked up by {name!r}: its values are "
                "changed on their way.",
                hint="Load the table anew instead.",
            )
        found.append(next(iter(column.sources)))
    return tuple(found)


def arriving(program: Program, columns: Sequence[str]) -> tuple[str, ...]:
    """Return what columns of the source are called at the target; () if some do not arrive."""
    names = {next(iter(c.sources)): c.name for c in program.columns if c.one_to_one}
    return tuple(names[c] for c in columns) if all(c in names for c in columns) else ()
