"""T-SQL to SQL of the storage: the front door of the compiler.

`compile_statement` takes one SELECT, INSERT, UPDATE, DELETE or MERGE, as text or as the tree of
`parse.parse_statement`; `compile_scalar` an expression or condition. Both resolve names, give every
expression its T-SQL type, and either give SQL with SQL Server's answer or raise SQL Server's error.
`translate` and `type_of` serve DDL: defaults, checks, computed columns; `compile_view` views.

Session values (`@@ROWCOUNT`, `SCOPE_IDENTITY()` …) are variables of the scope; a function's name
there ends in `()`. What is supported: the grammar of `query_parser` and `dml_parser`, the functions
of `calls.FUNCTIONS`, `aggregates.AGGREGATES`, `windows.WINDOW_FUNCTIONS` and the storage's
METADATA_FUNCTIONS; everything else is an error by number.
"""

from msgspec import Struct

from dtaas.sandbox.sqlserver.catalog import Catalog, TableDef
from dtaas.sandbox.sqlserver.results import ResultColumn, SqlError
from dtaas.sandbox.sqlserver.storage.forms import to_wire
from dtaas.sandbox.sqlserver.tsql import changes, predicates, tree
from dtaas.sandbox.sqlserver.tsql.compiled import Assignment, Compiled, NewTable, Scope
from dtaas.sandbox.sqlserver.tsql.conditions import bind_condition
from dtaas.sandbox.sqlserver.tsql.conversion import convert
from dtaas.sandbox.sqlserver.tsql.expressions import bind
from dtaas.sandbox.sqlserver.tsql.inserts import bind_insert
from dtaas.sandbox.sqlserver.tsql.merges import bind_merge
from dtaas.sandbox.sqlserver.tsql.names import Compilation, Names, place_variables
from dtaas.sandbox.sqlserver.tsql.output import Written, result_column
from dtaas.sandbox.sqlserver.tsql.parse import parse_scalar, parse_statement
from dtaas.sandbox.sqlserver.tsql.queries import bind_query, finish_query, new_block
from dtaas.sandbox.sqlserver.tsql.sources import derived_fields, table_relation
from dtaas.sandbox.sqlserver.tsql.updates import bind_delete, bind_update
from dtaas.sandbox.sqlserver.tsql.value import BIT, Value
from dtaas.sandbox.sqlserver.types import SqlType


class View(Struct, frozen=True):
    """A compiled view: a query in storage form whose columns are c1, c2 …, and what they are."""

    sql: str
    columns: tuple[ResultColumn, ...]


def compile_statement(statement: str | changes.Statement, scope: Scope) -> Compiled:
    """Compile a statement.

    Raises:
        SqlError: what SQL Server says of it, by number.
    """
    node = parse_statement(statement) if isinstance(statement, str) else statement
    names = Names(Compilation(scope))
    match node:
        case tree.Query():
            return _query(node, names)
        case _:
            written = _change(node, names)
    sql, arguments = place_variables(written.sql)
    return Compiled(
        sql=sql,
        arguments=arguments,
        columns=written.columns,
        assignments=written.assignments,
        command=written.command,
        sets_identity=written.identity_table,
    )


def _change(
    node: changes.Insert | changes.Update | changes.Delete | changes.Merge, names: Names
) -> Written:
    match node:
        case changes.Insert():
            return bind_insert(node, names)
        case changes.Update():
            return bind_update(node, names)
        case changes.Delete():
            return bind_delete(node, names)
        case changes.Merge():
            return bind_merge(node, names)


def compile_scalar(expression: str | tree.Expression, scope: Scope) -> Compiled:
    """Compile an expression, or a condition as a bit that is NULL when unknown.

    Raises:
        SqlError: what SQL Server says of it, by number.
    """
    node = parse_scalar(expression) if isinstance(expression, str) else expression
    names = Names(Compilation(scope))
    value = _scalar(node, names)
    sql, arguments = place_variables(f"SELECT {to_wire(value.sql, value.type)} AS c1")
    return Compiled(
        sql=sql,
        arguments=arguments,
        columns=(result_column("", value),),
    )


def compile_view(query: str, scope: Scope, columns: tuple[str, ...] = ()) -> View:
    """Compile the query of a view; `columns` are the names of its column list.

    Raises:
        SqlError: what SQL Server says of it, by number.
    """
    node = parse_statement(query)
    if not isinstance(node, tree.Query):
        raise SqlError(156, "Incorrect syntax near the keyword 'AS'.", severity=15)
    bound = bind_query(node, Names(Compilation(scope)))
    fields = derived_fields(bound, columns, "view")
    return View(
        bound.sql,
        tuple(
            ResultColumn(name=f.name, type=f.type, nullable=f.nullable, identity=f.identity)
            for f in fields
        ),
    )


def translate(text: str, type_: SqlType | None, table: TableDef | None, catalog: Catalog) -> str:
    """Return an expression of a table's definition in storage form.

    Args:
        type_: wanted, None for a condition.
        table: its columns may be named, and stand as they are in the storage's table.

    Raises:
        SqlError: what SQL Server says of it, by number.
    """
    names = _table_names(table, catalog)
    node = parse_scalar(text)
    if type_ is None:
        return bind_condition(node, new_block(names), bind)
    value = bind(node, new_block(names))
    return "NULL" if value.is_null else convert(value, type_).sql


def type_of(text: str, table: TableDef, catalog: Catalog) -> tuple[SqlType, bool]:
    """Return the type of a computed column, and whether it may be NULL.

    Raises:
        SqlError: what SQL Server says of it, by number.
    """
    value = bind(parse_scalar(text), new_block(_table_names(table, catalog)))
    return value.type, value.nullable


def _table_names(table: TableDef | None, catalog: Catalog) -> Names:
    names = Names(Compilation(Scope(catalog=catalog, variables={})))
    if table is not None:
        names.add(table_relation(table, "", None, catalog.database, table.name))
    return names


def _scalar(node: tree.Expression, names: Names) -> Value:
    block = new_block(names)
    if isinstance(node, predicates.CONDITIONS):
        sql = bind_condition(node, block, bind)
        return Value(sql=f"({sql})::integer::smallint", type=BIT)
    value = bind(node, block)
    return Value(sql="NULL::integer", type=value.type) if value.is_null else value


def _query(query: tree.Query, names: Names) -> Compiled:
    body = query.body
    into = body.into if isinstance(body, tree.Select) else None
    finish = None if into is not None else _wire
    finished = finish_query(query, names, finish)
    columns = tuple(result_column(column.name, column.value) for column in finished.columns)
    assignments = tuple(
        Assignment(variable=column.variable, index=i)
        for i, column in enumerate(finished.columns)
        if column.variable is not None
    )
    creates = None
    if into is not None:
        for i, column in enumerate(columns, start=1):
            if not column.name:
                raise SqlError(
                    1038,
                    "An object or column name is missing or empty. For SELECT INTO statements, "
                    "verify each column has a name. For other statements, look for empty alias "
                    f"names. Column {i}.",
                    severity=15,
                )
        creates = NewTable(parts=into, columns=columns)
    sql, arguments = place_variables(finished.sql)
    return Compiled(
        sql=sql,
        arguments=arguments,
        columns=None if assignments or creates else columns,
        assignments=assignments,
        creates=creates,
    )


def _wire(value: Value) -> str:
    return to_wire(value.sql, value.type)
