"""INSERT: VALUES, SELECT, DEFAULT VALUES, OUTPUT."""

from collections.abc import Sequence

from msgspec.structs import replace

from dtaas.sandbox.sqlserver.catalog import ColumnDef, TableDef
from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.tsql import changes, tree
from dtaas.sandbox.sqlserver.tsql.comparing import unify
from dtaas.sandbox.sqlserver.tsql.errors import invalid_column
from dtaas.sandbox.sqlserver.tsql.expressions import bind
from dtaas.sandbox.sqlserver.tsql.names import Names
from dtaas.sandbox.sqlserver.tsql.output import Written, check_table, returning
from dtaas.sandbox.sqlserver.tsql.queries import bind_query, bind_with, new_block
from dtaas.sandbox.sqlserver.tsql.storing import check_writable, default_value, store
from dtaas.sandbox.sqlserver.tsql.value import Value


def bind_insert(insert: changes.Insert, names: Names) -> Written:
    """Bind an INSERT.

    Raises:
        SqlError: 110, 109, 120, 121, 213 counts that differ, 207, 264, 271, 273, 8101 columns.
    """
    prefix = bind_with(insert.with_tables, names, insert.max_recursion)
    table, catalog = names.compilation.table(insert.table)
    check_table(table)
    given = _given_columns(insert, table)
    for column in given:
        check_writable(column, inserting=True)
    _check_identity(given, table, names.compilation.scope.identity_insert)
    omitted = [c for c in table.columns if c not in given and _has_default(c)]
    block = new_block(names)
    defaults = [store(default_value(c, block), c, table, catalog.database) for c in omitted]
    rows = _rows(insert, given, table, names, defaults)
    returned, columns = returning(insert.output, table, catalog.database, names, deleted=False)
    listed = ", ".join(c.storage_name for c in (*given, *omitted))
    explicit = " OVERRIDING SYSTEM VALUE" if any(c.identity for c in given) else ""
    target = f" ({listed}){explicit}" if listed else ""
    sql = f"{prefix}INSERT INTO {table.storage_name}{target} {rows if listed else 'DEFAULT VALUES'}"
    identity = any(column.identity for column in table.columns)
    return Written(
        sql=sql + returned,
        columns=columns,
        command=0xC3,
        identity_table=table.storage_name if identity else None,
    )


def _check_identity(given: Sequence[ColumnDef], table: TableDef, explicit: str | None) -> None:
    """Let identity values in when, and only when, SET IDENTITY_INSERT says so.

    Raises:
        SqlError: 544 it is OFF, 545 it is ON and the statement gives none.
    """
    identity = any(column.identity for column in given)
    is_on = explicit is not None and explicit.lower() == f"{table.schema}.{table.name}".lower()
    if identity and not is_on:
        raise SqlError(
            544,
            f"Cannot insert explicit value for identity column in table '{table.name}' when "
            "IDENTITY_INSERT is set to OFF.",
        )
    if is_on and not identity:
        raise SqlError(
            545,
            f"Explicit value must be specified for identity column in table '{table.name}' either "
            "when IDENTITY_INSERT is set to ON or when a replication user is inserting into a NOT "
            "FOR REPLICATION identity column.",
        )


def _has_default(column: ColumnDef) -> bool:
    return column.default is not None and column.computed is None and not column.identity


def _given_columns(insert: changes.Insert, table: TableDef) -> list[ColumnDef]:
    if not insert.columns:
        if insert.query is None:
            return []
        return [
            c
            for c in table.columns
            if not c.identity and c.computed is None and c.type.name != "timestamp"
        ]
    by_name = {column.name.lower(): column for column in table.columns}
    given: list[ColumnDef] = []
    for name in insert.columns:
        column = by_name.get(name.lower())
        if column is None:
            raise invalid_column(name)
        if column in given:
            raise SqlError(
                264,
                f"The column name '{name}' is specified more than once in the SET clause or column "
                "list of an INSERT. A column cannot be assigned more than one value in the same "
                "clause. Modify the clause to make sure that a column is updated only once. If "
                "this statement updates or inserts columns into a view, column aliasing can "
                "conceal the duplication in your code.",
            )
        given.append(column)
    return given


def _rows(
    insert: changes.Insert,
    given: Sequence[ColumnDef],
    table: TableDef,
    names: Names,
    defaults: Sequence[str],
) -> str:
    if insert.query is None:
        return f"VALUES ({', '.join(defaults)})"
    if isinstance(insert.query.body, tree.Rows):
        return _values(insert.query.body, given, table, names, defaults, named=bool(insert.columns))
    bound = bind_query(insert.query, names, may_order=True)
    _check_count(len(bound.columns), given, named=bool(insert.columns), selected=True)
    alias = names.compilation.alias()
    database = names.compilation.scope.catalog.database
    stored = [
        store(replace(value, sql=f"{alias}.c{i}"), column, table, database)
        for i, ((_, value), column) in enumerate(zip(bound.columns, given, strict=True), start=1)
    ]
    return f"SELECT {', '.join([*stored, *defaults])} FROM ({bound.sql}) AS {alias}"


def _values(
    rows: tree.Rows,
    given: Sequence[ColumnDef],
    table: TableDef,
    names: Names,
    defaults: Sequence[str],
    *,
    named: bool,
) -> str:
    block = new_block(names)
    database = names.compilation.scope.catalog.database
    bound: list[list[Value]] = []
    for items in rows.rows:
        _check_count(len(items), given, named=named, selected=False)
        bound.append(
            [
                default_value(column, block)
                if isinstance(item, tree.Default)
                else bind(item, block)
                for item, column in zip(items, given, strict=True)
            ]
        )
    for index in range(len(given)):
        cells = [row[index] for row in bound]
        if len({cell.type.name for cell in cells if not cell.is_null}) > 1:
            for row, cell in zip(bound, unify(cells)[1], strict=True):
                row[index] = cell
    lines = []
    for row in bound:
        cells_sql = [store(v, c, table, database) for v, c in zip(row, given, strict=True)]
        lines.append(f"({', '.join([*cells_sql, *defaults])})")
    return f"VALUES {', '.join(lines)}"


def _check_count(count: int, given: Sequence[ColumnDef], *, named: bool, selected: bool) -> None:
    if count == len(given):
        return
    if not named:
        raise SqlError(
            213, "Column name or number of supplied values does not match table definition."
        )
    source = "SELECT list" if selected else "VALUES clause"
    items = "items" if selected else "values"
    if count < len(given):
        number, text = (120, "fewer") if selected else (109, "more")
    else:
        number, text = (121, "more") if selected else (110, "fewer")
    if selected:
        raise SqlError(
            number,
            f"The select list for the INSERT statement contains {text} items than the insert "
            "list. The number of SELECT values must match the number of INSERT columns.",
            severity=15,
        )
    raise SqlError(
        number,
        f"There are {text} columns in the INSERT statement than {items} specified in the {source}. "
        "The number of values in the VALUES clause must match the number of columns specified in "
        "the INSERT statement.",
        severity=15,
    )
