"""A TDS server that streams rows packed beforehand: it measures the client, never SQL Server.

It answers what the SQL Server source asks about its one table, and every SELECT of the table's
rows with as many rows as the key range holds. Run as a process: prints its port, then serves.
"""

import argparse
import re
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Any

import anyio

from dtaas.connectors.sqlserver import queries
from dtaas.sandbox.sqlserver.results import (
    Columns,
    Done,
    ErrorMessage,
    Item,
    PackedRows,
    Parameter,
    ResultColumn,
    ReturnStatus,
    Rows,
    Session,
    SqlError,
)
from dtaas.sandbox.sqlserver.server import TdsServer
from dtaas.sandbox.sqlserver.types import DEFAULT_COLLATION, SqlType
from dtaas.sandbox.sqlserver.wire.rows import RowPacker
from tests.bench.peers import questions
from tests.bench.shape import BLOCK_ROWS, COLUMNS, TABLE_NAME, block

SLICE_ROWS = 1_024
OBJECT_ID = 1
_LOWER = re.compile(r"\[id\] > CAST\((-?\d+) AS bigint\)")
_UPPER = re.compile(r"\[id\] <= CAST\((-?\d+) AS bigint\)")
_TOP = re.compile(r"\btop\s*\(?\s*(\d+)", re.IGNORECASE)
_NOTHING = re.compile(r"\b1\s*=\s*0\b")
_OFFSET = re.compile(r"OFFSET (\d+) ROWS")
_BIGINT = SqlType("bigint")
_TEXT = SqlType("nvarchar", 200, collation=DEFAULT_COLLATION)
_BIT = SqlType("bit")
_LENGTHS = {"bigint": 8, "int": 4, "float": 8, "bit": 1, "date": 3, "datetime2": 7, "decimal": 9}


def _result(names: str, *rows: Sequence[Any]) -> list[Item]:
    """Return a result whose column types follow the values of its first row."""
    columns = [
        ResultColumn(name=name, type=_TEXT if isinstance(value, str | None) else _BIGINT)
        for name, value in zip(names.split(), rows[0], strict=True)
    ]
    return [Columns(tuple(columns)), Rows(rows), Done(len(rows))]


def column_row(column: ResultColumn) -> tuple[Any, ...]:
    kind = column.type
    width = {"nvarchar": 2 * kind.length, "uniqueidentifier": 16}.get(kind.name, kind.length)
    length = _LENGTHS.get(kind.name, width)
    return (
        OBJECT_ID, column.name, kind.name, kind.name, 0, length, kind.precision, kind.scale,
        kind.collation, int(column.nullable), 0, None,
    )  # fmt: skip


class Replay:
    """A session over the packed block."""

    database = "bench"

    def __init__(self, rows: int, slices: list[PackedRows]) -> None:
        self.transaction = 0
        self._rows = rows
        self._slices = slices

    async def batch(self, sql: str) -> AsyncIterator[Item]:
        async for item in self._answer(sql):
            yield item

    async def execute(
        self, sql: str, declarations: str, parameters: Sequence[Parameter]
    ) -> AsyncIterator[Item]:
        async for item in self._answer(sql):
            yield item

    async def call(self, procedure: str, parameters: Sequence[Parameter]) -> AsyncIterator[Item]:
        yield ErrorMessage(SqlError(2812, f"Could not find stored procedure '{procedure}'."))
        yield ReturnStatus(1)

    async def describe(self, sql: str, declarations: str) -> tuple[ResultColumn, ...]:
        return ()

    async def begin(self, isolation: int) -> None:
        self.transaction = 1

    async def commit(self) -> None:
        self.transaction = 0

    async def rollback(self) -> None:
        self.transaction = 0

    async def reset(self) -> None:
        """There is no state."""

    async def aclose(self) -> None:
        """There is nothing to free."""

    async def _answer(self, sql: str) -> AsyncIterator[Item]:
        if TABLE_NAME in sql and "sys." not in sql and "INFORMATION_SCHEMA" not in sql:
            async for item in self._from_table(sql):
                yield item
            return
        for item in self._catalog(sql):
            yield item

    async def _from_table(self, sql: str) -> AsyncIterator[Item]:
        lower, upper = _LOWER.search(sql), _UPPER.search(sql)
        low = int(lower[1]) if lower else 0
        high = min(int(upper[1]) if upper else self._rows, self._rows)
        count = max(0, high - low)
        if top := _TOP.search(sql):
            count = min(count, int(top[1]))
        if _NOTHING.search(sql):
            count = 0
        if offset := _OFFSET.search(sql):
            key = low + int(offset[1]) + 1
            yield Columns((ResultColumn(name="k0", type=_TEXT),))
            keys = [(str(k),) for k in (key, key + 1) if k <= high]
            yield Rows(keys)
            yield Done(len(keys))
        elif "COUNT" in sql.upper():
            for item in _result("n", (count,)):
                yield item
        elif "MIN(" in sql:
            for item in _result("lowest highest", (1, self._rows)):
                yield item
        else:
            yield Columns(COLUMNS)
            async for item in self._stream(count):
                yield item
            yield Done(count)

    async def _stream(self, count: int) -> AsyncIterator[Item]:
        at = 0
        left = count
        while left:
            part = self._slices[at % len(self._slices)]
            if part.rows > left:
                part = PackedRows(_pack(left), left)
            yield part
            left -= part.rows
            at += 1

    def _catalog(self, sql: str) -> list[Item]:
        columns = _result(
            "object_id column_name base_type declared_type is_assembly_type max_length "
            "precision scale collation_name is_nullable is_masked encryption_type",
            *map(column_row, COLUMNS),
        )
        indexes = _result(
            "object_id index_id index_name index_type is_primary_key is_unique has_filter "
            "is_disabled is_descending_key column_name is_nullable",
            (OBJECT_ID, 1, "pk_orders", 1, 1, 1, 0, 0, 0, "id", 0),
        )
        answers: dict[str, list[Item]] = {
            queries.TABLE: [*_result("object_id", (OBJECT_ID,)), *columns, *indexes],
            queries.COLUMNS: columns,
            queries.TABLE_ROWS: _result("row_count partitions", (self._rows, 1)),
            queries.DATABASE: _result(
                "name is_cdc_enabled snapshot_isolation_state is_read_committed_snapshot_on",
                ("bench", 0, 1, 1),
            ),
            queries.RIGHTS: _result("can_select can_view_state can_unmask", (1, 1, 1)),
        }
        asked = words(sql)
        for query, items in answers.items():
            if words(query.partition("?")[0]) in asked:
                return items
        return questions.answer(sql) or [Done()]


def words(sql: str) -> str:
    return " ".join(sql.split())


class ReplayEngine:
    """Gives every login a session."""

    server_name = "REPLAY"

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._slices = [
            PackedRows(_pack(SLICE_ROWS, start), SLICE_ROWS)
            for start in range(0, BLOCK_ROWS, SLICE_ROWS)
        ]

    async def login(
        self, *, user: str, password: str | None, database: str, application: str, host: str
    ) -> Session:
        return Replay(self._rows, self._slices)


_BLOCK = block()


def _pack(rows: int, start: int = 0) -> bytes:
    return RowPacker(COLUMNS).pack(_BLOCK[start : start + rows])


async def serve(rows: int) -> None:
    """Serve until killed."""
    async with TdsServer.listen(ReplayEngine(rows)) as server:
        print(server.port)
        sys.stdout.flush()
        await anyio.sleep_forever()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rows", type=int, required=True)
    anyio.run(serve, arguments.parse_args().rows)
