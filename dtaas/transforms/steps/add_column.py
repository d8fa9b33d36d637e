"""add_column: a constant, or an expression over the columns there are."""

from dtaas.model.transformations import AddColumn, OnError
from dtaas.model.types import ColumnType
from dtaas.transforms.constants import constant, type_of
from dtaas.transforms.expressions.build import compiled
from dtaas.transforms.expressions.common_type import brought_to, literal
from dtaas.transforms.expressions.nodes import Expression, ExpressionError
from dtaas.transforms.frame import Frame
from dtaas.transforms.problems import StepError
from dtaas.transforms.scope import Known, Scope
from dtaas.transforms.steps.declared import declared
from dtaas.transforms.steps.step import Kernel


def compile_add_column(step: AddColumn, scope: Scope) -> Kernel:
    """Return what adds the column."""
    wanted = None if step.data_type is None else declared(step.data_type)
    found = _value(step, wanted) if step.expression is None else _expression(step, scope, wanted)
    kind = found.type
    if kind is None:
        raise StepError(
            "bad_type", "data_type", "NULL has no type of its own.", "Give a data_type."
        )
    scope.add(
        Known(
            name=step.column,
            type=kind,
            nullable=found.nullable or step.on_error is OnError.NULL,
            sources=found.sources,
        )
    )

    def run(frame: Frame) -> None:
        values = frame.settle(found.run(frame), step.column, step.on_error)
        frame.columns[step.column] = values

    return run


def _value(step: AddColumn, wanted: ColumnType | None) -> Expression:
    kind = type_of(step.value, "data_type") if wanted is None else wanted
    value, _ = constant(step.value, kind, "value")
    return literal(value, kind)


def _expression(step: AddColumn, scope: Scope, wanted: ColumnType | None) -> Expression:
    if step.value is not None:
        raise StepError(
            "bad_argument", "value", "A column has a value or an expression, not both.",
            "Remove one of them.",
        )  # fmt: skip
    found = compiled(step.expression or "", scope, "expression")
    if wanted is None or found.type == wanted:
        return found
    try:
        return brought_to(found, wanted, None)
    except ExpressionError as error:
        raise StepError(error.code, "data_type", error.detail, error.hint) from error
