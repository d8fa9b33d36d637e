"""A TDS server with change data capture whose changes come by the clock: it measures the client.

One tracked table changes at a set rate, behind a backlog if one is wished for; the others are idle.
The highest LSN advances with the clock, every change row carries its transaction's commit time,
and rows are packed beforehand but for what differs. Run as a process: prints its port, then serves.
"""

import argparse
import re
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime
from itertools import cycle, islice
from typing import Any

import anyio

from dtaas.connectors.sqlserver import queries
from dtaas.connectors.sqlserver.capture import (
    change_tables,
    described,
    instances,
    retention,
    rights,
    source,
)
from dtaas.sandbox.sqlserver.results import (
    Columns,
    Done,
    Item,
    PackedRows,
    Parameter,
    ResultColumn,
    Rows,
    Session,
)
from dtaas.sandbox.sqlserver.server import TdsServer
from dtaas.sandbox.sqlserver.types import DEFAULT_COLLATION, SqlType
from dtaas.sandbox.sqlserver.wire.rows import RowPacker
from tests.bench.replay import Replay, column_row, words
from tests.bench.shape import COLUMNS, TABLE_NAME, block

PER_TRANSACTION = 10
BLOCK_ROWS = 8_190  # a whole number of transactions
SLICE_TRANSACTIONS = 200
CREATED = "2026-01-01 00:00:00.000"
CAPTURE_ID = 1_000_000
COUNTERS = "SELECT bench_counters"
RELEASE = "SELECT bench_release"
"""What the bench itself asks: how many polls and other queries came, and to let changes come."""
_EPOCH = datetime(1, 1, 1, tzinfo=UTC)
_TICKS_A_S = 10_000_000
_MARK = re.compile(r"SELECT (\d+) AS number, N'([^']*)' AS instance")
_WINDOW = re.compile(r"> 0x([0-9a-f]{20}) AND ct\.\[__\$start_lsn\] <= 0x([0-9a-f]{20})")
_TOP = re.compile(r"TOP \((\d+)\)")
_LSN = SqlType("binary", 10)
_INT = SqlType("int")
_TIME = SqlType("datetime2", scale=3)
_TEXT = SqlType("nvarchar", 200, collation=DEFAULT_COLLATION)
_HEAD = (
    ResultColumn(name="dtaas_0", type=_LSN, nullable=False),
    ResultColumn(name="dtaas_1", type=_INT, nullable=True),
    ResultColumn(name="dtaas_2", type=_LSN, nullable=False),
    ResultColumn(name="dtaas_3", type=_INT, nullable=False),
    ResultColumn(name="dtaas_4", type=SqlType("varbinary", 128), nullable=True),
    ResultColumn(name="dtaas_5", type=_TIME, nullable=True),
)
_CAPTURED = tuple(ResultColumn(name=c.name, type=c.type, nullable=True) for c in COLUMNS)
_SEQVAL, _OPERATION = b"\xc5" * 10, 0x0D0E0F0A


def lsn(transaction: int) -> bytes:
    """Return the commit LSN of a transaction, counted from 1."""
    return transaction.to_bytes(10, "big")


def ticks(moment_s: float) -> int:
    """Return a time as datetime2 holds it."""
    span = datetime.fromtimestamp(moment_s, UTC) - _EPOCH
    return (span.days * 86_400 + span.seconds) * _TICKS_A_S + span.microseconds * 10


class Feed:
    """Which transactions are committed, and when each was. Before it is released there is one.

    Attributes:
        began_s: when it was released.
    """

    def __init__(self, *, rate: float, backlog: int) -> None:
        """Prepare.

        Args:
            rate: changes a second from the release on.
            backlog: changes that are committed at the release.
        """
        self.began_s: float | None = None
        self.backlog = 1 + backlog // PER_TRANSACTION
        self._made_s = time.time()
        self._every_s = PER_TRANSACTION / rate if rate else 0.0

    def release(self) -> None:
        """Let changes come from now on."""
        self.began_s = time.time()

    @property
    def last(self) -> int:
        """Return the last transaction committed."""
        if self.began_s is None:
            return 1
        live = int((time.time() - self.began_s) / self._every_s) if self._every_s else 0
        return self.backlog + live

    def committed_at(self, transaction: int) -> float:
        """Return its commit time."""
        if self.began_s is None:
            return self._made_s
        return self.began_s + max(0, transaction - self.backlog) * self._every_s


