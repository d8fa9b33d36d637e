import httpx

from tests.fakes.services_at_work import AtWork


async def test_each_task_answers_for_itself(http: httpx.AsyncClient, work: AtWork):
    task = await work.task()
    answer = await http.post(
        "/api/tasks/bulk", json={"action": "pause", "ids": [task.id, 2**70, task.id]}
    )
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [(r["id"], r["ok"], r["code"]) for r in results] == [
        (task.id, False, "action_not_allowed"),
        (2**70, False, "not_found"),
    ]
    assert results[0]["hint"]


async def test_tasks_are_deleted_by_their_ids_only(http: httpx.AsyncClient, work: AtWork):
    task = await work.task()
    answer = await http.post("/api/tasks/bulk", json={"action": "delete", "ids": [task.id]})
    assert answer.json()["results"] == [
        {"id": task.id, "ok": True, "code": None, "detail": "", "hint": ""}
    ]
    assert (await http.get(f"/api/tasks/{task.id}")).status_code == 404


async def test_no_ids_and_unknown_actions_are_refused(http: httpx.AsyncClient):
    assert (
        await http.post("/api/tasks/bulk", json={"action": "stop", "ids": []})
    ).status_code == 422
    assert (await http.post("/api/tasks/bulk", json={"action": "dance", "ids": [1]})).json()[
        "field"
    ] == "$.action"
