"""Values on their way into a column: implicit conversion, and errors instead of cut texts."""

from msgspec.structs import replace

from dtaas.sandbox.sqlserver.catalog import ColumnDef, TableDef
from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.storage.forms import storage_type
from dtaas.sandbox.sqlserver.tsql import tree
from dtaas.sandbox.sqlserver.tsql.block import Block
from dtaas.sandbox.sqlserver.tsql.conversion import code_page, convert
from dtaas.sandbox.sqlserver.tsql.expressions import bind
from dtaas.sandbox.sqlserver.tsql.literals import varchar_literal
from dtaas.sandbox.sqlserver.tsql.names import Names
from dtaas.sandbox.sqlserver.tsql.parse import parse_scalar
from dtaas.sandbox.sqlserver.tsql.type_rules import BINARIES, CHARACTERS, NATIONAL
from dtaas.sandbox.sqlserver.tsql.value import Value, quote
from dtaas.sandbox.sqlserver.types import MAX

_SIZED = frozenset({"char", "varchar", "nchar", "nvarchar", "sysname"})


def store(value: Value, column: ColumnDef, table: TableDef, database: str) -> str:
    """Return SQL for what `column` takes of `value`.

    Raises:
        SqlError: 206, 257 no such implicit conversion. At run time 2628 for what has no room,
            8115 for a number out of range.
    """
    type_ = column.type
    names = f"{quote(f'{database}.{table.schema}.{table.name}')}, {quote(column.name)}"
    if value.is_null:
        return f"NULL::{storage_type(type_)}"
    if type_.name in _SIZED and value.type.name in CHARACTERS and type_.length != MAX:
        return _store_text(value, column, names)
    if type_.name in {"binary", "varbinary"} and value.type.name in BINARIES | {"image"}:
        fits = value.type.length != MAX and value.type.length <= type_.length
        if type_.length != MAX and not fits:
            fitted = f"tsql.fit_bytes({value.sql}, {type_.length}, {names})"
            value = replace(value, sql=fitted, type=replace(value.type, length=type_.length))
    return convert(value, type_).sql


def _store_text(value: Value, column: ColumnDef, names: str) -> str:
    type_ = column.type
    national = type_.name in NATIONAL
    wide = replace(type_, name="nvarchar" if national else "varchar", length=MAX)
    sql = convert(value, wide).sql
    unit = 0 if national else code_page(type_)
    fits = value.type.length != MAX and value.type.length <= type_.length
    if unit > 0 and value.type.name in NATIONAL and not (value.text and value.text.isascii()):
        fits = False  # bytes of the code page may be more than UTF-16 units
    if not fits:
        sql = f"tsql.fit_text({sql}, {type_.length}, {unit}, {names})"
    if type_.name in {"char", "nchar"}:
        same = value.type.name == type_.name and value.type.length == type_.length
        return sql if same else f"tsql.pad({sql}, {type_.length}, {unit})"
    return sql


def default_value(column: ColumnDef, block: Block) -> Value:
    """Return a column's DEFAULT, a bare NULL without one.

    Raises:
        SqlError: the default does not compile.
    """
    if column.default is None:
        return bind(tree.Literal(None, varchar_literal("").type), block)
    names = Names(block.compilation)
    return bind(parse_scalar(column.default), replace(block, names=names, groups=None))


def check_writable(column: ColumnDef, *, inserting: bool) -> None:
    """Refuse a column that no statement may set.

    Raises:
        SqlError: 271 computed, 272 and 273 rowversion, 8102 the identity column of an UPDATE.
    """
    if column.computed is not None:
        raise SqlError(
            271,
            f'The column "{column.name}" cannot be modified because it is either a computed '
            "column or is the result of a UNION operator.",
        )
    if column.type.name == "timestamp":
        if inserting:
            raise SqlError(
                273,
                "Cannot insert an explicit value into a timestamp column. Use INSERT with a column "
                "list to exclude the timestamp column, or insert a DEFAULT into the timestamp "
                "column.",
            )
        raise SqlError(272, "Cannot update a timestamp column.")
    if column.identity and not inserting:
        raise SqlError(8102, f"Cannot update identity column '{column.name}'.")
