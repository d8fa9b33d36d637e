"""What a statement answers."""

from typing import Any, Final

import pyarrow as pa
from msgspec import Struct

SELECT: Final = 0x1000
INSERT: Final = 0x3100
UPDATE: Final = 0x3200
DELETE: Final = 0x3300
MERGE: Final = 0x3400
COPY: Final = 0x3600
SCL: Final = 0x4000
SHOW: Final = 0x4400
DESCRIBE: Final = 0x4500
TCL: Final = 0x5000
DDL: Final = 0x6000
COUNTED: Final = frozenset({INSERT, UPDATE, DELETE, MERGE})


class Answer(Struct, frozen=True, kw_only=True):
    """Rows, or where to move files.

    Attributes:
        rows: the result, with DuckDB's own types.
        types: DuckDB's type names of the columns.
        kind: Snowflake's number of the kind of statement.
        transfer: what the client needs to move files itself; None for every other statement.
    """

    rows: pa.Table
    types: tuple[str, ...]
    kind: int
    transfer: dict[str, Any] | None = None


def texts(kind: int, columns: dict[str, list[Any]]) -> Answer:
    """Return an answer of strings."""
    arrays = [pa.array(values, pa.string()) for values in columns.values()]
    rows = pa.Table.from_arrays(arrays, names=list(columns))
    return Answer(rows=rows, types=("VARCHAR",) * len(columns), kind=kind)


def counts(kind: int, **columns: int) -> Answer:
    """Return the answer of a statement that changed rows; `_` in a name stands for a blank."""
    names = [name.replace("_", " ") for name in columns]
    arrays = [pa.array([value], pa.int64()) for value in columns.values()]
    rows = pa.Table.from_arrays(arrays, names=names)
    return Answer(rows=rows, types=("BIGINT",) * len(names), kind=kind)


def done(kind: int, status: str = "Statement executed successfully.") -> Answer:
    """Return the answer of a statement that has nothing to tell."""
    return texts(kind, {"status": [status]})
