"""replace_value: equal values, what a pattern matches, or NULL."""

from collections.abc import Callable
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
from msgspec.structs import replace

from dtaas.model.transformations import Match, ReplaceValue
from dtaas.model.type_text import type_text
from dtaas.model.types import Binary, ColumnType, Json, String, Variant, Xml, arrow_type
from dtaas.transforms.constants import constant
from dtaas.transforms.frame import Frame
from dtaas.transforms.functions.function import TEXT
from dtaas.transforms.functions.text import checked_pattern
from dtaas.transforms.problems import StepError
from dtaas.transforms.scope import Known, Scope
from dtaas.transforms.steps.step import Kernel

_Change: TypeAlias = tuple[ColumnType, bool, Callable[[pa.Array], pa.Array]]
"""The type, whether NULL may come out, and the kernel."""


def compile_replace_value(step: ReplaceValue, scope: Scope) -> Kernel:
    """Return what replaces."""
    known = scope.find(step.column)
    if isinstance(known.type, Binary):
        raise StepError(
            "type_mismatch", "column", f"{step.column} is {type_text(known.type)}: "
            "bytes are not replaced.", "Cast the column first.",
        )  # fmt: skip
    kind, nullable, change = _CHANGES[step.match](step, known)
    scope.replace(
        replace(
            known, type=kind, nullable=nullable, one_to_one=False, untouched=False, native_type=""
        )
        if kind != known.type
        else replace(known, nullable=nullable, one_to_one=False, untouched=False)
    )

    def run(frame: Frame) -> None:
        frame.columns[step.column] = change(frame.columns[step.column])

    return run


def _exact(step: ReplaceValue, known: Known) -> _Change:
    if step.find is None:
        raise StepError("bad_argument", "find", "What is replaced is missing.", 'Or match "null".')
    if isinstance(known.type, Json | Xml | Variant):
        raise StepError(
            "type_mismatch", "column", "Documents are not compared.", "Cast them to string first."
        )
    sought, wide = constant(step.find, known.type, "find")
    value, kind = constant(step.replacement, known.type, "replacement")
    target, compared = arrow_type(kind), arrow_type(wide)

    def change(values: pa.Array) -> pa.Array:
        same = pc.fill_null(pc.equal(values.cast(compared), sought), False)
        if same.true_count == 0:
            return values.cast(target)
        return pc.if_else(same, value, values.cast(target))

    return kind, known.nullable or step.replacement is None, change


def _regex(step: ReplaceValue, known: Known) -> _Change:
    if not isinstance(known.type, TEXT):
        raise StepError(
            "type_mismatch", "column", f"{step.column} is {type_text(known.type)}, not text.",
            "Cast it to string first.",
        )  # fmt: skip
    pattern = checked_pattern(step.find, "find") if isinstance(step.find, str) else None
    if pattern is None:
        raise StepError("bad_argument", "find", "The pattern must be a text.")
    found = pattern
    if step.replacement is None:
        null = pa.scalar(None, pa.string())
        return (
            known.type,
            True,
            lambda v: pc.if_else(pc.fill_null(pc.match_substring_regex(v, found), False), null, v),
        )
    other = str(step.replacement)
    try:
        pc.replace_substring_regex(pa.array(["x"]), found, other)
    except pa.ArrowInvalid as error:
        raise StepError("bad_argument", "replacement", f"It is not valid: {error}.") from None
    return (
        String(None),
        known.nullable,
        lambda v: pc.replace_substring_regex(v, found, other),
    )


def _null(step: ReplaceValue, known: Known) -> _Change:
    if step.find is not None:
        raise StepError("bad_argument", "find", "NULL is replaced: there is nothing to find.")
    if step.replacement is None:
        raise StepError("bad_argument", "replacement", "NULL would be replaced by NULL.")
    value, kind = constant(step.replacement, known.type, "replacement")
    target = arrow_type(kind)
    return kind, False, lambda v: pc.fill_null(v.cast(target), value)


_CHANGES = {Match.EXACT: _exact, Match.REGEX: _regex, Match.NULL: _null}
