"""What every destination promises. Subclass, and provide `destination`."""

import uuid
from collections.abc import Sequence
from datetime import date, datetime, time
from decimal import Decimal as Dec
from itertools import pairwise
from typing import Any

import anyio
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from dtaas.engine.verification.sides import fingerprint_of
from dtaas.model.errors import DestinationInUseError, OwnershipLostError, TableNotFoundError
from dtaas.model.fingerprint import Fingerprinter, TableFingerprint
from dtaas.model.ids import ExecutionId, LoadId, TaskId
from dtaas.model.load import (
    Chunk,
    ChunkReceipt,
    CommitResult,
    FileFormat,
    Owner,
    TableLoad,
    WriteMode,
    WriteOptions,
)
from dtaas.model.plan import DdlDestination, InspectableDestination, named_owner
from dtaas.model.ports import Destination
from dtaas.model.schema import Column, TableRef, TableSchema
from dtaas.model.types import (
    Binary,
    Boolean,
    ColumnType,
    Date,
    Decimal,
    Float,
    Integer,
    Json,
    String,
    Time,
    Timestamp,
    TimestampTz,
    Uuid,
    Variant,
    Xml,
)

UNICODE = "Zoë 😀 \u2028 'q' \"d\" \\ \t\r\n , ; \x01 ẞ"
LONG = "ab😀" * 5000

