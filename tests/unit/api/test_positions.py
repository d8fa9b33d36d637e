"""Positions that differ after a restore wait for a choice, and each choice does what it says."""

from typing import Any

import httpx
import pyarrow as pa
import pytest
from msgspec.structs import replace

from dtaas.model.changes import StreamState
from dtaas.model.execution import ExecutionStatus
from dtaas.model.ids import LoadId
from dtaas.model.positions import PositionReview, ReviewState
from dtaas.model.task import Task, TaskAction, TaskMode, TaskOptions, TaskStatus
from dtaas.store.store import utc_now
from tests.fakes.services_at_work import LINES, ORDERS, AtWork

FAST = TaskOptions(poll_interval_ms=50)
TARGET = ("dbo", "orders")


def insert(work: AtWork, *ids: int) -> None:
    with work.source.transaction() as transaction:
        for number in ids:
            transaction.insert(ORDERS, {"id": number, "name": f"n{number}"})


def arrived(work: AtWork) -> list[int]:
    rows = work.target.target(TARGET).rows
    assert rows is not None
    return sorted(rows.column("id").to_pylist())


async def until_arrived(work: AtWork, *ids: int) -> None:
    await work.until(lambda _: arrived(work) == sorted([1, 2, 3, *ids]))


async def stopped(work: AtWork, task: Task) -> StreamState:
    await work.services.control.act(task.id, TaskAction.STOP)
    await work.until_task_is(TaskStatus.STOPPED)
    state = await work.store.streams.stream(task.id, ORDERS)
    assert state is not None
    return state


@pytest.fixture
async def task(work: AtWork) -> Task:
    """A task that streamed row 4, after which the store was set back to before it."""
    task = await work.task(ORDERS, mode=TaskMode.FULL_LOAD_THEN_CDC, options=FAST)
    await work.services.control.start(task.id)
    await work.until_task_is(TaskStatus.STREAMING)
    before = await stopped(work, task)
    await work.services.control.start(task.id)
    await work.until_task_is(TaskStatus.STREAMING)
    insert(work, 4)
    await until_arrived(work, 4)
    await stopped(work, task)
    await work.store.streams.open(before)
    return task


async def compared(http: httpx.AsyncClient, task: Task) -> dict[str, Any]:
    answer = await http.post(f"/api/tasks/{task.id}/positions/compare")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def decided(http: httpx.AsyncClient, task: Task, choice: str) -> dict[str, Any]:
    answer = await http.post(f"/api/tasks/{task.id}/positions/decide", json={"choice": choice})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def control(http: httpx.AsyncClient, task: Task, action: str) -> httpx.Response:
    return await http.post(f"/api/tasks/{task.id}/control", json={"action": action})


async def test_what_was_never_compared_is_not_there(http: httpx.AsyncClient, task: Task) -> None:
    assert (await http.get(f"/api/tasks/{task.id}/positions")).status_code == 404
    answer = await http.post(f"/api/tasks/{task.id}/positions/decide", json={"choice": "store"})
    assert (answer.status_code, answer.json()["code"]) == (409, "action_not_allowed")
    answer = await http.post("/api/tasks/99/positions/compare")
    assert answer.status_code == 404


async def test_a_start_after_a_restore_waits_for_a_choice(
    http: httpx.AsyncClient, work: AtWork, task: Task
) -> None:
    order = PositionReview(
        task_id=task.id, state=ReviewState.PENDING, reason="restored", ordered_at=utc_now()
    )
    await work.store.reviews.save(order)
    assert (await control(http, task, "start")).status_code == 202
    paused = await work.until_task_is(TaskStatus.PAUSED)
    assert paused.last_error_code == "positions_differ"
    assert "dbo.orders: the target is ahead" in str(paused.last_error)
    refused = await control(http, task, "resume")
    assert (refused.status_code, refused.json()["code"]) == (409, "positions_differ")
    assert "positions/decide" in refused.json()["hint"]
    assert (await decided(http, task, "target"))["state"] == "decided"
    shown = (await http.get(f"/api/tasks/{task.id}")).json()
    assert (shown["status"], shown["last_error_code"]) == ("paused", None)
    assert (await control(http, task, "resume")).status_code == 202
    await work.until_task_is(TaskStatus.STREAMING)
    insert(work, 5)
    await until_arrived(work, 4, 5)
    review = (await http.get(f"/api/tasks/{task.id}/positions")).json()
    assert (review["state"], review["tables"][0]["choice"]) == ("settled", "target")


