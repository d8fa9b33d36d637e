"""What the store's repositories promise the services. Subclass; provide `store` and `clock`."""

from datetime import timedelta

import pytest
from msgspec.structs import replace
from sqlalchemy import delete

from dtaas.model.check import CheckReport, CheckStep, StepStatus
from dtaas.model.connectors import (
    Connector,
    ConnectorRole,
    S3Config,
    SqlServerConfig,
    TestStatus,
)
from dtaas.model.errors import (
    InUseError,
    NameTakenError,
    NotFoundError,
    TaskRunningError,
    ValidationFailedError,
)
from dtaas.model.execution import ExecutionStatus, ExecutionType, TablePhase
from dtaas.model.ids import ConnectorId, ExecutionId, TaskId
from dtaas.model.load import FileFormat, PartitionField, WriteMode
from dtaas.model.schema import TableRef
from dtaas.model.table_rules import TableRules
from dtaas.model.task import (
    DesiredState,
    TableMapping,
    TaskMode,
    TaskOptions,
    TaskStatus,
)
from dtaas.model.transformations import ApplyFunction, DropColumn, TransformationRule
from dtaas.store.connectors import ConnectorChange, ConnectorDraft, ConnectorFilter
from dtaas.store.executions import ExecutionFilter
from dtaas.store.metrics import MetricSample
from dtaas.store.page import Window
from dtaas.store.store import Store
from dtaas.store.tables import execution_specs
from dtaas.store.tasks import TaskFilter
from tests.contract.store_samples import (
    HOURLY,
    OTHER,
    TABLE,
    Clock,
    NewTask,
    load_id,
    progress,
    spec,
    table_load,
    table_state,
)

SQL = SqlServerConfig(host="db.example.com", database="sales", username="me", password="pässword")
S3 = S3Config(bucket="lake", access_key_id="AKIA", secret_access_key="shh", session_token="tok")
FULL = ExecutionType.FULL_LOAD


async def source(store: Store, name: str = "source", **changes: object) -> Connector:
    fields: dict[str, object] = {
        "name": name,
        "role": ConnectorRole.SOURCE,
        "kind": "sqlserver",
        "config": SQL,
    }
    return await store.connectors.create(ConnectorDraft(**(fields | changes)))  # type: ignore[arg-type]


async def destination(store: Store, name: str = "destination") -> Connector:
    return await store.connectors.create(
        ConnectorDraft(name=name, role=ConnectorRole.DESTINATION, kind="s3", config=S3)
    )


