"""What a run would do with one table, in words. Pure."""

from collections.abc import Sequence

from dtaas.model.changes import Capture
from dtaas.model.load import TableLoad, TargetTable, WriteMode
from dtaas.model.plan import PlanStep, Standing, TargetDdl
from dtaas.model.schema import TableInfo, TableSchema
from dtaas.model.task import TaskMode, TaskSpec

_NAMED = 8


def steps_of(
    spec: TaskSpec,
    schema: TableSchema,
    target: TargetTable,
    *,
    info: TableInfo | None,
    standing: Standing | None,
    ddl: TargetDdl | None = None,
    unfinished: TableLoad | None,
    streams: bool,
    owner: str,
) -> tuple[PlanStep, ...]:
    """Return the steps in the order they would be done.

    Args:
        standing: what readers of the target see now.
        ddl: what the destination would run; without, its columns have Arrow's types.
        unfinished: a load an earlier execution left behind.
        streams: whether the table has a stream that would go on.
        owner: this task as `Standing.owner` names it.
    """
    place = standing.location if standing is not None else str(target)
    steps: list[PlanStep] = []
    if standing is not None and standing.owner not in {"", owner} and spec.options.take_over:
        steps.append(
            PlanStep(
                kind="take_over",
                text=f"Take {place} from {standing.owner}.",
                destructive=True,
            )
        )
    if spec.mode.streams:
        steps += _capture(spec, info)
    if streams:
        steps += _evolved(place, standing, ddl)
        steps.append(PlanStep(kind="stream", text=f"Go on with the changes of {schema.table}."))
        return tuple(steps)
    if spec.mode is not TaskMode.CDC:
        steps += _load(spec, schema, place, standing=standing, ddl=ddl, unfinished=unfinished)
    if spec.mode.streams:
        steps.append(
            PlanStep(kind="stream", text=f"Apply the changes of {schema.table} to {place}.")
        )
    return tuple(steps)


def _capture(spec: TaskSpec, info: TableInfo | None) -> Sequence[PlanStep]:
    if info is None or not spec.options.enable_capture:
        return []
    if spec.options.capture is Capture.CHANGE_TRACKING:
        text = f"Switch Change Tracking of {info.table} on at the source, where it is off."
        return [PlanStep(kind="capture", text=text)]
    if info.cdc_enabled:
        return []
    text = f"Switch change data capture of {info.table} on at the source."
    return [PlanStep(kind="capture", text=text)]


def _load(
    spec: TaskSpec,
    schema: TableSchema,
    place: str,
    *,
    standing: Standing | None,
    ddl: TargetDdl | None,
    unfinished: TableLoad | None,
) -> Sequence[PlanStep]:
    steps: list[PlanStep] = []
    if unfinished is not None:
        steps.append(
            PlanStep(
                kind="resume",
                text=f"Resume the load that was not finished ({len(unfinished.chunks)} chunks).",
            )
        )
    arrow = [(field.name, str(field.type)) for field in schema.arrow_schema()]
    found = ddl or TargetDdl(columns=tuple(arrow))
    if standing is None:
        named = ", ".join(f"{name} {kind}" for name, kind in found.columns[:_NAMED])
        left = len(found.columns) - _NAMED
        text = f"Create {place} ({named}{f' and {left} more' if left > 0 else ''})."
        steps.append(PlanStep(kind="create", text=text, ddl=found.create))
        return steps
    mode = spec.write_mode(schema.table)
    if ddl is None or (mode is WriteMode.OVERWRITE and ddl.replace):
        steps += _column_changes(place, standing.columns, found.columns)
    else:
        steps += _evolved(place, standing, ddl)
    if mode is WriteMode.APPEND:
        steps.append(PlanStep(kind="append", text=f"Add the rows to those at {place}."))
        return steps
    if ddl is not None and not ddl.replace:
        text = f"Write what is new of every row into the history at {place}."
        steps.append(PlanStep(kind="append", text=text))
        return steps
    emptied = mode is WriteMode.TRUNCATE_INSERT
    rows = "what stands" if standing.rows is None else f"the {standing.rows:,} rows"
    steps.append(
        PlanStep(
            kind="replace",
            text=f"Replace {rows} at {place}{', in the same table' if emptied else ''}.",
            destructive=standing.rows != 0,
            ddl=found.replace,
        )
    )
    return steps


def _evolved(place: str, standing: Standing | None, ddl: TargetDdl | None) -> Sequence[PlanStep]:
    """Return what is done to the columns of a table that stays."""
    if standing is None or ddl is None:
        return []
    if ddl.conflict:
        return [PlanStep(kind="refused", text=ddl.conflict)]
    if not ddl.evolve:
        return []
    before = dict(standing.columns)
    said = [
        f"add {name} {kind}" if name not in before else f"make {name} {kind} (was {before[name]})"
        for name, kind in ddl.columns
        if before.get(name) != kind
    ]
    text = f"Columns of {place}: {', '.join(said)}."
    return [PlanStep(kind="evolve", text=text, ddl=ddl.evolve)]


def _column_changes(
    place: str, before: Sequence[tuple[str, str]], after: Sequence[tuple[str, str]]
) -> Sequence[PlanStep]:
    old, new = dict(before), dict(after)
    if not old:
        return []
    added = [f"add {name} {kind}" for name, kind in after if name not in old]
    gone = [f"lose {name}" for name, _ in before if name not in new]
    changed = [
        f"make {name} {kind} (was {old[name]})"
        for name, kind in after
        if name in old and old[name] != kind
    ]
    said = [*added, *changed, *gone]
    if not said:
        return []
    text = f"Columns of {place}: {', '.join(said)}."
    return [PlanStep(kind="columns", text=text, destructive=bool(gone or changed))]
