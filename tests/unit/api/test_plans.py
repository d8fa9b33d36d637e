from typing import Any

import httpx
import msgspec
import pyarrow as pa
import pytest

from dtaas.model.changes import Capture
from dtaas.model.schema import TableRef
from dtaas.model.task import TaskAction, TaskMode, TaskOptions, TaskSpec
from tests.fakes.services_at_work import LINES, ORDERS, AtWork, table_schema


async def found(http: httpx.AsyncClient, spec: dict[str, Any], **query: Any) -> dict[str, Any]:
    answer = await http.post("/api/tasks/validate", json=spec, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def plain(spec: TaskSpec) -> dict[str, Any]:
    return msgspec.to_builtins(spec)


async def test_a_good_task_has_no_problems_and_nothing_is_stored(
    http: httpx.AsyncClient, work: AtWork
):
    told = await found(http, plain(await work.task_spec()))
    assert told == {"ok": True, "problems": [], "tables_examined": 2, "tables_left": 0}
    assert (await http.get("/api/tasks/")).json()["total"] == 0
    assert "validate" not in (await http.get("/api/audit/")).text


async def test_all_problems_are_told_at_once(http: httpx.AsyncClient, work: AtWork):
    other = await work.task(ORDERS, name="other")
    spec = plain(await work.task_spec(ORDERS, LINES, name="other"))
    spec |= {
        "destination_connector_id": other.spec.destination_connector_id,
        "schedule_type": "interval",
        "source_tables": [*spec["source_tables"], {"schema": "dbo", "name": "nowhere"}],
        "table_mappings": [
            {
                "source": {"schema": "dbo", "name": "lines"},
                "target": ["dbo", "Orders"],
                "key": ["number"],
                "exclude_columns": ["colour"],
            },
            {"source": {"schema": "dbo", "name": "orders"}, "key": ["nr"]},
            {"source": {"schema": "dbo", "name": "unlisted"}},
        ],
        "table_rules": {"target": "{tabel}"},
    }
    fields = [(p["code"], p["field"]) for p in (await found(http, spec))["problems"]]
    assert fields == [
        ("validation_failed", "$.table_rules.target"),
        ("validation_failed", "$.table_mappings[2].source"),
        ("validation_failed", "$.schedule_interval_seconds"),
        ("validation_failed", "$.name"),
        ("validation_failed", "$.table_mappings[1].key[0]"),
        ("validation_failed", "$.table_mappings[0]"),
        ("table_not_found", "$.source_tables[2]"),
    ]
    spec["table_rules"] = {}
    fields = [(p["code"], p["field"]) for p in (await found(http, spec, look=False))["problems"]]
    assert ("target_collision", "$.table_mappings") in fields
    assert not any(field == "$.source_tables[2]" for _, field in fields)


async def test_missing_connectors_are_both_told(http: httpx.AsyncClient):
    spec = {
        "name": "x",
        "source_connector_id": 77,
        "destination_connector_id": 78,
        "source_tables": [],
    }
    told = await found(http, spec)
    assert [p["field"] for p in told["problems"]] == [
        "$.source_connector_id",
        "$.destination_connector_id",
    ]


async def test_a_task_may_take_its_own_place(http: httpx.AsyncClient, work: AtWork):
    task = await work.task(ORDERS)
    assert (await found(http, plain(task.spec), task_id=task.id))["ok"]
    assert not (await found(http, plain(task.spec)))["ok"]


async def test_tables_without_a_watermark_are_told_before_they_run(
    http: httpx.AsyncClient, work: AtWork
):
    spec = plain(await work.task_spec(ORDERS, LINES)) | {"mode": "incremental"}
    told = (await found(http, spec))["problems"]
    assert [(p["code"], p["field"]) for p in told] == [
        ("watermark_needed", "$.table_mappings"),
        ("watermark_needed", "$.table_mappings"),
    ]
    assert all(p["hint"] for p in told)
    spec["table_mappings"] = [
        {"source": {"schema": t.schema, "name": t.name}, "watermark": {"column": column}}
        for t, column in ((ORDERS, "id"), (LINES, "nowhere"))
    ]
    told = (await found(http, spec))["problems"]
    assert [p["field"] for p in told] == ["$.table_mappings[1].watermark"]
    assert (await found(http, spec, look=False))["ok"]


async def test_a_plan_says_which_way_changes_are_read(http: httpx.AsyncClient, work: AtWork):
    options = TaskOptions(capture=Capture.CHANGE_TRACKING)
    task = await work.task(ORDERS, mode=TaskMode.FULL_LOAD_THEN_CDC, options=options)
    [table] = (await planned(http, task.id))["tables"]
    assert any("Change Tracking" in step["text"] for step in table["steps"])


@pytest.mark.parametrize(("pattern", "ok"), [("dbo.*", True), ("hr.*", False)])
async def test_patterns_are_looked_up(
    http: httpx.AsyncClient, work: AtWork, pattern: str, ok: bool
):
    spec = plain(await work.task_spec(table_rules={"include": [pattern]})) | {"source_tables": []}
    told = await found(http, spec)
    assert told["ok"] is ok
    assert [p["field"] for p in told["problems"]] == ([] if ok else ["$.table_rules.include"])


async def planned(http: httpx.AsyncClient, task_id: int, **query: Any) -> dict[str, Any]:
    answer = await http.post(f"/api/tasks/{task_id}/plan", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_plan_says_what_a_run_does_and_changes_nothing(
    http: httpx.AsyncClient, work: AtWork
):
    task = await work.task(ORDERS)
    plan = await planned(http, task.id)
    [table] = plan["tables"]
    assert [(s["kind"], s["destructive"]) for s in table["steps"]] == [("create", False)]
    assert (table["rows"], table["chunks"], table["columns"], table["key"]) == (3, 1, 2, ["id"])
    assert (plan["seconds_low"], plan["destructive"]) == (None, [])
    assert work.target.targets == {}
    await work.services.control.act(task.id, TaskAction.START)
    await work.until_ended()
    plan = await planned(http, task.id)
    [table] = plan["tables"]
    assert [(s["kind"], s["destructive"]) for s in table["steps"]] == [("replace", True)]
    assert "3 rows" in plan["destructive"][0]
    assert (plan["executions"], plan["rows"]) == (1, 3)
    assert plan["seconds_high"] >= plan["seconds_low"] > 0
    fewer = table_schema(ORDERS)
    fewer = msgspec.structs.replace(fewer, columns=fewer.columns[:1])
    work.source.add(fewer, pa.table({"id": [1]}))
    [table] = (await planned(http, task.id))["tables"]
    assert [(s["kind"], s["destructive"]) for s in table["steps"]] == [
        ("columns", True),
        ("replace", True),
    ]
    assert "lose name" in table["steps"][0]["text"]


async def test_a_plan_finds_new_tables_and_tells_of_those_that_are_gone(
    http: httpx.AsyncClient, work: AtWork
):
    spec = await work.task_spec(table_rules={"include": ["dbo.*"]})
    task = await work.services.tasks.create(msgspec.convert(plain(spec), TaskSpec))
    await work.services.control.act(task.id, TaskAction.START)
    await work.until_ended()
    notes = TableRef("dbo", "notes")
    work.source.add(table_schema(notes), pa.table({"id": [1], "name": ["n"]}))
    del work.source.tables[LINES]
    plan = await planned(http, task.id)
    assert plan["new_tables"] == [{"schema": "dbo", "name": "notes"}]
    assert plan["gone_tables"] == [{"schema": "dbo", "name": "lines"}]
    only = await planned(http, task.id, table="dbo.notes")
    assert [t["table"]["name"] for t in only["tables"]] == ["notes"]
    missing = await http.post(f"/api/tasks/{task.id}/plan", params={"table": "dbo.lines"})
    assert missing.status_code == 404


async def test_a_table_that_cannot_be_read_does_not_hide_the_others(
    http: httpx.AsyncClient, work: AtWork
):
    task = await work.task(ORDERS, LINES)
    del work.source.tables[LINES]
    orders, lines = (await planned(http, task.id))["tables"]
    assert (orders["error_code"], lines["error_code"]) == (None, "table_not_found")


async def unsaved(http: httpx.AsyncClient, spec: TaskSpec, **query: Any) -> dict[str, Any]:
    answer = await http.post("/api/tasks/plan", json=plain(spec), params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_plan_is_made_of_a_task_that_is_not_stored(http: httpx.AsyncClient, work: AtWork):
    plan = await unsaved(http, await work.task_spec(ORDERS, LINES))
    assert (plan["task_id"], [t["table"]["name"] for t in plan["tables"]]) == (
        0,
        ["orders", "lines"],
    )
    assert [s["kind"] for s in plan["tables"][0]["steps"]] == ["create"]
    assert (await http.get("/api/tasks/")).json()["total"] == 0
    assert work.target.targets == {}


async def test_a_plan_of_changes_knows_what_the_stored_task_did(
    http: httpx.AsyncClient, work: AtWork
):
    task = await work.task(ORDERS)
    changed = msgspec.structs.replace(task.spec, source_tables=(ORDERS, LINES))
    plan = await unsaved(http, changed, task_id=task.id)
    assert (plan["task_id"], len(plan["tables"])) == (task.id, 2)
    assert (await planned(http, task.id))["tables"] == plan["tables"][:1]
    answer = await http.post("/api/tasks/plan", json=plain(changed), params={"task_id": 9999})
    assert answer.status_code == 404
