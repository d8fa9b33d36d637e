"""Rates, totals and the time to the end."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from dtaas.engine.progress import ExecutionMeter, Rate, TableMeter
from dtaas.model.execution import ExecutionStatus, ReadBy, TablePhase, TableProgress
from dtaas.model.ids import ExecutionId, LoadId, TaskId
from dtaas.model.load import (
    Chunk,
    ChunkReceipt,
    CommitResult,
    Owner,
    TableLoad,
    TargetTable,
    WriteOptions,
)
from dtaas.model.schema import TableRef, TableSchema
from dtaas.model.spending import NOTHING, Spending

TABLE = TableRef("dbo", "orders")


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def load(*expected: int | None) -> TableLoad:
    return TableLoad(
        load_id=LoadId("a" * 32),
        task_id=TaskId(1),
        execution_id=ExecutionId(1),
        owner=Owner(installation="i", task_id=TaskId(1), task_name="t"),
        schema=TableSchema(table=TABLE, columns=()),
        target=TargetTable(path=("dbo", "orders")),
        options=WriteOptions(),
        chunks=tuple(Chunk(index=i, expected_rows=rows) for i, rows in enumerate(expected)),
    )


def receipt(index: int, rows: int) -> ChunkReceipt:
    return ChunkReceipt(chunk_index=index, rows=rows, bytes=10 * rows, files=())


def test_rate_looks_at_ten_seconds():
    clock = Clock()
    rate = Rate(clock)
    assert rate.per_second() == 0
    for _ in range(20):
        rate.add(50)
        clock.now += 1
    assert rate.per_second() == 50
    clock.now += 20
    assert rate.per_second() == 0


def test_a_table_from_plan_to_commit():
    clock = Clock()
    meter = TableMeter(TABLE, clock)
    meter.enter(TablePhase.PLANNING)
    meter.planned(load(600, 400), [], None)
    meter.enter(TablePhase.LOADING)
    clock.now += 1
    meter.read(0, 100, 1000)
    clock.now += 1
    meter.read(0, 100, 1000)
    state = meter.snapshot()
    assert (state.rows_done, state.rows_total, state.chunks_total) == (200, 1000, 2)
    assert state.rows_s == 200
    assert state.eta_s == 4
    meter.chunk_done(receipt(0, 600))
    assert meter.snapshot().rows_done == 600
    meter.committed(CommitResult(rows=1003, bytes=9, files=2, location="x"))
    meter.enter(TablePhase.COMPLETED)
    state = meter.snapshot()
    assert (state.rows_done, state.rows_total, state.total_is_estimate) == (1003, 1003, False)
    assert state.rows_s == 0
    assert state.completed_at is not None


def test_what_reads_a_table_is_shown():
    meter = TableMeter(TABLE, Clock())
    meter.read_by(None)
    assert meter.snapshot().reader is None
    meter.read_by(ReadBy("odbc", "there is no compiler"))
    state = meter.snapshot()
    assert (state.reader, state.reader_reason) == ("odbc", "there is no compiler")
    meter.read_by(ReadBy("native"))
    assert (meter.snapshot().reader, meter.snapshot().reader_reason) == ("native", None)


def test_a_lost_chunk_takes_its_rows_back():
    meter = TableMeter(TABLE, Clock())
    meter.planned(load(None), [], None)
    meter.enter(TablePhase.LOADING)
    meter.read(0, 100, 1000)
    meter.chunk_lost(0)
    assert meter.snapshot().rows_done == 0
    assert meter.snapshot().rows_total is None


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=8))
def test_resuming_counts_what_is_durable(rows: list[int]):
    meter = TableMeter(TABLE, Clock())
    done = [receipt(i, n) for i, n in enumerate(rows[:-1])]
    meter.planned(load(*rows), done, None)
    state = meter.snapshot()
    assert state.rows_done == sum(rows[:-1])
    assert state.rows_total == sum(rows)
    assert state.chunks_done == len(done)


def test_percent_is_hundred_only_at_the_end():
    clock = Clock()
    other = TableRef("dbo", "lines")
    meters = ExecutionMeter(TaskId(1), ExecutionId(2), [TABLE, other], clock)
    first, second = meters.tables.values()
    first.planned(load(10), [receipt(0, 10)], None)
    second.planned(load(10), [receipt(0, 10)], None)
    assert meters.snapshot(ExecutionStatus.RUNNING).percent == 99.9
    first.enter(TablePhase.COMPLETED)
    second.enter(TablePhase.FAILED)
    progress = meters.snapshot(ExecutionStatus.RUNNING)
    assert progress.percent == 100.0
    assert msgspec.json.decode(msgspec.json.encode(progress))["rows_done"] == 20


def test_what_earlier_lives_of_an_execution_spent_stays_spent():
    spent = Spending(queries=3, credits=0.5, appended_windows=1, merged_windows=2)
    other, new = TableRef("dbo", "lines"), TableRef("dbo", "new")
    recorded = [
        TableProgress(
            table=TABLE,
            phase=TablePhase.STREAMING,
            queries=40,
            credits=1.5,
            appended_windows=10,
            merged_windows=20,
        ),
        TableProgress(table=other, phase=TablePhase.LOADING, queries=4),
    ]
    meters = ExecutionMeter(
        TaskId(1),
        ExecutionId(2),
        [TABLE, other],
        Clock(),
        spent=lambda table: spent if table == TABLE else NOTHING,
        recorded=recorded,
    )
    meters.add(new)
    meters.tables[TABLE].recall(recorded[0])
    for _ in range(2):  # looking at it adds nothing
        found = {t.table: t for t in meters.snapshot(ExecutionStatus.RUNNING).tables}
        one = found[TABLE]
        assert (one.queries, one.credits) == (43, 2.0)
        assert (one.appended_windows, one.merged_windows) == (11, 22)
        assert (found[other].queries, found[other].credits) == (4, None)
        assert found[new].queries == 0
