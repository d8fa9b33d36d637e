"""filter_rows: keep the rows for which a condition is true."""

import pyarrow.compute as pc

from dtaas.model.transformations import FilterRows
from dtaas.transforms.expressions.build import compiled_condition
from dtaas.transforms.frame import Frame
from dtaas.transforms.scope import Scope
from dtaas.transforms.steps.step import Kernel


def compile_filter_rows(step: FilterRows, scope: Scope) -> Kernel:
    """Return what filters."""
    found = compiled_condition(step.condition, scope, "condition")
    scope.conditions |= found.sources

    def run(frame: Frame) -> None:
        kept = frame.settle(found.run(frame), "", step.on_error)
        frame.keep(pc.fill_null(kept, False))

    return run