@pytest.mark.parametrize("choice", ["target", "store", "reload"])
async def test_each_choice_ends_with_every_row_once(
    http: httpx.AsyncClient, work: AtWork, task: Task, choice: str
) -> None:
    found = await compared(http, task)
    assert (found["state"], found["reason"]) == ("different", "asked")
    assert found["tables"][0]["choices"] == ["target", "store", "reload"]
    assert found["tables"][0]["store"]["position"] < found["tables"][0]["target"]["position"]
    loads = len(work.target.target(TARGET).loads)
    await decided(http, task, choice)
    await work.services.control.start(task.id)
    await work.until_task_is(TaskStatus.STREAMING)
    insert(work, 5)
    await until_arrived(work, 4, 5)
    assert len(work.target.target(TARGET).loads) == loads + (choice == "reload")
    changes = pa.Table.from_batches(work.target.target(TARGET).changes)
    expected = [5] if choice == "reload" else [4, 5]
    assert sorted(changes.column("id").to_pylist()) == expected  # none twice


async def test_what_agrees_settles_itself(
    http: httpx.AsyncClient, work: AtWork, task: Task
) -> None:
    await work.services.control.start(task.id)
    await work.until_task_is(TaskStatus.STREAMING)
    busy = await http.post(f"/api/tasks/{task.id}/positions/compare")
    assert (busy.status_code, busy.json()["code"]) == (409, "task_running")
    await stopped(work, task)
    found = await compared(http, task)
    assert (found["state"], found["tables"][0]["choices"]) == ("settled", [])
    assert (await control(http, task, "start")).status_code == 202


async def test_a_target_that_was_set_back(
    http: httpx.AsyncClient, work: AtWork, task: Task
) -> None:
    await work.services.control.start(task.id)
    await work.until_task_is(TaskStatus.STREAMING)
    state = await stopped(work, task)
    work.target.target(TARGET).position = state.stream.base
    assert (await compared(http, task))["tables"][0]["comparison"] == "store_ahead"
    work.target.targets.pop(TARGET)
    empty = (await compared(http, task))["tables"][0]
    assert (empty["comparison"], empty["choices"]) == ("target_empty", ["reload"])
    answer = await http.post(f"/api/tasks/{task.id}/positions/decide", json={"choice": "store"})
    assert (answer.status_code, answer.json()["field"]) == (422, "$.choice")
    assert "reload" in answer.json()["hint"]
    await decided(http, task, "reload")
    await work.services.control.start(task.id)
    await work.until_task_is(TaskStatus.STREAMING)
    assert arrived(work) == [1, 2, 3, 4]


async def test_a_target_with_a_load_the_store_does_not_know(
    http: httpx.AsyncClient, work: AtWork, task: Task
) -> None:
    state = await work.store.streams.stream(task.id, ORDERS)
    assert state is not None
    older = replace(state.stream, generation=LoadId("older"))
    await work.store.streams.open(replace(state, stream=older))
    other = (await compared(http, task))["tables"][0]
    assert (other["comparison"], other["choices"]) == ("other_load", ["target", "reload"])
    await decided(http, task, "target")
    await work.services.control.start(task.id)
    await work.until_task_is(TaskStatus.STREAMING)
    insert(work, 5)
    await until_arrived(work, 4, 5)
    now = await work.store.streams.stream(task.id, ORDERS)
    assert now is not None
    assert now.stream.generation == state.stream.generation


async def test_tables_are_decided_one_by_one_and_a_forced_start_is_a_choice(
    http: httpx.AsyncClient, work: AtWork
) -> None:
    task = await work.task(ORDERS, LINES)
    await work.services.control.start(task.id)
    await work.until_ended()
    await work.until_task_is(TaskStatus.IDLE)
    for table in (ORDERS, LINES):
        work.target.target((table.schema, table.name)).loads.clear()
    assert [t["comparison"] for t in (await compared(http, task))["tables"]] == ["target_empty"] * 2
    url = f"/api/tasks/{task.id}/positions/decide"
    one = {"choice": "reload", "tables": [{"schema": "dbo", "name": "orders"}]}
    assert (await http.post(url, json=one)).json()["state"] == "different"
    nowhere = {"choice": "reload", "tables": [{"schema": "dbo", "name": "x"}]}
    refused = await http.post(url, json=nowhere)
    assert (refused.status_code, refused.json()["field"]) == (422, "$.tables[0]")
    assert (await control(http, task, "start")).status_code == 409
    forced = {"action": "start", "force": True}
    assert (await http.post(f"/api/tasks/{task.id}/control", json=forced)).status_code == 202
    assert (await work.until_ended()).status is ExecutionStatus.COMPLETED
    assert (await http.get(f"/api/tasks/{task.id}/positions")).json()["state"] == "settled"
