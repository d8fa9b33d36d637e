"""Reading in bulk on a real wire: broken off, broken, slow, too long, not Unicode."""

import struct
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import anyio
import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from dtaas.connectors.sqlserver import source as source_module
from dtaas.connectors.sqlserver.control import ControlPool
from dtaas.connectors.sqlserver.rate_limit import RateLimit
from dtaas.connectors.sqlserver.source import SqlServerSource
from dtaas.model.connectors import Reader
from dtaas.model.errors import (
    AuthenticationError,
    ConnectionLostError,
    DatabaseNotFoundError,
    DriverMissingError,
    SchemaChangedError,
    SourceBusyError,
    TimedOutError,
    UnsupportedTypeError,
    ValueTooLargeError,
)
from dtaas.model.execution import ReadBy
from dtaas.model.schema import TableRef
from dtaas.sandbox.sqlserver.results import (
    Columns,
    Done,
    Item,
    PackedRows,
    Parameter,
    ResultColumn,
    Rows,
    SqlError,
)
from dtaas.sandbox.sqlserver.server import TdsServer
from dtaas.sandbox.sqlserver.types import DEFAULT_COLLATION, MAX, SqlType
from dtaas.sandbox.sqlserver.wire.collations import collation_named
from dtaas.sandbox.sqlserver.wire.faults import StreamError
from dtaas.tds import plan
from dtaas.tds.code_pages import double_byte
from tests.fakes.scripted_server import Hang, ScriptedEngine, items, rows
from tests.integration.sqlserver_source import scripted
from tests.integration.sqlserver_source.database import Database, column_of
from tests.integration.sqlserver_source.scripted import Reading, drain, endpoint, wire_column

ID = wire_column("id", SqlType("bigint"), nullable=False)
NAME = wire_column("name", SqlType("nvarchar", length=50, collation=DEFAULT_COLLATION))
BODY = wire_column("body", SqlType("nvarchar", length=MAX, collation=DEFAULT_COLLATION))
MANY = 100_000


def open_descriptors() -> int:
    return sum(1 for _ in Path("/dev/fd").iterdir())


def serving(columns: Sequence[object], values: Sequence[Sequence[object]]) -> ScriptedEngine:
    engine = ScriptedEngine()
    engine.scripts["SELECT"] = rows(columns, *values)  # type: ignore[arg-type]
    return engine


async def test_rows_come_once_in_batches_of_the_size_asked_for(reading: Reading) -> None:
    engine = serving([ID, NAME], [(i, f"name {i}") for i in range(MANY)])
    async with (
        TdsServer.listen(engine) as server,
        reading(server, [ID, NAME], batch_rows=7_000) as reader,
    ):
        sizes, seen = [], []
        while (batch := await reader.next()) is not None:
            sizes.append(batch.num_rows)
            seen += batch.column("id").to_pylist()
        assert await reader.next() is None
    assert seen == list(range(MANY))
    assert max(sizes) <= 7_000
    assert len(sizes) < 2 * MANY // 7_000


async def test_batches_are_bounded_in_bytes(reading: Reading) -> None:
    engine = serving([BODY], [("x" * 1000,)] * 500)
    async with (
        TdsServer.listen(engine) as server,
        reading(server, [BODY], longest=1000, batch_bytes=10_000) as reader,
    ):
        batch = await reader.next()
        while batch is not None:
            assert batch.nbytes <= 10_000
            batch = await reader.next()


class Gate(RateLimit):
    """A rate limit that lets nothing pass until it is opened."""

    def __init__(self) -> None:
        super().__init__(0)
        self.open = anyio.Event()
        self.waiting = anyio.Event()

    async def take(self, taken_bytes: int) -> None:
        self.waiting.set()
        await self.open.wait()
        await super().take(taken_bytes)


async def test_cancel_while_the_rate_limit_waits_loses_no_row(reading: Reading) -> None:
    gate = Gate()
    engine = serving([ID], [(1,), (2,)])
    async with TdsServer.listen(engine) as server, reading(server, [ID], rate=gate) as reader:
        with anyio.fail_after(10):
            async with anyio.create_task_group() as group:
                group.start_soon(reader.next)
                await gate.waiting.wait()
                group.cancel_scope.cancel()
            gate.open.set()
            assert (await drain(reader)).column("id").to_pylist() == [1, 2]


async def test_empty_result(reading: Reading) -> None:
    async with TdsServer.listen(serving([ID], [])) as server, reading(server, [ID]) as reader:
        assert await reader.next() is None


