"""What a task must look like before it is stored. Pure: no connector is asked anything."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

from dtaas.model.column_rules import ColumnTypeRule
from dtaas.model.errors import ValidationFailedError
from dtaas.model.load import WriteMode
from dtaas.model.name_templates import check_column_template, check_template
from dtaas.model.patterns import fits
from dtaas.model.ports import Capabilities
from dtaas.model.schema import TableRef
from dtaas.model.task import (
    ACTIVE_STATUSES,
    TableMapping,
    TaskMode,
    TaskSpec,
    TaskStatus,
)
from dtaas.model.type_text import parse_type
from dtaas.services.schedules import check_schedule

UNDER_WAY: Final = ACTIVE_STATUSES | {TaskStatus.PAUSED}
"""States with an execution that is not over: what is moved where may not change."""

_PARTS: Final = ("value", "year", "month", "day", "hour")
_APPLIED_AT_ONCE: Final = frozenset(
    {
        "description",
        "tags",
        "owner",
        "schedule_type",
        "schedule_interval_seconds",
        "schedule",
        "is_active",
    }
)
_TABLES: Final = frozenset({"source_tables", "table_mappings"})
_MOVING_OPTIONS: Final = frozenset({"options.write_mode", "options.capture", "options.history"})
_TUNING: Final = frozenset(
    {
        "batch_size_mb",
        "batch_rows",
        "handle_schema_drift",
        "schema_drift_policy",
        "schema_drift_approval",
        "backfill_new_columns",
    }
)


def check_spec(spec: TaskSpec, source: Capabilities, destination: Capabilities) -> None:
    """Refuse a task that could not work, before anything is stored.

    Raises:
        ValidationFailedError: with the path of the first mistake.
    """
    for rule in _rules(spec, source, destination):
        rule()


def spec_problems(
    spec: TaskSpec, source: Capabilities, destination: Capabilities
) -> list[ValidationFailedError]:
    """Return what every rule finds wrong with a task."""
    problems: list[ValidationFailedError] = []
    for rule in _rules(spec, source, destination):
        try:
            rule()
        except ValidationFailedError as error:
            problems.append(error)
    return problems


def _rules(
    spec: TaskSpec, source: Capabilities, destination: Capabilities
) -> Iterator[Callable[[], None]]:
    """Yield the rules: each raises for the first mistake it finds."""
    yield lambda: _check_mode(spec, source, destination)
    rules = spec.table_rules
    yield lambda: check_template(rules.target, "$.table_rules.target")
    yield lambda: check_column_template(rules.column_names, "$.table_rules.column_names")
    yield lambda: _check_types(rules.types, "$.table_rules")
    yield lambda: _check_tables(spec)
    yield lambda: _check_mapped(spec)
    for index, mapping in enumerate(spec.table_mappings):
        at = f"$.table_mappings[{index}]"
        yield partial(_check_target, mapping, at)
        yield partial(_check_columns, mapping, at, shaped=spec.shapes)
        yield partial(check_column_template, mapping.column_names or "", f"{at}.column_names")
        yield partial(_check_types, mapping.types, at)
        yield partial(_check_own_write_mode, spec, mapping, at, destination)
        yield partial(_check_partitions, mapping, at, destination)
        yield partial(_check_watermark, mapping, at, spec.mode)
    mode = spec.options.write_mode
    yield partial(_check_write_mode, mode, destination, "$.options.write_mode")
    yield lambda: _check_history(spec, destination)
    yield lambda: check_schedule(spec.schedule_type, spec.schedule_interval_seconds, spec.schedule)


def _check_watermark(mapping: TableMapping, at: str, mode: TaskMode) -> None:
    if mapping.watermark is not None and mode is not TaskMode.INCREMENTAL:
        raise ValidationFailedError(
            f"A watermark goes with mode incremental, not {mode}.",
            hint="Leave it out, or choose mode incremental.",
            field=f"{at}.watermark",
        )


def _check_write_mode(mode: WriteMode, destination: Capabilities, field: str) -> None:
    able = {
        WriteMode.OVERWRITE: destination.overwrite,
        WriteMode.APPEND: destination.append,
        WriteMode.TRUNCATE_INSERT: destination.truncate_insert,
    }
    if not able[mode]:
        raise ValidationFailedError(
            f"This destination cannot {mode.replace('_', ' and ')}.",
            hint=f"Use one of: {', '.join(other for other, can in able.items() if can)}.",
            field=field,
        )


def _check_history(spec: TaskSpec, destination: Capabilities) -> None:
    named = [i for i, mapping in enumerate(spec.table_mappings) if mapping.history]
    if not (spec.options.history or named):
        return
    field = "$.options.history" if spec.options.history else f"$.table_mappings[{named[0]}].history"
    if not destination.history:
        raise ValidationFailedError(
            "This destination keeps no history of rows.", hint="Leave history out.", field=field
        )
    if spec.mode is TaskMode.INCREMENTAL:
        raise ValidationFailedError(
            "Rows that an increment reads twice would count as versions of their own.",
            hint="Keep a history with mode cdc, full_load_then_cdc or full_load.",
            field=field,
        )
    modes = {spec.options.write_mode} if spec.options.history else set()
    modes |= {
        spec.write_mode(m.source) for m in spec.table_mappings if spec.keeps_history(m.source)
    }
    if modes - {WriteMode.OVERWRITE}:
        raise ValidationFailedError(
            "A load continues a history; it neither appends to it nor empties it.",
            hint="Use write_mode overwrite.",
            field=field,
        )


def _check_mode(spec: TaskSpec, source: Capabilities, destination: Capabilities) -> None:
    if spec.mode is TaskMode.INCREMENTAL:
        _check_incremental(spec, source, destination)
    elif spec.mode.streams:
        _check_streaming(spec, source, destination)
    for side, can in (("source", source), ("destination", destination)):
        if not can.full_load:
            raise ValidationFailedError(
                f"The {side} cannot do a full load.", field=f"$.{side}_connector_id"
            )


def _check_streaming(spec: TaskSpec, source: Capabilities, destination: Capabilities) -> None:
    for side, can in (("source", source), ("destination", destination)):
        if not can.cdc:
            raise ValidationFailedError(
                f"The {side} has no change data capture.",
                hint="Use full_load.",
                field=f"$.{side}_connector_id",
            )
    _check_overwrites(spec)


def _check_incremental(spec: TaskSpec, source: Capabilities, destination: Capabilities) -> None:
    for side, can in (("source", source.incremental), ("destination", destination.cdc)):
        if not can:
            raise ValidationFailedError(
                f"The {side} cannot do mode {spec.mode}.",
                hint="Use full_load.",
                field=f"$.{side}_connector_id",
            )
    _check_overwrites(spec)


def _check_overwrites(spec: TaskSpec) -> None:
    if spec.options.write_mode is WriteMode.APPEND:
        raise ValidationFailedError(
            "Changes follow a load that replaces the one before, not one that is appended.",
            hint="Use write_mode overwrite.",
            field="$.options.write_mode",
        )


def _check_tables(spec: TaskSpec) -> None:
    if not spec.source_tables and not spec.table_rules.include:
        raise ValidationFailedError(
            "The task names no table.",
            hint="List tables in source_tables, or patterns in table_rules.include.",
            field="$.source_tables",
        )
    if spec.table_rules.exclude and not spec.table_rules.include:
        raise ValidationFailedError(
            "Tables are excluded from none.",
            hint="Write patterns into table_rules.include, such as *.*.",
            field="$.table_rules.exclude",
        )
    seen: dict[TableRef, int] = {}
    for index, table in enumerate(spec.source_tables):
        first = seen.setdefault(table, index)
        if first != index:
            raise ValidationFailedError(
                f"Table {table} is listed twice.",
                hint=f"Remove one; the first is source_tables[{first}].",
                field=f"$.source_tables[{index}]",
            )


def _check_mapped(spec: TaskSpec) -> None:
    listed, mapped = frozenset(spec.source_tables), set[TableRef]()
    for index, mapping in enumerate(spec.table_mappings):
        field = f"$.table_mappings[{index}].source"
        if mapping.source not in listed and not spec.table_rules.takes(mapping.source):
            raise ValidationFailedError(
                f"Table {mapping.source} is mapped but not listed in source_tables.", field=field
            )
        if mapping.source in mapped:
            raise ValidationFailedError(f"Table {mapping.source} is mapped twice.", field=field)
        mapped.add(mapping.source)


def _check_target(mapping: TableMapping, at: str) -> None:
    for index, segment in enumerate(mapping.target or ()):
        if segment.strip() in {"", ".", ".."} or not segment.isprintable():
            raise ValidationFailedError(
                f"{segment!r} cannot be part of a target's path.",
                hint="Use visible characters; each item is one level of the path.",
                field=f"{at}.target[{index}]",
            )


def _check_types(rules: Sequence[ColumnTypeRule], at: str) -> None:
    for index, rule in enumerate(rules):
        try:
            parse_type(rule.data_type)
        except ValueError as error:
            raise ValidationFailedError(
                str(error), field=f"{at}.types[{index}].data_type"
            ) from None


def _check_own_write_mode(
    spec: TaskSpec, mapping: TableMapping, at: str, destination: Capabilities
) -> None:
    field = f"{at}.write_mode"
    if mapping.write_mode is None:
        return
    _check_write_mode(mapping.write_mode, destination, field)
    if mapping.write_mode is WriteMode.APPEND and spec.mode is not TaskMode.FULL_LOAD:
        raise ValidationFailedError(
            f"Changes of {mapping.source} follow a load that replaces the one before.",
            hint="Use write_mode overwrite.",
            field=field,
        )


def _check_columns(mapping: TableMapping, at: str, *, shaped: bool) -> None:
    """Refuse columns that are needed and not read; those of partitions may be made on the way."""
    taken = (mapping.include_columns, mapping.exclude_columns)
    levels = () if shaped else mapping.partition_by
    for name in (*mapping.key, *(level.column for level in levels)):
        if (taken[0] and not fits(name, taken[0])) or fits(name, taken[1]):
            raise ValidationFailedError(
                f"Column {name!r} of {mapping.source} is not read, but needed.",
                hint="Include it: it is a key or a partition.",
                field=f"{at}.exclude_columns" if fits(name, taken[1]) else f"{at}.include_columns",
            )


def _check_partitions(mapping: TableMapping, at: str, destination: Capabilities) -> None:
    if mapping.partition_by and not destination.partitions:
        raise ValidationFailedError(
            "This destination has no partitions.", field=f"{at}.partition_by"
        )
    for index, level in enumerate(mapping.partition_by):
        if level.part not in _PARTS or not level.column:
            raise ValidationFailedError(
                f"A table cannot be partitioned by {level.part!r} of {level.column!r}.",
                hint=f"Name a column, and as part one of: {', '.join(_PARTS)}.",
                field=f"{at}.partition_by[{index}]",
            )
        if level in mapping.partition_by[:index]:
            raise ValidationFailedError(
                f"{level.part} of {level.column!r} is a partition level twice.",
                field=f"{at}.partition_by[{index}]",
            )


def changed_fields(old: TaskSpec, new: TaskSpec) -> frozenset[str]:
    """Return the fields that differ, those of the options as `options.<name>`."""
    changed = {n for n in old.__struct_fields__ if getattr(old, n) != getattr(new, n)}
    if "options" in changed:
        changed.remove("options")
        changed |= {
            f"options.{n}"
            for n in old.options.__struct_fields__
            if getattr(old.options, n) != getattr(new.options, n)
        }
    return frozenset(changed)


def only_tables_come_and_go(old: TaskSpec, new: TaskSpec) -> bool:
    """Return whether the tables that stay are moved where they were."""
    if old.shapes is not new.shapes:
        return False  # who reads for the task is of another kind
    staying = frozenset(old.source_tables) & frozenset(new.source_tables)
    before = {m.source: m for m in old.table_mappings if m.source in staying}
    return before == {m.source: m for m in new.table_mappings if m.source in staying}


def fields_for_rest(old: TaskSpec, new: TaskSpec, *, streaming: bool = False) -> tuple[str, ...]:
    """Return the changed fields that may only change while no execution is under way.

    They say what is moved where, and an execution must not change that halfway; everything else
    is a limit or a schedule and may change at any time. Tables may join a stream and leave it.
    """
    free = _APPLIED_AT_ONCE | _TUNING
    if streaming and only_tables_come_and_go(old, new):
        free |= _TABLES
    return tuple(
        sorted(
            name
            for name in changed_fields(old, new)
            if name not in free and (not name.startswith("options.") or name in _MOVING_OPTIONS)
        )
    )


def applies_at_once(old: TaskSpec, new: TaskSpec, *, streaming: bool = False) -> bool:
    """Return whether a change needs no new start of the task to take effect."""
    free = _APPLIED_AT_ONCE | _TABLES if streaming else _APPLIED_AT_ONCE
    return changed_fields(old, new) <= free
