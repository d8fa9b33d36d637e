import msgspec
from anyio import fail_after

from dtaas.model.execution import ExecutionStatus
from dtaas.model.schema import TableRef
from dtaas.model.task import Task, TaskStatus
from tests.fakes.services_at_work import ORDERS, AtWork, Gate


async def body(work: AtWork, **changed: object) -> dict:
    return {**msgspec.json.decode(msgspec.json.encode(await work.task_spec())), **changed}


async def held(http, work: AtWork, task: Task) -> Gate:
    gate = Gate(work.source, "read")
    answer = await http.post(f"/api/tasks/{task.id}/control", json={"action": "start"})
    assert answer.status_code == 202
    with fail_after(10):
        await gate.reached.wait()
    await work.until_task_is(TaskStatus.RUNNING)
    return gate


async def test_create_read_list_and_delete(http, work: AtWork):
    sent = await body(work, name="nightly")
    answer = await http.post("/api/tasks/", json=sent)
    assert answer.status_code == 201
    made = answer.json()
    assert {**made, **sent} == made
    assert made["status"] == "idle"
    assert made["allowed_actions"] == ["start"]
    assert (await http.get(answer.headers["location"])).json() == made
    listed = (await http.get("/api/tasks/?q=NIGHT&status=idle&status=failed")).json()
    assert listed["items"] == [made]
    assert (await http.get("/api/tasks/?status=failed")).json()["total"] == 0
    source = made["source_connector_id"]
    assert (await http.get(f"/api/tasks/?connector_id={source}")).json()["total"] == 1
    used = await http.delete(f"/api/connectors/{source}")
    assert (used.status_code, used.json()["code"]) == (409, "in_use")
    assert "'nightly'" in used.json()["detail"]
    assert (await http.delete(f"/api/tasks/{made['id']}")).status_code == 204
    assert (await http.get(f"/api/tasks/{made['id']}")).status_code == 404


async def test_control_runs_a_task_and_its_execution_can_be_read(http, work: AtWork):
    task = await work.task()
    answer = await http.post(f"/api/tasks/{task.id}/control", json={"action": "start"})
    assert answer.status_code == 202
    assert answer.json()["id"] == task.id
    assert (await work.until_ended()).status is ExecutionStatus.COMPLETED
    listed = (await http.get(f"/api/tasks/{task.id}/executions")).json()
    assert listed["total"] == 1
    execution = listed["items"][0]
    assert execution["status"] == "completed"
    assert execution["processed_rows"] == 6
    detail = (await http.get(f"/api/executions/{execution['id']}")).json()
    assert {**detail, **execution} == detail
    assert {t["table"]["name"]: t["rows_done"] for t in detail["tables"]} == {
        "orders": 3,
        "lines": 3,
    }
    failed = await http.get(f"/api/tasks/{task.id}/executions?status=failed")
    assert failed.json()["total"] == 0
    metrics = (await http.get("/api/dashboard/metrics")).json()
    assert metrics["figures"]["completed_24h"] == 1
    assert metrics["figures"]["rows_24h"] == 6
    assert metrics["recent"][0]["task_name"] == task.spec.name
    assert metrics["needs_attention"] == []


async def test_an_execution_tells_what_it_was_told_and_what_changed_since(http, work: AtWork):
    task = await work.task()
    await http.post(f"/api/tasks/{task.id}/control", json={"action": "start"})
    execution = (await work.until_ended()).id
    sent = msgspec.to_builtins(task.spec)
    answer = await http.put(f"/api/tasks/{task.id}", json={**sent, "batch_rows": 500})
    assert answer.status_code == 200, answer.text
    told = (await http.get(f"/api/executions/{execution}/configuration")).json()
    assert (told["execution_id"], told["task_id"]) == (execution, task.id)
    assert told["used"] == {**told["present"], "batch_rows": sent["batch_rows"]}
    assert told["present"]["batch_rows"] == 500
    assert (await http.get("/api/executions/404/configuration")).status_code == 404
    newest = (await http.get("/api/executions/newest")).json()
    assert [one["task_id"] for one in newest["tasks"]] == [task.id]
    assert [(run["id"], run["status"]) for run in newest["tasks"][0]["runs"]] == [
        (execution, "completed")
    ]
    assert (await http.get("/api/executions/newest?count=51")).status_code == 422