@pytest.mark.parametrize("phase", ["execute", "fetch"])
async def test_cancelling_ends_a_blocked_call_at_once(phase: str, reading: Reading) -> None:
    first: list[Item] = [Columns((ID,)), Rows([(1,)])] if phase == "fetch" else []
    hang = Hang(*first)
    engine = ScriptedEngine()
    engine.scripts["SELECT"] = hang
    async with TdsServer.listen(engine) as server:
        threads, descriptors = threading.active_count(), open_descriptors()
        with anyio.fail_after(10):
            async with reading(server, [ID]) as reader, anyio.create_task_group() as group:
                group.start_soon(reader.next)
                await hang.started.wait()
                began_s = anyio.current_time()
                group.cancel_scope.cancel()
            took_s = anyio.current_time() - began_s
            await hang.cancelled.wait()
            with pytest.raises(ConnectionLostError):
                await reader.next()
        assert took_s < 0.5  # the driver's own time-out would be minutes
        assert threading.active_count() <= threads + 2  # idle threads of the pool
        while open_descriptors() > descriptors:  # the server's side closes by itself
            await anyio.lowlevel.checkpoint()


async def test_reading_goes_on_after_a_cancelled_reader(reading: Reading) -> None:
    hang = Hang()
    engine = ScriptedEngine()
    engine.scripts["SELECT"] = hang
    async with TdsServer.listen(engine) as server:
        async with reading(server, [ID]) as reader:
            with anyio.move_on_after(5) as scope:
                async with anyio.create_task_group() as group:
                    group.start_soon(reader.next)
                    await hang.started.wait()
                    scope.cancel()
        engine.scripts["SELECT"] = rows([ID], (1,), (2,))
        async with reading(server, [ID]) as reader:
            assert (await drain(reader)).num_rows == 2


async def test_connection_lost_in_the_middle(reading: Reading) -> None:
    engine = serving([ID, NAME], [(i, "x" * 50) for i in range(MANY)])
    async with TdsServer.listen(engine) as server:
        server.faults.reset_after_bytes = 3_000_000
        async with reading(server, [ID, NAME]) as reader:
            with pytest.raises(ConnectionLostError):
                await drain(reader)
            with pytest.raises(ConnectionLostError):
                await reader.next()


async def test_deadlock_in_the_middle_never_looks_like_the_end(reading: Reading) -> None:
    engine = serving([ID], [(i,) for i in range(MANY)])
    text = "Transaction (Process ID 51) was deadlocked on lock resources with another process."
    async with TdsServer.listen(engine) as server:
        server.faults.stream_error = StreamError(90_000, SqlError(1205, text, severity=13))
        async with reading(server, [ID]) as reader:
            with pytest.raises(SourceBusyError, match="error 1205"):
                await drain(reader)


async def test_server_that_says_nothing_is_given_up(reading: Reading) -> None:
    engine = ScriptedEngine()
    engine.scripts["SELECT"] = Hang()
    async with (
        TdsServer.listen(engine) as server,
        reading(server, [ID], query_timeout_s=1) as reader,
    ):
        with anyio.fail_after(20), pytest.raises(TimedOutError):
            await reader.next()


@pytest.mark.parametrize(
    ("change", "kind"),
    [({"password": "wrong"}, AuthenticationError), ({"database": "nope"}, DatabaseNotFoundError)],
)
async def test_login_refused(
    change: dict[str, str], kind: type[Exception], reading: Reading
) -> None:
    async with TdsServer.listen(ScriptedEngine()) as server:
        with pytest.raises(kind):
            async with reading(server, [ID], **change):
                pytest.fail("logged in")


async def test_value_longer_than_measured_is_read_again_not_cut() -> None:
    engine = serving([BODY], [("x" * 10,), ("y" * 9_000,)])
    async with (
        TdsServer.listen(engine) as server,
        scripted.reading(server, [BODY], longest=10) as reader,
    ):
        with pytest.raises(SourceBusyError, match="grew while"):
            await drain(reader)


async def test_value_over_the_limit_is_refused_and_named() -> None:
    engine = serving([ID, BODY], [(1, "x" * 1024), (2, "y" * 1025)])
    async with (
        TdsServer.listen(engine) as server,
        scripted.reading(server, [ID, BODY], kind="native", max_lob_bytes=1024) as reader,
    ):
        with pytest.raises(ValueTooLargeError, match=r"Column body of dbo\.t .* 1024"):
            await drain(reader)


async def test_result_of_another_shape_is_a_changed_schema(reading: Reading) -> None:
    engine = serving([NAME], [("x",)])
    async with TdsServer.listen(engine) as server, reading(server, [ID]) as reader:
        with pytest.raises(SchemaChangedError, match="is not bigint any more"):
            await reader.next()


