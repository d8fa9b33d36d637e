"""name_columns: names by template for the columns that no step named."""

from dtaas.model.name_templates import column_name
from dtaas.model.table_steps import NameColumns
from dtaas.transforms.frame import Frame
from dtaas.transforms.problems import StepError
from dtaas.transforms.scope import Scope
from dtaas.transforms.steps.step import Kernel

_LONGEST = 128


def compile_name_columns(step: NameColumns, scope: Scope) -> Kernel:
    """Return what renames the columns."""
    names = {
        name: column_name(step.template, name, step.table, step.task_name)
        for name in scope.names
        if not scope.is_named(name)
    }
    for old, new in names.items():
        if not 1 <= len(new) <= _LONGEST:
            raise StepError(
                "bad_argument", "",
                f"Column {old!r} of {step.table} would be called {new[:_LONGEST]!r}, "
                f"a name of {len(new)} characters.",
                f"Names have 1 to {_LONGEST}; change the template, or rename the column.",
            )  # fmt: skip
    scope.rename_all(names)

    def run(frame: Frame) -> None:
        frame.columns = {names.get(name, name): values for name, values in frame.columns.items()}

    return run
