"""Chunk bounds: a key value as exact text, back as a literal of the key's own type, and ranges.

The server compares, never Python: collations, uniqueidentifier's byte order and trailing blanks
are its own. Disjoint and complete ranges need only that the upper bound of a chunk and the lower
bound of the next are the same literal, and that a literal has the column's own type: comparing a
varchar column with nvarchar would compare in another order than ORDER BY gives (Debezium's
DBZ-7359 lost rows that way) and could not use the index.
"""

import re
from collections.abc import Sequence

from msgspec import Struct

from dtaas.connectors.sqlserver.quoting import identifier, text_literal
from dtaas.connectors.sqlserver.types import SqlColumn, declaration
from dtaas.model.errors import SourceQueryError

_INTEGERS = ("tinyint", "smallint", "int", "bigint")
_TEXTS = ("char", "varchar", "nchar", "nvarchar")


class _Form(Struct, frozen=True):
    """How values of a type become text and literals again.

    Attributes:
        text: expression of the exact text of `{c}`; for texts its UTF-16 bytes.
        literal: expression of the value again, from `{v}`, of type `{t}` and collation `{k}`.
        pattern: what a text must look like; bounds are stored, so they are checked again.
    """

    text: str
    literal: str
    pattern: re.Pattern[str]


def _form(text: str, literal: str, pattern: str) -> _Form:
    return _Form(text, literal, re.compile(pattern, re.DOTALL))


_MOMENT = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,7})?"
_UTF16 = _form(
    "CAST(CAST({c} AS nvarchar(4000)) AS varbinary(8000))",
    # The collation on the inside decides the code page of the cast.
    "CAST({v} COLLATE {k} AS {t})",
    ".*",
)
_NUMBER = _form("CONVERT(varchar(41), {c})", "CAST({v} AS {t})", r"-?(\d+(\.\d*)?|\.\d+)")
_STYLE_121 = _form("CONVERT(varchar(34), {c}, 121)", "CONVERT({t}, '{v}', 121)", _MOMENT)

_FORMS: dict[str, _Form] = {
    **dict.fromkeys(_INTEGERS, _form("CONVERT(varchar(20), {c})", "CAST({v} AS {t})", r"-?\d+")),
    **dict.fromkeys(_TEXTS, _UTF16),
    "decimal": _NUMBER,
    "numeric": _NUMBER,
    "money": _form("CONVERT(varchar(30), {c}, 2)", "CAST({v} AS {t})", r"-?\d+\.\d{4}"),
    "smallmoney": _form("CONVERT(varchar(30), {c}, 2)", "CAST({v} AS {t})", r"-?\d+\.\d{4}"),
    "date": _form("CONVERT(varchar(10), {c}, 23)", "CONVERT({t}, '{v}', 23)", r"\d{4}-\d\d-\d\d"),
    "datetime": _STYLE_121,
    "datetime2": _STYLE_121,
    "smalldatetime": _STYLE_121,
    "datetimeoffset": _form(
        "CONVERT(varchar(34), {c}, 121)", "CONVERT({t}, '{v}', 121)", _MOMENT + r" [+-]\d\d:\d\d"
    ),
    "time": _form(
        "CONVERT(varchar(16), {c}, 121)", "CONVERT({t}, '{v}', 121)", r"\d\d:\d\d:\d\d(\.\d{1,7})?"
    ),
    "uniqueidentifier": _form(
        "CONVERT(char(36), {c})",
        "CAST('{v}' AS {t})",
        r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
    ),
    "binary": _form("CONVERT(varchar(8000), {c}, 1)", "CAST({v} AS {t})", "0x[0-9A-Fa-f]*"),
    "varbinary": _form("CONVERT(varchar(8000), {c}, 1)", "CAST({v} AS {t})", "0x[0-9A-Fa-f]*"),
    "timestamp": _form(
        "CONVERT(varchar(18), CAST({c} AS binary(8)), 1)",
        "CAST({v} AS binary(8))",
        "0x[0-9A-Fa-f]{16}",
    ),
}
"""Types a table can be cut by. Floats are not: their text is exact only on new servers."""


