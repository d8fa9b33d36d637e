"""What is wrong with a step, found before a row is read."""

from msgspec import Struct


class Problem(Struct, frozen=True, kw_only=True):
    """One mistake in a task's transformations.

    Attributes:
        code: stable label: unknown_column, duplicate_column, type_mismatch, key_changed,
            bad_expression, unsupported_expression, unknown_function, bad_argument, bad_type,
            not_streamable.
        field: JSON path in the task, such as `$.transformations[2].steps[0].column`.
        detail: one sentence that says what is wrong and names the object.
        hint: what to do.
    """

    code: str
    field: str
    detail: str
    hint: str = ""


class StepError(Exception):
    """A step cannot be compiled; `field` is relative to the step and may be empty."""

    def __init__(self, code: str, field: str, detail: str, hint: str = "") -> None:
        super().__init__(detail)
        self.code = code
        self.field = field
        self.detail = detail
        self.hint = hint


class FollowUpError(Exception):
    """A step speaks of a column that an earlier mistake left undefined: nothing new to say."""
