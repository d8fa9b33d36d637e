"""Everything that is wrong with a task that is not stored yet, all at once."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from anyio import CapacityLimiter, create_task_group, fail_after, move_on_after
from msgspec import Struct

from dtaas.concurrency.blocking import Blocking
from dtaas.engine.failures import explain
from dtaas.model.change_ports import ChangeRegistry
from dtaas.model.connectors import Connector, ConnectorRole
from dtaas.model.errors import (
    DtaasError,
    TableNotFoundError,
    TimedOutError,
    ValidationFailedError,
)
from dtaas.model.ids import ConnectorId, TaskId
from dtaas.model.ports import Capabilities, Source
from dtaas.model.schema import TableRef, TableSchema
from dtaas.model.table_rules import with_columns
from dtaas.model.task import TaskMode, TaskSpec
from dtaas.services.preview.service import compiled
from dtaas.services.schedules import check_chain
from dtaas.services.targets import TargetKeeper
from dtaas.services.task_checks import connector_of, refuse_taken, written_beside
from dtaas.services.task_rules import spec_problems
from dtaas.services.watermark_checks import watermark_problems
from dtaas.services.world import World

MOST_TABLES: Final = 200
"""Tables that are looked at: more would take longer than a person waits."""
LIMIT_S: Final = 30.0
_CLOSE_LIMIT_S: Final = 10.0
_AT_ONCE: Final = 8
_NOBODY: Final = TaskId(0)


class SpecProblem(Struct, frozen=True, kw_only=True):
    """One mistake.

    Attributes:
        field: JSON path of it in the task.
    """

    code: str
    detail: str
    hint: str = ""
    field: str | None = None


class StepRefusedError(ValidationFailedError):
    """A transformation that cannot work.

    Attributes:
        code: what is wrong with it.
    """

    def __init__(self, code: str, detail: str, *, hint: str, field: str) -> None:
        super().__init__(detail, hint=hint, field=field)
        self.code = code  # type: ignore[misc] # of this one error, not of the kind


class Validation(Struct, frozen=True, kw_only=True):
    """What is wrong with a task.

    Attributes:
        tables_examined: tables whose columns and keys were looked up at the source.
        tables_left: tables that were not, because there are too many.
    """

    ok: bool
    problems: tuple[SpecProblem, ...]
    tables_examined: int = 0
    tables_left: int = 0


class Described(Struct, frozen=True, kw_only=True):
    """What a source says of a task's tables: a schema, or why there is none.

    Attributes:
        trouble: why it says nothing of any.
        left: tables that were not asked about.
    """

    tables: Sequence[TableRef] = ()
    schemas: Mapping[TableRef, TableSchema] = {}
    errors: Mapping[TableRef, DtaasError] = {}
    trouble: DtaasError | None = None
    left: int = 0


class ValidationService:
    """Asks every rule, and on request the source."""

    def __init__(self, world: World, registry: ChangeRegistry, keeper: TargetKeeper) -> None:
        self._world = world
        self._registry = registry
        self._keeper = keeper

    async def validate(
        self, spec: TaskSpec, *, task_id: TaskId | None = None, look: bool = True
    ) -> Validation:
        """Return all problems.

        Args:
            task_id: of the stored task the specification would replace.
            look: ask the source about the tables, too.
        """
        problems: list[DtaasError] = []
        source = await self._side(ConnectorRole.SOURCE, spec.source_connector_id, problems)
        target = await self._side(
            ConnectorRole.DESTINATION, spec.destination_connector_id, problems
        )
        if source is None or target is None:
            return _validation(problems)
        can_write = self._capabilities(target)
        problems += spec_problems(spec, self._capabilities(source), can_write)
        await self._relations(spec, task_id or _NOBODY, source, target, problems)
        if not look:
            return _validation(problems)
        try:
            opened = await self._registry.resolved(source)
        except DtaasError as error:
            return _validation([*problems, error])
        described = await described_tables(self._registry.source(opened), spec)
        problems += await Blocking(1)(table_problems, spec, described, can_write)
        if spec.mode is TaskMode.INCREMENTAL and self._capabilities(source).incremental:
            there = [table for table in described.tables if table in described.schemas]
            problems += await watermark_problems(self._registry, source, spec, there)
        return _validation(problems, examined=len(described.schemas), left=described.left)

    async def _side(
        self, role: ConnectorRole, connector_id: ConnectorId, problems: list[DtaasError]
    ) -> Connector | None:
        try:
            return await connector_of(self._world, role, connector_id)
        except DtaasError as error:
            problems.append(error)
            return None

    async def _relations(
        self,
        spec: TaskSpec,
        task_id: TaskId,
        source: Connector,
        target: Connector,
        problems: list[DtaasError],
    ) -> None:
        """Look at the other tasks: who is waited for, who writes where."""
        others = await self._world.tasks()
        try:
            check_chain(task_id, spec, others)
        except DtaasError as error:
            problems.append(error)
        if any(one.spec.name == spec.name and one.id != task_id for one in others):
            problems.append(
                ValidationFailedError(
                    f"There is already a task named {spec.name!r}.",
                    hint="Choose another name.",
                    field="$.name",
                )
            )
        if any(problem.field == "$.table_rules.target" for problem in problems):
            return  # a template that cannot be filled gives no places
        try:
            places = await self._keeper.places(spec, source, target)
            if not spec.options.take_over:
                beside = await written_beside(self._keeper, others, places, self._world)
                refuse_taken(task_id, places, beside)
        except DtaasError as error:
            problems.append(error)

    def _capabilities(self, connector: Connector) -> Capabilities:
        return self._registry.type_of(connector.role, connector.kind).capabilities


async def described_tables(source: Source, spec: TaskSpec) -> Described:
    """Ask a source about the tables of a task, some at once, and close it."""
    try:
        with fail_after(LIMIT_S):
            tables = await _wanted(source, spec)
            asked = tables[:MOST_TABLES]
            schemas, errors = await _schemas(source, asked)
            return Described(
                tables=asked, schemas=schemas, errors=errors, left=len(tables) - len(asked)
            )
    except TimeoutError:
        late = TimedOutError(
            f"The source did not describe the tables within {LIMIT_S:g} s.",
            hint="Test the connector; look for blocking at the source.",
        )
        return Described(trouble=late)
    except DtaasError as error:
        return Described(trouble=error)
    finally:
        with move_on_after(_CLOSE_LIMIT_S, shield=True):
            await source.aclose()


async def _wanted(source: Source, spec: TaskSpec) -> Sequence[TableRef]:
    if not spec.table_rules.include:
        return spec.source_tables
    found = [info.table for info in await source.discover() if spec.table_rules.takes(info.table)]
    if not found:
        raise TableNotFoundError(
            "No table of the source fits the patterns now.",
            hint="Correct table_rules, or grant the login the right to see the tables.",
            field="$.table_rules.include",
        )
    return found


async def _schemas(
    source: Source, tables: Sequence[TableRef]
) -> tuple[Mapping[TableRef, TableSchema], Mapping[TableRef, DtaasError]]:
    schemas: dict[TableRef, TableSchema] = {}
    errors: dict[TableRef, DtaasError] = {}
    places = CapacityLimiter(_AT_ONCE)

    async def describe(table: TableRef) -> None:
        async with places:
            try:
                schemas[table] = await source.describe(table)
            except Exception as exc:  # noqa: BLE001 - told for the table
                errors[table] = explain(exc)

    async with create_task_group() as group:
        for table in tables:
            group.start_soon(describe, table)
    return schemas, errors


def table_problems(
    spec: TaskSpec, described: Described, destination: Capabilities
) -> list[DtaasError]:
    """Return what is wrong with the tables as the source has them."""
    if described.trouble is not None:
        return [_at(described.trouble, "$.source_connector_id")]
    problems: list[DtaasError] = []
    told: set[str] = set()
    by_pattern = bool(spec.table_rules.include)
    for index, table in enumerate(described.tables):
        at = "$.table_rules.include" if by_pattern else f"$.source_tables[{index}]"
        error = described.errors.get(table)
        if error is not None and error.detail not in told:  # a source that is down is one problem
            told.add(error.detail)
            problems.append(_at(error, at))
        schema = described.schemas.get(table)
        if schema is not None:
            problems += _of_table(spec, schema, at, destination)
    return problems


def _of_table(
    spec: TaskSpec, schema: TableSchema, at: str, destination: Capabilities
) -> list[DtaasError]:
    mapping = spec.mapping(schema.table)
    if mapping in spec.table_mappings:
        at = f"$.table_mappings[{spec.table_mappings.index(mapping)}]"
    try:
        taken = with_columns(schema, mapping.include_columns, mapping.exclude_columns)
    except DtaasError as error:
        return [_at(error, at)]
    problems = _missing_columns(schema, ((n, f"{at}.key[{i}]") for i, n in enumerate(mapping.key)))
    found = compiled(spec, taken)
    problems += [
        StepRefusedError(p.code, p.detail, hint=p.hint, field=p.field) for p in found.problems
    ]
    if not found.problems:
        levels = enumerate(mapping.partition_by)
        wanted = ((level.column, f"{at}.partition_by[{i}].column") for i, level in levels)
        problems += _missing_columns(found.output, wanted)
    key = mapping.key or taken.key
    if spec.mode is not TaskMode.FULL_LOAD and destination.applies_changes and not key:
        lost = schema.key and not taken.key
        problems.append(
            ValidationFailedError(
                f"Changes of {schema.table} cannot be applied: "
                + ("its key is not read." if lost else "it has no key."),
                hint="Include the columns of its key."
                if lost
                else "Give columns that tell its rows apart as key in table_mappings.",
                field=at,
            )
        )
    return problems


def _missing_columns(schema: TableSchema, wanted: Iterable[tuple[str, str]]) -> list[DtaasError]:
    """Return what is wrong with columns, each with the field that names it."""
    there = {column.name for column in schema.columns}
    return [
        ValidationFailedError(
            f"Table {schema.table} has no column {name!r}.",
            hint=f"It has: {', '.join(sorted(there)[:20])}.",
            field=field,
        )
        for name, field in wanted
        if name not in there
    ]


def _at(error: DtaasError, field: str) -> DtaasError:
    if error.field in {None, "$.table_mappings"}:
        error.field = field
    return error


def _validation(problems: Sequence[DtaasError], *, examined: int = 0, left: int = 0) -> Validation:
    return Validation(
        ok=not problems,
        problems=tuple(
            SpecProblem(
                code=problem.code,
                detail=problem.detail,
                hint=problem.hint,
                field=problem.field,
            )
            for problem in problems
        ),
        tables_examined=examined,
        tables_left=left,
    )
