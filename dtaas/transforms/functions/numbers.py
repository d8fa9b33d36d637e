"""Functions of numbers."""

from collections.abc import Callable
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from dtaas.model.types import ColumnType, Decimal, Float, Integer, arrow_type
from dtaas.transforms.functions.function import NUMBER, Arguments, Function, Parameter, Run

_MOST_DIGITS: Final = 38


def _one_more(kind: ColumnType) -> ColumnType:
    """Return a type with room for a digit that rounding may bring."""
    if isinstance(kind, Decimal):
        return Decimal(min(_MOST_DIGITS, kind.precision + 1), kind.scale)
    return kind


def _round(kind: ColumnType, arguments: Arguments) -> tuple[ColumnType, Run]:
    digits = int(arguments["digits"] or 0)
    result = _one_more(kind)
    target = arrow_type(result)
    if isinstance(kind, Integer) and digits >= 0:
        return kind, lambda v: v
    return result, lambda v: pc.round(
        v.cast(target), ndigits=digits, round_mode="half_towards_infinity"
    ).cast(target)


def _whole(kernel: Callable[[pa.Array], pa.Array]) -> Callable[..., tuple[ColumnType, Run]]:
    def build(kind: ColumnType, _: Arguments) -> tuple[ColumnType, Run]:
        if isinstance(kind, Integer):
            return kind, lambda v: v
        result = _one_more(kind)
        target = arrow_type(result)
        return result, lambda v: kernel(v.cast(target)).cast(target)

    return build


def _plain(name: str, description: str, kernel: Callable[[pa.Array], pa.Array]) -> Function:
    def build(kind: ColumnType, _: Arguments) -> tuple[ColumnType, Run]:
        target = arrow_type(kind)
        return kind, lambda v: kernel(v).cast(target)

    return Function(name=name, group="numbers", description=description, build=build, takes=NUMBER)


def _sign(*_: object) -> tuple[ColumnType, Run]:
    return Integer(16), lambda v: pc.sign(v).cast(pa.int16())


def _root(values: pa.Array) -> pa.Array:
    if pc.any(pc.less(values, 0)).as_py():
        raise pa.ArrowInvalid("square root of a negative number")
    return pc.sqrt(values)


NUMBER_FUNCTIONS: Final = (
    Function(
        name="round",
        group="numbers",
        description="Round half away from zero",
        build=_round,
        takes=NUMBER,
        parameters=(
            Parameter(
                name="digits", kind="integer", default=0, least=-38, most=38,
                description="Digits after the point; negative ones before it",
            ),
        ),
    ),
    Function(
        name="floor", group="numbers", description="The next whole number below",
        build=_whole(pc.floor), takes=NUMBER,
    ),
    Function(
        name="ceil", group="numbers", description="The next whole number above",
        build=_whole(pc.ceil), takes=NUMBER,
    ),
    _plain("abs", "The number without its sign", pc.abs_checked),
    _plain("negate", "The number with the other sign", pc.negate_checked),
    Function(
        name="sign", group="numbers", description="-1, 0 or 1", build=_sign, takes=NUMBER
    ),
    Function(
        name="sqrt", group="numbers", description="Square root", takes=NUMBER,
        build=lambda *_: (Float(64), lambda v: _root(v.cast(pa.float64(), safe=False))),
    ),
)  # fmt: skip
