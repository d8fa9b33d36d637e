"""cast_type: another type, value by value exact or dealt with as the step says."""

from msgspec.structs import replace

from dtaas.model.transformations import CastType, OnError
from dtaas.model.type_text import type_text
from dtaas.model.types import ColumnType, Date, Decimal, Integer, String, Timestamp, Uuid
from dtaas.transforms.casting import cast_of
from dtaas.transforms.frame import Frame
from dtaas.transforms.problems import StepError
from dtaas.transforms.scope import Scope
from dtaas.transforms.steps.declared import declared
from dtaas.transforms.steps.step import Kernel
from dtaas.transforms.vector import Vector


def compile_cast_type(step: CastType, scope: Scope) -> Kernel:
    """Return what casts the column."""
    known = scope.find(step.column)
    target = declared(step.data_type)
    cast = cast_of(known.type, target)
    if cast is None:
        raise StepError(
            "type_mismatch", "data_type",
            f"{step.column} is {type_text(known.type)} and cannot become {type_text(target)}.",
            "Cast to string first, or use apply_function.",
        )  # fmt: skip
    convert = cast
    scope.replace(
        replace(
            known,
            type=target,
            nullable=known.nullable or step.on_error is OnError.NULL,
            one_to_one=known.one_to_one and keeps_apart(known.type, target),
            untouched=False,
            native_type="",
        )
    )

    def run(frame: Frame) -> None:
        found = convert(Vector(frame.columns[step.column]), frame.rows)
        values = frame.settle(found, step.column, step.on_error)
        frame.columns[step.column] = values

    return run


def keeps_apart(source: ColumnType, target: ColumnType) -> bool:
    """Return whether different values stay different under a cast."""
    match source, target:
        case Integer(), Integer() | Decimal() | String():
            return True  # exact, or refused
        case Decimal(), Decimal() | String():
            return True
        case ((String() | Uuid() | Date()), String()):
            return True
        case Timestamp(digits=a), Timestamp(digits=b):
            return b >= a
        case Timestamp(), String():
            return True
        case _:
            return source == target
