"""rename_column: another name, in the same place."""

from dtaas.model.transformations import RenameColumn
from dtaas.transforms.frame import Frame
from dtaas.transforms.scope import Scope
from dtaas.transforms.steps.step import Kernel


def compile_rename_column(step: RenameColumn, scope: Scope) -> Kernel:
    """Return what renames the column."""
    scope.find(step.column)
    scope.rename(step.column, step.to)

    def run(frame: Frame) -> None:
        frame.columns[step.to] = frame.columns.pop(step.column)

    return run
