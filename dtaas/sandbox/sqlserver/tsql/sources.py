"""FROM: tables, joins and derived tables, to relations in reach and SQL of the storage."""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from dtaas.sandbox.sqlserver.catalog import TableDef
from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.tsql import tree
from dtaas.sandbox.sqlserver.tsql.block import Block, Bound
from dtaas.sandbox.sqlserver.tsql.change_functions import bind_change_function
from dtaas.sandbox.sqlserver.tsql.change_tables import bind_change_table
from dtaas.sandbox.sqlserver.tsql.conditions import bind_condition
from dtaas.sandbox.sqlserver.tsql.errors import column_count
from dtaas.sandbox.sqlserver.tsql.expressions import bind
from dtaas.sandbox.sqlserver.tsql.names import Field, Names, Relation
from dtaas.sandbox.sqlserver.tsql.tree import JoinKind

_JOINS: Final = {
    JoinKind.INNER: "JOIN",
    JoinKind.LEFT: "LEFT JOIN",
    JoinKind.RIGHT: "RIGHT JOIN",
    JoinKind.FULL: "FULL JOIN",
    JoinKind.CROSS: "CROSS JOIN",
    JoinKind.CROSS_APPLY: "CROSS JOIN LATERAL",
    JoinKind.OUTER_APPLY: "LEFT JOIN LATERAL",
}


def bind_source(source: tree.Source, block: Block) -> str:
    """Put the relations of a FROM element in reach of `block`, and return its SQL.

    Raises:
        SqlError: 208 no such table, 1011 a name used twice, and errors of conditions.
    """
    match source:
        case tree.TableName():
            return _table(source, block.names)
        case tree.Derived():
            return _derived(source, block)
        case tree.FunctionTable():
            return bind_change_function(source, block)
        case tree.ChangeTable():
            return bind_change_table(source, block)
        case tree.Join():
            return _join(source, block)


def table_relation(
    table: TableDef, alias: str, name: str | None, database: str, shown: str
) -> Relation:
    """Return a table of the catalog as a relation; `name` is its alias in the statement."""
    names: tuple[tree.Parts, ...]
    if name is not None:
        names = ((name.lower(),),)
    else:
        full = (database.lower(), table.schema.lower(), table.name.lower())
        names = (full, full[1:], full[2:])
    fields = tuple(
        Field(
            name=column.name,
            sql=column.storage_name,
            type=column.type,
            nullable=column.nullable,
            identity=column.identity,
            computed=column.computed is not None,
            expandable=not column.is_hidden,
        )
        for column in table.columns
    )
    return Relation(alias=alias, names=names, shown=name or shown, fields=fields)


def _table(source: tree.TableName, names: Names) -> str:
    compilation = names.compilation
    alias = compilation.alias()
    common = names.common.get(source.parts[0].lower()) if len(source.parts) == 1 else None
    if common is not None:
        name = source.alias or source.parts[0]
        names.add(Relation(alias=alias, names=((name.lower(),),), shown=name, fields=common.fields))
        return f"{common.sql_name} AS {alias}"
    table, catalog = compilation.table(source.parts)
    shown = ".".join(source.parts)
    names.add(table_relation(table, alias, source.alias, catalog.database, shown))
    return f"{table.storage_name} AS {alias}"


def _derived(source: tree.Derived, block: Block) -> str:
    # only APPLY lets a derived table see its neighbours; _join passes such a block
    bound = block.query(
        source.query, block.names.parent or Names(block.compilation, common=block.names.common)
    )
    return _add_derived(source, bound, block)


def _add_derived(source: tree.Derived, bound: Bound, block: Block) -> str:
    alias = block.compilation.alias()
    fields = derived_fields(bound, source.columns, source.alias)
    block.names.add(
        Relation(alias=alias, names=((source.alias.lower(),),), shown=source.alias, fields=fields)
    )
    return f"({bound.sql}) AS {alias}"


def derived_fields(bound: Bound, names: Sequence[str], shown: str) -> tuple[Field, ...]:
    """Return the columns of a query under a name.

    Raises:
        SqlError: 8155 a column without a name, 8156 a name twice, 8158 and 8159 a wrong count.
    """
    if names and len(names) != len(bound.columns):
        raise column_count(shown, more=len(bound.columns) > len(names))
    fields: list[Field] = []
    for i, (own, value) in enumerate(bound.columns, start=1):
        name = names[i - 1] if names else own
        if not name:
            raise SqlError(
                8155, f"No column name was specified for column {i} of '{shown}'.", state=2
            )
        if any(field.name.lower() == name.lower() for field in fields):
            raise SqlError(8156, f"The column '{name}' was specified multiple times for '{shown}'.")
        fields.append(
            Field(
                name=name,
                sql=f"c{i}",
                type=value.type,
                nullable=value.nullable,
                identity=value.identity,
            )
        )
    return tuple(fields)


def _join(join: tree.Join, block: Block) -> str:
    names = block.names
    before = len(names.relations)
    left = bind_source(join.left, block)
    middle = len(names.relations)
    if join.kind in {JoinKind.CROSS_APPLY, JoinKind.OUTER_APPLY}:
        right = _applied(join.right, block)
    else:
        right = bind_source(join.right, block)
    # a joined right side needs parentheses; both sides' columns are already in reach
    if isinstance(join.right, tree.Join):
        right = f"({right})"
    condition = ""
    if join.condition is not None:
        condition = f" ON {bind_condition(join.condition, replace(block, clause='ON'), bind)}"
    elif join.kind is JoinKind.OUTER_APPLY:
        condition = " ON true"
    if join.kind in {JoinKind.LEFT, JoinKind.FULL, JoinKind.OUTER_APPLY}:
        _make_optional(names, middle, len(names.relations))
    if join.kind in {JoinKind.RIGHT, JoinKind.FULL}:
        _make_optional(names, before, middle)
    return f"{left} {_JOINS[join.kind]} {right}{condition}"


def _applied(source: tree.Source, block: Block) -> str:
    if isinstance(source, tree.Derived):
        return _add_derived(source, block.query(source.query, block.names), block)
    return bind_source(source, block)


def _make_optional(names: Names, start: int, stop: int) -> None:
    names.relations[start:stop] = [
        replace(relation, optional=True) for relation in names.relations[start:stop]
    ]
