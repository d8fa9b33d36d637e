"""SQL text about one table's rows. Names are quoted and bounds typed here, nowhere else."""

from collections.abc import Sequence

from dtaas.connectors.sqlserver.bounds import keys_predicate, range_predicate, text_expression
from dtaas.connectors.sqlserver.quoting import identifier, table_name
from dtaas.connectors.sqlserver.types import (
    SqlColumn,
    is_unbounded,
    length_expression,
    select_item,
    value_expression,
)
from dtaas.model.schema import TableRef

Bound = Sequence[str]


class KeyRange:
    """A table's rows with `lower < columns <= upper`, as FROM and WHERE."""

    def __init__(
        self,
        table: TableRef,
        columns: Sequence[SqlColumn] = (),
        lower: Bound | None = None,
        upper: Bound | None = None,
    ) -> None:
        self.columns = columns
        self._from = f"FROM {table_name(table)}"
        self._limit_to(range_predicate(columns, lower, upper))

    @classmethod
    def of_keys(
        cls, table: TableRef, columns: Sequence[SqlColumn], keys: Sequence[Bound]
    ) -> "KeyRange":
        """Return the rows of single keys."""
        rows = cls(table, columns)
        rows._limit_to(keys_predicate(columns, keys))
        return rows

    @classmethod
    def matching(cls, table: TableRef, condition: str, *, call: str = "") -> "KeyRange":
        """Return the rows that meet a condition, in no order.

        Args:
            call: of a function that gives the rows instead of the table.
        """
        rows = cls(table)
        if call:
            rows._from = f"FROM {call}"
        rows._limit_to(condition)
        return rows

    def _limit_to(self, condition: str) -> None:
        self._where = f"WHERE {condition}" if condition else ""

    def select(self, items: Sequence[str], *more: str) -> str:
        """Return a SELECT of `items` over the range."""
        clauses = ["SELECT", ", ".join(items), self._from, self._where, *more]
        return " ".join(clause for clause in clauses if clause)

    def order(self) -> str:
        """Return ORDER BY in key order, '' without key columns."""
        names = ", ".join(identifier(c.name) for c in self.columns)
        return f"ORDER BY {names}" if names else ""


def read_rows(rows: KeyRange, columns: Sequence[SqlColumn]) -> str:
    """Select every row of a range in key order, each column in a form ODBC carries exactly."""
    return rows.select([select_item(c, i) for i, c in enumerate(columns)], rows.order())


def nth_key(rows: KeyRange, position: int) -> str:
    """Select the keys of the row at `position` (from 1) of a range and of the row behind it.

    They come in the forms `bound_text` takes.
    """
    items = [f"{text_expression(c)} AS k{i}" for i, c in enumerate(rows.columns)]
    return rows.select(items, rows.order(), f"OFFSET {position - 1} ROWS FETCH NEXT 2 ROWS ONLY")


def count_rows(rows: KeyRange) -> str:
    """Count the rows of a range."""
    return rows.select(["COUNT_BIG(*) AS n"])


def extremes(rows: KeyRange, column: SqlColumn) -> str:
    """Select the lowest and the highest value of a column."""
    name = identifier(column.name)
    return rows.select([f"MIN({name}) AS lowest", f"MAX({name}) AS highest"])


def longest_values(rows: KeyRange, columns: Sequence[SqlColumn]) -> str:
    """Select the longest value of each unbounded column, in the units of `length_expression`."""
    return rows.select(
        [
            f"MAX({length_expression(c)}) AS n{i}"
            for i, c in enumerate(c for c in columns if is_unbounded(c))
        ]
    )


def utf16_bytes(rows: KeyRange, column: SqlColumn) -> str:
    """Select a text column's values as the UTF-16 bytes the server holds."""
    kind = "max" if is_unbounded(column) else "8000"
    text = value_expression(column)
    if column.base_type in ("xml", "ntext"):  # neither converts to bytes directly
        text = f"CAST({text} AS nvarchar(max))"
    return rows.select([f"CAST({text} AS varbinary({kind})) AS v"])
