"""Streams in the real engine between the in-memory connectors: every step can be held or broken."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from anyio import Event, fail_after, sleep
from msgspec.structs import replace

from dtaas.connectors.memory.datasets import Dataset
from dtaas.engine import stream, stream_table, turns
from dtaas.model.errors import ConnectionLostError, DestinationUnavailableError
from dtaas.model.events import ProgressMade
from dtaas.model.execution import ExecutionStatus, TablePhase, TableProgress
from dtaas.model.ids import TaskId
from dtaas.model.schema import TableRef
from dtaas.model.task import DesiredState, OnGap, TaskMode, TaskStatus
from tests.integration.engine.conftest import LIMIT_S, LINES, ORDERS, Works

EVERY = TableRef("", "")


async def streaming_task(
    works: Works, *tables: TableRef, mode: TaskMode = TaskMode.FULL_LOAD_THEN_CDC, **options: object
) -> TaskId:
    task_id = await works.make_task(*tables, **({"poll_interval_ms": 50} | options))
    task = await works.store.engine.task(task_id)
    await works.store.tasks.update(task_id, replace(task.spec, mode=mode))
    return task_id


class Gate:
    """Holds one step of one table back, or breaks it."""

    def __init__(
        self, data: Dataset, step: str, table: TableRef, error: Exception | None = None
    ) -> None:
        self.reached, self.open = Event(), Event()
        self.passes = 0
        self._step, self._table, self._error = step, table, error
        data.hook = self

    async def __call__(self, step: str, table: TableRef) -> None:
        if (step, table) != (self._step, self._table) or self.open.is_set():
            return
        self.passes += 1
        self.reached.set()
        if self._error is not None:
            raise self._error
        await self.open.wait()


async def tables_are(
    works: Works, met: Callable[[dict[TableRef, TableProgress]], bool]
) -> dict[TableRef, TableProgress]:
    event = await works.until(
        lambda e: isinstance(e, ProgressMade) and met({t.table: t for t in e.progress.tables})
    )
    assert isinstance(event, ProgressMade)
    return {t.table: t for t in event.progress.tables}


def all_stream(tables: dict[TableRef, TableProgress]) -> bool:
    return all(t.phase is TablePhase.STREAMING for t in tables.values())


async def begin(works: Works, task_id: TaskId) -> None:
    await works.want(task_id, DesiredState.RUNNING)
    await works.task_is(TaskStatus.STREAMING)
    await tables_are(works, all_stream)


def change(works: Works, table: TableRef, number: int, op: str = "I") -> bytes:
    row = works.source.tables[table].rows.slice(0, 1).to_pylist()[0] | {"id": number}
    with works.source.transaction() as transaction:
        {"I": transaction.insert, "D": transaction.delete}[op](table, row)
    return works.source.log.committed


async def arrived(works: Works, table: TableRef) -> None:
    expected = works.source.tables[table].rows.sort_by("id")
    await tables_are(works, lambda _: works.loaded(table).equals(expected))


async def test_a_load_goes_over_into_a_stream(works: Works) -> None:
    task_id = await streaming_task(works)
    await begin(works, task_id)
    change(works, ORDERS, 1_000_001)
    change(works, LINES, 1, "D")
    await arrived(works, ORDERS)
    await arrived(works, LINES)
    tables = await tables_are(works, lambda t: all(x.changes == 1 for x in t.values()))
    assert (tables[ORDERS].inserts, tables[LINES].deletes) == (1, 1)
    await works.want(task_id, DesiredState.STOPPED)
    execution = await works.ended()
    assert execution.status is ExecutionStatus.STOPPED
    assert execution.cdc_lsn_start is not None
    assert execution.cdc_lsn_end is not None
    assert execution.cdc_lsn_end > execution.cdc_lsn_start


async def test_changes_committed_during_the_load_are_neither_lost_nor_doubled(
    works: Works,
) -> None:
    """Olake 843, Materialize 33202: the position is taken before the first row is read."""
    gate = Gate(works.source, "read", ORDERS)
    task_id = await streaming_task(works, ORDERS)
    await works.want(task_id, DesiredState.RUNNING)
    with fail_after(LIMIT_S):
        await gate.reached.wait()
    for number in range(2_000_000, 2_000_020):
        change(works, ORDERS, number)
    change(works, ORDERS, 2_000_003, "D")
    gate.open.set()
    await works.task_is(TaskStatus.STREAMING)
    await arrived(works, ORDERS)


async def test_one_poll_for_all_tables_and_idle_ones_keep_up(works: Works) -> None:
    """Airbyte 37772, Estuary 1643: idle tables cost nothing and do not stay behind."""
    task_id = await streaming_task(works, poll_interval_ms=250)
    await begin(works, task_id)
    polls = works.source.log.polls
    to = change(works, ORDERS, 3_000_000).hex()
    await tables_are(works, lambda t: all((x.position or "") >= to for x in t.values()))
    first = works.source.log.polls - polls
    assert 1 <= first <= 12  # never one a table and step
    assert works.target.targets[LINES.schema, LINES.name].changes == []


async def test_a_slow_table_does_not_stop_the_others(works: Works) -> None:
    task_id = await streaming_task(works)
    await begin(works, task_id)
    gate = Gate(works.target, "apply", ORDERS)
    change(works, ORDERS, 4_000_000)
    with fail_after(LIMIT_S):
        await gate.reached.wait()
    for number in range(5_000_000, 5_000_010):
        change(works, LINES, number)
    await arrived(works, LINES)
    tables = await tables_are(
        works, lambda t: t[LINES].lag_s == 0 and (t[ORDERS].destination_lag_s or 0) > 0
    )
    assert tables[ORDERS].changes == 0
    gate.open.set()
    await arrived(works, ORDERS)
    await tables_are(works, lambda t: all(x.lag_s == 0 for x in t.values()))


async def test_a_destination_that_fails_is_tried_again_by_its_table_alone(works: Works) -> None:
    task_id = await streaming_task(works)
    await begin(works, task_id)
    gate = Gate(works.target, "apply", ORDERS, DestinationUnavailableError("away"))
    change(works, ORDERS, 4_000_000)
    change(works, LINES, 5_000_000)
    await arrived(works, LINES)
    await tables_are(works, lambda t: t[ORDERS].retries >= 2)
    gate.open.set()
    await arrived(works, ORDERS)
    tables = await tables_are(works, all_stream)
    assert tables[ORDERS].error is None
    assert works.target.targets[ORDERS.schema, ORDERS.name].changes[0].num_rows == 1


async def test_no_sleep_while_a_table_is_behind(works: Works) -> None:
    """Redpanda 4691: a pause after each pass idles a busy table."""
    task_id = await streaming_task(works, ORDERS, window_rows=1, poll_interval_ms=2_000)
    await begin(works, task_id)
    for number in range(6_000_000, 6_000_200):
        change(works, ORDERS, number)
    with fail_after(LIMIT_S):
        await arrived(works, ORDERS)
    windows = len(works.target.targets[ORDERS.schema, ORDERS.name].changes)
    assert windows == 200
    assert works.source.log.polls < 200  # windows follow each other without asking again


@pytest.mark.parametrize("step", ["apply", "applied"])
async def test_a_pause_in_the_middle_of_a_window_doubles_nothing(works: Works, step: str) -> None:
    """Redpanda 4677: the tail of a transaction survives a life that ends in its middle."""
    task_id = await streaming_task(works, ORDERS)
    await begin(works, task_id)
    gate = Gate(works.target, step, ORDERS)
    change(works, ORDERS, 7_000_000)
    with fail_after(LIMIT_S):
        await gate.reached.wait()
    await works.supervisor.stop_now(task_id)  # as a crash: nothing more is noted
    gate.open.set()
    change(works, ORDERS, 7_000_001)
    await begin(works, task_id)
    await arrived(works, ORDERS)
    batches = works.target.targets[ORDERS.schema, ORDERS.name].changes
    assert [row["id"] for b in batches for row in b.to_pylist()] == [7_000_000, 7_000_001]


async def test_one_table_is_loaded_anew_while_the_others_stream(works: Works) -> None:
    """Airbyte 3520: resetting one table resets all."""
    task_id = await streaming_task(works)
    await begin(works, task_id)
    before = works.target.targets[LINES.schema, LINES.name].generation
    old = works.target.targets[ORDERS.schema, ORDERS.name].generation
    gate = Gate(works.source, "read", ORDERS)
    await works.supervisor.wake(task_id, tables=[ORDERS])
    with fail_after(LIMIT_S):
        await gate.reached.wait()
    change(works, LINES, 8_000_000)
    change(works, ORDERS, 8_000_001)
    await arrived(works, LINES)
    assert works.target.targets[ORDERS.schema, ORDERS.name].generation == old
    gate.open.set()
    await tables_are(works, all_stream)
    await arrived(works, ORDERS)
    assert works.target.targets[ORDERS.schema, ORDERS.name].generation != old
    assert works.target.targets[LINES.schema, LINES.name].generation == before


async def test_an_order_to_load_anew_survives_a_crash(works: Works) -> None:
    """The daemon dies between its answer to a start with tables and the life that obeys it."""
    task_id = await streaming_task(works)
    await begin(works, task_id)
    await works.want(task_id, DesiredState.STOPPED)
    await works.ended()
    before = {t: works.target.targets[t.schema, t.name].generation for t in (ORDERS, LINES)}
    await works.want(task_id, DesiredState.RUNNING, tables=[ORDERS])
    await works.supervisor.stop_now(task_id)  # before it could do anything, as a crash would
    await begin(works, task_id)
    after = {t: works.target.targets[t.schema, t.name].generation for t in (ORDERS, LINES)}
    assert after[ORDERS] != before[ORDERS]
    assert after[LINES] == before[LINES]


async def test_a_table_that_is_being_loaded_anew_is_not_loaded_once_more(works: Works) -> None:
    """Two orders made two loads, and a crash between them a stream that followed neither."""
    task_id = await streaming_task(works)
    await begin(works, task_id)
    gate = Gate(works.source, "read", ORDERS)
    await works.supervisor.wake(task_id, tables=[ORDERS])
    with fail_after(LIMIT_S):
        await gate.reached.wait()
    await works.supervisor.wake(task_id, tables=[ORDERS])
    gate.open.set()
    await tables_are(works, all_stream)
    first = works.target.targets[ORDERS.schema, ORDERS.name].generation
    again = Gate(works.source, "read", ORDERS)
    change(works, ORDERS, 8_500_000)
    await arrived(works, ORDERS)
    assert not again.reached.is_set()
    assert works.target.targets[ORDERS.schema, ORDERS.name].generation == first


@pytest.mark.parametrize("step", ["write changes", "read changes", "apply"])
async def test_tables_that_stand_still_give_way(
    works: Works, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """As many as there are places: a healthy table must not wait for the watchdog."""
    monkeypatch.setattr(stream, "_LEAST_PLACES", 1)
    monkeypatch.setattr(stream_table, "PATIENCE_S", 0.2)
    monkeypatch.setattr(turns, "_LOOK_EVERY_S", 0.05)
    task_id = await streaming_task(works, concurrent_chunks=1)
    await begin(works, task_id)
    gate = Gate(works.target if step != "read changes" else works.source, step, ORDERS)
    change(works, ORDERS, 4_000_000)
    with fail_after(LIMIT_S):
        await gate.reached.wait()
    change(works, LINES, 5_000_000)
    await arrived(works, LINES)
    tables = await tables_are(works, lambda t: t[ORDERS].retries > 0)
    assert tables[LINES].retries == 0
    gate.open.set()
    await arrived(works, ORDERS)
    batches = works.target.targets[ORDERS.schema, ORDERS.name].changes
    assert [row["id"] for b in batches for row in b.to_pylist()] == [4_000_000]


async def test_bytes_that_a_stalled_table_holds_come_back(
    works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_table, "PATIENCE_S", 0.2)
    monkeypatch.setattr(turns, "_LOOK_EVERY_S", 0.05)
    task_id = await streaming_task(works, in_flight_mb=8)
    await begin(works, task_id)
    gate = Gate(works.target, "write changes", ORDERS)
    with works.source.transaction() as transaction:
        transaction.insert(ORDERS, {"id": 4_000_000, "name": "x" * 9_000_000})
    with fail_after(LIMIT_S):
        await gate.reached.wait()
    change(works, LINES, 5_000_000)
    await arrived(works, LINES)
    gate.open.set()
    await arrived(works, ORDERS)


async def test_a_gap_stops_its_table_alone_and_loudly(works: Works) -> None:
    task_id = await streaming_task(works)
    await begin(works, task_id)
    works.source.log.disable(ORDERS)
    tables = await tables_are(works, lambda t: t[ORDERS].phase is TablePhase.FAILED)
    assert tables[ORDERS].error_code == "capture_lost"
    assert tables[ORDERS].hint
    change(works, LINES, 9_000_000)
    await arrived(works, LINES)


async def test_a_gap_loads_its_table_anew_once_when_the_task_says_so(works: Works) -> None:
    """Airbyte 73706: an automatic re-load must not go round in circles."""
    task_id = await streaming_task(works, on_gap=OnGap.RELOAD)
    await begin(works, task_id)
    old = works.target.targets[ORDERS.schema, ORDERS.name].generation
    works.source.log.disable(ORDERS)
    await tables_are(
        works,
        lambda t: (
            all_stream(t) and works.target.targets[ORDERS.schema, ORDERS.name].generation != old
        ),
    )
    change(works, ORDERS, 9_100_000)
    await arrived(works, ORDERS)
    works.source.log.disable(ORDERS)
    await tables_are(works, lambda t: t[ORDERS].phase is TablePhase.FAILED)


@pytest.mark.parametrize("fork", [True, False], ids=["fork", "fail-over"])
async def test_a_restored_source_stops_the_task(works: Works, fork: bool) -> None:
    task_id = await streaming_task(works, ORDERS)
    await begin(works, task_id)
    back = works.source.log.committed
    to = change(works, ORDERS, 9_200_000).hex()
    await tables_are(works, lambda t: (t[ORDERS].position or "") >= to)
    works.source.log.restore(back, fork=fork)
    task = await works.task_is(TaskStatus.FAILED)
    assert task.last_error_code == "source_restored"


async def test_a_secondary_that_lags_behind_another_is_waited_for(works: Works) -> None:
    task_id = await streaming_task(works, ORDERS)
    await begin(works, task_id)
    log = works.source.log
    back, log.replica = log.committed, True
    to = change(works, ORDERS, 9_250_000).hex()
    await tables_are(works, lambda t: (t[ORDERS].position or "") >= to)
    ahead, polls = log.captured, log.polls
    log.captured = back  # the next poll asks a copy that has not come so far
    with fail_after(LIMIT_S):
        while log.polls < polls + 3:
            await sleep(0.01)
    log.captured = ahead
    change(works, ORDERS, 9_250_001)
    await arrived(works, ORDERS)
    task = await works.store.tasks.get(task_id)
    assert (task.status, task.last_error_code) == (TaskStatus.STREAMING, None)


async def test_a_capture_that_stands_still_is_told(works: Works) -> None:
    task_id = await streaming_task(works, ORDERS)
    await begin(works, task_id)
    works.source.log.capturing = False
    change(works, ORDERS, 9_300_000)
    tables = await tables_are(works, lambda t: (t[ORDERS].source_lag_s or 0) > 0)
    assert "stands still" in (tables[ORDERS].warning or "")
    assert tables[ORDERS].read_lag_s == 0
    works.source.log.capturing = True
    works.source.log.capture()
    await arrived(works, ORDERS)
    tables = await tables_are(works, lambda t: t[ORDERS].lag_s == 0)
    assert tables[ORDERS].warning is None


async def test_a_poll_that_fails_is_tried_again(works: Works) -> None:
    task_id = await streaming_task(works, ORDERS)
    await begin(works, task_id)
    gate = Gate(works.source, "poll", EVERY, ConnectionLostError("reset"))
    await works.task_is(TaskStatus.RETRYING)
    gate.open.set()
    await works.task_is(TaskStatus.STREAMING)
    change(works, ORDERS, 9_400_000)
    await arrived(works, ORDERS)


async def test_changes_only_begin_at_the_anchor(works: Works) -> None:
    task_id = await streaming_task(works, ORDERS, mode=TaskMode.CDC)
    await begin(works, task_id)
    change(works, ORDERS, 9_500_000)
    place = ORDERS.schema, ORDERS.name
    await tables_are(works, lambda t: t[ORDERS].changes == 1)
    assert [b.to_pylist()[0]["id"] for b in works.target.targets[place].changes] == [9_500_000]


async def rename_tables(
    works: Works, task_id: TaskId, *tables: TableRef, **options: object
) -> None:
    task = await works.store.engine.task(task_id)
    changed = replace(
        task.spec, source_tables=tables, options=replace(task.spec.options, **options)
    )
    await works.store.tasks.update(task_id, changed)
    await works.supervisor.wake(task_id)


async def test_a_table_joins_without_touching_the_others(works: Works) -> None:
    """Airbyte 13781: adding one table must not reset all."""
    task_id = await streaming_task(works, ORDERS)
    await begin(works, task_id)
    place = ORDERS.schema, ORDERS.name
    generation, epoch = works.target.targets[place].generation, works.target.targets[place].epoch
    await rename_tables(works, task_id, ORDERS, LINES)
    await tables_are(works, lambda t: set(t) == {ORDERS, LINES} and all_stream(t))
    change(works, ORDERS, 9_600_000)
    change(works, LINES, 9_600_001)
    await arrived(works, ORDERS)
    await arrived(works, LINES)
    assert works.target.targets[place].generation == generation
    assert works.target.targets[place].epoch == epoch


@pytest.mark.parametrize("drop", [True, False], ids=["drop", "keep"])
async def test_a_table_leaves_without_touching_the_others(works: Works, drop: bool) -> None:
    task_id = await streaming_task(works)
    await begin(works, task_id)
    await rename_tables(works, task_id, ORDERS, drop_capture=drop)
    await tables_are(works, lambda t: set(t) == {ORDERS})
    change(works, ORDERS, 9_700_000)
    await arrived(works, ORDERS)
    assert (LINES in works.source.log.instances) is not drop
    assert ORDERS in works.source.log.instances
    assert await works.store.streams.stream(task_id, LINES) is None


async def test_a_table_that_left_while_nothing_ran_is_forgotten(works: Works) -> None:
    task_id = await streaming_task(works)
    await begin(works, task_id)
    await works.want(task_id, DesiredState.STOPPED)
    await works.ended()
    await rename_tables(works, task_id, ORDERS, drop_capture=True)
    await begin(works, task_id)
    assert [s.stream.tracked.table for s in await works.store.streams.streams(task_id)] == [ORDERS]
    assert LINES not in works.source.log.instances


async def test_a_retention_that_runs_out_is_told_in_time(works: Works) -> None:
    """Airbyte 68150: cleanup passes a position that nobody was warned of."""
    task_id = await streaming_task(works, ORDERS)
    works.source.log.retention_s = 72 * 3600.0
    await begin(works, task_id)
    tables = await tables_are(works, lambda t: t[ORDERS].retention_margin_h is not None)
    assert tables[ORDERS].retention_margin_h == pytest.approx(72, abs=0.1)
    assert tables[ORDERS].warning is None
    gate = Gate(works.target, "apply", ORDERS)
    change(works, ORDERS, 9_800_000)
    with fail_after(LIMIT_S):
        await gate.reached.wait()
    real = works.source.log.now
    works.source.log.now = lambda: real() + timedelta(hours=60)
    tables = await tables_are(works, lambda t: t[ORDERS].warning is not None)
    assert tables[ORDERS].retention_margin_h == pytest.approx(12, abs=0.1)
    works.source.log.now = real
    gate.open.set()
    await arrived(works, ORDERS)
    await tables_are(works, lambda t: t[ORDERS].warning is None and t[ORDERS].lag_s == 0)


async def test_windows_wait_for_the_merge_interval_and_a_stop_does_not(works: Works) -> None:
    """Each MERGE costs: what commits within the interval is applied together."""
    task_id = await streaming_task(works, ORDERS, merge_interval_s=3_600)
    await begin(works, task_id)
    applied: list[str] = []

    async def count(step: str, _table: TableRef) -> None:
        if step == "apply":
            applied.append(step)

    works.target.hook = count
    change(works, ORDERS, 6_000_000)
    await arrived(works, ORDERS)
    polls = works.source.log.polls
    for number in range(6_000_001, 6_000_010):
        change(works, ORDERS, number)
    await tables_are(works, lambda _: works.source.log.polls > polls + 3)
    assert len(applied) == 1
    with fail_after(LIMIT_S):
        await works.want(task_id, DesiredState.STOPPED)
        await works.ended()
    task = await works.store.engine.task(task_id)
    options = replace(task.spec.options, merge_interval_s=None)
    await works.store.tasks.update(task_id, replace(task.spec, options=options))
    await begin(works, task_id)
    await arrived(works, ORDERS)
    assert len(applied) == 2