class ChangeRows:
    """Packs the change rows of transactions."""

    def __init__(self) -> None:
        packer = RowPacker(_CAPTURED)
        filled = [_without_nulls(row) for row in block()[:BLOCK_ROWS]]
        self._tails = [packer.pack([row])[1:] for row in filled]
        self._head = RowPacker(_HEAD)
        self._marks = self._find()

    def pack(self, first: int, last: int, feed: Feed) -> bytes:
        """Return the rows of the transactions `first` to `last`."""
        return b"".join(self._pieces(first, last, feed))

    def _pieces(self, first: int, last: int, feed: Feed) -> Iterator[bytes]:
        begin, after_seqval, after_operation, places = *self._marks, range(PER_TRANSACTION)
        seqvals = [n.to_bytes(10, "big") for n in places]
        # Of each ten changes eight are updates, one is an insert and one a delete.
        kinds = [n.to_bytes(4, "little") for n in (2, 4, 4, 4, 4, 4, 4, 4, 4, 1)]
        start = first * PER_TRANSACTION % BLOCK_ROWS
        tails = islice(cycle(self._tails), start, None)
        for transaction in range(first, last + 1):
            head = self._packed(transaction, feed.committed_at(transaction))
            before, middle, rest = (
                head[:begin],
                head[begin + 10 : after_seqval],
                head[after_operation:],
            )
            for place in places:
                yield before
                yield seqvals[place]
                yield middle
                yield kinds[place]
                yield rest
                yield next(tails)

    def _packed(self, transaction: int, moment_s: float) -> bytes:
        row = (lsn(transaction), 0, _SEQVAL, _OPERATION, b"\x03\xff", ticks(moment_s))
        return self._head.pack([row])

    def _find(self) -> tuple[int, int, int]:
        """Return where the seqval begins, and where the operation begins and ends."""
        head = self._packed(1, 0.0)
        operation = head.index(_OPERATION.to_bytes(4, "little"))
        return head.index(_SEQVAL), operation, operation + 4


def _without_nulls(row: tuple[Any, ...]) -> tuple[Any, ...]:
    fillings: dict[str, Any] = {"nvarchar": "x", "float": 1.0}
    return tuple(
        fillings[column.type.name] if value is None else value
        for column, value in zip(COLUMNS, row, strict=True)
    )