def can_bound(column: SqlColumn) -> bool:
    """Return whether a table can be cut by this column."""
    return column.base_type in _FORMS and column.max_length != -1


def is_integer(column: SqlColumn) -> bool:
    """Return whether the column is of an integer type."""
    return column.base_type in _INTEGERS


def text_expression(column: SqlColumn) -> str:
    """Return the expression that gives a key value for `bound_text`."""
    return _FORMS[column.base_type].text.format(c=identifier(column.name))


def bound_text(value: str | bytes | None) -> str | None:
    """Return the bound a fetched key value makes, None when it cannot be one.

    NULL is no bound, nor is text with a lone surrogate, which no literal can spell.
    """
    if value is None:
        return None
    if isinstance(value, str):
        return value
    try:
        return value.decode("utf-16-le")
    except UnicodeDecodeError:
        return None


def literal(column: SqlColumn, text: str) -> str:
    """Return `text` as an expression of the column's own type and collation.

    Raises:
        SourceQueryError: `text` is not a value of the type.
    """
    form = _FORMS.get(column.base_type)
    if form is None or not form.pattern.fullmatch(text):
        raise SourceQueryError(
            f"{text!r} is not a bound for column {identifier(column.name)} of type "
            f"{declaration(column)}.",
            hint="The key's type changed: start the task with force to load the table anew.",
        )
    value = text_literal(text) if column.base_type in _TEXTS else text
    return form.literal.format(v=value, t=declaration(column), k=column.collation)


def keys_predicate(columns: Sequence[SqlColumn], keys: Sequence[Sequence[str]]) -> str:
    """Return the condition that `(columns)` is one of `keys`, false without keys.

    Raises:
        SourceQueryError: a column has no literals, or a text is not a value of its type.
    """
    whole = (
        " AND ".join(
            f"{identifier(c.name)} = {literal(c, v)}" for c, v in zip(columns, key, strict=True)
        )
        for key in keys
    )
    return " OR ".join(f"({one})" for one in whole) or "1 = 0"


def range_predicate(
    columns: Sequence[SqlColumn],
    lower: Sequence[str] | None,
    upper: Sequence[str] | None,
) -> str:
    """Return the condition `lower < (columns) <= upper`, '' when both ends are open.

    NULL is lower than every value, as in SQL Server's ascending order.
    """
    parts = []
    if lower is not None:
        parts.append(_after(columns, [literal(c, v) for c, v in zip(columns, lower, strict=True)]))
    if upper is not None:
        parts.append(
            _not_after(columns, [literal(c, v) for c, v in zip(columns, upper, strict=True)])
        )
    return " AND ".join(parts)


def _after(columns: Sequence[SqlColumn], bounds: Sequence[str]) -> str:
    """Return `(columns) > (bounds)`. A NULL is after nothing, which `>` says by itself."""
    name, bound = identifier(columns[0].name), bounds[0]
    if len(columns) == 1:
        return f"{name} > {bound}"
    rest = _after(columns[1:], bounds[1:])
    # The first comparison is implied by the second; it is what makes an index seek of it.
    return f"({name} >= {bound} AND ({name} > {bound} OR {rest}))"


def _not_after(columns: Sequence[SqlColumn], bounds: Sequence[str]) -> str:
    """Return `(columns) <= (bounds)`, true for NULL."""
    name, bound = identifier(columns[0].name), bounds[0]
    null = f" OR {name} IS NULL" if columns[0].nullable else ""
    if len(columns) == 1:
        return f"({name} <= {bound}{null})" if null else f"{name} <= {bound}"
    rest = _not_after(columns[1:], bounds[1:])
    return f"(({name} <= {bound} AND ({name} < {bound} OR {rest})){null})"
