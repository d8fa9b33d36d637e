"""The metrics page, the history and the logs, over a real store and a real supervisor."""

from datetime import UTC, datetime, timedelta

import anyio.lowlevel
import httpx
import pytest
from anyio import create_task_group, fail_after
from prometheus_client.parser import text_string_to_metric_families

from dtaas.concurrency.figures import FIGURES, Figure
from dtaas.concurrency.logbook import LOGBOOK
from dtaas.engine.progress import utc_now
from dtaas.model.execution import TablePhase
from dtaas.model.ids import ExecutionId, TaskId
from dtaas.model.schema import TableRef
from dtaas.model.task import TaskAction
from dtaas.services.meterman import Meterman
from dtaas.store.metrics import MetricSample
from tests.contract.store_samples import progress, table_state
from tests.fakes.services_at_work import LIMIT_S, ORDERS, AtWork

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def scrape(http: httpx.AsyncClient) -> Samples:
    answer = await http.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: object) -> float:
    return samples[name, frozenset((k, str(v)) for k, v in labels.items())]


async def test_counts_what_an_execution_moved(http: httpx.AsyncClient, work: AtWork) -> None:
    task = await work.task()
    meterman = Meterman(work.services.instruments, work.bus, work.store.executions)
    async with create_task_group() as group:
        group.start_soon(meterman.serve)
        await anyio.lowlevel.checkpoint()
        await work.services.control.act(task.id, TaskAction.START)
        await work.until_ended()
        with fail_after(LIMIT_S):
            while not any(n == "dtaas_executions_total" for n, _ in await scrape(http)):
                await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()
    samples = await scrape(http)
    assert value(samples, "dtaas_executions_total", task=task.id, status="completed") == 1
    assert value(samples, "dtaas_table_rows_total", task=task.id, table=ORDERS) == 3
    assert value(samples, "dtaas_table_bytes_total", task=task.id, table=ORDERS) > 0
    assert value(samples, "dtaas_execution_duration_seconds_count", status="completed") == 1
    assert value(samples, "dtaas_store_up") == 1
    assert value(samples, "dtaas_tasks", status="draft") == 0
    assert value(samples, "dtaas_memory_bytes") > 10_000_000


async def test_what_a_table_costs_is_counted(http: httpx.AsyncClient, work: AtWork) -> None:
    instruments, task = work.services.instruments, TaskId(7)
    for queries, copied, merged in ((10, 2, 0), (10, 2, 0), (35, 6, 1)):
        state = table_state(
            TableRef("dbo", "orders"),
            TablePhase.STREAMING,
            queries=queries,
            credits=queries / 100,
            appended_windows=copied,
            merged_windows=merged,
        )
        instruments.progress(progress(task, ExecutionId(1), state))
    samples, of = await scrape(http), {"task": task, "table": ORDERS}
    assert value(samples, "dtaas_table_queries_total", **of) == 35
    assert value(samples, "dtaas_table_credits_total", **of) == pytest.approx(0.35)
    assert value(samples, "dtaas_table_windows_total", **of, way="append") == 6
    assert value(samples, "dtaas_table_windows_total", **of, way="merge") == 1


async def test_requests_are_counted_by_route_and_never_by_path(http: httpx.AsyncClient) -> None:
    for path in ("/api/tasks/4711", "/api/tasks/4712", "/no/such/thing"):
        assert (await http.get(path)).status_code == 404
    samples = await scrape(http)
    name = "dtaas_http_request_duration_seconds_count"
    assert value(samples, name, method="GET", route="/api/tasks/{task_id}", status=404) == 2
    assert not any("4711" in text or "such" in text for _, ls in samples for _, text in ls)


async def test_figures_of_tables_are_exported(http: httpx.AsyncClient, work: AtWork) -> None:
    task = await work.task()
    FIGURES.set(Figure.LAG_S, 1.5, task_id=task.id, table="dbo.orders")
    try:
        samples = await scrape(http)
    finally:
        FIGURES.forget(task.id)
    lag = value(samples, "dtaas_replication_lag_seconds", task=task.id, table="dbo.orders")
    assert lag == 1.5
    assert ("dtaas_replication_lag_seconds", frozenset()) not in await scrape(http)


async def test_metrics_are_answered_without_the_store(
    http: httpx.AsyncClient, work: AtWork
) -> None:
    await work.store.database.aclose()
    work.store.database.place.file.write_bytes(b"not a database")  # type: ignore[union-attr]
    assert value(await scrape(http), "dtaas_store_up") == 0


