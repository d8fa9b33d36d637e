"""Leaving tables of a running execution out, and trying them again, through the API."""

import httpx
import msgspec
import pytest
from anyio import Event, Lock, fail_after

from dtaas.model.errors import ActionNotAllowedError
from dtaas.model.ids import TaskId
from dtaas.model.schema import TableRef
from dtaas.model.task import TaskStatus
from dtaas.services.table_steering import TableAction, TableSteering
from tests.fakes.services_at_work import LINES, ORDERS, AtWork

LIMIT_S = 20.0
NAMED = [{"schema": table.schema, "name": table.name} for table in (ORDERS, LINES)]


@pytest.fixture
async def held(http: httpx.AsyncClient, work: AtWork) -> tuple[str, Event]:
    """Start a task whose tables are held before their first row; return where it is steered."""
    gate, reached = Event(), Event()

    async def hook(step: str, _table: TableRef) -> None:
        if step == "read":
            reached.set()
            await gate.wait()

    work.source.hook = hook
    spec = msgspec.to_builtins(await work.task_spec())
    at = f"/api/tasks/{(await http.post('/api/tasks/', json=spec)).json()['id']}"
    assert (await http.post(f"{at}/control", json={"action": "start"})).status_code == 202
    with fail_after(LIMIT_S):
        await reached.wait()
    return f"{at}/tables/control", gate


async def test_a_table_is_left_out_and_tried_again(
    http: httpx.AsyncClient, work: AtWork, held: tuple[str, Event]
) -> None:
    at, gate = held
    answer = await http.post(at, json={"action": "skip", "tables": NAMED[1:]})
    assert answer.status_code == 202, answer.text
    assert [one["table"] for one in answer.json()["items"]] == NAMED[1:]
    with fail_after(LIMIT_S):  # it is cancelled, which takes a moment
        while True:
            answer = await http.post(at, json={"action": "retry", "tables": NAMED[1:]})
            if answer.status_code == 202:
                break
            assert answer.json()["code"] == "action_not_allowed"
    assert answer.json()["items"] == [{"table": NAMED[1], "phase": "waiting"}]
    gate.set()
    assert (await work.until_ended()).status == "completed"


async def test_what_makes_no_sense_is_refused_with_the_reason(
    http: httpx.AsyncClient, work: AtWork, held: tuple[str, Event]
) -> None:
    at, gate = held
    answer = await http.post(at, json={"action": "skip", "tables": NAMED})
    assert (answer.status_code, answer.json()["code"]) == (409, "action_not_allowed")
    assert "Nothing of the execution would be left" in answer.json()["detail"]
    answer = await http.post(at, json={"action": "retry", "tables": NAMED[:1]})
    assert answer.status_code == 409
    assert "cannot be tried again now" in answer.json()["detail"]
    gone = {"schema": "dbo", "name": "gone"}
    answer = await http.post(at, json={"action": "skip", "tables": [NAMED[0], gone]})
    assert (answer.status_code, answer.json()["field"]) == (422, "$.tables[1]")
    for wrong in ({"action": "skip", "tables": []}, {"action": "explode", "tables": NAMED}):
        assert (await http.post(at, json=wrong)).status_code == 422
    gate.set()
    assert (await work.until_ended()).status == "completed"
    await work.until_task_is(TaskStatus.IDLE)
    answer = await http.post(at, json={"action": "skip", "tables": NAMED[:1]})
    assert answer.status_code == 409
    assert "no execution of it runs here" in answer.json()["detail"]


async def test_a_daemon_that_has_not_the_task_says_which_has(work: AtWork) -> None:
    async def host_of(_task: TaskId) -> str | None:
        return "vm-7:4242"

    steering = TableSteering(
        states=work.store.engine, runner=work.supervisor, changing=Lock(), host_of=host_of
    )
    task = await work.task()
    with pytest.raises(ActionNotAllowedError, match="on vm-7:4242, not here") as refused:
        await steering.act(task.id, TableAction.SKIP, [ORDERS])
    assert "where their task runs" in refused.value.hint
