"""drop_column: leave columns out."""

from dtaas.model.transformations import DropColumn
from dtaas.transforms.frame import Frame
from dtaas.transforms.problems import StepError
from dtaas.transforms.scope import Scope
from dtaas.transforms.steps.step import Kernel


def compile_drop_column(step: DropColumn, scope: Scope) -> Kernel:
    """Return what drops the columns."""
    for index, name in enumerate(step.columns):
        scope.find(name, f"columns[{index}]")
        if name in step.columns[:index]:
            raise StepError(
                "duplicate_column", f"columns[{index}]", f"Column {name!r} is named twice.",
                "Name it once.",
            )  # fmt: skip
    if len(step.columns) == len(scope.names):
        raise StepError("bad_argument", "columns", "No column would be left.", "Keep at least one.")
    for name in step.columns:
        scope.drop(name)

    def run(frame: Frame) -> None:
        for name in step.columns:
            frame.columns.pop(name, None)  # one that nobody needs is not even there

    return run
