"""What INSERT, UPDATE, DELETE and MERGE have in common: their target, and OUTPUT."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from dtaas.sandbox.sqlserver.catalog import TableDef
from dtaas.sandbox.sqlserver.results import ResultColumn, SqlError
from dtaas.sandbox.sqlserver.storage.forms import to_wire
from dtaas.sandbox.sqlserver.tsql import tree
from dtaas.sandbox.sqlserver.tsql.compiled import Assignment
from dtaas.sandbox.sqlserver.tsql.expressions import bind
from dtaas.sandbox.sqlserver.tsql.names import Names
from dtaas.sandbox.sqlserver.tsql.queries import new_block
from dtaas.sandbox.sqlserver.tsql.sources import table_relation
from dtaas.sandbox.sqlserver.tsql.value import Value
from dtaas.sandbox.sqlserver.types import SqlType

_ACTION: Final = ("$action",)


class Written(Struct, frozen=True, kw_only=True):
    """A bound statement that changes a table."""

    sql: str
    columns: tuple[ResultColumn, ...] | None
    command: int
    identity_table: str | None = None
    assignments: tuple[Assignment, ...] = ()


def check_table(table: TableDef) -> None:
    """Refuse views and system views.

    Raises:
        SqlError: 259 for the catalog, 4406 for a view.
    """
    if not table.read_only:
        return
    if table.schema.lower() in {"sys", "information_schema"}:
        raise SqlError(259, "Ad hoc updates to system catalogs are not allowed.")
    raise SqlError(
        4406,
        f"Update or insert of view or function '{table.schema}.{table.name}' failed because it "
        "contains a derived or constant field.",
    )


def result_column(name: str | None, value: Value) -> ResultColumn:
    """Describe a column for the client."""
    return ResultColumn(
        name=name or "",
        type=value.type,
        nullable=value.nullable,
        identity=value.identity,
        computed=value.computed,
    )


def returning(
    output: Sequence[tree.SelectItem],
    table: TableDef,
    database: str,
    names: Names,
    *,
    inserted: bool = True,
    deleted: bool = True,
    others: Names | None = None,
    action: bool = False,
) -> tuple[str, tuple[ResultColumn, ...] | None]:
    """Return the RETURNING clause of an OUTPUT clause, and its columns.

    Args:
        others: FROM's tables, whose columns OUTPUT may name too.
        action: `$action` of MERGE may be used.

    Raises:
        SqlError: 4104 and 107 for a prefix that is not inserted or deleted.
    """
    if not output:
        return "", None
    reach = Names(names.compilation)
    if inserted:
        reach.add(table_relation(table, "new", "inserted", database, "inserted"))
    if deleted:
        reach.add(table_relation(table, "old", "deleted", database, "deleted"))
    for relation in others.relations if others else ():
        reach.add(relation)
    block = new_block(reach)
    listed: list[tuple[str | None, Value]] = []
    for item in output:
        if isinstance(item.operand, tree.Star):
            listed += [(field.name, value) for field, value in reach.expand(item.operand.qualifier)]
        elif action and item.operand == tree.Column(_ACTION):
            type_ = SqlType("nvarchar", 10, collation=names.compilation.collation)
            listed.append((item.alias or "$action", Value(sql="merge_action()", type=type_)))
        else:
            value = bind(item.operand, block)
            name = item.alias
            if name is None and isinstance(item.operand, tree.Column):
                name = item.operand.parts[-1]
            listed.append((name, value))
    shown = ", ".join(
        f"{to_wire(value.sql, value.type)} AS c{i}" for i, (_, value) in enumerate(listed, 1)
    )
    columns = tuple(replace(result_column(name, value), identity=False) for name, value in listed)
    return f" RETURNING {shown}", columns
