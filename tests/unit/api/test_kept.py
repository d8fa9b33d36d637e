import httpx
import msgspec

from tests.fakes.services_at_work import ORDERS, AtWork


async def test_drafts_are_kept_replaced_and_forgotten(http: httpx.AsyncClient):
    assert (await http.get("/api/drafts/new")).status_code == 404
    await http.put("/api/drafts/new", json={"body": {"name": "a"}})
    kept = await http.put("/api/drafts/new", json={"body": {"name": "b", "tables": [1]}})
    assert kept.json()["body"] == {"name": "b", "tables": [1]}
    assert (await http.get("/api/drafts/new")).json()["body"]["name"] == "b"
    assert [one["name"] for one in (await http.get("/api/drafts/")).json()["items"]] == ["new"]
    assert (await http.delete("/api/drafts/new")).status_code == 204
    assert (await http.delete("/api/drafts/new")).status_code == 404
    assert (await http.get("/api/drafts/new")).status_code == 404


async def test_views_and_drafts_do_not_meet(http: httpx.AsyncClient):
    await http.put("/api/views/failed ones", json={"body": {"status": "failed"}})
    await http.put("/api/drafts/task-1", json={"body": {}})
    assert [one["name"] for one in (await http.get("/api/views/")).json()["items"]] == [
        "failed ones"
    ]


async def test_what_cannot_be_kept_is_refused(http: httpx.AsyncClient):
    assert (await http.put(f"/api/views/{'x' * 201}", json={"body": {}})).status_code == 422
    assert (await http.put("/api/views/x", json={"body": [1]})).json()["field"] == "$.body"


async def test_a_change_of_an_old_revision_is_refused(http: httpx.AsyncClient, work: AtWork):
    task = await work.task(ORDERS)
    path = f"/api/tasks/{task.id}"
    read = await http.get(path)
    etag = read.headers["etag"]
    assert etag == f'"{read.json()["revision"]}"'
    spec = msgspec.to_builtins(task.spec)
    first = await http.put(path, json={**spec, "description": "1"}, headers={"if-match": etag})
    assert first.status_code == 200
    assert first.headers["etag"] != etag
    second = await http.put(path, json={**spec, "description": "2"}, headers={"if-match": etag})
    assert (second.status_code, second.json()["code"]) == (412, "revision_conflict")
    assert (await http.get(path)).json()["description"] == "1"
    fresh = {"if-match": first.headers["etag"]}
    assert (await http.put(path, json=spec, headers=fresh)).status_code == 200
    assert (await http.put(path, json=spec)).status_code == 200
