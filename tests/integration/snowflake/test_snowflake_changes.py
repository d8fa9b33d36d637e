"""Changes merged into Snowflake: by key, once, with their position in the same transaction."""

import decimal
import re
from collections.abc import AsyncIterator
from datetime import date, datetime
from typing import Any

import pytest
from msgspec.structs import replace

import dtaas.connectors.snowflake.changes as changes_module
from dtaas.connectors.snowflake.destination import SnowflakeDestination
from dtaas.connectors.snowflake.leftovers import begin
from dtaas.connectors.snowflake.sessions import SessionPool
from dtaas.model.connectors import SnowflakeConfig, SnowflakeDeletes
from dtaas.model.errors import (
    DestinationConflictError,
    DestinationUnavailableError,
    OwnershipLostError,
    TimedOutError,
)
from dtaas.model.schema import Column
from dtaas.model.types import ColumnType, Date, Decimal, Integer, Timestamp
from dtaas.sandbox.snowflake.emulator import SnowflakeEmulator
from dtaas.sandbox.snowflake.faults import Fault
from tests.contract.change_rows import Change, place
from tests.contract.merging_destination import (
    SCHEMA,
    Both,
    MergingDestinationContract,
    apply,
    loaded,
    rows_at,
    stream_of,
    window,
)
from tests.integration.snowflake.conftest import Run, before_statement, destination_of, transactions


