"""MERGE, which the storage has too. Source: Microsoft Learn, "MERGE (Transact-SQL)"."""

from collections.abc import Mapping

from msgspec.structs import replace

from dtaas.sandbox.sqlserver.catalog import ColumnDef, TableDef
from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.tsql import changes, tree
from dtaas.sandbox.sqlserver.tsql.block import Block
from dtaas.sandbox.sqlserver.tsql.conditions import bind_condition
from dtaas.sandbox.sqlserver.tsql.errors import invalid_column
from dtaas.sandbox.sqlserver.tsql.expressions import bind
from dtaas.sandbox.sqlserver.tsql.names import Names
from dtaas.sandbox.sqlserver.tsql.output import Written, check_table, returning
from dtaas.sandbox.sqlserver.tsql.queries import bind_with, new_block
from dtaas.sandbox.sqlserver.tsql.sources import bind_source, table_relation
from dtaas.sandbox.sqlserver.tsql.storing import check_writable, default_value, store

_WHEN: Mapping[str, str] = {
    "MATCHED": "WHEN MATCHED",
    "TARGET": "WHEN NOT MATCHED BY TARGET",
    "SOURCE": "WHEN NOT MATCHED BY SOURCE",
}


def bind_merge(merge: changes.Merge, names: Names) -> Written:
    """Bind a MERGE.

    Raises:
        SqlError: all that binding raises.
    """
    prefix = bind_with(merge.with_tables, names, merge.max_recursion)
    table, catalog = names.compilation.table(merge.table)
    check_table(table)
    alias = names.compilation.alias()
    source = bind_source(merge.source, new_block(names))
    others = Names(names.compilation)
    others.relations = list(names.relations)
    shown = merge.alias or ".".join(merge.table)
    names.add(table_relation(table, alias, merge.alias, catalog.database, shown))
    block = new_block(names)
    condition = bind_condition(merge.condition, replace(block, clause="ON"), bind)
    actions = " ".join(_action(item, table, catalog.database, block) for item in merge.actions)
    returned, columns = returning(
        merge.output, table, catalog.database, names, others=others, action=True
    )
    sql = (
        f"{prefix}MERGE INTO {table.storage_name} AS {alias} USING {source} ON {condition} "
        f"{actions}{returned}"
    )
    identity = any(column.identity for column in table.columns)
    return Written(
        sql=sql,
        columns=columns,
        command=0x117,
        identity_table=table.storage_name if identity else None,
    )


def _action(item: changes.MergeAction, table: TableDef, database: str, block: Block) -> str:
    head = _WHEN[item.match]
    if item.condition is not None:
        head += f" AND {bind_condition(item.condition, block, bind)}"
    match item.verb:
        case "DELETE":
            return f"{head} THEN DELETE"
        case "UPDATE":
            return f"{head} THEN UPDATE SET {_assignments(item, table, database, block)}"
        case _:
            return f"{head} THEN INSERT {_insertion(item, table, database, block)}"


def _assignments(item: changes.MergeAction, table: TableDef, database: str, block: Block) -> str:
    parts = []
    for assignment in item.assignments:
        if assignment.column is None:
            raise SqlError(102, f"Incorrect syntax near '{assignment.variable}'.", severity=15)
        column = _column(assignment.column[-1], table)
        check_writable(column, inserting=False)
        value = (
            default_value(column, block)
            if isinstance(assignment.value, tree.Default)
            else bind(assignment.value, block)
        )
        parts.append(f"{column.storage_name} = {store(value, column, table, database)}")
    return ", ".join(parts)


def _insertion(item: changes.MergeAction, table: TableDef, database: str, block: Block) -> str:
    columns = [_column(name, table) for name in item.columns] or [
        c for c in table.columns if not c.identity and c.computed is None
    ]
    if len(columns) != len(item.values):
        raise SqlError(
            213, "Column name or number of supplied values does not match table definition."
        )
    cells = []
    for column, node in zip(columns, item.values, strict=True):
        check_writable(column, inserting=True)
        value = (
            default_value(column, block) if isinstance(node, tree.Default) else bind(node, block)
        )
        cells.append(store(value, column, table, database))
    for column in table.columns:
        if column not in columns and column.default is not None:
            columns.append(column)
            cells.append(store(default_value(column, block), column, table, database))
    listed = ", ".join(column.storage_name for column in columns)
    return f"({listed}) VALUES ({', '.join(cells)})"


def _column(name: str, table: TableDef) -> ColumnDef:
    for column in table.columns:
        if column.name.lower() == name.lower():
            return column
    raise invalid_column(name)