class ConnectorRepositoryContract:
    async def test_a_connector_comes_back_whole(self, store: Store, clock: Clock) -> None:
        made = await source(store, description="Ünïcode 😀", is_active=False)
        assert (made.name, made.description, made.kind) == ("source", "Ünïcode 😀", "sqlserver")
        assert made.role is ConnectorRole.SOURCE
        assert made.config == SQL
        assert (made.created_at, made.updated_at) == (clock.now, clock.now)
        assert (made.test_status, made.last_tested_at) == (TestStatus.UNTESTED, None)
        assert made.is_active is False
        assert await store.connectors.get(made.id) == made

    async def test_names_are_unique(self, store: Store) -> None:
        one, two = await source(store, "one"), await destination(store, "two")
        with pytest.raises(NameTakenError) as refused:
            await source(store, "two")
        assert refused.value.field == "$.name"
        with pytest.raises(NameTakenError):
            await store.connectors.update(one.id, ConnectorChange(name="two"))
        kept = await store.connectors.update(two.id, ConnectorChange(name="two"))
        assert kept.name == "two"

    async def test_a_change_leaves_the_rest(self, store: Store, clock: Clock) -> None:
        made = await source(store)
        clock.pass_s(60)
        changed = await store.connectors.update(
            made.id, ConnectorChange(description="new", is_active=False)
        )
        assert changed == replace(made, description="new", is_active=False, updated_at=clock.now)

    async def test_secrets_are_kept_when_asked(self, store: Store) -> None:
        made = await destination(store)
        without = replace(S3, prefix="x", secret_access_key="", session_token="")
        changed = await store.connectors.update(
            made.id,
            ConnectorChange(config=without, kept_secrets=frozenset({"secret_access_key"})),
        )
        assert changed.config == replace(without, secret_access_key="shh")
        assert await store.connectors.get(made.id) == changed

    async def test_a_new_configuration_is_untested(self, store: Store, clock: Clock) -> None:
        made = await source(store)
        report = CheckReport(
            ok=True, steps=(CheckStep(name="tcp", status=StepStatus.OK, detail="ok", took_s=0.5),)
        )
        tested = await store.connectors.record_test(made.id, report)
        assert (tested.test_status, tested.last_tested_at) == (TestStatus.OK, clock.now)
        assert tested.test_report == report
        same = await store.connectors.update(
            made.id,
            ConnectorChange(config=replace(SQL, password=""), kept_secrets=frozenset({"password"})),
        )
        assert same.test_status is TestStatus.OK
        other = await store.connectors.update(
            made.id, ConnectorChange(config=replace(SQL, database="other"))
        )
        assert (other.test_status, other.test_report) == (TestStatus.UNTESTED, None)
        failed = await store.connectors.record_test(made.id, replace(report, ok=False))
        assert failed.test_status is TestStatus.FAILED

    async def test_lists_in_pages_filtered_and_sorted(self, store: Store, clock: Clock) -> None:
        for name in ("b_1", "a%1", "C1"):
            clock.pass_s(1)
            await source(store, name)
        lake = await destination(store, "lake")
        listed = store.connectors.list

        first = await listed(window=Window(limit=2, sort="id"))
        assert ([c.name for c in first.items], first.total) == (["b_1", "a%1"], 4)
        rest = await listed(window=Window(limit=2, offset=2, sort="id"))
        assert [c.name for c in rest.items] == ["C1", "lake"]
        newest = await listed(window=Window(sort="-created_at", limit=1))
        assert newest.items == (lake,)
        beyond = await listed(window=Window(offset=10))
        assert (beyond.items, beyond.total) == ((), 4)

        for which, names in (
            (ConnectorFilter(q="c1"), {"C1"}),
            (ConnectorFilter(q="%"), {"a%1"}),
            (ConnectorFilter(q="_"), {"b_1"}),
            (ConnectorFilter(role=ConnectorRole.DESTINATION), {"lake"}),
            (ConnectorFilter(kind="sqlserver", is_active=True), {"b_1", "a%1", "C1"}),
            (ConnectorFilter(kind="s3", role=ConnectorRole.SOURCE), set()),
            (ConnectorFilter(test_status=TestStatus.OK), set()),
        ):
            page = await listed(which)
            assert {c.name for c in page.items} == names
            assert page.total == len(names)

    @pytest.mark.parametrize(
        ("window", "field"),
        [
            (Window(limit=0), "$.limit"),
            (Window(limit=1001), "$.limit"),
            (Window(offset=-1), "$.offset"),
            (Window(sort="secrets"), "$.sort"),
        ],
    )
    async def test_refuses_impossible_pages(self, store: Store, window: Window, field: str) -> None:
        with pytest.raises(ValidationFailedError) as refused:
            await store.connectors.list(window=window)
        assert refused.value.field == field

    async def test_one_in_use_stays_and_says_by_whom(self, store: Store, new_task: NewTask) -> None:
        tasks = [await new_task() for _ in range(12)]
        used = tasks[0].spec.source_connector_id
        with pytest.raises(InUseError) as refused:
            await store.connectors.delete(used)
        assert "'task 0'" in refused.value.detail
        assert "2 more" in refused.value.detail
        for task in tasks:
            await store.tasks.delete(task.id)
        await store.connectors.delete(used)
        with pytest.raises(NotFoundError):
            await store.connectors.get(used)

    async def test_ids_never_come_back(self, store: Store) -> None:
        gone = await source(store)
        await store.connectors.delete(gone.id)
        assert (await source(store)).id > gone.id

    async def test_refuses_what_does_not_exist(self, store: Store) -> None:
        missing = ConnectorId(404)
        with pytest.raises(NotFoundError):
            await store.connectors.get(missing)
        with pytest.raises(NotFoundError):
            await store.connectors.update(missing, ConnectorChange(name="x"))
        with pytest.raises(NotFoundError):
            await store.connectors.delete(missing)
        with pytest.raises(NotFoundError):
            await store.connectors.record_test(missing, CheckReport(ok=True, steps=()))