class TestSnowflakeChanges(MergingDestinationContract):
    @pytest.fixture
    async def destination(self, config: SnowflakeConfig) -> AsyncIterator[SnowflakeDestination]:
        self.config = config
        self.opened: list[SnowflakeDestination] = [destination_of(config)]
        yield self.opened[0]
        for destination in self.opened:
            await destination.aclose()

    def another(self, destination: Both) -> SnowflakeDestination:
        self.opened.append(destination_of(self.config))
        return self.opened[-1]

    async def test_an_earlier_life_is_fenced_off(self, destination: SnowflakeDestination) -> None:
        stream = await loaded(destination, range(1))
        await destination.open_stream(stream)
        later = self.another(destination)
        await later.open_stream(stream)
        changes: list[Change] = [("I", 1, (5, "late", "b", None), None)]
        with pytest.raises(DestinationConflictError, match="another life"):
            await apply(destination, stream, window(0, 1), changes)
        with pytest.raises(DestinationConflictError, match="another life"):
            await destination.open_stream(stream)
        await apply(later, stream, window(0, 1), changes)
        assert [row[0] for row in await rows_at(later)] == [0, 5]

    async def test_an_earlier_owner_is_refused_before_the_stream_is_opened(
        self, destination: SnowflakeDestination
    ) -> None:
        stream = await loaded(destination, range(1))
        await destination.open_stream(stream)
        later = self.another(destination)
        await later.claim(stream.target, replace(stream.owner, epoch=stream.owner.epoch + 1))
        with pytest.raises(OwnershipLostError, match="a later owner"):
            await apply(destination, stream, window(0, 1), [("I", 1, (5, "l", "b", None), None)])
        assert [row[0] for row in await rows_at(later)] == [0]

    async def test_records_of_windows_do_not_pile_up(
        self, destination: SnowflakeDestination, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(changes_module, "_FORGET_EVERY", 3)
        stream = await loaded(destination, range(1))

        async def records() -> list[str]:
            positions = destination._places.positions
            rows = await run(f'SELECT "POSITION" FROM {positions} ORDER BY 1')
            return [row[0] for row in rows]

        for at, life in ((0, destination), (3, self.another(destination))):
            assert await life.open_stream(stream) == (place(at) if at else None)
            for number in range(at, at + 3):
                await apply(life, stream, window(number, number + 1))
            assert await records() == [place(at + 3).hex()]
        last = self.another(destination)
        assert await last.open_stream(stream) == place(6)
        assert await records() == [place(0).hex(), place(6).hex()]


async def test_deleted_rows_stay_marked_when_asked(config: SnowflakeConfig, run: Run) -> None:
    config = replace(config, deletes=SnowflakeDeletes.SOFT)
    destination = destination_of(config)
    stream = await loaded(destination, range(3))
    await destination.open_stream(stream)
    await apply(destination, stream, window(0, 1), [("D", 1, (1, None, None, None), None)])
    assert [row[0] for row in await rows_at(destination)] == [0, 2]
    schema = stream.target.path[0]
    marked = await run(
        f'SELECT "id", "body", "_DTAAS_DELETED" FROM "TEST"."{schema}"."merged" ORDER BY "id"'
    )
    assert [tuple(row) for row in marked] == [(0, "b0", False), (1, "b1", True), (2, "b2", False)]
    await apply(destination, stream, window(1, 2), [("I", 2, (1, "back", "b", None), None)])
    assert [row[0] for row in await rows_at(destination)] == [0, 1, 2]
    await destination.aclose()


async def test_staged_files_of_an_earlier_life_are_gone_with_it(
    snowflake: SnowflakeEmulator, config: SnowflakeConfig, run: Run
) -> None:
    lives = [destination_of(config), destination_of(config)]
    stream = await loaded(lives[0], range(1))
    await lives[0].open_stream(stream)
    await snowflake.inject(Fault(match="^COPY", kind="error", code=604, message="injected"))
    with pytest.raises(TimedOutError, match="injected"):
        await apply(lives[0], stream, window(0, 1), new_rows(5))
    staged = f"LIST @{lives[0]._places.stage}/{stream.generation}/"
    assert len(await run(staged)) == 1
    await lives[1].open_stream(stream)
    assert await run(staged) == []
    for destination in lives:
        await destination.aclose()


async def test_staged_files_of_a_later_life_stay(
    snowflake: SnowflakeEmulator,
    config: SnowflakeConfig,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It takes the stream over after an earlier one's fence, and before that looks for files."""
    lives = [destination_of(config), destination_of(config)]
    stream = await loaded(lives[0], range(1))
    await lives[0].open_stream(stream)
    await lives[0].aclose()

    async def comes() -> None:
        await lives[1].open_stream(stream)
        await snowflake.inject(Fault(match="^COPY", kind="error", code=604, message="injected"))
        with pytest.raises(TimedOutError, match="injected"):
            await apply(lives[1], stream, window(0, 1), new_rows(5))

    lives[0] = destination_of(config)
    before_statement(monkeypatch, "LIST", comes)
    with pytest.raises(DestinationConflictError, match="another life"):
        await lives[0].open_stream(stream)
    assert len(await run(f"LIST @{lives[0]._places.stage}/{stream.generation}/")) == 1
    for destination in lives:
        await destination.aclose()


def new_rows(*ids: int) -> list[Change]:
    return [("I", i, (i, "new", "b", None), None) for i in ids]


async def ways(snowflake: SnowflakeEmulator, since: int) -> list[str]:
    """Return how windows got into the target, in their order."""
    said = [one.sql for one in (await snowflake.log())[since:]]
    brings = re.compile(
        "(?P<copy>COPY) INTO (?!.*__DTAAS_CHANGES)|(?P<insert>INSERT) INTO .*__DTAAS_CHANGES"
        "|(?P<merge>MERGE) INTO .*__DTAAS_OP"
    )
    return [found[found.lastgroup or ""] for sql in said if (found := brings.match(sql))]


@pytest.mark.parametrize("deletes", list(SnowflakeDeletes))
async def test_only_rows_behind_all_others_are_copied_without_a_merge(
    snowflake: SnowflakeEmulator, config: SnowflakeConfig, run: Run, deletes: SnowflakeDeletes
) -> None:
    destination = destination_of(replace(config, deletes=deletes))
    soft = deletes is SnowflakeDeletes.SOFT
    stream = await loaded(destination, range(4))
    await destination.open_stream(stream)
    number, expected = 0, {0, 1, 2, 3}

    async def comes(way: str, changes: list[Change]) -> None:
        nonlocal number
        since, number = len(await snowflake.log()), number + 1
        before = destination.spent(stream.tracked.table)
        await apply(destination, stream, window(number - 1, number), changes)
        assert await ways(snowflake, since) == [way], changes
        spent = destination.spent(stream.tracked.table)
        assert spent.appended_windows - before.appended_windows == (way != "MERGE")
        assert spent.merged_windows - before.merged_windows == (way == "MERGE")
        for op, _, values, _ in changes:
            (expected.discard if op == "D" else expected.add)(values[0])
        assert [row[0] for row in await rows_at(destination)] == sorted(expected), changes

    def gone(key: int) -> list[Change]:
        return [("D", 1, (key, None, None, None), None)]

    await comes("COPY", new_rows(7, 6))
    await comes("MERGE", new_rows(3, 8))  # the load had read one of them
    await comes("MERGE", new_rows(8, 9))  # one came before
    await comes("MERGE", [("U", 1, (20, "x", None, None), '["body"]')])
    await comes("MERGE", gone(20))
    await comes("MERGE" if soft else "COPY", new_rows(20))  # revived where it was only marked
    await comes("MERGE", [*gone(7), *new_rows(30)])
    await comes("MERGE", new_rows(7))
    await comes("COPY", [*new_rows(40), ("U", 2, (40, "newer", "b", None), None)])
    assert (await rows_at(destination))[-1] == (40, "newer", "b", None)
    await comes("MERGE", new_rows(*range(50, 55), 50, 39))  # folded, and one below
    if soft:
        table = destination._places.table(stream.target)
        marks = await run(f'SELECT DISTINCT "_DTAAS_DELETED" FROM {table}')
        assert marks == [(False,)]
    await destination.aclose()


@pytest.mark.parametrize("deletes", list(SnowflakeDeletes))
async def test_new_rows_with_values_that_are_cast_are_inserted_without_a_merge(
    snowflake: SnowflakeEmulator, config: SnowflakeConfig, run: Run, deletes: SnowflakeDeletes
) -> None:
    destination = destination_of(replace(config, deletes=deletes))
    at = Column(name="at", type=Timestamp(7), nullable=True)
    schema = replace(SCHEMA, columns=(SCHEMA.columns[0], at))
    stream = stream_of(destination, schema)
    await destination.claim(stream.target, stream.owner)
    await destination.open_stream(stream)
    value = "2026-01-02 03:04:05.1234560"  # the emulator keeps six of the seven digits
    since = len(await snowflake.log())
    await apply(destination, stream, window(0, 1), [("I", 1, (5, value), None)])
    await snowflake.inject(Fault(match="^COMMIT", kind="error", code=604, message="injected"))
    with pytest.raises(TimedOutError, match="injected"):
        await apply(destination, stream, window(1, 2), [("I", 2, (6, None), None)])
    assert destination.spent(stream.tracked.table).appended_windows == 1
    await apply(destination, stream, window(1, 2), [("I", 2, (6, None), None)])
    await apply(destination, stream, window(2, 3), [("I", 3, (6, value), None)])
    assert await ways(snowflake, since) == ["INSERT", "INSERT", "INSERT", "MERGE"]
    spent = destination.spent(stream.tracked.table)
    assert (spent.appended_windows, spent.merged_windows) == (2, 1)
    assert await rows_at(destination, schema) == [(5, value), (6, value)]
    if deletes is SnowflakeDeletes.SOFT:
        table = destination._places.table(stream.target)
        assert await run(f'SELECT DISTINCT "_DTAAS_DELETED" FROM {table}') == [(False,)]
    await destination.aclose()


@pytest.mark.parametrize("way", ["COPY", "MERGE"])
async def test_a_window_whose_transaction_somebody_ends_is_tried_again(
    config: SnowflakeConfig, run: Run, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    destination = destination_of(config)
    stream = await loaded(destination, range(1))
    await destination.open_stream(stream)
    changes = new_rows(5) if way == "COPY" else new_rows(5, 0)

    async def ends() -> None:
        (open_one,) = await transactions(config)
        await run(f"SELECT SYSTEM$ABORT_TRANSACTION('{open_one}')")

    before_statement(monkeypatch, "INSERT INTO", ends)
    with pytest.raises(DestinationUnavailableError, match="ended before its COMMIT"):
        await apply(destination, stream, window(0, 1), changes)
    assert [row[0] for row in await rows_at(destination)] == [0]
    await apply(destination, stream, window(0, 1), changes)
    assert [row[0] for row in await rows_at(destination)] == [0, 5]
    await destination.aclose()


async def test_a_take_over_that_lost_ends_no_transaction_of_who_won(
    config: SnowflakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    lives = [destination_of(config), destination_of(config)]
    stream = await loaded(lives[0], range(1))
    pool = SessionPool(config)
    async with pool.session("dtaas/test") as session:

        async def comes() -> None:
            await lives[1].open_stream(stream)
            await session.run("Writing", begin(lives[1]._places.table(stream.target)))

        before_statement(monkeypatch, "SHOW TRANSACTIONS", comes)
        with pytest.raises(DestinationConflictError, match="another life"):
            await lives[0].open_stream(stream)
        assert len(await transactions(config)) == 1
        await session.run("Writing", "ROLLBACK")
    await pool.aclose()
    for destination in lives:
        await destination.aclose()


async def test_a_window_counts_once_however_its_commit_is_answered(
    snowflake: SnowflakeEmulator, config: SnowflakeConfig
) -> None:
    destination = destination_of(config)
    stream = await loaded(destination, range(1))
    await destination.open_stream(stream)

    def counted() -> tuple[int, int]:
        spent = destination.spent(stream.tracked.table)
        return spent.appended_windows, spent.merged_windows

    await snowflake.inject(Fault(match="^COMMIT", kind="error", code=604, message="injected"))
    with pytest.raises(TimedOutError, match="injected"):
        await apply(destination, stream, window(0, 1), new_rows(5))
    assert counted() == (0, 0)  # nothing has come
    await snowflake.inject(Fault(match="^COMMIT", when="after", kind="expire"))
    await apply(destination, stream, window(0, 1), new_rows(5))
    assert counted() == (1, 0)  # it came, and nobody said so
    await apply(destination, stream, window(0, 1), new_rows(5))
    assert counted() == (1, 0)  # it was there before
    await apply(destination, stream, window(1, 2))
    assert counted() == (1, 0)  # it had no rows
    await apply(destination, stream, window(2, 3), new_rows(5))
    assert counted() == (1, 1)
    assert [row[0] for row in await rows_at(destination)] == [0, 5]
    await destination.aclose()


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Timestamp(6), [datetime(2026, 1, 1, 0, 0, 0, at) for at in (1, 2, 2)]),
        (Timestamp(3), [datetime(2026, 1, day) for day in (1, 2, 2)]),
        (Date(), [date(2026, 1, day) for day in (1, 2, 2)]),
        (Decimal(20, 2), [decimal.Decimal(v) for v in ("9.5", "10.25", "10.25")]),
    ],
)
async def test_keys_of_any_kind_that_rises_show_new_rows(
    snowflake: SnowflakeEmulator, config: SnowflakeConfig, kind: ColumnType, values: list[Any]
) -> None:
    destination = destination_of(config)
    first = replace(SCHEMA.columns[0], type=kind)
    number = Column(name="number", type=Integer(32), nullable=False)
    schema = replace(SCHEMA, columns=(first, number), key=("id", "number"))
    stream = stream_of(destination, schema)
    await destination.claim(stream.target, stream.owner)
    await destination.open_stream(stream)
    since = len(await snowflake.log())
    for at, value in enumerate(values):
        await apply(destination, stream, window(at, at + 1), [("I", at + 1, (value, at), None)])
    assert await ways(snowflake, since) == ["COPY", "COPY", "MERGE"]
    assert await rows_at(destination, schema) == list(zip(values, range(3), strict=True))
    await destination.aclose()
