"""apply_function: a function of the catalogue, in place or into a new column."""

from msgspec.structs import replace

from dtaas.model.transformations import ApplyFunction, OnError
from dtaas.transforms.frame import Frame
from dtaas.transforms.functions.catalogue import function_named
from dtaas.transforms.problems import StepError
from dtaas.transforms.scope import Known, Scope
from dtaas.transforms.steps.step import Kernel
from dtaas.transforms.vector import Vector, worked_out


def compile_apply_function(step: ApplyFunction, scope: Scope) -> Kernel:
    """Return what applies the function."""
    known = scope.find(step.column)
    function = function_named(step.function, "function")
    function.check_column(step.column, known.type, "column")
    arguments = function.filled(step.arguments, "arguments")
    try:
        kind, kernel = function.build(known.type, arguments)
    except StepError as error:
        field = error.field if error.field == "function" else f"arguments.{error.field}"
        raise StepError(error.code, field, error.detail, error.hint) from error
    nullable = not function.fills_null and (known.nullable or function.may_null)
    result = Known(
        name=step.to or step.column,
        type=kind,
        nullable=nullable or step.on_error is OnError.NULL,
        sources=known.sources,
        one_to_one=known.one_to_one and function.one_to_one,
    )
    target = result.name
    if step.to is None:
        unchanged = kind == known.type
        scope.replace(replace(result, native_type=known.native_type if unchanged else ""))
    else:
        scope.add(result, "to")
    reason = f"{function.name} does not take the value"

    def run(frame: Frame) -> None:
        found = worked_out(kernel, [Vector(frame.columns[step.column])], frame.rows, reason)
        values = frame.settle(found, target, step.on_error)
        frame.columns[target] = values

    return run