class TaskRepositoryContract:
    async def test_a_task_comes_back_whole(self, store: Store, clock: Clock) -> None:
        made = await store.tasks.create(
            spec(
                "tåsk",
                source_connector_id=(await source(store)).id,
                destination_connector_id=(await destination(store)).id,
                description="d",
                table_mappings=(
                    TableMapping(
                        source=OTHER,
                        target=("a/b", "c"),
                        partition_by=(PartitionField(column="d", part="day"),),
                    ),
                ),
                table_rules=TableRules(include=("dbo.*",), target="{schema}/{table:snake}"),
                mode=TaskMode.FULL_LOAD_THEN_CDC,
                batch_size_mb=64,
                batch_rows=100,
                s3_file_format=FileFormat.CSV,
                transformations=(
                    TransformationRule(
                        tables=("dbo.*",),
                        steps=(
                            DropColumn(columns=("x",)),
                            ApplyFunction(column="y", function="sha256", arguments={"salt": "s"}),
                        ),
                    ),
                ),
                handle_schema_drift=True,
                is_active=False,
                options=TaskOptions(write_mode=WriteMode.APPEND, take_over=True),
                **HOURLY,
            ),
            status=TaskStatus.DRAFT,
        )
        assert (made.status, made.desired) == (TaskStatus.DRAFT, DesiredState.STOPPED)
        assert made.spec.source_tables == (TABLE, OTHER)
        assert made.spec.table_rules.target == "{schema}/{table:snake}"
        assert made.spec.table_mappings[0].target == ("a/b", "c")
        assert (made.created_at, made.last_run_at) == (clock.now, None)
        assert await store.tasks.get(made.id) == made
        assert await store.tasks.by_name("tåsk") == made

    async def test_names_are_unique(self, store: Store, new_task: NewTask) -> None:
        one, two = await new_task(), await new_task()
        with pytest.raises(NameTakenError):
            await store.tasks.create(one.spec)
        with pytest.raises(NameTakenError):
            await store.tasks.update(one.id, two.spec)
        assert (await store.tasks.update(two.id, two.spec)).spec == two.spec

    async def test_connectors_must_exist_and_be_on_their_side(
        self, store: Store, new_task: NewTask
    ) -> None:
        good = (await new_task()).spec
        for change, field in (
            ({"source_connector_id": ConnectorId(404)}, "source"),
            ({"destination_connector_id": ConnectorId(404)}, "destination"),
            ({"source_connector_id": good.destination_connector_id}, "source"),
            ({"destination_connector_id": good.source_connector_id}, "destination"),
        ):
            with pytest.raises(ValidationFailedError) as refused:
                await store.tasks.create(replace(good, name="other", **change))
            assert refused.value.field == f"$.{field}_connector_id"
        assert (await store.tasks.list()).total == 1

    async def test_a_new_specification_leaves_the_state(
        self, store: Store, new_task: NewTask, clock: Clock
    ) -> None:
        task = await new_task()
        await store.engine.set_status(
            task.id, TaskStatus.RUNNING, desired=DesiredState.RUNNING, progress_percent=5.0
        )
        clock.pass_s(9)
        changed = await store.tasks.update(
            task.id, replace(task.spec, name="new", source_tables=(TableRef("x", "y"),))
        )
        assert (changed.status, changed.desired) == (TaskStatus.RUNNING, DesiredState.RUNNING)
        assert changed.current_progress_percent == 5.0
        assert changed.spec.source_tables == (TableRef("x", "y"),)
        assert changed.updated_at == clock.now

    async def test_a_deleted_task_takes_its_history_along(
        self, store: Store, new_task: NewTask
    ) -> None:
        task, other = await new_task(), await new_task()
        for each in (task, other):
            execution = await store.engine.begin_execution(each.id, FULL)
            await store.engine.record_tables(execution.id, [table_state(TABLE, TablePhase.WAITING)])
            await store.checkpoints.advance(each.id, TABLE, b"\1" * 10)
            await store.loads.save_load(table_load(each.id, each.id))
        await store.tasks.delete(task.id)
        with pytest.raises(NotFoundError):
            await store.tasks.get(task.id)
        assert (await store.executions.list(ExecutionFilter(task_id=task.id))).total == 0
        assert await store.checkpoints.load(task.id, TABLE) is None
        assert await store.loads.open_load(task.id, TABLE) is None
        assert (await store.executions.list()).total == 1
        assert await store.checkpoints.load(other.id, TABLE) == b"\1" * 10
        found = await store.loads.open_load(other.id, TABLE)
        assert found is not None
        assert found.load_id == load_id(other.id)
        again = await new_task()
        assert again.id > other.id

    @pytest.mark.parametrize("status", [TaskStatus.RUNNING, TaskStatus.QUEUED, TaskStatus.STOPPING])
    async def test_a_running_task_is_not_deleted(
        self, store: Store, new_task: NewTask, status: TaskStatus
    ) -> None:
        task = await new_task()
        await store.engine.set_status(task.id, status)
        with pytest.raises(TaskRunningError):
            await store.tasks.delete(task.id)
        await store.engine.set_status(task.id, TaskStatus.STOPPED)
        await store.tasks.delete(task.id)

    async def test_lists_filtered(self, store: Store, new_task: NewTask) -> None:
        one = await new_task(name="Orders daily", description="all of it")
        two = await new_task(name="lines", mode=TaskMode.CDC, is_active=False)
        await store.engine.set_status(two.id, TaskStatus.FAILED)
        source_id = one.spec.source_connector_id
        for which, wanted in (
            (TaskFilter(), {one.id, two.id}),
            (TaskFilter(q="DAILY"), {one.id}),
            (TaskFilter(q="all of"), {one.id}),
            (TaskFilter(statuses=frozenset({TaskStatus.FAILED, TaskStatus.DRAFT})), {two.id}),
            (TaskFilter(mode=TaskMode.CDC), {two.id}),
            (TaskFilter(is_active=True), {one.id}),
            (TaskFilter(connector_id=source_id), {one.id, two.id}),
            (TaskFilter(connector_id=ConnectorId(404)), set()),
        ):
            assert {t.id for t in (await store.tasks.list(which)).items} == wanted
        names = [t.spec.name for t in (await store.tasks.list(window=Window(sort="-id"))).items]
        assert names == ["lines", "Orders daily"]

    @pytest.mark.parametrize("sort", ["status", "-status"])
    async def test_pages_of_equals_never_overlap(
        self, store: Store, new_task: NewTask, sort: str
    ) -> None:
        made = [(await new_task()).id for _ in range(7)]
        paged = [
            task.id
            for offset in range(0, 9, 3)
            for task in (
                await store.tasks.list(window=Window(limit=3, offset=offset, sort=sort))
            ).items
        ]
        assert paged == (made if sort == "status" else made[::-1])

    async def test_refuses_what_does_not_exist(self, store: Store, new_task: NewTask) -> None:
        task = await new_task()
        with pytest.raises(NotFoundError):
            await store.tasks.get(TaskId(404))
        with pytest.raises(NotFoundError):
            await store.tasks.by_name("nothing")
        with pytest.raises(NotFoundError):
            await store.tasks.update(TaskId(404), replace(task.spec, name="x"))
        with pytest.raises(NotFoundError):
            await store.tasks.delete(TaskId(404))


