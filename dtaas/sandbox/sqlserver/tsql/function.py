"""The shape of a scalar function in the compiler's tables."""

from collections.abc import Callable, Sequence

from msgspec import Struct

from dtaas.sandbox.sqlserver.tsql.names import Compilation
from dtaas.sandbox.sqlserver.tsql.value import Value
from dtaas.sandbox.sqlserver.types import SqlType


class Function(Struct, frozen=True):
    """A scalar function.

    Attributes:
        least: arguments it needs.
        most: arguments it takes at most.
        build: bound arguments to the bound call.
    """

    least: int
    most: int
    build: Callable[[Sequence[Value], Compilation], Value]


def call(name: str, arguments: Sequence[str], type_: SqlType, *values: Value) -> Value:
    """Return a call of a function of the storage; its value is NULL when one of `values` is."""
    return Value(
        sql=f"{name}({', '.join(arguments)})",
        type=type_,
        nullable=any(value.nullable for value in values),
        constant=bool(values) and all(value.constant for value in values),
    )
