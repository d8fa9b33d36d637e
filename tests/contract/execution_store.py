"""What every ExecutionStore promises. Subclass; provide `engine_store`, `new_task`, `clock`."""

import pytest
from msgspec.structs import replace

from dtaas.model.errors import NotFoundError
from dtaas.model.execution import Ended, ExecutionStatus, ExecutionType, TablePhase
from dtaas.model.ids import ConnectorId, ExecutionId, TaskId
from dtaas.model.schema import TableRef
from dtaas.model.store_ports import ExecutionStore
from dtaas.model.task import DesiredState, TaskStatus
from tests.contract.store_samples import (
    HOURLY,
    OTHER,
    TABLE,
    Clock,
    NewTask,
    load_id,
    progress,
    table_state,
)

FULL = ExecutionType.FULL_LOAD


class ExecutionStoreContract:
    async def test_has_one_identity(self, engine_store: ExecutionStore) -> None:
        identity = await engine_store.installation()
        assert len(bytes.fromhex(identity)) == 16
        assert await engine_store.installation() == identity

    async def test_returns_a_task_as_stored(
        self, engine_store: ExecutionStore, new_task: NewTask
    ) -> None:
        task = await new_task()
        assert await engine_store.task(task.id) == task

    async def test_refuses_what_does_not_exist(self, engine_store: ExecutionStore) -> None:
        nothing = progress(TaskId(999), ExecutionId(999))
        with pytest.raises(NotFoundError):
            await engine_store.task(TaskId(999))
        with pytest.raises(NotFoundError):
            await engine_store.connector(ConnectorId(999))
        with pytest.raises(NotFoundError):
            await engine_store.set_status(TaskId(999), TaskStatus.IDLE)
        with pytest.raises(NotFoundError):
            await engine_store.set_tables(TaskId(999), [])
        with pytest.raises(NotFoundError):
            await engine_store.begin_execution(TaskId(999), FULL)
        with pytest.raises(NotFoundError):
            await engine_store.record_tables(ExecutionId(999), [])
        with pytest.raises(NotFoundError):
            await engine_store.record_progress(nothing)
        with pytest.raises(NotFoundError):
            await engine_store.end_execution(ExecutionId(999), ExecutionStatus.FAILED, nothing)

    async def test_tables_that_were_found_replace_those_before(
        self, engine_store: ExecutionStore, new_task: NewTask
    ) -> None:
        task = await new_task()
        found = [TableRef("dbo", "z"), TableRef("dbo", "å")]
        changed = await engine_store.set_tables(task.id, found)
        assert changed.spec == replace(task.spec, source_tables=tuple(found))
        assert await engine_store.task(task.id) == changed

    async def test_sets_state_and_error_and_clears_the_error(
        self, engine_store: ExecutionStore, new_task: NewTask, clock: Clock
    ) -> None:
        task = await new_task()
        clock.pass_s(5)
        failed = await engine_store.set_status(
            task.id,
            TaskStatus.FAILED,
            desired=DesiredState.RUNNING,
            error_code="timed_out",
            error="No answer.",
            progress_percent=12.5,
        )
        assert failed.status is TaskStatus.FAILED
        assert failed.desired is DesiredState.RUNNING
        assert (failed.last_error_code, failed.last_error) == ("timed_out", "No answer.")
        assert failed.current_progress_percent == 12.5
        assert failed.updated_at == clock.now
        assert failed.spec == task.spec
        running = await engine_store.set_status(task.id, TaskStatus.RUNNING)
        assert (running.last_error_code, running.last_error) == (None, None)
        assert running.desired is DesiredState.RUNNING
        assert running.current_progress_percent == 12.5
        assert await engine_store.task(task.id) == running

    async def test_finds_tasks_by_what_their_users_want(
        self, engine_store: ExecutionStore, new_task: NewTask
    ) -> None:
        first, _, third = [await new_task() for _ in range(3)]
        for task in (third, first):
            await engine_store.set_status(task.id, TaskStatus.QUEUED, desired=DesiredState.RUNNING)
        assert list(await engine_store.tasks_desired(DesiredState.RUNNING)) == [first.id, third.id]
        assert list(await engine_store.tasks_desired(DesiredState.PAUSED)) == []

    async def test_finds_active_tasks_with_a_schedule(
        self, engine_store: ExecutionStore, new_task: NewTask
    ) -> None:
        await new_task()
        hourly = await new_task(**HOURLY)
        await new_task(**HOURLY, is_active=False)
        assert list(await engine_store.scheduled()) == [hourly]

    async def test_a_task_has_one_running_execution(
        self, engine_store: ExecutionStore, new_task: NewTask, clock: Clock
    ) -> None:
        task, other = await new_task(), await new_task()
        assert await engine_store.running_execution(task.id) is None
        first = await engine_store.begin_execution(task.id, FULL)
        clock.pass_s(60)
        assert await engine_store.begin_execution(task.id, FULL) == first
        assert await engine_store.running_execution(task.id) == first
        assert (await engine_store.begin_execution(other.id, FULL)).id != first.id
        await engine_store.end_execution(
            first.id, ExecutionStatus.STOPPED, progress(task.id, first.id)
        )
        assert await engine_store.running_execution(task.id) is None
        second = await engine_store.begin_execution(task.id, FULL)
        assert second.id > first.id
        assert second.status is ExecutionStatus.RUNNING

    async def test_knows_when_a_task_last_began(
        self, engine_store: ExecutionStore, new_task: NewTask, clock: Clock
    ) -> None:
        task = await new_task()
        assert await engine_store.last_started(task.id) is None
        for _ in range(2):
            clock.pass_s(60)
            began = await engine_store.begin_execution(task.id, FULL)
            await engine_store.end_execution(
                began.id, ExecutionStatus.COMPLETED, progress(task.id, began.id)
            )
        assert began.started_at == clock.now
        assert await engine_store.last_started(task.id) == clock.now
        assert (await engine_store.task(task.id)).last_run_at == clock.now

    async def test_knows_when_a_task_last_ended_and_how(
        self, engine_store: ExecutionStore, new_task: NewTask, clock: Clock
    ) -> None:
        task = await new_task()
        ends = {}
        for status in (ExecutionStatus.FAILED, ExecutionStatus.COMPLETED):
            clock.pass_s(60)
            began = await engine_store.begin_execution(task.id, FULL)
            assert await engine_store.last_ended(task.id, frozenset({status})) is None
            clock.pass_s(60)
            await engine_store.end_execution(began.id, status, progress(task.id, began.id))
            ends[status] = Ended(began.id, clock.now)
        for status, end in ends.items():
            assert await engine_store.last_ended(task.id, frozenset({status})) == end
        assert await engine_store.last_ended(task.id, frozenset(ends)) == Ended(began.id, clock.now)

    async def test_the_latest_execution_is_the_one_made_last_whatever_the_clock(
        self, engine_store: ExecutionStore, new_task: NewTask, clock: Clock
    ) -> None:
        task = await new_task()
        completed = frozenset({ExecutionStatus.COMPLETED})
        for later_s in (0, -86_400):
            clock.pass_s(later_s)
            began = await engine_store.begin_execution(task.id, FULL)
            await engine_store.end_execution(
                began.id, ExecutionStatus.COMPLETED, progress(task.id, began.id)
            )
            assert await engine_store.last_started(task.id) == clock.now
            ended = await engine_store.last_ended(task.id, completed)
            assert ended == Ended(began.id, clock.now)

    async def test_later_table_states_replace_earlier_ones(
        self, engine_store: ExecutionStore, new_task: NewTask, clock: Clock
    ) -> None:
        task = await new_task()
        execution = await engine_store.begin_execution(task.id, FULL)
        assert list(await engine_store.tables_of(execution.id)) == []
        waiting = [table_state(t, TablePhase.WAITING) for t in (TABLE, OTHER)]
        await engine_store.record_tables(execution.id, waiting)
        done = table_state(
            OTHER,
            TablePhase.FAILED,
            rows_done=1 << 40,
            rows_total=1 << 41,
            total_is_estimate=False,
            bytes=1 << 50,
            written_bytes=7,
            rows_s=0.25,
            mb_s=1.5,
            eta_s=3.25,
            chunks_done=3,
            chunks_total=9,
            rejected=2,
            reader="odbc",
            reader_reason="a type of its own",
            queries=7,
            credits=0.25,
            appended_windows=1 << 33,
            merged_windows=3,
            retries=1,
            error_code="timed_out",
            error="No ünswer.",
            hint="Wait.",
            load_id=load_id(3),
            location="s3://b/x",
            started_at=clock.now,
            completed_at=clock.now,
        )
        await engine_store.record_tables(execution.id, [done])
        await engine_store.record_tables(execution.id, [])
        assert list(await engine_store.tables_of(execution.id)) == [waiting[0], done]

    async def test_thousands_of_tables_keep_their_order(
        self, engine_store: ExecutionStore, new_task: NewTask
    ) -> None:
        task = await new_task()
        execution = await engine_store.begin_execution(task.id, FULL)
        names = [TableRef("s", f"t{(n * 7919) % 1301}") for n in range(1301)]
        states = [table_state(name, TablePhase.WAITING) for name in names]
        await engine_store.record_tables(execution.id, states)
        changed = [table_state(name, TablePhase.LOADING, rows_done=1) for name in names[::-1]]
        await engine_store.record_tables(execution.id, changed)
        assert list(await engine_store.tables_of(execution.id)) == changed[::-1]

    async def test_stores_totals_while_running(
        self, engine_store: ExecutionStore, new_task: NewTask
    ) -> None:
        task = await new_task()
        execution = await engine_store.begin_execution(task.id, FULL)
        rejected = table_state(TABLE, TablePhase.LOADING, rejected=3)
        await engine_store.record_progress(progress(task.id, execution.id, rejected))
        found = await engine_store.running_execution(task.id)
        assert found is not None
        assert (found.processed_rows, found.total_rows, found.failed_rows) == (50, 100, 3)
        assert (found.progress_percent, found.rows_per_second) == (50.0, 12.5)
        assert found.data_size_mb == 3.5
        assert (await engine_store.task(task.id)).current_progress_percent == 50.0

    async def test_ends_once(
        self, engine_store: ExecutionStore, new_task: NewTask, clock: Clock
    ) -> None:
        task = await new_task()
        execution = await engine_store.begin_execution(task.id, FULL)
        clock.pass_s(20)
        last = progress(
            task.id,
            execution.id,
            table_state(TABLE, TablePhase.COMPLETED, rows_done=80),
            table_state(OTHER, TablePhase.FAILED),
            rows=80,
            percent=80.0,
        )
        ended = await engine_store.end_execution(
            execution.id,
            ExecutionStatus.PARTIAL,
            last,
            error_code="tables_failed",
            error="One table failed.",
            schema_changes=2,
        )
        assert ended.status is ExecutionStatus.PARTIAL
        assert (ended.processed_rows, ended.progress_percent) == (80, 80.0)
        assert (ended.completed_at, ended.duration_seconds) == (clock.now, 20.0)
        assert ended.rows_per_second == 8.0
        assert (ended.error_code, ended.error_message) == ("tables_failed", "One table failed.")
        assert ended.schema_changes_detected == 2
        assert list(await engine_store.tables_of(execution.id)) == list(last.tables)

        clock.pass_s(20)
        late = progress(task.id, execution.id, rows=1, percent=1.0)
        await engine_store.record_progress(late)
        again = await engine_store.end_execution(execution.id, ExecutionStatus.FAILED, late)
        assert again == ended
