"""Functions of other packages: from an Arrow array to an Arrow array of the same length.

    def initials(values: pyarrow.Array, *, separator: str = ".") -> pyarrow.Array: ...

The arguments after the array are keyword-only and of type str, int, float or bool; the first line
of the docstring is the description. An empty array must work: it tells the result's type.
"""

import inspect
from collections.abc import Callable
from typing import Final

import pyarrow as pa
from msgspec import UNSET

from dtaas.model.types import (
    Binary,
    Boolean,
    ColumnType,
    Date,
    Decimal,
    Float,
    Integer,
    String,
    Time,
    Timestamp,
    arrow_type,
)
from dtaas.transforms.functions.function import ANY, Arguments, Function, Parameter, Run
from dtaas.transforms.problems import StepError

_KINDS: Final = {str: "string", int: "integer", float: "number", bool: "boolean"}
_TYPES: Final[dict[pa.DataType, ColumnType]] = {
    pa.bool_(): Boolean(),
    pa.int8(): Integer(16),
    pa.uint8(): Integer(16),
    pa.int16(): Integer(16),
    pa.uint16(): Integer(32),
    pa.int32(): Integer(32),
    pa.uint32(): Integer(64),
    pa.int64(): Integer(64),
    pa.float32(): Float(32),
    pa.float64(): Float(64),
    pa.date32(): Date(),
    pa.time64("us"): Time(6),
    pa.timestamp("ms"): Timestamp(3),
    pa.timestamp("us"): Timestamp(6),
    pa.string(): String(None),
    pa.large_string(): String(None),
    pa.binary(): Binary(None),
}


def user_function(name: str, code: Callable[..., pa.Array]) -> Function:
    """Return a function of another package as one of the catalogue.

    Raises:
        TypeError: its signature is not as it should be.
    """
    signature = inspect.signature(code, eval_str=True)
    _, *others = signature.parameters.values()
    return Function(
        name=name,
        group="other packages",
        description=(inspect.getdoc(code) or name).splitlines()[0],
        build=lambda kind, arguments: _build(name, code, kind, arguments),
        takes=ANY,
        parameters=tuple(_parameter(name, p) for p in others),
        may_null=True,
    )


def _parameter(name: str, parameter: inspect.Parameter) -> Parameter:
    kind = _KINDS.get(parameter.annotation)
    if kind is None or parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
        raise TypeError(
            f"argument {parameter.name!r} of {name} must be keyword-only: str, int, float or bool"
        )
    needed = parameter.default is inspect.Parameter.empty
    return Parameter(
        name=parameter.name,
        kind=kind,
        description=parameter.name,
        default=UNSET if needed else parameter.default,
    )


def _build(
    name: str, code: Callable[..., pa.Array], kind: ColumnType, arguments: Arguments
) -> tuple[ColumnType, Run]:
    try:
        sample = code(pa.array([], arrow_type(kind)), **arguments)
    except Exception as error:
        raise StepError(
            "type_mismatch", "function", f"{name} does not take such a column: {error}"
        ) from error
    result = column_type(getattr(sample, "type", None))
    if result is None:
        raise StepError(
            "type_mismatch", "function", f"{name} gives {type(sample).__name__}, no known array."
        )
    target = arrow_type(result)

    def run(values: pa.Array) -> pa.Array:
        try:
            found = code(values, **arguments)
        except pa.ArrowException:
            raise
        except Exception as error:
            raise pa.ArrowInvalid(f"{name} failed: {error}") from error
        if isinstance(found, pa.ChunkedArray):
            found = found.combine_chunks()
        if len(found) != len(values):
            raise RuntimeError(f"{name} gave {len(found)} values for {len(values)}.")
        return found.cast(target)

    return result, run


def column_type(kind: pa.DataType | None) -> ColumnType | None:
    """Return the column type of an Arrow type, None where there is none."""
    if kind is not None and pa.types.is_decimal128(kind):
        return Decimal(kind.precision, kind.scale)
    return None if kind is None else _TYPES.get(kind)
