"""Windows that only bring new rows: COPY straight into the target, without MERGE.

An insert may come twice: a load had read it already, a repair has written it ahead, a stream that
was set back brings it again. So it is the target that decides: every key of the window lies above
the highest one it holds, marked rows included. Then MERGE would match nothing, and COPY leaves the
same rows. Keys that need not rise (GUIDs), or whose order may be a collation's, are merged. Where
values are cast on their way, as those of `datetime2(7)`, rows are staged and inserted, without
MERGE too.

Statements of a transaction bear a condition that holds within it alone (`leftovers.begun`); COPY
can bear none. What a client that is gone had asked for may come after its transaction was ended,
and would be one of its own. So the session commits nothing by itself meanwhile: a COPY that comes
late begins a transaction that nobody commits, and finds no file once the stream was opened again.
"""

from collections.abc import Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from dtaas.connectors.fold import deletes, kept_columns
from dtaas.connectors.snowflake.layout import Shape, TargetColumn
from dtaas.connectors.snowflake.sessions import Session

COMMIT_NOTHING: Final = "ALTER SESSION SET AUTOCOMMIT = FALSE"
COMMIT_EACH: Final = "ALTER SESSION SET AUTOCOMMIT = TRUE"
_ORDERED: Final = ("NUMBER(", "DATE", "TIMESTAMP_NTZ(")
"""Types whose values Snowflake and we put in the same order."""


def may_append(rows: pa.Table, columns: Sequence[TargetColumn], key: str, shape: Shape) -> bool:
    """Return whether a window's folded changes may be added where the target holds none of them.

    Args:
        key: source name of the first key column.
    """
    first = next(c for c in columns if c.source == key)
    return (
        shape is not Shape.HISTORY
        and is_direct([first])
        and first.stored.ddl.startswith(_ORDERED)
        and not kept_columns(rows)
        and not pc.any(deletes(rows)).as_py()
    )


def is_direct(columns: Sequence[TargetColumn]) -> bool:
    """Return whether values are staged as they are stored, so that COPY alone brings them."""
    return all(c.stored.staged == c.stored.ddl for c in columns)


async def holds_none(
    session: Session, what: str, table: str, rows: pa.Table, column: TargetColumn
) -> bool:
    """Return whether the first key column of every row is above all that a table holds.

    Snowflake knows the highest value of a column without reading any. Who else writes the table
    meanwhile is found before COMMIT, as always.
    """
    highest = (await session.run(what, f"SELECT MAX({column.name}) FROM {table}"))[0][0]
    lowest = pc.min_max(rows.column(column.source))["min"].as_py()
    return highest is None or bool(highest < lowest)