class ExecutionRepositoryContract:
    async def test_lists_the_newest_first(
        self, store: Store, new_task: NewTask, clock: Clock
    ) -> None:
        one, two = await new_task(), await new_task()
        ids: list[ExecutionId] = []
        for task in (one, two, one):
            clock.pass_s(1)
            execution = await store.engine.begin_execution(task.id, FULL)
            await store.engine.end_execution(
                execution.id,
                ExecutionStatus.FAILED if task is two else ExecutionStatus.COMPLETED,
                progress(task.id, execution.id),
            )
            ids.append(execution.id)
        listed = store.executions.list
        assert [e.id for e in (await listed()).items] == ids[::-1]
        assert [e.id for e in (await listed(ExecutionFilter(task_id=one.id))).items] == [
            ids[2],
            ids[0],
        ]
        failed = ExecutionFilter(statuses=frozenset({ExecutionStatus.FAILED}))
        assert [e.id for e in (await listed(failed)).items] == [ids[1]]
        page = await listed(window=Window(limit=1, offset=1, sort="started_at"))
        assert ([e.id for e in page.items], page.total) == ([ids[1]], 3)

    async def test_returns_an_execution_and_its_tables(
        self, store: Store, new_task: NewTask
    ) -> None:
        task = await new_task()
        execution = await store.engine.begin_execution(task.id, FULL)
        states = (
            table_state(OTHER, TablePhase.LOADING, rows_done=3),
            table_state(TABLE, TablePhase.WAITING),
        )
        await store.engine.record_tables(execution.id, states)
        assert await store.executions.get(execution.id) == execution
        assert await store.executions.tables(execution.id) == states
        with pytest.raises(NotFoundError):
            await store.executions.get(ExecutionId(404))
        with pytest.raises(NotFoundError):
            await store.executions.tables(ExecutionId(404))

    async def test_keeps_what_an_execution_was_told(self, store: Store, new_task: NewTask) -> None:
        task = await new_task(batch_rows=1_000)
        first = await store.engine.begin_execution(task.id, FULL)
        await store.tasks.update(task.id, replace(task.spec, batch_rows=2_000))
        found = await store.executions.configuration(first.id)
        assert (found.execution_id, found.task_id) == (first.id, task.id)
        assert found.used is not None
        assert found.used["batch_rows"] == 1_000
        assert found.present == {**found.used, "batch_rows": 2_000}
        # One that goes on after a pause is told what was changed meanwhile.
        assert (await store.engine.begin_execution(task.id, FULL)).id == first.id
        assert (await store.executions.configuration(first.id)).used == found.present
        await store.engine.end_execution(
            first.id, ExecutionStatus.COMPLETED, progress(task.id, first.id)
        )
        second = await store.engine.begin_execution(task.id, FULL)
        await store.tasks.update(task.id, replace(task.spec, batch_rows=3_000))
        again = await store.executions.configuration(second.id)
        assert again.used == found.present
        assert (await store.executions.configuration(first.id)).present["batch_rows"] == 3_000
        with pytest.raises(NotFoundError):
            await store.executions.configuration(ExecutionId(404))

    async def test_knows_nothing_of_what_older_executions_were_told(
        self, store: Store, new_task: NewTask
    ) -> None:
        task = await new_task()
        execution = await store.engine.begin_execution(task.id, FULL)
        await store.database.write(lambda c: c.execute(delete(execution_specs)))
        found = await store.executions.configuration(execution.id)
        assert found.used is None
        assert found.present["name"] == task.spec.name

    async def test_finds_the_newest_executions_of_every_task(
        self, store: Store, new_task: NewTask
    ) -> None:
        often, once = await new_task(), await new_task()
        await new_task()
        ids: dict[TaskId, list[ExecutionId]] = {often.id: [], once.id: []}
        for task in (often, once, often, often):
            execution = await store.engine.begin_execution(task.id, FULL)
            ids[task.id].append(execution.id)
            await store.engine.end_execution(
                execution.id, ExecutionStatus.PARTIAL, progress(task.id, execution.id)
            )
        for count in (1, 2, 3, 9):
            found = await store.executions.newest_of_each(count)
            assert {one.task_id: [run.id for run in one.runs] for one in found} == {
                often.id: ids[often.id][-count:],
                once.id: ids[once.id],
            }
        run = found[0].runs[0]
        assert run.status is ExecutionStatus.PARTIAL
        assert run.processed_rows == (await store.executions.get(run.id)).processed_rows


