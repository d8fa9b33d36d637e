from typing import Any

import httpx
import pytest
import yaml

from dtaas.model.schema import TableRef
from tests.fakes.services_at_work import LINES, ORDERS, AtWork, Gate

SHOP = """\
apiVersion: dtaas/v1
kind: connector
name: Shop
source_type: sqlserver
connection_config:
  host: db.example
  database: shop
  username: reader
  password: ${env:DTAAS_SECRET_SHOP_PASSWORD}
---
kind: connector
name: Lake
destination_type: file
connection_config:
  path: /tmp
---
name: Nightly
source: Shop
destination: Lake
source_tables:
- {schema: dbo, name: orders}
schedule_type: after_task
schedule:
  after_task: Hourly
  on: any
---
name: Hourly
source: Shop
destination: Lake
source_tables:
- {schema: dbo, name: lines}
"""
PASSWORD = "hunter2-of-the-shop"


async def take(http: httpx.AsyncClient, text: str, status: int = 200, **given: Any) -> Any:
    headers = given.pop("headers", {})
    answer = await http.post("/api/tasks/import", json={"document": text, **given}, headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_a_whole_file_arrives_at_once_and_comes_back_as_it_is(http: httpx.AsyncClient):
    secrets = {"DTAAS_SECRET_SHOP_PASSWORD": PASSWORD}
    tried = await take(http, SHOP, dry_run=True, secrets=secrets)
    assert (tried["applied"], tried["problems"]) == (False, [])
    assert {c["action"] for c in tried["changes"]} == {"create"}
    assert {c["id"] for c in tried["changes"]} == {None}
    assert PASSWORD not in str(tried)
    assert (await http.get("/api/tasks/")).json()["total"] == 0
    done = await take(http, SHOP, secrets=secrets, headers={"if-match": tried["revision"]})
    assert done["applied"]
    tasks = {t["name"]: t for t in (await http.get("/api/tasks/")).json()["items"]}
    assert tasks["Nightly"]["schedule"]["after_task_id"] == tasks["Hourly"]["id"]
    assert {c["name"]: c["id"] for c in done["changes"] if c["kind"] == "task"} == {
        name: task["id"] for name, task in tasks.items()
    }
    text = (await http.get("/api/tasks/export", params={"with_connectors": True})).text
    assert PASSWORD not in text
    assert "password: ${env:DTAAS_SECRET_SHOP_PASSWORD}" in text
    again = await take(http, text)  # without the secret: it is kept
    assert {(c["action"], c["diff"]) for c in again["changes"]} == {("unchanged", "")}
    assert (await http.get("/api/tasks/export", params={"with_connectors": True})).text == text


async def test_all_that_is_missing_is_named_at_once_and_nothing_is_applied(
    http: httpx.AsyncClient,
):
    text = SHOP.replace("destination: Lake", "destination: Pond").replace(
        "after_task: H", "after_task: X"
    )
    refused = await take(http, text, 422)
    assert refused["code"] == "import_refused"
    found = {(p["code"], p["name"], p["field"], p["line"]) for p in refused["problems"]}
    assert found == {
        ("secret_missing", "Shop", "$.connection_config.password", 9),
        ("connector_missing", "Nightly", "$.destination", 19),
        ("task_missing", "Nightly", "$.schedule.after_task", 24),
        ("connector_missing", "Hourly", "$.destination", 29),
    }
    assert "Pond" in refused["detail"]
    assert (await http.get("/api/connectors/")).json()["total"] == 0
    dry = await take(http, text, dry_run=True)
    assert dry["problems"] == refused["problems"]


async def test_connectors_go_by_other_names_here(http: httpx.AsyncClient, work: AtWork):
    task = await work.task(ORDERS, name="There")
    text = (await http.get(f"/api/tasks/{task.id}/export")).text
    old = yaml.safe_load(text)["destination"]
    await work.services.connectors.create(
        work.target_spec(name="Pond", connection_config={"dataset": "pond"})
    )
    done = await take(http, text.replace("There", "Copy"), connector_names={old: "Pond"})
    [change] = done["changes"]
    assert change["action"] == "create"
    copy = (await http.get(f"/api/tasks/{change['id']}/export")).text
    assert yaml.safe_load(copy)["destination"] == "Pond"


async def test_a_change_shows_its_difference_and_heeds_the_revision(
    http: httpx.AsyncClient, work: AtWork
):
    task = await work.task(ORDERS, name="Shop")
    answer = await http.get(f"/api/tasks/{task.id}/export")
    assert answer.headers["content-type"].startswith("application/yaml")
    etag = answer.headers["etag"]
    assert etag == (await http.get(f"/api/tasks/{task.id}")).headers["etag"]
    text = answer.text + "description: by night\noptions:\n  concurrent_tables: 3\n"
    done = await take(http, text, headers={"if-match": etag})
    [change] = done["changes"]
    assert (change["action"], change["id"], change["applies"]) == ("update", task.id, "now")
    assert "+description: by night\n" in change["diff"]
    assert (await work.services.tasks.get(task.id)).spec.options.concurrent_tables == 3
    conflict = await take(http, answer.text, 412, headers={"if-match": etag})
    assert conflict["code"] == "revision_conflict"
    assert (await work.services.tasks.get(task.id)).spec.description == "by night"


async def test_two_tasks_of_a_file_may_not_write_one_target(http: httpx.AsyncClient, work: AtWork):
    task = await work.task(ORDERS, name="One")
    text = (await http.get(f"/api/tasks/{task.id}/export")).text
    text = text.replace("One", "Two") + "---\n" + text.replace("One", "Three")
    refused = await take(http, text, 422)
    assert {(p["code"], p["name"], p["field"]) for p in refused["problems"]} == {
        ("destination_in_use", "Two", "$.destination"),
        ("destination_in_use", "Three", "$.destination"),
    }


@pytest.mark.parametrize(
    ("text", "line", "field"),
    [
        ("a: [", 1, None),
        ("name: x\nsource: A\ndestination: B\nsource_tables: 5", 4, "$.source_tables"),
        ("kind: recipe\nname: x", 1, "$.kind"),
        ("apiVersion: dtaas/v9\nname: x", 1, "$.apiVersion"),
        ("source: x", 1, "$.name"),
        ("- a\n- b", 1, "$"),
        ("# nothing", 1, None),
        ("name: x\n---\nname: x\nmode: dance", 3, "$.name"),
        (
            "kind: connector\nname: x\nsource_type: memory\nconnection_config:\n  dataset: 5",
            5,
            "$.connection_config.dataset",
        ),
        ("kind: connector\nname: x\nsource_type: db9\nconnection_config: {}", 3, "$.source_type"),
        ("name: x\nsource_connector_id: 1", 1, "$.source"),
        ("name: x\nschedule:\n  after_task_id: 1", 3, "$.schedule.after_task_id"),
        ("name: x\nsource: [1]\nschedule: 3", 2, "$.source"),
    ],
)
async def test_mistakes_are_told_with_their_line(
    http: httpx.AsyncClient, text: str, line: int, field: str | None
):
    problems = (await take(http, text, 422))["problems"]
    assert (line, field) in {(p["line"], p["field"]) for p in problems}


async def test_several_tasks_and_connectors_are_chosen_by_id(http: httpx.AsyncClient, work: AtWork):
    first, second = await work.task(ORDERS, name="b"), await work.task(LINES, name="a")
    text = (await http.get("/api/tasks/export", params={"ids": [first.id, second.id]})).text
    assert [one["name"] for one in yaml.safe_load_all(text)] == ["b", "a"]
    missing = await http.get("/api/tasks/export", params={"ids": [first.id, 77, 78]})
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    assert "77, 78" in missing.json()["detail"]
    ids = [first.spec.source_connector_id]
    text = (await http.get("/api/connectors/export", params={"ids": ids})).text
    [connector] = yaml.safe_load_all(text)
    assert (connector["kind"], connector["source_type"]) == ("connector", "memory")


async def test_a_running_task_is_not_moved_by_a_file(http: httpx.AsyncClient, work: AtWork):
    gate = Gate(work.source, "read")
    task = await work.task(ORDERS, name="Busy")
    text = (await http.get(f"/api/tasks/{task.id}/export", params={"with_connectors": True})).text
    await http.post(f"/api/tasks/{task.id}/control", json={"action": "start"})
    await gate.reached.wait()
    moved = text.replace(f"target-{work.name}", "elsewhere").replace("name: orders", "name: lines")
    refused = await take(http, moved, 422)
    assert [p["code"] for p in refused["problems"]] == ["task_running", "task_running"]
    assert (await take(http, text + "description: later\n"))["changes"][2]["applies"] == "now"
    gate.open()
    await work.until_ended()
    assert (await work.services.tasks.get(task.id)).spec.source_tables == (
        TableRef("dbo", "orders"),
    )


async def test_the_audit_log_keeps_what_a_file_changed_but_no_secret(
    http: httpx.AsyncClient,
):
    await take(http, SHOP.replace("${env:DTAAS_SECRET_SHOP_PASSWORD}", PASSWORD))
    text = (await http.get("/api/audit/")).text
    assert "tasks.import_file" in text
    assert "Nightly" in text
    assert PASSWORD not in text
