"""Which tables and columns a task takes, and what they are called at the destination. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta, Struct
from msgspec.structs import replace

from dtaas.model.column_rules import TypeRule
from dtaas.model.errors import TargetCollisionError, ValidationFailedError
from dtaas.model.load import TargetTable
from dtaas.model.patterns import Pattern, fits
from dtaas.model.schema import TableRef, TableSchema

TargetOf = Callable[[TableRef, tuple[str, ...] | None], TargetTable]


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
        column_names: what columns are called, unless a transformation names them:
            `{column:snake}`, `src_{column:lower}`; `{schema}`, `{table}` and `{task}`, too.
        types: other types than those of the source, unless a transformation changes the column's;
            the first rule that fits a column counts, those of its mapping before these.
    """

    include: Annotated[tuple[Pattern, ...], Meta(max_length=1000)] = ()
    exclude: Annotated[tuple[Pattern, ...], Meta(max_length=1000)] = ()
    new_tables: NewTables = NewTables.ADD
    target: Annotated[str, Meta(max_length=1000)] = ""
    column_names: Annotated[str, Meta(max_length=300)] = ""
    types: Annotated[tuple[TypeRule, ...], Meta(max_length=1000)] = ()

    def takes(self, table: TableRef) -> bool:
        """Return whether a table fits the patterns."""
        name = str(table)
        return fits(name, self.include) and not fits(name, self.exclude)


NO_RULES: Final = TableRules()


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
    taken = []
    for target in theirs:
        path = _folded(target)
        if path in above or any(path[:end] in whole for end in range(1, len(path) + 1)):
            taken.append(target)
    return min(taken, key=str, default=None)


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