async def test_a_refused_action_says_what_is_possible(http, work: AtWork):
    task = await work.task()
    await held(http, work, task)
    answer = await http.post(f"/api/tasks/{task.id}/control", json={"action": "start"})
    assert answer.status_code == 409
    problem = answer.json()
    assert problem["code"] == "action_not_allowed"
    assert problem["task_status"] == "running"
    assert problem["allowed_actions"] == ["pause", "stop"]


async def test_live_figures_of_a_running_execution(http, work: AtWork):
    task = await work.task(ORDERS)
    await held(http, work, task)
    running = (await http.get(f"/api/tasks/{task.id}/executions?status=running")).json()
    detail = (await http.get(f"/api/executions/{running['items'][0]['id']}")).json()
    assert {t["phase"] for t in detail["tables"]} == {"loading"}


async def test_put_of_a_running_task(http, work: AtWork):
    task = await work.task()
    await held(http, work, task)
    sent = msgspec.to_builtins(task.spec)
    answer = await http.put(f"/api/tasks/{task.id}", json={**sent, "batch_rows": 500})
    assert answer.status_code == 200
    assert answer.json()["applies"] == "next_start"
    fewer = {**sent, "source_tables": sent["source_tables"][:1]}
    answer = await http.put(f"/api/tasks/{task.id}", json=fewer)
    assert (answer.status_code, answer.json()["code"]) == (409, "task_running")
    answer = await http.delete(f"/api/tasks/{task.id}")
    assert (answer.status_code, answer.json()["code"]) == (409, "task_running")


async def test_conflicts_of_targets(http, work: AtWork):
    first = await work.task(name="first")
    again = {**msgspec.to_builtins(first.spec), "name": "second"}
    answer = await http.post("/api/tasks/", json=again)
    assert (answer.status_code, answer.json()["code"]) == (409, "destination_in_use")
    assert "'first'" in answer.json()["detail"]
    mapping = {"source": {"schema": "dbo", "name": "orders"}, "target": ["dbo", "lines"]}
    answer = await http.post("/api/tasks/", json=await body(work, table_mappings=[mapping]))
    assert (answer.status_code, answer.json()["code"]) == (422, "target_collision")


async def test_names_of_any_kind_come_back_as_they_were(http, work: AtWork):
    names = ["a]b", "quo\"te's", "sla/sh", "emoji 🦆", "ünï", "tab\tname", "%_[]"]
    tables = [{"schema": "dbo", "name": name} for name in names]
    sent = await body(work, source_tables=tables, name="🦆/]'\"")
    answer = await http.post("/api/tasks/", json=sent)
    assert answer.status_code == 201, answer.text
    assert answer.json()["source_tables"] == tables
    found = (await http.get("/api/tasks/", params={"q": "/]'"})).json()
    assert [item["name"] for item in found["items"]] == ["🦆/]'\""]


async def test_a_failed_task_needs_attention(http, work: AtWork):
    task = await work.task()
    work.source.tables.clear()
    await http.post(f"/api/tasks/{task.id}/control", json={"action": "start"})
    assert (await work.until_ended()).status is ExecutionStatus.FAILED
    await work.until_task_is(TaskStatus.FAILED)
    (trouble,) = (await http.get("/api/dashboard/metrics")).json()["needs_attention"]
    assert trouble["kind"] == "task_failed"
    assert trouble["name"] == task.spec.name
    assert trouble["code"] == "tables_failed"


async def test_tables_are_found_by_part_of_their_name(http, work: AtWork):
    first = await work.task(TableRef("sales", "Orders"), TableRef("dbo", "notes"))
    second = await work.task(TableRef("dbo", "orders_old"))

    async def found(**asked: object) -> list[tuple[int, str]]:
        answer = (await http.get("/api/tasks/tables", params=asked)).json()["items"]
        return [(one["task_id"], one["table"]["name"]) for one in answer]

    expected = {(first.id, "Orders"), (second.id, "orders_old")}
    assert set(await found(q="ORDERS")) == expected
    assert await found(q="sales.ord") == [(first.id, "Orders")]
    assert len(await found(q="o", limit=2)) == 2
    for absent in ("name", "schema", "dbo.Orders_new", '"', "%", "_s"):
        assert await found(q=absent) == [], absent
    assert (await http.get("/api/tasks/tables", params={"q": ""})).status_code == 422