VALUES: Sequence[tuple[str, ColumnType, Sequence[Any]]] = (
    ("boolean", Boolean(), (True, False)),
    ("smallint", Integer(16), (-(2**15), 2**15 - 1, 0)),
    ("int", Integer(32), (-(2**31), 2**31 - 1, 0)),
    ("bigint", Integer(64), (-(2**63), 2**63 - 1, 2**53 + 1)),
    (
        "money",
        Decimal(19, 4),
        (Dec("-922337203685477.5808"), Dec("922337203685477.5807"), Dec("0.0001")),
    ),
    ("decimal38", Decimal(38, 0), (Dec("9" * 38), Dec("-" + "9" * 38), Dec(0))),
    ("small", Decimal(38, 38), (Dec("-0." + "9" * 38), Dec("1E-38"), Dec(0), Dec("1E-10"))),
    ("scale10", Decimal(20, 10), (Dec("-1E-10"), Dec("9999999999.9999999999"), Dec(0))),
    ("real", Float(32), (-3.4028234663852886e38, 1.401298464324817e-45, 0.10000000149011612)),
    ("float", Float(64), (-1.7976931348623157e308, 5e-324, 0.1)),
    ("date", Date(), (date.min, date.max, date(1970, 1, 1), date(2024, 2, 29))),
    ("time0", Time(0), (time(0, 0, 0), time(23, 59, 59))),
    ("time6", Time(6), (time(0, 0, 0, 1), time(23, 59, 59, 999999))),
    ("time7", Time(7), (0, 86_399_999_999_900, 100)),
    ("datetime", Timestamp(3), (datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 997000))),
    (
        "datetime6",
        Timestamp(6),
        (datetime(1, 1, 1, 0, 0, 0, 1), datetime(9999, 12, 31, 23, 59, 59, 999999)),
    ),
    ("datetime7", Timestamp(7), ("0001-01-01 00:00:00.0000000", "9999-12-31 23:59:59.9999999")),
    (
        "offset",
        TimestampTz(7),
        ("0001-01-01 00:00:00.0000000 +14:00", "9999-12-31 23:59:59.9999999 -14:00"),
    ),
    ("nvarchar", String(4000), ("", " ", "a", UNICODE, "x" * 4000, "NULL", "null", "1", "true")),
    ("max", String(), ("", LONG, UNICODE)),
    ("varbinary", Binary(8000), (b"", b"\x00", bytes(range(256)), b"\xff" * 8000)),
    ("image", Binary(), (b"", b"\x00\xff" * 40_000)),
    (
        "uuid",
        Uuid(),
        ("00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
    ),
    ("xml", Xml(), ("<a b='1'>é</a>", "")),
    ("json", Json(), ('{"a": [1, null, "\\u0000"]}',)),
    ("variant", Variant(), ('{"type": "int", "value": "42"}',)),
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
RANDOM_COLUMNS: Sequence[tuple[str, ColumnType]] = (
    ("text", String(50)),
    ("number", Decimal(38, 12)),
    ("bytes", Binary(50)),
    ("float", Float(64)),
    ("moment", Timestamp(6)),
    ("day", Date()),
    ("clock", Time(6)),
    ("flag", Boolean()),
)
ROWS = st.lists(
    st.tuples(
        st.integers(-(2**63), 2**63 - 1),
        st.none() | TEXT,
        st.none() | st.decimals(Dec("-1E25"), Dec("1E25"), places=12),
        st.none() | st.binary(max_size=12),
        st.none() | st.floats(allow_nan=False, allow_infinity=False),
        st.none() | st.datetimes(),
        st.none() | st.dates(),
        st.none() | st.times(),
        st.none() | st.booleans(),
    ),
    max_size=40,
)

ODD_NAMES = (
    "a]b",
    "it's",
    'say "hi"',
    "a/b",
    "..",
    "😀",
    "a b",
    "x" * 128,
    "=",
    "%41",
    "_x",
    ".x",
    "nul\x00",
)


def schema_of(name: str = "t", columns: Sequence[tuple[str, ColumnType]] = ()) -> TableSchema:
    return TableSchema(
        table=TableRef("dbo", name),
        columns=tuple(
            Column(name=n, type=t, nullable=n != "id")
            for n, t in (("id", Integer(64)), *(columns or (("name", String(50)),)))
        ),
        key=("id",),
    )


def rows_of(schema: TableSchema, start: int, stop: int) -> pa.RecordBatch:
    """Rows of the default schema."""
    ids = list(range(start, stop))
    return pa.RecordBatch.from_arrays(
        [pa.array(ids, pa.int64()), pa.array([None if i % 7 == 0 else f"name {i}" for i in ids])],
        schema=schema.arrow_schema(),
    )


def expected(schema: TableSchema, *batches: pa.RecordBatch) -> TableFingerprint:
    figures = Fingerprinter(schema.arrow_schema())
    for batch in batches:
        figures.add(batch)
    return figures.result()


def owner(task_id: int = 1, installation: str = "a" * 32) -> Owner:
    return Owner(installation=installation, task_id=TaskId(task_id), task_name=f"task {task_id}")


def load_of(
    destination: Destination,
    schema: TableSchema,
    *,
    chunks: int = 1,
    mode: WriteMode = WriteMode.OVERWRITE,
    options: WriteOptions | None = None,
    mapped: tuple[str, ...] | None = None,
) -> TableLoad:
    return TableLoad(
        load_id=LoadId(uuid.uuid4().hex),
        task_id=TaskId(1),
        execution_id=ExecutionId(1),
        owner=owner(),
        schema=schema,
        target=destination.target_of(schema.table, mapped),
        options=options or WriteOptions(mode=mode),
        chunks=tuple(Chunk(index=i) for i in range(chunks)),
        source_position="00000027000001f40003",
    )


async def write_chunk(
    destination: Destination, load: TableLoad, index: int, *batches: pa.RecordBatch
) -> ChunkReceipt:
    async with destination.write(load, load.chunks[index]) as writer:
        for batch in batches:
            await writer.write(batch)
        return await writer.finish()


async def whole_load(
    destination: Destination, load: TableLoad, *batches: pa.RecordBatch
) -> CommitResult:
    """Begin, write each batch as a chunk of its own, commit."""
    await destination.begin(load)
    receipts = [await write_chunk(destination, load, i, b) for i, b in enumerate(batches)]
    return await destination.commit(load, receipts)


class DestinationContract:
    """The promises of `dtaas.model.ports.Destination`."""

    formats: Sequence[FileFormat] = (FileFormat.PARQUET,)
    odd_names: Sequence[str] = ODD_NAMES
    values: Sequence[tuple[str, ColumnType, Sequence[Any]]] = VALUES

    @pytest.fixture
    async def destination(self) -> Any:
        raise NotImplementedError

    async def test_check_is_ok(self, destination: Destination) -> None:
        seen: list[Any] = []
        report = await destination.check(seen.append)
        assert report.ok, report
        assert list(report.steps) == seen

    async def test_a_load_reads_back(self, destination: Destination) -> None:
        schema = schema_of()
        load = load_of(destination, schema, chunks=2)
        batches = rows_of(schema, 0, 1000), rows_of(schema, 1000, 1500)
        result = await whole_load(destination, load, *batches)
        assert (result.rows, result.already_committed) == (1500, False)
        assert await fingerprint_of(destination, load.target, schema) == expected(schema, *batches)

    async def test_nothing_is_visible_before_the_commit(self, destination: Destination) -> None:
        schema = schema_of()
        load = load_of(destination, schema)
        await destination.begin(load)
        await write_chunk(destination, load, 0, rows_of(schema, 0, 10))
        with pytest.raises(TableNotFoundError):
            await fingerprint_of(destination, load.target, schema)

    async def test_a_chunk_written_twice_is_there_once(self, destination: Destination) -> None:
        schema = schema_of()
        load = load_of(destination, schema)
        rows = rows_of(schema, 0, 100)
        await destination.begin(load)
        first = await write_chunk(destination, load, 0, rows)
        second = await write_chunk(destination, load, 0, rows)
        assert first.rows == second.rows
        await destination.commit(load, [second])
        assert await fingerprint_of(destination, load.target, schema) == expected(schema, rows)

    async def test_an_unfinished_chunk_leaves_nothing(self, destination: Destination) -> None:
        schema = schema_of()
        load = load_of(destination, schema, chunks=2)
        rows = rows_of(schema, 0, 100)
        await destination.begin(load)
        async with destination.write(load, load.chunks[1]) as writer:
            await writer.write(rows)
        receipt = await write_chunk(destination, load, 0, rows)
        await destination.commit(load, [receipt])
        assert await fingerprint_of(destination, load.target, schema) == expected(schema, rows)

    async def test_an_error_within_a_chunk_passes_as_it_is(self, destination: Destination) -> None:
        load = load_of(destination, schema_of())
        await destination.begin(load)
        with pytest.raises(ZeroDivisionError):
            async with destination.write(load, load.chunks[0]) as writer:
                await writer.write(rows_of(load.schema, 0, 10))
                raise ZeroDivisionError

    async def test_commit_is_idempotent(self, destination: Destination) -> None:
        schema = schema_of()
        load = load_of(destination, schema)
        rows = rows_of(schema, 0, 100)
        await destination.begin(load)
        receipt = await write_chunk(destination, load, 0, rows)
        first = await destination.commit(load, [receipt])
        again = await destination.commit(load, [receipt])
        assert (first.already_committed, again.already_committed) == (False, True)
        assert again.rows == first.rows == 100
        assert await fingerprint_of(destination, load.target, schema) == expected(schema, rows)

    async def test_what_stands_there_is_told(self, destination: Destination) -> None:
        if not isinstance(destination, InspectableDestination):
            pytest.skip("does not say what stands there")
        schema = schema_of()
        load = load_of(destination, schema)
        assert await destination.standing(load.target) is None
        await destination.claim(load.target, owner())
        await whole_load(destination, load, rows_of(schema, 0, 100))
        standing = await destination.standing(load.target)
        assert standing is not None
        assert standing.rows == 100
        assert standing.owner == named_owner(owner())
        fields = tuple((field.name, str(field.type)) for field in schema.arrow_schema())
        if not isinstance(destination, DdlDestination):
            assert standing.columns == fields

    async def test_what_would_be_done_to_columns_is_told(self, destination: Destination) -> None:
        if not isinstance(destination, DdlDestination):
            pytest.skip("has no types of its own")
        schema = schema_of()
        load = load_of(destination, schema)
        told = await destination.ddl(load.target, schema, load.options)
        assert await destination.standing(load.target) is None
        assert any(statement.startswith("CREATE TABLE") for statement in told.create)
        assert (told.evolve, told.conflict) == ((), "")
        await destination.claim(load.target, owner())
        await whole_load(destination, load, rows_of(schema, 0, 10))
        standing = await destination.standing(load.target)
        assert standing is not None
        assert standing.columns == told.columns  # as it was told before it was made
        told = await destination.ddl(load.target, schema, load.options)
        assert (told.columns, told.evolve, told.conflict) == (standing.columns, (), "")
        assert told.replace
        more = Column(name="added later", type=Decimal(20, 5), nullable=True)
        wider = replace(schema, columns=(*schema.columns, more))
        told = await destination.ddl(load.target, wider, load.options)
        (statement,) = told.evolve
        assert statement.startswith("ALTER TABLE")
        assert "(20,5)" in statement
        assert told.conflict == ""
        other = replace(schema.columns[-1], type=Date())
        told = await destination.ddl(
            load.target, replace(schema, columns=(*schema.columns[:-1], other)), load.options
        )
        assert other.name.casefold() in told.conflict.casefold()
        assert told.evolve == ()

    async def test_append_is_idempotent_too(self, destination: Destination) -> None:
        schema = schema_of()
        rows = rows_of(schema, 0, 10), rows_of(schema, 10, 30), rows_of(schema, 30, 60)
        for batch in rows[:2]:
            load = load_of(destination, schema, mode=WriteMode.APPEND)
            await whole_load(destination, load, batch)
        load = load_of(destination, schema, mode=WriteMode.APPEND)
        await destination.begin(load)
        receipt = await write_chunk(destination, load, 0, rows[2])
        for _ in range(2):
            result = await destination.commit(load, [receipt])
            assert result.rows == 30
        assert await fingerprint_of(destination, load.target, schema) == expected(schema, *rows)

    async def test_overwrite_keeps_the_old_load_until_the_commit(
        self, destination: Destination
    ) -> None:
        schema = schema_of()
        old, new = rows_of(schema, 0, 100), rows_of(schema, 500, 550)
        first = load_of(destination, schema)
        await whole_load(destination, first, old)
        second = load_of(destination, schema)
        await destination.begin(second)
        receipt = await write_chunk(destination, second, 0, new)
        assert await fingerprint_of(destination, first.target, schema) == expected(schema, old)
        await destination.commit(second, [receipt])
        assert await fingerprint_of(destination, first.target, schema) == expected(schema, new)

    async def test_overwrite_may_bring_types_the_old_load_had_not(
        self, destination: Destination
    ) -> None:
        old = schema_of()
        await whole_load(destination, load_of(destination, old), rows_of(old, 0, 10))
        new = schema_of(columns=[(f"c{i}", kind) for i, (_, kind, _) in enumerate(self.values)])
        fields = new.arrow_schema()
        columns = [
            pa.array([values[0]], fields.field(f"c{i}").type)
            for i, (_, _, values) in enumerate(self.values)
        ]
        batch = pa.RecordBatch.from_arrays([pa.array([1], pa.int64()), *columns], schema=fields)
        load = load_of(destination, new)
        await whole_load(destination, load, batch)
        found = await fingerprint_of(destination, load.target, new)
        assert found.differences(expected(new, batch)) == ()

    async def test_an_empty_table_is_committed(self, destination: Destination) -> None:
        schema = schema_of()
        load = load_of(destination, schema)
        result = await whole_load(destination, load, rows_of(schema, 0, 0))
        assert result.rows == 0
        assert await fingerprint_of(destination, load.target, schema) == expected(schema)

    async def test_abandon_removes_only_its_own(self, destination: Destination) -> None:
        schema = schema_of()
        rows = rows_of(schema, 0, 100)
        kept = load_of(destination, schema)
        await whole_load(destination, kept, rows)
        load = load_of(destination, schema)
        await destination.begin(load)
        await write_chunk(destination, load, 0, rows_of(schema, 5, 6))
        for _ in range(2):
            await destination.abandon(load)
        assert await fingerprint_of(destination, kept.target, schema) == expected(schema, rows)

    async def test_abandon_of_a_committed_load_changes_nothing(
        self, destination: Destination
    ) -> None:
        schema = schema_of()
        rows = rows_of(schema, 0, 100)
        load = load_of(destination, schema)
        await whole_load(destination, load, rows)
        await destination.abandon(load)
        assert await fingerprint_of(destination, load.target, schema) == expected(schema, rows)

    async def test_a_target_has_one_owner(self, destination: Destination) -> None:
        target = destination.target_of(TableRef("dbo", "t"), None)
        await destination.claim(target, owner())
        await destination.claim(target, owner())
        for other in (owner(2), owner(installation="b" * 32)):
            with pytest.raises(DestinationInUseError, match="task 1"):
                await destination.claim(target, other)
        await destination.release(target, owner(2))  # not its own: no effect
        with pytest.raises(DestinationInUseError):
            await destination.claim(target, owner(2))
        await destination.release(target, owner())
        await destination.release(target, owner())
        await destination.claim(target, owner(2))

    async def test_take_over_is_explicit(self, destination: Destination) -> None:
        target = destination.target_of(TableRef("dbo", "t"), None)
        await destination.claim(target, owner())
        await destination.claim(target, owner(2), take_over=True)
        with pytest.raises(DestinationInUseError, match="task 2"):
            await destination.claim(target, owner())

    @pytest.mark.parametrize("loaded_before", [False, True])
    async def test_a_later_owner_fences_an_earlier_one_at_the_commit(
        self, destination: Destination, *, loaded_before: bool
    ) -> None:
        schema = schema_of()
        rows = rows_of(schema, 0, 100)
        if loaded_before:
            await whole_load(destination, load_of(destination, schema), rows_of(schema, 0, 10))
        first, second = replace(owner(), epoch=1), replace(owner(), epoch=2)
        load = replace(load_of(destination, schema), owner=first)
        await destination.claim(load.target, first)
        await destination.begin(load)
        receipt = await write_chunk(destination, load, 0, rows)
        await destination.claim(load.target, second)
        with pytest.raises(OwnershipLostError, match="epoch 2"):
            await destination.commit(load, [receipt])
        with pytest.raises(OwnershipLostError, match="epoch 2"):
            await destination.claim(load.target, first)
        await destination.commit(replace(load, owner=second), [receipt])
        assert await fingerprint_of(destination, load.target, schema) == expected(schema, rows)

    async def test_begin_is_idempotent_and_keeps_finished_chunks(
        self, destination: Destination
    ) -> None:
        schema = schema_of()
        rows = rows_of(schema, 0, 100)
        load = load_of(destination, schema)
        await destination.begin(load)
        receipt = await write_chunk(destination, load, 0, rows)
        await destination.begin(load)
        await destination.commit(load, [receipt])
        assert await fingerprint_of(destination, load.target, schema) == expected(schema, rows)

    async def test_chunks_may_be_written_side_by_side(self, destination: Destination) -> None:
        schema = schema_of()
        batches = [rows_of(schema, i * 100, i * 100 + 100) for i in range(6)]
        load = load_of(destination, schema, chunks=6)
        await destination.begin(load)
        receipts: dict[int, ChunkReceipt] = {}

        async def one(index: int) -> None:
            receipts[index] = await write_chunk(destination, load, index, batches[index])

        async with anyio.create_task_group() as group:
            for index in range(6):
                group.start_soon(one, index)
        await destination.commit(load, [receipts[i] for i in range(6)])
        assert await fingerprint_of(destination, load.target, schema) == expected(schema, *batches)

    async def test_a_chunk_cancelled_in_the_middle_leaves_nothing(
        self, destination: Destination
    ) -> None:
        schema = schema_of()
        rows = rows_of(schema, 0, 100)
        load = load_of(destination, schema)
        await destination.begin(load)
        with anyio.CancelScope() as scope:
            async with destination.write(load, load.chunks[0]) as writer:
                await writer.write(rows)
                scope.cancel()
                await anyio.sleep_forever()
        assert scope.cancelled_caught
        receipt = await write_chunk(destination, load, 0, rows)
        await destination.commit(load, [receipt])
        assert await fingerprint_of(destination, load.target, schema) == expected(schema, rows)

    async def test_odd_names_do_not_meet(self, destination: Destination) -> None:
        """Names with quotes, slashes, emoji, length: each its own target, with its own rows."""
        schemas = [schema_of(name, [(name, String(50))]) for name in self.odd_names]
        loads = [load_of(destination, schema) for schema in schemas]
        assert len({load.target for load in loads}) == len(loads)
        for n, load in enumerate(loads):
            await whole_load(destination, load, rows_of(load.schema, n, n + 2))
        for n, load in enumerate(loads):
            found = await fingerprint_of(destination, load.target, load.schema)
            assert found == expected(load.schema, rows_of(load.schema, n, n + 2))

    async def test_every_type_reads_back_exactly(self, destination: Destination) -> None:
        for file_format in self.formats:
            for name, kind, values in self.values:
                schema = schema_of(f"{name} {file_format}", [("value", kind)])
                cells = [None, *values, None, *values]
                batch = pa.RecordBatch.from_arrays(
                    [
                        pa.array(range(len(cells)), pa.int64()),
                        pa.array(cells, schema.arrow_schema().field("value").type),
                    ],
                    schema=schema.arrow_schema(),
                )
                load = load_of(destination, schema, options=WriteOptions(format=file_format))
                await whole_load(destination, load, batch)
                found = await fingerprint_of(destination, load.target, schema)
                assert found.differences(expected(schema, batch)) == (), (name, file_format)

    @settings(
        max_examples=12,
        deadline=None,
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,
            HealthCheck.differing_executors,
            HealthCheck.too_slow,
        ],
    )
    @given(rows=ROWS, cuts=st.lists(st.integers(0, 40), max_size=5), batch_rows=st.integers(1, 9))
    async def test_any_chunking_gives_the_same_rows(
        self,
        destination: Destination,
        rows: list[tuple[Any, ...]],
        cuts: list[int],
        batch_rows: int,
    ) -> None:
        schema = schema_of("random", RANDOM_COLUMNS)
        arrow = schema.arrow_schema()
        table = pa.table(
            [pa.array([row[i] for row in rows], f.type) for i, f in enumerate(arrow)], schema=arrow
        )
        bounds = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
        pieces = [table.slice(a, b - a).to_batches(batch_rows) for a, b in pairwise(bounds)]
        for file_format in self.formats:
            options = WriteOptions(format=file_format)
            load = load_of(destination, schema, chunks=len(pieces), options=options)
            await destination.begin(load)
            receipts = [await write_chunk(destination, load, i, *p) for i, p in enumerate(pieces)]
            await destination.commit(load, receipts)
            found = await fingerprint_of(destination, load.target, schema)
            assert found.differences(expected(schema, *table.to_batches())) == (), file_format
