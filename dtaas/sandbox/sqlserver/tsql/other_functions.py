"""Functions of NULLs, identifiers, hashes and variants."""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.storage.variants import descriptor
from dtaas.sandbox.sqlserver.tsql.comparing import unify
from dtaas.sandbox.sqlserver.tsql.conditions import as_text, compare
from dtaas.sandbox.sqlserver.tsql.conversion import Conversion, code_page, convert
from dtaas.sandbox.sqlserver.tsql.errors import invalid_argument_type
from dtaas.sandbox.sqlserver.tsql.function import Function, call
from dtaas.sandbox.sqlserver.tsql.names import Compilation
from dtaas.sandbox.sqlserver.tsql.type_rules import BINARIES, CHARACTERS, NATIONAL, NUMBERS
from dtaas.sandbox.sqlserver.tsql.value import INT, Value, quote
from dtaas.sandbox.sqlserver.types import SqlType

_Values = Sequence[Value]
_VARIANT_PROPERTIES: Final = {
    "basetype",
    "precision",
    "scale",
    "totalbytes",
    "collation",
    "maxlength",
}


def _coalesce(values: _Values, _: Compilation) -> Value:
    if all(value.is_null for value in values):
        raise SqlError(
            4127,
            "At least one of the arguments to COALESCE must be an expression that is not the NULL "
            "constant.",
        )
    type_, converted = unify(values)
    return Value(
        sql=f"coalesce({', '.join(value.sql for value in converted)})",
        type=type_,
        nullable=all(value.nullable for value in values),
        coercibility=max(value.coercibility for value in values),
    )


def _is_null(values: _Values, _: Compilation) -> Value:
    """ISNULL has the type of its first argument, unless that is a bare NULL."""
    first, second = values
    target = second.type if first.is_null else first.type
    checked = first if not first.is_null else Conversion(target)(first)
    if second.is_null:
        return replace(Conversion(target)(second), nullable=True) if first.is_null else first
    other = (
        Conversion(target)(second)
        if target.name in CHARACTERS | BINARIES
        else convert(second, target)
    )
    return Value(
        sql=f"coalesce({checked.sql}, {other.sql})",
        type=target,
        nullable=second.nullable,
        coercibility=first.coercibility,
    )


def _null_if(values: _Values, _: Compilation) -> Value:
    first, second = values
    if first.is_null:
        raise SqlError(
            4151,
            "The type of the first argument to NULLIF cannot be the NULL constant because the type "
            "of the first argument has to be known.",
        )
    if second.is_null:
        return first
    return replace(
        first,
        sql=f"(CASE WHEN {compare('=', first, second)} THEN NULL ELSE {first.sql} END)",
        nullable=True,
        column=None,
        identity=False,
        digits=None,
        text=None,
    )


def _new_id(_: _Values, __: Compilation) -> Value:
    return Value(sql="gen_random_uuid()", type=SqlType("uniqueidentifier"), nullable=False)


def _hash_bytes(values: _Values, _: Compilation) -> Value:
    algorithm = as_text(values[0], 1, "hashbytes")
    value = values[1]
    if value.type.name in CHARACTERS:
        national = value.type.name in NATIONAL
        page = 0 if national else code_page(value.type)
        raw = f"tsql.text_bytes({value.sql}, 0, {str(national).lower()}, {page}, false)"
    elif value.type.name in BINARIES:
        raw = value.sql
    else:
        raise invalid_argument_type(value.type.name, 2, "hashbytes")
    result = call("tsql.hashbytes", [algorithm.sql, raw], SqlType("varbinary", 8000), *values)
    return replace(result, nullable=True)


def _variant_property(values: _Values, _: Compilation) -> Value:
    value, name = values[0], values[1]
    if name.text is None or name.text.lower() not in _VARIANT_PROPERTIES:
        raise invalid_argument_type(name.type.name, 2, "sql_variant_property")
    stored = value.sql
    if value.type.name != "sql_variant":
        stored = f"store.variant({quote(descriptor(value.type))}, ({value.sql})::text)"
    return Value(
        sql=f"tsql.variant_property({stored}, {quote(name.text.lower())})",
        type=SqlType("sql_variant"),
    )


def _is_numeric(values: _Values, _: Compilation) -> Value:
    value = values[0]
    if value.type.name in CHARACTERS:
        return Value(sql=f"tsql.isnumeric({value.sql})", type=INT, nullable=False)
    if value.type.name not in NUMBERS:
        return Value(sql="0", type=INT, nullable=False)
    return Value(sql=f"({value.sql} IS NOT NULL)::integer", type=INT, nullable=False)


def _choose(values: _Values, _: Compilation) -> Value:
    type_, converted = unify(values[1:])
    index = convert(values[0], INT).sql
    whens = " ".join(f"WHEN {i} THEN {value.sql}" for i, value in enumerate(converted, start=1))
    return Value(sql=f"(CASE {index} {whens} END)", type=type_)


OTHER_FUNCTIONS: Final[Mapping[str, Function]] = {
    "COALESCE": Function(2, 254, _coalesce),
    "ISNULL": Function(2, 2, _is_null),
    "NULLIF": Function(2, 2, _null_if),
    "CHOOSE": Function(2, 254, _choose),
    "NEWID": Function(0, 0, _new_id),
    "HASHBYTES": Function(2, 2, _hash_bytes),
    "SQL_VARIANT_PROPERTY": Function(2, 2, _variant_property),
    "ISNUMERIC": Function(1, 1, _is_numeric),
}
"""By upper-case name."""
