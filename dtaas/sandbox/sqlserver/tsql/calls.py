"""Calls of scalar functions: which exist, how many arguments they take, what they become."""

from collections.abc import Callable, Mapping
from typing import Final

from msgspec.structs import replace

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.storage.metadata_functions import METADATA_FUNCTIONS, MetadataFunction
from dtaas.sandbox.sqlserver.tsql import tree
from dtaas.sandbox.sqlserver.tsql.block import Block
from dtaas.sandbox.sqlserver.tsql.conditions import as_text
from dtaas.sandbox.sqlserver.tsql.conversion import Conversion
from dtaas.sandbox.sqlserver.tsql.date_functions import (
    DATE_FUNCTIONS,
    DATE_PART_FUNCTIONS,
    bind_date_part_call,
)
from dtaas.sandbox.sqlserver.tsql.errors import argument_count, unknown_function
from dtaas.sandbox.sqlserver.tsql.function import Function
from dtaas.sandbox.sqlserver.tsql.math_functions import MATH_FUNCTIONS
from dtaas.sandbox.sqlserver.tsql.other_functions import OTHER_FUNCTIONS
from dtaas.sandbox.sqlserver.tsql.string_functions import STRING_FUNCTIONS
from dtaas.sandbox.sqlserver.tsql.type_rules import text_type
from dtaas.sandbox.sqlserver.tsql.value import Value
from dtaas.sandbox.sqlserver.tsql.windows import WINDOW_FUNCTIONS

Bind = Callable[[tree.Expression, Block], Value]

FUNCTIONS: Final[Mapping[str, Function]] = {
    **STRING_FUNCTIONS,
    **MATH_FUNCTIONS,
    **DATE_FUNCTIONS,
    **OTHER_FUNCTIONS,
}
"""Every scalar function with ordinary arguments, by upper-case name. All others are error 195."""

_TRIMS: Final = {"LEADING": "ltrim", "TRAILING": "rtrim", "BOTH": "btrim"}
_SYSTEM_SCHEMAS: Final = frozenset({"sys", "dbo"})


def bind_call(node: tree.Call, block: Block, bind: Bind) -> Value:
    """Bind a call of a scalar function.

    Raises:
        SqlError: 195 unknown, 4121 unknown with a schema, 174 or 189 another number of arguments.
    """
    name = node.parts[-1].upper()
    if node.within or node.distinct:
        raise unknown_function(node.parts[-1])
    if name in WINDOW_FUNCTIONS:
        raise SqlError(10753, f"The function '{name}' must have an OVER clause.", severity=15)
    if len(node.parts) == 1 and name in DATE_PART_FUNCTIONS:
        word = node.arguments[0]
        values = [bind(argument, block) for argument in node.arguments[1:]]
        if not isinstance(word, tree.Column):
            raise unknown_function(node.parts[-1])
        return bind_date_part_call(name, word.parts[0], values, block.compilation)
    session_value = f"{name.lower()}()"
    if not node.arguments and session_value in block.compilation.scope.variables:
        return replace(block.compilation.variable(session_value), nullable=True)
    function = FUNCTIONS.get(name) if len(node.parts) == 1 else None
    if function is not None:
        if not function.least <= len(node.arguments) <= function.most:
            raise _count_error(name, function)
        return function.build([bind(a, block) for a in node.arguments], block.compilation)
    metadata = METADATA_FUNCTIONS.get(name)
    if metadata is not None and (len(node.parts) == 1 or node.parts[-2].lower() in _SYSTEM_SCHEMAS):
        return _metadata(name, metadata, node, block, bind)
    shown = ".".join(node.parts[:-1])
    if shown:
        raise SqlError(
            4121,
            f'Cannot find either column "{node.parts[0]}" or the user-defined function or '
            f'aggregate "{shown}.{node.parts[-1]}", or the name is ambiguous.',
        )
    raise unknown_function(node.parts[-1])


def bind_trim(node: tree.Trim, block: Block, bind: Bind) -> Value:
    """Bind TRIM."""
    text = as_text(bind(node.operand, block), 1, "trim")
    characters = "' '"
    if node.characters is not None:
        characters = as_text(bind(node.characters, block), 1, "trim").sql
    return Value(
        sql=f"{_TRIMS[node.side]}({text.sql}, {characters})",
        type=text_type(text.type, text.type.length),
        nullable=text.nullable,
        coercibility=text.coercibility,
        conflict=text.conflict,
    )


def _metadata(
    name: str, function: MetadataFunction, node: tree.Call, block: Block, bind: Bind
) -> Value:
    given = len(node.arguments)
    if not function.required <= given <= len(function.arguments):
        raise argument_count(name.lower(), str(len(function.arguments)))
    arguments = []
    for argument, type_ in zip(node.arguments, function.arguments, strict=False):
        value = bind(argument, block)
        if value.type.name == "sql_variant":
            value = Conversion(type_)(value)
        arguments.append(Conversion(type_, explicit=False)(value).sql)
    result = function.result
    if result.collation is not None:
        result = replace(result, collation=block.compilation.collation)
    return Value(sql=f"{function.storage_name}({', '.join(arguments)})", type=result)


def _count_error(name: str, function: Function) -> SqlError:
    if function.least == function.most:
        return argument_count(name.lower(), str(function.least))
    return SqlError(
        189,
        f"The {name.lower()} function requires {function.least} to {function.most} arguments.",
        severity=15,
    )
