"""set_types: other types for the columns a rule fits, value by value exact or as the rule says."""

from msgspec.structs import replace

from dtaas.model.patterns import fits
from dtaas.model.schema import Column
from dtaas.model.table_steps import SetTypes
from dtaas.model.transformations import OnError
from dtaas.model.type_text import type_text
from dtaas.model.types import ColumnType
from dtaas.transforms.casting import Cast, cast_of
from dtaas.transforms.frame import Frame
from dtaas.transforms.problems import StepError
from dtaas.transforms.scope import Scope
from dtaas.transforms.steps.cast_type import keeps_apart
from dtaas.transforms.steps.declared import declared
from dtaas.transforms.steps.step import Kernel
from dtaas.transforms.vector import Vector


def compile_set_types(step: SetTypes, scope: Scope) -> Kernel:
    """Return what casts the columns."""
    target, rule = declared(step.rule.data_type), step.rule
    found = _fitting(step, scope)
    casts: dict[str, Cast] = {}
    impossible: list[str] = []
    for name, origin in found.items():
        scope.settle_type(name)
        if origin.type == target:
            continue
        cast = cast_of(origin.type, target)
        if cast is None:
            impossible.append(f"{origin.name} ({type_text(origin.type)})")
        else:
            casts[name] = cast
            if rule.on_error is OnError.REJECT:
                scope.conditions |= scope.find(name).sources
            _note(scope, name, target, nullable=rule.on_error is OnError.NULL)
    if impossible:
        raise StepError(
            "type_mismatch", "data_type",
            f"{', '.join(impossible)} of {scope.table} cannot become {type_text(target)}.",
            "Let the rule fit fewer columns or types, or change the value with apply_function.",
        )  # fmt: skip

    def run(frame: Frame) -> None:
        for name, cast in casts.items():
            if name not in frame.columns:  # the key alone is wanted
                continue
            values = cast(Vector(frame.columns[name]), frame.rows)
            frame.columns[name] = frame.settle(values, name, rule.on_error)

    return run


def _fitting(step: SetTypes, scope: Scope) -> dict[str, Column]:
    """Return the columns a rule takes, as the source has them."""
    rule, untyped = step.rule, {}
    for name in scope.names:
        origin = scope.origin(name)
        if origin is not None and fits(origin.name, rule.columns):
            untyped[name] = origin
    if step.required and not untyped:
        names = ", ".join(scope.names[:20])
        raise StepError(
            "unknown_column", "columns",
            f"Table {scope.table} has no column with its own type that fits "
            f"{', '.join(rule.columns)}.",
            f"Columns here: {names}.",
        )  # fmt: skip
    return {name: origin for name, origin in untyped.items() if _of_type(origin, rule.source_types)}


def _of_type(column: Column, patterns: tuple[str, ...]) -> bool:
    return fits(column.native_type, patterns) or fits(type_text(column.type), patterns)


def _note(scope: Scope, name: str, target: ColumnType, *, nullable: bool) -> None:
    known = scope.find(name)
    scope.replace(
        replace(
            known,
            type=target,
            nullable=known.nullable or nullable,
            one_to_one=known.one_to_one and keeps_apart(known.type, target),
            untouched=False,
            native_type="",
        )
    )
