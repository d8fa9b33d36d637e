"""T-SQL texts that live on in the storage: defaults, checks, computed columns, views."""

from typing import NoReturn

from dtaas.sandbox.sqlserver.catalog import TableDef
from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.storage.catalog import DatabaseCatalog
from dtaas.sandbox.sqlserver.storage.forms import storage_type
from dtaas.sandbox.sqlserver.tsql import tree
from dtaas.sandbox.sqlserver.tsql.block import Block
from dtaas.sandbox.sqlserver.tsql.compiled import Scope
from dtaas.sandbox.sqlserver.tsql.conditions import bind_condition
from dtaas.sandbox.sqlserver.tsql.conversion import convert
from dtaas.sandbox.sqlserver.tsql.expressions import bind
from dtaas.sandbox.sqlserver.tsql.names import Compilation, Field, Names, Relation
from dtaas.sandbox.sqlserver.tsql.parse import parse_scalar
from dtaas.sandbox.sqlserver.types import SqlType


def translate(
    text: str, type_: SqlType | None, table: TableDef | None, catalog: DatabaseCatalog
) -> str:
    """Return an expression of the storage for a T-SQL one.

    Args:
        type_: what the value is converted to; None for a condition.
        table: whose columns it may name.

    Raises:
        SqlError: it does not compile; 1046 it has a subquery.
    """
    node = parse_scalar(text)
    block = _block(table, catalog)
    if type_ is None:
        return bind_condition(node, block, bind)
    return f"({convert(bind(node, block), type_).sql})::{storage_type(type_)}"


def type_of(text: str, table: TableDef, catalog: DatabaseCatalog) -> tuple[SqlType, bool]:
    """Return the type of a computed column, and whether it may be NULL.

    Raises:
        SqlError: it does not compile.
    """
    value = bind(parse_scalar(text), _block(table, catalog))
    return value.type, value.nullable


def _block(table: TableDef | None, catalog: DatabaseCatalog) -> Block:
    names = Names(Compilation(Scope(catalog=catalog, variables={})))
    if table is not None:
        name = table.name.lower()
        names.add(
            Relation(
                alias=table.storage_name.rpartition(".")[2],
                names=((table.schema.lower(), name), (name,)),
                shown=table.name,
                fields=tuple(
                    Field(name=c.name, sql=c.storage_name, type=c.type, nullable=c.nullable)
                    for c in table.columns
                ),
            )
        )
    return Block(names=names, query=_no_subquery)


def _no_subquery(_query: tree.Query, _names: Names) -> NoReturn:
    raise SqlError(
        1046,
        "Subqueries are not allowed in this context. Only scalar expressions are allowed.",
        severity=15,
    )
