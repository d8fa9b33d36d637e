"""What goes into a preview and comes out of it."""

from enum import StrEnum
from typing import Annotated, Any

from msgspec import Meta, Struct

from dtaas.model.schema import TableRef
from dtaas.model.task import TaskSpec

MOST_ROWS = 100


class Pick(StrEnum):
    """Which rows are looked at."""

    HEAD = "head"
    RANDOM = "random"
    KEYS = "keys"
    JSON = "json"


class RowPreviewRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A task as it would be saved, one of its tables and some rows.

    Attributes:
        keys: for `keys`: exact texts of the key's values, one list a row.
        data: for `json`: rows as objects; columns that are missing are NULL.
        seed: for `random`: the same seed picks the same rows for as long as they are kept.
        refresh: read the source although its rows are kept.
    """

    task: TaskSpec
    table: TableRef
    rows: Annotated[int, Meta(ge=1, le=MOST_ROWS)] = 50
    pick: Pick = Pick.HEAD
    keys: Annotated[tuple[tuple[str, ...], ...], Meta(max_length=MOST_ROWS)] = ()
    data: Annotated[tuple[dict[str, Any], ...], Meta(max_length=MOST_ROWS)] = ()
    seed: int = 0
    refresh: bool = False


class PreviewColumn(Struct, frozen=True, kw_only=True):
    """A column, with the type it is moved as."""

    name: str
    type: str
    in_key: bool = False


class RowState(StrEnum):
    """What becomes of a row."""

    KEPT = "kept"
    FILTERED = "filtered"
    REJECTED = "rejected"


class CellError(Struct, frozen=True, kw_only=True):
    """A value that could not be worked out.

    Attributes:
        step: index among `steps`.
        column: '' for a condition.
    """

    step: int
    column: str
    reason: str


class PreviewRow(Struct, frozen=True, kw_only=True):
    """A row before and after, as texts; null is NULL, longer texts end with …."""

    state: RowState
    before: tuple[str | None, ...]
    after: tuple[str | None, ...] | None = None
    errors: tuple[CellError, ...] = ()


class PreviewStep(Struct, frozen=True, kw_only=True):
    """A step and what it costs.

    Attributes:
        path: where it is written in the task.
        rows_s: rows a second it takes alone, measured on these rows repeated.
    """

    path: str
    kind: str
    rows_s: float


class PreviewProblem(Struct, frozen=True, kw_only=True):
    """Why rows cannot be transformed."""

    code: str
    detail: str
    hint: str = ""
    field: str | None = None


class Preview(Struct, frozen=True, kw_only=True):
    """Rows before and after.

    Attributes:
        after: columns as they would arrive; with problems, as far as that can be told.
        cached: whether the source was not read for it.
    """

    table: TableRef
    before: tuple[PreviewColumn, ...]
    after: tuple[PreviewColumn, ...]
    rows: tuple[PreviewRow, ...]
    steps: tuple[PreviewStep, ...] = ()
    problems: tuple[PreviewProblem, ...] = ()
    kept: int = 0
    filtered: int = 0
    rejected: int = 0
    cached: bool = False
