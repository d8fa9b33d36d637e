"""What other tools ask a server before they read a table, and the answers of the replay server."""

import re
from collections.abc import Sequence
from typing import Any

from dtaas.sandbox.sqlserver.results import Columns, Done, Item, ResultColumn, Rows
from dtaas.sandbox.sqlserver.types import DEFAULT_COLLATION, SqlType
from tests.bench.shape import COLUMNS, SCHEMA_NAME, TABLE_NAME

_TEXT = SqlType("nvarchar", 200, collation=DEFAULT_COLLATION)
_INT = SqlType("int")
_VERSION = "Microsoft SQL Server 2022 (RTM) - 16.0.1000.6 (X64)"
_SMALL_TYPES = {"precision": "tinyint", "scale": "tinyint"}


def answer(sql: str) -> list[Item] | None:
    """Return the answer to a question about the server or the table, None for anything else."""
    asked = " ".join(sql.split()).lower()
    for pattern, names, rows in _ANSWERS:
        if re.search(pattern, asked):
            return _result(names.split(), rows)
    return None


def _result(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[Item]:
    first = rows[0] if rows else [""] * len(names)
    columns = tuple(
        ResultColumn(name=name, type=_type_of(name, value))
        for name, value in zip(names, first, strict=True)
    )
    return [Columns(columns), Rows(rows), Done(len(rows))]


def _type_of(name: str, value: Any) -> SqlType:
    if name in _SMALL_TYPES:
        return SqlType(_SMALL_TYPES[name])
    return _INT if isinstance(value, int) else _TEXT


def _information(column: ResultColumn) -> tuple[Any, ...]:
    """Return a row of INFORMATION_SCHEMA.COLUMNS as ingestr reads it."""
    kind = column.type
    long = kind.name in ("nvarchar", "varchar")
    decimal = kind.name == "decimal"
    return (
        column.name,
        kind.name,
        "YES" if column.nullable else "NO",
        kind.precision if decimal else 0,
        kind.scale if decimal else 0,
        kind.length if long else 0,
    )


_INFORMATION = (
    "COLUMN_NAME DATA_TYPE IS_NULLABLE NUMERIC_PRECISION NUMERIC_SCALE CHARACTER_MAXIMUM_LENGTH"
)
_DECIMALS = [(c.name, c.type.precision, c.type.scale) for c in COLUMNS if c.type.name == "decimal"]
_ANSWERS: list[tuple[str, str, Sequence[Sequence[Any]]]] = [
    (r"t\.name in \('decimal', 'numeric'\)", "name precision scale", _DECIMALS),
    (
        r"information_schema\.columns",
        _INFORMATION,
        [_information(c) for c in COLUMNS],
    ),
    (r"information_schema\.key_column_usage|is_primary_key", "COLUMN_NAME", []),
    (r"information_schema\.tables", "TABLE_SCHEMA TABLE_NAME", [(SCHEMA_NAME, TABLE_NAME)]),
    (r"transaction_isolation_level", "v", [("READ COMMITTED",)]),
    (r"@@version", "v", [(_VERSION,)]),
    (r"'productversion'", "v", [("16.0.1000.6",)]),
    (r"'edition'", "v", [("Developer Edition (64-bit)",)]),
    (r"'engineedition'", "v", [(3,)]),
    (r"'collation'", "v", [(DEFAULT_COLLATION,)]),
    (r"@@spid", "v", [(51,)]),
    (r"@@trancount", "v", [(0,)]),
    (r"@@lock_timeout|@@max_connections", "v", [("100",)]),
    (r"has_perms_by_name", "v", [("0",)]),
    (r"schema_name\(\)", "v", [(SCHEMA_NAME,)]),
    (r"db_name\(\)", "v", [("bench",)]),
    (r"sys\.system_views", "name", [("dm_exec_sessions",)]),
    (r"test max support", "v", [("test max support",)]),
    (r"^select 1\b", "v", [(1,)]),
]