async def test_history_comes_in_equal_stretches(http: httpx.AsyncClient, work: AtWork) -> None:
    now = datetime(2026, 1, 5, 12, tzinfo=UTC)
    await work.store.metrics.record(
        [
            MetricSample(name="rows_per_second", value=float(i), at=now + timedelta(seconds=10 * i))
            for i in range(60)
        ]
    )
    asked = {
        "names": "rows_per_second",
        "since": now.isoformat(),
        "until": (now + timedelta(minutes=10)).isoformat(),
        "points": 10,
    }
    told = (await http.get("/api/dashboard/history", params=asked)).json()
    assert told["bucket_s"] == 60
    (series,) = told["series"]
    assert [p["average"] for p in series["points"]] == [2.5 + 6 * i for i in range(10)]


async def test_charts_tell_what_ran(http: httpx.AsyncClient, work: AtWork) -> None:
    task = await work.task()
    await http.post(f"/api/tasks/{task.id}/control", json={"action": "start"})
    ended = await work.until_ended()
    told = (await http.get("/api/dashboard/charts")).json()
    assert told["bucket_s"] == 30
    assert len(told["lag_s"]) == told["buckets"] == 31
    assert sum(told["runs"]["completed"]) == 1
    assert ended.completed_at is not None
    around = [ended.started_at, ended.completed_at + timedelta(seconds=1)]
    asked = {"since": around[0].isoformat(), "until": around[1].isoformat()}
    assert (await http.get("/api/executions/tasks", params=asked)).json() == {"task_ids": [task.id]}
    wrong = {"since": asked["until"], "until": asked["since"]}
    for address in ("/api/executions/tasks", "/api/dashboard/charts"):
        answer = await http.get(address, params=wrong)
        assert (answer.status_code, answer.json()["field"]) == (422, "$.since")


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"names": "colour"}, "$.names[0]"),
        ({"since": "2026-01-05T12:00:00Z", "until": "2026-01-05T11:00:00Z"}, "$.since"),
        ({"since": "2026-01-05T12:00:00"}, "$.since"),
    ],
)
async def test_a_wrong_history_is_refused(
    http: httpx.AsyncClient, asked: dict[str, str], field: str
) -> None:
    answer = await http.get("/api/dashboard/history", params=asked)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


def note(event: str, level: str = "info", **fields: object) -> None:
    line = {"event": event, "level": level, "timestamp": utc_now().isoformat()} | fields
    LOGBOOK(None, level, line)


async def test_the_log_of_an_execution_is_kept_and_paged(
    http: httpx.AsyncClient, work: AtWork
) -> None:
    task = await work.task()
    await work.services.control.act(task.id, TaskAction.START)
    execution = await work.until_ended()
    for number in range(5):
        note("table_begun", task_id=task.id, execution_id=execution.id, number=number)
    note("table_attempt_failed", "error", task_id=task.id, execution_id=execution.id, code="x")
    note("of_nobody", execution_id=10**9)
    path = f"/api/executions/{execution.id}/logs"
    first = (await http.get(path, params={"limit": 4})).json()
    assert (first["total"], [i["fields"]["number"] for i in first["items"]]) == (6, [0, 1, 2, 3])
    rest = (await http.get(path, params={"after": first["items"][-1]["id"]})).json()
    assert [i["event"] for i in rest["items"]] == ["table_begun", "table_attempt_failed"]
    errors = (await http.get(path, params={"level": "error"})).json()
    assert [i["fields"]["code"] for i in errors["items"]] == ["x"]
    assert (await http.get("/api/executions/999/logs")).status_code == 404
    await work.services.tasks.delete(task.id)
    assert (await http.get(path)).status_code == 404


async def test_the_log_can_be_followed(http: httpx.AsyncClient) -> None:
    last = (await http.get("/api/logs/")).json()["last"]
    async with create_task_group() as group:

        async def speak() -> None:
            await anyio.lowlevel.checkpoint()
            note("hello")

        group.start_soon(speak)
        told = (await http.get("/api/logs/", params={"after": last, "wait_s": 20})).json()
    assert [item["event"] for item in told["items"]] == ["hello"]
    assert told["last"] == told["items"][0]["number"]


async def test_the_level_can_be_changed(http: httpx.AsyncClient) -> None:
    before = (await http.get("/api/logs/level")).json()
    try:
        changed = await http.put("/api/logs/level", json={"level": "debug"})
        assert changed.json() == {"level": "debug"} == (await http.get("/api/logs/level")).json()
        assert (await http.put("/api/logs/level", json={"level": "loud"})).status_code == 422
    finally:
        assert (await http.put("/api/logs/level", json=before)).status_code == 200
