"""Variables' types: from the text of a declaration to a SqlType, and back."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from dtaas.sandbox.sqlserver.catalog import Catalog
from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.storage.column_types import is_base_type, make_type
from dtaas.sandbox.sqlserver.tsql.batch_cursor import BatchCursor
from dtaas.sandbox.sqlserver.tsql.lexer import Kind
from dtaas.sandbox.sqlserver.tsql.parse import parse_type_name
from dtaas.sandbox.sqlserver.types import MAX, SqlType

_LONG: Final = frozenset({"text", "ntext", "image"})
_WITH_LENGTH: Final = frozenset({"char", "varchar", "nchar", "nvarchar", "binary", "varbinary"})
_WITH_SCALE: Final = frozenset({"time", "datetime2", "datetimeoffset"})


class Declaration(Struct, frozen=True, kw_only=True):
    """A parameter as sp_executesql and CREATE PROCEDURE declare it.

    Attributes:
        default: T-SQL text of its default, None without one.
    """

    name: str
    type: SqlType
    output: bool = False
    default: str | None = None


def resolve_type(text: str, catalog: Catalog) -> SqlType:
    """Return the type a text such as `nvarchar(max)` or `dbo.code` names.

    Raises:
        SqlError: 2715 unknown type, 2739 a type variables cannot have, 102 and its kin.
    """
    written = parse_type_name(text)
    *schema, name = written.parts
    if len(written.parts) == 1 and is_base_type(name.lower()):
        return make_type(name.lower(), written.arguments, collation=catalog.collation, column=name)
    alias = catalog.user_type(schema[-1] if schema else None, name)
    if alias is None and [s.lower() for s in schema] == ["sys"] and is_base_type(name.lower()):
        return make_type(name.lower(), written.arguments, collation=catalog.collation, column=name)
    if alias is None:
        raise SqlError(
            2715,
            f"Column, parameter, or variable #1: Cannot find data type {'.'.join(written.parts)}.",
            state=3,
        )
    return alias


def resolve_variables(variables: Mapping[str, str], catalog: Catalog) -> dict[str, SqlType]:
    """Return the types of a batch's variables.

    Raises:
        SqlError: see `resolve_type`.
    """
    types = {}
    for name, text in variables.items():
        types[name] = type_ = resolve_type(text, catalog)
        if type_.name in _LONG:
            raise SqlError(
                2739,
                "The text, ntext, and image data types are invalid for local variables.",
            )
    return types


def parse_declarations(text: str, catalog: Catalog) -> list[Declaration]:
    """Read `@a int, @b nvarchar(10) = N'x' OUTPUT`.

    Raises:
        SqlError: 102 and its kin, 2715, 134 a name twice.
    """
    cursor = BatchCursor(text, frozenset())
    declared: list[Declaration] = []
    while not cursor.at_end():
        if declared:
            cursor.expect(",")
        declared.append(_declaration(cursor, catalog))
    names = [d.name for d in declared]
    for name in names:
        if names.count(name) > 1:
            raise SqlError(
                134,
                f"The variable name '{name}' has already been declared. Variable names must be "
                "unique within a query batch or stored procedure.",
                severity=15,
            )
    return declared


def type_text(type_: SqlType) -> str:
    """Return a type as T-SQL writes it."""
    match type_.name:
        case "decimal" | "numeric":
            return f"{type_.name}({type_.precision}, {type_.scale})"
        case name if name in _WITH_LENGTH:
            return f"{name}({'max' if type_.length == MAX else type_.length})"
        case name if name in _WITH_SCALE:
            return f"{name}({type_.scale})"
        case "float":
            return f"float({type_.precision or 53})"
        case name:
            return name


def _declaration(cursor: BatchCursor, catalog: Catalog) -> Declaration:
    if cursor.token.kind is not Kind.VARIABLE:
        raise cursor.error()
    name = cursor.take().text.lower()
    cursor.accept("AS")
    type_ = resolve_type(cursor.type_text(), catalog)
    default = cursor.default() if cursor.accept("=") else None
    output = cursor.accept("OUTPUT", "OUT")
    cursor.accept("READONLY")
    return Declaration(name=name, type=type_, output=output, default=default)
