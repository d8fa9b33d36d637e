"""Which tables and columns a task takes, and what they are called at the destination. Pure."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from fnmatch import translate
from functools import lru_cache
from string import Formatter
from typing import Annotated, Final

from msgspec import Meta, Struct
from msgspec.structs import replace

from dtaas.model.errors import TargetCollisionError, ValidationFailedError
from dtaas.model.load import TargetTable
from dtaas.model.schema import TableRef, TableSchema

Pattern = Annotated[str, Meta(min_length=1, max_length=300)]
"""`schema.table` with `*`, `?` and `[…]`, whatever the case: `sales.*`, `*.order_?`."""
TargetOf = Callable[[TableRef, tuple[str, ...] | None], TargetTable]

_MODIFIERS: Final = ("lower", "upper", "snake")
_PLACEHOLDERS: Final = ("schema", "table", "task")
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NO_WORD: Final = re.compile(r"\W+")


class NewTables(StrEnum):
    """What becomes of tables that fit the patterns and were not there before."""

    ADD = "add"
    IGNORE = "ignore"


class TableRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tables by pattern, and names by template.

    Attributes:
        include: the task's tables are those of the source that fit one of these; they are looked
            up when it starts. Without any, `source_tables` says which they are.
        exclude: but none of these.
        new_tables: `ignore` keeps to the tables of the first start.
        target: where tables go, levels separated by `/`: `raw/{schema:lower}/{table:snake}`.
            `{schema}`, `{table}` and `{task}`, each as it is, lower, upper or snake.
    """

    include: Annotated[tuple[Pattern, ...], Meta(max_length=1000)] = ()
    exclude: Annotated[tuple[Pattern, ...], Meta(max_length=1000)] = ()
    new_tables: NewTables = NewTables.ADD
    target: Annotated[str, Meta(max_length=1000)] = ""

    def takes(self, table: TableRef) -> bool:
        """Return whether a table fits the patterns."""
        name = str(table)
        return fits(name, self.include) and not fits(name, self.exclude)


NO_RULES: Final = TableRules()


def fits(name: str, patterns: Iterable[str]) -> bool:
    """Return whether a name fits one of some patterns, whatever the case."""
    folded = name.casefold()
    return any(_compiled(pattern).match(folded) for pattern in patterns)


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern.casefold()))


# --- names ----------------------------------------------------------------------------------------
def check_template(template: str, field: str) -> None:
    """Refuse a template that cannot be filled.

    Raises:
        ValidationFailedError: a stray brace, or a placeholder or modifier there is not.
    """
    known = ", ".join(f"{{{name}}}" for name in _PLACEHOLDERS)
    hint = f"There are {known}, each also with :{', :'.join(_MODIFIERS)}."
    try:
        parts = list(Formatter().parse(template))
    except ValueError as exc:
        raise ValidationFailedError(
            f"The template {template!r} has a stray brace.", hint=hint, field=field
        ) from exc
    for _, name, modifier, conversion in parts:
        if name is None:
            continue
        if name not in _PLACEHOLDERS or conversion or (modifier and modifier not in _MODIFIERS):
            wrong = f"{{{name}{':' + modifier if modifier else ''}}}"
            raise ValidationFailedError(
                f"The template {template!r} has no placeholder {wrong}.", hint=hint, field=field
            )
    if template and any(level.strip() in {"", ".", ".."} for level in template.split("/")):
        raise ValidationFailedError(
            f"A level of the template {template!r} is empty.",
            hint="Separate levels by single slashes.",
            field=field,
        )


def filled(template: str, table: TableRef, task_name: str) -> tuple[str, ...]:
    """Return the path a checked template makes of a table."""
    values = {
        "schema": _Name(table.schema),
        "table": _Name(table.name),
        "task": _Name(task_name),
    }
    return tuple(level.format_map(values) for level in template.split("/"))


def snake(name: str) -> str:
    """Return a name in lower case with underscores between its words."""
    return _NO_WORD.sub("_", _HUMP.sub("_", name)).strip("_").lower() or name


class _Name(str):
    __slots__ = ()

    def __format__(self, modifier: str) -> str:
        match modifier:
            case "lower":
                return self.lower()
            case "upper":
                return self.upper()
            case "snake":
                return snake(self)
            case _:
                return str(self)


# --- places ---------------------------------------------------------------------------------------
def refuse_clashes(places: Mapping[TableRef, TargetTable]) -> None:
    """Refuse tables that would write into each other's place.

    Readers of a lake take everything below a table for its own, and some of them tell no upper
    from lower case.

    Raises:
        TargetCollisionError: names both tables.
    """
    taken: dict[tuple[str, ...], TableRef] = {}
    for table, target in places.items():
        other = taken.setdefault(_folded(target), table)
        if other != table:
            same = places[other] == target
            raise _clash(
                f"Tables {other} and {table} both go to {target}."
                if same
                else f"The targets of {other} and {table}, {places[other]} and {target}, differ in"
                " upper and lower case only."
            )
    for path, table in taken.items():
        for end in range(1, len(path)):
            outer = taken.get(path[:end])
            if outer is not None:
                raise _clash(
                    f"The target of {table}, {places[table]}, lies inside that of {outer},"
                    f" {places[outer]}."
                )


def overlap(ours: Iterable[TargetTable], theirs: Iterable[TargetTable]) -> TargetTable | None:
    """Return the first target of others that is, holds or lies inside one of ours."""
    whole = {_folded(target) for target in ours}
    above = {path[:end] for path in whole for end in range(1, len(path))}
    for target in sorted(theirs, key=str):
        path = _folded(target)
        if path in above or any(path[:end] in whole for end in range(1, len(path) + 1)):
            return target
    return None


def _folded(target: TargetTable) -> tuple[str, ...]:
    return tuple(level.casefold() for level in target.path)


def _clash(detail: str) -> TargetCollisionError:
    return TargetCollisionError(
        detail,
        hint="Give one of them another target in table_mappings or table_rules.target, "
        "or use {schema} and {table} in the connector's prefix.",
        field="$.table_mappings",
    )


# --- columns --------------------------------------------------------------------------------------
def with_columns(
    schema: TableSchema, include: Sequence[str], exclude: Sequence[str]
) -> TableSchema:
    """Return a table with the columns that are taken; its key only when all of it is.

    Raises:
        ValidationFailedError: a pattern fits no column, or no column is left.
    """
    if not include and not exclude:
        return schema
    names = [column.name for column in schema.columns]
    for pattern in (*include, *exclude):
        if not any(fits(name, (pattern,)) for name in names):
            raise ValidationFailedError(
                f"Table {schema.table} has no column that fits {pattern!r}.",
                hint=f"It has: {', '.join(names[:20])}.",
                field="$.table_mappings",
            )
    columns = tuple(
        column
        for column in schema.columns
        if (not include or fits(column.name, include)) and not fits(column.name, exclude)
    )
    if not columns:
        raise ValidationFailedError(
            f"No column of {schema.table} is left.",
            hint="Exclude fewer columns.",
            field="$.table_mappings",
        )
    kept = {column.name for column in columns}
    return replace(schema, columns=columns, key=schema.key if kept.issuperset(schema.key) else ())
