"""FROM cdc.fn_cdc_get_all_changes_… and fn_cdc_get_net_changes_…: the changes of a window.

Source: Microsoft Learn, the pages of these names. The storage checks bounds and rights.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from dtaas.sandbox.sqlserver.catalog import Catalog, ColumnDef, TableDef
from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.tsql import tree
from dtaas.sandbox.sqlserver.tsql.block import Block
from dtaas.sandbox.sqlserver.tsql.conversion import Conversion
from dtaas.sandbox.sqlserver.tsql.errors import column_count, invalid_object
from dtaas.sandbox.sqlserver.tsql.expressions import bind
from dtaas.sandbox.sqlserver.tsql.names import Field, Relation
from dtaas.sandbox.sqlserver.types import DEFAULT_COLLATION, SqlType

_LSN: Final = SqlType("binary", 10)
_PARAMETERS: Final = (_LSN, _LSN, SqlType("nvarchar", 30, collation=DEFAULT_COLLATION))


class _Kind(Struct, frozen=True):
    """One of the two functions.

    Attributes:
        hidden: columns of the change table that it does not return.
    """

    prefix: str
    storage_name: str
    hidden: frozenset[str]


_KINDS: Final = (
    _Kind(
        "fn_cdc_get_all_changes_",
        "store.all_changes",
        frozenset({"__$end_lsn", "__$command_id"}),
    ),
    _Kind(
        "fn_cdc_get_net_changes_",
        "store.net_changes",
        frozenset({"__$end_lsn", "__$seqval", "__$command_id"}),
    ),
)


def bind_change_function(source: tree.FunctionTable, block: Block) -> str:
    """Put the result of a table-valued function in reach of `block`, and return its SQL.

    Raises:
        SqlError: 208 no such function, 313 and 8144 a wrong number of arguments, 8158 and 8159 a
            wrong number of column names.
    """
    compilation = block.compilation
    shown = ".".join(source.parts)
    kind, table, catalog = _find(source, block)
    arguments = _arguments(source, block)
    alias = compilation.alias()
    fields = _fields(kind, table.columns, source)
    names: tuple[tree.Parts, ...] = ()
    if source.alias is not None:
        names = ((source.alias.lower(),),)
    else:
        full = (catalog.database.lower(), "cdc", source.parts[-1].lower())
        names = (full, full[1:], full[2:])
    block.names.add(Relation(alias=alias, names=names, shown=source.alias or shown, fields=fields))
    return (
        f"{kind.storage_name}(NULL::{table.storage_name}, {table.object_id}, "
        f"{', '.join(arguments)}) AS {alias}"
    )


def _find(source: tree.FunctionTable, block: Block) -> tuple[_Kind, TableDef, Catalog]:
    """Return which function it is, and the change table it reads."""
    name, missing = source.parts[-1], invalid_object(".".join(source.parts))
    kind = next((k for k in _KINDS if name.lower().startswith(k.prefix)), None)
    if kind is None or (tree.owner(source.parts) or "").lower() != "cdc":
        raise missing
    parts = (*source.parts[:-1], f"{name[len(kind.prefix) :]}_CT")
    try:
        table, catalog = block.compilation.table(parts)
    except SqlError as error:
        raise missing from error
    return kind, table, catalog


def _arguments(source: tree.FunctionTable, block: Block) -> list[str]:
    shown, given = ".".join(source.parts), len(source.arguments)
    if given < len(_PARAMETERS):
        raise SqlError(
            313,
            "An insufficient number of arguments were supplied for the procedure or function "
            f"{shown}.",
            state=3,
        )
    if given > len(_PARAMETERS):
        raise SqlError(
            8144, f"Procedure or function {shown} has too many arguments specified.", state=3
        )
    return [
        Conversion(type_, explicit=False)(bind(argument, block)).sql
        for argument, type_ in zip(source.arguments, _PARAMETERS, strict=True)
    ]


def _fields(
    kind: _Kind, columns: Sequence[ColumnDef], source: tree.FunctionTable
) -> tuple[Field, ...]:
    found = tuple(
        Field(name=c.name, sql=c.storage_name, type=c.type)
        for c in columns
        if c.name not in kind.hidden
    )
    if not source.columns:
        return found
    if len(source.columns) != len(found):
        raise column_count(source.alias or "", more=len(found) > len(source.columns))
    return tuple(
        replace(field, name=name) for field, name in zip(found, source.columns, strict=True)
    )
