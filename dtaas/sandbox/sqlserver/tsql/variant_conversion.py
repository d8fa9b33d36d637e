"""Conversion from sql_variant: one branch for every type the value may have."""

from typing import Final, Protocol

from dtaas.sandbox.sqlserver.results import SqlError
from dtaas.sandbox.sqlserver.storage.forms import storage_type
from dtaas.sandbox.sqlserver.tsql.value import Value, quote
from dtaas.sandbox.sqlserver.types import SqlType

_TYPES: Final = {
    SqlType("bit"): ("bit",),
    SqlType("tinyint"): ("tinyint",),
    SqlType("smallint"): ("smallint",),
    SqlType("int"): ("int",),
    SqlType("bigint"): ("bigint",),
    SqlType("decimal", precision=38, scale=19): ("decimal", "numeric"),
    SqlType("money"): ("money", "smallmoney"),
    SqlType("real", precision=24): ("real",),
    SqlType("float", precision=53): ("float",),
    SqlType("date"): ("date",),
    SqlType("time", scale=7): ("time",),
    SqlType("datetime2", scale=7): ("datetime2",),
    SqlType("smalldatetime"): ("smalldatetime",),
    SqlType("datetime"): ("datetime",),
    SqlType("datetimeoffset", scale=7): ("datetimeoffset",),
    SqlType("nvarchar", 4000): ("nvarchar", "nchar", "varchar", "char", "sysname"),
    SqlType("varbinary", 8000): ("varbinary", "binary", "timestamp"),
    SqlType("uniqueidentifier"): ("uniqueidentifier",),
}
"""The type a variant is read as, by the base types it may say."""


class Convert(Protocol):
    """Converts a value of a plain type."""

    def __call__(self, value: Value) -> Value:
        """Return the converted value. Raises: SqlError there is no such conversion."""
        ...


def from_variant(value: Value, convert: Convert) -> str:
    """Return SQL that converts a stored variant whatever its type."""
    base = "split_part(store.variant_descriptor(v), ',', 1)"
    whens = [
        f"WHEN {base} IN ({', '.join(map(quote, names))}) THEN {sql}"
        for type_, names in _TYPES.items()
        if (sql := _branch(type_, convert)) is not None
    ]
    # OFFSET 0 keeps the storage from copying the expression into every branch
    return f"(SELECT CASE {' '.join(whens)} END FROM (SELECT {value.sql} AS v OFFSET 0) AS u)"


def _branch(type_: SqlType, convert: Convert) -> str | None:
    text = f"store.variant_text(v)::{storage_type(type_).split('(')[0]}"
    try:
        return convert(Value(sql=f"({text})", type=type_)).sql
    except SqlError:
        return None
