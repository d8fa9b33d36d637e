"""What happens to rows on their way: nine kinds of steps, in order, for tables named or matched.

A step is checked against the columns that reach it before a row is read; see
`dtaas.transforms.compile`. Descriptions become the help texts of forms.
"""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from dtaas.model.patterns import fits
from dtaas.model.schema import TableRef

Scalar = str | int | float | bool | None
"""A constant in a step."""
ColumnName = Annotated[str, Meta(min_length=1, max_length=128)]
TypeText = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=60,
        description="A type such as bigint, decimal(18,2), string(50), date, timestamp(3)",
        examples=["decimal(18,2)"],
    ),
]
SqlText = Annotated[str, Meta(min_length=1, max_length=10_000)]


class OnError(StrEnum):
    """What becomes of a row whose value a step cannot take."""

    FAIL = "fail"
    NULL = "null"
    REJECT = "reject"


class Match(StrEnum):
    """Which values `replace_value` replaces."""

    EXACT = "exact"
    REGEX = "regex"
    NULL = "null"


class NullParts(StrEnum):
    """What NULL among concatenated columns does."""

    SKIP = "skip"
    EMPTY = "empty"
    NULL = "null"


class SplitBy(StrEnum):
    """How `split_column` finds the parts."""

    DELIMITER = "delimiter"
    REGEX = "regex"
    POSITION = "position"


OnErrorField = Annotated[
    OnError,
    Meta(description="A value that does not fit: fail the table, write NULL, or reject the row"),
]


class _Step(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    """Base of the union; `type` is the tag in JSON."""


class AddColumn(_Step, frozen=True, kw_only=True, tag="add_column"):
    """Add a column: a constant, or an expression over the columns there are."""

    column: Annotated[ColumnName, Meta(description="Name of the new column")]
    expression: Annotated[
        SqlText | None, Meta(description="SQL over columns, such as price * quantity")
    ] = None
    value: Annotated[Scalar, Meta(description="A constant, where there is no expression")] = None
    data_type: Annotated[
        TypeText | None, Meta(description="Type of the column; by default that of the value")
    ] = None
    on_error: OnErrorField = OnError.FAIL


class RenameColumn(_Step, frozen=True, kw_only=True, tag="rename_column"):
    """Give a column another name; it stays where it is."""

    column: Annotated[ColumnName, Meta(description="The column as it is called now")]
    to: Annotated[ColumnName, Meta(description="Its new name")]


class DropColumn(_Step, frozen=True, kw_only=True, tag="drop_column"):
    """Leave columns out."""

    columns: Annotated[
        tuple[ColumnName, ...], Meta(min_length=1, description="Columns that do not arrive")
    ]


class CastType(_Step, frozen=True, kw_only=True, tag="cast_type"):
    """Change the type of a column."""

    column: Annotated[ColumnName, Meta(description="The column")]
    data_type: TypeText
    on_error: OnErrorField = OnError.FAIL


class FilterRows(_Step, frozen=True, kw_only=True, tag="filter_rows"):
    """Keep the rows for which a condition is true; false and unknown do not arrive."""

    condition: Annotated[SqlText, Meta(description="SQL, such as status <> 'draft' AND total > 0")]
    on_error: OnErrorField = OnError.FAIL


class ReplaceValue(_Step, frozen=True, kw_only=True, tag="replace_value"):
    """Replace values of a column: equal ones, what a pattern matches, or NULL."""

    column: Annotated[ColumnName, Meta(description="The column")]
    match: Annotated[Match, Meta(description="What is replaced")] = Match.EXACT
    find: Annotated[Scalar, Meta(description="The value, or the pattern; not used for NULL")] = None
    replacement: Annotated[
        Scalar, Meta(description=r"What stands there instead; \1 is a pattern's first group")
    ] = None


class ConcatenateColumns(_Step, frozen=True, kw_only=True, tag="concatenate_columns"):
    """Write several columns as one text."""

    columns: Annotated[tuple[ColumnName, ...], Meta(min_length=1, description="Columns, in order")]
    to: Annotated[ColumnName, Meta(description="Name of the new column")]
    separator: Annotated[str, Meta(max_length=100, description="Between them")] = ""
    nulls: Annotated[
        NullParts, Meta(description="NULL is left out, is empty text, or makes the result NULL")
    ] = NullParts.SKIP
    drop_sources: Annotated[bool, Meta(description="Leave the columns themselves out")] = False


class SplitColumn(_Step, frozen=True, kw_only=True, tag="split_column"):
    """Split a text into new columns."""

    column: Annotated[ColumnName, Meta(description="The column")]
    into: Annotated[
        tuple[ColumnName, ...], Meta(min_length=1, max_length=100, description="New columns")
    ]
    by: Annotated[SplitBy, Meta(description="How parts are found")] = SplitBy.DELIMITER
    delimiter: Annotated[str, Meta(max_length=100, description="Text between the parts")] = ","
    pattern: Annotated[
        str, Meta(max_length=1000, description="Regular expression with one group a new column")
    ] = ""
    positions: Annotated[
        tuple[Annotated[int, Meta(ge=1)], ...],
        Meta(description="Where the second and later parts begin, counted in characters from 0"),
    ] = ()
    keep_rest: Annotated[
        bool, Meta(description="The last new column takes whatever is left, delimiters included")
    ] = True
    drop_source: Annotated[bool, Meta(description="Leave the column itself out")] = False


class ApplyFunction(_Step, frozen=True, kw_only=True, tag="apply_function"):
    """Apply a function of the catalogue to a column."""

    column: Annotated[ColumnName, Meta(description="The column")]
    function: Annotated[str, Meta(min_length=1, max_length=100, description="Its name")]
    arguments: Annotated[
        dict[str, Scalar], Meta(description="Arguments by name; see the function")
    ] = {}
    to: Annotated[
        ColumnName | None, Meta(description="A new column for the result; by default in place")
    ] = None
    on_error: OnErrorField = OnError.FAIL


Transformation = (
    AddColumn
    | RenameColumn
    | DropColumn
    | CastType
    | FilterRows
    | ReplaceValue
    | ConcatenateColumns
    | SplitColumn
    | ApplyFunction
)
TRANSFORMATIONS: tuple[type[Transformation], ...] = (
    AddColumn,
    RenameColumn,
    DropColumn,
    CastType,
    FilterRows,
    ReplaceValue,
    ConcatenateColumns,
    SplitColumn,
    ApplyFunction,
)


class TransformationRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Steps for some tables of a task. All rules that match a table apply, in their order."""

    tables: Annotated[
        tuple[Annotated[str, Meta(min_length=1)], ...],
        Meta(min_length=1, description="Tables as schema.name; * and ? stand for any characters"),
    ] = ("*",)
    steps: Annotated[tuple[Transformation, ...], Meta(max_length=1000)] = ()
    skip_missing: Annotated[
        bool, Meta(description="Leave a step out for tables that lack its column")
    ] = False

    def matches(self, table: TableRef) -> bool:
        """Return whether the rule speaks of a table, whatever the case."""
        return fits(str(table), self.tables)