class TextThenBytes:
    """A table with one text column: as text first, and as bytes when asked for them."""

    def __init__(self, *values: str) -> None:
        self._values = values

    async def text(self, _parameters: Sequence[Parameter]) -> AsyncIterator[Item]:
        yield Columns((NAME,))
        yield Rows([(value,) for value in self._values])
        yield Done(rows=len(self._values), command=0xC1)

    async def bytes(self, _parameters: Sequence[Parameter]) -> AsyncIterator[Item]:
        yield Columns((wire_column("v", SqlType("varbinary", length=8000)),))
        yield Rows([(value.encode("utf-16-le", "surrogatepass"),) for value in self._values])
        yield Done(rows=len(self._values), command=0xC1)

    def engine(self) -> ScriptedEngine:
        engine = ScriptedEngine()
        engine.scripts["SELECT [name] AS dtaas_0 FROM [dbo].[t]"] = self.text
        engine.scripts["SELECT CAST([name] AS varbinary(8000)) AS v FROM [dbo].[t]"] = self.bytes
        return engine


async def test_lone_surrogate_is_an_error_that_names_the_column(reading: Reading) -> None:
    table = TextThenBytes("fine", "a\ud83db")
    async with TdsServer.listen(table.engine()) as server, reading(server, [NAME]) as reader:
        with pytest.raises(UnsupportedTypeError, match=r"Column \[name\] of dbo.t .*ud83d"):
            await drain(reader)


async def test_genuine_replacement_character_passes(reading: Reading) -> None:
    table = TextThenBytes("fine", "a\N{REPLACEMENT CHARACTER}b", "😀")
    async with TdsServer.listen(table.engine()) as server, reading(server, [NAME]) as reader:
        found = await drain(reader)
    assert found.column(0).to_pylist() == ["fine", "a\N{REPLACEMENT CHARACTER}b", "😀"]


async def test_control_query_can_be_cancelled_and_the_pool_goes_on() -> None:
    hang = Hang()
    engine = ScriptedEngine()
    engine.scripts["WAIT"] = hang
    engine.scripts["SELECT"] = rows([ID], (7,))
    async with TdsServer.listen(engine) as server:
        pool = ControlPool(endpoint(server))
        with anyio.fail_after(10):
            async with anyio.create_task_group() as group:
                group.start_soon(pool.fetch, "Waiting", "WAIT x")
                await hang.started.wait()
                group.cancel_scope.cancel()
            await hang.cancelled.wait()
            assert [tuple(r) for r in await pool.fetch("Asking", "SELECT 7")] == [(7,)]
            await pool.aclose()
            await pool.aclose()


async def test_control_session_that_died_idle_is_replaced() -> None:
    engine = ScriptedEngine()
    engine.scripts["SELECT"] = rows([ID], (7,))
    async with TdsServer.listen(engine) as server:
        pool = ControlPool(endpoint(server))
        await pool.fetch("Asking", "SELECT 7")
        server.drop_connections()
        assert [tuple(r) for r in await pool.fetch("Asking", "SELECT 7")] == [(7,)]
        await pool.aclose()


async def test_sessions_say_who_they_are() -> None:
    engine = ScriptedEngine()
    engine.scripts["SELECT"] = rows([ID], (7,))
    async with TdsServer.listen(engine) as server:
        pool = ControlPool(endpoint(server))
        await pool.fetch("Asking", "SELECT 7")
        await pool.aclose()
    calls = engine.sessions[0].calls
    assert calls[0].text == "dtaas/tests"
    assert any("SET LOCK_TIMEOUT 30000" in call.text for call in calls)


async def test_a_value_of_100_mb_comes_whole(reading: Reading) -> None:
    long = "x" * 50_000_000  # 100 MB of UTF-16
    engine = serving([ID, BODY], [(1, "short"), (2, long), (3, None)])
    async with (
        TdsServer.listen(engine) as server,
        reading(server, [ID, BODY], longest=len(long), query_timeout_s=60) as reader,
    ):
        table = await drain(reader)
    assert [len(v) if v else v for v in table.column("body").to_pylist()] == [5, len(long), None]


@pytest.mark.parametrize("name", ["Latin1_General_CI_AS", "Cyrillic_General_CI_AS", "Greek_CI_AS"])
async def test_every_byte_of_a_code_page_reads_the_same_on_both(name: str) -> None:
    codec = collation_named(name).codec
    texts = [text for b in range(1, 256) if (text := bytes((b,)).decode(codec, "ignore"))]
    column = wire_column("c", SqlType("varchar", length=10, collation=name))
    async with TdsServer.listen(serving([column], [(text,) for text in texts])) as server:
        found = []
        for kind in ("odbc", "native"):
            async with scripted.reading(server, [column], kind=kind) as reader:
                found.append((await drain(reader)).column(0).to_pylist())
    assert found[0] == found[1] == texts


