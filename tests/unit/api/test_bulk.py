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


async def test_tags_are_added_and_taken_away(http: httpx.AsyncClient, work: AtWork):
    one, other = await work.task(), await work.task(name="other")

    async def bulk(action: str, *tags: str) -> list[bool]:
        body = {"action": action, "ids": [one.id, other.id], "tags": tags}
        answer = await http.post("/api/tasks/bulk", json=body)
        return [result["ok"] for result in answer.json()["results"]]

    async def tagged(tag: str) -> list[int]:
        answer = await http.get("/api/tasks/", params={"tag": tag, "sort": "id"})
        return [task["id"] for task in answer.json()["items"]]

    assert await bulk("tag", "nightly", "50%") == [True, True]
    assert await bulk("tag", "nightly", "lake") == [True, True]
    kept = (await http.get(f"/api/tasks/{one.id}")).json()
    assert kept["tags"] == ["nightly", "50%", "lake"]
    assert await bulk("untag", "50%") == [True, True]
    assert await tagged("nightly") == [one.id, other.id]
    assert await tagged("50%") == []
    assert await tagged("night") == []
    assert await bulk("tag", *(f"t{number}" for number in range(20))) == [False, False]
    assert (await http.get(f"/api/tasks/{one.id}")).json()["tags"] == ["nightly", "lake"]


async def test_a_wrong_tag_is_refused_with_its_place(http: httpx.AsyncClient, work: AtWork):
    task = await work.task()
    for wrong in ("", " led", "a,b", "x" * 51):
        body = {"action": "tag", "ids": [task.id], "tags": ["fine", wrong]}
        answer = await http.post("/api/tasks/bulk", json=body)
        assert (answer.status_code, answer.json()["field"]) == (422, "$.tags[1]")
