"""FROM CHANGETABLE(CHANGES …): which keys of a tracked table changed since a version.

Source: Microsoft Learn, "CHANGETABLE (Transact-SQL)".
"""

from typing import Final

from msgspec.structs import replace

from dtaas.sandbox.sqlserver.catalog import TableDef
from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.tsql import tree
from dtaas.sandbox.sqlserver.tsql.block import Block
from dtaas.sandbox.sqlserver.tsql.conversion import Conversion
from dtaas.sandbox.sqlserver.tsql.errors import column_count
from dtaas.sandbox.sqlserver.tsql.expressions import bind
from dtaas.sandbox.sqlserver.tsql.names import Field, Relation
from dtaas.sandbox.sqlserver.types import DEFAULT_COLLATION, SqlType

_BIGINT: Final = SqlType("bigint")
_FIELDS: Final = (
    Field(name="SYS_CHANGE_VERSION", sql="version", type=_BIGINT),
    Field(name="SYS_CHANGE_CREATION_VERSION", sql="created", type=_BIGINT),
    Field(
        name="SYS_CHANGE_OPERATION",
        sql="op",
        type=SqlType("nchar", 1, collation=DEFAULT_COLLATION),
    ),
    Field(name="SYS_CHANGE_COLUMNS", sql="columns", type=SqlType("varbinary", 4100)),
    Field(name="SYS_CHANGE_CONTEXT", sql="context", type=SqlType("varbinary", 128)),
)


def bind_change_table(source: tree.ChangeTable, block: Block) -> str:
    """Put the changes of a table in reach of `block`, and return their SQL.

    Raises:
        SqlError: 208 no such table, 22105 it is not tracked, 22107 it is no table of a user, 8158
            and 8159 a wrong number of column names.
    """
    compilation = block.compilation
    table, _ = compilation.table(source.table)
    shown = ".".join(source.table)
    if table.read_only or table.name.startswith("#"):
        raise SqlError(
            22107,
            f"Object '{shown}' is of a data type that is not supported by the CHANGETABLE "
            "function. The object must be a user-defined table.",
        )
    if not table.is_tracked:
        raise SqlError(22105, f"Change tracking is not enabled on table '{shown}'.")
    since = Conversion(_BIGINT, explicit=False)(bind(source.since, block)).sql
    alias = compilation.alias()
    block.names.add(
        Relation(
            alias=alias,
            names=((source.alias.lower(),),),
            shown=source.alias,
            fields=_fields(table, source),
        )
    )
    log = table.storage_name.replace(".t_", ".k_")
    return f"store.tracked_changes(NULL::{log}, {table.object_id}, {since}) AS {alias}"


def _fields(table: TableDef, source: tree.ChangeTable) -> tuple[Field, ...]:
    columns = {column.name: column for column in table.columns}
    keys = tuple(
        Field(name=name, sql=columns[name].storage_name, type=columns[name].type, nullable=False)
        for name in table.key
    )
    fields = (*_FIELDS, *keys)
    if not source.columns:
        return fields
    if len(source.columns) != len(fields):
        raise column_count(source.alias, more=len(fields) > len(source.columns))
    return tuple(
        replace(field, name=name) for field, name in zip(fields, source.columns, strict=True)
    )