DOUBLE_BYTES = {
    "cp932": "Japanese_CI_AS",
    "cp936": "Chinese_PRC_CI_AS",
    "cp949": "Korean_Wansung_CI_AS",
    "cp950": "Chinese_Taiwan_Stroke_CI_AS",
}
EVERY_VALUE = [bytes((a,)) for a in range(256)]
EVERY_VALUE += [bytes((a, b)) for a in range(0x80, 256) for b in range(256)]


def raw(column: ResultColumn, values: Sequence[bytes]) -> ScriptedEngine:
    """Serve values of a text column as these bytes, whatever they mean."""
    tokens = [b"\xd1" + struct.pack("<H", len(v)) + v for v in values]
    parts = [tokens[i : i + 500] for i in range(0, len(tokens), 500)]
    engine = ScriptedEngine()
    packed = [PackedRows(b"".join(part), len(part)) for part in parts]
    engine.scripts["SELECT"] = items(Columns((column,)), *packed, Done(len(tokens)))
    return engine


@pytest.mark.parametrize("codec", DOUBLE_BYTES)
async def test_every_pair_of_bytes_is_the_drivers_character_or_a_loud_error(codec: str) -> None:
    kind = SqlType("varchar", length=10, collation=DOUBLE_BYTES[codec])
    column = wire_column("c", kind, nullable=False)
    units = double_byte(codec)
    taken = [v for v in EVERY_VALUE if unit_of(units, v) is not None]
    async with (
        TdsServer.listen(raw(column, [v + b"Z" for v in taken])) as server,
        scripted.reading(server, [column], kind="odbc") as odbc,
        scripted.reading(server, [column], kind="native") as native,
    ):
        theirs = (await drain(odbc)).column(0).to_pylist()
        ours = (await drain(native)).column(0).to_pylist()
    assert len(ours) == len(taken) > 8_000
    for value, text, other in zip(taken, ours, theirs, strict=True):
        # where the driver says that it does not know it, it is a character of one's own, or €
        not_known = other in ("?Z", "?") and ("\ue000" <= text[0] <= "\uf8ff" or text[0] == "€")
        assert text == other or not_known, value
        assert text == chr(unit_of(units, value) or 0) + "Z", value


def unit_of(units: Sequence[int], value: bytes) -> int | None:
    """Return the UTF-16 unit of one character, None when it is none."""
    unit = units[value[0]]
    if (unit == 0xFFFE) is not (len(value) == 2):
        return None
    if len(value) == 2:
        unit = units[256 + (value[0] - 0x80) * 256 + value[1]]
    return None if unit == 0xFFFF else unit


async def test_bytes_that_are_no_character_are_an_error_that_names_the_column() -> None:
    kind = SqlType("varchar", length=10, collation="Japanese_CI_AS")
    column = wire_column("c", kind, nullable=False)
    async with (
        TdsServer.listen(raw(column, [b"ok", b"a\x93"])) as server,
        scripted.reading(server, [column], kind="native") as reader,
    ):
        with pytest.raises(UnsupportedTypeError, match=r"Column \[c\] of dbo.t .* code page"):
            await drain(reader)


async def test_double_bytes_are_read_natively(database: Database, table: TableRef) -> None:
    columns = "a int PRIMARY KEY, b varchar(20) COLLATE Japanese_CI_AS, c varchar(max)"
    await database.create(table, f"{columns} COLLATE Chinese_PRC_CI_AS", "1, N'日本', N'中文'")
    source = SqlServerSource(replace(database.config, reader=Reader.NATIVE))
    assert await column_of(source, table, "b") == ["日本"]
    assert await column_of(source, table, "c") == ["中文"]
    await source.aclose()


async def test_a_code_page_that_is_not_known_is_left_to_odbc(
    database: Database, table: TableRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "codec_of", lambda _collation: None)
    await database.create(
        table, "a int PRIMARY KEY, b varchar(20) COLLATE Japanese_CI_AS", "1, N'日本'"
    )
    source = SqlServerSource(database.config, application="dtaas/tests")
    schema = await source.describe(table)
    (chunk,) = await source.plan(schema, chunk_rows=10)
    with capture_logs() as logs:
        async with source.read(schema, chunk, batch_rows=10, batch_bytes=1 << 20) as reader:
            assert (await drain(reader)).column("b").to_pylist() == ["日本"]
            way = reader.read_by
    await source.aclose()
    chosen = [log for log in logs if log["event"] == "reader_chosen"]
    assert [(log["reader"], log["table"]) for log in chosen] == [("odbc", str(table))]
    assert way == ReadBy("odbc", chosen[0]["reason"])
    assert "code page" in chosen[0]["reason"]


async def test_a_demanded_native_reader_that_is_missing_is_refused(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_module, "why_missing", lambda: "there is no compiler")
    with pytest.raises(DriverMissingError, match="there is no compiler"):
        SqlServerSource(replace(database.config, reader=Reader.NATIVE))
    source = SqlServerSource(database.config)
    await source.aclose()