class FiguresContract:
    async def test_samples_fall_into_buckets(self, store: Store, clock: Clock) -> None:
        start = clock.now.replace(second=0, microsecond=0)
        samples = [
            MetricSample(name=name, value=value, at=start + timedelta(seconds=second))
            for name, value, second in (
                ("cpu", 1.0, 0),
                ("cpu", 3.0, 59.999),
                ("cpu", 10.0, 60),
                ("rss", 7.0, 30),
                ("other", 99.0, 30),
                ("cpu", 50.0, 120),
            )
        ]
        await store.metrics.record(samples)
        await store.metrics.record([])
        until = start + timedelta(seconds=120)
        found = await store.metrics.buckets(
            ["cpu", "rss", "none"], since=start, until=until, bucket_s=60
        )
        assert [(b.name, b.average, b.least, b.most, b.samples) for b in found] == [
            ("cpu", 2.0, 1.0, 3.0, 2),
            ("cpu", 10.0, 10.0, 10.0, 1),
            ("rss", 7.0, 7.0, 7.0, 1),
        ]
        assert [b.at for b in found] == [start, start + timedelta(seconds=60), start]

    async def test_old_samples_go(self, store: Store, clock: Clock) -> None:
        old = [
            MetricSample(name="cpu", value=1.0, at=clock.now - timedelta(days=9, seconds=n))
            for n in range(20_001)
        ]
        await store.metrics.record([*old, MetricSample(name="cpu", value=2.0, at=clock.now)])
        assert await store.metrics.delete_before(clock.now) == len(old)
        assert await store.metrics.delete_before(clock.now) == 0
        left = await store.metrics.buckets(
            ["cpu"],
            since=clock.now - timedelta(days=10),
            until=clock.now + timedelta(days=1),
            bucket_s=3600,
        )
        assert [b.average for b in left] == [2.0]

    @pytest.mark.parametrize("bucket_s", [0, -1, 1])
    async def test_refuses_too_many_buckets(
        self, store: Store, clock: Clock, bucket_s: int
    ) -> None:
        with pytest.raises(ValidationFailedError):
            await store.metrics.buckets(
                ["cpu"],
                since=clock.now - timedelta(days=1),
                until=clock.now,
                bucket_s=bucket_s,
            )

    async def test_an_empty_store_has_figures(self, store: Store) -> None:
        figures = await store.dashboard.figures()
        assert (figures.tasks, figures.connectors, figures.running) == (0, 0, 0)
        assert (figures.rows_24h, figures.data_mb_24h) == (0, 0.0)
        assert set(figures.tasks_by_status.values()) == {0}

    async def test_the_dashboard_counts_the_last_day(
        self, store: Store, new_task: NewTask, clock: Clock
    ) -> None:
        tasks = [await new_task() for _ in range(4)]
        old, done, failed, running = [
            await store.engine.begin_execution(task.id, FULL) for task in tasks
        ]
        await store.engine.end_execution(
            old.id, ExecutionStatus.FAILED, progress(old.task_id, old.id, rows=1_000)
        )
        clock.pass_s(25 * 3600)
        await store.engine.end_execution(
            done.id, ExecutionStatus.COMPLETED, progress(done.task_id, done.id, rows=100)
        )
        await store.engine.end_execution(
            failed.id, ExecutionStatus.FAILED, progress(failed.task_id, failed.id, rows=10)
        )
        await store.engine.record_progress(progress(running.task_id, running.id, rows=1))
        await store.engine.set_status(running.task_id, TaskStatus.RUNNING)
        await store.connectors.record_test(
            tasks[0].spec.source_connector_id, CheckReport(ok=False, steps=())
        )
        figures = await store.dashboard.figures()
        assert (figures.tasks, figures.connectors, figures.connectors_failing) == (4, 2, 1)
        assert figures.tasks_by_status[TaskStatus.RUNNING] == 1
        assert figures.tasks_by_status[TaskStatus.IDLE] == 3
        assert (figures.running, figures.completed_24h, figures.failed_24h) == (1, 1, 1)
        assert (figures.partial_24h, figures.stopped_24h) == (0, 0)
        assert (figures.rows_24h, figures.data_mb_24h) == (111, 10.5)