class ChangeReplay(Replay):
    """A session that sees the feed."""

    def __init__(self, feed: Feed, rows: ChangeRows, tables: int, counts: dict[str, int]) -> None:
        super().__init__(0, [])
        self._feed = feed
        self._packed = rows
        self._count = tables
        self._counts = counts

    async def execute(
        self, sql: str, declarations: str, parameters: Sequence[Parameter]
    ) -> AsyncIterator[Item]:
        async for item in self._ask(sql, [p.value for p in parameters]):
            yield item

    async def batch(self, sql: str) -> AsyncIterator[Item]:
        async for item in self._ask(sql, []):
            yield item

    async def _ask(self, sql: str, values: list[Any]) -> AsyncIterator[Item]:
        if COUNTERS in sql or RELEASE in sql:
            if RELEASE in sql:
                self._feed.release()
            for item in self._counters():
                yield item
            return
        self._counts["polls" if "AS position," in sql else "others"] += 1
        if window := _WINDOW.search(sql):
            yield Columns((*_HEAD, *_CAPTURED))
            first, last = int(window[1], 16) + 1, int(window[2], 16)
            for start in range(first, last + 1, SLICE_TRANSACTIONS):
                end = min(last, start + SLICE_TRANSACTIONS - 1)
                count = (end - start + 1) * PER_TRANSACTION
                yield PackedRows(self._packed.pack(start, end, self._feed), count)
            yield Done((last - first + 1) * PER_TRANSACTION)
            return
        for item in self._told(sql, values):
            yield item

    def _told(self, sql: str, values: list[Any]) -> list[Item]:
        if "AS position," in sql:
            return self._state(sql)
        asked = words(sql)
        answers = {
            instances._IS_ENABLED: self._enabled,
            change_tables._INSTANCES: self._instance,
            change_tables._CAPTURED: self._captured,
            described._COLUMNS: self._numbered,
            source._LOW: self._low,
            rights._ASK: self._rights,
            retention._ASK: self._unseen,
            queries.TABLE: self._table,
            queries.COLUMNS: self._columns,
        }
        for query, answer in answers.items():
            if words(query.partition("?")[0]) in asked:
                return answer(values)
        if _TOP.search(sql) and "_CT" in sql:
            return self._next(sql, values)
        return super()._catalog(sql)

    def _state(self, sql: str) -> list[Item]:
        last, now = self._feed.last, ticks(time.time())
        at = ticks(self._feed.committed_at(last))
        names = (
            "position at local_time utc_time scanned_at fork number high start_lsn identity_ ddl "
            "newest instances source_schema source_name"
        )
        types = (
            _LSN, _TIME, _TIME, _TIME, _TIME, _TEXT, _INT, _LSN, _LSN, _TEXT, _LSN, _LSN, _INT,
            _TEXT, _TEXT,
        )  # fmt: skip
        rows = []
        for number, instance in _MARK.findall(sql):
            object_id = int(instance.rpartition("_")[2])
            high = lsn(last) if object_id == 1 else None
            identity = f"{CAPTURE_ID + object_id} {CREATED}"
            known = (int(number), high, lsn(1), identity, None, lsn(1), 1, None, None)
            rows.append((lsn(last), at, now, now, now, "f", *known))
        return _result(names, types, rows)

    def _next(self, sql: str, values: list[Any]) -> list[Item]:
        """Answer where a window may end."""
        after, to, below = (int.from_bytes(value) for value in values)
        found = _TOP.search(sql)
        assert found is not None
        first, last = after + 1, min(to, below - 1)
        rows = min(max(0, last - first + 1) * PER_TRANSACTION, int(found[1]))
        end = first + -(-rows // PER_TRANSACTION) - 1
        kept = (rows, lsn(end), ticks(self._feed.committed_at(end))) if rows else (0, None, None)
        return _result("n lsn at", (_INT, _LSN, _TIME), [kept])

    def _counters(self) -> list[Item]:
        values = (self._counts["polls"], self._counts["others"], repr(self._feed.began_s))
        return _result("polls others began", (_INT, _INT, _TEXT), [values])

    def _enabled(self, _values: list[Any]) -> list[Item]:
        return _result("is_cdc_enabled", (_INT,), [(1,)])

    def _table(self, values: list[Any]) -> list[Item]:
        name = str(values[1])
        number = 1 if name == TABLE_NAME else int(name.removeprefix("idle")) + 1
        found = _result("object_id", (_INT,), [(number if number <= self._count else None,)])
        return [*found, *self._columns([number]), *self._indexes([number])]

    def _columns(self, values: list[Any]) -> list[Item]:
        names = (
            "object_id column_name base_type declared_type is_assembly_type max_length precision "
            "scale collation_name is_nullable is_masked encryption_type"
        )
        types = (_INT, _TEXT, _TEXT, _TEXT, _INT, _INT, _INT, _INT, _TEXT, _INT, _INT, _TEXT)
        rows = [(int(values[0]), *column_row(column)[1:]) for column in COLUMNS]
        return _result(names, types, rows)

    def _indexes(self, values: list[Any]) -> list[Item]:
        names = (
            "object_id index_id index_name index_type is_primary_key is_unique has_filter "
            "is_disabled is_descending_key column_name is_nullable"
        )
        types = (_INT, _INT, _TEXT, _INT, _INT, _INT, _INT, _INT, _INT, _TEXT, _INT)
        return _result(names, types, [(int(values[0]), 1, "pk", 1, 1, 1, 0, 0, 0, "id", 0)])

    def _instance(self, values: list[Any]) -> list[Item]:
        number = int(values[0])
        row = (f"bench_{number}", CAPTURE_ID + number, CREATED, lsn(1))
        return _result("name object_id made start_lsn", (_TEXT, _INT, _TEXT, _LSN), [row])

    def _captured(self, _values: list[Any]) -> list[Item]:
        rows = [(c.name, number, 0, number) for number, c in enumerate(COLUMNS, 1)]
        names = "column_name column_id is_computed column_ordinal"
        return _result(names, (_TEXT, _INT, _INT, _INT), rows)

    def _numbered(self, _values: list[Any]) -> list[Item]:
        rows = [(c.name, number, 0, int(c.nullable)) for number, c in enumerate(COLUMNS, 1)]
        return _result("name column_id is_computed is_nullable", (_TEXT, _INT, _INT, _INT), rows)

    def _rights(self, _values: list[Any]) -> list[Item]:
        return _result("is_cdc_enabled direct", (_INT, _INT), [(1, 1)])

    def _unseen(self, _values: list[Any]) -> list[Item]:
        return _result("owner direct", (_INT, _INT), [(0, 0)])

    def _low(self, _values: list[Any]) -> list[Item]:
        return _result("low", (_LSN,), [(lsn(1),)])


def _result(names: str, types: Sequence[SqlType], rows: Sequence[Sequence[Any]]) -> list[Item]:
    columns = [
        ResultColumn(name=name, type=kind, nullable=True)
        for name, kind in zip(names.split(), types, strict=True)
    ]
    return [Columns(tuple(columns)), Rows(rows), Done(len(rows))]


class ChangeEngine:
    """Gives every login a session on the same feed."""

    server_name = "REPLAY"

    def __init__(self, feed: Feed, tables: int) -> None:
        self._feed = feed
        self._tables = tables
        self._rows = ChangeRows()
        self._counts = {"polls": 0, "others": 0}

    async def login(
        self, *, user: str, password: str | None, database: str, application: str, host: str
    ) -> Session:
        return ChangeReplay(self._feed, self._rows, self._tables, self._counts)


async def serve(rate: float, backlog: int, tables: int) -> None:
    """Serve until killed."""
    engine = ChangeEngine(Feed(rate=rate, backlog=backlog), tables)
    async with TdsServer.listen(engine) as server:
        print(server.port)
        sys.stdout.flush()
        await anyio.sleep_forever()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rate", type=float, default=0.0)
    arguments.add_argument("--backlog", type=int, default=0)
    arguments.add_argument("--tables", type=int, default=1)
    given = arguments.parse_args()
    anyio.run(serve, given.rate, given.backlog, given.tables)
