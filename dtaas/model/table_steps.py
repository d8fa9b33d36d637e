"""The steps of one table, in order, and where each was written. Pure.

First what the task's transformations say, then its rules of types, last its template of column
names. These two speak of the source's columns: what a step typed or named itself stays so.
"""

from collections.abc import Sequence

from msgspec import Struct

from dtaas.model.column_rules import ColumnTypeRule, TypeRule
from dtaas.model.patterns import fits
from dtaas.model.schema import TableRef
from dtaas.model.transformations import Transformation, TransformationRule


class SetTypes(Struct, frozen=True, kw_only=True, tag="set_types"):
    """Apply a rule to the columns that no earlier rule took.

    Attributes:
        required: refuse a pattern that fits no column.
    """

    rule: ColumnTypeRule
    required: bool = False


class NameColumns(Struct, frozen=True, kw_only=True, tag="name_columns"):
    """Name columns by a checked template."""

    template: str
    table: TableRef
    task_name: str


class PlacedStep(Struct, frozen=True):
    """A step and where it was written.

    Attributes:
        path: JSON path in the task, `$.transformations[2].steps[0]`.
    """

    path: str
    step: Transformation | SetTypes | NameColumns
    skip_missing: bool = False


def steps_of(rules: Sequence[TransformationRule], table: TableRef) -> tuple[PlacedStep, ...]:
    """Return the transformations that apply to a table, in order."""
    return tuple(
        PlacedStep(f"$.transformations[{i}].steps[{j}]", step, rule.skip_missing)
        for i, rule in enumerate(rules)
        if rule.matches(table)
        for j, step in enumerate(rule.steps)
    )


def type_steps(
    own: Sequence[ColumnTypeRule], at: str, rules: Sequence[TypeRule], table: TableRef
) -> tuple[PlacedStep, ...]:
    """Return the steps of a table's own rules of types, then those of the task's.

    Args:
        at: where its mapping is written, `$.table_mappings[2]`.
    """
    mine = [
        PlacedStep(f"{at}.types[{i}]", SetTypes(rule=rule, required=True))
        for i, rule in enumerate(own)
    ]
    everyones = [
        PlacedStep(f"$.table_rules.types[{i}]", SetTypes(rule=rule))
        for i, rule in enumerate(rules)
        if fits(str(table), rule.tables)
    ]
    return (*mine, *everyones)
